"""Columns of many replicates brought near 0 and to about unit size, and the way back.

So one tolerance suits all parameters, and single precision is enough for most of the way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.batches.design import Design, Own, Shared, room_for_columns
from estkit.likelihood.batches.matrices import (
    independent,
    inverses_and_determinants,
    of_cosines,
)
from estkit.likelihood.family import Floats

_NEAR = 4.0  # columns of a size between its inverse and it are not scaled
_CLEAR = 1e-3  # a determinant of cosines that single precision can tell from 0


class Placed(NamedTuple):
    """Columns near 0, and for each replicate how to get back and how it looks.

    `shift` was taken off, then `spread` divided by; `gram` is the mean of the products of columns,
    and `inverse` its inverse, both in about single precision; `good` says whether all columns vary
    and none nearly depends on others.
    """

    design: Design
    intercept: bool
    shift: Floats
    spread: Floats
    gram: Floats
    inverse: Floats
    good: NDArray[np.bool_]

    def keep(self, which: NDArray[np.bool_]) -> Placed:
        """Return the designs of some replicates."""
        return Placed(
            self.design.keep(which),
            self.intercept,
            self.shift[which],
            self.spread[which],
            self.gram[which],
            self.inverse[which],
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
        own: Any = (each[every] for each in self[2:])
        return Placed(self.design, self.intercept, *own)


def place(X: NDArray[Any], intercept: bool) -> Placed:
    """Bring columns near 0, if an intercept can take up where they were, and to about unit size.

    Those that are there, as they mostly are in simulations, stay as they are, which saves two
    passes over the rows.
    """
    values = np.asarray(X)
    replicates, observations, columns = values.shape
    start = int(intercept)
    design = room_for_columns(replicates, columns + start, observations)
    design[:, :start] = 1.0
    design[:, start:] = values.transpose(0, 2, 1)
    own = Own(design)
    shift, spread = np.zeros(design.shape[:2]), np.ones(design.shape[:2])
    with np.errstate(all="ignore"):  # a bad replicate is seen below, and fitted alone
        ones: Any = np.ones((replicates, observations), dtype=np.float32)
        gram = own.narrow().information(ones).astype(float) / observations
        inverse, determinant = inverses_and_determinants(gram)
        near = _near(gram, intercept).all(axis=1) & (of_cosines(determinant, gram) > _CLEAR)
    placed = Placed(own, intercept, shift, spread, gram, inverse, near)
    return placed if near.all() else _with_others_near(placed, design)


def _near(gram: Floats, intercept: bool) -> NDArray[np.bool_]:
    """Return which columns are near 0 and of about unit size."""
    mean, variance = _moments(gram, intercept)
    near = (variance >= _NEAR**-2) & (variance <= _NEAR**2) & (mean * mean <= variance)
    return np.asarray(near)


def _moments(gram: Floats, intercept: bool) -> tuple[Floats, Floats]:
    """Return means and variances of columns from their mean products.

    Without an intercept, means count as 0, and so does that of the intercept.
    """
    mean = gram[:, 0].copy() if intercept else np.zeros(gram.shape[:2])
    mean[:, :1] = 0.0
    return mean, np.diagonal(gram, axis1=1, axis2=2) - mean * mean


def _mean_products(design: Floats) -> Floats:
    gram: Floats = design @ design.transpose(0, 2, 1)
    gram /= design.shape[2]
    return gram


def _with_others_near(placed: Placed, design: Floats) -> Placed:
    """Return a placement whose replicates that are not good have been brought near 0, in place."""
    far = ~placed.good
    moved, intercept = design[far], placed.intercept
    with np.errstate(all="ignore"):
        gram = _mean_products(moved)
        near = _near(gram, intercept)
        shift = np.where(near, 0.0, _moments(gram, intercept)[0])
        moved -= shift[:, :, None]
        gram = _mean_products(moved)
        spread = np.where(near, 1.0, np.sqrt(_moments(gram, intercept)[1]))
        moved *= (1.0 / spread)[:, :, None]
        gram /= spread[:, :, None] * spread[:, None, :]
        good = (spread > 1e-13 * np.abs(shift)).all(axis=1) & np.isfinite(gram).all(axis=(1, 2))
    if not good.all():
        gram[~good] = np.eye(gram.shape[1])
    inverse, determinant = inverses_and_determinants(gram)
    good &= independent(gram, determinant)
    design[far] = moved
    own = (shift, spread, gram, inverse, good)
    for every, part in zip(placed[2:], own, strict=True):
        every[far] = part
    return placed._replace(design=Own(design))


def common_place(X: NDArray[Any], intercept: bool) -> Placed:
    """Return the placement of a design that all replicates share."""
    placed = place(X[None], intercept)
    columns = placed.design.columns[0] if isinstance(placed.design, Own) else X
    return placed._replace(design=Shared(columns))
