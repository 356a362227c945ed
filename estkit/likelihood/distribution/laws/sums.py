"""Sums over the values of a sample, block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from estkit.errors import FitError
from estkit.likelihood.family import Floats

_BLOCK = 8192  # values whose temporaries stay in the cache, and whose products start no threads
_CLOSE_BY = 0.1  # a mean logarithm that has lost digits when it is a difference
CLOSE = 1e-5  # values so close to each other that their logarithms need the difference
NO_SPREAD = 1e-30  # what rounding leaves of the squared spread of equal values, relative
NEAR = 0.1  # relative: values for whose logarithms the difference is exact enough
_TOGETHER = 8  # values whose product is taken
_MULTIPLIED = 1e35  # they must lie above its inverse
_SQUARED = 1e100  # units beyond this and its inverse are divided by before squares are taken


class Values(NamedTuple):
    """A complete sample, and where it is looked at from.

    Parameters
    ----------
    x : array of shape (n,)
        The values as they were given.
    origin, unit : float
        They enter the likelihood as (x - origin) / unit.
    weights : array of shape (n,), optional
        How often each was observed.
    n : float
        The number of observations.
    total : float
        The sum of `x` without weights.
    least : float
        The smallest value.
    """

    x: Floats
    origin: float
    unit: float
    weights: Floats | None
    n: float
    total: float
    least: float

    @property
    def first(self) -> float:
        """The first value, to be quoted."""
        return float(self.x[0])

    def blocks(self) -> Iterator[tuple[Floats, Any]]:
        """Yield values less the origin, and their weights."""
        return blocks(self.x, self.origin, self.weights)

    def sums_of(self, function: Callable[[Floats], Sequence[Floats]]) -> list[float]:
        """Return the weighted sums of functions of the values less the origin."""
        parts = [
            [added(values, weight) for values in function(block)] for block, weight in self.blocks()
        ]
        return [math.fsum(column) for column in zip(*parts, strict=True)]

    def mean(self) -> float:
        """Return the mean less the origin."""
        if self.weights is None and not self.origin:
            return self.total / self.n
        return self.sums_of(lambda v: [v])[0] / self.n

    def mean_log(self, unit: float) -> float:
        """Return the mean of log(x / unit), with the digits of values that lie close together."""
        total = None if self.weights is not None or self.origin else log_product(self.x, self.least)
        if total is None:
            total = self.sums_of(lambda v: [np.log(v)])[0]
        level = total / self.n - math.log(unit)
        if abs(level) < _CLOSE_BY:
            level = self.sums_of(lambda v: [np.log(v / unit)])[0] / self.n
        if abs(level) < CLOSE:
            level = self.sums_of(lambda v: [np.log1p((v - unit) / unit)])[0] / self.n
        return level

    def moments(self) -> tuple[float, float]:
        """Return mean and variance of (x - origin) / unit, in one pass about a point near by."""
        near = self.total / len(self.x)
        if self.weights is not None or not math.isfinite(near):
            near = self.origin + self.mean()
        n, unit, total, squares = self.n, self.unit, 0.0, 0.0
        plain = 1.0 / _SQUARED < unit < _SQUARED
        for apart, weight in blocks(self.x, near, self.weights):
            if not plain:
                apart = apart / unit
            total += added(apart, weight)
            squares += float(apart @ apart if weight is None else apart @ (weight * apart))
        first, second = total / n, squares / n
        if plain:
            first, second = first / unit, second / unit / unit
        return (near - self.origin) / unit + first, max(0.0, second - first * first)


def blocks(x: Floats, origin: float, weights: Floats | None) -> Iterator[tuple[Floats, Any]]:
    """Yield values less the origin, and their weights, in blocks that stay in the cache."""
    for first in range(0, len(x), _BLOCK):
        part = x[first : first + _BLOCK]
        weight = None if weights is None else weights[first : first + _BLOCK]
        yield (part - origin if origin else part), weight


def added(values: Floats, weight: Floats | None) -> float:
    """Return a weighted sum."""
    return float(values.sum() if weight is None else (values * weight).sum())


def log_product(x: Floats, least: float) -> float | None:
    """Return the sum of the logarithms of values, as logarithms of products of eight of them.

    A product is a tenth of the work of a logarithm, and its rounding is below that of one. Values
    so large that a product overflows, or so small or negative that it might not be one, give None.
    """
    if not least > 1.0 / _MULTIPLIED:
        return None
    whole = len(x) - len(x) % _TOGETHER
    with np.errstate(over="ignore"):
        products = np.multiply.reduce(x[:whole].reshape(_TOGETHER, -1), axis=0)
    total = float(np.log(products).sum()) + math.fsum(map(math.log, x[whole:].tolist()))
    return total if total < math.inf else None


def no_spread(law: str, value: float, parameter: str) -> FitError:
    """Return what to raise for values that are all equal."""
    return FitError(
        f"All values are {value:.12g}, so the likelihood of {law} grows without bound (its "
        f"supremum is infinite) as {parameter}: there is no maximum. Fix that parameter, "
        f"or pass the values as the intervals that they were rounded from, "
        f"ek.Censored(lower, upper)."
    )
