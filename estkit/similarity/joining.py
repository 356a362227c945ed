"""All pairs whose score reaches a threshold, exactly, in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.errors import DataError
from estkit.similarity.candidates import pieces, positions
from estkit.similarity.nearest import ENOUGH, Buffers, Plan, hide, hide_own, plan_blocks, workers
from estkit.similarity.rows import Floats
from estkit.similarity.search import Search

_PAIR = 64  # bytes of a pair that is found, with all that is made of it until it stands in place


class Pairs(NamedTuple):
    """The pairs that reach a threshold, row by row, as a CSR matrix holds them.

    Parameters
    ----------
    indptr : array of int of shape (n + 1,)
        Where the pairs of each query begin.
    rows : array of int
        The row numbers, ascending for each query.
    scores : array
        Their scores.
    """

    indptr: NDArray[np.intp]
    rows: NDArray[np.intp]
    scores: Floats


class _Part(NamedTuple):
    """The pairs of some queries, by query and row."""

    counts: NDArray[np.intp]
    rows: NDArray[Any]
    scores: Floats


def join(
    search: Search,
    threshold: float,
    *,
    max_bytes: int = ENOUGH,
    threads: int | None = None,
    progress: bool = False,
) -> Pairs:
    """Return all pairs with a score of at least `threshold`.

    Parameters
    ----------
    search : Search
        What is to be found.
    threshold : float
        The lowest score that counts.
    max_bytes : int
        Memory to work in, the pairs included.
    threads : int, optional
        By default as many as there are cores.
    progress : bool
        Whether to show a bar.

    Raises
    ------
    DataError
        If the memory does not suffice for the pairs.
    """
    count = search.queries.shape[0]
    if count == 0 or search.known.shape[0] == 0:
        none = np.zeros(0, np.intp)
        return Pairs(np.zeros(count + 1, np.intp), none, np.zeros(0, search.dtype))
    plan = plan_blocks(search, 1, max_bytes // 2, workers(search, threads), own=False)
    if plan is None:
        raise DataError(
            f"max_bytes leaves {max(max_bytes, 0):,} bytes, too few to compare a few rows of "
            f"{search.queries.shape[1]} columns; allow more."
        )
    once = search.own and search.symmetric
    gather = _gatherer(search, threshold, plan, _Purse(max_bytes // 2, count), once)
    with (
        parallel.serial_algebra(),
        parallel.progress_bar(count, show=progress, unit="row", description="rows") as forward,
    ):
        parts = []
        for part in parallel.map_threads(
            gather, range(0, count, plan.queries), threads=plan.threads
        ):
            parts.append(part)
            forward(len(part.counts))
    whole = _Part(*(np.concatenate(some) for some in zip(*parts, strict=True)))
    return _mirrored(whole) if once else _as_rows(whole.counts, whole.rows, whole.scores)


class _Purse:
    """The memory for pairs, from which threads take."""

    def __init__(self, left: int, count: int) -> None:
        self.room, self._taken, self._lock, self._count = left // _PAIR, 0, threading.Lock(), count

    def take(self, pairs: int, row: int) -> None:
        """Note pairs that were found, or raise when there is no room for them."""
        with self._lock:
            self._taken += pairs
            if self._taken > self.room:
                raise DataError(
                    f"max_bytes has room for {self.room:,} pairs, but there are more before row "
                    f"{row:,} of {self._count:,}; raise the threshold or max_bytes, or ask for the "
                    f"k nearest."
                )


def _gatherer(
    search: Search, threshold: float, plan: Plan, purse: _Purse, once: bool
) -> Callable[[int], _Part]:
    """Return what finds the pairs of a block of queries; each pair once if it serves for both."""
    queries, known = search.queries, search.known
    count, total = queries.shape[0], known.shape[0]
    buffers = Buffers(plan, search.product_dtype)
    least = search.dtype.type(threshold)

    def gather(first: int) -> _Part:
        stop = min(first + plan.queries, count)
        lowest = (float(least) - search.slack(first, stop) / 2).astype(search.product_dtype)
        floor = np.nextafter(lowest, -np.inf, dtype=lowest.dtype)
        if queries.excluded is not None:
            floor[queries.excluded[first:stop]] = np.inf
        asked = queries.block(first, stop)
        found: list[tuple[NDArray[Any], ...]] = []
        for start in range(first if once else 0, total, plan.rows):
            values, mask = buffers.products(search, asked, (first, stop), start)
            hide(values, known.excluded, start)
            if once and start < stop:
                columns = np.arange(start, start + values.shape[1])
                values[columns <= np.arange(first, stop)[:, None]] = -np.inf
            elif search.own:
                hide_own(values, first, start)
            np.greater_equal(values, floor[:, None], out=mask)
            for part in pieces(mask, plan.piece):
                row, column = np.divmod(positions(mask[part]), values.shape[1])
                row, column = row + part.start, column + start
                scores = search.score(row + first, column)
                kept = scores >= least
                purse.take(int(kept.sum()), stop)
                found.append((row[kept].astype(np.uint16), column[kept].astype(np.int32),
                              scores[kept]))  # fmt: skip
        row, column, scores = (np.concatenate(some) for some in zip(*found, strict=True))
        order = np.argsort(row, kind="stable")  # by radix; columns ascend already
        counts = np.bincount(row, minlength=stop - first)
        return _Part(counts, column[order], scores[order])

    return gather


def _as_rows(counts: NDArray[np.intp], rows: NDArray[Any], scores: Floats) -> Pairs:
    return Pairs(np.concatenate([[0], np.cumsum(counts)]), rows.astype(np.intp), scores)


def _mirrored(upper: _Part) -> Pairs:
    """Return pairs in both directions, of those whose second row has the larger number."""
    count = len(upper.counts)
    owner = np.repeat(np.arange(count), upper.counts)
    below = np.bincount(upper.rows, minlength=count)
    order = np.argsort(upper.rows, kind="stable")  # by second row, then by first
    indptr = np.concatenate([[0], np.cumsum(below + upper.counts)])
    rows = np.empty(2 * len(owner), np.intp)
    scores = np.empty(2 * len(owner), upper.scores.dtype)
    ends = np.cumsum(below)
    place = np.arange(len(owner)) + np.repeat(indptr[:-1] - (ends - below), below)
    rows[place], scores[place] = owner[order], upper.scores[order]
    ends = np.cumsum(upper.counts)
    shift = indptr[:-1] + below - (ends - upper.counts)
    place = np.arange(len(owner)) + np.repeat(shift, upper.counts)
    rows[place], scores[place] = upper.rows, upper.scores
    return Pairs(indptr, rows, scores)
