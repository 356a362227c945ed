"""Where a measure crosses a target: a line through a few evaluations near by, and its error.

On the right scales - the probit of a power against √n, logarithms of an RMSE and of n - a measure
is nearly straight near the target, so a line through evaluations on both sides of it has hardly any
bias, and its crossing rests on all their replicates. The evaluations must be independent: what they
have in common would move the whole line, and no number of them would average it out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from estkit.montecarlo.measures import MEASURES, Floats, Measure

_POSITIVE = (
    "empirical_variance", "empirical_se", "precision", "mse", "rmse", "relative_rmse", "mae",
    "model_se", "mean_model_se", "interval_width",
)  # fmt: skip


class Scale(NamedTuple):
    """A monotone function, its derivative and its inverse."""

    to: Callable[[float], float]
    slope: Callable[[float], float]
    back: Callable[[float], float]


def _probit(rate: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(rate))


def _normal_probability(z: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(z))


def _probit_slope(rate: float) -> float:
    return math.sqrt(2 * math.pi) * math.exp(_probit(rate) ** 2 / 2)


PLAIN = Scale(lambda x: x, lambda x: 1.0, lambda z: z)
ROOT = Scale(math.sqrt, lambda x: 0.5 / math.sqrt(x), lambda z: max(z, 0.0) ** 2)
LOG = Scale(math.log, lambda x: 1 / x, lambda z: math.exp(min(z, 700.0)))
PROBIT = Scale(_probit, _probit_slope, _normal_probability)


def scale_of_measure(measure: Measure) -> Scale:
    """Return the scale on which a measure is nearly straight."""
    if measure.is_rate:
        return PROBIT
    return LOG if any(measure is MEASURES[name] for name in _POSITIVE) else PLAIN


def reach(scale: Scale, replicates: int) -> float:
    """Return how far evaluations may be from the target: the more replicates, the nearer.

    The slope must be seen above the noise, and the line must be straight. It is nan where the scale
    has no unit.
    """
    if scale is PROBIT:
        return min(max(12 / math.sqrt(replicates), 0.1), 0.5)
    return min(max(6 / math.sqrt(replicates), 0.05), 0.25) if scale is LOG else math.nan


def scale_of_entry(measure: Measure, *, whole: bool, least: float) -> Scale:
    """Return the scale of what is solved for: √ for numbers of things where a rate is wanted."""
    if measure.is_rate:
        return ROOT if whole and least >= 0 else PLAIN
    return LOG if least > 0 else PLAIN


class Seen(NamedTuple):
    """One evaluation of the measure.

    Parameters
    ----------
    at : float
        Where.
    value, mcse : float
        The measure there, and its Monte-Carlo standard error.
    used : int
        How many were used.
    stage : int
        The number of the random streams.
    """

    at: float
    value: float
    mcse: float
    used: int
    stage: int


class Line(NamedTuple):
    """A line through evaluations, on scales, and where it crosses the target.

    Parameters
    ----------
    root, error : float
        The crossing, on the scale of the entry, and its standard error.
    slope, slope_error : float
        Of the line.
    at : callable
        The height of the line at a place, on scales, and its standard error.
    """

    root: float
    error: float
    slope: float
    slope_error: float
    at: Callable[[float], tuple[float, float]]


def line_through(seen: Sequence[Seen], target: float, scale: Scale, entry: Scale) -> Line:
    """Return the line through independent evaluations.

    Parameters
    ----------
    seen : sequence of Seen
        The evaluations.
    target : float
        The value that is wanted.
    scale, entry : Scale
        Of the measure, and of what it is evaluated at.

    Examples
    --------
    >>> from estkit.montecarlo.crossing import PLAIN, Seen, line_through
    >>> seen = [Seen(at, at / 2, 0.1, 100, 0) for at in (1.0, 2.0, 3.0)]
    >>> line = line_through(seen, 1.0, PLAIN, PLAIN)
    >>> round(line.root, 12), round(line.error, 4)  # 0.1 / √3 / slope
    (2.0, 0.1155)
    """
    x = np.array([entry.to(each.at) for each in seen])
    y = np.array([height(each, scale) for each in seen])
    noise = np.array([uncertainty(each, scale) for each in seen])
    center, middle = float(x.mean()), float(y.mean())
    away = x - center
    share = away / float(away @ away)
    slope = float(share @ y)
    root = center + (scale.to(target) - middle) / slope if slope else math.nan
    each = np.full(len(seen), 1 / len(seen))

    def error(weights: Floats) -> float:
        return float(np.sqrt(np.sum((weights * noise) ** 2)))

    def at(place: float) -> tuple[float, float]:
        return middle + slope * (place - center), error(each + (place - center) * share)

    of_root = error(each + (root - center) * share) / abs(slope) if slope else math.nan
    return Line(root, of_root, slope, error(share), at)


def inner(seen: Seen, scale: Scale) -> float:
    """Return the measure, and for a rate of 0 or 1 what is a little inside."""
    if scale is not PROBIT:
        return seen.value
    return (seen.value * seen.used + 0.5) / (seen.used + 1)


def height(seen: Seen, scale: Scale) -> float:
    """Return the measure on its scale."""
    return scale.to(inner(seen, scale))


def uncertainty(seen: Seen, scale: Scale) -> float:
    """Return the standard error of the measure on its scale."""
    value, error = inner(seen, scale), seen.mcse
    if scale is PROBIT and not error > 0:
        error = math.sqrt(value * (1 - value) / seen.used)
    return abs(scale.slope(value)) * error
