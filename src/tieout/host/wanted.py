"""
What a change of a document asks for, as plain values of the host's.

Pure: it says what is to be stored under which name, whether that may be asked for at all,
and whether a record is as wanted, or has moved since it was read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from attrs import evolve, fields

from tieout.change import Change
from tieout.errors import Code, Fault
from tieout.host.rows import (
    ApplicationRow,
    CreditNoteRow,
    CustomerRow,
    InvoiceRow,
    PaymentRow,
)
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Posting,
    RecordType,
    Ref,
    Status,
    clean_number,
)
from tieout.money import ZERO, amount

_DOCUMENT = frozenset({"number", "customer", "currency", "on", "reference"})
VALUES: Mapping[RecordType, frozenset[str]] = {
    Customer: frozenset({"number", "name", "email", "currency", "active", "parent"}),
    Invoice: _DOCUMENT | {"total", "due", "lines"},
    CreditNote: _DOCUMENT | {"total", "lines", "applications"},
    Payment: _DOCUMENT | {"amount", "method", "account", "applications"},
    Posting: frozenset({"on"}),
}
"""By kind, what of a record is the host's to store; the rest follows from it."""

ROWS: Mapping[RecordType, type[Any]] = {
    Customer: CustomerRow,
    Invoice: InvoiceRow,
    CreditNote: CreditNoteRow,
    Payment: PaymentRow,
}
"""By kind, the row that a host is given."""

_FOLLOWS = ("status", "remaining", "unapplied")
"""What follows from other values, or from applications that were made since."""

_HOW = {CreditNote: Part.CREDIT, Payment: Part.CASH}


def values_of(change: Change) -> dict[str, Any]:
    """
    What a change wants to be stored, by name: ids as texts, amounts as decimals.

    Raises `Fault` for what no host could store: another connection's customer, an amount
    that the currency cannot hold.
    """
    record: Any = change.after
    if not isinstance(record, change.kind):
        raise Fault(Code.NOT_ALLOWED, f"no {change.kind.__name__} is wanted of it")
    status = getattr(record, "status", None)
    if change.target is None and status is Status.VOID:
        raise Fault(Code.NOT_ALLOWED, "it would be taken back from the start")
    _payable(record)
    told: dict[str, Any] = {}
    for name in (*VALUES[change.kind], "remaining", "unapplied"):
        if hasattr(record, name):
            told[name] = _value(getattr(record, name), change.connection)
    told["number"] = clean_number(record.number)
    if "applications" in told:
        told["applications"] = _puts(record, change.connection)
    if status is Status.DRAFT:
        told["draft"] = True
    return told


def row_of(change: Change) -> Any:
    """A document as a host is given it, to make it or to make it so."""
    told = values_of(change)
    if told.get("draft") and change.kind is Payment:
        raise Fault(Code.NOT_ALLOWED, "a payment is no draft")
    own = change.target.id if change.target else ""
    after: Any = change.after
    mark = change.mark or str(after.custom.get("mark", ""))
    return ROWS[change.kind](id=own, mark=mark, version=after.version, **told)


def posted_at(change: Change) -> datetime | None:
    """
    When an invoice is to have been handed over, None where it is not.

    To the second: not every column holds more.
    """
    on = change.after.on if isinstance(change.after, Posting) else None
    return on.replace(microsecond=0) if on else None


def named_by(change: Change, kind: RecordType) -> set[str]:
    """The ids of the customers, or of the invoices, that a change newly names."""
    return _names(change.after, kind) - _names(change.before, kind)


def _names(record: Any, kind: RecordType) -> set[str]:
    if kind is Invoice:
        puts = getattr(record, "applications", ())
        return {each.target.id for each in puts if each.live}
    refs = [getattr(record, name, None) for name in ("customer", "parent")]
    return {ref.id for ref in refs if ref is not None}


def _value(value: Any, connection: str) -> Any:
    return _own(value, connection) if isinstance(value, Ref) else value


def _own(ref: Ref, connection: str) -> str:
    """The id of a record of this connection."""
    if ref.connection != connection or not ref.id:
        raise Fault(Code.NOT_ALLOWED, f"{ref} is no record of {connection}")
    return ref.id


