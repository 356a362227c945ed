"""Complete samples of location and scale laws as the few sums that their likelihoods are made of.

Each class is the log-likelihood of data that were divided by a unit, in coordinates of its own in
which it is nearly quadratic; ``mixing`` takes these to the lines of the parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from estkit.errors import FitError
from estkit.likelihood.distribution.laws.sums import (
    NEAR,
    NO_SPREAD,
    mean_log,
    mean_of,
    no_spread,
    sums_of,
)
from estkit.likelihood.family import Floats, Sums

_LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, eq=False)
class Normal:
    """Mean and variance; coordinates loc and log scale."""

    names: ClassVar = ("loc", "scale")
    mixing: ClassVar = None
    mean: float
    variance: float
    n: float
    constant: float
    first: float

    @classmethod
    def of(cls, x: Floats, origin: float, unit: float, weights: Floats | None, n: float) -> Normal:
        """Return the sums of values."""
        near = mean_of(x, origin, weights, n)

        def moments(values: Floats) -> tuple[Floats, Floats]:
            apart = (values - near) / unit
            return apart, apart * apart

        first, second = (total / n for total in sums_of(moments, x, origin, weights))
        mean, variance = near / unit + first, second - first * first
        return cls(mean, variance, n, -0.5 * n * _LOG_2PI, float(x[0]))

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood without `constant`, its gradient and information."""
        far, precision = self.mean - point[0], math.exp(-2.0 * point[1])
        square = self.variance + far * far
        value = -self.n * (point[1] + 0.5 * square * precision)
        gradient = self.n * np.array([far * precision, square * precision - 1.0])
        cross = 2.0 * far * precision
        information = self.n * np.array([[precision, cross], [cross, 2.0 * square * precision]])
        return Sums(value, gradient, information)

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return the maximum."""
        loc = self.mean if free[0] else float(base[0])
        square = self.variance + (self.mean - loc) ** 2
        if free[1] and square <= NO_SPREAD * (1.0 + self.mean**2):
            raise no_spread("norm", self.first, "scale goes to 0")
        return np.array([loc, 0.5 * math.log(square) if free[1] else 0.0])


@dataclass(frozen=True, eq=False)
class Lognormal:
    """A normal sample of logarithms; coordinates log s and log scale."""

    names: ClassVar = ("s", "scale")
    mixing: ClassVar = None
    logs: Normal
    constant: float
    first: float

    @classmethod
    def of(
        cls, x: Floats, origin: float, unit: float, weights: Floats | None, n: float
    ) -> Lognormal:
        """Return the sums of positive values."""
        mean = mean_log(x, origin, unit, weights, n)
        middle = unit * math.exp(mean)  # so that logarithms of close values keep their digits

        def moments(values: Floats) -> tuple[Floats, Floats]:
            apart = (values - middle) / middle
            logs = np.log1p(apart) if abs(apart).max() < NEAR else np.log(values / middle)
            return logs, logs * logs

        first, second = (total / n for total in sums_of(moments, x, origin, weights))
        normal = Normal(mean + first, second - first * first, n, -0.5 * n * _LOG_2PI, 0.0)
        return cls(normal, normal.constant - n * normal.mean, float(x[0]))

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood without `constant`, its gradient and information."""
        sums = self.logs.total(point[::-1])
        assert sums.information is not None
        return Sums(sums.loglik, sums.gradient[::-1], sums.information[::-1, ::-1])

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return the maximum."""
        try:
            return self.logs.begin(free[::-1], base[::-1])[::-1]
        except FitError:
            raise no_spread("lognorm", self.first, "s goes to 0") from None


@dataclass(frozen=True, eq=False)
class Exponential:
    """The mean; coordinate log scale."""

    names: ClassVar = ("scale",)
    mixing: ClassVar = None
    mean: float
    n: float
    constant: float = 0.0

    @classmethod
    def of(
        cls, x: Floats, origin: float, unit: float, weights: Floats | None, n: float
    ) -> Exponential:
        """Return the sums of values from 0 on."""
        return cls(mean_of(x, origin, weights, n) / unit, n)

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood, its gradient and information."""
        part = self.n * self.mean * math.exp(-point[0])
        return Sums(-self.n * point[0] - part, np.array([part - self.n]), np.array([[part]]))

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return the maximum."""
        if self.mean == 0.0:
            raise no_spread("expon", 0.0, "scale goes to 0")
        return np.array([math.log(self.mean)])


@dataclass(frozen=True, eq=False)
class Laplace:
    """Distances from the median; coordinates loc and log scale.

    The log-likelihood has a corner at each value. Its curvature in loc is taken to be the expected
    one, n / scale², which is also what the variance of the median tends to.
    """

    names: ClassVar = ("loc", "scale")
    mixing: ClassVar = None
    values: Floats  # in rising order
    weights: Floats | None
    n: float
    constant: float
    first: float

    @classmethod
    def of(cls, x: Floats, origin: float, unit: float, weights: Floats | None, n: float) -> Laplace:
        """Return the values in order."""
        order = np.argsort(x)
        ordered = None if weights is None else weights[order]
        return cls((x[order] - origin) / unit, ordered, n, -n * math.log(2.0), float(x[0]))

    def _distances(self, loc: float) -> tuple[float, float]:
        """Return the mean distance from a value, and how many more lie above it than below."""
        apart = self.values - loc
        times = 1.0 if self.weights is None else self.weights
        above, below = ((side * times).sum() for side in (apart > 0, apart < 0))
        more = float(above - below)
        at = self.n - float(above + below)
        # at a value any slope between those of its sides is one; 0 where there is a choice
        return float((np.abs(apart) * times).sum()) / self.n, more if abs(more) > at else 0.0

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood without `constant`, its gradient and information."""
        precision = math.exp(-point[1])
        distance, more = self._distances(float(point[0]))
        gradient = np.array([more * precision, self.n * (distance * precision - 1.0)])
        along = self.n * np.array([precision * precision, distance * precision])
        return Sums(-self.n * (point[1] + distance * precision), gradient, np.diag(along))

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return the median, in the middle if there are two, and the mean distance from it."""
        loc = float(base[0])
        if free[0]:
            upto = np.arange(1.0, self.n + 1) if self.weights is None else self.weights.cumsum()
            low, high = (np.searchsorted(upto, self.n / 2, side) for side in ("left", "right"))
            loc = float(self.values[low] + self.values[high]) / 2
        distance, _ = self._distances(loc)
        if free[1] and not distance:
            raise no_spread("laplace", self.first, "scale goes to 0")
        return np.array([loc, math.log(distance) if free[1] else 0.0])
