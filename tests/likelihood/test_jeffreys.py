"""Jeffreys' prior: closed forms, the modified score by differences, profiles and bias."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.stats import chi2

import estkit as ek

Floats = NDArray[np.float64]

# Closed forms are exact; a score by differences is not.
SAME = 1e-9
DIFFERENCE = 1e-6

RNG = np.random.default_rng(0)
N = 60
X = RNG.normal(size=(N, 2))
HIT = (RNG.random(N) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
LEVELS = np.argmax(X[:, [0, 1, 1]] + RNG.gumbel(size=(N, 3)), axis=1)


def firth(X: Any = X, y: Any = HIT, **options: Any) -> Any:
    link = options.pop("link", "logit")
    return ek.fit(ek.Binomial(link=link, penalty=ek.Jeffreys()), X, y, **options)


def objective(params: Floats, columns: Floats, y: Floats) -> float:
    """Return the penalised log-likelihood of a logit, from its definition."""
    eta = columns @ params
    share = 1 / (1 + np.exp(-eta))
    information = (columns.T * (share * (1 - share))) @ columns
    loglik = y @ eta - np.logaddexp(0, eta).sum()
    return float(loglik + 0.5 * np.linalg.slogdet(information)[1])


def design(X: Floats) -> Floats:
    return np.column_stack([np.ones(len(X)), X])


@pytest.mark.parametrize("table", [[[3, 7], [6, 4]], [[5, 0], [2, 8]], [[10, 0], [0, 10]]])
def test_a_two_by_two_table_gets_a_half_in_each_cell(table: Any) -> None:
    fit, cells = firth([0, 1], table), np.array(table) + 0.5
    odds = np.log(cells[:, 0] / cells[:, 1])
    np.testing.assert_allclose(fit.params, [odds[0], odds[1] - odds[0]], atol=SAME)


@pytest.mark.parametrize("counts", [[5, 3, 2], [7, 0, 1]])
def test_a_share_alone_gets_a_half_for_each_outcome(counts: Any) -> None:
    y = np.repeat([0, 1, 2], counts)
    if 0 not in counts:
        fit = ek.fit(ek.Softmax(penalty=ek.Jeffreys()), None, y)
        cells = np.array(counts) + 0.5
        np.testing.assert_allclose(fit.predict()[0], cells / cells.sum(), rtol=SAME)
    single = firth(None, [[counts[1], counts[0] + counts[2]]])
    share = (counts[1] + 0.5) / (sum(counts) + 1)
    np.testing.assert_allclose(single.predict()[0], share, rtol=SAME)


def test_the_estimate_maximises_the_definition() -> None:
    fit, columns = firth(), design(X)
    found = minimize(
        lambda b: -objective(b, columns, HIT), np.zeros(3), method="BFGS", options={"gtol": 1e-9}
    )
    np.testing.assert_allclose(fit.params, found.x, atol=1e-5)
    assert fit.objective == pytest.approx(objective(fit.params, columns, HIT), rel=SAME)
    assert fit.objective >= -found.fun - 1e-10


def test_the_modified_score_is_0() -> None:
    fit, columns = firth(), design(X)
    share = fit.predict()
    weight = share * (1 - share)
    inverse = np.linalg.inv((columns.T * weight) @ columns)
    leverage = weight * np.einsum("ij,jk,ik->i", columns, inverse, columns)
    score = columns.T @ (HIT - share + leverage * (0.5 - share))  # Firth 1993
    np.testing.assert_allclose(score, 0.0, atol=1e-10)


@pytest.mark.parametrize("link", ["probit", "cloglog"])
def test_other_links_maximise_the_definition(link: str) -> None:
    fit = firth(link=link)
    model = ek.fit(ek.Binomial(link=link), X, HIT)

    def at(step: Floats) -> float:
        params = fit.params + step
        eta = design(X) @ params
        from scipy.stats import norm

        share = norm.cdf(eta) if link == "probit" else -np.expm1(-np.exp(eta))
        slope = norm.pdf(eta) if link == "probit" else np.exp(eta - np.exp(eta))
        information = (design(X).T * (slope**2 / (share * (1 - share)))) @ design(X)
        loglik = HIT @ np.log(share) + (1 - HIT) @ np.log1p(-share)
        return float(loglik + 0.5 * np.linalg.slogdet(information)[1])

    for j in range(3):
        step = np.eye(3)[j] * 1e-4
        assert abs(at(step) - at(-step)) / 2e-4 <= DIFFERENCE
    assert np.abs(fit.params[1:]).max() < np.abs(model.params[1:]).max()


def test_softmax_maximises_the_definition() -> None:
    fit = ek.fit(ek.Softmax(penalty=ek.Jeffreys()), X, LEVELS)
    columns = design(X)

    def at(step: Floats) -> float:
        eta = columns @ (fit.params + step).reshape(2, 3).T
        eta = np.column_stack([np.zeros(N), eta])
        share = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
        information = np.zeros((6, 6))
        for p, x in zip(share[:, 1:], columns, strict=True):
            information += np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x))
        loglik = np.log(share[np.arange(N), LEVELS]).sum()
        return float(loglik + 0.5 * np.linalg.slogdet(information)[1])

    for j in range(6):
        step = np.eye(6)[j] * 1e-4
        assert abs(at(step) - at(-step)) / 2e-4 <= DIFFERENCE
    assert fit.objective == pytest.approx(at(np.zeros(6)), rel=SAME)


def test_the_symmetric_softmax_is_the_same_fit() -> None:
    one = ek.fit(ek.Softmax(penalty=ek.Jeffreys()), X, LEVELS)
    other = ek.fit(ek.Softmax(symmetric=True, penalty=ek.Jeffreys()), X, LEVELS)
    np.testing.assert_allclose(other.predict(), one.predict(), rtol=1e-8)
    assert other.objective == pytest.approx(one.objective, rel=1e-9)


def test_separated_outcomes_have_a_finite_maximum() -> None:
    fit = firth(X, X[:, 0] > 0.1)
    assert fit.converged
    assert np.isfinite(fit.params).all()
    assert np.isfinite(fit.std_errors).all()
    softmax = ek.fit(ek.Softmax(penalty=ek.Jeffreys()), X, np.digitize(X[:, 0], [-0.5, 0.5]))
    assert softmax.converged


def test_a_single_outcome_has_a_finite_maximum() -> None:
    assert firth(y=np.ones(N, int)).converged


def test_profile_limits_are_where_the_penalised_likelihood_has_fallen() -> None:
    fit, columns = firth(), design(X)
    limits = fit.interval(method="profile")
    drop = chi2.ppf(0.95, 1) / 2

    def fall(value: float) -> float:
        def rest(others: Floats) -> float:
            return -objective(np.insert(others, 1, value), columns, HIT)

        found = minimize(rest, np.delete(fit.params, 1), method="BFGS", options={"gtol": 1e-8})
        return float(fit.objective + found.fun - drop)

    at, error = fit.params[1], fit.std_errors[1]
    lower = brentq(fall, at - 4 * error, at, xtol=1e-9)
    upper = brentq(fall, at, at + 6 * error, xtol=1e-9)
    np.testing.assert_allclose(limits[1], [lower, upper], atol=1e-5)


def test_profile_limits_exist_for_separated_outcomes() -> None:
    limits = firth(X, X[:, 0] > 0.1).interval(method="profile")
    assert limits[1, 0] > 0  # and the effect is there
    assert np.isfinite(limits[:, 0]).all()


def test_the_likelihood_ratio_keeps_the_prior_of_the_larger_model() -> None:
    fit, columns = firth(), design(X)
    found = minimize(
        lambda b: -objective(np.array([b[0], 0.0, b[1]]), columns, HIT), np.zeros(2),
        method="BFGS", options={"gtol": 1e-9},
    )  # fmt: skip
    test = fit.likelihood_ratio(["x0"])
    assert test.statistic == pytest.approx(2 * (fit.objective + found.fun), rel=1e-6)
    with pytest.raises(ek.DataError, match="two priors"):
        fit.likelihood_ratio(firth(X[:, 1:]))


def test_bias_is_removed() -> None:
    # the maximum-likelihood slope is too large by about 1/8 here
    rng = np.random.default_rng(2)
    x = np.linspace(-2, 2, 40)
    share = 1 / (1 + np.exp(-1.5 * x))
    plain, modified = [], []
    for _ in range(200):
        y = rng.random(40) < share
        try:
            plain.append(ek.fit(ek.Binomial(), x, y).params[1])
        except ek.SeparationError:
            continue
        modified.append(firth(x, y).params[1])
    error = np.std(modified, ddof=1) / np.sqrt(len(modified))
    assert np.mean(plain) - 1.5 > 4 * error
    assert abs(np.mean(modified) - 1.5) < 3 * error


def test_weights_are_repeated_rows_and_counts_expanded_ones() -> None:
    weights = RNG.integers(0, 4, size=N)
    repeated = firth(np.repeat(X, weights, axis=0), np.repeat(HIT, weights))
    weighted = firth(weights=weights)
    counts = firth(y=np.column_stack([HIT * weights, (1 - HIT) * weights]))
    for other in (weighted, counts):
        np.testing.assert_allclose(other.params, repeated.params, rtol=SAME)
        np.testing.assert_allclose(other.std_errors, repeated.std_errors, rtol=SAME)
    assert weighted.objective == pytest.approx(repeated.objective, rel=SAME)


def test_scale_and_origin_of_the_columns_do_not_matter() -> None:
    exact = np.round(X * 2**20) / 2**20
    plain, moved = firth(exact), firth((exact + 1e6) * [1e8, 1e-8])
    np.testing.assert_allclose(moved.predict(), plain.predict(), rtol=1e-9)
    shifted = np.log(1e8 * 1e-8)  # the determinant of the change of columns
    assert moved.objective == pytest.approx(plain.objective + shifted, abs=1e-6)


def test_an_offset_is_a_known_part() -> None:
    fit = firth(offset=np.full(N, 2.5))
    np.testing.assert_allclose(fit.params, firth().params - [2.5, 0, 0], atol=SAME)


def test_many_columns_go_without_second_derivatives() -> None:
    rng = np.random.default_rng(4)
    wide = rng.normal(size=(4000, 60))
    y = rng.random(4000) < 1 / (1 + np.exp(-wide[:, 0]))
    fit, columns = firth(wide, y), design(wide)
    share = fit.predict()
    weight = share * (1 - share)
    inverse = np.linalg.inv((columns.T * weight) @ columns)
    leverage = weight * np.einsum("ij,jk,ik->i", columns, inverse, columns)
    score = columns.T @ (y - share + leverage * (0.5 - share))
    np.testing.assert_allclose(score, 0.0, atol=1e-8)


def test_dependent_columns_are_named() -> None:
    with pytest.raises(ek.RankError, match="'x2'"):
        firth(np.column_stack([X, X[:, 0] + X[:, 1]]))
