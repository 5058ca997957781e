"""
No sequence of runs, however they end, leaves a change behind the marker.

Hypothesis plays bookkeepers, users, bad lines and power cuts; an oracle that shares no
code with the engine says what billing must show in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

import tieout
from oracle import expected
from tieout.errors import Code
from tieout.models import Part
from tieout.store import ResumePoint
from worlds import (
    DAY,
    LONG_AGO,
    TODAY,
    Crash,
    Hook,
    Mortal,
    Paper,
    World,
    fails,
    lands_after,
    loses_answer,
    lost,
    meanwhile,
    refused,
    unreached,
)

DAYS = (TODAY - 3 * DAY, TODAY)
AMOUNTS = (Decimal(50), Decimal(100))
WAITS = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(minutes=9),
    timedelta(days=2),
)
PROFILES = ("ann@one", "bob@two")
PLACES = st.integers(0, 3)
STARTS = ("last run", "now", "an hour ago", "a week ago", "long ago")


def by_id(paper: Paper) -> Any:
    """An order that does not move when an invoice changes."""
    return paper.id


def moving(paper: Paper) -> Any:
    """The order of change."""
    return paper.stamp, paper.id


def crashes(run: Callable[[], Any]) -> Any:
    """The process ends before the call leaves."""
    raise Crash


def crashes_after(run: Callable[[], Any]) -> Any:
    """The process ends once the call was carried out."""
    run()
    raise Crash


class PaymentMachine(RuleBasedStateMachine):
    """Two systems, two users, one store."""

    @initialize(
        page_size=st.integers(1, 3),
        order=st.sampled_from((by_id, moving)),
        stable=st.booleans(),
        stamping=st.booleans(),
        lag=st.sampled_from((timedelta(0), timedelta(minutes=4))),
        owned=st.booleans(),
        batch_size=st.integers(1, 2),
        tells=st.sampled_from(((Part.CASH, Part.CREDIT), tuple(Part))),
    )
    def begin(
        self,
        page_size: int,
        order: Callable[[Paper], Any],
        stable: bool,
        stamping: bool,
        lag: timedelta,
        owned: bool,
        batch_size: int,
        tells: tuple[Part, ...],
    ) -> None:
        self.world = World(
            ledger={
                "page_size": page_size,
                "order": order,
                "stable": stable,
                "stamping": stamping,
                "lag": lag,
                "tells": tells,
            },
            billing={"owned": owned, "batch_size": batch_size},
        )
        self.resume: dict[str, ResumePoint] = {}
        for number in ("A", "B", "C"):
            self.world.both(number, 100)
        for profile in PROFILES:
            self._run(profile, LONG_AGO)

    # The bookkeeper

    @rule(total=st.sampled_from(AMOUNTS), known=st.booleans())
    def add(self, total: Decimal, known: bool) -> None:
        number = f"N{len(self.world.ledger.papers)}"
        if known:
            self.world.billing.add(number, total)
        self.world.ledger.add(number, total)

    @rule(
        place=PLACES,
        amount=st.sampled_from(AMOUNTS),
        on=st.sampled_from(DAYS),
        how=st.sampled_from((Part.CASH, Part.CREDIT)),
        wait=st.sampled_from(WAITS),
    )
    def pay(
        self, place: int, amount: Decimal, on: Any, how: Part, wait: timedelta
    ) -> None:
        self.world.ledger.apply(self._paper(place), amount, on, how)
        self.world.clock.advance(wait)

    @rule(place=PLACES, wait=st.sampled_from(WAITS))
    def pay_a_half_and_wait(self, place: int, wait: timedelta) -> None:
        self.world.clock.advance(wait)
        self.world.ledger.apply(self._paper(place), 50)
        self.world.clock.advance(wait)

    @rule(place=PLACES)
    def take_back(self, place: int) -> None:
        live = self.world.ledger.papers[self._paper(place)].live()
        if live:
            self.world.ledger.undo(live[-1].id)

    def _paper(self, place: int) -> str:
        papers = list(self.world.ledger.papers)
        return papers[place % len(papers)]

    @rule(by=st.sampled_from(WAITS))
    def wait(self, by: timedelta) -> None:
        self.world.clock.advance(by)

    # The users

    @rule(profile=st.sampled_from(PROFILES), start=st.sampled_from(STARTS))
    def run(self, profile: str, start: str) -> None:
        self._run(profile, self._since(start))

    @rule(
        profile=st.sampled_from(PROFILES),
        start=st.sampled_from(STARTS),
        ahead=st.integers(0, 6),
        trouble=st.sampled_from(
            ("refused", "unreached", "lost", "lost after", "late", "changed")
        ),
        place=PLACES,
    )
    def run_into_trouble(
        self, profile: str, start: str, ahead: int, trouble: str, place: int
    ) -> None:
        hook = self._hook(trouble, self._paper(place))
        self.world.calls.at(ahead, hook)
        self._run(profile, self._since(start))
        self.world.calls.hooks.clear()

    @rule(
        profile=st.sampled_from(PROFILES),
        start=st.sampled_from(STARTS),
        ahead=st.integers(0, 6),
        hook=st.sampled_from((crashes, crashes_after)),
    )
    def run_and_crash_at_a_call(
        self, profile: str, start: str, ahead: int, hook: Hook
    ) -> None:
        store = Mortal(self.world.store)

        def dying(run: Callable[[], Any]) -> Any:
            store.dead = True
            return hook(run)

        self.world.calls.at(ahead, dying)
        self._run(profile, self._since(start), store=store)
        self.world.calls.hooks.clear()
        self.world.clock.advance(timedelta(minutes=6))

    @rule(
        profile=st.sampled_from(PROFILES),
        start=st.sampled_from(STARTS),
        commit=st.integers(0, 9),
        after=st.booleans(),
    )
    def run_and_crash_at_a_commit(
        self, profile: str, start: str, commit: int, after: bool
    ) -> None:
        store = Mortal(self.world.store, dies_at=commit, after=after)
        self._run(profile, self._since(start), store=store)
        self.world.clock.advance(timedelta(minutes=6))

    @rule(
        profile=st.sampled_from(PROFILES),
        start=st.sampled_from(STARTS),
        asked=st.integers(1, 4),
    )
    def run_and_stop(self, profile: str, start: str, asked: int) -> None:
        left = iter(range(asked - 1))
        self._run(profile, self._since(start), stop=lambda: next(left, None) is None)

    @precondition(lambda self: self.resume)
    @rule(profile=st.sampled_from(PROFILES), ahead=st.sampled_from((None, 0, 1, 2)))
    def go_on(self, profile: str, ahead: int | None) -> None:
        point = self.resume.pop(profile, None)
        if point is None:
            return
        if ahead is not None:
            self.world.calls.at(ahead, fails(unreached()))
        self._run(profile, point)
        self.world.calls.hooks.clear()

    @rule(profile=st.sampled_from(PROFILES), place=PLACES)
    def pay_and_run_from_later_on(self, profile: str, place: int) -> None:
        self.world.clock.advance(timedelta(minutes=9))
        self.world.ledger.apply(self._paper(place), 50)
        self.world.clock.advance(timedelta(minutes=9))
        self._run(profile, self._since("now"))

    @rule(profile=st.sampled_from(PROFILES), ahead=st.integers(2, 5), place=PLACES)
    def pay_in_the_middle(self, profile: str, ahead: int, place: int) -> None:
        paper = self._paper(place)
        self.world.calls.at(ahead, meanwhile(lambda: self._pay_slowly(paper)))
        self._run(profile, LONG_AGO)
        self.world.calls.hooks.clear()

    def _since(self, start: str) -> Any:
        now = self.world.clock.now()
        return {
            "last run": tieout.Since.LAST_RUN,
            "now": now,
            "an hour ago": now - timedelta(hours=1),
            "a week ago": tieout.Since.PAST_WEEK,
            "long ago": LONG_AGO,
        }[start]

    def _hook(self, trouble: str, paper: str) -> Hook:
        match trouble:
            case "refused":
                return fails(refused())
            case "unreached":
                return fails(unreached())
            case "lost":
                return fails(lost())
            case "lost after":
                return loses_answer
            case "late":
                return lands_after(self.world.clock, timedelta(minutes=3))
            case _:
                return meanwhile(lambda: self._pay_slowly(paper))

    def _pay_slowly(self, paper: str) -> None:
        """A payment in the middle of a run that takes its time."""
        self.world.clock.advance(timedelta(minutes=9))
        self.world.ledger.apply(paper, 50)
        self.world.clock.advance(timedelta(minutes=9))

    def _run(self, profile: str, since: Any, *, store: Any = None, **more: Any) -> None:
        engine = self.world.engine(profile=profile, store=store or self.world.store)
        with suppress(Crash):
            report = engine.sync_payments(since, **more)
            if report.resume is not None:
                self.resume[profile] = report.resume

    # In the end

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.clock.advance(timedelta(hours=1))
        for profile in PROFILES:
            report = self.world.engine(profile=profile).sync_payments(
                tieout.Since.LAST_RUN
            )
            assert report.complete
            self._settled()

    def _settled(self) -> None:
        held = self.world.held()
        for ledger_id, issue in held.items():
            number = self.world.ledger.papers[ledger_id].number
            if issue.code is Code.NOT_IN_BILLING:
                assert number not in self.world.billing.all()
            else:
                assert issue.code is Code.REFUSED
        wanted = expected(self.world.ledger, self.world.billing, held)
        shows = {each: self.world.billing.shows(each) for each in wanted}
        assert shows == wanted


TestPaymentMachine = PaymentMachine.TestCase
TestPaymentMachine.settings = settings(
    max_examples=120,
    stateful_step_count=25,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)
