"""What generate returns: handed on unchanged, shared by all estimators, or refused in words."""

from __future__ import annotations

import itertools
import operator
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

SEED = 8


def normal(rng: Any) -> Any:
    return rng.normal(size=4)


def frame(x: Any) -> pd.DataFrame:
    return pd.DataFrame({"a": x})


# A form of data, how an estimator reads its first number, and how another one spoils it.
FORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], float], Callable[[Any], Any]]] = {
    "array": (lambda x: x, lambda d: d[0], lambda d: d.fill(9)),
    "tuple": (lambda x: (x, x + 1), lambda d: d[0][0], lambda d: d[0].fill(9)),
    "array in a mapping": (lambda x: {"a": x}, lambda d: d["a"][0], lambda d: d["a"].fill(9)),
    "mapping": (lambda x: {"a": x}, lambda d: d["a"][0], lambda d: d.update(a=[9.0])),
    "nested": (lambda x: {"a": {"b": x}}, lambda d: d["a"]["b"][0], lambda d: d["a"].clear()),
    "list": (lambda x: x.tolist(), lambda d: d[0], lambda d: d.reverse()),
    "frame": (frame, lambda d: d["a"][0], lambda d: d.insert(0, "new", 9)),
    "column": (frame, lambda d: d["a"][0], lambda d: operator.setitem(d, "a", 9.0)),
    "tuple of a frame": (
        lambda x: (frame(x), x),
        lambda d: d[0]["a"][0],
        lambda d: operator.setitem(d[0], "a", 9.0),
    ),
    "series": (pd.Series, lambda d: d[0], lambda d: operator.setitem(d, 0, 9.0)),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_estimator_that_changes_its_data_changes_nothing_for_the_next(form: str) -> None:
    make, read, spoil = FORMS[form]
    assert spoil(make(np.zeros(4))) is None  # it does work on data of its own
    functions = {"spoil": lambda d: spoil(d) or 1.0, "read": read}
    study = ek.Study(lambda rng: make(normal(rng)), functions)
    outcomes = study.run(20, rng=SEED).outcomes()
    expected = ek.Study(lambda rng: make(normal(rng)), {"read": read}).run(20, rng=SEED).outcomes()
    own = outcomes[outcomes["estimator"] == "read"]
    assert own["estimate"].tolist() == expected["estimate"].tolist()


def test_data_that_an_estimator_may_not_change_say_so() -> None:
    result = ek.Study(normal, {"sorts": lambda x: x.sort() or x[0]}).run(5, rng=SEED)
    assert result.failures()["reason"].str.contains("read-only.*copy them before").all()


def test_a_generator_may_use_its_own_memory_again() -> None:
    memory = np.empty(4)
    functions = {"mean": lambda x: x.mean(), "first": lambda x: x[0]}
    fresh = ek.Study(lambda rng: rng.standard_normal(4), functions)
    again = ek.Study(lambda rng: rng.standard_normal(out=memory), functions)
    got, expected = (s.run(50, rng=SEED).outcomes()["estimate"].tolist() for s in (again, fresh))
    assert got == expected
    memory.fill(0.0)  # and it stays the generator's own


WRONG_DATA: dict[str, tuple[Callable[..., Any], str]] = {
    "None": (lambda rng: None, "generate returned None in replicate 0"),
    "a Sample of None": (lambda rng: ek.Sample(None, 0.0), "generate returned None in replicate 0"),
    "a Sample in places": (
        lambda rng: ek.Sample(normal(rng), 0.0) if rng.random() < 0.5 else normal(rng),
        "a Sample in some replicates only",
    ),
    "an exception": (
        lambda rng: normal(rng) @ np.eye(3),
        "generate raised ValueError in replicate 0",
    ),
}
WRONG_BLOCKS: dict[str, tuple[Callable[..., Any], str]] = {
    "None": (lambda rng, replicates: None, "generate returned None"),
    "one data set": (lambda rng, replicates: normal(rng), r"returned shape \(4,\); put the rep"),
    "replicates last": (lambda rng, replicates: rng.normal(size=(3, replicates)), r"shape \(3, \d"),
    "a number": (lambda rng, replicates: rng.normal(), r"returned shape \(\)"),
    "a frame": (lambda rng, replicates: pd.DataFrame({"a": [1.0]}), "generate is vectorized"),
    "unequal parts": (
        lambda rng, replicates: (rng.normal(size=(replicates, 3)), rng.normal(size=3)),
        r"shape \(3,\)",
    ),
    "an exception": (lambda rng, replicates: normal(rng) @ np.eye(3), "generate raised ValueError"),
}


@pytest.mark.parametrize("kind", WRONG_DATA)
def test_wrong_data_stop_the_study_and_name_the_condition(kind: str) -> None:
    generate, message = WRONG_DATA[kind]
    study = ek.Study(lambda rng, law: generate(rng), np.mean, conditions=[{"law": "t3"}])
    with pytest.raises(ek.StudyError, match=message) as caught:
        study.run(20, rng=SEED)
    assert "law='t3'" in str(caught.value)


@pytest.mark.parametrize("kind", WRONG_BLOCKS)
def test_a_wrong_block_stops_the_study_and_names_the_condition(kind: str) -> None:
    generate, message = WRONG_BLOCKS[kind]
    whole = ek.vectorized(lambda rng, replicates, law: generate(rng, replicates))
    with pytest.raises(ek.StudyError, match=message) as caught:
        ek.Study(whole, np.mean, conditions=[{"law": "t3"}]).run(20, rng=SEED)
    assert "law='t3'" in str(caught.value)


CHANGING: dict[str, Callable[[Any], Any]] = {
    "keys": lambda x: {"x": x} if x[0] < 1 else {"y": x},
    "number of parts": lambda x: (x, x) if x[0] < 1 else (x, x, x),
    "type": lambda x: x if x[0] < 1 else {"x": x},
    "dimensions": lambda x: x if x[0] < 1 else x.reshape(2, 2),
}


@pytest.mark.parametrize("what", CHANGING)
def test_data_that_change_their_form_are_no_reason_to_lose_a_study(what: str) -> None:
    change = CHANGING[what]
    functions = {"whole": ek.vectorized(lambda x: x.mean(axis=1)), "constant": lambda data: 1.0}
    result = ek.Study(lambda rng: change(normal(rng)), functions).run(150, rng=SEED)
    own = result.outcomes().set_index("estimator").loc["constant"]
    assert own["status"].tolist() == ["ok"] * 150


# --- the global random state ---

GLOBAL: dict[str, Callable[[], Any]] = {
    "numpy": lambda: np.random.normal(size=4),  # noqa: NPY002 - the very mistake
    "random": lambda: np.array([random.gauss(0, 1) for _ in range(4)]),
    "a new seed": lambda: np.random.seed(1) or np.ones(4),  # noqa: NPY002 - the very mistake
}


@pytest.mark.parametrize("source", GLOBAL)
@pytest.mark.parametrize("first", [0, 1, 150, 999])
def test_a_generator_that_uses_the_global_random_state_is_refused(source: str, first: int) -> None:
    drawn = itertools.count()

    def generate(rng: Any) -> Any:
        return GLOBAL[source]() if next(drawn) >= first else normal(rng)

    with pytest.raises(ek.StudyError, match=r"generate used the global random state.*rng"):
        ek.Study(generate, np.mean).run(1000, rng=SEED)
