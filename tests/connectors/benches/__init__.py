"""Benches of the vendors: each a fake server, its connector, and what people do there."""

from __future__ import annotations

from collections.abc import Mapping

from benches.autotask import AutotaskBench, AutotaskCurrenciesBench
from benches.connectwise import ConnectWiseBench
from benches.host import LocalBench, TableBench
from benches.host_documents import LocalDocumentsBench, TableDocumentsBench
from benches.intacct import IntacctBench
from benches.invoiced import InvoicedBench
from benches.quickbooks import QuickBooksBench, QuickBooksUniqueBench
from benches.tryton import TrytonBench
from benches.xero import XeroBench
from tieout.testing.conformance import Bench

BENCHES: Mapping[str, type[Bench]] = {
    "Autotask": AutotaskBench,
    "Autotask, several currencies": AutotaskCurrenciesBench,
    "ConnectWise": ConnectWiseBench,
    "Intacct": IntacctBench,
    "Invoiced": InvoicedBench,
    "Local": LocalBench,
    "Local, documents": LocalDocumentsBench,
    "QuickBooks": QuickBooksBench,
    "QuickBooks, unique numbers": QuickBooksUniqueBench,
    "Table": TableBench,
    "Table, documents": TableDocumentsBench,
    "Tryton": TrytonBench,
    "Xero": XeroBench,
}
"""Every bench, by its system."""
