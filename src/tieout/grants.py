"""
Holds the grant of one connection: signed in, renewed by one at a time, paused once refused.

A grant is renewed by whoever holds the claim on it in the store; all others, in this
process or another, wait for what is stored then. What was refused as only a person can
mend is remembered in the store too, and not asked for again. Nothing here opens a socket
or knows a secret's meaning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias, cast
from uuid import uuid4

from attrs import evolve

from tieout.auth import Grant
from tieout.clock import Clock
from tieout.errors import Code, Fate, Fault
from tieout.pace import WAIT_FIRST
from tieout.protocol import Connector
from tieout.rules import judge
from tieout.store import Expect, Gone, Renewal, Store, StoredGrant
from tieout.wire import Answer, Call, Request, Response

Sender: TypeAlias = Callable[[Request, Grant], Response | Fault]

RENEWALS_MAX = 3
"""How often one request of a sign-in is sent in all."""

CLAIM_MARGIN = timedelta(seconds=30)
"""A claim lasts for one request and this much longer; it is extended before each request.
So long the others wait for a holder that has died."""

LOOK_AGAIN = 0.1
"""Seconds between two looks at whether the holder of the claim is done."""


class _Overtaken(Exception):
    """The claim ran out, and somebody else has it now."""


class Grants:
    """
    The grant of one connection, for one session.

    ``send`` carries one request of a sign-in, once; it takes at most ``timeout`` seconds.
    Every `Fault` raised here has the fate NOT_SENT: whatever became of the sign-in, the
    request that waits for it has not left.
    """

    def __init__(
        self,
        connector: Connector,
        store: Store,
        clock: Clock,
        timeout: float,
    ) -> None:
        self._connector = connector
        self._connection = connector.connection
        self._store = store
        self._clock = clock
        self._request_time = timedelta(seconds=timeout)
        self._holder = uuid4().hex
        self._arguments = ""
        self._grant: Grant | None = None
        self._unsaved: Grant | None = None

    def current(self, send: Sender) -> Grant:
        """The grant to sign with; signs in first where that is needed."""
        try:
            grant = self._grant = self._grant or self._remembered()
            ends = grant.expires_at
            if grant.signed_in and (ends is None or ends > self._clock.now()):
                return grant
            return self._renewed(grant, send)
        except Fault as fault:
            raise _not_sent(fault) from fault

    def secrets(self) -> tuple[str, ...]:
        """The values of the grant that is known, and of the one before it."""
        known = [self._connector.auth.first(), *([self._grant] if self._grant else [])]
        return tuple(
            value
            for grant in known
            for values in (grant.values, grant.previous)
            for value in (values or {}).values()
        )

    def renewed(self, old: Grant, send: Sender) -> Grant:
        """A grant that is newer than this one, which was refused."""
        try:
            return self._renewed(old, send)
        except Fault as fault:
            raise _not_sent(fault) from fault

    def can_renew(self) -> bool:
        """Whether signing in again is more than using the same keys again."""
        return not self._connector.auth.first().signed_in

    def try_again(self) -> None:
        """Forget that the sign-in was refused: a person has looked at it."""
        held = self._standing()
        if held is not None and held.code is not None:
            expect = Expect(Renewal, self._connection, {"until": held.until})
            self._store.commit(Gone(Renewal, self._connection), expect=[expect])

    def forget(self) -> None:
        """Let go of the grant, here and in the store: who comes next signs in anew."""
        self._grant = self._unsaved = None
        mine = self._connection
        self._store.commit(Gone(StoredGrant, mine), Gone(Renewal, mine))

    # What is stored ---------------------------------------------------------------------

    def _remembered(self) -> Grant:
        """The stored grant, or the one to begin with; raises while it is paused."""
        first = self._connector.auth.first()
        self._arguments = _fingerprint(first)
        self._check_refused(self._standing())
        stored = self._stored()
        return stored.grant if stored else first

    def _stored(self) -> StoredGrant | None:
        """What is stored, if it grew out of the connector's present arguments."""
        held = self._held()
        return held if held and held.arguments == self._arguments else None

    def _held(self) -> StoredGrant | None:
        return self._store.get(StoredGrant, [self._connection]).get(self._connection)

    def _standing(self) -> Renewal | None:
        return self._store.get(Renewal, [self._connection]).get(self._connection)

    def _newer(self, old: Grant) -> Grant | None:
        """What somebody else has renewed meanwhile."""
        stored = self._stored()
        return stored.grant if stored and stored.grant.serial > old.serial else None

    def _kept(self, fresh: Grant, old: Grant) -> Grant:
        """The fresh grant once it is durable, or a newer one that is stored already."""
        while (newer := self._newer(old)) is None:
            held = self._held()
            before = {"grant": held.grant} if held else None
            expect = Expect(StoredGrant, self._connection, before)
            stored = StoredGrant(self._connection, fresh, self._arguments)
            if self._store.commit(stored, expect=[expect]):
                return fresh
        return newer

    # Renewing, one at a time ------------------------------------------------------------

    def _renewed(self, old: Grant, send: Sender) -> Grant:
        """
        Renew the grant once, however many flows, threads and processes ask.

        It happens in one go on the caller's thread: a flow that was started and is not
        being driven must not hold up the others. No transaction is open meanwhile.
        """
        if self._grant is not None and self._grant.serial != old.serial:
            return self._grant  # another flow was faster
        while (grant := self._newer(old)) is None:
            if not self._claimed():
                self._clock.sleep(LOOK_AGAIN)
                continue
            try:
                # Somebody may have been done between the look and the claim.
                grant = self._newer(old) or self._made(old, send)
                break
            except _Overtaken:
                continue
            finally:
                self._release()
        self._grant = grant
        return grant

    def _claimed(self) -> bool:
        """Take the renewal; false while another has it, `Fault` where it was refused."""
        held, now = self._standing(), self._clock.now()
        self._check_refused(held)
        lasting = self._request_time + CLAIM_MARGIN
        expect = Expect(Renewal, self._connection)
        if held is not None:
            # One that ends later than any claim can is the trace of a clock set back.
            alive = now < held.until <= now + 2 * lasting
            if alive and held.code is None and held.holder != self._holder:
                return False
            expect = evolve(expect, values={"holder": held.holder, "until": held.until})
        claim = Renewal(self._connection, self._holder, now + lasting)
        return self._store.commit(claim, expect=[expect])

    def _extend(self) -> None:
        """Hold the claim for one more request; raises where somebody took it over."""
        held, now = self._standing(), self._clock.now()
        if held is None or held.holder != self._holder:
            raise _Overtaken
        if held.until >= now + self._request_time:
            return
        until = now + self._request_time + CLAIM_MARGIN
        claim = Renewal(self._connection, self._holder, until)
        if not self._store.commit(claim, expect=[self._mine()]):
            raise _Overtaken

    def _release(self) -> None:
        """Let the claim go, if it is still ours."""
        self._store.commit(Gone(Renewal, self._connection), expect=[self._mine()])

    def _mine(self) -> Expect:
        return Expect(Renewal, self._connection, {"holder": self._holder})

    # What the issuer says ---------------------------------------------------------------

    def _made(self, old: Grant, send: Sender) -> Grant:
        """
        A grant from the issuer, durable before it is used.

        One that could not be stored is kept: asking for another would waste it.
        """
        if self._unsaved is None:
            try:
                fresh = self._driven(old, send)
            except Fault as fault:
                if fault.code is not Code.RECONNECT_NEEDED:
                    raise
                newer = self._newer(old)
                if newer is not None:
                    return (
                        newer  # somebody renewed without a claim of ours to stop them
                    )
                self._pause(fault)
                raise
            self._unsaved = evolve(fresh, renewed_at=self._clock.now())
        grant = self._kept(self._unsaved, old)
        self._unsaved = None
        return grant

    def _driven(self, old: Grant, send: Sender) -> Grant:
        flow = self._connector.auth.renew(old, self._clock.now())
        answer: Response | None = None
        thrown: Fault | None = None
        while True:
            try:
                asked = flow.throw(thrown) if thrown else flow.send(cast(Any, answer))
            except StopIteration as stop:
                return cast(Grant, stop.value)
            answer, thrown = None, None
            if isinstance(asked, Call):
                answer = asked.answer()
                continue
            got = self._asked(asked, old, send)
            if isinstance(got, Fault):
                thrown = got
            else:
                answer = got

    def _asked(self, request: Request, grant: Grant, send: Sender) -> Response | Fault:
        """
        Send one request of a renewal; a busy or failing sign-in is asked again.

        A refresh may be repeated: vendors that rotate tokens keep the one before for a
        while, for the very case that an answer was lost.
        """
        for number in range(1, RENEWALS_MAX + 1):
            self._extend()
            got = send(request, grant)
            if not self._passing(got) or number == RENEWALS_MAX:
                return got
            self._clock.sleep(WAIT_FIRST * 2 ** (number - 1))
        raise AssertionError("the last attempt ends the loop")

    def _passing(self, got: Response | Fault) -> bool:
        """Whether what came of a sign-in may be better in a moment."""
        if isinstance(got, Fault):
            return got.fate is not Fate.REFUSED
        if judge(got, ()).answer in (Answer.WAIT, Answer.UNCLEAR):
            return True
        # Some systems say with a status of 200 that they are busy.
        return self._connector.judge(got).answer is Answer.WAIT

    # Refused ----------------------------------------------------------------------------

    def _pause(self, fault: Fault) -> None:
        """Remember that only a person can help, so that no later run asks again."""
        now = self._clock.now()
        refused = Renewal(
            self._connection,
            holder="",
            until=now,
            arguments=self._arguments,
            code=fault.code,
            text=fault.text,
            remedy=fault.remedy,
        )
        self._store.commit(refused, expect=[self._mine()])
        self._grant = None

    def _check_refused(self, held: Renewal | None) -> None:
        if held is None or held.code is None or held.arguments != self._arguments:
            return
        text = (
            f"{held.text} (refused at {held.until:%Y-%m-%d %H:%M} UTC and not asked again "
            "since; it is once the credentials are others, or when a check is asked for)"
        )
        raise Fault(held.code, text, remedy=held.remedy, fate=Fate.NOT_SENT)


def _not_sent(fault: Fault) -> Fault:
    """The fault of a sign-in, as one of the request that waited for it."""
    return Fault(
        fault.code,
        fault.text,
        field=fault.field,
        remedy=fault.remedy,
        fate=Fate.NOT_SENT,
        wait=fault.wait,
    )


def _fingerprint(first: Grant) -> str:
    """
    A fingerprint of the connector's own arguments: with others, what was stored is void.

    Slow on purpose: a password must not be guessed from it.
    """
    told = repr((first.base_url, first.hosts, sorted(first.values.items())))
    return hashlib.scrypt(
        told.encode(), salt=b"tieout", n=2**12, r=8, p=1, dklen=16
    ).hex()
