"""Users' likelihoods against closed forms, scipy, statsmodels, and estkit's own families."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import special, stats
from statsmodels.miscmodels.tmodel import TLinearModel
from statsmodels.tools.numdiff import approx_fprime

import estkit as ek

Floats = NDArray[np.float64]

EXACT = 1e-9  # a closed form, when derivatives are exact: what rounding leaves
SAME = 1e-8  # another fit of ours: parameters
ERRORS = 1e-6  # standard errors and profile limits, of derivatives by differences too
PEER = 2e-4  # optimisers that stop early, with Hessians by low-order differences

RNG = np.random.default_rng(11)
X = RNG.normal(size=(250, 2)) * [1.0, 3.0]
ETA = 0.4 + X @ [0.8, -0.2]
HIT = RNG.random(250) < 1 / (1 + np.exp(-ETA))
Y = ETA + RNG.standard_t(5, size=250)


def normal(params: Any, y: Floats) -> Floats:
    z = (y - params.mu) / params.sigma
    return -0.5 * np.log(2 * np.pi) - np.log(params.sigma) - 0.5 * z**2


def logit(params: Any, X: Floats, y: Any) -> Floats:
    eta = params["intercept"] + X @ params["beta"]
    return np.where(y, eta, 0.0) - np.log1p(np.exp(eta))


def linear(params: Any, X: Floats, y: Floats) -> Floats:
    z = (y - params["intercept"] - X @ params["beta"]) / params["sigma"]
    return -0.5 * np.log(2 * np.pi) - np.log(params["sigma"]) - 0.5 * z**2


NORMAL = ek.Likelihood(normal, {"mu": 0.0, "sigma": 1.0}, bounds={"sigma": (0, None)})
LOGIT = ek.Likelihood(logit, {"intercept": 0.0, "beta": np.zeros(2)})
LINEAR = ek.Likelihood(
    linear, {"intercept": 0.0, "beta": np.zeros(2), "sigma": 1.0}, bounds={"sigma": (0, None)}
)


def test_a_normal_sample_has_its_closed_form() -> None:
    fit = ek.fit(NORMAL, Y)
    sigma, n = Y.std(), len(Y)
    np.testing.assert_allclose(fit.params, [Y.mean(), sigma], rtol=EXACT)
    np.testing.assert_allclose(
        fit.std_errors, [sigma / np.sqrt(n), sigma / np.sqrt(2 * n)], rtol=EXACT
    )
    assert fit.loglik == pytest.approx(stats.norm.logpdf(Y, *fit.params).sum(), rel=1e-14)
    assert fit.names == ("mu", "sigma")
    assert fit.n_obs == n
    assert fit.aic == pytest.approx(4 - 2 * fit.loglik)
    assert fit.converged
    assert fit.certificate.newton_decrement < 1e-9


@pytest.mark.parametrize("method", ["complex", "differences"])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_the_scale_of_the_data_is_carried_through(method: str, scale: float, shift: float) -> None:
    y = (Y + shift) * scale
    like = ek.Likelihood(
        normal,
        {"mu": y[0], "sigma": scale},
        bounds={"sigma": (0, None)},
        derivatives=method,
    )
    fit = ek.fit(like, y)
    sigma, n = y.std(), len(y)
    np.testing.assert_allclose(fit.params, [y.mean(), sigma], rtol=SAME)
    np.testing.assert_allclose(
        fit.std_errors, [sigma / np.sqrt(n), sigma / np.sqrt(2 * n)], rtol=ERRORS
    )


def test_the_start_is_no_part_of_the_answer() -> None:
    near = ek.fit(NORMAL, Y)
    far = ek.fit(NORMAL, Y, start={"mu": -300.0, "sigma": 1e-3})
    also = ek.fit(NORMAL, Y, start=[40.0, 1e4])
    for fit in (far, also):
        np.testing.assert_allclose(fit.params, near.params, rtol=EXACT)
        np.testing.assert_allclose(fit.std_errors, near.std_errors, rtol=EXACT)


@pytest.mark.parametrize("method", ["complex", "differences"])
@pytest.mark.parametrize("name", ["logit", "linear"])
def test_it_gives_the_numbers_of_the_families(name: str, method: str) -> None:
    written, y = (LOGIT, HIT) if name == "logit" else (LINEAR, Y)
    family = ek.Binomial() if name == "logit" else ek.Gaussian()
    like = ek.Likelihood(written.loglik, written.start, bounds=written.bounds, derivatives=method)
    found, wanted = ek.fit(like, X, y), ek.fit(family, X, y)
    np.testing.assert_allclose(found.params[:3], wanted.params, rtol=SAME)
    np.testing.assert_allclose(found.std_errors[:3], wanted.std_errors, rtol=ERRORS)
    assert found.loglik == pytest.approx(wanted.loglik, rel=1e-12)
    assert found.aic == pytest.approx(wanted.aic, rel=1e-12)
    assert found.bic == pytest.approx(wanted.bic, rel=1e-12)
    np.testing.assert_allclose(
        found.interval(method="profile")[:3], wanted.interval(method="profile"), rtol=ERRORS
    )
    np.testing.assert_allclose(
        found.covariance("HC0")[:3, :3],
        wanted.covariance("HC0"),
        rtol=ERRORS,
        atol=ERRORS * wanted.std_errors.min() ** 2,
    )


def test_the_sandwiches_and_tests_are_those_of_the_family() -> None:
    groups = np.arange(250) // 5
    found = ek.fit(LOGIT, X, HIT, groups=groups)
    wanted = ek.fit(ek.Binomial(), X, HIT, groups=groups)
    for kind in ("HC0", "HC1", "cluster"):
        np.testing.assert_allclose(found.covariance(kind), wanted.covariance(kind), rtol=ERRORS)
    for test in ("wald_test", "score_test", "likelihood_ratio"):
        mine, theirs = getattr(found, test)(["beta[1]"]), getattr(wanted, test)(["x1"])
        assert mine.statistic == pytest.approx(theirs.statistic, rel=ERRORS)
        assert mine.df == theirs.df == 1


def test_frequency_weights_are_repeated_rows() -> None:
    weights = np.arange(250) % 4
    once = ek.fit(LOGIT, X, HIT, weights=weights)
    again = ek.fit(LOGIT, np.repeat(X, weights, axis=0), np.repeat(HIT, weights))
    np.testing.assert_allclose(once.params, again.params, rtol=SAME)
    np.testing.assert_allclose(once.std_errors, again.std_errors, rtol=SAME)
    np.testing.assert_allclose(once.covariance("HC1"), again.covariance("HC1"), rtol=ERRORS)
    assert once.loglik == pytest.approx(again.loglik, rel=1e-12)
    assert once.n_obs == again.n_obs == weights.sum()
    assert once.bic == pytest.approx(again.bic, rel=1e-12)


def test_sampling_weights_are_those_of_the_family() -> None:
    weights = 1.0 + np.arange(250) % 7
    groups = np.arange(250) // 5
    for options in ({}, {"groups": groups}):
        found = ek.fit(LOGIT, X, HIT, sampling_weights=weights, **options)
        wanted = ek.fit(ek.Binomial(), X, HIT, sampling_weights=weights, **options)
        np.testing.assert_allclose(found.params, wanted.params, rtol=SAME)
        np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=ERRORS)
        assert found.covariance_kind == wanted.covariance_kind == "linearized"


def test_gamma_has_the_roots_of_its_score_equations() -> None:
    y = RNG.gamma(2.5, 3.0, size=300)
    like = ek.Likelihood(
        lambda params, y: stats.gamma.logpdf(y, params.shape, scale=params.scale),
        {"shape": 1.0, "scale": 1.0},
        transforms={"shape": "log", "scale": "log"},
    )
    fit = ek.fit(like, y)
    shape, scale = fit.params
    assert shape * scale == pytest.approx(y.mean(), rel=EXACT)
    assert np.log(shape) - special.digamma(shape) == pytest.approx(
        np.log(y.mean()) - np.log(y).mean(), rel=SAME
    )
    information = 300 * np.array(
        [[special.polygamma(1, shape), 1 / scale], [1 / scale, shape / scale**2]]
    )
    np.testing.assert_allclose(fit.covariance(), np.linalg.inv(information), rtol=ERRORS)
    assert fit.derivatives == "differences"  # scipy's gamma takes no complex shape
    assert fit.derivative_error < 1e-8


def test_zero_inflated_poisson_agrees_with_statsmodels() -> None:
    y = RNG.poisson(2.5, size=400) * (RNG.random(400) < 0.7)

    def loglik(params: Any, y: Any) -> Floats:
        zero = np.log(params.p + (1 - params.p) * np.exp(-params.rate))
        some = np.log1p(-params.p) - params.rate + y * np.log(params.rate)
        return np.where(y == 0, zero, some - special.gammaln(y + 1.0))

    like = ek.Likelihood(loglik, {"p": 0.5, "rate": 1.0}, bounds={"p": (0, 1), "rate": (0, None)})
    fit = ek.fit(like, y)
    model = sm.ZeroInflatedPoisson(y, np.ones(400), np.ones((400, 1)))
    peer = model.fit(method="newton", disp=0, tol=1e-14)
    # its own Hessian is off by 8%; the derivative of its score is right
    information = -approx_fprime(peer.params, model.score, centered=True)
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    p, rate = special.expit(peer.params[0]), np.exp(peer.params[1])
    np.testing.assert_allclose(fit.params, [p, rate], rtol=1e-7)
    slopes = [p * (1 - p), rate]  # the delta method through both transforms
    np.testing.assert_allclose(fit.std_errors, errors * slopes, rtol=1e-5)
    assert fit.loglik == pytest.approx(peer.llf, rel=1e-10)


def test_beta_binomial_has_the_gradient_of_scipy_at_zero() -> None:
    k = RNG.binomial(20, RNG.beta(2.0, 3.0, size=150))

    def loglik(params: Any, k: Any) -> Floats:
        return stats.betabinom.logpmf(k, 20, params["a"], params["b"])

    like = ek.Likelihood(loglik, {"a": 1.0, "b": 1.0}, bounds={"a": (0, None), "b": (0, None)})
    fit = ek.fit(like, k)
    a, b = fit.params
    n = 20
    score_a = (
        special.digamma(k + a) - special.digamma(n + a + b)
        - special.digamma(a) + special.digamma(a + b)
    )  # fmt: skip
    curve = (
        special.polygamma(1, k + a) - special.polygamma(1, n + a + b)
        - special.polygamma(1, a) + special.polygamma(1, a + b)
    )  # fmt: skip
    cross = (special.polygamma(1, a + b) - special.polygamma(1, n + a + b)) * np.ones_like(k)
    other = (
        special.polygamma(1, n - k + b) - special.polygamma(1, n + a + b)
        - special.polygamma(1, b) + special.polygamma(1, a + b)
    )  # fmt: skip
    assert abs(score_a.sum()) < 1e-6
    information = -np.array([[curve.sum(), cross.sum()], [cross.sum(), other.sum()]])
    np.testing.assert_allclose(fit.covariance(), np.linalg.inv(information), rtol=ERRORS)


def test_student_regression_agrees_with_statsmodels() -> None:
    def loglik(params: Any, X: Floats, y: Floats) -> Floats:
        z = (y - params.intercept - X @ params.beta) / params.sigma
        nu = params.nu
        constant = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - np.log(np.pi * nu) / 2
        return constant - (nu + 1) / 2 * np.log1p(z**2 / nu) - np.log(params.sigma)

    like = ek.Likelihood(
        loglik,
        {"intercept": 0.0, "beta": np.zeros(2), "nu": 5.0, "sigma": 1.0},
        bounds={"sigma": (0, None), "nu": (0, None)},
    )
    fit = ek.fit(like, X, Y)
    peer = TLinearModel(Y, sm.add_constant(X)).fit(
        start_params=fit.params * 1.01, method="bfgs", disp=0, gtol=1e-9
    )
    np.testing.assert_allclose(fit.params, peer.params, rtol=PEER)
    np.testing.assert_allclose(fit.std_errors, np.sqrt(np.diag(peer.cov_params())), rtol=1e-2)
    assert fit.loglik >= peer.llf - 1e-8
    lower, upper = fit.interval(method="profile").T
    assert 0 < lower[3] < fit.params[3] < upper[3]
    # far from the maximum the surface is not concave; the tests get there all the same
    without = ek.Likelihood(loglik, like.start, bounds=like.bounds, fixed={"beta[0]": 0.0})
    smaller = ek.fit(without, X, Y)
    statistic = 2 * (fit.loglik - smaller.loglik)
    assert fit.likelihood_ratio(["beta[0]"]).statistic == pytest.approx(statistic, rel=1e-7)
    assert fit.score_test(["beta[0]"]).p_value < 1e-6


def test_profile_limits_are_where_the_likelihood_has_fallen_enough() -> None:
    # The profile of a normal standard deviation: n (log(s / s0) + (s0² / s² - 1) / 2).
    fit = ek.fit(NORMAL, Y[:12])
    s0, fall = fit.params[1], stats.chi2.ppf(0.95, 1) / 2
    for limit in fit.interval(method="profile")[1]:
        ratio = limit / s0
        assert 12 * (np.log(ratio) + (ratio**-2 - 1) / 2) == pytest.approx(fall, rel=1e-8)


def test_wald_limits_keep_the_bounds() -> None:
    like = ek.Likelihood(
        lambda params, y: np.where(y, np.log(params.p), np.log1p(-params.p)),
        {"p": 0.5},
        bounds={"p": (0, 1)},
    )
    fit = ek.fit(like, np.arange(20) < 1)
    p = 1 / 20
    width = 1.959963984540054 / np.sqrt(20 * p * (1 - p))
    expected = special.expit(special.logit(p) + np.array([-width, width]))
    np.testing.assert_allclose(fit.interval()[0], expected, rtol=EXACT)
    assert fit.std_errors[0] == pytest.approx(np.sqrt(p * (1 - p) / 20), rel=EXACT)
    frame = fit.to_frame()
    np.testing.assert_allclose(frame[["lower", "upper"]].to_numpy()[0], expected, rtol=EXACT)
    assert np.isnan(frame["p_value"][0])  # p = 0 is no hypothesis inside the bounds
