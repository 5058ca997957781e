"""
The engine as a host calls it: what its verbs take, and which of its rooms each is done in.

`Engine` is one class of several rooms, each of which inherits the one before it and adds:

- `tieout.footing`: the two sessions, the store, and how a run begins and ends
- `tieout.levels`: the payment sync, level by level
- `tieout.verbs`: documents, the ways they go, and the initial sync
- `tieout.undoing`: batches of what was done by hand, and taking them back
- `tieout.handover`: sync by hand
- `tieout.dispatch`: carrying at once, one record or all that is switched on
- `tieout.chronicle`: the runs and events that there were
- `tieout.troubles`: issues, trying again, leaving alone
- `tieout.retention`: forgetting old events
- `tieout.inquiry`: asking why
- `tieout.connections`: checking, ending and taking up connections
- `tieout.verification`: the proof that the books agree

Here are the verbs that plan and carry, and plans as such. In each of them the steps are
recovery, reading, planning, applying, remembering; how a step is done stands in its module.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable
from datetime import date

from tieout.adapters import Adapter, DryAdapter
from tieout.answers import Landed, PersonsAnswer
from tieout.capabilities import Verb
from tieout.carrying import DOCUMENTS
from tieout.change import Change, Issue
from tieout.documents import DocumentRun
from tieout.errors import Code, ConfigError, Fault
from tieout.evidence import contradiction
from tieout.footing import PAYMENTS, Begin, Stop, Tell
from tieout.models import (
    KINDS,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Ref,
    Settlement,
)
from tieout.payload import overheard, stripped
from tieout.plan import Plan
from tieout.report import Report
from tieout.run import UNSETTLED, PaymentRun
from tieout.settings import Direction
from tieout.store import Intent, Stage
from tieout.story import described
from tieout.underway import Track, run_name
from tieout.verbs import asked
from tieout.verification import Verification
from tieout.windows import Window


def this_user() -> str:
    """``user@host``: a profile for scripts, where each user has a "last run" of its own."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


