"""Newton's method for binomial regression on many replicates at once.

Every array has the replicates first. A chunk of replicates stays in cache; each is set aside as
soon as it has arrived at a proved maximum. What is left over (hard, separated, singular, bad data)
is not this file's business: the caller fits it alone.
"""

from __future__ import annotations

from typing import NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.likelihood.batches.design import Placed, Solved, common_place, newton_steps, place
from estkit.likelihood.binomial import Binomial
from estkit.likelihood.existence import SMALL_MOVE
from estkit.likelihood.family import Floats, Response, log_factorial
from estkit.likelihood.newton import PRECISION

_STEPS = 12
_NUMBERS_PER_CHUNK = 1 << 17  # a megabyte: small enough for the caches, few calls
_NUMBERS_WORTH_THREADS = 4_000_000
_MOST_PRODUCTS = 1 << 22


class Responses(NamedTuple):
    """Successes and trials (R, n), constants of the log-likelihood (R,), and what is valid (R,)."""

    successes: Floats
    trials: Floats | None
    constant: Floats
    valid: NDArray[np.bool_]

    def take(self, which: slice | NDArray[np.bool_]) -> Responses:
        """Return some of the replicates."""
        trials = None if self.trials is None else self.trials[which]
        return Responses(self.successes[which], trials, self.constant[which], self.valid[which])


