"""
A plan: what should happen, as a value that can be looked at, saved and loaded.

A saved plan is JSON lines: a header, one line for each change and issue, one for what was
counted, a trailer with the number of lines and a digest. Nothing here talks to a system or decides what is to happen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from tieout import codec
from tieout.change import Action, Change, Issue
from tieout.effects import Effects, money_of, summed
from tieout.errors import Code, ConfigError, Severity
from tieout.listing import ROWS, WIDTH, complaints, costs, grouped, groups, sums
from tieout.models import Link, Ref, Settlement
from tieout.money import Money, add_up
from tieout.pages.sheet import ROWS_MAX, Group, Links, Row, Sheet, page, troubles_of

FORMAT = 1
"""The version of the file; a newer one is refused, never half understood."""


@frozen
class Header:
    """For whom and under which rules a plan was made."""

    pair: str
    billing: str
    ledger: str
    verb: str
    settings: str
    window: str
    made_at: datetime
    format: int = FORMAT
    start: datetime | None = None


@frozen
class Claim:
    """
    That a ledger record was found to be a billing record to which it is not tied yet.

    ``kept`` says that it was counted as needing nothing.
    """

    billing: str
    source: Ref
    number: str
    basis: str
    kept: bool = False


@frozen
class Plan:
    """
    The changes and issues of one page, or of a whole run.

    ``kept`` counts records that need nothing, ``skipped`` those that are of no concern
    (drafts, voided and never tied). ``complete`` is false where the reading ended early.
    ``as_of`` is the ledger's clock when the reading began: where the next run may begin
    once a complete plan is applied.
    """

    changes: tuple[Change, ...] = ()
    issues: tuple[Issue, ...] = ()
    kept: int = 0
    skipped: int = 0
    header: Header | None = None
    complete: bool = True
    as_of: datetime | None = None
    same: tuple[tuple[Settlement, Settlement, Link | None, str], ...] = field(
        default=(), repr=False
    )
    """The records behind ``kept``, in the plan of a page: ledger's, billing's, their link
    and by what evidence they were found."""
    claims: tuple[Claim, ...] = field(default=(), repr=False)
    """For conflicts between the pages of one run."""
    calls: Mapping[str, int] = field(factory=dict)
    """By connection, about how many calls applying it costs (`tieout.costs` says what is
    counted); of the plan of a page, how many more than the pages before it. Empty where no
    engine has made the plan."""

    @property
    def digest(self) -> str:
        """A hash of all changes and issues: equal for equal plans, whatever the paging."""
        return hashlib.sha256("\n".join(_lines(self)).encode()).hexdigest()

    @property
    def counts(self) -> dict[Action, int]:
        """How many records each action concerns."""
        found = dict.fromkeys(Action, 0)
        for change in self.changes:
            found[change.action] += 1
        return {**found, Action.KEEP: self.kept}

    @property
    def totals(self) -> dict[str, Money]:
        """By currency, by how much the shown paid amounts rise (or fall) in all."""
        return add_up(_effect(change) for change in self.changes if _is_level(change))

    @property
    def effects(self) -> Effects:
        """
        What the changes do to money, by effect and currency; only effects that occur.

        A change whose amount or currency is not known is in no sum; printed, the plan says
        how many these are.
        """
        return summed(self.changes)[0]

    def __str__(self) -> str:
        return "\n".join(table(self))

    def html(self, links: Links | None = None) -> str:
        """
        The plan as a page for a browser: one file, without a script.

        ``links`` knows the address of a record's page: `Engine.deep_link`.
        """
        return page((_sheet(self), links))


def _is_level(change: Change) -> bool:
    return isinstance(change.before, Settlement) and isinstance(
        change.after, Settlement
    )


def _effect(change: Change) -> Money:
    before, after = change.before, change.after
    assert isinstance(before, Settlement)
    assert isinstance(after, Settlement)
    return after.money(after.paid - before.paid)


def join(plans: Iterable[Plan], header: Header | None = None) -> Plan:
    """
    One plan of many, in one order, whatever order they came in.

    Records that need nothing are only counted. Where several ledger records claim the same
    billing record, none of them is carried: each becomes an issue.
    """
    changes: dict[tuple[str, ...], Change] = {}
    issues: dict[tuple[str, ...], Issue] = {}
    claims: dict[str, Claim] = {}
    kept = skipped = 0
    calls: dict[str, int] = {}
    for plan in plans:
        changes.update((_change_key(change), change) for change in plan.changes)
        issues.update((issue_key(issue), issue) for issue in plan.issues)
        claims.update((claim.source.id, claim) for claim in plan.claims)
        kept += plan.kept
        skipped += plan.skipped
        calls = added(calls, plan.calls)
    clashing = clashes(claims.values())
    changes = {key: each for key, each in changes.items() if key[0] not in clashing}
    for source, issue in clashing.items():
        kept -= claims[source].kept
        issues[issue_key(issue)] = issue
    return Plan(
        tuple(changes[key] for key in sorted(changes)),
        tuple(issues[key] for key in sorted(issues)),
        kept,
        skipped,
        header,
        # To be tied when the plan is applied: they agree, but nobody remembers it yet.
        claims=tuple(
            claims[key]
            for key in sorted(claims)
            if claims[key].kept and key not in clashing
        ),
        calls=calls,
    )


def _change_key(change: Change) -> tuple[str, ...]:
    """What a change is about: a level once for each record, a document by its name."""
    name = "" if change.kind is Settlement else change.name
    return (change.source.id, change.source.connection, name)


def clashes(claims: Iterable[Claim]) -> dict[str, Issue]:
    """By ledger id, an issue for each record whose counterpart others claim too."""
    by_billing: dict[str, list[Claim]] = {}
    for claim in claims:
        by_billing.setdefault(claim.billing, []).append(claim)
    found: dict[str, Issue] = {}
    for group in by_billing.values():
        for claim in group:
            others = sorted({each.source.id for each in group} - {claim.source.id})
            if others:
                text = f"other ledger documents claim the billing invoice too: {', '.join(others)}."
                found[claim.source.id] = Issue(
                    Code.ALREADY_LINKED,
                    claim.source,
                    (claim.number,),
                    text=text,
                    basis=claim.basis,
                )
    return found


def issue_key(issue: Issue) -> tuple[str, ...]:
    """By what two issues are about the same record: ids of two sides may be equal."""
    code = issue.code.name if not issue.blocking else ""
    if issue.source is None:
        return ("\x1f".join((*issue.numbers, issue.text)), "", code)
    return (issue.source.id, issue.source.connection, issue.source.kind, code)


# Showing ------------------------------------------------------------------------------


def table(plan: Plan, rows: int | None = ROWS, *, width: int = WIDTH) -> Iterator[str]:
    """
    The plan as lines of text: what changes, from what to what, and why; what it comes to
    in money, and the calls that it will cost.

    ``rows`` of each group and of the issues at most, the rest summed up; None for all.
    """
    counts, number = plan.counts, len(plan.issues)
    yield (
        f"{counts[Action.CREATE]} to create, {counts[Action.UPDATE]} to update, "
        f"{counts[Action.VOID]} to void, {plan.kept} unchanged, "
        f"{number} {'issue' if number == 1 else 'issues'}"
    )
    yield from groups(plan.changes, rows=rows, width=width)
    if plan.issues:
        yield ""
        # In one order, wherever the plan comes from.
        found = sorted(plan.issues, key=issue_key)
        yield from complaints(found, rows=rows, width=width)
    effects, left_out = summed(plan.changes)
    yield from sums(effects, left_out, width=width)
    yield from costs(plan.calls, width=width)


LIGHTS = (Severity.RED, Severity.YELLOW)


def _sheet(plan: Plan) -> Sheet:
    """All that a page of the plan shows."""
    header, counts = plan.header, plan.counts
    effects, left_out = summed(plan.changes)
    red, yellow = (
        sum(each.severity is light for each in plan.issues) for light in LIGHTS
    )
    light, verdict = _verdict(plan, red)
    return Sheet(
        title=f"Plan: {header.verb}, {header.window}" if header else "Plan",
        light=light,
        verdict=verdict,
        red=red,
        yellow=yellow,
        green=len(plan.changes) + plan.kept,
        done="to be carried or unchanged",
        counts={
            "to create": counts[Action.CREATE],
            "to update": counts[Action.UPDATE],
            "to void": counts[Action.VOID],
            "unchanged": plan.kept,
            "skipped": plan.skipped,
            "left out": sum(each.blocking for each in plan.issues),
        },
        totals=plan.totals,
        effects=effects,
        left_out=left_out,
        troubles=troubles_of(plan.issues),
        groups=tuple(
            Group(title, tuple(map(_row, some[:ROWS_MAX])), len(some[ROWS_MAX:]))
            for title, some in grouped(plan.changes)
        ),
        facts=_facts(plan),
        sides={header.billing: "billing", header.ledger: "ledger"} if header else {},
    )


def _verdict(plan: Plan, red: int) -> tuple[Severity, str]:
    """The light of a plan, and the sentence beside it."""
    number = len(plan.changes)
    changes = "1 change" if number == 1 else f"{number:,} changes"
    if not plan.complete:
        return Severity.RED, f"the reading ended early, after {changes}."
    if red:
        need = "1 record needs" if red == 1 else f"{red:,} records need"
        return Severity.RED, f"{need} a person; applying it makes {changes}."
    light = Severity.YELLOW if plan.issues else Severity.GREEN
    return light, f"applying it makes {changes}."


def _row(change: Change) -> Row:
    moneys = (money_of(change.before), money_of(change.after))
    amounts = tuple(dict.fromkeys(each for each in moneys if each is not None))
    refs = (change.source,) if change.target is None else (change.source, change.target)
    return Row(change.numbers, amounts, change.reason, refs)


def _facts(plan: Plan) -> Mapping[str, str]:
    """How the plan came about, and what it costs."""
    made = "" if plan.header is None else f"{plan.header.made_at:%Y-%m-%d %H:%M} UTC"
    calls = ", ".join(f"{n:,} to {name}" for name, n in plan.calls.items() if n)
    return {"Made at": made, "Calls": f"about {calls}" if calls else ""}


# Saving -------------------------------------------------------------------------------


def header_line(header: Header) -> str:
    """The first line of a saved plan."""
    return _line("plan", {**codec.dump(header), "format": header.format})


def item_line(item: Change | Issue | Claim) -> str:
    """The line of one change, issue or claim."""
    return _line(_NAMES[type(item)], codec.dump(item))


_NAMES = {Change: "change", Issue: "issue", Claim: "claim"}


@frozen
class Counted:
    """What a plan says of itself in numbers, in a line of its own before the last one."""

    kept: int = 0
    skipped: int = 0
    calls: Mapping[str, int] = field(factory=dict)

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            self.kept + other.kept,
            self.skipped + other.skipped,
            added(self.calls, other.calls),
        )

    def lines(self) -> list[str]:
        """The line, if there is anything to say."""
        return [] if self == Counted() else [_line("counted", codec.dump(self))]


def counted(plan: Plan) -> Counted:
    """The numbers of a plan."""
    return Counted(plan.kept, plan.skipped, plan.calls)


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Calls by connection, added up."""
    names = dict.fromkeys((*one, *other))
    return {name: one.get(name, 0) + other.get(name, 0) for name in names}


