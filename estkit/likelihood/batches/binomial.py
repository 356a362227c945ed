"""Newton's method for binomial regression on many replicates at once.

Every array has the replicates first, and a chunk of replicates stays in cache. All take as many
Newton steps as most data sets need, and one with the last information again; a last pass measures
gradient, information and log-likelihood there, which proves most to be at their maximum. The others
take more steps. What is left over (hard, separated, singular, bad data) is not this file's
business: the caller fits it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.likelihood.batches.design import (
    Placed,
    Solved,
    common_place,
    independent,
    inverses,
    newton_steps,
    place,
)
from estkit.likelihood.binomial import Binomial
from estkit.likelihood.counts import LARGE
from estkit.likelihood.existence import SMALL_MOVE
from estkit.likelihood.family import Floats, Response, log_factorial
from estkit.likelihood.newton import PRECISION

_STEPS = 12
_USUAL_STEPS = 3  # after which most data sets are some 1e-7 of a standard error from their maximum
_NARROW_STEPS = 2  # of these, in single precision
_SURE = 1e-12  # the decrement, or twice the bound on it, at which standard errors are exact
_NUMBERS_PER_CHUNK = 1 << 17  # a megabyte: small enough for the caches, few calls
_NUMBERS_WORTH_THREADS = 4_000_000


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


def solve(
    X: NDArray[Any],
    shape: tuple[int, int],
    responses: Callable[[slice], Responses],
    *,
    intercept: bool,
    offset: Floats | None,
) -> list[Solved]:
    """Return the replicates that Newton's method solves, chunk by chunk.

    Parameters
    ----------
    X : array of shape (R, n, p) or (n, p)
        The covariates of each replicate, or of all.
    shape : tuple of int
        R and n.
    responses : callable
        Takes a slice of the replicates; returns what `outcomes_of` or `redrawn` makes of it.
    intercept : bool
        Whether to add a column of ones.
    offset : array of shape (n,), optional
        A known part of the linear predictor.
    """
    level = 0.0
    if offset is not None and intercept:
        level = float(offset.mean())
        offset = offset - level
    replicates, observations = shape
    numbers = observations * (X.shape[-1] + 1)
    length = max(16, _NUMBERS_PER_CHUNK // numbers)
    common = common_place(X, intercept) if X.ndim == 2 else None
    if common is not None and not common.good[0]:
        return []

    def chunk(first: int) -> list[Solved]:
        part = slice(first, first + length)
        own = responses(part)
        placed = place(X[part], intercept) if common is None else common.repeated(len(own.valid))
        usable = own.valid & placed.good
        if not usable.all():
            placed, own = placed.keep(usable), own.take(usable)
        numbers = first + np.flatnonzero(usable)
        with np.errstate(all="ignore"):  # some may go astray on the way
            params = _most(placed, own, offset)
            found, proved = _finished(placed, own, offset, params, numbers, _SURE)
        parts = [found]
        if not proved.all():
            placed, own, numbers = placed.keep(~proved), own.take(~proved), numbers[~proved]
            params, near = _approach(placed, own, offset)
            placed, own, numbers = placed.keep(near), own.take(near), numbers[near]
            parts.append(_finished(placed, own, offset, params[near], numbers, PRECISION)[0])
        if level:
            for each in parts:
                each.params[:, 0] -= level
        return parts

    threads = parallel.cores() if numbers * replicates >= _NUMBERS_WORTH_THREADS else 1
    parallel.keep_memory()
    found = parallel.map_threads(chunk, range(0, replicates, length), threads=threads)
    return [part for parts in found for part in parts]


def suits(family: object) -> TypeGuard[Binomial]:
    """Return whether this file can solve a family: the logit link, without a penalty."""
    return isinstance(family, Binomial) and family.link == "logit" and family.penalty is None


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
        seen = 2.0 * y.astype(float) - 1.0 if numeric else np.full(y.shape, np.nan)
        return Responses(seen, None, none, (np.abs(seen) == 1.0).all(axis=1)), no_constants
    won = np.asarray(y == family.success, dtype=bool)
    other = np.take_along_axis(y, won.argmin(axis=1)[:, None], axis=1)
    valid = (won | (y == other)).all(axis=1)
    return Responses(2.0 * won - 1.0, None, none, valid), no_constants


def _start(placed: Placed, outcomes: Responses, offset: Floats | None) -> Floats:
    """Return a point near the maximum, from the moments of the data where they can tell.

    At 0 all weights are alike, so Newton's first step is least squares. With an intercept, that
    gives the linear discriminant, which has about the logistic slopes (Haggstrom 1983).
    """
    size = placed.gram.shape[1]
    if offset is not None or outcomes.trials is not None:
        return np.zeros((len(outcomes.seen), size))
    observations = outcomes.seen.shape[1]
    gradient = placed.design.gradient(outcomes.seen) * (0.5 / observations)
    step = 4.0 * newton_steps(placed.gram, gradient)[0]
    if not placed.shift.any():
        return step
    mean = gradient[:, 0]  # of successes, less a half
    explained = 0.25 * (gradient[:, 1:] * step[:, 1:]).sum(axis=1)
    total = 0.25 - mean * mean
    with np.errstate(all="ignore"):
        rest = total - explained
        step[:, 1:] /= 4.0 * rest[:, None]
        step[:, 0] = np.log((0.5 + mean) / (0.5 - mean)) + mean * explained / (total * rest)
    return step


def _most(placed: Placed, outcomes: Responses, offset: Floats | None) -> Floats:
    """Return points that are as good as the maximum for most replicates, and unproved for all.

    The way there is in single precision as long as errors of 1e-7 are small beside the distance.
    """
    here = _start(placed, outcomes, offset)
    exact, narrow = placed.design, placed.design.narrow()
    plain = offset is None and outcomes.trials is None
    seen: Any = outcomes.seen.astype(np.float32) if plain else None
    information = placed.gram
    for step in range(_USUAL_STEPS + 1):
        if plain and step < _NARROW_STEPS:
            eta = narrow.predictors(here.astype(np.float32))
            residual, weight = _residual_and_weight(eta, outcomes._replace(seen=seen))
            gradient = narrow.gradient(residual).astype(float)
        else:
            residual, weight = _residual_and_weight(_predictors(placed, offset, here), outcomes)
            gradient = exact.gradient(residual)
        if step < _USUAL_STEPS:
            information = narrow.information(weight.astype(np.float32, copy=False)).astype(float)
        here += newton_steps(information, gradient)[0]
    return here


def _approach(
    placed: Placed, outcomes: Responses, offset: Floats | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return points by Newton's method, and which of them are sure to be maxima.

    Where no linear predictor moves by more than m, no weight changes by a larger part than about m,
    so that the next decrement is below m / 2 times this one.
    """
    here = _start(placed, outcomes, offset)
    params, near = here.copy(), np.zeros(len(here), dtype=bool)
    active = np.arange(len(here))
    root = np.sqrt(outcomes.seen.shape[1])
    for _ in range(_STEPS):
        if not len(active):
            break
        residual, weight = _residual_and_weight(_predictors(placed, offset, here), outcomes)
        gradient = placed.design.gradient(residual)
        information = placed.design.information(weight)
        step, regular = newton_steps(information, gradient)
        decrement = np.sqrt(np.maximum((gradient * step).sum(axis=1), 0.0))
        here = here + step
        # no entry of a column of unit spread exceeds the root of n: a bound on how far η moves
        move = np.abs(step).sum(axis=1) * root
        arrived = (decrement * move <= _SURE) & (move < SMALL_MOVE) & regular
        params[active] = here
        near[active] = arrived
        left = regular & ~arrived
        if not left.all():
            placed, outcomes = placed.keep(left), outcomes.take(left)
            here, active = here[left], active[left]
    return params, near


