"""
A tie-out certificate: what two sides come to, and every difference between them, classified.

A value that can be looked at, printed, saved and loaded. What may be long in it lies in a
file and is read as you go on. Nothing here reads a system, a store, or compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tieout import codec
from tieout.errors import Code, ConfigError, Severity
from tieout.models import RecordType, visible
from tieout.pages.proof import Proof, proof_page
from tieout.pages.sheet import Links
from tieout.plan import Seal
from tieout.proof.differences import Balance, Difference, DifferenceKind, in_figures
from tieout.proof.sorting import Spool

FORMAT = 1
"""The version of the file; a newer one is refused, never half understood."""

TOLD_MAX = 50
"""Differences that a printed certificate tells: what is more is read from it in turn."""


@frozen
class Scope:
    """
    What was verified, when, and how much of it there was.

    ``first`` and ``last`` are None where all dates were; ``read`` counts records by
    connection, ``unreadable`` those of which nobody knows what they say, ``compared``
    those that were found on both sides. ``counts`` are differences by their kind's name,
    ``red`` those whose light is red. ``ended_early`` says why the reading ended before its
    end; then nothing is certified.
    """

    pair: str
    billing: str
    ledger: str
    settings: str
    kinds: tuple[RecordType, ...]
    began_at: datetime
    ended_at: datetime
    first: date | None = None
    last: date | None = None
    read: Mapping[str, int] = field(factory=dict)
    unreadable: int = 0
    compared: int = 0
    counts: Mapping[str, int] = field(factory=dict)
    red: int = 0
    complete: bool = True
    code: Code | None = None
    ended_early: str = ""
    format: int = FORMAT


@frozen
class Certificate:
    """
    What `Engine.verify` found: sums of both sides, and each difference with its reason.

    ``totals`` are the sums of each currency; ``run`` is the name of the run, "" for one
    that was loaded. ``digest`` covers every line: of two certificates of one digest, each
    says what the other says.
    """

    scope: Scope
    totals: tuple[Balance, ...]
    digest: str
    run: str = ""
    _spool: Spool = field(kw_only=True, repr=False, eq=False, alias="spool")
    _begins: tuple[int, int] = field(kw_only=True, repr=False, eq=False, alias="begins")

    @property
    def complete(self) -> bool:
        """Whether both sides were read to their end."""
        return self.scope.complete

    @property
    def unexplained(self) -> int:
        """How many differences have no reason that is known."""
        return sum(n for kind, n in self.counts.items() if not kind.explained)

    @property
    def ok(self) -> bool:
        """Whether all was read, and the books agree but for what has a reason and no red issue."""
        return not (self.scope.red or self.scope.unreadable) and self.complete

    @property
    def verdict(self) -> str:
        """What it comes to, in a line."""
        return visible(_verdict(self))

    @property
    def counts(self) -> Mapping[DifferenceKind, int]:
        """How many differences there are of each kind."""
        return {kind: self.scope.counts.get(kind.name, 0) for kind in DifferenceKind}

    @property
    def customers(self) -> Iterator[Balance]:
        """The sums of each customer, by section, currency and customer."""
        for row in self._rows("customer", self._begins[0]):
            yield codec.load(row, Balance)

    @property
    def differences(self) -> Iterator[Difference]:
        """All differences, by number."""
        for row in self._rows("difference", self._begins[1]):
            yield codec.load(row, Difference)

    def lines(self) -> Iterator[str]:
        """The certificate for programs: JSON, line by line, the digest in the last one."""
        return self._spool.lines()

    def save(self, path: str | Path) -> None:
        """Write it to a file that `load_certificate` reads."""
        with Path(path).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in self.lines())

    def to_json(self) -> str:
        """
        All of it as one JSON object, for a program that wants it at once.

        `lines` gives the same bit by bit: a text of very many differences is long.
        """
        return "".join(_object(self))

    def text(self, differences: int | None = None) -> Iterator[str]:
        """The certificate for people, line by line; at most so many differences."""
        return _text(self, differences)

    def html(self, links: Links | None = None) -> str:
        """
        The certificate as a page for a browser: one file, without a script.

        ``links`` knows the address of a record's page: `Engine.deep_link`. Of very many
        differences the first of each kind are listed and the rest is counted.
        """
        return proof_page(_proof(self), links)

    def __str__(self) -> str:
        return "\n".join(self.text(TOLD_MAX))

    def _rows(self, name: str, begin: int) -> Iterator[dict[str, Any]]:
        """The lines of a name that begin there, one after another."""
        rows = map(json.loads, self._spool.lines(begin))
        return takewhile(lambda row: row["is"] == name, rows)


# As text ------------------------------------------------------------------------------


def _text(certificate: Certificate, differences: int | None) -> Iterator[str]:
    yield from _head(certificate)
    for balance in certificate.totals:
        yield ""
        yield from _statement(balance)
    counts = {kind: n for kind, n in certificate.counts.items() if n}
    if counts:
        yield ""
    for kind, count in counts.items():
        yield f"{count:>7,} {kind.word}: {kind.meaning} {kind.remedy}"
    told = 0
    for told, each in enumerate(certificate.differences, 1):
        if differences is not None and told > differences:
            rest = sum(counts.values()) - differences
            yield f"and {rest:,} more: read certificate.differences"
            return
        if told == 1:
            yield ""
        yield str(each)


def _head(certificate: Certificate) -> Iterator[str]:
    scope = certificate.scope
    yield visible(_title(scope))
    kinds = ", ".join(kind.__name__ for kind in scope.kinds)
    yield f"{kinds}; {_dates(scope)}; read {_when(scope.began_at)} to {_when(scope.ended_at)}"
    read = ", ".join(f"{n:,} of {visible(side)}" for side, n in scope.read.items())
    if read:
        yield f"Read: {read}; {scope.compared:,} found on both sides"
    yield f"Digest: {certificate.digest}"
    yield certificate.verdict


def _title(scope: Scope) -> str:
    return f"Tie-out certificate of {scope.billing} and {scope.ledger}"


def _dates(scope: Scope) -> str:
    """Of which days the documents were."""
    if not (scope.first or scope.last):
        return "all dates"
    return f"{scope.first or 'the beginning'} to {scope.last or 'the end'}"


def _verdict(certificate: Certificate) -> str:
    scope, unexplained = certificate.scope, certificate.unexplained
    if not certificate.complete:
        return f"NOT COMPLETE, nothing is certified: {scope.ended_early}"
    if unexplained:
        return f"THE BOOKS DIFFER: {_counted(unexplained)} unexplained"
    if scope.unreadable:
        return f"NOBODY KNOWS: {scope.unreadable:,} records could not be read"
    if scope.red:
        return f"THE BOOKS DIFFER: {_counted(scope.red)} explained by red issues"
    if explained := sum(certificate.counts.values()):
        told = f"NOTHING IS UNEXPLAINED: {_counted(explained)} explained"
        waiting = certificate.counts[DifferenceKind.OPEN_ISSUE]
        return f"{told}, {waiting:,} with an open issue" if waiting else told
    return "THE BOOKS AGREE"


def _counted(number: int) -> str:
    return "1 difference is" if number == 1 else f"{number:,} differences are"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


_ASIDE = ("credits", "adjustments")
"""What is not printed where neither side has any."""


def _statement(balance: Balance) -> Iterator[str]:
    head = f"{balance.currency} ({balance.section.value})"
    yield f"{head:<18}{'billing':>20}{'ledger':>20}{'difference':>20}"
    there, gap = dict(balance.ledger.items()), dict(balance.difference.items())
    for name, here in balance.billing.items():
        values = here, there[name], gap[name]
        if name in _ASIDE and not any(values):
            continue
        told = [in_figures(value, balance.currency) for value in values]
        yield f"  {name:<16}" + "".join(f"{each:>20}" for each in told)


# As a page ----------------------------------------------------------------------------


def _proof(certificate: Certificate) -> Proof:
    """All that a page of the certificate shows."""
    scope = certificate.scope
    return Proof(
        title=_title(scope),
        light=_light(certificate),
        verdict=certificate.verdict,
        totals=certificate.totals,
        counts=certificate.counts,
        differences=certificate.differences if certificate.complete else (),
        facts={
            "Verified": ", ".join(kind.__name__ for kind in scope.kinds),
            "Dated": _dates(scope),
            "Read": f"{_when(scope.began_at)} to {_when(scope.ended_at)}",
            **{f"Of {side}": f"{count:,} read" for side, count in scope.read.items()},
            "On both sides": f"{scope.compared:,}",
            "Unreadable": f"{scope.unreadable:,}" if scope.unreadable else "",
            "Run": certificate.run,
            "Digest": certificate.digest,
        },
        sides={scope.billing: "billing", scope.ledger: "ledger"},
    )


def _light(certificate: Certificate) -> Severity:
    """Red where a person is needed, yellow where all that differs has a reason."""
    if not certificate.ok:
        return Severity.RED
    differs = any(certificate.counts.values())
    return Severity.YELLOW if differs else Severity.GREEN


# As a file ----------------------------------------------------------------------------


def sealed(
    scope: Scope,
    totals: Iterable[Balance],
    customers: Iterable[Balance],
    differences: Iterable[Difference],
    run: str = "",
) -> Certificate:
    """A certificate of all this; what is long is taken one by one."""
    spool, seal = Spool(), Seal()
    sums = tuple(totals)

    def put(name: str, value: Any) -> None:
        spool.add(seal.add(_line(name, codec.dump(value))))

    head = {**codec.dump(scope), "format": scope.format}
    spool.add(seal.add(_line("certificate", head)))
    for each in sums:
        put("total", each)
    begins = [spool.size]
    for each in customers:
        put("customer", each)
    begins.append(spool.size)
    for found in differences:
        put("difference", found)
    end = seal.trailer(complete=scope.complete, as_of=scope.ended_at)
    spool.add(end)
    digest = str(json.loads(end)["digest"])
    return Certificate(
        scope, sums, digest, run, spool=spool, begins=(begins[0], begins[1])
    )


def load_certificate(path: str | Path) -> Certificate:
    """A certificate from a file. Raises `ConfigError` where it was cut off or altered."""
    spool = Spool()
    try:
        with Path(path).open("rb") as file:
            spool.take(file)
        return _loaded(path, spool)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        name = type(error).__name__
        raise ConfigError(f"{path} is no certificate ({name})") from error
    except ExceptionGroup as error:  # what cattrs raises
        raise ConfigError(f"{path} is no certificate of this version") from error


def _loaded(path: str | Path, spool: Spool) -> Certificate:
    seal, totals, at, end = Seal(), list[Balance](), 0, ""
    head: dict[str, Any] = {}
    begins: dict[str, int] = {}
    for line in spool.lines():
        row, end = json.loads(line), line
        begins.setdefault(row["is"], at)
        at += len(line.encode()) + 1
        if row["is"] == "end":
            break
        head = head or _checked_head(path, row)
        if row["is"] == "total":
            totals.append(codec.load(row, Balance))
        seal.add(line)
    last = json.loads(end)
    if last["is"] != "end":
        raise ConfigError(f"{path} was cut off: verify again")
    scope = codec.load(head, Scope)
    if end != seal.trailer(complete=scope.complete, as_of=scope.ended_at):
        raise ConfigError(f"{path} was altered after it was saved: verify again")
    places = [begins.get(name, begins["end"]) for name in ("customer", "difference")]
    return Certificate(
        scope,
        tuple(totals),
        last["digest"],
        spool=spool,
        begins=(places[0], places[1]),
    )


def _checked_head(path: str | Path, row: dict[str, Any]) -> dict[str, Any]:
    if row["is"] != "certificate":
        raise ConfigError(f"{path} is no certificate: it does not begin with a header")
    if row["format"] > FORMAT:
        raise ConfigError(
            f"{path} was saved by a newer version (format {row['format']}, this one "
            f"reads {FORMAT}): update tieout"
        )
    return row


def _line(name: str, data: Mapping[str, Any]) -> str:
    return json.dumps({"is": name, **data}, separators=(",", ":"))


def _object(certificate: Certificate) -> Iterator[str]:
    """One JSON object, in pieces: the head first, then what may be long."""
    scope = codec.dump(certificate.scope)
    del scope["pair"]  # a name within the store: billing and ledger stand beside it
    head = {
        "ok": certificate.ok,
        "complete": certificate.complete,
        "verdict": certificate.verdict,
        "digest": certificate.digest,
        "run": certificate.run,
        "unexplained": certificate.unexplained,
        "scope": scope,
        "totals": [codec.dump(each) for each in certificate.totals],
    }
    yield json.dumps(head)[:-1]
    for name, rows in (
        ("customers", certificate.customers),
        ("differences", certificate.differences),
    ):
        yield f', "{name}": ['
        for at, each in enumerate(rows):
            yield f"{', ' if at else ''}{json.dumps(codec.dump(each))}"
        yield "]"
    yield "}"
