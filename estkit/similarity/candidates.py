"""The best of what a block of queries has met so far, kept small, and exact in the end.

A product of matrices gives values that may be off by a rounding error which depends on where a pair
stands. So a candidate is kept as long as that error could hide that it is among the k best; what is
kept in the end is scored anew, pair by pair, and ordered by (score, row number).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.similarity.rows import Floats

Score = Callable[[NDArray[Any], NDArray[Any]], Floats]
"""The score of the pairs (query, row), which depends on the two rows alone; larger is better."""

PIECE = 1 << 15  # hits that are gathered at a time, where there is room
_GROUPS = 32  # of the columns of a block, of which each has a largest value


class Found(NamedTuple):
    """The k best rows of every query, the best first.

    Parameters
    ----------
    rows : array of int of shape (n, k)
        Their numbers; -1 where there are no more.
    scores : array of shape (n, k)
        Their scores; NaN where there are no more.
    ties : array of int of shape (n,)
        How many further rows have the same score as the last one.
    """

    rows: NDArray[np.intp]
    scores: Floats
    ties: NDArray[np.intp]


class Candidates:
    """The candidates of some queries.

    Parameters
    ----------
    first : int
        The number of the first query.
    slack : array of shape (n,)
        By how much two values of a query may seem to be in the wrong order.
    k : int
        How many of each query are wanted.
    score : callable
        What orders them in the end.
    dtype : dtype
        Of the values.
    excluded : array of bool of shape (n,), optional
        Queries that have no neighbours.
    piece : int
        How many hits are gathered at a time.
    """

    def __init__(
        self,
        first: int,
        slack: Floats,
        k: int,
        score: Score,
        dtype: Any,
        excluded: NDArray[np.bool_] | None = None,
        piece: int = PIECE,
    ) -> None:
        self.piece = piece
        self.first, self.slack, self.k, self.score = first, slack, k, score
        self.dtype = np.dtype(dtype)
        # What is below its floor cannot be among the k best; -inf marks pairs that do not count.
        self.floor = np.full(len(slack), np.finfo(self.dtype).min, self.dtype)
        if excluded is not None:
            self.floor[excluded] = np.inf
        self._parts: list[tuple[NDArray[Any], Floats, NDArray[Any]]] = []
        self._held, self._thinned = 0, False
        self._limit = 2 * k * len(slack)
        self._lost_score = np.full(len(slack), -np.inf)
        self._lost = np.zeros(len(slack), np.intp)

    def expect(self, values: Floats) -> None:
        """Raise the floor to the k-th largest of some group maxima, which some k values reach."""
        width = values.shape[1]
        size = width // max(_GROUPS, 3 * self.k)
        if size < 2:
            return
        groups = width // size
        largest = values[:, : groups * size].reshape(len(values), size, groups).max(axis=1)
        self._raise_floor(np.partition(largest, groups - self.k, axis=1)[:, groups - self.k])

    def offer(self, values: Floats, column: int, mask: NDArray[np.bool_]) -> None:
        """Take what may count of a block of values whose first column is row number `column`."""
        np.greater_equal(values, self.floor[:, None], out=mask)
        for part in pieces(mask, self.piece):
            hits = positions(mask[part])
            row, offset = np.divmod(hits, values.shape[1])
            self.add(row + part.start, values[part].reshape(-1)[hits], offset + column)

    def add(self, queries: NDArray[Any], values: Floats, rows: NDArray[Any]) -> None:
        """Keep candidates, and thin them out when they have become many."""
        if len(values) == 0:
            return
        self._thinned = False
        self._parts.append((queries.astype(np.int32), values, rows.astype(np.int32)))
        self._held += len(values)
        if self._held > self._limit:
            self.thin()

    def thin(self) -> None:
        """Drop what cannot be among the k best of its query."""
        if not self._parts or (len(self._parts) == 1 and self._thinned):
            return
        queries, values, rows = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        order = _by_query_and_value(queries, values)
        queries, values, rows = queries[order], values[order], rows[order]
        counts = np.bincount(queries, minlength=len(self.slack))
        last = np.cumsum(counts) - counts + self.k - 1
        reached = np.full(len(self.slack), -np.inf)
        enough = counts >= self.k
        reached[enough] = values[last[enough]]
        self._raise_floor(reached)
        kept = values >= self.floor[queries]
        self._parts = [(queries[kept], values[kept], rows[kept])]
        self._held, self._thinned = len(self._parts[0][0]), True
        if self._held > self._limit:  # ties: nothing less than the scores tells them apart
            self._settle()

    def found(self, dtype: Any) -> Found:
        """Return the k best of every query."""
        count = len(self.slack)
        rows = np.full((count, self.k), -1, np.intp)
        scores = np.full((count, self.k), np.nan, dtype)
        if self._held:
            self.thin()
            queries, place, exact = self._settle()
            rows[queries, place], scores[queries, place] = self._parts[0][2], exact
        return Found(rows, scores, np.where(self._lost_score == scores[:, -1], self._lost, 0))

    def _raise_floor(self, reached: Floats) -> None:
        lower = (reached - self.slack).astype(self.dtype)
        np.maximum(self.floor, np.nextafter(lower, -np.inf, dtype=self.dtype), out=self.floor)

    def _settle(self) -> tuple[NDArray[Any], NDArray[Any], Floats]:
        """Keep the k best by score; return the query, the place and the score of each."""
        queries, values, rows = self._parts[0]
        exact = self.score(queries + self.first, rows)
        order = _by_query_value_and_row(queries, exact, rows)
        queries, exact = queries[order], exact[order]
        counts = np.bincount(queries, minlength=len(self.slack))
        place = np.arange(len(queries)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = place < self.k
        self._count_lost(queries, exact, place)
        self._parts = [(queries[kept], values[order][kept], rows[order][kept])]
        self._held = int(kept.sum())
        return queries[kept], place[kept], exact[kept]

    def _count_lost(self, queries: NDArray[Any], exact: Floats, place: NDArray[Any]) -> None:
        """Count what is dropped although its score is that of the last one kept."""
        last = np.full(len(self.slack), -np.inf)
        full = place == self.k - 1
        last[queries[full]] = exact[full]
        self._lost[last > self._lost_score] = 0
        self._lost_score = last
        equal = queries[(place >= self.k) & (exact == last[queries])]
        self._lost += np.bincount(equal, minlength=len(self.slack))


def pieces(mask: NDArray[np.bool_], most: int) -> list[slice]:
    """Cut the rows of a mask so that no part has many hits, if it has more than one row."""
    if np.count_nonzero(mask) <= most:
        return [slice(0, len(mask))]
    parts = np.cumsum(np.count_nonzero(mask, axis=1)) // most
    edges = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), len(mask)]
    return [slice(*pair) for pair in pairwise(edges)]


def positions(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the flat positions of the hits, eight at a time where there are few."""
    flat = mask.reshape(-1)
    if flat.size % 8:
        return np.flatnonzero(flat)
    eights = np.flatnonzero(flat.view(np.uint64))
    near: NDArray[np.intp] = (eights[:, None] * 8 + np.arange(8)).reshape(-1)
    return near[flat[near]]


def _by_query_and_value(queries: NDArray[Any], values: Floats) -> NDArray[np.intp]:
    """Return the order by query, and by descending value within a query."""
    if values.dtype == np.float32:  # one sort of one key: the bits of a float are in its order
        bits = values.view(np.int32).astype(np.int64)
        bits = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
        return np.argsort((queries.astype(np.int64) << 32) + (0x7FFFFFFF - bits))
    order = np.argsort(-values)
    return order[np.argsort(queries[order].astype(np.uint16), kind="stable")]  # by radix


def _by_query_value_and_row(
    queries: NDArray[Any], values: Floats, rows: NDArray[Any]
) -> NDArray[np.intp]:
    """Return the order by query, descending value, and row."""
    order = _by_query_and_value(queries, values)
    queried, found, row = queries[order], values[order], rows[order]
    wrong = (queried[1:] == queried[:-1]) & (found[1:] == found[:-1]) & (row[1:] < row[:-1])
    return np.lexsort((rows, -values, queries)) if wrong.any() else order
