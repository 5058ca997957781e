"""Sage Intacct as a ledger."""

from tieout.connectors.intacct.connector import Intacct

__all__ = ["Intacct"]
