"""
A simulator: real engines over simulated systems, with faults, crashes and one virtual clock.

The same seed plays the same world, step by step. `simulate` plays one and checks the
invariants; ``python -m tieout.testing.simulator`` plays many. It proves nothing about
real files, sockets and servers: those have tests of their own.
"""

from __future__ import annotations

from tieout.testing.simulator.report import failure
from tieout.testing.simulator.result import Broken, Result, simulate
from tieout.testing.simulator.shrink import shrink

__all__ = ["Broken", "Result", "failure", "shrink", "simulate"]
