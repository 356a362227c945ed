"""How a study is declared: conditions, how functions are called, truths, and each wrong use."""

from __future__ import annotations

import functools
import operator
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import estkit as ek

SEED = 11
DATA = np.array([4.0, 1.0, 3.0])
OTHER = np.array([10.0, 20.0, 60.0])
Pair = namedtuple("Pair", "x y")


def normal(rng: Any) -> Any:
    return rng.normal(size=4)


def answers(study: ek.Study, replicates: int = 2) -> list[float]:
    """Run a study of one estimator, and return its estimates; none may have failed."""
    result = study.run(replicates, rng=SEED)
    assert result.failures()["reason"].tolist() == []
    return list(result.outcomes()["estimate"])


# --- conditions ---


def test_a_grid_is_every_combination_with_the_last_level_varying_fastest() -> None:
    grid = ek.grid(n=[10, 30], law=["normal", "t3"], shift=range(2))
    assert [tuple(c.values()) for c in grid] == [
        (10, "normal", 0), (10, "normal", 1), (10, "t3", 0), (10, "t3", 1),
        (30, "normal", 0), (30, "normal", 1), (30, "t3", 0), (30, "t3", 1),
    ]  # fmt: skip
    assert [list(c) for c in grid] == [["n", "law", "shift"]] * 8


@pytest.mark.parametrize(
    "levels", [{"n": 3}, {"n": "abc"}, {"n": []}, {"m": [1], "n": ()}], ids=str
)
def test_a_grid_without_levels_is_refused_by_name(levels: dict[str, Any]) -> None:
    with pytest.raises(ek.DataError, match=r"^n (must be a list of levels|has no levels)"):
        ek.grid(**levels)


CONDITIONS: dict[str, Any] = {
    "grid": ek.grid(n=[3, 5], law=["a"]),
    "grid of an array": ek.grid(n=np.array([3, 5]), law=["a"]),
    "list": [{"n": 3, "law": "a"}, {"n": 5, "law": "a"}],
    "tuple": ({"n": 3, "law": "a"}, {"n": 5, "law": "a"}),
    "numpy scalars": [{"n": np.int64(3), "law": np.str_("a")}, {"n": np.int32(5), "law": "a"}],
    "pandas": pd.DataFrame({"n": [3, 5], "law": ["a", "a"]}),
    "polars": pl.DataFrame({"n": [3, 5], "law": ["a", "a"]}),
}


@pytest.mark.parametrize("form", CONDITIONS)
def test_conditions_may_be_a_grid_a_list_or_a_frame(form: str) -> None:
    study = ek.Study(
        lambda rng, n, law: rng.normal(size=n), {"count": len}, conditions=CONDITIONS[form]
    )
    frame = study.run(2, rng=SEED).outcomes()
    assert frame["n"].tolist() == frame["estimate"].tolist() == [3, 3, 5, 5]
    assert [type(value) for value in study.conditions[1].values()] == [int, str]


WRONG_CONDITIONS: dict[str, tuple[Any, str]] = {
    "empty": ([], "conditions is empty"),
    "one mapping": ({"n": [1, 2]}, "must be a list of mappings"),
    "a number": (3, "must be a list of mappings, see grid; got 3"),
    "numbers": ([3, 4], "condition 0 is 3"),
    "unequal names": ([{"n": 1}, {"n": 2, "m": 1}], "condition 1 has the names"),
    "a name that is no text": ([{3: 1}], "condition 0 uses 3"),
}


@pytest.mark.parametrize("kind", WRONG_CONDITIONS)
def test_wrong_conditions_are_refused(kind: str) -> None:
    given, message = WRONG_CONDITIONS[kind]
    with pytest.raises(ek.DataError, match=message):
        ek.Study(normal, np.mean, conditions=given)


# Each is a column of a table that a result gives, or an argument of generate.
COLUMNS = (
    "rng replicates condition estimator parameter measure replicate value mcse lower upper used "
    "failed estimate std_error truth status reason warning condition_a condition_b"
).split()


@pytest.mark.parametrize("name", COLUMNS)
def test_a_condition_with_the_name_of_an_output_column_is_refused(name: str) -> None:
    with pytest.raises(ek.DataError, match=f"'{name}'"):
        ek.Study(normal, {"mean": np.mean}, truth=0.0, conditions=[{name: 1}, {name: 2}])


# --- how generate is called ---

