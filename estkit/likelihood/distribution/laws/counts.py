"""Complete samples of discrete laws as the few sums that their likelihoods are made of.

As in ``location_scale.py``: coordinates of its own for each class, and ``mixing`` to those of the
parameters, which are logarithms and for a probability log-odds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from estkit.errors import FitError
from estkit.likelihood.counts import (
    multinomial_loglik,
    negative_binomial_logliks,
    poisson_loglik,
)
from estkit.likelihood.distribution.laws.sums import Values
from estkit.likelihood.family import Floats, Sums, log_factorial
from estkit.likelihood.proportion import minus_log

BOUNDARY = 800.0  # on the line of a parameter: exp(-800) is 0
_LONGEST_TABLE = 1 << 20  # of numbers of values above 0, 1, 2, ...
_LONGEST_SUM = 1 << 9  # of logarithms, of which the log-likelihood keeps all digits


def tally(values: Values) -> tuple[Floats, Floats]:
    """Return the distinct counts and how often each was observed."""
    top = float(values.x.max()) - values.origin
    if top > max(1024.0, 4.0 * len(values.x)):
        distinct, codes = np.unique(values.x - values.origin, return_inverse=True)
        return distinct, np.bincount(codes, values.weights).astype(float)
    number = np.zeros(int(top) + 1)
    for block, weight in values.blocks():
        part = np.bincount(block.astype(np.int64), weight)
        number[: len(part)] += part
    seen = np.flatnonzero(number)
    return seen.astype(float), number[seen]


def mean_of(values: Floats, number: Floats) -> float:
    """Return the mean of values of which each was seen so often."""
    return float((values * number).sum() / number.sum())


@dataclass(frozen=True, eq=False)
class Poisson:
    """The mean; coordinate log mu. `constant` is the maximum."""

    names: ClassVar = ("mu",)
    mixing: ClassVar = None
    mean: float
    n: float
    constant: float

    @classmethod
    def of(cls, values: Values) -> Poisson:
        """Return the sums of counts."""
        counts, number = tally(values)
        mean = mean_of(counts, number)
        return cls(mean, values.n, poisson_loglik(counts, number, mean))

    def total(self, point: Floats) -> Sums:
        """Return by how much the log-likelihood differs from `constant`, and its derivatives."""
        mu = math.exp(min(point[0], 700.0))
        fall = mu
        if self.mean:
            beyond = point - math.log(self.mean)
            fall = self.mean * float(minus_log(np.expm1(np.minimum(beyond, 700.0)), beyond)[0])
        gradient = np.array([self.n * (self.mean - mu)])
        return Sums(-self.n * fall, gradient, np.array([[self.n * mu]]))

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return the maximum, at the boundary if all counts are 0."""
        return np.array([math.log(self.mean) if self.mean else -BOUNDARY])