def _puts(record: CreditNote | Payment, connection: str) -> tuple[ApplicationRow, ...]:
    puts = tuple(each for each in record.applications if each.live)
    for each in puts:
        if each.how is not _HOW[type(record)]:
            text = f"an application of {each.how.value} cannot be stored with it"
            raise Fault(Code.NOT_ALLOWED, text, field="applications")
    return tuple(
        ApplicationRow(
            id=each.ref.id if each.ref.connection == connection else "",
            invoice=_own(each.target, connection),
            amount=each.amount,
            on=each.on,
            currency=each.currency,
            source_amount=each.source_amount,
        )
        for each in puts
    )


def _payable(record: Any) -> None:
    """Refuse amounts that no host could hold, or tell again as they are."""
    for name, value, currency in _amounts(record):
        try:
            amount(value, currency)
        except Fault as fault:
            text = f"{name}: {fault.text}"
            raise Fault(fault.code, text, field=name) from fault
        if value < 0 and isinstance(record, CreditNote | Payment) and name != "lines":
            raise Fault(Code.BAD_AMOUNT, f"{name} is below zero", field=name)
    if isinstance(record, CreditNote | Payment):
        _adds_up(record)


def _adds_up(record: CreditNote | Payment) -> None:
    """Refuse a document of which more was put to invoices than it has."""
    whole = record.amount if isinstance(record, Payment) else record.total
    puts = [
        each.amount if each.source_amount is None else each.source_amount
        for each in record.applications
        if each.live
    ]
    rest = whole - sum(puts, ZERO)
    left = record.unapplied if isinstance(record, Payment) else None
    if rest < 0 or left not in (None, rest):
        text = f"{whole} is not what was applied and what was not"
        raise Fault(Code.TOTALS_DISAGREE, text, field="applications")


def _amounts(record: Any) -> Iterable[tuple[str, Any, str]]:
    """The amounts of a record: name, value, currency."""
    for name in ("total", "amount", "remaining", "unapplied"):
        if getattr(record, name, None) is not None:
            yield name, getattr(record, name), record.currency
    line: Line
    for line in getattr(record, "lines", ()):
        yield "lines", line.amount, record.currency
        if line.tax is not None:
            yield "lines", line.tax, record.currency
    put: Application
    for put in getattr(record, "applications", ()):
        yield "applications", put.amount, put.currency


# Compared with what is there ---------------------------------------------------------------


def changed_names(change: Change, writable: Collection[str]) -> list[str]:
    """
    What an update changes; `Fault` NOT_ALLOWED where not all of it can be written.

    What follows from other values is not asked for; that a document is no longer a draft,
    or is taken back, is no update.
    """
    before, after = change.before, change.after
    names = [n for n in _differing(before, after) if n not in _FOLLOWS]
    lives = {getattr(each, "status", None) for each in (before, after)}
    if len(lives) > 1 and lives & {Status.DRAFT, Status.VOID}:
        names.append("status")
    if strange := [name for name in names if name not in writable]:
        text = f"{', '.join(strange)} cannot be changed"
        raise Fault(Code.NOT_ALLOWED, text, field=strange[0])
    return names


def is_as_wanted(now: Any, change: Change, names: Iterable[str]) -> bool:
    """Whether a record shows what was wanted of it under these names."""
    after: Any = change.after
    number = clean_number(getattr(after, "number", ""))
    wanted = evolve(after, number=number) if number else after
    return all(getattr(now, name) == getattr(wanted, name) for name in names)


def not_moved(now: Any, before: Any) -> None:
    """Raise `Fault` STALE_VERSION where a record is not as it was read before."""
    moved = _differing(before, now)
    if not moved and before.version and before.version != now.version:
        moved = ["version"]
    if moved:
        raise Fault(Code.STALE_VERSION, f"changed: {', '.join(moved)}")


def is_ended(record: Any) -> bool:
    """Whether a document was taken back already."""
    if isinstance(record, Customer):
        return not record.active
    return bool(record.status is Status.VOID)


def _differing(one: Any, other: Any) -> list[str]:
    """The names of what matters in a record and is not the same in two states of it."""
    if type(one) is not type(other):
        raise Fault(Code.NOT_ALLOWED, "nothing says what it is to be changed from")
    return [
        each.name
        for each in fields(type(one))
        if not each.metadata.get("volatile")
        and getattr(one, each.name) != getattr(other, each.name)
    ]
