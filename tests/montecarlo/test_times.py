"""How long each estimator takes for a data set, told apart from the others."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import estkit as ek

LITTLE, MUCH = 0.0005, 0.002  # seconds; the ratio is known to about a tenth


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def little(x: Any) -> float:
    burn(LITTLE)
    return float(x[0])


def much(x: Any) -> float:
    burn(MUCH)
    return float(x[0])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_estimator_is_told_its_own_time(n_jobs: int) -> None:
    def waiting(rng: np.random.Generator, n: int) -> Any:
        time.sleep(0.001)  # neither drawing nor waiting is the estimator's
        return rng.normal(size=n)

    study = ek.Study(
        waiting, {"little": little, "much": much}, truth=0.0, conditions=ek.grid(n=[3, 5])
    )
    with joblib.parallel_config("threading"):
        frame = study.run(20, rng=1, n_jobs=n_jobs).times()
    assert frame["estimator"].tolist() == ["little", "much"] * 2
    assert frame["n"].tolist() == [3, 3, 5, 5]
    assert frame["timed"].between(15, 20).all()  # the first of a block does not count
    assert frame["seconds"].tolist() == pytest.approx([LITTLE, MUCH] * 2, rel=0.5)
    assert (frame["seconds"] >= [LITTLE, MUCH] * 2).all()


def test_quick_and_vectorized_estimators_are_told_of_one_replicate() -> None:
    def block(x: Any) -> Any:
        burn(0.02)
        return x[:, 0]

    draw = ek.vectorized(lambda rng, replicates: rng.normal(size=(replicates, 4)))
    study = ek.Study(draw, {"quick": lambda x: max(x), "block": ek.vectorized(block)}, truth=0.0)
    frame = study.run(1500, rng=1).times().set_index("estimator")
    assert frame["timed"]["block"] == 2048  # whole blocks are computed
    assert frame["seconds"]["block"] == pytest.approx(0.02 / 1024, rel=0.5)
    assert 1500 / 110 <= frame["timed"]["quick"] < 1500 / 8
    assert 0 < frame["seconds"]["quick"] < 1e-3


def test_there_are_no_times_of_what_was_not_computed(tmp_path: Path) -> None:
    study = ek.Study(lambda rng: rng.normal(size=4), {"mean": np.mean}, truth=0.0)
    study.run(10, rng=1, store=tmp_path / "store")
    for result in (
        ek.open_study(tmp_path / "store"),
        study.run(10, rng=1, store=tmp_path / "store"),
    ):
        frame = result.times()
        assert frame["seconds"].isna().all()
        assert frame["timed"].tolist() == [0]
