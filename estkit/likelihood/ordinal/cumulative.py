"""The logarithm of F(u) - F(l) and its derivatives, to full accuracy for any u > l.

What an ordered outcome contributes: the probability between two thresholds. The difference of two
distribution functions is never taken: it loses its digits when the thresholds are close, or when
both lie far in a tail.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Block, Floats
from estkit.likelihood.links.links import LINKS as BINOMIAL_LINKS

LINKS = ("logit", "probit", "cloglog")
_NARROW = 0.5  # in units in which the density changes by a factor e
_NODES = 6  # 1e-18 on a narrow interval


class Cells(NamedTuple):
    """log(F(u) - F(l)) for each row and its derivatives.

    ``upper`` and ``lower`` are the slopes in u and l, ``shift`` is the slope when both move by the
    same; ``upper_lower`` and so on are second derivatives. What has a shift in its name is not the
    sum of the others, which cancels when u and l are close.
    """

    value: Floats
    upper: Floats
    lower: Floats
    shift: Floats
    upper_upper: Floats
    upper_lower: Floats
    lower_lower: Floats
    upper_shift: Floats
    lower_shift: Floats
    shift_shift: Floats


def cells(
    link: str, codes: NDArray[np.int64], eta: Floats, thresholds: Floats, gaps: Floats
) -> Cells:
    """Return what rows with these outcomes contribute.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog"}
        F is the logistic, the normal, or 1 - exp(-exp(·)) distribution function.
    codes : array of shape (m,)
        The number k of the outcome, u being threshold k (∞ for the last) and l the one before.
    eta : array of shape (m,)
        What is taken from the thresholds.
    thresholds : array of shape (K - 1,) or (m, K - 1)
        The thresholds, of all rows or of each.
    gaps : array of shape (K - 2,) or (m, K - 2)
        Their differences, which have more digits than the thresholds may.
    """
    last = thresholds.shape[-1]
    of = BINOMIAL_LINKS[link]
    out = Cells(*np.zeros((10, len(codes))))
    for end, rows in enumerate((codes == 0, codes == last)):
        if rows.any():
            edge = _take(thresholds, codes[rows] - end, rows) - eta[rows]
            value, first, second = of.failure(edge) if end else of.success(edge)
            _fill(out, rows, value, *_one_edge(bool(end), first, second))
    rows = (codes > 0) & (codes < last)
    if rows.any():
        inner = codes[rows]
        upper = _take(thresholds, inner, rows) - eta[rows]
        lower = _take(thresholds, inner - 1, rows) - eta[rows]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            _fill(out, rows, *_BETWEEN[link](upper, lower, _take(gaps, inner - 1, rows)))
    return out


def _take(table: Floats, column: NDArray[np.int64], rows: NDArray[np.bool_]) -> Floats:
    result: Floats = table[column] if table.ndim == 1 else table[np.flatnonzero(rows), column]
    return result


def _fill(out: Cells, rows: NDArray[np.bool_], *values: Floats) -> None:
    for whole, part in zip(out, values, strict=True):
        whole[rows] = part


def _one_edge(last: bool, first: Floats, second: Floats) -> tuple[Floats, ...]:
    none = np.zeros_like(first)
    if last:
        return none, first, first, none, none, second, none, second, second
    return first, none, first, second, none, none, second, none, second


def _logit(upper: Floats, lower: Floats, gap: Floats) -> Cells:
    """F(u) - F(l) = F(u) (1 - F(l)) (1 - exp(l - u)) for the logistic distribution."""
    won, lost = BINOMIAL_LINKS["logit"].success(upper), BINOMIAL_LINKS["logit"].failure(lower)
    ratio = np.exp(-gap) / -np.expm1(-gap)  # 1 / (exp(gap) - 1)
    bend = ratio * (1.0 + ratio)
    return Cells(
        won.value + lost.value + _log_one_less(gap),
        won.first + ratio,
        lost.first - ratio,
        won.first + lost.first,
        won.second - bend,
        bend,
        lost.second - bend,
        won.second,
        lost.second,
        won.second + lost.second,
    )


def _cloglog(upper: Floats, lower: Floats, gap: Floats) -> Cells:
    """F(u) - F(l) = exp(-h) (1 - exp(-d)), with h = exp(l) and d = exp(u) - exp(l)."""
    lost = BINOMIAL_LINKS["cloglog"].failure(lower)
    won = BINOMIAL_LINKS["cloglog"].success(upper + _log_one_less(gap))
    ratio = np.exp(-gap) / -np.expm1(-gap)  # log d moves by 1 + ratio with u, by -ratio with l
    bend = ratio * (1.0 + ratio)
    return Cells(
        lost.value + won.value,
        won.first * (1.0 + ratio),
        lost.first - won.first * ratio,
        lost.first + won.first,
        won.second * (1.0 + ratio) ** 2 - won.first * bend,
        bend * (won.first - won.second),
        lost.second + won.second * ratio**2 - won.first * bend,
        won.second * (1.0 + ratio),
        lost.second - won.second * ratio,
        won.second + lost.second,
    )


def _log_one_less(gap: Floats) -> Floats:
    """Return log(1 - exp(-gap))."""
    result: Floats = np.where(gap > 1.0, np.log1p(-np.exp(-gap)), np.log(-np.expm1(-gap)))
    return result


def _probit(upper: Floats, lower: Floats, gap: Floats) -> Cells:
    """Φ(u) - Φ(l), through the tail in which it lies: Φ(u) - Φ(l) = Φ(-l) - Φ(-u)."""
    mirrored = upper + lower > 0
    u, low = np.where(mirrored, -lower, upper), np.where(mirrored, -upper, lower)
    narrow = gap * np.maximum(1.0, 0.5 * np.abs(u + low)) < _NARROW
    value, a, b, s, above, below, uu = np.empty((7, len(gap)))
    for rows, function in ((narrow, _narrow), (~narrow, _wide)):
        if rows.any():
            parts = function(u[rows], low[rows], gap[rows])
            for whole, part in zip((value, a, b, s, above, below, uu), parts, strict=True):
                whole[rows] = part
    ll = -b * (b - low)
    us, ls = -a * above, b * below
    return Cells(
        value,
        np.where(mirrored, b, a),
        -np.where(mirrored, a, b),
        np.where(mirrored, -s, s),
        np.where(mirrored, ll, uu),
        a * b,
        np.where(mirrored, uu, ll),
        np.where(mirrored, ls, us),
        np.where(mirrored, us, ls),
        us + ls,
    )


def _narrow(upper: Floats, lower: Floats, gap: Floats) -> tuple[Floats, ...]:
    """Integrate the density from the middle m: φ(m) ∫ exp(-m t - t²/2) dt, all terms positive."""
    middle, half = 0.5 * (upper + lower), 0.5 * gap
    nodes, node_weights = np.polynomial.legendre.leggauss(_NODES)
    t = half * nodes[:, None]
    weight = node_weights[:, None] * np.exp(-t * (middle + 0.5 * t))
    total = weight.sum(axis=0)
    mean = (weight * t).sum(axis=0) / total  # of a normal variable in the interval, from m
    log_total = np.log(total) + np.log(half)
    value = -0.5 * middle * middle - 0.5 * math.log(2 * math.pi) + log_total
    a = np.exp(-half * (middle + 0.5 * half)) / (half * total)
    b = np.exp(half * (middle - 0.5 * half)) / (half * total)
    return value, a, b, -(middle + mean), half - mean, -half - mean, -a * (upper + a)


def _wide(upper: Floats, lower: Floats, gap: Floats) -> tuple[Floats, ...]:
    """Take the smaller tail from the larger one by the ratio ρ = Φ(l) / Φ(u)."""
    probit = BINOMIAL_LINKS["probit"]
    top, tail = probit.success(upper), probit.success(lower)
    # where both values are large, their difference would have lost its digits
    falls = 0.5 * gap * (upper + lower) + np.log(top.first / tail.first)
    falls = np.where(upper < 0, falls, tail.value - top.value)
    ratio, rest = np.exp(falls), -np.expm1(falls)
    value = top.value + np.where(ratio < 0.5, np.log1p(-ratio), np.log(rest))
    a, b = top.first / rest, tail.first * ratio / rest
    excess, excess_lower = _excess(upper), _excess(lower)
    above = excess - ratio / rest * (gap + excess_lower - excess)  # u + shift
    # u + a is the sum of two positive terms
    return value, a, b, a - b, above, above - gap, -a * (excess + a * ratio)


def _excess(edge: Floats) -> Floats:
    """Return η + φ(η) / Φ(η), which is positive, without cancellation."""
    top = BINOMIAL_LINKS["probit"].success(edge)
    far = -top.second / np.where(top.first > 0, top.first, 1.0)
    result: Floats = np.where(edge > 0, edge + top.first, far)
    return result


_BETWEEN = {"logit": _logit, "probit": _probit, "cloglog": _cloglog}


class Seen(NamedTuple):
    """Rows, the codes of the outcomes seen in them, and how often."""

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    weights: Floats

    def by_row(self, values: Floats, block: Block) -> Floats:
        """Return the weighted sum of what belongs to each row."""
        total = np.bincount(self.rows, self.weights * values, len(block))
        return np.asarray(total, float)

    def by_threshold(self, upper: Floats, lower: Floats, block: Block, last: int) -> Floats:
        """Return the same for each row and each threshold that bounds what was seen in it."""
        table = np.zeros((len(block), last + 2))  # -∞ and ∞ are there, too
        table[self.rows, self.codes + 1] += self.weights * upper
        table[self.rows, self.codes] += self.weights * lower
        return table[:, 1:-1]


def observed(block: Block) -> Seen:
    """Return what was seen in the rows of a block of labels or counts."""
    if block.values.ndim == 2:
        rows, codes = np.nonzero(block.values)
        return Seen(rows, codes, block.values[rows, codes])
    weights = np.ones(len(block.values)) if block.weights is None else block.weights
    return Seen(np.arange(len(block.values)), block.values, weights)


def count_thresholds(params: Floats, block: Block) -> int:
    """Return how many of the parameters are thresholds; the rest are slopes."""
    return len(params) - block.columns.shape[1] + 1


def information_of(found: Cells, block: Block, seen: Seen, last: int) -> Floats:
    """Return minus the second derivatives in (thresholds, slopes)."""
    size = last + block.columns.shape[1] - 1
    total = np.zeros((size, size))
    own = np.bincount(seen.codes, seen.weights * found.upper_upper, last + 1)[:last]
    own += np.bincount(seen.codes, seen.weights * found.lower_lower, last + 1)[1:]
    between = np.bincount(seen.codes, seen.weights * found.upper_lower, last + 1)[1:last]
    number = np.arange(last)
    total[number, number] = -own
    total[number[:-1], number[1:]] = total[number[1:], number[:-1]] = -between
    moves = seen.by_threshold(found.upper_shift, found.lower_shift, block, last)
    cross = block.columns.collect(moves.T)[:, 1:]
    total[:last, last:], total[last:, :last] = cross, cross.T
    gram = block.columns.gram(seen.by_row(-found.shift_shift, block))
    total[last:, last:] = gram[1:, 1:]
    return total


def largest_change(found: Cells, seen: Seen, moves: Floats, shift: Floats) -> float:
    """Return how far a step changes the slope of any row in any margin, relative to it.

    If that is below 1 for a Newton step, there is no direction of separation, by the argument of
    ``existence.py`` with this bound in the place of the move of the linear predictor.

    Parameters
    ----------
    found, seen : Cells, Seen
        The rows, where the step was made.
    moves : array of shape (K - 1,)
        How the step moves the thresholds.
    shift : array of shape (m,)
        How it moves what is taken from them.
    """
    last = len(moves)
    between = (seen.codes > 0) & (seen.codes < last)
    widens = np.where(between, np.append(np.diff(moves), 0.0)[seen.codes - 1], 0.0)
    margins = (  # the second derivative along the step, relative to the slope there
        (seen.codes < last, 0, found.upper, found.upper_shift, -1.0),
        (seen.codes > 0, 1, -found.lower, found.lower_shift, 1.0),
    )
    largest = 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for there, edge, slope, with_shift, sign in margins:
            has = there & (seen.weights > 0)
            change = with_shift[has] * (moves[seen.codes[has] - edge] - shift[has])
            change += sign * found.upper_lower[has] * widens[has]
            relative = float(np.max(np.abs(change) / slope[has], initial=0.0))
            if np.isnan(relative):
                return np.inf
            largest = max(largest, relative)
    return largest
