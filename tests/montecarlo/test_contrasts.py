"""Contrasts: ratios, conditions paired or not, rates at 0 and 1."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

import estkit as ek
from estkit.montecarlo.intervals import paired_rate_interval, separate_rate_interval

SEED = 3
EXACT = 1e-12
# Told over true error, the latter from 400 repeats: known to 3.5 %.
CALIBRATED = (0.9, 1.1)


def interval(x: Any) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / math.sqrt(len(x)))


def study(*, common: bool = False, **options: Any) -> ek.Study:
    functions = options.pop("functions", {"mean": interval, "first": lambda x: x[0]})
    return ek.Study(
        lambda rng, n: rng.normal(size=40)[:n], functions, truth=0.0,
        conditions=ek.grid(n=[20, 40]), common_random_numbers=common, **options,
    )  # fmt: skip


@pytest.mark.parametrize("measure", ["mse", "empirical_se", "interval_width", "precision"])
def test_a_ratio_is_the_quotient_of_what_the_summary_says(measure: str) -> None:
    functions = {"mean": interval, "less": lambda x: interval(x[:15])}
    result = study(functions=functions).run(300, rng=SEED)
    told = result.summary(measure).set_index(["n", "estimator"])
    frame = result.contrast("less", "mean", measure, kind="ratio")
    for row in frame.itertuples():
        a, b = (told["value"][row.n, name] for name in ("less", "mean"))
        assert row.value == pytest.approx(a / b, rel=EXACT)
        assert 0 < row.lower < row.value < row.upper
        assert row.lower * row.upper == pytest.approx(row.value**2, rel=1e-9)
    back = result.contrast("mean", "less", measure, kind="ratio")
    assert (frame["value"] * back["value"]).tolist() == pytest.approx([1.0, 1.0], rel=EXACT)
    assert back["lower"].tolist() == pytest.approx((1 / frame["upper"]).tolist(), rel=1e-9)
    relative = (frame["mcse"] / frame["value"]).tolist()
    assert (back["mcse"] / back["value"]).tolist() == pytest.approx(relative, rel=1e-9)


def test_relative_precision_is_the_inverse_ratio_of_variances() -> None:
    result = study().run(300, rng=SEED)
    precise = result.contrast("mean", "first", "precision", kind="ratio")
    variance = result.contrast("first", "mean", "empirical_variance", kind="ratio")
    for column in ("value", "mcse", "lower", "upper"):
        assert precise[column].tolist() == pytest.approx(variance[column].tolist(), rel=1e-9)


def test_a_ratio_over_zero_is_missing_and_says_why() -> None:
    functions = {"mean": interval, "zero": lambda x: 0.0 * x[0]}
    row = study(functions=functions).run(50, rng=SEED).contrast("mean", "zero", "mse", kind="ratio")
    assert row["value"].isna().all() and row["mcse"].isna().all()
    assert set(row["note"]) == {"divided by 0"}
    rows = study(functions=functions).run(50, rng=SEED).contrast(
        "mean", "zero", "mse", kind="ratio", conditions=(0, 1)
    )  # fmt: skip
    assert rows["value"].isna().all() and set(rows["note"]) == {"divided by 0"}


@functools.cache
def repeats(common: bool) -> list[ek.StudyResult]:
    whole = ek.vectorized(lambda rng, replicates, n: rng.normal(size=(replicates, 40))[:, :n])
    pair = ek.Study(
        whole, np.mean, truth=0.0, conditions=ek.grid(n=[20, 40]), common_random_numbers=common
    )
    return [pair.run(200, rng=seed) for seed in range(400)]


@pytest.mark.parametrize("kind", ["difference", "ratio"])
@pytest.mark.parametrize("common", [True, False])
def test_conditions_are_paired_under_common_random_numbers_alone(common: bool, kind: str) -> None:
    rows = [
        result.contrast("mean", "mean", "mse", kind=kind, conditions=(0, 1)).iloc[0]
        for result in repeats(common)
    ]
    told = math.sqrt(np.mean([row["mcse"] ** 2 for row in rows]))
    true = np.std([row["value"] for row in rows], ddof=1)
    assert CALIBRATED[0] < told / true < CALIBRATED[1]


def test_common_random_numbers_sharpen_a_contrast_of_conditions() -> None:
    def error(common: bool) -> float:
        result = study(common=common).run(4000, rng=SEED)
        (found,) = result.contrast("mean", "mean", "mse", conditions=(0, 1))["mcse"]
        alone = result.summary("mse").set_index(["n", "estimator"])["mcse"]
        separate = math.hypot(alone[20, "mean"], alone[40, "mean"])
        return float(found / separate)

    assert error(False) == pytest.approx(1.0, rel=EXACT)
    # variances of the errors 1/20 and 1/40, correlation √(1/2), of their squares 1/2
    expected = math.sqrt((1 + 1 / 4 - 2 * 1 / 2 * 1 / 2) / (1 + 1 / 4))
    assert error(True) == pytest.approx(expected, abs=0.05)


def test_conditions_are_named_and_may_be_given_as_they_are() -> None:
    result = study().run([300, 100], rng=SEED)
    by_number = result.contrast("mean", "first", "bias", conditions=(0, 1))
    assert by_number.columns.tolist() == [
        "condition_a", "condition_b", "parameter", "measure", "a", "b", "value", "mcse", "lower",
        "upper", "used", "note",
    ]  # fmt: skip
    told = by_number.iloc[0]
    assert (told["condition_a"], told["condition_b"], told["used"]) == ("n=20", "n=40", 100)
    bias = result.summary("bias").set_index(["n", "estimator"])["value"]
    assert told["value"] == pytest.approx(bias[20, "mean"] - bias[40, "first"], rel=EXACT)
    by_value = result.contrast("mean", "first", "bias", conditions=({"n": 20}, {"n": 40}))
    assert by_value.equals(by_number)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a kind": ({"kind": "sum"}, "kind must be one of"),
    "one condition": ({"conditions": 0}, "conditions must be a pair"),
    "a third condition": ({"conditions": (0, 2)}, "condition must be a number below 2"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_contrast_is_refused_in_words(kind: str) -> None:
    options, message = WRONG[kind]
    with pytest.raises(ek.DataError, match=message):
        study().run(5, rng=SEED).contrast("mean", "first", **options)


# --- rates ---


def sure(x: Any) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=100.0)


@pytest.mark.parametrize("conditions", [None, (0, 1)])
def test_two_rates_of_one_differ_by_an_interval_and_not_by_a_point(conditions: Any) -> None:
    functions = {"a": sure, "b": lambda x: sure(x[:3])}
    result = study(functions=functions).run(50, rng=SEED)
    row = result.contrast("a", "b", "coverage", conditions=conditions).iloc[0]
    assert (row["value"], row["mcse"]) == (0.0, 0.0)
    assert -0.1 < row["lower"] < -0.02 and 0.02 < row["upper"] < 0.1
    ratio = result.contrast("a", "b", "coverage", kind="ratio", conditions=conditions).iloc[0]
    assert ratio["value"] == 1.0 and math.isnan(ratio["lower"])


@pytest.mark.parametrize("a, b", [(0.95, 0.9), (1.0, 0.97), (0.5, 0.5)])
def test_the_interval_of_a_difference_of_independent_rates_is_that_of_agresti_and_caffo(
    a: float, b: float
) -> None:
    found = separate_rate_interval(a, 100, b, 200, 0.95)
    expected = confint_proportions_2indep(
        round(100 * a), 100, round(200 * b), 200, method="agresti-caffo", compare="diff"
    )
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("only_a, only_b", [(0.02, 0.02), (0.1, 0.02), (0.005, 0.0)])
def test_the_interval_of_a_difference_of_paired_rates_covers(only_a: float, only_b: float) -> None:
    rng = np.random.default_rng(4)
    drawn = rng.multinomial(200, [only_a, only_b, 1 - only_a - only_b], size=4000)
    inside = []
    for more, less, same in drawn:
        differences = np.repeat([1.0, -1.0, 0.0], [more, less, same])
        low, high = paired_rate_interval(differences, 0.95)
        inside.append(low <= only_a - only_b <= high)
    assert 0.94 < np.mean(inside)  # 3 standard errors of 4,000; it may cover more for rare events
