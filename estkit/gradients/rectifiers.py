"""Activations with a kink at 0, or what may be one; the conventions are those of `activations`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from estkit.errors import DataError
from estkit.gradients.operands import Array, answer, broadcast, quiet, read, summed_to
from estkit.gradients.rule import Rule


def pointwise(value: Array, slope: Callable[[], Array]) -> Rule:
    """Make a rule of a diagonal Jacobian; the slope is computed when it is asked for, and kept."""
    kept: list[Array] = []

    def back(U: Array) -> tuple[Array]:
        if not kept:
            kept.append(slope())
        return (U * kept[0],)

    return answer(value, back)


def _number(rule: str, name: str, value: float, like: Array) -> Any:
    """Return a constant in the precision of x; a constant has no gradient."""
    if np.ndim(value) or not np.isfinite(value):
        raise DataError(f"{rule}: {name} must be a finite number, not {value!r}.")
    return like.dtype.type(value)


def _steps(x: Array, left: Any) -> Array:
    """Return 1 where x > 0, `left` where x ≤ 0, and NaN where x is NaN.

    Sums of products, not choices: a choice by the sign of random numbers costs five times as much.
    """
    found = (x > 0).astype(x.dtype)
    if np.ndim(left) or left != 0:
        rest = 1 - found
        rest *= left
        found += rest
    if np.isnan(x.min(initial=0)):  # a pass that allocates nothing, and rarely finds something
        found = np.where(np.isnan(x), x, found)
    return found


def _bent(x: Array, left: Any) -> Array:
    """Return x where x > 0, else `left` times x."""
    found: Array = np.minimum(x, 0) * left
    found += np.maximum(x, 0)
    return found


@quiet
def relu(x: ArrayLike) -> Rule:
    """Rectifier f(x) = max(x, 0), with f'(x) = 1 for x > 0, else 0: also at the kink at 0.

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
    >>> rule = ek.gradients.relu([-2.0, 0.0, 3.0])
    >>> rule.value.tolist(), rule.vjp([1.0, 1.0, 1.0])[0].tolist()
    ([0.0, 0.0, 3.0], [0.0, 0.0, 1.0])
    """
    (x,) = read(x=x)
    value: Array = np.maximum(x, 0)

    def back(U: Array) -> tuple[Array]:
        gradient = U * (x > 0)  # faster than a slope that is kept
        if np.isnan(x.min(initial=0)):
            gradient = np.where(np.isnan(x), x, gradient)
        return (gradient,)

    return answer(value, back)


@quiet
def leaky_relu(x: ArrayLike, *, slope: float = 0.01) -> Rule:
    """Leaky rectifier f(x) = x for x > 0, else a·x; f' is 1 or a, and a at the kink at 0.

    Parameters
    ----------
    x : array_like
        Any array.
    slope : float, default 0.01
        The constant a; `prelu` learns it.

    Returns
    -------
    Rule
        Value and gradient of the shape of x.

    Raises
    ------
    DataError
        Where the slope is no finite number.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.leaky_relu([-2.0, 0.0, 3.0], slope=0.25)
    >>> rule.value.tolist(), rule.vjp([1.0, 1.0, 1.0])[0].tolist()
    ([-0.5, 0.0, 3.0], [0.25, 0.25, 1.0])
    """
    (x,) = read(x=x)
    a = _number("leaky_relu", "slope", slope, x)
    return pointwise(_bent(x, a), lambda: _steps(x, a))


@quiet
def prelu(x: ArrayLike, slope: ArrayLike) -> Rule:
    """Parametric rectifier f(x) = x for x > 0, else a·x, where a is learned.

    ∂L/∂x is u for x > 0, else u·a, and ∂L/∂a sums u·x over the entries x ≤ 0 that a belongs to.

    Parameters
    ----------
    x : array_like
        Any array.
    slope : array_like
        The slopes a, broadcast against x: one number, one for each column of rows, or, of shape
        (C, 1, 1), one for each channel of images.

    Returns
    -------
    Rule
        Value of the shape of x; gradients to x and to the slopes.

    Raises
    ------
    DataError
        Where the slopes do not broadcast to the shape of x.

    References
    ----------
    He, Zhang, Ren & Sun (2015), Delving deep into rectifiers, equation 8.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.prelu([-2.0, -1.0, 3.0], 0.25)
    >>> rule.value.tolist()
    [-0.5, -0.25, 3.0]
    >>> to_x, to_slope = rule.vjp([1.0, 1.0, 1.0])
    >>> to_x.tolist(), float(to_slope)
    ([0.25, 0.25, 1.0], -3.0)
    """
    x, a = read(x=x, slope=slope)
    if broadcast("prelu", x=x, slope=a) != x.shape:
        raise DataError(f"prelu: slope of shape {a.shape} does not fit into x of shape {x.shape}.")

    def back(U: Array) -> tuple[Array, Array]:
        return U * _steps(x, a), summed_to(a.shape, U * np.minimum(x, 0))

    return answer(_bent(x, a), back)


@quiet
def elu(x: ArrayLike, *, alpha: float = 1.0) -> Rule:
    """Exponential linear unit f(x) = x for x > 0, else α(eˣ − 1).

    f' is 1 for x > 0, else αeˣ: for α ≠ 1 there is a kink at 0, where α is given.

    Parameters
    ----------
    x : array_like
        Any array.
    alpha : float, default 1.0
        −α is what f tends to on the left.

    Returns
    -------
    Rule
        Value and gradient of the shape of x.

    Raises
    ------
    DataError
        Where α is no finite number.

    References
    ----------
    Clevert, Unterthiner & Hochreiter (2016), Fast and accurate deep network learning by ELUs.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.elu([-1000.0, 0.0, 3.0], alpha=2.0)
    >>> rule.value.tolist(), rule.vjp([1.0, 1.0, 1.0])[0].tolist()
    ([-2.0, 0.0, 3.0], [0.0, 2.0, 1.0])
    """
    (x,) = read(x=x)
    a = _number("elu", "alpha", alpha, x)
    left = np.minimum(x, 0)

    def slope() -> Array:
        power: Array = np.exp(left)  # 1 for x > 0
        return power if a == 1 else power * _steps(x, a)

    return pointwise(a * np.expm1(left) + np.maximum(x, 0), slope)
