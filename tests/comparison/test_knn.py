"""Every k from one list of neighbours: equal to scikit-learn one k at a time, and the ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import estkit as ek
from estkit.comparison.knn import nearest

CLOSE = 1e-12  # sums of at most 50 numbers, added in another order


def searched(model: Any, X: Any, y: Any, ks: list[int], cv: Any, scoring: str | None) -> Any:
    """Return what scikit-learn's search finds, folds by k."""
    name = f"{model.steps[-1][0]}__n_neighbors" if hasattr(model, "steps") else "n_neighbors"
    found = GridSearchCV(model, {name: ks}, cv=cv, refit=False, scoring=scoring).fit(X, y)
    folds = cv.get_n_splits(X, y)
    return np.array([found.cv_results_[f"split{fold}_test_score"] for fold in range(folds)])


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_every_k_of_a_classifier_is_that_of_a_grid_search(scale: bool, weights: str) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    cv = RepeatedStratifiedKFold(n_splits=4, n_repeats=2, random_state=3)
    model = KNeighborsClassifier(weights=weights, algorithm="brute")
    asked = make_pipeline(StandardScaler(), model) if scale else model
    ks = [1, 2, 7, 20]
    curve = ek.knn_curve(X, y, k=ks, cv=cv, scale=scale, weights=weights)
    np.testing.assert_allclose(curve.values, searched(asked, X, y, ks, cv, None), atol=CLOSE)


def test_every_k_of_a_regression_is_that_of_a_grid_search() -> None:
    X, y = load_diabetes(return_X_y=True)
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=1, random_state=0)
    pairs = list(cv.split(X, y > np.median(y)))
    curve = ek.knn_curve(X, y, k=[1, 4, 50], cv=pairs, scoring="mse", scale=False)
    for fold, (train, test) in enumerate(pairs):
        for number, k in enumerate([1, 4, 50]):
            told = KNeighborsRegressor(k).fit(X[train], y[train]).predict(X[test])
            assert curve.values[fold, number] == pytest.approx(
                mean_squared_error(y[test], told), rel=CLOSE
            )


@pytest.mark.parametrize("scale", [True, False])
def test_leave_one_out_is_that_of_refitting_without_each_row(scale: bool) -> None:
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:120], y[:120]
    curve = ek.knn_curve(X, y, k=[1, 3, 40], cv="loo", scoring="mse", scale=scale)
    for number, k in enumerate([1, 3, 40]):
        model = make_pipeline(StandardScaler(with_std=scale), KNeighborsRegressor(k))
        told = cross_val_predict(model, X, y, cv=LeaveOneOut())
        assert curve.values[0, number] == pytest.approx(mean_squared_error(y, told), rel=1e-11)


def test_a_column_that_varies_in_one_row_alone_is_constant_without_it() -> None:
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    X[:, 1] = 5.0
    X[7, 1] = 9.0
    curve = ek.knn_curve(X, y, k=[2], cv="loo", scoring="mse")
    model = make_pipeline(StandardScaler(), KNeighborsRegressor(2))
    told = cross_val_predict(model, X, y, cv=LeaveOneOut())
    assert curve.values[0, 0] == pytest.approx(mean_squared_error(y, told), rel=1e-11)


def by_definition(train: Any, queries: Any, k: int) -> Any:
    """Return neighbours by (distance, row) in exact whole-number arithmetic."""
    found = []
    for query in queries.astype(int):
        squared = ((train.astype(int) - query) ** 2).sum(axis=1)
        found.append(sorted(range(len(train)), key=lambda row: (squared[row], row))[:k])
    return np.array(found)


def test_ties_of_whole_numbers_go_by_row_number() -> None:  # trap 3
    X, _ = load_digits(return_X_y=True)
    train, queries = X[:600], X[600:680]
    expected = by_definition(train, queries, 50)
    np.testing.assert_array_equal(nearest(train, queries, 50).rows, expected)
    np.testing.assert_array_equal(nearest(train, queries, 20).rows, expected[:, :20])


def test_ties_are_the_same_with_an_offset_that_swamps_the_differences() -> None:
    rng = np.random.default_rng(8)
    train, queries = rng.integers(0, 4, (200, 3)) + 2.0**40, rng.integers(0, 4, (30, 3)) + 2.0**40
    np.testing.assert_array_equal(
        nearest(train, queries, 15).rows, by_definition(train, queries, 15)
    )


