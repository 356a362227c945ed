"""Ridge regression for every penalty at once, leave-one-out in closed form, degrees of freedom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import estkit as ek

CLOSE = 1e-10
ALPHAS = np.logspace(-3, 4, 15)


def wide() -> tuple[Any, Any]:
    """Return more columns than rows."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(40, 90)) * rng.uniform(0.5, 3.0, 90) + 7
    return X, X[:, :5].sum(axis=1) + rng.normal(size=40)


@pytest.mark.parametrize("data", [load_diabetes(return_X_y=True), wide()], ids=["long", "wide"])
@pytest.mark.parametrize("splits", [2, 7])
def test_every_penalty_is_that_of_ridge(data: Any, splits: int) -> None:
    X, y = data
    cv = KFold(splits, shuffle=True, random_state=1)
    curve = ek.ridge_curve(X, y, alphas=ALPHAS, cv=cv, scoring="mse")
    for fold, (train, test) in enumerate(cv.split(X)):
        for number, alpha in enumerate(ALPHAS):
            told = Ridge(alpha, solver="svd").fit(X[train], y[train]).predict(X[test])
            expected = mean_squared_error(y[test], told)
            assert curve.values[fold, number] == pytest.approx(expected, rel=CLOSE)


@pytest.mark.parametrize("data", [load_diabetes(return_X_y=True), wide()], ids=["long", "wide"])
def test_leave_one_out_is_that_of_refitting_without_each_row(data: Any) -> None:  # trap 13
    X, y = data[0][:60], data[1][:60]
    alphas = [1e-7, 1e-3, 10.0]
    curve = ek.ridge_curve(X, y, alphas=alphas, cv="loo", scoring="mse")
    for number, alpha in enumerate(alphas):
        squared = []
        for row in range(len(y)):
            rest = np.arange(len(y)) != row
            far, level = X[rest] - X[rest].mean(axis=0), y[rest].mean()
            U, s, Vt = np.linalg.svd(far, full_matrices=False)
            s = np.where(s > 1e-10 * s[0], s, 0.0)
            slopes = Vt.T @ (s / (s**2 + alpha) * (U.T @ (y[rest] - level)))
            squared.append((y[row] - level - (X[row] - X[rest].mean(axis=0)) @ slopes) ** 2)
        assert curve.means[number] == pytest.approx(np.mean(squared), rel=1e-9)


def test_leave_one_out_is_that_of_ridge_cv() -> None:
    X, y = load_diabetes(return_X_y=True)
    known = RidgeCV(alphas=ALPHAS, store_cv_results=True).fit(X, y).cv_results_
    curve = ek.ridge_curve(X, y, alphas=ALPHAS, cv="loo", scoring="mse")
    np.testing.assert_allclose(curve.means, known.mean(axis=0), rtol=CLOSE)
    np.testing.assert_allclose(curve.errors, known.std(axis=0, ddof=1) / np.sqrt(442), rtol=1e-9)


