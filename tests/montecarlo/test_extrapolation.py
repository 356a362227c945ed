"""Coverage of bootstrap intervals: with few resamples too low, extrapolated to infinitely many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import estkit as ek

REPLICATES = 20_000


def resampled(count: int, level: float) -> tuple[Any, float]:
    """Return resamples N(θ̂, 1) of θ̂ ~ N(0, 1), whose percentiles cover exactly, and what B do."""
    rng = np.random.default_rng(7)
    values = rng.normal(size=(REPLICATES, 1)) + rng.normal(size=(REPLICATES, count))
    lower, upper = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return values, float(((lower <= 0) & (upper >= 0)).mean())


@pytest.mark.parametrize("count", [49, 99, 199])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_few_resamples_cover_too_little_and_their_extrapolation_does_not(
    count: int, level: float
) -> None:
    values, naive = resampled(count, level)
    found = ek.bootstrap_coverage(values, 0.0, level=level)
    error = found.std() / np.sqrt(REPLICATES)
    # what is not linear in 1 / B leaves 0.003 at B = 49; the rest is noise
    assert found.mean() == pytest.approx(level, abs=0.003 + 3 * error)
    if count < 199:
        assert level - naive > 3 * abs(found.mean() - level)


def test_many_replicates_give_the_numbers_of_each() -> None:
    values = resampled(60, 0.95)[0][:20]
    one_by_one = [ek.bootstrap_coverage(row, 0.3) for row in values]
    assert ek.bootstrap_coverage(values, 0.3).tolist() == pytest.approx(one_by_one, rel=1e-12)
    assert isinstance(one_by_one[0], float)


@pytest.mark.parametrize("wrong", [np.zeros(39), 3.0, np.full(50, np.nan), np.zeros((2, 2, 50))])
def test_what_cannot_be_extrapolated_is_refused(wrong: Any) -> None:
    with pytest.raises(ek.DataError, match="resamples must"):
        ek.bootstrap_coverage(wrong, 0.0)
