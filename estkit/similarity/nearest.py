"""The k nearest rows of every query, exactly, in bounded memory.

Values come from products of blocks of rows by two threads with one linear-algebra thread each. A
self-join meets each unordered pair of blocks once and offers the products to the rows of both.
The answer depends on the rows alone: not on blocks, threads or the linear-algebra library, for
what a product cannot tell apart is scored anew, pair by pair (see `candidates`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.errors import DataError
from estkit.similarity.candidates import PIECE, Candidates, Found, pieces, positions
from estkit.similarity.duplicates import Spared, spare
from estkit.similarity.rows import Floats
from estkit.similarity.search import Search

ENOUGH = 1 << 28  # bytes to work in beside the rows and the result
_QUERIES, _ROWS = 512, 1024  # of a block: its products stay in the cache of a core
_OWN = 2048  # rows of a block of a self-join, most of which is met only once
_SMALL = 1 << 24  # multiplications for which a second thread is not worth its start
_FEW = 8  # queries and rows of the smallest block
_PLACE = 16  # bytes of a neighbour in the result
_SPARSE = 8  # bytes of a product of sparse rows beside its place: a quarter are sparse at a time
_HELD = 64  # bytes of a candidate with all that is made of it while they are sorted


class Plan(NamedTuple):
    """How much is done at a time."""

    queries: int
    rows: int
    threads: int
    piece: int = PIECE


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
        Memory to work in, beside the rows and the result; and for those of its places that stay
        empty because k is more than there are rows.
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
    check_places(count, total, k, max_bytes)
    found = Found(
        np.full((count, k), -1, np.intp),
        np.full((count, k), np.nan, search.dtype),
        np.zeros(count, np.intp),
    )
    if count == 0 or total == 0:
        return found
    few = min(k, total)
    spared = spare(search, few, max_bytes)
    if spared is not None:
        _answer(spared.search, few, found, max_bytes, threads, progress)
        _restore(spared, few, found)
    else:
        _answer(search, few, found, max_bytes, threads, progress)
    return found


def check_places(count: int, total: int, k: int, max_bytes: int) -> None:
    """Raise if places that no row can fill would take more than the memory to work in."""
    if k > total and count * (k - total) * _PLACE > max_bytes:
        raise DataError(
            f"k is {k:,}, but there are {total:,} rows to be found; ask for no more than those."
        )


def _restore(spared: Spared, k: int, found: Found) -> None:
    """Give what was found its row numbers, and count the rows that were left out."""
    missing = found.rows < 0
    found.rows[:] = spared.kept[np.where(missing, 0, found.rows)]
    found.rows[missing] = -1
    if found.rows.shape[1] > k:
        return
    for start in range(0, len(found.rows), _QUERIES):
        part = slice(start, min(start + _QUERIES, len(found.rows)))
        rows, scores = found.rows[part, -1], found.scores[part, -1]
        found.ties[part] += spared.ties(part.start, part.stop, rows, scores)


def _answer(
    search: Search, few: int, found: Found, max_bytes: int, threads: int | None, progress: bool
) -> None:
    """Fill in what is found, by the way that fits into the memory."""
    count, total = search.queries.shape[0], search.known.shape[0]
    threads = workers(search, threads)
    if search.own and search.symmetric and total > 2 * _QUERIES:
        plan = plan_blocks(search, few, max_bytes - _HELD * few * 2 * count, threads, own=True)
        if plan is not None:
            _meet(search, few, plan, found, progress)
            return
    plan = plan_blocks(search, few, max_bytes, threads, own=False)
    if plan is None:
        raise DataError(
            f"max_bytes leaves {max(max_bytes, 0):,} bytes, too few to compare a few rows of "
            f"{search.queries.shape[1]} columns and to keep the best {few} of each; allow more."
        )
    _pass(search, few, plan, found, progress)


def workers(search: Search, threads: int | None) -> int:
    """Return the number of threads that are worth their start."""
    return 1 if search.work < _SMALL else threads or parallel.cores()


def plan_blocks(search: Search, k: int, left: int, threads: int, *, own: bool) -> Plan | None:
    """Return the largest blocks that fit into the bytes that are left, if any do."""
    size, sparse = search.product_dtype.itemsize, search.sparse
    queries, rows = (_OWN, _OWN) if own else (_QUERIES, max(_ROWS, min(4 * k, 1 << 14)))
    queries, rows = min(queries, search.queries.shape[0]), min(rows, search.known.shape[0])
    plan: Plan | None = Plan(queries, rows, threads)
    while plan is not None:
        blocks = plan.queries * plan.rows * (size + 1 + (_SPARSE if sparse else 0))
        read = (
            (plan.queries + plan.rows)
            * search.scored_width
            * size
            * (0 if search.known.held and not sparse else 2)
        )
        kept = _HELD * (3 * k * plan.queries + 2 * plan.piece + plan.rows)
        if plan.threads * (blocks + read + kept + search.scoring_bytes) <= left:
            break
        plan = _smaller(plan, own)
    return plan


def _smaller(plan: Plan, own: bool) -> Plan | None:
    """Return blocks that take less memory and a little more time, if there are any."""
    queries, rows, threads, piece = plan
    if piece > 1 << 12:
        return plan._replace(piece=piece // 2)
    if rows > 256 and rows >= queries:
        return Plan(min(queries, rows // 2) if own else queries, rows // 2, threads, piece)
    if queries > 32 and not own:
        return plan._replace(queries=queries // 2)
    if threads > 1:
        return plan._replace(threads=threads - 1)
    if own or (queries <= _FEW and rows <= _FEW):
        return None
    piece = max(256, piece // 2)
    if rows >= queries:
        return Plan(queries, rows // 2, threads, piece)
    return Plan(queries // 2, rows, threads, piece)


class Buffers(threading.local):
    """A block of values and a mask for every thread, filled again and again."""

    def __init__(self, plan: Plan, dtype: Any) -> None:
        self._rows = plan.rows
        self._values = np.empty(plan.queries * plan.rows, dtype)
        self._mask = np.empty(plan.queries * plan.rows, bool)

    def products(
        self, search: Search, asked: Any, edge: tuple[int, int], start: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the products of queries with a block of known rows, and room for a mask."""
        stop = min(start + self._rows, search.known.shape[0])
        shape = edge[1] - edge[0], stop - start
        values = self._values[: shape[0] * shape[1]].reshape(shape)
        search.multiply(asked, search.known.block(start, stop), values)
        return values, self._mask[: values.size].reshape(shape)


