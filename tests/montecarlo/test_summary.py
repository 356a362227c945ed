"""The summary and the contrasts of a study: what is counted, computed and paired."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek
from estkit.montecarlo.measures import MEASURES

SEED = 3
EXACT = 1e-12
# Told over true standard deviation, the latter from 400 repeats: known to 3.5 %.
CALIBRATED = (0.9, 1.1)


def interval(x: Any) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / math.sqrt(len(x)))


def picky(x: Any) -> float:
    if x[0] > 1:
        raise ValueError("too large")
    return float(np.median(x))


def study(**options: Any) -> ek.Study:
    settings: dict[str, Any] = {"truth": 0.0, "conditions": ek.grid(n=[5, 9], law=["z"])}
    functions = {"mean": interval, "picky": picky, "max": lambda x: x.max()}
    return ek.Study(lambda rng, n: rng.normal(size=n), functions, **settings | options)


# --- summary ---


def test_the_summary_has_these_columns_in_this_order() -> None:
    frame = study().run(30, rng=SEED).summary()
    assert frame.columns.tolist() == [
        "n", "law", "estimator", "parameter", "measure", "value", "mcse", "lower", "upper", "used",
        "failed", "note",
    ]  # fmt: skip
    usual = [name for name, measure in MEASURES.items() if measure.usual]
    assert frame["measure"][: len(usual)].tolist() == usual  # the mean has all it needs
    keys = frame[["n", "estimator"]].drop_duplicates().values.tolist()
    assert keys == [[n, name] for n in (5, 9) for name in ("mean", "picky", "max")]


def test_a_measure_is_computed_from_the_replicates_that_have_what_it_needs() -> None:
    result = study().run(400, rng=SEED)
    rows, frame = result.outcomes(), result.summary()
    for (n, name), own in rows.groupby(["n", "estimator"]):
        told = frame[(frame["n"] == n) & (frame["estimator"] == name)].set_index("measure")
        ok = own[own["status"] == "ok"]
        assert set(told.drop("failure_rate")["used"]) == {len(ok)}
        assert set(told["failed"]) == {400 - len(ok)}
        assert told.loc["failure_rate", "used"] == 400
        assert told.loc["failure_rate", "value"] == pytest.approx(1 - len(ok) / 400, rel=EXACT)
        assert told.loc["bias", "value"] == pytest.approx(ok["estimate"].mean(), rel=1e-9)
        covered = ((ok["lower"] <= 0) & (ok["upper"] >= 0)).mean()
        assert ("coverage" in told.index) == (name == "mean")
        assert name != "mean" or told.loc["coverage", "value"] == pytest.approx(covered, rel=EXACT)
    assert frame.groupby("estimator")["failed"].max().to_dict() == {
        "mean": 0, "max": 0, "picky": (rows["status"] != "ok").groupby(rows["n"]).sum().max(),
    }  # fmt: skip


def test_measures_come_as_asked_for_and_say_when_they_have_nothing() -> None:
    result = study().run(30, rng=SEED)
    asked = result.summary(["coverage", "bias"])
    assert asked["measure"].tolist() == ["coverage", "bias"] * 6
    nothing = asked[(asked["estimator"] == "max") & (asked["measure"] == "coverage")]
    assert nothing["used"].tolist() == [0, 0]
    assert nothing[["value", "mcse", "lower", "upper"]].isna().all(axis=None)
    assert result.to_frame().equals(result.summary())


def test_a_wider_level_gives_a_wider_interval_around_the_same_value() -> None:
    result = study().run(100, rng=SEED)
    half, most = (result.summary(level=level) for level in (0.5, 0.99))
    assert half[["value", "mcse"]].equals(most[["value", "mcse"]])
    known = half["mcse"] > 0
    assert ((most["lower"] < half["lower"]) & (half["upper"] < most["upper"]))[known].all()


@pytest.mark.parametrize("replicates", [2, 5, 333])
@pytest.mark.parametrize("location", [0.0, 1e4])
def test_mse_is_bias_squared_plus_variance(replicates: int, location: float) -> None:
    made = ek.Study(lambda rng: location + rng.gamma(2.0, size=4), np.median, truth=location + 1)
    value = made.run(replicates, rng=SEED).summary().set_index("measure")["value"]
    parts = value["bias"] ** 2 + value["empirical_variance"] * (replicates - 1) / replicates
    assert value["mse"] == pytest.approx(parts, rel=EXACT)
    assert value["rmse"] ** 2 == pytest.approx(value["mse"], rel=EXACT)
    assert value["empirical_se"] ** 2 == pytest.approx(value["empirical_variance"], rel=EXACT)


def test_relative_bias_is_missing_where_the_truth_is_zero_and_nothing_else_is() -> None:
    result = study(truth=lambda n: {5: 0.0, 9: 2.0}[n]).run(50, rng=SEED)
    frame = result.summary().set_index(["n", "estimator", "measure"]).sort_index()
    gone = frame.loc[(5, slice(None), "relative_bias"), :]
    assert gone[["value", "mcse", "lower", "upper"]].isna().all(axis=None)
    kept = frame.drop(gone.index)
    assert kept[["value", "mcse"]].notna().all(axis=None)
    bias, relative = (frame.loc[(9, "mean", name), "value"] for name in ("bias", "relative_bias"))
    assert relative == pytest.approx(bias / 2, rel=EXACT)


# --- contrast ---


def test_a_contrast_is_the_difference_of_what_the_summary_says() -> None:
    result = study().run(300, rng=SEED)
    for name in ("bias", "empirical_se", "mse", "rmse"):
        told = result.summary(name).set_index(["n", "estimator"])["value"]
        frame = result.contrast("max", "mean", name)
        assert frame.columns.tolist() == [
            "n", "law", "parameter", "measure", "a", "b", "value", "mcse", "lower", "upper", "used",
            "note",
        ]  # fmt: skip
        assert frame["n"].tolist() == [5, 9]
        expected = [told[n, "max"] - told[n, "mean"] for n in (5, 9)]
        assert frame["value"].tolist() == pytest.approx(expected, rel=1e-9)
        back = result.contrast("mean", "max", name)
        assert back["value"].tolist() == pytest.approx((-frame["value"]).tolist(), rel=EXACT)
        assert back["mcse"].tolist() == pytest.approx(frame["mcse"].tolist(), rel=EXACT)


def test_a_contrast_uses_the_replicates_in_which_both_have_an_answer() -> None:
    result = study(conditions=ek.grid(n=[5])).run(300, rng=SEED)
    rows = result.outcomes().pivot(index="replicate", columns="estimator", values="estimate")
    rows = rows[rows["picky"].notna()]
    row = result.contrast("mean", "picky", "bias").iloc[0]
    difference = rows["mean"] - rows["picky"]
    assert row["used"] == len(rows) < 300
    assert row["value"] == pytest.approx(difference.mean(), rel=1e-9)
    assert row["mcse"] == pytest.approx(difference.std() / math.sqrt(len(rows)), rel=1e-9)


@functools.cache
def repeats() -> list[ek.StudyResult]:
    whole = ek.vectorized(lambda rng, replicates: rng.normal(size=(replicates, 9)))
    pair = ek.Study(whole, {"mean": np.mean, "median": np.median}, truth=0.0)
    return [pair.run(200, rng=seed) for seed in range(400)]


@pytest.mark.parametrize("measure", ["bias", "mse", "rmse", "empirical_variance", "empirical_se"])
def test_the_error_of_a_contrast_is_its_error(measure: str) -> None:
    rows = pd.concat([r.contrast("median", "mean", measure) for r in repeats()])
    told, true = math.sqrt((rows["mcse"] ** 2).mean()), rows["value"].std()
    assert CALIBRATED[0] < told / true < CALIBRATED[1]
    unpaired = math.sqrt(sum(repeats()[0].summary(measure)["mcse"] ** 2))
    assert unpaired > 1.2 * told  # without the pairing it would be too large


def test_nearly_equal_estimators_are_told_apart_by_pairing() -> None:
    functions = {"a": lambda x: x.mean(), "b": lambda x: 1.02 * x.mean()}
    result = ek.Study(lambda rng: rng.normal(size=9), functions, truth=0.0).run(2000, rng=SEED)
    row = result.contrast("b", "a", "mse").iloc[0]
    unpaired = math.sqrt(sum(result.summary("mse")["mcse"] ** 2))
    assert 0 < row["lower"] < (1.02**2 - 1) / 9 < row["upper"]
    assert unpaired > 20 * row["mcse"]


def test_a_contrast_keeps_every_condition_apart() -> None:
    twice = study(conditions=[{"n": 5}, {"n": 5}, {"n": 9}]).run(20, rng=SEED)
    assert twice.contrast("mean", "max", "bias")["n"].tolist() == [5, 5, 9]
    arrays = [{"n": 5, "w": np.append(np.zeros(2000), i)} for i in range(2)]  # equal when printed
    result = study(conditions=arrays).run(20, rng=SEED)
    assert len(result.contrast("mean", "max", "bias")) == 2


def test_a_contrast_of_failure_rates_needs_no_answer_at_all() -> None:
    functions = {"never": lambda x: 1 / 0, "mean": lambda x: x.mean()}
    result = ek.Study(lambda rng: rng.normal(size=3), functions).run(20, rng=SEED)
    assert result.contrast("never", "mean", "failure_rate")["value"].tolist() == [1.0]


def test_a_rate_of_one_is_shown_with_its_interval_and_not_with_an_error_of_zero() -> None:
    study = ek.Study(
        lambda rng: rng.normal(size=4),
        {"it": lambda x: ek.Estimate(x[0], std_error=50.0)},
        truth=0.0,
    )
    result = study.run(40, rng=1)
    lower = result.summary("coverage").lower[0]
    assert f"1 ({lower:.3f} to 1.000)" in str(result)
