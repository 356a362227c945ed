"""Complete samples of laws with shapes as the few sums that their likelihoods are made of.

As in ``location_scale.py``: coordinates of its own for each class, and ``mixing`` to those of the
parameters, which are logarithms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from estkit.likelihood.distribution.laws.sums import (
    CLOSE,
    NEAR,
    NO_SPREAD,
    Values,
    added,
    blocks,
    no_spread,
)
from estkit.likelihood.family import Floats, Sums

_LARGE = 30.0  # a shape from which differences with the logarithm lose more than the series do
_ENOUGH = 15.0  # a shape from which the asymptotic series have all digits
_SETTLED = 1e-4  # relative: a step whose square, which is what it leaves, is below the certificate
_LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, eq=False)
class Gamma:
    """Mean and mean logarithm; coordinates log a and log mean, which are orthogonal."""

    names: ClassVar = ("a", "scale")
    mixing: ClassVar = np.array([[1.0, 0.0], [-1.0, 1.0]])
    mean: float
    gap: float  # log(mean) - mean(log)
    n: float
    constant: float
    first: float

    @classmethod
    def of(cls, values: Values) -> Gamma:
        """Return the sums of positive values."""
        n, mean = values.n, values.mean()
        level = values.mean_log(mean)
        if -level < CLOSE:  # what is left when the mean itself is taken out

            def gap(block: Floats) -> list[Floats]:
                apart = (block - mean) / mean
                return [np.log1p(apart) - apart]

            level = values.sums_of(gap)[0] / n
        mean /= values.unit
        return cls(mean, max(0.0, -level), n, -n * (level + math.log(mean)), values.first)

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood without `constant`, its gradient and information."""
        a, w = math.exp(min(point[0], 700.0)), float(point[1]) - math.log(self.mean)
        moved = math.expm1(min(-w, 700.0))
        lost = self.gap + moved + w
        value, slope, curve = stirling(a)
        n = self.n
        first = a * (slope - lost)
        gradient = np.array([n * first, n * a * moved])
        across = -n * a * moved
        information = np.array(
            [[-n * (first + a * a * curve), across], [across, n * a * (moved + 1.0)]]
        )
        return Sums(n * (value - a * lost), gradient, information)

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return the maximum if both are free, else a point nearby."""
        log_mean = math.log(self.mean)
        if self.gap <= NO_SPREAD and all(free):
            raise no_spread("gamma", self.first, "a goes to infinity")
        if not all(free):
            a = math.exp(float(base[0])) if free[1] else self.mean
            return np.array([math.log(a), log_mean])
        s = self.gap
        a = (3.0 - s + math.sqrt((s - 3.0) ** 2 + 24.0 * s)) / (12.0 * s)  # Minka (2002)
        for _ in range(4):
            before, (_, slope, curve) = a, stirling(a)
            a = 1.0 / (1.0 / a + (slope - s) / (a * a * curve))
            if abs(a - before) <= _SETTLED * a:
                break
        return np.array([math.log(a), log_mean])


def stirling(a: float) -> tuple[float, float, float]:
    """Return a log a - a - log Γ(a) and its first two derivatives, without cancellation.

    For a large the Stirling series (Abramowitz and Stegun 1964, 6.1.41, 6.3.18, 6.4.12), for others
    the recurrences that lead there (6.3.6, 6.4.6).
    """
    z, rise, turn = a, 0.0, 0.0
    while z < _ENOUGH:
        part = 1.0 / z
        rise += part
        turn += part * part
        z += 1.0
    r = 1.0 / (z * z)
    slope = 0.5 / z + r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r * (1 / 240 - r / 132))))
    curve = -0.5 * r - r * (1 / 6 - r * (1 / 30 - r * (1 / 42 - r * (1 / 30 - r * 5 / 66)))) / z
    log_a = math.log(a)
    if a < _LARGE:
        value = a * log_a - a - math.lgamma(a)
        return value, log_a - math.log(z) + slope + rise, 1.0 / a - 1.0 / z + curve - turn
    value = (1 - r * (1 / 30 - r * (1 / 105 - r * (1 / 140 - r / 99)))) / (12 * a)
    return 0.5 * (log_a - _LOG_2PI) - value, slope, curve


@dataclass(frozen=True, eq=False)
class Weibull:
    """Powers of the values, summed anew for each shape; coordinates log c and log scale."""

    names: ClassVar = ("c", "scale")
    mixing: ClassVar = None
    logs: Floats  # of the values, the largest taken for 1
    weights: Floats | None
    mean: float
    top: float
    n: float
    constant: float
    first: float

    @classmethod
    def of(cls, values: Values) -> Weibull:
        """Return the logarithms of positive values."""
        top = float(values.x.max()) - values.origin
        logs, at = np.empty(len(values.x)), 0
        for block, _ in values.blocks():
            apart = (block - top) / top
            part = logs[at : at + len(block)]
            if apart.min() > -NEAR:
                np.log1p(apart, out=part)
            else:
                np.log(block / top, out=part)
            at += len(block)
        n, weights = values.n, values.weights
        mean = added(logs, weights) / n
        level = math.log(top / values.unit)
        return cls(logs, weights, mean, level, n, -n * (mean + level), values.first)

    def powers(self, c: float, logs: Floats, weights: Floats | None) -> tuple[float, float, float]:
        """Return the means of z^c, z^c log z and z^c log² z, the largest z being 1."""
        sums = np.zeros(3)
        for values, weight in blocks(logs, 0.0, weights):
            power = np.exp(c * values)
            if weight is not None:
                power *= weight
            sums[0] += power.sum()
            power *= values
            sums[1] += power.sum()
            power *= values
            sums[2] += power.sum()
        q0, q1, q2 = (sums / (len(logs) if weights is None else weights.sum())).tolist()
        return q0, q1, q2

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood without `constant`, its gradient and information."""
        c, s = math.exp(min(point[0], 700.0)), float(point[1]) - self.top
        q0, q1, q2 = self.powers(c, self.logs, self.weights)
        size = math.exp(min(-c * s, 700.0))
        q2 = size * (q2 - 2.0 * s * q1 + s * s * q0)  # about the scale
        q1 = size * (q1 - s * q0)
        q0 = size * q0
        n, level = self.n, c * (self.mean - s)
        first = 1.0 + level - c * q1
        gradient = n * np.array([first, c * q0 - c])
        across = n * (c - c * q0 - c * c * q1)
        along = n * (c * q1 + c * c * q2 - level)
        information = np.array([[along, across], [across, n * c * c * q0]])
        return Sums(n * (float(point[0]) + level - q0), gradient, information)

    def expected(self, point: Floats) -> Floats:
        """Return the expected information (of a Gumbel law of the logarithms)."""
        c = math.exp(float(point[0]))
        across = -c * (1.0 - float(np.euler_gamma))
        along = math.pi**2 / 6 + (1.0 - float(np.euler_gamma)) ** 2
        return self.n * np.array([[along, across], [across, c * c]])

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return the root of the profile score, found on some of the values first."""
        few = slice(None, None, max(1, len(self.logs) // 4096))
        spread = float(self.logs[few].std()) or float(self.logs.std())
        equal = spread <= 1e-15 * max(1.0, abs(self.mean))
        if equal and free[0] and (free[1] or abs(float(base[1]) - self.top) <= 1e-15):
            raise no_spread("weibull_min", self.first, "c goes to infinity")
        c = 1.0 if equal else math.pi / math.sqrt(6.0) / spread
        if all(free):
            some = None if self.weights is None else self.weights[few]
            if some is None or some.any():
                c = _weibull_shape(self, c, self.logs[few], some, 1e-6)
        q0 = self.powers(c, self.logs, self.weights)[0]
        return np.array([math.log(c), self.top + math.log(q0) / c])


def _weibull_shape(
    sums: Weibull, c: float, logs: Floats, weights: Floats | None, precision: float
) -> float:
    """Solve 1 / c + mean(log z) = mean(z^c log z) / mean(z^c); the difference falls with c."""
    mean = added(logs, weights) / (len(logs) if weights is None else float(weights.sum()))
    for _ in range(30):
        q0, q1, q2 = sums.powers(c, logs, weights)
        score = 1.0 / c + mean - q1 / q0
        slope = -1.0 / (c * c) - (q2 / q0 - (q1 / q0) ** 2)
        step = score / slope
        c = c - step if step < 0.9 * c else 0.1 * c
        if abs(step) <= precision * c or not math.isfinite(c):
            break
    return c


@dataclass(frozen=True, eq=False)
class Beta:
    """Mean logarithms of x and of 1 - x; coordinates log a and log b."""

    names: ClassVar = ("a", "b")
    mixing: ClassVar = None
    log_low: float
    log_high: float
    mean: float
    variance: float
    n: float
    constant: float
    first: float

    @classmethod
    def of(cls, values: Values) -> Beta:
        """Return the sums of values between 0 and 1."""
        n, unit = values.n, values.unit

        def logs(block: Floats) -> list[Floats]:
            shares = block / unit if unit != 1.0 else block
            return [np.log(shares), np.log1p(-shares), shares, shares * shares]

        low, high, mean, square = (total / n for total in values.sums_of(logs))
        return cls(low, high, mean, square - mean * mean, n, -n * (low + high), values.first)

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood without `constant`, its gradient and information."""
        a, b = (math.exp(min(v, 300.0)) for v in point.tolist())
        n, both = self.n, a + b
        # log B(a, b), ψ and ψ' as logarithms and what `stirling` says is left: nothing cancels
        (value_a, slope_a, curve_a), (value_b, slope_b, curve_b) = stirling(a), stirling(b)
        value, slope, curve = stirling(both)
        low, high = self.log_low + math.log1p(b / a), self.log_high + math.log1p(a / b)
        first, second = a * (low - slope + slope_a), b * (high - slope + slope_b)
        across = -n * (a / both - a * curve) * b
        along = n * (a * (b / both) + a * a * (curve - curve_a) - first)
        other = n * (b * (a / both) + b * b * (curve - curve_b) - second)
        loglik = n * (a * low + b * high + value_a + value_b - value)
        information = np.array([[along, across], [across, other]])
        return Sums(loglik, np.array([n * first, n * second]), information)

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return where the first two moments agree."""
        if self.variance <= NO_SPREAD * self.mean**2 and all(free):
            raise no_spread("beta", self.first, "a and b go to infinity")
        mean = self.mean
        size = max(mean * (1.0 - mean) / max(self.variance, 1e-300) - 1.0, 1e-3)
        return np.log([mean * size, (1.0 - mean) * size])
