"""Profile-likelihood intervals: where the likelihood, maximised over the rest, has fallen enough.

The limits solve ``2 (max loglik - profile loglik(β)) = χ²`` by Newton's method on the signed
root of the left side, which is nearly linear in β; its slope comes for free from the score at the
constrained maximum (Venzon and Moolgavkar 1988).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from estkit.errors import ConvergenceError
from estkit.estimate import normal_quantile
from estkit.likelihood.constrained import Constrained, maximise_under

if TYPE_CHECKING:
    from estkit.likelihood.family import Floats
    from estkit.likelihood.model import Model

_STEPS = 60
_TOLERANCE = 1e-10  # in the log-likelihood
_PRECISION = 1e-5  # of the fits on the way: half its square is within the tolerance
_EDGE = 1e-12
_OUT, _LEVEL = 20.0, 1e-9  # so far out, a fall per doubling that a thousand more leave small
_FAR = 1e7  # standard errors from the estimate: the likelihood will fall no more


def profile_limits(
    model: Model, point: Floats, loglik: float, covariance: Floats, level: float
) -> Floats:
    """Return lower and upper limits of every outside parameter, of shape (k, 2).

    Parameters
    ----------
    model : Model
        The likelihood and its data.
    point : array of shape (k,)
        The maximum, inside.
    loglik : float
        The log-likelihood there.
    covariance : array of shape (k, k)
        The inverse information there.
    level : float
        The confidence level.
    """
    return np.array(
        [
            limits_of(model, point, loglik, covariance, level, index)
            for index in range(len(model.names))
        ]
    ).reshape(-1, 2)


def limits_of(
    model: Model, point: Floats, loglik: float, covariance: Floats, level: float, index: int
) -> list[float]:
    """Return the lower and upper limit of one outside parameter."""
    row, outward, _ = model.coordinate(index)
    size = float(np.abs(row).max())  # its square may be no float
    variance = float((row / size) @ covariance @ (row / size))
    error = size * math.sqrt(variance)
    # of the profile, as its parameter grows
    direction = covariance @ (row / size) / variance / size
    ends = []
    for sign in (-1.0, 1.0):
        distance = _distance(model, row, point, direction, loglik, sign, error, level)
        ends.append(outward(float(row @ point) + sign * distance))
    return sorted(ends)  # a falling transform swaps them


def _distance(
    model: Model,
    contrast: Floats,
    inside: Floats,
    direction: Floats,
    loglik: float,
    sign: float,
    error: float,
    level: float,
) -> float:
    """Return how far from the estimate the limit on one side lies; infinity if there is none."""
    wanted = normal_quantile(level)
    distance = wanted * error
    begin = inside + sign * distance * direction
    center = float(contrast @ inside)
    below, above, last, fallen = 0.0, math.inf, inside, 0.0
    for _ in range(_STEPS):
        target = np.array([center + sign * distance])
        try:
            found = maximise_under(model, contrast[None], target, begin, precision=_PRECISION)
        except ConvergenceError:  # the parabola led astray
            found = maximise_under(model, contrast[None], target, last, precision=_PRECISION)
        last = found.point
        fall = loglik - found.loglik
        if abs(fall - wanted**2 / 2) <= _TOLERANCE * max(1.0, wanted**2 / 2):
            return distance
        if fall < wanted**2 / 2:
            if distance >= 2.0 * below > _OUT * error and fall - fallen < _LEVEL:
                return math.inf
            below, fallen = distance, fall
        else:
            above = distance
        if below > _FAR * error:
            return math.inf
        if above < math.inf and above - below <= _EDGE * above:
            return below  # the region of the parameters ends before the fall
        reached = distance
        distance = _next(distance, fall, slope_of(found, contrast, sign), wanted, below, above)
        begin = _predicted(inside, sign * direction, found.point, reached, distance)
    raise ConvergenceError("A profile limit was not found; ask for the Wald interval instead.")


def _predicted(
    inside: Floats, direction: Floats, point: Floats, reached: float, distance: float
) -> Floats:
    """Return where the profile goes on: a parabola from the estimate through the last point."""
    if not 0.5 <= distance / reached <= 2.0:
        return point
    bend = point - inside - reached * direction
    return inside + distance * direction + (distance / reached) ** 2 * bend


def slope_of(found: Constrained, contrast: Floats, sign: float) -> float:
    """Return how fast the profile log-likelihood falls with the distance."""
    size = float(np.abs(contrast).max())  # its square may be no float
    scaled = contrast / size
    return -sign * float(found.score @ scaled) / float(scaled @ scaled) / size


def _next(
    distance: float, fall: float, slope: float, wanted: float, below: float, above: float
) -> float:
    """Return the next distance: a Newton step on the root of the fall, kept inside the bracket."""
    root = math.sqrt(max(2.0 * fall, 0.0))
    proposed = distance + (wanted - root) * root / slope if slope > 0 and root > 0 else math.inf
    if below < proposed < above and proposed < 10 * distance:
        return proposed
    return 2.0 * distance if math.isinf(above) else (below + above) / 2
