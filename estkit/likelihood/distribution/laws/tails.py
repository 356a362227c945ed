"""A normal law of which truncation leaves a tail, as the sums that its likelihood is made of.

It is an exponential family: at the maximum the first two moments beyond the truncation are those of
the values, which is one equation in how many standard deviations from its mean the law is cut off
(Cohen 1950, Annals of Mathematical Statistics 21, 557-569).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from estkit.errors import FitError
from estkit.likelihood.distribution.censoring import Observations
from estkit.likelihood.family import Floats, Sums

_FARTHEST = 200.0  # standard deviations: farther out the tail is exponential but for its digits
_NEAREST = -30.0  # the truncation cuts nothing off
_FRACTION = 3.0  # from here on a continued fraction has all digits,
_DEPTH = 120  # with so many terms


class Beyond(NamedTuple):
    """How a standard normal law goes on beyond t: its log-probability and what follows from it.

    Parameters
    ----------
    height : float
        log P(Z > t) + t² / 2.
    mean : float
        The mean of Z - t where Z > t.
    rest : float
        Its mean square, which is 1 - t · mean, over its mean.
    """

    height: float
    mean: float
    rest: float

    @property
    def ratio(self) -> float:
        """The mean square of Z - t over its squared mean."""
        return self.rest / self.mean

    @property
    def variance(self) -> float:
        """The variance of Z - t."""
        return self.mean * (self.rest - self.mean)


def beyond(t: float) -> Beyond:
    """Return what is known of a standard normal law beyond t."""
    from scipy.special import erfcx, log_ndtr

    if t < _FRACTION:
        height = float(log_ndtr(-t)) + t * t / 2
        mean = math.exp(-t * t / 2 - 0.5 * math.log(2 * math.pi) - float(log_ndtr(-t))) - t
        return Beyond(height, mean, (1.0 - t * mean) / mean)
    inner = t
    for k in range(_DEPTH, 2, -1):
        inner = t + k / inner
    rest = 2.0 / inner
    return Beyond(math.log(float(erfcx(t / math.sqrt(2.0))) / 2.0), 1.0 / (t + rest), rest)


@dataclass(frozen=True, eq=False)
class NormalTail:
    """Values that are all truncated at one end; coordinates loc and log scale.

    Parameters
    ----------
    at : float
        Where they are truncated.
    side : float
        1 if they lie above that, -1 if below.
    n : float
        How many there are.
    mean, square : float
        The mean distance from there, and the mean of its square.
    shown : tuple of float
        The truncation and the mean distance in the units of the data.
    """

    names: ClassVar = ("loc", "scale")
    mixing: ClassVar = None
    constant: ClassVar = 0.0
    at: float
    side: float
    n: float
    mean: float
    square: float
    shown: tuple[float, float]

    @classmethod
    def of(cls, observations: Observations, origin: float, unit: float) -> NormalTail | None:
        """Return the sums of values that are all truncated at the same place, else None."""
        own = observations
        if own.upper is not own.lower or own.below is None or own.above is None:
            return None
        below, above = float(own.below[0]), float(own.above[0])
        if (own.below != below).any() or (own.above != above).any():
            return None
        if math.isfinite(below) == math.isfinite(above):
            return None
        at, side = (below, 1.0) if math.isfinite(below) else (above, -1.0)
        away = side * (own.lower - at) / unit
        mean = float(np.average(away, weights=own.weights))
        square = float(np.average(away * away, weights=own.weights))
        n = float(own.n_obs)
        return cls((at - origin) / unit, side, n, mean, square, (at, mean * unit))

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood, its gradient and information.

        It is the negative Hessian wherever the law has the moments of the values, so at every
        maximum, of one parameter or of both; elsewhere it is the expected information, or more, so
        that it is positive definite.
        """
        loc, width = float(point[0]), float(point[1])
        a = math.exp(max(min(-width, 300.0), -300.0))
        t = self.side * (self.at - loc) * a
        law, first, second = beyond(t), self.mean * a, self.square * a * a
        d, bend = law.mean, -law.variance  # the derivative of d in t
        value = -width - 0.5 * math.log(2 * math.pi) - t * first - second / 2 - law.height
        gradient = np.array([-self.side * a * (d - first), -1.0 + 2.0 * t * first + second - t * d])
        across = self.side * a * (d - t * bend)
        along = max(2.0 + t * d, 4.0 * t * first + 2.0 * second - t * d) - t * t * bend
        information = np.array([[-a * a * bend, across], [across, along]])
        return Sums(self.n * value, self.n * gradient, self.n * information)

    def begin(self, free: tuple[bool, ...], base: Floats) -> Floats:
        """Return the maximum if both are free, else a point to start from.

        Raises
        ------
        FitError
            If the likelihood rises without end.
        """
        from scipy.optimize import brentq

        if not free[0]:
            apart = self.at - float(base[0])
            level = math.sqrt(apart**2 + 2 * self.side * apart * self.mean + self.square)
            return np.array([float(base[0]), math.log(level)])
        if not free[1]:
            return np.array([self.at + self.side * self.mean, float(base[1])])
        ratio = self.square / self.mean**2 if self.mean > 0 else 1.0
        if ratio >= beyond(_FARTHEST).ratio:
            raise self._endless(ratio)
        t = _NEAREST
        if ratio > beyond(_NEAREST).ratio:
            t = float(brentq(lambda t: beyond(t).ratio - ratio, _NEAREST, _FARTHEST, xtol=1e-13))
        scale = self.mean / beyond(t).mean
        return np.array([self.at - self.side * t * scale, math.log(scale)])

    def _endless(self, ratio: float) -> FitError:
        (at, mean), below = self.shown, self.side > 0
        supremum = -self.n * (1.0 + math.log(mean))
        where = f"truncated {'below' if below else 'above'} at {at:.6g}"
        fitting = f", or fit ek.Distribution('expon', fixed={{'loc': {at:.8g}}})" if below else ""
        return FitError(
            f"The likelihood of norm has no maximum, or none within {_FARTHEST:g} standard "
            f"deviations: {where}, the values thin out no faster than under an exponential law "
            f"(their mean square beyond it is {ratio:.6g} times their squared mean; a normal law "
            f"has less than 2). The log-likelihood rises towards that of the exponential law, "
            f"{supremum:.10g}, as loc goes to {'minus ' * below}infinity and scale to infinity. "
            f"Fix loc or scale{fitting}."
        )
