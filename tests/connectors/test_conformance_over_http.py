"""The vendors' benches behind real HTTP on the loopback interface: nothing is otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from benches.connectwise import ConnectWiseBench
from benches.xero import XeroBench

from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.xero import Xero
from tieout.testing.conformance import CHECKS, Bench, Result, examine
from tieout.testing.fakes.serving import Served, serve
from tieout.transport import HTTPTransport

GROUPS = ("writing", "keeping an invoice's money", "answers", "secrets")
"""What depends on what carries a request; reading costs many calls and adds nothing."""

CHOSEN = [name for name, check in CHECKS.items() if check.group in GROUPS]


class ServedXero(XeroBench):
    """Xero's fake behind a socket."""

    def __init__(self, *told: Any, **fake: Any) -> None:
        super().__init__(*told, **fake)
        self.served: Served = serve(self.xero)
        self.transport = HTTPTransport()

    def connector(self, **overrides: Any) -> Xero:
        at = self.served.url
        own = {"base_url": f"{at}/api.xro/2.0", "identity_url": f"{at}/connect/token"}
        return super().connector(**{**own, **overrides})

    def close(self) -> None:
        self.transport.close()
        self.served.close()


class ServedConnectWise(ConnectWiseBench):
    """ConnectWise's fake behind a socket."""

    def __init__(self, *told: Any, **fake: Any) -> None:
        super().__init__(*told, **fake)
        self.served: Served = serve(self.connectwise)
        self.transport = HTTPTransport()

    def connector(self, **overrides: Any) -> ConnectWise:
        own = {"base_url": f"{self.served.url}/v2025_1/apis/3.0"}
        return super().connector(**{**own, **overrides})

    def close(self) -> None:
        self.transport.close()
        self.served.close()


@pytest.mark.parametrize("make", [ServedXero, ServedConnectWise])
def test_the_contract_holds_over_a_socket(make: type[Bench]) -> None:
    """Writes, levels, answers and secrets, with the transport of production."""
    card = examine(make, CHOSEN)
    assert card.green, str(card)
    assert len([*card.of(Result.PASSED)]) > 40
