"""How outcomes are read: failures in three ways, rejections, intervals of rates, reasons."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

import estkit as ek

SEED = 3
EXACT = 1e-12


def interval(x: Any) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / math.sqrt(len(x)))


def picky(x: Any) -> ek.Estimate:
    if x[0] > 1:
        raise ValueError("too large")
    return interval(x[:4])


def shy(x: Any) -> ek.Estimate:
    return ek.Estimate(np.median(x), status="not_converged" if x[1] > 1 else "ok", reason="steps")


def study(**options: Any) -> ek.Study:
    functions = {"mean": interval, "picky": picky, "shy": shy}
    return ek.Study(lambda rng: rng.normal(size=9), functions, **{"truth": 0.0, **options})


def given(**columns: Any) -> ek.StudyResult:
    """Study given answers: replicate r answers with entry r of each column."""
    count = len(columns["value"])
    numbers = ek.vectorized(lambda rng, replicates: np.arange(float(replicates)))
    answers = {"it": lambda i: {name: column[int(i)] for name, column in columns.items()}}
    return ek.Study(numbers, answers, truth=0.0).run(count, rng=SEED)


def value(result: ek.StudyResult, measure: str, **options: Any) -> float:
    (found,) = result.summary(measure, **options)["value"]
    return float(found)


# --- failures ---


def wide(result: ek.StudyResult, column: str = "estimate") -> pd.DataFrame:
    rows = result.outcomes()
    rows = rows.assign(**{column: rows[column].where(rows["status"] == "ok")})
    return rows.pivot(index="replicate", columns="estimator", values=column)


def test_pairwise_judges_each_by_its_own_answers_and_complete_all_by_the_same() -> None:
    result = study().run(400, rng=SEED)
    table = wide(result)
    frames = {how: result.summary("bias", missing=how).set_index("estimator")
              for how in ("pairwise", "complete")}  # fmt: skip
    common = table.dropna()
    assert 200 < len(common) < 300
    for name in table:
        own = table[name].dropna()
        assert frames["pairwise"].loc[name, "used"] == len(own)
        assert frames["pairwise"].loc[name, "value"] == pytest.approx(own.mean(), rel=1e-9)
        assert frames["complete"].loc[name, "used"] == len(common)
        assert frames["complete"].loc[name, "value"] == pytest.approx(common[name].mean(), rel=1e-9)
        assert frames["complete"].loc[name, "failed"] == 400 - len(own)
    assert result.summary("bias").equals(result.summary("bias", missing="pairwise"))


@pytest.mark.parametrize("missing", ["pairwise", "complete", "worst"])
def test_rates_of_failure_are_of_all_replicates_however_the_rest_is_read(missing: str) -> None:
    result = study().run(400, rng=SEED)
    rows = result.outcomes().groupby("estimator")["status"]
    frame = result.summary(["failure_rate", "non_convergence_rate"], missing=missing)
    table = frame.pivot(index="estimator", columns="measure", values="value")
    for name, status in rows:
        assert table.loc[name, "failure_rate"] == (status != "ok").mean()
        assert table.loc[name, "non_convergence_rate"] == (status == "not_converged").mean()
    assert table.loc["shy", "non_convergence_rate"] > 0.1
    assert set(frame["used"]) == {400}


def test_at_worst_a_failure_is_the_largest_error_a_miss_and_no_rejection() -> None:
    result = study().run(400, rng=SEED)
    table, low, high = wide(result), wide(result, "lower"), wide(result, "upper")
    gone = table["picky"].isna()
    errors = table["picky"].dropna()
    filled = table["picky"].fillna(errors[errors.abs().idxmax()])
    names = ["bias", "mse", "coverage", "power", "interval_width", "model_se",
             "bias_eliminated_coverage"]  # fmt: skip
    frame = result.summary(names, missing="worst").set_index(["estimator", "measure"])
    told = frame.loc["picky"]["value"]
    assert told["bias"] == pytest.approx(filled.mean(), rel=1e-9)
    assert told["mse"] == pytest.approx((filled**2).mean(), rel=1e-9)
    covered = ((low["picky"] <= 0) & (high["picky"] >= 0)).sum()
    assert told["coverage"] == pytest.approx(covered / 400, rel=EXACT)
    assert told["power"] == pytest.approx((400 - gone.sum() - covered) / 400, rel=EXACT)
    widths = high["picky"] - low["picky"]
    assert told["interval_width"] == pytest.approx(widths.fillna(widths.max()).mean(), rel=1e-9)
    center = filled.mean()
    held = ((low["picky"] <= center) & (high["picky"] >= center)).sum()
    assert told["bias_eliminated_coverage"] == pytest.approx(held / 400, rel=EXACT)
    used = frame["used"]["picky"]
    assert used["model_se"] == 400 - gone.sum() and set(used.drop("model_se")) == {400}
    innocent = result.summary(names).set_index(["estimator", "measure"]).loc["mean"]
    assert frame.loc["mean"].equals(innocent)


def test_an_estimator_that_fails_on_a_third_of_the_data_changes_no_bit_of_the_others() -> None:
    def third(x: Any) -> float:
        if x[2] > 0.4307:  # with probability 1/3
            raise ValueError("too large")
        return float(x.max())

    sound = {"mean": interval, "median": np.median, "own": lambda x, rng: rng.choice(x)}
    draw = {"generate": lambda rng: rng.normal(size=9), "truth": 0.0}
    with_it = ek.Study(estimators={"third": third, **sound}, **draw).run(600, rng=SEED)
    without = ek.Study(estimators=sound, **draw).run(600, rng=SEED)
    assert 160 < len(with_it.failures()) < 240
    for frame in ("outcomes", "summary"):
        both, alone = getattr(with_it, frame)(), getattr(without, frame)()
        rest = both[both["estimator"] != "third"].reset_index(drop=True)
        assert rest.equals(alone)


def test_an_estimator_that_always_fails_has_no_worst_case() -> None:
    result = ek.Study(lambda rng: rng.normal(size=3), {"never": lambda x: 1 / 0}).run(9, rng=SEED)
    row = result.summary("bias", missing="worst").iloc[0]
    assert (row["used"], row["note"]) == (0, "no replicate has an estimate")


def test_warnings_have_a_rate() -> None:
    def loud(x: Any) -> Any:
        return np.log(np.atleast_1d(x[:1] - 0.5).clip(0))[0] * 0 + 1 if x[0] < 0.5 else x.mean()

    result = ek.Study(lambda rng: rng.normal(size=3), {"loud": loud}).run(200, rng=SEED)
    count = len(result.warnings())
    assert 100 < count < 180
    assert value(result, "warning_rate") == count / 200


# --- rejections ---


@pytest.mark.parametrize("p_value, rejects", [
    (0.05, True), (1 - 0.95, True), (0.0500001, False), (0.04, True),
    (np.nextafter(0.05, 1), True),
])  # fmt: skip
def test_a_p_value_of_alpha_is_a_rejection_and_rounding_does_not_matter(
    p_value: float, rejects: bool
) -> None:
    result = given(value=np.zeros(4), p_value=np.full(4, p_value))
    assert value(result, "power") == rejects


def test_a_permutation_test_under_the_null_has_the_size_it_promises() -> None:
    p_values = np.arange(1, 101) / 100  # of 99 permutations, each as likely as the others
    result = given(value=np.zeros(100), p_value=p_values)
    for alpha in (0.01, 0.05, 0.29, 0.57):
        assert value(result, "power", alpha=alpha) == pytest.approx(alpha, rel=EXACT)


def test_power_is_by_p_values_where_there_are_some_and_by_a_null_value_where_one_is_given() -> None:
    low, high = np.array([-1.0, 0.5, 0.1, 2.0]), np.array([1.0, 1.5, 0.4, 3.0])
    intervals = {"value": (low + high) / 2, "lower": low, "upper": high}
    p_values = np.array([0.5, 0.04, 0.06, 0.5])
    by_interval, by_both = given(**intervals), given(**intervals, p_value=p_values)
    assert (value(by_interval, "power"), value(by_both, "power")) == (0.75, 0.25)
    assert value(by_both, "power", alpha=0.1) == 0.5
    for result in (by_interval, by_both):
        assert value(result, "power", null=0.0) == 0.75
        assert value(result, "power", null={"value": 1.0}) == 0.5  # the ends belong to an interval
    contrast = by_both.contrast("it", "it", "power", null=1.0)
    assert contrast["value"].tolist() == [0.0]


# --- rates ---


@pytest.mark.parametrize("hits", [0, 1, 17, 49, 50])
@pytest.mark.parametrize("method, reference", [("wilson", "wilson"), ("clopper_pearson", "beta")])
def test_rates_have_the_interval_that_was_asked_for(hits: int, method: str, reference: str) -> None:
    upper = np.where(np.arange(50) < hits, 1.0, -0.5)
    result = given(value=np.zeros(50), lower=np.full(50, -1.0), upper=upper)
    row = result.summary("coverage", rate_interval=method, level=0.9).iloc[0]
    expected = proportion_confint(hits, 50, alpha=0.1, method=reference)
    assert (row["lower"], row["upper"]) == pytest.approx(expected, rel=1e-9, abs=EXACT)


# --- reasons ---


def test_a_missing_value_says_why() -> None:
    result = ek.Study(lambda rng: rng.normal(size=9), {"it": np.median}).run(5, rng=SEED)
    names = ["bias", "model_se", "coverage", "power", "empirical_se"]
    frame = result.summary(names).set_index("measure")
    assert frame["note"].tolist() == [
        "no replicate has a truth", "no replicate has a standard error",
        "no replicate has an interval", "no replicate has a p-value or an interval", "",
    ]  # fmt: skip
    assert frame["value"].isna().tolist() == [True, True, True, True, False]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"missing": "drop"}, "missing must be one of"),
    "rate_interval": ({"rate_interval": "wald"}, "rate_interval must be one of"),
    "alpha": ({"alpha": 5}, "alpha must lie strictly between 0 and 1"),
    "null": ({"null": "0"}, "null must be a number"),
    "a null of a stranger": ({"null": {"slope": 0}}, "null names 'slope'; the parameters are val"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_option_is_refused_in_words(kind: str) -> None:
    options, message = WRONG[kind]
    with pytest.raises(ek.DataError, match=message):
        study().run(5, rng=SEED).summary("bias", **options)
