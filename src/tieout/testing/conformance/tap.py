"""
The wire between a session and the server under test: it tells what went by, and spoils it.

Give it a trick and the next request that fits gets it. It knows no vendor and judges
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import format_datetime
from typing import TypeAlias

from attrs import define, evolve, field, frozen

from tieout.errors import Code, Fate, Fault
from tieout.testing.conformance.bench import Bench, NotStaged
from tieout.wire import Request, Response

Forward: TypeAlias = Callable[[], Response]
Act: TypeAlias = Callable[[Request, Forward], Response]
"""What is done with a request: forwarded or not, answered, or a `Fault` is raised."""


@frozen
class Exchange:
    """One request as it left, signed, and what came back; how many writes it added."""

    request: Request
    answer: Response | Fault
    writes: int


@define
class Trick:
    """What happens to the next ``times`` requests; ``effects``: to those with an effect."""

    act: Act
    times: int = 1
    effects: bool = False

    def fits(self, request: Request) -> bool:
        """Whether the request is one that it is for."""
        return self.times > 0 and (request.effect or not self.effects)


@define
class Tap:
    """A transport around that of the bench."""

    bench: Bench
    exchanges: list[Exchange] = field(factory=list)
    tricks: list[Trick] = field(factory=list)
    filters: list[Callable[[Response], Response]] = field(factory=list)
    """What is done to every answer on its way back."""

    def send(self, request: Request, timeout: float) -> Response:
        """Carry a request as a `tieout.wire.Transport` does."""
        before = self._writes()
        try:
            answer = self._carried(request, timeout)
        except Fault as fault:
            self._note(request, fault, before)
            raise
        self._note(request, answer, before)
        return answer

    def _note(self, request: Request, answer: Response | Fault, before: int) -> None:
        self.exchanges.append(Exchange(request, answer, self._writes() - before))

    def close(self) -> None:
        """The transport is the bench's."""

    def _carried(self, request: Request, timeout: float) -> Response:
        def forward() -> Response:
            return self._dated(self.bench.transport.send(request, timeout))

        trick = next((each for each in self.tricks if each.fits(request)), None)
        if trick is None:
            answer = forward()
        else:
            trick.times -= 1
            answer = trick.act(request, forward)
        for change in self.filters:
            answer = change(answer)
        return answer

    def _dated(self, response: Response) -> Response:
        """With the header ``Date``, which every real server sends."""
        if response.header("Date") is not None:
            return response
        date = format_datetime(self.bench.clock.now(), usegmt=True)
        return evolve(response, headers=(*response.headers, ("Date", date)))

    def _writes(self) -> int:
        try:
            return self.bench.writes
        except NotStaged:
            return 0

    # Tricks

    def answer(
        self, response: Response, times: int = 1, *, effects: bool = False
    ) -> None:
        """Answer the next requests so; the server never hears of them."""
        dated = self._dated(response)
        self.tricks.append(Trick(lambda *_: dated, times, effects))

    def break_off(self, code: Code, fate: Fate, times: int = 1) -> None:
        """The next requests do not reach the server at all."""

        def act(request: Request, forward: Forward) -> Response:
            raise Fault(code, "the line is cut", fate=fate)

        self.tricks.append(Trick(act, times))

    def lose(self, times: int = 1) -> None:
        """The server carries the next effects out, and its answers are lost."""

        def act(request: Request, forward: Forward) -> Response:
            forward()
            raise Fault(
                Code.ANSWER_LOST, "the line was cut behind it", fate=Fate.UNCLEAR
            )

        self.tricks.append(Trick(act, times, effects=True))

    def answer_after(self, response: Response, times: int = 1) -> None:
        """The server carries the next effects out, and this is what is answered."""

        def act(request: Request, forward: Forward) -> Response:
            forward()
            return self._dated(response)

        self.tricks.append(Trick(act, times, effects=True))

    # What went by

    @property
    def calls(self) -> int:
        """How many requests left so far."""
        return len(self.exchanges)

    def effects(self, after: int = 0) -> list[Exchange]:
        """The requests with an effect among those behind the first so many."""
        return [each for each in self.exchanges[after:] if each.request.effect]
