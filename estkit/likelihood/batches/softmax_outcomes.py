"""The outcomes of many softmax regressions at once, from labels, counts or what was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.labels import read_labels
from estkit.likelihood.counts import LARGE
from estkit.likelihood.family import Floats, Response, log_factorial
from estkit.likelihood.softmax import Softmax


@dataclass(frozen=True, eq=False)
class Responses:
    """Counts of the outcomes (R, K, n), the reference first, and what else the fits need.

    Parameters
    ----------
    counts : array of shape (R, K, n)
        How often each outcome was seen in each row.
    totals : array of shape (R, n), optional
        The sums of the counts; 1 by default.
    constant : array of shape (R,)
        The multinomial coefficients.
    valid : array of shape (R,)
        Which replicates have responses that can be fitted here.
    outcomes : tuple
        The labels, in the order of the family.
    """

    counts: Floats
    totals: Floats | None
    constant: Floats
    valid: NDArray[np.bool_]
    outcomes: tuple[Any, ...]

    def take(self, which: slice | NDArray[np.bool_]) -> Responses:
        """Return some of the replicates."""
        totals = None if self.totals is None else self.totals[which]
        return Responses(
            self.counts[which], totals, self.constant[which], self.valid[which], self.outcomes
        )


def outcomes_of(family: Softmax, y: NDArray[Any]) -> Responses | None:
    """Return outcomes from labels (R, n) or counts (R, n, K); None if they cannot be read."""
    if y.ndim == 3:
        counts = np.asarray(y, float) if y.dtype.kind in "fiub" else np.full(y.shape, np.nan)
        whole = (counts >= 0) & (counts == np.floor(counts)) & (counts < np.inf)
        order = family.order(tuple(range(y.shape[2])))
        counts = np.where(whole, counts, 0.0)
        return _of_counts(counts[:, :, order], whole.all(axis=(1, 2)), tuple(range(y.shape[2])))
    try:
        labels = read_labels(y.ravel())
    except DataError:  # one bad label: each replicate is read alone
        return None
    order = family.order(labels.outcomes)
    return of_codes(np.argsort(order)[labels.codes].reshape(y.shape), labels.outcomes)


def of_codes(codes: NDArray[np.int64], outcomes: Sequence[Any]) -> Responses:
    """Return outcomes from codes (R, n), the reference being 0."""
    counts = (codes[:, None, :] == np.arange(len(outcomes))[:, None]).astype(float)
    valid = counts.max(axis=2).min(axis=1) > 0
    return Responses(counts, None, np.zeros(len(codes)), valid, tuple(outcomes))


def _of_counts(counts: Floats, valid: NDArray[np.bool_], outcomes: tuple[Any, ...]) -> Responses:
    totals = counts.sum(axis=2)
    constant = log_factorial(totals).sum(axis=1) - log_factorial(counts).sum(axis=(1, 2))
    valid = valid & (counts.max(axis=1).min(axis=1) > 0)
    valid = valid & (totals.max(axis=1, initial=0.0) <= LARGE)  # `fit` knows how to add those
    by_outcome = np.ascontiguousarray(counts.transpose(0, 2, 1))
    return Responses(by_outcome, totals, constant, valid, outcomes)


def redrawn(family: Softmax, values: NDArray[Any], response: Response) -> Responses:
    """Return outcomes from what `Softmax.draw` gave for a response."""
    if values.ndim == 2:
        return of_codes(values, response.outcomes)
    every = np.ones(len(values), dtype=bool)
    found = _of_counts(np.asarray(values, float), every, response.outcomes)
    if response.kind == "counts":
        return found
    zero = np.zeros(len(values))
    return Responses(found.counts, found.totals, zero, found.valid, found.outcomes)
