"""Log-densities and log-probabilities of a law at given parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from estkit.likelihood.distribution.laws.law import Law
from estkit.likelihood.family import Floats

# scipy's public functions check, mask and copy, which takes several times as long as the formulas.
# For these laws the formulas are called, through the methods that scipy documents for subclasses;
# tests compare them with the public ones.
PLAIN = (
    "norm lognorm expon gamma weibull_min beta logistic gumbel_r gumbel_l cauchy t "
    "poisson geom nbinom binom"
).split()


class Density:
    """A law at given parameters.

    Parameters
    ----------
    law : Law
        The law.
    parameters : sequence of float
        All its parameters, in scipy's order.
    """

    def __init__(self, law: Law, parameters: Sequence[float]) -> None:
        from scipy.stats import rv_continuous

        self.discrete = law.discrete
        self._dist, self._parameters = law.dist, tuple(parameters)
        self._plain = law.name in PLAIN
        kind = type(law.dist)
        self._own_below, self._own_above = (
            law.discrete or getattr(kind, name) is not getattr(rv_continuous, name)
            for name in ("_logcdf", "_logsf")
        )
        if self._plain:
            last = 1 if law.discrete else 2
            self._shapes = self._parameters[:-last]
            self._loc = self._parameters[-last]
            self._scale = 1.0 if law.discrete else self._parameters[-1]
            top = self._parameters[0] if law.name == "binom" else float(law.dist.b)
            self._lower, self._upper = float(law.dist.a), top

    def log_density(self, x: Floats) -> Floats:
        """Return the logarithm of the density, or of the probability of a count."""
        if not self._plain:
            public = self._dist.logpmf if self.discrete else self._dist.logpdf
            return np.asarray(public(x, *self._parameters), float)
        z = self._standard(x)
        own = self._dist._logpmf if self.discrete else self._dist._logpdf
        values = np.asarray(own(z, *self._shapes), float)
        if self._scale != 1.0:
            values = values - math.log(self._scale)
        outside = (z < self._lower) | (z > self._upper)
        return np.where(outside, -np.inf, values) if outside.any() else values

    def log_below(self, x: Floats) -> Floats:
        """Return log P(X ≤ x)."""
        if not self._plain:
            if not self._own_below:
                return self._log_of_smaller(self._dist.cdf, self._dist.sf, x)
            return np.asarray(self._dist.logcdf(x, *self._parameters), float)
        return self._tail(self._dist._logcdf, x, -np.inf, 0.0)

    def log_above(self, x: Floats) -> Floats:
        """Return log P(X > x)."""
        if not self._plain:
            if not self._own_above:
                return self._log_of_smaller(self._dist.sf, self._dist.cdf, x)
            return np.asarray(self._dist.logsf(x, *self._parameters), float)
        return self._tail(self._dist._logsf, x, 0.0, -np.inf)

    def _log_of_smaller(
        self, share: Callable[..., Floats], rest: Callable[..., Floats], x: Floats
    ) -> Floats:
        """Return the logarithm of a probability as scipy does, without a search for the median."""
        with np.errstate(divide="ignore"):
            p = np.asarray(share(x, *self._parameters), float)
            large = p > 0.5
            logs: Floats = np.log(p)
            if large.any():
                logs[large] = np.log1p(-np.asarray(rest(x[large], *self._parameters), float))
        return logs

    def _standard(self, x: Floats) -> Floats:
        z = x - self._loc if self._loc else x
        return z / self._scale if self._scale != 1.0 else z

    def _tail(
        self, function: Callable[..., Floats], x: Floats, before: float, after: float
    ) -> Floats:
        z = self._standard(x)
        low, high = z < self._lower, z >= self._upper
        if not (low.any() or high.any()):
            return np.asarray(function(z, *self._shapes), float)
        inner = np.where(low | high, max(self._lower, 0.0), z)
        values = np.asarray(function(inner, *self._shapes), float)
        return np.where(low, before, np.where(high, after, values))
