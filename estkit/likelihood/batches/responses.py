"""The outcomes of binomial regressions, replicates first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.binomial import Binomial
from estkit.likelihood.counts import LARGE
from estkit.likelihood.family import Floats, Response, log_factorial


class Responses(NamedTuple):
    """The outcomes of some replicates.

    `seen` (R, n) holds 1 for a success and -1 for a failure, or successes where there are `trials`
    (R, n); `constant` (R,) belongs to the log-likelihood, `valid` (R,) says which can be used.
    """

    seen: Floats
    trials: Floats | None
    constant: Floats
    valid: NDArray[np.bool_]

    def take(self, which: slice | NDArray[np.bool_]) -> Responses:
        """Return some of the replicates."""
        trials = None if self.trials is None else self.trials[which]
        return Responses(self.seen[which], trials, self.constant[which], self.valid[which])


def redrawn(family: Binomial, values: Floats, response: Response) -> Responses:
    """Return outcomes from drawn numbers of successes (R, n) and the trials of a response."""
    constant = np.array([family.renew(each, response).constant for each in values])
    valid = np.full(len(values), response.saturated is None)
    if response.weights is None:
        return Responses(2.0 * values - 1.0, None, constant, valid)
    return Responses(values, np.broadcast_to(response.weights, values.shape), constant, valid)


def outcomes_of(
    family: Binomial, y: NDArray[np.generic], weights: Floats | None = None
) -> Responses:
    """Return outcomes from responses of shape (R, n) or (R, n, 2), valid or not.

    Frequency weights are whole and of shape (R, n), all 0 in a replicate where they cannot be used.
    """
    found, coefficients = _outcomes(family, y)
    if weights is None:
        return found._replace(constant=coefficients.sum(axis=1))
    if found.trials is None:
        trials, successes = weights, weights * (found.seen > 0)
    else:
        trials, successes = weights * found.trials, weights * found.seen
    valid = found.valid & weights.any(axis=1) & (trials.max(axis=1) <= LARGE)
    constant = (coefficients * weights).sum(axis=1)
    return Responses(successes, trials, constant, valid)


def _outcomes(family: Binomial, y: NDArray[np.generic]) -> tuple[Responses, Floats]:
    """Return outcomes of rows that were observed once, and their constants row by row."""
    numeric = y.dtype.kind in "fiub"
    none = np.zeros(len(y))
    if y.ndim == 3:
        counts = y.astype(float) if numeric else np.full(y.shape, np.nan)
        whole = (counts >= 0) & (counts == np.floor(counts)) & (counts < np.inf)
        valid = whole.all(axis=(1, 2)) & (y.shape[2] == 2) & (family.success is None)
        counts = np.where(whole, counts, 0.0)
        trials = counts.sum(axis=2)
        constant = log_factorial(trials) - log_factorial(counts).sum(axis=2)
        valid = valid & (trials.max(axis=1, initial=0.0) <= LARGE)  # `fit` knows how to add those
        return Responses(counts[:, :, 0], trials, none, valid), constant
    no_constants = none[:, None]
    if family.success is None:
        seen = np.multiply(y, 2.0, dtype=float) if numeric else np.full(y.shape, np.nan)
        seen -= 1.0
        return Responses(seen, None, none, (np.abs(seen) == 1.0).all(axis=1)), no_constants
    won = np.asarray(y == family.success, dtype=bool)
    other = np.take_along_axis(y, won.argmin(axis=1)[:, None], axis=1)
    valid = (won | (y == other)).all(axis=1)
    return Responses(2.0 * won - 1.0, None, none, valid), no_constants
