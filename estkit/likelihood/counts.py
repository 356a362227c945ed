"""Log-likelihoods of counts so large that a log-likelihood is a small difference of large numbers.

The logarithm of a binomial coefficient of 1e15 trials is near 1e15, and what it leaves with the
rest near -17. So the log-likelihood is put together from small parts: that of the saturated model,
in which every row has its own shares as probabilities, less half of the deviance (Loader 2000,
"Fast and accurate computation of binomial probabilities").
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.likelihood.family import Floats, log_factorial

if TYPE_CHECKING:
    from estkit.likelihood.rows import Rows

LARGE = 1e4  # trials of a row, up to which a plain sum has twelve digits
_SERIES = 16.0  # a count from which the series for its factorial has all digits
_LOG_2PI = math.log(2.0 * math.pi)
_CLOSE = 0.1  # relative: counts so near to what is expected that the series is used
_TERMS = 12  # 0.1 ** 24 is below any rounding
_ROWS = 8192

# On most machines with 11 bits more than float64: with 1e15 trials a probability in float64 moves
# the expected count by a billionth of its standard deviation.
Long = NDArray[np.longdouble]


class Constants(TypedDict):
    """What the log-likelihood of counts holds that no parameter moves."""

    constant: float
    saturated: float | None


def constants_of(counts: Floats, weights: Floats) -> Constants:
    """Return the logarithm of the multinomial coefficients of counts (n, K).

    If any total is large, also the log-likelihood of the counts under their own shares. Each row
    counts as often as its weight says.
    """
    large = counts.sum(axis=1).max(initial=0.0) > LARGE
    constant = log_ways(counts, weights)
    return {"constant": constant, "saturated": _saturated(counts, weights) if large else None}


def _saturated(counts: Floats, weights: Floats) -> float:
    rows = _saturated_parts(counts).sum(axis=1) - _saturated_parts(counts.sum(axis=1))
    return math.fsum((weights * rows).tolist())


def _saturated_parts(n: Floats) -> Floats:
    """Return n log n - n - log n!, the log-probability of n under a Poisson law of mean n."""
    with np.errstate(divide="ignore"):
        parts = -_stirling_error(n) - 0.5 * (_LOG_2PI + np.log(n))
    return np.where(n > 0, parts, 0.0)


def _stirling_error(n: Floats) -> Floats:
    """Return log n! - (n log n - n + ½ log(2πn)); at 0 nothing of use."""
    large = np.maximum(n, _SERIES)
    r = 1.0 / (large * large)
    series = (1 - r * (1 / 30 - r * (1 / 105 - r * (1 / 140 - r / 99)))) / (12 * large)
    small = np.clip(n, np.finfo(float).tiny, _SERIES)
    exact = log_factorial(small) - small * np.log(small) + small
    exact = exact - 0.5 * (_LOG_2PI + np.log(small))
    return np.where(n >= _SERIES, series, exact)


def half_deviances(counts: Floats, expected: Any, apart: Any = None) -> Long:
    """Return half of the deviance of each count x from what was expected, x log(x / e) - (x - e).

    `apart` is x - e, where the caller knows more of its digits.
    """
    x = counts.astype(np.longdouble)
    apart, both = x - expected if apart is None else apart, x + expected
    with np.errstate(divide="ignore", invalid="ignore"):
        v = apart / both
        far = x * np.log(x / expected) - apart
        square, term = v * v, 2.0 * x * v
        near = apart * v
        for j in range(1, _TERMS):
            term = term * square
            near = near + term / (2 * j + 1)
    parts = np.where(np.abs(apart) < _CLOSE * both, near, np.where(x > 0, far, expected))
    return np.where(both > 0, parts, 0.0)


def _half_deviance(counts: Floats, shares: Long) -> float:
    """Return half of the deviance of counts (n, K) from probabilities of the same shape."""
    totals = counts.astype(np.longdouble).sum(axis=1, keepdims=True)
    return float(half_deviances(counts, totals * shares).sum())


def multinomial_loglik(counts: Any, weights: Floats, seen: Floats, codes: Any = None) -> float:
    """Return the log-likelihood of rows of counts under the shares of counts.

    Parameters
    ----------
    counts : array or scipy sparse array of shape (n, K)
        The counts of the rows; of sparse ones only what is not 0 is looked at.
    weights : array of shape (n,)
        How often each row counts.
    seen : array of shape (C, K)
        The counts whose shares are the probabilities of C populations.
    codes : array of shape (n,), optional
        The population of each row; the first unless given.
    """
    row, column, x = _entries(counts, weights)
    totals = np.bincount(row, x, len(weights)).astype(float)
    codes = np.zeros(len(weights), np.intp) if codes is None else codes
    population = codes[row]
    whole = seen.astype(np.longdouble).sum(axis=1)
    own, weight = seen[population, column], weights[row]
    share = own / whole[population]
    if totals.max(initial=0.0) <= LARGE:
        parts = weight @ (x * np.log(share.astype(float)) - log_factorial(x))
        return float(weights @ log_factorial(totals) + parts)
    every = whole[codes]  # `unseen` is what was expected of counts of 0
    unseen = totals * ((every - np.bincount(row, own, len(weights))) / every)
    parts = weight * (_saturated_parts(x) - half_deviances(x, totals[row] * share))
    rows = -weights * (_saturated_parts(totals) + unseen)
    return math.fsum([*parts.astype(float).tolist(), *rows.astype(float).tolist()])


def log_ways(counts: Any, weights: Floats) -> float:
    """Return the logarithm of the multinomial coefficients of rows of counts, as of weights."""
    row, _, x = _entries(counts, weights)
    totals = np.bincount(row, x, len(weights)).astype(float)
    return float(weights @ log_factorial(totals) - weights[row] @ log_factorial(x))


def _entries(counts: Any, weights: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Return row, column and value of the counts that are not 0, nor the weight of their row."""
    if data.is_sparse(counts):
        thin = counts.tocoo()
        places, x = [thin.row, thin.col], thin.data.astype(float)
    else:
        places = list(np.nonzero(counts))
        x = np.asarray(counts[tuple(places)], float)
    row, column = (np.asarray(place, np.intp) for place in places)
    seen = (x != 0) & (weights[row] != 0)
    return row[seen], column[seen], x[seen]


