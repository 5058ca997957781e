"""Benches of the vendors: each a fake server, its connector, and what people do there."""

from __future__ import annotations

from collections.abc import Mapping

from benches.connectwise import ConnectWiseBench
from benches.host import LocalBench, TableBench
from benches.tryton import TrytonBench
from benches.xero import XeroBench
from paperbook import PaperbookBench
from tieout.testing.conformance import Bench

BENCHES: Mapping[str, type[Bench]] = {
    "ConnectWise": ConnectWiseBench,
    "Local": LocalBench,
    "Paperbook": PaperbookBench,
    "Table": TableBench,
    "Tryton": TrytonBench,
    "Xero": XeroBench,
}
"""Every bench, by its system."""
