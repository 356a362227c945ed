"""Drawing from a global generator is an error; a draw by another thread is not taken for one."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.montecarlo import watch

SEED = 5
GUILTY: dict[str, Callable[[], Any]] = {
    "Python's": random.random,
    "numpy's": lambda: np.random.normal(),  # noqa: NPY002 - what the test is about
    "numpy's, now and then": lambda: np.random.random() < 0.5 or np.random.random(),  # noqa: NPY002
    "a new seed": lambda: np.random.seed(3),  # noqa: NPY002
}


@pytest.fixture(autouse=True)
def _as_at_the_start() -> Iterator[None]:
    kept = random.getstate(), np.random.get_state(), watch._moved_by_others  # noqa: NPY002
    watch._moved_by_others = False
    yield
    random.setstate(kept[0])
    np.random.set_state(kept[1])  # noqa: NPY002
    watch._moved_by_others = kept[2]


@pytest.mark.parametrize("case", GUILTY)
@pytest.mark.parametrize("where", ["generate", "estimator 'mean'"])
@pytest.mark.parametrize("whole", [True, False])
def test_the_one_who_draws_is_named(case: str, where: str, whole: bool) -> None:
    def generate(rng: Any, replicates: int | None = None) -> Any:
        if where == "generate":
            GUILTY[case]()
        return rng.normal(size=5 if replicates is None else (replicates, 5))

    def mean(x: Any) -> Any:
        if where != "generate":
            GUILTY[case]()
        return x.mean(axis=-1)

    draw, estimate = (ek.vectorized(generate), ek.vectorized(mean)) if whole else (generate, mean)
    study = ek.Study(draw, {"mean": estimate}, truth=0.0)
    with pytest.raises(ek.StudyError, match=f"{where} used the global random state"):
        study.run(40, rng=SEED)


def test_another_thread_that_draws_accuses_nobody() -> None:
    stop = threading.Event()

    def draw_on() -> None:
        while not stop.is_set():
            random.random()

    other = threading.Thread(target=draw_on)
    study = ek.Study(lambda rng: rng.normal(size=50), {"mean": np.mean}, truth=0.0)
    quiet = study.run(1200, rng=SEED).fingerprint()
    other.start()
    try:
        assert study.run(1200, rng=SEED).fingerprint() == quiet
    finally:
        stop.set()
        other.join()
    with pytest.raises(ek.StudyError, match="global random state"):  # numpy's is still watched
        ek.Study(lambda rng: np.random.random(3), {"mean": np.mean}).run(9)  # noqa: NPY002


def test_states_are_left_as_they_were() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert watch.Watch.draws(random.random, 1)
    assert not watch.Watch.draws(lambda: None, 1)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
