"""Autotask PSA, the billing side."""

from tieout.connectors.autotask.connector import Autotask

__all__ = ["Autotask"]
