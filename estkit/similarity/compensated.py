"""Inner products as exact as their numbers: sums and products with what rounding took from them.

Source: Ogita, Rump & Oishi (2005), "Accurate sum and dot product", SIAM J. Sci. Comput. 26, for
single products; Ozaki, Ogita, Oishi & Rump (2012), "Error-free transformations of matrix
multiplication by using fast routines of matrix multiplication", Numer. Algorithms 59, for blocks.
"""

from __future__ import annotations

import math

import numpy as np

from estkit.similarity.form import Form
from estkit.similarity.vectors import Real

_SPLIT = 134217729.0  # 2^27 + 1 cuts a float64 into halves whose products are exact
_SLICES = 12  # of about 22 bits: what is left is below 2^-250 of a row's largest number
_NEGLIGIBLE = 8  # products of slices this far down are below 2^-170


def two_sum(a: Real, b: Real) -> tuple[Real, Real]:
    """Return the rounded sum and what rounding took from it."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: Real, b: Real) -> tuple[Real, Real]:
    """Return the rounded product and what rounding took from it; of numbers below 1e150."""
    product = a * b
    c = _SPLIT * a
    a_high = c - (c - a)
    c = _SPLIT * b
    b_high = c - (c - b)
    a_low, b_low = a - a_high, b - b_high
    lost = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, lost


def dots(x: Real, y: Real) -> Real:
    """Return the inner product of each row of `x` with that of `y`, as in triple precision."""
    if x.shape[1] == 0:
        return np.zeros(len(x))
    terms = np.concatenate(two_product(x.T, y.T))
    for _ in range(2):
        for j in range(1, len(terms)):
            terms[j], terms[j - 1] = two_sum(terms[j], terms[j - 1])
    return np.asarray(terms[:-1].sum(axis=0) + terms[-1])


def products(x: Real, y: Real) -> Real:
    """Return the inner products of all rows of `x` with all of `y`, each rounded about once.

    Rows are cut into slices of so few bits that the products of slices are exact.
    """
    beta = math.ceil((53 + math.log2(max(x.shape[1], 1))) / 2)
    left, right = _slices(x, beta), _slices(y, beta)
    pairs = [(i, j) for i in range(len(left)) for j in range(len(right)) if i + j < _NEGLIGIBLE]
    high = np.zeros((len(x), len(y)))
    low = np.zeros_like(high)
    for i, j in sorted(pairs, key=sum):
        high, lost = two_sum(high, left[i] @ right[j].T)
        low += lost
    return np.asarray(high + low)


def _slices(rows: Real, beta: int) -> list[Real]:
    """Return matrices of at most 53 - beta bits that add up to the rows."""
    slices: list[Real] = []
    while rows.any() and len(slices) < _SLICES:
        largest = abs(rows).max(axis=1)
        power = np.where(largest > 0, np.ldexp(1.0, np.frexp(largest)[1] + beta), 0.0)[:, None]
        slices.append((rows + power) - power)
        rows = rows - slices[-1]
    return slices


def sines(x: Real, y: Real, form: Form) -> Real:
    """Return the sine of the angle between each row of `x` and that of `y`, near 0 too.

    It is the length of what is left of y when its projection on x is taken away, each number of
    which is right to its last digits; 1 - cosine would have lost them all.

    Parameters
    ----------
    x, y : ndarray of shape (k, d)
        Rows near size 1, before they are mapped.
    form : Form
        The map, whose linear part is applied to what is left.
    """
    mapped, other = form.linear(x), form.linear(y)
    squares = np.einsum("ij,ij->i", mapped, mapped)
    factor = np.einsum("ij,ij->i", mapped, other) / squares
    product, lost = two_product(factor[:, None], x)
    rest = form.linear((y - product) - lost)
    rest = rest - (np.einsum("ij,ij->i", rest, mapped) / squares)[:, None] * mapped
    size = abs(rest).max(axis=1, initial=0.0)
    rest = rest / np.where(size > 0, size, 1.0)[:, None]
    lengths = size * np.sqrt(np.einsum("ij,ij->i", rest, rest))
    return np.asarray(np.minimum(lengths / np.sqrt(np.einsum("ij,ij->i", other, other)), 1.0))
