"""Bias² and variance in the table: those of ``bias_variance``, on rows that the folds part."""

from __future__ import annotations

from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

import estkit as ek
from estkit.comparison.folds import make_folds
from estkit.comparison.variability import training_and_test

X, Y = load_diabetes(return_X_y=True)
FIGURES = ["bias_squared", "bias_squared_mcse", "variance", "variance_mcse"]


def test_by_default_there_are_none() -> None:
    result = ek.compare("linear", X, Y, cv=3, rng=1)
    assert not result.decompositions
    assert not set(FIGURES) & set(result.table())
    assert "bias" not in str(result)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_the_figures_are_those_of_bias_variance(task: str) -> None:
    classes = task == "classification"
    known, outcome = load_iris(return_X_y=True) if classes else (X, Y)
    outcome = np.array(["a", "b", "c"])[outcome] if classes else outcome
    kind: Any = KNeighborsClassifier if classes else KNeighborsRegressor
    given: dict[str, Any] = {"cv": (5, 2), "rng": 3}
    result = ek.compare({"m": kind(3)}, known, outcome, **given, bias_variance=8)
    own = np.random.SeedSequence(3, spawn_key=(2,))
    train, test = training_and_test(result.folds, np.random.default_rng(own))
    expected = ek.bias_variance(
        make_pipeline(StandardScaler(), kind(3)), known[train], outcome[train],
        test=(known[test], outcome[test]), loss="zero_one" if classes else "squared",
        definition="kohavi_wolpert", rounds=8, rng=own,
    )  # fmt: skip
    row = result.table().set_index("model").loc["m"]
    for name, part in (("bias_squared", "bias"), ("variance", "variance")):
        assert row[name] == expected.value(part)
        assert row[f"{name}_mcse"] == expected.std_error(part)
    without = ek.compare({"m": kind(3)}, known, outcome, **given)
    assert result.scores().equals(without.scores())


def test_the_rule_of_thumb_comes_out_as_figures() -> None:
    """One neighbour varies the most; a line where the truth bends is biased, and hardly varies."""
    rng = np.random.default_rng(5)
    columns = rng.uniform(-2, 2, size=(400, 2))
    y = columns[:, 0] ** 2 + 0.3 * rng.normal(size=400)
    models = {"1-nn": KNeighborsRegressor(1), "9-nn": KNeighborsRegressor(9), "linear": "linear"}
    result = ek.compare(models, columns, y, cv=5, rng=1, bias_variance=40)
    of = result.table().set_index("model")
    far = 3 * (of["variance_mcse"] + of["bias_squared_mcse"])
    assert of["variance"]["1-nn"] - of["variance"]["9-nn"] > far["1-nn"]
    assert of["variance"]["9-nn"] - of["variance"]["linear"] > far["9-nn"]
    assert of["bias_squared"]["linear"] - of["bias_squared"]["1-nn"] > far["linear"]
    shown = {"text": str(result), "page": str(result.to_html(plots=False))}
    for name, text in shown.items():
        assert "bias²" in text, name
        assert "40 bootstrap training sets of 240 rows, at 160 other rows" in text, name
        assert "understates" in text, name


def test_workers_change_no_figure() -> None:
    models = {"tree": DecisionTreeRegressor(max_features=2)}
    with joblib.parallel_config("threading"):
        one, two = (
            ek.compare(models, X, Y, cv=3, rng=1, bias_variance=6, n_jobs=n).table()[FIGURES]
            for n in (1, 2)
        )
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(("cv", "groups"), [
    (None, None), ((2, 3), None), ("loo", None), ("time", None), (7, np.arange(200) // 4),
    ([(np.arange(100), np.arange(100, 200)), (np.arange(50, 200), np.arange(50))], None),
])  # fmt: skip
def test_test_rows_are_about_a_third_and_keep_to_the_folds(cv: Any, groups: Any) -> None:
    folds = make_folds(cv, np.zeros((200, 1)), np.arange(200.0), groups=groups, rng=1)
    train, test = training_and_test(folds, np.random.default_rng(1))
    assert not np.intersect1d(train, test).size
    assert len(np.unique(test)) == len(test)
    assert 0.2 * 200 <= len(test) <= 0.5 * 200
    assert len(train) >= 100
    if groups is not None:
        assert not np.intersect1d(groups[train], groups[test]).size
    if isinstance(cv, str) and cv == "time":
        assert train.max() < test.min()


class Moody(LinearRegression):  # type: ignore[misc]
    def fit(self, X: Any, y: Any) -> Any:
        if len(np.unique(X[:, 0])) < len(X):
            raise ValueError("a row stands there twice")
        return super().fit(X, y)


def test_a_model_that_fails_on_a_training_set_has_no_figures_and_a_reason() -> None:
    x = np.arange(60.0)[:, None]
    given = {"moody": Moody(), "linear": "linear"}
    result = ek.compare(given, x, np.sin(x[:, 0]), cv=3, rng=1, bias_variance=4)
    assert result.failures().empty
    of = result.table().set_index("model")[FIGURES]
    assert of.loc["moody"].isna().all()
    assert of.loc["linear"].notna().all()
    reason = "the model raised ValueError in round 0: a row stands there twice"
    assert f"moody: no bias² and variance: {reason}" in str(result)


@pytest.mark.parametrize("rounds", [2, 0, 10.0, np.inf, True])
def test_a_number_of_rounds_that_cannot_be_is_refused(rounds: Any) -> None:
    with pytest.raises(ek.DataError, match="at least 3, got"):
        ek.compare("linear", X, Y, bias_variance=rounds)
