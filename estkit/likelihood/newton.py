"""Newton's method: derivatives in, the optimum and the reason it stopped out; knows no statistics.

The iteration and its certificate do not depend on how the coordinates are scaled: the information
matrix is brought to a unit diagonal first, and progress is measured by the Newton decrement
(Boyd and Vandenberghe 2004, section 9.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# In units of standard errors: how far from the maximum the answer may be, and how far it may be when
# rounding lets it come no closer.
PRECISION = 1e-11
_ROUNDING = 1e-6
_HALVINGS = 40


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
        The condition number of the information matrix scaled to a unit diagonal.
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


def maximise(
    objective: Callable[[Floats], tuple[float, Floats, Floats]],
    start: Floats,
    *,
    unit: float = 1.0,
    max_iter: int = 100,
) -> Optimum:
    """Maximise a concave function from its value, gradient and negative Hessian.

    Parameters
    ----------
    objective : callable
        Takes a point; returns the value, the gradient and the negative Hessian there.
    start : array of shape (k,)
        Where to begin.
    unit : float
        The Newton decrement that counts as one standard error; 1 for a log-likelihood.
    max_iter : int
        The number of steps after which to give up, with ``converged=False`` and a reason.

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
    iteration = 0
    while True:
        inverse = _inverse(information)
        if inverse is None or not np.isfinite(value):
            found = "not positive definite" if np.isfinite(value) else f"{value} in value"
            reason = f"the information matrix is {found} after {iteration} steps"
            return _stop(point, value, gradient, information, None, iteration, False, reason)
        step = inverse @ gradient
        decrement = float(np.sqrt(max(0.0, gradient @ step)))
        if decrement <= PRECISION * unit:
            reason = "the Newton decrement is at its target"
            return _stop(point, value, gradient, information, inverse, iteration, True, reason)
        stalled = decrement >= 0.5 * previous
        if stalled and decrement <= _ROUNDING * unit:
            reason = "the Newton decrement is at the level of rounding"
            return _stop(point, value, gradient, information, inverse, iteration, True, reason)
        if iteration == max_iter:
            reason = f"the limit of {max_iter} iterations was reached"
            return _stop(point, value, gradient, information, inverse, iteration, False, reason)
        ahead = _ascend(objective, point, value, step, decrement)
        if ahead is None:
            reason = f"no step from iteration {iteration} raises the value"
            return _stop(point, value, gradient, information, inverse, iteration, False, reason)
        point, value, gradient, information = ahead
        previous = decrement
        iteration += 1


def _ascend(
    objective: Callable[[Floats], tuple[float, Floats, Floats]],
    point: Floats,
    value: float,
    step: Floats,
    decrement: float,
) -> tuple[Floats, float, Floats, Floats] | None:
    """Halve the step until the value rises as it should, up to rounding."""
    rounding = 1e-14 * abs(value)
    length = 1.0
    for _ in range(_HALVINGS):
        trial = point + length * step
        with np.errstate(over="ignore", invalid="ignore"):
            answer = objective(trial)
        if answer[0] >= value + 1e-4 * length * decrement**2 - rounding:
            return trial, *answer
        length /= 2
    return None


def _inverse(information: Floats) -> Floats | None:
    """Return the inverse of a positive definite matrix through its unit-diagonal form, or None."""
    diagonal = np.diag(information)
    if not (np.isfinite(information).all() and (diagonal > 0).all()):
        return None
    scale = 1.0 / np.sqrt(diagonal)
    try:
        lower = np.linalg.cholesky(information * np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return None
    half = np.linalg.solve(lower, np.diag(scale))
    inverse: Floats = half.T @ half
    return inverse


def _stop(
    point: Floats,
    value: float,
    gradient: Floats,
    information: Floats,
    inverse: Floats | None,
    iterations: int,
    converged: bool,
    reason: str,
) -> Optimum:
    missing = np.full_like(information, np.nan)
    known = missing if inverse is None else inverse
    step = known @ gradient
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(np.diag(information))
        relative = float(np.max(np.abs(gradient) / deviation, initial=0.0))
        scaled = information / np.outer(deviation, deviation)
    condition = np.inf
    if inverse is not None:
        spectrum = np.linalg.eigvalsh(scaled)
        condition = float(spectrum[-1] / spectrum[0]) if spectrum[0] > 0 else np.inf
    certificate = Certificate(
        relative_gradient=relative,
        newton_decrement=float(np.sqrt(max(0.0, gradient @ step)))
        if inverse is not None
        else np.inf,
        condition=condition,
        iterations=iterations,
        reason=reason,
    )
    return Optimum(point, value, information, known, step, converged, certificate)
