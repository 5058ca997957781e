"""Changes of a host's documents, as planners make them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve

from tieout.change import Action, Change, change_name, mark_of
from tieout.models import Application, Part, Record, RecordType, Ref

HERE, OTHER = "app:db", "ledger:x"
"""The host's connection, and the one whose records ask for the changes."""


def made(after: Any, source: str = "1", **given: Any) -> Change:
    """That a document is wanted which is not there."""
    kind, connection = type(after), after.ref.connection
    ref = Ref(OTHER, kind.__name__, source)
    change = Change(
        change_name(connection, kind.__name__, ref, 0, Action.CREATE, 0),
        Action.CREATE,
        kind,
        connection,
        ref,
        after=after,
        number=getattr(after, "number", ""),
        mark=mark_of(connection, kind.__name__, ref),
    )
    return evolve(change, **given)


def changed(before: Any, **values: Any) -> Change:
    """That a document is to show other values."""
    return _of(Action.UPDATE, before, evolve(before, **values))


def ended(before: Any) -> Change:
    """That a document is to be taken back."""
    return _of(Action.VOID, before, None)


def _of(action: Action, before: Record, after: Record | None) -> Change:
    kind: RecordType = type(before)
    return Change(
        f"{action.name} {before.ref.id}",
        action,
        kind,
        before.ref.connection,
        Ref(OTHER, kind.__name__, before.ref.id),
        target=before.ref,
        before=before,
        after=after,
    )


def put(
    invoice: str,
    amount: Decimal,
    on: date = date(2026, 3, 10),
    *,
    currency: str = "EUR",
    how: Part = Part.CASH,
) -> Application:
    """A part of a payment that is wanted, put to an invoice."""
    return Application(
        Ref(HERE, "Application", ""),
        Ref(HERE, "Payment", ""),
        Ref(HERE, "Invoice", invoice),
        amount,
        currency,
        on,
        how,
    )
