"""The multinomial law, against closed forms and the binomial one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import estkit as ek

EXACT = 1e-12
COUNTS = np.array([[3, 4, 1], [2, 6, 2], [1, 3, 5], [0, 2, 2]])


def fitted(counts: Any = COUNTS, **options: Any) -> Any:
    return ek.fit(ek.Distribution("multinomial"), counts, **options)


def test_shares_and_their_covariance() -> None:
    fit = fitted()
    p, n = COUNTS.sum(axis=0) / COUNTS.sum(), COUNTS.sum()
    np.testing.assert_allclose(fit.params, p, rtol=EXACT)
    np.testing.assert_allclose(fit.covariance(), (np.diag(p) - np.outer(p, p)) / n, atol=1e-16)
    np.testing.assert_allclose(fit.covariance("expected"), fit.covariance(), rtol=EXACT)
    expected = stats.multinomial.logpmf(COUNTS, COUNTS.sum(axis=1), p).sum()
    assert fit.loglik == pytest.approx(expected, rel=EXACT)
    assert fit.aic == pytest.approx(4 - 2 * expected, rel=EXACT)
    assert fit.names == ("p0", "p1", "p2")


def test_columns_name_the_categories_and_weights_repeat_rows() -> None:
    frame = pd.DataFrame(COUNTS, columns=["red", "green", "blue"])
    times = [2, 0, 1, 3]
    weighted = fitted(frame, weights=times)
    repeated = fitted(np.repeat(COUNTS, times, axis=0))
    assert weighted.names == ("red", "green", "blue")
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=EXACT)
    assert weighted.loglik == pytest.approx(repeated.loglik, rel=EXACT)
    assert weighted.n_obs == 6
    for kind in ("HC0", "HC1"):
        np.testing.assert_allclose(weighted.covariance(kind), repeated.covariance(kind))


def test_two_categories_are_a_binomial() -> None:
    counts = np.array([[7, 3], [4, 6]])
    fit = fitted(counts)
    other = ek.fit(ek.Distribution("binom", {"n": 10}), counts[:, 0])
    assert fit.loglik == pytest.approx(other.loglik, rel=EXACT)
    np.testing.assert_allclose(fit.std_errors, other.std_errors[0], rtol=EXACT)
    limits = other.interval(method="profile")[0]
    np.testing.assert_allclose(fit.interval(method="profile")[0], limits, rtol=1e-8)


@pytest.mark.parametrize("value", [0.01, 0.2, 0.9])
def test_a_share_is_tested_with_the_others_in_proportion(value: float) -> None:
    fit = fitted()
    n, total = COUNTS.sum(axis=0), COUNTS.sum()
    rest = n[1:] / n[1:].sum() * (1 - value)
    p = fit.params
    statistic = 2 * (n * np.log(p / np.array([value, *rest]))).sum()
    assert fit.likelihood_ratio(["p0"], value=value).statistic == pytest.approx(statistic, rel=1e-9)
    wald = (p[0] - value) ** 2 / (p[0] * (1 - p[0]) / total)
    assert fit.wald_test(["p0"], value=value).statistic == pytest.approx(wald, rel=1e-9)
    assert fit.score_test(["p0"], value=float(p[0])).statistic == pytest.approx(0.0, abs=1e-12)


def test_a_category_that_was_never_seen() -> None:
    fit = fitted([[3, 4, 0], [2, 6, 0]])
    np.testing.assert_allclose(fit.params, [1 / 3, 2 / 3, 0.0], rtol=EXACT)
    assert fit.params[2] == 0.0
    assert fit.std_errors[0] == pytest.approx((2 / 9 / 15) ** 0.5, rel=EXACT)
    assert np.isnan(fit.std_errors[2])
    low, high = fit.interval(method="profile")[2]
    assert (low, high) == (0.0, pytest.approx(-np.expm1(-1.9207294103 / 15), rel=1e-9))
    assert fit.aic == pytest.approx(2 * 2 - 2 * fit.loglik)
    with pytest.raises(ek.DataError, match="'p2' was never seen"):
        fit.likelihood_ratio(["p2"], value=0.1)


def test_a_single_category() -> None:
    fit = fitted([[3, 0], [2, 0]])
    assert fit.params.tolist() == [1.0, 0.0]
    assert fit.loglik == 0.0
    assert np.isnan(fit.std_errors).all()


def test_simulate_and_bootstrap() -> None:
    fit = fitted()
    drawn = fit.simulate(rng=1, replicates=400)
    assert drawn.shape == (400, 4, 3)
    np.testing.assert_array_equal(drawn.sum(axis=2), np.tile(COUNTS.sum(axis=1), (400, 1)))
    np.testing.assert_allclose(drawn.mean(axis=(0, 1)) / 7.75, fit.params, atol=0.02)
    study = fit.bootstrap(200, rng=1)
    spread = study.summary("empirical_se").value.to_numpy()
    np.testing.assert_allclose(spread, fit.std_errors, rtol=0.2)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([1, 2, 3], "two at least"),
        ([[1, -2], [3, 4]], "negative"),
        ([[1, 2.5], [3, 4]], "not whole"),
        ([[0, 0], [0, 0]], "all are 0"),
    ],
)
def test_impossible_counts_are_refused(counts: Any, words: str) -> None:
    with pytest.raises(ek.DataError, match=words):
        fitted(counts)


def test_what_it_has_not() -> None:
    with pytest.raises(ek.DataError, match="no parameter to fix"):
        ek.fit(ek.Distribution("multinomial", {"p": 0.5}), COUNTS)
    with pytest.raises(ek.EstkitError, match="no density"):
        fitted().quantile(0.5)
    again = ek.LikelihoodFit.from_dict(fitted().to_dict())
    np.testing.assert_array_equal(again.params, fitted().params)
    assert again.aic == fitted().aic
