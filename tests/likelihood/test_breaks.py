"""Maxima at a kink, an edge of the support, an end of censored data: named, or closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

import estkit as ek
from estkit.likelihood.distribution.breaks import broken_at

# Closed forms: rounding alone, and what a search by numerical derivatives leaves.
EXACT, SEARCHED = 1e-12, 1e-7
# Golden section near a kink, in units of the data.
KINK = 1e-6

RNG = np.random.default_rng(17)


def right_censored(x: Any, at: float) -> Any:
    return ek.Censored(np.minimum(x, at), np.where(x > at, np.inf, x))


def test_a_kink_is_told_from_a_smooth_peak_and_from_an_edge() -> None:
    point = np.array([0.01, 0.02])
    smooth = broken_at(lambda p: -50.0 * float(p @ p), point.copy(), 100.0)
    assert smooth[0] == ""
    found = point.copy()
    kinked = broken_at(lambda p: -50.0 * float(p @ p) - 40.0 * abs(float(p[1])), found, 100.0)
    assert kinked == ("kink", 1) and abs(found[1]) < KINK
    edge = broken_at(lambda p: float(p[0]) if p[0] < 0.02 else -math.inf, point.copy(), 100.0)
    assert edge == ("edge", 0)


def test_the_mode_of_a_triangular_sample_is_said_to_be_a_kink_at_a_value() -> None:
    x = stats.triang.rvs(0.3, size=100, random_state=3)
    with pytest.raises(ek.FitError, match=r"maximum at a kink in c.*log-likelihood") as caught:
        ek.fit(ek.Distribution("triang"), x)
    heights = [stats.triang.logpdf(x, c).sum() for c in x]
    best = int(np.argmax(heights))  # the maximum is at a value (Oliver 1972)
    assert f"{heights[best]:.6g}"[:6] in str(caught.value)
    shown = float(str(caught.value).split("{'c': ")[1].split("}")[0])
    assert shown == pytest.approx(x[best], abs=KINK)


TRIANGLES = [(50, 10), (50, 27), (150, 5), (150, 41), (150, 58), (400, 20), (400, 57)]


def test_a_kink_between_the_steps_of_differences_is_no_smooth_peak() -> None:
    """Differences of these rows say that the likelihood is smooth, with thrice the true error."""
    for size, seed in TRIANGLES:
        x = stats.triang.rvs(0.4, size=size, random_state=seed)
        with pytest.raises(ek.FitError, match=r"kinks? in c"):
            ek.fit(ek.Distribution("triang"), x)
    x = stats.loglaplace.rvs(2.5, size=150, random_state=sum(map(ord, "loglaplaceweights")))
    weights = np.random.default_rng(4).integers(1, 4, len(x))
    with pytest.raises(ek.FitError, match="scale"):
        ek.fit(ek.Distribution("loglaplace"), x, weights=weights)


def test_a_cusp_can_be_held_and_the_rest_fitted() -> None:
    x = stats.gennorm.rvs(0.7, loc=1.0, scale=2.0, size=100, random_state=1)
    with pytest.raises(ek.FitError, match="maximum at a kink in loc") as caught:
        ek.fit(ek.Distribution("gennorm", {"scale": 2.0}), x)
    loc = float(str(caught.value).split("{'loc': ")[1].split("}")[0])
    assert np.abs(x - loc).min() < KINK
    rest = ek.fit(ek.Distribution("gennorm", {"scale": 2.0, "loc": loc}), x)
    assert rest.std_errors[0] > 0.0


def test_a_support_that_ends_at_a_value_is_named() -> None:
    x = stats.pearson3.rvs(-2.2, loc=1.0, scale=2.0, size=100, random_state=2)
    with pytest.raises(ek.FitError, match=r"breaks off near .*ends at a value of the data"):
        ek.fit(ek.Distribution("pearson3"), x)


def test_the_scale_of_a_right_censored_pareto_sample_is_its_smallest_value() -> None:
    x = 3.0 * (1.0 + RNG.pareto(2.5, 300))
    fit = ek.fit(ek.Distribution("pareto"), right_censored(x, 5.0))
    low, seen = x.min(), float((x <= 5.0).sum())
    b = seen / np.log(np.minimum(x, 5.0) / low).sum()
    assert fit.names == ("b", "scale")
    assert fit.params[1] == pytest.approx(low, rel=EXACT) and np.isnan(fit.std_errors[1])
    assert fit.params[0] == pytest.approx(b, rel=SEARCHED)
    assert fit.std_errors[0] == pytest.approx(b / math.sqrt(seen), rel=1e-5)
    with pytest.raises(ek.EstkitError, match="censored data cannot be simulated"):
        fit.simulate(rng=0)


def test_the_start_of_a_right_censored_exponential_sample_is_its_smallest_value() -> None:
    x = 2.0 + RNG.exponential(3.0, 300)
    fit = ek.fit(ek.Distribution("expon", {"loc": None}), right_censored(x, 5.0))
    scale = (np.minimum(x, 5.0) - x.min()).sum() / (x <= 5.0).sum()
    np.testing.assert_allclose(fit.params, [x.min(), scale], rtol=SEARCHED)
    assert np.isnan(fit.std_errors[0]) and fit.std_errors[1] > 0.0


def test_the_ends_of_a_right_censored_uniform_sample() -> None:
    x = RNG.uniform(2.0, 5.0, 300)
    fit = ek.fit(ek.Distribution("uniform"), right_censored(x, 4.0))
    # of n values, those above 4 say how far it goes: seen / n = (4 - loc) / scale
    scale = (4.0 - x.min()) / (x <= 4.0).mean()
    np.testing.assert_allclose(fit.params, [x.min(), scale], rtol=SEARCHED)


@pytest.mark.parametrize("law", ["uniform", "pareto", "expon"])
def test_an_end_that_other_censoring_pulls_at_is_refused(law: str) -> None:
    low = np.floor(4.0 * (2.0 + RNG.exponential(1.0, 50))) / 4.0
    family = ek.Distribution(law, {"loc": None} if law == "expon" else None)
    with pytest.raises(ek.FitError, match=r"maximum may be a corner of the data.* Fix "):
        ek.fit(family, ek.Censored(low, low + 0.25))


def test_a_tail_that_tells_nothing_of_a_location_is_named() -> None:
    above = 50.0 + np.random.default_rng(0).exponential(1.0, 50)
    truncated = ek.Censored(above, above, truncated_below=49.999)
    with pytest.raises(ek.FitError, match="do not determine loc of laplace: from") as caught:
        ek.fit(ek.Distribution("laplace"), truncated)
    assert "Truncation" in str(caught.value) and "expon" in str(caught.value)
    ends = str(caught.value).split("from ")[1].split(" the log")[0].split(" to ")
    assert float(ends[0]) < 0.0 < 49.9 < float(ends[1]) < 50.0
    plain = ek.fit(ek.Distribution("expon", {"loc": 49.999}), above)
    held = ek.fit(ek.Distribution("laplace", {"loc": 40.0}), truncated)
    assert held.params[0] == pytest.approx(plain.params[0], rel=SEARCHED)
    assert held.loglik == pytest.approx(plain.loglik, rel=SEARCHED)


def test_a_plain_is_no_kink_however_rough_rounding_makes_it() -> None:
    rough = np.random.default_rng(1)
    value = broken_at(
        lambda p: -50.0 * float(p[1] ** 2) + 1e-12 * rough.normal(), np.array([0.3, 0.0]), 100.0
    )
    assert value == ("plain", 0)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_skew_normal_that_is_higher_at_an_endless_slant_has_no_maximum(side: float) -> None:
    x = side * np.random.default_rng(2).gamma(2.0, 2.0, 100)
    infinity = "infinity" if side > 0 else "minus infinity"
    with pytest.raises(ek.FitError, match=f"as a goes to {infinity} with loc") as caught:
        ek.fit(ek.Distribution("skewnorm"), x)
    limit = float(str(caught.value).split("goes to ")[1].split(" ")[0])
    loc = float(np.abs(x).min())
    half = ek.fit(ek.Distribution("halfnorm", {"loc": loc}), np.abs(x))
    assert limit == pytest.approx(half.loglik, rel=1e-9)
    assert limit > stats.skewnorm.logpdf(x, side * 10.404, side * 0.62446, 4.48042).sum()
    there = ek.fit(ek.Distribution("skewnorm", {"a": side * 10.404}), x)
    assert there.loglik < limit


def test_a_skew_normal_with_a_highest_maximum_is_fitted() -> None:
    x = np.random.default_rng(1).gamma(2.0, 2.0, 100)
    fit = ek.fit(ek.Distribution("skewnorm"), x)
    assert fit.loglik == pytest.approx(stats.skewnorm.logpdf(x, *stats.skewnorm.fit(x)).sum())
