"""Generative likelihoods: their numbers against scikit-learn and scipy, refusals, and uses."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB

import estkit as ek
from estkit.likelihood.joint.fit import JointFit

# scikit-learn computes the same sums in another order.
POSTERIOR = 1e-10
# The same sums in another order.
SAME = 1e-9
# Limits solve the profile equation to 1e-10 in the log-likelihood.
PROFILE = 1e-7
# The mean of 4,000 rows, five standard errors of it.
SIGMAS = 5.0

IRIS = load_iris()
KEPT = np.setdiff1d(np.arange(150), [3, 7, 60, 61, 62, 130])  # classes of different sizes
X = pd.DataFrame(IRIS.data[KEPT], columns=["sl", "sw", "pl", "pw"])
Y = np.array(IRIS.target_names)[IRIS.target[KEPT]]
COVARIANCES = ("shared", "separate", "diagonal")
PEERS: dict[str, Any] = {
    "shared": LinearDiscriminantAnalysis(solver="lsqr"),
    "separate": QuadraticDiscriminantAnalysis(solver="eigen"),  # divides by n, as svd does not
    "diagonal": GaussianNB(var_smoothing=0.0),
}
GAUSSIAN = {c: ek.fit(ek.Joint("gaussian", covariance=c), X, Y) for c in COVARIANCES}

RNG = np.random.default_rng(2)
CODES = np.arange(200) % 3
BITS = (RNG.random((200, 6)) < RNG.uniform(0.2, 0.8, size=(3, 6))[CODES]).astype(int)
COUNTS = RNG.poisson(RNG.uniform(1, 5, size=(3, 8))[CODES])
DISCRETE: dict[str, tuple[Any, Any]] = {
    "bernoulli": (BITS, BernoulliNB),
    "multinomial": (COUNTS, MultinomialNB),
}


def same(found: Any, wanted: Any, tolerance: float = SAME) -> None:
    np.testing.assert_allclose(found.params, wanted.params, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=tolerance)
    assert found.loglik == pytest.approx(wanted.loglik, rel=tolerance)
    assert found.n_obs == wanted.n_obs


# --- the numbers ---


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_gaussian_posteriors_are_those_of_scikit_learn(covariance: str) -> None:
    peer = PEERS[covariance].fit(X.to_numpy(), Y)
    fit = GAUSSIAN[covariance]
    np.testing.assert_allclose(fit.predict(), peer.predict_proba(X.to_numpy()), atol=POSTERIOR)
    best = np.array(fit.outcomes)[fit.predict().argmax(axis=1)]
    np.testing.assert_array_equal(best, peer.predict(X.to_numpy()))


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
@pytest.mark.parametrize("law", DISCRETE)
def test_discrete_posteriors_are_those_of_scikit_learn(law: str, smoothing: float) -> None:
    values, peer = DISCRETE[law]
    known = {"binarize": None} if law == "bernoulli" else {}
    reference = peer(alpha=smoothing, force_alpha=True, **known).fit(values, CODES)
    fit = ek.fit(ek.Joint(law, smoothing=smoothing), values, CODES)
    np.testing.assert_allclose(fit.predict(), reference.predict_proba(values), atol=POSTERIOR)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_the_gaussian_loglik_is_that_of_scipy(covariance: str) -> None:
    fit, expected = GAUSSIAN[covariance], 0.0
    own = {k: X[k == Y].to_numpy() for k in fit.outcomes}
    pooled = sum(len(x) * np.cov(x.T, bias=True) for x in own.values()) / len(Y)
    for x in own.values():
        cov = pooled if covariance == "shared" else np.cov(x.T, bias=True)
        cov = np.diag(np.diag(cov)) if covariance == "diagonal" else cov
        expected += stats.multivariate_normal(x.mean(axis=0), cov).logpdf(x).sum()
        expected += len(x) * np.log(len(x) / len(Y))
    assert fit.loglik == pytest.approx(expected, rel=1e-12)
    count = {"shared": 2 + 12 + 10, "separate": 2 + 12 + 30, "diagonal": 2 + 24}[covariance]
    assert fit.aic == pytest.approx(2 * count - 2 * expected)


def test_discrete_logliks_keep_their_constants() -> None:
    bits = ek.fit(ek.Joint("bernoulli"), BITS, CODES)
    chance = bits.params[3:].reshape(3, 6)[CODES]
    expected = stats.bernoulli.logpmf(BITS, chance).sum() + np.log(bits.params[:3][CODES]).sum()
    assert bits.loglik == pytest.approx(expected, rel=1e-12)
    words = ek.fit(ek.Joint("multinomial"), COUNTS, CODES)
    chance = words.params[3:].reshape(3, 8)[CODES]
    expected = stats.multinomial.logpmf(COUNTS, COUNTS.sum(axis=1), chance).sum()
    expected += np.log(words.params[:3][CODES]).sum()
    assert words.loglik == pytest.approx(expected, rel=1e-12)


def test_names_say_what_each_parameter_is() -> None:
    assert GAUSSIAN["shared"].names[:4] == (
        "setosa:share", "versicolor:share", "virginica:share", "setosa:mean:sl",
    )  # fmt: skip
    assert GAUSSIAN["shared"].names[-3:] == ("cov:pl,pl", "cov:pl,pw", "cov:pw,pw")
    assert "virginica:cov:sl,pw" in GAUSSIAN["separate"].names
    assert "virginica:var:pw" in GAUSSIAN["diagonal"].names
    assert ek.fit(ek.Joint("bernoulli"), BITS, CODES).names[3] == "0:p:x0"


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_params_are_moments_under_their_names(covariance: str) -> None:
    fit = GAUSSIAN[covariance]
    value = dict(zip(fit.names, fit.params, strict=True))
    error = dict(zip(fit.names, fit.std_errors, strict=True))
    own = X[Y == "versicolor"]
    assert value["versicolor:share"] == pytest.approx(len(own) / len(Y))
    assert value["versicolor:mean:pl"] == pytest.approx(own["pl"].mean())
    if covariance != "shared":
        name = "versicolor:cov:pl,pl" if covariance == "separate" else "versicolor:var:pl"
        variance = own["pl"].var(ddof=0)
        assert value[name] == pytest.approx(variance)
        assert error[name] == pytest.approx(variance * np.sqrt(2 / len(own)))
        assert error["versicolor:mean:pl"] == pytest.approx(np.sqrt(variance / len(own)))


def test_lda_is_a_softmax_regression_in_its_posterior() -> None:
    fit = GAUSSIAN["shared"]
    value = dict(zip(fit.names, fit.params, strict=True))
    means = np.array([[value[f"{k}:mean:{c}"] for c in X] for k in fit.outcomes])
    sigma = np.array([[value.get(f"cov:{a},{b}", value.get(f"cov:{b},{a}")) for b in X] for a in X])
    slopes = np.linalg.solve(sigma, (means - means[0]).T)
    level = np.log(fit.params[:3]) - 0.5 * np.sum(means.T * np.linalg.solve(sigma, means.T), axis=0)
    eta = X.to_numpy() @ slopes + level
    odds = np.exp(eta - eta.max(axis=1, keepdims=True))
    wanted = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fit.predict(), wanted, atol=1e-8)


# --- invariances ---


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_scale_and_origin_of_columns_do_not_matter(covariance: str) -> None:
    fit = GAUSSIAN[covariance]
    scale = np.array([1e8, 1.0, 1e-8, -1.0])
    moved = ek.fit(fit.family, X * scale, Y)
    np.testing.assert_allclose(moved.predict(), fit.predict(), atol=SAME)
    change = len(Y) * np.log(np.abs(scale)).sum()
    assert moved.loglik + change == pytest.approx(fit.loglik, rel=SAME)
    far = ek.fit(fit.family, X + 1e8, Y)
    near = ek.fit(fit.family, (X + 1e8) - 1e8, Y)
    np.testing.assert_allclose(far.predict(), near.predict(), atol=SAME)
    np.testing.assert_allclose(far.std_errors, near.std_errors, rtol=SAME)
    assert far.loglik == pytest.approx(near.loglik, rel=SAME)


@pytest.mark.parametrize("law", ["gaussian", *DISCRETE])
def test_weights_are_repeats_and_order_does_not_matter(law: str) -> None:
    values, y = (X.to_numpy(), Y) if law == "gaussian" else (DISCRETE[law][0], CODES)
    weights = RNG.integers(0, 4, size=len(y))
    weighted = ek.fit(ek.Joint(law), values, y, weights=weights)
    repeated = ek.fit(ek.Joint(law), np.repeat(values, weights, axis=0), np.repeat(y, weights))
    same(weighted, repeated)
    np.testing.assert_allclose(weighted.covariance("HC0"), repeated.covariance("HC0"), atol=1e-12)
    mixed = RNG.permutation(len(y))
    same(ek.fit(ek.Joint(law), values[mixed], y[mixed]), ek.fit(ek.Joint(law), values, y))


def test_dtypes_and_frames_do_not_matter() -> None:
    wanted = ek.fit(ek.Joint("bernoulli"), BITS.astype(float), CODES)
    for dtype in (bool, np.uint8, np.float32):
        same(ek.fit(ek.Joint("bernoulli"), BITS.astype(dtype), CODES), wanted, 1e-14)
    tenths = np.round(10 * X).astype(np.int16)
    same(ek.fit(ek.Joint(), tenths, Y), ek.fit(ek.Joint(), tenths.astype(float), Y), 1e-14)
    other = GAUSSIAN["shared"].predict(X[["pw", "sl", "pl", "sw"]])
    np.testing.assert_array_equal(other, GAUSSIAN["shared"].predict())


@pytest.mark.parametrize("law", DISCRETE)
def test_sparse_columns_give_the_same(law: str) -> None:
    values = DISCRETE[law][0]
    fit = ek.fit(ek.Joint(law), values, CODES)
    for form in (sparse.csr_array, sparse.csc_matrix):
        found = ek.fit(ek.Joint(law), form(values), CODES)
        same(found, fit, 1e-14)
        np.testing.assert_allclose(found.predict(form(values)), fit.predict(), atol=1e-13)
        np.testing.assert_allclose(found.covariance("HC0"), fit.covariance("HC0"), atol=1e-13)
    with pytest.raises(ek.DataError, match="no use for a sparse"):
        ek.fit(ek.Joint(), sparse.csr_array(values), CODES)


# --- what a fit can do ---


@pytest.mark.parametrize("law", ["gaussian", *DISCRETE])
def test_inference_is_that_of_the_likelihood(law: str) -> None:
    values, y = (X, Y) if law == "gaussian" else (DISCRETE[law][0], CODES)
    fit = ek.fit(ek.Joint(law), values, y)
    model = fit._model
    information = np.linalg.inv(model.total(fit._point).information)
    jacobian = model.jacobian(fit._point)
    np.testing.assert_allclose(
        fit.covariance(), jacobian @ information @ jacobian.T, rtol=1e-8, atol=1e-12
    )
    np.testing.assert_array_equal(fit.covariance("expected"), fit.covariance())
    scores = np.concatenate(list(model.scores(fit._point)))
    np.testing.assert_allclose(scores.sum(axis=0), 0.0, atol=1e-9)
    name, away = fit.names[4], fit.params[4] + fit.std_errors[4]
    wald = fit.wald_test([name], value=away).statistic
    assert wald == pytest.approx(1.0, rel=1e-10)
    assert fit.likelihood_ratio([name], value=away).statistic == pytest.approx(1.0, rel=0.15)
    assert fit.score_test([name], value=away).statistic == pytest.approx(1.0, rel=0.15)


def test_profile_limits_have_their_closed_forms() -> None:
    """A share is a binomial p; a mean falls by n/2 log(1 + n_k d² / (n s))."""
    fit = GAUSSIAN["shared"]
    limits = dict(zip(fit.names, fit.interval(method="profile"), strict=True))
    share = ek.proportion(48, 144, method="likelihood_ratio")
    np.testing.assert_allclose(limits["setosa:share"], [share.lower, share.upper], rtol=PROFILE)
    value = dict(zip(fit.names, fit.params, strict=True))
    d = limits["setosa:mean:sw"] - value["setosa:mean:sw"]
    fall = 144 / 2 * np.log1p(48 * d**2 / 144 / value["cov:sw,sw"])
    np.testing.assert_allclose(2 * fall, 3.841458820694124, rtol=PROFILE)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_simulated_data_have_the_fitted_moments(covariance: str) -> None:
    fit = GAUSSIAN[covariance]
    drawn, labels = fit.simulate(rng=3, replicates=30)
    assert drawn.shape == (30, 144, 4)
    assert labels.shape == (30, 144)
    again = ek.fit(fit.family, drawn.reshape(-1, 4), labels.ravel())
    away = np.abs(again.params - fit.params) / again.std_errors
    assert away.max() < SIGMAS
    one, y = fit.simulate(rng=3)
    assert one.shape == (144, 4)
    assert set(y) == set(fit.outcomes)


@pytest.mark.parametrize("law", DISCRETE)
def test_simulated_counts_have_the_fitted_shares(law: str) -> None:
    values = DISCRETE[law][0]
    fit = ek.fit(ek.Joint(law), values, CODES)
    drawn, labels = fit.simulate(rng=4, replicates=20)
    again = ek.fit(fit.family, drawn.reshape(-1, values.shape[1]), labels.ravel())
    assert (np.abs(again.params - fit.params) / again.std_errors).max() < SIGMAS
    if law == "multinomial":
        np.testing.assert_array_equal(drawn[0].sum(axis=1), values.sum(axis=1))


def test_the_bootstrap_finds_the_bias_of_a_variance() -> None:
    fit = ek.fit(ek.Joint("gaussian", covariance="diagonal"), X[["sl"]], Y)
    bias = fit.bootstrap(400, rng=5).summary("bias").set_index("parameter")
    name = "setosa:var:sl"
    expected = -fit.params[fit.names.index(name)] / 48
    assert bias.loc[name, "value"] == pytest.approx(expected, abs=5 * bias.loc[name, "mcse"])


@pytest.mark.parametrize("law", ["gaussian", *DISCRETE])
def test_storage_and_pickling_keep_what_predicts(law: str) -> None:
    values, y = (X.to_numpy(), Y) if law == "gaussian" else (DISCRETE[law][0], CODES)
    fit = ek.fit(ek.Joint(law), values, y)
    plain = json.loads(json.dumps(fit.to_dict(), allow_nan=False))
    for again in (ek.LikelihoodFit.from_dict(plain), pickle.loads(pickle.dumps(fit))):
        assert isinstance(again, JointFit)
        np.testing.assert_array_equal(again.predict(values), fit.predict())
        np.testing.assert_array_equal(again.covariance(), fit.covariance())
        assert str(again) == str(fit)
