"""Each vendor's connector against its fake: every check of the conformance kit."""

from __future__ import annotations

from benches.connectwise import ConnectWiseBench
from benches.xero import XeroBench

from tieout.testing.conformance import conformance

TestConnectWise = conformance(ConnectWiseBench)
TestXero = conformance(XeroBench)
