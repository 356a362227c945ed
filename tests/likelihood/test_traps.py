"""One test for each trap that is known to catch other tools: the right numbers, or a clear error.

Each name says the trap. What other tools do with it is in the comments: most give numbers without a
word.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.special import gammaln
from sklearn.datasets import load_iris

import estkit as ek

Floats = NDArray[np.float64]

# The references are held to 1e-8; a peer that is driven to its own rounding is as good.
PARAMS = 1e-8
STD_ERRORS = 1e-6
# The same data in another form, or columns of another origin and scale.
SAME = 1e-9

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 2))
HIT = (RNG.random(80) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
CODES = RNG.integers(0, 3, size=80)


def binomial(columns: Any = X, y: Any = HIT, **options: Any) -> Any:
    return ek.fit(ek.Binomial(options.pop("link", "logit"), options.pop("success", None)),
                  columns, y, **options)  # fmt: skip


def refusal(error: type[Exception], *args: Any, **options: Any) -> str:
    with pytest.raises(error) as caught:
        binomial(*args, **options)
    return str(caught.value)


def assert_same(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found.predict(), wanted.predict(), rtol=SAME)
    assert found.loglik == pytest.approx(wanted.loglik, rel=SAME)


# --- separation ---


def test_complete_separation() -> None:
    # scikit-learn: slope 133 or 170 by solver, no warning
    message = refusal(ek.SeparationError, {"dose": X[:, 0]}, X[:, 0] > 0.2)
    assert message.startswith("Complete separation")
    assert "'dose'" in message


def test_quasi_separation_by_a_dummy() -> None:
    # statsmodels' GLM: 24.4 ± 1e4, converged; glum: 12.2 ± 1.34, which looks significant
    dummy = (np.arange(80) < 6).astype(int)
    message = refusal(ek.SeparationError, {"x": X[:, 0], "treated": dummy}, HIT | dummy)
    assert message.startswith("Quasi-complete separation")
    assert "(treated +1)" in message


def test_iris_softmax() -> None:
    # scikit-learn's solvers disagree without a word; nnet gives errors of 35 to 157
    data = load_iris(as_frame=True)
    names = data.target_names[data.target]
    with pytest.raises(ek.SeparationError, match=r"setosa|versicolor") as caught:
        ek.fit(ek.Softmax(), data.data, names)
    assert "petal" in str(caught.value) or "sepal" in str(caught.value)


def test_a_single_class() -> None:
    # statsmodels: 25.5 ± 4e4; scikit-learn with zero weights: 10.2
    assert "only one outcome" in refusal(ek.SeparationError, X, np.ones(80))
    assert "only one outcome" in refusal(ek.SeparationError, X, HIT, weights=HIT)
    with pytest.raises(ek.DataError, match="never observed"):
        ek.fit(ek.Softmax(), X, CODES, weights=(CODES > 0).astype(int))


def test_a_share_of_0_or_1() -> None:
    # a Wald interval would be [0, 0]
    for counts in ([[0, 10]], [[10, 0]]):
        assert "only one outcome" in refusal(ek.SeparationError, None, counts)


def test_a_class_with_one_observation() -> None:
    # finite everywhere; the error says how little is known
    y = np.where(np.arange(80) == np.argsort(X[:, 0])[40], 2, HIT)
    fit = ek.fit(ek.Softmax(), X[:, :1], y)
    peer = sm.MNLogit(y, sm.add_constant(X[:, :1])).fit(disp=False, method="newton", tol=1e-14)
    np.testing.assert_allclose(fit.params, np.ravel(peer.params.T), rtol=PARAMS)
    assert fit.std_errors[2] > 1.0  # the intercept of the rare class


# --- rank ---


def test_a_duplicate_column() -> None:
    # statsmodels' GLM: params 1e14, converged; scikit-learn splits the slope in two
    message = refusal(ek.RankError, {"a": X[:, 0], "b": X[:, 1], "again": X[:, 0]})
    assert "'again' = 1·'a'" in message


def test_a_constant_beside_the_intercept() -> None:
    # statsmodels: standard errors nan, converged
    assert "'year' does not vary" in refusal(ek.RankError, {"x": X[:, 0], "year": [2020] * 80})


def test_a_column_of_zeros() -> None:
    # statsmodels' GLM: coefficient 0 ± 0
    assert "'empty'" in refusal(ek.RankError, {"x": X[:, 0], "empty": [0.0] * 80})
    message = refusal(ek.RankError, {"x": X[:, 0], "empty": [0.0] * 80}, intercept=False)
    assert "'empty' is 0 in every row" in message


def test_fewer_rows_than_columns() -> None:
    # scikit-learn and R: numbers
    y = [0, 1, 0, 1]
    assert "4 rows cannot determine 7" in refusal(ek.RankError, RNG.normal(size=(4, 6)), y)


# --- origin and scale ---


def test_columns_times_1e8_and_1e_minus_8() -> None:
    # statsmodels' Logit and GLM, scikit-learn's lbfgs: the slope is lost, no word
    found = binomial(X * [1e8, 1e-8])
    assert_same(found, binomial())
    np.testing.assert_allclose(found.params[1:] * [1e8, 1e-8], binomial().params[1:], rtol=SAME)


def test_a_column_shifted_by_1e8() -> None:
    # statsmodels: GLM converged at the wrong place, Logit with nan errors
    far = X + np.array([1e8, 0.0])
    found, wanted = binomial(far), binomial(far - np.array([1e8, 0.0]))
    assert_same(found, wanted)
    np.testing.assert_allclose(found.std_errors[1:], wanted.std_errors[1:], rtol=SAME)


# --- the response ---


def test_y_in_uint8() -> None:
    # statsmodels: 2y - 1 wraps around, log-likelihood -376 for -41
    assert_same(binomial(y=HIT.astype(np.uint8)), binomial())
    counts = np.column_stack([HIT, 1 - HIT]) * 200
    assert_same(binomial(y=counts.astype(np.uint8)), binomial(y=counts))


@pytest.mark.parametrize("y", [HIT + 1, 2 * HIT - 1])
def test_y_coded_1_2_or_minus_1_1(y: Any) -> None:
    # statsmodels' GLM: params 1e16, log-likelihood -inf, converged
    assert "success=" in refusal(ek.DataError, X, y)
    assert_same(binomial(y=y, success=y.max()), binomial())


def test_y_of_words() -> None:
    # statsmodels: an unreadable error; R: three levels are silently the first against the rest
    words = np.where(HIT, "yes", "no")
    assert "Binomial(success='yes')" in refusal(ek.DataError, X, words)
    assert_same(binomial(y=words, success="yes"), binomial())
    message = refusal(ek.DataError, X, np.array(["a", "b", "c"])[CODES], success="a")
    assert "3 labels" in message
    assert "Softmax" in message


def test_y_of_fractions() -> None:
    # statsmodels' Logit: a log-likelihood by the wrong formula
    message = refusal(ek.DataError, X, HIT * 0.7)
    assert "0.7" in message
    assert "counts" in message


@pytest.mark.parametrize(("row", "shown"), [([5, -2], "-2"), ([-1, 3], "-1"), ([1.2, 3], "1.2")])
def test_counts_that_are_no_counts(row: list[float], shown: str) -> None:
    # statsmodels' GLM fits [5, -2] and gives -inf with converged=True
    counts = [[1.0, 2.0]] * 79
    message = refusal(ek.DataError, X, [*counts, row])
    assert "row 79" in message
    assert shown in message


def test_a_group_with_total_0() -> None:
    # statsmodels' GLM: a puzzling error
    counts = np.column_stack([HIT, 1 - HIT]) * 3
    counts[:2] = 0
    found, wanted = binomial(X, counts), binomial(X[2:], counts[2:])
    np.testing.assert_allclose(found.params, wanted.params, rtol=SAME)
    assert (found.n_obs, found.loglik) == pytest.approx((78, wanted.loglik), rel=SAME)


@pytest.mark.parametrize("family", [ek.Binomial(), ek.Softmax(), ek.Gaussian()])
def test_nan_in_y(family: Any) -> None:
    # statsmodels' MNLogit counts the row in some class
    y = HIT.astype(float)
    y[4] = np.nan
    with pytest.raises(ek.DataError, match=r"^y.*row 4.*missing"):
        ek.fit(family, X, y)


# --- weights, and the form of the data ---


def test_weights_are_never_ignored() -> None:
    # statsmodels' Logit and MNLogit accept freq_weights and ignore them
    weights = RNG.integers(1, 5, size=80)
    for family, y in ((ek.Binomial(), HIT), (ek.Softmax(), CODES), (ek.Gaussian(), X[:, 1])):
        columns = X[:, :1]
        found = ek.fit(family, columns, y, weights=weights)
        wanted = ek.fit(family, np.repeat(columns, weights, axis=0), np.repeat(y, weights))
        np.testing.assert_allclose(found.params, wanted.params, rtol=SAME, atol=SAME)
        np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=SAME)
        assert (found.n_obs, found.aic) == (weights.sum(), pytest.approx(wanted.aic, rel=SAME))


def test_an_unknown_option_is_never_swallowed() -> None:
    with pytest.raises(TypeError, match="freq_weights"):
        ek.fit(ek.Binomial(), X, HIT, freq_weights=np.ones(80))


def test_groups_weights_and_rows_have_comparable_criteria() -> None:
    # elsewhere: -6.97, -20.80 and -30.79 for the same data, and three AICs
    groups, counts = np.arange(4.0), np.array([[3, 7], [5, 5], [8, 2], [9, 4]])
    row = np.repeat(np.tile(np.arange(4), 2), counts.T.ravel())
    y = np.repeat([1, 0], counts.sum(axis=0))
    single = binomial(groups[row], y)
    weighted = binomial(np.tile(groups, 2), [1] * 4 + [0] * 4, weights=counts.T.ravel())
    grouped = binomial(groups, counts)
    coefficients = gammaln(counts.sum(axis=1) + 1).sum() - gammaln(counts + 1).sum()
    assert weighted.aic == pytest.approx(single.aic, rel=SAME)
    assert grouped.loglik == pytest.approx(single.loglik + coefficients, rel=SAME)
    for other in (weighted, grouped):
        np.testing.assert_allclose(other.params, single.params, rtol=SAME)
        np.testing.assert_allclose(other.std_errors, single.std_errors, rtol=SAME)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.uint8, bool])
def test_columns_of_other_types(dtype: type) -> None:
    # scikit-learn: coefficients in float32; glum: no standard errors
    columns = (X * 3).astype(dtype) if dtype is not bool else X > 0
    if dtype is np.uint8:
        columns = np.abs(X * 3).astype(dtype)
    found, wanted = binomial(columns), binomial(columns.astype(float))
    np.testing.assert_allclose(found.params, wanted.params, rtol=1e-12)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=1e-12)
    assert found.params.dtype == found.std_errors.dtype == np.float64


def test_an_intercept_alone() -> None:
    # scikit-learn and glum: refused
    fit = binomial(None)
    assert fit.params[0] == pytest.approx(np.log(HIT.mean() / (1 - HIT.mean())), rel=PARAMS)


# --- what is reported ---


def test_standard_errors_are_those_of_the_model() -> None:
    # glum: robust ones by default, 0.529 for 0.447
    peer = sm.Logit(HIT, sm.add_constant(X)).fit(disp=False, method="newton", tol=1e-14)
    np.testing.assert_allclose(binomial().std_errors, peer.bse, rtol=STD_ERRORS)
    fit = ek.fit(ek.Softmax(), X, CODES)
    many = sm.MNLogit(CODES, sm.add_constant(X)).fit(disp=False, method="newton", tol=1e-14)
    np.testing.assert_allclose(fit.std_errors, np.ravel(many.bse.T), rtol=STD_ERRORS)


def test_parameters_errors_limits_and_covariance_share_one_order() -> None:
    # statsmodels' MNLogit: params (p, K-1), limits (K-1, p, 2), covariance by equation
    fit = ek.fit(ek.Softmax(), pd.DataFrame(X, columns=["a", "b"]), CODES)
    assert fit.names == ("1:intercept", "1:a", "1:b", "2:intercept", "2:a", "2:b")
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance())), fit.std_errors, rtol=1e-12)
    np.testing.assert_allclose(fit.interval().mean(axis=1), fit.params, rtol=SAME, atol=SAME)
    peer = sm.MNLogit(CODES, sm.add_constant(X)).fit(disp=False, method="newton", tol=1e-14)
    np.testing.assert_allclose(fit.params, np.ravel(peer.params.T), rtol=PARAMS, atol=PARAMS)
    scale = np.outer(fit.std_errors, fit.std_errors)
    expected = np.asarray(peer.cov_params())
    np.testing.assert_allclose(fit.covariance() / scale, expected / scale, atol=STD_ERRORS)
    frame = fit.to_frame()
    assert (frame["outcome"] + ":" + frame["term"]).tolist() == list(fit.names)


def test_no_result_claims_to_have_converged_without_an_answer() -> None:
    dummy = (np.arange(80) < 6).astype(int)
    for columns, y in (
        (X[:, 0], X[:, 0] > 0.2),
        (np.column_stack([X, dummy]), HIT | dummy),
        (np.column_stack([X, X[:, 0]]), HIT),
    ):
        fit = binomial(columns, y, errors="return")
        assert not fit.converged
        assert np.isnan(fit.std_errors).all()
        assert fit.reason
