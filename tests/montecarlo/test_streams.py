"""One random stream per replicate: distinct, reached directly, untouched by what came before."""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import estkit as ek
from estkit.montecarlo.streams import BLOCK, DATA, PROBE, Streams, own_purpose, seed_sequence

SEED = 20260101
# Of a million draws of 64 bits, two are equal with probability 3e-8: a repeat means equal streams.
MANY = 1_000_000

DRAWS: dict[str, Callable[[Any], Any]] = {
    "normals": lambda rng: rng.normal(size=3),
    "half a word": lambda rng: rng.integers(0, 9, size=1, dtype=np.uint32),
    "bytes": lambda rng: rng.integers(0, 9, size=3, dtype=np.uint8),
    "a permutation": lambda rng: rng.permutation(10),
    "one raw word": lambda rng: rng.bit_generator.random_raw(1),
    "a jump": lambda rng: rng.bit_generator.advance(10**30),
    "another state": lambda rng: setattr(rng.bit_generator, "state", np.random.Philox(1).state),
}


def draws(streams: Streams, replicate: int, purpose: int = DATA, size: int = 8) -> list[int]:
    return [int(word) for word in streams.at(replicate, purpose).bit_generator.random_raw(size)]


def philox(condition: int, replicate: int, purpose: int, spawn_key: tuple[int, ...] = ()) -> Any:
    """Make the generator that a stream stands for with numpy alone."""
    key = np.random.SeedSequence(SEED, spawn_key=(*spawn_key, condition)).generate_state(2, "u8")
    counter = np.array([0, 0, replicate, purpose], dtype=np.uint64)
    return np.random.Philox(key=key, counter=counter)


def test_a_million_replicates_have_a_million_streams() -> None:
    streams = Streams(SEED, (), condition=0)
    at = streams.at
    first = np.array([at(r).bit_generator.random_raw() for r in range(MANY)], dtype=np.uint64)
    assert len(np.unique(first)) == MANY


def test_conditions_purposes_and_seeds_have_streams_of_their_own() -> None:
    purposes = [DATA, BLOCK, PROBE, own_purpose("mean"), own_purpose("median")]
    seen = [
        draws(Streams(seed, spawn_key, condition), replicate, purpose, size=1)[0]
        for seed, spawn_key in [
            (SEED, ()),
            (SEED, (0,)),
            (SEED, (1,)),
            (SEED + 1, ()),
            ([1, 2], ()),
        ]
        for condition, purpose in itertools.product(range(10), purposes)
        for replicate in range(40)
    ]
    assert len(set(seen)) == len(seen) == 5 * 10 * 5 * 40


# A search from the start would not come back from these, so that answering at all shows O(1).
@pytest.mark.parametrize("replicate", [0, 1, 12_345, 2**32, 2**53 + 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("purpose", [DATA, BLOCK, PROBE, own_purpose("mean")])
@pytest.mark.parametrize("spawn_key", [(), (3, 1)])
def test_a_stream_is_numpys_philox_with_its_address_in_the_counter(
    replicate: int, purpose: int, spawn_key: tuple[int, ...]
) -> None:
    expected = philox(7, replicate, purpose, spawn_key).random_raw(9).tolist()
    assert draws(Streams(SEED, spawn_key, 7), replicate, purpose, size=9) == expected


@pytest.mark.parametrize("what", DRAWS)
def test_a_stream_does_not_depend_on_what_was_drawn_before(what: str) -> None:
    streams = Streams(SEED, (), 0)
    rng = streams.at(5)
    DRAWS[what](rng)
    DRAWS[what](streams.at(5, own_purpose("mean")))
    expected = np.random.Generator(philox(0, 6, DATA))
    rng = streams.at(6)
    assert rng.integers(0, 1000, size=3, dtype=np.uint32).tolist() == (
        expected.integers(0, 1000, size=3, dtype=np.uint32).tolist()
    )
    assert rng.normal(size=5).tolist() == expected.normal(size=5).tolist()


@given(st.text())
def test_no_estimator_name_reaches_the_streams_of_the_data(name: str) -> None:
    assert own_purpose(name) not in (DATA, BLOCK, PROBE)
    assert 0 <= own_purpose(name) < 2**64


def test_two_estimators_never_share_a_stream_even_when_their_names_collide() -> None:
    # a pair that a 32-bit checksum mixes up
    assert zlib.crc32(b"plumless") == zlib.crc32(b"buckeroo")
    functions = {name: lambda x, rng: rng.normal() for name in ("plumless", "buckeroo")}
    frame = ek.Study(lambda rng: rng.normal(size=2), functions).run(50, rng=SEED).outcomes()
    assert frame["estimate"].nunique() == 100


def test_all_forms_of_one_seed_are_one_seed() -> None:
    study = ek.Study(lambda rng: rng.normal(size=4), {"mean": np.mean}, truth=0.0)
    forms = [7, np.int64(7), np.uint8(7), np.random.SeedSequence(7)]
    results = [study.run(20, rng=form).outcomes()["estimate"].tolist() for form in forms]
    assert all(result == results[0] for result in results)


def test_a_seed_sequence_keeps_its_spawn_key_and_is_not_used_up() -> None:
    parent = np.random.SeedSequence(7)
    first, second = parent.spawn(2)
    study = ek.Study(lambda rng: rng.normal(size=4), {"mean": np.mean}, truth=0.0)
    results = [study.run(5, rng=rng).outcomes() for rng in (first, second, first)]
    assert results[0].equals(results[2])
    assert not results[0].equals(results[1])
    assert first.n_children_spawned == 0


def test_a_generator_is_a_source_of_seeds() -> None:
    one, same = np.random.default_rng(1), np.random.default_rng(1)
    first, second = seed_sequence(one), seed_sequence(one)
    assert first.entropy == seed_sequence(same).entropy
    assert first.entropy != second.entropy  # it moved on, so the next study is another one


def test_without_a_seed_every_study_is_new_and_tells_its_seed() -> None:
    study = ek.Study(lambda rng: rng.normal(size=4), {"mean": np.mean}, truth=0.0)
    first, second = study.run(5), study.run(5)
    assert not first.outcomes().equals(second.outcomes())
    again = np.random.SeedSequence(first.seed["entropy"], spawn_key=first.seed["spawn_key"])
    assert study.run(5, rng=again).outcomes().equals(first.outcomes())


@pytest.mark.parametrize(
    "rng",
    [
        -1,
        np.int64(-5),
        1.0,
        2.5,
        float("nan"),
        True,
        "1",
        [1, 2],
        np.random.RandomState(1),
        np.random,
    ],
    ids=lambda rng: type(rng).__name__ + repr(rng)[:4],
)
def test_any_other_seed_is_refused(rng: Any) -> None:
    study = ek.Study(lambda rng: rng.normal(size=4), {"mean": np.mean}, truth=0.0)
    with pytest.raises(ek.DataError, match="rng must be a non-negative int"):
        study.run(5, rng=rng)


def test_a_study_leaves_the_global_random_states_alone() -> None:
    before = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002 - only looked at
    study = ek.Study(lambda rng: rng.normal(size=4), {"own": lambda x, rng: rng.normal()})
    study.run(150).replay(3)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # noqa: NPY002