def _candidates(search: Search, start: int, stop: int, k: int, piece: int) -> Candidates:
    outside = search.queries.excluded
    return Candidates(
        start, search.slack(start, stop), k, search.score, search.product_dtype,
        None if outside is None else outside[start:stop], piece,
    )  # fmt: skip


def hide(values: Floats, excluded: NDArray[np.bool_] | None, start: int) -> None:
    """Take rows that do not count out of a block of values."""
    if excluded is not None:
        values[:, excluded[start : start + values.shape[1]]] = -np.inf


def hide_own(values: Floats, first: int, start: int) -> None:
    """Take every query itself out of a block of values."""
    row = np.arange(max(first, start), min(first + len(values), start + values.shape[1]))
    values[row - first, row - start] = -np.inf


def _hide_places(values: Floats, places: NDArray[np.intp], start: int) -> None:
    """Take every query itself out of a block of values, where it stands in it."""
    inside = np.flatnonzero((places >= start) & (places < start + values.shape[1]))
    values[inside, places[inside] - start] = -np.inf


def _keep(found: Found, start: int, stop: int, best: Found) -> None:
    few = best.rows.shape[1]
    found.rows[start:stop, :few], found.scores[start:stop, :few] = best.rows, best.scores
    if found.rows.shape[1] == few:
        found.ties[start:stop] = best.ties


def _pass(search: Search, k: int, plan: Plan, found: Found, progress: bool) -> None:
    """Let every block of queries meet all rows."""
    queries, known = search.queries, search.known
    count, total = queries.shape[0], known.shape[0]
    buffers = Buffers(plan, search.product_dtype)

    def answer(first: int) -> int:
        stop = min(first + plan.queries, count)
        asked = queries.block(first, stop)
        best = _candidates(search, first, stop, k, plan.piece)
        for start in range(0, total, plan.rows):
            values, mask = buffers.products(search, asked, (first, stop), start)
            hide(values, known.excluded, start)
            if search.own:
                hide_own(values, first, start)
            elif search.places is not None:
                _hide_places(values, search.places[first:stop], start)
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
    best = [_candidates(search, *edge, k, plan.piece) for edge in edges]
    locks = [threading.Lock() for _ in edges]
    buffers = Buffers(plan, search.product_dtype)

    def begin(block: int) -> int:
        start, stop = edges[block]
        values, mask = buffers.products(search, rows.block(start, stop), (start, stop), start)
        hide(values, rows.excluded, start)
        hide_own(values, start, start)
        best[block].expect(values)
        best[block].offer(values, start, mask)
        best[block].thin()
        return 1

    def meet(pair: tuple[int, int]) -> int:
        one, other = pair
        asked = rows.block(*edges[one])
        values, mask = buffers.products(search, asked, edges[one], edges[other][0])
        if rows.excluded is not None:
            hide(values, rows.excluded, edges[other][0])
            values[rows.excluded[slice(*edges[one])]] = -np.inf
        with locks[one]:
            best[one].offer(values, edges[other][0], mask)
        np.greater_equal(values, best[other].floor, out=mask)
        for part in pieces(mask, plan.piece):
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
            2 * number + len(pairs), show=progress, unit="block", description="blocks"
        ) as forward,
    ):
        work: list[tuple[Callable[[Any], int], Any]] = [
            (begin, range(number)), (meet, pairs), (end, range(number)),
        ]  # fmt: skip
        for task, items in work:
            for done in parallel.map_threads(task, items, threads=plan.threads):
                forward(done)
