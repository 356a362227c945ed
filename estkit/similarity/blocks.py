"""All pairs block by block: in threads, in bounded memory, each unordered pair once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from estkit.data import is_sparse
from estkit.errors import DataError
from estkit.parallel import cores, map_threads, progress_bar, serial_algebra
from estkit.similarity.directions import Directions
from estkit.similarity.vectors import Real

ROWS, COLUMNS = 512, 1024  # of a block that stays in cache with the rows it is made of
MEMORY = 1 << 28  # bytes to work in beside what was given and what is returned
_TASKS = 512  # at most, that all blocks are shared into
_COPIES = 6  # of a block of coordinates, at most, while unit rows are made


@dataclass(frozen=True)
class Layout:
    """How work is cut up: threads, rows of a block to left and right, and what is held.

    Blocks do not depend on the number of threads, so neither does any digit, unless little memory
    makes them smaller.
    """

    threads: int
    rows: int
    columns: int
    hold: bool


def lay_out(
    rows: int,
    columns: int,
    width: int,
    *,
    max_bytes: int | None,
    n_jobs: int | None,
    size: int = 8,
) -> Layout:
    """Return blocks whose making takes no more than `max_bytes` in all threads together.

    Unit rows, whose numbers take `size` bytes each, are held if they leave half of it free.

    Raises
    ------
    DataError
        If not even one pair of rows fits.
    """
    room = MEMORY if max_bytes is None else int(max_bytes)
    threads = cores() if n_jobs is None or n_jobs < 0 else max(1, int(n_jobs))
    needed = size * (rows + columns) * width
    pair = 8 * width * _COPIES
    hold = needed + 4 * pair <= room and 2 * needed <= room
    room -= needed if hold else 0
    if room < 2 * pair + 8 * 5:
        raise DataError(
            f"max_bytes is {room}, but two rows of {width} coordinates take {2 * pair + 40} to be "
            f"compared; allow more."
        )
    while threads > 1 and room / threads < 2 * pair * 16:
        threads -= 1
    left, right = min(ROWS, max(rows, 1)), min(COLUMNS, max(columns, 1))
    while threads * (pair * (left + right) + 8 * 5 * left * right) > room and left * right > 1:
        left, right = (left // 2, right) if left >= right else (left, right // 2)
    return Layout(threads, left, right, hold)


def parts(length: int, step: int) -> list[slice]:
    """Return slices of `step` rows that cover `length`."""
    return [slice(i, min(i + step, length)) for i in range(0, length, step)]


def fill(
    out: Any,
    left: Directions,
    right: Directions | None,
    block: Callable[[slice, slice, Real | None], Real],
    layout: Layout,
    *,
    progress: bool,
) -> None:
    """Write the value of every pair to `out`.

    Parameters
    ----------
    out : array of shape (n, m)
        Where they go.
    left, right : Directions
        The rows; `right` is None where rows are compared among themselves, and then what is above
        the diagonal is computed and mirrored.
    block : callable
        Takes two slices and returns the values of their pairs; it may write them to the array it
        is given, which is the place in `out`, or None where that is no place to compute in.
    layout : Layout
        How work is cut up.
    progress : bool
        Whether to show a bar.
    """
    step = min(layout.rows, layout.columns) if right is None else layout.columns
    rows = parts(left.rows, step if right is None else layout.rows)
    columns = rows if right is None else parts(right.rows, step)
    # Where the blocks of each strip of rows begin, counted through; runs of blocks are the tasks.
    lengths = [len(columns) - (k if right is None else 0) for k in range(len(rows))]
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=int)])
    tasks = parts(int(starts[-1]), -(-int(starts[-1]) // _TASKS) or 1)
    direct = isinstance(out, np.ndarray) and not isinstance(out, np.memmap)

    def work(task: slice) -> None:
        for number in range(task.start, task.stop):
            strip = int(np.searchsorted(starts, number, side="right")) - 1
            skipped = len(columns) - lengths[strip]
            one(rows[strip], columns[number - int(starts[strip]) + skipped])

    def one(i: slice, j: slice) -> None:
        place = out[i, j] if direct and out.dtype == left.dtype else None
        values = block(i, j, place)
        if right is None and i == j:
            values = np.triu(values) + np.triu(values, 1).T
        if values is not place:
            out[i, j] = values
        if right is None and i != j:
            out[j, i] = values.T

    bar = progress_bar(len(tasks), show=progress, unit="part", description="Cosines")
    with bar as forward, serial_algebra():
        for _ in map_threads(work, tasks, threads=layout.threads):
            forward(1)


def inner_products(left: Any, right: Any, place: Real | None = None) -> Real:
    """Return the products of all rows of one with all of another, dense or sparse."""
    if is_sparse(left) or is_sparse(right):
        made = left @ right.T
        return np.asarray(made.toarray() if is_sparse(made) else made)
    if place is None:
        return np.asarray(left @ right.T)
    return np.asarray(np.matmul(left, right.T, out=place))
