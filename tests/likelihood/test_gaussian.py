"""Gaussian regression: the closed form, against ordinary least squares and scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

import estkit as ek

Floats = NDArray[np.float64]

# Least squares by QR and by the normal equations of well-conditioned columns.
SAME = 1e-10
# A response far from 0 has lost as many digits as its distance has.
FAR = 1e-7

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = 2.0 + X @ [1.0, -0.5] + RNG.normal(size=60)


def least_squares(X: Floats, y: Floats, **options: Any) -> Any:
    return sm.WLS(y, sm.add_constant(X), **options).fit()


def assert_least_squares(fit: Any, ols: Any, n: float) -> None:
    """Maximum likelihood divides by n where least squares divides by n - k."""
    sigma = np.sqrt(ols.ssr / n)
    np.testing.assert_allclose(fit.params, ols.params, rtol=SAME)
    factor = np.sqrt((n - len(fit.params)) / n)
    np.testing.assert_allclose(fit.std_errors, ols.bse * factor, rtol=SAME)
    assert fit.sigma.value == pytest.approx(sigma, rel=SAME)
    assert fit.sigma.std_error == pytest.approx(sigma / np.sqrt(2 * n), rel=SAME)


def test_the_fit_is_least_squares() -> None:
    ols = sm.OLS(Y, sm.add_constant(X)).fit()
    fit = ek.fit(ek.Gaussian(), X, Y)
    assert_least_squares(fit, ols, 60)
    assert fit.loglik == pytest.approx(ols.llf, rel=SAME)


def test_the_criteria_count_sigma() -> None:
    """R counts it, statsmodels does not."""
    ols = sm.OLS(Y, sm.add_constant(X)).fit()
    fit = ek.fit(ek.Gaussian(), X, Y)
    assert fit.n_params == 4
    assert fit.aic == pytest.approx(ols.aic + 2, rel=SAME)
    assert fit.bic == pytest.approx(ols.bic + np.log(60), rel=SAME)


def test_without_intercept() -> None:
    ols = sm.OLS(Y, X).fit()
    fit = ek.fit(ek.Gaussian(), X, Y, intercept=False)
    assert_least_squares(fit, ols, 60)
    assert fit.loglik == pytest.approx(ols.llf, rel=SAME)


def test_the_intercept_alone_is_the_mean() -> None:
    fit = ek.fit(ek.Gaussian(), None, Y)
    assert fit.params[0] == pytest.approx(Y.mean(), rel=SAME)
    assert fit.sigma.value == pytest.approx(Y.std(), rel=SAME)
    assert fit.std_errors[0] == pytest.approx(Y.std() / np.sqrt(60), rel=SAME)
    assert fit.loglik == pytest.approx(stats.norm.logpdf(Y, *stats.norm.fit(Y)).sum(), rel=SAME)


def test_weights_are_frequencies() -> None:
    weights = RNG.integers(0, 4, size=60)
    ols = least_squares(np.repeat(X, weights, axis=0), np.repeat(Y, weights))
    assert_least_squares(ek.fit(ek.Gaussian(), X, Y, weights=weights), ols, weights.sum())


def test_an_offset_is_taken_from_the_response() -> None:
    offset = RNG.normal(size=60) * 10
    fit = ek.fit(ek.Gaussian(), X, Y, offset=offset)
    ols = sm.OLS(Y - offset, sm.add_constant(X)).fit()
    assert_least_squares(fit, ols, 60)
    np.testing.assert_allclose(fit.predict(), ols.fittedvalues + offset, rtol=SAME)


@pytest.mark.parametrize("factor", [1e-200, 1e-100, 1e-8, 1e8, 1e100, 1e200])
def test_the_unit_of_the_response_scales_everything(factor: float) -> None:
    fit, other = ek.fit(ek.Gaussian(), X, Y), ek.fit(ek.Gaussian(), X, Y * factor)
    np.testing.assert_allclose(other.params / factor, fit.params, rtol=SAME)
    np.testing.assert_allclose(other.std_errors / factor, fit.std_errors, rtol=SAME)
    assert other.sigma.value / factor == pytest.approx(fit.sigma.value, rel=SAME)
    assert other.loglik == pytest.approx(fit.loglik - 60 * np.log(factor), rel=SAME)


@pytest.mark.parametrize("distance", [1e4, 1e8, 1e10, 1e12])
def test_the_origin_of_the_response_moves_the_intercept(distance: float) -> None:
    """Such as times in seconds or nanoseconds; digits are lost in the data, and nowhere else."""
    far = Y + distance
    near = ek.fit(ek.Gaussian(), X, far - distance)
    fit = ek.fit(ek.Gaussian(), X, far)
    np.testing.assert_allclose(fit.params[1:], near.params[1:], rtol=FAR)
    assert fit.params[0] - distance == pytest.approx(near.params[0], abs=4e-16 * distance + FAR)
    np.testing.assert_allclose(fit.std_errors, near.std_errors, rtol=FAR)
    assert fit.loglik == pytest.approx(near.loglik, rel=FAR)


def test_a_tiny_error_beside_a_large_response_is_found() -> None:
    y = 1e6 * X[:, 0] + 1e-3 * RNG.normal(size=60)
    ols = sm.OLS(y, sm.add_constant(X)).fit()
    fit = ek.fit(ek.Gaussian(), X, y)
    assert fit.sigma.value == pytest.approx(np.sqrt(ols.ssr / 60), rel=FAR)


PERFECT: dict[str, tuple[Any, Any]] = {
    "a plane": (X, 1.0 + X @ [2.0, -3.0]),
    "a large plane": (X, 1e8 + X @ [2e8, -3e8]),
    "a small plane": (X, 1e-8 + X @ [2e-8, -3e-8]),
    "a constant": (X, np.full(60, 3.7)),
    "zeros": (X, np.zeros(60)),
    "as many rows as columns": (X[:3], Y[:3]),
    "one row": (None, [1.5]),
}


@pytest.mark.parametrize("case", PERFECT)
def test_a_perfect_fit_has_no_maximum(case: str) -> None:
    with pytest.raises(ek.FitError, match=r"Perfect fit.*no maximum"):
        ek.fit(ek.Gaussian(), *PERFECT[case])
    assert not ek.fit(ek.Gaussian(), *PERFECT[case], errors="return").converged


@pytest.mark.parametrize("y", [np.array(["a", "b"] * 30), Y + 1j, np.ones((60, 2))])
def test_other_responses_are_refused(y: Any) -> None:
    with pytest.raises(ek.DataError, match="y"):
        ek.fit(ek.Gaussian(), X, y)


def test_bools_and_whole_numbers_are_numbers() -> None:
    y = Y > 2
    wanted = ek.fit(ek.Gaussian(), X, y.astype(float))
    for form in (y, y.astype(np.uint8), y.astype(int)):
        np.testing.assert_array_equal(ek.fit(ek.Gaussian(), X, form).params, wanted.params)


def test_draws_have_the_fitted_law() -> None:
    fit = ek.fit(ek.Gaussian(), X, Y)
    standard = (fit.simulate(rng=1, replicates=500) - fit.predict()) / fit.sigma.value
    assert stats.kstest(standard.ravel(), "norm").pvalue > 1e-4


def test_weighted_rows_cannot_be_drawn() -> None:
    fit = ek.fit(ek.Gaussian(), X, Y, weights=np.full(60, 2))
    with pytest.raises(ek.DataError, match=r"weights.*numpy\.repeat"):
        fit.simulate(rng=1)
    assert ek.fit(ek.Gaussian(), X, Y, weights=np.ones(60)).simulate(rng=1).shape == (60,)
