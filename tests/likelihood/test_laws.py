"""The sums that make the likelihoods of the named laws, against scipy, mpmath and closed forms."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

import estkit as ek
from estkit.likelihood.distribution.laws.counts import NegativeBinomial, tally
from estkit.likelihood.distribution.laws.shapes import stirling
from estkit.likelihood.distribution.laws.sums import Values

# A sum in another order than scipy's, over a thousand rows.
LOGLIK = 1e-12
# Differences of rows, which `LawRows` takes, beside formulas: both lose digits of their own.
GRADIENT = 1e-9  # in standard errors
INFORMATION = 1e-8
# A closed form or the same fit in other units: rounding alone.
EXACT = 1e-12
# Beside mpmath with 30 digits, what float64 leaves of a root.
ROOT = 1e-11

RNG = np.random.default_rng(20)
N = 1000
SAMPLES: dict[str, Any] = {
    "norm": RNG.normal(3.0, 2.0, N),
    "lognorm": RNG.lognormal(3.0, 2.0, N),
    "expon": RNG.exponential(3.0, N),
    "gamma": RNG.gamma(2.0, 3.0, N),
    "weibull_min": RNG.weibull(0.7, N) * 5.0,
    "beta": RNG.beta(2.0, 3.0, N),
    "poisson": RNG.poisson(4.0, N),
    "geom": RNG.geometric(0.2, N),
    "nbinom": RNG.negative_binomial(3.5, 0.4, N),
    "binom": RNG.binomial(10, 0.2, N),
}
FIXED: dict[str, Any] = {"binom": {"n": 10}}
VARIANTS = [
    *((law, FIXED.get(law)) for law in SAMPLES),
    ("norm", {"loc": 3.5}),
    ("norm", {"scale": 2.5}),
    ("lognorm", {"s": 1.8}),
    ("lognorm", {"scale": 15.0}),
    ("lognorm", {"loc": -1.0}),
    ("gamma", {"a": 2.5}),
    ("gamma", {"scale": 2.5}),
    ("gamma", {"loc": -0.5}),
    ("weibull_min", {"c": 0.8}),
    ("weibull_min", {"scale": 6.0}),
    ("beta", {"a": 2.5}),
    ("beta", {"b": 2.5}),
    ("beta", {"scale": 2.0, "loc": -0.1}),
    ("nbinom", {"n": 4.5}),
    ("nbinom", {"p": 0.3}),
    ("geom", {"loc": -1}),
]
IDS = [f"{law} {fixed or ''}".strip() for law, fixed in VARIANTS]
every_variant = pytest.mark.parametrize(("law", "fixed"), VARIANTS, ids=IDS)


def fitted(law: str, fixed: Any, **options: Any) -> Any:
    return ek.fit(ek.Distribution(law, fixed), SAMPLES[law], **options)


def density(law: str, frozen: Any) -> Any:
    return frozen.logpmf if hasattr(frozen.dist, "logpmf") else frozen.logpdf


@every_variant
def test_the_loglik_is_that_of_scipy(law: str, fixed: Any) -> None:
    fit = fitted(law, fixed)
    assert fit.loglik == pytest.approx(density(law, fit.frozen())(SAMPLES[law]).sum(), rel=LOGLIK)


@every_variant
def test_the_sums_have_the_derivatives_of_the_rows(law: str, fixed: Any) -> None:
    fit = fitted(law, fixed)
    model = fit._model
    point = fit._point + 0.05  # beside the maximum, where the gradient is not 0
    sums, rows = model.total(point), model.rows.total(model.out @ point)
    error = np.sqrt(np.diag(sums.information))
    gradient = model.out.T @ rows.gradient
    np.testing.assert_array_less(np.abs(sums.gradient - gradient), GRADIENT * error)
    information = model.out.T @ rows.information @ model.out
    allowed = INFORMATION * np.outer(error, error)
    np.testing.assert_array_less(np.abs(sums.information - information), allowed)


@every_variant
def test_no_neighbour_is_more_likely(law: str, fixed: Any) -> None:
    fit = fitted(law, fixed)
    for step in np.vstack([np.eye(len(fit.params)), -np.eye(len(fit.params))]):
        moved = fit._at(fit.params + 0.1 * step * fit.std_errors)
        assert density(law, moved)(SAMPLES[law]).sum() < fit.loglik


@every_variant
def test_weights_are_frequencies(law: str, fixed: Any) -> None:
    times = np.arange(N) % 4
    weighted = fitted(law, fixed, weights=times)
    repeated = ek.fit(ek.Distribution(law, fixed), np.repeat(SAMPLES[law], times))
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-11)
    np.testing.assert_allclose(weighted.std_errors, repeated.std_errors, rtol=1e-10)
    assert weighted.loglik == pytest.approx(repeated.loglik, rel=LOGLIK)
    assert (weighted.n_obs, weighted.bic) == (
        repeated.n_obs,
        pytest.approx(repeated.bic, rel=1e-12),
    )


@pytest.mark.parametrize("factor", [1e8, 1e-8])
@pytest.mark.parametrize("law", ["norm", "lognorm", "expon", "gamma", "weibull_min"])
def test_the_unit_of_the_data_changes_nothing_else(law: str, factor: float) -> None:
    fit, moved = fitted(law, None), ek.fit(ek.Distribution(law), SAMPLES[law] * factor)
    scaled = np.array([factor if name in ("loc", "scale") else 1.0 for name in fit.names])
    np.testing.assert_allclose(moved.params, fit.params * scaled, rtol=1e-10)
    np.testing.assert_allclose(moved.std_errors, fit.std_errors * scaled, rtol=1e-10)
    assert moved.loglik == pytest.approx(fit.loglik - N * math.log(factor), rel=LOGLIK)


def test_a_normal_sample_may_lie_far_from_0() -> None:
    x = np.round(SAMPLES["norm"] * 2**20) / 2**20  # so that adding 1e8 loses nothing
    near, far = (ek.fit(ek.Distribution("norm"), x + shift) for shift in (0.0, 1e8))
    assert far.params[1] == pytest.approx(near.params[1], rel=EXACT)
    assert far.params[0] - 1e8 == pytest.approx(near.params[0], abs=2e-8)
    assert far.loglik == pytest.approx(near.loglik, rel=EXACT)


@pytest.mark.parametrize("kind", [np.float32, list, np.int16])
def test_any_numeric_type_gives_the_numbers_of_float64(kind: Any) -> None:
    counts = SAMPLES["nbinom"]
    x = counts.tolist() if kind is list else counts.astype(kind)
    fit = ek.fit(ek.Distribution("nbinom"), x)
    np.testing.assert_array_equal(fit.params, fitted("nbinom", None).params)
    single = SAMPLES["gamma"].astype(np.float32)
    double = ek.fit(ek.Distribution("gamma"), single.astype(float))
    np.testing.assert_array_equal(ek.fit(ek.Distribution("gamma"), single).params, double.params)


def test_closed_forms() -> None:
    x = SAMPLES["norm"]
    fit = fitted("norm", None)
    np.testing.assert_allclose(fit.params, [x.mean(), x.std()], rtol=EXACT)
    errors = x.std() / math.sqrt(N), x.std() / math.sqrt(2 * N)
    np.testing.assert_allclose(fit.std_errors, errors, rtol=EXACT)
    for law in ("expon", "poisson"):
        mean = SAMPLES[law].mean()
        error = mean / math.sqrt(N) if law == "expon" else math.sqrt(mean / N)
        assert fitted(law, None).params == pytest.approx(mean, rel=EXACT)
        assert fitted(law, None).std_errors == pytest.approx(error, rel=EXACT)
    p = 1 / SAMPLES["geom"].mean()
    assert fitted("geom", None).params == pytest.approx(p, rel=EXACT)
    assert fitted("geom", None).std_errors == pytest.approx(p * math.sqrt((1 - p) / N), rel=EXACT)


@pytest.mark.parametrize("law", ["norm", "lognorm", "gamma", "weibull_min", "beta", "expon"])
def test_no_worse_than_the_fit_of_scipy(law: str) -> None:
    dist = getattr(stats, law)
    held = {} if law == "norm" else {"floc": 0, "fscale": 1} if law == "beta" else {"floc": 0}
    found = dist.fit(SAMPLES[law], **held)
    assert fitted(law, None).loglik >= dist.logpdf(SAMPLES[law], *found).sum() - 1e-9


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4, 1e-6])
def test_gamma_has_the_root_of_mpmath_for_any_spread(spread: float) -> None:
    x = 1.0 + spread * np.linspace(0.0, 1.0, 51)
    fit = ek.fit(ek.Distribution("gamma"), x)
    with mpmath.workdps(40):
        values = [mpmath.mpf(v) for v in x.tolist()]
        mean = mpmath.fsum(values) / len(values)
        gap = mpmath.log(mean) - mpmath.fsum(map(mpmath.log, values)) / len(values)
        a = mpmath.findroot(lambda t: mpmath.log(t) - mpmath.psi(0, t) - gap, 1 / (2 * gap))
        curve = len(x) * (a * a * mpmath.psi(1, a) - a)
        # the data are rounded before estkit sees them, and here too: the roots agree beyond that
        assert fit.params[0] == pytest.approx(float(a), rel=1e-9)
        assert fit.std_errors[0] == pytest.approx(float(a / mpmath.sqrt(curve)), rel=1e-8)


@pytest.mark.parametrize("size", [0.3, 3.0, 300.0])
def test_negative_binomial_has_the_real_root_of_mpmath(size: float) -> None:
    x = np.random.default_rng(5).negative_binomial(size, size / (size + 40.0), 2000)
    fit = ek.fit(ek.Distribution("nbinom"), x)
    with mpmath.workdps(30):
        mean = mpmath.mpf(int(x.sum())) / len(x)
        values, number = np.unique(x, return_counts=True)

        def score(n: Any) -> Any:
            terms = [
                int(w) * (mpmath.psi(0, n + int(v)) - mpmath.psi(0, n))
                for v, w in zip(values, number, strict=True)
            ]
            return mpmath.fsum(terms) - len(x) * mpmath.log1p(mean / n)

        n = mpmath.findroot(score, mpmath.mpf(float(fit.params[0])))
        assert fit.params[0] == pytest.approx(float(n), rel=ROOT * max(1.0, size))
        assert fit.params[1] == pytest.approx(float(n / (n + mean)), rel=ROOT)
    assert fit.params[0] != round(fit.params[0])


def test_negative_binomial_is_the_same_with_and_without_a_table() -> None:
    x = SAMPLES["nbinom"].astype(float)
    values = Values(x, 0.0, 1.0, None, float(N), float(x.sum()), float(x.min()))
    sums = NegativeBinomial.of(values)
    counts, number = tally(values)
    long = NegativeBinomial(counts, number, None, sums.mean, sums.variance, sums.n, 0.0)
    for point in ([1.2, 1.6], [-1.0, 0.5], [4.0, 1.7]):
        short, whole = sums.total(np.array(point)), long.total(np.array(point))
        assert short.loglik + sums.constant == pytest.approx(whole.loglik, rel=EXACT)
        np.testing.assert_allclose(short.gradient, whole.gradient, rtol=1e-9)
        np.testing.assert_allclose(short.information, whole.information, rtol=1e-8)


@pytest.mark.parametrize("a", [0.01, 1.0, 29.999, 30.0, 1e3, 1e8])
def test_the_series_of_stirling(a: float) -> None:
    with mpmath.workdps(40):
        exact = mpmath.mpf(a)
        value = exact * mpmath.log(exact) - exact - mpmath.loggamma(exact)
        slope = mpmath.log(exact) - mpmath.psi(0, exact)
        curve = 1 / exact - mpmath.psi(1, exact)
        wanted = [float(value), float(slope), float(curve)]
    np.testing.assert_allclose(stirling(a), wanted, rtol=1e-11)


def test_angles_are_fitted_on_their_circle() -> None:
    x = stats.vonmises.rvs(2.0, loc=3.0, size=100, random_state=1)
    fit = ek.fit(ek.Distribution("vonmises"), x)
    kappa, loc, _ = stats.vonmises.fit(x, fscale=1)
    np.testing.assert_allclose(fit.params, [kappa, loc], rtol=1e-7)
    assert fit.loglik == pytest.approx(stats.vonmises.logpdf(x, kappa, loc).sum(), rel=1e-12)
