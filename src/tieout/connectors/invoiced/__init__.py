"""Invoiced, the billing side."""

from tieout.connectors.invoiced.connector import Invoiced

__all__ = ["Invoiced"]
