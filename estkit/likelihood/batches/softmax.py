"""Newton's method for softmax regression on many replicates at once.

As for binomial regression: all take as many steps as most data sets need, and a last pass proves
most to be at their maximum. The others take more steps; what is left over the caller fits alone.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.likelihood.batches.design import Solved, pairs_of
from estkit.likelihood.batches.matrices import independent_where_seen, inverses, newton_steps
from estkit.likelihood.batches.placed import Placed, common_place, place
from estkit.likelihood.batches.softmax_outcomes import Responses
from estkit.likelihood.existence import SMALL_MOVE
from estkit.likelihood.family import Floats
from estkit.likelihood.newton import PRECISION
from estkit.likelihood.softmax import Softmax

_STEPS = 12
_USUAL_STEPS = 3  # after which most data sets are some 1e-7 of a standard error from their maximum
_NARROW_STEPS = 2  # of these, in single precision
_SURE = 1e-12  # the decrement, or twice the bound on it, at which standard errors are exact
_NUMBERS_PER_CHUNK = 1 << 19
_NUMBERS_WORTH_THREADS = 2_000_000


def suits(family: object) -> TypeGuard[Softmax]:
    """Return whether this file can solve a family: coefficients against a reference."""
    plain = isinstance(family, Softmax) and not family.symmetric
    return plain and getattr(family, "penalty", None) is None


def solve(
    X: Floats, responses: Responses, *, intercept: bool, offset: Floats | None
) -> list[Solved]:
    """Return the replicates that Newton's method solves, chunk by chunk.

    Parameters
    ----------
    X : array of shape (R, n, p) or (n, p)
        The covariates of each replicate, or of all.
    responses : Responses
        The outcomes.
    intercept : bool
        Whether to add a column of ones.
    offset : array of shape (n, K - 1), optional
        A known part of the linear predictors, against the reference.
    """
    replicates, outcomes, rows = responses.counts.shape
    level = np.zeros(outcomes - 1)
    if offset is not None and intercept:
        level = offset.mean(axis=0)
        offset = offset - level
    added = None if offset is None else np.ascontiguousarray(offset.T)
    terms = X.shape[-1] + intercept
    numbers = rows * (terms + 2 * outcomes + pairs_of(terms))
    length = max(8, _NUMBERS_PER_CHUNK // numbers)
    common = common_place(X, intercept) if X.ndim == 2 else None
    if common is not None and not common.good[0]:
        return []

    def chunk(first: int) -> list[Solved]:
        part = slice(first, first + length)
        own = responses.take(part)
        placed = place(X[part], intercept) if common is None else common.repeated(len(own.valid))
        usable = own.valid & placed.good
        if not usable.all():
            placed, own = placed.keep(usable), own.take(usable)
        numbers = first + np.flatnonzero(usable)
        with np.errstate(all="ignore"):  # some may go astray on the way
            params = _most(placed, own, added)
            found, proved = _finished(placed, own, added, params, numbers, _SURE)
        parts = [found]
        if not proved.all():
            placed, own, numbers = placed.keep(~proved), own.take(~proved), numbers[~proved]
            params, near = _approach(placed, own, added, params[~proved])
            placed, own, numbers = placed.keep(near), own.take(near), numbers[near]
            parts.append(_finished(placed, own, added, params[near], numbers, PRECISION)[0])
        for each in parts:
            each.params[:, :: X.shape[-1] + 1] -= level if level.any() else 0.0
        return parts

    threads = parallel.cores() if numbers * replicates >= _NUMBERS_WORTH_THREADS else 1
    parallel.keep_memory()
    found = parallel.map_threads(chunk, range(0, replicates, length), threads=threads)
    return [part for parts in found for part in parts]


def _weights(eta: Floats) -> tuple[Floats, Floats, Floats]:
    """Return exp(η - max η) of all outcomes (R, K, n), its sums, and η - max η."""
    every = np.empty((eta.shape[0], eta.shape[1] + 1, eta.shape[2]), eta.dtype)
    every[:, 0] = 0.0
    every[:, 1:] = eta
    every -= every.max(axis=1)[:, None]
    weight = np.exp(every)
    return weight, weight.sum(axis=1), every


def _probabilities(eta: Floats) -> Floats:
    weight, total, _ = _weights(eta)
    weight *= np.reciprocal(total)[:, None]
    return weight


def _start(placed: Placed, responses: Responses, offset: Floats | None) -> Floats:
    """Return the coefficients of linear discriminants, which lie near the maximum; 0 without.

    Columns that vary within outcomes as in a normal law have these very coefficients.
    """
    replicates, outcomes, rows = responses.counts.shape
    terms = placed.gram.shape[1]
    params = np.zeros((replicates, outcomes - 1, terms))
    if offset is not None or responses.totals is not None or not placed.intercept:
        return params
    sums = placed.design.many_gradients(responses.counts)
    share = sums[:, :, :1] / rows
    means = sums[:, :, 1:] / sums[:, :, :1]
    between = (share * means).transpose(0, 2, 1) @ means
    inverse, regular = inverses(placed.gram[:, 1:, 1:] - between)
    slopes = means @ inverse
    level = np.log(share[:, :, 0]) - 0.5 * (slopes * means).sum(axis=2)
    params[:, :, 1:] = slopes[:, 1:] - slopes[:, :1]
    params[:, :, 0] = level[:, 1:] - level[:, :1]
    params[~regular] = 0.0
    return params


def _most(placed: Placed, responses: Responses, offset: Floats | None) -> Floats:
    """Return points that are as good as the maximum for most replicates, and unproved for all.

    The way there is in single precision as long as errors of 1e-7 are small beside the distance.
    """
    here = _start(placed, responses, offset)
    exact, narrow = placed.design, placed.design.narrow()
    plain = offset is None and responses.totals is None
    seen: Any = responses.counts[:, 1:].astype(np.float32) if plain else None
    for step in range(_USUAL_STEPS + 1):
        if plain and step < _NARROW_STEPS:
            probability = _probabilities(narrow.many_predictors(here.astype(np.float32)))
            gradient = narrow.many_gradients(seen - probability[:, 1:]).astype(float)
        else:
            probability = _probabilities(_predictors(placed, offset, here))
            gradient = exact.many_gradients(_residual(probability, responses))
        if step < _USUAL_STEPS:
            weights: Any = _products(probability, responses.totals).astype(np.float32, copy=False)
            information = _assembled(narrow.many_information(weights).astype(float), here.shape[1])
        move, _ = newton_steps(information, gradient.reshape(information.shape[:2]))
        here += move.reshape(here.shape)
    return here


def _approach(
    placed: Placed, responses: Responses, offset: Floats | None, start: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return points by Newton's method, and which of them are sure to be maxima."""
    lost = ~np.isfinite(start).all(axis=(1, 2), keepdims=True)
    here = np.where(lost, _start(placed, responses, offset), start) if lost.any() else start
    params, near = here.copy(), np.zeros(len(here), dtype=bool)
    active = np.arange(len(here))
    for _ in range(_STEPS):
        if not len(active):
            break
        probability = _probabilities(_predictors(placed, offset, here))
        information = _information(placed, probability, responses.totals)
        gradient = placed.design.many_gradients(_residual(probability, responses))
        flat = gradient.reshape(information.shape[:2])
        step, regular = newton_steps(information, flat)
        decrement = np.sqrt(np.maximum((flat * step).sum(axis=1), 0.0))
        step = step.reshape(here.shape)
        here = here + step
        move = _largest_move(step, placed)
        arrived = (decrement * move <= _SURE) & (move < SMALL_MOVE) & regular
        params[active] = here
        near[active] = arrived
        left = regular & ~arrived
        if not left.all():
            placed, responses = placed.keep(left), responses.take(left)
            here, active = here[left], active[left]
    return params, near


