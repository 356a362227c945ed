"""Monte-Carlo intervals: of means by Student, of rates right at 0 and 1, of ratios by logs."""

from __future__ import annotations

import math

from estkit.errors import DataError
from estkit.estimate import normal_quantile
from estkit.montecarlo.influence import Floats, Interval

RATE_INTERVALS = ("wilson", "clopper_pearson")


def mean_interval(value: float, error: float, replicates: int, level: float) -> Interval:
    """Return value ± t · error, with R - 1 degrees of freedom."""
    if not math.isfinite(error) or replicates < 2:
        return math.nan, math.nan
    half_width = _student(replicates, level) * error
    return value - half_width, value + half_width


def ratio_interval(ratio: float, error: float, replicates: int, level: float) -> Interval:
    """Return an interval of a ratio, symmetric on the scale of its logarithm where it has one."""
    if not math.isfinite(error) or replicates < 2 or error == 0:
        return math.nan, math.nan  # no error at all: rates of 0 or 1, whose ratio tells nothing
    if ratio <= 0:
        return mean_interval(ratio, error, replicates, level)
    factor = math.exp(min(_student(replicates, level) * error / ratio, 700.0))
    return ratio / factor, ratio * factor


def rate_interval(rate: float, replicates: float, level: float, method: str = "wilson") -> Interval:
    """Return an interval of a proportion that is right at 0 and 1.

    Parameters
    ----------
    rate, replicates, level : float
        The proportion, of how many, and the confidence level.
    method : {"wilson", "clopper_pearson"}
        The score interval of Wilson (1927), which covers with the level on average; or the exact
        one of Clopper and Pearson (1934), which covers with at least the level.
    """
    if method == "clopper_pearson":
        from scipy.special import betaincinv

        hits, tail = rate * replicates, (1 - level) / 2
        misses = replicates - hits
        low = 0.0 if rate == 0 else float(betaincinv(hits, misses + 1, tail))
        return low, 1.0 if rate == 1 else float(betaincinv(hits + 1, misses, 1 - tail))
    z = normal_quantile(level)
    shrink = 1.0 + z * z / replicates
    center = (rate + z * z / (2 * replicates)) / shrink
    spread = rate * (1 - rate) / replicates + z * z / (4 * replicates**2)
    half_width = z / shrink * math.sqrt(spread)
    lower = 0.0 if rate == 0 else max(0.0, center - half_width)
    upper = 1.0 if rate == 1 else min(1.0, center + half_width)
    return lower, upper


def paired_rate_interval(differences: Floats, level: float) -> Interval:
    """Return an interval of the difference of two rates of the same replicates.

    One replicate is added to either kind in which the two differ (Bonett and Price 2012), so that
    it is no single point when they never did.
    """
    count = len(differences) + 2
    center = float(differences.sum()) / count
    spread = (float(differences @ differences) + 2) / count - center**2
    return _within(center, normal_quantile(level) * math.sqrt(spread / count))


def separate_rate_interval(a: float, in_a: int, b: float, in_b: int, level: float) -> Interval:
    """Return an interval of the difference of two rates of independent replicates.

    A success and a failure are added to either (Agresti and Caffo 2000).
    """
    first, second = ((rate * n + 1) / (n + 2) for rate, n in ((a, in_a), (b, in_b)))
    spread = first * (1 - first) / (in_a + 2) + second * (1 - second) / (in_b + 2)
    return _within(first - second, normal_quantile(level) * math.sqrt(spread))


def check_rate_interval(method: str) -> None:
    """Raise for a method that does not exist."""
    if method not in RATE_INTERVALS:
        raise DataError(f"rate_interval must be one of {RATE_INTERVALS}, got {method!r}.")


def _student(replicates: int, level: float) -> float:
    if replicates > 1000:
        return normal_quantile(level)
    from scipy.special import stdtrit

    return float(stdtrit(replicates - 1, 0.5 + level / 2))


def _within(center: float, half_width: float) -> Interval:
    return max(-1.0, center - half_width), min(1.0, center + half_width)
