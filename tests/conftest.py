"""How Hypothesis works here: the same examples in every run, unless more are asked for."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=40,
    stateful_step_count=25,
    suppress_health_check=_SLOW,
)
settings.register_profile(
    "simulate",
    derandomize=True,
    deadline=None,
    max_examples=200,
    stateful_step_count=30,
    suppress_health_check=_SLOW,
)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=2000,
    stateful_step_count=40,
    suppress_health_check=_SLOW,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
