"""Several starts: the distinct maxima, the best of them, and what is said of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

import estkit as ek

Floats = NDArray[np.float64]

CLOSE = 1e-8  # roots found by two ways

CAUCHY = np.array([-5.0, -4.0, 4.5, 5.0, 5.2])
RNG = np.random.default_rng(0)
TWO = np.concatenate([RNG.normal(0.0, 1.0, 100), RNG.normal(4.0, 0.7, 60)])


def cauchy(params: Any, x: Floats) -> Floats:
    return -np.log1p((x - params["mu"]) ** 2)


def mixture(params: Any, z: Floats) -> Floats:
    parts = np.exp(-0.5 * ((z[:, None] - params.m) / params.s) ** 2) / params.s
    return np.log(params.w * parts[:, 0] + (1 - params.w) * parts[:, 1])


MIXTURE: dict[str, Any] = {"bounds": {"w": (0, 1), "s": (0, None)}}


def maxima_on_a_grid() -> list[float]:
    """Return the maxima of the Cauchy likelihood, from the sign changes of its derivative."""

    def slope(mu: float) -> float:
        z = CAUCHY - mu
        return float((2 * z / (1 + z**2)).sum())

    grid = np.linspace(-10.0, 10.0, 4001)
    signs = np.array([slope(mu) for mu in grid])
    falls = np.flatnonzero((signs[:-1] > 0) & (signs[1:] <= 0))
    return [optimize.brentq(slope, grid[i], grid[i + 1], xtol=1e-14) for i in falls]


@pytest.mark.parametrize("derivatives", ["complex", "differences"])
def test_all_maxima_of_a_cauchy_likelihood_are_found(derivatives: str) -> None:
    starts = [{"mu": mu} for mu in np.linspace(-8.0, 8.0, 17)]
    like = ek.Likelihood(cauchy, {"mu": -5.0}, starts=starts, derivatives=derivatives)
    fit = ek.fit(like, CAUCHY)
    wanted = maxima_on_a_grid()
    assert len(fit.optima) == len(wanted) > 1
    np.testing.assert_allclose(sorted(fit.optima.params[:, 0]), wanted, rtol=CLOSE)
    best = max(wanted, key=lambda mu: cauchy({"mu": mu}, CAUCHY).sum())
    assert fit.params[0] == pytest.approx(best, rel=CLOSE)
    assert sum(fit.optima.starts) == 18
    assert (np.diff(fit.optima.loglik) < 0).all()
    assert f"{len(wanted)} distinct maxima from 18 starts; the next is at" in str(fit)


def test_one_start_stays_at_its_maximum() -> None:
    fit = ek.fit(ek.Likelihood(cauchy, {"mu": -5.0}), CAUCHY)
    assert fit.params[0] == pytest.approx(min(maxima_on_a_grid()), rel=CLOSE)
    assert len(fit.optima) == 1
    assert "starts" not in str(fit)


def test_drawn_starts_are_the_same_for_the_same_seed() -> None:
    fits = [
        ek.fit(ek.Likelihood(cauchy, {"mu": -5.0}, starts=12, rng=seed), CAUCHY)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(fits[0].optima.params, fits[1].optima.params)
    assert fits[0].optima.starts == fits[1].optima.starts
    assert sum(fits[2].optima.starts) == 12


def test_components_that_can_be_exchanged_are_said_to_be_equal() -> None:
    start = {"w": 0.5, "m": [0.0, 4.0], "s": [1.0, 1.0]}
    swapped = {"w": 0.5, "m": [4.0, 0.0], "s": [1.0, 1.0]}
    fit = ek.fit(ek.Likelihood(mixture, start, starts=[swapped], **MIXTURE), TWO)
    assert fit.optima.maxima == 2
    assert fit.optima.loglik[0] == pytest.approx(fit.optima.loglik[1], rel=1e-10)
    np.testing.assert_allclose(
        fit.optima.params[0][[2, 1, 4, 3]], fit.optima.params[1][1:], rtol=1e-6
    )
    assert "another is as high as this one" in str(fit)


def test_a_saddle_of_equal_components_is_left() -> None:
    start = {"w": 0.5, "m": [1.0, 1.0], "s": [1.0, 1.0]}
    found = ek.fit(ek.Likelihood(mixture, start, **MIXTURE), TWO)
    wanted = ek.fit(ek.Likelihood(mixture, {**start, "m": [0.0, 4.0]}, **MIXTURE), TWO)
    assert found.loglik == pytest.approx(wanted.loglik, rel=1e-10)


def test_a_start_that_leads_nowhere_is_listed_and_not_taken() -> None:
    # A component that shrinks onto one row: the likelihood has a pole there.
    spike = {"w": 0.01, "m": [float(TWO[3]), 1.5], "s": [1e-3, 2.0]}
    start = {"w": 0.5, "m": [0.0, 4.0], "s": [1.0, 1.0]}
    fit = ek.fit(ek.Likelihood(mixture, start, starts=[spike], **MIXTURE), TWO)
    assert fit.optima.maxima == 1
    assert fit.optima.starts == (1, 1)
    assert np.isnan(fit.optima.loglik[1])
    assert "s[0] → 0" in fit.optima.status[1]
    with pytest.raises(ek.ConvergenceError, match="no maximum: it rises as s"):
        ek.fit(ek.Likelihood(mixture, spike, **MIXTURE), TWO)


def test_the_table_of_maxima_is_a_frame() -> None:
    like = ek.Likelihood(cauchy, {"mu": -5.0}, starts=[{"mu": 5.0}])
    optima = ek.fit(like, CAUCHY).optima
    frame = optima.to_frame()
    assert list(frame.columns) == ["loglik", "mu", "starts", "status"]
    assert frame["status"].tolist() == ["maximum", "maximum"]
    assert str(optima).startswith("Maxima from 2 starts")


def test_a_start_outside_the_bounds_is_refused_by_its_number() -> None:
    start = {"w": 0.5, "m": [0.0, 4.0], "s": [1.0, 1.0]}
    like = ek.Likelihood(mixture, start, starts=[start, {"w": 2.0}], **MIXTURE)
    with pytest.raises(ek.DataError, match=r"starts\[1\] has w = 2"):
        ek.fit(like, TWO)
