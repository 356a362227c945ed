"""The quadratic lasso: minimise ½ bᵀHb - cᵀb + Σ l₁ⱼ |bⱼ| for a matrix that fits in memory.

An active-set method: solve for the coefficients that are not 0 with their signs held, let those
whose sign turns stop at 0, and bring in those whose gradient exceeds their penalty, many at a time.
Every step lowers the objective; where the many-at-a-time step does not, single coordinates are
minimised one after the other (Lee, Battle, Raina and Ng 2007, section 3, one at a time).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Floats

_BOLD = 50  # rounds in which many coefficients may come in at once
_ROUNDS = 300
_SINGULAR = 1e-10  # relative pivots: below, columns are dependent as far as a float can tell
_PROXIMAL = 1e-8  # of the diagonal, what is then added to it; later rounds take it out again
_SLACK = 1e-12
_NO_GAIN = 1e-15  # of the value
_PATIENCE = 20  # rounds that lower nothing but may still bring a gradient nearer to 0
_TINY = 1e-300


def minimise(
    hessian: Floats, linear: Floats, l1: Floats, start: Floats, tolerance: Floats
) -> Floats:
    """Return the minimiser of ½ bᵀHb - cᵀb + Σ l₁ⱼ |bⱼ|.

    Parameters
    ----------
    hessian : array of shape (m, m)
        H, positive semi-definite, an L2 penalty on its diagonal.
    linear : array of shape (m,)
        c.
    l1 : array of shape (m,)
        The L1 penalty of each coefficient; where it is 0 the coefficient is free.
    start : array of shape (m,)
        Where to begin.
    tolerance : array of shape (m,)
        By how much the gradient of each coefficient may violate its condition.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.likelihood.penalties.quadratic import minimise
    >>> minimise(np.eye(2), np.array([3.0, 0.5]), np.ones(2), np.zeros(2), np.full(2, 1e-12))
    array([2., 0.])
    """
    b = start.copy()
    scale = np.sqrt(np.maximum(hessian.diagonal(), _TINY))
    gradient = linear - hessian @ b  # downhill
    most = len(b)
    lowest, idle = np.inf, 0
    for round_ in range(_ROUNDS):
        inactive = (b == 0) & (l1 > 0)
        excess = np.where(inactive, np.abs(gradient) - l1, 0.0)
        new = np.flatnonzero(excess > tolerance)
        sign = np.where(inactive, np.sign(gradient), np.sign(b))
        residual = gradient - l1 * sign
        held = ~inactive
        still = bool((np.abs(residual[held]) <= tolerance[held]).all())
        if still and not len(new):
            break
        value = float((l1 * np.abs(b)).sum()) - 0.5 * float(b @ (linear + gradient))
        idle = idle + 1 if round_ > _BOLD and value > lowest - _NO_GAIN * abs(value) else 0
        lowest = min(lowest, value)
        if idle > _PATIENCE:
            break  # rounding is all that is left
        if round_ > _BOLD:  # one at a time, from one minimum to a lower one: this must end
            most, new = 1, new if still else new[:0]
        if len(new) > most:
            new = new[np.argsort(-(excess / scale)[new])[:most]]
        active = np.union1d(np.flatnonzero(held), new)
        step = np.zeros_like(b)
        step[active] = _newton_step(hessian[np.ix_(active, active)], residual[active])
        moved, whole = _descend(b, step, sign, gradient, hessian, l1)
        # where many at a time do not lower the objective, fewer will: a single one always does
        most = 2 * most if whole else max(1, len(new) // 4)
        if moved is None and len(new) <= 1:
            moved = _sweep(hessian, gradient, l1, b, active)
            if moved is None:
                break  # no coordinate improves: the minimum up to rounding
        if moved is not None:
            b = moved
            gradient = linear - hessian @ b
    return b


def _newton_step(hessian: Floats, gradient: Floats) -> Floats:
    """Solve H d = g, overwriting H; a singular H gets a little added to its diagonal."""
    from scipy.linalg.lapack import dpotrf, dpotrs

    diagonal = hessian.diagonal()
    scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    hessian *= scale
    hessian *= scale[:, None]
    extra = _PROXIMAL
    lower, trouble = dpotrf(hessian.T, lower=1)
    while trouble or (lower.diagonal() ** 2).min(initial=1.0) < _SINGULAR:
        hessian[np.diag_indices_from(hessian)] += extra
        lower, trouble = dpotrf(hessian.T, lower=1)
        extra *= 100.0
    solution, _ = dpotrs(lower, gradient * scale, lower=1)
    result: Floats = solution * scale
    return result


def _descend(
    b: Floats, step: Floats, sign: Floats, gradient: Floats, hessian: Floats, l1: Floats
) -> tuple[Floats | None, bool]:
    """Return a lower point on the way, if there is one, and whether the step went all the way.

    The point is the end, with coefficients whose sign would turn at 0, or the best before it.
    """
    end = b + step
    turned = (sign * end < 0) & (l1 > 0)
    if not turned.any():
        return end, True
    cut = np.where(turned, 0.0, end)
    if _change(cut - b, b, gradient, hessian, l1) < 0:
        return cut, True
    along = hessian @ step
    curvature, slope = float(step @ along), -float(gradient @ step)
    moving = step != 0
    slope += float((l1 * np.where(b != 0, np.sign(b), np.sign(step)) * step)[moving].sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.where(b * step < 0, -b / step, np.inf)
    reached = 0.0
    for j in np.argsort(crossing):  # the slope grows on the way and jumps where a sign turns
        best = -slope / curvature if curvature > 0 else np.inf
        if best <= crossing[j] or crossing[j] >= 1.0:
            reached = min(best, 1.0)
            break
        reached = crossing[j]
        slope += 2.0 * l1[j] * abs(step[j])
        if slope + curvature * reached >= 0:
            break
    if reached <= 0:
        return None, False
    moved = b + reached * step
    moved[np.isclose(crossing, reached, rtol=1e-14, atol=0.0)] = 0.0
    lower = _change(moved - b, b, gradient, hessian, l1) < 0
    return moved if lower else None, False


def _change(step: Floats, b: Floats, gradient: Floats, hessian: Floats, l1: Floats) -> float:
    """Return by how much the objective changes."""
    penalty = float(l1 @ (np.abs(b + step) - np.abs(b)))
    return 0.5 * float(step @ (hessian @ step)) - float(gradient @ step) + penalty


def _sweep(
    hessian: Floats, gradient: Floats, l1: Floats, b: Floats, active: NDArray[np.int64]
) -> Floats | None:
    """Minimise over one coordinate after the other; None if none moves beyond rounding."""
    b, gradient = b.copy(), gradient.copy()
    any_moved = False
    for j in active:
        own = hessian[j, j]
        if own <= 0:
            continue
        wanted = gradient[j] + own * b[j]
        new = np.sign(wanted) * max(abs(wanted) - l1[j], 0.0) / own
        change = new - b[j]
        if abs(change) > _SLACK * abs(b[j]):
            gradient -= change * hessian[j]
            b[j] = new
            any_moved = True
    return b if any_moved else None
