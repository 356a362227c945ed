"""The links of a binomial likelihood: log π and log(1 - π) as functions of η, to full accuracy.

A link here is what the likelihood needs of it: the logarithms of both probabilities, each with its
first two derivatives, computed by itself. A row then adds successes · log π and failures ·
log(1 - π), and nothing is lost when π is within 1e-300 of 0 or 1. Outside its domain a link
promises nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np

from estkit.likelihood.family import Floats

# Beyond these log π stays near -1e280 or -1e295, so that sums over rows remain finite.
_LARGEST_PROBIT = 1e140
_LARGEST_EXPONENT = 680.0
_FAR = 10.0  # from here a continued fraction has the digits that a difference loses
_FRACTION_TERMS = 14  # enough for 1e-16 from _FAR on
_SMALL = 0.1  # below, four terms of a series have 1e-16


class LogProbability(NamedTuple):
    """The logarithm of a probability and its first two derivatives in η, row by row."""

    value: Floats
    first: Floats
    second: Floats


class Link(Protocol):
    """How the probability of success π depends on the linear predictor η.

    Attributes
    ----------
    name : str
        What users call it.
    lower, upper : float
        The domain: the open interval of η in which π is a probability.
    concave : bool
        Whether log π and log(1 - π) are concave in η, so that any maximum is the only one.
    """

    name: str
    lower: float
    upper: float
    concave: bool

    def link(self, probability: Floats) -> Floats:
        """Return η for probabilities between 0 and 1."""
        ...

    def mean(self, eta: Floats) -> Floats:
        """Return the probability of success."""
        ...

    def success(self, eta: Floats) -> LogProbability:
        """Return log π and its derivatives."""
        ...

    def failure(self, eta: Floats) -> LogProbability:
        """Return log(1 - π) and its derivatives."""
        ...


def rows(link: Link, eta: Floats, successes: Floats, trials: Floats | None) -> LogProbability:
    """Return the log-likelihood of each row and its derivatives in η.

    Without trials every row is one outcome, 0 or 1, and only its own probability is computed.
    """
    if trials is not None:
        won, lost, failures = link.success(eta), link.failure(eta), trials - successes
        parts = [successes * s + failures * f for s, f in zip(won, lost, strict=True)]
        return LogProbability(*parts)
    hit = successes > 0
    both = np.empty((3, len(eta)))
    both[:, hit] = link.success(eta[hit])
    both[:, ~hit] = link.failure(eta[~hit])
    return LogProbability(*both)


def expected_weight(link: Link, eta: Floats) -> Floats:
    """Return the expected information of one trial on η, π'² / (π(1 - π)).

    It is minus the product of the slopes of log π and log(1 - π).
    """
    weight: Floats = -link.success(eta).first * link.failure(eta).first
    return weight


class _Symmetric:
    """A link with 1 - π(η) = π(-η)."""

    lower, upper = -math.inf, math.inf

    def success(self, eta: Floats) -> LogProbability:
        raise NotImplementedError

    def failure(self, eta: Floats) -> LogProbability:
        """Return log(1 - π) and its derivatives."""
        mirrored = self.success(-eta)
        return LogProbability(mirrored.value, -mirrored.first, mirrored.second)


class Logit(_Symmetric):
    """log(π / (1 - π)) = η, the canonical link: observed and expected curvature agree."""

    name = "logit"
    concave = True

    def link(self, probability: Floats) -> Floats:
        """Return the log odds."""
        result: Floats = np.log(probability) - np.log1p(-probability)
        return result

    def mean(self, eta: Floats) -> Floats:
        """Return 1 / (1 + exp(-η))."""
        small = np.exp(-np.abs(eta))
        result: Floats = np.where(eta > 0, 1.0, small) / (1.0 + small)
        return result

    def success(self, eta: Floats) -> LogProbability:
        """Return -log(1 + exp(-η)) and its derivatives 1 - π and -π(1 - π)."""
        small = np.exp(-np.abs(eta))
        value = np.minimum(eta, 0.0) - np.log1p(small)
        near_one = 1.0 / (1.0 + small)
        first = np.where(eta > 0, small, 1.0) * near_one
        return LogProbability(value, first, -small * near_one * near_one)


class Probit(_Symmetric):
    """π = Φ(η), the normal distribution function."""

    name = "probit"
    concave = True

    def link(self, probability: Floats) -> Floats:
        """Return the normal quantile."""
        from scipy.special import ndtri

        result: Floats = ndtri(probability)
        return result

    def mean(self, eta: Floats) -> Floats:
        """Return Φ(η)."""
        from scipy.special import erfcx

        away = np.minimum(np.abs(eta), _LARGEST_PROBIT)
        tail = 0.5 * erfcx(away * math.sqrt(0.5)) * _bell(away)
        result: Floats = np.where(eta > 0, 1.0 - tail, tail)
        return result

    def success(self, eta: Floats) -> LogProbability:
        """Return log Φ, its slope λ = φ / Φ (inverse Mills' ratio) and -λ(η + λ)."""
        from scipy.special import erfcx

        eta = np.clip(eta, -_LARGEST_PROBIT, _LARGEST_PROBIT)
        away = np.abs(eta)
        scaled = 0.5 * erfcx(away * math.sqrt(0.5))  # the smaller tail / exp(-η²/2)
        bell = _bell(away)
        above = eta > 0
        # log(scaled · bell) below 0, where the square must not be rounded into the bell and back
        tail = scaled * bell
        value = np.where(above, np.log1p(-tail), np.log(scaled) - 0.5 * eta * eta)
        density = np.where(above, bell, 1.0) / math.sqrt(2 * math.pi)
        first = density / np.where(above, 1.0 - tail, scaled)
        excess = eta + first  # loses its digits where λ is nearly -η
        far = eta < -_FAR
        if far.any():
            excess[far] = _mills_excess(-eta[far])
        return LogProbability(value, first, -first * excess)


def _bell(eta: Floats) -> Floats:
    """Return exp(-η²/2) without the rounding of η², which would cost η² units of the last digit."""
    coarse = np.round(np.minimum(eta, 40.0) * 64.0) / 64.0  # its square is exact
    rest = np.minimum(eta, 40.0) - coarse
    result: Floats = np.exp(-0.5 * coarse * coarse) * np.exp(-0.5 * rest * (coarse + coarse + rest))
    return result


def _mills_excess(away: Floats) -> Floats:
    """Return φ(t) / (1 - Φ(t)) - t for t ≥ 10, by 1 / (t + 2 / (t + 3 / (t + ...)))."""
    fraction = away
    for k in range(_FRACTION_TERMS, 1, -1):
        fraction = away + k / fraction
    result: Floats = 1.0 / fraction
    return result


class Cloglog:
    """π = 1 - exp(-exp(η)): log(1 - π) is minus the hazard u = exp(η)."""

    name = "cloglog"
    lower, upper = -math.inf, math.inf
    concave = True

    def link(self, probability: Floats) -> Floats:
        """Return log(-log(1 - π))."""
        result: Floats = np.log(-np.log1p(-probability))
        return result

    def mean(self, eta: Floats) -> Floats:
        """Return 1 - exp(-exp(η))."""
        result: Floats = -np.expm1(-_exp(eta))
        return result

    def success(self, eta: Floats) -> LogProbability:
        """Return log π, its slope a = u / (exp(u) - 1) and a(1 - u - a)."""
        hazard = np.clip(_exp(eta), 1e-307, 1e4)  # at both ends the answer no longer changes
        lost = np.exp(-hazard)
        won = -np.expm1(-hazard)
        near = np.minimum(eta, 0.0) + np.log(won / hazard)
        value = np.where(hazard > 1.0, np.log1p(-np.minimum(lost, 0.5)), near)
        first = hazard * lost / won
        # a + u/2 = (u/2) coth(u/2) = 1 + u²/12 - ..., so 1 - u - a is minus a sum of two positives
        square = np.minimum(hazard, _SMALL) ** 2
        series = square / 12 * (1 - square / 60 * (1 - square / 42 * (1 - square / 40)))
        beyond = np.where(hazard < _SMALL, series, first + (0.5 * hazard - 1.0))
        return LogProbability(value, first, -first * (0.5 * hazard + beyond))

    def failure(self, eta: Floats) -> LogProbability:
        """Return -u, which is its own derivative."""
        minus = -_exp(eta)
        return LogProbability(minus, minus, minus)


def _exp(eta: Floats) -> Floats:
    """Return exp(η), or 1e295 where it would be more."""
    result: Floats = np.exp(np.minimum(eta, _LARGEST_EXPONENT))
    return result


class Cauchit(_Symmetric):
    """π = 1/2 + arctan(η) / π, the Cauchy distribution function; log π is convex below -0.43."""

    name = "cauchit"
    concave = False

    def link(self, probability: Floats) -> Floats:
        """Return tan(π(p - 1/2)), through the nearer of 0 and 1."""
        nearer = np.minimum(probability, 1.0 - probability)
        size = 1.0 / np.tan(np.pi * nearer)
        result: Floats = np.where(probability > 0.5, size, -size)
        return result

    def mean(self, eta: Floats) -> Floats:
        """Return the probability of success."""
        result: Floats = np.arctan2(1.0, -eta) / np.pi
        return result

    def success(self, eta: Floats) -> LogProbability:
        """Return log F, its slope r = f / F and r(-2η / (1 + η²) - r)."""
        below = np.arctan2(1.0, -eta)
        tail = np.minimum(below, np.arctan2(1.0, eta)) / np.pi
        value = np.where(eta > 0, np.log1p(-tail), np.log(tail))
        size = np.hypot(1.0, eta)  # the square of a predictor may leave the range of a float
        first = 1.0 / size / below / size
        return LogProbability(value, first, first * (-2.0 * (eta / size) / size - first))


class Log:
    """π = exp(η) for η < 0: exp(slope) is a relative risk."""

    name = "log"
    lower, upper = -math.inf, 0.0
    concave = True

    def link(self, probability: Floats) -> Floats:
        """Return log π."""
        result: Floats = np.log(probability)
        return result

    def mean(self, eta: Floats) -> Floats:
        """Return exp(η)."""
        result: Floats = np.exp(eta)
        return result

    def success(self, eta: Floats) -> LogProbability:
        """Return η: slope 1, no curvature."""
        return LogProbability(eta, np.ones_like(eta), np.zeros_like(eta))

    def failure(self, eta: Floats) -> LogProbability:
        """Return log(1 - exp(η)), its slope -π / (1 - π) and -π / (1 - π)²."""
        won = np.exp(eta)
        lost = -np.expm1(eta)
        value = np.where(won < 0.5, np.log1p(-np.minimum(won, 0.5)), np.log(lost))
        return LogProbability(value, -won / lost, -won / lost / lost)


class Identity:
    """π = η for 0 < η < 1: a slope is a difference of risks."""

    name = "identity"
    lower, upper = 0.0, 1.0
    concave = True

    def link(self, probability: Floats) -> Floats:
        """Return π."""
        return probability

    def mean(self, eta: Floats) -> Floats:
        """Return η."""
        return eta

    def success(self, eta: Floats) -> LogProbability:
        """Return log η and its derivatives."""
        return LogProbability(np.log(eta), 1.0 / eta, -1.0 / eta / eta)

    def failure(self, eta: Floats) -> LogProbability:
        """Return log(1 - η) and its derivatives."""
        rest = 1.0 - eta
        return LogProbability(np.log1p(-eta), -1.0 / rest, -1.0 / rest / rest)


LINKS: dict[str, Link] = {
    link.name: link for link in (Logit(), Probit(), Cloglog(), Cauchit(), Log(), Identity())
}
