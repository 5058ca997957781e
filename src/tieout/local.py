"""
The host's own application as a connector: flows that yield calls, never requests.

`LocalApp` is a class with plain methods that the host overrides::

    class Shop(LocalApp):
        def invoices(self, ids, numbers):
            for row in orm.invoices(ids, numbers):
                yield Bill(id=row.pk, number=row.number, currency="EUR", total=row.total,
                           paid_amount=row.paid_amount, date_paid=row.date_paid)

        def set_paid(self, invoice):
            orm.update(invoice.ref.id,
                       paid_amount=invoice.paid, date_paid=invoice.paid_on)

    billing = Local(Shop(), connection="app:shop")

They are called on the thread that called the engine. Never call the engine inside a
transaction of your own: a lock that it holds would be waited for. Where the app is no more
than a few tables, `tieout.table` needs no code at all.

Nothing here keeps a database connection, rounds an amount, or decides what is to be paid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property, partial
from typing import Any

from attrs import field, frozen

from tieout.capabilities import (
    Capabilities,
    Changed,
    Dated,
    Everything,
    Kind,
    Open,
    Unposted,
    Verb,
)
from tieout.change import Action, Change, Outcome
from tieout.connector import Health, Page, guarded
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.host.abilities import (
    AT_ONCE,
    LEVELS_WRITTEN,
    document_kind,
    own_capabilities,
)
from tieout.host.flows import InProcess, ask, unknown
from tieout.host.methods import (
    OFFERED,
    CreditNotes,
    Customers,
    Documents,
    Invoices,
    LocalApp,
    Payments,
    overrides,
)
from tieout.host.records import MARK, Load, Records
from tieout.host.rows import (
    ApplicationRow,
    Bill,
    CreditNoteRow,
    CustomerRow,
    InvoiceRow,
    PaymentRow,
    plain,
)
from tieout.host.values import identity
from tieout.host.wanted import (
    VALUES,
    changed_names,
    is_as_wanted,
    is_ended,
    not_moved,
    posted_at,
    row_of,
)
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Posting,
    RecordType,
    Settlement,
)
from tieout.wire import Call, Flow

__all__ = [
    "ApplicationRow",
    "Bill",
    "CreditNoteRow",
    "CreditNotes",
    "CustomerRow",
    "Customers",
    "Documents",
    "InvoiceRow",
    "Invoices",
    "Local",
    "LocalApp",
    "PaymentRow",
    "Payments",
]

SIZES: Mapping[str, Any] = {"fetch_size": 500, "batch_size": 50}
"""Ids that a method is asked for at once; changes that are handed over in one write."""


_VERBS = {
    "named": Verb.READ,
    "create": Verb.CREATE,
    "update": Verb.UPDATE,
    "void": Verb.VOID,
}


@frozen(eq=False)
class Local(InProcess):
    """
    A `LocalApp` as a connector; it can do what the app overrides.

    ``late_commit`` is for an app that hands writes on to something slower: the latest that
    a write whose outcome is unknown may still be carried out and seen.
    """

    app: LocalApp
    late_commit: timedelta = field(default=AT_ONCE, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not overrides(self.app, "invoices") and not self._offered:
            name = type(self.app).__name__
            raise ConfigError(f"{name} has to override invoices() or documents()")

    @property
    def capabilities(self) -> Capabilities:
        """What the app, and each of its documents, overrides."""
        return self._abilities

    @cached_property
    def _abilities(self) -> Capabilities:
        documents = {kind: self._able(each) for kind, each in self._offered.items()}
        invoices = self._offered.get(Invoice)
        if invoices and overrides(invoices, "set_posted"):
            verbs = frozenset({Verb.READ, Verb.UPDATE, Verb.VOID})
            selects = documents[Invoice].selects & {Unposted}
            documents[Posting] = _kind(verbs, selects, VALUES[Posting], "")
        levels = self._level_kind() if overrides(self.app, "invoices") else None
        return own_capabilities(
            "local",
            levels,
            documents,
            credits_told=CreditNote in documents,
            late_commit=self.late_commit,
        )

    @cached_property
    def _offered(self) -> Mapping[RecordType, Documents[Any]]:
        """The documents by their kind; `ConfigError` for what is none, or comes twice."""
        found: dict[RecordType, Documents[Any]] = {}
        for each in self.app.documents():
            if not isinstance(each, tuple(OFFERED.values())):
                raise ConfigError(f"documents() gives a {type(each).__name__}")
            kind = each.kind
            if kind in found or not overrides(each, "named"):
                text = "comes twice" if kind in found else "has to override named()"
                raise ConfigError(f"{type(each).__name__} {text}")
            found[kind] = each
        return found

    def _level_kind(self) -> Kind:
        selects: set[type] = {Changed} if overrides(self.app, "changed") else set()
        if overrides(self.app, "everything"):
            selects |= {Everything, Dated, Open}
        written = LEVELS_WRITTEN if overrides(self.app, "set_paid") else {}
        return Kind(selects=frozenset(selects), **SIZES, **written)

    def _able(self, documents: Documents[Any]) -> Kind:
        """What can be done with one kind of document."""
        kind = documents.kind
        verbs = {verb for name, verb in _VERBS.items() if overrides(documents, name)}
        selects: set[type] = set()
        selects |= {Changed} if overrides(documents, "changed") else set()
        selects |= {Everything} if overrides(documents, "everything") else set()
        if kind is not Customer and (
            selects & {Everything} or overrides(documents, "dated")
        ):
            selects |= {Dated}
        if kind is Invoice and overrides(documents, "unposted"):
            selects |= {Unposted}
        mark = MARK if overrides(documents, "marked") else ""
        return _kind(frozenset(verbs), frozenset(selects), VALUES[kind], mark)

    # Reading. A host's generator is used up inside the call: its code runs on its own thread.

    def _health(self) -> Health:
        books = self.app.books() or self._own_books()
        return Health(reachable=True, signed_in=True, books=books)

    def _select(
        self, kind: RecordType, select: Any, cursor: str | None
    ) -> tuple[list[Any], str | None]:
        app: Any = self.app if kind is Settlement else self._kept(kind)
        match select:
            case Changed(since=since):
                rows = app.changed(since)
            case Unposted(through=through):
                rows = app.unposted(through)
            case Dated(first=first, last=last) if overrides(app, "dated"):
                rows = app.dated(first, last)
            case _:
                rows = app.everything()
        return [plain(row) for row in rows], None

    def _named(self, kind: RecordType, ids: list[str], numbers: list[str]) -> list[Any]:
        named = self.app.invoices if kind is Settlement else self._kept(kind).named
        return [plain(row) for row in named(ids, numbers)]

    def _marked(self, kind: RecordType, marks: list[str]) -> list[Any]:
        return [plain(row) for row in self._kept(kind).marked(marks)]

    def _kept(self, kind: RecordType) -> Documents[Any]:
        """The documents that hold records of a kind: invoices say what was handed over."""
        return self._offered[Invoice if kind is Posting else kind]

    def _loader(self, kind: RecordType) -> Load:
        return Records(self.connection, strict=True).loader(kind)

    # Writing

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes: list[Outcome] = []
        for change in changes:
            outcome = yield from guarded(self._write_one(change), change, self.judge)
            outcomes.append(outcome)
        return tuple(outcomes)

    def _write_one(self, change: Change) -> Flow[Outcome]:
        if change.kind is Settlement:
            _, _, after = self._wanted(change)
            yield from _told(partial(self.app.set_paid, after), "set_paid")
            return Outcome.applied(change)
        self._check_allowed(change)
        if change.action is Action.CREATE:
            return (yield from self._create(change))
        return (yield from self._change(change))

    def _create(self, change: Change) -> Flow[Outcome]:
        """Make a document, and read it again: it has to be there as it was wanted."""
        row = row_of(change)
        create = partial(self._kept(change.kind).create, row)
        own = yield from _told(lambda: identity(create()), "create")
        # What cannot be seen may be there: until it is found, nobody knows.
        record = yield from self._seen(change.kind, own, Fate.UNCLEAR)
        # An app that keeps no marks shows none.
        marked = not change.mark or self.capabilities.kind(change.kind).mark
        echo = record if marked else None
        return Outcome.applied(
            change, ref=record.ref, version=record.version, echo=echo
        )

    def _change(self, change: Change) -> Flow[Outcome]:
        """Change or take back what is still as it was read, and not as wanted already."""
        step = self._step(change)
        assert change.target is not None
        now = yield from self._seen(change.kind, change.target.id, Fate.NOT_SENT)
        if _is_done(now, change):
            return Outcome.applied(change, version=now.version)
        not_moved(now, change.before)
        yield from _told(step, change.action.name.lower())
        return Outcome.applied(change)

    def _step(self, change: Change) -> Callable[[], Any]:
        """The method that carries a change out, with what it is given."""
        assert change.target is not None
        own, kept = change.target.id, self._kept(change.kind)
        if change.kind is Posting:
            assert isinstance(kept, Invoices)
            return partial(kept.set_posted, own, posted_at(change))
        if change.action is Action.VOID:
            return partial(kept.void, own)
        return partial(kept.update, row_of(change))

    def _seen(self, kind: RecordType, own: str, fate: Fate) -> Flow[Any]:
        """A record as it is now; `Fault` VANISHED where it is not there."""
        call = partial(self._named, kind, [own], [])
        page: Page[Any] = self._read(kind, (yield from ask(call, "fetch", fate)))
        for record in page.records:
            if record.ref.id == own:
                return record
        for issue in page.issues:
            if issue.source is None or issue.source.id == own:
                text, remedy = issue.text, issue.remedy
                raise Fault(issue.code, text, field=issue.field, remedy=remedy)
        raise Fault(Code.VANISHED, f"{own} is not there")


def _kind(
    verbs: frozenset[Verb],
    selects: frozenset[type],
    writable: frozenset[str],
    mark: str,
) -> Kind:
    return document_kind(verbs, selects, writable, mark, **SIZES)


def _is_done(now: Any, change: Change) -> bool:
    """Whether a record is as it should be already."""
    if change.kind is Posting:
        return bool(now.on == posted_at(change))
    if change.action is Action.VOID:
        return is_ended(now)
    return is_as_wanted(now, change, changed_names(change, VALUES[change.kind]))


def _told(step: Callable[[], Any], name: str) -> Flow[Any]:
    """A call that changes something; its outcome is unknown after all but a `Fault`."""
    try:
        response = yield Call(step, effect=True, name=name)
    except Fault:
        raise
    except Exception as error:
        raise unknown(error) from error
    return response.value