@pytest.mark.parametrize("score", ["mse", "rmse", "mae", "r2", "widest"])
def test_scores_of_rows_left_out_do_not_depend_on_how_many_are_taken_at_a_time(score: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    widest = ek.Score("widest", lambda p: np.abs(p.truth - p.prediction).max(), False, "regression")
    scoring = widest if score == "widest" else score
    many = np.logspace(-3, 4, 300)  # in blocks of 109 rows
    parts = ek.ridge_curve(X, y, alphas=many, cv="loo", scoring=scoring)
    for number in (0, 299):
        whole = ek.ridge_curve(X, y, alphas=many[number], cv="loo", scoring=scoring)
        assert parts.means[number] == pytest.approx(whole.means[0], rel=CLOSE)
        assert parts.errors[number] == pytest.approx(whole.errors[0], rel=CLOSE, nan_ok=True)


@pytest.mark.parametrize("score", ["mse", "rmse", "r2"])
def test_errors_follow_the_score_and_not_what_its_value_happens_to_be(score: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    at = {"alphas": [0.1], "cv": "loo"}
    mse = ek.ridge_curve(X, y, scoring="mse", **at)
    # Units in which the mean squared error is the square of R², which looks like a root of it.
    unit = abs(ek.ridge_curve(X, y, scoring="r2", **at).means[0]) / np.sqrt(mse.means[0])
    curve = ek.ridge_curve(X, y * unit, scoring=score, **at)
    error = mse.errors[0] * unit**2
    if score == "rmse":
        error /= 2 * curve.means[0]
    if score == "r2":
        error = ek.ridge_curve(X, y, scoring="r2", **at).errors[0]  # which has no unit
    assert curve.errors[0] == pytest.approx(error, rel=1e-9)


def test_a_score_of_ones_own_has_an_error_if_it_is_an_average() -> None:
    X, y = load_diabetes(return_X_y=True)

    def average(p: Any) -> float:
        return float((p.truth - p.prediction).mean())

    own = ek.Score("own", average, False, "regression", loss=lambda p: p.truth - p.prediction)
    assert np.isfinite(ek.knn_curve(X, y, k=[5], cv="loo", scoring=own).errors).all()
    other = ek.Score("own", lambda p: 2 * average(p), False, "regression", loss=own.loss)
    assert np.isnan(ek.knn_curve(X, y, k=[5], cv="loo", scoring=other).errors).all()


def test_nearly_dependent_columns_left_out_row_by_row() -> None:
    """Their products would tell nothing of the smallest singular value."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(60, 3))
    X = np.column_stack([X, X[:, 0] + 1e-7 * rng.normal(size=60)])
    y = X[:, 0] + rng.normal(size=60)
    curve = ek.ridge_curve(X, y, alphas=[1e-14, 1.0], cv="loo", scoring="mse")
    for number, alpha in enumerate([1e-14, 1.0]):
        expected = np.mean([
            (y[i] - Ridge(alpha, solver="svd").fit(np.delete(X, i, 0), np.delete(y, i))
             .predict(X[[i]])[0]) ** 2 for i in range(60)
        ])  # fmt: skip
        assert curve.means[number] == pytest.approx(expected, rel=1e-8)


def test_a_row_far_from_all_others_leaves_digits_to_the_fold_without_it() -> None:
    rng = np.random.default_rng(8)
    X = rng.normal(size=(50, 3))
    y = X.sum(axis=1) + rng.normal(size=50)
    X[4, 1], y[4] = 1e8, -1e8
    cv = KFold(5, shuffle=True, random_state=2)
    curve = ek.ridge_curve(X, y, alphas=[0.1], cv=cv, scoring="mae")
    for fold, (train, test) in enumerate(cv.split(X)):
        told = Ridge(0.1, solver="svd").fit(X[train], y[train]).predict(X[test])
        assert curve.values[fold, 0] == pytest.approx(np.abs(told - y[test]).mean(), rel=1e-7)


@pytest.mark.parametrize("data", [load_diabetes(return_X_y=True), wide()], ids=["long", "wide"])
def test_degrees_of_freedom_are_the_trace_of_the_hat_matrix(data: Any) -> None:
    X, y = data
    curve = ek.ridge_curve(X, y, alphas=[0.5, 20.0], cv="loo")
    for alpha, degrees in zip([0.5, 20.0], curve.degrees_of_freedom, strict=True):
        unit = np.eye(len(y))
        trace = np.trace(Ridge(alpha, solver="svd").fit(X, unit).predict(X))
        assert degrees == pytest.approx(trace, rel=CLOSE)
        assert ek.degrees_of_freedom(Ridge(alpha), X) == pytest.approx(trace, rel=CLOSE)


def test_leverages_are_the_diagonal_of_the_hat_matrix() -> None:
    X, _ = load_diabetes(return_X_y=True)
    hat = LinearRegression().fit(X, np.eye(len(X))).predict(X)
    np.testing.assert_allclose(ek.leverages(X), np.diag(hat), atol=CLOSE)
    assert ek.leverages(X, intercept=False).sum() == pytest.approx(10)


def test_leverages_of_dependent_columns_are_refused() -> None:
    with pytest.raises(ek.RankError, match="not independent"):
        ek.leverages(np.ones((9, 2)))


def test_degrees_of_freedom_of_a_logistic_regression_count_what_the_penalty_leaves() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X[:, :5])
    model = LogisticRegression(C=0.05, tol=1e-10, max_iter=1000).fit(X, y)
    p = model.predict_proba(X)[:, 1]
    design = np.column_stack([np.ones(len(X)), X])
    own = design.T @ (design * (p * (1 - p))[:, None])
    expected = np.trace(np.linalg.solve(own + np.diag([0] + [20.0] * 5), own))
    assert ek.degrees_of_freedom(model, X) == pytest.approx(expected, rel=1e-8)
    assert ek.degrees_of_freedom(LogisticRegression(), X) is None
    loose = LogisticRegression(C=np.inf, max_iter=5000).fit(X, y)
    assert ek.degrees_of_freedom(loose, X) == pytest.approx(6, rel=1e-6)


def test_degrees_of_freedom_of_several_classes_are_those_of_all_but_one() -> None:
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(200, 2)), rng.integers(0, 3, 200)
    model = LogisticRegression(C=1e7, max_iter=10_000, tol=1e-8).fit(X, y)
    assert ek.degrees_of_freedom(model, X) == pytest.approx(6, abs=1e-4)


def test_degrees_of_freedom_of_a_pipeline_are_of_its_last_step() -> None:
    X, _ = load_iris(return_X_y=True)
    assert ek.degrees_of_freedom(make_pipeline(StandardScaler(), KNeighborsClassifier(6)), X) == 25
    assert ek.degrees_of_freedom(KNeighborsClassifier(6, weights="distance"), X) is None
    assert ek.degrees_of_freedom(DummyRegressor(), X) == 1
    assert ek.degrees_of_freedom(Lasso(), X) is None


def test_a_penalty_of_zero_is_refused() -> None:
    with pytest.raises(ek.DataError, match="above 0"):
        ek.ridge_curve(*load_diabetes(return_X_y=True), alphas=[0.0, 1.0])
