"""Weighted products of the columns of a sparse design, from the pairs of entries in each row.

Rows with as many entries are taken together, an array for the first entry of each, one for the
second, and so on. Codes of factors have each their own columns: the products of two factors are a
small table, which is added up in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.triangles import add_transpose

Floats = NDArray[np.float64]

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
            scaled = weight[some] * entry
            index = index + before
            squares += np.bincount(index.ravel(), (scaled * entry).ravel(), minlength=size)
            _add_pairs(whole, index, scaled, entry)
    whole.ravel()[:: size + 1] += 0.5 * squares  # adding the transpose makes them whole
    add_transpose(whole)
    return whole


def _entries(columns: Any, rows: NDArray[Any], length: int) -> tuple[NDArray[Any], Floats]:
    """Return column numbers and values (length, rows) of the entries in rows of equal length."""
    first, last = columns.indptr[rows[0]], columns.indptr[rows[-1] + 1]
    if last - first == len(rows) * length:  # they lie side by side
        index, entry = columns.indices[first:last], columns.data[first:last]
        return index.reshape(len(rows), length).T, entry.reshape(len(rows), length).T.copy("C")
    where = np.arange(length)[:, None] + columns.indptr[rows]
    return columns.indices[where], columns.data[where]


def _add_pairs(whole: Floats, index: NDArray[Any], scaled: Floats, entry: Floats) -> None:
    """Add the products of two entries in the same row, of rows of equal length as columns here."""
    least, most = index.min(axis=1), index.max(axis=1)
    widths = np.sort(most - least + 1)
    if widths[-2:].prod() <= min(_TABLE, 4 * index.shape[1]):
        _add_tables(whole, index, scaled, entry, least, most)
    else:
        _add_scattered(whole, index, scaled, entry)


def _add_tables(
    whole: Floats,
    index: NDArray[Any],
    scaled: Floats,
    entry: Floats,
    least: NDArray[Any],
    most: NDArray[Any],
) -> None:
    """Do so by a table for each two positions, where each has few columns."""
    from scipy import sparse

    index, after = np.ascontiguousarray(index - least[:, None]), most + 1
    for j in range(len(index) - 1):
        for k in range(j + 1, len(index)):
            # adds up what shares a cell, and other threads run meanwhile
            shape, cells = (after[j] - least[j], after[k] - least[k]), (index[j], index[k])
            table = sparse.coo_array((scaled[j] * entry[k], cells), shape=shape)
            whole[least[j] : after[j], least[k] : after[k]] += table.toarray()


def _add_scattered(whole: Floats, index: NDArray[Any], scaled: Floats, entry: Floats) -> None:
    """Do so for entries that may lie in any column."""
    from scipy import sparse

    length, rows = entry.shape
    count = length * (length - 1) // 2 * rows
    values, done = np.empty(count), 0
    first, second = np.empty((2, count), index.dtype)
    for j in range(length - 1):
        part = slice(done, done := done + (length - 1 - j) * rows)
        np.multiply(scaled[j], entry[j + 1 :], out=values[part].reshape(-1, rows))
        first[part].reshape(-1, rows)[:] = index[j]
        second[part].reshape(-1, rows)[:] = index[j + 1 :]
    if count * _SHARE > whole.size:
        whole += sparse.coo_array((values, (first, second)), shape=whole.shape).toarray()
    else:
        np.add.at(whole, (first, second), values)
