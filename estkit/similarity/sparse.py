"""The k nearest of sparse rows: a row of sums at a time, where there is a compiler.

A query meets only the rows with which it shares a column (Gustavson, 1978, "Two fast algorithms for
sparse matrices", ACM Trans. Math. Softw. 4). Its sums lie in one dense row, whose best are kept on
the way, so no product of sparse matrices is ever held. What may be among the best is scored in
float64, column by column: the answer is the same to the last bit as that of blocks (`nearest`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from estkit.parallel import map_threads, progress_bar
from estkit.similarity import compiled
from estkit.similarity.blocks import parts
from estkit.similarity.candidates import Found
from estkit.similarity.preparation import Prepared
from estkit.similarity.rows import Units
from estkit.similarity.search import squared_lengths

_WORTH = 1 << 28  # multiplications for which compiling pays
_QUERIES = 256  # that a thread takes at once
_SHORT = 1 << 16  # rows that uint16 can number


def compiled_top_k(
    prepared: Prepared, k: int, *, max_bytes: int, threads: int, progress: bool
) -> Found | None:
    """Return the k best rows of every query, or None where blocks are to be used.

    Parameters
    ----------
    prepared : Prepared
        Sparse unit rows, which are held.
    k : int
        How many.
    max_bytes : int
        Memory to work in beside the unit rows.
    threads : int
        How many.
    progress : bool
        Whether to show a bar.
    """
    left, right = prepared.left, prepared.other
    if prepared.policy.nan == "pairwise" or not (left.sparse and right.sparse):
        return None
    if left.held is None or right.held is None or not compiled.installed():
        return None
    counts = prepared.policy.zero == "zero"
    queries, known = _rows(left), _rows(right)
    if not (compiled.loaded() or _work(queries, known) >= _WORTH):
        return None
    if 16 * known.nnz + threads * (4 * known.shape[0] + 8 * known.shape[1]) > max_bytes:
        return None
    asked, others = Units(left, counts), Units(right, counts)
    squares = squared_lengths(asked)[0]
    known_squares = squares if prepared.right is None else squared_lengths(others)[0]
    hidden = np.flatnonzero(np.zeros(0) if others.excluded is None else others.excluded)
    by_column = known.tocsc().astype(np.float32)
    best = np.full((left.rows, k), -np.inf, np.result_type(left.dtype, right.dtype))
    rows = np.full((left.rows, k), -1, np.intp)
    ties = np.zeros(left.rows, np.intp)
    from estkit.similarity import kernels

    kernel: Any = kernels.nearest_rows
    tables = [(t.indptr, t.indices, t.data) for t in (queries, by_column, known)]
    short = np.uint16 if known.shape[0] <= _SHORT else np.uint32
    tables[1] = (by_column.indptr, by_column.indices.astype(short), by_column.data)
    own, width = prepared.right is None, known.shape[1]

    def find(part: slice) -> int:
        kernel(
            part.start, part.stop, *tables, squares, known_squares, hidden, own, width,
            best, rows, ties,
        )  # fmt: skip
        return int(part.stop - part.start)

    bar = progress_bar(left.rows, show=progress, unit="row", description="rows")
    with bar as forward:
        for done in map_threads(find, parts(left.rows, _QUERIES), threads=threads):
            forward(done)
    if asked.excluded is not None:
        best[asked.excluded], rows[asked.excluded], ties[asked.excluded] = -np.inf, -1, 0
    return Found(rows, np.where(rows < 0, np.nan, best), ties)


def _rows(directions: Any) -> Any:
    held = directions.held if directions.kept is None else directions.held[directions.kept]
    if not held.has_sorted_indices:
        held = held.sorted_indices()
    return held


def _work(queries: Any, known: Any) -> float:
    """Return the number of multiplications."""
    width = queries.shape[1]
    counts = (np.bincount(rows.indices, minlength=width).astype(float) for rows in (queries, known))
    return float(np.dot(*counts))