class Seal:
    """
    Follows a saved plan line by line, header first, and makes its last line.

    The seal covers every line and the trailer itself: a file that was altered or cut off
    does not match it.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._lines = 0

    def add(self, line: str) -> str:
        """The line, as it is, now covered."""
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        self._lines += 1
        return line

    def trailer(self, *, complete: bool, as_of: datetime | None) -> str:
        """The last line."""
        told = {
            "count": self._lines - 1,
            "complete": complete,
            "as_of": as_of.isoformat() if as_of else None,
        }
        covered = self._hash.copy()
        covered.update(json.dumps(told).encode())
        return _line("end", {**told, "digest": covered.hexdigest()})


def save(plan: Plan, path: str | Path) -> None:
    """Write a plan to a file, line by line. Raises `ConfigError` for one without header."""
    if plan.header is None:
        raise ConfigError("only a plan made by an engine can be saved")
    seal = Seal()
    rows = [header_line(plan.header), *_lines(plan), *counted(plan).lines()]
    lines = [seal.add(line) for line in rows]
    end = seal.trailer(complete=plan.complete, as_of=plan.as_of)
    Path(path).write_text("\n".join((*lines, end, "")), encoding="utf-8")


def load(path: str | Path) -> Plan:
    """A plan from a file. Raises `ConfigError` where it is cut off, altered or newer."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        # Only at our own line ends: a text may hold other separators.
        lines = [line for line in text.split("\n") if line]
        return _loaded(path, lines, [json.loads(line) for line in lines])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is no saved plan ({type(error).__name__})"
        ) from error
    except ExceptionGroup as error:  # what cattrs raises
        raise ConfigError(f"{path} is no saved plan of this version") from error


