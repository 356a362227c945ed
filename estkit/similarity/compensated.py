"""Inner products as exact as their numbers: sums and products with what rounding took from them.

Source: Ozaki, Ogita, Oishi & Rump (2012), "Error-free transformations of matrix multiplication by
using fast routines of matrix multiplication and its applications", Numerical Algorithms 59.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.similarity.form import Form
from estkit.similarity.twofold import Twofold, dots, fine, two_product, two_sum
from estkit.similarity.vectors import Real

_SLICES = 12  # of about 22 bits: what is left is below 2^-250 of a row's largest number
_NEGLIGIBLE = 8  # products of slices this far down are below 2^-170
_NUMBERS = 1 << 16  # coordinates of pairs that are done again together


def cosine_terms(x: Twofold, y: Twofold, form: Form) -> tuple[Real, Real, Real, Real]:
    """Return rows whose inner products are those of two mapped tables, and the lengths of both.

    Parameters
    ----------
    x, y : Twofold
        Exact rows of both.
    form : Form
        The map, of which what is still to be applied is applied to `x`.
    """
    weights = fine(form)
    first, second = (_lengths(rows, form, weights) for rows in (x, y))
    if form.factor is not None:
        return linear(x.high, form, weights), linear(y.high, form, weights), first, second
    high, low = x
    if weights is not None:
        high, lost = two_product(high, np.broadcast_to(weights, high.shape))
        low = lost if low is None else lost + low * weights
    if low is None and y.low is None:
        return high, y.high, first, second
    left, right = [high], [y.high]
    if low is not None:
        left, right = [*left, low], [*right, y.high]
    if y.low is not None:
        left, right = [*left, high], [*right, y.low]
    return np.concatenate(left, axis=1), np.concatenate(right, axis=1), first, second


def _lengths(rows: Twofold, form: Form, weights: Real | None) -> Real:
    if form.factor is not None:
        mapped = linear(rows.high, form, weights)
        return np.asarray(np.sqrt((mapped * mapped).sum(axis=1)))
    squares = rows.high * rows.high if weights is None else rows.high * rows.high * weights
    return np.asarray(np.sqrt(squares.sum(axis=1)))


def linear(rows: Real, form: Form, weights: Real | None) -> Real:
    """Return exact rows with what was left to be applied of the map."""
    if weights is not None:
        rows = rows * np.sqrt(weights)
    return rows if form.factor is None else np.asarray(rows @ form.factor)


class _Slices(NamedTuple):
    """Matrices of few bits that add up to rows; how many each row has, and whether that is all."""

    parts: list[Real]
    counts: NDArray[np.intp]
    whole: NDArray[np.bool_]


def products(x: Real, y: Real) -> Real:
    """Return the inner products of all rows of `x` with all of `y`, each rounded about once.

    Rows are cut into slices of so few bits that the products of slices are exact. Products that are
    small beside what is neglected are done again one by one.
    """
    beta = math.ceil((53 + math.log2(max(x.shape[1], 1))) / 2)
    left, right = _slices(x, beta), _slices(y, beta)
    pairs = [
        (i, j)
        for i in range(len(left.parts))
        for j in range(len(right.parts))
        if i + j < _NEGLIGIBLE
    ]
    high = np.zeros((len(x), len(y)))
    low, rest = np.zeros_like(high), np.zeros_like(high)
    for i, j in sorted(pairs, key=sum):
        high, lost = two_sum(high, left.parts[i] @ right.parts[j].T)
        low, lost = two_sum(low, lost)
        rest += lost
    found = np.asarray(high + (low + rest))
    neglected = 2.0 ** (60 - (53 - beta) * _NEGLIGIBLE) * max(x.shape[1], 1)
    sizes = [abs(rows).max(axis=1, initial=0.0) for rows in (x, y)]
    small = abs(found) < max(neglected, 2.0**-100) * sizes[0][:, None] * sizes[1]
    exact = left.whole[:, None] & right.whole
    exact &= left.counts[:, None] + right.counts < _NEGLIGIBLE + 2
    again = np.argwhere(small & ~(exact & (found == 0)))
    step = max(1, _NUMBERS // max(1, x.shape[1]))
    for start in range(0, len(again), step):
        rows, columns = again[start : start + step].T
        found[rows, columns] = dots(x[rows], y[columns])
    return found


def _slices(rows: Real, beta: int) -> _Slices:
    """Return matrices of at most 53 - beta bits that add up to the rows."""
    parts: list[Real] = []
    counts = np.zeros(len(rows), np.intp)
    while rows.any() and len(parts) < _SLICES:
        largest = abs(rows).max(axis=1)
        power = np.where(largest > 0, np.ldexp(1.0, np.frexp(largest)[1] + beta), 0.0)[:, None]
        parts.append((rows + power) - power)
        rows = rows - parts[-1]
        counts += largest > 0
    return _Slices(parts, counts, np.asarray(~rows.any(axis=1)))


def sines(x: Twofold, y: Twofold, form: Form) -> Real:
    """Return the sine of the angle between each row of `x` and that of `y`, near 0 too.

    It is the length of what is left of y when its projection on x is taken away, each number of
    which is right to its last digits; 1 - cosine would have lost them all.

    Parameters
    ----------
    x, y : Twofold
        Exact rows, as many of both.
    form : Form
        The map, of which what is still to be applied is applied to what is left.
    """
    weights = fine(form)
    mapped, other = linear(x.high, form, weights), linear(y.high, form, weights)
    squares = np.einsum("ij,ij->i", mapped, mapped)
    factor = np.einsum("ij,ij->i", mapped, other) / squares
    product, lost = two_product(factor[:, None], x.high)
    rest = (y.high - product) - lost
    if x.low is not None:
        rest -= factor[:, None] * x.low
    if y.low is not None:
        rest += y.low
    rest = linear(rest, form, weights)
    rest = rest - (np.einsum("ij,ij->i", rest, mapped) / squares)[:, None] * mapped
    size = abs(rest).max(axis=1, initial=0.0)
    rest = rest / np.where(size > 0, size, 1.0)[:, None]
    lengths = size * np.sqrt(np.einsum("ij,ij->i", rest, rest))
    return np.asarray(np.minimum(lengths / np.sqrt(np.einsum("ij,ij->i", other, other)), 1.0))
