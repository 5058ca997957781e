"""
Runs the checks: one by one with a fresh bench each, as a report card or as a pytest class.

pytest is imported where a class for it is made, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import frozen

from tieout.capabilities import Capabilities
from tieout.errors import ConfigError, Fault
from tieout.models import Record
from tieout.testing.conformance.bench import Bench, NotStaged
from tieout.testing.conformance.card import Card, Result, Row
from tieout.testing.conformance.check import Case, Check, Failed
from tieout.testing.conformance.checks import CHECKS
from tieout.testing.conformance.trial import Trial, by_hand, crash
from tieout.wire import Call

Make = Callable[[], Bench]
"""What makes a fresh bench: the class itself."""

__all__ = ["conformance", "examine", "tried"]


@frozen
class Look:
    """What is found out once, before any check: the system, and how it is spoken to."""

    capabilities: Capabilities
    in_process: bool
    """Its flows yield calls; there is no HTTP to check."""
    sized: bool
    """It takes a page size."""
    bench: Bench

    @classmethod
    def at(cls, make: Make) -> Look:
        bench = make()
        try:
            connector = bench.connector()
            calls = isinstance(by_hand(connector.check()), Call)
            sized = _takes_page_size(bench)
            return cls(connector.capabilities, calls, sized, bench)
        finally:
            bench.close()

    def excused(self, check: Check, case: Case) -> str:
        """Why a check does not apply to this bench; "" where it does."""
        if check.wire and self.in_process:
            return "it is no HTTP that this connector speaks"
        if check.sized and not self.sized:
            return "the connector takes no page_size"
        return check.lacks(self.bench, case)

    def cases(self, check: Check) -> Iterable[Case]:
        """What the check is for, by what the connector can do."""
        return check.cases(self.capabilities)

    def made(self, check: Check) -> list[Case]:
        """What the check is made for, with this bench."""
        return [case for case in self.cases(check) if not self.excused(check, case)]


def _takes_page_size(bench: Bench) -> bool:
    try:
        bench.connector(page_size=1)
    except (TypeError, ConfigError):
        return False
    return True


def examine(
    make: Make, checks: Iterable[str] | None = None, *, first_failure: bool = False
) -> Card:
    """
    The report card of a connector: every check (or those of these names), whatever comes.

    With ``first_failure`` it ends at the first one that fails.
    """
    look = Look.at(make)
    names = CHECKS if checks is None else checks
    rows: list[Row] = []
    for row in _rows(make, look, [CHECKS[name] for name in names]):
        rows.append(row)
        if first_failure and row.result is Result.FAILED:
            break
    return Card(look.capabilities.system, tuple(rows))


def _rows(make: Make, look: Look, checks: Iterable[Check]) -> Iterator[Row]:
    for check in checks:
        cases = tuple(look.cases(check))
        if not cases:
            yield Row.of(
                check, None, Result.NOT_APPLICABLE, "the system has no such thing"
            )
        for case in cases:
            excuse = look.excused(check, case)
            if excuse:
                yield Row.of(check, case, Result.NOT_APPLICABLE, excuse)
            else:
                yield tried(make, check, case)


def tried(make: Make, check: Check, case: Case = None) -> Row:
    """One check with a bench of its own, and what came of it."""
    try:
        bench = make()
        try:
            check.run(Trial(bench, case))
        finally:
            bench.close()
    except NotStaged as reason:
        return Row.of(check, case, Result.NOT_APPLICABLE, str(reason))
    except Failed as failure:
        return Row.of(check, case, Result.FAILED, str(failure))
    except Fault as fault:
        words = f"it ended with {fault.code.name}: {fault.text}"
        return Row.of(check, case, Result.FAILED, words)
    except Exception as error:  # noqa: BLE001 - of the bench, the fake or the connector
        return Row.of(check, case, Result.FAILED, crash(error))
    return Row.of(check, case, Result.PASSED)


# pytest -----------------------------------------------------------------------------------


def conformance(make: Make) -> type[Any]:
    """
    A pytest class of a connector's checks: one test for each that applies to its bench.

    Put it into a module of tests under a name that begins with ``Test``::

        TestAcme = conformance(AcmeBench)
    """
    look = Look.at(make)
    body: dict[str, Any] = {
        "__doc__": f"{look.capabilities.system} keeps the contract."
    }
    for check in CHECKS.values():
        cases = look.made(check)
        if cases:
            body[method_name(check)] = _method(make, check, cases)
    return type(f"Test{look.capabilities.system.replace(' ', '')}", (), body)


def method_name(check: Check) -> str:
    """The name of a check's test."""
    return f"test_{re.sub('[^a-z0-9]+', '_', check.name.lower()).strip('_')}"


def _method(make: Make, check: Check, cases: list[Case]) -> Callable[..., None]:
    import pytest  # noqa: PLC0415 - an extra: only whoever tests has it

    def judge(case: Case) -> None:
        __tracebackhide__ = True
        row = tried(make, check, case)
        if row.result is Result.FAILED:
            pytest.fail(row.words, pytrace=False)
        if row.result is Result.NOT_APPLICABLE:
            pytest.skip(row.words)

    method: Callable[..., None]
    if cases == [None]:

        def once(self: object) -> None:
            __tracebackhide__ = True
            judge(None)

        method = once
    else:

        def each(self: object, kind: type[Record]) -> None:
            __tracebackhide__ = True
            judge(kind)

        names = [case.__name__ for case in cases if case is not None]
        method = pytest.mark.parametrize("kind", cases, ids=names)(each)
    method.__doc__ = check.shows
    return method
