"""What mlxtend finds with the same draws and splits, where it is right; else the right number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline

import estkit as ek

SAME = 1e-10  # the same numbers in another order of operations
STORED = json.loads(
    (Path(__file__).parents[1] / "references" / "comparison" / "mlxtend.json").read_text()
)
PARTS = {(case["data"], case["model"]): case for case in STORED["decompositions"]}
TESTS = {case["test"]: case for case in STORED["tests"]}
SQUARED = {
    "knn 1": KNeighborsRegressor(1),
    "knn 5": KNeighborsRegressor(5),
    "ols": LinearRegression(),
}
CLASSES = {"two classes": (load_breast_cancer, 3), "three classes": (load_wine, 5)}
ROWS = 178


def drawn(rows: int, rounds: int) -> Any:
    """Return the rows that mlxtend draws."""
    state = np.random.RandomState(STORED["seed"])
    return np.stack([state.choice(np.arange(rows), size=rows) for _ in range(rounds)])


def halves(y: Any) -> tuple[Any, Any]:
    """Return the rows that are drawn from, and those that are predicted."""
    asked = np.arange(len(y)) % 3 == 0
    return np.flatnonzero(~asked), np.flatnonzero(asked)


@pytest.mark.parametrize("name", SQUARED)
def test_squared_loss_is_that_of_mlxtend_and_its_parts_but_for_the_rounds(name: str) -> None:
    """mlxtend divides variance by rounds, and leaves variance / rounds in bias² (trap 18)."""
    X, y = load_diabetes(return_X_y=True)
    known, asked = halves(y)
    case = PARTS["diabetes", name]
    rounds = case["rounds"]
    found = ek.bias_variance(
        SQUARED[name], X[known], y[known], test=(X[asked], y[asked]),
        draws=drawn(len(known), rounds),
    )  # fmt: skip
    variance = case["variance"] * rounds / (rounds - 1)
    assert found.value("loss") == pytest.approx(case["loss_value"], rel=SAME)
    assert found.value("variance") == pytest.approx(variance, rel=SAME)
    assert found.value("bias") == pytest.approx(case["bias"] - variance / rounds, rel=SAME)


@pytest.mark.parametrize("data", CLASSES)
def test_parts_of_zero_one_loss_sum_where_those_of_mlxtend_do_not(data: str) -> None:  # trap 10
    load, k = CLASSES[data]
    X, y = load(return_X_y=True)
    X = X[:, : 2 if data == "two classes" else 4]
    known, asked = halves(y)
    case = PARTS[data, f"class {k}"]
    draws = drawn(len(known), case["rounds"])
    found = ek.bias_variance(
        KNeighborsClassifier(k), X[known], y[known], loss="zero_one",
        test=(X[asked], y[asked]), draws=draws,
    )  # fmt: skip
    assert found.value("loss") == pytest.approx(case["loss_value"], rel=SAME)
    assert found.value("bias") == pytest.approx(case["bias"], rel=SAME)
    assert abs(case["bias"] + case["variance"] - case["loss_value"]) > 0.01
    # Row by row: a prediction that differs from the main one is a loss on an unbiased row, and on
    # a biased row a gain if it is right, and neither if it is wrong in another way.
    told = np.array([
        KNeighborsClassifier(k).fit(X[known][d], y[known][d]).predict(X[asked]) for d in draws
    ])  # fmt: skip
    loss, gain = [], []
    for truth, column in zip(y[asked].tolist(), told.T.tolist(), strict=True):
        main = max(sorted(set(column)), key=column.count)
        biased = main != truth
        loss.append(0.0 if biased else np.mean([each != main for each in column]))
        gain.append(np.mean([each == truth for each in column]) if biased else 0.0)
    assert found.value("unbiased variance") == pytest.approx(np.mean(loss), abs=SAME)
    assert found.value("biased variance") == pytest.approx(np.mean(gain), abs=SAME)
    assert found.value("variance") == pytest.approx(np.mean(loss) - np.mean(gain), abs=SAME)
    total = found.value("bias") + found.value("variance")
    assert total == pytest.approx(case["loss_value"], abs=1e-12)
    if data == "two classes":  # where all that differs on a biased row is right
        assert case["variance"] == pytest.approx(np.mean(loss) + np.mean(gain), abs=SAME)


def compared(pairs: Any) -> ek.Comparison:
    X, y = load_wine(return_X_y=True)
    unscaled = make_pipeline("passthrough", KNeighborsClassifier(3))  # a pipeline stays as it is
    models = {"knn": unscaled, "bayes": GaussianNB()}
    return ek.compare(models, X[:, :4], y, cv=pairs, scoring="accuracy", rng=1)


def random_splits(times: int, size: float, *, both_ways: bool) -> list[Any]:
    """Return the splits of mlxtend, which draws a seed for each."""
    state, pairs = np.random.RandomState(STORED["seed"]), []
    for _ in range(times):
        train, test = train_test_split(
            np.arange(ROWS), test_size=size, random_state=state.randint(low=0, high=32767)
        )
        pairs += [(train, test), (test, train)] if both_ways else [(train, test)]
    return pairs


@pytest.mark.parametrize(
    ("method", "name"),
    [("five_by_two_t", "paired_ttest_5x2cv"), ("five_by_two_f", "combined_ftest_5x2cv")],
)
def test_five_by_two_on_the_splits_of_mlxtend(method: str, name: str) -> None:
    found = compared(random_splits(5, 0.5, both_ways=True)).test("knn", "bayes", method)
    assert found.statistic == pytest.approx(TESTS[name]["statistic"], rel=SAME)
    assert found.p_value == pytest.approx(TESTS[name]["p_value"], rel=SAME)


@pytest.mark.parametrize("name", ["paired_ttest_kfold_cv", "paired_ttest_resampled"])
def test_the_t_of_mlxtend_is_the_naive_one_and_the_default_is_corrected(name: str) -> None:
    """Training sets overlap, so the differences of folds are not independent."""
    if name == "paired_ttest_kfold_cv":
        cv = KFold(10, shuffle=True, random_state=STORED["seed"])
        pairs, count = list(cv.split(np.zeros((ROWS, 1)))), 10
    else:
        pairs, count = random_splits(30, 0.3, both_ways=False), 30
    share = np.mean([len(test) / len(train) for train, test in pairs])
    result, case = compared(pairs), TESTS[name]
    naive, default = result.test("knn", "bayes", "naive_t"), result.test("knn", "bayes")
    assert naive.statistic == pytest.approx(case["statistic"], rel=SAME)
    assert naive.p_value == pytest.approx(case["p_value"], rel=SAME)
    t = case["statistic"] / np.sqrt(1 + count * share)  # Nadeau and Bengio (2003)
    assert default.statistic == pytest.approx(t, rel=SAME)
    assert default.p_value == pytest.approx(2 * stats.t.sf(abs(t), count - 1), rel=SAME)
    assert default.p_value > case["p_value"]