class Engine(Verification):
    """
    Keeps one billing system and one ledger in agreement.

    ``transport`` is one for both connections, or one by connection name; by default each
    has an HTTP client of its own that lives as long as the engine. ``store`` defaults to
    memory, which forgets: give a `tieout.SQLiteStore` in earnest. ``profile`` names whose
    "last run" is meant. Raises `ConfigError` where the two sides cannot be tied out by the
    settings. ``auto_pay`` is asked of each invoice that is posted by hand. ``remedies`` are
    rows of your own on what errors mean and who can put them right; they come before what
    tieout knows. A context manager; not for two threads at once.
    """

    def deep_link(self, ref: Ref) -> str:
        """
        The address of a record's page for people, in its own system; "" for none.

        Raises `ConfigError` for a record of another pair.
        """
        if ref.connection not in self._sessions:
            raise ConfigError(f"{ref.connection} is no connection of this pair")
        found = self._deep_links.get(ref.connection)
        return str(found(ref)) if found is not None else ""

    def payload(self, ref: Ref) -> str:
        """
        What its system says of a record now, word for word, without secrets.

        For finding out why. Raises `ConfigError` for a record of another pair, and
        `Fault` where it cannot be read.
        """
        if ref.connection not in self._sessions:
            raise ConfigError(f"{ref.connection} is no connection of this pair")
        self._refuse_ended(ref.connection)
        session, heard = self._session_of(ref.connection), list[str]()
        flow = session.connector.fetch(KINDS[ref.kind], ids=[ref.id])
        session.run(overheard(flow, heard))
        return stripped("\n".join(heard), session.secrets())

    # What is owed and paid ------------------------------------------------------------

    def plan_payments(
        self,
        since: Begin | None = None,
        *,
        only: Iterable[str] = (),
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        recheck: bool | None = None,
    ) -> Plan:
        """
        What `sync_payments` would do; nothing is written anywhere.

        Where the reading ends early, the plan has ``complete`` false and says why among
        its issues. Raises `ConfigError` for a start that cannot be.
        """
        return self._planned(
            lambda sink: self.sync_payments(
                since,
                only=only,
                adapter=sink,
                on_progress=on_progress,
                stop=stop,
                recheck=recheck,
            )
        )

    def sync_payments(
        self,
        since: Begin | None = None,
        *,
        only: Iterable[str] = (),
        adapter: Adapter | DryAdapter | None = None,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        recheck: bool | None = None,
    ) -> Report:
        """
        Carry payment levels from the ledger to billing, or payments as documents.

        Documents where the settings give `Payment` a direction, levels otherwise; never
        both. ``since``: a `Since`, a date (a whole day in the books' zone), an aware
        datetime, or an interrupted run's ``report.resume``. ``only``: the ones of these
        ids or numbers (of ledger invoices, where levels are carried), at once.
        ``recheck``: compare with billing as it is now (True) or trust what was agreed
        (False); by default LAST_RUN trusts and every other start compares. ``stop`` is
        asked between steps; a stopped run ends cleanly.

        Raises `ConfigError` for a start that cannot be, `Fault` RUN_IN_PROGRESS while
        another run holds the pair, and `StoreError`. Everything else is in the report.
        """
        wanted = asked(since, only, recheck=bool(recheck))
        if self.settings.direction(Payment) is Direction.OFF:
            if since is None:
                return self._sync_named(wanted.only, adapter, on_progress, stop)
            if wanted.only:
                raise ConfigError("levels are carried since= a time or only= by name")
            return self._sync_levels(since, adapter, on_progress, stop, recheck)
        return self._sync_documents(Payment, wanted, adapter, on_progress, stop)

    # Documents ------------------------------------------------------------------------

    def plan_customers(
        self,
        since: Begin | None = None,
        *,
        only: Iterable[str] = (),
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        recheck: bool = False,
    ) -> Plan:
        """What `sync_customers` would do; nothing is written anywhere."""
        wanted = asked(since, only, recheck=recheck)
        return self._planned(
            lambda sink: self._sync_documents(Customer, wanted, sink, on_progress, stop)
        )

    def sync_customers(
        self,
        since: Begin | None = None,
        *,
        only: Iterable[str] = (),
        adapter: Adapter | DryAdapter | None = None,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        recheck: bool = False,
    ) -> Report:
        """
        Carry customers the ways that the settings say.

        Those that changed ``since`` then, or ``only`` the ones of these ids or numbers: at
        once, when they change. ``recheck`` compares also what was agreed before.
        Raises as `sync_payments` does, and `ConfigError` where the settings give
        `Customer` no direction.
        """
        wanted = asked(since, only, recheck=recheck)
        return self._sync_documents(Customer, wanted, adapter, on_progress, stop)

    def plan_invoices(
        self,
        since: Begin | None = None,
        *,
        through: date | None = None,
        only: Iterable[str | Ref] | None = None,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        recheck: bool = False,
    ) -> Plan:
        """What `sync_invoices` would do; nothing is written anywhere."""
        return self._planned(
            lambda sink: self.sync_invoices(
                since,
                through=through,
                only=only,
                adapter=sink,
                on_progress=on_progress,
                stop=stop,
                recheck=recheck,
            )
        )

    def sync_invoices(
        self,
        since: Begin | None = None,
        *,
        through: date | None = None,
        only: Iterable[str | Ref] | None = None,
        adapter: Adapter | DryAdapter | None = None,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        recheck: bool = False,
        by: str = "",
    ) -> Report:
        """
        Carry invoices, and first the customers that they name.

        Those that changed ``since`` then; or ``only`` the ones of these ids or numbers, at
        once; or by hand, those dated ``through`` a day (included) that billing says were
        not handed over, ``only`` the chosen ones. By hand, each is called handed over once
        it is in the ledger, and ``report.batch`` names what `undo` takes back; ``by`` is
        who did it. What is chosen by a `Ref` cannot be mistaken: a text may be the id of
        one invoice and the number of another. ``recheck`` compares also what was agreed
        before.

        Raises as `sync_payments` does, and `ConfigError` where the settings give `Invoice`
        no direction, or billing does not tell what was handed over.
        """
        if through is not None:
            if since is not None:
                raise ConfigError(
                    "since= and through= are two ways to choose: give one"
                )
            return self._sync_by_hand(through, only, adapter, on_progress, stop, by)
        wanted = asked(since, _ids(only), recheck=recheck)
        return self._sync_documents(Invoice, wanted, adapter, on_progress, stop)

    def plan_credit_notes(
        self,
        since: Begin | None = None,
        *,
        only: Iterable[str] = (),
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        recheck: bool = False,
    ) -> Plan:
        """What `sync_credit_notes` would do; nothing is written anywhere."""
        wanted = asked(since, only, recheck=recheck)
        return self._planned(
            lambda sink: self._sync_documents(
                CreditNote, wanted, sink, on_progress, stop
            )
        )

    def sync_credit_notes(
        self,
        since: Begin | None = None,
        *,
        only: Iterable[str] = (),
        adapter: Adapter | DryAdapter | None = None,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        recheck: bool = False,
    ) -> Report:
        """
        Carry credit notes and their applications, and first their customers.

        Those that changed ``since`` then, or ``only`` the ones of these ids or numbers: at
        once, when they change. ``recheck`` compares also what was agreed before.
        Raises as `sync_payments` does, and `ConfigError` where the settings give
        `CreditNote` no direction.
        """
        wanted = asked(since, only, recheck=recheck)
        return self._sync_documents(CreditNote, wanted, adapter, on_progress, stop)

    # Plans --------------------------------------------------------------------------------

    def plan_changes(self, changes: Iterable[Change], *, verb: str = DOCUMENTS) -> Plan:
        """
        A plan of the caller's own changes, to be looked at, saved, or given to `apply`.

        ``verb`` files what is remembered of them; each kind of work has one of its own.
        A document that agrees may be given as KEEP: what is open about it is closed.
        Raises `ConfigError` for the verb `payments`, and for two changes of one name.
        """
        if verb == PAYMENTS:
            raise ConfigError(f"{PAYMENTS!r} is the engine's own verb: choose another")
        window = Window(self._clock.now(), trusting=False, label="the caller's changes")
        header = self._header(window, verb, whole=False)
        given = tuple(changes)
        if len({change.name for change in given}) < len(given):
            raise ConfigError("two changes of one name: name them by `change_name`")
        return self._priced(Plan(given, header=header))

    def apply(
        self,
        plan: Plan,
        *,
        adapter: Adapter | DryAdapter | None = None,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
    ) -> Report:
        """
        Carry out a plan that was made before.

        Both sides are read again first: a record that has changed since is left alone and
        reported as STALE_PLAN. Applying a complete plan of payments is as good as the run
        it was made by: the marker moves by the same rule. Raises `ConfigError` for a plan
        of another pair, of other settings, or without a header.
        """
        header = self._checked_header(plan)
        start = header.start or self._clock.now()
        moment = Window(start, trusting=False, label=f"a plan ({header.window})")
        levels = header.verb == PAYMENTS
        track = Track(header.verb, moment, self._marker(PAYMENTS) if levels else None)
        track.as_of = plan.as_of
        under = self._begin(track)
        run: PaymentRun | DocumentRun
        if levels:
            run = self._payment_run(adapter, on_progress, stop, under)
        else:
            run = DocumentRun(
                **self._common(header.verb, adapter, on_progress, stop, under)
            )

        def work() -> None:
            if run.sink is not None:
                run.sink.begin(header)
                run.sink.take(plan)
                return
            for session in (self._billing, self._ledger):
                self._bind(session, dry=False)
            doubts = run.recover()
            if not levels:
                for doubt in doubts:
                    run.tell(doubt)
            run.apply(plan)

        whole = plan.complete and None not in (plan.as_of, header.start)
        # What it left out may have been settled since, by what nobody compared anew.
        whole = whole and not any(issue.code in UNSETTLED for issue in plan.issues)
        restored = self._restored()
        whole = whole and (restored is None or header.made_at > restored.at)
        moves = levels and whole
        return self._carried(run, under, work, moves_marker=moves)

    def parked(self) -> list[Intent]:
        """
        The writes of which a person is asked what came of them.

        Each has a ``name`` to answer by, its ``number`` and ``source``, why it is in
        ``doubt``, and the ``candidates`` on the other side.
        """
        found: list[Intent] = []
        after = ""
        while some := self._store.find(Intent, "parked", self.pair, after):
            found.extend(some)
            after = some[-1].name
        return found

    def answer(
        self, write: Intent | str, reply: PersonsAnswer, *, by: str | None = None
    ) -> None:
        """
        Say what came of a parked write: `Landed` with the document's id, or a `Reply`.

        ``by`` is who says so, by default this user. A document that is named is looked at
        first, where its system tells of such. Raises `ConfigError`, and changes nothing,
        where no such write is parked, and where the document cannot be looked at, is not
        there, or cannot be what was made; `Fault` RUN_IN_PROGRESS while a run holds the
        pair, and `Fault` ALREADY_LINKED where the document belongs to another record.
        """
        name = write if isinstance(write, str) else write.name
        intent = self._store.get(Intent, [name]).get(name)
        verb = intent.verb if intent else DOCUMENTS
        journal = self._journal(verb, run_name(self._clock.now()))
        journal.acquire()
        try:
            if isinstance(reply, Landed) and intent and intent.stage is Stage.PARKED:
                reply = self._looked_up(intent, reply)
            journal.answer(name, reply, by or this_user())
        finally:
            journal.release()

    def _looked_up(self, intent: Intent, reply: Landed) -> Landed:
        """The answer by the document's own id; `ConfigError` where it cannot be true."""
        session, kind = self._sessions[intent.connection], intent.kind
        able = session.connector.capabilities.kind(kind).can(Verb.READ)
        if kind is Settlement or not able or not reply.id.strip():
            return reply  # a level is compared anew, whatever is answered
        name = f"{kind.__name__.lower()} {reply.id} in {intent.connection}"
        made = Ref(intent.connection, kind.__name__, reply.id.strip())
        try:
            self._refuse_ended(intent.connection)
            page = session.run(session.connector.fetch(kind, ids=[made.id]))
        except Fault as fault:
            if fault.code is Code.NOT_ALLOWED:
                return reply  # nobody but the person can look
            text = f"{name} could not be looked at; try again: {fault.text}"
            raise ConfigError(text) from fault
        found = next((each for each in page.records if _called(each.ref, made)), None)
        if found is None and page.issues:
            told = "; ".join(map(str, page.issues))
            raise ConfigError(f"{name} could not be looked at; try again: {told}")
        if found is None:
            raise ConfigError(f"there is no {name}")
        against = contradiction(intent, found) or self._otherwise_tied(
            intent, found.ref
        )
        if against:
            told = f"{name} cannot be what was made: {against}"
            raise ConfigError(f"{told}. It is there: {described(found)}")
        return Landed(found.ref.id)

    def _otherwise_tied(self, intent: Intent, made: Ref) -> str:
        """In which other role a document is tied to the very record that was sent."""
        for link in self._reader().legs([made]).values():
            own = intent.source in (link.billing, link.ledger)
            if own and not link.released and link.role != intent.role:
                return "it is tied to another part of the same record"
        return ""

    def audit(self, *, verb: str = DOCUMENTS) -> list[Issue]:
        """
        Look for every document that carries a mark of ours; an issue for each that is
        there more than once.

        This finds what no wait can prevent: a request that was carried out hours late, a
        document that a person copied together with its mark. Nothing is deleted: each is
        parked, and a person answers which one it is. Reads one search for each document.
        """
        journal = self._journal(verb, run_name(self._clock.now()))
        direct = self._direct()
        self._refuse_ended(*self._sessions)
        journal.acquire()
        try:
            return journal.audit(direct.find)
        finally:
            journal.release()


def _called(ref: Ref, name: Ref) -> bool:
    """Whether a record goes by this id or has it among its others."""
    names = {each.casefold() for each in (ref.id, *ref.aliases)}
    return ref.connection == name.connection and name.id.casefold() in names


def _ids(only: Iterable[str | Ref] | None) -> Iterable[str]:
    """Chosen records by their ids and numbers; one text is left for whoever refuses it."""
    if only is None or isinstance(only, str):
        return only or ()
    return [each.id if isinstance(each, Ref) else each for each in only]
