"""Weighted products of the columns of a sparse design, from the pairs of entries in each row.

Rows with as many entries are taken together, an array for the first entry of each, one for the
second, and so on. Codes of factors have each their own columns: the products of two factors are a
small table, which is added up in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.triangles import add_transpose

Floats = NDArray[np.float64]
Product = Callable[[int, int], Floats]  # of the entries at two positions, with the weight

_PAIRS = 1 << 23  # of entries, taken together, each pair twice
_TABLE = 1 << 17  # cells that stay in the cache
_SHARE = 16  # of a matrix: from so few pairs on, its cells are not visited for them


def paired_gram(columns: Any, weight: Floats, before: int) -> Floats:
    """Return Σ w x xᵀ with empty rows and columns before it.

    Parameters
    ----------
    columns : scipy.sparse matrix of shape (n, p)
        The columns, in compressed rows.
    weight : array of shape (n,)
        The weights of the rows.
    before : int
        How many rows and columns are left empty.
    """
    lengths, size = np.diff(columns.indptr), columns.shape[1] + before
    whole = np.empty((size, size))  # filled here: pages that the system clears come one by one
    whole.fill(0.0)
    squares = np.zeros(size)
    for length in np.unique(lengths[lengths > 0]).tolist():
        rows = np.flatnonzero(lengths == length)
        together = max(1, _PAIRS // (length * length))
        for start in range(0, len(rows), together):
            some = rows[start : start + together]
            index, entry = _entries(columns, some, length)
            _add_pairs(whole, index + before, weight[some], entry, squares)
    whole.ravel()[:: size + 1] += 0.5 * squares  # adding the transpose makes them whole
    add_transpose(whole)
    return whole


def _entries(
    columns: Any, rows: NDArray[Any], length: int
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return column numbers and values (length, rows) of the entries in rows of equal length.

    None stands for values that are all 1, as codes of factors are.
    """
    first, last = columns.indptr[rows[0]], columns.indptr[rows[-1] + 1]
    where: Any = slice(first, last)
    if last - first != len(rows) * length:  # they do not lie side by side
        where = (np.arange(length) + columns.indptr[rows, None]).ravel()
    index, entry = columns.indices[where], columns.data[where]
    if (entry == 1.0).all():
        return index.reshape(-1, length).T.copy(), None
    return index.reshape(-1, length).T.copy(), entry.reshape(-1, length).T.copy()


def _add_pairs(
    whole: Floats,
    index: NDArray[Any],
    weight: Floats,
    entry: NDArray[Any] | None,
    squares: Floats,
) -> None:
    """Add the products of two entries in the same row, of rows of equal length as columns here.

    The products of entries with themselves are added to the squares.
    """

    def product(j: int, k: int) -> Floats:
        return weight if entry is None else weight * entry[j] * entry[k]

    for j, column in enumerate(index):
        squares += np.bincount(column, product(j, j), minlength=len(squares))
    least, most = index.min(axis=1), index.max(axis=1)
    widths = np.sort(most - least + 1)
    pairs = [(j, k) for j in range(len(index)) for k in range(j + 1, len(index))]
    if widths[-2:].prod() <= min(_TABLE, 4 * index.shape[1]):
        _add_tables(whole, index - least[:, None], product, pairs, least, most + 1)
    else:
        _add_scattered(whole, index, product, pairs)


def _add_tables(
    whole: Floats,
    index: NDArray[Any],
    product: Product,
    pairs: list[tuple[int, int]],
    least: NDArray[Any],
    after: NDArray[Any],
) -> None:
    """Do so by a table for each two positions, where each has few columns."""
    from scipy import sparse

    for j, k in pairs:
        # adds up what shares a cell, and other threads run meanwhile
        shape, cells = (after[j] - least[j], after[k] - least[k]), (index[j], index[k])
        table = sparse.coo_array((product(j, k), cells), shape=shape)
        whole[least[j] : after[j], least[k] : after[k]] += table.toarray()


def _add_scattered(
    whole: Floats, index: NDArray[Any], product: Product, pairs: list[tuple[int, int]]
) -> None:
    """Do so for entries that may lie in any column."""
    from scipy import sparse

    count = len(pairs) * index.shape[1]
    values = np.empty((len(pairs), index.shape[1]))
    first, second = np.empty((2, *values.shape), index.dtype)
    for number, (j, k) in enumerate(pairs):
        values[number], first[number], second[number] = product(j, k), index[j], index[k]
    cells = first.ravel(), second.ravel()
    if count * _SHARE > whole.size:
        whole += sparse.coo_array((values.ravel(), cells), shape=whole.shape).toarray()
    else:
        np.add.at(whole, cells, values.ravel())
