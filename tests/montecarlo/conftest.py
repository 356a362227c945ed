"""Studies of every kind, for the tests of stores."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.montecarlo.execution import Execution


def spread(x: np.ndarray) -> ek.Estimate:
    """Answer with a standard error, fail or warn now and then."""
    if x[0] > 1.5:
        raise ValueError("too large, ∞ or so")
    if x[1] > 1.5:
        warnings.warn("rather large", stacklevel=1)
    return ek.Estimate(x.std(ddof=1), std_error=x.std(ddof=1) / np.sqrt(2 * len(x)), p_value=0.5)


def moving(rng: np.random.Generator, n: int) -> ek.Sample:
    """Draw data with a truth of their own."""
    center = rng.normal()
    return ek.Sample(rng.normal(center, size=n), {"mean": center, "both": [center, 1.0]})


def several(x: np.ndarray) -> dict[str, float]:
    """Answer under names that depend on the data."""
    return {"a": x[0]} if x[0] > 0 else {"b": x[1]}


def of_single_data_sets(**changes: Any) -> ek.Study:
    """Return a study whose data sets are drawn and estimated one by one."""
    arguments: dict[str, Any] = {
        "generate": lambda rng, n: rng.normal(size=n),
        "estimators": {"mean": np.mean, "spread": spread},
        "truth": {"mean": 0.0, "spread": 1.0},
        "conditions": ek.grid(n=[5, 8]),
    }
    return ek.Study(**{**arguments, **changes})


def of_blocks() -> ek.Study:
    """Return a study of whole blocks, whose last one is cut where no more are asked for."""
    draw = ek.vectorized(lambda rng, replicates, n: rng.normal(size=(replicates, n)))
    functions = {"mean": ek.vectorized(lambda x: x.mean(axis=1)), "max": lambda x: x.max()}
    return ek.Study(draw, functions, truth={"mean": 0.0, "max": 1.0}, conditions=ek.grid(n=[4, 9]))


def with_truths() -> ek.Study:
    """Return a study in which each data set has its own truth."""
    functions = {"mean": np.mean, "both": lambda x: {"center": np.median(x), "scale": x.std()}}
    return ek.Study(moving, functions, truth=None, conditions=ek.grid(n=[5]))


def in_groups() -> ek.Study:
    """Return a nested study with control variates and antithetic pairs."""
    return ek.Study(
        lambda rng, center: rng.normal(center, size=6),
        {"mean": np.mean, "several": several},
        truth=0.0,
        prepare=lambda rng: {"center": rng.normal()},
        prepare_every=10,
        controls={"first": (lambda x: x[0], lambda condition: 0.0)},
    )


STUDIES: dict[str, Callable[[], ek.Study]] = {
    "looped": of_single_data_sets,
    "in blocks": of_blocks,
    "with truths": with_truths,
    "in groups": in_groups,
}


@pytest.fixture(params=STUDIES)
def study(request: pytest.FixtureRequest) -> ek.Study:
    """Return each of the studies in turn."""
    return STUDIES[request.param]()


@pytest.fixture
def looped() -> Callable[..., ek.Study]:
    """Return what makes a study whose data sets are drawn and estimated one by one."""
    return of_single_data_sets


@pytest.fixture
def in_blocks() -> Callable[..., ek.Study]:
    """Return what makes a study of whole blocks."""
    return of_blocks


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Return a list into which it is written which replicates are computed."""
    found: list[tuple[int, int, int]] = []
    blocks = Execution.blocks

    def recorded(execution: Execution, spans: Any, *rest: Any) -> Iterator[Any]:
        found.extend(tuple(span) for span in spans if span.start < span.stop)
        return blocks(execution, spans, *rest)

    monkeypatch.setattr(Execution, "blocks", recorded)
    return found