def _largest_move(step: Floats, placed: Placed) -> Floats:
    """Return a bound on how far a linear predictor moves from the mean one: twice any of them."""
    farthest = np.abs(step) @ placed.reach()[:, :, None]
    move: Floats = 2.0 * farthest[:, :, 0].max(axis=1)
    return move


def _predictors(placed: Placed, offset: Floats | None, params: Floats) -> Floats:
    eta = placed.design.many_predictors(params)
    if offset is not None:
        eta += offset
    return eta


def _residual(probability: Floats, responses: Responses) -> Floats:
    """Return counts minus expected ones (R, K - 1, n)."""
    expected = probability[:, 1:]
    if responses.totals is not None:
        expected = expected * responses.totals[:, None]
    return responses.counts[:, 1:] - expected


def _products(probability: Floats, totals: Floats | None) -> Floats:
    """Return the weights that the blocks of the information are made of, (R, pairs, n).

    First w p (1 - p) of each outcome but the reference, then w p p' of each two of them. The
    first is a sum of products: 1 - p would lose the digits of a p near 1.
    """
    replicates, outcomes, rows = probability.shape
    free = outcomes - 1
    result = np.empty((replicates, free * outcomes // 2, rows), probability.dtype)
    if totals is not None:
        probability = probability * np.sqrt(totals)[:, None]
    np.multiply(probability[:, 1:], probability[:, :1], out=result[:, :free])
    for pair, (j, k) in enumerate(combinations(range(free), 2), start=free):
        product = np.multiply(probability[:, 1 + j], probability[:, 1 + k], out=result[:, pair])
        result[:, j] += product
        result[:, k] += product
    return result


def _assembled(grams: Floats, free: int) -> Floats:
    """Return the information (R, free · q, free · q) from its different blocks (R, pairs, q, q)."""
    replicates, _, terms, _ = grams.shape
    whole = np.empty((replicates, free, terms, free, terms))
    for j in range(free):
        whole[:, j, :, j] = grams[:, j]
    for pair, (j, k) in enumerate(combinations(range(free), 2), start=free):
        whole[:, j, :, k] = whole[:, k, :, j] = -grams[:, pair]
    return whole.reshape(replicates, free * terms, free * terms)


def _information(placed: Placed, probability: Floats, totals: Floats | None) -> Floats:
    """Return Σ w (diag(p) - p pᵀ) ⊗ x xᵀ."""
    weights = _products(probability, totals)
    return _assembled(placed.design.many_information(weights), probability.shape[1] - 1)


def _finished(
    placed: Placed,
    responses: Responses,
    offset: Floats | None,
    params: Floats,
    numbers: NDArray[np.int64],
    precision: float,
) -> tuple[Solved, NDArray[np.bool_]]:
    """Return parameters and standard errors for the columns as they were given, where proved.

    That is where the decrement is at most `precision` and the log-likelihood has a maximum.
    """
    replicates, free, terms = params.shape
    weight, total, below = _weights(_predictors(placed, offset, params))
    loglik = (responses.counts * below).sum(axis=(1, 2)) + responses.constant
    often = 1.0 if responses.totals is None else responses.totals
    loglik -= (often * np.log(total)).sum(axis=1)
    weight *= np.reciprocal(total)[:, None]
    information = _information(placed, weight, responses.totals)
    flat = placed.design.many_gradients(_residual(weight, responses)).reshape(information.shape[:2])
    inverse, regular = inverses(information)
    step = (inverse @ flat[:, :, None]).reshape(params.shape)
    if responses.totals is not None:  # columns may depend in the rows that were observed
        regular &= independent_where_seen(information, regular)
    move = _largest_move(step, placed)
    proved = regular & ((flat * step.reshape(flat.shape)).sum(axis=1) <= precision**2)
    proved &= (move < SMALL_MOVE) & np.isfinite(loglik)
    slopes = (params + step) / placed.spread[:, None]
    blocks = inverse.reshape(replicates, free, terms, free, terms)
    own = np.arange(free)
    covariance = blocks[:, own, :, own].transpose(1, 0, 2, 3)  # of each outcome with itself
    variances = np.diagonal(covariance, axis1=2, axis2=3) / placed.spread[:, None] ** 2
    if placed.shift.any():
        slopes[:, :, 0] -= (placed.shift[:, None] * slopes).sum(axis=2)
        back = -placed.shift / placed.spread
        back[:, 0] = 1.0
        along = (covariance @ back[:, None, :, None])[..., 0]
        variances[:, :, 0] = (back[:, None] * along).sum(axis=2)
    with np.errstate(invalid="ignore"):  # where nothing is proved
        errors = np.sqrt(variances)
    found = Solved(numbers, slopes.reshape(flat.shape), errors.reshape(flat.shape), loglik)
    if not proved.all():
        found = Solved(*(each[proved] for each in found))
    return found, proved
