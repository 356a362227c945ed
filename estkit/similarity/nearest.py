"""The k nearest rows of every query and all pairs over a threshold, exactly, in bounded memory.

Values come from products of blocks of rows by two threads with one linear-algebra thread each. A
self-join meets each unordered pair of blocks once and offers the products to the rows of both.
The answer depends on the rows alone: not on blocks, threads or the linear-algebra library, for
what a product cannot tell apart is scored anew, pair by pair (see `candidates`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.errors import DataError
from estkit.similarity.candidates import Candidates, Floats, Found, Score, pieces, positions

ENOUGH = 200 << 20  # bytes
_QUERIES, _ROWS = 512, 1024  # of a block: its products stay in the cache of a core
_OWN = 2048  # rows of a block of a self-join, most of which is met only once
_SMALL = 1 << 24  # multiplications for which a second thread is not worth its start
_HELD = 64  # bytes of a candidate with all that is made of it while they are sorted
_PAIRS = 1 << 17  # numbers of a block of pairs that are scored at a time


class Rows(Protocol):
    """Rows that are read a block at a time, so that they need not be in memory.

    `excluded` says which rows are nobody's neighbour and have none; their numbers must be finite.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of float32 or float64."""

    @property
    def excluded(self) -> NDArray[np.bool_] | None:
        """The rows that do not count, if any."""

    def block(self, start: int, stop: int) -> Floats:
        """Return consecutive rows."""

    def take(self, rows: NDArray[Any]) -> Floats:
        """Return some rows."""


@dataclass(frozen=True, eq=False)
class Held:
    """Rows that are an array, in memory or mapped into it."""

    values: Floats
    excluded: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of columns."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""
        return self.values.dtype

    def block(self, start: int, stop: int) -> Floats:
        """Return consecutive rows."""
        return self.values[start:stop]

    def take(self, rows: NDArray[Any]) -> Floats:
        """Return some rows."""
        return np.take(self.values, rows, axis=0)


