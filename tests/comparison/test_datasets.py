"""Many data sets: tests equal scipy, scikit-posthocs and baycomp; folds are no data sets."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

import estkit as ek
from estkit.comparison.rank_tests import critical_difference, wilcoxon

SAME = 1e-10  # the same formula in another order of operations
QUANTILE = 2e-4  # printed tables of quantiles have three decimals; scipy's are of an integral
CASES = json.loads(
    (Path(__file__).parents[1] / "references" / "comparison" / "paired.json").read_text()
)["datasets"]


def of(scores: Any, **options: Any) -> Any:
    options = {"higher_is_better": True, "rng": 1, "draws": 1000, **options}
    names = [f"m{j}" for j in range(np.shape(scores)[1])]
    return ek.compare_datasets(pd.DataFrame(scores, columns=names), **options)


@pytest.mark.parametrize("case", CASES)
def test_friedman_nemenyi_and_wilcoxon_are_those_of_scipy_and_scikit_posthocs(
    case: dict[str, Any],
) -> None:
    found = of(case["scores"])
    wanted = case["friedman"], case["p_value"]
    assert (found.friedman.chi2, found.friedman.chi2_p_value) == pytest.approx(wanted, rel=SAME)
    sets, models = np.shape(case["scores"])
    f = (sets - 1) * case["friedman"] / (sets * (models - 1) - case["friedman"])
    p = stats.f.sf(f, models - 1, (models - 1) * (sets - 1))
    assert (found.friedman.f, found.friedman.p_value) == pytest.approx((f, p), rel=SAME)
    for _, row in found.pairwise().iterrows():
        i, j = int(row["a"][1]), int(row["b"][1])
        assert row["p_nemenyi"] == pytest.approx(case["nemenyi"][i][j], rel=1e-6)
        assert row["p_adjusted"] == pytest.approx(case["wilcoxon_holm"][i][j], rel=SAME)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rope", ["0.0", "0.03"])
def test_the_bayesian_signed_rank_is_that_of_baycomp(case: dict[str, Any], rope: str) -> None:
    draws = 40_000
    row = of(case["scores"], rope=float(rope), draws=draws).pairwise().iloc[0]
    found = row[["p_better", "p_equivalent", "p_worse"]].to_numpy(float)
    # baycomp's own Monte-Carlo error, of 200,000 draws, is in it, too
    error = 4 * math.sqrt(0.25 / draws + 0.25 / 200_000)
    assert found == pytest.approx(case["signed_rank"][rope], abs=error)


@pytest.mark.parametrize(
    ("models", "sets", "quantile"),
    [(2, 14, 1.960), (4, 14, 2.569), (5, 30, 2.728), (10, 20, 3.164)],
)
def test_the_critical_difference_has_the_quantiles_that_demsar_prints(
    models: int, sets: int, quantile: float
) -> None:
    """His table 5(a) is already divided by the square root of 2, which is often forgotten."""
    wanted = quantile * math.sqrt(models * (models + 1) / (6 * sets))
    assert critical_difference(models, sets, 0.95) == pytest.approx(wanted, rel=QUANTILE)


@pytest.mark.parametrize(
    "differences",
    [
        [1.0, -2.0, 3.0, 4.0, 5.5],
        [0.0, 1.0, 1.0, -1.0, 2.0, 3.0, 0.0],
        [-1.0, -1.0, -1.0],
        [0.5, 0.25, -0.25, 0.75, 0.75, -0.5, 1.0, 0.0, 2.0],
    ],
)
def test_wilcoxon_with_ties_and_zeros_is_the_count_of_all_signs(differences: list[float]) -> None:
    d = np.array(differences)
    ranks = stats.rankdata(np.abs(d))
    moved = ranks[d != 0]
    sums = [np.dot(s, moved) for s in itertools.product([0, 1], repeat=len(moved))]
    positive = ranks[d > 0].sum()
    tail = min(np.mean(np.array(sums) <= positive), np.mean(np.array(sums) >= positive))
    assert wilcoxon(d)[1] == pytest.approx(min(1, 2 * tail), rel=SAME)
    if len(np.unique(np.abs(d))) == len(d) and (d != 0).all():
        assert wilcoxon(d)[1] == pytest.approx(stats.wilcoxon(d).pvalue, rel=SAME)


def test_neither_the_unit_of_scores_nor_their_last_bits_change_an_answer() -> None:
    rng = np.random.default_rng(11)
    percent = rng.integers(60, 95, size=(14, 4)).astype(float)
    percent[3, 1] = percent[3, 0]
    means = [[np.mean(rng.permutation([s, s + 1, s - 1, s])) for s in row] for row in percent / 7]
    told = [
        of(percent, rope=2.0),
        of(percent / 100, rope=0.02),
        of(1 - percent / 100, rope=0.02, higher_is_better=False),
        of(means, rope=2 / 7),
    ]
    columns = ["wins", "ties", "statistic", "p_value", "p_better", "p_equivalent"]
    assert told[0].pairwise()["ties"].iloc[0] >= 1
    for other in told[1:]:
        assert other.friedman == told[0].friedman
        assert other.pairwise()[columns].equals(told[0].pairwise()[columns])
    tiny = told[0].pairwise()[columns]
    assert of(percent * 1e-300, rope=2e-300).pairwise()[columns].equals(tiny)


def test_wilcoxon_is_normal_for_many() -> None:
    d = np.random.default_rng(1).normal(0.1, 1, 201)
    wanted = stats.wilcoxon(d, method="approx").pvalue
    assert wilcoxon(d)[1] == pytest.approx(wanted, rel=SAME)
    assert wilcoxon(d)[1] == pytest.approx(wilcoxon(d[:200])[1], rel=0.3)


def test_wilcoxon_keeps_its_level_for_two_models() -> None:
    """autorank picks the better one first, then tests one side: 0.115 at 0.05 (trap 14)."""
    rng, times = np.random.default_rng(2), 2000
    hits = sum(wilcoxon(rng.normal(size=10))[1] < 0.05 for _ in range(times))
    assert hits / times < 0.05 + 3 * math.sqrt(0.05 * 0.95 / times)


def test_the_direction_must_be_said_and_turns_the_ranks() -> None:
    """By default an error would be ranked upside down (traps 14 and 15)."""
    errors = pd.DataFrame({"good": [1.0, 2.0, 3.0], "bad": [2.0, 3.0, 4.0]})
    with pytest.raises(ek.DataError, match="say higher_is_better"):
        ek.compare_datasets(errors)
    assert list(ek.compare_datasets(errors, higher_is_better=False).ranks) == ["good", "bad"]
    assert list(ek.compare_datasets(errors, higher_is_better=True).ranks) == ["bad", "good"]


def test_the_direction_comes_with_comparisons() -> None:
    loads = (load_iris, load_wine, load_breast_cancer)
    results = [ek.compare(["linear", "tree"], *load(return_X_y=True), cv=3, rng=1)
               for load in loads]  # fmt: skip
    by_loss = ek.compare_datasets(results, score="brier", rng=1)
    assert not by_loss.higher_is_better
    assert by_loss.ranks["baseline"] == 3
    assert by_loss.scores.index.tolist() == ["data set 1", "data set 2", "data set 3"]
    mean = results[1].scores("brier").groupby("model")["value"].mean()
    assert by_loss.scores.loc["data set 2"].to_dict() == pytest.approx(mean.to_dict())
    with pytest.raises(ek.DataError, match="contradicts brier"):
        ek.compare_datasets(results, score="brier", higher_is_better=True)


def test_folds_of_one_data_set_are_refused() -> None:
    """Ten folds are no ten data sets, however they are wrapped (trap 17)."""
    data = load_diabetes(return_X_y=True)
    result = ek.compare(["linear", "tree"], *data, cv=4, rng=1)
    wide = result.scores("rmse").pivot_table(index="fold", columns="model", values="value")
    again = ek.compare(["linear", "tree"], *data, cv=4, rng=2)
    same_name = wide.set_axis(["diabetes"] * 4)
    for given in (result, wide, wide.reset_index(), [result, again], {"a": result, "b": again},
                  same_name):  # fmt: skip
        with pytest.raises(ek.DataError, match="folds of one data set"):
            ek.compare_datasets(given, higher_is_better=None if isinstance(given, list | dict)
                                else False)  # fmt: skip


def test_equal_models_and_full_agreement_are_answered() -> None:
    same = of(np.repeat(np.arange(8.0)[:, None], 3, axis=1))
    assert same.friedman == (0, 1, 0, 1)
    assert (same.pairwise()["p_value"] == 1).all()
    assert (same.pairwise()["p_nemenyi"] == 1).all()
    assert same.cliques() == [("m0", "m1", "m2")]
    agreed = of(np.arange(8.0)[:, None] + [0, 1, 2])
    assert math.isinf(agreed.friedman.f)
    assert agreed.friedman.p_value == pytest.approx(6.0**-7)


def test_cliques_are_runs_of_ranks_within_the_critical_difference() -> None:
    found = of(CASES[2]["scores"])
    ranks, limit = found.ranks, found.critical_difference
    bars = found.cliques()
    names = list(ranks)
    for a, b in itertools.combinations(names, 2):
        together = any(a in bar and b in bar for bar in bars)
        assert together == (abs(ranks[a] - ranks[b]) <= limit)
    for bar in bars:  # contiguous
        assert names[names.index(bar[0]) : names.index(bar[-1]) + 1] == list(bar)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (
            pd.DataFrame({"a": [1.0, np.nan], "b": [1.0, 2.0]}, index=["x", "y"]),
            "'a' on 'y' is nan",
        ),
        (pd.DataFrame({"a": [1.0, 2.0]}), "2 models or more"),
        (pd.DataFrame({"a": [1.0], "b": [2.0]}), "2 data sets"),
        (pd.DataFrame({"a": ["x", "y"], "b": [1.0, 2.0]}), "holds no numbers"),
        (pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=["a", "a"]), "twice"),
    ],
)
def test_a_table_that_cannot_be_compared_is_refused(scores: Any, message: str) -> None:
    with pytest.raises(ek.DataError, match=message):
        ek.compare_datasets(scores, higher_is_better=True)


def test_any_frame_is_taken_and_the_result_is_shown_and_stored() -> None:
    columns = {"a": [1.0, 2.0, 3.0], "b": [2.0, 1.0, 4.0], "c": [0.0, 0.5, 1.0]}
    found = [ek.compare_datasets(given, higher_is_better=True, rng=3)
             for given in (columns, pd.DataFrame(columns), pl.DataFrame(columns))]  # fmt: skip
    assert len({json.dumps(each.to_dict()) for each in found}) == 1
    assert "3 data sets: Wilcoxon's p cannot be below 0.25" in str(found[0])
    assert found[0].to_frame()["best"].tolist() == [2, 1, 0]
    chosen = ek.compare_datasets(columns, higher_is_better=True, models=["c", "a"], rng=1)
    assert set(chosen.ranks) == {"a", "c"}
    with pytest.raises(ek.DataError, match="'z' is not a model"):
        ek.compare_datasets(columns, higher_is_better=True, models=["a", "z"])
