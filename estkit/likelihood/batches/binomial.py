"""Newton's method for binomial regression on many replicates at once.

Every array has the replicates first, and a chunk of replicates stays in cache. All take as many
Newton steps as most data sets need, and two with the last information again, in single precision
where that does; a last pass measures gradient, information and log-likelihood there and takes a
last step, so short that it proves most to end at their maximum. The others take more steps. What
is left over (hard, separated, singular, bad data) is not this file's business: the caller fits it
alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.likelihood.batches.design import Solved, single
from estkit.likelihood.batches.matrices import independent_where_seen, inverses, newton_steps
from estkit.likelihood.batches.placed import Placed, common_place, place
from estkit.likelihood.batches.responses import Responses
from estkit.likelihood.binomial import Binomial
from estkit.likelihood.existence import SMALL_MOVE
from estkit.likelihood.family import Floats
from estkit.likelihood.newton import PRECISION

_STEPS = 12
_USUAL_STEPS = 2  # from near the maximum
_FAR_STEPS = 3  # from 0
_CHEAP_STEPS = 2  # with the last information: to 1e-6 of an error
_SHORT = 1e-6  # of a linear predictor: standard errors so near are right to its square
_SURE = 1e-12  # twice the bound on the decrement at which standard errors are exact
_NUMBERS_PER_CHUNK = 1 << 18  # two megabytes: small enough for the caches, few calls
_NUMBERS_WORTH_THREADS = 4_000_000


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
            found, proved = _finished(placed, own, offset, params, numbers)
        parts = [found]
        if not proved.all():
            placed, own, numbers = placed.keep(~proved), own.take(~proved), numbers[~proved]
            params, near = _approach(placed, own, offset, params[~proved])
            placed, own, numbers = placed.keep(near), own.take(near), numbers[near]
            with np.errstate(all="ignore"):
                found, _ = _finished(placed, own, offset, params[near], numbers, PRECISION)
            parts.append(found)
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
    step: Floats = 4.0 * (placed.inverse @ gradient[:, :, None])[:, :, 0]
    if not placed.intercept:
        return step
    mean = gradient[:, 0]  # of successes, less a half
    explained = 0.25 * (gradient * step).sum(axis=1) - mean * mean
    total = 0.25 - mean * mean
    with np.errstate(all="ignore"):
        rest = total - explained
        step[:, 1:] /= 4.0 * rest[:, None]
        level = np.log((0.5 + mean) / (0.5 - mean)) + mean * explained / (total * rest)
        step[:, 0] = level - (step[:, 1:] * placed.gram[:, 0, 1:]).sum(axis=1)
    return step


def _most(placed: Placed, outcomes: Responses, offset: Floats | None) -> Floats:
    """Return points near the maximum of most replicates, unproved for all."""
    here = _start(placed, outcomes, offset)
    if offset is None and outcomes.trials is None:
        return _nearer(placed, outcomes, here)
    covariance = placed.gram
    for step in range(_FAR_STEPS + _CHEAP_STEPS):
        residual, weight = _residual_and_weight(_predictors(placed, offset, here), outcomes)
        if step < _FAR_STEPS:
            covariance = inverses(placed.design.information(weight))[0]
        here += (covariance @ placed.design.gradient(residual)[:, :, None])[:, :, 0]
    return here


def _nearer(placed: Placed, outcomes: Responses, here: Floats) -> Floats:
    """Return points nearer the maximum, in single precision, whose errors the last step makes good.

    With t = tanh(η / 2), residuals are (±1 - t) / 2 and weights (1 - t²) / 4.
    """
    design, seen = placed.design.narrow(), single(outcomes.seen)
    covariance = placed.gram
    for step in range(_USUAL_STEPS + _CHEAP_STEPS):
        tangent = design.predictors(single(0.5 * here))
        np.tanh(tangent, out=tangent)
        gradient = design.gradient(seen - tangent)
        if step < _USUAL_STEPS:
            weight = np.square(tangent, out=tangent)
            np.subtract(1.0, weight, out=weight)
            covariance = 2.0 * inverses(design.information(weight).astype(float))[0]
        here += (covariance @ gradient[:, :, None])[:, :, 0]
    return here


def _approach(
    placed: Placed, outcomes: Responses, offset: Floats | None, params: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return points by Newton's method, and which of them are sure to be maxima.

    It goes on from where others got, or begins again where that is far from a maximum.
    Where no linear predictor moves by more than m, no weight changes by a larger part than about m,
    so that the next decrement is below m / 2 times this one.
    """
    here, again = params, _start(placed, outcomes, offset)
    params, near = again.copy(), np.zeros(len(again), dtype=bool)
    active = np.arange(len(again))
    reach = placed.reach()
    for number in range(_STEPS):
        if not len(active):
            break
        residual, weight = _residual_and_weight(_predictors(placed, offset, here), outcomes)
        gradient = placed.design.gradient(residual)
        information = placed.design.information(weight)
        step, regular = newton_steps(information, gradient)
        decrement = np.sqrt(np.maximum((gradient * step).sum(axis=1), 0.0))
        here = here + step
        move = (np.abs(step) * reach).sum(axis=1)  # a bound on how far η moves
        arrived = (decrement * move <= _SURE) & (move < SMALL_MOVE) & regular
        if not number:
            far = ~(regular & (decrement < 1.0))
            here[far], regular[far] = again[far], True
        params[active] = here
        near[active] = arrived
        left = regular & ~arrived
        if not left.all():
            placed, outcomes = placed.keep(left), outcomes.take(left)
            here, active, reach = here[left], active[left], reach[left]
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
        total = odds + 1.0
        wrong = odds / total
        loglik = outcomes.constant - np.log(total, out=total).sum(axis=1)
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
    precision: float = 0.0,
) -> tuple[Solved, NDArray[np.bool_]]:
    """Return parameters and standard errors for the columns as they were given, where proved.

    That is where the decrement, before or after a last step, is as good as 0, and the
    log-likelihood has a maximum. As in `_approach`, the step bounds the decrement after it.
    """
    eta = _predictors(placed, offset, params)
    residual, weight, loglik = _measured(eta, outcomes)
    gradient = placed.design.gradient(residual)
    information = placed.design.information(weight)
    covariance, regular = inverses(information)
    step = (covariance @ gradient[:, :, None])[:, :, 0]
    if outcomes.trials is not None:  # columns may depend in the rows that were observed
        regular &= independent_where_seen(information, regular)
    narrow = placed.design.narrow()
    moved = narrow.predictors(single(step))
    move = np.abs(moved).max(axis=1)
    gain = (gradient * step).sum(axis=1)
    short = (np.sqrt(gain) * move <= _SURE) & (move <= _SHORT)
    proved = regular & (short | (gain <= precision**2)) & (move < SMALL_MOVE)
    proved &= np.isfinite(loglik)
    slopes, rows = params + step, covariance
    variances = np.diagonal(covariance, axis1=1, axis2=2)
    if placed.shift.any():
        back = placed.back()
        slopes = (back @ slopes[:, :, None])[:, :, 0]
        rows = back @ covariance
        variances = (rows * back).sum(axis=2)
    # by how much the step changes the weights, and so the variances
    away = single(eta)
    away *= -0.5
    moved *= np.tanh(away, out=away)
    moved *= single(weight)
    variances = variances - narrow.squares(single(rows), moved)
    slopes, errors = slopes / placed.spread, np.sqrt(variances) / placed.spread
    proved &= np.isfinite(errors).all(axis=1)
    loglik += 0.5 * gain
    if not proved.all():
        numbers, slopes, errors = numbers[proved], slopes[proved], errors[proved]
        loglik = loglik[proved]
    return Solved(numbers, slopes, errors, loglik), proved
