"""
The conformance kit: one line in a connector's tests gives every check of its contract.

::

    from tieout.testing.conformance import conformance
    from benches import AcmeBench

    TestAcme = conformance(AcmeBench)

or, without pytest, a report card: ``print(examine(AcmeBench))``. What the author supplies
is a `Bench`: the connector, its server (a fake will do), and what a bookkeeper does there.
The kit opens nothing by itself and knows no vendor.
"""

from __future__ import annotations

from tieout.testing.conformance.bench import (
    Bench,
    NotStaged,
    Sample,
    SetClock,
    Unplugged,
    mangled_json,
)
from tieout.testing.conformance.card import Card, Result, Row
from tieout.testing.conformance.check import Check, Failed
from tieout.testing.conformance.checks import CHECKS
from tieout.testing.conformance.measure import Cost, Measured, measure
from tieout.testing.conformance.suite import conformance, examine

__all__ = [
    "CHECKS",
    "Bench",
    "Card",
    "Check",
    "Cost",
    "Failed",
    "Measured",
    "NotStaged",
    "Result",
    "Row",
    "Sample",
    "SetClock",
    "Unplugged",
    "conformance",
    "examine",
    "mangled_json",
    "measure",
]