GENERATORS: dict[str, Callable[..., Any]] = {
    "by name": lambda rng, n, shift: shift + rng.normal(size=n),
    "in any order": lambda shift, n, rng: shift + rng.normal(size=n),
    "rng by position": lambda r, n, shift: shift + r.normal(size=n),
    "rng by position, last": lambda n, shift, r: shift + r.normal(size=n),
    "keywords only": lambda *, rng, shift, n: shift + rng.normal(size=n),
    "the whole condition": lambda rng, condition: condition["shift"] + rng.normal(
        size=condition["n"]
    ),
    "any keyword": lambda rng, **c: c["shift"] + rng.normal(size=c["n"]),
    "a default that is on offer": lambda rng, n, shift=99.0: shift + rng.normal(size=n),
    "a default that is not": lambda rng, n, shift, scale=1.0: shift + scale * rng.normal(size=n),
    "partial": functools.partial(
        lambda scale, rng, n, shift: shift + scale * rng.normal(size=n), 1.0
    ),
    "vectorized": ek.vectorized(
        lambda rng, replicates, n, shift: shift + rng.normal(size=(replicates, n))
    ),
    "vectorized, by position": ek.vectorized(
        lambda r, many, n, shift: shift + r.normal(size=(many, n))
    ),
}  # fmt: skip


@pytest.mark.parametrize("convention", GENERATORS)
def test_generate_gets_its_stream_and_the_condition(convention: str) -> None:
    generate, truth = GENERATORS[convention], {"n": 3, "shift": 500.0}
    replay = ek.Study(generate, np.mean, conditions=[truth]).replay(0, rng=SEED)
    plain = ek.Study(lambda rng: rng.normal(size=3), np.mean).replay(0, rng=SEED)
    if "vectorized" in convention:  # its stream is that of the block
        assert replay.data.shape == (3,) and abs(replay.data - 500).max() < 10
    else:
        assert np.array_equal(replay.data, 500 + plain.data)


# --- how an estimator is called ---


