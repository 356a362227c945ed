"""What all tests share: hypothesis profiles and a plotting back end that needs no screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import hypothesis
import pytest

# Set before anything imports matplotlib, and inherited by every process that a test starts.
os.environ.setdefault("MPLBACKEND", "Agg")

# "ci" looks at the same cases in every run, so a failure is never a matter of luck; "explore" looks
# at new and more ones: HYPOTHESIS_PROFILE=explore make suite.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("explore", max_examples=1000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# These make reference values with other tools; they are not modules to look for doctests in.
collect_ignore_glob = ["references/*"]


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Close what a test has drawn; matplotlib warns when many figures stay open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
