"""QuickBooks Online as a ledger."""

from tieout.connectors.quickbooks.connector import QuickBooks

__all__ = ["QuickBooks"]
