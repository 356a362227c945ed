"""What is unusual and yet allowed: missing entries, named truths, masked and empty answers."""

from __future__ import annotations

import fractions
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.svm import SVC

import estkit as ek
from estkit.errors import DataError, StudyError
from estkit.montecarlo.answers import as_estimate

SEED = 20
EXACT = 1e-12  # rounding of sums in another order


def normal(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(1.0, size=8)


def location_and_scale(x: np.ndarray) -> dict[str, float]:
    return {"loc": float(x.mean()), "scale": float(x.std())}


@pytest.mark.parametrize("missing", [math.nan, None, pd.NaT])
def test_a_condition_with_a_missing_entry_can_be_named(missing: Any) -> None:
    conditions = [{"n": 5, "law": 1.0}, {"n": 5, "law": missing}]
    study = ek.Study(
        lambda rng, n: rng.normal(size=n), {"mean": np.mean}, truth=0.0, conditions=conditions
    )
    again = study.run(3, rng=SEED).replay(2, pd.DataFrame(conditions).to_dict("records")[1])
    assert again.estimates["mean"].value == study.replay(2, 1, rng=SEED).estimates["mean"].value


def test_conditions_may_be_named_as_the_estimators_of_a_contrast() -> None:
    functions = {"mean": np.mean, "median": np.median}
    conditions = ek.grid(a=[5, 9], b=[0.0, 1.0])
    study = ek.Study(
        lambda rng, a, b: rng.normal(b, size=a), functions, truth=lambda b: b, conditions=conditions
    )
    result = study.run(20, rng=SEED)
    frame = result.contrast("mean", "median", "mse")
    assert frame[["a", "b"]].to_dict("records") == conditions
    assert set(frame["estimator_a"]) == {"mean"} and set(frame["estimator_b"]) == {"median"}
    across = result.contrast("mean", "median", "mse", conditions=(0, 1))
    assert across[["a", "b"]].to_numpy().tolist() == [["mean", "median"]]


@pytest.mark.parametrize(
    "truth",
    [
        ek.Estimate([5.0, 1.0], names=["scale", "loc"]),
        pd.Series({"scale": 5.0, "loc": 1.0}),
        {"both": pd.Series({"scale": 5.0, "loc": 1.0})},
        lambda: ek.Estimate([5.0, 1.0], names=["scale", "loc"], std_error=[0.1, 0.0]),
    ],
    ids=["estimate", "series", "by estimator", "function"],
)
@pytest.mark.parametrize("drawn", [False, True])
def test_a_truth_with_names_is_taken_by_name(truth: Any, drawn: bool) -> None:
    def generate(rng: np.random.Generator) -> Any:
        return ek.Sample(normal(rng), truth() if callable(truth) else truth)

    study = ek.Study(
        generate if drawn else normal, {"both": location_and_scale}, truth=None if drawn else truth
    )
    outcomes = study.run(4, rng=SEED).outcomes()
    assert outcomes["truth"].tolist() == [1.0, 5.0] * 4


def test_a_truth_with_names_that_nothing_has_is_refused() -> None:
    truth = ek.Estimate([1.0, 2.0], names=["location", "spread"])
    with pytest.raises(StudyError, match="location"):
        ek.Study(normal, {"both": location_and_scale}, truth=truth).run(4, rng=SEED)


def test_errors_of_different_truths_do_not_cancel_in_a_contrast() -> None:
    functions = {"mean": np.mean, "median": np.median}
    own = {"mean": ek.Estimate(1.0, std_error=0.3), "median": ek.Estimate(1.5, std_error=0.3)}
    result = ek.Study(normal, functions, truth=own).run(400, rng=SEED)
    plain = ek.Study(normal, functions, truth=1.0).run(400, rng=SEED)
    expected = math.hypot(plain.contrast("mean", "median").mcse[0], 0.3, 0.3)
    assert result.contrast("mean", "median").mcse[0] == pytest.approx(expected, rel=EXACT)
    shared = ek.Study(normal, functions, truth=ek.Estimate(1.0, std_error=0.3)).run(400, rng=SEED)
    assert shared.contrast("mean", "median").mcse[0] == pytest.approx(
        plain.contrast("mean", "median").mcse[0], rel=EXACT
    )


def test_what_is_masked_is_no_number() -> None:
    assert math.isnan(as_estimate(np.ma.masked).value)
    found = as_estimate(np.ma.array([1.0, 2.0], mask=[False, True]))
    assert np.array_equal(found.value, [1.0, math.nan], equal_nan=True)
    draw = ek.vectorized(lambda rng, replicates: rng.normal(size=(replicates, 5)))

    def positive(x: np.ndarray) -> Any:
        return np.ma.masked_less(x, 0.0).mean(axis=1)

    result = ek.Study(draw, {"mean": ek.vectorized(positive)}, truth=None).run(400, rng=SEED)
    none = [replicate for replicate in range(400) if (result.replay(replicate).data < 0).all()]
    assert none and result.failures()["replicate"].tolist() == none


@pytest.mark.parametrize("nothing", [[], np.empty(0), {}, pd.Series([], dtype=float)], ids=type)
def test_an_answer_without_a_number_is_a_failure(nothing: Any) -> None:
    result = ek.Study(normal, {"none": lambda x: nothing}, truth=0.0).run(3, rng=SEED)
    assert result.failures()["status"].tolist() == ["failed"] * 3


@pytest.mark.parametrize("number", [fractions.Fraction(3, 2), 2**70])
def test_numbers_of_any_kind_are_numbers(number: Any) -> None:
    assert as_estimate(number).value == float(number)


def test_a_solver_without_a_limit_converges() -> None:
    def generate(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        X = rng.normal(size=(30, 2))
        return X, (X[:, 0] + rng.normal(size=30) > 0).astype(int)

    study = ek.Study(generate, {"svm": SVC(kernel="linear")}, truth=None)
    assert study.run(4, rng=SEED).failures().empty


@pytest.mark.parametrize("function", [stats.spearmanr, stats.theilslopes, stats.siegelslopes])
def test_a_function_of_scipy_gets_both_of_two_samples(function: Callable[..., Any]) -> None:
    def generate(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return rng.normal(size=12), rng.normal(size=12)

    again = ek.Study(generate, {"it": function}, truth=None).replay(0, rng=SEED)
    expected = as_estimate(function(*again.data))
    assert np.array_equal(again.estimates["it"].value, expected.value)
    assert again.estimates["it"].status == "ok"


def deviation_after_centring(x: np.ndarray, axis: int | None = None) -> Any:
    """What is right for one data set, and spoilt for a block by one nan."""
    return (x - np.mean(x)).std(axis=axis)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_blocks_that_nobody_declared_never_change_a_number(scale: float) -> None:
    def draw(rng: np.random.Generator, replicates: int) -> np.ndarray:
        x = scale * rng.normal(size=(replicates, 9))
        x[rng.random(x.shape) < 0.01] = np.nan
        return x

    functions = {
        "quantiles": lambda x, axis=-1: np.quantile(x, [0.25, 0.75], axis=axis),
        "spread": deviation_after_centring,
    }
    alone = {f"{name} alone": lambda x, f=f: f(x) for name, f in functions.items()}
    study = ek.Study(ek.vectorized(draw), {**functions, **alone}, truth=None)
    outcomes = study.run(100, rng=SEED).outcomes().set_index("estimator")
    for name in functions:
        own, other = (outcomes.loc[each] for each in (name, f"{name} alone"))
        assert (own["status"].to_numpy() == other["status"].to_numpy()).all()
        assert (own["status"] == "ok").sum() > 50
        assert np.allclose(own["estimate"], other["estimate"], EXACT, EXACT, equal_nan=True)


def test_short_floats_give_the_same_in_blocks_and_alone() -> None:
    draw = ek.vectorized(lambda rng, replicates: rng.normal(size=(replicates, 50)).astype("f4"))
    functions = {"skew": stats.skew, "alone": lambda x: stats.skew(x)}
    outcomes = ek.Study(draw, functions, truth=None).run(300, rng=SEED).outcomes()
    own, alone = (outcomes.loc[outcomes["estimator"] == name, "estimate"] for name in functions)
    assert own.tolist() == alone.tolist()


def test_what_did_not_converge_counts_in_no_measure_of_the_user() -> None:
    def interval(x: np.ndarray) -> ek.Estimate:
        status = "not_converged" if x[0] < 0.5 else "ok"
        return ek.Estimate(x.mean(), std_error=x.std() / math.sqrt(8), status=status)

    result = ek.Study(normal, {"mean": interval}, truth=1.0).run(200, rng=SEED)
    own = ek.Measure(
        lambda d: float(((d.lower <= d.truth) & (d.truth <= d.upper)).mean()),
        "own", needs=("lower", "upper", "truth"), is_rate=True,
    )  # fmt: skip
    for missing in ("pairwise", "complete"):
        found, expected = (result.summary(m, missing=missing).iloc[0] for m in (own, "coverage"))
        assert found["used"] == expected["used"] < 200
        assert found["value"] == expected["value"]


@pytest.mark.parametrize("column", ["estimate", "truth", "std_error", "lower"])
def test_a_measure_cannot_change_the_outcomes(column: str) -> None:
    result = ek.Study(normal, {"mean": np.mean}, truth=1.0).run(20, rng=SEED)
    before = result.fingerprint()
    with pytest.raises(StudyError, match=r"writes.*read-only"):
        result.summary({"writes": lambda d: getattr(d, column).fill(0.0) or 1.0})
    assert result.fingerprint() == before


@pytest.mark.parametrize("psi", [np.zeros(3), np.zeros((20, 1))], ids=np.shape)
def test_influence_values_of_another_number_are_refused(psi: np.ndarray) -> None:
    result = ek.Study(normal, {"mean": np.mean}, truth=1.0).run(20, rng=SEED)
    with pytest.raises(DataError, match="20 replicates"):
        result.summary({"own": lambda d: ek.Influence(1.0, psi)})


@pytest.mark.parametrize("scale", [1e-300, 1e160, 1e300])
def test_the_error_of_a_mean_has_its_unit_at_any_scale(scale: float) -> None:
    unit, other = (
        ek.Study(lambda rng, s=s: s * rng.normal(size=8), {"mean": np.mean}, truth=0.0)
        .run(50, rng=SEED)
        .summary(["bias", "mae"])["mcse"]
        for s in (1.0, scale)
    )
    assert np.allclose(other / scale, unit, rtol=EXACT)


@pytest.mark.parametrize("seed", range(4))  # the two data sets of a trial are in order in half
def test_answers_of_a_block_in_another_order_are_refused(seed: int) -> None:
    draw = ek.vectorized(lambda rng, replicates: rng.normal(size=(replicates, 7)))
    wrong = ek.vectorized(lambda x: np.sort(x.mean(axis=1)))
    with pytest.raises(StudyError, match="declared vectorized"):
        ek.Study(draw, {"mean": wrong}, truth=0.0).run(10, rng=seed)


@pytest.mark.parametrize("mean", ["0", None, [0.0, 1.0], math.nan, math.inf])
@pytest.mark.parametrize("late", [False, True])
def test_an_expectation_that_is_no_number_is_refused_before_the_work(mean: Any, late: bool) -> None:
    def generate(rng: np.random.Generator) -> Any:
        raise AssertionError("nothing shall be drawn")

    with pytest.raises(DataError if not late else StudyError, match="finite number"):
        controls = {"mean": (np.mean, (lambda: mean) if late else mean)}
        ek.Study(generate, {"mean": np.mean}, truth=0.0, controls=controls).run(4, rng=SEED)


def test_a_control_that_opposite_draws_cancel_is_no_harm() -> None:
    study = ek.Study(
        normal, {"median": np.median}, truth=1.0, antithetic=True, controls={"mean": (np.mean, 1.0)}
    )
    frame = study.run(100, rng=SEED).summary(["mse", "coverage"])
    assert frame["value"].notna().tolist() == [True, False] and (frame["note"] != "").sum() == 1


@pytest.mark.parametrize(
    "kind",
    [np.zeros, lambda k: [0.0] * k, lambda k: dict.fromkeys("ab", 0)],
    ids=["array", "list", "mapping"],
)
def test_an_estimator_may_write_every_answer_into_the_same_place(kind: Callable[..., Any]) -> None:
    place = kind(2)

    def reusing(x: np.ndarray) -> Any:
        first, second = list(place) if isinstance(place, dict) else (0, 1)
        place[first], place[second] = x.mean(), x.std()
        return place

    outcomes = ek.Study(normal, {"own": reusing}, truth=None).run(50, rng=SEED).outcomes()
    assert outcomes["estimate"].nunique() == 100


@pytest.mark.parametrize("pair", [("mean", "never"), ("never", "mean"), ("never", "never")])
@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_a_contrast_with_what_always_failed_is_missing(pair: tuple[str, str], kind: str) -> None:
    functions = {"mean": np.mean, "never": lambda x: 1 / 0}
    result = ek.Study(normal, functions, truth=1.0).run(20, rng=SEED)
    found = result.contrast(*pair, "mse", kind=kind)
    assert found["value"].isna().all() and found["note"].tolist() == ["no replicate has both"]
    rates = result.contrast(*pair, "failure_rate")["value"].tolist()
    assert rates == [(pair[0] == "never") - (pair[1] == "never")]


def test_a_vectorized_estimator_may_write_every_answer_into_the_same_place() -> None:
    place = np.empty(1024)

    def reusing(x: np.ndarray) -> np.ndarray:
        return np.mean(x, axis=1, out=place[: len(x)])

    draw = ek.vectorized(lambda rng, replicates: rng.normal(size=(replicates, 9)))
    functions = {"own": ek.vectorized(reusing), "mean": lambda x: x.mean()}
    outcomes = ek.Study(draw, functions, truth=None).run(3000, rng=SEED).outcomes()
    own, mean = (outcomes.loc[outcomes["estimator"] == name, "estimate"] for name in functions)
    assert np.allclose(own.to_numpy(), mean.to_numpy(), rtol=0, atol=EXACT)


@pytest.mark.parametrize("name", ["seconds", "target", "timed", "met", "asked"])
def test_a_condition_cannot_take_the_name_of_a_column_of_any_frame(name: str) -> None:
    with pytest.raises(ek.DataError, match=f"uses '{name}', a name that estkit needs"):
        ek.Study(lambda rng: rng.normal(size=3), {"mean": np.mean}, conditions=[{name: 1}])
    prepared = ek.Study(
        lambda rng: rng.normal(size=3), {"mean": np.mean}, truth=0.0, prepare=lambda rng: {name: 1}
    )
    assert len(prepared.run(5, rng=1).times()) == 1


def test_a_truth_that_is_told_twice_is_refused() -> None:
    own = ek.Study(
        lambda rng: ek.Sample(rng.normal(size=3), truth=0.0), {"mean": np.mean}, truth=3.0
    )
    with pytest.raises(ek.StudyError, match=r"bring their truth with them .* leave one of them"):
        own.run(5, rng=1)
