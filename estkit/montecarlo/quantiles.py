"""Quantiles over the replicates: not smooth, so their errors come from order statistics."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from estkit.montecarlo.influence import Draws, Floats, Influence, Interval, Measure

_REACH = 9.0  # standard deviations of a binomial count, beyond which it never lies


def quantile_measure(
    share: float, title: str, of: Callable[[Draws], Floats], needs: tuple[str, ...], usual: bool
) -> Measure:
    """Return the measure that is a quantile of something that each replicate has."""

    def measure(d: Draws) -> Influence:
        return quantile_of(of(d), share)

    def interval(d: Draws, level: float) -> Interval:
        return quantile_interval(of(d), share, level)

    return Measure(measure, title, needs, usual=usual, interval=interval)


def quantile_of(values: Floats, share: float) -> Influence:
    """Return a quantile and its ψ = (share - 1{x ≤ q}) / density.

    The density comes from the quantiles one standard error to either side (Bloch and Gastwirth
    1968), which is where the estimate moves; other distances fit less well with 500 replicates.
    """
    count = len(values)
    step = math.sqrt(share * (1 - share) / count)
    below, value, above = np.quantile(
        values, [max(share - step, 0.0), share, min(share + step, 1.0)]
    )
    width = min(share + step, 1.0) - max(share - step, 0.0)
    psi = (share - (values <= value)) * ((above - below) / width)
    return Influence(float(value), psi)


def quantile_interval(values: Floats, share: float, level: float) -> Interval:
    """Return two order statistics that hold the quantile with at least this probability.

    It is exact for any continuous law, since the number of values below a quantile is binomial;
    infinite where so few values cannot tell.
    """
    from scipy.special import bdtr

    count, ordered = len(values), np.sort(values)
    reach = _REACH * math.sqrt(count * share * (1 - share)) + _REACH**2
    first, last = max(0, math.floor(count * share - reach)), math.ceil(count * share + reach)
    at_most = bdtr(np.arange(first, min(count, last) + 1), count, share)
    tail = (1 - level) / 2
    lower = first + int(np.searchsorted(at_most, tail, side="right"))
    upper = first + int(np.searchsorted(at_most, 1 - tail, side="left")) + 1
    low = float(ordered[lower - 1]) if lower >= 1 else -math.inf
    return low, float(ordered[upper - 1]) if upper <= count else math.inf


def errors_of(d: Draws) -> Floats:
    """Return θ̂ - θ."""
    errors: Floats = d.estimate - d.truth
    return errors


def estimates_of(d: Draws) -> Floats:
    """Return θ̂."""
    return d.estimate
