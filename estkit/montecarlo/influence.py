"""What a measure is: a value, and ψᵢ, what replicate i contributes to its error.

A measure is a smooth function of means over replicates; ψᵢ says how much replicate i moves it. The
Monte-Carlo standard error is sd(ψ) / √R, with no assumption on the law of the estimates, and that
of a difference of two estimators follows from ψ_a - ψ_b of the same replicates (Boos and Osborne
2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError

Floats = NDArray[np.float64]
Interval = tuple[float, float]
SQUARED = 1e-140  # the square of a number below it, or above its inverse, is not exact


class Draws(NamedTuple):
    """What one estimator said of one parameter in the replicates that count.

    Parameters
    ----------
    estimate, truth, std_error, lower, upper, p_value : array of shape (R,)
        nan where there is none.
    failed, rejected, not_converged, warned : array of shape (R,)
        0 or 1, nan where it is unknown.

    Examples
    --------
    A measure of your own is a function of these:

    >>> import numpy as np
    >>> import estkit as ek
    >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
    >>> far = {"P(error > 1/2)": lambda draws: np.mean(np.abs(draws.estimate - draws.truth) > 0.5)}
    >>> study.run(1000, rng=1).summary(far)[["measure", "value"]]
              measure  value
    0  P(error > 1/2)   0.14
    """

    estimate: Floats
    truth: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    failed: Floats
    p_value: Floats
    rejected: Floats
    not_converged: Floats
    warned: Floats

    def of(self, rows: Any) -> Draws:
        """Return those of some replicates."""
        first = self.estimate[rows]
        size = len(first)
        return Draws(first, *(
            column[:size] if column.strides == (0,) and size <= len(column) else column[rows]
            for column in self[1:]
        ))  # fmt: skip


class Influence(NamedTuple):
    """A measure: its value, and what each replicate contributes to its error.

    Parameters
    ----------
    value : float
        The measure.
    psi : array of shape (R,)
        The influence values; a constant added to all of them changes nothing.
    note : str
        Why the value is missing, if it is.
    by_replicate : bool
        Whether ψ has an entry for each replicate. Otherwise it has one for each part or resample,
        scaled so that sd(ψ) / √(their number) is the standard error all the same.

    Examples
    --------
    A measure that knows its influence values needs no resampling:

    >>> import numpy as np
    >>> import estkit as ek
    >>> def skill(draws):
    ...     square = (draws.estimate - draws.truth) ** 2
    ...     return ek.Influence(1 - square.mean(), -square)
    >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
    >>> study.run(1000, rng=1).summary(skill)[["measure", "value", "mcse"]].round(3)
      measure  value   mcse
    0   skill  0.887  0.005
    """

    value: float
    psi: Floats
    note: str = ""
    by_replicate: bool = True


@dataclass(frozen=True)
class Measure:
    """A performance measure of an estimator, yours or one of estkit's.

    Parameters
    ----------
    function : callable
        Takes the draws: arrays ``estimate``, ``truth``, ``std_error``, ``lower``, ``upper``,
        ``p_value``, ``failed``, ``rejected``, with one entry for each replicate that counts. It
        returns a number, or an `Influence` when its influence values are known.
    title : str
        What it is, in words.
    needs : tuple of str
        The fields of the draws that it reads; replicates without them do not count.
    is_rate : bool
        Whether it is a proportion, whose interval must be right at 0 and 1.
    smooth : bool
        For a function that returns a number, whether it is a smooth function of means: its error is
        then that of the jackknife; otherwise, as for medians and quantiles, of the bootstrap.
    averages : bool
        Whether it averages numbers without a bound, so that heavy tails spoil it.
    usual : bool
        Whether it belongs into a summary that was not asked for certain measures.
    interval : callable, optional
        From the draws and a level to an interval that is better than value ± error, where
        replicates are independent.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
    >>> share = ek.Measure(lambda d: np.mean(np.abs(d.estimate) < 0.5), "near", smooth=True)
    >>> frame = study.run(400, rng=1).summary([share, "bias"])
    >>> frame[["measure", "value", "mcse"]].round(3)
      measure  value   mcse
    0    near  0.855  0.018
    1    bias  0.015  0.017
    """

    function: Callable[[Draws], Influence | Any]
    title: str = ""
    needs: tuple[str, ...] = ("estimate",)
    is_rate: bool = False
    smooth: bool = False
    averages: bool = False
    usual: bool = True
    interval: Callable[[Draws, float], Interval] | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise DataError(f"a measure must be a function of the draws, got {self.function!r:.60}")
        unknown = [field for field in self.needs if field not in Draws._fields]
        if unknown:
            raise DataError(
                f"needs must be a tuple of {', '.join(Draws._fields)}; got {self.needs!r}."
            )


def mean_of(values: Floats) -> Influence:
    """Return the mean of numbers, each of which is its own influence value."""
    return Influence(float(values.mean()), values)


def share_of(hits: NDArray[np.bool_]) -> Influence:
    """Return the share of replicates in which something is so."""
    return mean_of(hits.astype(float))


def root_of(square: Influence) -> Influence:
    """Return the square root of a measure."""
    root = math.sqrt(square.value) if square.value >= 0 else math.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        psi = (square.psi - square.value) / (2 * root) if root > 0 else np.zeros_like(square.psi)
    return Influence(root, psi, square.note)


def ratio_of(above: Influence, below: Influence) -> Influence:
    """Return the quotient of two measures of the same replicates; missing where it is over 0."""
    if below.value == 0:
        return Influence(math.nan, np.full_like(above.psi, np.nan), "divided by 0")
    ratio = above.value / below.value
    note = above.note or below.note
    return Influence(ratio, (above.psi - ratio * below.psi) / below.value, note)


def _deviation(psi: Floats) -> float:
    """Return the standard deviation (divisor R), also of numbers whose squares overflow."""
    with np.errstate(over="ignore"):
        spread = float(psi.std())
    if SQUARED < spread < 1 / SQUARED:
        return spread
    unit = float(np.abs(psi).max())
    return float((psi / unit).std()) * unit if 0 < unit < math.inf else spread


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
            spread = _deviation(psi) * math.sqrt(count / (count - 1 - fitted))
            return spread / math.sqrt(count)
        sums = np.bincount(groups - groups[0], weights=psi - psi.mean())
        sizes = np.bincount(groups - groups[0])
        independent = int((sizes > 0).sum())
        if independent < 2 + fitted:
            return math.nan
        return math.sqrt(float(sums @ sums) * independent / (independent - 1 - fitted)) / count