class Callable1:
    """Like a method of scikit-learn: the second argument has a default and still wants its data."""

    def __call__(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        return float(X.sum()) if y is None else float((X * y).sum())


DOT, SUM = float(DATA @ OTHER), float(DATA.sum())
ESTIMATORS: dict[str, tuple[Any, Callable[..., Any], float]] = {
    "an array": (DATA, lambda x: x.sum(), SUM),
    "an array and options": (DATA, lambda x, power=1: (x**power).sum(), SUM),
    "an array as data": (DATA, lambda n, data: data.sum() * n, SUM * 2),
    "an array and the condition": (DATA, lambda x, n: x.sum() * n, SUM * 2),
    "an array and all of the condition": (DATA, lambda x, condition: condition["n"], 2.0),
    "an array and any keyword": (DATA, lambda x, **c: x.sum() * c["n"], SUM * 2),
    "args of an array": (DATA, lambda *x: x[0].sum(), SUM),
    "a builtin without a signature": (DATA, max, float(DATA.max())),
    "a builtin with positions only": (DATA, len, 3.0),
    "a partial": (DATA, functools.partial(np.quantile, q=0.5), float(np.median(DATA))),
    "a method caller": (DATA, operator.methodcaller("sum"), SUM),
    "an object": (DATA, Callable1(), SUM),
    "a tuple as one": ((DATA, OTHER), lambda d: (d[0] * d[1]).sum(), DOT),
    "a tuple unpacked": ((DATA, OTHER), lambda X, y: (X * y).sum(), DOT),
    "a tuple unpacked with options": ((DATA, OTHER), lambda X, y, a=1: a * (X * y).sum(), DOT),
    "a tuple and the condition": ((DATA, OTHER), lambda X, y, n: n * (X * y).sum(), 2 * DOT),
    "a tuple for args": ((DATA, OTHER), lambda *parts: (parts[0] * parts[1]).sum(), DOT),
    "a tuple for an object": ((DATA, OTHER), Callable1(), DOT),
    "a tuple for a partial": ((DATA, OTHER), functools.partial(np.dot), DOT),
    "a list of arrays": ([DATA, OTHER], lambda X, y: (X * y).sum(), DOT),
    "a named tuple as one": (Pair(DATA, OTHER), lambda d: (d.x * d.y).sum(), DOT),
    "a named tuple unpacked": (Pair(DATA, OTHER), lambda x, y: (x * y).sum(), DOT),
    "a mapping by name": ({"y": OTHER, "x": DATA}, lambda x, y: (x * y).sum(), DOT),
    "a mapping by one name": ({"y": OTHER, "x": DATA}, lambda x: x.sum(), SUM),
    "a mapping as one": ({"y": OTHER, "x": DATA}, lambda d: (d["x"] * d["y"]).sum(), DOT),
    "a frame": (pd.DataFrame({"x": DATA, "y": OTHER}), lambda d: (d.x * d.y).sum(), DOT),
    "a number": (SUM, lambda total: total, SUM),
}  # fmt: skip


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_an_estimator_gets_the_data_as_it_asks_for_them(kind: str) -> None:
    data, estimator, expected = ESTIMATORS[kind]
    study = ek.Study(lambda rng: data, {"it": estimator}, conditions=ek.grid(n=[2]))
    assert answers(study) == [expected] * 2


def test_an_estimator_that_asks_for_rng_gets_a_stream_of_its_own() -> None:
    study = ek.Study(normal, {"a": lambda x, rng: rng.normal(), "b": lambda rng, x: rng.normal()})
    drawn = answers(study, 30)
    data = [study.replay(r, rng=SEED).data for r in range(30)]
    assert len({*drawn, *np.ravel(data)}) == 60 + 30 * 4


@pytest.mark.parametrize("name", ["ddof", "mean", "axis", "dtype"])
def test_a_condition_does_not_switch_the_option_of_a_library_function(name: str) -> None:
    # the variance in data with mean 3 is not to become the variance about 3
    study = ek.Study(normal, {"variance": np.var}, conditions=[{name: 3}])
    plain = ek.Study(normal, {"variance": np.var}, conditions=[{"unrelated": 3}])
    assert answers(study, 20) == answers(plain, 20)


def test_estimators_may_be_one_function_or_a_list_that_tells_their_names() -> None:
    assert list(ek.Study(normal, np.mean).estimators) == ["mean"]
    assert list(ek.Study(normal, [np.mean, np.median]).estimators) == ["mean", "median"]


# --- truth ---


def both(x: Any) -> dict[str, float]:
    return {"location": x.mean(), "spread": x.std()}


# What is given, and the truth of location and spread that comes of it at n = 4 and n = 9.
TRUTHS: dict[str, tuple[Any, list[float]]] = {
    "a number": (2, [2, 2, 2, 2]),
    "an array": ([1.0, 5.0], [1, 5, 1, 5]),
    "by parameter": ({"spread": 5.0, "location": 1.0}, [1, 5, 1, 5]),
    "of one parameter": ({"spread": 5.0}, [np.nan, 5, np.nan, 5]),
    "by estimator": ({"both": [1.0, 5.0]}, [1, 5, 1, 5]),
    "by estimator and parameter": ({"both": {"location": 1.0, "spread": 5.0}}, [1, 5, 1, 5]),
    "by condition": (lambda n: n, [4, 4, 9, 9]),
    "by the whole condition": (lambda condition: condition["n"], [4, 4, 9, 9]),
    "by condition and parameter": (lambda n: {"location": 0, "spread": n}, [0, 4, 0, 9]),
    "none": (None, [np.nan] * 4),
}


@pytest.mark.parametrize("kind", TRUTHS)
def test_truth_is_known_for_each_parameter_in_each_condition(kind: str) -> None:
    truth, expected = TRUTHS[kind]
    study = ek.Study(
        lambda rng, n: rng.normal(size=n), {"both": both}, truth=truth, conditions=ek.grid(n=[4, 9])
    )
    assert np.array_equal(study.run(1, rng=SEED).outcomes()["truth"], expected, equal_nan=True)


SAMPLES: dict[str, tuple[Callable[..., Any], list[float]]] = {
    "numbers": (lambda rng: ek.Sample(normal(rng), rng.bit_generator.state["state"]["counter"][2]),
                [0, 0, 1, 1, 2, 2]),
    "arrays": (lambda rng: ek.Sample(normal(rng), np.array([1.0, 2.0])), [1, 2] * 3),
    "mappings": (lambda rng: ek.Sample(normal(rng), {"spread": 2, "location": 1}), [1, 2] * 3),
    "vectorized": (ek.vectorized(lambda rng, replicates: ek.Sample(
        rng.normal(size=(replicates, 4)), np.arange(replicates))), [0, 0, 1, 1, 2, 2]),
    "vectorized lists": (ek.vectorized(lambda rng, replicates: ek.Sample(
        rng.normal(size=(replicates, 4)), list(range(replicates)))), [0, 0, 1, 1, 2, 2]),
    "vectorized mappings": (ek.vectorized(lambda rng, replicates: ek.Sample(
        rng.normal(size=(replicates, 4)), {"spread": np.arange(replicates), "location": 7})),
        [7, 0, 7, 1, 7, 2]),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_sample_brings_its_own_truth(kind: str) -> None:
    generate, expected = SAMPLES[kind]
    frame = ek.Study(generate, {"both": both}).run(3, rng=SEED).outcomes()
    assert frame["truth"].tolist() == expected
    assert len(set(frame["estimate"])) == 6  # the estimators get the data alone


# --- wrong use ---

WRONG_DECLARATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "generate is data": ({"generate": DATA}, "generate must be a function, got ndarray"),
    "no estimator": ({"estimators": {}}, "There is no estimator"),
    "an estimator is a number": ({"estimators": {"m": 3}}, "estimator 'm' must be a function"),
    "two without a name": ({"estimators": [lambda x: 1.0, lambda x: 2.0]}, "the same name"),
}


@pytest.mark.parametrize("kind", WRONG_DECLARATIONS)
def test_a_wrong_declaration_is_refused_at_once(kind: str) -> None:
    given, message = WRONG_DECLARATIONS[kind]
    with pytest.raises(ek.DataError, match=message):
        ek.Study(**({"generate": normal, "estimators": np.mean, "truth": 0.0} | given))


@pytest.mark.parametrize("replicates", [0, -1, 2.5, np.nan, np.inf, True, "3", None], ids=repr)
def test_replicates_must_be_a_whole_number(replicates: Any) -> None:
    with pytest.raises(ek.DataError, match="replicates must be a whole number of 1 or more, got"):
        ek.Study(normal, np.mean).run(replicates, rng=SEED)


@pytest.mark.parametrize("n_jobs", [0, 1.5, "2"], ids=repr)
def test_a_wrong_number_of_workers_is_refused(n_jobs: Any) -> None:
    with pytest.raises(ek.DataError, match="n_jobs"):
        ek.Study(normal, np.mean).run(2, rng=SEED, n_jobs=n_jobs)


# What generate returns or estimators ask for, and what the message must name.
NOT_ON_OFFER: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "generate, by position": (lambda rng, size: 0.0, np.mean, "generate.*'size'"),
    "generate, by keyword": (lambda rng, *, size: 0.0, np.mean, "generate.*'size'"),
    "estimator, by position": (normal, lambda x, weights: 0.0, "estimator 'it'.*'weights'"),
    "estimator, by keyword": (normal, lambda x, *, weights: 0.0, "estimator 'it'.*'weights'"),
    "estimator, no argument": (normal, lambda: 0.0, "estimator 'it'"),
    "too few parts": (lambda rng: (DATA, OTHER), lambda a, b, c: 0.0, "takes 3 data arguments.*2"),
    "too many parts": (lambda rng: (DATA, DATA, OTHER), lambda a, b: 0.0, "takes 2 data .*3"),
}


