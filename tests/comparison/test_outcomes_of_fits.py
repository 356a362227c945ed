"""What becomes of a fit that fails, answers nonsense or cannot be stored, and of wrong folds."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GroupKFold

import estkit as ek

X, Y = load_iris(return_X_y=True)


class Odd(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that goes wrong in a way of its own."""

    def __init__(self, how: str = "") -> None:
        self.how = how

    def fit(self, X: Any, y: Any) -> Odd:
        self.classes_ = np.unique(y)
        if self.how == "memory" and "NO_MEMORY" in os.environ:
            raise np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype(float))
        if self.how == "lambda":
            self.kept = lambda: 1
        return self

    def predict(self, X: Any) -> Any:
        if self.how == "label":
            return np.full(len(X), 7)
        return np.zeros(len(X) - (self.how == "short"), int)

    def predict_proba(self, X: Any) -> Any:
        return np.full((len(X), 3), np.nan if self.how == "nan" else 1 / 3)


@pytest.mark.parametrize(("how", "reason"), [
    ("label", "predicted 7, which is no label of y"),
    ("short", "gave 49 predictions for 50 rows"),
    ("nan", "probabilities that are not finite"),
])  # fmt: skip
def test_an_answer_that_is_none_is_a_failure_with_its_reason(how: str, reason: str) -> None:
    result = ek.compare({"odd": Odd(how), "knn": "knn"}, X, Y, cv=3, rng=1)
    assert result.failures()["reason"].str.contains(reason).tolist() == [True] * 3
    own = result.table().set_index("model").loc["odd"]
    assert np.isnan(own["predict_seconds_per_row"]) and np.isnan(own["fit_seconds"])
    assert math.isfinite(result.table().set_index("model").loc["knn", "value"])


def test_a_model_that_cannot_be_stored_has_no_size() -> None:
    result = ek.compare({"odd": Odd("lambda"), "knn": "knn"}, X, Y, cv=3, rng=1)
    sizes = result.table().set_index("model")["bytes"]
    assert sizes.isna().to_dict() == {"odd": True, "knn": False, "baseline": False}
    assert {row["model"]: row["bytes"] for row in result.to_dict()["table"]}["odd"] is None


def test_a_lack_of_memory_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = {"models": {"odd": Odd("memory"), "label": Odd("label")}, "X": X, "y": Y, "cv": 3}
    monkeypatch.setenv("NO_MEMORY", "1")
    first = ek.compare(**called, rng=1, store=tmp_path)
    assert first.failures()["model"].tolist() == ["odd"] * 3 + ["label"] * 3
    monkeypatch.delenv("NO_MEMORY")
    again = ek.compare(**called, rng=1, store=tmp_path)
    assert again.failures()["model"].tolist() == ["label"] * 3


def test_pairs_without_a_test_say_why_and_leave_the_others_alone() -> None:
    models = {"odd": Odd("label"), "knn": "knn", "linear": "linear", "votes": RidgeClassifier()}
    result = ek.compare(models, X, Y, cv=5, scoring=["accuracy", "brier"], rng=1)
    found = result.pairwise()
    lacking = (found["a"] == "odd") | (found["b"] == "odd")
    assert found.loc[lacking, "p_value"].isna().all() and lacking.sum() == 4
    assert found.loc[lacking, "notes"].str.startswith("no test: 'odd' and").all()
    alone = ek.compare({n: m for n, m in models.items() if n != "odd"}, X, Y, cv=5,
                       scoring=["accuracy", "brier"], rng=1).pairwise()  # fmt: skip
    assert found.loc[~lacking, "p_adjusted"].tolist() == alone["p_adjusted"].tolist()
    probable = result.pairwise(score="brier", method="clt")
    assert probable["p_value"].notna().sum() == 3  # knn, linear and the baseline
    with pytest.raises(ek.DataError, match="not a test"):
        result.pairwise(method="t")


