"""
The changes that the kit asks a connector to carry out: pure values, as planners make them.

Nothing here writes anything, or says what has to come of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve, fields

from tieout.capabilities import Payments, Verb
from tieout.change import Action, Change, change_name, mark_of
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Posting,
    Record,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO
from tieout.testing.conformance.bench import NotStaged
from tieout.testing.conformance.trial import HUNDRED, Trial, expect_staged

OTHER_SIDE = "kit:other-side"
"""The connection whose records ask for the changes."""


def create(
    trial: Trial,
    kind: RecordType | None = None,
    *,
    number: str = "",
    customer: str = "",
    target: str = "",
    total: Decimal = HUNDRED,
    name: str = "",
) -> Change:
    """
    That a new record of the check's kind (or another) is wanted.

    ``customer`` and ``target`` (the invoice of a payment or application) are staged where
    they are not given. ``name`` is that of a customer, ``total`` that of a document.
    """
    wanted = kind or trial.kind
    word = wanted.__name__
    position = trial.position()
    source = Ref(OTHER_SIDE, word, str(position))
    able = trial.capabilities.kind(wanted)
    own = number or trial.bench.number(position)
    connection = trial.connector.connection
    mark = mark_of(connection, word, source)
    if able.mark is not None and able.mark.is_number:
        mark = own  # the number itself is what it is found by
    record = _record(trial, wanted, own, customer, target, total)
    if name:
        record = evolve(record, name=name)
    after = trial.bench.wanted(wanted, record)
    return Change(
        change_name(connection, word, source, 0, Action.CREATE, 0),
        Action.CREATE,
        wanted,
        connection,
        source,
        after=after,
        number=getattr(after, "number", ""),
        mark=mark if able.mark is not None else "",
        key=f"key-{position:08d}" if trial.capabilities.idempotency_key else "",
    )


def _record(
    trial: Trial,
    kind: RecordType,
    number: str,
    customer: str,
    target: str,
    total: Decimal,
) -> Any:
    """A new record of a kind, as the other side wants it here."""
    if kind is Customer:
        name = f"Customer {number}"
        return Customer(_ref(trial, "Customer"), name, number, "kit@example.com")
    if kind is Payment:
        return _payment(trial, target or trial.make(Invoice).id)
    if kind is Application:
        return _application(trial, target or trial.make(Invoice).id)
    expect_staged(
        kind in (Invoice, CreditNote), f"the kit creates no {kind.__name__} records"
    )
    line = Line("Services", total, quantity=Decimal(1), unit_price=total)
    document: dict[str, Any] = {
        "ref": _ref(trial, kind.__name__),
        "number": number,
        "customer": _ref(trial, "Customer", customer or trial.customer()),
        "currency": trial.bench.currency,
        "on": trial.day(5),
        "total": total,
        "status": Status.OPEN,
        "lines": (line,),
    }
    if kind is Invoice:
        return Invoice(**document, due=trial.day(35))
    return CreditNote(**document, remaining=total)


def _payment(trial: Trial, invoice: str) -> Payment:
    ref, on, currency = _ref(trial, "Payment"), trial.day(30), trial.bench.currency
    part = Application(
        _ref(trial, "Application"),
        ref,
        _ref(trial, "Invoice", invoice),
        HUNDRED,
        currency,
        on,
        source_amount=HUNDRED,
        source_currency=currency,
    )
    owner = _ref(trial, "Customer", trial.customer())
    return Payment(
        ref,
        owner,
        currency,
        on,
        HUNDRED,
        Status.SETTLED,
        unapplied=ZERO,
        applications=(part,),
    )


def _application(trial: Trial, invoice: str) -> Application:
    credit = trial.make(CreditNote).id
    return Application(
        _ref(trial, "Application"),
        _ref(trial, "CreditNote", credit),
        _ref(trial, "Invoice", invoice),
        Decimal("40.00"),
        trial.bench.currency,
        trial.day(31),
        how=Part.CREDIT,
    )


def _ref(trial: Trial, kind: str, identity: str = "") -> Ref:
    return Ref(trial.connector.connection, kind, identity)


# Changes of what is there -----------------------------------------------------------------


def void(trial: Trial, before: Record) -> Change:
    """That a record is to be taken back."""
    return _of(trial, Action.VOID, before, None)


def update(trial: Trial, before: Record) -> tuple[Change, str]:
    """That one field of a record is to be another; and the name of the field."""
    new = _values(trial)
    able = trial.can.writable
    mark = trial.can.mark.field.lower() if trial.can.mark else ""
    name = next(
        (
            each
            for each in new
            # A reference that carries the mark is not the user's to change.
            if each in able and each != mark and hasattr(before, each)
        ),
        "",
    )
    told = f"the kit has no new value for any of {', '.join(sorted(able))}"
    expect_staged(name, told)
    return _of(trial, Action.UPDATE, before, evolve(before, **{name: new[name]})), name


def _values(trial: Trial) -> Mapping[str, Any]:
    """Another value of each field that the kit changes, what is most harmless first."""
    return {
        "email": "new@example.com",
        "name": "Another name",
        "due": trial.day(36),
        "reference": "PO 4711",
        "on": trial.day(6),
        "number": trial.bench.number(trial.position()),
    }


def posted(trial: Trial, before: Posting) -> Change:
    """That an invoice is to be called handed over."""
    return _of(trial, Action.UPDATE, before, evolve(before, on=trial.clock.now()))


def level(
    trial: Trial,
    before: Settlement,
    paid: Decimal,
    on: date | None,
    *,
    owned: tuple[str, ...] = (),
    take_over: bool = False,
) -> Change:
    """
    That an invoice is to show so much paid, received last on a day.

    As much of it as the system says that it can hold, as planners do.
    """
    after = shown_as(before, paid, on, trial.capabilities.payments)
    change = _of(trial, Action.UPDATE, before, after)
    return evolve(change, owned=owned, take_over=take_over)


def shown_as(
    before: Settlement, paid: Decimal, on: date | None, holds: Payments
) -> Settlement:
    """A level with another paid amount, as a system of these abilities can hold it."""
    parts = {**before.settled_by, Part.CASH: paid}
    balance = before.total - sum(parts.values(), ZERO)
    settled = balance <= 0
    paid_on = on if settled and (paid or holds.holds_date_alone) else None
    keeps_day = bool(paid) and (settled or holds.holds_open_date)
    return evolve(
        before,
        settled_by=parts,
        balance=balance,
        paid_on=paid_on,
        last_on=on if keeps_day else None,
        status=Status.SETTLED if settled else Status.OPEN,
    )


def _of(trial: Trial, action: Action, before: Record, after: Record | None) -> Change:
    kind, connection = type(before), trial.connector.connection
    version = trial.position()
    source = Ref(OTHER_SIDE, kind.__name__, before.ref.id)
    return Change(
        change_name(connection, kind.__name__, source, 0, action, version),
        action,
        kind,
        connection,
        source,
        target=before.ref,
        before=before,
        after=after,
        link_version=version,
        number=getattr(before, "number", ""),
        key=f"key-{version:08d}" if trial.capabilities.idempotency_key else "",
    )


# Any write at all -------------------------------------------------------------------------


def any_write(trial: Trial, verb: Verb) -> Change:
    """One good change of the check's kind: what is needed for it is staged."""
    if verb is Verb.CREATE:
        return create(trial)
    if verb is Verb.VOID:
        return void(trial, standing(trial))
    before = existing(trial)
    if isinstance(before, Settlement):
        return level(trial, before, before.total, trial.day(30))
    if isinstance(before, Posting):
        return posted(trial, before)
    return update(trial, before)[0]


def existing(trial: Trial) -> Any:
    """A record of the check's kind as it stands there, to be changed."""
    if trial.kind is Posting:
        return trial.one(evolve(trial.make(Invoice), kind=Posting))
    return trial.one(trial.make())


def standing(trial: Trial) -> Any:
    """A record of the check's kind that can be taken back: handed over, if it is that."""
    return trial.one(trial.make())


def first_verb(trial: Trial) -> Verb:
    """The verb by which this kind is tried when things go wrong."""
    for verb in (Verb.CREATE, Verb.UPDATE, Verb.VOID):
        if trial.can.can(verb):
            return verb
    raise NotStaged(f"{trial.kind.__name__} is not written")


def same_but(before: Record, after: Record, *, but: str) -> list[str]:
    """The fields that differ and should not: all that matter, besides one."""
    return [
        each.name
        for each in fields(type(before))
        if not each.metadata.get("volatile")
        and each.name not in (but, "ref", "custom")
        and getattr(before, each.name) != getattr(after, each.name)
    ]
