"""Performance measures, each as a value and its influence values.

A measure is a smooth function of means over replicates; ψᵢ says how much replicate i moves it. The
Monte-Carlo standard error is sd(ψ) / √R, with no assumption on the law of the estimates, and that
of a difference of two estimators follows from ψ_a - ψ_b of the same replicates (Boos and Osborne
2015; definitions as in Morris, White and Crowther 2019, table 6). To add one: a function and its
line in `MEASURES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.estimate import normal_quantile

Floats = NDArray[np.float64]


class Draws(NamedTuple):
    """What one estimator said of one parameter in the replicates that count."""

    estimate: Floats
    truth: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    failed: Floats
    p_value: Floats


class Influence(NamedTuple):
    """A measure: its value, and what each replicate contributes to its error."""

    value: float
    psi: Floats


@dataclass(frozen=True)
class Measure:
    """How a measure is computed, and what it needs.

    Parameters
    ----------
    function : callable
        From `Draws` to `Influence`.
    title : str
        What it is, in words.
    needs : tuple of str
        The fields of `Draws` that must be known; replicates without them do not count.
    is_rate : bool
        Whether it is a proportion, whose interval must be right at 0 and 1.
    """

    function: Callable[[Draws], Influence]
    title: str
    needs: tuple[str, ...] = ("estimate",)
    is_rate: bool = False


def bias(d: Draws) -> Influence:
    """Return E(θ̂) - θ."""
    error = d.estimate - d.truth
    return Influence(float(error.mean()), error)


def relative_bias(d: Draws) -> Influence:
    """Return E(θ̂) / θ - 1; missing where θ is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (d.estimate - d.truth) / d.truth
    ratio = np.where(d.truth == 0, np.nan, ratio)
    return Influence(float(ratio.mean()), ratio)


def empirical_variance(d: Draws) -> Influence:
    """Return the variance of the estimates, with divisor R - 1."""
    square = _square(d.estimate)
    count = len(square)
    value = float(square.sum() / (count - 1)) if count > 1 else math.nan
    return Influence(value, square)


def empirical_se(d: Draws) -> Influence:
    """Return the standard deviation of the estimates."""
    return _root(empirical_variance(d))


def mse(d: Draws) -> Influence:
    """Return E(θ̂ - θ)²."""
    square = (d.estimate - d.truth) ** 2
    return Influence(float(square.mean()), square)


def rmse(d: Draws) -> Influence:
    """Return √E(θ̂ - θ)²."""
    return _root(mse(d))


def model_se(d: Draws) -> Influence:
    """Return √E(se²), the standard error that the estimator claims."""
    square = d.std_error**2
    return _root(Influence(float(square.mean()), square))


def model_se_error(d: Draws) -> Influence:
    """Return model SE / empirical SE - 1: by how much the estimator misjudges its own error."""
    claimed, real = d.std_error**2, empirical_variance(d)
    mean = float(claimed.mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.sqrt(np.divide(mean, real.value)))
        psi = ratio / 2 * (claimed / mean - real.psi / real.value)
    return Influence(ratio - 1, psi)


def coverage(d: Draws) -> Influence:
    """Return P(lower ≤ θ ≤ upper)."""
    return _share((d.lower <= d.truth) & (d.truth <= d.upper))


def bias_eliminated_coverage(d: Draws) -> Influence:
    """Return P(lower ≤ E(θ̂) ≤ upper)."""
    center, count = d.estimate.mean(), len(d.estimate)

    def share(of: float) -> NDArray[np.bool_]:
        return (d.lower <= of) & (of <= d.upper)

    hits = _share(share(center))
    step = float(d.estimate.std()) * count**-0.2  # a width at which the share is smooth
    if step == 0:
        return hits
    slope = (share(center + step).mean() - share(center - step).mean()) / (2 * step)
    return Influence(
        hits.value, hits.psi + slope * (d.estimate - center)
    )  # the center is estimated


def interval_width(d: Draws) -> Influence:
    """Return E(upper - lower)."""
    width = d.upper - d.lower
    return Influence(float(width.mean()), width)


def power(d: Draws) -> Influence:
    """Return P(the interval leaves out 0), which rejects θ = 0."""
    return _share((d.lower > 0) | (d.upper < 0))


