"""
Changes as lines of text: groups of aligned rows, and what they come to.

Texts are cut for the lines alone, and what cannot be seen is made visible. Nothing here
decides, sends or prints.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import frozen

from tieout.change import Action, Change, Issue
from tieout.effects import Effect, Effects, summed, worth
from tieout.errors import Fault, Severity
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Posting,
    Record,
    RecordType,
    Ref,
    Settlement,
    visible,
)
from tieout.money import Money, amount

ROWS = 20
"""Rows of one group: with its title and the line below them they fit on a terminal of 24
lines. Whoever reads more than a screen of a group reads all of it."""

WIDTH = 120
"""Columns of a line: what terminals, review pages and sheets of paper on their side show
without breaking it."""

NUMBER_MAX, NAME_MAX = 24, 28
"""Characters of a number and of a name: most are shorter, and a long one must not push the
money of all other rows to the edge."""

KINDS: Mapping[RecordType, str] = {
    Customer: "Customers",
    Invoice: "Invoices",
    CreditNote: "Credit notes",
    Payment: "Payments",
    Application: "Applications",
    Posting: "Postings",
    Settlement: "Paid amounts",
}
"""What groups are called, in the order in which documents depend on each other."""

ACTIONS: Mapping[Action, str] = {
    Action.CREATE: "to create",
    Action.UPDATE: "to update",
    Action.VOID: "to void",
    Action.KEEP: "to leave as they are",
}

_KIND_PLACES = {kind: place for place, kind in enumerate(KINDS)}
_ACTION_PLACES = {action: place for place, action in enumerate(ACTIONS)}

_INDENT, _GAP = "  ", "  "


# Groups -------------------------------------------------------------------------------


def groups(
    changes: Sequence[Change], *, rows: int | None = ROWS, width: int = WIDTH
) -> Iterator[str]:
    """
    Changes in groups of one kind, action and connection, each below its title.

    ``rows`` of each group at most, the rest summed up in one line; None for all of them.
    """
    known = _known(changes)
    for title, some in grouped(changes):
        shown = some[:rows]
        yield ""
        yield cut(f"{title} ({len(some):,})", width)
        yield from _aligned([_row(each, known) for each in shown], width)
        if len(shown) < len(some):
            yield from _rest(some[len(shown) :], width)


def grouped(changes: Iterable[Change]) -> Iterator[tuple[str, Sequence[Change]]]:
    """Changes of one kind, action and connection together, in order, under their title."""
    held: dict[tuple[int, int, str], list[Change]] = {}
    for change in changes:
        held.setdefault(_group(change), []).append(change)
    for key in sorted(held):
        some = sorted(held[key], key=_place)
        what = f"{_kind(some[0])} {ACTIONS[some[0].action]}"
        yield f"{what} in {visible(some[0].connection)}", some


def _group(change: Change) -> tuple[int, int, str]:
    kind = _KIND_PLACES.get(change.kind, len(_KIND_PLACES))
    return kind, _ACTION_PLACES[change.action], change.connection


def _kind(change: Change) -> str:
    return KINDS.get(change.kind, change.kind.__name__)


def _place(change: Change) -> tuple[int, str, str, str]:
    """INV-9 before INV-10; and the same order wherever the plan comes from."""
    number = _number(change)
    return len(number), number, change.source.id, change.name


def _rest(changes: Sequence[Change], width: int) -> Iterator[str]:
    effects, _ = summed(changes)
    # Of what is made or taken away, the title says already what it does to money.
    told = len(effects) > 1 or changes[0].action is Action.UPDATE
    parts = [["…", "and", f"{len(changes):,}", "more"]]
    for effect, held in effects.items():
        parts.append([*(effect.value.split() if told else ()), *_moneys(held)])
    yield from wrapped(_listed(parts), width, "", _INDENT)


# A row --------------------------------------------------------------------------------


@frozen
class _Row:
    """One change in cells; ``before`` is empty where the amount stays or has none."""

    sign: str
    number: str
    name: str
    before: str
    after: str
    day: str
    reason: str


def _row(change: Change, known: Mapping[Ref, str]) -> _Row:
    before, after = _from_to(change, _worth)
    names = _from_to(change, lambda record: _name(record, known))
    return _Row(
        change.action.value,
        cut(visible(_number(change)), NUMBER_MAX),
        " → ".join(cut(visible(name), NAME_MAX) for name in names if name),
        visible(before),
        visible(after),
        " → ".join(filter(None, _from_to(change, _day))),
        visible(change.reason),
    )


def _from_to(change: Change, show: Callable[[Record], str]) -> tuple[str, str]:
    """What a change shows before and after; "" before where that is no news."""
    before = "" if change.before is None else show(change.before)
    after = "" if change.after is None else show(change.after)
    if change.action is Action.VOID:
        return "", before or after
    is_news = change.before is not None and before != after
    return (before or "-" if is_news else ""), (after or "-" if is_news else after)


def _number(change: Change) -> str:
    record: Any = change.after or change.before
    return change.number or getattr(record, "number", "")


def _worth(record: Record) -> str:
    held = worth(record)
    return "" if held is None else in_words(*held)


def in_words(value: Decimal, currency: str) -> str:
    """An amount as `Money` prints it; one that its currency cannot hold as it stands."""
    try:
        return str(Money(amount(value, currency), currency))
    except Fault:
        return f"{value} {currency}".strip()


def _moneys(held: Mapping[str, Money]) -> list[str]:
    """Amounts in one order; an amount and its currency stay in one line."""
    return _listed([[in_words(each.amount, each.currency)] for each in held.values()])


def _listed(parts: Sequence[Sequence[str]]) -> list[str]:
    """The words of several parts, with commas between the parts."""
    words = [[*part[:-1], f"{part[-1]},"] for part in parts[:-1]]
    return [word for part in (*words, *parts[-1:]) for word in part]


def _day(record: Record) -> str:
    day = (
        record.paid_on
        if isinstance(record, Settlement)
        else getattr(record, "on", None)
    )
    day = day.date() if isinstance(day, datetime) else day
    return day.isoformat() if day else ""


def _name(record: Record, known: Mapping[Ref, str]) -> str:
    """Whom or what it concerns, as far as the plan knows; a customer's id at least."""
    match record:
        case Customer():
            return record.name
        case Invoice() | CreditNote() | Payment() if record.customer:
            return known.get(record.customer, record.customer.id)
        case Settlement() if record.customer:
            return known.get(record.customer, "")
        case Application():
            ends = (record.source, record.target)
            return " to ".join(known.get(each, each.id) for each in ends)
        case Posting():
            return record.batch
    return ""


