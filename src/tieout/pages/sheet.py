"""
What a page says of a run or a plan, as a value; and the page that shows it.

Lights first, then what needs a person, then money, then the rest, closed. Nothing here
reads a store, asks a system or knows the time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from attrs import field, frozen

from tieout.change import Issue
from tieout.effects import Effect, Effects
from tieout.errors import Code, Retry, Severity
from tieout.listing import in_words
from tieout.models import Ref
from tieout.money import Money
from tieout.pages.chart import Part, bar, lamp, shares
from tieout.pages.document import document
from tieout.pages.text import NOTHING, Html, element, joined, link, own, told

log = logging.getLogger("tieout.pages")

ROWS_MAX = 2000
"""Rows of one kind: more make a file that a browser opens slowly and that nobody reads to
its end. The rest is counted; the store and the saved plan have all of it."""

OPEN_MAX = 10
"""Records of one trouble that are shown at once: as many as fit on a screen. Whoever has
more of the same needs their number first."""

Links = Callable[[Ref], str]
"""The address of a record's page in its own system, or ""."""


@frozen
class Row:
    """One record: how people call it, its money, a word about it, and its documents."""

    numbers: tuple[str, ...]
    amounts: tuple[Money, ...] = ()
    text: str = ""
    refs: tuple[Ref, ...] = ()


@frozen
class Group:
    """Records of which the same is true; ``more`` are counted and not among ``rows``."""

    title: str
    rows: tuple[Row, ...] = ()
    more: int = 0


@frozen
class Trouble:
    """Issues of one code, each with the documents it is about; ``more`` are only counted."""

    code: Code
    issues: tuple[tuple[Issue, tuple[Ref, ...]], ...]
    more: int = 0


@frozen
class Sheet:
    """
    All that a page shows.

    ``light`` and ``verdict`` are what it comes to, ``steps`` what is to be known or done
    about the whole. ``green`` counts the records that are ``done``, also those with a word
    about them. ``counts`` are by word, and ``sides`` name the connections ("billing").
    """

    title: str
    light: Severity
    verdict: str
    steps: tuple[str, ...] = ()
    red: int = 0
    yellow: int = 0
    green: int = 0
    done: str = "carried or unchanged"
    counts: Mapping[str, int] = field(factory=dict)
    totals: Mapping[str, Money] = field(factory=dict)
    effects: Effects = field(factory=dict)
    left_out: int = 0
    troubles: tuple[Trouble, ...] = ()
    groups: tuple[Group, ...] = ()
    facts: Mapping[str, str] = field(factory=dict)
    sides: Mapping[str, str] = field(factory=dict)


@frozen
class Shown:
    """A sheet on a page: with the addresses of its records, and what its ids begin with."""

    sheet: Sheet
    links: Links | None = None
    prefix: str = ""

    def address(self, ref: Ref) -> str:
        """Where a record's own page is; "" where nobody can say."""
        try:
            return self.links(ref) if self.links is not None else ""
        except Exception as error:  # noqa: BLE001 - a connector may be the host's own
            log.warning("an address raised %s", type(error).__name__)
            return ""

    def side(self, ref: Ref) -> str:
        """On which side a record is."""
        return self.sheet.sides.get(ref.connection, ref.connection)


def page(*sheets: tuple[Sheet, Links | None]) -> str:
    """
    The page of a sheet, or of several below each other.

    The same for the same sheets, whenever it is made.
    """
    shown = [
        Shown(sheet, links, f"part-{at}-" if at else "")
        for at, (sheet, links) in enumerate(sheets)
    ]
    title = "; ".join(sheet.title for sheet, _ in sheets)
    return document(title or "Nothing was run", element("main", *map(_article, shown)))


def _article(at: Shown) -> Html:
    """One sheet: what it comes to, then what needs a person, then the rest."""
    sheet = at.sheet
    reds = [each for each in sheet.troubles if each.code.severity is Severity.RED]
    rest = [each for each in sheet.troubles if each.code.severity is not Severity.RED]
    return element(
        "article",
        top(sheet),
        _lights(at),
        section(at, "counts", "At a glance", _picture(sheet.counts)),
        section(at, "money", "Money", _money(sheet)),
        section(at, "red", "Needs a person", (_trouble(e, at) for e in reds)),
        section(at, "yellow", "Worth knowing", (_trouble(e, at) for e in rest)),
        section(at, "records", "Records", (_group(e, at) for e in sheet.groups)),
        section(at, "about", "About this page", about(sheet.facts)),
        class_="sheet",
    )


