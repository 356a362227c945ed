"""Columns of many replicates brought near 0 and to about unit size, and the way back.

So one tolerance suits all parameters, and single precision is enough for most of the way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.batches.design import Design, Own, Shared
from estkit.likelihood.batches.matrices import independent
from estkit.likelihood.family import Floats

_NEAR = 4.0  # columns of a size between its inverse and it are not scaled


class Placed(NamedTuple):
    """Columns near 0, and for each replicate how to get back and how it looks.

    `shift` was taken off, then `spread` divided by; `gram` is the mean of the products of columns,
    and `good` says whether all columns vary and none nearly depends on others.
    """

    design: Design
    intercept: bool
    shift: Floats
    spread: Floats
    gram: Floats
    good: NDArray[np.bool_]

    def keep(self, which: NDArray[np.bool_]) -> Placed:
        """Return the designs of some replicates."""
        return Placed(
            self.design.keep(which),
            self.intercept,
            self.shift[which],
            self.spread[which],
            self.gram[which],
            self.good[which],
        )

    def reach(self) -> Floats:
        """Return what no entry of a column exceeds, of shape (R, q)."""
        squares = np.diagonal(self.gram, axis1=1, axis2=2) * self.design.columns.shape[-1]
        reach: Floats = np.sqrt(squares)
        return reach

    def back(self) -> Floats:
        """Return what takes coefficients back to the columns not centred, of shape (R, q, q)."""
        back: Floats = np.eye(self.gram.shape[1]) * np.ones((len(self.gram), 1, 1))
        back[:, 0] -= self.shift / self.spread
        return back

    def repeated(self, times: int) -> Placed:
        """Return the one placement of a shared design for several replicates."""
        every = np.zeros(times, dtype=np.int64)
        each = (self.shift[every], self.spread[every], self.gram[every], self.good[every])
        return Placed(self.design, self.intercept, *each)


def place(X: NDArray[Any], intercept: bool) -> Placed:
    """Bring columns near 0, if an intercept can take up where they were, and to about unit size.

    Those that are there, as they mostly are in simulations, stay as they are, which saves two
    passes over the rows.
    """
    values: Floats = np.asarray(X, dtype=float)
    replicates, observations, columns = values.shape
    start = int(intercept)
    design = np.empty((replicates, columns + start, observations))
    design[:, :start] = 1.0
    design[:, start:] = values.transpose(0, 2, 1)
    with np.errstate(all="ignore"):  # a bad replicate is seen below, and fitted alone
        gram, mean, variance = _moments(design, intercept)
        near = (variance >= _NEAR**-2) & (variance <= _NEAR**2) & (mean * mean <= variance)
        shift, spread = np.zeros_like(mean), np.ones_like(mean)
        if not near.all():
            shift = np.where(near, 0.0, mean)
            design -= shift[:, :, None]
            gram, _, variance = _moments(design, intercept)
            spread = np.where(near, 1.0, np.sqrt(variance))
            design *= (1.0 / spread)[:, :, None]
            gram /= spread[:, :, None] * spread[:, None, :]
        good = (spread > 1e-13 * np.abs(shift)).all(axis=1) & np.isfinite(gram).all(axis=(1, 2))
    if not good.all():
        gram[~good] = np.eye(gram.shape[1])
    good &= independent(gram)
    return Placed(Own(design), intercept, shift, spread, gram, good)


def _moments(design: Floats, intercept: bool) -> tuple[Floats, Floats, Floats]:
    """Return the means of products of columns, and means and variances of columns.

    Without an intercept, means count as 0, and so does that of the intercept.
    """
    gram = design @ design.transpose(0, 2, 1)
    gram /= design.shape[2]
    mean = gram[:, 0].copy() if intercept else np.zeros(gram.shape[:2])
    mean[:, :1] = 0.0
    return gram, mean, np.diagonal(gram, axis1=1, axis2=2) - mean * mean


def common_place(X: NDArray[Any], intercept: bool) -> Placed:
    """Return the placement of a design that all replicates share."""
    placed = place(X[None], intercept)
    columns = placed.design.columns[0] if isinstance(placed.design, Own) else X
    return placed._replace(design=Shared(columns))