def test_the_numbers_do_not_depend_on_threads_or_on_the_other_queries() -> None:  # trap 3
    rng = np.random.default_rng(9)
    distinct = rng.normal(size=(40, 7))
    train, queries = distinct[rng.integers(0, 40, 400)], rng.normal(size=(90, 7))
    with threadpool_limits(1):
        one = nearest(train, queries, 30)
    with threadpool_limits(2):
        two = nearest(train, queries, 30)
    alone = [nearest(train, query[None, :], 30).rows[0] for query in queries]
    np.testing.assert_array_equal(one.rows, two.rows)
    np.testing.assert_array_equal(one.rows, alone)
    equal = np.diff(one.squared, axis=1) == 0
    assert equal.any()
    assert (np.diff(one.rows, axis=1)[equal] > 0).all()


def test_equal_votes_go_to_the_smallest_label() -> None:
    X, y = np.array([[0.0], [1.0], [3.0]]), np.array(["b", "a", "b"])
    curve = ek.knn_curve(X, y, k=[2], cv=[([0, 1], [2])], scale=False)
    told = KNeighborsClassifier(2).fit(X[:2], y[:2]).predict(X[2:])
    assert told[0] == "a"
    assert curve.values[0, 0] == 0.0


def test_more_neighbours_than_training_rows_are_refused_with_the_fold() -> None:  # trap 4
    X, y = load_iris(return_X_y=True)
    folds = [(np.arange(100), np.arange(100, 150)), (np.arange(30), np.arange(100, 150))]
    with pytest.raises(ek.DataError, match="k = 31 is more than the 30 training rows of fold 1"):
        ek.knn_curve(X, y, k=[1, 31], cv=folds)
    with pytest.raises(ek.DataError, match="leaving one row out"):
        ek.knn_curve(X, y, k=[150], cv="loo")


@pytest.mark.parametrize("k", [[], [0], [1.5], ["a"]])
def test_what_is_no_number_of_neighbours_is_refused(k: Any) -> None:
    with pytest.raises(ek.DataError, match="k must be whole numbers"):
        ek.knn_curve(*load_iris(return_X_y=True), k=k)


def test_the_score_of_leaving_one_out_is_of_all_predictions_together() -> None:  # trap 13
    X, y = load_diabetes(return_X_y=True)
    curve = ek.knn_curve(X, y, k=[10], cv="loo", scoring="r2", scale=False)
    mse = ek.knn_curve(X, y, k=[10], cv="loo", scoring="mse", scale=False)
    assert curve.means[0] == pytest.approx(1 - mse.means[0] / y.var(), rel=CLOSE)
    # The variance of y is of the same rows, so it has a part in the error of R².
    lost = (y - cross_val_predict(KNeighborsRegressor(10), X, y, cv=LeaveOneOut())) ** 2
    far = (y - y.mean()) ** 2
    moved = (lost.mean() * far / far.mean() - lost) / far.mean()
    assert curve.errors[0] == pytest.approx(moved.std(ddof=1) / np.sqrt(len(y)), rel=1e-9)


def test_the_frame_has_a_row_for_every_k_and_fold() -> None:
    curve = ek.knn_curve(*load_iris(return_X_y=True), k=[3, 1], cv=5, rng=1, scoring="log_loss")
    frame = curve.to_frame()
    assert list(frame.columns) == ["k", "fold", "value", "mean", "error"]
    assert frame["k"].tolist() == [1] * 5 + [3] * 5
    assert frame["value"][5:].mean() == pytest.approx(curve.means[1])
    assert curve.degrees_of_freedom.tolist() == [120, 40]


def test_the_one_standard_error_rule_takes_the_simplest_that_is_close() -> None:
    curve = ek.knn_curve(*load_diabetes(return_X_y=True), k=range(1, 80), cv=10, rng=2)
    best = curve.points.tolist().index(curve.best())
    limit = curve.means[best] + curve.errors[best]
    assert curve.one_standard_error() == max(curve.points[curve.means <= limit])


def test_columns_of_categories_are_refused() -> None:
    import pandas as pd

    with pytest.raises(ek.DataError, match="'a' of categories"):
        ek.knn_curve(pd.DataFrame({"a": list("xy") * 10}), np.arange(20.0), k=[1])
