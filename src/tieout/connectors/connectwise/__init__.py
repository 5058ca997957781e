"""ConnectWise Manage (PSA) as the billing side."""

from tieout.connectors.connectwise.connector import ConnectWise

__all__ = ["ConnectWise"]