def poisson_loglik(counts: Floats, weights: Floats, mean: Any) -> float:
    """Return the log-likelihood of counts, each as often as its weight says, under a mean."""
    if counts.max(initial=0.0) <= LARGE:
        logs = counts * math.log(mean) if mean else 0.0
        return float(weights @ (logs - mean - log_factorial(counts)))
    return float(weights @ (_saturated_parts(counts) - half_deviances(counts, mean)))


def negative_binomial_logliks(counts: Floats, size: float, mean: float) -> Floats:
    """Return the log-probabilities of large counts under a law of any size."""
    own, both = np.full_like(counts, size), counts.astype(np.longdouble) + size
    whole = np.longdouble(size) + mean
    apart = (counts - mean) * (size / whole)
    fall = half_deviances(own, both * (size / whole), -apart)
    fall = fall + half_deviances(counts, both * (mean / whole), apart)
    parts = _saturated_parts(own) + _saturated_parts(counts) - _saturated_parts(counts + size)
    return np.asarray(parts - fall - np.log1p(counts / size), float)


def softmax_shares(eta: Long) -> Long:
    """Return the probabilities (n, K), reference first, of linear predictors (n, K - 1)."""
    whole = np.column_stack([np.zeros(len(eta), dtype=eta.dtype), eta])
    weight = np.exp(whole - whole.max(axis=1, keepdims=True))
    result: Long = weight / weight.sum(axis=1, keepdims=True)
    return result


def _long_predictors(rows: Rows, point: Floats, part: slice) -> Long:
    """Return the linear predictors of some rows, from the columns as they were given."""
    placement, values = rows.placement, data.rows_of(rows.columns.values, part)
    coefficients = point.reshape(placement.predictors, -1).astype(np.longdouble)
    if data.is_sparse(values):
        design = placement.columns(values).dense.astype(np.longdouble)
    else:
        design = np.ones((len(values), coefficients.shape[1]), dtype=np.longdouble)
        moved = values.astype(np.longdouble) - placement.shift
        if placement.scale is not None:
            moved = moved * placement.scale
        if placement.mix is not None:
            moved = moved @ placement.mix.astype(np.longdouble)
        design[:, int(placement.intercept) :] = moved
    eta = design @ coefficients.T
    if rows.offset is not None:
        eta = eta + rows.offset[part].reshape(len(eta), -1)
    return np.asarray(eta)


def stand_in(outcomes: int) -> Constants:
    """Return what a row adds that has each outcome once, whether or not other rows are large."""
    row, once = np.ones((1, outcomes)), np.ones(1)
    return {"constant": constants_of(row, once)["constant"], "saturated": _saturated(row, once)}


def loglik_at(family: Any, rows: Rows, point: Floats) -> float | None:
    """Return the log-likelihood of large counts, or None if none is large.

    Parameters
    ----------
    family : Family
        Has `shares` of linear predictors, and `counts` of responses.
    rows : Rows
        The rows; of pieces, those without a large count are summed plainly.
    point : array of shape (k,)
        The coefficients of all predictors, inside.
    """
    if rows.response.saturated is None:
        return None
    return math.fsum(rows.pieces(lambda piece: _of_piece(family, piece, point)))


def _of_piece(family: Any, rows: Rows, point: Floats) -> float:
    response = rows.response
    if response.saturated is None:
        return _plain(family, rows, point)
    halves = []
    for first in range(0, rows.count, _ROWS):
        part = slice(first, first + _ROWS)
        shares = family.shares(_long_predictors(rows, point, part))
        halves.append(_half_deviance(family.counts(response, part), shares))
    return response.saturated - math.fsum(halves)


def _plain(family: Any, rows: Rows, point: Floats) -> float:
    """Return the log-likelihood of a piece whose counts are small."""
    logs = []
    for first in range(0, rows.count, _ROWS):
        part = slice(first, first + _ROWS)
        shares = family.shares(_long_predictors(rows, point, part))
        counts = family.counts(rows.response, part)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs.append(float(np.where(counts > 0, counts * np.log(shares), 0.0).sum()))
    return rows.response.constant + math.fsum(logs)
