"""Learning curves: what a loop by hand over nested rows of the same folds gives."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, TimeSeriesSplit
from sklearn.tree import DecisionTreeRegressor

import estkit as ek
from estkit.comparison.folds import make_folds
from estkit.comparison.learning import _order

CLOSE = 1e-12  # the same arithmetic in another place


def test_a_loop_over_given_rows_gives_the_same_values() -> None:
    X, y = load_diabetes(return_X_y=True)
    sizes, splits = [20, 60, 200], list(KFold(4, shuffle=True, random_state=3).split(X))
    curve = ek.learning_curve(
        {"ols": LinearRegression()}, X, y, sizes=sizes, cv=splits, scoring="mse", rng=5
    )
    for fold, (train, test) in enumerate(splits):
        seed = np.random.SeedSequence(5, spawn_key=(2, fold))
        order = np.random.default_rng(seed).permutation(np.sort(train))
        for number, size in enumerate(sizes):
            rows = order[:size]
            told = LinearRegression().fit(X[rows], y[rows]).predict(X[test])
            expected = ((told - y[test]) ** 2).mean()
            assert curve.values[0, number, fold] == pytest.approx(expected, rel=1e-10)
            mean = ((y[rows].mean() - y[test]) ** 2).mean()
            assert curve.values[1, number, fold] == pytest.approx(mean, rel=CLOSE)


def test_all_rows_give_the_scores_of_compare_for_any_number_of_workers() -> None:
    X, y = load_diabetes(return_X_y=True)
    models = {"tree": DecisionTreeRegressor(max_depth=3, max_features=4), "linear": "linear"}
    whole = ek.compare(models, X, y, cv=(5, 2), rng=7)
    for workers in (1, 2):
        curve = ek.learning_curve(models, X, y, sizes=[0.2, 1.0], cv=(5, 2), rng=7, n_jobs=workers)
        assert curve.sizes.tolist() == [70, 353]
        for number, name in enumerate(curve.models):
            values = curve.values[number, 1]
            # the smallest fold has 353 training rows, others 354: those of 353 are all
            same = [len(rows) == 353 for rows in whole.folds.train]
            assert values[same] == pytest.approx(
                whole.values(name, whole.scoring[0])[same], rel=CLOSE
            )


@pytest.mark.parametrize("kind", ["time", "splitter"])
def test_forward_in_time_a_model_learns_from_the_latest_rows(kind: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    splitter = TimeSeriesSplit(10)
    cv = "time" if kind == "time" else splitter
    curve = ek.learning_curve("linear", X, y, sizes=[15, 30], cv=cv, scoring="mse", rng=1)
    for number, size in enumerate([15, 30]):
        latest = TimeSeriesSplit(10, max_train_size=size).split(X)  # another program's window
        for fold, (train, test) in enumerate(latest):
            told = LinearRegression().fit(X[train], y[train]).predict(X[test])
            expected = ((told - y[test]) ** 2).mean()
            assert curve.values[0, number, fold] == pytest.approx(expected, rel=1e-9)


def test_rows_are_nested_and_classes_in_proportion() -> None:
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.repeat([0, 1, 2], [60, 30, 10]))
    rows = np.sort(rng.choice(100, 100, replace=False))
    order = _order(rows, codes, rng)
    assert np.array_equal(np.sort(order), rows)
    for size in range(1, 101):
        counts = np.bincount(codes[order[:size]], minlength=3)
        assert np.abs(counts - size * np.array([0.6, 0.3, 0.1])).max() <= 1.5


def test_the_error_is_corrected_for_rows_in_common() -> None:
    X, y = load_iris(return_X_y=True)
    curve = ek.learning_curve("knn", X, y, sizes=[30, 120], cv=5, rng=1)
    frame = curve.to_frame()
    assert list(frame.columns)[:6] == ["model", "size", "fold", "value", "mean", "error"]
    part = frame[(frame["model"] == "knn") & (frame["size"] == 30)]
    spread = part["value"].std(ddof=1) * np.sqrt(1 / 5 + 30 / 120)
    assert part["error"].tolist() == pytest.approx([spread] * 5, rel=CLOSE)
    assert part["mean"].iloc[0] == pytest.approx(part["value"].mean(), rel=CLOSE)
    assert "accuracy over training rows, 5-fold, stratified" in str(curve)


def test_a_failure_is_told_with_its_reason() -> None:
    X, y = load_iris(return_X_y=True)
    curve = ek.learning_curve("knn", X, y, sizes=[3, 60], cv=5, rng=1)  # 5 neighbours of 3 rows
    assert np.isnan(curve.values[0, 0]).all()
    assert any("knn failed on 5 folds of 3 rows" in note for note in curve.notes)


@pytest.mark.parametrize("sizes", [[], [1], [200], [0.0, 0.5], [1.5], ["many"]])
def test_sizes_that_cannot_be_are_named(sizes: list[object]) -> None:
    X, y = load_iris(return_X_y=True)
    folds = make_folds(5, X, y, rng=1, classes=True)
    with pytest.raises(ek.DataError, match="from 2 to 120"):
        ek.learning_curve("knn", X, y, sizes=sizes, cv=folds)


def test_training_rows_are_scored_by_the_same_fits() -> None:
    X, y = load_diabetes(return_X_y=True)
    splits = list(KFold(3).split(X))
    curve = ek.learning_curve({"ols": LinearRegression()}, X, y, sizes=[50], cv=splits,
                              scoring="mse", rng=5)  # fmt: skip
    for fold, (train, _) in enumerate(splits):
        seed = np.random.SeedSequence(5, spawn_key=(2, fold))
        rows = np.random.default_rng(seed).permutation(np.sort(train))[:50]
        residual = LinearRegression().fit(X[rows], y[rows]).predict(X[rows]) - y[rows]
        assert curve.seen[0, 0, fold] == pytest.approx((residual**2).mean(), rel=1e-10)
    without = ek.learning_curve({"ols": LinearRegression()}, X, y, sizes=[50], cv=splits,
                                scoring="mse", rng=5, seen=False)  # fmt: skip
    assert np.isnan(without.seen).all()
    assert "training rows" not in str(without).split("\n")[1]
    with pytest.raises(ek.DataError, match="'test' or 'train'"):
        curve.to_frame("all")


def test_intervals_at_all_rows_are_those_of_the_comparison() -> None:
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:440], y[:440]  # so that all folds are equally large
    whole = ek.compare("linear", X, y, cv=(5, 2), rng=7)
    frame = ek.learning_curve("linear", X, y, sizes=[1.0], cv=(5, 2), rng=7).to_frame(level=0.9)
    wanted = whole.intervals(level=0.9).set_index("model").loc["linear"]
    found = frame[frame["model"] == "linear"].iloc[0]
    for ours, theirs in (("mean", "value"), ("error", "std_error"), ("lower", "lower")):
        assert found[ours] == pytest.approx(wanted[theirs], rel=1e-10)
