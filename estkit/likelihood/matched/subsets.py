"""Which d of m rows were chosen, when each subset of d has probability ∝ exp(Σ η) over its rows.

The sum over subsets is an elementary symmetric function of exp(η). It is built up row by row
(Gail, Lubin and Rubinstein 1981) in a form that neither overflows nor cancels: what is kept is the
ratio of the functions of j and of j - 1 rows, hence the probability that the newest row is one of
the j. From these follow the probability of each row, and the covariance of any sum over the chosen
rows as a sum of squares, in O(m d) steps and O(m d p²) operations for p columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ABSENT = -1e300  # the η of a row that fills a stratum up; it is never chosen


@dataclass(frozen=True, eq=False)
class Subsets:
    """The law of the chosen rows of S strata, filled up to the same number of rows m.

    Parameters
    ----------
    odds : array of shape (m, d, S)
        The log-odds that row i is chosen, given that j + 1 of the rows up to it are.
    chosen : array of shape (S,)
        How many rows are chosen in each stratum, d at most.
    log_sum : array of shape (S,)
        The logarithm of the sum over subsets.
    """

    odds: Floats
    chosen: NDArray[np.int64]
    log_sum: Floats

    @classmethod
    def of(cls, eta: Floats, chosen: NDArray[np.int64]) -> Subsets:
        """Return the law for η of shape (m, S)."""
        most = int(chosen.max())
        log_ratio = np.full((most, eta.shape[1]), -np.inf)  # of the sums for j + 1 and for j rows
        odds = np.full((len(eta), most, eta.shape[1]), np.inf)
        for i, own in enumerate(eta):
            reached = min(i + 1, most)
            above = np.subtract(own, log_ratio[:reached], out=odds[i, :reached])
            small = np.log1p(np.exp(-np.abs(above)))
            np.maximum(log_ratio[:reached], own, out=log_ratio[:reached])
            log_ratio[:reached] += small
            # the row may also be among the j, which the ratio has in its denominator
            log_ratio[1:reached] -= (np.maximum(above, 0.0) + small)[: reached - 1]
        counted = np.arange(most)[:, None] < chosen
        return cls(odds, chosen, np.where(counted, log_ratio, 0.0).sum(axis=0))

    def probabilities(self) -> tuple[Floats, Floats]:
        """Return the probability of each row (m, S), and of being undecided at each step.

        The second, of shape (m, d, S), is the probability that j + 1 rows up to row i are chosen,
        times the variance of whether row i then is.
        """
        rows, most, strata = self.odds.shape
        count = np.zeros((most + 1, strata))  # how many of the rows up to the present one
        count[self.chosen, np.arange(strata)] = 1.0
        inclusion, undecided = np.empty((rows, strata)), np.empty_like(self.odds)
        for i in range(rows - 1, -1, -1):
            yes, no = _shares(self.odds[i])
            moving = count[1:] * yes
            inclusion[i] = moving.sum(axis=0)
            np.multiply(moving, no, out=undecided[i])
            count[1:] *= no
            count[:-1] += moving
        return inclusion, undecided

    def covariance(self, x: Floats, undecided: Floats, weights: Floats) -> Floats:
        """Return Σ w · covariance of the sum of x over the chosen rows, for x of (p, m, S).

        By the law of total variance: with the means of the sum over j of the rows so far, whether
        row i is one of them moves the mean by x_i minus what the j-th row adds otherwise.
        """
        rows, most, strata = self.odds.shape
        mean = np.zeros((len(x), most + 1, strata))
        total = np.zeros((len(x), len(x)))
        for i in range(rows):
            reached = min(i + 1, most)
            change = mean[:, :reached] - mean[:, 1 : reached + 1]
            change += x[:, i, None]
            scaled = change * np.sqrt(undecided[i, :reached] * weights)
            scaled = scaled.reshape(len(x), -1)
            total += scaled @ scaled.T
            yes, _ = _shares(self.odds[i, :reached])
            change *= yes
            mean[:, 1 : reached + 1] += change
        return total

    def draw(self, rng: np.random.Generator, replicates: int) -> NDArray[np.bool_]:
        """Return chosen rows, of shape (replicates, m, S)."""
        rows, _, strata = self.odds.shape
        drawn = np.zeros((replicates, rows, strata), dtype=bool)
        left = np.tile(self.chosen, (replicates, 1))
        stratum = np.arange(strata)
        for i in range(rows - 1, -1, -1):
            yes, _ = _shares(self.odds[i])
            chance = np.where(left > 0, yes[np.maximum(left - 1, 0), stratum], 0.0)
            drawn[:, i] = rng.random(left.shape) < chance
            left -= drawn[:, i]
        return drawn


def _shares(odds: Floats) -> tuple[Floats, Floats]:
    """Return the probabilities of yes and no from log-odds, neither as 1 minus the other."""
    small = np.exp(-np.abs(odds))
    sure = 1.0 / (1.0 + small)
    unsure = small * sure
    above = odds > 0
    return np.where(above, sure, unsure), np.where(above, unsure, sure)
