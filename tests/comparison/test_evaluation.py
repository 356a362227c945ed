"""Every model is fitted anew on the same folds; what goes wrong is an outcome with its reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import estkit as ek
from estkit.estimate import with_error

SAME = 1e-12
IRIS = load_iris(return_X_y=True)
SPLITS = StratifiedKFold(4, shuffle=True, random_state=3)
SCIKIT = {"accuracy": "accuracy", "log_loss": "neg_log_loss", "roc_auc": "roc_auc_ovr",
          "balanced_accuracy": "balanced_accuracy", "f1": "f1_macro"}  # fmt: skip


class Picky(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, X: Any, y: Any) -> Any:
        if X[0, 0] == IRIS[0][0, 0]:
            raise ValueError("I do not like that row")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize("score", SCIKIT)
def test_scores_are_those_of_scikit_learn(score: str) -> None:
    model = LogisticRegression(C=0.1, max_iter=1000)
    found = ek.compare({"m": model}, *IRIS, cv=SPLITS, scoring=score).values(
        "m", ek.compare({"m": model}, *IRIS, cv=SPLITS, scoring=score).scoring[0]
    )
    expected = cross_validate(model, *IRIS, cv=SPLITS, scoring=SCIKIT[score])["test_score"]
    np.testing.assert_allclose(found, -expected if score == "log_loss" else expected, rtol=SAME)


@pytest.mark.parametrize("score", ["rmse", "mae", "r2", "mse"])
def test_scores_of_numbers_are_those_of_scikit_learn(score: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    result = ek.compare({"m": LinearRegression()}, X, y, cv=(5, 2), scoring=score, rng=4)
    own = {
        "rmse": metrics.root_mean_squared_error, "mae": metrics.mean_absolute_error,
        "r2": metrics.r2_score, "mse": metrics.mean_squared_error,
    }[score]  # fmt: skip
    expected = []
    for train, test in zip(result.folds.train, result.folds.test, strict=True):
        fitted = LinearRegression().fit(X[train], y[train])
        expected.append(own(y[test], fitted.predict(X[test])))
    np.testing.assert_allclose(result.values("m", result.scoring[0]), expected, rtol=SAME)


def test_every_prediction_is_kept() -> None:
    model = make_pipeline(StandardScaler(), KNeighborsClassifier())
    result = ek.compare({"knn": KNeighborsClassifier()}, *IRIS, cv=SPLITS)
    frame = result.predictions().query("model == 'knn'").sort_values("row")
    assert frame["row"].tolist() == list(range(150))
    assert frame["prediction"].tolist() == cross_val_predict(model, *IRIS, cv=SPLITS).tolist()
    known = cross_val_predict(model, *IRIS, cv=SPLITS, method="predict_proba")
    np.testing.assert_array_equal(frame[["p(0)", "p(1)", "p(2)"]], known)
    assert result.notes == ("knn: columns scaled.",)


def test_the_numbers_do_not_depend_on_the_workers() -> None:
    models = {"forest": RandomForestClassifier(20), "tree": DecisionTreeClassifier(), "knn": "knn"}
    one, two = (ek.compare(models, *IRIS, cv=(3, 2), rng=8, n_jobs=n) for n in (1, 2))
    assert one.folds.fingerprint == two.folds.fingerprint
    pd.testing.assert_frame_equal(one.predictions(), two.predictions())
    other = ek.compare(models, *IRIS, cv=one.folds, rng=9).predictions()
    assert not other.equals(one.predictions())  # the forest draws from the seed


def test_a_model_is_not_changed_and_its_name_decides_its_randomness() -> None:
    model = RandomForestClassifier(20)
    alone = ek.compare({"forest": model}, *IRIS, cv=3, rng=8)
    assert not hasattr(model, "estimators_")
    beside = ek.compare({"tree": "tree", "forest": clone(model)}, *IRIS, cv=3, rng=8)
    assert alone.values("forest", alone.scoring[0]).tolist() == (
        beside.values("forest", beside.scoring[0]).tolist()
    )


def test_a_failure_is_an_outcome_and_leaves_the_others_alone() -> None:
    result = ek.compare({"picky": Picky(), "knn": "knn"}, *IRIS, cv=4, rng=1)
    without = ek.compare({"knn": "knn"}, *IRIS, cv=4, rng=1)
    failures = result.failures()
    assert set(failures["model"]) == {"picky"}
    assert len(failures) == 3  # row 0 trains in three of four
    assert "ValueError: I do not like that row" in failures["reason"][0]
    assert result.values("knn", result.scoring[0]).tolist() == (
        without.values("knn", without.scoring[0]).tolist()
    )
    assert np.isnan(result.values("picky", result.scoring[0])).sum() == 3


def test_a_class_that_training_rows_lack_has_probability_0() -> None:
    X, y = IRIS
    cv = [(np.arange(100), np.arange(100, 150)), (np.arange(50, 150), np.arange(50))]
    result = ek.compare({"linear": "linear"}, X, y, cv=cv)
    first = result.predicted("linear", 0)
    assert first is not None
    assert first.probability is not None
    assert first.probability.shape == (50, 3)
    assert (first.probability[:, 2] == 0).all()
    assert np.isinf(result.values("linear", result.checked_score("log_loss"))).all()


def mixed(rows: int = 60) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({
        "age": rng.normal(50, 10, rows), "income": rng.lognormal(10, 1, rows),
        "region": rng.choice(["north", "south"], rows),
    })  # fmt: skip
    y = np.where(frame["age"] + 10 * (frame["region"] == "north") > 55, "yes", "no")
    frame.loc[::7, "income"] = np.nan
    frame.loc[3, "region"] = None
    return frame, y


def test_mixed_columns_with_gaps_are_made_ready_inside_the_folds() -> None:
    frame, y = mixed()
    before = frame.copy()
    result = ek.compare(["knn", "linear", "tree", "boosting", "forest"], frame, y, cv=4, rng=1)
    assert result.failures().empty
    pd.testing.assert_frame_equal(frame, before)
    assert "knn: missing values filled in, categories one-hot, columns scaled." in result.notes
    assert "boosting: categories one-hot." in result.notes  # it takes gaps as they are
    same = ek.compare(["knn"], pl.from_pandas(frame), y, cv=result.folds, rng=1)
    assert same.predictions().query("model == 'knn'")["prediction"].tolist() == (
        result.predictions().query("model == 'knn'")["prediction"].tolist()
    )


def test_nothing_is_learnt_from_test_rows() -> None:
    """The filled-in value is the median of the training rows, not of all."""
    X = np.array([[0.0], [0.0], [0.0], [np.nan], [100.0], [100.0], [100.0], [100.0]])
    y = np.array([0.0, 0.0, 0.0, 5.0, 1.0, 1.0, 1.0, 1.1])
    cv = [(np.array([0, 1, 2, 4]), np.array([3, 5, 6, 7]))]
    result = ek.compare({"line": LinearRegression()}, X, y, cv=cv, task="regression")
    assert result.predictions()["prediction"][0] == pytest.approx(0.0, abs=1e-12)


def test_sparse_columns_and_named_labels() -> None:
    X, y = IRIS
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    dense = ek.compare({"m": LogisticRegression(max_iter=500)}, X, names, cv=SPLITS)
    thin = ek.compare(
        {"m": LogisticRegression(max_iter=500)}, sparse.csr_array(X), names, cv=SPLITS
    )
    assert dense.predictions()["prediction"].tolist() == thin.predictions()["prediction"].tolist()
    assert set(dense.predictions()["prediction"]) == set(names)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "lengths": ({"y": [0, 1]}, "X has 150 rows, but y has 2"),
    "a gap in y": ({"y": [None, *["a", "b"] * 74, "a"]}, "y has no value in row 0"),
    "a single class": ({"y": ["a"] * 150}, "single class 'a'"),
    "a constant": ({"y": [1.5] * 150}, "y is constant"),
    "infinite": ({"X": np.full((150, 1), np.inf)}, "X is infinite in row 0 of column 'x0'"),
    "an infinite y": ({"y": [np.inf, *np.linspace(0, 1, 149)]}, "y is infinite in row 0"),
    "a model for numbers": ({"models": {"m": LinearRegression()}}, "is for regression"),
    "no model": ({"models": {}}, "no model"),
    "an unknown name": ({"models": ["svm"]}, "knows boosting, forest, knn"),
    "one name twice": ({"models": ["knn", "knn"]}, "two models are called 'knn'"),
    "the name of the baseline": ({"models": {"baseline": "knn"}}, "always added"),
    "a function": ({"models": {"m": np.mean}}, "must be a scikit-learn estimator"),
    "a score for numbers": ({"scoring": "rmse"}, "no score for classification"),
    "an unknown score": ({"scoring": "kappa"}, "'kappa' is not a score"),
    "a task": ({"task": "ranking"}, "got 'ranking'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_compared_is_refused(case: str) -> None:
    given, message = WRONG[case]
    called = {"models": ["knn"], "X": IRIS[0], "y": IRIS[1], **given}
    with pytest.raises(ek.DataError, match=message):
        ek.compare(called.pop("models"), called.pop("X"), called.pop("y"), cv=3, **called)


def test_a_name_that_is_not_there_is_refused() -> None:
    result = ek.compare("knn", *IRIS, cv=3, rng=1)
    with pytest.raises(ek.DataError, match="'tree' is not a model here; they are knn, baseline"):
        result.values("tree", result.scoring[0])
    with pytest.raises(ek.DataError, match="'f1' was not among the scores"):
        result.scores("f1")


def test_every_score_of_the_table_has_the_error_of_its_interval() -> None:
    result = ek.compare(["knn", "linear"], *load_diabetes(return_X_y=True), cv=5, rng=1)
    table, text = result.table().set_index("model"), str(result)
    for score in ("mae", "r2"):
        errors = result.intervals(score).set_index("model")["std_error"]
        for model in table.index:
            value, error = table.loc[model, [score, f"{score}_error"]]
            assert error == pytest.approx(errors[model], rel=SAME)
            assert "{} ({})".format(*with_error(value, error)) in text


def test_the_table_has_the_degrees_of_freedom_of_the_first_fold() -> None:
    result = ek.compare(["knn", "linear"], *load_diabetes(return_X_y=True), cv=5, rng=1)
    table = result.table().set_index("model")["degrees_of_freedom"]
    train = len(result.folds.train[0])
    assert table.to_dict() == {"linear": 11.0, "knn": train / 5, "baseline": 1.0}


def test_forward_in_time_the_last_and_longest_fold_tells_the_size_of_models() -> None:
    result = ek.compare("knn", np.arange(60.0)[:, None], np.arange(60.0), cv=("time", 5), rng=1)
    neighbours = 5
    table = result.table().set_index("model")
    assert table.loc["knn", "degrees_of_freedom"] == len(result.folds.train[-1]) / neighbours == 10
    whole = ek.compare("knn", np.arange(50.0)[:, None], np.arange(50.0), cv=5, rng=1).table()
    assert table.loc["knn", "bytes"] > whole.set_index("model").loc["knn", "bytes"]


class Centred(BaseEstimator, RegressorMixin):  # type: ignore[misc]
    """A model with a parameter that may be impossible to store, such as a lambda."""

    def __init__(self, middle: Any = np.mean, random_state: Any = None) -> None:
        self.middle, self.random_state = middle, random_state

    def fit(self, X: Any, y: Any) -> Centred:
        if hasattr(self, "drawn_"):
            raise RuntimeError("a model was fitted twice")
        self.drawn_ = np.random.default_rng(self.random_state).normal()
        self.value_ = self.middle(y) + self.drawn_
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.value_)


def test_every_fold_has_a_model_of_its_own_with_a_seed_of_its_own() -> None:
    """Also where a model cannot be pickled, so that it is cloned for every fold."""
    X, y = load_diabetes(return_X_y=True)
    one = ek.compare({"m": Centred(np.mean)}, X, y, cv=4, rng=3)
    two = ek.compare({"m": Centred(lambda y: np.mean(y))}, X, y, cv=4, rng=3)
    levels = []
    for fold in range(4):
        told = one.trials["m", fold].prediction
        np.testing.assert_array_equal(told, two.trials["m", fold].prediction)
        levels.append(told[0] - y[one.folds.train[fold]].mean())
    assert len(set(levels)) == 4
