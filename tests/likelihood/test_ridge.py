"""L2: the maximum against peers, its standard errors against their formula and a simulation."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

import estkit as ek

Floats = NDArray[np.float64]

# Both find a smooth, strictly concave maximum to rounding.
SAME = 1e-8
ERRORS = 1e-6

RNG = np.random.default_rng(0)
N, P = 150, 5
X = RNG.normal(size=(N, P)) + 0.5 * RNG.normal(size=(N, 1))
HIT = (RNG.random(N) < 1 / (1 + np.exp(-X[:, 0] + X[:, 1]))).astype(int)
LEVELS = np.argmax(X[:, :3] + RNG.gumbel(size=(N, 3)), axis=1)
NUMBERS = 3.0 + X[:, 0] + RNG.normal(size=N)


def ridge(X: Any = X, y: Any = HIT, strength: Any = 4.0, **options: Any) -> Any:
    return ek.fit(ek.Binomial(penalty=ek.L2(strength)), X, y, **options)


def design(X: Floats) -> Floats:
    return np.column_stack([np.ones(len(X)), X])


@pytest.mark.parametrize("strength", [0.1, 4.0, 100.0])
def test_binomial_agrees_with_scikit_learn(strength: float) -> None:
    peer = LogisticRegression(C=1 / strength, solver="newton-cholesky", tol=1e-12, max_iter=200)
    peer.fit(X, HIT)
    wanted = [peer.intercept_[0], *peer.coef_[0]]
    np.testing.assert_allclose(ridge(strength=strength).params, wanted, rtol=SAME, atol=SAME)


def test_symmetric_softmax_agrees_with_scikit_learn() -> None:
    peer = LogisticRegression(C=1 / 3.0, solver="newton-cholesky", tol=1e-12, max_iter=200)
    peer.fit(X, LEVELS)
    fit = ek.fit(ek.Softmax(symmetric=True, penalty=ek.L2(3.0)), X, LEVELS)
    wanted = np.column_stack([peer.intercept_ - peer.intercept_.mean(), peer.coef_])
    np.testing.assert_allclose(fit.params.reshape(3, -1), wanted, rtol=1e-6, atol=1e-7)


def test_the_symmetric_softmax_does_not_depend_on_the_order_of_outcomes() -> None:
    family = ek.Softmax(symmetric=True, penalty=ek.L2(3.0))
    one, other = ek.fit(family, X, LEVELS), ek.fit(family, X, 2 - LEVELS)
    np.testing.assert_allclose(one.predict(), other.predict()[:, ::-1], rtol=SAME)


def test_against_a_reference_it_does() -> None:
    first = ek.fit(ek.Softmax(reference=0, penalty=ek.L2(30.0)), X, LEVELS)
    last = ek.fit(ek.Softmax(reference=2, penalty=ek.L2(30.0)), X, LEVELS)
    assert np.abs(first.predict() - last.predict()).max() > 1e-3


def test_gaussian_agrees_with_scikit_learn() -> None:
    for response in (NUMBERS, 1e6 * NUMBERS + 1e9):
        peer = Ridge(alpha=7.0).fit(X, response)
        fit = ek.fit(ek.Gaussian(penalty=ek.L2(7.0)), X, response)
        np.testing.assert_allclose(fit.params, [peer.intercept_, *peer.coef_], rtol=SAME)


def test_gaussian_with_weights_agrees_with_scikit_learn() -> None:
    weights = RNG.integers(1, 5, size=N)
    peer = Ridge(alpha=7.0).fit(X, NUMBERS, sample_weight=weights)
    wanted = [peer.intercept_, *peer.coef_]
    for kind in ("weights", "analytic_weights"):
        fit = ek.fit(ek.Gaussian(penalty=ek.L2(7.0)), X, NUMBERS, **{kind: weights})
        np.testing.assert_allclose(fit.params, wanted, rtol=SAME)


def test_std_errors_are_those_of_the_penalised_estimator() -> None:
    fit, columns = ridge(), design(X)
    share = fit.predict()
    information = (columns.T * (share * (1 - share))) @ columns
    inverse = np.linalg.inv(information + np.diag([0.0, *[4.0] * P]))
    covariance = inverse @ information @ inverse
    np.testing.assert_allclose(fit.covariance(), covariance, rtol=ERRORS)
    np.testing.assert_allclose(fit.std_errors, np.sqrt(np.diag(covariance)), rtol=ERRORS)
    assert fit.covariance_kind == "penalized"
    assert fit.effective == pytest.approx(np.trace(inverse @ information), rel=ERRORS)
    residual = HIT - share
    middle = (columns.T * residual**2) @ columns
    np.testing.assert_allclose(fit.covariance("HC0"), inverse @ middle @ inverse, rtol=ERRORS)


def test_gaussian_errors_and_effective_parameters_are_exact() -> None:
    fit, columns = ek.fit(ek.Gaussian(penalty=ek.L2(7.0)), X, NUMBERS), design(X)
    inverse = np.linalg.inv(columns.T @ columns + np.diag([0.0, *[7.0] * P]))
    hat = columns @ inverse @ columns.T
    variance = np.mean((NUMBERS - hat @ NUMBERS) ** 2)
    covariance = variance * inverse @ columns.T @ columns @ inverse
    np.testing.assert_allclose(fit.covariance(), covariance, rtol=ERRORS)
    assert fit.effective == pytest.approx(np.trace(hat), rel=ERRORS)
    assert fit.aic == pytest.approx(2 * (np.trace(hat) + 1) - 2 * fit.loglik, rel=SAME)


def test_the_errors_are_the_spread_of_the_estimates() -> None:
    truth = ek.fit(ek.Gaussian(), X, NUMBERS)
    rng = np.random.default_rng(1)
    fits = [
        ek.fit(ek.Gaussian(penalty=ek.L2(50.0)), X, truth.simulate(rng=rng)) for _ in range(500)
    ]
    spread = np.std([fit.params for fit in fits], axis=0, ddof=1)
    squared = np.mean([fit.std_errors**2 for fit in fits], axis=0)
    # a standard deviation of 500 draws is known to 3.2%; σ² has the divisor n and takes in bias
    np.testing.assert_allclose(np.sqrt(squared), spread, rtol=0.12)


def test_errors_of_the_symmetric_softmax_have_no_direction_of_their_own() -> None:
    fit = ek.fit(ek.Softmax(symmetric=True, penalty=ek.L2(3.0)), X, LEVELS)
    covariance = fit.covariance().reshape(3, P + 1, 3, P + 1)
    np.testing.assert_allclose(covariance.sum(axis=0), 0.0, atol=1e-12)
    assert (fit.std_errors > 0).all()


def test_separated_outcomes_have_a_maximum() -> None:
    fit = ridge(X[:, :1], X[:, 0] > 0.2, strength=0.01)
    assert fit.converged
    assert np.isfinite(fit.std_errors).all()


def test_collinear_columns_share_their_effect() -> None:
    fit = ridge(np.column_stack([X, X[:, 0]]))
    assert fit.params[1] == pytest.approx(fit.params[-1], rel=1e-8)
    halved = ridge(np.column_stack([X[:, 0], X[:, 1:]]), strength=[2.0, *[4.0] * (P - 1)])
    np.testing.assert_allclose(fit.predict(), halved.predict(), rtol=SAME)


def test_more_columns_than_rows() -> None:
    wide = np.hstack([X, RNG.normal(size=(N, 300))])
    peer = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-12, max_iter=200)
    peer.fit(wide, HIT)
    fit = ridge(wide, strength=2.0)
    np.testing.assert_allclose(fit.params[1:], peer.coef_[0], rtol=1e-6, atol=1e-7)


def test_a_column_without_penalty_may_still_separate_or_depend() -> None:
    free = [0.0, *[1.0] * P]
    with pytest.raises(ek.SeparationError, match="'x0'"):
        ridge(np.column_stack([X[:, 0] > 0.2, X]), X[:, 0] > 0.2, strength=free)
    with pytest.raises(ek.RankError):
        ridge(np.column_stack([np.ones(N), X]), strength=free)
    with pytest.raises(ek.SeparationError, match="only one outcome"):
        ridge(y=np.ones(N, int))


def test_strength_0_is_the_fit_without_penalty() -> None:
    plain = ek.fit(ek.Binomial(), X, HIT)
    fit = ridge(strength=0.0)
    np.testing.assert_allclose(fit.params, plain.params, rtol=SAME)
    np.testing.assert_allclose(fit.std_errors, plain.std_errors, rtol=SAME)
    assert fit.effective == pytest.approx(P + 1)


def test_the_same_numbers_from_sparse_columns_and_from_weights() -> None:
    filled = np.where(np.abs(X) > 1, X, 0.0)
    dense, sparse = ridge(filled), ridge(sp.csr_array(filled))
    np.testing.assert_allclose(sparse.params, dense.params, rtol=SAME)
    np.testing.assert_allclose(sparse.std_errors, dense.std_errors, rtol=SAME)
    weights = RNG.integers(0, 4, size=N)
    repeated = ridge(np.repeat(X, weights, axis=0), np.repeat(HIT, weights))
    weighted = ridge(weights=weights)
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=SAME)
    np.testing.assert_allclose(weighted.std_errors, repeated.std_errors, rtol=SAME)


def test_columns_far_away_or_of_another_scale_give_the_same_fit() -> None:
    exact = np.round(X * 2**20) / 2**20
    plain, far = ridge(exact), ridge(exact + 1e8)
    np.testing.assert_allclose(far.predict(), plain.predict(), rtol=1e-9)
    scale = 10.0 ** np.array([8, -8, 4, -4, 0])
    scaled = ridge(exact * scale, strength=4.0 * scale**2)
    np.testing.assert_allclose(scaled.predict(), plain.predict(), rtol=1e-9)


def test_sampling_weights_give_linearized_errors() -> None:
    fit = ridge(sampling_weights=RNG.random(N) + 0.5)
    assert fit.covariance_kind == "linearized"
    assert (fit.std_errors > 0).all()
    with pytest.raises(ek.EstkitError):
        _ = fit.aic


def test_rows_in_chunks() -> None:
    def pieces() -> Any:
        for first in range(0, N, 40):
            yield X[first : first + 40], HIT[first : first + 40]

    family = ek.Binomial(penalty=ek.L2(4.0))
    np.testing.assert_allclose(ek.fit(family, ek.Chunks(pieces)).params, ridge().params, rtol=1e-9)
    with pytest.raises(ek.DataError, match="must be in memory"):
        ek.fit(ek.Binomial(penalty=ek.L1(4.0)), ek.Chunks(pieces))


def test_many_rows_start_from_some_of_them() -> None:
    rng = np.random.default_rng(3)
    many = rng.normal(size=(30_000, 4))
    y = rng.random(30_000) < 1 / (1 + np.exp(-many[:, 0]))
    fit = ridge(many, y, strength=500.0)
    score = design(many).T @ (y - fit.predict()) - [0.0, *(500.0 * fit.params[1:])]
    assert np.abs(score).max() <= 1e-7


def test_fit_many_and_bootstrap_keep_the_penalty() -> None:
    family = ek.Binomial(penalty=ek.L2(4.0))
    many = ek.fit_many(family, X, np.stack([HIT, 1 - HIT]))
    np.testing.assert_allclose(many.params[0], ridge().params, rtol=SAME)
    np.testing.assert_allclose(many.std_errors[0], ridge().std_errors, rtol=SAME)
    study = ridge().bootstrap(50, rng=1)
    assert study.summary("bias").value[1] < 0  # shrunk towards 0, from a slope above 0


@pytest.mark.parametrize("strength", [2.0, 1e9])  # the second takes nearly all of the variance
@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix])
def test_many_columns_put_their_covariance_off(form: Any, strength: float) -> None:
    rng = np.random.default_rng(12)
    levels = rng.integers(0, 160, (1500, 2)) + np.array([0, 160])
    X = np.zeros((1500, 320))
    np.put_along_axis(X, levels, 1.0, axis=1)
    y = rng.random(1500) < 1 / (1 + np.exp(-X @ rng.normal(0, 0.5, 320)))
    fit = ridge(form(X), y, strength)
    probability = fit.predict(form(X))
    information = (design(X).T * (probability * (1 - probability))) @ design(X)
    inverse = np.linalg.inv(information + np.diag([0.0] + [strength] * 320))
    expected = inverse @ information @ inverse
    errors = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(fit.std_errors, errors, rtol=ERRORS)
    again = pickle.loads(pickle.dumps(fit))
    stored = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    scale = errors * errors[:, None]
    for each in (fit, again, stored):
        np.testing.assert_allclose(each.covariance() / scale, expected / scale, atol=ERRORS)
    tests = [each.wald_test(["x0", "x1"]).p_value for each in (fit, again, stored)]
    assert tests == pytest.approx([tests[0]] * 3, rel=SAME)