class Pairs(NamedTuple):
    """The pairs over a threshold, row by row, as a CSR matrix has them.

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


class Plan(NamedTuple):
    """How much is done at a time."""

    queries: int
    rows: int
    threads: int


@dataclass(frozen=True)
class Search:
    """What is to be found: products of queries and rows, and what they stand for.

    Parameters
    ----------
    queries, corpus : Rows
        `corpus` is None where the queries are searched among themselves, without each itself.
    score : callable
        The score of pairs, which orders them.
    slack : callable
        The slack of the queries from a start to a stop: a product and a score differ by at most
        half of it.
    symmetric : bool
        Whether the product of a pair is the same from either side, up to rounding.
    dtype : dtype
        Of the scores.
    """

    queries: Rows
    corpus: Rows | None
    score: Score
    slack: Callable[[int, int], Floats]
    symmetric: bool
    dtype: Any

    @property
    def known(self) -> Rows:
        """What is searched."""
        return self.queries if self.corpus is None else self.corpus


def cosine_search(queries: Rows, corpus: Rows | None = None) -> Search:
    """Return the search by the products of rows of length 1, which are their cosines."""
    known = queries if corpus is None else corpus
    dtype = np.result_type(queries.dtype, known.dtype)
    columns = queries.shape[1]
    # A sum of n products in any order is off by at most n units in the last place of the sum of
    # their sizes, which is 1; the score is off by less than one.
    slack = 2.0 * (columns + 4) * float(np.finfo(dtype).eps)

    def score(first: NDArray[Any], second: NDArray[Any]) -> Floats:
        out = np.empty(len(first), dtype)
        size = max(1, _PAIRS // max(columns, 1))
        for start in range(0, len(first), size):
            part = slice(start, start + size)
            pairs = np.multiply(
                queries.take(first[part]), known.take(second[part]), dtype=np.float64
            )
            out[part] = pairs.sum(axis=1)
        return np.clip(out, -1, 1, out=out)

    return Search(
        queries, corpus, score, lambda start, stop: np.full(stop - start, slack), True, dtype
    )


def top_k(
    search: Search,
    k: int,
    *,
    max_bytes: int = ENOUGH,
    threads: int | None = None,
    progress: bool = False,
) -> Found:
    """Return the k best rows of every query, by (descending score, row number).

    Parameters
    ----------
    search : Search
        What is to be found.
    k : int
        How many; where there are fewer, row -1 and score NaN stand for the rest.
    max_bytes : int
        A bound on the memory beyond the rows that are given, the result included.
    threads : int, optional
        By default as many as there are cores.
    progress : bool
        Whether to show a bar.

    Raises
    ------
    DataError
        If the memory does not suffice.
    """
    count, total = search.queries.shape[0], search.known.shape[0]
    answer = count * (k * (8 + np.dtype(search.dtype).itemsize) + 8)
    found = Found(
        np.full((count, k), -1, np.intp),
        np.full((count, k), np.nan, search.dtype),
        np.zeros(count, np.intp),
    )
    if count == 0 or total == 0:
        return found
    few = min(k, total)
    left = max_bytes - answer
    threads = _threads(search, threads)
    if search.corpus is None and search.symmetric and total > 2 * _QUERIES:
        plan = _plan(search, few, left - _HELD * few * 2 * count, threads, own=True)
        if plan is not None:
            _meet(search, few, plan, found, progress)
            return found
    plan = _plan(search, few, left, threads, own=False)
    if plan is None:
        raise DataError(
            f"max_bytes={max_bytes:,} is too little: the answer of {count:,} rows with k={k} takes "
            f"{answer:,} bytes, and a block must fit beside it; raise max_bytes or lower k."
        )
    _pass(search, few, plan, found, progress)
    return found


def _threads(search: Search, threads: int | None) -> int:
    work = search.queries.shape[0] * search.known.shape[0] * search.queries.shape[1]
    return 1 if work < _SMALL else threads or parallel.cores()


def _plan(search: Search, k: int, left: int, threads: int, *, own: bool) -> Plan | None:
    """Return the largest blocks that fit into the bytes that are left, if any do."""
    columns = search.queries.shape[1]
    size = np.dtype(search.queries.dtype).itemsize
    queries, rows = (_OWN, _OWN) if own else (_QUERIES, max(_ROWS, min(4 * k, 1 << 14)))
    queries, rows = min(queries, search.queries.shape[0]), min(rows, search.known.shape[0])
    scored = _PAIRS * (2 * size + 8) + columns * (2 * size + 8)
    while True:
        blocks = queries * rows * (size + 1)
        read = (queries + rows) * columns * size * (0 if isinstance(search.known, Held) else 2)
        held = _HELD * (3 * k * queries + 2 * (1 << 15) + rows)
        if threads * (blocks + read + held + scored) <= left:
            return Plan(queries, rows, threads)
        if rows > 256 and rows >= queries:
            rows //= 2
            queries = min(queries, rows) if own else queries
        elif queries > 32 and not own:
            queries //= 2
        elif threads > 1:
            threads -= 1
        else:
            return None


class _Buffers(threading.local):
    """A block of values and a mask for every thread, filled again and again."""

    def __init__(self, plan: Plan, dtype: Any) -> None:
        self._values = np.empty(plan.queries * plan.rows, dtype)
        self._mask = np.empty(plan.queries * plan.rows, bool)

    def products(self, first: Floats, second: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the products of two blocks of rows, and room for a mask."""
        shape = len(first), len(second)
        values = self._values[: shape[0] * shape[1]].reshape(shape)
        np.matmul(first, second.T, out=values)
        return values, self._mask[: values.size].reshape(shape)


def _candidates(search: Search, start: int, stop: int, k: int, dtype: Any) -> Candidates:
    outside = search.queries.excluded
    return Candidates(
        start, search.slack(start, stop), k, search.score, dtype,
        None if outside is None else outside[start:stop],
    )  # fmt: skip


def _hide(values: Floats, excluded: NDArray[np.bool_] | None, start: int) -> None:
    """Take rows that do not count out of a block of values."""
    if excluded is not None:
        values[:, excluded[start : start + values.shape[1]]] = -np.inf


