"""The designs of many replicates at once, and Newton steps for all of them.

Every array has the replicates first. Columns are centred, and parameters are held per column of
unit spread, so that one tolerance suits them all.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Floats

_NEARLY_DEPENDENT = 1e-8  # the smallest eigenvalue of a correlation matrix to work with


class Solved(NamedTuple):
    """Replicates that were brought to a proved maximum, by their numbers."""

    replicates: NDArray[np.int64]
    params: Floats
    std_errors: Floats
    loglik: Floats


class Design(Protocol):
    """The designs of some replicates, whether each has its own or all share one."""

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

    def keep(self, which: NDArray[np.bool_]) -> Design:
        """Return the designs of some replicates."""
        ...


class Own:
    """A design for each replicate, held as (R, q, n): long contiguous rows."""

    def __init__(self, columns: Floats) -> None:
        self.columns = columns

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
        result: Floats = (self.columns * weight[:, None, :]) @ self.columns.transpose(0, 2, 1)
        return result

    def keep(self, which: NDArray[np.bool_]) -> Own:
        """Return the designs of some replicates."""
        return Own(self.columns[which])


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

    def keep(self, which: NDArray[np.bool_]) -> Shared:
        """Return the designs of some replicates."""
        return self


class Placed(NamedTuple):
    """Designs with centred columns, and for each replicate how to get back and how it looks.

    `spread` is the root mean square of each column, `gram` the mean of the products of columns in
    units of their spread, and `good` whether all columns vary and none nearly depends on others.
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

    def repeated(self, times: int) -> Placed:
        """Return the one placement of a shared design for several replicates."""
        every = np.zeros(times, dtype=np.int64)
        return Placed(
            self.design, self.shift[every], self.spread[every], self.gram[every], self.good[every]
        )


def place(X: NDArray[np.float64], intercept: bool) -> Placed:
    """Centre the columns of each replicate when an intercept can take it up."""
    replicates, observations, columns = X.shape
    start = int(intercept)
    design = np.empty((replicates, columns + start, observations))
    slopes = design[:, start:]
    slopes[...] = X.transpose(0, 2, 1)
    with np.errstate(all="ignore"):  # a bad replicate is seen below, and fitted alone
        shift = np.zeros((replicates, columns + start))
        if intercept:
            design[:, 0] = 1.0
            shift[:, 1:] = slopes.sum(axis=2) / observations
            slopes -= shift[:, 1:, None]
        moments = (design @ design.transpose(0, 2, 1)) / observations
        spread = np.sqrt(np.diagonal(moments, axis1=1, axis2=2))
        gram = moments / (spread[:, :, None] * spread[:, None, :])
        varies = (spread > 1e-13 * np.abs(shift)).all(axis=1)
    good = varies & np.isfinite(gram).all(axis=(1, 2))
    safe = np.where(good[:, None, None], gram, np.eye(columns + start))
    good &= np.linalg.eigvalsh(safe)[:, 0] > _NEARLY_DEPENDENT
    return Placed(Own(design), shift, spread, safe, good)


def common_place(X: NDArray[np.float64], intercept: bool) -> Placed:
    """Return the placement of a design that all replicates share."""
    placed = place(X[None], intercept)
    columns = placed.design.columns[0] if isinstance(placed.design, Own) else X
    return placed._replace(design=Shared(columns))


def newton_steps(information: Floats, gradient: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return Newton steps, and which replicates have a usable information matrix."""
    diagonal = np.diagonal(information, axis1=1, axis2=2)
    regular = (diagonal.min(axis=1, initial=np.inf) > 0) & np.isfinite(gradient).all(axis=1)
    regular &= np.isfinite(diagonal).all(axis=1)
    if not regular.all():
        information = np.where(regular[:, None, None], information, np.eye(gradient.shape[1]))
    try:
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:  # one singular matrix fails the whole call: find it
        spectrum = np.linalg.eigvalsh(information)
        regular &= spectrum[:, 0] > 1e-13 * spectrum[:, -1]
        information = np.where(regular[:, None, None], information, np.eye(gradient.shape[1]))
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
    return np.where(regular[:, None], step, 0.0), regular
