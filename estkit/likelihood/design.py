"""The columns of a block of rows, and the products with them that every likelihood is made of.

A dense design may be a view of the columns as they were given, with the column of ones implied:
then nothing is copied but what a product needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.pairs import paired_gram

Floats = NDArray[np.float64]

_MANY_WEIGHTS = 6
_ROWS_OF_PAIRS = 256
_LONGEST = 64  # entries in a row of a sparse design whose pairs are worth visiting one by one
_WIDEST = 4096


class Design(Protocol):
    """The rows x of a block, each of q terms; m stands for linear predictors."""

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of terms."""
        ...

    def predict(self, params: Floats) -> Floats:
        """Return the linear predictors (m, rows) of coefficients (m, q)."""
        ...

    def collect(self, weights: Floats) -> Floats:
        """Return the weighted sums (m, q) of the rows; weights are (m, rows)."""
        ...

    def gram(self, weight: Floats | None = None) -> Floats:
        """Return Σ w x xᵀ of shape (q, q)."""
        ...

    def grams(self, weights: Floats) -> Floats:
        """Return Σ w x xᵀ of shape (m, q, q) for each of m rows of weights of 0 or more."""
        ...

    def squares(self) -> Floats:
        """Return Σ x² of shape (q,)."""
        ...

    def take(self, index: NDArray[np.int64]) -> Floats:
        """Return some of the rows, dense."""
        ...

    def largest(self, unit: Floats) -> Floats:
        """Return the largest size in each row, of columns divided by a unit (q,)."""
        ...

    @property
    def dense(self) -> Floats:
        """The rows as an array of shape (rows, q)."""
        ...