def _hide_own(values: Floats, first: int, start: int) -> None:
    """Take every query itself out of a block of values."""
    row = np.arange(max(first, start), min(first + len(values), start + values.shape[1]))
    values[row - first, row - start] = -np.inf


def _keep(found: Found, start: int, stop: int, best: Found) -> None:
    few = best.rows.shape[1]
    found.rows[start:stop, :few], found.scores[start:stop, :few] = best.rows, best.scores
    if found.rows.shape[1] == few:
        found.ties[start:stop] = best.ties


def _pass(search: Search, k: int, plan: Plan, found: Found, progress: bool) -> None:
    """Let every block of queries meet all rows."""
    queries, known = search.queries, search.known
    count, total = queries.shape[0], known.shape[0]
    buffers = _Buffers(plan, np.result_type(queries.dtype, known.dtype))

    def answer(first: int) -> int:
        stop = min(first + plan.queries, count)
        asked = queries.block(first, stop)
        best = _candidates(search, first, stop, k, buffers._values.dtype)
        for start in range(0, total, plan.rows):
            values, mask = buffers.products(
                asked, known.block(start, min(start + plan.rows, total))
            )
            _hide(values, known.excluded, start)
            if search.corpus is None:
                _hide_own(values, first, start)
            if start == 0:
                best.expect(values)
            best.offer(values, start, mask)
            if start == 0:
                best.thin()
        _keep(found, first, stop, best.found(search.dtype))
        return stop - first

    with (
        parallel.serial_algebra(),
        parallel.progress_bar(count, show=progress, unit="row", description="rows") as forward,
    ):
        for done in parallel.map_threads(
            answer, range(0, count, plan.queries), threads=plan.threads
        ):
            forward(done)


def _meet(search: Search, k: int, plan: Plan, found: Found, progress: bool) -> None:
    """Let each unordered pair of blocks meet once."""
    rows, size = search.queries, plan.rows
    count = rows.shape[0]
    edges = [(start, min(start + size, count)) for start in range(0, count, size)]
    best = [_candidates(search, *edge, k, rows.dtype) for edge in edges]
    locks = [threading.Lock() for _ in edges]
    buffers = _Buffers(plan, rows.dtype)

    def begin(block: int) -> int:
        start, stop = edges[block]
        own = rows.block(start, stop)
        values, mask = buffers.products(own, own)
        _hide(values, rows.excluded, start)
        _hide_own(values, start, start)
        best[block].expect(values)
        best[block].offer(values, start, mask)
        best[block].thin()
        return 1

    def meet(pair: tuple[int, int]) -> int:
        one, other = pair
        values, mask = buffers.products(rows.block(*edges[one]), rows.block(*edges[other]))
        if rows.excluded is not None:
            _hide(values, rows.excluded, edges[other][0])
            values[rows.excluded[slice(*edges[one])]] = -np.inf
        with locks[one]:
            best[one].offer(values, edges[other][0], mask)
        np.greater_equal(values, best[other].floor, out=mask)
        for part in pieces(mask):
            hits = positions(mask[part])
            row, column = np.divmod(hits, values.shape[1])
            with locks[other]:
                best[other].add(
                    column, values[part].reshape(-1)[hits], row + part.start + edges[one][0]
                )
        return 1

    def end(block: int) -> int:
        _keep(found, *edges[block], best[block].found(search.dtype))
        return 1

    number = len(edges)
    # Every block meets another one in each round, so that floors rise everywhere alike.
    pairs = [
        (one, (one + apart) % number)
        for apart in range(1, number // 2 + 1)
        for one in range(number)
        if 2 * apart < number or one < number // 2
    ]
    with (
        parallel.serial_algebra(),
        parallel.progress_bar(
            number + len(pairs), show=progress, unit="block", description="blocks"
        ) as forward,
    ):
        work: list[tuple[Callable[[Any], int], Any]] = [
            (begin, range(number)), (meet, pairs), (end, range(number)),
        ]  # fmt: skip
        for task, items in work[:2]:
            for done in parallel.map_threads(task, items, threads=plan.threads):
                forward(done)
        for _ in parallel.map_threads(end, range(number), threads=plan.threads):
            pass
