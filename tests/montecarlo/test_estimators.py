"""Estimators that take whole blocks: the numbers of a loop, or a loop, or a refusal."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import estkit as ek

SEED = 2026
# A batch adds up in another order than a loop: the promise is twelve digits, not the same bytes.
BATCH = 1e-12

Functions = dict[str, Callable[..., Any]]
GENERATORS: Functions = {
    "looped": lambda rng: rng.normal(size=5),
    "vectorized": ek.vectorized(lambda rng, replicates: rng.normal(size=(replicates, 5))),
}
FIELDS = ["estimate", "std_error", "lower", "upper"]


def twins(kind: str, function: Any, loop: Any, replicates: int = 600) -> tuple[Any, Any]:
    """Study two forms of one estimator, and return the outcomes of each."""
    frame = (
        ek.Study(GENERATORS[kind], {"a": function, "b": loop}).run(replicates, rng=SEED).outcomes()
    )
    return tuple(frame[frame["estimator"] == name].reset_index(drop=True) for name in "ab")


def assert_same(a: Any, b: Any) -> None:
    assert a["parameter"].tolist() == b["parameter"].tolist()
    assert a["status"].tolist() == b["status"].tolist()
    np.testing.assert_allclose(a[FIELDS], b[FIELDS], rtol=BATCH, atol=BATCH)


# --- functions of an axis, which nobody declared ---

BATCHED: Functions = {
    "mean": np.mean, "median": np.median, "var": np.var, "ptp": np.ptp,
    "ddof": functools.partial(np.std, ddof=1), "third": functools.partial(np.quantile, q=1 / 3),
    "trimmed": functools.partial(stats.trim_mean, proportiontocut=0.2), "skew": stats.skew,
    "two quantiles": functools.partial(np.quantile, q=[0.25, 0.75]),
    "three quantiles": functools.partial(np.quantile, q=[0.25, 0.5, 0.75]),
    "a mapping": lambda x, axis=None: {"m": x.mean(axis=axis), "s": x.std(axis=axis)},
    "an axis without a default": lambda x, axis: x.std(axis=axis),
}  # fmt: skip


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("name", BATCHED)
def test_a_function_of_an_axis_gives_the_numbers_of_a_loop(kind: str, name: str) -> None:
    function = BATCHED[name]
    assert_same(*twins(kind, function, lambda x: function(x, axis=0)))


def test_a_function_of_an_axis_is_called_for_blocks() -> None:
    seen: list[int] = []

    def mean(x: Any, axis: int | None = None) -> Any:
        seen.append(x.ndim)
        return x.mean(axis=axis)

    ek.Study(GENERATORS["vectorized"], {"mean": mean}).run(1024, rng=SEED)
    assert len(seen) < 10  # and not a thousand


WRONG_IN_BLOCKS: Functions = {
    "uses the others": lambda x, axis=None: (x - x.mean()).std(axis=axis) * x.max(),
    "takes the axis for a column": lambda x, axis=0: x[..., axis] if x.ndim > 1 else x[0],
    "refuses an axis": lambda x, axis=None: x.mean() if axis is None else x.no_such_thing,
    "ignores the axis": lambda x, axis=None: x.mean(),
    "keeps the dimensions": lambda x, axis=None: x.mean(axis=axis, keepdims=x.ndim > 1),
    "reverses the replicates": lambda x, axis=None: np.flip(x.mean(axis=axis)),
    "returns a matrix": lambda x, axis=None: {"a": x if x.ndim > 1 else x[0]},
    "mixes the standard errors": lambda x, axis=None: ek.Estimate(
        x.mean(axis=axis), std_error=np.full(x.shape[:-1], x.std())
    ),
}


@pytest.mark.parametrize("name", WRONG_IN_BLOCKS)
def test_a_function_that_is_wrong_in_blocks_is_looped(name: str) -> None:
    function = WRONG_IN_BLOCKS[name]
    own, loop = twins("vectorized", function, lambda x: function(x))
    assert own[FIELDS].equals(loop[FIELDS])
    assert set(own["status"]) == {"ok"}


# --- estimators declared vectorized ---

DECLARED: dict[str, tuple[Any, Any]] = {
    "numbers": (lambda x: x.mean(axis=1), lambda x: x.mean()),
    "whole numbers": (lambda x: (x > 0).sum(axis=1), lambda x: (x > 0).sum()),
    "truth values": (lambda x: x[:, 0] > 0, lambda x: x[0] > 0),
    "a matrix": (lambda x: x[:, :3], lambda x: x[:3]),
    "a matrix of one column": (lambda x: x[:, :1], lambda x: x[:1]),
    "a mapping": (lambda x: {"a": x[:, 0], "b": x[:, 1]}, lambda x: {"a": x[0], "b": x[1]}),
    "an Estimate": (
        lambda x: ek.Estimate(x.mean(axis=1), std_error=x.std(axis=1)),
        lambda x: ek.Estimate(x.mean(), std_error=x.std()),
    ),
    "an Estimate with another level": (
        lambda x: ek.Estimate(x.mean(axis=1), std_error=x.std(axis=1), level=0.5),
        lambda x: ek.Estimate(x.mean(), std_error=x.std(), level=0.5),
    ),
    "an Estimate with open limits": (
        lambda x: ek.Estimate(x[:, 0], lower=x[:, 0] - 1, upper=np.full(len(x), np.inf)),
        lambda x: ek.Estimate(x[0], lower=x[0] - 1, upper=np.inf),
    ),
    "an Estimate that did not converge": (
        lambda x: ek.Estimate(x[:, 0], status="not_converged", reason="limit"),
        lambda x: ek.Estimate(x[0], status="not_converged", reason="limit"),
    ),
    "a mapping with value and std_error": (
        lambda x: {"value": x.mean(axis=1), "std_error": x.std(axis=1)},
        lambda x: {"value": x.mean(), "std_error": x.std()},
    ),
    "a mapping of Estimates": (
        lambda x: {"a": ek.Estimate(x[:, 0], std_error=x.std(axis=1)), "b": x[:, 1]},
        lambda x: {"a": ek.Estimate(x[0], std_error=x.std()), "b": x[1]},
    ),
    "nan and infinity in places": (
        lambda x: np.where(x[:, 0] > 1, np.nan, np.where(x[:, 0] < -1, np.inf, x[:, 0])),
        lambda x: np.nan if x[0] > 1 else np.inf if x[0] < -1 else x[0],
    ),
}


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("answer", DECLARED)
def test_a_vectorized_estimator_gives_what_its_loop_gives(kind: str, answer: str) -> None:
    whole, loop = DECLARED[answer]
    assert_same(*twins(kind, ek.vectorized(whole), loop))


MIXING: Functions = {
    "values": lambda x: x.mean(axis=1) - x.mean(),
    "values by name": lambda x: {"a": x.max(axis=1), "b": x.mean(axis=1) - x.mean()},
    "standard errors": lambda x: ek.Estimate(x.mean(axis=1), std_error=np.full(len(x), x.std())),
    "limits": lambda x: ek.Estimate(
        x.mean(axis=1), lower=np.full(len(x), x.min()), upper=np.full(len(x), x.max())
    ),
}


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("what", MIXING)
def test_a_vectorized_estimator_that_mixes_replicates_is_refused(kind: str, what: str) -> None:
    study = ek.Study(GENERATORS[kind], {"mixing": ek.vectorized(MIXING[what])})
    with pytest.raises(ek.StudyError, match="'mixing' is declared vectorized"):
        study.run(10, rng=SEED)


@pytest.mark.parametrize("rows", [slice(3), slice(None, None, 2), None], ids=str)
def test_a_vectorized_estimator_that_loses_replicates_is_refused(rows: Any) -> None:
    study = ek.Study(
        GENERATORS["vectorized"], {"it": ek.vectorized(lambda x: x.mean(axis=1)[rows])}
    )
    with pytest.raises(ek.StudyError, match=r"estimator 'it': a vectorized .* one number for each"):
        study.run(40, rng=SEED)


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_failing_replicate_of_a_block_is_found_and_the_others_keep_their_numbers(
    kind: str,
) -> None:
    def steep(x: Any) -> Any:
        if (x[:, 0] > 2.5).any():
            raise ValueError("too large")
        return x.mean(axis=1)

    functions = {"steep": ek.vectorized(steep), "mean": lambda x: x.mean(), "first": lambda x: x[0]}
    result = ek.Study(GENERATORS[kind], functions).run(1000, rng=SEED)
    whole, loop, first = result.outcomes()["estimate"].to_numpy().reshape(3, -1)
    bad = np.flatnonzero(first > 2.5).tolist()
    assert len(bad) > 1
    assert result.failures()["replicate"].tolist() == bad
    assert set(result.failures()["reason"]) == {"ValueError: too large"}
    np.testing.assert_allclose(np.delete(whole, bad), np.delete(loop, bad), rtol=BATCH, atol=BATCH)


@pytest.mark.parametrize("function", [np.nanmean, lambda x: np.nanmean(x)], ids=["batch", "loop"])
def test_a_warning_is_recorded_with_the_replicate_that_gave_it(function: Any) -> None:
    def draw(rng: Any, replicates: int) -> Any:
        x = rng.normal(size=(replicates, 4))
        x[7:8] = np.nan
        return x

    result = ek.Study(ek.vectorized(draw), {"it": function}).run(20, rng=SEED)
    noted = result.warnings()[["replicate", "warning"]].values.tolist()
    assert noted == [[7, "Mean of empty slice"]]
    assert result.failures()["replicate"].tolist() == [7]


def test_data_sets_of_unequal_shape_are_looped() -> None:
    def generate(rng: Any) -> Any:
        return rng.normal(size=rng.integers(3, 6))

    functions = {"whole": ek.vectorized(lambda x: x.mean(axis=1)), "loop": lambda x: x.mean()}
    whole, loop = (
        ek.Study(generate, functions)
        .run(300, rng=SEED)
        .outcomes()["estimate"]
        .to_numpy()
        .reshape(2, -1)
    )
    np.testing.assert_allclose(whole, loop, rtol=BATCH, atol=BATCH)


def test_a_function_with_a_form_for_blocks_is_not_called_for_single_data_sets() -> None:
    calls: list[int] = []

    def middle(x: Any) -> float:
        calls.append(len(x))
        return float(np.mean(x))

    middle.vectorized = lambda x: np.mean(x, axis=1)  # type: ignore[attr-defined]
    study = ek.Study(lambda rng: rng.normal(size=20), {"middle": middle}, truth=0.0)
    assert len(study.run(40, rng=1).outcomes()) == 40
    assert calls == []
