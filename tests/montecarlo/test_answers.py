"""What estimators may return, and the `Estimate` that is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm

import estkit as ek
from estkit.montecarlo.answers import as_estimate

ANSWERS: dict[str, tuple[Any, tuple[str, ...], list[float]]] = {
    "a float": (1.5, ("value",), [1.5]),
    "an int": (3, ("value",), [3.0]),
    "a numpy scalar": (np.float32(2), ("value",), [2.0]),
    "an array of no dimension": (np.array(2.0), ("value",), [2.0]),
    "a list": ([1, 2], ("value[0]", "value[1]"), [1.0, 2.0]),
    "a tuple": ((1, 2), ("value[0]", "value[1]"), [1.0, 2.0]),
    "a mapping": ({"a": 1, "b": 2.5}, ("a", "b"), [1.0, 2.5]),
    "a mapping with a value among others": ({"value": 1.0, "other": 2.0}, ("value", "other"),
                                            [1.0, 2.0]),
    "a series": (pd.Series([1.0, 2.0], index=["a", "b"]), ("a", "b"), [1.0, 2.0]),
    "fields of an estimate": ({"value": 1.0, "std_error": 0.5}, ("value",), [1.0]),
    "a mapping of estimates": ({"a": ek.Estimate(1.0, std_error=0.5), "b": 2.0}, ("a", "b"),
                               [1.0, 2.0]),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_become_estimates(case: str) -> None:
    answer, names, values = ANSWERS[case]
    estimate = as_estimate(answer)
    assert estimate.names == names
    assert np.atleast_1d(estimate.value).tolist() == values
    assert estimate.status == "ok"


def test_errors_in_an_answer_are_kept() -> None:
    assert as_estimate(ANSWERS["fields of an estimate"][0]).std_error == 0.5
    parts = as_estimate(ANSWERS["a mapping of estimates"][0])
    np.testing.assert_array_equal(parts.std_error, [0.5, np.nan])
    failed = as_estimate({"a": 1.0, "b": ek.Estimate(np.nan, status="failed", reason="why")})
    assert (failed.status, failed.reason) == ("failed", "why")
    same = ek.Estimate(1.0)
    assert as_estimate(same) is same


@pytest.mark.parametrize("answer", [None, "a", object(), {1}, {}, {"a": [1, 2]}, {"a": None},
                                    [[1.0]], ["a"], range(3), 1j, pd.DataFrame({"a": [1]}),
                                    pl.Series([None])])  # fmt: skip
def test_what_is_no_answer_is_refused(answer: Any) -> None:
    with pytest.raises(ek.DataError) as caught:
        as_estimate(answer)
    assert len(str(caught.value)) < 400


def test_fits_of_statsmodels_keep_their_names_and_errors() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    y = X["a"] + rng.normal(size=60)
    for design, names in ((sm.add_constant(X), ("const", "a", "b")),
                          (sm.add_constant(X.to_numpy()), ("const", "x1", "x2"))):  # fmt: skip
        fit = sm.OLS(y.to_numpy(), design).fit()
        estimate = as_estimate(fit)
        assert estimate.names == names
        np.testing.assert_array_equal(estimate.value, np.asarray(fit.params))
        np.testing.assert_array_equal(estimate.std_error, np.asarray(fit.bse))
    many = sm.MNLogit(rng.integers(0, 3, 60), sm.add_constant(X)).fit(disp=False)
    estimate = as_estimate(many)
    np.testing.assert_array_equal(estimate.value, np.asarray(many.params).ravel(order="F"))
    np.testing.assert_array_equal(estimate.std_error, np.asarray(many.bse).ravel(order="F"))


def test_a_fit_that_did_not_converge_says_so() -> None:
    x = np.arange(40.0)
    logit = sm.Logit((np.arange(40) % 3 == 0).astype(float), sm.add_constant(x))
    stopped = logit.fit(disp=False, maxiter=1, warn_convergence=False)
    assert as_estimate(stopped).status == "not_converged"
    failed = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 0, 1, 1], errors="return")
    assert as_estimate(failed).status == "failed"
    assert "separation" in as_estimate(failed).reason