def _known(changes: Iterable[Change]) -> dict[Ref, str]:
    """What the customers and documents of these changes are called, by ref."""
    found: dict[Ref, str] = {}
    names: dict[Ref, str] = {}
    for change in changes:
        record = change.after or change.before
        refs = [change.source, change.target, record.ref if record else None]
        if isinstance(record, Customer):
            called, into = record.name, names
        elif isinstance(record, Invoice | CreditNote | Payment):
            called, into = _number(change), found
            if record.customer is not None and change.customer:
                found.setdefault(record.customer, change.customer)
        elif isinstance(record, Application):
            # Its numbers are those of the invoice and of what is applied to it.
            called, refs, into = change.number, [record.target], found
            others = [each for each in change.also if each != change.number]
            found.update((record.source, each) for each in others[:1])
        else:
            continue
        # What is yet to be made has no id.
        into.update((ref, called) for ref in refs if ref and ref.id and called)
    return found | names  # a name says more than a number


# Columns ------------------------------------------------------------------------------

_SIGN, _NUMBER, _NAME, _MONEY, _DAY, _REASON = range(6)
_SHRINK = (
    (_REASON, 16),
    (_NAME, 12),
    (_NUMBER, 12),
    (_REASON, 0),
    (_NAME, 6),
    (_NUMBER, 6),
)
"""Which column gives room, and down to how much: reasons first, as they decide nothing;
amounts and days never."""


def _aligned(rows: Sequence[_Row], width: int) -> Iterator[str]:
    """Rows as lines of aligned columns, no wider than that."""
    before = max((columns(row.before) for row in rows), default=0)
    after = max((columns(row.after) for row in rows), default=0)
    lines = [_cells(row, before, after) for row in rows]
    widths = _fitting(
        [max(map(columns, each)) for each in zip(*lines, strict=True)], width
    )
    for line in lines:
        texts = [
            padded(cut(cell, room), room)
            for cell, room in zip(line, widths, strict=True)
            if room
        ]
        yield cut(_GAP.join(texts).rstrip(), width)


def _cells(row: _Row, before: int, after: int) -> tuple[str, ...]:
    arrow = " → " if row.before else "   "
    was = padded(row.before, before, right=True) + arrow if before else ""
    money = was + padded(row.after, after, right=True)
    return row.sign, row.number, row.name, money, row.day, row.reason