def solve(
    X: Floats, outcomes: Responses, *, intercept: bool, offset: Floats | None
) -> list[Solved]:
    """Return the replicates that Newton's method solves, chunk by chunk.

    Parameters
    ----------
    X : array of shape (R, n, p) or (n, p)
        The covariates of each replicate, or of all.
    outcomes : Responses
        What `outcomes_of` or `redrawn` made of the responses.
    intercept : bool
        Whether to add a column of ones.
    offset : array of shape (n,), optional
        A known part of the linear predictor.
    """
    level = 0.0
    if offset is not None and intercept:
        level = float(offset.mean())
        offset = offset - level
    replicates, observations = outcomes.successes.shape
    numbers = observations * (X.shape[-1] + 1)
    length = max(16, _NUMBERS_PER_CHUNK // numbers)
    common = common_place(X, intercept) if X.ndim == 2 else None
    if common is not None and not common.good[0]:
        return []

    def chunk(first: int) -> Solved:
        part = slice(first, first + length)
        own = outcomes.take(part)
        placed = place(X[part], intercept) if common is None else common.repeated(len(own.valid))
        usable = own.valid & placed.good
        if not usable.all():
            placed, own = placed.keep(usable), own.take(usable)
        numbers = first + np.flatnonzero(usable)
        solved = _newton(placed, own, offset, numbers)
        if level:
            solved.params[:, 0] -= level
        return solved

    threads = parallel.cores() if numbers * replicates >= _NUMBERS_WORTH_THREADS else 1
    return list(parallel.map_threads(chunk, range(0, replicates, length), threads=threads))


def suits(family: object) -> TypeGuard[Binomial]:
    """Return whether this file can solve a family: the logit link, without a penalty."""
    return isinstance(family, Binomial) and family.link == "logit" and family.penalty is None


def redrawn(family: Binomial, values: Floats, response: Response) -> Responses:
    """Return outcomes from drawn numbers of successes (R, n) and the trials of a response."""
    constant = np.array([family.renew(each, response).constant for each in values])
    valid = np.ones(len(values), dtype=bool)
    if response.weights is None:
        return Responses(values, None, constant, valid)
    return Responses(values, np.broadcast_to(response.weights, values.shape), constant, valid)


def outcomes_of(family: Binomial, y: NDArray[np.generic]) -> Responses:
    """Return outcomes from responses of shape (R, n) or (R, n, 2), valid or not."""
    numeric = y.dtype.kind in "fiub"
    none = np.zeros(len(y))
    if y.ndim == 3:
        counts = y.astype(float) if numeric else np.full(y.shape, np.nan)
        whole = (counts >= 0) & (counts == np.floor(counts)) & (counts < np.inf)
        valid = whole.all(axis=(1, 2)) & (y.shape[2] == 2) & (family.success is None)
        counts = np.where(whole, counts, 0.0)
        trials = counts.sum(axis=2)
        constant = (log_factorial(trials) - log_factorial(counts).sum(axis=2)).sum(axis=1)
        return Responses(counts[:, :, 0], trials, constant, valid)
    if family.success is None:
        successes = y.astype(float) if numeric else np.full(y.shape, np.nan)
        valid = ((successes == 0) | (successes == 1)).all(axis=1)
        return Responses(successes, None, none, valid)
    successes = np.asarray(y == family.success, dtype=float)
    lost = successes == 0
    other = np.take_along_axis(y, lost.argmax(axis=1)[:, None], axis=1)
    return Responses(successes, None, none, (~lost | (y == other)).all(axis=1))


def _newton(
    placed: Placed, outcomes: Responses, offset: Floats | None, numbers: NDArray[np.int64]
) -> Solved:
    """Run Newton's method, setting aside the replicates that have arrived.

    Inside, parameters are per column of unit spread. The first step from 0 needs no pass over the
    rows: there every weight is a quarter of the trials.
    """
    size = placed.gram.shape[1]
    observations = outcomes.successes.shape[1]
    params = np.zeros((len(numbers), size))
    arrived: list[Solved] = []
    for iteration in range(_STEPS + 1):
        if not len(numbers):
            break
        if iteration == 0 and offset is None and outcomes.trials is None:
            eta = np.zeros_like(outcomes.successes)
            residual = outcomes.successes - 0.5
            information = placed.gram * (0.25 * observations)
        else:
            eta = placed.design.predictors(params / placed.spread)
            if offset is not None:
                eta += offset
            residual, weight = _residual_and_weight(eta, outcomes)
            information = placed.design.information(weight)
            information /= placed.spread[:, :, None] * placed.spread[:, None, :]
        gradient = placed.design.gradient(residual) / placed.spread
        step, regular = newton_steps(information, gradient)
        decrement = np.sqrt(np.maximum((gradient * step).sum(axis=1), 0.0))
        # no entry of a column of unit spread exceeds the root of n: a bound on how far η moves
        move = np.abs(step).sum(axis=1) * np.sqrt(observations)
        done = (decrement <= PRECISION) & (move < SMALL_MOVE) & regular
        if done.any():
            arrived.append(
                _finished(
                    placed.keep(done), params[done] + step[done], information[done], eta[done],
                    outcomes.take(done), numbers[done],
                )
            )  # fmt: skip
        left = ~done & regular
        params += step
        if not left.all():
            placed, outcomes = placed.keep(left), outcomes.take(left)
            params, numbers = params[left], numbers[left]
    if not arrived:
        return Solved(numbers[:0], np.empty((0, size)), np.empty((0, size)), np.empty(0))
    return Solved(*(np.concatenate(part) for part in zip(*arrived, strict=True)))


def _residual_and_weight(eta: Floats, outcomes: Responses) -> tuple[Floats, Floats]:
    """Return successes minus expected ones, and the weights trials · π (1 - π)."""
    with np.errstate(over="ignore"):  # exp(|η|) = inf gives the right 0
        if outcomes.trials is None:
            sign = 2.0 * outcomes.successes - 1.0
            wrong = np.exp(sign * eta)  # exact where the outcome is all but certain
            wrong += 1.0
            np.reciprocal(wrong, out=wrong)  # the probability of what was not observed
            weight = np.square(wrong)
            np.subtract(wrong, weight, out=weight)
            wrong *= sign
            return wrong, weight
        probability = 1.0 / (1.0 + np.exp(-eta))
        other = 1.0 / (1.0 + np.exp(eta))
    failures = outcomes.trials - outcomes.successes
    residual = outcomes.successes * other - failures * probability
    return residual, outcomes.trials * probability * other


def _finished(
    placed: Placed,
    params: Floats,
    information: Floats,
    eta: Floats,
    outcomes: Responses,
    numbers: NDArray[np.int64],
) -> Solved:
    """Return parameters and standard errors for the columns as they were given."""
    cost = np.log1p(np.exp(-np.abs(eta))) + np.maximum(eta, 0.0)
    if outcomes.trials is not None:
        cost *= outcomes.trials
    loglik = (outcomes.successes * eta - cost).sum(axis=1) + outcomes.constant
    slopes = params / placed.spread
    covariance = np.linalg.inv(information)
    covariance /= placed.spread[:, :, None] * placed.spread[:, None, :]
    if (placed.shift != 0).any():
        slopes[:, 0] -= (placed.shift * slopes).sum(axis=1)
        back = np.broadcast_to(np.eye(slopes.shape[1]), covariance.shape).copy()
        back[:, 0, :] -= placed.shift
        covariance = back @ covariance @ back.transpose(0, 2, 1)
    errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    return Solved(numbers, slopes, errors, loglik)
