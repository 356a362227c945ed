"""A store: what was computed stays, and a run that goes on ends as one that never stopped."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.montecarlo import parts, store
from estkit.montecarlo.execution import Execution
from estkit.montecarlo.store import Stored
from estkit.montecarlo.streams import seed_sequence

SIZE = 130  # more than a block of the looped study, less than one of the vectorised
Make = Callable[..., ek.Study]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def test_a_run_with_a_store_gives_what_one_without_gives(study: ek.Study, tmp_path: Path) -> None:
    with_store, without = study.run(SIZE, rng=1, store=tmp_path), study.run(SIZE, rng=1)
    opened = ek.open_study(tmp_path)
    for result in (with_store, opened, pickle.loads(pickle.dumps(opened))):
        assert result.fingerprint() == without.fingerprint()
        assert result.summary().equals(without.summary())
        assert result.outcomes().equals(without.outcomes())
        assert result.failures().equals(without.failures())
        assert result.warnings().equals(without.warnings())
        assert str(result) == str(without)


def test_a_complete_store_is_read_and_nothing_computed(
    study: ek.Study, computed: list[Any], tmp_path: Path
) -> None:
    first = study.run(SIZE, rng=1, store=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    computed.clear()
    assert study.run(SIZE, rng=1, store=tmp_path).fingerprint() == first.fingerprint()
    assert computed == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_more_replicates_are_computed_and_fewer_are_a_prefix(
    study: ek.Study, computed: list[Any], tmp_path: Path
) -> None:
    study.run(SIZE // 10 * 10, rng=1, store=tmp_path)
    computed.clear()
    more = study.run(4 * SIZE, store=tmp_path)  # without a seed: that of the store
    assert {start for _, start, _ in computed} == {SIZE // 10 * 10}
    assert more.fingerprint() == study.run(4 * SIZE, rng=1).fingerprint()
    again = study.run(SIZE - 20, rng=1, store=tmp_path)
    assert again.fingerprint() == study.run(SIZE - 20, rng=1).fingerprint()


def test_further_conditions_may_stand_after_those_there_are(looped: Make, tmp_path: Path) -> None:
    looped().run(SIZE, rng=1, store=tmp_path)
    wider = looped(conditions=ek.grid(n=[5, 8, 11]))
    assert (
        wider.run(SIZE, rng=1, store=tmp_path).fingerprint()
        == wider.run(SIZE, rng=1).fingerprint()
        == ek.open_study(tmp_path).fingerprint()
    )
    with pytest.raises(ek.DataError, match="has 3 conditions, this study only 2"):
        looped().run(SIZE, rng=1, store=tmp_path)


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_any_number_of_workers_writes_the_same_outcomes(
    n_jobs: int, in_blocks: Make, tmp_path: Path
) -> None:
    study = in_blocks()
    result = study.run(3000, rng=1, n_jobs=n_jobs, store=tmp_path)
    assert result.fingerprint() == in_blocks().run(3000, rng=1).fingerprint()


@pytest.mark.parametrize("bytes_waiting", [1.0, 1e9])
def test_it_does_not_matter_how_replicates_are_cut_into_parts(
    study: ek.Study, bytes_waiting: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_BYTES", bytes_waiting)
    result = study.run(9 * SIZE, rng=1, store=tmp_path)
    assert result.fingerprint() == study.run(9 * SIZE, rng=1).fingerprint()
    assert (len(files(tmp_path)) == len(study.conditions)) == (bytes_waiting > 1e6)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_any_chunks_of_replicates_give_the_same_store(
    chunk: int, looped: Make, tmp_path: Path
) -> None:
    study, seed = looped(), seed_sequence(1)
    execution = Execution(study, seed, 1)
    kept = Stored(study, seed, tmp_path, (SIZE, SIZE), execution.step)
    for start in range(0, SIZE, chunk):
        for number in (1, 0):
            span = store.Span(number, start, min(start + chunk, SIZE))
            for block, _ in execution.blocks(kept.missing(span)):
                kept.add(block)
        if chunk == 7 and start % 2:
            kept.flush()
    kept.flush()
    assert kept.result(study.truth).fingerprint() == study.run(SIZE, rng=1).fingerprint()
    assert ek.open_study(tmp_path).fingerprint() == study.run(SIZE, rng=1).fingerprint()


def test_parts_are_parquet_that_anything_can_read(looped: Make, tmp_path: Path) -> None:
    import pandas as pd

    result = looped().run(SIZE, rng=1, store=tmp_path)
    frame = pd.read_parquet(files(tmp_path)[1])
    own = result._outcomes[1, "spread"]
    assert list(frame["replicate"]) == list(range(SIZE))
    assert np.array_equal(frame["spread/value/estimate"], own.estimate[:, 0], equal_nan=True)
    assert dict(frame["spread/reason"].dropna()) == own.reasons
    assert frame.filter(like="mean/").columns.tolist() == ["mean/value/estimate", "mean/status"]


def test_names_that_look_alike_as_columns_are_kept_apart(looped: Make, tmp_path: Path) -> None:
    functions = {"a/b": lambda x: {"c": x[0]}, "a": lambda x: {"b/c": x[1]}, "replicate": np.max}
    study = looped(estimators=functions, truth=None)
    result = study.run(20, rng=1, store=tmp_path)
    assert result.fingerprint() == study.run(20, rng=1).fingerprint()


def test_a_store_needs_pyarrow(
    tmp_path: Path, looped: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ek.MissingExtraError, match=r"estkit\[store\]"):
        looped().run(10, rng=1, store=tmp_path)


def test_parts_are_in_blocks_of_the_length_that_they_had(in_blocks: Make, tmp_path: Path) -> None:
    in_blocks().run(SIZE, rng=1, store=tmp_path)
    head = parts.parts_in(tmp_path)[0].head
    assert head["step"] > 1
    study, seed = in_blocks(), seed_sequence(1)
    other = Stored(study, seed, tmp_path, (SIZE, SIZE), lambda number: head["step"] // 2)
    with pytest.raises(ek.DataError, match=f"blocks of {head['step']} replicates"):
        other.missing(store.Span(0, 0, SIZE))


def test_a_store_does_not_say_that_its_run_ended_in_an_error(tmp_path: Path) -> None:
    study = ek.Study(lambda rng: rng.normal(size=3), {"mean": np.mean}, truth=0.0)
    study.run(20, rng=1, store=tmp_path / "store")
    assert ek.open_study(tmp_path / "store").replicates()["ended"].tolist() == [""]
