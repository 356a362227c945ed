"""Newton's method for one or two coordinates, in plain numbers: sums that begin near their maximum.

Arrays of two numbers cost more than what is computed with them. Here is no line search: each step
must bring the maximum nearer, and where one does not, the answer is left to `newton.maximise`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from estkit.likelihood.family import Floats, Sums
from estkit.likelihood.newton import PRECISION, Certificate, Optimum

_STEPS = 12
_TRUSTED = 1e-6  # standard errors: so near, a step that gains nothing meets rounding
_DEPENDENT = 1e-6  # of 1: what the squared correlation may leave before digits are lost


def ascend(total: Callable[[Floats], Sums], begin: Floats) -> Optimum | None:
    """Return the maximum that Newton's steps lead to, or None if they do not.

    Parameters
    ----------
    total : callable
        Takes a point; returns the log-likelihood, its gradient and information.
    begin : array of shape (1,) or (2,)
        A point near the maximum.
    """
    v, previous = begin.tolist(), math.inf
    for iteration in range(_STEPS):
        value, gradient, information = total(np.array(v))
        assert information is not None
        if len(v) == 1:
            found = _one(gradient.tolist()[0], information.tolist()[0][0])
        else:
            first, second = gradient.tolist()
            found = _two(first, second, information.tolist())
        if found is None:
            return None
        step, relative, squared, inverse, condition = found
        decrement = math.sqrt(squared) if squared > 0.0 else 0.0
        reason = ""
        if decrement <= PRECISION:
            reason = "the Newton decrement is at its target"
        elif decrement <= _TRUSTED and decrement >= 0.5 * previous:
            reason = "the Newton decrement is at the level of rounding"
        elif not decrement < previous:
            return None
        v = [a + b for a, b in zip(v, step, strict=True)]
        if reason:
            measured = Certificate(relative, decrement, condition, iteration, reason)
            inverted = np.array(inverse)
            return Optimum(
                np.array(v), value, information, inverted, np.array(step), True, measured
            )
        previous = decrement
    return None


_Found = tuple[list[float], float, float, list[list[float]], float]


def _one(slope: float, curve: float) -> _Found | None:
    """Return the step, the relative gradient, the squared decrement, the inverse, the condition."""
    if not 0.0 < curve < math.inf:
        return None
    step = slope / curve
    return [step], abs(slope) / math.sqrt(curve), slope * step, [[1.0 / curve]], 1.0


def _two(first: float, second: float, information: list[list[float]]) -> _Found | None:
    (along, across), (_, other) = information
    if not (0.0 < along < math.inf and 0.0 < other < math.inf):
        return None
    s, t = 1.0 / math.sqrt(along), 1.0 / math.sqrt(other)
    g, h, r = first * s, second * t, across * s * t
    rest = (1.0 - r) * (1.0 + r)
    if not rest > _DEPENDENT:
        return None
    a, b = (g - r * h) / rest, (h - r * g) / rest
    mixed = -r * s * t / rest
    inverse = [[s * s / rest, mixed], [mixed, t * t / rest]]
    condition = (1.0 + abs(r)) / (1.0 - abs(r))
    return [s * a, t * b], max(abs(g), abs(h)), g * a + h * b, inverse, condition
