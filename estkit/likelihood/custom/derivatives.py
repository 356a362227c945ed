"""First and second derivatives of a user's log-likelihood, and how well they are known.

By the complex step, which has no error but rounding; given by the user or by JAX; or by central
differences of sixth order, with steps of a twentieth of a standard error, the same for every
parameter in these units. Each row is differentiated for itself before rows are added up, which
keeps the digits that a difference of two large sums would lose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.custom.function import Function
from estkit.likelihood.family import Floats

STEP = 0.05  # standard errors
# Three central differences with the steps h, 2h, 3h, combined so that the error is of sixth order;
# the same for two, of fourth order, whose distance says how large the error may be.
FINE = (1.5, -0.6, 0.1)
ROUGH = (4 / 3, -1 / 3)
_PLAIN = (1.0,)  # of second order
_EPSILON = float(np.finfo(float).eps)
_TUNING = 14
_AGREE = 1e-5  # of the standard deviation of the score: the complex step and differences
KEPT = 0.05  # standard errors: as far from where it was found, a Hessian gives good steps
ROUNDING = 1e-7  # standard errors: so near a maximum, steps need not shrink any more


@dataclass(frozen=True, eq=False)
class Derivatives:
    """A function with its derivatives.

    Parameters
    ----------
    function : Function
        What is differentiated, as a function of unbounded parameters.
    method : {"complex", "differences", "given", "jax"}
        How its gradient is found.
    steps : array of shape (k,)
        The steps of differences.
    gradient_of, hessian_of : callable, optional
        Given: the slopes of shape (rows, k), or (1, k) for the total, and the Hessian of shape
        (k, k), to the outside parameters.
    """

    function: Function
    method: str
    steps: Floats
    gradient_of: Callable[[Floats], Floats] | None = None
    hessian_of: Callable[[Floats], Floats] | None = None

    def slopes(self, point: Floats) -> Floats:
        """Return the derivative of each row, or of the total as the only row."""
        if self.gradient_of is not None:
            outside = self.function.parameters(point)
            return self.gradient_of(outside) * self.function.transforms.slope(point)
        if self.method == "complex":
            return self.function.complex_slopes(point)
        return self.difference_slopes(point)[0]

    def gradient(self, point: Floats, *, rough: bool = False) -> Floats:
        """Return the gradient; a rough one, of second order, for steps on the way."""
        if rough and self.method == "differences":
            return self._plain_gradient(point)
        total: Floats = self.slopes(point).sum(axis=0)
        return total

    @np.errstate(all="ignore")
    def _plain_gradient(self, point: Floats) -> Floats:
        totals = []
        for j, step in enumerate(self.steps):
            ahead, behind = (self.function.rows(_moved(point, j, s * step)) for s in (1, -1))
            totals.append(float(np.sum(ahead - behind)) / (2 * step))
        return np.array(totals)

    @np.errstate(all="ignore")
    def difference_slopes(self, point: Floats) -> tuple[Floats, Floats]:
        """Return the derivative of each row by differences, and the error of their sums."""
        columns, errors = [], np.empty(len(point))
        for j, step in enumerate(self.steps):
            rows = []
            for c in (1, 2, 3):
                ahead, behind = (
                    self.function.rows(_moved(point, j, s * c * step)) for s in (1, -1)
                )
                rows.append((ahead - behind) / (2 * c * step))
                noise = _rounding(ahead) / step
            fine, rough = (
                sum(w * r for w, r in zip(ws, rows, strict=False)) for ws in (FINE, ROUGH)
            )
            columns.append(fine)
            errors[j] = abs(float(np.sum(fine - rough))) + noise
        return np.stack(columns, axis=1), errors

    def scores(self, point: Floats) -> Floats:
        """Return the derivative of each row, even where only the gradient of the total is given."""
        slopes = self.slopes(point)
        if self.gradient_of is None or len(slopes) > 1:
            return slopes
        return self.difference_slopes(point)[0]

    def gradient_error(self, point: Floats) -> Floats:
        """Return how far off each component of the gradient may be."""
        if self.method == "differences":
            return self.difference_slopes(point)[1]
        error: Floats = 8 * _EPSILON * np.sqrt((self.slopes(point) ** 2).sum(axis=0))
        return error

    @np.errstate(all="ignore")
    def information(self, point: Floats, *, rough: bool = False) -> Floats:
        """Return the negative Hessian; a rough one, of second order, for steps on the way."""
        if self.hessian_of is not None:
            transforms, outside = self.function.transforms, self.function.parameters(point)
            slope = transforms.slope(point)
            bent = self.gradient(point) / slope * transforms.curvature(point)
            return -(self.hessian_of(outside) * np.outer(slope, slope) + np.diag(bent))
        weights = _PLAIN if rough else FINE
        if self.method == "differences":
            return -self._second_differences(point, weights)
        columns = []
        for j, step in enumerate(self.steps):
            column = np.zeros(len(point))
            for c, weight in enumerate(weights, start=1):
                ahead, behind = (self.gradient(_moved(point, j, s * c * step)) for s in (1, -1))
                column += weight * (ahead - behind) / (2 * c * step)
            columns.append(column)
        hessian = np.stack(columns, axis=1)
        return -(hessian + hessian.T) / 2

    def _second_differences(self, point: Floats, weights: Sequence[float]) -> Floats:
        """Return the Hessian from second differences along each parameter and each diagonal."""
        center = self.function.rows(point)
        hessian = np.zeros((len(point), len(point)))

        def along(direction: Floats) -> Floats:
            ahead, behind = (self.function.rows(point + s * direction) for s in (1, -1))
            second: Floats = (ahead - center) - (center - behind)
            return second

        for c, weight in enumerate(weights, start=1):
            moves = np.diag(c * self.steps)
            own = [along(move) for move in moves]
            for i, j in combinations_with_replacement(range(len(point)), 2):
                if i == j:
                    rows = own[i]
                else:  # the diagonal holds both squares and twice the product
                    rows = 0.5 * (along(moves[i] + moves[j]) - own[i] - own[j])
                hessian[i, j] += (
                    weight * float(np.sum(rows)) / (c**2 * self.steps[i] * self.steps[j])
                )
        return np.asarray(hessian + np.triu(hessian, 1).T)

    def noise(self, point: Floats) -> Floats:
        """Return how large an entry of the Hessian by differences may be and yet be rounding."""
        if self.method != "differences":
            return np.zeros((len(point), len(point)))
        return 30 * _rounding(self.function.rows(point)) / np.outer(self.steps, self.steps)

    def reach(self, point: Floats) -> Floats:
        """Return how far each parameter may go at most before its Hessian says nothing."""
        unbounded = 1e3 * np.maximum(1.0, np.abs(point))
        return np.where(self.function.transforms.bounded, 4.0, unbounded)

    def tuned(self, point: Floats) -> Derivatives:
        """Return the same with steps that suit a point."""
        return replace(self, steps=tuned_steps(self.function, point, self.steps))


def _moved(point: Floats, index: int, by: float) -> Floats:
    moved = point.copy()
    moved[index] += by
    return moved


def _rounding(rows: NDArray[Any]) -> float:
    """Return the rounding error of a sum of differences of such rows."""
    return 2 * _EPSILON * float(np.sqrt(np.sum(np.abs(rows) ** 2)))


def first_steps(function: Function, point: Floats) -> Floats:
    """Return steps to begin with, before anything is known of the curvature."""
    ones = np.ones(len(point))
    return np.where(function.transforms.bounded, STEP * ones, 1e-3 * np.maximum(1, np.abs(point)))


@np.errstate(all="ignore")
def tuned_steps(function: Function, point: Floats, steps: Floats) -> Floats:
    """Return a twentieth of the standard error of each parameter, when the others are known.

    Where the curvature cannot be told from rounding, the step grows up to a thousandfold.
    """
    center = function.rows(point)
    bounded = function.transforms.bounded
    largest = np.where(bounded, 0.1, 1e3 * STEP * np.maximum(1.0, np.abs(point)))
    result = steps.copy()
    for j, first in enumerate(steps):
        h = float(first)
        for _ in range(_TUNING):
            ahead, behind = (function.rows(_moved(point, j, s * 3 * h)) for s in (1, -1))
            second = float(np.sum((ahead - center) - (center - behind))) / (3 * h) ** 2
            if not np.isfinite(second):
                h /= 8
                continue
            result[j] = h
            if abs(second) <= 10 * _rounding(center) / (3 * h) ** 2:
                if h > largest[j]:
                    break
                h = min(8 * h, 2 * largest[j])
                continue
            target = STEP / np.sqrt(abs(second))
            if bounded[j]:
                target = min(target, 0.2)  # beyond, an exponential is no polynomial
            if target / 2 <= h <= 2 * target:
                break
            h = float(np.clip(target, h / 1e3, h * 1e3))
        else:
            result[j] = min(result[j], h)
    return result


class Survey:
    """The value, gradient and information at one point after another, as Newton's method asks.

    A Hessian costs as much as many gradients, and hardly changes within a fraction of a standard
    error: it is kept as long as the steps that it gives go on shrinking.
    """

    def __init__(self, derivatives: Derivatives) -> None:
        self.derivatives = derivatives
        self._known: Floats | None = None
        self._where = np.empty(0)
        self._decrement = np.inf

    def __call__(self, point: Floats) -> tuple[float, Floats, Floats]:
        """Return the three at a point; NaN where the value is not finite."""
        value = self.derivatives.function.value(point)
        if np.isnan(value):
            size = len(point)
            return value, np.full(size, np.nan), np.full((size, size), np.nan)
        gradient = self.derivatives.gradient(point)
        if self._known is None or not self._still(self._known, point, gradient):
            self._known = self.derivatives.information(point, rough=True)
            self._where = point
            self._decrement = np.inf
        return value, gradient, self._known

    def _still(self, known: Floats, point: Floats, gradient: Floats) -> bool:
        """Say whether the information that is known will do at this point."""
        moved = point - self._where
        if self.derivatives.hessian_of is not None or not moved @ known @ moved <= KEPT**2:
            return False
        with np.errstate(divide="ignore", invalid="ignore"):
            decrement = float(np.max(np.abs(gradient) / np.sqrt(np.abs(np.diag(known)))))
        shrinks = decrement <= 0.2 * self._decrement or decrement <= ROUNDING
        self._decrement = decrement
        return shrinks


def agree(derivatives: Derivatives, point: Floats) -> bool:
    """Say whether the complex step gives what differences give."""
    numeric, error = derivatives.difference_slopes(point)
    told, found = derivatives.gradient(point), numeric.sum(axis=0)
    unit = STEP / derivatives.steps
    allowed = _AGREE * (unit + np.maximum(np.abs(told), np.abs(found))) + 10 * error
    return bool((np.abs(told - found) <= allowed).all())
