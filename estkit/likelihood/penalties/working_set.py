"""Columns that are picked a few at a time: dense of any dtype, or sparse, which stays sparse.

A penalised fit looks at all columns seldom and at some of them often; those are kept together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.likelihood import sparse_columns
from estkit.likelihood.family import Floats

Indices = NDArray[np.int64]

_ROWS = 2048  # a block of a few hundred columns stays in the cache
_CACHED = 1 << 17  # numbers in 1 MB
_COLUMNS_PER_TASK = 64
_ROOM = 1 << 26  # numbers
_LARGE = 200  # columns from which on single precision saves time
_NUMBERS_WORTH_THREADS = 1_000_000
_CONSTANT = 1e-20
_FAR = 1e4  # columns this many deviations from 0 lose digits unless they are moved


class Candidates:
    """All columns: what multiplies residuals, and where columns are taken from.

    Parameters
    ----------
    values : array or sparse matrix of shape (n, p)
        The columns; not modified, and copied only when some lie far from 0.
    movable : bool
        Whether there is an intercept, which takes up what columns are moved by.
    """

    def __init__(self, values: Any, *, movable: bool) -> None:
        self.rows, self.columns = values.shape
        self.sparse = not isinstance(values, np.ndarray)
        self.shift = np.zeros(self.columns)
        self._center = np.zeros(self.columns)
        if self.sparse:
            self.shift = sparse_columns.distance(values) if movable else self.shift
            values = sparse_columns.moved(values, self.shift, None).tocsc()
        self._values: Any = values
        if movable and self.columns and not self.sparse:
            self._move()
        # columns lie apart in memory, or must be converted: they are worth taking by rows
        self.scattered = self.sparse or not (
            self._values.flags.f_contiguous and self._values.dtype == np.float64
        )

    def _move(self) -> None:
        """Center the columns where they are taken or multiplied, and in a copy if they are far."""
        sample = self._values[:: max(1, self.rows // 1024)].astype(float)
        middle = np.median(sample, axis=0)
        far = np.abs(middle) > _FAR * np.abs(sample - middle).mean(axis=0)
        far &= (sample != middle).any(axis=0)  # a constant column keeps its digits anywhere
        if far.any():
            self.shift = np.where(far, middle, 0.0)
            self._values = self._values - self.shift
        self._center = np.where(far, 0.0, sample.mean(axis=0))
        self.shift = self.shift + self._center

    def correlate(self, residuals: Floats) -> Floats:
        """Return the products of residuals (m, n) with all columns, of shape (m, p)."""
        if self.sparse:
            product: Floats = np.ascontiguousarray((self._values.T @ residuals.T).T)
            return product
        if not self.columns:
            return np.zeros((len(residuals), 0))
        if not self.scattered:
            width = max(1, _CACHED // self.rows)  # columns that stay in the cache

            def some(start: int) -> Floats:
                end = min(start + _COLUMNS_PER_TASK, self.columns)
                result = np.empty((len(residuals), end - start))
                for first in range(start, end, width):
                    last = min(first + width, end)
                    for k, residual in enumerate(residuals):
                        result[k, first - start : last - start] = (
                            residual @ self._values[:, first:last]
                        )
                return result

            tasks = range(0, self.columns, _COLUMNS_PER_TASK)
            found = np.concatenate(list(self._spread(some, tasks)), axis=1)
            return self._centered(found, residuals, self._center)

        def part(first: int) -> Floats:
            rows = slice(first, first + _ROWS)
            product: Floats = residuals[:, rows] @ self._values[rows].astype(float, copy=False)
            return product

        total = np.zeros((len(residuals), self.columns))
        for product in self._spread(part, range(0, self.rows, _ROWS)):
            total += product
        return self._centered(total, residuals, self._center)

    def _centered(self, product: Floats, residuals: Floats, center: Floats) -> Floats:
        centered: Floats = product - residuals.sum(axis=1)[:, None] * center
        return centered

    def _spread(self, function: Callable[[int], Floats], tasks: range) -> Iterator[Floats]:
        large = self.rows * self.columns > _NUMBERS_WORTH_THREADS
        return parallel.map_threads(function, tasks, threads=parallel.cores() if large else 1)

    def sizes(self, weights: Floats | None) -> Floats:
        """Return √Σ w x² of each column, as it is moved; of a constant column, as it is."""
        w = np.ones(self.rows) if weights is None else weights
        if self.sparse:
            length = np.sqrt(self._values.multiply(self._values).T @ w)
            return np.asarray(np.where(length > 0, length, np.abs(self.shift) * np.sqrt(w.sum())))
        total, plain = np.zeros((2, self.columns))
        for first in range(0, self.rows, _ROWS):
            rows = slice(first, first + _ROWS)
            block = self._values[rows].astype(float, copy=False)
            plain += np.einsum("ij,ij,i->j", block, block, w[rows])
            block = block - self._center
            total += np.einsum("ij,ij,i->j", block, block, w[rows])
        return np.asarray(np.sqrt(np.where(total > _CONSTANT * plain, total, plain)), float)

    def correlate_some(self, residuals: Floats, columns: Indices) -> Floats:
        """Return the products of residuals (m, n) with some columns."""
        if self.sparse or not len(columns):
            return np.asarray(residuals @ self._values[:, columns])
        center = self._center[columns]
        if not self.scattered:
            found = np.stack([residuals @ self._values[:, j] for j in columns], axis=1)
            return self._centered(found, residuals, center)
        total = np.zeros((len(residuals), len(columns)))
        for first in range(0, self.rows, _ROWS):
            rows = slice(first, first + _ROWS)
            total += residuals[:, rows] @ self._values[rows][:, columns].astype(float, copy=False)
        return self._centered(total, residuals, center)

    def take(self, columns: Any) -> Any:
        """Return some columns, or one, as they are moved; sparse if the design is."""
        taken = self._values[:, columns]
        return taken.astype(float) if self.sparse else taken - self._center[columns]


class WorkingSet:
    """The columns at work: those in use in front, candidates behind, and perhaps an intercept.

    Coefficients are in the order of `index`, the intercept's first; those up to `front` are in use,
    and only their columns are held.
    """

    def __init__(self, design: Candidates, *, intercept: bool) -> None:
        self.design = design
        self.start = int(intercept)
        self.front = self.start
        self.index: Indices = np.empty(0, dtype=np.int64)
        self.scale = np.full(self.start, design.rows**0.5)
        self._held: Any = design.take(self.index)

    @property
    def size(self) -> int:
        """The number of coefficients of a predictor: those of the columns, and an intercept."""
        return len(self.index) + self.start

    def add(self, columns: Indices, scale: Floats) -> None:
        """Take in candidates, at the end."""
        self.index = np.concatenate([self.index, columns])
        self.scale = np.concatenate([self.scale, scale])

    def promote(self, wanted: NDArray[np.bool_]) -> Indices:
        """Bring candidates to the front; return the order in which coefficients now are."""
        place = np.arange(self.size)
        behind = place[self.front :]
        new, left = behind[wanted[behind]], behind[~wanted[behind]]
        order = np.concatenate([place[: self.front], new, left])
        self.index = self.index[order[self.start :] - self.start]
        self.scale = self.scale[order]
        old = self.front - self.start
        self.front += len(new)
        self._hold(old, self.front - self.start)
        return order

    def _hold(self, old: int, new: int) -> None:
        columns = self.index[old:new]
        if self.design.sparse:
            self._held = self.design.take(self.index[:new])
            return
        if new > self._held.shape[1]:
            room = max(2 * new, _ROOM // self.design.rows)  # memory is used when it is written to
            wider = np.empty((self.design.rows, min(room, self.design.columns)), order="F")
            wider[:, :old] = self._held[:, :old]
            self._held = wider
        if self.design.scattered:
            self._held[:, old:new] = self.design.take(columns)
            return
        for to, column in enumerate(columns, old):
            self._held[:, to] = self.design.take(column)

    def candidates(self, residuals: Floats) -> Floats:
        """Return the products of residuals with the candidates."""
        return self.design.correlate_some(residuals, self.index[self.front - self.start :])

    def times(self, coefs: Floats) -> Floats:
        """Return the linear predictors (K, n) of coefficients (K, front)."""
        columns = self._held[:, : self.front - self.start]
        eta: Floats = np.ascontiguousarray((columns @ coefs[:, self.start :].T).T)
        return eta + coefs[:, :1] if self.start else eta

    def correlate(self, residuals: Floats) -> Floats:
        """Return the products of residuals (K, n) with the columns in use, (K, front)."""
        columns = self._held[:, : self.front - self.start]
        product = np.ascontiguousarray((columns.T @ residuals.T).T)
        if not self.start:
            return product
        return np.concatenate([residuals.sum(axis=1, keepdims=True), product], axis=1)

    def gram(self, weights: Floats, first: int) -> Floats:
        """Return Σ w xᵢ xⱼ for all coefficients in use and those of them from `first` on."""
        if self.design.sparse:
            return self._sparse_gram(weights, first)
        symmetric = first == 0 and bool((weights >= 0).all())
        size = self.front
        precision = np.float32 if size > _LARGE else np.float64

        def part(begin: int) -> NDArray[Any]:
            rows = slice(begin, begin + _ROWS)
            held, w = self._held[rows, : size - self.start], weights[rows]
            if symmetric:
                root = self._rooted(held, np.sqrt(w), precision)
                gram: NDArray[Any] = root.T @ root  # numpy sees the symmetry: half the work
                return gram
            right = held[:, max(first - self.start, 0) :] * w[:, None]
            if first < self.start:
                right = np.concatenate([w[:, None], right], axis=1)
            product = np.empty((size, size - first))
            product[: self.start] = right.sum(axis=0)
            np.matmul(held.T, right, out=product[self.start :])
            return product

        tasks = range(0, self.design.rows, _ROWS)
        large = self.design.rows * size > _NUMBERS_WORTH_THREADS
        total = np.zeros((size, size - first))
        for product in parallel.map_threads(part, tasks, threads=parallel.cores() if large else 1):
            total += product
        return total * self.scale[:size, None] * self.scale[:size] if symmetric else total

    def _rooted(self, held: Floats, root: Floats, precision: Any) -> NDArray[Any]:
        """Return rows times roots of weights, their columns brought to length 1."""
        block = np.empty((len(held), self.front), dtype=precision, order="F")
        scale = 1.0 / self.scale[: self.front]
        block[:, : self.start] = scale[: self.start]
        np.multiply(held, scale[self.start :], out=block[:, self.start :], casting="same_kind")
        block *= root[:, None].astype(precision)
        return block

    def _sparse_gram(self, weights: Floats, first: int) -> Floats:
        from scipy.sparse import csc_matrix, hstack

        columns = self._held[:, : self.front - self.start]
        if self.start:
            columns = hstack([csc_matrix(np.ones((self.design.rows, 1))), columns], format="csc")
        weighted = columns[:, first:].multiply(weights[:, None]).tocsc()
        product: Floats = (columns.T @ weighted).toarray()
        return product
