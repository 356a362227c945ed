"""Intervals for the score of one model cover it, also where the usual ones do not."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier

import estkit as ek
from estkit.comparison.folds import make_folds
from estkit.comparison.scores import named_scores
from estkit.comparison.trial import Trial

SAME = 1e-10  # the same formula in another order of operations
Make = Callable[..., ek.Comparison]
DIABETES = load_diabetes(return_X_y=True)


def least_squares(rng: np.random.Generator, rows: int, columns: int) -> tuple[ek.Comparison, float]:
    """Return a comparison of least squares by default folds, and its true mean squared error.

    The prediction of a row by the fit without its fold follows from the hat matrix.
    """
    X = np.column_stack([np.ones(rows), rng.normal(size=(rows, columns))])
    y = rng.normal(size=rows)
    hat = X @ np.linalg.solve(X.T @ X, X.T)
    errors = y - hat @ y
    found = np.linalg.lstsq(X, y, rcond=None)[0]
    folds = make_folds(None, X, y, rng=rng)
    trials = {}
    for fold, test in enumerate(folds.test):
        left = np.eye(len(test)) - hat[np.ix_(test, test)]
        trials["m", fold] = Trial(y[test] - np.linalg.solve(left, errors[test]))
    scoring = named_scores("mse", "regression")
    return ek.Comparison(("m",), scoring, folds, (), y, trials, (), {}), 1 + float(found @ found)


def test_the_default_interval_covers_where_rows_are_few_for_the_columns() -> None:
    """Nominal 90 % at 60 rows and 20 columns: between 0.87 and 0.95; pooled z has about 0.7."""
    rng, times, inside, naive = np.random.default_rng(6), 300, 0, 0
    for _ in range(times):
        result, truth = least_squares(rng, 60, 20)
        lower, upper = result.intervals(level=0.9).loc[0, ["lower", "upper"]]
        inside += lower <= truth <= upper
        lower, upper = result.intervals(method="clt", level=0.9).loc[0, ["lower", "upper"]]
        naive += lower <= truth <= upper
    assert 0.87 <= inside / times <= 0.95
    assert naive / times < 0.8


def test_one_repeat_has_the_corrected_interval(scored: Make) -> None:
    values = np.random.default_rng(1).random(8)
    found = scored({"a": values}).intervals(level=0.9).iloc[0]
    error = math.sqrt((1 / 8 + 1 / 7) * values.var(ddof=1))
    limits = stats.t.interval(0.9, 7, values.mean(), error)
    assert (found["lower"], found["upper"]) == pytest.approx(limits, rel=SAME)
    assert found["std_error"] == pytest.approx(error, rel=SAME)


def test_repeats_bring_no_new_rows(scored: Make) -> None:
    values = np.random.default_rng(1).random(8)
    once = scored({"a": values}).intervals().iloc[0]
    often = scored({"a": np.tile(values, 50)}, 50).intervals().iloc[0]
    shrunk = math.sqrt(values.var() / values.var(ddof=1))  # s² alone has more folds to stand on
    wanted = once["std_error"] * shrunk
    assert often["std_error"] == pytest.approx(wanted, rel=0.002)
    assert often["std_error"] < once["std_error"]


def test_the_table_has_the_same_intervals() -> None:
    result = ek.compare(["knn", "linear"], *DIABETES, rng=1)
    table = result.table().set_index("model")
    for _, row in result.intervals().iterrows():
        same = table.loc[row["model"], ["value", "lower", "upper"]]
        assert list(same) == list(row[["value", "lower", "upper"]])


def test_no_interval_leaves_the_range_of_its_score(made: Make) -> None:
    truth = np.arange(40) % 2
    missed = np.where(np.arange(40) == 3, 1 - truth, truth)
    result = made({"a": missed}, truth, classes=("no", "yes"), scoring="accuracy")
    for method in ("corrected_t", "clt"):
        found = result.intervals(method=method, level=0.99).iloc[0]
        assert found["value"] == 0.975
        assert found["upper"] == 1
        assert found["lower"] < 0.96


def test_what_has_no_interval_says_why(scored: Make, made: Make) -> None:
    truth = np.arange(20.0)
    result = made({"a": None, "b": truth + truth % 3}, truth)
    for method in ("corrected_t", "clt"):
        frame = result.intervals(method=method).set_index("model")
        assert math.isnan(frame.loc["a", "value"])
        assert frame.loc["b", "lower"] < frame.loc["b", "upper"]
    assert result.intervals().loc[0, "basis"] == "0 of 5 folds (5-fold)"
    assert "no fold" in result.intervals(method="clt").loc[0, "basis"]
    for method, message in (("nested", "ek.nested_interval"), ("wald", "method must be")):
        with pytest.raises(ek.DataError, match=message):
            result.intervals(method=method)
    one = np.full(10, np.nan)
    one[0] = 0.5
    assert math.isnan(scored({"a": one}).intervals().loc[0, "lower"])


@pytest.mark.parametrize("score", ["mse", "rmse", "r2"])
def test_nested_cross_validation_is_that_of_its_paper(score: str) -> None:
    """Bates, Hastie and Tibshirani (2024), algorithm 1, written out without any sharing of fits."""
    X, y = DIABETES[0][:80], DIABETES[1][:80]
    found = ek.nested_interval(
        LinearRegression(), X, y, folds=4, repeats=3, scoring=score, level=0.9, rng=5
    )
    folds = make_folds((4, 3), X, y, rng=np.random.SeedSequence(5, spawn_key=(0,)))

    def losses(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        return (LinearRegression().fit(X[train], y[train]).predict(X[test]) - y[test]) ** 2

    gaps, luck, nested, plain, naive = [], [], [], [], []
    for repeat in range(3):
        own = folds.test[4 * repeat : 4 * repeat + 4]
        outer = []
        for k in range(4):
            others = [part for j, part in enumerate(own) if j != k]
            inner = [losses(np.setdiff1d(np.concatenate(others), part), part) for part in others]
            held_out = losses(np.concatenate(others), own[k])
            outer.append(held_out)
            seen = np.concatenate(inner)
            gaps.append((seen.mean() - held_out.mean()) ** 2)
            luck.append(held_out.var(ddof=1) / len(held_out))
            nested.append(seen.mean())
        plain.append(np.concatenate(outer).mean())
        naive.append(np.concatenate(outer).std(ddof=1) / math.sqrt(80))
    spread = math.sqrt(3 / 4 * max(0, np.mean(gaps) - np.mean(luck)))
    error = min(max(spread, np.mean(naive)), np.mean(naive) * 2)
    middle = np.mean(nested) - (1 + 2 / 4) * (np.mean(nested) - np.mean(plain))
    limits = middle + stats.norm.ppf([0.05, 0.95]) * error
    if score == "rmse":
        middle, limits = math.sqrt(middle), np.sqrt(limits)
    elif score == "r2":
        middle, limits = 1 - middle / y.var(), 1 - limits[::-1] / y.var()
    assert found.value == pytest.approx(middle, rel=1e-9)
    assert (found.lower, found.upper) == pytest.approx(tuple(limits), rel=1e-9)


def test_a_nested_interval_of_classes_lies_in_the_range_and_depends_on_the_seed_alone() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    one, two = (
        ek.nested_interval("linear", X[:150], y[:150], folds=3, repeats=2, rng=2) for _ in range(2)
    )
    assert 0.8 < one.lower < one.value < one.upper <= 1
    assert (one.value, one.lower) == (two.value, two.lower)


def test_nested_cross_validation_names_what_it_cannot_do() -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ek.DataError, match="no average over rows"):
        ek.nested_interval("linear", X, y, scoring="f1")
    with pytest.raises(ek.DataError, match="infinite in row"):
        ek.nested_interval(KNeighborsClassifier(1), X, y, folds=3, repeats=1, scoring="log_loss",
                           rng=1)  # fmt: skip
    with pytest.raises(ek.DataError, match="failed on nested fold 0"):
        ek.nested_interval(KNeighborsClassifier(140), X, y, folds=3, repeats=1)
    with pytest.raises(ek.DataError, match="folds of one row"):
        ek.nested_interval("linear", X[:12, :1], X[:12, 0], folds=10)


def test_five_by_two_is_made_of_five_stratified_halvings() -> None:
    X, y = load_iris(return_X_y=True)
    found = ek.five_by_two("knn", "linear", X, y, rng=3)
    result = ek.compare(["knn", "linear"], X, y, cv=(2, 5), rng=3)
    d = result.values("knn", result.scoring[0]) - result.values("linear", result.scoring[0])
    halves = d.reshape(5, 2)
    within = halves.var(axis=1, ddof=1)
    assert found.t.statistic == pytest.approx(halves[0, 0] / math.sqrt(within.mean()))
    assert found.f.statistic == pytest.approx((d**2).sum() / (2 * within.sum()))
    assert found.f.p_value == pytest.approx(stats.f.sf(found.f.statistic, 10, 5))
    twice = ek.five_by_two(KNeighborsClassifier(3), KNeighborsClassifier(3), X, y, rng=1)
    assert twice.t.a == "KNeighborsClassifier (a)"
    assert (twice.t.p_value, twice.f.p_value) == (1, 1)
