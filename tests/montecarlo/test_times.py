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


def test_a_store_keeps_the_times_of_all_runs_that_filled_it(tmp_path: Path) -> None:
    study = ek.Study(lambda rng: rng.normal(size=4), {"little": little, "much": much}, truth=0.0)
    store = tmp_path / "store"
    first = study.run(20, rng=1, store=store)
    both = study.run(40, rng=1, store=store).times()
    assert (both["timed"] > first.times()["timed"]).all()
    opened = ek.open_study(store)
    for again in (
        opened,
        study.run(40, rng=1, store=store),
        ek.merge([store], into=tmp_path / "m"),
    ):
        assert again.times().equals(both)
    assert ek.open_study(tmp_path / "m").times().equals(both)
    assert opened.replicates()["seconds"][0] >= both["seconds"].sum() * 0.8
    assert opened.plan({"bias": 0.01})["seconds"][0] > 0
    assert len(list(store.glob("times-*.jsonl"))) == 2  # the third run computed nothing


def test_shards_are_timed_together(tmp_path: Path) -> None:
    study = ek.Study(lambda rng: rng.normal(size=4), {"little": little}, truth=0.0)
    own = [study.run(40, rng=1, store=tmp_path / f"{i}", shard=(i, 2)).times() for i in (1, 2)]
    merged = ek.merge([tmp_path / "1", tmp_path / "2"]).times()
    assert merged["timed"][0] == sum(frame["timed"][0] for frame in own)


def test_times_that_a_killed_run_left_unfinished_or_that_are_damaged(tmp_path: Path) -> None:
    study = ek.Study(lambda rng: rng.normal(size=4), {"mean": np.mean}, truth=0.0)
    ran = study.run(200, rng=1, store=tmp_path)
    kept = next(tmp_path.glob("times-*.jsonl"))
    kept.write_text(kept.read_text() + '{"seconds": [[0, 0.1')
    assert ek.open_study(tmp_path).times().equals(ran.times())
    kept.write_text("nothing\n")
    with pytest.warns(ek.EstkitWarning, match=r"times-.*cannot be read.*nothing else depends"):
        opened = ek.open_study(tmp_path)
    assert opened.times()["timed"].tolist() == [0] and opened.times()["seconds"].isna().all()
    assert opened.fingerprint() == ran.fingerprint()
