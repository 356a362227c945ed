"""Sparse columns that are full and lie far from 0: what to move them by, and sparse moved columns.

To move a column fills it. A full one loses nothing by that, and it alone loses digits where it is:
one with zeros in it varies by as much as it lies away from 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SAMPLE = 1024
_FAR = 4.0  # how many times their range columns may lie from 0: one digit of a square


def distance(values: Any) -> Floats:
    """Return a value inside each full column that is far from 0, and 0 for all other columns."""
    rows, size = values.shape
    shift = np.zeros(size)
    if not rows:
        return shift
    first = values.indices[: values.indptr[1]]
    full = np.intersect1d(first, values.indices[values.indptr[-2] :])
    if len(full):  # as most columns are not
        stored = np.bincount(values.indices, minlength=size)
        full = full[stored[full] == rows]
    if len(full):
        sample = values[:: max(1, rows // _SAMPLE)][:, full].toarray()
        middle = np.median(sample, axis=0)
        ranges = np.abs(sample - middle).max(axis=0)
        shift[full] = np.where(np.abs(middle) > _FAR * ranges, middle, 0.0)
    return shift


def moved(values: Any, shift: Floats, scale: Floats | None) -> Any:
    """Return (x - shift) · scale in compressed rows; columns that are moved are filled."""
    from scipy import sparse

    rows, size = values.shape
    columns = np.flatnonzero(shift)
    if len(columns):
        filled = np.tile(shift[columns], rows), np.tile(columns, rows)
        pointers = np.arange(rows + 1) * len(columns)
        values = sparse.csr_array(values) - sparse.csr_array(
            (*filled, pointers), shape=(rows, size)
        )
    if scale is not None:
        values = sparse.csr_array(values, copy=True)
        values.data = values.data * scale[values.indices]
    return values


def largest(values: Any) -> Floats:
    """Return the largest size in each column."""
    sizes: Floats = np.zeros(values.shape[1])
    np.maximum.at(sizes, values.indices, np.abs(values.data))
    return sizes