def _loaded(
    path: str | Path, lines: Sequence[str], rows: Sequence[dict[str, Any]]
) -> Plan:
    first, *items, last = rows
    if first.get("is") != "plan":
        raise ConfigError(f"{path} is no saved plan: it does not begin with a header")
    if first["format"] > FORMAT:
        raise ConfigError(
            f"{path} was saved by a newer version (format {first['format']}, this one "
            f"reads {FORMAT}): update tieout"
        )
    if last.get("is") != "end":
        raise ConfigError(f"{path} was cut off: make the plan again")
    seal = Seal()
    for line in lines[:-1]:
        seal.add(line)
    as_of = datetime.fromisoformat(last["as_of"]) if last["as_of"] else None
    if lines[-1] != seal.trailer(complete=last["complete"], as_of=as_of):
        raise ConfigError(f"{path} was altered after it was saved: make the plan again")
    plan = _read(items)
    joined = join([plan])  # claims of different pages meet here
    # Documents are carried in the order in which they were given, as no page of a sync.
    given = any(change.kind is not Settlement for change in plan.changes)
    return evolve(
        joined,
        changes=plan.changes if given else joined.changes,
        header=codec.load(first, Header),
        complete=last["complete"],
        as_of=as_of,
    )


def _read(rows: Sequence[dict[str, Any]]) -> Plan:
    """The lines between the first and the last, in their order."""
    changes = [codec.load(row, Change) for row in rows if row["is"] == "change"]
    issues = [codec.load(row, Issue) for row in rows if row["is"] == "issue"]
    claims = [codec.load(row, Claim) for row in rows if row["is"] == "claim"]
    told = [codec.load(row, Counted) for row in rows if row["is"] == "counted"]
    numbers = sum(told, Counted())  # an older file has none
    return Plan(
        tuple(changes),
        tuple(issues),
        numbers.kept,
        numbers.skipped,
        claims=tuple(claims),
        calls=numbers.calls,
    )


def _lines(plan: Plan) -> list[str]:
    items = (plan.changes, plan.issues, plan.claims)
    return [item_line(each) for group in items for each in group]


def _line(kind: str, data: dict[str, Any]) -> str:
    return json.dumps({"is": kind, **data}, ensure_ascii=False, separators=(",", ":"))
