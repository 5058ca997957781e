"""
The lease on a pair: one run at a time writes, and one that lost it writes nothing more.

Made of the store's one primitive: a commit that holds only while the lease carries our
fence. It keeps no thread alive: it is renewed between the steps of a run.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from attrs import evolve

from tieout.clock import Clock
from tieout.errors import Code, Fault
from tieout.store import Expect, Fact, Gone, Lease, Store

LEASE = timedelta(minutes=5)
"""How long a run may be silent before another may take its pair over. It is renewed
between steps, and the longest step is one page or one wave."""

WRITE = timedelta(minutes=2)
"""How long a wave of writes may take; well within the lease, so that none is still going
out when somebody else takes over."""


class Hold:
    """The hold of one run on its pair."""

    def __init__(self, store: Store, clock: Clock, pair: str) -> None:
        self._store = store
        self._clock = clock
        self._pair = pair
        self._holder = uuid4().hex
        self._lease: Lease | None = None

    @property
    def fence(self) -> int:
        """The number of this hold; it rises with each holder."""
        assert self._lease is not None
        return self._lease.fence

    def acquire(self) -> None:
        """Take the pair; `Fault` RUN_IN_PROGRESS where another run has it."""
        now = self._clock.now()
        held = self._store.get(Lease, [self._pair]).get(self._pair)
        # One that ends later than any lease can is the trace of a clock set back.
        if held is not None and now < held.until <= now + 2 * LEASE:
            text = f"another run holds this pair until {held.until:%H:%M:%S} UTC"
            raise Fault(Code.RUN_IN_PROGRESS, text)
        fence = held.fence + 1 if held else 1
        lease = Lease(self._pair, self._holder, fence, now + LEASE)
        before = None if held is None else {"holder": held.holder, "fence": held.fence}
        if not self._store.commit(lease, expect=[Expect(Lease, self._pair, before)]):
            raise Fault(Code.RUN_IN_PROGRESS, "another run was faster")
        self._lease = lease

    def renew(self) -> None:
        """Keep the pair for another while; `Fault` LEASE_LOST where somebody took it."""
        assert self._lease is not None
        lease = evolve(self._lease, until=self._clock.now() + LEASE)
        self._commit(lease)
        self._lease = lease

    def release(self) -> None:
        """Let the pair go, if it is still ours."""
        if self._lease is not None:
            ended = evolve(self._lease, until=self._clock.now())
            self._store.commit(ended, expect=self._fenced())
            self._lease = None

    def hold_on(self) -> None:
        """Between two steps: renew the lease where little of it is left."""
        assert self._lease is not None
        if self._lease.until - self._clock.now() < 2 * WRITE:
            self.renew()

    def deadline(self) -> datetime:
        """Until when a wave of writes may begin requests; well within the lease."""
        self.hold_on()
        return self._clock.now() + WRITE

    def note(self, *facts: Fact | Gone) -> None:
        """Write facts of the run itself, while the lease lasts."""
        self._commit(*facts)

    def _fenced(self) -> tuple[Expect, ...]:
        assert self._lease is not None
        mine = {"holder": self._holder, "fence": self._lease.fence}
        return (Expect(Lease, self._pair, mine),)

    def _commit(self, *facts: Fact | Gone) -> None:
        fence = self._fenced()
        if self._store.commit(*facts, expect=fence):
            return
        self._check_lease()
        text = "a record was tied twice at the same time; nothing was written down"
        raise Fault(Code.ALREADY_LINKED, text)

    def _check_lease(self) -> None:
        """
        Raise `Fault` LEASE_LOST where another run has the pair.

        Intents that were read before are then where that run has put them: no step of
        ours fits them any more.
        """
        held = self._store.get(Lease, [self._pair]).get(self._pair)
        if not self._fenced()[0].holds(held):
            raise Fault(Code.LEASE_LOST, "another run took this pair over")