@pytest.mark.parametrize("kind", NOT_ON_OFFER)
def test_a_function_that_asks_for_what_is_not_on_offer_stops_the_study(kind: str) -> None:
    # it fails in every replicate, so it is a mistake in the declaration and not an outcome
    generate, estimator, message = NOT_ON_OFFER[kind]
    with pytest.raises(ek.StudyError, match=message):
        ek.Study(generate, {"it": estimator}, conditions=ek.grid(n=[2])).run(5, rng=SEED)


def divided(n: int) -> float:
    raise ZeroDivisionError("no truth for this n")


WRONG_TRUTHS: dict[str, tuple[Any, str]] = {
    "text": ("zero", "truth must be numbers, got 'zero'"),
    "a matrix": (np.eye(2), "truth must be numbers"),
    "two numbers for one parameter": ([0.0, 1.0], "truth has 2 values.*1 parameter"),
    "text by parameter": ({"value": "zero"}, "truth .*'zero'"),
    "a name that is neither": ({"medain": 0.0}, "truth names 'medain'"),
    "such a name in a condition": (lambda n: {"medain": 0.0}, "'medain'"),
    "a function that raises": (divided, "truth.*ZeroDivisionError.*n=2"),
}


@pytest.mark.parametrize("kind", WRONG_TRUTHS)
def test_a_wrong_truth_is_refused_and_costs_no_replicates(kind: str) -> None:
    truth, message = WRONG_TRUTHS[kind]
    drawn: list[int] = []

    def generate(rng: Any) -> Any:
        drawn.append(1)
        return normal(rng)

    study = ek.Study(generate, {"median": np.median}, truth=truth, conditions=ek.grid(n=[2]))
    with pytest.raises((ek.StudyError, ek.DataError), match=message) as caught:
        study.run(1000, rng=SEED)
    # either it is found before most of the work, or the work is handed over
    partial = getattr(caught.value, "partial", None)
    assert len(drawn) < 500 or len(partial.outcomes()) == 1000
