"""Tests over data sets, each of which counts as one observation."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from estkit.comparison.scores import Floats
from estkit.comparison.verdict import Posterior

_EXACT = 200  # data sets up to which the law of Wilcoxon's statistic is counted out


class Friedman(NamedTuple):
    """Friedman's chi-squared, and the F of Iman and Davenport (1980), which is less conservative.

    Parameters
    ----------
    chi2, chi2_p_value : float
        Chi-squared with k - 1 degrees of freedom, corrected for ties.
    f, p_value : float
        F with k - 1 and (k - 1)(N - 1).
    """

    chi2: float
    chi2_p_value: float
    f: float
    p_value: float


def rounding_of(scores: Floats) -> float:
    """Return by how much the last bits may part differences of scores that are the same.

    0.85 - 0.80 is not 0.75 - 0.70 as a computer counts; in per cent both are 5.
    """
    return 32 * float(np.finfo(float).eps * np.abs(scores).max(initial=0.0))


def tied(values: Floats, rounding: float) -> Floats:
    """Return numbers of which those that rounding alone parts are the same."""
    order = np.argsort(values)
    ordered = values[order]
    first = np.concatenate([[True], np.diff(ordered) > rounding])
    same = np.empty_like(ordered)
    same[order] = ordered[first][np.cumsum(first) - 1]
    return same


def gains_of(differences: Floats, rounding: float) -> Floats:
    """Return differences whose sizes are the same, or 0, where rounding alone parts them."""
    sizes = tied(np.concatenate([[0.0], np.abs(differences)]), rounding)[1:]
    return np.asarray(np.sign(differences) * sizes)


def ranks_of(scores: Floats, *, higher_is_better: bool) -> Floats:
    """Return the rank of every model on every data set, 1 for the best, ties shared."""
    from scipy.stats import rankdata

    own = np.array([tied(row, rounding_of(row)) for row in scores])
    ranks: Floats = rankdata(-own if higher_is_better else own, axis=1)
    return ranks


def friedman(ranks: Floats) -> Friedman:
    """Return Friedman's test of ranks (N data sets, k models).

    Where all data sets agree in full the F is infinite, and its p-value is the exact chance of such
    an agreement, k!^(1 - N).
    """
    from scipy.special import chdtrc, fdtrc

    count, models = ranks.shape
    spread = float((ranks**2).sum()) - count * models * (models + 1) ** 2 / 4
    if spread <= 0:  # every rank is a tie
        return Friedman(0.0, 1.0, 0.0, 1.0)
    between = float(((ranks.sum(axis=0) - count * (models + 1) / 2) ** 2).sum())
    chi2 = (models - 1) * between / spread
    chi2_p = float(chdtrc(models - 1, chi2))
    rest = count * (models - 1) - chi2
    if rest <= 1e-12 * chi2:
        return Friedman(chi2, chi2_p, math.inf, math.factorial(models) ** (1.0 - count))
    f = (count - 1) * chi2 / rest
    return Friedman(chi2, chi2_p, f, float(fdtrc(models - 1, (models - 1) * (count - 1), f)))


def critical_difference(models: int, datasets: int, level: float) -> float:
    """Return Nemenyi's: average ranks that differ by more are not equal (Demsar 2006).

    The quantile of the studentized range is divided by the square root of 2.
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(level, models, math.inf))
    return quantile / math.sqrt(2) * math.sqrt(models * (models + 1) / (6 * datasets))


def nemenyi(difference: float, models: int, datasets: int) -> float:
    """Return Nemenyi's p-value of a difference of average ranks, of all pairs together."""
    from scipy.stats import studentized_range

    error = math.sqrt(models * (models + 1) / (6 * datasets))
    found = studentized_range.sf(abs(difference) / error * math.sqrt(2), models, math.inf)
    return float(min(1.0, found))


def wilcoxon(differences: Floats) -> tuple[float, float]:
    """Return Wilcoxon's signed-rank sum of positive differences, and its two-sided p-value.

    Differences of 0 are ranked, and count for half on either side (Pratt 1959, Demsar 2006). The
    law is that of all signs of these very ranks, ties included; normal for more than 200.
    """
    from scipy.special import ndtr
    from scipy.stats import rankdata

    ranks = rankdata(np.abs(differences))
    moved = ranks[differences != 0]
    positive = float(ranks[differences > 0].sum())
    statistic = positive + float(ranks[differences == 0].sum()) / 2
    if not moved.size:
        return statistic, 1.0
    if moved.size > _EXACT:
        z = (positive - moved.sum() / 2) / math.sqrt((moved**2).sum() / 4)
        return statistic, float(2 * ndtr(-abs(z)))
    steps = np.round(2 * moved).astype(int)  # shared ranks are halves
    law = np.zeros(steps.sum() + 1)
    law[0] = 1.0
    for step in steps:
        law[step:] = (law[step:] + law[:-step]) / 2
        law[:step] /= 2
    place = round(2 * positive)
    tail = min(law[: place + 1].sum(), law[place:].sum())
    return statistic, min(1.0, 2 * float(tail))


def signed_rank_posterior(
    gains: Floats, rope: float, draws: int, rng: np.random.Generator, rounding: float = 0.0
) -> Posterior:
    """Return the Bayesian signed-rank test (Benavoli and others 2014, 2017).

    Weights of the data sets are drawn from the posterior Dirichlet process, with one more
    observation of strength 1/2 at 0; a draw speaks for better, equivalent or worse, whichever has
    most of the weight of the averages of two. The Monte-Carlo error is √(p (1 - p) / draws).

    Parameters
    ----------
    gains : array of shape (N,)
        How much better the first model is on each data set.
    rope : float
        The largest difference that does not matter.
    draws : int
        How many draws.
    rng : Generator
        Where they come from.
    rounding : float
        By how much a sum of two gains may miss the limit that it is equal to.
    """
    own = np.concatenate([[0.0], gains])
    sums = own[:, None] + own[None]
    above, below = (
        (over > rounding) + 0.5 * (np.abs(over) <= rounding)
        for over in (sums - 2 * rope, -sums - 2 * rope)
    )
    strength = np.ones(len(own))
    strength[0] = 0.5
    counts = np.zeros(3)
    block = max(1, 2_000_000 // len(own))
    for start in range(0, draws, block):
        weights = rng.dirichlet(strength, min(block, draws - start))
        better = ((weights @ above) * weights).sum(axis=1)
        worse = ((weights @ below) * weights).sum(axis=1)
        middle = 1 - better - worse if rope > 0 else np.full(len(better), -1.0)
        shares = np.column_stack([better, middle, worse])
        most = shares >= shares.max(axis=1, keepdims=True) - 1e-12
        counts += (most / most.sum(axis=1, keepdims=True)).sum(axis=0)
    return Posterior(*(counts / draws).tolist())
