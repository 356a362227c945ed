"""How far the estimates are from the truth and from each other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from estkit.montecarlo.influence import Draws, Floats, Influence, mean_of, ratio_of, root_of

_NEAR_ZERO = 1e-6  # a truth this much smaller than the errors is no unit to measure them in
_NO_UNIT = "the truth is 0, or nearly"


def bias(d: Draws) -> Influence:
    """Return E(θ̂) - θ."""
    return mean_of(d.estimate - d.truth)


def relative_bias(d: Draws) -> Influence:
    """Return E(θ̂) / θ - 1; missing where θ is 0 or nearly so."""
    return _relative(d, mean_of)


def relative_rmse(d: Draws) -> Influence:
    """Return √E(θ̂ / θ - 1)²; missing where θ is 0 or nearly so."""
    return _relative(d, lambda error: root_of(mean_of(error**2)))


def mae(d: Draws) -> Influence:
    """Return E|θ̂ - θ|."""
    return mean_of(np.abs(d.estimate - d.truth))


def mse(d: Draws) -> Influence:
    """Return E(θ̂ - θ)²."""
    return mean_of((d.estimate - d.truth) ** 2)


def rmse(d: Draws) -> Influence:
    """Return √E(θ̂ - θ)²."""
    return root_of(mse(d))


def empirical_variance(d: Draws) -> Influence:
    """Return the variance of the estimates, with divisor R - 1."""
    square = _centred(d) ** 2
    count = len(square)
    value = float(square.sum() / (count - 1)) if count > 1 else math.nan
    return Influence(value, square)


def empirical_se(d: Draws) -> Influence:
    """Return the standard deviation of the estimates."""
    return root_of(empirical_variance(d))


def precision(d: Draws) -> Influence:
    """Return 1 / variance; the ratio of two estimators is their relative precision."""
    variance = empirical_variance(d)
    return ratio_of(Influence(1.0, np.zeros_like(variance.psi)), variance)


def _relative(d: Draws, measure: Callable[[Floats], Influence]) -> Influence:
    error = d.estimate - d.truth
    unit = _NEAR_ZERO * math.sqrt(float((error**2).mean()))
    if (np.abs(d.truth) <= unit).any():
        return Influence(math.nan, np.full(len(error), np.nan), _NO_UNIT)
    return measure(error / d.truth)


def _centred(d: Draws) -> Floats:
    centred: Floats = d.estimate - d.estimate.mean()
    return centred
