"""GELU, xΦ(x) or its approximation by tanh, and its derivative, in both tails.

An exponential multiplies the relative error of its argument by the size of the argument: exp(−x²/2)
at −30 loses three digits by the rounding of x². In the left tail arguments are kept in two parts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from estkit.gradients.operands import Array

_TAIL = -2.0
_EARLY_TAIL = -1.0  # of the approximation, whose argument is larger
_FLOOR = -40.0  # below, Φ and its approximation are 0 in double precision
_DENSITY = 0.3989422804014327  # 1 / √(2π)
_ROOT_HALF = 0.7071067811865476
# 1 + tanh(u) is 2 / (1 + exp(−2u)), with 2u = a x + b x³: a and b, each in two parts.
_A = (1.5957691216057308, -9.96930880911092e-17)  # 2√(2/π)
_B = (0.07135481627260025, -6.175149918155315e-19)  # 0.044715 of that
_SPLITTER = 134217729.0  # 2²⁷ + 1

Slope = Callable[[], Array]
Pair = tuple[Array, Array]


def exact(x: Array) -> tuple[Array, Slope]:
    """Return xΦ(x), and what gives its derivative."""
    from scipy.special import erfcx, ndtr

    share = np.asarray(ndtr(x))
    tail = np.nonzero(x < _TAIL)
    z = np.maximum(x[tail].astype(np.float64), _FLOOR)
    high, low = _multiplied(z, z)
    power = np.exp(-high / 2) * (1 - low / 2)
    ratio = erfcx(-_ROOT_HALF * z) / 2  # Φ(z) / exp(−z²/2)
    share[tail] = ratio * power
    value = np.maximum(x, _FLOOR) * share  # −∞ · 0 would be NaN; the limit is 0
    value[tail] = ratio * z * power  # where Φ is subnormal and has lost digits, too

    def slope() -> Array:
        near = np.clip(x, _FLOOR, -_FLOOR)  # further out the density is 0, and ∞ · 0 would be NaN
        found: Array = np.square(near)
        found *= x.dtype.type(-0.5)
        np.exp(found, out=found)
        found *= near
        found *= x.dtype.type(_DENSITY)
        found += share
        found[tail] = power * (ratio + _DENSITY * z)
        return found

    return value, slope


def approximate(x: Array) -> tuple[Array, Slope]:
    """Return ½x(1 + tanh u(x)), and what gives its derivative."""
    small = np.exp(-np.abs(_argument(x)))
    tail = np.nonzero(x < _EARLY_TAIL)
    high, low = _long_argument(np.maximum(x[tail].astype(np.float64), _FLOOR))
    small[tail] = np.exp(high) * (1 + low)
    share = np.maximum(small, x >= 0)
    share /= 1 + small
    value = np.maximum(x, _FLOOR) * share

    def slope() -> Array:
        near = np.clip(x, _FLOOR, -_FLOOR)
        bell = small / np.square(1 + small)
        inner = near * (x.dtype.type(_A[0]) + x.dtype.type(3 * _B[0]) * np.square(near))
        inner *= bell
        inner += share
        return inner

    return value, slope


def _argument(x: Array) -> Array:
    found: Array = np.square(x)
    found *= x.dtype.type(_B[0])
    found += x.dtype.type(_A[0])
    found *= x
    return found


def _long_argument(z: Array) -> Pair:
    """Return a z + b z³ in two parts."""
    square, square_low = _multiplied(z, z)
    cubic, cubic_low = _multiplied(square, np.full_like(z, _B[0]))
    cubic_low = cubic_low + square_low * _B[0] + square * _B[1]
    # |a| + |b z²|: all terms have one sign, so what each addition loses is found by subtraction.
    total = cubic + _A[0]
    back = total - cubic
    lost = (cubic - (total - back)) + (_A[0] - back)
    high, low = _multiplied(total, z)
    return high, low + (lost + cubic_low + _A[1]) * z


def _multiplied(x: Array, y: Array) -> Pair:
    """Return a product and what its rounding lost (Dekker 1971)."""
    product = x * y
    x_high, y_high = _upper_half(x), _upper_half(y)
    x_low, y_low = x - x_high, y - y_high
    lost = ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
    return product, lost


def _upper_half(x: Array) -> Array:
    """Return the upper 26 bits of a number, by Veltkamp's splitting."""
    spread = _SPLITTER * x
    return spread - (spread - x)