def test_a_model_without_a_miss_has_an_interval_all_the_same() -> None:
    result = ek.compare("knn", X[:100], Y[:100], cv=10, rng=1)
    limits = stats.binomtest(100, 100).proportion_ci(0.95, method="wilson")
    for found in (result.table(), result.intervals(), result.intervals(method="clt")):
        own = found.set_index("model").loc["knn"]
        assert own["value"] == own["upper"] == 1
        assert own["lower"] == pytest.approx(limits.low, rel=1e-12)


WRONG = {
    "a float": ({"cv": 3.0}, "whole number, .* got 3.0"),
    "a truth value": ({"cv": True}, "got True"),
    "three": ({"cv": (3, 2, 1)}, r"\(folds, repeats\)"),
    "one": ({"cv": (3,)}, r"\(folds, repeats\)"),
    "groups of too few": ({"groups": [1, 2]}, "one value for each of the 150 rows"),
    "a single group": (
        {"groups": [1] * 150, "cv": None},
        "a single group, fewer than 2 folds",
    ),
    "a single group left out": ({"groups": [1] * 150, "cv": "loo"}, "groups has a single group"),
    "a gap in groups": ({"groups": ["a", None] * 75}, "groups has no value in row 1"),
    "no groups": ({"cv": GroupKFold(3)}, "GroupKFold cannot split these rows"),
    "too few truth values": ({"cv": [(np.arange(9) < 5, np.arange(9) > 4)]}, "must be 150"),
    "no worker": ({"n_jobs": 0}, "n_jobs must be"),
    "workers as text": ({"n_jobs": "all"}, "n_jobs must be"),
    "a list of scores": ({"scoring": [["accuracy"]]}, "is not a score"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_are_refused_with_what_was_expected(case: str) -> None:
    given, message = WRONG[case]
    with pytest.raises(ek.DataError, match=message):
        ek.compare("knn", X, Y, **{"cv": 3, **given})


def test_r2_of_single_rows_is_told_where_to_find() -> None:
    rows = np.arange(30.0)
    result = ek.compare("linear", rows[:, None], rows + X[:30, 0], cv="loo", scoring="r2")
    assert "linear: 30 of 30 folds have no r2" in str(result)
    assert "intervals('r2', 'clt') pools the rows" in str(result)
    assert result.intervals("r2", "clt")["value"].max() > 0.9


def test_groups_may_be_of_any_kind() -> None:
    names = np.array(["u", "v", "w", "x", "y", "z"], object)[np.arange(150) % 6]
    kinds = [names.astype(str), names.tolist(), (np.arange(150) % 6)[:, None]]
    marks = {ek.compare("knn", X, Y, groups=g, cv=3, rng=1).folds.fingerprint for g in kinds}
    assert len(marks) == 1


def test_a_rope_is_a_number() -> None:
    result = ek.compare({"same": DummyClassifier()}, X, Y, cv=3, rng=1)
    with pytest.raises(ek.DataError, match="rope is the largest difference"):
        result.test("same", "baseline", "bayesian", rope="wide")  # type: ignore[arg-type]


class Alone:
    """An estimator that inherits nothing."""

    def fit(self, X: Any, y: Any) -> Alone:
        self.most = max(set(np.asarray(y).tolist()), key=np.asarray(y).tolist().count)
        return self

    def predict(self, X: Any) -> Any:
        return np.repeat(self.most, len(X))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def set_params(self, **given: Any) -> Alone:
        return self


def test_an_estimator_that_inherits_nothing_is_compared() -> None:
    result = ek.compare({"alone": Alone()}, X, Y, cv=3, rng=1)
    assert not len(result.failures())
    truth = result.predictions().query("model == 'alone'")
    assert result.values("alone", result.scoring[0]).mean() == pytest.approx(
        (truth["truth"] == truth["prediction"]).groupby(truth["fold"]).mean().mean(), abs=1e-12
    )


def test_a_calibration_has_a_whole_number_of_rounds() -> None:
    with pytest.raises(ek.DataError, match=r"rounds must be a whole number of 1 or more, got 2\.5"):
        ek.calibrate_test("knn", "linear", X, Y, rounds=2.5)  # type: ignore[arg-type]
