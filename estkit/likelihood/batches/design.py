"""The designs of many replicates at once: the products with them that Newton's method needs.

Every array has the replicates first.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Floats

_FEW_TERMS = 8


class Solved(NamedTuple):
    """Replicates that were brought to a proved maximum, by their numbers."""

    replicates: NDArray[np.int64]
    params: Floats
    std_errors: Floats
    loglik: Floats


class Design(Protocol):
    """The designs of some replicates, whether each has its own or all share one."""

    columns: Floats

    def predictors(self, params: Floats) -> Floats:
        """Return the linear predictors (R, n) of coefficients (R, q)."""
        ...

    def many_predictors(self, params: Floats) -> Floats:
        """Return the linear predictors (R, m, n) of coefficients (R, m, q)."""
        ...

    def many_gradients(self, residual: Floats) -> Floats:
        """Return the weighted sums (R, m, q) of the rows; weights are (R, m, n)."""
        ...

    def gradient(self, residual: Floats) -> Floats:
        """Return the weighted sums (R, q) of the rows; weights are (R, n)."""
        ...

    def information(self, weight: Floats) -> Floats:
        """Return Σ w x xᵀ of shape (R, q, q); weights are (R, n)."""
        ...

    def squares(self, params: Floats, weight: Floats) -> Floats:
        """Return the weighted sums (R, m) of squared predictors; coefficients are (R, m, q)."""
        ...

    def many_information(self, weights: Floats) -> Floats:
        """Return Σ w x xᵀ of shape (R, m, q, q); weights are (R, m, n)."""
        ...

    def keep(self, which: NDArray[np.bool_]) -> Design:
        """Return the designs of some replicates."""
        ...

    def narrow(self) -> Design:
        """Return the designs in single precision, which is faster."""
        ...


def pairs_of(terms: int) -> int:
    """Return how many products of two columns are kept for each row: those of few columns."""
    return terms * (terms + 1) // 2 if terms <= _FEW_TERMS else 0


@cache
def _places(terms: int) -> NDArray[np.int64]:
    """Return where the product of each two columns stands among the pairs."""
    places = np.zeros((terms, terms), dtype=np.int64)
    first, second = np.triu_indices(terms)
    places[first, second] = places[second, first] = np.arange(len(first))
    return places


def room_for_columns(replicates: int, terms: int, rows: int, dtype: Any = float) -> Floats:
    """Return an array (R, q, n) in which a column of all replicates lies in one piece.

    So a product with weights (R, n) runs through memory in long strides, and a row of one replicate
    is still contiguous.
    """
    return np.empty((terms, replicates, rows), dtype).transpose(1, 0, 2)


class Own:
    """A design for each replicate, held as (R, q, n).

    Parameters
    ----------
    columns : array of shape (R, q, n)
        As `room_for_columns` lays them out, if it is to be fast.
    packs : bool
        Whether to keep the products of each two columns, if they are few: it takes more memory, and
        pays from the second information matrix on.
    """

    def __init__(self, columns: Floats, packs: bool = False) -> None:
        self.columns = columns
        self._packs = packs and pairs_of(columns.shape[1]) > 0
        self._narrow: Own | None = None

    def predictors(self, params: Floats) -> Floats:
        """Return the linear predictors (R, n) of coefficients (R, q)."""
        result: Floats = (params[:, None, :] @ self.columns)[:, 0]
        return result

    def gradient(self, residual: Floats) -> Floats:
        """Return the weighted sums (R, q) of the rows; weights are (R, n)."""
        result: Floats = (self.columns @ residual[:, :, None])[:, :, 0]
        return result

    def many_predictors(self, params: Floats) -> Floats:
        """Return the linear predictors (R, m, n) of coefficients (R, m, q)."""
        result: Floats = params @ self.columns
        return result

    def many_gradients(self, residual: Floats) -> Floats:
        """Return the weighted sums (R, m, q) of the rows; weights are (R, m, n)."""
        result: Floats = residual @ self.columns.transpose(0, 2, 1)
        return result

    def information(self, weight: Floats) -> Floats:
        """Return Σ w x xᵀ of shape (R, q, q); weights are (R, n)."""
        if self._packs:
            packed = (self._pairs @ weight[:, :, None])[:, :, 0]
            return packed[:, _places(self.columns.shape[1])]
        weighted = np.multiply(self.columns, weight[:, None, :], out=self._weighted)
        result: Floats = weighted @ self.columns.transpose(0, 2, 1)
        return result

    def squares(self, params: Floats, weight: Floats) -> Floats:
        """Return the weighted sums (R, m) of squared predictors; coefficients are (R, m, q)."""
        eta = self.many_predictors(params)
        result: Floats = (np.square(eta, out=eta) @ weight[:, :, None])[:, :, 0]
        return result

    def many_information(self, weights: Floats) -> Floats:
        """Return Σ w x xᵀ of shape (R, m, q, q); weights are (R, m, n)."""
        terms = self.columns.shape[1]
        if not pairs_of(terms):
            count = range(weights.shape[1])
            return np.stack([self.information(weights[:, m]) for m in count], axis=1)
        packed = weights @ self._pairs.transpose(0, 2, 1)
        return packed[:, :, _places(terms)]

    @cached_property
    def _weighted(self) -> Floats:
        """Room for the columns times weights."""
        return np.empty_like(self.columns)

    @cached_property
    def _pairs(self) -> Floats:
        """The products of each two columns (R, pairs, n), which serve all weights."""
        replicates, terms, rows = self.columns.shape
        pairs, done = room_for_columns(replicates, pairs_of(terms), rows, self.columns.dtype), 0
        for j in range(terms):
            part = slice(done, done := done + terms - j)
            np.multiply(self.columns[:, j:], self.columns[:, j, None], out=pairs[:, part])
        return pairs

    def keep(self, which: NDArray[np.bool_]) -> Own:
        """Return the designs of some replicates."""
        _, terms, rows = self.columns.shape
        columns = room_for_columns(int(which.sum()), terms, rows, self.columns.dtype)
        columns[...] = self.columns[which]
        return Own(columns, self._packs)

    def narrow(self) -> Own:
        """Return the designs in single precision, which is faster."""
        if self._narrow is None:
            self._narrow = Own(single(self.columns), packs=True)
        return self._narrow


class Shared:
    """One design (q, n) for all replicates: the information is one product with its pairs."""

    def __init__(self, columns: Floats) -> None:
        self.columns = columns
        self.upper = np.triu_indices(len(columns))
        self.pairs = (columns[self.upper[0]] * columns[self.upper[1]]).T

    def predictors(self, params: Floats) -> Floats:
        """Return the linear predictors (R, n) of coefficients (R, q)."""
        return params @ self.columns

    def gradient(self, residual: Floats) -> Floats:
        """Return the weighted sums (R, q) of the rows; weights are (R, n)."""
        return residual @ self.columns.T

    def many_predictors(self, params: Floats) -> Floats:
        """Return the linear predictors (R, m, n) of coefficients (R, m, q)."""
        return params @ self.columns

    def many_gradients(self, residual: Floats) -> Floats:
        """Return the weighted sums (R, m, q) of the rows; weights are (R, m, n)."""
        return residual @ self.columns.T

    def information(self, weight: Floats) -> Floats:
        """Return Σ w x xᵀ of shape (R, q, q); weights are (R, n)."""
        size = len(self.columns)
        packed = weight @ self.pairs
        result = np.empty((len(weight), size, size))
        result[:, self.upper[0], self.upper[1]] = packed
        result[:, self.upper[1], self.upper[0]] = packed
        return result

    def squares(self, params: Floats, weight: Floats) -> Floats:
        """Return the weighted sums (R, m) of squared predictors; coefficients are (R, m, q)."""
        eta = self.many_predictors(params)
        result: Floats = (np.square(eta, out=eta) @ weight[:, :, None])[:, :, 0]
        return result

    def many_information(self, weights: Floats) -> Floats:
        """Return Σ w x xᵀ of shape (R, m, q, q); weights are (R, m, n)."""
        packed = weights @ self.pairs
        return packed[:, :, _places(len(self.columns))]

    def keep(self, which: NDArray[np.bool_]) -> Shared:
        """Return the designs of some replicates."""
        return self

    def narrow(self) -> Shared:
        """Return the designs in single precision, which is faster."""
        return Shared(single(self.columns))


def single(values: Floats) -> Floats:
    """Return numbers in single precision, for mypy as wide as any: it is all the same here."""
    narrow: Any = values.astype(np.float32)
    return narrow  # type: ignore[no-any-return]
