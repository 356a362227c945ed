"""The probabilities of K outcomes, and the sums over rows that the softmax likelihood needs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from estkit.likelihood.design import Design
from estkit.likelihood.family import Block, Floats


class Shares(NamedTuple):
    """Probabilities of the outcomes in parts: weight / (1 + excess), and the reference's weight."""

    weight: Floats
    reference: Floats
    largest: Floats
    excess: Floats

    def probability(self) -> Floats:
        """Return the probabilities of all outcomes but the reference, of shape (K - 1, n)."""
        probability: Floats = self.weight / (1.0 + self.excess)
        return probability


def shares_of(eta: Floats) -> Shares:
    """Return the shares of the outcomes; nothing overflows."""
    largest = np.maximum(eta.max(axis=0), 0.0)
    weight = np.exp(eta - largest)
    reference = np.exp(-largest)
    return Shares(weight, reference, largest, weight.sum(axis=0) + (reference - 1.0))


def observed_counts(block: Block, free: int) -> Floats:
    """Return how often each outcome but the reference was seen, of shape (K - 1, n)."""
    if block.values.ndim == 2:
        counts: Floats = block.values[:, 1:].T
        return counts
    observed: Floats = (block.values == np.arange(1, free + 1)[:, None]).astype(float)
    if block.weights is not None:
        observed *= block.weights
    return observed


def residual(shares: Shares, observed: Floats, totals: Floats | float) -> Floats:
    """Return observed minus expected counts, as seen · P(others) - others seen · P.

    For single observations the plain difference is exact; for large totals only this form is.
    """
    if isinstance(totals, float):
        return observed - shares.probability()
    others = shares.weight.sum(axis=0) - shares.weight + shares.reference
    cancels = shares.weight > 0.5  # there the sum of the others must be taken without it
    if cancels.any():
        free = len(shares.weight)
        apart = (np.ones((free, free)) - np.eye(free)) @ shares.weight + shares.reference
        others = np.where(cancels, apart, others)
    net: Floats = observed * others - (totals - observed) * shares.weight
    net /= 1.0 + shares.excess
    return net


def information(design: Design, shares: Shares, weights: Floats | None) -> Floats:
    """Return Σ w (diag(p) - p pᵀ) ⊗ x xᵀ from one Gram matrix for each pair of outcomes.

    p(1 - p) is the sum of p times each other probability: nothing cancels where p is near 1.
    """
    reference = shares.reference / (1.0 + shares.excess)
    every = np.vstack([reference, shares.probability()])
    first, second = np.triu_indices(len(every), 1)
    pairs = every[first] * every[second]
    if weights is not None:
        pairs *= weights
    terms = design.shape[1]
    whole = np.zeros((len(every), terms, len(every), terms))
    for j, k, gram in zip(first, second, design.grams(pairs), strict=True):
        whole[j, :, k] -= gram
        whole[k, :, j] -= gram
        whole[j, :, j] += gram
        whole[k, :, k] += gram
    size = (len(every) - 1) * terms
    return whole[1:, :, 1:].reshape(size, size)
