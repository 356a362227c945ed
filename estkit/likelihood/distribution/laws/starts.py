"""Where the search for a maximum begins, and what it means that it found none."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, FitError
from estkit.likelihood import newton
from estkit.likelihood.distribution.censoring import Observations
from estkit.likelihood.distribution.laws.law import Axis, Law
from estkit.likelihood.distribution.laws.rows import LawRows
from estkit.likelihood.distribution.laws.samples import summarise
from estkit.likelihood.family import Floats, Sums

_FEW = 2000  # rows that say well enough where to begin
_FIRST_LOOK = 200
_MOST = 400  # points of the grid
_POLISHED = 4
_STEPS = 40
_PATIENCE = 400  # steps that were tried; a fit that ends well needs fewer than 50
_NEAR = 1e-3  # standard errors: how closely a fit to some of the rows is worth solving
_LEVELS = np.arange(-4.0, 12.5, 0.5)  # of loc: units below the smallest value, in logs
_TELLS = 100.0  # standard error of a logarithm: the likelihood falls no more, but for rounding
_DRIFT = 5.0  # on the line of a parameter: beyond what data speak of
_ROUNDING = 1e-9  # relative: a fall that is none
_FLAT = 0.05  # of the largest curvature: the least that a step is taken by


def flat(covariance: Floats) -> NDArray[np.bool_]:
    """Tell of which parameters the likelihood says nothing."""
    result: NDArray[np.bool_] = np.diag(covariance) > _TELLS**2
    return result


def positive(information: Floats) -> Floats:
    """Return the information, with negative curvatures turned round where there are any.

    Newton's steps then lead uphill from anywhere; at a maximum nothing is changed.
    """
    if not np.isfinite(information).all():
        return information
    if len(information) == 1:
        curve = float(information[0, 0])
        return information if curve > 0 else np.array([[max(-curve, 1e-8)]])
    if len(information) == 2:  # the usual case, and quickly said
        (first, across), (_, second) = information.tolist()
        if first > 0 and second > 0 and first * second > across * across:
            return information
    scale = np.sqrt(np.abs(information.diagonal()))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(information / scale / scale[:, None])
    if values[0] > 0:
        return information
    turned = np.maximum(np.abs(values), _FLAT * float(np.abs(values).max()))
    result: Floats = (vectors * turned) @ vectors.T * scale * scale[:, None]
    return result


class Climb:
    """What `newton.maximise` asks for where a likelihood need not be concave.

    Parameters
    ----------
    total : callable
        Takes a point; returns the log-likelihood, its gradient and information.
    value : callable, optional
        Takes a point; returns the log-likelihood alone, where that is much cheaper: derivatives are
        not computed where a step has led down.
    """

    def __init__(
        self, total: Callable[[Floats], Sums], value: Callable[[Floats], float] | None = None
    ) -> None:
        self._total, self._value = total, value
        self._top = -math.inf
        self._calls = 0
        self._latest: Floats | None = None

    def __call__(self, point: Floats) -> tuple[float, Floats, Floats]:
        """Return the value, the gradient, and a positive definite curvature."""
        self._calls += 1
        if self._value is not None and self._top > -math.inf:
            if self._calls > _PATIENCE:  # it stumbles about a corner: no step is good enough
                return math.nan, np.zeros(len(point)), np.zeros((len(point), len(point)))
            value = self._value(point)
            if not value >= self._top - _ROUNDING * (1.0 + abs(self._top)):
                return math.nan, np.zeros(len(point)), np.zeros((len(point), len(point)))
        value, gradient, self._latest = self._total(point)
        assert self._latest is not None
        self._top = max(self._top, value) if math.isfinite(value) else self._top
        return value, gradient, positive(self._latest)

    def is_concave(self, information: Floats) -> bool:
        """Tell whether the curvature of the last point is the likelihood's own."""
        return information is self._latest


def search(rows: LawRows, begin: Floats | None) -> Floats | None:
    """Return a promising point: the best of several climbs over some of the rows.

    Parameters
    ----------
    rows : LawRows
        The likelihood.
    begin : array, optional
        A point to look at beside those of a grid.

    Returns
    -------
    array or None
        None if the likelihood is 0 wherever it was looked at.
    """
    few = rows.thinned(_FEW)

    objective = Climb(few.total, few.value)
    if begin is not None and not np.isfinite(begin).all():
        begin = None
    if begin is not None:  # from the sums of values that stand for the rows: seldom far
        found = newton.maximise(objective, begin, precision=_NEAR, max_iter=_STEPS)
        if found.converged and np.abs(found.point - begin).max() < _DRIFT:
            return found.point
    look = rows.thinned(_FIRST_LOOK)
    points = [] if begin is None else [begin]
    points += [np.array(point) for point in _grid(rows)]
    heights = np.array([look.value(point) for point in points])
    heights[~np.isfinite(heights)] = -math.inf
    order = np.argsort(-heights, kind="stable")[:_POLISHED]
    best, top = None, -math.inf
    for number in order:
        if heights[number] == -math.inf:
            break
        objective = Climb(few.total, few.value)
        found = newton.maximise(objective, points[number], precision=_NEAR, max_iter=_STEPS)
        if math.isfinite(found.value) and found.value > top:
            best, top = found.point, found.value
            if not np.isfinite(best).all():
                best = points[number]
    return best


