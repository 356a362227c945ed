"""Tests of models on scikit-learn's built-in data are those of R (pROC too) and of baycomp."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

SAME = 1e-10  # the same formula in another order of operations
STORED = Path(__file__).parents[1] / "references" / "comparison"
GIVEN = json.loads((STORED / "builtin.json").read_text())  # what the models predicted
R = json.loads((STORED / "builtin_r.json").read_text())
Make = Callable[..., ek.Comparison]


def of(case: dict[str, Any]) -> str:
    return f"{case['a']}-{case['b']}"


@pytest.fixture
def cancer(made: Make) -> ek.Comparison:
    """Three models on breast_cancer."""
    given = GIVEN["cancer"]
    truth = np.array(given["truth"])
    told = {name: np.where(hit, truth, 1 - truth) for name, hit in given["hit"].items()}
    return made(told, truth, cv=(10, 2), classes=("malignant", "benign"), chances=given["chance"])


@pytest.mark.parametrize("case", R["mcnemar"], ids=of)
def test_mcnemar_is_that_of_r(case: dict[str, Any], cancer: ek.Comparison) -> None:
    exact = cancer.test(case["a"], case["b"], "mcnemar")
    chi2 = cancer.test(case["a"], case["b"], "mcnemar_chi2")
    assert exact.p_value == pytest.approx(case["exact"], rel=SAME)
    assert (chi2.statistic, chi2.p_value) == pytest.approx((case["chi2"], case["p_chi2"]), rel=SAME)


def test_cochran_is_the_friedman_test_of_hits_in_r(cancer: ek.Comparison) -> None:
    found = cancer.cochran_q()
    wanted = [R["cochran"][part] for part in ("statistic", "df", "p_value")]
    assert [found.statistic, found.df, found.p_value] == pytest.approx(wanted, rel=SAME)


@pytest.mark.parametrize("case", R["delong"], ids=of)
def test_delong_is_that_of_proc(case: dict[str, Any], cancer: ek.Comparison) -> None:
    found = cancer.test(case["a"], case["b"], "delong")
    assert found.estimate == pytest.approx(case["areas"][0] - case["areas"][1], rel=SAME)
    wanted = case["statistic"], case["p_value"], *case["interval"]
    assert (found.statistic, found.p_value, *found.interval) == pytest.approx(wanted, rel=SAME)


@pytest.mark.parametrize("rope", GIVEN["posterior"])
def test_the_correlated_t_is_that_of_baycomp(rope: str, of_errors: ek.Comparison) -> None:
    found = of_errors.test("knn", "linear", "bayesian", rope=float(rope)).posterior
    assert found is not None
    assert found._asdict() == pytest.approx(GIVEN["posterior"][rope], rel=SAME)


def test_the_naive_t_is_that_of_r(of_errors: ek.Comparison) -> None:
    found = of_errors.test("knn", "linear", "naive_t")
    wanted = R["t"]["statistic"], R["t"]["p_value"], *R["t"]["interval"]
    assert (found.statistic, found.p_value, *found.interval) == pytest.approx(wanted, rel=SAME)


@pytest.fixture
def of_errors(scored: Callable[..., ek.Comparison]) -> ek.Comparison:
    """KNN and least squares on diabetes, 10 folds, 3 times; the score is an error."""
    made = scored(GIVEN["rmse"], 3)
    (first,) = made.scoring
    error = ek.Score("rmse", first.function, False, "regression")
    return ek.Comparison(made.models, (error,), made.folds, (), made.outcome, made.trials, (), {})


def test_many_data_sets_are_judged_as_in_r() -> None:
    names = list(GIVEN["cancer"]["hit"])
    scores = pd.DataFrame(GIVEN["accuracy"], index=names).T
    found = ek.compare_datasets(scores, higher_is_better=True, rng=1, draws=100)
    wanted = R["friedman"]["statistic"], R["friedman"]["p_value"]
    assert (found.friedman.chi2, found.friedman.chi2_p_value) == pytest.approx(wanted, rel=SAME)
    by_pair = {frozenset((row["a"], row["b"])): row for _, row in found.pairwise().iterrows()}
    for number, pair in enumerate(itertools.combinations(names, 2)):
        row = by_pair[frozenset(pair)]
        assert row["p_value"] == pytest.approx(R["wilcoxon"]["raw"][number], rel=SAME)
        assert row["p_adjusted"] == pytest.approx(R["wilcoxon"]["holm"][number], rel=SAME)
