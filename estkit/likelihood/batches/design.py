"""The designs of many replicates at once, and Newton steps for all of them.

Every array has the replicates first. Columns are centred and have unit spread, and so have their
parameters, so that one tolerance suits them all.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Floats

_FEW_TERMS = 8
_NEARLY_DEPENDENT = 1e-8  # the smallest eigenvalue of a correlation matrix to work with


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


def _places(terms: int) -> NDArray[np.int64]:
    """Return where the product of each two columns stands among the pairs."""
    places = np.zeros((terms, terms), dtype=np.int64)
    first, second = np.triu_indices(terms)
    places[first, second] = places[second, first] = np.arange(len(first))
    return places


class Own:
    """A design for each replicate, held as (R, q, n): long contiguous rows."""

    def __init__(self, columns: Floats, weighted: Floats | None = None) -> None:
        self.columns = columns
        self._weighted = np.empty_like(columns) if weighted is None else weighted
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
    def _pairs(self) -> Floats:
        """The products of each two columns (R, pairs, n), which serve all weights."""
        replicates, terms, rows = self.columns.shape
        pairs, done = np.empty((replicates, pairs_of(terms), rows), self.columns.dtype), 0
        for j in range(terms):
            part = slice(done, done := done + terms - j)
            np.multiply(self.columns[:, j:], self.columns[:, j, None], out=pairs[:, part])
        return pairs

    def keep(self, which: NDArray[np.bool_]) -> Own:
        """Return the designs of some replicates."""
        columns = self.columns[which]
        return Own(columns, self._weighted[: len(columns)])

    def narrow(self) -> Own:
        """Return the designs in single precision, which is faster."""
        if self._narrow is None:
            self._narrow = Own(single(self.columns))
        return self._narrow


class Shared:
    """One design (q, n) for all replicates: the information is one product with its pairs."""

    def __init__(self, columns: Floats, weighted: Floats | None = None) -> None:
        self.columns = columns
        self._weighted = np.empty_like(columns) if weighted is None else weighted
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


class Placed(NamedTuple):
    """Centred columns of unit spread, and for each replicate how to get back and how it looks.

    `spread` was the root mean square of each column, `gram` is the mean of the products of columns,
    and `good` says whether all columns vary and none nearly depends on others.
    """

    design: Design
    shift: Floats
    spread: Floats
    gram: Floats
    good: NDArray[np.bool_]

    def keep(self, which: NDArray[np.bool_]) -> Placed:
        """Return the designs of some replicates."""
        return Placed(
            self.design.keep(which),
            self.shift[which],
            self.spread[which],
            self.gram[which],
            self.good[which],
        )

    def back(self) -> Floats:
        """Return what takes coefficients back to the columns not centred, of shape (R, q, q)."""
        back: Floats = np.eye(self.gram.shape[1]) * np.ones((len(self.gram), 1, 1))
        back[:, 0] -= self.shift / self.spread
        return back

    def repeated(self, times: int) -> Placed:
        """Return the one placement of a shared design for several replicates."""
        every = np.zeros(times, dtype=np.int64)
        return Placed(
            self.design, self.shift[every], self.spread[every], self.gram[every], self.good[every]
        )


def single(values: Floats) -> Floats:
    """Return numbers in single precision, for mypy as wide as any: it is all the same here."""
    narrow: Any = values.astype(np.float32)
    return narrow  # type: ignore[no-any-return]


def place(X: NDArray[Any], intercept: bool) -> Placed:
    """Bring columns to unit spread, centred when an intercept can take up where they were."""
    values: Floats = np.asarray(X, dtype=float)
    replicates, observations, columns = values.shape
    start = int(intercept)
    size = columns + start
    room = np.empty((replicates, size + 1, observations))
    room[:, size] = 0.0  # a row too many, so that numpy takes no rank-k update: slow when small
    design = room[:, :size]
    shift = np.zeros((replicates, size))
    with np.errstate(all="ignore"):  # a bad replicate is seen below, and fitted alone
        if intercept:
            design[:, 0] = 1.0
            shift[:, 1:] = np.ones(observations) @ values
            shift[:, 1:] /= observations
        np.subtract(values.transpose(0, 2, 1), shift[:, start:, None], out=design[:, start:])
        moments = (room @ design.transpose(0, 2, 1))[:, :size]
        moments /= observations
        spread = np.sqrt(np.diagonal(moments, axis1=1, axis2=2))
        gram = moments / (spread[:, :, None] * spread[:, None, :])
        design[:, start:] *= (1.0 / spread)[:, start:, None]
        good = (spread > 1e-13 * np.abs(shift)).all(axis=1)
        good &= np.isfinite(gram).all(axis=(1, 2))
    if not good.all():
        gram = np.where(good[:, None, None], gram, np.eye(size))
    return Placed(Own(design), shift, spread, gram, good & independent(gram))


def independent(gram: Floats) -> NDArray[np.bool_]:
    """Return in which correlation matrices no eigenvalue is nearly 0.

    The determinant tells it of most: the other eigenvalues sum to at most q, so that their product
    is at most (q / (q - 1))^(q - 1).
    """
    size = gram.shape[1]
    least = np.linalg.det(gram) * (1.0 - 1.0 / size) ** (size - 1)
    independent = np.asarray(least > _NEARLY_DEPENDENT)
    if not independent.all():
        unsure = ~independent
        independent[unsure] = np.linalg.eigvalsh(gram[unsure])[:, 0] > _NEARLY_DEPENDENT
    return independent


def independent_where_seen(information: Floats, regular: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which information matrices are regular, and of columns that do not nearly depend."""
    with np.errstate(all="ignore"):
        scale = np.sqrt(np.diagonal(information, axis1=1, axis2=2))
        correlation = information / (scale[:, :, None] * scale[:, None, :])
    usable: NDArray[np.bool_] = regular & np.isfinite(correlation).all(axis=(1, 2))
    identity = np.eye(correlation.shape[1])
    usable &= independent(np.where(usable[:, None, None], correlation, identity))
    return usable


def common_place(X: NDArray[Any], intercept: bool) -> Placed:
    """Return the placement of a design that all replicates share."""
    placed = place(X[None], intercept)
    columns = placed.design.columns[0] if isinstance(placed.design, Own) else X
    return placed._replace(design=Shared(columns))


def newton_steps(information: Floats, gradient: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return Newton steps, and which replicates have a usable information matrix."""
    step, regular = _solutions(information, gradient[:, :, None])
    return step[:, :, 0], regular


def inverses(information: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the inverse information matrices, and which replicates have a usable one."""
    return _solutions(information, np.eye(information.shape[1]))


def _solutions(matrices: Floats, right: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Solve for each replicate; 0, and said to be irregular, where that cannot be done."""
    try:
        solution = np.asarray(np.linalg.solve(matrices, right), dtype=float)
    except np.linalg.LinAlgError:  # one singular matrix fails the whole call: find it
        finite = np.isfinite(matrices).all(axis=(1, 2), keepdims=True)
        identity = np.eye(matrices.shape[1])
        matrices = np.where(finite, matrices, identity)
        spectrum = np.linalg.eigvalsh(matrices)
        good = np.ravel(finite) & (spectrum[:, 0] > 1e-13 * spectrum[:, -1])
        matrices = np.where(good[:, None, None], matrices, identity)
        solution = np.asarray(np.linalg.solve(matrices, right), dtype=float)
        solution[~good] = np.nan
    regular = np.asarray(np.isfinite(solution).all(axis=(1, 2)))
    if not regular.all():
        solution[~regular] = 0.0
    return solution, regular