def _fitting(widths: list[int], width: int) -> list[int]:
    """The widths of columns, reduced until a line is no wider than that."""
    sizes = [*widths]
    for at, least in _SHRINK:
        taken = sum(size + len(_GAP) for size in sizes if size) - len(_GAP)
        over = taken - width
        if over > 0:
            sizes[at] -= min(over, max(0, sizes[at] - least))
    return sizes


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(e) in "WF" else 1 for e in text)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """The text filled up with blanks to so many columns."""
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def cut(text: str, width: int) -> str:
    """The text, or as much of its beginning as fits, with "…" for the rest."""
    if columns(text) <= width:
        return text
    at, room = 0, width - 1
    while (room := room - columns(text[at])) >= 0:
        at += 1
    return text[:at].rstrip() + "…"


def wrapped(words: list[str], width: int, first: str, others: str) -> Iterator[str]:
    """Words in lines, the first of which begins with ``first``, and the others so."""
    line, bare = first, True
    for word in words:
        if not bare and columns(f"{line} {word}") > width:
            yield line
            line, bare = others, True
        line = line + word if bare else f"{line} {word}"
        bare = False
        while columns(line) > width:  # one word that is longer than a line
            kept = cut(line, width)[:-1]
            yield kept
            line = others + line[len(kept) :]
    yield line


# What it comes to ---------------------------------------------------------------------


def complaints(
    issues: Sequence[Issue], *, rows: int | None = ROWS, width: int = WIDTH
) -> Iterator[str]:
    """Issues as paragraphs; of more than so many, the rest is counted by code."""
    shown = issues[:rows]
    for issue in shown:
        begin = f"{issue.severity.sign} "
        yield from wrapped(visible(str(issue)).split(), width, begin, _INDENT)
    rest = issues[len(shown) :]
    left = Counter(each.code.name for each in rest)
    if left:
        codes = ", ".join(f"{n:,} {code}" for code, n in sorted(left.items()))
        text = f"… and {left.total():,} more: {codes}"
        red = any(each.severity is Severity.RED for each in rest)
        begin = f"{(Severity.RED if red else Severity.YELLOW).sign} "
        yield from wrapped(text.split(), width, begin, _INDENT)


def sums(effects: Effects, left_out: int = 0, *, width: int = WIDTH) -> Iterator[str]:
    """What changes come to in money, one effect a line, one column a currency."""
    if effects or left_out:
        yield ""
        yield "In all"
    label = max((len(effect.value) for effect in effects), default=0)
    if len(_INDENT) + label + len(_GAP) > width // 2:
        label = 0  # beside it there would be no room for money
    table = _columned(effects)
    begin = len(_INDENT) + label + len(_GAP)
    fits = label and all(begin + columns(row) <= width for row in table.values())
    for effect, held in effects.items():
        first = f"{_INDENT}{effect.value.ljust(label)}{_GAP}"
        hang = " " * len(first) if label else _INDENT * 2
        if fits:
            yield f"{first}{table[effect]}".rstrip()
        else:
            yield from wrapped(_moneys(held), width, first, hang)
    if left_out:
        text = f"not in these sums: {left_out:,} whose amount or currency is not known"
        yield from wrapped(text.split(), width, _INDENT, _INDENT * 2)


def _columned(effects: Effects) -> dict[Effect, str]:
    """The money of each effect in columns, one a currency, that end below each other."""
    cells = {
        effect: {each: in_words(it.amount, it.currency) for each, it in held.items()}
        for effect, held in effects.items()
    }
    currencies = sorted({each for held in cells.values() for each in held})
    widths = {
        each: max(columns(held.get(each, "")) for held in cells.values())
        for each in currencies
    }
    return {
        effect: _GAP.join(
            padded(held.get(each, ""), widths[each], right=True) for each in currencies
        )
        for effect, held in cells.items()
    }


def costs(calls: Mapping[str, int], *, width: int = WIDTH) -> Iterator[str]:
    """The calls by connection as a sentence; nothing where none are known."""
    told = sorted(((n, name) for name, n in calls.items() if n), key=_most_first)
    if told:
        (most, first), *others = told
        noun = "call" if most == 1 else "calls"
        parts = [f"{most:,} {noun} to {visible(first)}"]
        parts += [f"{n:,} to {visible(name)}" for n, name in others]
        yield ""
        text = f"Will take about {' and '.join(parts)}."
        yield from wrapped(text.split(), width, "", _INDENT)


def _most_first(told: tuple[int, str]) -> tuple[int, str]:
    return -told[0], told[1]
