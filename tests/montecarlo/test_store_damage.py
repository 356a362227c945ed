"""A store after an accident: damage, a full disk, an interruption; nothing is lost unsaid."""

from __future__ import annotations

import errno
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estkit as ek

SIZE = 130  # more than a block of the looped study, less than one of the vectorised
Make = Callable[..., ek.Study]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


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
    how: str, study: ek.Study, computed: list[Any], tmp_path: Path
) -> None:
    for size in (40, 80, 120):
        study.run(size, rng=1, store=tmp_path)
    broken = next(path for path in files(tmp_path) if "-000000000080-" in path.name)
    damage(broken, how)
    with pytest.warns(ek.EstkitWarning) as told:
        ek.open_study(tmp_path)
    assert f"The part {broken.name} of the store" in str(told[0].message)
    computed.clear()
    with pytest.warns(ek.EstkitWarning, match=f"{broken.name}.*damaged: replicates .* to 79 of"):
        result = study.run(120, rng=1, store=tmp_path)
    covered_by_others = isinstance(study.generate, type(ek.vectorized(len)))
    assert computed == ([] if covered_by_others else [(0, 40, 80)])
    assert result.fingerprint() == study.run(120, rng=1).fingerprint()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ek.open_study(tmp_path).fingerprint() == result.fingerprint()


def test_a_part_that_is_lost_is_computed_again(looped: Make, tmp_path: Path) -> None:
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
    call: str, after: int, tmp_path: Path, looped: Make, monkeypatch: pytest.MonkeyPatch
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
    tmp_path: Path, looped: Make, computed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    computed.clear()
    full_disk(monkeypatch, "replace", after=0)
    with pytest.raises(ek.StudyError, match="cannot be written to: No space left"):
        looped().run(SIZE, rng=1, store=tmp_path)
    assert computed == []
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_keeps_what_it_has_and_goes_on(looped: Make, tmp_path: Path) -> None:
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


def test_what_killed_processes_left_is_not_read_and_removed_in_time(
    looped: Make, tmp_path: Path
) -> None:
    looped().run(40, rng=1, store=tmp_path)
    fresh, stale = tmp_path / ".new.tmp", tmp_path / ".old.tmp"
    for path in (fresh, stale):
        path.write_bytes(b"PAR1")
    os.utime(stale, (1, 1))
    (tmp_path / "notes.txt").write_text("not ours")
    looped().run(40, rng=1, store=tmp_path)
    assert fresh.exists()
    assert not stale.exists()


def test_what_is_no_store_is_refused(looped: Make, tmp_path: Path) -> None:
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


def test_a_part_that_vanishes_while_a_result_is_read_is_named(looped: Make, tmp_path: Path) -> None:
    result = looped().run(10, rng=1, store=tmp_path)
    result = ek.open_study(tmp_path)
    for path in files(tmp_path):
        path.unlink()
    with pytest.raises(ek.StudyError, match="cannot be read"):
        result.summary()
