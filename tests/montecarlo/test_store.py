"""A store: what was computed stays, and a run that goes on ends as one that never stopped."""

from __future__ import annotations

import errno
import json
import os
import pickle
import warnings
from collections.abc import Callable, Iterator
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


def spread(x: np.ndarray) -> ek.Estimate:
    """Answer with a standard error, fail or warn now and then."""
    if x[0] > 1.5:
        raise ValueError("too large, ∞ or so")
    if x[1] > 1.5:
        warnings.warn("rather large", stacklevel=1)
    return ek.Estimate(x.std(ddof=1), std_error=x.std(ddof=1) / np.sqrt(2 * len(x)), p_value=0.5)


def moving(rng: np.random.Generator, n: int) -> ek.Sample:
    """Draw data with a truth of their own."""
    center = rng.normal()
    return ek.Sample(rng.normal(center, size=n), {"mean": center, "both": [center, 1.0]})


def several(x: np.ndarray) -> dict[str, float]:
    """Answer under names that depend on the data."""
    return {"a": x[0]} if x[0] > 0 else {"b": x[1]}


def looped(**changes: Any) -> ek.Study:
    """Return a study whose data sets are drawn and estimated one by one."""
    arguments: dict[str, Any] = {
        "generate": lambda rng, n: rng.normal(size=n),
        "estimators": {"mean": np.mean, "spread": spread},
        "truth": {"mean": 0.0, "spread": 1.0},
        "conditions": ek.grid(n=[5, 8]),
    }
    return ek.Study(**{**arguments, **changes})


def in_blocks() -> ek.Study:
    """Return a study of whole blocks, whose last one is cut where no more are asked for."""
    draw = ek.vectorized(lambda rng, replicates, n: rng.normal(size=(replicates, n)))
    functions = {"mean": ek.vectorized(lambda x: x.mean(axis=1)), "max": lambda x: x.max()}
    return ek.Study(draw, functions, truth={"mean": 0.0, "max": 1.0}, conditions=ek.grid(n=[4, 9]))


def with_truths() -> ek.Study:
    """Return a study in which each data set has its own truth."""
    functions = {"mean": np.mean, "both": lambda x: {"center": np.median(x), "scale": x.std()}}
    return ek.Study(moving, functions, truth=None, conditions=ek.grid(n=[5]))


def in_groups() -> ek.Study:
    """Return a nested study with control variates and antithetic pairs."""
    return ek.Study(
        lambda rng, center: rng.normal(center, size=6),
        {"mean": np.mean, "several": several},
        truth=0.0,
        prepare=lambda rng: {"center": rng.normal()},
        prepare_every=10,
        controls={"first": (lambda x: x[0], lambda condition: 0.0)},
    )


STUDIES: dict[str, Callable[[], ek.Study]] = {
    "looped": looped,
    "in blocks": in_blocks,
    "with truths": with_truths,
    "in groups": in_groups,
}


@pytest.fixture(params=STUDIES)
def study(request: pytest.FixtureRequest) -> ek.Study:
    """Return each of the studies in turn."""
    return STUDIES[request.param]()


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


