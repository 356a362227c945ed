"""Nearest neighbours over all bootstrap rounds there can be, in closed form.

A bootstrap round draws S(a) of its n rows among the a nearest ones, and S(a) is binomial. The j-th
nearest row counts min(S(j), k) - min(S(j - 1), k) times among the k nearest, so that means and
covariances of these counts follow from S (Hall and Samworth 2005, JRSS B 67; Steele 2009, Machine
Learning 74, for the means).
"""

from __future__ import annotations

import numpy as np

from estkit import parallel
from estkit.comparison.knn import nearest
from estkit.comparison.rounds import Pool
from estkit.comparison.scores import Floats
from estkit.errors import DataError

_NEVER = 1e-15  # the chance that a round needs more neighbours than are looked at


def over_all_rounds(pool: Pool, k: int) -> tuple[Floats, Floats]:
    """Return mean and variance of what k nearest neighbours predict, (m,) each."""
    from scipy.stats import binom

    rows = len(pool.X)
    if k > rows:
        raise DataError(f"the model asks for {k} neighbours, but a round has {rows} rows.")
    short = binom.cdf(k - 1, rows, np.arange(rows + 1) / rows)
    depth = int(np.flatnonzero(short <= _NEVER)[0])
    order = nearest(np.asarray(pool.X, float), np.asarray(pool.asked, float), depth).rows
    said = np.asarray(pool.y[order], float)
    with parallel.serial_algebra():
        weights, covariance = count_moments(rows, k, depth)
        mean: Floats = said @ weights / k
        far = said - mean[:, None]
        return mean, np.einsum("ij,ij->i", far @ covariance, far) / k**2


def count_moments(rows: int, k: int, depth: int) -> tuple[Floats, Floats]:
    """Return mean (depth,) and covariance of how often each neighbour is among the k nearest."""
    from scipy.stats import binom

    state, reach = np.arange(k), np.arange(depth + 1)
    chance = np.asarray(binom.pmf(state, rows, (reach / rows)[:, None]))
    chance = np.column_stack([chance, 1 - chance.sum(axis=1)])  # the last state: k or more
    counted = np.arange(k + 1.0)
    product: Floats = np.empty((depth + 1, depth + 1))
    later = counted[:, None]  # what is expected of min(S(b), k) in each state of a, by b >= a
    for a in reach[::-1]:
        if a < depth:
            step = np.zeros((k + 1, k + 1))  # S is a Markov chain
            step[:k, :k] = binom.pmf(state - state[:, None], rows - state[:, None], 1 / (rows - a))
            step[:, k] = 1 - step.sum(axis=1)
            later = np.column_stack([counted, step @ later])
        product[a, a:] = product[a:, a] = (chance[a] * counted) @ later
    mean = chance @ counted
    covariance = product - np.outer(mean, mean)
    return np.diff(mean), np.diff(np.diff(covariance, axis=0), axis=1)
