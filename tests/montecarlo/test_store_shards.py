"""Shards: runs that share a study, apart or at the same time, merge to one run's bytes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.montecarlo.sharding import share

SIZE = 3000  # three blocks of the vectorised study
SCRIPT = """
import sys
import numpy as np
import estkit as ek

draw = ek.vectorized(lambda rng, replicates, n: rng.normal(size=(replicates, n)))
functions = {"mean": ek.vectorized(lambda x: x.mean(axis=1)), "first": lambda x: x[0]}
study = ek.Study(draw, functions, truth=0.0, conditions=ek.grid(n=[4, 9]))
if len(sys.argv) > 1:
    folder, size, i, k = sys.argv[1:]
    study.run(int(size), rng=1, store=folder, shard=(int(i), int(k)))
"""


def in_blocks() -> ek.Study:
    space: dict[str, Any] = {"__name__": "shards"}
    arguments, sys.argv = sys.argv, ["none"]
    exec(SCRIPT, space)
    sys.argv = arguments
    return space["study"]  # type: ignore[no-any-return]


def looped() -> ek.Study:
    return ek.Study(
        lambda rng, center: ek.Sample(rng.normal(center, size=6), truth=center),
        {"mean": np.mean, "median": np.median},
        truth=None,
        prepare=lambda rng: {"center": rng.normal()},
        prepare_every=6,
        antithetic=True,
    )


@pytest.mark.parametrize("k", [1, 2, 5, 40])
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "together"])
def test_merged_shards_are_one_run(k: int, apart: bool, tmp_path: Path) -> None:
    size = 126
    whole = looped().run(size, rng=1)
    folders = []
    for i in reversed(range(1, k + 1)):
        folders.append(tmp_path / (str(i) if apart else "all"))
        part = looped().run(size, rng=1, store=folders[-1], shard=(i, k))
        if part.conditions:  # there is work for no more than 21 shards
            own = part.outcomes()
            numbers = own["replicate"].to_numpy()
            expected = whole.outcomes()
            expected = expected[expected["replicate"].isin(numbers)].reset_index(drop=True)
            assert own.equals(expected)
            assert numbers[0] % 6 == 0  # groups that depend on each other stay together
    merged = ek.merge(sorted(set(folders)))
    assert merged.fingerprint() == whole.fingerprint()
    assert merged.summary().equals(whole.summary())
    copied = ek.merge(sorted(set(folders)), into=tmp_path / "copy")
    assert copied.fingerprint() == ek.open_study(tmp_path / "copy").fingerprint()
    assert copied.fingerprint() == whole.fingerprint()


def test_shards_write_to_one_folder_at_the_same_time(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    calls = [
        [sys.executable, tmp_path / "script.py", tmp_path / "all", str(SIZE), str(i), "3"]
        for i in (1, 2, 3, 3)  # one of them twice, as a cluster does that starts a job again
    ]
    processes = [subprocess.Popen(call, env=environment) for call in calls]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    merged = ek.merge([tmp_path / "all"])
    assert merged.fingerprint() == in_blocks().run(SIZE, rng=1).fingerprint()
    longer = in_blocks().run(2 * SIZE, rng=1, store=tmp_path / "all")
    assert longer.fingerprint() == in_blocks().run(2 * SIZE, rng=1).fingerprint()


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize(("count", "unit"), [(1000, 512), (1000, 1), (7, 3), (1, 100)])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_shares_are_whole_blocks_and_all_there_is(
    number: int, count: int, unit: int, k: int
) -> None:
    spans = sorted(share(number, count, unit, (i, k))[1:] for i in range(1, k + 1))
    spans = [span for span in spans if span[0] < span[1]]
    assert spans[0][0] == 0
    assert spans[-1][1] == count
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert all(start % unit == 0 for start, _ in spans)
    sizes = [-(-(stop - start) // unit) for start, stop in spans]
    assert max(sizes) - min(sizes) <= 1


def test_what_is_missing_is_said_and_what_is_double_counts_once(tmp_path: Path) -> None:
    for i in (1, 3):
        in_blocks().run(SIZE, rng=1, store=tmp_path / str(i), shard=(i, 3))
    with pytest.raises(
        ek.StudyError, match=r"no replicates 1024 to 2047 of condition n=4"
    ) as found:
        ek.merge([tmp_path / "1", tmp_path / "3"])
    assert set(found.value.partial.outcomes()["replicate"]) >= set(range(1024))
    in_blocks().run(SIZE, rng=1, store=tmp_path / "2", shard=(2, 3))
    in_blocks().run(SIZE, rng=1, store=tmp_path / "again", shard=(2, 3))
    folders = [tmp_path / name for name in ("1", "2", "3", "again")]
    with pytest.warns(ek.EstkitWarning, match=r"once: .* 1024 to 2047 of .*n=4 in .*2 and .*again"):
        merged = ek.merge(folders)
    assert merged.fingerprint() == in_blocks().run(SIZE, rng=1).fingerprint()


def test_stores_of_different_studies_are_not_merged(tmp_path: Path) -> None:
    in_blocks().run(SIZE, rng=1, store=tmp_path / "one", shard=(1, 2))
    in_blocks().run(SIZE, rng=2, store=tmp_path / "two", shard=(2, 2))
    with pytest.raises(ek.DataError, match=r"not of one study: the seed was 1, in the other .* 2"):
        ek.merge([tmp_path / "one", tmp_path / "two"])
    other = in_blocks()
    other.estimators["first"] = lambda x: x[1]
    other.run(SIZE, rng=1, store=tmp_path / "three", shard=(2, 2))
    with pytest.raises(ek.DataError, match="estimator 'first': its code"):
        ek.merge([tmp_path / "one", tmp_path / "three"])


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (1,), "1/2", (1.0, 2), (True, 2), 1])
def test_what_is_no_shard_is_refused(shard: Any, tmp_path: Path) -> None:
    with pytest.raises(ek.DataError, match="shard must be"):
        in_blocks().run(10, rng=1, store=tmp_path, shard=shard)


def test_a_shard_needs_a_store_and_no_target(tmp_path: Path) -> None:
    with pytest.raises(ek.DataError, match="needs a store"):
        in_blocks().run(10, rng=1, shard=(1, 2))
    with pytest.raises(ek.DataError, match="shard cannot know"):
        in_blocks().run(10, rng=1, store=tmp_path, shard=(1, 2), target_mcse=0.1)


@pytest.mark.parametrize("stores", [[], "folder", 3])
def test_what_cannot_be_merged_is_refused(stores: Any) -> None:
    with pytest.raises(ek.DataError, match=r"stores must be|no store to merge"):
        ek.merge(stores)


def test_a_target_with_a_store_stops_where_it_stops_without(tmp_path: Path) -> None:
    study, target = in_blocks(), {"bias": 0.02}
    plain = study.run(50_000, rng=1, target_mcse=target)
    study.run(3000, rng=1, store=tmp_path)
    kept = in_blocks().run(50_000, rng=1, target_mcse=target, store=tmp_path)
    assert kept.fingerprint() == plain.fingerprint()
    in_blocks().run(9000, rng=1, store=tmp_path)  # more than the target takes
    again = in_blocks().run(50_000, rng=1, target_mcse=target, store=tmp_path)
    assert again.fingerprint() == plain.fingerprint()


def test_a_part_of_another_study_or_under_another_name_does_not_count(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    right = in_blocks().run(500, rng=1, store=one).fingerprint()
    in_blocks().run(1000, rng=2, store=other)
    for path in other.glob("*.parquet"):
        path.rename(one / path.name)
    with pytest.warns(ek.EstkitWarning, match="is of another study, or was renamed: .* 0 to 999"):
        assert ek.open_study(one).fingerprint() == right
    with pytest.warns(ek.EstkitWarning, match="another study"):
        in_blocks().run(1000, rng=1, store=one)
    first = next(one.glob("c00000-*.parquet"))
    first.rename(one / first.name.replace("c00000", "c00001"))
    with pytest.warns(ek.EstkitWarning, match=r"was renamed: .* of condition n=9"):
        again = in_blocks().run(1000, rng=1, store=one)
    whole = in_blocks().run(1000, rng=1).fingerprint()
    assert again.fingerprint() == ek.open_study(one).fingerprint() == whole


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 300])
def test_a_name_that_no_folder_can_have_is_refused(name: str) -> None:
    with pytest.raises(ek.DataError, match=r"store (must be|cannot be)"):
        in_blocks().run(10, rng=1, store=name)
