"""How far the estimates are from the truth and from each other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from estkit.montecarlo.influence import (
    SQUARED,
    Draws,
    Floats,
    Influence,
    mean_of,
    ratio_of,
    root_of,
)

_NEAR_ZERO = 1e-6  # a truth this much smaller than the errors is no unit to measure them in
_NO_UNIT = "the truth is 0, or nearly"
_NO_SQUARE = "squares of the errors are beyond the numbers of a computer; see rmse or empirical_se"


def bias(d: Draws) -> Influence:
    """Return E(θ̂) - θ."""
    return mean_of(d.estimate - d.truth)


def relative_bias(d: Draws) -> Influence:
    """Return E(θ̂) / θ - 1; missing where θ is 0 or nearly so."""
    return _relative(d, mean_of)


def relative_rmse(d: Draws) -> Influence:
    """Return √E(θ̂ / θ - 1)²; missing where θ is 0 or nearly so."""
    return _relative(d, root_mean_square)


def mae(d: Draws) -> Influence:
    """Return E|θ̂ - θ|."""
    return mean_of(np.abs(d.estimate - d.truth))


def mse(d: Draws) -> Influence:
    """Return E(θ̂ - θ)²."""
    error, unit = scaled(d.estimate - d.truth)
    return _in_squares(mean_of(np.square(error)), unit)


def rmse(d: Draws) -> Influence:
    """Return √E(θ̂ - θ)²."""
    return root_mean_square(d.estimate - d.truth)


def empirical_variance(d: Draws) -> Influence:
    """Return the variance of the estimates, with divisor R - 1."""
    centred, unit = scaled(_centred(d))
    return _in_squares(_variance(centred), unit)


def empirical_se(d: Draws) -> Influence:
    """Return the standard deviation of the estimates."""
    centred, unit = scaled(_centred(d))
    return _in_units(root_of(_variance(centred)), unit)


def precision(d: Draws) -> Influence:
    """Return 1 / variance; the ratio of two estimators is their relative precision."""
    variance = empirical_variance(d)
    return ratio_of(Influence(1.0, np.zeros_like(variance.psi)), variance)


def _relative(d: Draws, measure: Callable[[Floats], Influence]) -> Influence:
    error = d.estimate - d.truth
    unit = _NEAR_ZERO * root_mean_square(error).value
    if (np.abs(d.truth) <= unit).any():
        return Influence(math.nan, np.full(len(error), np.nan), _NO_UNIT)
    return measure(error / d.truth)


def _centred(d: Draws) -> Floats:
    centred: Floats = d.estimate - d.estimate.mean()
    return centred


def root_mean_square(values: Floats) -> Influence:
    """Return the root of the mean of squares."""
    values, unit = scaled(values)
    return _in_units(root_of(mean_of(np.square(values))), unit)


def scaled(values: Floats) -> tuple[Floats, float]:
    """Return numbers in a unit in which their squares neither over- nor underflow: mostly 1."""
    largest = max(float(values.max()), -float(values.min())) if len(values) else 0.0
    if SQUARED < largest < 1 / SQUARED or not 0 < largest < math.inf:
        return values, 1.0
    unit = math.ldexp(1.0, math.frexp(largest)[1] - 1)  # a power of 2 loses no digits
    return values / unit, unit


def _variance(centred: Floats) -> Influence:
    square, count = np.square(centred), len(centred)
    value = float(square.sum() / (count - 1)) if count > 1 else math.nan
    return Influence(value, square)


def _in_units(measure: Influence, unit: float) -> Influence:
    """Return a measure of scaled numbers as one of the numbers."""
    if unit == 1.0:
        return measure
    return measure._replace(value=measure.value * unit, psi=measure.psi * unit)


def _in_squares(measure: Influence, unit: float) -> Influence:
    """Return a measure of squares of scaled numbers as one of squares, if there are such."""
    few = len(measure.psi) < 2  # the variance of a single number is missing, and no more is wrong
    if few or (0 < unit * unit < math.inf and math.isfinite(measure.value * unit * unit)):
        return _in_units(measure, unit * unit)
    return Influence(math.nan, np.full_like(measure.psi, np.nan), _NO_SQUARE)