def _grid(rows: LawRows) -> list[tuple[float, ...]]:
    """Return points on the lines of the parameters that move."""
    names = rows.law.names
    values = []
    for name, axis, held in zip(names, rows.axes, rows.held, strict=True):
        if held is None:
            values.append(_looks(name, axis))
    while math.prod(len(v) for v in values) > _MOST:
        longest = max(range(len(values)), key=lambda i: len(values[i]))
        values[longest] = values[longest][1::2]
    return list(itertools.product(*values))


def _looks(name: str, axis: Axis) -> tuple[float, ...]:
    bounded = axis.lower > -math.inf, axis.upper < math.inf
    if name == "scale":
        return (-1.5, -0.5, 0.0, 1.0, 2.0)
    if name == "loc":
        return (-1.0, 0.0, 3.0) if any(bounded) else (0.0, -0.7, 0.7)
    if all(bounded):
        return (-2.0, -0.5, 0.5, 2.0)
    return (-1.0, 0.0, 1.0, 2.5) if any(bounded) else (-3.0, -1.0, -0.1, 0.1, 1.0, 3.0)


def by_location(
    law: Law,
    held: Sequence[float | None],
    observations: Observations,
    axes: Sequence[Axis],
    unit: float,
) -> Floats | None:
    """Return the best local maximum of the profile over loc, for laws that are fitted by sums.

    Raises
    ------
    FitError
        If the profile rises to an end.
    """
    i = law.names.index("loc")
    heights, points = [], []
    for level in _LEVELS.tolist():
        loc = axes[i].outward(level)
        sample = summarise(law, (*held[:i], loc, *held[i + 1 :]), observations, axes, loc, unit)
        if sample is None:
            return None
        climb = Climb(sample.total)
        found = newton.maximise(climb, sample.begin(), precision=_NEAR, max_iter=_STEPS)
        heights.append(found.value + sample.sums.constant)
        lines = (sample.out @ found.point).tolist()
        points.append(np.array([*lines[:i], level, *lines[i:]]))
    return points[_inner_peak(heights, law.name)]


def _inner_peak(heights: Sequence[float], law: str) -> int:
    """Return the highest local maximum of a profile over loc, from far below to the smallest value.

    Raises
    ------
    FitError
        If it only rises towards an end.
    """
    rises = np.diff(np.asarray(heights)) > 0
    peaks = [i for i in range(1, len(heights) - 1) if rises[i - 1] and not rises[i]]
    if peaks:
        return max(peaks, key=lambda i: heights[i])
    if not rises[0]:
        raise FitError(
            f"With loc free the likelihood of {law} has no local maximum: it rises as loc goes to "
            f"-infinity, where the law becomes one without a smallest value. The values are not "
            f'skewed as {law} is; fix loc, or fit ek.Distribution("norm").'
        )
    raise FitError(
        f"With loc free the likelihood of {law} has no local maximum: it grows without bound (its "
        f"supremum is infinite) as loc approaches the smallest value. Fix loc, for example at 0."
    )


def drifting(
    axes: Sequence[Axis], names: Sequence[str], lines: Floats, flat: NDArray[np.bool_]
) -> str:
    """Say in words which parameters are on their way to the end of their range."""
    found = []
    for axis, name, v, level in zip(axes, names, lines.tolist(), flat, strict=True):
        low, high = axis.lower > -math.inf, axis.upper < math.inf
        if not (abs(v) > _DRIFT or level) or not (low or high):
            continue
        if abs(v) <= _DRIFT:
            found.append(f"{name} moves on from {axis.outward(v):.4g}")
            continue
        if v < 0:
            end = axis.origin + axis.unit * axis.lower
        else:
            end = axis.origin + axis.unit * axis.upper
        found.append(f"{name} goes to {end:.6g}".replace("inf", "infinity"))
    return " and ".join(found)


def in_order(start: Mapping[str, float], names: Sequence[str]) -> list[float]:
    """Return the values of a mapping in the order of the names."""
    if set(start) != set(names):
        raise DataError(
            f"start has {', '.join(map(str, start))}; expected a value for each of "
            f"{', '.join(names)}."
        )
    return [start[name] for name in names]
