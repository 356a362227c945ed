"""Activations: values and derivatives to the last digits, far out and near 0.

Each is applied to every entry, so its Jacobian is diagonal. At a kink the derivative is the one
from the left: that of ReLU at 0 is 0. NaN gives NaN, in the value and in the gradient.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from estkit.gradients import normal_tail
from estkit.gradients.operands import Array, answer, quiet, read, seen
from estkit.gradients.rectifiers import elu, leaky_relu, pointwise, prelu, relu
from estkit.gradients.rule import Rule

__all__ = [
    "elu",
    "exp",
    "gelu",
    "identity",
    "leaky_relu",
    "prelu",
    "relu",
    "sigmoid",
    "softplus",
    "tanh",
]


def identity(x: ArrayLike) -> Rule:
    """Identity f(x) = x, with f'(x) = 1.

    Parameters
    ----------
    x : array_like
        Any array.

    Returns
    -------
    Rule
        Value, a read-only view of x, and gradient, a read-only view of the upstream.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.identity([-1.0, 2.0])
    >>> rule.value.tolist(), rule.vjp([1.0, 3.0])[0].tolist()
    ([-1.0, 2.0], [1.0, 3.0])
    """
    (x,) = read(x=x)
    return answer(x, lambda U: (seen(U) if U.ndim else U,))


@quiet
def exp(x: ArrayLike) -> Rule:
    """Exponential f(x) = eˣ, with f'(x) = eˣ.

    Parameters
    ----------
    x : array_like
        Any array; above 709.78 (float32: 88.72) the value is infinite.

    Returns
    -------
    Rule
        Value and gradient of the shape of x.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.exp([0.0, -1000.0, 1000.0])
    >>> rule.value.tolist(), rule.vjp([1.0, 1.0, 1.0])[0].tolist()
    ([1.0, 0.0, inf], [1.0, 0.0, inf])
    """
    (x,) = read(x=x)
    value = np.exp(x)
    return pointwise(value, lambda: value)


@quiet
def tanh(x: ArrayLike) -> Rule:
    """Hyperbolic tangent, with f'(x) = 1 / cosh² x.

    The textbook form 1 − tanh² is 0 from 19.1 on, where the derivative still is 1e-16.

    Parameters
    ----------
    x : array_like
        Any array.

    Returns
    -------
    Rule
        Value and gradient of the shape of x.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.tanh([0.0, 30.0, -1000.0])
    >>> rule.value.tolist(), rule.vjp([1.0, 1.0, 1.0])[0].tolist()
    ([0.0, 1.0, -1.0], [1.0, 3.5026043050786074e-26, 0.0])
    """
    (x,) = read(x=x)
    return pointwise(np.tanh(x), lambda: np.square(1 / np.cosh(x)))


def _small(x: Array) -> Array:
    """Return exp(−|x|), which never overflows."""
    power = np.abs(x, out=np.empty_like(x))
    np.negative(power, out=power)
    return np.exp(power, out=power)


def _logistic(x: Array, small: Array) -> Array:
    """Return 1 / (1 + exp(−x)) from exp(−|x|), which is never above 1."""
    found = np.maximum(small, x >= 0)
    found /= 1 + small
    return found


def _bell(small: Array) -> Array:
    """Return e / (1 + e)², the derivative of the sigmoid at −log e."""
    below = 1 + small
    below *= below
    return small / below


@quiet
def sigmoid(x: ArrayLike) -> Rule:
    """Logistic sigmoid f(x) = 1 / (1 + e⁻ˣ), with f'(x) = e / (1 + e)², where e = exp(−|x|).

    The textbook form f (1 − f) is 0 from 36.8 on, where the derivative still is 1e-16.

    Parameters
    ----------
    x : array_like
        Any array.

    Returns
    -------
    Rule
        Value and gradient of the shape of x.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.sigmoid([0.0, 50.0, -1000.0])
    >>> rule.value.tolist(), rule.vjp([1.0, 1.0, 1.0])[0].tolist()
    ([0.5, 1.0, 0.0], [0.25, 1.9287498479639178e-22, 0.0])
    """
    (x,) = read(x=x)
    small = _small(x)
    return pointwise(_logistic(x, small), lambda: _bell(small))


@quiet
def softplus(x: ArrayLike) -> Rule:
    """Softplus f(x) = log(1 + eˣ), a smooth ReLU; f' is the sigmoid.

    Parameters
    ----------
    x : array_like
        Any array.

    Returns
    -------
    Rule
        Value and gradient of the shape of x.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.softplus([0.0, 1000.0, -50.0])
    >>> rule.value.tolist(), rule.vjp([1.0, 1.0, 1.0])[0].tolist()
    ([0.6931471805599453, 1000.0, 1.9287498479639178e-22], [0.5, 1.0, 1.9287498479639178e-22])
    """
    (x,) = read(x=x)
    small = _small(x)
    value = np.log1p(small)
    value += np.maximum(x, 0)
    return pointwise(value, lambda: _logistic(x, small))


@quiet
def gelu(x: ArrayLike, *, approximate: bool = False) -> Rule:
    """Gaussian error linear unit f(x) = xΦ(x), with f'(x) = Φ(x) + xφ(x).

    With `approximate`, Φ(x) is replaced by ½(1 + tanh(√(2/π)(x + 0.044715x³))), and f' is that of
    this function. Far left, where these formulas lose digits, others are used: the error stays at
    a few units of the last place down to where the value vanishes. Only near −0.752, where f'
    changes sign, is f' accurate to that in absolute, not in relative terms.

    Parameters
    ----------
    x : array_like
        Any array.
    approximate : bool, default False
        Whether to take the approximation by tanh.

    Returns
    -------
    Rule
        Value and gradient of the shape of x.

    References
    ----------
    Hendrycks & Gimpel (2016), Gaussian error linear units.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.gelu([1.0, -30.0, -1000.0])
    >>> rule.value.tolist()
    [0.8413447460685429, -1.472014178144456e-196, -0.0]
    """
    (x,) = read(x=x)
    form = normal_tail.approximate if approximate else normal_tail.exact
    value, slope = form(np.atleast_1d(x))
    return pointwise(value.reshape(x.shape), lambda: slope().reshape(x.shape))
