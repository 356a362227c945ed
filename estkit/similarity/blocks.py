"""All pairs block by block: in threads, in bounded memory, each unordered pair once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from estkit.data import is_sparse, rows_of
from estkit.errors import DataError
from estkit.parallel import map_threads, progress_bar, serial_algebra, thread_count
from estkit.similarity.directions import Directions
from estkit.similarity.vectors import Real

ROWS, COLUMNS = 512, 1024  # of a block that stays in cache while it is worked on
TALL, WIDE = 640, 1 << 13  # of one that is only multiplied, where what is packed is used longer
MEMORY = 1 << 28  # bytes to work in beside what was given and what is returned
_PANEL = 1024  # columns that are added up at once: sums of sums lose fewer digits
_TASKS = 512  # at most, that all blocks are shared into
_COPIES = 6  # of a block of coordinates, at most, while unit rows are made
_VALUES = 5  # of float64 for each pair of a block, at most, while it is worked on
_SPARSE = 1 << 12  # products of sparse rows that may be a sparse matrix, which takes more memory
_SHARES, _LEAST = 8, 128  # strips that rows are cut into at least, if they remain so tall
_TILE = 128  # rows and columns of a block that are mirrored at a time


@dataclass(frozen=True)
class Layout:
    """How work is cut up: threads, rows of a block to left and right, and whether rows are held.

    Unit rows are made `step` at a time.

    Blocks do not depend on the number of threads, so neither does any digit, unless little memory
    makes them smaller.
    """

    threads: int
    rows: int
    columns: int
    hold: bool
    step: int


def lay_out(
    rows: int,
    columns: int,
    width: int,
    *,
    max_bytes: int | None,
    n_jobs: int | None,
    size: int = 8,
    products: bool = False,
) -> Layout:
    """Return blocks whose making takes no more than `max_bytes` in all threads together.

    Unit rows, whose numbers take `size` bytes each, are held if they leave half of it free. Where
    blocks are nothing but `products` of dense rows, they are larger.

    Raises
    ------
    DataError
        If not even one pair of rows fits.
    """
    room = MEMORY if max_bytes is None else int(max_bytes)
    threads = thread_count(n_jobs)
    needed = size * (rows + columns) * width
    row, value = 8 * width * _COPIES, 8 * _VALUES
    hold = needed + 4 * row <= room and 2 * needed <= room
    room -= needed if hold else 0
    if room < 2 * row + value:
        raise DataError(
            f"max_bytes is {room}, but two rows of {width} coordinates take {2 * row + value} to "
            f"be compared; allow more."
        )
    while threads > 1 and room / threads < 2 * row * 16:
        threads -= 1
    step = min(ROWS, max(rows, columns, 1))
    while threads * row * step > room and step > 1:
        step //= 2
    left, right = min(ROWS, max(rows, 1)), min(COLUMNS, max(columns, 1))
    if products:
        left, right = _tall(rows), min(WIDE, max(columns, 1))
        row, value = (0 if hold else row), size
    while threads * (row * (left + right) + value * left * right) > room and left * right > 1:
        left, right = (left // 2, right) if left >= right else (left, right // 2)
    return Layout(threads, left, right, hold, step)


def _tall(rows: int) -> int:
    """Return the height of strips that are all about as high, a multiple of 16."""
    height = min(TALL, max(_LEAST, -(-rows // _SHARES)))
    height = -(-rows // max(1, -(-rows // height)))
    return max(1, min(-(-height // 16) * 16, rows))


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
    rows = parts(left.rows, layout.rows)
    width = left.rows if right is None else right.rows
    # Among themselves: the block on the diagonal, and what is to the right of it.
    begins = [part.stop if right is None else 0 for part in rows]
    lengths = [(right is None) - (begin - width) // layout.columns for begin in begins]
    # Where the blocks of each strip of rows begin, counted through; runs of blocks are the tasks.
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=int)])
    tasks = parts(int(starts[-1]), -(-int(starts[-1]) // _TASKS) or 1)
    direct = isinstance(out, np.ndarray) and not isinstance(out, np.memmap)

    def work(task: slice) -> None:
        for number in range(task.start, task.stop):
            strip = int(np.searchsorted(starts, number, side="right")) - 1
            skipped = number - int(starts[strip]) - (right is None)
            start = begins[strip] + skipped * layout.columns
            columns = slice(start, min(start + layout.columns, width))
            one(rows[strip], rows[strip] if skipped < 0 else columns)

    def one(i: slice, j: slice) -> None:
        place = out[i, j] if direct and out.dtype == left.dtype else None
        values = block(i, j, place)
        if right is None and i == j:
            _mirror(values)
        if values is not place:
            out[i, j] = values
        if right is None and i != j:
            out[j, i] = values.T

    bar = progress_bar(len(tasks), show=progress, unit="part", description="Cosines")
    with bar as forward, serial_algebra():
        for _ in map_threads(work, tasks, threads=layout.threads):
            forward(1)


def _mirror(values: Real) -> None:
    """Make a square block exactly symmetric by what is above its diagonal."""
    for part in parts(len(values), _TILE):
        tile = values[part, part]
        tile[:] = np.triu(tile) + np.triu(tile, 1).T
        values[part.stop :, part] = values[part, part.stop :].T


def inner_products(left: Any, right: Any, place: Real | None = None) -> Real:
    """Return the products of all rows of one with all of another, dense or sparse."""
    if is_sparse(left) and is_sparse(right):
        made = np.empty((left.shape[0], right.shape[0]), left.dtype) if place is None else place
        _sparse_products(left, right.T.tocsr(), made)
        return made
    if is_sparse(left) or is_sparse(right):
        return np.asarray(left @ right.T)
    if left.shape[1] > _PANEL:
        total = np.zeros((len(left), len(right)))
        for part in parts(left.shape[1], _PANEL):
            total += left[:, part] @ right[:, part].T
        if place is None:
            return total.astype(left.dtype, copy=False)
        place[...] = total
        return place
    if place is None:
        return np.asarray(left @ right.T)
    return np.asarray(np.matmul(left, right.T, out=place))


def _sparse_products(left: Any, turned: Any, made: Real) -> None:
    """Write the products of sparse rows, of which no more than a quarter are sparse at a time.

    A product that is sparse takes up to twice the memory of one that is not.
    """
    ends = turned.indptr
    few = int((ends[left.indices + 1] - ends[left.indices]).sum()) <= made.size // 4
    step = len(made) if few else max(-(-_SPARSE // max(1, made.shape[1])), -(-len(made) // 4))
    for part in parts(len(made), max(1, step)):
        product = rows_of(left, part) @ turned
        if made.flags.c_contiguous and made.dtype == product.dtype:
            product.toarray(out=made[part])
        else:
            made[part] = product.toarray()
