"""
What is sent, and what the doubles answer, against the vendors' machine-readable descriptions.

All checks of the conformance kit are played through the description: nothing that a
connector ever sends is left out, and every described operation is met.
"""

from __future__ import annotations

from typing import Any

import described_autotask
import described_xero
import pytest
from benches.autotask import AutotaskCurrenciesBench
from benches.xero import XeroBench
from described import Described, Operation, shaped

from tieout.testing.conformance import examine
from tieout.wire import Request, Response, Transport


def compared(
    bench: type[Any], description: Any, prefixes: tuple[str, ...]
) -> tuple[set[tuple[str, str]], list[str]]:
    """The operations that a whole card met, and what was not as described."""
    between: list[Described] = []

    class Watched(bench):  # type: ignore[misc] # any bench
        transport: Transport

        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            watched = Described(
                self.transport, description.OPERATIONS, prefixes, description.FAILURE
            )
            between.append(watched)
            self.transport = watched

    assert [str(row) for row in examine(Watched).failed] == []
    used = set[tuple[str, str]]().union(*(each.used for each in between))
    return used, sorted({text for each in between for text in each.wrong})


def test_xero_is_asked_and_answers_as_described() -> None:
    used, wrong = compared(XeroBench, described_xero, (described_xero.PREFIX,))
    assert wrong == []
    assert used == set(described_xero.OPERATIONS)


def test_autotask_is_asked_and_answers_as_described() -> None:
    used, wrong = compared(
        AutotaskCurrenciesBench, described_autotask, described_autotask.PREFIXES
    )
    assert wrong == []
    assert used == set(described_autotask.OPERATIONS)


class Answering:
    """A server that always says the same."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer

    def send(self, request: Request, timeout: float) -> Response:
        return self.answer

    def close(self) -> None:
        """Nothing stays open."""


THINGS = Operation(
    {"page": r"\d+"},
    {"Key!": ".+"},
    shaped("a", a={"type": "number"}),
    shaped("b", b={"type": "string"}),
)
GOOD = Request("POST", "https://x/api/things", {"page": "1"}, {"Key": "k"}, {"a": 1})
FINE = Response(200, {}, '{"b": "c"}')


@pytest.mark.parametrize(
    ("request_", "answer", "word"),
    [
        (GOOD, FINE, ""),
        (Request("GET", "https://x/api/things"), FINE, "not described"),
        (Request("POST", "https://x/api/things", {"q": "1"}), FINE, "parameter q"),
        (
            Request("POST", "https://x/api/things", {}, {}, {"a": 1}),
            FINE,
            "header Key",
        ),
        (
            Request("POST", "https://x/api/things", {}, {"Key": "k"}, {"a": "1"}),
            FINE,
            "takes",
        ),
        (
            Request("POST", "https://x/api/things", {}, {"Key": "k"}, content=b"{"),
            FINE,
            "no JSON",
        ),
        (GOOD, Response(200, {}, '{"b": 1}'), "gives"),
        (GOOD, Response(400, {}, '{"c": 1}'), "gives"),
        (Request("POST", "https://x/elsewhere"), FINE, ""),
    ],
)
def test_a_description_notices_what_is_not_in_it(
    request_: Request, answer: Response, word: str
) -> None:
    inner: Transport = Answering(answer)
    failure = shaped("error", error={"type": "string"})
    watched = Described(inner, {("POST", "/things"): THINGS}, ("/api",), failure)
    assert watched.send(request_, 1) is answer
    watched.close()
    assert bool(watched.wrong) is bool(word)
    assert word in "; ".join(watched.wrong)
