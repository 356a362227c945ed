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
    Values,
    added,
    no_spread,
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
    def of(cls, values: Values) -> Normal:
        """Return the sums of values."""
        mean, variance = values.moments()
        return cls(mean, variance, values.n, -0.5 * values.n * _LOG_2PI, values.first)

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood without `constant`, its gradient and information."""
        loc, log_scale = point.tolist()
        n, far, precision = self.n, self.mean - loc, math.exp(-2.0 * log_scale)
        square = self.variance + far * far
        value = -n * (log_scale + 0.5 * square * precision)
        gradient = np.array([n * far * precision, n * (square * precision - 1.0)])
        cross = 2.0 * n * far * precision
        information = np.array([[n * precision, cross], [cross, 2.0 * n * square * precision]])
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
    def of(cls, values: Values) -> Lognormal:
        """Return the sums of positive values."""
        unit, n, logs, at = values.unit, values.n, np.empty(len(values.x)), 0
        for block, _ in values.blocks():
            np.log(block / unit, out=logs[at : at + len(block)])
            at += len(block)
        held = values._replace(x=logs, origin=0.0, unit=1.0, total=float(logs.sum()))
        mean, variance = held.moments()
        if variance < NEAR**2:  # logarithms of close values keep their digits as differences
            middle = unit * math.exp(mean)

            def moments(block: Floats) -> tuple[Floats, Floats]:
                apart = (block - middle) / middle
                logs = np.log1p(apart) if abs(apart).max() < NEAR else np.log(block / middle)
                return logs, logs * logs

            first, second = (total / n for total in values.sums_of(moments))
            mean, variance = mean + first, second - first * first
        normal = Normal(mean, variance, n, -0.5 * n * _LOG_2PI, 0.0)
        return cls(normal, normal.constant - n * normal.mean, values.first)

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
    def of(cls, values: Values) -> Exponential:
        """Return the sums of values from 0 on."""
        return cls(values.mean() / values.unit, values.n)

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
    values: Floats  # in rising order, if they have weights
    weights: Floats | None
    n: float
    constant: float
    first: float

    @classmethod
    def of(cls, values: Values) -> Laplace:
        """Return the values."""
        x, origin, unit, weights, n, _, _ = values
        if weights is not None:
            order = np.argsort(x)
            x, weights = x[order], weights[order]
        return cls((x - origin) / unit, weights, n, -n * math.log(2.0), values.first)

    def _distances(self, loc: float) -> tuple[float, float]:
        """Return the mean distance from a value, and how many more lie above it than below."""
        apart, weights = self.values - loc, self.weights
        if weights is None:
            above, below = (float(np.count_nonzero(side)) for side in (apart > 0, apart < 0))
        else:
            above, below = (float(weights[side].sum()) for side in (apart > 0, apart < 0))
        more, at = above - below, self.n - (above + below)
        # at a value any slope between those of its sides is one; 0 where there is a choice
        distance = added(np.abs(apart, out=apart), weights) / self.n
        return distance, more if abs(more) > at else 0.0

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
            ordered = self.values
            if self.weights is None:
                low, high = (len(ordered) - 1) // 2, len(ordered) // 2
                ordered = np.partition(ordered, (low, high))
            else:
                upto = self.weights.cumsum()
                low, high = (int(np.searchsorted(upto, self.n / 2, s)) for s in ("left", "right"))
            loc = float(ordered[low] + ordered[high]) / 2
        distance, _ = self._distances(loc)
        if free[1] and not distance:
            raise no_spread("laplace", self.first, "scale goes to 0")
        return np.array([loc, math.log(distance) if free[1] else 0.0])
