"""Newton's method: derivatives in, the optimum and the reason it stopped out; knows no statistics.

The iteration and its certificate do not depend on how the coordinates are scaled: the information
matrix is brought to a unit diagonal first, and progress is measured by the Newton decrement
(Boyd and Vandenberghe 2004, section 9.5).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.triangles import mirror

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats, Floats]]
Slope = Callable[[Floats], tuple[float, Floats]]

# In units of standard errors: how far from the maximum the answer may be, and how far it may be
# when rounding lets it come no closer.
PRECISION = 1e-11
_ROUNDING = 1e-6
_NEAR = 1e-2
_SAME = 3e-6  # so near, the information is that at the maximum to the digits of a standard error
_HALVINGS = 40
_TILE = 128  # rows of a large one that are looked at together
_LARGE = 200  # from so many parameters on, the eigenvalues cost more than the fit


@dataclass(frozen=True)
class Certificate:
    """What was measured at the answer, so that convergence can be judged and not just believed.

    Parameters
    ----------
    relative_gradient : float
        The largest component of the score, each in units of its own standard deviation.
    newton_decrement : float
        √(gᵀ H⁻¹ g): the distance to the maximum in units of standard errors.
    condition : float
        The condition number of the information matrix scaled to a unit diagonal; of more than 200
        parameters that of the 1-norm, at least as large.
    iterations : int
        The number of Newton steps.
    reason : str
        Why the iteration stopped.
    """

    relative_gradient: float
    newton_decrement: float
    condition: float
    iterations: int
    reason: str


@dataclass(frozen=True, eq=False)
class Optimum:
    """The point where the iteration stopped, and what was found there."""

    point: Floats
    value: float
    information: Floats
    inverse: Floats
    step: Floats
    converged: bool
    certificate: Certificate

    def is_above(self, other: Optimum) -> bool:
        """Return whether its value is larger by more than rounding."""
        return self.value - other.value > 1e-9 * max(1.0, abs(self.value))


def maximise(
    objective: Objective,
    start: Floats,
    *,
    precision: float = PRECISION,
    max_iter: int = 100,
    settled: Callable[[Floats], bool] = lambda step: True,
    slope: Slope | None = None,
    stand_in: Callable[[Floats], Floats | None] = lambda point: None,
    certify: bool = True,
    patience: float = math.inf,
) -> Optimum:
    """Maximise a function from its value, gradient and negative Hessian.

    The answer is a maximum by its own Hessian; of a concave function it is the highest one.

    Parameters
    ----------
    objective : callable
        Takes a point; returns the value, the gradient and the negative Hessian there. Where the
        function is not defined the value is -inf or NaN, which the line search steps back from.
    start : array of shape (k,)
        Where to begin.
    precision : float
        The Newton decrement to reach: the distance to the maximum in standard errors.
    settled : callable, optional
        Takes a step and says whether it is so small that the quadratic model can be trusted;
        without that, a small decrement is no sign of a maximum.
    slope : callable, optional
        Takes a point; returns the value and the gradient. When it is much cheaper than the
        objective, the last step is checked with it, under the information found just before.
    stand_in : callable, optional
        Takes a point where the negative Hessian is not positive definite, and returns a matrix that
        is and that gives the direction of the step in its place. No maximum is found there.
    certify : bool
        Whether the inverse information and the condition are wanted; they cost as much as a step.
    max_iter : int
        The number of steps after which to give up, with ``converged=False`` and a reason.
    patience : float
        The number of steps in a row after which to give up if none halves the Newton decrement, as
        where the maximum is at infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.likelihood.newton import maximise
    >>> def log_normal_mean(t):
    ...     return -0.5 * float(t @ t) + 3.0 * float(t[0]), 3.0 - t, np.eye(1)
    >>> maximise(log_normal_mean, np.zeros(1)).point
    array([3.])
    """
    point = np.array(start, dtype=float)
    value, gradient, information = objective(point)
    previous = np.inf
    iteration = slow = 0
    while True:
        here = _Here(point, value, gradient, information, iteration, certify)
        factor = factorised(information) if np.isfinite(value) else None
        convex = factor is None and np.isfinite(value)
        if convex:
            borrowed = stand_in(point)
            factor = None if borrowed is None else factorised(borrowed)
        if factor is None:
            found = "not positive definite" if np.isfinite(value) else f"at a value of {value}"
            return here.stop(f"the information matrix is {found} after {iteration} steps")
        step = factor.solve(gradient)
        decrement = _length(gradient, step)
        trusted = not convex and decrement <= max(precision, _ROUNDING) and settled(step)
        if trusted and decrement <= precision:
            reason = "the Newton decrement is at its target"
            return here.stop(reason, factor, step, converged=True)
        if trusted and decrement >= 0.5 * previous:
            reason = "the Newton decrement is at the level of rounding"
            return here.stop(reason, factor, step, converged=True)
        if slope is not None and decrement <= _SAME and not convex:
            arrived = _confirmed(slope, here, step)
            last = factor.solve(arrived.gradient)
            if _length(arrived.gradient, last) <= precision and settled(last):
                reason = "the Newton decrement is at its target"
                return arrived.stop(reason, factor, last, converged=True)
        if iteration == max_iter:
            return here.stop(f"the limit of {max_iter} iterations was reached", factor, step)
        slow = slow + 1 if decrement > 0.5 * previous else 0
        if slow > patience:
            reason = f"steps up to iteration {iteration} hardly lead nearer"
            return here.stop(reason, factor, step)
        # a hundredth of a standard error away, the value says less than its own rounding does
        near = decrement <= _NEAR and not convex
        ahead = _ascend(objective, point, value, step, -math.inf if near else decrement**2)
        if ahead is None:
            reason = f"no step from iteration {iteration} raises the value"
            return here.stop(reason, factor, step)
        point, value, gradient, information = ahead
        previous = decrement
        iteration += 1


def _ascend(
    objective: Objective, point: Floats, value: float, step: Floats, gain: float
) -> tuple[Floats, float, Floats, Floats] | None:
    """Halve the step until the value rises as it should, up to rounding."""
    rounding = 1e-14 * abs(value)
    length = 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(_HALVINGS):
            trial = point + length * step
            answer = objective(trial)
            enough = answer[0] >= value + 1e-4 * length * gain - rounding
            if enough and np.isfinite(answer[0]):
                return trial, *answer
            length /= 2
    return None


def _confirmed(slope: Slope, here: _Here, step: Floats) -> _Here:
    """Return what is found one step further, with the information as it was."""
    value, gradient = slope(here.point + step)
    return _Here(here.point + step, value, gradient, here.information, here.iteration + 1)


def _length(gradient: Floats, step: Floats) -> float:
    with np.errstate(over="ignore", invalid="ignore"):  # at a wild start
        return math.sqrt(max(0.0, float(gradient @ step)))


class Factor(NamedTuple):
    """The Cholesky factor of an information matrix brought to a unit diagonal."""

    lower: Floats
    scale: Floats

    def solve(self, gradient: Floats) -> Floats:
        """Return the Newton step."""
        from scipy.linalg.lapack import dpotrs

        solution, _ = dpotrs(self.lower, gradient * self.scale, lower=1)
        result: Floats = solution * self.scale
        return result

    def condition(self, information: Floats, inverse: Floats) -> float:
        """Return the condition number of the scaled matrix; of a large one, in the 1-norm."""
        if len(information) > _LARGE:
            return _longest(information, self.scale) * _longest(inverse, 1.0 / self.scale)
        scaled = information * self.scale * self.scale[:, None]
        spectrum = np.linalg.eigvalsh(scaled)
        return float(spectrum[-1] / spectrum[0]) if spectrum[0] > 0 else math.inf

    def into_inverse(self) -> Floats:
        """Return the inverse of the matrix; a large one takes the memory of the factor."""
        from scipy.linalg.lapack import dpotri, dtrtri

        if len(self.lower) > _LARGE:
            below, _ = dpotri(self.lower, lower=1, overwrite_c=1)
            inverse: Floats = below.T
            mirror(inverse)
            inverse *= self.scale
            inverse *= self.scale[:, None]
            return inverse
        # dpotri wakes the threads of OpenBLAS even for a 5 × 5 matrix
        half, _ = dtrtri(self.lower, lower=1)
        half = np.tril(half) * self.scale
        result: Floats = half.T @ half
        return result


def _longest(matrix: Floats, scale: Floats) -> float:
    """Return the 1-norm of a symmetric matrix whose rows and columns are multiplied by a scale."""
    tiles = range(0, len(matrix), _TILE)
    sums = [np.abs(matrix[i : i + _TILE]) @ scale for i in tiles]
    return float((scale * np.concatenate(sums)).max())


def is_definite(information: Floats) -> bool:
    """Return whether a matrix is positive definite, at whatever scale."""
    return factorised(information) is not None


def factorised(information: Floats) -> Factor | None:
    """Return the factor of a positive definite matrix, or None."""
    from scipy.linalg.lapack import dpotrf

    diagonal = information.diagonal()
    if not (diagonal > 0).all() or not np.isfinite(information).all():
        return None
    scale = 1.0 / np.sqrt(diagonal)
    scaled = information * scale
    scaled *= scale[:, None]
    # the transpose is the same matrix, and lies as LAPACK wants it
    lower, trouble = dpotrf(scaled.T, lower=1, overwrite_a=1)
    return None if trouble else Factor(lower, scale)


class _Here(NamedTuple):
    """A point of the iteration and what was found there."""

    point: Floats
    value: float
    gradient: Floats
    information: Floats
    iteration: int
    certify: bool = True

    def stop(
        self,
        reason: str,
        factor: Factor | None = None,
        step: Floats | None = None,
        *,
        converged: bool = False,
    ) -> Optimum:
        """Return the optimum, with what was measured at it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.sqrt(self.information.diagonal())
            relative = float(np.max(np.abs(self.gradient) / deviation, initial=0.0))
        condition = math.inf
        if factor is not None and self.certify:
            inverse = factor.into_inverse()
            condition = factor.condition(self.information, inverse)
        else:
            inverse = np.full_like(self.information, np.nan)
        decrement = math.inf if step is None else _length(self.gradient, step)
        if step is None:
            step = np.full(len(self.point), np.nan)
        measured = Certificate(relative, decrement, condition, self.iteration, reason)
        # the step is known, and shorter than the precision: taking it costs nothing
        point = self.point + step if converged else self.point
        return Optimum(point, self.value, self.information, inverse, step, converged, measured)
