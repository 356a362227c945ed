"""How columns are moved inside: near 0, and near 1 where their size is extreme.

That changes nothing in the answer, but keeps its digits when a column sits at 1e8; parameters go in
and out through a `Placement`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.data import Columns
from estkit.errors import DataError
from estkit.likelihood import sparse_columns
from estkit.likelihood.design import Dense, Design, Sparse
from estkit.likelihood.family import Floats

_SAMPLE = 1024
_MANY = 20_000  # rows from which on columns around 0 are used without a copy
_AT_ONCE = 8192
_TINIEST = 1e-300
_EXTREME = 1e60  # beyond this, squares and their products leave the range of a float


@dataclass(frozen=True, eq=False)
class Placement:
    """How the columns are moved inside, and how parameters go in and out.

    Parameters
    ----------
    shift, scale : array of shape (p,)
        A column x is held as (x - shift) · scale; no scale stands for 1.
    mix : array of shape (p, p), optional
        What the columns are multiplied with after that, when they are nearly dependent.
    intercept : bool
        Whether the design starts with a column of ones; without one the shift is 0.
    predictors : int
        The number of linear predictors, each with a coefficient for every column of the design.
    """

    shift: Floats
    scale: Floats | None
    intercept: bool
    predictors: int
    mix: Floats | None = None

    def design(self, values: NDArray[Any]) -> Floats:
        """Return the design of some rows, in float64."""
        start = int(self.intercept)
        design = np.empty((len(values), values.shape[1] + start))
        if start:
            design[:, 0] = 1.0
        np.subtract(values, self.shift, out=design[:, start:])
        if self.scale is not None:
            design[:, start:] *= self.scale
        if self.mix is not None:
            design[:, start:] = design[:, start:] @ self.mix
        return design

    def columns(self, values: Any) -> Design:
        """Return the design of some rows, of the values themselves where they are not moved."""
        if data.is_sparse(values):
            if not self.unmoved:
                values = sparse_columns.moved(values, self.shift, self.scale)
            return Sparse(values, ones=self.intercept)
        if self.unmoved and values.dtype == np.float64:
            return Dense(values, ones=self.intercept)
        return Dense(self.design(values))

    def reach(self, largest: Floats) -> Floats:
        """Return bounds on the design from the largest sizes in the columns as given."""
        scale = 1.0 if self.scale is None else self.scale
        return np.concatenate(
            [np.ones(int(self.intercept)), (largest + np.abs(self.shift)) * scale]
        )

    @cached_property
    def unmoved(self) -> bool:
        """Whether the columns are held as they were given."""
        return self.scale is None and self.mix is None and not self.shift.any()

    def linear_predictors(
        self, values: NDArray[Any], inside: Floats, offset: Floats | None
    ) -> Floats:
        """Return the linear predictors of some rows, of shape (n, predictors)."""
        eta: Floats = self.columns(values).predict(inside.reshape(self.predictors, -1)).T
        return eta if offset is None else eta + offset.reshape(len(eta), -1)

    @cached_property
    def diagonal(self) -> Floats | None:
        """The diagonal of `transform`, where columns are not moved or mixed and it is nothing else.

        A matrix of thousands of columns is better not made.
        """
        if self.mix is not None or self.shift.any():
            return None
        scale = np.ones(len(self.shift)) if self.scale is None else self.scale
        return np.tile(np.concatenate([np.ones(int(self.intercept)), scale]), self.predictors)

    @cached_property
    def transform(self) -> Floats:
        """The matrix that takes inside parameters to outside ones."""
        own = self.slope_matrix
        start = int(self.intercept)
        size = len(own) + start
        result = np.zeros((self.predictors * size, self.predictors * size))
        for first in range(0, len(result), size):
            slopes = slice(first + start, first + size)
            result[slopes, slopes] = own
            if start:
                result[first, first] = 1.0
                result[first, slopes] = -self.shift @ own
        return result

    @cached_property
    def slope_matrix(self) -> Floats:
        """The matrix that takes inside slopes to outside ones."""
        scale = np.ones(len(self.shift)) if self.scale is None else self.scale
        return np.diag(scale) if self.mix is None else scale[:, None] * self.mix

    def reported(self, mixing: Floats | None) -> Floats:
        """Return the matrix that takes inside parameters to the ones that are reported."""
        if mixing is None:
            return self.transform
        terms = len(self.transform) // self.predictors
        result: Floats = np.kron(mixing, np.eye(terms)) @ self.transform
        return result

    def outside(self, inside: Floats) -> Floats:
        """Return parameters for the columns as they were given."""
        result: Floats = self.transform @ inside
        return result

    def inside(self, outside: Floats) -> Floats:
        """Return parameters for the shifted and scaled columns."""
        start = int(self.intercept)
        result = outside.reshape(self.predictors, -1).copy()
        if start:
            result[:, 0] += result[:, 1:] @ self.shift
        result[:, start:] = np.linalg.solve(self.slope_matrix, result[:, start:].T).T
        return result.ravel()

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "shift": self.shift.tolist(),
            "scale": None if self.scale is None else self.scale.tolist(),
            "mix": None if self.mix is None else self.mix.tolist(),
            "intercept": self.intercept,
            "predictors": self.predictors,
        }

    @classmethod
    def from_plain(cls, stored: Mapping[str, Any]) -> Placement:
        """Return the placement that `to_plain` wrote."""
        read = {name: stored[name] for name in ("intercept", "predictors")}
        for name in ("shift", "scale", "mix"):
            read[name] = None if stored[name] is None else np.array(stored[name], float)
        return cls(**read)


def place(
    columns: Columns,
    *,
    intercept: bool,
    predictors: int,
    active: NDArray[np.bool_] | None = None,
) -> Placement:
    """Return a placement that brings every column near 0, from evenly spaced rows that count."""
    if data.is_sparse(columns.values):
        return _place_sparse(columns, intercept, predictors, active)
    counting = slice(None) if active is None else active
    step = max(1, columns.rows // _SAMPLE)
    sample = columns.values[counting][::step].astype(float)
    middle = len(sample) // 2  # a mean would follow a single value far away
    shift = np.zeros(sample.shape[1])
    if intercept:
        shift = np.partition(sample, middle, axis=0)[middle]
    size = np.abs(sample - shift).max(axis=0, initial=0.0)
    if columns.rows >= _MANY and (np.abs(shift) <= size).all():
        shift = np.zeros_like(shift)  # columns around 0 are used as they are, without a copy
    placement = Placement(shift, None, intercept, predictors)
    size = np.abs(sample - shift).max(axis=0, initial=0.0)
    extreme = (size > _EXTREME) | ((size < 1 / _EXTREME) & (size > 0))
    return rescale(columns, placement) if extreme.any() else placement


def _place_sparse(
    columns: Columns, intercept: bool, predictors: int, active: NDArray[np.bool_] | None
) -> Placement:
    """Return a placement that moves full columns only: any other would be filled."""
    values = columns.values if active is None or active.all() else columns.values[active]
    shift = sparse_columns.distance(values) if intercept else np.zeros(values.shape[1])
    placement = Placement(shift, None, intercept, predictors)
    sizes = np.abs(values.data)
    if sizes.max(initial=0.0) <= _EXTREME and sizes[sizes < 1 / _EXTREME].max(initial=0.0) == 0:
        return placement
    return rescale(columns, placement)


def rescale(columns: Columns, placement: Placement) -> Placement:
    """Return the placement that also brings the largest size in each column near 1.

    Raises
    ------
    DataError
        If a column is so small that no float may be its coefficient.
    """
    largest = np.zeros(len(placement.shift))
    for start in range(0, columns.rows, _AT_ONCE):
        values = data.rows_of(columns.values, slice(start, start + _AT_ONCE))
        if data.is_sparse(values):
            size = sparse_columns.largest(sparse_columns.moved(values, placement.shift, None))
        else:
            size = np.abs(values - placement.shift).max(axis=0)
        largest = np.maximum(largest, size)
    tiny = np.flatnonzero((largest > 0) & (largest < _TINIEST))
    if len(tiny):
        raise DataError(
            f"The column {columns.names[tiny[0]]!r} holds values up to {largest[tiny[0]]:.3g} in "
            f"size, so that its coefficient may be too large for a float; multiply it by a power "
            f"of 10 that brings its values near 1."
        )
    _, exponent = np.frexp(largest)
    return replace(placement, scale=np.ldexp(1.0, -exponent))
