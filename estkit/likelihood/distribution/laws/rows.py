"""Any law, censored or truncated rows among them: log-probabilities row by row, differentiated.

Derivatives are central differences of the rows, of sixth order, in coordinates in which a step of
about 1 changes a law visibly; they are right to about 1e-12 (first) and 1e-10 (second) of the size
of the terms, far below the standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.distribution.censoring import Observations
from estkit.likelihood.distribution.laws.densities import Density
from estkit.likelihood.distribution.laws.law import Axis, Law
from estkit.likelihood.family import Floats, Sums

_STEP = 5e-3
_SMALLER = 5  # times a tenth, where the support ends nearer than the step
FIRST_DIFFERENCE = np.array([-1.0, 9.0, -45.0, 0.0, 45.0, -9.0, 1.0]) / 60.0
_SECOND = np.array([2.0, -27.0, 270.0, -490.0, 270.0, -27.0, 2.0]) / 180.0
OFFSETS = np.arange(-3.0, 4.0)
_BLOCK = 1 << 15
_NARROW = 1e-5  # of the smaller tail: an interval whose ends differ too little to be subtracted


@dataclass(frozen=True, eq=False)
class LawRows:
    """The log-likelihood of rows of a law, of which some parameters move.

    Parameters
    ----------
    law : Law
        The distribution.
    observations : Observations
        Rows brought to a standard origin and unit.
    axes : tuple of Axis
        Where each parameter lies.
    held : tuple of float or None
        The standard value of each parameter that does not move.
    """

    law: Law
    observations: Observations
    axes: tuple[Axis, ...]
    held: tuple[float | None, ...]

    def standard(self, point: Floats) -> list[float]:
        """Return all parameters for the standardised data."""
        moving = iter(point.tolist())
        pairs = zip(self.axes, self.held, strict=True)
        return [axis.standard(next(moving)) if value is None else value for axis, value in pairs]

    @cached_property
    def _blocks(self) -> list[tuple[slice, NDArray[np.intp], NDArray[np.intp]]]:
        """Parts of the rows, and which of them are exact and which are intervals."""
        found, own = [], self.observations
        for first in range(0, len(own.lower), _BLOCK):
            part = slice(first, first + _BLOCK)
            equal = own.lower[part] == own.upper[part]
            found.append((part, np.flatnonzero(equal), np.flatnonzero(~equal)))
        return found

    def rowwise(self, point: Floats, number: int) -> Floats:
        """Return the log-likelihood of the rows of one block."""
        part, exact, between = self._blocks[number]
        own, standard = self.observations, self.standard(point)
        lower, upper = own.lower[part], own.upper[part]
        if not np.isfinite(standard).all() or (not self.law.discrete and standard[-1] <= 0.0):
            return np.full(len(lower), np.nan)  # an exponential over- or underflowed
        density = Density(self.law, standard)
        with np.errstate(all="ignore"):
            if not len(between):
                values = density.log_density(lower)
            else:
                values = np.empty(len(lower))
                values[exact] = density.log_density(lower[exact])
                low, high = lower[between], upper[between]
                if own.below is not None and own.above is not None:
                    low = np.maximum(low, own.below[part][between])
                    high = np.minimum(high, own.above[part][between])
                values[between] = log_probability(density, low, high)
            if own.below is not None and own.above is not None:
                values = values - _log_seen(density, own.below[part], own.above[part])
        return values

    def _around(
        self, point: Floats, direction: Floats, number: int, center: Floats
    ) -> tuple[list[Floats], float]:
        """Return the rows at seven points in a line, and the distance between these."""
        step = _STEP
        for _ in range(_SMALLER):
            values = []
            for offset in OFFSETS:
                moved = point + offset * step * direction
                values.append(self.rowwise(moved, number) if offset else center)
                if not np.isfinite(values[-1]).all():
                    break
            else:
                return values, step
            step /= 10
        return [center + math.nan for _ in OFFSETS], step

    def slopes(self, point: Floats, number: int) -> tuple[Floats, Floats, Floats]:
        """Return the rows of a block, their scores, and their second derivatives, summed."""
        size = len(point)
        weights = self.observations.weights
        weight = None if weights is None else weights[self._blocks[number][0]]

        def added(rows: Floats) -> float:
            return float(rows.sum() if weight is None else rows @ weight)

        center = self.rowwise(point, number)
        scores, curve = np.full((len(center), size), np.nan), np.full((size, size), np.nan)
        if not np.isfinite(center).all():
            return center, scores, curve
        unit = np.eye(size)
        with np.errstate(all="ignore"):
            for i in range(size):
                values, step = self._around(point, unit[i], number, center)
                scores[:, i] = _combined(FIRST_DIFFERENCE, values) / step
                curve[i, i] = added(_combined(_SECOND, values)) / step**2
            for i in range(size):
                for j in range(i):
                    values, step = self._around(point, unit[i] + unit[j], number, center)
                    mixed = added(_combined(_SECOND, values)) / step**2
                    curve[i, j] = curve[j, i] = (mixed - curve[i, i] - curve[j, j]) / 2
        return center, scores, curve

    def value(self, point: Floats) -> float:
        """Return the log-likelihood."""
        total, weights = 0.0, self.observations.weights
        for number, (part, _, _) in enumerate(self._blocks):
            rows = self.rowwise(point, number)
            with np.errstate(invalid="ignore"):  # where nothing has a density, NaN
                total += float(rows.sum() if weights is None else rows @ weights[part])
        return total

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood, its gradient and information."""
        size = len(point)
        value, gradient, curve = 0.0, np.zeros(size), np.zeros((size, size))
        weights = self.observations.weights
        for number, (part, _, _) in enumerate(self._blocks):
            rows, scores, seconds = self.slopes(point, number)
            with np.errstate(invalid="ignore"):
                value += float(rows.sum() if weights is None else rows @ weights[part])
            gradient += scores.sum(axis=0) if weights is None else weights[part] @ scores
            curve += seconds
            if not np.isfinite(value):
                break
        return Sums(value, gradient, -curve)

    def thinned(self, few: int) -> LawRows:
        """Return the likelihood of some of the rows."""
        rows = len(self.observations.lower)
        if rows <= few:
            return self
        return replace(self, observations=self.observations.take(slice(None, None, rows // few)))

    def scores(self, point: Floats) -> Iterator[Floats]:
        """Yield the scores of the rows of each block, without their weights."""
        for number in range(len(self._blocks)):
            yield self.slopes(point, number)[1]


def _combined(coefficients: Floats, values: Sequence[Floats]) -> Floats:
    """Return a linear combination, first of each value's distance from the middle one."""
    center = values[3]
    pairs = zip(coefficients, values, strict=True)
    parts = [factor * (value - center) for factor, value in pairs if value is not center]
    result: Floats = np.sum(parts, axis=0)
    return result


def _log_seen(density: Density, below: Floats, above: Floats) -> Floats:
    if (below == below[0]).all() and (above == above[0]).all():
        below, above = below[:1], above[:1]
    return log_probability(density, below, above)


def log_probability(density: Density, lower: Floats, upper: Floats) -> Floats:
    """Return log P(lower ≤ X ≤ upper), from the tail that is smaller so that no digits cancel."""
    if density.discrete:
        lower, upper = np.ceil(lower) - 1.0, np.floor(upper)
    no_lower, no_upper = np.isneginf(lower), np.isposinf(upper)
    parts: tuple[tuple[NDArray[np.bool_], Callable[[Any], Any]], ...] = (
        (no_lower & no_upper, lambda _: 0.0),
        (no_lower & ~no_upper, lambda rows: density.log_below(upper[rows])),
        (~no_lower & no_upper, lambda rows: density.log_above(lower[rows])),
        (~no_lower & ~no_upper, lambda rows: _between(density, lower[rows], upper[rows])),
    )
    result = np.empty(len(lower))
    for rows, function in parts:
        if rows.any():
            result[rows] = function(rows)
    return result


def _between(density: Density, lower: Floats, upper: Floats) -> Floats:
    under, over = density.log_below(upper), density.log_above(lower)
    on_left = under < over
    large = np.where(on_left, under, over)
    small = np.empty(len(lower))
    small[on_left] = density.log_below(lower[on_left])
    small[~on_left] = density.log_above(upper[~on_left])
    gap = small - large
    share = np.where(gap > -0.5, np.log(-np.expm1(gap)), np.log1p(-np.exp(gap)))
    result = np.where(np.isneginf(large), -np.inf, large + share)
    narrow = (gap > -_NARROW) & np.isfinite(large)
    if not density.discrete and narrow.any():
        result[narrow] = _integrated(density, lower[narrow], upper[narrow])
    return result


def _integrated(density: Density, lower: Floats, upper: Floats) -> Floats:
    """Return log P of intervals so narrow that the density is nearly straight in them."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    x = (lower + upper)[:, None] / 2 + (upper - lower)[:, None] / 2 * nodes
    logs = density.log_density(x)
    top = logs.max(axis=1)
    inner = np.exp(logs - top[:, None]) @ (weights / 2)
    result: Floats = np.log(upper - lower) + top + np.log(inner)
    return result