def section(at: Shown, name: str, title: str, content: Iterable[Html]) -> Html:
    """A part of the page under its heading; none where there is nothing to say."""
    held, own_id = joined(*content), f"{at.prefix}{name}"
    if not held:
        return NOTHING
    heading = element("h2", own(title), id=f"{own_id}-title")
    return element(
        "section", heading, held, id=own_id, aria_labelledby=f"{own_id}-title"
    )


# At a glance --------------------------------------------------------------------------


def top(sheet: Sheet) -> Html:
    """What it is, and what it comes to."""
    light = sheet.light.value
    verdict = element(
        "p",
        lamp(light),
        element("strong", own(f"{light.capitalize()}: ")),
        told(sheet.verdict),
        class_=f"verdict {light}",
    )
    steps = [element("p", told(step), class_="step") for step in sheet.steps]
    return element("header", element("h1", told(sheet.title)), verdict, *steps)


def _lights(at: Shown) -> Html:
    """How many records have which light, each leading to where they stand."""
    sheet = at.sheet
    rows = (
        ("red", sheet.red, "needs a person" if sheet.red == 1 else "need a person"),
        ("yellow", sheet.yellow, "worth knowing"),
        ("green", sheet.green, sheet.done),
    )
    there = {
        "red": any(each.code.severity is Severity.RED for each in sheet.troubles),
        "yellow": any(each.code.severity is Severity.YELLOW for each in sheet.troubles),
        "green": bool(sheet.groups),
    }
    places = {"green": "records"}
    items = [
        element(
            "li",
            element(
                "a",
                lamp(light),
                element("b", own(f"{number:,}")),
                element("span", own(f"{light}: {words}")),
                href=f"#{at.prefix}{places.get(light, light)}"
                if there[light]
                else None,
            ),
            class_=light if number else "none",
        )
        for light, number, words in rows
    ]
    return element("ul", *items, class_="lights", aria_label="Lights")


LOOKS: Mapping[str, str] = {
    "created": "made",
    "to create": "made",
    "updated": "changed",
    "to update": "changed",
    "voided": "ended",
    "to void": "ended",
    "unchanged": "same",
    "skipped": "passed",
    "not found": "yellow",
    "unknown": "doubt",
    "left out": "doubt",
    "failed": "red",
}
"""How the words of a count look in the picture; "warning" counts no record."""

MEANINGS: Mapping[str, str] = {
    "created": "made anew on the other side",
    "to create": "to be made on the other side",
    "updated": "changed on the other side",
    "to update": "to be changed on the other side",
    "voided": "taken back on the other side",
    "to void": "to be taken back on the other side",
    "unchanged": "agree already",
    "skipped": "of no concern, or left alone",
    "not found": "the other side does not have them",
    "unknown": "the answer to a write was lost; it is looked for",
    "left out": "cannot be carried, for the reasons below",
    "failed": "could not be carried",
    "warning": "carried or left, with a word about it",
}
"""What the words of a count say."""


def _picture(counts: Mapping[str, int]) -> Iterator[Html]:
    """What became of the records: one bar, and its figures below."""
    there = {word: number for word, number in counts.items() if number}
    if not there:
        return
    known = [word for word in LOOKS if word in there]
    order = [*known, *(word for word in there if word not in LOOKS)]
    yield shares([Part(word, there[word], LOOKS[word]) for word in known])
    items = [_figure(word, there[word]) for word in order]
    yield element("ul", *items, class_="figures")


def _figure(word: str, number: int) -> Html:
    return element(
        "li",
        element("i", class_=f"swatch {LOOKS.get(word, 'none')}", aria_hidden="true"),
        element("b", told(f"{number:,} {word}")),
        element("span", own(MEANINGS.get(word, ""))),
    )


# Money --------------------------------------------------------------------------------

FALLS = frozenset(
    {
        Effect.LOWERED_INVOICES,
        Effect.VOIDED_INVOICES,
        Effect.LOWERED_CREDIT_NOTES,
        Effect.VOIDED_CREDIT_NOTES,
        Effect.PAYMENTS_LOWERED,
        Effect.PAYMENTS_TAKEN_BACK,
        Effect.PAYMENTS_UNAPPLIED,
        Effect.CREDITS_UNAPPLIED,
        Effect.OTHERS_UNAPPLIED,
        Effect.PAID_FALLEN,
    }
)
"""What takes away or lowers: drawn as an outline, what adds as a full bar."""


def _money(sheet: Sheet) -> Iterator[Html]:
    """A card for each currency: amounts of two are neither added nor compared."""
    held: dict[str, list[tuple[Effect, Money]]] = {}
    for effect, sums in sheet.effects.items():
        for money in sums.values():
            held.setdefault(money.currency, []).append((effect, money))
    currencies = sorted({*held, *sheet.totals})
    cards = [
        _card(each, sheet.totals.get(each), held.get(each, [])) for each in currencies
    ]
    if cards:
        yield element("div", *cards, class_="cards")
    if sheet.left_out:
        words = (
            f"{sheet.left_out:,} whose amount or currency is not known are in no sum."
        )
        yield element("p", own(words), class_="quiet")