def failure_rate(d: Draws) -> Influence:
    """Return P(no usable estimate): failed, not converged, or nan."""
    return _share(d.failed > 0)


def _square(x: Floats) -> Floats:
    centred = x - x.mean()
    result: Floats = centred * centred
    return result


def _root(square: Influence) -> Influence:
    root = math.sqrt(square.value) if square.value >= 0 else math.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        psi = (square.psi - square.value) / (2 * root) if root > 0 else np.zeros_like(square.psi)
    return Influence(root, psi)


def _share(hits: NDArray[np.bool_]) -> Influence:
    return Influence(float(hits.mean()), hits.astype(float))


_TRUE = ("estimate", "truth")
_CLAIMED = ("estimate", "std_error")
_LIMITS = ("estimate", "lower", "upper")

MEASURES: dict[str, Measure] = {
    "bias": Measure(bias, "bias", _TRUE),
    "relative_bias": Measure(relative_bias, "relative bias", _TRUE),
    "empirical_variance": Measure(empirical_variance, "empirical variance"),
    "empirical_se": Measure(empirical_se, "empirical standard error"),
    "mse": Measure(mse, "mean squared error", _TRUE),
    "rmse": Measure(rmse, "root mean squared error", _TRUE),
    "model_se": Measure(model_se, "mean model standard error", _CLAIMED),
    "model_se_error": Measure(model_se_error, "relative error of the model SE", _CLAIMED),
    "coverage": Measure(coverage, "coverage", (*_LIMITS, "truth"), is_rate=True),
    "bias_eliminated_coverage": Measure(
        bias_eliminated_coverage, "bias-eliminated coverage", _LIMITS, is_rate=True
    ),
    "interval_width": Measure(interval_width, "interval width", _LIMITS),
    "power": Measure(power, "power", _LIMITS, is_rate=True),
    "failure_rate": Measure(failure_rate, "failure rate", ("failed",), is_rate=True),
}


def standard_error(psi: Floats, groups: NDArray[np.intp] | None = None, fitted: int = 0) -> float:
    """Return the Monte-Carlo standard error sd(ψ) / √R; missing for a single replicate.

    Parameters
    ----------
    psi : array of shape (R,)
        The influence values.
    groups : array of int of shape (R,), optional
        Which replicates depend on each other; their sums are what is independent then.
    fitted : int
        How many slopes were fitted to ψ, beside its mean.
    """
    count = len(psi)
    if count < 2 + fitted:
        return math.nan
    with np.errstate(invalid="ignore"):  # an infinite ψ, as of an open interval's width: nan
        if groups is None:
            spread = float(psi.std()) * math.sqrt(count / (count - 1 - fitted))
            return spread / math.sqrt(count)
        sums = np.bincount(groups - groups[0], weights=psi - psi.mean())
        sizes = np.bincount(groups - groups[0])
        independent = int((sizes > 0).sum())
        if independent < 2 + fitted:
            return math.nan
        return math.sqrt(float(sums @ sums) * independent / (independent - 1 - fitted)) / count


def mean_interval(value: float, error: float, replicates: int, level: float) -> tuple[float, float]:
    """Return value ± t · error, with R - 1 degrees of freedom."""
    if not math.isfinite(error) or replicates < 2:
        return math.nan, math.nan
    if replicates > 1000:
        half_width = normal_quantile(level) * error
    else:
        from scipy.special import stdtrit

        half_width = float(stdtrit(replicates - 1, 0.5 + level / 2)) * error
    return value - half_width, value + half_width


def rate_interval(rate: float, replicates: float, level: float) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion, which is right at 0 and 1 (Wilson 1927)."""
    z = normal_quantile(level)
    shrink = 1.0 + z * z / replicates
    center = (rate + z * z / (2 * replicates)) / shrink
    spread = rate * (1 - rate) / replicates + z * z / (4 * replicates**2)
    half_width = z / shrink * math.sqrt(spread)
    lower = 0.0 if rate == 0 else max(0.0, center - half_width)
    upper = 1.0 if rate == 1 else min(1.0, center + half_width)
    return lower, upper
