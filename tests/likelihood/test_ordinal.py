"""Ordinal regression: what its input means, what its numbers are, and when it says no."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse, special, stats
from statsmodels.miscmodels.ordinal_model import OrderedModel

import estkit as ek
from estkit.likelihood.ordinal.cumulative import LINKS

# Two routes to the same optimum, or the same sums in another order.
SAME = 1e-9
# statsmodels stops its BFGS at a gradient of 1e-8 and takes the Hessian by differences.
PEER = 1e-5
# Central differences of a log-likelihood of size 300, three places from the best step.
SLOPE = 1e-5
# Sampling: five standard errors of a mean over the replicates.
SIGMAS = 5.0

NAMES = ("low", "medium", "high")
CDF = {
    "logit": special.expit,
    "probit": special.ndtr,
    "cloglog": lambda x: -np.expm1(-np.exp(x)),
}


def sample(n: int = 300, outcomes: int = 4) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, 3))
    latent = X @ [0.8, -0.4, 0.1] + rng.logistic(size=n)
    return X, np.digitize(latent, np.linspace(-1.0, 1.5, outcomes - 1))


X, Y = sample()


def loglik(link: str, params: Any, y: Any = Y, weights: Any = 1.0) -> float:
    """Return the log-likelihood by its definition."""
    thresholds = np.concatenate([[-np.inf], params[:-3], [np.inf]])
    edges = CDF[link](thresholds[None, :] - (X @ params[-3:])[:, None])
    chosen = np.diff(edges, axis=1)[np.arange(len(y)), y]
    return float(np.sum(weights * np.log(chosen)))


def same(found: Any, wanted: Any, tolerance: float = SAME) -> None:
    np.testing.assert_allclose(found.params, wanted.params, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=tolerance)
    assert found.loglik == pytest.approx(wanted.loglik, rel=tolerance)
    assert found.n_obs == wanted.n_obs
    assert len(found.names) == len(wanted.names)


# --- the maximum ---


@pytest.mark.parametrize("link", LINKS)
def test_the_loglik_is_that_of_the_definition_and_no_neighbour_is_better(link: str) -> None:
    fit = ek.fit(ek.Ordinal(link), X, Y)
    assert fit.loglik == pytest.approx(loglik(link, fit.params), rel=1e-12)
    rng = np.random.default_rng(4)
    for _ in range(20):
        near = fit.params + 0.2 * fit.std_errors * rng.normal(size=6)
        assert loglik(link, near) < fit.loglik


@pytest.mark.parametrize("link", LINKS)
def test_scores_and_information_are_the_slopes_of_the_loglik(link: str) -> None:
    fit = ek.fit(ek.Ordinal(link), X, Y)
    model = fit._model
    point = model.read_start(fit.params + 0.3)
    sums = model.total(point)
    step = 1e-5

    def slope(function: Any) -> Any:
        return np.array(
            [(function(point + e) - function(point - e)) / (2 * step) for e in step * np.eye(6)]
        )

    np.testing.assert_allclose(
        slope(lambda p: model.total(p).loglik), sums.gradient, rtol=SLOPE, atol=SLOPE
    )
    size = np.abs(sums.information).max()
    np.testing.assert_allclose(
        -slope(lambda p: model.total(p).gradient), sums.information, atol=SLOPE * size
    )
    scores = np.concatenate(list(model.scores(point)))
    np.testing.assert_allclose(scores.sum(axis=0), sums.gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("link", LINKS)
def test_the_expected_information_is_the_mean_over_outcomes(link: str) -> None:
    fit = ek.fit(ek.Ordinal(link), X, Y)
    model, total = fit._model, 0.0
    chances = fit.predict()
    for k in range(4):
        rows = model.rows
        other = model.rows.response.__class__(
            np.full(300, k), chances[:, k], 300, outcomes=(0, 1, 2, 3)
        )
        moved = type(model)(model.family, type(rows)(rows.columns, other, rows.placement))
        total = total + moved.total(fit._point).information
    np.testing.assert_allclose(model.expected(fit._point), total, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_statsmodels_finds_the_same(link: str) -> None:
    peer = OrderedModel(Y, X, distr=link).fit(method="bfgs", gtol=1e-9, maxiter=500, disp=False)
    fit = ek.fit(ek.Ordinal(link), X, Y)
    thresholds = peer.model.transform_threshold_params(peer.params)[1:-1]
    np.testing.assert_allclose(fit.params[:3], thresholds, rtol=PEER)
    np.testing.assert_allclose(fit.params[3:], peer.params[:3], rtol=PEER, atol=PEER)
    np.testing.assert_allclose(fit.std_errors[3:], peer.bse[:3], rtol=100 * PEER)
    assert fit.loglik == pytest.approx(peer.llf, rel=1e-9)
    np.testing.assert_allclose(fit.predict(), peer.predict(), atol=PEER)


def test_two_outcomes_are_a_binomial_regression() -> None:
    y = (Y > 1).astype(int)
    fit, binomial = ek.fit(ek.Ordinal(), X, y), ek.fit(ek.Binomial(), X, y)
    np.testing.assert_allclose(fit.params, binomial.params * [-1, 1, 1, 1], rtol=SAME)
    np.testing.assert_allclose(fit.std_errors, binomial.std_errors, rtol=SAME)
    assert fit.loglik == pytest.approx(binomial.loglik, rel=1e-13)
    np.testing.assert_allclose(fit.predict()[:, 1], binomial.predict(), rtol=SAME)


@pytest.mark.parametrize("link", LINKS)
def test_without_columns_the_thresholds_give_the_shares(link: str) -> None:
    fit = ek.fit(ek.Ordinal(link), None, Y)
    shares = np.bincount(Y) / 300
    np.testing.assert_allclose(fit.predict()[0], shares, rtol=SAME)
    assert fit.names == ("0|1", "1|2", "2|3")


@pytest.mark.parametrize("link", LINKS)
def test_a_rare_outcome_between_close_thresholds_keeps_its_digits(link: str) -> None:
    """One row in 20,000: the information of its thresholds is 1e8 times that of the others."""
    n = 20_000
    codes = np.repeat([0, 1, 2], [n // 2, 1, n // 2 - 1])
    fit = ek.fit(ek.Ordinal(link), None, codes)
    np.testing.assert_allclose(fit.predict()[0], np.bincount(codes) / n, rtol=1e-10)
    assert np.diff(fit.params)[0] > 0


def test_where_the_search_starts_changes_nothing() -> None:
    fit = ek.fit(ek.Ordinal(), X, Y)
    for start in (fit.params, fit.params + 1.0, [-9.0, 0.0, 9.0, 5.0, -5.0, 5.0]):
        same(ek.fit(ek.Ordinal(), X, Y, start=start), fit)
    with pytest.raises(ek.DataError, match="3 rising thresholds"):
        ek.fit(ek.Ordinal(), X, Y, start=[1.0, 0.0, 2.0, 0.0, 0.0, 0.0])
    with pytest.raises(ek.DataError, match="start has 2 values"):
        ek.fit(ek.Ordinal(), X, Y, start=[1.0, 0.0])


def test_many_rows_are_started_from_some_of_them() -> None:
    large, y = sample(40_000)
    fit = ek.fit(ek.Ordinal(), large, y)
    zero = ek.fit(ek.Ordinal(), large, y, start=[-1.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    same(fit, zero)
    assert fit.n_iter < zero.n_iter


# --- equivariance, weights, rows ---


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("scale", "shift"), [(1e8, 0.0), (1e-8, 0.0), (-1.0, 0.0), (1e8, 1e8)])
def test_scale_and_origin_of_columns_do_not_matter(link: str, scale: float, shift: float) -> None:
    fit, moved = ek.fit(ek.Ordinal(link), X, Y), ek.fit(ek.Ordinal(link), X * scale + shift, Y)
    np.testing.assert_allclose(moved.params[3:] * scale, fit.params[3:], rtol=SAME)
    np.testing.assert_allclose(moved.predict(), fit.predict(), atol=SAME)
    assert moved.loglik == pytest.approx(fit.loglik, rel=SAME)
    far = X + 1e8
    same_rounding = ek.fit(ek.Ordinal(link), far - 1e8, Y)
    beyond = ek.fit(ek.Ordinal(link), far, Y)
    np.testing.assert_allclose(beyond.std_errors[3:], same_rounding.std_errors[3:], rtol=SAME)
    np.testing.assert_allclose(beyond.predict(far), same_rounding.predict(), atol=SAME)


@pytest.mark.parametrize("link", LINKS)
def test_weights_are_repeats_and_counts_are_rows(link: str) -> None:
    weights = np.random.default_rng(5).integers(0, 4, size=300)
    weighted = ek.fit(ek.Ordinal(link), X, Y, weights=weights)
    repeated = ek.fit(ek.Ordinal(link), np.repeat(X, weights, axis=0), np.repeat(Y, weights))
    same(weighted, repeated)
    counts = np.eye(4, dtype=int)[Y] * weights[:, None]
    counted = ek.fit(ek.Ordinal(link), X, counts)
    np.testing.assert_allclose(counted.params, weighted.params, rtol=SAME)
    np.testing.assert_allclose(
        counted.covariance("expected"), weighted.covariance("expected"), rtol=1e-8, atol=1e-12
    )
    assert counted.loglik - counted.constant == pytest.approx(weighted.loglik, rel=SAME)


def test_counts_carry_the_multinomial_coefficient() -> None:
    counts = np.array([[5, 3, 2], [1, 4, 6], [2, 2, 9]])
    fit = ek.fit(ek.Ordinal(), [0.0, 1.0, 2.0], counts)
    expected = stats.multinomial.logpmf(counts, counts.sum(axis=1), fit.predict()).sum()
    assert fit.loglik == pytest.approx(expected, rel=1e-12)
    assert fit.n_obs == 3


def test_the_order_of_rows_and_the_dtype_do_not_matter() -> None:
    fit = ek.fit(ek.Ordinal("probit"), X, Y)
    shuffled = np.random.default_rng(6).permutation(300)
    same(ek.fit(ek.Ordinal("probit"), X[shuffled], Y[shuffled]), fit)
    whole = np.round(X * 3)
    wanted = ek.fit(ek.Ordinal(), whole, Y)
    for dtype in (np.int8, np.float32, np.int64):
        same(ek.fit(ek.Ordinal(), whole.astype(dtype), Y.astype(np.uint8)), wanted, 1e-14)
    flags = ek.fit(ek.Ordinal(), X > 0, Y)
    same(ek.fit(ek.Ordinal(), (X > 0).astype(float), Y.astype(float)), flags, 1e-14)


def test_an_offset_is_a_column_with_coefficient_1() -> None:
    fit = ek.fit(ek.Ordinal(), X, Y)
    moved = np.array([7, 7, 7, -0.5, 0, 1.0])
    other = ek.fit(ek.Ordinal(), X, Y, offset=X @ [0.5, 0.0, -1.0] + 7.0)
    np.testing.assert_allclose(other.params, fit.params + moved, rtol=SAME)
    assert other.loglik == pytest.approx(fit.loglik, rel=SAME)
    np.testing.assert_allclose(other.predict(), fit.predict(), rtol=1e-8)
    near = other.predict(X, offset=X @ [0.5, 0.0, -1.0] + 7.0)
    np.testing.assert_allclose(near, fit.predict(), rtol=1e-8)


def test_sparse_columns_give_the_same() -> None:
    wide = (np.random.default_rng(7).random((300, 12)) < 0.2).astype(float)
    dense, held = ek.fit(ek.Ordinal(), wide, Y), ek.fit(ek.Ordinal(), sparse.csr_array(wide), Y)
    same(held, dense)
    np.testing.assert_allclose(held.covariance("HC0"), dense.covariance("HC0"), rtol=1e-8)
