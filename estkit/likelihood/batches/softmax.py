"""Newton's method for softmax regression on many replicates at once.

As for binomial regression: a replicate is set aside when it has arrived at a proved maximum, and
what is left over the caller fits alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.errors import DataError
from estkit.labels import read_labels
from estkit.likelihood.batches.design import (
    Placed,
    Solved,
    common_place,
    inverses,
    newton_steps,
    place,
)
from estkit.likelihood.counts import LARGE
from estkit.likelihood.existence import SMALL_MOVE
from estkit.likelihood.family import Floats, Response, log_factorial
from estkit.likelihood.newton import PRECISION
from estkit.likelihood.softmax import Softmax

_STEPS = 12
_NUMBERS_PER_CHUNK = 1 << 16
_NUMBERS_WORTH_THREADS = 2_000_000


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


def suits(family: object) -> TypeGuard[Softmax]:
    """Return whether this file can solve a family: coefficients against a reference."""
    plain = isinstance(family, Softmax) and not family.symmetric
    return plain and getattr(family, "penalty", None) is None


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
    numbers = rows * (X.shape[-1] + 1 + 2 * outcomes)
    length = max(8, _NUMBERS_PER_CHUNK // numbers)
    common = common_place(X, intercept) if X.ndim == 2 else None
    if common is not None and not common.good[0]:
        return []

    def chunk(first: int) -> Solved:
        part = slice(first, first + length)
        own = responses.take(part)
        placed = place(X[part], intercept) if common is None else common.repeated(len(own.valid))
        usable = own.valid & placed.good
        if not usable.all():
            placed, own = placed.keep(usable), own.take(usable)
        solved = _newton(placed, own, added, first + np.flatnonzero(usable))
        if level.any():
            solved.params[:, :: X.shape[-1] + 1] -= level
        return solved

    threads = parallel.cores() if numbers * replicates >= _NUMBERS_WORTH_THREADS else 1
    return list(parallel.map_threads(chunk, range(0, replicates, length), threads=threads))


class _Shares(NamedTuple):
    """Probabilities (R, K, n) and the logarithms that the log-likelihood is made of."""

    probability: Floats
    log_probability: Floats


def _shares(eta: Floats) -> _Shares:
    largest = np.maximum(eta.max(axis=1), 0.0)
    every = np.concatenate([np.zeros_like(eta[:, :1]), eta], axis=1) - largest[:, None]
    weight = np.exp(every)
    total = weight.sum(axis=1)
    return _Shares(weight / total[:, None], every - np.log(total)[:, None])


def _start(placed: Placed, responses: Responses, offset: Floats | None) -> Floats:
    """Return the coefficients of linear discriminants, which lie near the maximum; 0 without.

    Columns that vary within outcomes as in a normal law have these very coefficients.
    """
    replicates, outcomes, rows = responses.counts.shape
    terms = placed.gram.shape[1]
    params = np.zeros((replicates, outcomes - 1, terms))
    if offset is not None or responses.totals is not None or not placed.shift.any():
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


def _newton(
    placed: Placed, responses: Responses, offset: Floats | None, numbers: NDArray[np.int64]
) -> Solved:
    """Run Newton's method, setting aside the replicates that have arrived."""
    terms, rows = placed.gram.shape[1], responses.counts.shape[2]
    free = responses.counts.shape[1] - 1
    params = _start(placed, responses, offset)
    arrived: list[Solved] = []
    for _ in range(_STEPS + 1):
        if not len(numbers):
            break
        eta = placed.design.many_predictors(params)
        if offset is not None:
            eta += offset
        shares = _shares(eta)
        information = _information(placed, shares.probability, responses.totals)
        expected = shares.probability[:, 1:]
        if responses.totals is not None:
            expected = expected * responses.totals[:, None]
        residual = responses.counts[:, 1:] - expected
        gradient = placed.design.many_gradients(residual)
        flat = gradient.reshape(len(numbers), -1)
        step, regular = newton_steps(information, flat)
        decrement = np.sqrt(np.maximum((flat * step).sum(axis=1), 0.0))
        step = step.reshape(params.shape)
        # no entry of a column of unit spread exceeds the root of n; twice, from the mean predictor
        move = 2.0 * np.abs(step).sum(axis=2).max(axis=1) * np.sqrt(rows)
        done = (decrement <= PRECISION) & (move < SMALL_MOVE) & regular
        if done.any():
            loglik = (responses.counts[done] * shares.log_probability[done]).sum(axis=(1, 2))
            loglik += responses.constant[done]
            arrived.append(
                _finished(
                    placed.keep(done), (params + step)[done], information[done], loglik,
                    numbers[done],
                )
            )  # fmt: skip
        left = ~done & regular
        params = params + step
        if not left.all():
            placed, responses = placed.keep(left), responses.take(left)
            params, numbers = params[left], numbers[left]
    if not arrived:
        size = free * terms
        return Solved(numbers[:0], np.empty((0, size)), np.empty((0, size)), np.empty(0))
    return Solved(*(np.concatenate(part) for part in zip(*arrived, strict=True)))


def _information(placed: Placed, probability: Floats, totals: Floats | None) -> Floats:
    """Return Σ w (diag(p) - p pᵀ) ⊗ x xᵀ from one Gram matrix for each pair of outcomes."""
    replicates, outcomes, _ = probability.shape
    terms = placed.gram.shape[1]
    whole = np.zeros((replicates, outcomes, terms, outcomes, terms))
    for j in range(outcomes):
        for k in range(j + 1, outcomes):
            weight = probability[:, j] * probability[:, k]
            if totals is not None:
                weight *= totals
            gram = placed.design.information(weight)
            whole[:, j, :, k] -= gram
            whole[:, k, :, j] -= gram
            whole[:, j, :, j] += gram
            whole[:, k, :, k] += gram
    free = (outcomes - 1) * terms
    return whole[:, 1:, :, 1:].reshape(replicates, free, free)


def _finished(
    placed: Placed, params: Floats, information: Floats, loglik: Floats, numbers: NDArray[np.int64]
) -> Solved:
    """Return parameters and standard errors for the columns as they were given."""
    replicates, free, terms = params.shape
    slopes = params / placed.spread[:, None]
    inverse = np.linalg.inv(information).reshape(replicates, free, terms, free, terms)
    own = np.arange(free)
    covariance = inverse[:, own, :, own].transpose(1, 0, 2, 3)  # of each outcome with itself
    covariance = covariance / (placed.spread[:, :, None] * placed.spread[:, None, :])[:, None]
    if (placed.shift != 0).any():
        slopes[:, :, 0] -= (placed.shift[:, None] * slopes).sum(axis=2)
        back = np.broadcast_to(np.eye(terms), (replicates, terms, terms)).copy()
        back[:, 0, :] -= placed.shift
        covariance = back[:, None] @ covariance @ back.transpose(0, 2, 1)[:, None]
    errors = np.sqrt(np.diagonal(covariance, axis1=2, axis2=3))
    return Solved(numbers, slopes.reshape(replicates, -1), errors.reshape(replicates, -1), loglik)