def _card(
    currency: str, total: Money | None, effects: Sequence[tuple[Effect, Money]]
) -> Html:
    top = [element("h3", own(currency))]
    if total is not None:
        sign = "+" if total.amount > 0 else ""
        figure = element("b", own(f"{sign}{_figures(total)}"), class_="total")
        words = element("small", own("change of the paid amounts in billing"))
        top.append(element("p", figure, words))
    greatest = max((money.amount for _, money in effects), default=Decimal(0))
    rows = [_effect(effect, money, greatest) for effect, money in effects]
    if not rows:
        return element("article", *top, class_="card")
    titles = [element("th", own(t), scope="col") for t in ("Effect", "Amount")]
    head = element("thead", element("tr", *titles), class_="heard")
    table = element("table", head, element("tbody", *rows), class_="effects")
    return element("article", *top, table, class_="card")


def _effect(effect: Effect, money: Money, greatest: Decimal) -> Html:
    look = "less" if effect in FALLS else "more"
    name = element(
        "th", own(effect.value), bar(money.amount, greatest, look), scope="row"
    )
    return element("tr", name, element("td", own(_figures(money)), class_="number"))


def _figures(money: Money) -> str:
    """The amount without its currency, which stands above."""
    return in_words(money.amount, money.currency).removesuffix(f" {money.currency}")


# What is wrong ------------------------------------------------------------------------


def _trouble(trouble: Trouble, at: Shown) -> Html:
    """What is wrong, what to do, and the records of which it is true."""
    code, light = trouble.code, trouble.code.severity.value
    number = len(trouble.issues) + trouble.more
    summary = element(
        "summary",
        lamp(light),
        element("h3", own(code.meaning)),
        element("span", own(f"{light}, {many(number, 'record')}"), class_="count"),
    )
    said = [
        ("Code", element("code", own(code.name))),
        ("Who can put it right", own(code.who.value)),
        ("What to do", told(code.remedy)),
        ("What is next", own(_next(trouble))),
    ]
    rows = [_issue(each, refs, at) for each, refs in trouble.issues]
    shown, rest = rows[:OPEN_MAX], rows[OPEN_MAX:]
    behind = [element("summary", own(f"{len(rest):,} more of these")), *rest]
    return element(
        "details",
        summary,
        pairs_of(said),
        *shown,
        element("details", *behind, class_="rest") if rest else NOTHING,
        more_of(trouble.more),
        class_=f"trouble {light}",
        open="" if code.severity is Severity.RED else None,
    )


def _next(trouble: Trouble) -> str:
    """What happens by itself."""
    own = {issue.advice.retry for issue, _ in trouble.issues}
    retry = own.pop() if len(own) == 1 else trouble.code.retry
    waits = retry in (Retry.ON_CHANGE, Retry.READ_AGAIN)
    if waits and not any(issue.blocking for issue, _ in trouble.issues):
        return "Nothing: the record was carried, and this was a word about it."
    return f"{retry.value[0].upper()}{retry.value[1:]}."


def _issue(issue: Issue, refs: tuple[Ref, ...], at: Shown) -> Html:
    """One record that is in trouble: open, with all that is known of it."""
    who = ", ".join(issue.numbers) or (issue.source.id if issue.source else "the run")
    what = element("span", told(issue.text)) if issue.text else NOTHING
    said: list[Html] = []
    words, own_who = " ".join(issue.advice.steps), issue.advice.who.value
    if (words, own_who) != (issue.code.remedy, issue.code.who.value):
        said.append(element("p", own(f"What to do ({own_who}): "), told(words)))
    where = [record_of(ref, who, at) for ref in refs]
    if issue.field:
        where.append(element("span", own("field: "), told(issue.field)))
    if issue.id:
        where.append(element("span", own("issue: "), element("code", own(issue.id))))
    if where:
        said.append(element("p", *where, class_="where"))
    summary = element("summary", joined(element("b", told(who)), what, by=Html(" ")))
    return element("details", summary, *said, class_="row", open="")


def record_of(ref: Ref, who: str, at: Shown) -> Html:
    """Which record it is, and the way to it."""
    side = at.side(ref)
    named = joined(told(f"{ref.kind} {ref.id}"), own(" in "), told(side))
    way = link(at.address(ref), f"open in {side}", f"{who} in {side}")
    return element("span", joined(named, way, by=Html(" ")))


def pairs_of(pairs: Iterable[tuple[str, Html]]) -> Html:
    """Names, and what is said of each."""
    items = [
        element("div", element("dt", own(name)), element("dd", content))
        for name, content in pairs
    ]
    return element("dl", *items)


