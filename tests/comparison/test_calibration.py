"""Tests find differences of equal models as often as they say, and that can be simulated."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

import estkit as ek
from estkit.comparison.calibration import _noise, _swapped
from estkit.comparison.candidates import Candidate, candidates_of, read_data
from estkit.comparison.folds import make_folds
from estkit.comparison.shortcuts import predicted

IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "size_of_paired_tests.py"


def sizes_of() -> Any:
    """Return the function of the benchmark that simulates sizes."""
    spec = importlib.util.spec_from_file_location("size_of_paired_tests", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.size


@pytest.mark.parametrize("kind", ["linear", "noise"])
def test_the_default_test_keeps_its_level_where_the_naive_one_does_not(kind: str) -> None:
    """With 1,000 data sets the script finds 0.019 and 0.046; here are 150, so bounds are wider."""
    found = sizes_of()(kind, 200, 150, np.random.default_rng(7), ("corrected_t", "naive_t"))
    assert found["corrected_t"] <= 0.07 + 2 * (0.05 * 0.95 / 150) ** 0.5
    assert found["naive_t"] > 0.15


@pytest.mark.parametrize("kind", ["frame", "array", "sparse"])
def test_either_twin_sees_the_columns_and_noise_of_its_own(kind: str) -> None:
    X, y = IRIS
    given = {"frame": pd.DataFrame(X, columns=list("abcd")), "array": X,
             "sparse": sparse.csr_array(X)}[kind]  # fmt: skip
    first, second = _swapped(read_data(given, y, None), np.random.default_rng(1))
    dense = [np.asarray(d.X.todense() if kind == "sparse" else d.X) for d in (first, second)]
    for seen in dense:
        np.testing.assert_array_equal(seen[:, :4], X)
        assert sorted(map(tuple, seen[:, 4:])) == sorted(map(tuple, X))  # rows, whole, shuffled
    assert (dense[0][:, 4:] != dense[1][:, 4:]).any()


def test_labels_of_noise_come_in_equal_numbers() -> None:
    X, y = IRIS
    named = np.array(["a", "b", "c"])[y][:120]
    drawn, same = _noise(read_data(X[:120], named, None), np.random.default_rng(1))
    assert drawn is same
    assert np.unique(drawn.y, return_counts=True)[1].tolist() == [40, 40, 40]
    assert (drawn.y != named).any()


def test_the_size_is_the_share_of_rounds_with_its_interval() -> None:
    X, y = DIABETES[0][:80], DIABETES[1][:80]
    model = LinearRegression()
    options: dict[str, Any] = {"cv": (5, 4), "rounds": 20, "rng": 4}
    naive = ek.calibrate_test(model, model, X, y, method="naive_t", **options)
    (found,) = naive.sizes
    assert (found.null, found.models) == ("swapped", "LinearRegression")
    interval = stats.binomtest(round(found.size * 20), 20).proportion_ci(0.95)
    assert (found.lower, found.upper) == pytest.approx(tuple(interval))
    assert found.size > 0.15  # the naive test is liberal, and that is found
    corrected = ek.calibrate_test(model, model, X, y, **options)
    assert corrected.sizes[0].size < found.size
    assert "share of 20 rounds" in str(corrected)


def test_two_models_are_each_tried_and_the_seed_is_all_there_is_to_luck() -> None:
    X, y = DIABETES[0][:40], DIABETES[1][:40]
    one, two = (
        ek.calibrate_test(Ridge(), LinearRegression(), X, y, cv=3, rounds=4, rng=4)
        for _ in range(2)
    )
    assert one.to_frame()["models"].tolist() == ["Ridge", "LinearRegression"]
    assert json.dumps(one.to_dict()) == json.dumps(two.to_dict())


def test_pooled_tests_and_equal_learners_are_calibrated_too() -> None:
    found = ek.calibrate_test("linear", "linear", *IRIS, method="mcnemar", cv=3, rounds=5, rng=1)
    assert [(each.null, each.models) for each in found.sizes] == [
        ("swapped", "linear"), ("noise", "linear, linear"),
    ]  # fmt: skip
    assert found.sizes[1].equal == 1
    assert found.score == "accuracy"


def test_a_pipeline_that_does_not_see_the_noise_is_reported() -> None:
    frame = pd.DataFrame(DIABETES[0][:60, :2], columns=["a", "b"])
    model = make_pipeline(make_column_transformer(("passthrough", ["a", "b"])), Ridge())
    found = ek.calibrate_test(model, model, frame, DIABETES[1][:60], cv=3, rounds=4, rng=1)
    assert found.sizes[0].size == 0
    assert "does not see the noise" in str(found)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "bayesian"}, "not a test with a p-value"),
        ({"null": "permuted"}, "null must be"),
        ({"null": "noise"}, "on noise models still differ in rmse"),
        ({"rounds": 0}, "rounds must be"),
        ({"a": "forest", "scoring": "accuracy"}, "no score for regression"),
    ],
)
def test_what_cannot_be_calibrated_is_named(asked: dict[str, Any], message: str) -> None:
    X, y = DIABETES
    with pytest.raises(ek.DataError, match=message):
        ek.calibrate_test(**{"a": "linear", "b": "knn", "X": X, "y": y, **asked})


SHORT = {
    "scaled neighbours": (KNeighborsClassifier(4), "iris"),
    "neighbours": (make_pipeline(FunctionTransformer(), KNeighborsClassifier(4)), "iris"),
    "neighbours of numbers": (KNeighborsRegressor(7), "diabetes"),
    "least squares": (LinearRegression(), "diabetes"),
    "through the origin": (LinearRegression(fit_intercept=False), "diabetes"),
    "by distance": (KNeighborsRegressor(5, weights="distance"), "diabetes"),
    "a tree": (DecisionTreeClassifier(max_features=2), "iris"),
    "logistic": ("linear", "iris"),
}


@pytest.mark.parametrize("case", SHORT)
def test_shortcuts_predict_what_compare_does(case: str) -> None:
    """Noise of 1e-6 sees to it that there are no equal distances."""
    model, kind = SHORT[case]
    X, y = IRIS if kind == "iris" else DIABETES
    X = X + 1e-6 * np.random.default_rng(1).normal(size=X.shape)
    X = np.column_stack([X, np.full(len(X), 0.1)])
    whole = ek.compare({"m": model}, X, y, cv=4, rng=6)
    seed = np.random.SeedSequence(6)
    for given in (X, pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])):
        data = read_data(given, y, None)
        candidate = candidates_of({"m": model}, data)[0]
        for fold in range(4):
            told = predicted(candidate, data, whole.folds, fold, seed, shares=True)
            wanted = whole.predicted("m", fold)
            assert wanted is not None
            assert told.prediction == pytest.approx(wanted.prediction, rel=1e-10)
            if data.classes:
                assert told.probability == pytest.approx(wanted.probability, abs=1e-10)


@pytest.mark.parametrize("repeated", [True, False])
def test_shortcuts_take_neighbours_at_equal_distances_by_row_number(repeated: bool) -> None:
    """Distances of whole numbers, and of rows that stand there many times, are equal exactly."""
    rng = np.random.default_rng(3)
    X = rng.integers(0, 3, (90, 3)).astype(float)
    y = rng.integers(0, 3, 90)
    X = X[rng.integers(0, 12, 90)] if repeated else X
    model = KNeighborsClassifier(4)
    data, seed = read_data(X, y, "classification"), np.random.SeedSequence(1)
    folds, candidate = make_folds(5, X, y, rng=1, classes=True), Candidate("m", model)
    tied = 0
    for fold, (train, test) in enumerate(zip(folds.train, folds.test, strict=True)):
        told = predicted(candidate, data, folds, fold, seed, shares=True).probability
        assert told is not None
        for row, shares in zip(test, told, strict=True):
            squared = {each: ((X[each] - X[row]) ** 2).sum() for each in train.tolist()}
            order = sorted(squared, key=lambda each: (squared[each], each))
            tied += squared[order[3]] == squared[order[4]]
            expected = np.bincount(y[order[:4]], minlength=3) / 4
            np.testing.assert_array_equal(shares, expected)
    assert tied > 50


def test_sizes_do_not_depend_on_workers_and_folds_may_be_given_once() -> None:
    X, y = DIABETES[0][:60], DIABETES[1][:60]
    pairs = list(KFold(4).split(X))
    found = [
        ek.calibrate_test("knn", "linear", X, y, cv=iter(pairs), rounds=9, rng=2, n_jobs=workers)
        for workers in (1, 2)
    ]
    assert found[0].to_dict() == found[1].to_dict()


class Moody(LinearRegression):  # type: ignore[misc]
    def fit(self, X: Any, y: Any) -> Any:
        raise ValueError("not today")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_fails_on_simulated_data_is_told(workers: int) -> None:
    with pytest.raises(ek.DataError, match="ValueError: not today"):
        ek.calibrate_test(Moody(), "linear", *DIABETES, cv=3, rounds=3, rng=1, n_jobs=workers)
