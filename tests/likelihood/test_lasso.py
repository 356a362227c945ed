"""L1 and elastic net: the KKT conditions, computed here, for every form of data; peers' traps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import statsmodels.api as sm
from numpy.typing import NDArray
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression

import estkit as ek

Floats = NDArray[np.float64]

# A fit promises 1e-8 of ‖x‖ ‖r‖ and goes on to rounding; the unit here is n, which is larger.
KKT = 1e-10
# The same problem in another form.
SAME = 1e-8
# Peers are driven to their own rounding.
PEER = 1e-6

RNG = np.random.default_rng(0)
N, P = 200, 12
X = RNG.normal(size=(N, P)) + 0.5 * RNG.normal(size=(N, 1))
ETA = X[:, 0] - 0.7 * X[:, 1] + 0.4
HIT = (RNG.random(N) < 1 / (1 + np.exp(-ETA))).astype(int)
LEVELS = np.argmax(X[:, :4] + RNG.gumbel(size=(N, 4)), axis=1)
NUMBERS = 3.0 + ETA + RNG.normal(size=N)


def lasso(X: Any = X, y: Any = HIT, strength: Any = 5.0, **options: Any) -> Any:
    return ek.fit(ek.Binomial(penalty=ek.L1(strength)), X, y, **options)


def violation(gradient: Floats, slopes: Floats, l1: Any, l2: Any) -> float:
    """Return the largest violation of the KKT conditions, over n."""
    pull = gradient - l2 * slopes
    away = np.abs(pull - l1 * np.sign(slopes))
    error = np.where(slopes != 0, away, np.maximum(np.abs(pull) - l1, 0.0))
    return float(error.max()) / N


def design(X: Any) -> Floats:
    dense = X.toarray() if sp.issparse(X) else np.asarray(X, float)
    return np.column_stack([np.ones(len(dense)), dense])


FORMS: dict[str, Any] = {
    "rows": np.ascontiguousarray(X),
    "columns": np.asfortranarray(X),
    "single": X.astype(np.float32),
    "whole": np.round(3 * X).astype(np.int8),
    "strided": np.repeat(X, 2, axis=1)[:, ::2],
    "csr": sp.csr_array(np.where(np.abs(X) > 1, X, 0)),
    "csc": sp.csc_array(np.where(np.abs(X) > 1, X, 0)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("strength", [20.0, 5.0, 0.5, 1e-3])
@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_the_conditions_hold_for_binomial(form: str, strength: float, ratio: float) -> None:
    penalty = ek.ElasticNet(strength, ratio)
    fit = ek.fit(ek.Binomial(penalty=penalty), FORMS[form], HIT)
    columns = design(FORMS[form])
    score = columns.T @ (HIT - 1 / (1 + np.exp(-columns @ fit.params)))
    assert abs(score[0]) / N <= KKT
    assert violation(score[1:], fit.params[1:], strength * ratio, strength * (1 - ratio)) <= KKT


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_the_conditions_hold_for_softmax(symmetric: bool, ratio: float) -> None:
    family = ek.Softmax(symmetric=symmetric, penalty=ek.ElasticNet(2.0, ratio))
    fit = ek.fit(family, X, LEVELS)
    params = fit.params.reshape(-1, P + 1)
    if not symmetric:
        params = np.vstack([np.zeros(P + 1), params])
    eta = design(X) @ params.T
    share = np.exp(eta - eta.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    score = (np.eye(4)[LEVELS] - share).T @ design(X)
    kept = slice(None) if symmetric else slice(1, None)
    assert np.abs(score[:, 0]).max() / N <= KKT
    assert violation(score[kept, 1:], params[kept, 1:], 2 * ratio, 2 * (1 - ratio)) <= KKT


@pytest.mark.parametrize("link", ["probit", "cloglog"])
def test_the_conditions_hold_for_other_links(link: Any) -> None:
    fit = ek.fit(ek.Binomial(link=link, penalty=ek.L1(4.0)), X, HIT)
    links = {"probit": sm.families.links.Probit, "cloglog": sm.families.links.CLogLog}
    score = sm.GLM(HIT, design(X), sm.families.Binomial(links[link]())).score(fit.params)
    assert violation(score[1:], fit.params[1:], 4.0, 0.0) <= KKT


def test_more_columns_than_rows() -> None:
    wide = np.hstack([X, RNG.normal(size=(N, 500))])
    for strength in (10.0, 1.0, 0.01):
        fit = lasso(wide, strength=strength)
        score = design(wide).T @ (HIT - 1 / (1 + np.exp(-design(wide) @ fit.params)))
        assert violation(score[1:], fit.params[1:], strength, 0.0) <= KKT
        assert np.count_nonzero(fit.params[1:]) <= N


def test_duplicate_columns_have_a_solution_and_the_same_predictions() -> None:
    fit = lasso(np.hstack([X, X]))
    np.testing.assert_allclose(fit.predict(), lasso().predict(), rtol=SAME)


def test_a_constant_column_is_left_out() -> None:
    fit = lasso(np.column_stack([X, np.full(N, 7.3)]))
    assert fit.params[-1] == 0
    np.testing.assert_allclose(fit.params[:-1], lasso().params, rtol=SAME, atol=SAME)


def test_no_column_and_strengths_beyond_the_largest_leave_the_intercept() -> None:
    share = np.log(HIT.mean() / (1 - HIT.mean()))
    np.testing.assert_allclose(lasso(None).params, [share], rtol=SAME)
    np.testing.assert_allclose(lasso(strength=1e6).params, [share, *[0.0] * P], rtol=SAME)


def test_strength_0_is_the_fit_without_penalty() -> None:
    plain = ek.fit(ek.Binomial(), X, HIT)
    np.testing.assert_allclose(lasso(strength=0.0).params, plain.params, rtol=1e-7)


def test_a_free_column_is_not_shrunk() -> None:
    free = [0.0, *[1e6] * (P - 1)]
    alone = ek.fit(ek.Binomial(), X[:, :1], HIT)
    np.testing.assert_allclose(lasso(strength=free).params[:2], alone.params, rtol=1e-7)


def test_strengths_follow_the_scale_of_their_columns() -> None:
    scale = 10.0 ** RNG.integers(-8, 9, size=P)
    fit = lasso(X * scale, strength=5.0 * scale)
    np.testing.assert_allclose(fit.params[1:] * scale, lasso().params[1:], rtol=1e-6, atol=SAME)


def test_columns_far_from_0_give_the_same_slopes() -> None:
    exact = np.round(X * 2**20) / 2**20  # so that 1e8 takes no digit away
    near, far = lasso(exact), lasso(exact + 1e8)
    np.testing.assert_allclose(far.params[1:], near.params[1:], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(far.predict(), near.predict(), rtol=1e-9)
    np.testing.assert_allclose(far.predict(exact[:5] + 1e8), near.predict(exact[:5]), rtol=1e-9)


def test_weights_are_repeated_rows() -> None:
    weights = RNG.integers(0, 4, size=N)
    repeated = lasso(np.repeat(X, weights, axis=0), np.repeat(HIT, weights))
    weighted = lasso(weights=weights)
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=SAME, atol=SAME)
    assert weighted.loglik == pytest.approx(repeated.loglik, rel=SAME)


def test_counts_are_expanded_rows() -> None:
    successes, failures = RNG.integers(1, 6, size=(2, N))
    y = np.concatenate([np.repeat([1, 0], pair) for pair in zip(successes, failures, strict=True)])
    expanded = lasso(np.repeat(X, successes + failures, axis=0), y)
    counts = lasso(y=np.column_stack([successes, failures]))
    np.testing.assert_allclose(counts.params, expanded.params, rtol=SAME, atol=SAME)


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    rows, columns = RNG.permutation(N), RNG.permutation(P)
    moved = lasso(X[rows][:, columns], HIT[rows])
    np.testing.assert_allclose(moved.params[1:], lasso().params[1:][columns], rtol=SAME, atol=SAME)


def test_an_offset_is_a_known_part() -> None:
    fit = lasso(offset=ETA + 100.0)
    eta = design(X) @ fit.params + ETA + 100.0
    score = design(X).T @ (HIT - 1 / (1 + np.exp(-eta)))
    assert violation(score[1:], fit.params[1:], 5.0, 0.0) <= KKT
    offsets = np.column_stack([np.zeros(N), ETA])
    softmax = ek.fit(ek.Softmax(symmetric=True, penalty=ek.L1(5.0)), X, HIT, offset=offsets)
    eta = (design(X) @ softmax.params.reshape(2, -1).T + offsets) @ [-1.0, 1.0]
    score = design(X).T @ (HIT - 1 / (1 + np.exp(-eta)))
    assert violation(score[1:], softmax.params.reshape(2, -1)[1, 1:], 5.0, 0.0) <= KKT


def test_without_an_intercept() -> None:
    fit = lasso(intercept=False)
    score = X.T @ (HIT - 1 / (1 + np.exp(-X @ fit.params)))
    assert violation(score, fit.params, 5.0, 0.0) <= KKT


def test_gaussian_agrees_with_scikit_learn() -> None:
    for ratio in (1.0, 0.3):
        fit = ek.fit(ek.Gaussian(penalty=ek.ElasticNet(20.0, ratio)), X, NUMBERS)
        peer = ElasticNet(alpha=20.0 / N, l1_ratio=ratio, tol=1e-14, max_iter=10**6)
        peer.fit(X, NUMBERS)
        wanted = [peer.intercept_, *peer.coef_]
        np.testing.assert_allclose(fit.params, wanted, rtol=PEER, atol=PEER)
        residual = NUMBERS - fit.predict()
        assert fit.sigma.value == pytest.approx(np.sqrt(np.mean(residual**2)))


def test_gaussian_follows_the_unit_of_y_and_takes_weights() -> None:
    plain = ek.fit(ek.Gaussian(penalty=ek.L1(20.0)), X, NUMBERS)
    unit = 1e5
    other = ek.fit(ek.Gaussian(penalty=ek.L1(20.0 * unit)), X, unit * NUMBERS + 1e9)
    np.testing.assert_allclose(other.params[1:], unit * plain.params[1:], rtol=1e-7, atol=1e-3)
    weights = RNG.integers(1, 5, size=N)
    repeated = ek.fit(
        ek.Gaussian(penalty=ek.L1(20.0)), np.repeat(X, weights, axis=0), np.repeat(NUMBERS, weights)
    )
    for kind in ("weights", "analytic_weights"):
        fit = ek.fit(ek.Gaussian(penalty=ek.L1(20.0)), X, NUMBERS, **{kind: weights})
        np.testing.assert_allclose(fit.params, repeated.params, rtol=SAME, atol=SAME)
        assert fit.objective == pytest.approx(repeated.objective, rel=SAME)


def test_binomial_agrees_with_scikit_learn_saga() -> None:
    peer = LogisticRegression(
        C=1 / 5.0, l1_ratio=0.6, solver="saga", tol=1e-12, max_iter=10**5
    ).fit(X, HIT)
    fit = ek.fit(ek.Binomial(penalty=ek.ElasticNet(5.0, 0.6)), X, HIT)
    wanted = [peer.intercept_[0], *peer.coef_[0]]
    np.testing.assert_allclose(fit.params, wanted, rtol=1e-5, atol=1e-6)


def test_symmetric_softmax_agrees_with_scikit_learn_saga() -> None:
    y = LEVELS % 3
    peer = LogisticRegression(C=1 / 3.0, l1_ratio=1.0, solver="saga", tol=1e-12, max_iter=10**5)
    peer.fit(X, y)
    fit = ek.fit(ek.Softmax(symmetric=True, penalty=ek.L1(3.0)), X, y)
    np.testing.assert_allclose(fit.predict(), peer.predict_proba(X), rtol=1e-4)
    np.testing.assert_allclose(fit.params.reshape(3, -1)[:, 1:], peer.coef_, atol=1e-5)


# --- where peers go wrong ---


def test_the_intercept_is_free_where_liblinear_penalises_it() -> None:
    y = (RNG.random(N) < 0.95).astype(int)  # a large intercept
    fit = lasso(y=y, strength=10.0)
    peer = LogisticRegression(C=0.1, l1_ratio=1.0, solver="liblinear", tol=1e-10, max_iter=10**5)
    peer.fit(X, y)
    assert fit.predict().mean() == pytest.approx(y.mean(), abs=1e-9)
    assert abs(peer.predict_proba(X)[:, 1].mean() - y.mean()) > 1e-3


def test_the_strength_counts_rows_where_others_average_them() -> None:
    fit = lasso(strength=5.0)
    model = sm.GLM(HIT, design(X), sm.families.Binomial())
    alpha = np.array([0.0, *[5.0 / N] * P])
    peer = model.fit_regularized(alpha=alpha, L1_wt=1.0, cnvrg_tol=1e-12, maxiter=2000)
    np.testing.assert_allclose(fit.params, peer.params, atol=1e-5)


def test_the_conditions_are_met_far_closer_than_glmnet_stops() -> None:
    # glmnet at its default ends with a violation of 2e-5 of the mean gradient
    assert lasso().kkt <= 1e-10


def test_scikit_learn_lasso_counts_the_half_sum_of_squares_over_rows() -> None:
    fit = ek.fit(ek.Gaussian(penalty=ek.L1(20.0)), X, NUMBERS)
    peer = Lasso(alpha=20.0 / N, tol=1e-14, max_iter=10**6).fit(X, NUMBERS)
    np.testing.assert_allclose(fit.params[1:], peer.coef_, rtol=PEER, atol=PEER)


@pytest.mark.parametrize("start", [[0.0, 0.0], [np.nan, 0.0, 0.0], "middle"])
def test_a_start_that_is_no_point_is_refused_though_the_way_does_not_begin_there(
    start: Any,
) -> None:
    X, y = [[1.0, 2.0], [2.0, 0.0], [3.0, 1.0], [4.0, 5.0]], [0, 1, 0, 1]
    with pytest.raises(ek.DataError, match="start"):
        ek.fit(ek.Binomial(penalty=ek.L1(0.1)), X, y, start=start)
    begun = ek.fit(ek.Binomial(penalty=ek.L1(0.1)), X, y, start=[1.0, 2.0, 3.0])
    assert begun.params.tolist() == ek.fit(ek.Binomial(penalty=ek.L1(0.1)), X, y).params.tolist()
