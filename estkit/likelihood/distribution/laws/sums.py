"""Sums over the values of a sample, block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from estkit.errors import FitError
from estkit.likelihood.family import Floats

_BLOCK = 8192  # values whose temporaries stay in the cache
_CLOSE_BY = 0.1  # a mean logarithm that has lost digits when it is a difference
CLOSE = 1e-5  # values so close to each other that their logarithms need the difference
NO_SPREAD = 1e-30  # what rounding leaves of the squared spread of equal values, relative
NEAR = 0.1  # relative: values for whose logarithms the difference is exact enough


def blocks(x: Floats, origin: float, weights: Floats | None) -> Iterator[tuple[Floats, Any]]:
    """Yield values less the origin, and their weights, in blocks that stay in the cache."""
    for first in range(0, len(x), _BLOCK):
        part = x[first : first + _BLOCK]
        weight = None if weights is None else weights[first : first + _BLOCK]
        yield (part - origin if origin else part), weight


def added(values: Floats, weight: Floats | None) -> float:
    """Return a weighted sum; unlike ``@`` it starts no threads."""
    return float(values.sum() if weight is None else (values * weight).sum())


def sums_of(
    function: Callable[[Floats], Sequence[Floats]],
    x: Floats,
    origin: float,
    weights: Floats | None,
) -> list[float]:
    """Return the weighted sums of functions of the values."""
    parts = [
        [added(values, weight) for values in function(block)]
        for block, weight in blocks(x, origin, weights)
    ]
    return [math.fsum(column) for column in zip(*parts, strict=True)]


def mean_of(x: Floats, origin: float, weights: Floats | None, n: float) -> float:
    """Return the mean."""
    if weights is None and not origin:
        return float(x.sum()) / n
    return sums_of(lambda v: [v], x, origin, weights)[0] / n


def mean_log(x: Floats, origin: float, unit: float, weights: Floats | None, n: float) -> float:
    """Return the mean of log(x / unit), with the digits of values that lie close together."""
    level = sums_of(lambda v: [np.log(v)], x, origin, weights)[0] / n - math.log(unit)
    if abs(level) < _CLOSE_BY:
        level = sums_of(lambda v: [np.log(v / unit)], x, origin, weights)[0] / n
    if abs(level) < CLOSE:
        level = sums_of(lambda v: [np.log1p((v - unit) / unit)], x, origin, weights)[0] / n
    return level


def no_spread(law: str, value: float, parameter: str) -> FitError:
    """Return what to raise for values that are all equal."""
    return FitError(
        f"All values are {value:.12g}, so the likelihood of {law} grows without bound (its "
        f"supremum is infinite) as {parameter}: there is no maximum. Fix that parameter, "
        f"or pass the values as the intervals that they were rounded from, "
        f"ek.Censored(lower, upper)."
    )
