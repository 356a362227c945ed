"""Numbers in twice the precision, each the sum of two floats: what rounding takes is kept.

Source: Dekker (1971), "A floating-point technique for extending the available precision",
Numerische Mathematik 18; Ogita, Rump & Oishi (2005), "Accurate sum and dot product",
SIAM Journal on Scientific Computing 26.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.similarity.form import Form
from estkit.similarity.vectors import Real

_SPLIT = 134217729.0  # 2^27 + 1 cuts a float64 into halves whose products are exact


class Twofold(NamedTuple):
    """Rows as the sum of two arrays; without a second one they are exact as they are."""

    high: Real
    low: Real | None = None


def two_sum(a: Any, b: Any) -> tuple[Real, Real]:
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


def sums(terms: Real) -> tuple[Real, Real]:
    """Return the sum of each row as that of two numbers, added up as in triple precision."""
    if terms.shape[1] == 0:
        return np.zeros(len(terms)), np.zeros(len(terms))
    high, lost = _cascade(terms)
    low, rest = _cascade(lost) if lost.shape[1] else (np.zeros(len(terms)), lost)
    return two_sum(high, low + rest.sum(axis=1))


def _cascade(terms: Real) -> tuple[Real, Real]:
    """Return the rounded sum of each row, and what rounding took from each addition."""
    lost = [terms[:, :0]]
    while terms.shape[1] > 1:
        half = terms.shape[1] // 2
        total, error = two_sum(terms[:, :half], terms[:, half : 2 * half])
        lost.append(error)
        terms = np.concatenate([total, terms[:, 2 * half :]], axis=1)
    return terms[:, 0], np.concatenate(lost, axis=1)


def dots(x: Real, y: Real) -> Real:
    """Return the inner product of each row of `x` with that of `y`, as in triple precision."""
    high, low = sums(np.concatenate(two_product(x, y), axis=1))
    return np.asarray(high + low)


def scaled(rows: Real) -> tuple[Real, Real]:
    """Return each row divided by a power of two near its largest number, and that largest number.

    Nothing is rounded; a row that is zero or infinite stays as it is, and NaN is passed over but
    for the largest number that is returned.
    """
    exponents, largest = _exponents(rows)
    return shifted(rows, exponents[:, None]), largest


def _exponents(rows: Real) -> tuple[NDArray[Any], Real]:
    with np.errstate(invalid="ignore"):
        largest = abs(rows).max(axis=1, initial=0.0)
        size = largest
        if np.isnan(largest).any():
            size = np.fmax.reduce(abs(rows), axis=1)
    usable = np.isfinite(size) & (size > 0)
    return np.where(usable, np.frexp(np.where(usable, size, 1.0))[1], 0), largest


def shifted(rows: Real, exponents: NDArray[Any]) -> Real:
    """Return numbers divided by powers of two, twice a half: one may be beyond what floats hold."""
    half = exponents // 2
    return np.asarray(np.ldexp(np.ldexp(rows, -half), -(exponents - half)))


def moved(rows: Real, form: Form) -> Twofold:
    """Return rows from which the origin is taken away, some divided by a power of two."""
    if form.origin is None:
        return Twofold(rows)
    with np.errstate(over="ignore", invalid="ignore"):
        high, low = two_sum(rows, -form.origin)
        beyond = ~np.isfinite(high + low).all(axis=1)
        if beyond.any():  # a difference beyond what a float holds, or rows that are not finite
            high[beyond], low[beyond] = two_sum(rows[beyond] / 4, -form.origin / 4)
            low[~np.isfinite(high)] = 0.0
    return Twofold(high, low)


def exact_rows(rows: Real, form: Form, both: NDArray[np.bool_] | None = None) -> Twofold:
    """Return rows near size 1 moved, centred, and multiplied by the roots but for a factor near 1.

    Parameters
    ----------
    rows : ndarray of shape (k, d)
        As they were given.
    form : Form
        The map; its factor, and `fine(form)`, are left to be applied.
    both : ndarray of bool, shape (k, d), optional
        Which coordinates count; by default all.
    """
    high, low = moved(rows, form)
    if both is not None:
        high, low = np.where(both, high, 0.0), None if low is None else np.where(both, low, 0.0)
    high, low = _near_one(high, low)
    if form.center:
        high, low = _centred(high, low, _counted(form, both))
        if both is not None:
            high, low = high * both, low * both
    if form.weights is not None:
        exponents = -(np.frexp(form.weights)[1] // 2)
        high = np.where(form.weights > 0, shifted(high, exponents), 0.0)
        low = None if low is None else np.where(form.weights > 0, shifted(low, exponents), 0.0)
    return Twofold(*_near_one(high, low))


def fine(form: Form) -> Real | None:
    """Return what is left of the weights, from 1/2 to 2, when powers of 4 are taken out."""
    if form.weights is None:
        return None
    parts, exponents = np.frexp(form.weights)
    return np.asarray(np.ldexp(parts, exponents % 2))


def _near_one(high: Real, low: Real | None) -> tuple[Real, Real | None]:
    exponents = _exponents(high)[0][:, None]
    return shifted(high, exponents), None if low is None else shifted(low, exponents)


def _counted(form: Form, both: NDArray[np.bool_] | None) -> Real | None:
    if both is None:
        return None if form.weights is None else form.weights[None]
    return np.asarray(both * (1.0 if form.weights is None else form.weights))


def _centred(high: Real, low: Real | None, weights: Real | None) -> tuple[Real, Real]:
    """Return rows without their (weighted) means."""
    low = np.zeros_like(high) if low is None else low
    if weights is None:
        total, rest = np.array([float(max(high.shape[1], 1))]), np.zeros(1)
        first, second = sums(np.concatenate([high, low], axis=1))
    else:
        total, rest = sums(np.atleast_2d(weights))
        total = np.where(total > 0, total, 1.0)
        product, lost = two_product(high, weights)
        first, second = sums(np.concatenate([product, lost, low * weights], axis=1))
    mean = first / total
    product, lost = two_product(mean, total)
    more = (((first - product) - lost) + second - mean * rest) / total
    high, lost = two_sum(high, -mean[:, None])
    return two_sum(high, lost + (low - more[:, None]))
