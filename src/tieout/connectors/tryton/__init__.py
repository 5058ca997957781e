"""Tryton as a ledger."""

from tieout.connectors.tryton.connector import Tryton

__all__ = ["Tryton"]
