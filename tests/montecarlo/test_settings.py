"""Conditions with a setting of their own, nested replicates, unequal numbers, shared streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import estkit as ek

SEED = 20261
# 400 repeats know the ratio of two standard deviations to about 5 %: four of those.
NESTED = 0.15


def normal(rng: Any, n: int) -> Any:
    return rng.normal(size=n)


def population(rng: Any, n: int) -> dict[str, Any]:
    return {"center": rng.normal(), "frame": pd.DataFrame({"weight": rng.random(n)})}


def prepared(**given: Any) -> ek.Study:
    return ek.Study(
        lambda rng, center: rng.normal(center, size=5),
        {"mean": np.mean, "with the frame": lambda x, frame: x.mean() + 0 * frame.weight.sum()},
        truth=lambda center: center,
        conditions=ek.grid(n=[3, 4]),
        prepare=population,
        **given,
    )


def test_what_is_prepared_reaches_generate_estimators_and_truth() -> None:
    frame = prepared().run(200, rng=SEED).outcomes()
    assert (frame["status"] == "ok").all()
    assert frame.groupby("n")["truth"].nunique().tolist() == [1, 1]
    assert frame["truth"].nunique() == 2  # each condition draws its own
    error = frame["estimate"] - frame["truth"]
    assert abs(error.mean()) < 4 / np.sqrt(5 * 400)


def test_a_condition_is_prepared_the_same_way_wherever_it_runs() -> None:
    study = prepared(prepare_every=7).run
    truths = ek.Study(
        lambda rng, center: ek.Sample(rng.normal(center, size=5), center),
        np.mean,
        truth=None,
        conditions=ek.grid(n=[3]),
        prepare=population,
        prepare_every=7,
    )
    one, two = (truths.run(30, rng=SEED, n_jobs=n).outcomes() for n in (1, 2))
    assert one.equals(two)
    assert one.groupby(one["replicate"] // 7)["truth"].nunique().tolist() == [1] * 5
    assert one["truth"].nunique() == 5
    assert truths.replay(22, rng=SEED).truth["mean"] == one["truth"][22]
    with pytest.raises(ek.StudyError, match="truth names 'n'"):
        study(30, rng=SEED)  # center is the condition here, for what is prepared changes


@pytest.mark.parametrize("vectorized", [False, True])
def test_the_error_of_a_nested_study_counts_populations_not_samples(vectorized: bool) -> None:
    """A mean of 12 populations, 10 samples each: variance 1/12 + 1/(12 · 10 · 4)."""

    def draw(rng: Any, replicates: int, center: float) -> Any:
        return rng.normal(center, size=(replicates, 4))

    study = ek.Study(
        ek.vectorized(draw) if vectorized else lambda rng, center: rng.normal(center, size=4),
        {"mean": np.mean},
        truth=0.0,
        prepare=lambda rng: {"center": rng.normal()},
        prepare_every=10,
    )
    rows = [study.run(120, rng=seed).summary("bias").iloc[0] for seed in range(400)]
    real = float(np.std([row["value"] for row in rows]))
    assert real == pytest.approx(np.sqrt(1 / 12 + 1 / 480), rel=NESTED)
    claimed = float(np.sqrt(np.mean([row["mcse"] ** 2 for row in rows])))
    assert claimed / real == pytest.approx(1.0, abs=NESTED)
    covered = np.mean([row["lower"] <= 0 <= row["upper"] for row in rows])
    assert stats.binomtest(round(400 * covered), 400, 0.95).pvalue > 1e-3


def test_blocks_end_where_groups_end_and_prefixes_hold() -> None:
    def draw(rng: Any, replicates: int, center: float) -> Any:
        return ek.Sample(rng.normal(center, size=(replicates, 4)), np.full(replicates, center))

    for every in (3, 10, 1000, 1021):  # 1021 is a prime: blocks of one
        study = ek.Study(
            ek.vectorized(draw), np.mean, truth=None, prepare_every=every,
            prepare=lambda rng: {"center": rng.normal()},
        )  # fmt: skip
        few, more = (study.run(count, rng=SEED).outcomes() for count in (25, 2 * every + 1))
        groups = more["truth"].groupby(more["replicate"] // every)
        assert groups.nunique().tolist() == [1] * 3
        kept = min(25, len(more))
        assert few[:kept].equals(more[:kept])


def test_unequal_numbers_of_replicates() -> None:
    study = ek.Study(normal, {"mean": np.mean}, truth=0.0, conditions=ek.grid(n=[5, 10]))
    by_list = study.run([30, 70], rng=SEED)
    by_function = study.run(lambda n: 30 if n == 5 else 70, rng=SEED)
    equal = study.run(70, rng=SEED).outcomes()
    assert by_list.outcomes().equals(by_function.outcomes())
    assert by_list.summary("bias")["used"].tolist() == [30, 70]
    assert by_list.outcomes()[30:].reset_index(drop=True).equals(equal[70:].reset_index(drop=True))
    assert "30 to 70" in repr(by_list)
    assert "30 to 70" in str(by_list)


@pytest.mark.parametrize(
    "column",
    [range(30, 90, 40), pd.Series([30, 70], index=["a", "b"]), np.array([30, 70])],
    ids=repr,
)
def test_numbers_for_each_condition_may_be_any_column_or_range(column: Any) -> None:
    study = ek.Study(normal, {"mean": np.mean}, truth=0.0, conditions=ek.grid(n=[5, 10]))
    assert study.run(column, rng=SEED).summary("bias")["used"].tolist() == [30, 70]
    asked = study.run(200, rng=SEED, target_mcse={"bias": column}).targets()
    assert asked["target"].tolist() == [30, 70]


@pytest.mark.parametrize(
    "wrong", [[30], [30, 0], [30, 1.5], lambda n: n - 5, "many", None, np.array(5.5), {5: 30}]
)
def test_other_numbers_of_replicates_are_refused(wrong: Any) -> None:
    study = ek.Study(normal, {"mean": np.mean}, truth=0.0, conditions=ek.grid(n=[5, 10]))
    with pytest.raises(ek.DataError, match="replicates"):
        study.run(wrong, rng=SEED)


def test_common_random_numbers_draw_the_same_in_every_condition() -> None:
    def draw(rng: Any, shift: float) -> Any:
        return rng.normal(shift, size=8)

    def run(common: bool) -> ek.StudyResult:
        return ek.Study(
            draw, {"mean": np.mean}, truth=0.0, conditions=ek.grid(shift=[0.0, 1.0]),
            common_random_numbers=common,
        ).run(50, rng=SEED)  # fmt: skip

    for common in (True, False):
        frame = run(common).outcomes().pivot(index="replicate", columns="shift", values="estimate")
        equal = np.isclose(frame[1.0] - frame[0.0], 1.0)
        assert equal.all() if common else not equal.any()
        assert run(common).design["common_random_numbers"] is common


WRONG: dict[str, tuple[Mapping[str, Any], str]] = {
    "no function": ({"prepare": 3}, "prepare must be a function"),
    "no mapping": ({"prepare": lambda rng: 3}, "must return a mapping"),
    "a name that is taken": ({"prepare": lambda rng: {"n": 3}}, "a name that a condition"),
    "a reserved name": ({"prepare": lambda rng: {"estimate": 3}}, "a name that a condition"),
    "it raises": ({"prepare": lambda rng: 1 / 0}, "prepare raised ZeroDivisionError"),
    "every without prepare": ({"prepare_every": 3}, "needs prepare"),
    "every 0": ({"prepare": population, "prepare_every": 0}, "whole number of 1 or more"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_setting_that_cannot_be_is_refused(case: str) -> None:
    given, message = WRONG[case]
    with pytest.raises(ek.EstkitError, match=message):
        ek.Study(normal, np.mean, truth=0.0, conditions=ek.grid(n=[3]), **given).run(5, rng=SEED)


@pytest.mark.parametrize("vectorized", [True, False])
def test_a_contrast_of_conditions_with_common_numbers_has_its_own_error(vectorized: bool) -> None:
    """Replicate r of a block has other numbers in another condition; its error must not show it."""

    def draw(rng: Any, n: int, replicates: int = 1) -> Any:
        rows = rng.exponential(size=(replicates, n))
        return rows if vectorized else rows[0]

    study = ek.Study(
        ek.vectorized(draw) if vectorized else lambda rng, n: draw(rng, n),
        {"mean": np.mean},
        truth=1.0,
        conditions=ek.grid(n=[10, 15]),
        common_random_numbers=True,
    )
    runs = [study.run(320, rng=seed) for seed in range(200)]
    rows = [run.contrast("mean", "mean", conditions=(0, 1)).iloc[0] for run in runs]
    real = float(np.std([row["value"] for row in rows]))
    claimed = float(np.sqrt(np.mean([row["mcse"] ** 2 for row in rows])))
    assert claimed / real == pytest.approx(1.0, abs=4 * 0.05)  # 200 repeats know it to 5 %
    apart = float(np.sqrt(1 / 3200 + 1 / 4800))  # without anything in common
    assert real < 0.7 * apart
