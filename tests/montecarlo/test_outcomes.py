"""Failures are outcomes: recorded with their reason, and without effect on anybody else."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

import estkit as ek

SEED = 5
REPLICATES = 250


def normal(rng: Any) -> Any:
    return rng.normal(size=4)


def is_bad(x: Any) -> bool:
    return bool(x[0] > 1)


# What an estimator does where `is_bad`, the status of these replicates, and the reason (a pattern).
BAD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "raises": (lambda x: 1 / 0, "^ZeroDivisionError: division by zero$"),
    "raises without a word": (lambda x: [][1:].index(None), "^ValueError"),
    "raises a warning": (lambda x: (_ for _ in ()).throw(ConvergenceWarning("no")), "^Convergence"),
    "raises what estkit raises": (lambda x: ek.grid(n=3), "^DataError: n must be a list of levels"),
    "nan": (lambda x: np.nan, "^returned nan for 'value'$"),
    "inf": (lambda x: np.inf, "^returned inf for 'value'$"),
    "minus inf": (lambda x: np.float64(-np.inf), "^returned -inf for 'value'$"),
    "None": (lambda x: None, "must return a number.*it returned NoneType"),
    "text": (lambda x: "1.5", "must return a number.*it returned str: '1.5'"),
    "a function": (lambda x: is_bad, "must return a number.*it returned function"),
    "a model": (lambda x: LinearRegression(), "LinearRegression has no coefficients"),
    "complex": (lambda x: 1j, "must hold real numbers|must return a number"),
    "a matrix": (lambda x: np.eye(2), r"shape \(2, 2\)"),
    "too many": (lambda x: x, r"returned the parameters \(value\[0\], .*\) instead of \(value\)"),
    "other names": (lambda x: {"other": 1.0}, r"returned the parameters \(other\) instead of"),
    "nothing": (lambda x: [], r"returned the parameters \(\) instead of|empty"),
    "an empty mapping": (lambda x: {}, "empty mapping"),
    "a mapping of texts": (lambda x: {"value": "a"}, "must return a number"),
    "a negative error": (lambda x: ek.Estimate(1.0, std_error=-1.0), "must not be negative"),
    "not converged": (
        lambda x: ek.Estimate(1.0, status="not_converged", reason="too few steps"),
        "^too few steps$",
    ),
    "failed": (lambda x: ek.Estimate(np.nan, status="failed", reason="no root"), "^no root$"),
    "failed without a reason": (lambda x: ek.Estimate(np.nan, status="failed"), "^failed$"),
    "changes its data": (lambda x: x.sort(), "ValueError: .*read-only.*copy them"),
}


def troubled(kind: str) -> Callable[[Any], Any]:
    return lambda x: BAD[kind][0](x) if is_bad(x) else x.mean()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_is_a_failure_with_its_reason_and_its_replicate(kind: str) -> None:
    functions = {"it": troubled(kind), "first": lambda x: x[0]}
    result = ek.Study(normal, functions).run(REPLICATES, rng=SEED)
    frame, failures = result.outcomes(), result.failures()
    first = frame[frame["estimator"] == "first"]["estimate"].to_numpy()
    bad = np.flatnonzero(first > 1)
    assert len(bad) > 10
    assert failures["estimator"].unique().tolist() == ["it"]
    assert failures["replicate"].tolist() == bad.tolist()
    assert failures["reason"].str.contains(BAD[kind][1]).all()
    status = "not_converged" if kind == "not converged" else "failed"
    assert failures["status"].unique().tolist() == [status]
    own = frame[frame["estimator"] == "it"].set_index("replicate")
    assert own["status"].value_counts().to_dict() == {"ok": REPLICATES - len(bad), status: len(bad)}
    summary = result.summary(["empirical_se", "failure_rate"]).set_index(["estimator", "measure"])
    row = summary.loc[("it", "empirical_se")]
    assert (row["used"], row["failed"]) == (REPLICATES - len(bad), len(bad))
    good = own[own["status"] == "ok"]["estimate"]
    assert row["value"] == pytest.approx(good.std(), rel=1e-12)
    assert summary.loc[("it", "failure_rate"), "value"] == len(bad) / REPLICATES


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("first", [True, False])
def test_a_failure_changes_no_number_of_the_other_estimators(kind: str, first: bool) -> None:
    others = {"mean": np.mean, "own": lambda x, rng: rng.choice(x), "last": lambda x: x[-1]}
    functions = {"it": troubled(kind), **others} if first else {**others, "it": troubled(kind)}
    alone = ek.Study(normal, others, truth=0.0).run(REPLICATES, rng=SEED)
    among = ek.Study(normal, functions, truth=0.0).run(REPLICATES, rng=SEED)

    def rest(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["estimator"] != "it"].reset_index(drop=True)

    assert rest(among.outcomes()).equals(alone.outcomes())
    assert rest(among.summary()).equals(alone.summary())


def test_an_estimator_that_always_fails_is_counted_and_hides_nobody() -> None:
    result = ek.Study(normal, {"never": lambda x: 1 / 0, "mean": np.mean}).run(20, rng=SEED)
    rate = result.summary("failure_rate").set_index("estimator")
    assert rate.loc["never", ["value", "used", "failed"]].tolist() == [1.0, 20, 20]
    assert rate.loc["mean", ["value", "used", "failed"]].tolist() == [0.0, 20, 0]
    assert len(result.failures()) == 20
    assert "never" in str(result)


def test_a_warning_is_noted_and_the_answer_is_used() -> None:
    def odd(x: Any) -> float:
        if is_bad(x):
            warnings.warn("first", RuntimeWarning, stacklevel=1)
            warnings.warn("second", stacklevel=1)
        return float(x.mean())

    result = ek.Study(normal, {"odd": odd, "mean": lambda x: x.mean()}).run(REPLICATES, rng=SEED)
    noted = result.warnings()
    assert noted["warning"].unique().tolist() == ["first"]
    assert noted["estimator"].unique().tolist() == ["odd"]
    assert [r for r in range(REPLICATES) if is_bad(result.replay(r).data)] == noted[
        "replicate"
    ].tolist()
    assert len(result.failures()) == 0
    odd_, mean = result.outcomes()["estimate"].to_numpy().reshape(2, -1)
    assert odd_.tolist() == mean.tolist()


@pytest.mark.parametrize("replicates", [1, 5, 250, 1000])
def test_the_names_of_the_first_answer_hold_for_all_replicates(replicates: int) -> None:
    # which replicates count must not depend on how many there are, or on the blocks they fall in
    functions = {"it": lambda x: {"a" if x[0] < 0.1 else "b": x[0]}, "first": lambda x: x[0]}
    result = ek.Study(normal, functions).run(replicates, rng=SEED)
    frame = result.outcomes().set_index(["estimator", "replicate"])
    small = frame.loc["first"]["estimate"] < 0.1
    assert (frame.loc["it"]["status"] == "ok").tolist() == (small == small[0]).tolist()


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "a number": lambda x: x.mean(),
    "an Estimate": lambda x: ek.Estimate(x.mean(), std_error=x.std(), level=0.5),
    "a vector": lambda x: x[:2],
    "not converged": lambda x: ek.Estimate(
        x[0], status="not_converged" if is_bad(x) else "ok", reason="too few steps"
    ),
    "failed": lambda x: ek.Estimate(x[0], status="failed" if is_bad(x) else "ok", reason="no"),
    "nan in one of two": lambda x: {"a": np.nan if is_bad(x) else 1.0, "b": x[0]},
    "a warning": lambda x: warnings.warn("odd", stacklevel=1) or x.mean(),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_replay_tells_the_status_and_the_numbers_that_were_stored(kind: str) -> None:
    result = ek.Study(normal, {"it": ANSWERS[kind]}).run(40, rng=SEED)
    stored = result.outcomes().set_index("replicate")
    for replicate in range(40):
        again, row = result.replay(replicate).estimates["it"], stored.loc[[replicate]]
        assert again.status == row["status"].iloc[0]
        assert np.array_equal(np.atleast_1d(again.value), row["estimate"], equal_nan=True)
        if again.lower is not None:
            assert np.array_equal(np.atleast_1d(again.lower), row["lower"], equal_nan=True)


class Mute(Exception):
    """An error that fails when it is asked what it says."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_error_that_cannot_say_why_is_an_outcome_as_others_are() -> None:
    def moody(x: Any) -> float:
        if x[0] > 0:
            raise Mute
        return float(x.mean())

    study = ek.Study(lambda rng: rng.normal(size=3), {"moody": moody, "mean": np.mean}, truth=0.0)
    result = study.run(40, rng=1)
    assert 0 < len(result.failures()) < 40
    assert set(result.failures()["reason"]) == {"Mute, which cannot say why"}
    assert result.summary("bias")["used"].tolist()[1] == 40


def test_what_is_left_of_a_study_is_told_in_a_sentence_of_its_own() -> None:
    def draw(rng: Any) -> Any:
        data = rng.normal(size=4)
        if data[0] > 2.2:
            raise ValueError("too large")
        return data

    with pytest.raises(ek.StudyError, match=r"condition: too large\. The \d+ replicates before it"):
        ek.Study(draw, {"mean": np.mean}, truth=0.0).run(500, rng=1)
