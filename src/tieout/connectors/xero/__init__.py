"""Xero as a ledger."""

from tieout.connectors.xero.connector import Xero

__all__ = ["Xero"]
