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
from estkit.likelihood.distribution.laws.sums import NO_SPREAD, no_spread
from estkit.likelihood.family import Floats, Sums

_FARTHEST = 200.0  # standard deviations: farther out the tail is exponential but for its digits
_NOWHERE = -1e5  # here and below, too, and its powers are floats
_NEAREST = -30.0  # the truncation cuts nothing off
_FRACTION = 3.0  # from here on a continued fraction has all digits,
_DEPTH = 120  # with so many terms


class Beyond(NamedTuple):
    """How a standard normal law goes on beyond t.

    Parameters
    ----------
    log_above, height : float
        log P(Z > t), and how far that lies above -t² / 2.
    hazard : float
        The density at t over that probability.
    mean, variance, ratio : float
        The mean and variance of Z - t where Z > t, and its mean square over its squared mean.
    """

    log_above: float
    height: float
    hazard: float
    mean: float
    variance: float
    ratio: float


def beyond(t: float) -> Beyond:
    """Return what is known of a standard normal law beyond t."""
    from scipy.special import erfcx, log_ndtr

    half = t * t / 2
    if t < _FRACTION:
        log_above = float(log_ndtr(-t))
        hazard = math.exp(-half - log_above) / math.sqrt(2 * math.pi)
        mean = hazard - t
        variance = 1.0 - hazard * mean
        ratio = 1.0 + variance / mean / mean
        return Beyond(log_above, log_above + half, hazard, mean, variance, ratio)
    inner = t
    for k in range(_DEPTH, 2, -1):
        inner = t + k / inner
    rest = 2.0 / inner
    mean, height = 1.0 / (t + rest), math.log(float(erfcx(t / math.sqrt(2.0))) / 2.0)
    return Beyond(height - half, height, t + mean, mean, mean * (rest - mean), rest / mean)


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
    center, variance : float
        Their mean and variance.
    shown : tuple of float
        The truncation and the mean in the units of the data.
    """

    names: ClassVar = ("loc", "scale")
    mixing: ClassVar = None
    constant: ClassVar = 0.0
    at: float
    side: float
    n: float
    center: float
    variance: float
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
        x = (own.lower - origin) / unit
        center = float(np.average(x, weights=own.weights))
        variance = float(np.average((x - center) ** 2, weights=own.weights))
        shown = at, origin + unit * center
        return cls((at - origin) / unit, side, float(own.n_obs), center, variance, shown)

    @property
    def mean(self) -> float:
        """The mean distance from the truncation."""
        return self.side * (self.center - self.at)

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood, its gradient and information."""
        return self._sums(point, uphill=False)

    def uphill(self, point: Floats) -> Floats:
        """Return what stands in for the information on the way, as it is positive definite.

        It is the information wherever the law has the moments of the values, so at every maximum of
        one parameter or of both; elsewhere the expected one, or more.
        """
        information = self._sums(point, uphill=True).information
        assert information is not None
        return information

    def _sums(self, point: Floats, *, uphill: bool) -> Sums:
        loc, width = float(point[0]), float(point[1])
        a = math.exp(max(min(-width, 300.0), -300.0))
        t, first = max(self.side * (self.at - loc) * a, _NOWHERE), self.mean * a
        apart, spread = self.side * (self.center - loc) * a, self.variance * a * a
        law, form = beyond(t), _far if t >= _FRACTION else _near
        slopes, wanted = form(t, law, apart, first, spread)
        value = -width - 0.5 * math.log(2 * math.pi) + slopes[0]
        across, along = slopes[3:]
        if uphill:
            across, along = wanted[0], max(wanted[1], along)
        gradient = np.array([-self.side * a * slopes[1], slopes[2] - 1.0])
        across *= self.side * a
        information = np.array([[a * a * law.variance, across], [across, along]])
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
            apart = self.center - float(base[0])
            return np.array([float(base[0]), math.log(math.hypot(apart, self.variance**0.5))])
        if not free[1]:
            return np.array([self.center, float(base[1])])
        mean, variance = self.mean, self.variance
        if variance <= NO_SPREAD * (1.0 + self.center**2):
            raise no_spread("norm", self.shown[1], "scale goes to 0")
        ratio = 1.0 + variance / mean / mean if mean > 0.0 else math.inf
        if ratio >= beyond(_FARTHEST).ratio:
            raise self._endless(ratio)
        if ratio <= beyond(_NEAREST).ratio:  # the truncation cuts next to nothing off
            return np.array([self.center, math.log(variance) / 2])
        t = float(brentq(lambda t: beyond(t).ratio - ratio, _NEAREST, _FARTHEST, xtol=1e-13))
        scale = mean / beyond(t).mean
        return np.array([self.at - self.side * t * scale, math.log(scale)])

    def _endless(self, ratio: float) -> FitError:
        (at, center), below = self.shown, self.side > 0
        supremum = -self.n * (1.0 + math.log(abs(center - at)))
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


_Slopes = tuple[tuple[float, float, float, float, float], tuple[float, float]]


def _near(t: float, law: Beyond, apart: float, first: float, spread: float) -> _Slopes:
    """Return value, slopes and curvatures of a row, and the expected curvatures.

    They are those in how far the mean of the law lies from the truncation, and in log scale.

    Parameters
    ----------
    t : float
        How many standard deviations from the mean of the law it is cut off.
    law : Beyond
        The law beyond that.
    apart, first : float
        The mean of the values from that of the law, and from the truncation.
    spread : float
        Their variance; all in standard deviations of the law.
    """
    d, hazard, square = law.mean, law.hazard, spread + apart * apart
    slopes = (
        -square / 2 - law.log_above, hazard - apart, square - t * hazard,
        2.0 * apart - hazard - t * hazard * d, 2.0 * square - t * hazard - t * t * hazard * d,
    )  # fmt: skip
    return slopes, (hazard * (1.0 - t * d), 2.0 + t * hazard - t * t * hazard * d)


def _far(t: float, law: Beyond, apart: float, first: float, spread: float) -> _Slopes:
    """Return the same far out in the tail, where the squares of t cancel."""
    d, bend, second = law.mean, -law.variance, spread + first * first
    slopes = (
        -t * first - second / 2 - law.height, d - first, 2.0 * t * first + second - t * d,
        2.0 * first - d - t * bend, 4.0 * t * first + 2.0 * second - t * d - t * t * bend,
    )  # fmt: skip
    return slopes, (d - t * bend, 2.0 + t * d - t * t * bend)
