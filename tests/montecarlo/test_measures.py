"""A contract for every performance measure: its value, its influence values, its own error.

A measure added to `MEASURES` is picked up by itself, and fails until it has its line in `DIRECT`
and in `SCALED`, which come from the definitions and not from estkit's formulas.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from estkit.montecarlo.measures import (
    MEASURES,
    Draws,
    mean_interval,
    rate_interval,
    standard_error,
)

R = 300
# Both sides are exact but for rounding.
EXACT = 1e-12
# Location 1e6 leaves ten digits of a number of size 1, and a square of it loses some more.
SHIFTED = 1e-8
# What the jackknife and the influence values differ in is of second order: ψ² / R and the like.
SECOND_ORDER = 10 / R
# The true standard deviation comes from 2,000 repeats, itself known to 1.6 % where tails are light.
CALIBRATED = (0.9, 1.1)


def draws(seed: int = 1, size: int = R, location: float = 0.0) -> Draws:
    """Return outcomes with skew, a truth of their own each, and some limits that touch it."""
    rng = np.random.default_rng(seed)
    truth = location + 0.6 + 0.1 * rng.integers(0, 3, size=size)
    estimate = truth - 0.3 + 2 * rng.beta(1.0, 3.0, size=size)
    std_error = 0.4 + 0.1 * rng.random(size) + 0.05 * np.abs(estimate - truth)
    lower, upper = estimate - 1.5 * std_error, estimate + 1.9 * std_error
    lower[:5], upper[5:9] = truth[:5], truth[5:9]
    failed, stuck, warned = (rng.random((3, size)) < [[0.2], [0.1], [0.3]]).astype(float)
    rejected = ((lower > 0) | (upper < 0)).astype(float)
    p_value = rng.random(size)
    return Draws(estimate, truth, std_error, lower, upper, failed, p_value, rejected, stuck, warned)


def value(name: str, d: Draws) -> float:
    return MEASURES[name].function(d).value


def mcse(name: str, d: Draws) -> float:
    return standard_error(MEASURES[name].function(d).psi)


def mean(function: Callable[..., float], *columns: Any) -> float:
    return math.fsum(itertools.starmap(function, zip(*columns, strict=True))) / len(columns[0])


def cut(d: Draws, number: int) -> float:
    """Return one of the 19 points that cut the estimates into 20 equal parts."""
    return statistics.quantiles(d.estimate.tolist(), n=20, method="inclusive")[number]


# Each measure again, from its definition and with Python's own exact sums.
DIRECT: dict[str, Callable[[Draws], float]] = {
    "bias": lambda d: mean(lambda e, t: e - t, d.estimate, d.truth),
    "relative_bias": lambda d: mean(lambda e, t: e / t - 1, d.estimate, d.truth),
    "empirical_variance": lambda d: statistics.variance(d.estimate.tolist()),
    "empirical_se": lambda d: statistics.stdev(d.estimate.tolist()),
    "median_bias": lambda d: statistics.median((d.estimate - d.truth).tolist()),
    "precision": lambda d: 1 / statistics.variance(d.estimate.tolist()),
    "mae": lambda d: mean(lambda e, t: abs(e - t), d.estimate, d.truth),
    "relative_rmse": lambda d: math.sqrt(mean(lambda e, t: (e / t - 1) ** 2, d.estimate, d.truth)),
    "quantile_05": lambda d: cut(d, 0),
    "median": lambda d: statistics.median(d.estimate.tolist()),
    "quantile_95": lambda d: cut(d, 18),
    "mean_model_se": lambda d: statistics.fmean(d.std_error),
    "mse": lambda d: mean(lambda e, t: (e - t) ** 2, d.estimate, d.truth),
    "rmse": lambda d: math.dist(d.estimate, d.truth) / math.sqrt(R),
    "model_se": lambda d: math.hypot(*d.std_error) / math.sqrt(R),
    "model_se_error": lambda d: DIRECT["model_se"](d) / DIRECT["empirical_se"](d) - 1,
    "coverage": lambda d: mean(lambda a, t, b: a <= t <= b, d.lower, d.truth, d.upper),
    "bias_eliminated_coverage": lambda d: mean(
        lambda a, b: a <= statistics.fmean(d.estimate) <= b, d.lower, d.upper
    ),
    "interval_width": lambda d: mean(lambda a, b: b - a, d.lower, d.upper),
    "power": lambda d: mean(lambda a, b: not a <= 0 <= b, d.lower, d.upper),
    "failure_rate": lambda d: mean(lambda f: f, d.failed),
    "non_convergence_rate": lambda d: mean(lambda f: f, d.not_converged),
    "warning_rate": lambda d: mean(lambda f: f, d.warned),
}
# With which power of the unit a measure grows, and whether it stays when everything is moved.
SCALED: dict[str, tuple[int, bool]] = {
    "bias": (1, True), "relative_bias": (0, False), "empirical_variance": (2, True),
    "empirical_se": (1, True), "mse": (2, True), "rmse": (1, True), "model_se": (1, True),
    "model_se_error": (0, True), "coverage": (0, True), "bias_eliminated_coverage": (0, True),
    "interval_width": (1, True), "power": (0, False), "failure_rate": (0, True),
    "median_bias": (1, True), "precision": (-2, True), "mae": (1, True),
    "relative_rmse": (0, False),
    "quantile_05": (1, False), "median": (1, False), "quantile_95": (1, False),
    "mean_model_se": (1, True), "non_convergence_rate": (0, True), "warning_rate": (0, True),
}  # fmt: skip
# A step in the mean of the estimates, where no influence value can follow.
NOT_SMOOTH = {
    "bias_eliminated_coverage", "median_bias", "median", "quantile_05", "quantile_95",
}  # fmt: skip

everyone = pytest.mark.parametrize("name", MEASURES)


@everyone
def test_the_value_is_that_of_the_definition(name: str) -> None:
    for d in (draws(), draws(seed=2), draws(location=-3.0)):
        assert value(name, d) == pytest.approx(DIRECT[name](d), rel=EXACT, abs=EXACT)


@everyone
def test_moving_everything_moves_the_measure_as_it_should(name: str) -> None:
    d, moved = draws(), draws(location=1e6)
    if SCALED[name][1]:
        assert value(name, moved) == pytest.approx(value(name, d), rel=SHIFTED)
        assert mcse(name, moved) == pytest.approx(mcse(name, d), rel=SHIFTED)
    else:
        assert value(name, moved) == pytest.approx(DIRECT[name](moved), rel=SHIFTED)


@everyone
def test_another_unit_scales_the_measure_as_it_should(name: str) -> None:
    d = draws()
    scaled = Draws(*(8.0 * column for column in d[:5]), *d[5:])
    factor = 8.0 ** SCALED[name][0]
    assert value(name, scaled) == pytest.approx(factor * value(name, d), rel=EXACT)
    assert mcse(name, scaled) == pytest.approx(factor * mcse(name, d), rel=EXACT)


@everyone
def test_the_order_of_the_replicates_does_not_matter(name: str) -> None:
    d, order = draws(), np.random.default_rng(3).permutation(R)
    shuffled = Draws(*(column[order] for column in d))
    assert value(name, shuffled) == pytest.approx(value(name, d), rel=EXACT)
    before, after = MEASURES[name].function(d).psi, MEASURES[name].function(shuffled).psi
    np.testing.assert_allclose(after, before[order], rtol=EXACT, atol=EXACT)


@everyone
def test_measures_leave_the_outcomes_as_they_are(name: str) -> None:
    d = draws()
    for column in d:
        column.flags.writeable = False
    MEASURES[name].function(d)
    assert all(np.array_equal(a, b) for a, b in zip(d, draws(), strict=True))


@pytest.mark.parametrize("name", sorted(set(MEASURES) - NOT_SMOOTH))
def test_influence_values_say_what_leaving_a_replicate_out_does(name: str) -> None:
    d = draws()
    without = [value(name, Draws(*(np.delete(column, i) for column in d))) for i in range(R)]
    moved = (R - 1) * (statistics.fmean(without) - np.array(without))
    psi = np.array(MEASURES[name].function(d).psi)
    psi -= psi.mean()
    unit = psi.std()
    assert (np.abs(psi - moved) <= SECOND_ORDER * (unit + psi**2 / unit)).all()
    jackknife = math.sqrt(math.fsum(moved**2) / (R * (R - 1)))
    assert mcse(name, d) == pytest.approx(jackknife, rel=SECOND_ORDER)


MEANS = {"bias", "relative_bias", "mse", "mae", "mean_model_se", "interval_width"} | {
    name for name, measure in MEASURES.items() if measure.is_rate
}


@pytest.mark.parametrize("name", sorted(MEANS))
def test_a_measure_that_is_a_mean_is_the_mean_of_its_influence_values(name: str) -> None:
    found = MEASURES[name].function(draws())
    assert found.psi.mean() == pytest.approx(found.value, rel=EXACT)
    expected = statistics.stdev(found.psi.tolist()) / math.sqrt(R)
    assert standard_error(found.psi) == pytest.approx(expected, rel=EXACT)


def test_a_single_replicate_has_no_error_to_tell() -> None:
    one = draws(size=1)
    assert all(math.isnan(mcse(name, one)) for name in MEASURES)
    assert math.isnan(value("empirical_variance", one)) and math.isnan(value("empirical_se", one))


# --- intervals ---


@pytest.mark.parametrize("replicates", [2, 3, 10, 500, 1000, 1001, 100_000])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_the_interval_of_a_mean_is_students(replicates: int, level: float) -> None:
    expected = stats.t.interval(level, replicates - 1, loc=0.3, scale=0.1)
    # beyond a thousand replicates the normal may stand in for Student
    tolerance = 1e-10 if replicates <= 1000 else 0.01 * (expected[1] - expected[0])
    assert mean_interval(0.3, 0.1, replicates, level) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("replicates", [1, 2, 7, 50, 1000, 1_000_000])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_the_interval_of_a_rate_is_wilsons(replicates: int, level: float) -> None:
    for hits in {0, 1, replicates // 3, replicates // 2, replicates - 1, replicates}:
        lower, upper = proportion_confint(hits, replicates, alpha=1 - level, method="wilson")
        found = rate_interval(hits / replicates, replicates, level)
        assert found == pytest.approx((lower, upper), rel=1e-9, abs=EXACT)
        assert 0 <= found[0] <= hits / replicates <= found[1] <= 1
    assert rate_interval(0.0, replicates, level)[0] == 0.0
    assert rate_interval(1.0, replicates, level)[1] == 1.0


@pytest.mark.parametrize("replicates", [50, 500])
@pytest.mark.parametrize("low, high", [(0.0, 1.0), (0.9, 1.0)])
def test_the_interval_of_a_rate_covers_what_it_promises(
    replicates: int, low: float, high: float
) -> None:
    hits = np.arange(replicates + 1)
    lower, upper = np.array([rate_interval(h / replicates, replicates, 0.95) for h in hits]).T
    rates = low + (high - low) * (np.arange(2000) + 0.5) / 2000
    covered = [stats.binom.pmf(hits, replicates, p) @ ((lower <= p) & (p <= upper)) for p in rates]
    # by enumeration, so there is no noise; a discrete law cannot hold 0.95 at every single rate
    assert 0.945 < np.mean(covered) < 0.965
