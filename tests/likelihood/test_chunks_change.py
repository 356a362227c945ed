"""Sources that are not the same on every reading: refused, and the piece is named."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.likelihood.chunks import checksum

LENGTH, PIECES = 700, 6


def piece(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((LENGTH, 2))
    return [X, np.where(rng.random(LENGTH) < 0.4, "yes", "no"), rng.integers(1, 4, LENGTH),
            rng.standard_normal(LENGTH)]  # fmt: skip


def one_number(parts: list[Any]) -> None:
    parts[0][123, 1] = np.nextafter(parts[0][123, 1], 9.0)


def one_response(parts: list[Any]) -> None:
    parts[1][5] = "yes" if parts[1][5] == "no" else "no"


def one_weight(parts: list[Any]) -> None:
    parts[2][-1] += 1


def one_offset(parts: list[Any]) -> None:
    parts[3][0] += 1e-9


def shuffled_responses(parts: list[Any]) -> None:
    parts[1] = np.roll(parts[1], 1)


def a_new_outcome(parts: list[Any]) -> None:
    parts[1][5] = "a"


CHANGES: dict[str, Callable[[list[Any]], None]] = {
    change.__name__: change
    for change in (one_number, one_response, one_weight, one_offset, shuffled_responses)
}


def source_that_changes(
    change: Callable[[list[Any]], None], *, reading: int, place: int
) -> ek.Chunks:
    """Return pieces of which one changes from some reading on."""
    readings = itertools.count()

    def made() -> Iterator[Any]:
        now = next(readings)
        for seed in range(PIECES):
            parts = piece(seed)
            if seed == place and now >= reading:
                change(parts)
            yield tuple(parts)

    return ek.Chunks(made)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("reading", "place"), [(2, 0), (2, 4), (4, PIECES - 1)])
def test_a_value_that_changes_between_readings_is_noticed(
    change: str, reading: int, place: int
) -> None:
    source = source_that_changes(CHANGES[change], reading=reading, place=place)
    message = f"Piece {place} of the source .* begins at row {place * LENGTH}, .*other values"
    with pytest.raises(ek.DataError, match=message):
        ek.fit(ek.Binomial(success="yes"), source)


def test_an_outcome_that_appears_later_is_named() -> None:
    source = source_that_changes(a_new_outcome, reading=2, place=3)
    with pytest.raises(ek.DataError, match="outcome 'a', which was not there"):
        ek.fit(ek.Binomial(success="yes"), source)


def test_pieces_that_are_drawn_anew_on_every_reading_are_refused() -> None:
    rng = np.random.default_rng(1)

    def drawn() -> Iterator[Any]:
        for _ in range(3):
            X = rng.standard_normal((LENGTH, 2))
            yield X, X[:, 0] > rng.standard_normal(LENGTH)

    with pytest.raises(ek.DataError, match=r"Piece 0 of the source .*with other values"):
        ek.fit(ek.Binomial(), ek.Chunks(drawn))


def test_the_piece_that_lost_rows_is_named() -> None:
    def lost(parts: list[Any]) -> None:
        parts[:] = [part[:-10] for part in parts]

    source = source_that_changes(lost, reading=2, place=2)
    with pytest.raises(ek.DataError, match=r"Piece 2 .* had 700 rows and has 690;"):
        ek.fit(ek.Binomial(success="yes"), source)


class PartsThatChange:
    """What `Chunks` asks of a Dask collection; its second part is another on every reading."""

    __module__ = "dask.dataframe"

    def to_delayed(self) -> list[Any]:
        import dask

        seeds = {0: itertools.repeat(0), 1: itertools.count()}
        return [
            dask.delayed(lambda own: tuple(piece(next(own))), pure=False)(own)
            for own in seeds.values()
        ]


def test_a_dask_partition_that_changes_is_noticed() -> None:
    import dask

    source = ek.Chunks(PartsThatChange())
    with dask.config.set(scheduler="sync"), pytest.raises(ek.DataError, match=r"Piece 1 .*other"):
        ek.fit(ek.Binomial(success="yes"), source)


@pytest.mark.parametrize("shape", [(0,), (1,), (5, 3), (509, 8), (5000, 7)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, bool])
def test_checksums_follow_every_value_and_its_place(shape: tuple[int, ...], dtype: Any) -> None:
    values = np.random.default_rng(2).integers(0, 2, shape).astype(dtype)
    whole = checksum(values)
    assert checksum(values.copy()) == whole
    rng = np.random.default_rng(3)
    for place in rng.integers(0, values.size, 20 if values.size else 0):
        other = values.copy()
        other.flat[place] = 1 - other.flat[place]
        assert checksum(other) != whole
    for _ in range(20 if values.size > 10 else 0):
        order = rng.permutation(len(values))
        assert (checksum(values[order]) == whole) == np.array_equal(values[order], values)
