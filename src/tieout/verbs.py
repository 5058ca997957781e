"""
The verbs for documents: which ways a kind goes, and in what order its records are read.

How a page of them is carried stands in `tieout.syncing`, what is wanted in the planners.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from attrs import define, evolve

from tieout.adapters import Adapter, DryAdapter
from tieout.capabilities import Changed, Dated, Everything, Select, Verb
from tieout.carrying import DOCUMENTS
from tieout.change import Issue
from tieout.errors import Code, ConfigError
from tieout.footing import Begin, Stop, Tell
from tieout.levels import Levels
from tieout.models import CreditNote, Customer, Invoice, Payment, RecordType
from tieout.planners.course import Course
from tieout.protocol import Connector, Page
from tieout.report import Report
from tieout.session import Session
from tieout.settings import Direction, Settings
from tieout.store import ResumePoint, key_of
from tieout.survey import Survey
from tieout.syncing import PLANNERS, DocumentSync
from tieout.underway import Track, Under
from tieout.windows import Since, Window

VERBS: Mapping[RecordType, str] = {
    Customer: "customers",
    Invoice: "invoices",
    CreditNote: "credit notes",
    Payment: "payment documents",
}
"""By kind, the name of its runs, and of the markers of what was read from billing."""

INWARD = " into billing"
"""Behind the name of a marker of what was read from the ledger."""


@define
class Asked:
    """
    Which records a caller wants carried.

    One of ``since`` (what changed), ``only`` (named ones) and ``select`` (by date or
    state, under ``label``). What is selected otherwise than by its change moves no marker.
    ``notes`` are told at the start; ``outward`` says which way alone is meant;
    ``insist`` tries again what is held, although nothing changed.
    """

    since: Begin | None = None
    only: frozenset[str] = frozenset()
    select: Select | None = None
    label: str = ""
    recheck: bool = False
    notes: tuple[Issue, ...] = ()
    outward: bool | None = None
    insist: bool = False

    @property
    def place(self) -> str:
        """The name under which it is remembered how far a selection was read."""
        return f"{self.label} of " if self.select is not None else ""

    @property
    def by_name(self) -> bool:
        """Whether records are read by their names, and by nothing else."""
        return bool(self.only) and self.since is None and self.select is None


def asked(
    since: Begin | None, only: Iterable[str] = (), *, recheck: bool = False
) -> Asked:
    """
    What a caller of a verb wants carried.

    Raises `ConfigError` where neither a start nor a record is named.
    """
    if isinstance(only, str):
        raise ConfigError("only= takes several ids or numbers: put the one in a list")
    given: frozenset[Any] = frozenset(only)
    if not all(isinstance(each, str) and each for each in given):
        raise ConfigError("only= takes ids or numbers as texts")
    names: frozenset[str] = given
    if since is None and not names:
        raise ConfigError(
            "say from when (since=Since.PAST_WEEK, a date, ...) or which (only=[...])"
        )
    noun = "record" if len(names) == 1 else "records"
    label = f"{len(names)} named {noun}" if names else ""
    return Asked(since, names, label=label, recheck=recheck)


class DocumentVerbs(Levels):
    """What an engine does to carry documents."""

    def _check_sides(self, billing: Connector, ledger: Connector) -> None:
        super()._check_sides(billing, ledger)
        check_documents(billing, ledger, self.settings)

    def _sync_documents(
        self,
        kind: RecordType,
        asked: Asked,
        adapter: Adapter | DryAdapter | None = None,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
    ) -> Report:
        courses = self._courses(kind, asked)
        tracks = [self._track(course, asked) for course in courses]
        under = self._begin(*tracks)
        under.resume = asked.since if isinstance(asked.since, ResumePoint) else None
        run = self._document_run(adapter, on_progress, stop, under, asked.only)
        run.insist = asked.insist

        def work() -> None:
            if run.sink is not None:
                run.sink.begin(self._header(tracks[0].moment, DOCUMENTS, whole=False))
            for session in (self._billing, self._ledger):
                dry = run.journal is None
                self._bind(session, dry=dry, insist=asked.insist)
            for doubt in (*run.recover(), *asked.notes):
                run.tell(doubt)
            if run.journal is not None:
                run.journal.notice(asked.notes)
            for course, track in zip(courses, tracks, strict=True):
                # Now in the books' own zone, and knowing which periods are closed.
                track.moment = self._track(course, asked).moment
                self._read_course(run, under, self._bound(course), track, asked)
            if asked.by_name:
                run.end(courses)

        # What changed besides those that were named is still to be read.
        moves = asked.since is not None and not asked.only
        return self._carried(run, under, work, moves_marker=moves)

    def initial_sync(
        self,
        first: date,
        last: date,
        *,
        kinds: Iterable[RecordType],
        on_progress: Tell | None = None,
        stop: Stop | None = None,
    ) -> tuple[Report, ...]:
        """
        Carry what was made before tieout was there: documents dated from day to day.

        A report for each of the ``kinds``, in the order in which they depend on each
        other; both days are included, at most 366 in all; customers have no date, and all
        of them are read. Asked for again, an interrupted one goes on behind its last
        completed page, and a finished one changes nothing. Where the next run begins is
        not touched. Raises `ConfigError` before anything is read.
        """
        wanted = _initial(kinds, first, last)
        for kind in wanted:
            self._check_initial(kind)
        days = f"{first} to {last}"
        reports: list[Report] = []
        for kind in wanted:
            select = Everything() if kind is Customer else Dated(first, last)
            notes = (
                () if Payment in wanted or kind is Customer else (_without_payments(),)
            )
            asked = Asked(select=select, label=f"initial sync, {days}", notes=notes)
            reports.append(self._sync_documents(kind, asked, None, on_progress, stop))
            if not reports[-1].complete:
                break
        return tuple(reports)

    def _check_initial(self, kind: RecordType) -> None:
        """Whether the source of each way can tell of a kind by its dates."""
        select = Everything if kind is Customer else Dated
        for course in self._courses(kind, Asked()):
            able = self._session_of(course.source).connector.capabilities
            if select not in able.kind(kind).selects:
                raise ConfigError(
                    f"{able.system} cannot list {VERBS[kind]} by their dates"
                )

    def _read_course(
        self,
        run: DocumentSync,
        under: Under,
        course: Course,
        track: Track,
        asked: Asked,
    ) -> None:
        """What is open, then page after page, the resume point after each."""
        run.begin(course, insistent=not track.moment.trusting)
        if asked.by_name:
            for page in run.named(course):
                run.process(page)
            return
        if not asked.only:
            for page in run.again(course):
                run.process(page)
        point = self._place(track) if asked.select is not None else None
        if isinstance(asked.since, ResumePoint):
            point = asked.since
        track.as_of = point.as_of if point else None
        select = self._select(course, track, asked)
        cursor = point.cursor if point else None
        for page in run.pages(course, select, cursor):
            track.as_of = track.as_of or page.as_of
            track.token = page.token or track.token
            run.process(page)
            self._mark_page(run, under, course, track, page)
        if asked.recheck and asked.select is None and not asked.only:
            for page in self._lost(run, course, select):
                run.process(page)

    def _lost(
        self, run: DocumentSync, course: Course, select: Select
    ) -> Iterator[Page[Any]]:
        """What was deleted at a source that does not say so: asked for in a recheck."""
        source = self._session_of(course.source).connector.capabilities
        if source.deletions_visible or course.kind is Customer:
            return iter(())  # a customer is rarely deleted, and often merged or hidden
        begun = select.since if isinstance(select, Changed) else None
        # By a day less, since days begin at different times in different zones.
        return run.lost(course, begun.date() - timedelta(days=1) if begun else None)

    def _place(self, track: Track) -> ResumePoint | None:
        """Where an interrupted reading of the same selection was."""
        key = key_of(self.pair, track.verb, self._profile)
        return self._store.get(ResumePoint, [key]).get(key)

    def _mark_page(
        self,
        run: DocumentSync,
        under: Under,
        course: Course,
        track: Track,
        page: Page[Any],
    ) -> None:
        """Where an interrupted run goes on: behind this page, where the order stays."""
        source = self._session_of(course.source).connector.capabilities
        stable = run.journal is not None and source.kind(course.kind).stable_order
        under.resume = ResumePoint(
            self.pair,
            track.verb,
            self._profile,
            start=track.moment.start,
            cursor=page.next if stable else None,
            as_of=track.as_of if stable else None,
            label=track.moment.label,
            trusting=track.moment.trusting,
            run=under.id,
        )
        if run.journal is not None and page.next is not None:
            run.journal.note(under.resume)

    def _select(self, course: Course, track: Track, asked: Asked) -> Select:
        if asked.select is not None:
            return asked.select
        source = self._session_of(course.source).connector.capabilities
        if Changed not in source.kind(course.kind).selects:
            return Everything()
        trusting = asked.since is Since.LAST_RUN and track.marker is not None
        token = track.marker.token if trusting and track.marker else None
        return Changed(track.moment.start, token)

    # Which ways ---------------------------------------------------------------------------

    def _courses(self, kind: RecordType, asked: Asked) -> list[Course]:
        """The ways that a kind goes; `ConfigError` where it goes none."""
        direction = self.settings.direction(kind)
        found = [
            self._course(kind, outward=outward, recheck=asked.recheck)
            for outward in (True, False)
            if direction.goes(outward=outward) and asked.outward in (None, outward)
        ]
        if isinstance(asked.since, ResumePoint):
            found = [each for each in found if verb_of(each) == asked.since.verb]
        if not found:
            name = kind.__name__
            raise ConfigError(
                f"{VERBS[kind]} are switched off in the settings: directions[{name}]"
            )
        return found

    def _course(
        self,
        kind: RecordType,
        *,
        outward: bool,
        recheck: bool = False,
        by_hand: bool = False,
    ) -> Course:
        ends = (self._billing, self._ledger)
        source, target = ends if outward else reversed(ends)
        return Course(
            kind,
            source.connector.connection,
            target.connector.connection,
            target.connector.capabilities,
            self.settings,
            outward=outward,
            recheck=recheck,
            by_hand=by_hand,
        )

    def _bound(self, course: Course) -> Course:
        """A course that knows which periods of its target are closed."""
        books = self._identity(course.target)
        return evolve(course, locked_through=books.locked_through if books else None)

    def _track(self, course: Course, asked: Asked) -> Track:
        verb = verb_of(course)
        if asked.since is None:
            moment = Window(self._clock.now(), trusting=False, label=asked.label)
            place = asked.select is not None
            return Track(asked.place + verb, moment, keeps_place=place)
        marker = self._marker(verb)
        source = self._session_of(course.source)
        moment = self._window(asked.since, marker, verb, source)
        return Track(verb, moment, marker)

    def _session_of(self, connection: str) -> Session:
        ours = connection == self._billing.connector.connection
        return self._billing if ours else self._ledger

    def _document_run(
        self,
        adapter: Adapter | DryAdapter | None,
        on_progress: Tell | None,
        stop: Stop | None,
        under: Under,
        only: frozenset[str],
    ) -> DocumentSync:
        common = self._common(DOCUMENTS, adapter, on_progress, stop, under)
        survey = Survey(self.pair, self._store, common["reader"], self._sessions)
        return DocumentSync(survey=survey, sessions=self._sessions, only=only, **common)


def _initial(kinds: Iterable[RecordType], first: date, last: date) -> list[RecordType]:
    """The kinds of an initial sync in their order; `ConfigError` for what cannot be."""
    wanted = set(kinds)
    strangers = wanted - set(PLANNERS)
    if strangers or not wanted:
        known = ", ".join(kind.__name__ for kind in PLANNERS)
        raise ConfigError(f"kinds: choose among {known}")
    if last < first:
        raise ConfigError(f"the range ends on {last}, before it begins on {first}")
    days = (last - first).days + 1
    if days > INITIAL_DAYS_MAX:
        raise ConfigError(
            f"the range has {days} days; at most {INITIAL_DAYS_MAX} are read at once: "
            "split it, the parts add up"
        )
    return [kind for kind in PLANNERS if kind in wanted]


def _without_payments() -> Issue:
    return Issue(Code.PAYMENTS_LEFT_OUT, blocking=False)


INITIAL_DAYS_MAX = 366
"""The longest range of an initial sync: a year, leap years included."""


def verb_of(course: Course) -> str:
    """The name of the runs of a course, and of their marker."""
    return VERBS[course.kind] + ("" if course.outward else INWARD)


def check_documents(billing: Connector, ledger: Connector, settings: Settings) -> None:
    """Whether documents can go the ways that the settings say. Raises `ConfigError`."""
    for kind, direction in settings.directions.items():
        if kind in PLANNERS and direction is not Direction.OFF:
            for source, target in _ways(billing, ledger, direction):
                _check_way(kind, source, target)
        elif kind not in PLANNERS and direction is not Direction.OFF:
            _check_other(kind, direction)


def _check_other(kind: RecordType, direction: Direction) -> None:
    """Kinds that have no direction of their own."""
    if kind.__name__ == "Settlement":
        return  # the settings themselves know which way levels go
    raise ConfigError(
        f"directions[{kind.__name__}] = {direction.value}: these follow from the "
        f"documents that they belong to; choose among "
        f"{', '.join(each.__name__ for each in PLANNERS)}"
    )


def _ways(
    billing: Connector, ledger: Connector, direction: Direction
) -> Iterator[tuple[Connector, Connector]]:
    if direction.goes(outward=True):
        yield billing, ledger
    if direction.goes(outward=False):
        yield ledger, billing


def _check_way(kind: RecordType, source: Connector, target: Connector) -> None:
    """Whether one side tells of a kind and the other takes it."""
    told = source.capabilities.kind(kind)
    name = kind.__name__
    if not told.can(Verb.READ) or not {Changed, Everything} & told.selects:
        raise ConfigError(
            f"directions[{name}]: {source.connection} cannot tell which of them changed"
        )
    able = target.capabilities.kind(kind)
    for verb in (Verb.CREATE, Verb.READ):  # what was made is compared later
        if not able.can(verb):
            raise ConfigError(
                f"directions[{name}]: {target.capabilities.system} does not let us "
                f"{verb.value} them"
            )