@dataclass(frozen=True, eq=False)
class Dense:
    """A design held as one array.

    Parameters
    ----------
    columns : array of shape (rows, p)
        The columns.
    ones : bool
        Whether a column of ones stands before them, unwritten.
    """

    columns: Floats
    ones: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of terms."""
        return len(self.columns), self.columns.shape[1] + self.ones

    @cached_property
    def dense(self) -> Floats:
        """The rows as an array of shape (rows, q)."""
        if not self.ones:
            return self.columns
        return np.column_stack([np.ones(len(self.columns)), self.columns])

    def predict(self, params: Floats) -> Floats:
        """Return the linear predictors (m, rows) of coefficients (m, q)."""
        eta: Floats = params[:, int(self.ones) :] @ self.columns.T
        if self.ones:
            eta += params[:, :1]
        return eta

    def collect(self, weights: Floats) -> Floats:
        """Return the weighted sums (m, q) of the rows; weights are (m, rows)."""
        sums: Floats = weights @ self.columns
        return np.column_stack([weights.sum(axis=1), sums]) if self.ones else sums

    def gram(self, weight: Floats | None = None) -> Floats:
        """Return Σ w x xᵀ of shape (q, q)."""
        columns = self.columns
        if weight is None:
            products, sums, total = columns.T @ columns, columns.sum(axis=0), float(len(columns))
        elif weight.min(initial=0.0) < 0:
            products, sums, total = (columns.T * weight) @ columns, weight @ columns, weight.sum()
            products = (products + products.T) / 2
        else:
            scaled = columns * np.sqrt(weight)[:, None]
            # numpy sees the symmetry of this product and does half the work
            products, sums, total = scaled.T @ scaled, weight @ columns, weight.sum()
        return _bordered(products, sums, total) if self.ones else products

    def grams(self, weights: Floats) -> Floats:
        """Return Σ w x xᵀ of shape (m, q, q) for each of m rows of weights of 0 or more."""
        if len(weights) < _MANY_WEIGHTS:
            return np.array([self.gram(weight) for weight in weights])
        # each product of two columns is made once, and summed under all weights by one product
        terms = self.shape[1]
        first, second = np.triu_indices(terms)
        packed = np.zeros((len(weights), len(first)))
        for start in range(0, self.shape[0], _ROWS_OF_PAIRS):
            part = slice(start, start + _ROWS_OF_PAIRS)
            packed += weights[:, part] @ self._pairs(part).T
        whole = np.empty((len(weights), terms, terms))
        whole[:, first, second] = whole[:, second, first] = packed
        return whole

    def squares(self) -> Floats:
        """Return Σ x² of shape (q,)."""
        sums: Floats = np.einsum("ij,ij->j", self.columns, self.columns)
        return np.concatenate([[float(len(self.columns))] * self.ones, sums])

    def take(self, index: NDArray[np.int64]) -> Floats:
        """Return some of the rows, dense."""
        return Dense(self.columns[index], self.ones).dense

    def largest(self, unit: Floats) -> Floats:
        """Return the largest size in each row, of columns divided by a unit (q,)."""
        sizes: Floats = np.abs(self.columns / unit[int(self.ones) :]).max(axis=1, initial=0.0)
        return np.maximum(sizes, 1.0 / unit[0]) if self.ones else sizes

    def _pairs(self, part: slice) -> Floats:
        """Return the products of all pairs of columns, a row for each pair, of some rows."""
        columns = np.ascontiguousarray(self.columns[part].T)
        if self.ones:
            columns = np.vstack([np.ones((1, columns.shape[1])), columns])
        terms, rows = columns.shape
        pairs, done = np.empty((terms * (terms + 1) // 2, rows)), 0
        for j in range(terms):
            np.multiply(columns[j], columns[j:], out=pairs[done : done + terms - j])
            done += terms - j
        return pairs


@dataclass(frozen=True, eq=False)
class Sparse:
    """A design whose columns are a sparse matrix, which stays one.

    Parameters
    ----------
    columns : scipy.sparse matrix of shape (rows, p)
        The columns, in compressed rows.
    ones : bool
        Whether a column of ones stands before them, unwritten.
    """

    columns: Any
    ones: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of terms."""
        return self.columns.shape[0], self.columns.shape[1] + self.ones

    @property
    def dense(self) -> Floats:
        """The rows as an array of shape (rows, q): for a block, where nothing else will do."""
        columns = self.columns.toarray()
        return np.column_stack([np.ones(len(columns)), columns]) if self.ones else columns

    def predict(self, params: Floats) -> Floats:
        """Return the linear predictors (m, rows) of coefficients (m, q)."""
        eta: Floats = np.ascontiguousarray((self.columns @ params[:, int(self.ones) :].T).T)
        if self.ones:
            eta += params[:, :1]
        return eta

    def collect(self, weights: Floats) -> Floats:
        """Return the weighted sums (m, q) of the rows; weights are (m, rows)."""
        sums: Floats = (self.columns.T @ weights.T).T
        return np.column_stack([weights.sum(axis=1), sums]) if self.ones else sums

    def gram(self, weight: Floats | None = None) -> Floats:
        """Return Σ w x xᵀ of shape (q, q), dense: the size of an information matrix."""
        weight = np.ones(self.shape[0]) if weight is None else weight
        columns, lengths = self.columns, np.diff(self.columns.indptr)
        if lengths.max(initial=0) > _LONGEST or columns.shape[1] > _WIDEST:
            scaled = columns.copy()
            scaled.data = scaled.data * np.repeat(weight, lengths)
            products = np.asarray((columns.T @ scaled).toarray(), float)
            if not self.ones:
                return products
            return _bordered(products, columns.T @ weight, weight.sum())
        whole = paired_gram(columns, weight, int(self.ones))
        if self.ones:
            whole[0, 0] = weight.sum()
            whole[0, 1:] = whole[1:, 0] = columns.T @ weight
        return whole

    def grams(self, weights: Floats) -> Floats:
        """Return Σ w x xᵀ of shape (m, q, q) for each of m rows of weights."""
        return np.array([self.gram(weight) for weight in weights])

    def squares(self) -> Floats:
        """Return Σ x² of shape (q,)."""
        sums = np.bincount(
            self.columns.indices, weights=self.columns.data**2, minlength=self.columns.shape[1]
        )
        return np.concatenate([[float(self.shape[0])] * self.ones, sums])

    def take(self, index: NDArray[np.int64]) -> Floats:
        """Return some of the rows, dense."""
        return Sparse(self.columns[index], self.ones).dense

    def largest(self, unit: Floats) -> Floats:
        """Return the largest size in each row, of columns divided by a unit (q,)."""
        sizes = np.abs(self.dense / unit).max(axis=1)
        return np.asarray(sizes, float)


def _bordered(products: Floats, sums: Floats, total: Any) -> Floats:
    """Return a Gram matrix with a first row and column for the ones."""
    whole = np.empty((len(sums) + 1, len(sums) + 1))
    whole[0, 0] = total
    whole[0, 1:] = whole[1:, 0] = sums
    whole[1:, 1:] = products
    return whole