# Records ------------------------------------------------------------------------------


def _group(group: Group, at: Shown) -> Html:
    """Records of which the same is true, closed."""
    number = len(group.rows) + group.more
    summary = element(
        "summary",
        element("h3", told(group.title)),
        element("span", own(many(number, "record")), class_="count"),
    )
    table = _table(group.rows, at) if group.rows else NOTHING
    return element("details", summary, table, more_of(group.more), class_="group")


def _table(rows: Sequence[Row], at: Shown) -> Html:
    titles = ("Record", "Amount", "Open in")
    heads = [element("th", own(title), scope="col") for title in titles]
    body = [_row(each, at) for each in rows]
    head = element("thead", element("tr", *heads))
    return element("table", head, element("tbody", *body), class_="records")


def _row(row: Row, at: Shown) -> Html:
    who = ", ".join(row.numbers) or (row.refs[0].id if row.refs else "-")
    name = [element("b", told(who))]
    if row.text:
        name.append(element("small", told(row.text)))
    amounts = " → ".join(in_words(m.amount, m.currency) for m in row.amounts)
    if len({money.currency for money in row.amounts}) == 1:
        *before, last = row.amounts
        amounts = " → ".join(
            [*map(_figures, before), in_words(last.amount, last.currency)]
        )
    ways = [
        link(at.address(ref), at.side(ref), f"{who} in {at.side(ref)}")
        for ref in row.refs
    ]
    return element(
        "tr",
        element("th", *name, scope="row"),
        element("td", own(amounts), class_="number"),
        element("td", joined(*ways, by=Html(" "))),
    )


def more_of(number: int) -> Html:
    """How many more there are that are not on the page."""
    if not number:
        return NOTHING
    words = f"… and {number:,} more, which are not on this page"
    return element("p", own(words), class_="quiet")


def many(number: int, noun: str) -> str:
    """A number of things, by the name of one."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def about(facts: Mapping[str, str]) -> Iterator[Html]:
    """Facts by their names; empty ones are left out."""
    pairs = [(name, told(text)) for name, text in facts.items() if text]
    if pairs:
        yield pairs_of(pairs)


# Gathering ----------------------------------------------------------------------------


def troubles_of(
    issues: Iterable[Issue],
    ties: Callable[[Sequence[Ref]], Mapping[Ref, Ref]] = lambda refs: {},
) -> tuple[Trouble, ...]:
    """
    Issues by their code, the red ones first and the most frequent before the others.

    ``ties`` names the counterparts of records, as far as they have one.
    """
    held: dict[Code, list[Issue]] = {}
    more: dict[Code, int] = {}
    for issue in issues:
        some = held.setdefault(issue.code, [])
        if len(some) < ROWS_MAX:
            some.append(issue)
        else:
            more[issue.code] = more.get(issue.code, 0) + 1
    places = {code: place for place, code in enumerate(Code)}
    lights = {light: place for place, light in enumerate(Severity)}
    ordered = sorted(
        held,
        key=lambda code: (
            lights[code.severity],
            -len(held[code]) - more.get(code, 0),
            places[code],
        ),
    )
    refs = [each.source for some in held.values() for each in some if each.source]
    other = ties(refs)
    return tuple(
        Trouble(
            code,
            tuple(
                (each, _both(each, other)) for each in sorted(held[code], key=_place)
            ),
            more.get(code, 0),
        )
        for code in ordered
    )


def _both(issue: Issue, other: Mapping[Ref, Ref]) -> tuple[Ref, ...]:
    if issue.source is None:
        return ()
    there = other.get(issue.source)
    return (issue.source,) if there is None else (issue.source, there)


def _place(issue: Issue) -> tuple[object, ...]:
    number = ", ".join(issue.numbers)
    where = issue.source.id if issue.source else ""
    return not number, len(number), number, where, issue.text


def groups_of(rows: Iterable[tuple[tuple[int, str], Row]]) -> tuple[Group, ...]:
    """Rows by their place and title: the groups in that order, each in order."""
    held: dict[tuple[int, str], list[Row]] = {}
    more: dict[tuple[int, str], int] = {}
    for key, row in rows:
        some = held.setdefault(key, [])
        if len(some) < ROWS_MAX:
            some.append(row)
        else:
            more[key] = more.get(key, 0) + 1
    return tuple(
        Group(key[1], tuple(sorted(held[key], key=_row_place)), more.get(key, 0))
        for key in sorted(held)
    )


def _row_place(row: Row) -> tuple[object, ...]:
    number = ", ".join(row.numbers)
    return len(number), number, [ref.id for ref in row.refs]
