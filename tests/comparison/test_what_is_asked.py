"""Bias and variance, curves and nested intervals: what is asked of them, right and wrong."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import estkit as ek

X, Y = load_diabetes(return_X_y=True)
FLOWERS, KINDS = load_iris(return_X_y=True)


def parts(*given: Any, **options: Any) -> list[float]:
    found = ek.bias_variance(*given, **{"rounds": 5, "rng": 1, **options})
    return [found.value(name) for name in found.parts]


def test_a_model_by_name_is_that_of_a_comparison() -> None:
    scaled = make_pipeline(StandardScaler(), KNeighborsRegressor())
    assert parts("knn", X, Y) == parts(scaled, X, Y)
    assert parts("linear", X, Y) == parts(LinearRegression(), X, Y)
    assert "Decomposition(knn," in repr(ek.bias_variance("knn", X, Y, rounds=5, rng=1))


def test_columns_with_gaps_and_categories_are_made_ready() -> None:
    gaps = np.where(FLOWERS > 7, np.nan, FLOWERS)
    frame = pd.DataFrame(gaps).assign(kind=np.array(["u", None, "w"], object)[KINDS])
    for columns in (gaps, frame):
        found = parts(KNeighborsClassifier(), columns, KINDS, loss="zero_one")
        assert found[-1] == pytest.approx(sum(found[:3]), abs=1e-12) and found[-1] < 0.2


def test_gaps_in_test_rows_alone_are_filled() -> None:
    asked = np.where(X[:50] > 0.1, np.nan, X[:50])
    found = parts(KNeighborsRegressor(), X[50:], Y[50:], test=(asked, Y[:50]))
    assert np.isfinite(found).all()


WRONG = {
    "a regressor": ((LinearRegression(), FLOWERS, KINDS), {"loss": "zero_one"}, "predicts numbers"),
    "labels": (
        (KNeighborsRegressor(), X, Y.astype(str)),
        {"loss": "squared"},
        "say loss='zero_one'",
    ),
    "no probabilities": ((RidgeClassifier(), FLOWERS, KINDS), {"loss": "log"}, "does not give"),
    "half a round": ((LinearRegression(), X, Y), {"rounds": 3.5}, "whole number.*got 3.5"),
    "rounds as text": ((LinearRegression(), X, Y), {"rounds": "many"}, "whole number"),
    "a number": ((3, X, Y), {}, "must be a scikit-learn estimator"),
    "a class": ((LinearRegression, X, Y), {}, r"pass an estimator, LinearRegression\(\)"),
    "lengths": ((LinearRegression(), X, Y), {"test": (X[:5], Y[:4])}, "one y for each row"),
    "columns": ((LinearRegression(), X, Y), {"test": (X[:5, :3], Y[:5])}, "10 columns"),
    "no pair": ((LinearRegression(),), {"generate": lambda rng: 3}, r"a pair \(X, y\), got int"),
    "both": ((LinearRegression(), X, Y), {"generate": lambda rng: (X, Y)}, "leave out X and y"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_has_no_decomposition_is_named(case: str) -> None:
    given, options, message = WRONG[case]
    with pytest.raises(ek.DataError, match=message):
        parts(*given, **options)


def test_a_comparison_takes_half_the_rows_where_it_is_asked_to() -> None:
    models = {"knn": make_pipeline(StandardScaler(), KNeighborsRegressor(1))}
    found = {
        scheme: ek.compare(models, X, Y, cv=5, rng=1,
                           bias_variance={"rounds": 20, "scheme": scheme}).decompositions["knn"]
        for scheme in ("bootstrap", "subsample")
    }  # fmt: skip
    whole = ek.compare(models, X, Y, cv=5, rng=1, bias_variance=20).decompositions["knn"]
    assert whole.value("bias") == found["bootstrap"].value("bias")
    half = found["subsample"]
    assert half.scheme == "subsample" and 2 * half.train_rows <= whole.train_rows
    assert half.value("bias") < whole.value("bias")  # the bootstrap inflates that of 1-NN
    with pytest.raises(ek.DataError, match="bootstrap or subsample"):
        ek.compare(models, X, Y, cv=5, bias_variance={"scheme": "fresh"})


def test_results_are_told_as_json() -> None:
    results = [
        ek.bias_variance(KNeighborsRegressor(5), X, Y, rounds=math.inf),
        ek.knn_curve(X, Y, k=[1, 5], cv=3, rng=1),
        ek.learning_curve("linear", X, Y, sizes=[50, 100], cv=3, rng=1),
    ]
    for result in results:
        told = json.loads(json.dumps(result.to_dict(), allow_nan=False))
        assert told["format"] == f"estkit.{type(result).__name__}" and told["version"] == 1


def test_a_curve_that_is_infinite_everywhere_can_be_shown_but_has_no_best() -> None:
    curve = ek.knn_curve(FLOWERS, KINDS, k=[1, 5], cv=5, scoring="log_loss", rng=1)
    assert np.isinf(curve.means).all()
    assert "nowhere finite" in repr(curve) and "inf" in str(curve)
    with pytest.raises(ek.DataError, match="infinite or missing at every k"):
        curve.best()


def test_points_of_a_curve_may_be_any_iterable_of_numbers() -> None:
    several = ek.knn_curve(X, Y, k=(number for number in (5, 1)), cv=3, rng=1)
    assert several.points.tolist() == [1, 5]
    with pytest.raises(ek.DataError, match="alphas must be numbers"):
        ek.ridge_curve(X, Y, alphas="a")


def test_nested_intervals_have_folds_enough_and_a_width() -> None:
    with pytest.raises(ek.DataError, match="folds must be a whole number of at least 3, got 2"):
        ek.nested_interval("knn", X, Y, folds=2)
    with pytest.raises(ek.DataError, match="repeats must be a whole number of at least 1, got 0"):
        ek.nested_interval("knn", X, Y, repeats=0)
    found = ek.nested_interval("knn", FLOWERS[:100], KINDS[:100], folds=3, repeats=1, rng=1)
    assert found.value == found.upper == 1 and found.lower == pytest.approx(0.963, abs=1e-3)
