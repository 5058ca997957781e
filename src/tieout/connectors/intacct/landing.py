"""
What came of changes: which records a request of theirs shows, and the outcome of each.

Behind the functions that write, a request asks for what they made: one more call would
cost more than it tells. Pure; nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from tieout.change import Action, Change, Outcome
from tieout.connector import Fields
from tieout.connectors.intacct.puts import Put, puts
from tieout.connectors.intacct.queries import SOURCES, Queries
from tieout.connectors.intacct.records import Records
from tieout.connectors.intacct.replies import Reply, Result
from tieout.connectors.intacct.xml import Element
from tieout.errors import Code, Fate, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    RecordType,
    Ref,
)
from tieout.money import ZERO

LISTS: Mapping[RecordType, tuple[str, str]] = {
    Customer: ("customers", "CUSTOMERID"),
    Invoice: ("invoices", "RECORDID"),
    CreditNote: ("credit notes", ""),
    Payment: ("payments", "DOCNUMBER"),
}
"""By kind, its list, and by which field what was made is found there at once."""


@frozen
class Landing:
    """Reads the answers to writes of one company; ``mark_field`` is a credit note's."""

    queries: Queries
    records: Records
    mark_field: str

    def looks(self, changes: Sequence[Change]) -> list[tuple[str, Element]]:
        """The queries that show what these changes made, each with the list it is of."""
        wanted: dict[tuple[str, str], list[str]] = {}
        for change in changes:
            for name, field, value in self._shows(change):
                if value:
                    wanted.setdefault((name, field), []).append(value)
        return [
            (name, self.queries.query(SOURCES[name], conditions))
            for (name, field), values in wanted.items()
            for conditions in self.queries.keyed(SOURCES[name], [field], values)
        ]

    def _shows(self, change: Change) -> Iterable[tuple[str, str, str]]:
        """Where a change shows: the list, the field and its value."""
        after, target = change.after, change.target
        if change.kind is Application and isinstance(after, Application):
            yield "details", "RECORDKEY", after.target.id
            return
        name, field = LISTS[change.kind]
        if change.action is Action.VOID:
            if change.kind is Payment and target is not None:
                yield "details", "PAYMENTKEY", target.id
        elif target is not None:
            field = "CUSTOMERID" if change.kind is Customer else "RECORDNO"
            yield name, field, target.id
        elif change.kind is CreditNote:
            yield name, self.mark_field, change.mark
        elif isinstance(after, Payment):
            yield name, field, change.mark or after.reference
            for put in after.applications:
                yield "details", "RECORDKEY", put.target.id
        else:
            yield name, field, getattr(after, "number", "")

    def shown(self, reply: Reply, looks: Mapping[str, str]) -> dict[str, list[Fields]]:
        """The rows that the queries brought, by list; ``looks`` are those by control id."""
        found: dict[str, list[Fields]] = {}
        for result in reply.results:
            if result.good and result.control_id in looks:
                rows = [Fields(row) for row in result.rows if isinstance(row, Mapping)]
                found.setdefault(looks[result.control_id], []).extend(rows)
        return found

    def outcome(
        self, change: Change, result: Result, shown: Mapping[str, list[Fields]]
    ) -> Outcome:
        """
        What came of one change.

        `Fault` where the answer does not say what was made: it may have been.
        """
        if not result.good:
            fault = result.verdict().fault()
            done = self._done(change, shown)
            if fault.code is Code.OUTCOME_UNKNOWN and done is not None:
                return done
            if fault.code is Code.NO_SUCH_RESOURCE and change.target is not None:
                fault = Fault(Code.VANISHED, fault.text, fate=fault.fate)
            return Outcome.failed(change, fault)
        details = shown.get("details", [])
        if change.action is Action.VOID:
            return self._ended(change, details)
        if change.kind is Application:
            return self._applied(change, result, details)
        key = change.target.id if change.target else _made(change, result)
        rows = shown.get(LISTS[change.kind][0], [])
        row = next((each for each in rows if _is(change, each, key)), None)
        if row is None:
            return Outcome.applied(change, ref=self._ref(change, key))
        return self._echoed(change, row, details)

    def _done(
        self, change: Change, shown: Mapping[str, list[Fields]]
    ) -> Outcome | None:
        """
        What was made under the same control id before, if it shows by its mark.

        That the other side calls it done proves nothing; the document does.
        """
        if change.action is not Action.CREATE or change.kind is Application:
            return None
        name, field, value = next(iter(self._shows(change)))
        rows = [row for row in shown.get(name, []) if row.text(field) == value != ""]
        if len(rows) != 1:
            return None
        outcome = self._echoed(change, rows[0], shown.get("details", []))
        return outcome if outcome.echo is not None else None

    def _ref(self, change: Change, key: str) -> Ref:
        return Ref(self.records.connection, change.kind.__name__, key)

    def _echoed(
        self, change: Change, row: Fields, details: Sequence[Fields]
    ) -> Outcome:
        """A document that was made or changed, as the answer shows it."""
        load: Mapping[RecordType, Callable[[Fields], Any]] = {
            Customer: self.records.customer,
            Invoice: self.records.invoice,
            CreditNote: self.records.credit_note,
            Payment: self.records.payment,
        }
        if change.kind is Payment:
            row = Fields({**row.raw, "DETAILS": _own(details, row)})
        try:
            echo = load[change.kind](row)
        except Fault:  # it was made all the same
            echo = None
        echo = echo[0] if isinstance(echo, tuple) else echo
        key = row.id("CUSTOMERID" if change.kind is Customer else "RECORDNO")
        done = Outcome.applied(change, ref=self._ref(change, key), echo=echo)
        after = change.after
        if isinstance(echo, Payment) and isinstance(after, Payment):
            short = (echo.unapplied or ZERO) - (after.unapplied or ZERO)
            if short > 0 and after.applications:
                text = f"{short} {echo.currency} of it was not put to an invoice"
                return evolve(done, notes=(Code.UNAPPLIED_CREDIT,), text=text)
        return done

    def _applied(
        self, change: Change, result: Result, details: Sequence[Fields]
    ) -> Outcome:
        """An application by its payment record: the newest of that amount between the two."""
        after = change.after
        assert isinstance(after, Application)
        wanted = (after.source.id, after.target.id, after.amount)
        found = [
            put
            for put in self._puts(details, after.currency)
            if (put.source, put.target, put.amount) == wanted
        ]
        if not found:
            text = "it was put to the invoice, and does not show there"
            raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
        made = [put for put in found if put.id.partition("/")[0] == result.key]
        newest = max(made or found, key=lambda put: int(put.id.partition("/")[0]))
        ref = Ref(self.records.connection, "Application", newest.id)
        echo = evolve(after, ref=ref)
        return Outcome.applied(change, ref=ref, echo=echo)

    def _ended(self, change: Change, details: Sequence[Fields]) -> Outcome:
        """What was taken back; of a payment, with the credits that stay (B99, B100)."""
        before = change.before
        done = Outcome.applied(change)
        if not isinstance(before, Payment) or change.target is None:
            return done
        own = [x for x in details if x.text("PAYMENTKEY") == change.target.id]
        stay = [
            f"{put.amount} {before.currency} of {put.source} on invoice {put.target}"
            for put in self._puts(own, before.currency)
            if put.how is Part.CREDIT or put.source != change.target.id
        ]
        if not stay:
            return done
        text = f"take back by hand: {'; '.join(stay)}"
        return evolve(done, notes=(Code.CREDITS_STAY,), text=text)

    def _puts(self, details: Iterable[Fields], currency: str) -> list[Put]:
        rows = Fields({"DETAILS": [each.raw for each in details]})
        return puts(rows, currency, self.records.payment_states)


def _made(change: Change, result: Result) -> str:
    """The key of what a function made; `Fault` BAD_PAYLOAD where it tells none."""
    name = "CUSTOMERID" if change.kind is Customer else "RECORDNO"
    rows = [Fields(row) for row in result.rows if isinstance(row, Mapping)]
    keys = [key for key in (result.key, *(row.text(name) for row in rows)) if key]
    if change.kind is Customer:
        return getattr(change.after, "number", "")
    if not keys:
        text = "the answer does not say what was made"
        raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
    return keys[0]


def _is(change: Change, row: Fields, key: str) -> bool:
    return row.text("CUSTOMERID" if change.kind is Customer else "RECORDNO") == key


def _own(details: Iterable[Fields], payment: Fields) -> list[Mapping[str, Any]]:
    """The details of a payment that was just made, with it."""
    key = payment.text("RECORDNO")
    own = [each for each in details if each.text("PAYMENTKEY") == key]
    return [{**each.raw, "PAYMENT": payment.raw} for each in own]
