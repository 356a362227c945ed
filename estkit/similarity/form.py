"""The inner product that vectors are compared by, as a map of their coordinates.

A weighted, centred or soft cosine is the plain cosine of mapped vectors: weights multiply each
coordinate by a root, Pearson's correlation takes the mean of each row away, the adjusted cosine the
mean of each column, and the soft cosine x'Sy is that of Lx for S = L'L.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.data import check_finite, is_sparse
from estkit.errors import DataError
from estkit.similarity.vectors import Real, Vectors, read_vectors

_EPS = float(np.finfo(float).eps)
_TOGETHER = 192  # rows that are multiplied at once: a multiple of what any kernel takes together
_BLOCK = 1 << 20  # numbers looked at together where column means are taken


@dataclass(frozen=True, eq=False)
class Form:
    """A map of coordinates; without any part it leaves them as they are.

    Parameters
    ----------
    roots : ndarray of shape (d,), optional
        Square roots of the weights, the largest near 1.
    center : bool
        Whether the (weighted) mean of each row is taken away.
    origin : ndarray of shape (d,), optional
        What is taken away from every row.
    factor : ndarray of shape (d, r), optional
        A factor L' of the matrix S of a soft cosine.
    largest : float
        The largest eigenvalue of S.
    weights : ndarray of shape (d,), optional
        The squares of the roots, not rounded.
    """

    roots: Real | None = None
    center: bool = False
    origin: Real | None = None
    factor: Real | None = None
    largest: float = 1.0
    weights: Real | None = None

    @property
    def plain(self) -> bool:
        """Whether coordinates stay as they are."""
        return self.roots is None and self.diagonal and not self.center

    @property
    def diagonal(self) -> bool:
        """Whether no coordinate depends on another, and zero stays zero: sparse rows stay so."""
        return self.origin is None and self.factor is None and not self.center

    @property
    def counted(self) -> NDArray[np.bool_] | slice:
        """Where coordinates have a positive weight."""
        return slice(None) if self.roots is None else self.roots > 0

    def mean(self, rows: Real) -> Real:
        """Return the (weighted) mean of each row, as a column; it depends on that row alone."""
        if self.roots is None:
            return np.asarray((rows.sum(axis=1) / max(rows.shape[1], 1))[:, None])
        weights = self.roots**2
        return np.asarray(((rows * weights).sum(axis=1) / weights.sum())[:, None])

    def linear(self, rows: Real) -> Real:
        """Return the linear part of the map, of rows near size 1."""
        if self.center:
            rows = rows - self.mean(rows)
            rows = rows - self.mean(rows)  # what the rounding of the first mean left behind
        if self.roots is not None:
            rows = rows * self.roots
        return rows if self.factor is None else _multiplied(rows, self.factor)


def _multiplied(rows: Real, factor: Real) -> Real:
    """Return the product of rows with a matrix, to the last bit whatever rows are beside them.

    The digits of a product depend on how many rows it has; so each has the same number of them.
    """
    made = np.empty((len(rows), factor.shape[1]))
    for start in range(0, len(rows), _TOGETHER):
        part = rows[start : start + _TOGETHER]
        count = len(part)
        if count < _TOGETHER:
            part = np.vstack([part, np.zeros((_TOGETHER - count, rows.shape[1]))])
        made[start : start + count] = (part @ factor)[:count]
    return made


def read_form(
    weights: Any, center: Any, soft: Any, vectors: Vectors, other: Vectors | None
) -> Form:
    """Return the map that the options of a similarity mean.

    Raises
    ------
    DataError
        If weights are negative or all zero, `center` is none of its values, or `soft` is no
        symmetric positive semidefinite matrix of as many rows as there are coordinates.
    """
    form = Form()
    if weights is not None:
        checked = _weights(weights, vectors)
        form = Form(roots=np.sqrt(checked), weights=checked)
    if soft is not None:
        form = _soft(form, soft, vectors.width)
    if center is None or center is False:
        return form
    if center is True or (isinstance(center, str) and center == "rows"):
        return replace(form, center=True)
    if isinstance(center, str):
        if center != "columns":
            raise DataError(
                f"center must be True or 'rows' (the mean of each row: Pearson), 'columns' (of "
                f"each column: the adjusted cosine) or the means of the columns, got {center!r}."
            )
        return replace(form, origin=_column_means(vectors, other))
    return replace(form, origin=_vector(center, "center", vectors))


def _vector(given: Any, what: str, vectors: Vectors) -> Real:
    """Return one number for each coordinate; those of a series go by their names."""
    width = vectors.width
    if vectors.names is not None and hasattr(given, "index") and hasattr(given, "iloc"):
        given = read_vectors(given, what=what, like=vectors).values[0]
    vector = np.asarray(given)
    if vector.shape != (width,) or vector.dtype.kind not in "fiub":
        raise DataError(
            f"{what} must be one number for each of the {width} coordinates, got "
            f"{type(given).__name__} of shape {vector.shape}."
        )
    vector = vector.astype(float)
    if not np.isfinite(vector).all():
        at = int(np.argmin(np.isfinite(vector)))
        raise DataError(
            f"{what}: number {at} (counted from 0) is {vector[at]}; give finite numbers."
        )
    return np.asarray(vector)


def _weights(given: Any, vectors: Vectors) -> Real:
    weights = _vector(given, "weights", vectors)
    if (weights < 0).any():
        at = int(np.argmax(weights < 0))
        raise DataError(f"weights: number {at} is negative ({weights[at]:g}); 0 leaves one out.")
    if not weights.any():
        raise DataError("weights are all zero; at least one coordinate must count.")
    return np.asarray(np.ldexp(weights, -np.frexp(weights.max())[1]))


def _soft(form: Form, given: Any, width: int) -> Form:
    try:
        matrix = np.asarray(given.toarray() if is_sparse(given) else given, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"soft must be a matrix of numbers, got {given!r:.60} ({error})."
        ) from error
    if matrix.shape != (width, width):
        raise DataError(
            f"soft must be a matrix of {width} x {width}, the similarity of each coordinate to "
            f"each, got shape {matrix.shape}."
        )
    check_finite(matrix, "soft", [f"x{j}" for j in range(width)])
    size = float(abs(matrix).max(initial=0.0))
    if size == 0:
        raise DataError("soft is all zero; at least one coordinate must be similar to itself.")
    off = abs(matrix - matrix.T)
    if float(off.max(initial=0.0)) > 8 * _EPS * size:
        i, j = np.unravel_index(int(np.argmax(off)), off.shape)
        raise DataError(
            f"soft must be symmetric, but holds {matrix[i, j]:g} in row {i}, column {j} and "
            f"{matrix[j, i]:g} in row {j}, column {i}; pass (S + S.T) / 2, say."
        )
    values, vectors = np.linalg.eigh((matrix + matrix.T) / (2 * size))
    if values[0] < -width * 4 * _EPS * values[-1]:
        raise DataError(
            f"soft must be positive semidefinite, but has the eigenvalue {values[0] * size:.4g}; "
            f"with it x'Sx is negative for some x, and a cosine means nothing."
        )
    kept = values > width * _EPS * values[-1]
    factor = vectors[:, kept] * np.sqrt(values[kept])
    return replace(form, factor=factor, largest=float(values[-1]))


def _column_means(vectors: Vectors, other: Vectors | None) -> Real:
    """Return the mean of each column over all rows; of a constant column exactly its value."""
    tables = [table for table in (vectors, other) if table is not None]
    width = vectors.width
    step = max(1, _BLOCK // max(1, width))
    parts = [
        (table, slice(start, min(start + step, table.rows)))
        for table in tables
        for start in range(0, table.rows, step)
    ]
    means, count = np.zeros(width), np.zeros(width)
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    for table, part in parts:
        block = table.dense(part)
        count += np.isfinite(block).sum(axis=0)
        low, high = np.fmin(low, np.fmin.reduce(block)), np.fmax(high, np.fmax.reduce(block))
    # Sums of large numbers are taken of a part of them, for they may be beyond what a float holds.
    beyond = max(float(abs(np.nan_to_num(some)).max(initial=0.0)) for some in (low, high)) > 1e280
    unit = 2.0**-64 if beyond else 1.0
    for _ in range(2):
        moved = np.zeros(width)
        for table, part in parts:
            block = table.dense(part) * unit - means * unit
            block[~np.isfinite(block)] = 0.0
            moved += block.sum(axis=0)
        means = means + moved / np.maximum(count, 1) / unit
    return np.asarray(np.where((low == high) & np.isfinite(low), low, means))
