"""The fast forms of known functions give what the functions themselves give, row by row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import stats

import estkit as ek
from estkit.montecarlo.samples import Samples, kernel_of

SAME = 1e-13  # of the largest number: sums of up to 2000 terms in another order
KNOWN: dict[str, Callable[..., Any]] = {
    "mean": np.mean,
    "median": np.median,
    "variance": np.var,
    "variance with divisor n - 1": partial(np.var, ddof=1),
    "deviation": partial(np.std, ddof=1.5),
    "trimmed mean": partial(stats.trim_mean, proportiontocut=0.1),
    "mean within the quartiles": partial(stats.trim_mean, proportiontocut=0.25),
}
UNKNOWN: dict[str, Callable[..., Any]] = {
    "an option that changes the answer": partial(np.mean, keepdims=True),
    "another type": partial(np.mean, dtype=np.float32),
    "a lambda": lambda x: np.mean(x),
    "trimmed without a share": stats.trim_mean,
    "all trimmed": partial(stats.trim_mean, proportiontocut=0.5),
    "arguments by position": partial(np.quantile, [1.0]),
    "another function": np.max,
    "a method of another package": ek.proportion,
}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("n", [2, 3, 10, 31, 100, 2000])
@pytest.mark.parametrize("location", [0.0, 1e8, -1e-8])
def test_a_known_function_has_the_same_numbers(name: str, n: int, location: float) -> None:
    rows = location + np.random.default_rng(n).standard_normal((50, n)) * max(abs(location), 1.0)
    kernel = kernel_of(KNOWN[name])
    assert kernel is not None
    expected = KNOWN[name](rows, axis=1)
    size = np.abs(expected).max()
    np.testing.assert_allclose(kernel(Samples(rows)), expected, rtol=0, atol=SAME * size)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_spoils_its_own_sample_only(name: str, odd: float) -> None:
    rows = np.random.default_rng(1).standard_normal((4, 21))
    rows[2, 5] = odd
    kernel = kernel_of(KNOWN[name])
    assert kernel is not None
    np.testing.assert_allclose(kernel(Samples(rows)), KNOWN[name](rows, axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_for_certain_is_left_alone(name: str) -> None:
    assert kernel_of(UNKNOWN[name]) is None


def test_a_study_has_the_same_numbers_with_and_without_the_fast_forms() -> None:
    draw = ek.vectorized(lambda rng, replicates: rng.exponential(size=(replicates, 17)))
    hidden = {name: (lambda x, f=f: float(f(x, axis=0))) for name, f in KNOWN.items()}
    fast, slow = (ek.Study(draw, each).run(300, rng=1).outcomes() for each in (KNOWN, hidden))
    np.testing.assert_allclose(fast["estimate"], slow["estimate"], rtol=1e-12)


def test_samples_are_not_changed() -> None:
    rows = np.random.default_rng(1).standard_normal((4, 21))
    rows.flags.writeable = False
    samples, before = Samples(rows), rows.copy()
    for function in KNOWN.values():
        kernel = kernel_of(function)
        assert kernel is not None
        kernel(samples)
    assert (rows == before).all()
