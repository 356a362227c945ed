"""What is searched for: products that find neighbours quickly, scores that put them in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.data import is_sparse
from estkit.errors import DataError
from estkit.similarity.blocks import inner_products
from estkit.similarity.candidates import Score
from estkit.similarity.overlap import overlap_block, overlapping
from estkit.similarity.policies import Policy
from estkit.similarity.rows import Floats, Held, Places, Rows, Units

PAIRS = 1 << 17  # numbers of a block of pairs that are scored at a time, where there is room
_SAMPLE = 64  # sparse rows of which the numbers are counted
_MOST = 480  # the exponent of numbers of which many squares can be added
_READ = 1024  # rows whose lengths are taken at a time


def products(first: Any, second: Any, out: Floats) -> None:
    """Write the products of all rows of one block with all of another."""
    if is_sparse(first) or is_sparse(second):
        made = inner_products(first, second, out)
        if made is not out:
            out[:] = made
    else:
        np.matmul(first, second.T, out=out)


@dataclass(frozen=True, eq=False)
class Search:
    """Products of queries with known rows, and what they stand for.

    Parameters
    ----------
    queries, known : Rows
        The larger the product of a query with a known row, the nearer they are.
    own : bool
        Whether query i is known row i, which then is not its own neighbour.
    score : callable
        The score of pairs, which orders them.
    slack : callable
        The slack of the queries from a start to a stop: a product and a score differ by at most
        half of it, or by a constant of the query.
    symmetric : bool
        Whether the product of a pair serves either as the query.
    dtype : dtype
        Of the scores.
    scored_width : int
        How many numbers of a row a score reads: of sparse rows about as many as are held.
    pairs : int
        How many numbers of pairs are scored at a time.
    multiply : callable
        Writes the products of a block of queries with a block of known rows to an array.
    places : array of int, optional
        Where each query is among the known rows, -1 for nowhere, if it is not its own neighbour.
    """

    queries: Rows
    known: Rows
    own: bool
    score: Score
    slack: Callable[[int, int], Floats]
    symmetric: bool
    dtype: np.dtype[Any]
    scored_width: int
    pairs: int = PAIRS
    multiply: Callable[[Any, Any, Floats], Any] = products
    places: NDArray[np.intp] | None = None

    @property
    def product_dtype(self) -> np.dtype[Any]:
        """The type of the products."""
        dtype: np.dtype[Any] = np.result_type(self.queries.dtype, self.known.dtype)
        return dtype

    @property
    def sparse(self) -> bool:
        """Whether products are made of two blocks of sparse rows."""
        ends = (table.block(0, min(1, table.shape[0])) for table in (self.queries, self.known))
        return all(map(is_sparse, ends))

    @property
    def work(self) -> int:
        """The number of multiplications."""
        return self.queries.shape[0] * self.known.shape[0] * self.queries.shape[1]

    @property
    def scoring_bytes(self) -> int:
        """The memory that scoring takes at a time."""
        return 24 * max(self.pairs, self.scored_width)


def cosine_search(queries: Rows, corpus: Rows | None = None, *, pairs: int = PAIRS) -> Search:
    """Return the search by the products of rows of length 1, which are their cosines.

    A cosine is the product of both rows in float64, divided by their lengths, which are not quite
    1: so it depends on the two alone, and that of equal rows is 1.
    """
    known = queries if corpus is None else corpus
    dtype = np.result_type(queries.dtype, known.dtype)
    columns = queries.shape[1]
    first, off = squared_lengths(queries, pairs)
    second, also_off = (first, off) if corpus is None else squared_lengths(known, pairs)
    stored = max(map(_stored, (queries, known)))
    # A sum of n products in any order is off by at most n units in the last place of the sum of
    # their sizes, which is 1; rounding the score takes less than one.
    slack = 2.0 * ((columns + 4) * float(np.finfo(dtype).eps) + max(off, also_off))

    def score(rows: NDArray[Any], others: NDArray[Any]) -> Floats:
        out = np.empty(len(rows), dtype)
        for part in _chunks(len(rows), stored, pairs):
            found = _row_products(queries.take(rows[part]), known.take(others[part]))
            out[part] = found / np.sqrt(first[rows[part]] * second[others[part]])
        return np.clip(out, -1, 1, out=out)

    return Search(
        queries, known, corpus is None, score,
        lambda start, stop: np.full(stop - start, slack), True, dtype, stored, pairs,
    )  # fmt: skip


def _stored(rows: Rows) -> int:
    """Return how many numbers a row has; of sparse ones, about as many as the first have."""
    if not is_sparse(rows.block(0, min(1, rows.shape[0]))):
        return max(1, rows.shape[1])
    block = rows.block(0, min(_SAMPLE, rows.shape[0]))
    return int(3 * block.nnz // max(block.shape[0], 1)) + 1


def _row_products(first: Any, second: Any) -> Floats:
    """Return the product of each row of one block with that of another, in float64."""
    if is_sparse(first) or is_sparse(second):
        first, second = (first, second) if is_sparse(first) else (second, first)
        made = first.astype(np.float64).multiply(second).tocsr()
        row = np.repeat(np.arange(made.shape[0]), np.diff(made.indptr))
        # Added up one by one, as the compiled kernel for sparse rows does.
        return np.bincount(row, weights=made.data, minlength=made.shape[0])
    return np.asarray(np.multiply(first, second, dtype=np.float64).sum(axis=1))


def squared_lengths(rows: Rows, numbers: int = PAIRS) -> tuple[Floats, float]:
    """Return the squared length of every row, 1 for a zero row, and how far from 1 one is."""
    count = rows.shape[0]
    squares = np.empty(count)
    step = min(_READ, max(1, numbers // _stored(rows)))
    for start in range(0, count, step):
        block = rows.block(start, min(start + step, count))
        part = slice(start, start + block.shape[0])
        squares[part] = _row_products(block, block)
    squares[squares == 0] = 1.0
    return squares, float(np.abs(squares - 1).max(initial=0.0))


def overlap_search(
    queries: Units, corpus: Units | None, policy: Policy, *, pairs: int = PAIRS
) -> Search:
    """Return the search by cosines over the coordinates that both rows have."""
    known = queries if corpus is None else corpus
    left, right = queries.directions, known.directions
    columns = left.vectors.width
    nothing = 0.0 if policy.zero == "zero" else -np.inf  # the cosine of what has none in common
    # Sums are taken again where they lost more than four digits.
    slack = 1e5 * (columns + 8) * float(np.finfo(float).eps)

    def multiply(i: slice, j: slice, out: Floats) -> None:
        cosines = overlap_block(left, right, i, j)
        if policy.zero == "raise" and np.isnan(cosines).any():
            row, other = np.argwhere(np.isnan(cosines))[0]
            raise DataError(
                f"{left.vectors.name_of(int(row) + i.start)} and "
                f"{right.vectors.name_of(int(other) + j.start)} have no direction in the "
                f"coordinates that both have; pass zero='nan' or zero='zero'."
            )
        out[:] = np.nan_to_num(cosines, nan=nothing)

    def score(rows: NDArray[Any], others: NDArray[Any]) -> Floats:
        out = np.empty(len(rows), np.result_type(left.dtype, right.dtype))
        for part in _chunks(len(rows), 16 * columns, pairs):
            cosines = overlapping(left.given(rows[part]), right.given(others[part]), left.form)
            out[part] = np.where(np.isnan(cosines), nothing, cosines)
        return out

    return Search(
        Places(queries), Places(known), corpus is None, score,
        lambda start, stop: np.full(stop - start, slack), True,
        np.result_type(left.dtype, right.dtype), columns, pairs, multiply,
    )  # fmt: skip


def euclidean_search(
    train: Floats, queries: Floats | None = None, *, scales: Floats | None = None
) -> Search:
    """Return the search by -|x - y|^2, made of products of rows moved near 0.

    The scores are minus the sums of squared differences of the two rows, so they are exact for
    whole numbers, and right far from the origin. Of numbers so large or so small that squares would
    be beyond what floats hold, all are multiplied by the same power of two first.

    Parameters
    ----------
    train : array of shape (n, p)
        What is searched.
    queries : array of shape (m, p), optional
        By default the rows of `train`, without each itself.
    scales : array of shape (m, p), optional
        What every query divides the columns by.
    """
    shift = _shift(train, queries)
    if shift:
        train = np.ldexp(train, shift)
        queries, scales = (None if t is None else np.ldexp(t, shift) for t in (queries, scales))
    asked = train if queries is None else queries
    weights = None if scales is None else scales**-2.0
    middle = train.mean(axis=0)
    far = train - middle
    near = far if queries is None else asked - middle
    columns = train.shape[1]
    slack = _euclidean_slack(train, asked, far, near, weights)
    if weights is None:
        lengths, own = (np.einsum("ij,ij->i", rows, rows) for rows in (far, near))
        first = np.column_stack([2.0 * near, -own, np.full(len(near), -1.0)])
        second = np.column_stack([far, np.ones(len(far)), lengths])
    else:
        first = np.hstack([2.0 * near * weights, -weights])
        second = np.hstack([far, far * far])

    def score(rows: NDArray[Any], others: NDArray[Any]) -> Floats:
        out = np.empty(len(rows))
        for part in _chunks(len(rows), columns, PAIRS):
            apart = np.take(asked, rows[part], axis=0)
            apart -= np.take(train, others[part], axis=0)
            apart *= apart
            if weights is not None:
                apart *= np.take(weights, rows[part], axis=0)
            np.negative(apart.sum(axis=1), out=out[part])
        return out

    return Search(
        Held(first), Held(second), queries is None, score,
        lambda start, stop: slack[start:stop], weights is None, np.dtype(float), columns,
    )  # fmt: skip


def _shift(train: Floats, queries: Floats | None) -> int:
    """Return the power of two to multiply by so that squares are what floats hold; mostly 0."""
    tables = [table for table in (train, queries) if table is not None and table.size]
    largest = max((float(max(table.max(), -table.min())) for table in tables), default=0.0)
    exponent = int(np.frexp(largest)[1])
    if largest == 0 or not np.isfinite(largest) or -_MOST < exponent < _MOST:
        return 0
    return _MOST - exponent


def _euclidean_slack(
    train: Floats, asked: Floats, far: Floats, near: Floats, weights: Floats | None
) -> Floats:
    """Return twice the error of the products: of the sums, and of moving rows near 0."""
    tiny = np.finfo(float).eps
    lost = tiny * np.maximum(
        np.abs(train).max(axis=0, initial=0.0), np.abs(asked).max(axis=0, initial=0.0)
    )
    reach = np.abs(far).max(axis=0, initial=0.0)
    if weights is None:
        size = (near * near).sum(axis=1) + float((far * far).sum(axis=1).max(initial=0.0))
        offset = (np.abs(near) + reach) @ lost
    else:
        size = (weights * (near * near + reach**2)).sum(axis=1)
        offset = (weights * (np.abs(near) + reach)) @ lost
    return np.asarray(8 * (train.shape[1] + 8) * tiny * size + 16 * offset)


def _chunks(count: int, columns: int, numbers: int) -> list[slice]:
    step = max(1, numbers // max(columns, 1))
    return [slice(start, start + step) for start in range(0, count, step)]
