"""Rules for log Σ exp and softmax, which neither overflow nor lose what is small.

The largest entry m is taken out: log Σ exp(x) = m + log(1 + s), where s sums exp(x − m) over the
others. That 1 is never added to s before the logarithm, so probabilities near 1 keep the digits by
which they miss it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from estkit.gradients.operands import Array, answer, dots, one_axis, over, quiet, read
from estkit.gradients.rule import Rule


def shares(X: Array, axis: int) -> tuple[Array, Array, Array]:
    """Return the largest entry m, exp(x − m), and s, the last summed without the largest.

    Where m is not finite the shares are unknown: NaN.
    """
    largest, put = _largest(X, axis)
    known = np.isfinite(largest)
    powers = X - (largest if known.all() else np.where(known, largest, np.nan))
    powers = np.exp(powers, out=np.ascontiguousarray(powers))
    top = put(powers, 0)
    rest = powers.sum(axis=axis, keepdims=True)
    put(powers, top)
    return largest, powers, rest


def _largest(X: Array, axis: int) -> tuple[Array, Callable[[Array, Any], Array]]:
    """Return the largest entries, and what puts others in their places and returns what was."""
    at = np.argmax(X, axis=axis)
    if axis == X.ndim - 1:  # the same as below, in less time where there are few entries
        place = at.reshape(-1) + np.arange(0, X.size, X.shape[axis])

        def put(array: Array, value: Any) -> Array:
            flat = array.reshape(-1)
            was: Array = flat[place]
            flat[place] = value
            return was

        return np.ascontiguousarray(X).reshape(-1)[place].reshape((*at.shape, 1)), put
    at = np.expand_dims(at, axis)

    def put_along(array: Array, value: Any) -> Array:
        was = np.take_along_axis(array, at, axis)
        np.put_along_axis(array, at, value, axis)
        return was

    return np.take_along_axis(X, at, axis), put_along


@quiet
def logsumexp(X: ArrayLike, *, axis: int = -1, keepdims: bool = False) -> Rule:
    """Logarithm of a sum of exponentials, log Σ exp(x), along an axis.

    ∂L/∂x = u softmax(x).

    Parameters
    ----------
    X : array_like
        Numbers of any size; −inf stands for a term of 0. Where all are, or one is inf, so is the
        value, and its gradient is NaN.
    axis : int, default -1
        What to sum over.
    keepdims : bool, default False
        Whether this axis stays, with length 1.

    Returns
    -------
    Rule
        Value without the axis; gradient to X.

    Raises
    ------
    DataError
        Where X has no such axis, or it is empty.

    References
    ----------
    Blanchard, Higham & Higham (2021), Accurately computing the log-sum-exp and softmax functions.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.logsumexp([[1000.0, 1000.0]])
    >>> rule.value.round(6).tolist(), rule.vjp([1.0])[0].tolist()
    ([1000.693147], [[0.5, 0.5]])
    """
    (X,) = read(X=X)
    along = one_axis("logsumexp", X, axis)
    largest, powers, rest = shares(X, along)
    value = largest + np.log1p(rest)
    value = np.where(np.isinf(largest), largest, value)

    def back(U: Array) -> tuple[Array]:
        return (powers * (over((along,), X, U) / (1 + rest)),)

    return answer(value if keepdims else np.squeeze(value, axis=along), back)


@quiet
def softmax(X: ArrayLike, *, axis: int = -1) -> Rule:
    """Softmax p = exp(x) / Σ exp(x), along an axis.

    ∂L/∂x = p ∘ (u − Σ u p): the Jacobian is diag p − ppᵀ.

    Parameters
    ----------
    X : array_like
        Numbers of any size; −inf stands for a probability of 0. Where all are, or one is inf, the
        probabilities are unknown: NaN.
    axis : int, default -1
        The axis along which the probabilities add up to 1.

    Returns
    -------
    Rule
        Value of the shape of X; gradient to X.

    Raises
    ------
    DataError
        Where X has no such axis, or it is empty.

    References
    ----------
    Blanchard, Higham & Higham (2021), Accurately computing the log-sum-exp and softmax functions.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.softmax([0.0, 0.0, -1000.0])
    >>> rule.value.tolist(), rule.vjp([1.0, 0.0, 0.0])[0].tolist()
    ([0.5, 0.5, 0.0], [0.25, -0.25, -0.0])
    """
    (X,) = read(X=X)
    along = one_axis("softmax", X, axis)
    _, p, rest = shares(X, along)
    p /= 1 + rest

    def back(U: Array) -> tuple[Array]:
        gradient = U - over((along,), X, dots(U, p, along))
        gradient *= p
        return (gradient,)

    return answer(p, back)


@quiet
def log_softmax(X: ArrayLike, *, axis: int = -1) -> Rule:
    """Logarithm of the softmax, x − log Σ exp(x), along an axis.

    ∂L/∂x = u − p Σ u, where p is the softmax.

    Parameters
    ----------
    X : array_like
        Numbers of any size; −inf stands for a probability of 0. Where all are, or one is inf, the
        probabilities are unknown: NaN.
    axis : int, default -1
        The axis along which the probabilities add up to 1.

    Returns
    -------
    Rule
        Value of the shape of X; gradient to X.

    Raises
    ------
    DataError
        Where X has no such axis, or it is empty.

    References
    ----------
    Blanchard, Higham & Higham (2021), Accurately computing the log-sum-exp and softmax functions.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.log_softmax([40.0, 0.0])
    >>> rule.value.tolist()
    [-4.248354255291589e-18, -40.0]
    >>> rule.vjp([0.0, 1.0])[0].tolist()
    [-1.0, 1.0]
    """
    (X,) = read(X=X)
    along = one_axis("log_softmax", X, axis)
    largest, powers, rest = shares(X, along)
    value = X - largest
    value -= np.log1p(rest)

    def back(U: Array) -> tuple[Array]:
        total = U.sum(axis=along, keepdims=True)
        return (U - powers * (total / (1 + rest)),)

    return answer(value, back)
