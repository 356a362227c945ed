"""Calibration: the Monte-Carlo error that is told against the error that is made.

Every measure, in studies of 500 replicates, for estimates of four laws. A measure that is added to
`MEASURES` is picked up by itself.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from estkit.montecarlo.influence import Draws, Influence, ratio_of, standard_error
from estkit.montecarlo.intervals import mean_interval
from estkit.montecarlo.measures import MEASURES
from estkit.montecarlo.quantiles import quantile_interval

SIZE, REPEATS = 500, 1200
# The true standard deviation comes from 1,200 repeats, so it is itself known to 2 %.
CALIBRATED = (0.9, 1.1)
# Of contrasts, from 4,000 repeats: 5 %, of which 1 % is noise. Squares of t5 have no fourth moment:
# their true standard deviation is known less well, and to about 3 %.
PAIRED = {"normal": 0.05, "exponential": 0.05, "uniform": 0.05, "t5": 0.08}
CONTRASTED = 4000
LAWS: dict[str, Callable[[np.random.Generator], Any]] = {
    "normal": lambda rng: rng.normal(size=SIZE),
    "exponential": lambda rng: rng.exponential(size=SIZE) - 1,
    "t5": lambda rng: rng.standard_t(5, size=SIZE),
    "uniform": lambda rng: rng.uniform(-1, 1, size=SIZE),
}
CONTRASTS = "bias mse rmse empirical_se mae".split()

each_law = pytest.mark.parametrize("law", LAWS)


def drawn(estimate: Any, rng: np.random.Generator) -> Draws:
    """Return outcomes whose claimed errors go along with the estimates."""
    std_error = np.exp(0.2 * np.tanh(estimate) + 0.2 * rng.normal(size=SIZE))
    lower, upper = estimate - 1.5 * std_error, estimate + 1.5 * std_error
    flags = (rng.random((3, SIZE)) < [[0.2], [0.1], [0.02]]).astype(float)
    rejected = ((lower > 0) | (upper < 0)).astype(float)
    truth, p_value = np.full(SIZE, -0.3), rng.random(SIZE)
    return Draws(
        estimate, truth, std_error, lower, upper, flags[0], p_value, rejected, flags[1], flags[2]
    )


@functools.cache
def repeated(law: str) -> dict[str, Any]:
    """Return value and Monte-Carlo error of each measure in many studies."""
    rng = np.random.default_rng(17)
    found: dict[str, list[Any]] = {name: [] for name in MEASURES}
    for _ in range(REPEATS):
        d = drawn(LAWS[law](rng), rng)
        for name, pairs in found.items():
            own = MEASURES[name].function(d)
            pairs.append((own.value, standard_error(own.psi)))
    return {name: np.array(pairs).T for name, pairs in found.items()}


@functools.cache
def contrasted(law: str) -> dict[tuple[str, str], Any]:
    """Return value and Monte-Carlo error of contrasts of two estimators that go together."""
    rng = np.random.default_rng(18)
    same = drawn(np.zeros(SIZE), rng)
    found: dict[tuple[str, str], list[Any]] = {
        (kind, name): [] for kind in ("difference", "ratio") for name in CONTRASTS
    }
    for _ in range(CONTRASTED):
        first = LAWS[law](rng)
        second = 0.9 * first + 0.3 * LAWS[law](rng)
        for name in CONTRASTS:
            one, two = (MEASURES[name].function(same._replace(estimate=x)) for x in (first, second))
            apart = Influence(one.value - two.value, one.psi - two.psi)
            for kind, own in (("difference", apart), ("ratio", ratio_of(one, two))):
                found[kind, name].append((own.value, standard_error(own.psi)))
    return {key: np.array(pairs).T for key, pairs in found.items()}


def calibration(values: Any, errors: Any) -> float:
    """Return told over true error; it is the variance that sd(ψ)²/R estimates without bias."""
    return math.sqrt(np.mean(errors**2)) / float(values.std(ddof=1))


@pytest.mark.parametrize("name", MEASURES)
@each_law
def test_the_monte_carlo_error_is_the_error_whatever_the_law(law: str, name: str) -> None:
    assert CALIBRATED[0] < calibration(*repeated(law)[name]) < CALIBRATED[1]


@pytest.mark.parametrize("name", CONTRASTS)
@pytest.mark.parametrize("kind", ["difference", "ratio"])
@each_law
def test_the_error_of_a_paired_contrast_is_its_error(law: str, kind: str, name: str) -> None:
    told = calibration(*contrasted(law)[kind, name])
    assert told == pytest.approx(1, abs=PAIRED[law])


@pytest.mark.parametrize("name", ["bias", "model_se"])
@each_law
def test_the_interval_of_a_smooth_measure_holds_what_it_promises(law: str, name: str) -> None:
    values, errors = repeated(law)[name]
    intervals = (mean_interval(v, e, SIZE, 0.95) for v, e in zip(values, errors, strict=True))
    inside = [low <= values.mean() <= high for low, high in intervals]
    assert 0.925 < np.mean(inside) < 0.975  # 4 standard errors of 1,200 repeats


QUANTILES: dict[str, Callable[[Any], Any]] = {
    "normal": stats.norm.ppf,
    "exponential": lambda share: stats.expon.ppf(share) - 1,
    "t5": lambda share: stats.t.ppf(share, 5),
    "uniform": lambda share: stats.uniform.ppf(share, -1, 2),
}


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@each_law
def test_the_interval_of_a_quantile_holds_at_least_what_it_promises(law: str, share: float) -> None:
    rng, true = np.random.default_rng(19), QUANTILES[law](share)
    intervals = [quantile_interval(LAWS[law](rng), share, 0.9) for _ in range(REPEATS)]
    inside = np.mean([low <= true <= high for low, high in intervals])
    # by the binomial law it is 0.9 to 0.93 with 500 values; 3 standard errors of the repeats
    assert 0.9 - 0.026 < inside < 0.93 + 0.026


@pytest.mark.parametrize("size", [1, 5, 40])
def test_the_interval_of_a_quantile_is_exact_by_the_binomial_law(size: int) -> None:
    values = np.arange(1.0, size + 1)
    for share in (0.05, 0.5, 0.9):
        low, high = quantile_interval(values[::-1], share, 0.95)
        # the k-th value lies above the quantile when fewer than k values lie below it
        if low > -np.inf:
            assert (
                stats.binom.cdf(low - 1, size, share) <= 0.025 < stats.binom.cdf(low, size, share)
            )
        else:
            assert stats.binom.cdf(0, size, share) > 0.025
        if high < np.inf:
            assert stats.binom.sf(high - 1, size, share) <= 0.025
            assert stats.binom.sf(high - 2, size, share) > 0.025
        else:
            assert stats.binom.sf(size - 1, size, share) > 0.025