class Computed:
    """Records which replicates are computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spans: list[tuple[int, int, int]] = []
        blocks = Execution.blocks

        def recorded(execution: Execution, spans: Any, *rest: Any) -> Iterator[Any]:
            self.spans += [tuple(span) for span in spans if span.start < span.stop]
            return blocks(execution, spans, *rest)

        monkeypatch.setattr(Execution, "blocks", recorded)


def test_a_complete_store_is_read_and_nothing_computed(
    study: ek.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = study.run(SIZE, rng=1, store=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    computed = Computed(monkeypatch)
    assert study.run(SIZE, rng=1, store=tmp_path).fingerprint() == first.fingerprint()
    assert computed.spans == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_more_replicates_are_computed_and_fewer_are_a_prefix(
    study: ek.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.run(SIZE // 10 * 10, rng=1, store=tmp_path)
    computed = Computed(monkeypatch)
    more = study.run(4 * SIZE, store=tmp_path)  # without a seed: that of the store
    assert {start for _, start, _ in computed.spans} == {SIZE // 10 * 10}
    assert more.fingerprint() == study.run(4 * SIZE, rng=1).fingerprint()
    again = study.run(SIZE - 20, rng=1, store=tmp_path)
    assert again.fingerprint() == study.run(SIZE - 20, rng=1).fingerprint()


def test_further_conditions_may_stand_after_those_there_are(tmp_path: Path) -> None:
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
def test_any_number_of_workers_writes_the_same_outcomes(n_jobs: int, tmp_path: Path) -> None:
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
def test_any_chunks_of_replicates_give_the_same_store(chunk: int, tmp_path: Path) -> None:
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


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "truncated":
        del content[len(content) // 2 :]
    elif how == "emptied":
        content.clear()
    else:
        content[len(content) // 3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["truncated", "emptied", "one bit flipped"])
def test_a_damaged_part_is_named_and_only_its_replicates_computed_again(
    how: str, study: ek.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (40, 80, 120):
        study.run(size, rng=1, store=tmp_path)
    broken = next(path for path in files(tmp_path) if "-000000000080-" in path.name)
    damage(broken, how)
    with pytest.warns(ek.EstkitWarning) as told:
        ek.open_study(tmp_path)
    assert f"The part {broken.name} of the store" in str(told[0].message)
    computed = Computed(monkeypatch)
    with pytest.warns(ek.EstkitWarning, match=f"{broken.name}.*damaged: replicates .* to 79 of"):
        result = study.run(120, rng=1, store=tmp_path)
    covered_by_others = isinstance(study.generate, type(ek.vectorized(len)))
    assert computed.spans == ([] if covered_by_others else [(0, 40, 80)])
    assert result.fingerprint() == study.run(120, rng=1).fingerprint()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ek.open_study(tmp_path).fingerprint() == result.fingerprint()


def test_a_part_that_is_lost_is_computed_again(tmp_path: Path) -> None:
    for size in (40, 80):
        looped().run(size, rng=1, store=tmp_path)
    files(tmp_path)[0].unlink()
    with pytest.warns(ek.EstkitWarning, match="no replicates 0 to 39 of condition n=5"):
        ek.open_study(tmp_path)
    result = looped().run(80, rng=1, store=tmp_path)
    assert result.fingerprint() == looped().run(80, rng=1).fingerprint()


def full_disk(monkeypatch: pytest.MonkeyPatch, call: str, *, after: int) -> None:
    """Let a call to the system fail for want of room, after some that succeed."""
    inner, calls = getattr(os, call), 0

    def tried(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return inner(*arguments)

    monkeypatch.setattr(os, call, tried)


# The manifest is written first: one call to replace, and two to fsync, of the file and its folder.
@pytest.mark.parametrize(("call", "after"), [("fsync", 2), ("fsync", 4), ("replace", 1)])
def test_a_full_disk_leaves_no_half_part_and_says_what_is_safe(
    call: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = looped().run(SIZE, rng=1).fingerprint()
    looped().run(40, rng=1, store=tmp_path)
    before = files(tmp_path)
    with monkeypatch.context() as patched:
        full_disk(patched, call, after=after)
        with pytest.raises(ek.StudyError, match=r"No space left.*holds is safe.*again") as found:
            looped().run(SIZE, rng=1, store=tmp_path)
    assert len(files(tmp_path)) == len(before) + (after == 4)
    assert not list(tmp_path.glob(".*"))
    assert found.value.partial.fingerprint() == whole  # it holds what could not be written, too
    assert looped().run(SIZE, rng=1, store=tmp_path).fingerprint() == whole


def test_a_disk_that_is_full_at_once_is_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = Computed(monkeypatch)
    full_disk(monkeypatch, "replace", after=0)
    with pytest.raises(ek.StudyError, match="cannot be written to: No space left"):
        looped().run(SIZE, rng=1, store=tmp_path)
    assert computed.spans == []
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_keeps_what_it_has_and_goes_on(tmp_path: Path) -> None:
    class Stop:
        """Interrupt once, as a user does, in the middle of the second condition."""

        calls = 0

        def __call__(self, x: np.ndarray) -> float:
            Stop.calls += 1
            if Stop.calls == SIZE + 61:
                raise KeyboardInterrupt
            return float(x.mean())

    study = looped(estimators={"mean": Stop()}, truth=0.0)
    Stop.calls = 0
    with pytest.raises(ek.StudyInterrupted) as found:
        study.run(SIZE, rng=1, store=tmp_path)
    kept = ek.open_study(tmp_path)
    assert kept.fingerprint() == found.value.partial.fingerprint()
    assert len(kept.outcomes()) >= SIZE + 50
    Stop.calls = 0  # as in a new process; a class attribute is part of what the function is
    calm = looped(estimators={"mean": np.mean}, truth=0.0).run(SIZE, rng=1)
    while len(ek.open_study(tmp_path).outcomes()) < 2 * SIZE:
        Stop.calls = 0
        study.run(SIZE, rng=1, store=tmp_path)
    assert ek.open_study(tmp_path).fingerprint() == calm.fingerprint()


def test_what_killed_processes_left_is_not_read_and_removed_in_time(tmp_path: Path) -> None:
    looped().run(40, rng=1, store=tmp_path)
    fresh, stale = tmp_path / ".new.tmp", tmp_path / ".old.tmp"
    for path in (fresh, stale):
        path.write_bytes(b"PAR1")
    os.utime(stale, (1, 1))
    (tmp_path / "notes.txt").write_text("not ours")
    looped().run(40, rng=1, store=tmp_path)
    assert fresh.exists()
    assert not stale.exists()


def test_parts_are_parquet_that_anything_can_read(tmp_path: Path) -> None:
    import pandas as pd

    result = looped().run(SIZE, rng=1, store=tmp_path)
    frame = pd.read_parquet(files(tmp_path)[1])
    own = result._outcomes[1, "spread"]
    assert list(frame["replicate"]) == list(range(SIZE))
    assert np.array_equal(frame["spread/value/estimate"], own.estimate[:, 0], equal_nan=True)
    assert dict(frame["spread/reason"].dropna()) == own.reasons
    assert frame.filter(like="mean/").columns.tolist() == ["mean/value/estimate", "mean/status"]


def test_names_that_look_alike_as_columns_are_kept_apart(tmp_path: Path) -> None:
    functions = {"a/b": lambda x: {"c": x[0]}, "a": lambda x: {"b/c": x[1]}, "replicate": np.max}
    study = looped(estimators=functions, truth=None)
    result = study.run(20, rng=1, store=tmp_path)
    assert result.fingerprint() == study.run(20, rng=1).fingerprint()


def test_a_store_needs_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ek.MissingExtraError, match=r"estkit\[store\]"):
        looped().run(10, rng=1, store=tmp_path)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ek.DataError, match=r"no manifest\.json"):
        ek.open_study(tmp_path)
    with pytest.raises(ek.DataError, match="name of a folder"):
        looped().run(10, store=7)
    (tmp_path / "file").write_text("")
    with pytest.raises(ek.DataError, match="is a file"):
        looped().run(10, store=tmp_path / "file")
    looped().run(10, rng=1, store=tmp_path)
    manifest = tmp_path / "manifest.json"
    whole = manifest.read_text()
    manifest.write_text(whole[:100])
    with pytest.raises(ek.DataError, match="damaged"):
        ek.open_study(tmp_path)
    manifest.write_text(json.dumps({**json.loads(whole), "version": 99}))
    with pytest.raises(ek.DataError, match="version 99"):
        ek.open_study(tmp_path)
    manifest.unlink()
    with pytest.raises(ek.DataError, match="lost"):
        looped().run(10, rng=1, store=tmp_path)


def test_a_part_that_vanishes_while_a_result_is_read_is_named(tmp_path: Path) -> None:
    result = looped().run(10, rng=1, store=tmp_path)
    result = ek.open_study(tmp_path)
    for path in files(tmp_path):
        path.unlink()
    with pytest.raises(ek.StudyError, match="cannot be read"):
        result.summary()


def test_parts_are_in_blocks_of_the_length_that_they_had(tmp_path: Path) -> None:
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
