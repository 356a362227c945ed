"""The expected outcome as a function of linear predictors: its first and second derivatives.

With η of shape (n, m) and K expected values for each row, slopes are of shape (n, K, m) and bends
of shape (n, K, m, m). One number, such as a probability of success, counts as K = 1.
"""

from __future__ import annotations

import numpy as np

from estkit.likelihood.family import Floats
from estkit.likelihood.links.links import Link


def density(link: Link, eta: Floats) -> Floats:
    """Return the derivative of the probability of success."""
    at = link.success(eta)
    result: Floats = np.exp(at.value) * at.first
    return result


def density_slope(link: Link, eta: Floats) -> Floats:
    """Return its second derivative."""
    at = link.success(eta)
    result: Floats = np.exp(at.value) * (at.second + at.first**2)
    return result


def others(probability: Floats) -> Floats:
    """Return 1 - p for each of K probabilities, as the sum of the others: nothing cancels."""
    outcomes = probability.shape[1]
    result: Floats = probability @ (np.ones((outcomes, outcomes)) - np.eye(outcomes))
    return result


def share_slopes(probability: Floats, order: list[int]) -> Floats:
    """Return the slopes of softmax probabilities; predictor j belongs to outcome ``order[1 + j]``.

    The derivative of p_k in η_j is p_k (δ_kj - p_j).
    """
    free = order[1:]
    slopes = -probability[:, :, None] * probability[:, None, free]
    own = probability * others(probability)
    for j, k in enumerate(free):
        slopes[:, k, j] = own[:, k]
    result: Floats = slopes
    return result


def share_bends(probability: Floats, order: list[int]) -> Floats:
    """Return the second derivatives of softmax probabilities."""
    free = order[1:]
    apart = np.zeros((len(probability), len(order), len(free)))  # δ_kj - p_j
    apart -= probability[:, None, free]
    rest = others(probability)
    for j, k in enumerate(free):
        apart[:, k, j] = rest[:, k]
    own = share_slopes(probability, order)[:, free, :]  # of p_j in η_l
    bends = apart[:, :, :, None] * apart[:, :, None, :] - own[:, None, :, :]
    result: Floats = probability[:, :, None, None] * bends
    return result


def threshold_slopes(link: Link, eta: Floats) -> Floats:
    """Return the slopes of the probabilities between thresholds; η are the K - 1 upper ends."""
    rows, ends = eta.shape
    slopes, number = np.zeros((rows, ends + 1, ends)), np.arange(ends)
    at = density(link, eta.ravel()).reshape(eta.shape)
    slopes[:, number, number], slopes[:, number + 1, number] = at, -at
    return slopes


def threshold_bends(link: Link, eta: Floats) -> Floats:
    """Return the second derivatives of the probabilities between thresholds."""
    rows, ends = eta.shape
    bends, number = np.zeros((rows, ends + 1, ends, ends)), np.arange(ends)
    at = density_slope(link, eta.ravel()).reshape(eta.shape)
    bends[:, number, number, number], bends[:, number + 1, number, number] = at, -at
    return bends