@dataclass(frozen=True, eq=False)
class Trials:
    """Successes and failures of a probability; coordinate log-odds. `constant` is the maximum."""

    names: ClassVar = ("p",)
    mixing: ClassVar = None
    successes: float
    failures: float
    constant: float = 0.0

    @classmethod
    def geometric(cls, values: Values) -> Trials:
        """Return one success for each number of trials that it took."""
        found = cls(values.n, values.sums_of(lambda v: [v])[0] - values.n)
        return replace(found, constant=found._plain(float(found.begin((True,), np.zeros(1))[0])))

    @classmethod
    def binomial(cls, values: Values) -> Trials:
        """Return the successes among a fixed number of trials, which is the unit."""
        counts, number = tally(values)
        both = np.column_stack([counts, values.unit - counts])
        sums = number @ both
        return cls(float(sums[0]), float(sums[1]), multinomial_loglik(both, number, sums[None]))

    def total(self, point: Floats) -> Sums:
        """Return by how much the log-likelihood differs from `constant`, and its derivatives."""
        v = float(point[0])
        tail = math.exp(-abs(v))
        near, far = 1.0 / (1.0 + tail), tail / (1.0 + tail)
        p, q = (near, far) if v > 0 else (far, near)
        gradient = self.successes * q - self.failures * p
        both = (self.successes + self.failures) * p * q
        return Sums(self._beyond(v), np.array([gradient]), np.array([[both]]))

    def _beyond(self, v: float) -> float:
        """Return the log-likelihood less its maximum; near that, no small rest of large sums."""
        if not self.successes or not self.failures:
            return self._plain(v)
        top = math.log(self.successes) - math.log(self.failures)
        less, more, d = self.successes, self.failures, v - top
        if less > more:
            less, more, d = more, less, -d
        if abs(d) > 1.0:
            return self._plain(v) - self._plain(top)
        both = less + more
        return less * d - both * math.log1p(less / both * math.expm1(d))

    def _plain(self, v: float) -> float:
        soft = math.log1p(math.exp(-abs(v)))
        log_p, log_q = (-soft, -v - soft) if v > 0 else (v - soft, -soft)
        return (self.successes * log_p if self.successes else 0.0) + (
            self.failures * log_q if self.failures else 0.0
        )

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return the maximum, at a boundary if there are no failures or no successes."""
        if not self.failures:
            return np.array([BOUNDARY])
        if not self.successes:
            return np.array([-BOUNDARY])
        return np.array([math.log(self.successes) - math.log(self.failures)])


@dataclass(frozen=True, eq=False)
class NegativeBinomial:
    """Counts and how many lie above each; coordinates log n and log mean, which are orthogonal.

    Sums over j < x of log(n + j) stand for log Γ(x + n) - log Γ(n): every term is then a small
    number by itself where n is large and the law nearly Poisson.
    """

    names: ClassVar = ("n", "p")
    mixing: ClassVar = np.array([[1.0, 0.0], [1.0, -1.0]])
    values: Floats
    number: Floats
    above: Floats | None  # how many values are greater than 0, 1, 2, ...
    mean: float
    variance: float
    n: float
    constant: float

    @classmethod
    def of(cls, values: Values) -> NegativeBinomial:
        """Return the tally of counts."""
        counts, number = tally(values)
        top = int(counts[-1])
        above = None
        if top <= _LONGEST_TABLE:
            table = np.zeros(top + 1)
            table[counts.astype(np.int64)] = number
            above = values.n - np.cumsum(table)[:-1]
        mean = mean_of(counts, number)
        variance = mean_of((counts - mean) ** 2, number)
        constant = 0.0 if top > _LONGEST_SUM else -float(number @ log_factorial(counts))
        return cls(counts, number, above, mean, variance, values.n, constant)

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood without `constant`, its gradient and information."""
        size, mu = (math.exp(min(float(v), 300.0)) for v in point)
        n, mean = self.n, self.mean
        rate = np.array([mu / size])
        log_rate = np.log1p(rate)
        excess = size * float(minus_log(rate, log_rate)[0])  # size · (rate - log(1 + rate))
        both = size + mu
        short = (mean - mu) / both
        rising, first, second = self._rising(size)
        drop = mean * (float(point[1]) - float(log_rate[0])) if mean else 0.0
        value = rising - n * size * float(log_rate[0]) + n * drop
        if self.above is None or self.values[-1] > _LONGEST_SUM:
            value = float(self.number @ negative_binomial_logliks(self.values, size, mu))
        gradient = np.array([first + n * (excess + mu * short), n * size * short])
        across = -n * short * size * mu / both
        along = -second - n * (excess - mu * mu / both - short * size * mu / both)
        return Sums(
            value,
            gradient,
            np.array([[along, across], [across, n * size * mu * (size + mean) / both**2]]),
        )

    def _rising(self, size: float) -> tuple[float, float, float]:
        """Return Σ log(1 + j / size) over j below each value, and derivatives in log size.

        Without a table 0: `total` has the value of large counts from parts that do not cancel.
        """
        if self.above is not None:
            j = np.arange(float(len(self.above)))
            part = j / (size + j)
            first = -float(self.above @ part)
            second = float(self.above @ (part * (size / (size + j))))
            return float(self.above @ np.log1p(j / size)), first, second
        from scipy.special import psi, zeta

        x, number = self.values, self.number
        harmonic = size * (psi(x + size) - psi(size))
        curve = size * size * (zeta(2.0, x + size) - zeta(2.0, size))
        return 0.0, float(number @ (harmonic - x)), float(number @ (harmonic + curve))

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return the maximum if both are free, else a point nearby."""
        if not self.mean:
            raise FitError(
                "All counts are 0, which any n of nbinom gives with certainty as p goes to 1 (the "
                "supremum of the log-likelihood is 0): there is no maximum. Fit a Poisson law."
            )
        log_mean = math.log(self.mean)
        if not free[0]:
            return np.array([float(base[0]), log_mean])
        if not free[1]:  # held log-odds of p are log n - log mean
            return np.array([float(base[1]) + log_mean, log_mean])
        if self.variance <= self.mean * (1.0 + 1e-12):
            raise self._under_dispersed()
        v = math.log(self.mean) - math.log(self.variance / self.mean - 1.0)
        return np.array([self._profile_root(v, log_mean), log_mean])

    def _profile_root(self, v: float, log_mean: float) -> float:
        """Return the root of the score in log n, which is positive below and negative above."""
        lower, upper = -math.inf, math.inf
        for _ in range(60):
            sums = self.total(np.array([v, log_mean]))
            assert sums.information is not None
            score, curve = float(sums.gradient[0]), float(sums.information[0, 0])
            lower, upper = (v, upper) if score > 0 else (lower, v)
            step = score / curve if curve > 0 else math.copysign(1.0, score)
            step = max(-2.0, min(2.0, step))
            if not lower < v + step < upper:
                step = (lower + upper) / 2 - v if math.isfinite(lower + upper) else step
            v += step
            if abs(step) < 1e-7:
                break
        return v

    def _under_dispersed(self) -> FitError:
        poisson = poisson_loglik(self.values, self.number, self.mean)
        return FitError(
            f"The counts have variance {self.variance:.6g} and mean {self.mean:.6g}. Without more "
            f"variance than a Poisson law has, the likelihood of nbinom has no maximum: it grows "
            f"as n goes to infinity and p to 1, where nbinom becomes that Poisson law, towards a "
            f"log-likelihood of {poisson:.10g}. Fit ek.Distribution('poisson'), or fix n."
        )
