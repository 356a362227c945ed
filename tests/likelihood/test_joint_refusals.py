"""Generative likelihoods: what has no maximum, or none inside, is said by class and column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

RNG = np.random.default_rng(1)
X = pd.DataFrame(RNG.normal(size=(30, 3)), columns=["a", "b", "c"])
Y = np.array(["left", "right"])[np.arange(30) % 2]
BITS = (RNG.random((30, 3)) < 0.5).astype(int)


def joint(covariance: str = "shared") -> ek.Joint:
    return ek.Joint("gaussian", covariance=covariance)


# --- no maximum ---


def test_a_column_without_variance_is_named_with_its_class() -> None:
    flat = X.assign(b=np.where(Y == "left", 1e8 + 0.1, X["b"]))
    for covariance in ("separate", "diagonal"):
        with pytest.raises(ek.RankError, match="'b' does not vary within class 'left'"):
            ek.fit(joint(covariance), flat, Y)
    assert ek.fit(joint(), flat, Y).converged
    constant = X.assign(b=np.where(Y == "left", 1.0, 2.0))
    with pytest.raises(ek.RankError, match="'b' does not vary within any class"):
        ek.fit(joint(), constant, Y)


@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_dependent_columns_are_named_with_their_class(shift: float) -> None:
    tied = X.assign(c=np.where(Y == "left", 2 * X["a"] - X["b"] + shift, X["c"]))
    with pytest.raises(ek.RankError, match=r"within class 'left': 'c' = (2|1\.99).*'a' -"):
        ek.fit(joint("separate"), tied, Y)
    assert ek.fit(joint("diagonal"), tied, Y).converged
    both = X.assign(c=2 * X["a"] + shift * (Y == "left"))
    with pytest.raises(ek.RankError, match=r"within the classes: 'c' = (2|1\.99).*'a'"):
        ek.fit(joint(), both, Y)


def test_too_few_rows_are_counted() -> None:
    y = np.where(np.arange(30) < 3, "left", "right")
    with pytest.raises(ek.RankError, match="class 'left' has 3 rows for 3 columns"):
        ek.fit(joint("separate"), X, y)
    assert ek.fit(joint(), X, y).converged
    with pytest.raises(ek.RankError, match="4 rows in 2 classes cannot determine"):
        ek.fit(joint(), X[:4], Y[:4])
    weights = np.where(Y == "left", np.arange(30) < 6, 1).astype(int)
    with pytest.raises(ek.RankError, match="class 'left' has 3 rows"):
        ek.fit(joint("separate"), X, Y, weights=weights)
    result = ek.fit(joint("separate"), X, y, errors="return")
    assert not result.converged
    assert np.isnan(result.params).all()
    assert "3 rows for 3 columns" in result.reason


# --- at the edge ---


def test_probabilities_of_0_and_1_are_stated() -> None:
    bits = BITS.copy()
    bits[Y == "left", 1] = 0
    bits[Y == "right", 2] = 1
    fit = ek.fit(ek.Joint("bernoulli"), bits, Y)
    assert fit.converged
    assert "2 probabilities, the first of them 'left:p:x1', are 0 or 1" in str(fit)
    edge = [fit.names.index(name) for name in ("left:p:x1", "right:p:x2")]
    assert fit.params[edge].tolist() == [0.0, 1.0]
    assert np.isnan(fit.std_errors[edge]).all()
    assert np.isfinite(np.delete(fit.std_errors, edge)).all()
    with pytest.raises(ek.DataError, match=r"row 0 .* probability 0 in every class"):
        fit.predict([[0, 1, 0]])
    assert fit.predict([[0, 1, 1]]).tolist() == [[0.0, 1.0]]
    smooth = ek.fit(ek.Joint("bernoulli", smoothing=1.0), bits, Y)
    assert np.isfinite(smooth.predict([[0, 1, 0]])).all()
    assert np.isfinite(smooth.std_errors).all()


def test_smoothing_is_no_maximum_likelihood_and_says_so() -> None:
    fit, smooth = (ek.fit(ek.Joint("bernoulli", smoothing=s), BITS, Y) for s in (0.0, 2.0))
    assert smooth.loglik < fit.loglik
    assert "no maximum-likelihood estimates" in " ".join(str(smooth).split())
    ones = BITS[Y == "left", 0].sum()
    assert smooth.params[2] == pytest.approx((ones + 2) / (15 + 4))
    for wanted in (
        lambda: smooth.interval(method="profile"),
        lambda: smooth.likelihood_ratio(["left:p:x0"]),
        lambda: smooth.covariance("HC0"),
    ):
        with pytest.raises(ek.EstkitError, match="which a smoothed fit is not"):
            wanted()
    assert smooth.interval().shape == (8, 2)


def test_a_class_without_counts_is_named() -> None:
    counts = np.where((Y == "left")[:, None], 0, BITS + 1)
    with pytest.raises(ek.DataError, match="class 'left' has no counts at all"):
        ek.fit(ek.Joint("multinomial"), counts, Y)


# --- input ---


REFUSED: dict[str, tuple[ek.Joint, dict[str, Any], str]] = {
    "no y": (joint(), {"y": None}, "y is missing"),
    "no X": (joint(), {"X": None}, "X is missing"),
    "one class": (joint(), {"y": np.ones(30)}, "single class, 1.0"),
    "offset": (joint(), {"offset": np.ones(30)}, "no linear predictor"),
    "start": (joint(), {"start": [1.0]}, "takes no start"),
    "missing X": (joint(), {"X": X.drop(3).reindex(X.index)}, "column 'a', row 3"),
    "class of weight 0": (joint(), {"weights": np.arange(30) % 2}, "'left' has only rows of"),
    "counts": (joint(), {"y": BITS}, "one column of labels"),
    "rows": (joint(), {"y": Y[:-1]}, "29 rows"),
    "analytic": (joint(), {"analytic_weights": np.ones(30)}, "no meaning for analytic_weights"),
    "not 0/1": (ek.Joint("bernoulli"), {"X": 2 * BITS}, "expected 0 or 1 for the bernoulli law"),
    "negative": (ek.Joint("multinomial"), {"X": -BITS}, "is -1, expected a count"),
    "fraction": (ek.Joint("multinomial"), {"X": BITS / 2}, "is 0.5, expected a count"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_fitted_is_refused_by_name(case: str) -> None:
    family, given, message = REFUSED[case]
    given = {"X": X, "y": Y, **given}
    with pytest.raises(ek.DataError, match=message):
        ek.fit(family, given.pop("X"), given.pop("y"), **given)


def test_the_family_checks_its_options() -> None:
    for options, message in (
        ({"law": "poisson"}, "law must be one of"),
        ({"covariance": "full"}, "covariance must be one of"),
        ({"law": "bernoulli", "smoothing": -1.0}, "0 or more"),
        ({"smoothing": 1.0}, "Gaussian law has none"),
    ):
        with pytest.raises(ek.DataError, match=message):
            ek.Joint(**options)  # type: ignore[arg-type]


def test_new_rows_and_large_covariances_are_checked() -> None:
    fit = ek.fit(joint(), X, Y)
    with pytest.raises(ek.DataError, match="offset could be added"):
        fit.predict(X, offset=np.ones(30))
    with pytest.raises(ek.DataError, match="missing: b"):
        fit.predict(X[["a", "c"]])
    wide = ek.fit(ek.Joint("bernoulli", smoothing=1.0), np.tile(BITS, 900), Y)
    assert len(wide.std_errors) == 2 + 2 * 2700
    with pytest.raises(ek.EstkitError, match="covariance of 5402 parameters"):
        wide.covariance()


def test_categories_are_coded_and_kept_for_new_rows() -> None:
    ward = np.array(["east", "north", "west"])[RNG.integers(0, 3, size=30)]
    fit = ek.fit(ek.Joint("bernoulli"), {"ward": ward}, Y)
    assert fit.names[2:4] == ("left:p:ward[north]", "left:p:ward[west]")
    again = ek.LikelihoodFit.from_dict(fit.to_dict())
    np.testing.assert_array_equal(again.predict({"ward": ward}), fit.predict())
    by_formula = ek.fit_formula("y ~ a + b", X.assign(y=Y), ek.Joint())
    np.testing.assert_allclose(by_formula.predict(X), ek.fit(joint(), X[["a", "b"]], Y).predict())


@pytest.mark.parametrize("law", ["bernoulli", "multinomial"])
def test_a_covariance_of_independent_columns_is_refused(law: str) -> None:
    with pytest.raises(ek.DataError, match="covariance='separate' belongs to Gaussian columns"):
        ek.Joint(law, covariance="separate")


@pytest.mark.parametrize("unit", [1e300, 1e-300])
@pytest.mark.parametrize("covariance", ["shared", "separate", "diagonal"])
def test_variances_that_are_no_floats_are_refused(unit: float, covariance: str) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2)) * [1.0, unit]
    with pytest.raises(ek.DataError, match="squares of the column 'x1' are no floats"):
        ek.fit(ek.Joint("gaussian", covariance=covariance), x, np.arange(40) % 2)
