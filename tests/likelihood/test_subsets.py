"""The law of d chosen rows out of m, against all choices one by one and against mpmath."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from numpy.typing import NDArray

from estkit.likelihood.matched.subsets import ABSENT, Subsets

# A few hundred operations, each right to 1e-16, on numbers of size 1.
ENUMERATED = 1e-13
# Sums of up to 60 logarithms of size up to 600.
LOG_SUM = 1e-13
# A share of 20,000 draws, five standard errors of it.
SHARE = 5 * 0.5 / np.sqrt(20_000)


def enumerate_choices(eta: Any, x: Any, number: int) -> tuple[float, Any, Any]:
    """Return the log of the sum, the probability of each row, and the covariance of sums of x."""
    choices = [list(choice) for choice in combinations(range(len(eta)), number)]
    weight = np.array([eta[choice].sum() for choice in choices])
    top = weight.max()
    share = np.exp(weight - top)
    log_sum = top + np.log(share.sum())
    share /= share.sum()
    sums = np.array([x[choice].sum(axis=0) for choice in choices])
    centred = sums - share @ sums
    chosen = np.array([share[[i in choice for choice in choices]].sum() for i in range(len(eta))])
    return log_sum, chosen, (centred * share[:, None]).T @ centred


def table(strata: list[NDArray[np.float64]], rows: int, absent: float) -> NDArray[np.float64]:
    """Return strata side by side, filled up to the same number of rows."""
    filled = [np.concatenate([s, np.full((rows - len(s), *s.shape[1:]), absent)]) for s in strata]
    return np.stack(filled, axis=1)


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
def test_strata_of_different_sizes_agree_with_enumeration(spread: float) -> None:
    rng = np.random.default_rng(1)
    sizes, numbers = [3, 7, 5, 8, 8, 2], [1, 3, 4, 4, 2, 2]
    etas = [spread * rng.normal(size=m) for m in sizes]
    xs = [rng.normal(size=(m, 2)) for m in sizes]
    weights = rng.uniform(1, 3, size=6)
    subsets = Subsets.of(table(etas, 9, ABSENT), np.array(numbers))
    chosen, undecided = subsets.probabilities()
    x = np.moveaxis(table(xs, 9, 0.0), 2, 0)
    covariance = subsets.covariance(x, undecided, weights)
    total = np.zeros((2, 2))
    for s, (eta, own, number) in enumerate(zip(etas, xs, numbers, strict=True)):
        log_sum, wanted, spread_of = enumerate_choices(eta, own, number)
        assert subsets.log_sum[s] == pytest.approx(log_sum, abs=ENUMERATED * (1 + abs(log_sum)))
        np.testing.assert_allclose(chosen[: sizes[s], s], wanted, rtol=1e-10, atol=ENUMERATED)
        assert (chosen[sizes[s] :, s] == 0).all()
        total += weights[s] * spread_of
    np.testing.assert_allclose(covariance, total, rtol=1e-10, atol=ENUMERATED)


@pytest.mark.parametrize("spread", [1.0, 50.0, 1000.0])
@pytest.mark.parametrize("number", [1, 20, 59])
def test_large_strata_with_extreme_predictors_agree_with_mpmath(spread: float, number: int) -> None:
    eta = spread * np.random.default_rng(2).normal(size=60)
    with mp.workdps(60):
        sums = [mp.mpf(1)] + [mp.mpf(0)] * number
        for value in eta:
            for j in range(number, 0, -1):
                sums[j] += mp.exp(mp.mpf(float(value))) * sums[j - 1]
        wanted = float(mp.log(sums[number]))
    found = Subsets.of(eta[:, None], np.array([number])).log_sum[0]
    assert found == pytest.approx(wanted, rel=LOG_SUM)


def test_probabilities_add_up_to_the_number_chosen() -> None:
    eta = np.random.default_rng(3).normal(size=(500, 1)) * 4
    chosen, _ = Subsets.of(eta, np.array([180])).probabilities()
    assert chosen.sum() == pytest.approx(180, rel=1e-12)
    assert (np.diff(chosen[np.argsort(eta[:, 0]), 0]) >= -1e-15).all()


def test_draws_have_the_right_number_and_the_right_shares() -> None:
    eta = np.array([[0.5, 2.0], [-1.0, 0.0], [0.0, -2.0], [1.5, ABSENT]])
    subsets = Subsets.of(eta, np.array([2, 1]))
    drawn = subsets.draw(np.random.default_rng(4), 20_000)
    assert (drawn.sum(axis=1) == [2, 1]).all()
    np.testing.assert_allclose(drawn.mean(axis=0), subsets.probabilities()[0], atol=SHARE)
    assert not drawn[:, 3, 1].any()
