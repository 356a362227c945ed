"""Tests on pooled predictions equal R, statsmodels and mlxtend where they are right."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_diabetes, load_iris

import estkit as ek
from estkit.comparison.trial import Trial

SAME = 1e-10  # the same formula in another order of operations
STORED = Path(__file__).parents[1] / "references" / "comparison"
PAIRED = json.loads((STORED / "paired.json").read_text())
DELONG = json.loads((STORED / "delong.json").read_text())
Make = Callable[..., ek.Comparison]
LABELS = ("no", "yes")


def of_hits(made: Make, hits: Any, **options: Any) -> ek.Comparison:
    """Return a comparison whose models hit exactly these rows."""
    truth = np.arange(len(hits[0])) % 2
    models = {f"m{i}": np.where(hit, truth, 1 - truth) for i, hit in enumerate(np.array(hits))}
    return made(models, truth, classes=LABELS, scoring="accuracy", **options)


@pytest.mark.parametrize("case", PAIRED["mcnemar"])
def test_mcnemar_is_that_of_mlxtend_and_statsmodels(case: dict[str, Any], made: Make) -> None:
    result = of_hits(made, case["hits"], cv=(5, 3))
    exact = result.test("m0", "m1", "mcnemar")
    chi2 = result.test("m0", "m1", "mcnemar_chi2")
    assert exact.p_value == pytest.approx(case["exact"], rel=SAME)
    assert (chi2.statistic, chi2.p_value) == pytest.approx((case["chi2"], case["p_chi2"]), rel=SAME)
    first, second = map(np.mean, case["hits"])
    assert exact.estimate == pytest.approx(first - second, rel=SAME, abs=1e-15)
    assert exact.lower <= exact.estimate <= exact.upper
    assert "each by its first prediction" in exact.basis


@pytest.mark.parametrize(("alone", "other"), [(0, 0), (3, 3), (4, 3), (7, 0)])
def test_mcnemar_is_never_corrected_past_nothing(alone: int, other: int, made: Make) -> None:
    """mlxtend gives p = 0 for b = c = 0, and chi-squared 1/6 for b = c = 3 (trap 8)."""
    hits = np.ones((2, 20), bool)
    hits[1, :alone] = hits[0, alone : alone + other] = False
    result = of_hits(made, hits)
    exact = result.test("m0", "m1", "mcnemar")
    assert exact.p_value == pytest.approx(
        stats.binomtest(alone, alone + other).pvalue if alone + other else 1
    )
    chi2 = result.test("m0", "m1", "mcnemar_chi2")
    total = max(alone + other, 1)
    assert chi2.statistic == pytest.approx(max(abs(alone - other) - 1, 0) ** 2 / total)
    sides = [result.test("m0", "m1", "mcnemar", alternative=a).p_value for a in ("better", "worse")]
    if alone + other:
        names = ("greater", "less")
        wanted = [stats.binomtest(alone, alone + other, alternative=n).pvalue for n in names]
        assert sides == pytest.approx(wanted)
    else:
        assert sides == [1, 1]


def test_the_interval_of_mcnemar_covers(made: Make) -> None:
    """95 % of intervals of a difference of 0.05 hold it, at 60 rows, within Monte-Carlo error."""
    rng, times = np.random.default_rng(2), 400
    inside = 0
    for _ in range(times):
        kind = rng.choice(4, size=60, p=[0.6, 0.15, 0.1, 0.15])
        hits = np.isin(kind, [0, 1]), np.isin(kind, [0, 2])
        found = of_hits(made, hits, cv=2).test("m0", "m1", "mcnemar")
        inside += found.lower <= 0.05 <= found.upper
    assert abs(inside / times - 0.95) < 4 * math.sqrt(0.95 * 0.05 / times)


@pytest.mark.parametrize("case", PAIRED["cochran"])
def test_cochran_is_that_of_mlxtend_and_statsmodels(case: dict[str, Any], made: Make) -> None:
    found = of_hits(made, case["hits"]).cochran_q()
    wanted = case["statistic"], case["p_value"]
    assert (found.statistic, found.p_value) == pytest.approx(wanted, rel=SAME)
    assert found.df == len(case["hits"]) - 1
    np.testing.assert_allclose(found.accuracy, np.mean(case["hits"], axis=1))


def test_cochran_answers_for_equal_models_and_refuses_others(made: Make) -> None:
    result = of_hits(made, np.ones((3, 12), bool))
    found = result.cochran_q()
    assert (found.statistic, found.p_value) == (0, 1)
    with pytest.raises(ek.DataError, match="two different models"):
        result.cochran_q(["m0", "m0"])
    with pytest.raises(ek.DataError, match="is about classes"):
        made({"a": np.ones(9), "b": np.ones(9)}, np.ones(9)).cochran_q()


@pytest.mark.parametrize("case", DELONG)
def test_delong_is_that_of_proc(case: dict[str, Any], made: Make) -> None:
    truth = np.array(case["truth"])
    chances = {name: 1 / (1 + np.exp(-np.array(case[name]))) for name in ("first", "second")}
    models = {name: (chance > 0.5).astype(int) for name, chance in chances.items()}
    result = made(models, truth, classes=LABELS, chances=chances, cv=(3, 2))
    found = result.test("first", "second", "delong")
    assert found.estimate == pytest.approx(case["areas"][0] - case["areas"][1], rel=SAME)
    wanted = case["statistic"], case["p_value"], *case["interval"]
    got = found.statistic, found.p_value, *found.interval
    assert got == pytest.approx(wanted, rel=SAME)


def test_delong_says_what_it_cannot_do(made: Make) -> None:
    iris = ek.compare("knn", *load_iris(return_X_y=True), cv=5, rng=1)
    with pytest.raises(ek.DataError, match="roc_auc of two classes"):
        iris.test("knn", "baseline", "delong")
    truth = np.arange(10) % 2
    without = made({"a": truth, "b": truth}, truth, classes=LABELS)
    with pytest.raises(ek.DataError, match="probabilities"):
        without.test("a", "b", "delong")
    sure = made({"a": truth, "b": truth}, truth, classes=LABELS,
                chances={"a": truth, "b": np.full(10, 0.3)})  # fmt: skip
    found = sure.test("a", "b", "delong")
    assert (found.estimate, found.std_error) == (0.5, 0)
    assert found.p_value == 2.0**-4  # five rows of each class, all on one side
    assert "sign test" in found.notes[0]


@pytest.mark.parametrize("score", ["mse", "mae", "rmse", "r2"])
def test_clt_is_the_paired_z_of_the_losses(score: str, made: Make) -> None:
    rng = np.random.default_rng(8)
    truth = rng.normal(size=200)
    models = {"a": truth + rng.normal(size=200), "b": truth + 1.3 * rng.normal(size=200)}
    found = made(models, truth, scoring=score).test("a", "b", "clt")
    power = 1 if score == "mae" else 2
    losses = np.array([np.abs(models[name] - truth) ** power for name in "ab"])
    if score in ("mse", "mae"):
        d = losses[0] - losses[1]
        assert found.estimate == pytest.approx(d.mean(), rel=SAME)
        assert found.std_error == pytest.approx(d.std(ddof=1) / math.sqrt(200), rel=SAME)
    else:  # the delta method against the bootstrap, which knows nothing of it

        def of(rows: Any) -> Any:
            means = losses[:, rows].mean(axis=-1)
            if score == "rmse":
                return np.sqrt(means[0]) - np.sqrt(means[1])
            return (means[1] - means[0]) / truth[rows].var(axis=-1)

        assert found.estimate == pytest.approx(float(of(np.arange(200))), rel=SAME)
        draws = of(rng.integers(0, 200, size=(4000, 200)))
        assert found.std_error == pytest.approx(draws.std(), rel=0.1)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(found.statistic)), rel=SAME)


def test_every_row_counts_once_whatever_the_repeats(made: Make) -> None:
    """Three repeats of the same predictions are no more evidence than one."""
    y = load_diabetes().target
    once = np.random.default_rng(1).normal(size=len(y))
    models = {"a": y + 40 * once, "b": y + 50 * np.roll(once, 1)}
    tests = [made(models, y, cv=(5, r), scoring="mse").test("a", "b", "clt") for r in (1, 3)]
    assert tests[0].p_value == pytest.approx(tests[1].p_value, rel=SAME)
    assert tests[1].basis == "442 rows of 15 of 15 folds, losses averaged over repeats"


def test_losses_are_averaged_and_predictions_taken_first(made: Make) -> None:
    truth = np.zeros(8, int)
    result = made({"a": truth, "b": truth}, truth, cv=(2, 2), classes=LABELS)
    trials = dict(result.trials)
    for fold in (2, 3):  # in the second repeat a misses everything
        trials["a", fold] = Trial(np.ones(4, int))
    result = ek.Comparison(result.models, result.scoring, result.folds, LABELS, truth, trials,
                           (), {})  # fmt: skip
    assert result.test("a", "b", "clt").estimate == -0.5
    assert result.test("a", "b", "mcnemar").estimate == 0


def test_a_fold_that_failed_is_left_out_for_both(made: Make) -> None:
    truth = np.arange(20) % 2
    result = made({"a": truth, "b": 1 - truth}, truth, cv=5, classes=LABELS)
    trials = {**result.trials, ("a", 1): Trial(None, reason="no")}
    result = ek.Comparison(result.models, result.scoring, result.folds, LABELS, truth, trials,
                           (), {})  # fmt: skip
    found = result.test("a", "b", "mcnemar")
    assert found.basis == "16 rows of 4 of 5 folds"
    assert result.test("a", "b", "clt").basis == found.basis
    nothing = made({"a": None, "b": truth}, truth, classes=LABELS)
    with pytest.raises(ek.DataError, match="no fold on which all give predictions"):
        nothing.test("a", "b", "mcnemar")


def test_a_score_that_is_no_average_is_refused_by_clt(made: Make) -> None:
    truth = np.arange(20) % 2
    result = made({"a": truth, "b": 1 - truth}, truth, classes=LABELS, scoring=["f1", "log_loss"],
                  chances={"a": truth, "b": 1 - truth})  # fmt: skip
    with pytest.raises(ek.DataError, match="f1 is no average over rows"):
        result.test("a", "b", "clt")
    with pytest.raises(ek.DataError, match="the loss of 'b' is infinite in row"):
        result.test("a", "b", "clt", "log_loss")


def test_losses_that_do_not_average_to_their_score_are_refused() -> None:
    def squares(p: Any) -> Any:
        return (p.truth - p.prediction) ** 2

    root = ek.Score("root", lambda p: squares(p).mean() ** 0.5, False, "regression", loss=squares)
    result = ek.compare(
        ["knn", "linear"], *load_diabetes(return_X_y=True), cv=5, scoring=root, rng=1
    )
    with pytest.raises(ek.DataError, match="the losses of its rows say"):
        result.test("knn", "linear", "clt")
    assert result.test("knn", "linear", "corrected_t").p_value < 1