def _predictors(placed: Placed, offset: Floats | None, params: Floats) -> Floats:
    eta = placed.design.predictors(params)
    if offset is not None:
        eta += offset
    return eta


def _residual_and_weight(eta: Floats, outcomes: Responses) -> tuple[Floats, Floats]:
    """Return successes minus expected ones, and the weights trials · π (1 - π)."""
    with np.errstate(over="ignore"):  # exp(|η|) = inf gives the right 0
        if outcomes.trials is None:
            wrong = outcomes.seen * eta
            np.exp(wrong, out=wrong)  # exact where the outcome is all but certain
            wrong += 1.0
            np.reciprocal(wrong, out=wrong)  # the probability of what was not observed
            weight = np.square(wrong)
            np.subtract(wrong, weight, out=weight)
            wrong *= outcomes.seen
            return wrong, weight
        probability = 1.0 / (1.0 + np.exp(-eta))
        other = 1.0 / (1.0 + np.exp(eta))
    failures = outcomes.trials - outcomes.seen
    residual = outcomes.seen * other - failures * probability
    return residual, outcomes.trials * probability * other


def _measured(eta: Floats, outcomes: Responses) -> tuple[Floats, Floats, Floats]:
    """Return residuals and weights, and the log-likelihoods: NaN where all but impossible."""
    if outcomes.trials is not None:
        residual, weight = _residual_and_weight(eta, outcomes)
        cost = np.log1p(np.exp(-np.abs(eta))) + np.maximum(eta, 0.0)
        cost = outcomes.trials * cost - outcomes.seen * eta
        return residual, weight, outcomes.constant - cost.sum(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        odds = outcomes.seen * eta
        np.negative(odds, out=odds)
        np.exp(odds, out=odds)  # of what was not observed
        loglik = outcomes.constant - np.log1p(odds).sum(axis=1)
        wrong = odds / (odds + 1.0)
        weight = np.square(wrong)
        np.subtract(wrong, weight, out=weight)
        wrong *= outcomes.seen
    return wrong, weight, loglik


def _finished(
    placed: Placed,
    outcomes: Responses,
    offset: Floats | None,
    params: Floats,
    numbers: NDArray[np.int64],
    precision: float,
) -> tuple[Solved, NDArray[np.bool_]]:
    """Return parameters and standard errors for the columns as they were given, where proved.

    That is where the decrement is at most `precision` and the loglikelihood has a maximum.
    """
    eta = _predictors(placed, offset, params)
    residual, weight, loglik = _measured(eta, outcomes)
    gradient = placed.design.gradient(residual)
    information = placed.design.information(weight)
    covariance, regular = inverses(information)
    step = (covariance @ gradient[:, :, None])[:, :, 0]
    if outcomes.trials is not None:  # columns may depend in the rows that were observed
        regular &= _independent_where_seen(information, regular)
    # no entry of a column of unit spread exceeds the root of n: a bound on how far η moves
    move = np.abs(step).sum(axis=1) * np.sqrt(eta.shape[1])
    proved = regular & ((gradient * step).sum(axis=1) <= precision**2) & (move < SMALL_MOVE)
    proved &= np.isfinite(loglik)
    slopes = (params + step) / placed.spread
    variances = np.diagonal(covariance, axis1=1, axis2=2) / placed.spread**2
    if placed.shift.any():
        slopes[:, 0] -= (placed.shift * slopes).sum(axis=1)
        back = -placed.shift / placed.spread
        back[:, 0] = 1.0
        variances[:, 0] = (back * (covariance @ back[:, :, None])[:, :, 0]).sum(axis=1)
    with np.errstate(invalid="ignore"):  # where nothing is proved
        errors = np.sqrt(variances)
    if not proved.all():
        numbers, slopes, errors = numbers[proved], slopes[proved], errors[proved]
        loglik = loglik[proved]
    return Solved(numbers, slopes, errors, loglik), proved


def _independent_where_seen(information: Floats, regular: NDArray[np.bool_]) -> NDArray[np.bool_]:
    with np.errstate(all="ignore"):
        scale = np.sqrt(np.diagonal(information, axis1=1, axis2=2))
        correlation = information / (scale[:, :, None] * scale[:, None, :])
    usable: NDArray[np.bool_] = regular & np.isfinite(correlation).all(axis=(1, 2))
    identity = np.eye(correlation.shape[1])
    usable &= independent(np.where(usable[:, None, None], correlation, identity))
    return usable
