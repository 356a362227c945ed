"""Rules that make fewer numbers of many: sums, means, maxima, norms."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from estkit.errors import DataError
from estkit.gradients.operands import Array, answer, axes_of, dots, over, quiet, read
from estkit.gradients.rule import Rule

Axis = int | tuple[int, ...] | None


def _kept(value: Array, axes: tuple[int, ...], like: Array, keepdims: bool) -> Array:
    return over(axes, like, value) if keepdims else value


@quiet
def sum(X: ArrayLike, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    """Sum of all entries, or along axes.

    ∂L/∂X repeats the upstream along the axes that were summed over.

    Parameters
    ----------
    X : array_like
        Any array.
    axis : int or tuple of int, optional
        What to sum over; by default everything.
    keepdims : bool, default False
        Whether these axes stay, with length 1.

    Returns
    -------
    Rule
        The sums, 0 where there is nothing to add; gradient to X.

    Raises
    ------
    DataError
        Where X has no such axis.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.sum([[1.0, 2.0], [3.0, 4.0]], axis=1)
    >>> rule.value.tolist(), rule.vjp([1.0, 5.0])[0].tolist()
    ([3.0, 7.0], [[1.0, 1.0], [5.0, 5.0]])
    """
    (X,) = read(X=X)
    axes = axes_of("sum", X, axis)
    value = _kept(X.sum(axis=axes), axes, X, keepdims)
    return answer(value, lambda U: (_repeated(X, axes, U),))


def _repeated(X: Array, axes: tuple[int, ...], U: Array) -> Array:
    gradient = np.empty(X.shape, dtype=X.dtype)
    gradient[...] = over(axes, X, U)
    return gradient


@quiet
def mean(X: ArrayLike, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    """Mean of all entries, or along axes.

    ∂L/∂X repeats the upstream along these axes and divides it by the number of entries in a mean.

    Parameters
    ----------
    X : array_like
        Any array.
    axis : int or tuple of int, optional
        What to average over; by default everything.
    keepdims : bool, default False
        Whether these axes stay, with length 1.

    Returns
    -------
    Rule
        The means, NaN where there is nothing to average; gradient to X.

    Raises
    ------
    DataError
        Where X has no such axis.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.mean([[1.0, 2.0], [3.0, 4.0]], axis=0)
    >>> rule.value.tolist(), rule.vjp([1.0, 4.0])[0].tolist()
    ([2.0, 3.0], [[0.5, 2.0], [0.5, 2.0]])
    """
    (X,) = read(X=X)
    axes = axes_of("mean", X, axis)
    count = X.dtype.type(math.prod(X.shape[one] for one in axes))
    value = _kept(X.sum(axis=axes) / count, axes, X, keepdims)
    return answer(value, lambda U: (_repeated(X, axes, U / count),))


@quiet
def max(X: ArrayLike, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    """Maximum of all entries, or along axes.

    ∂L/∂X is the upstream at the maximum, and 0 elsewhere. Where several entries are the largest,
    the function has a kink; the convention here is to give each of them an equal share, which lies
    between the one-sided slopes and does not depend on the order of the entries.

    Parameters
    ----------
    X : array_like
        Any array.
    axis : int or tuple of int, optional
        What to take the maximum over; by default everything.
    keepdims : bool, default False
        Whether these axes stay, with length 1.

    Returns
    -------
    Rule
        The maxima, NaN where there is a NaN among the entries; gradient to X.

    Raises
    ------
    DataError
        Where X has no such axis, or nothing to take a maximum of.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.max([[1.0, 3.0], [2.0, 2.0]], axis=1)
    >>> rule.value.tolist(), rule.vjp([1.0, 10.0])[0].tolist()
    ([3.0, 2.0], [[0.0, 1.0], [5.0, 5.0]])
    """
    (X,) = read(X=X)
    axes = axes_of("max", X, axis)
    if any(X.shape[one] == 0 for one in axes):
        raise DataError(f"max: there is no maximum of no entries; X has shape {X.shape}.")
    maximum = X.max(axis=axes)

    def back(U: Array) -> tuple[Array]:
        largest = X == over(axes, X, maximum)
        # 0 / 0 where the maximum is NaN
        share = over(axes, X, U) / np.count_nonzero(largest, axis=axes, keepdims=True)
        gradient = largest * share.astype(X.dtype, copy=False)
        return (gradient,)

    return answer(_kept(maximum, axes, X, keepdims), back)


@quiet
def norm(X: ArrayLike, *, axis: Axis = None, keepdims: bool = False) -> Rule:
    """Euclidean norm of all entries (of a matrix: Frobenius), or along axes.

    ∂L/∂X = u X / ‖X‖. At 0 the norm has a kink, and the convention is the subgradient 0. No square
    overflows or vanishes: the norm of 1e-300 or 1e300 is as accurate as any.

    Parameters
    ----------
    X : array_like
        Any array.
    axis : int or tuple of int, optional
        What to take the norm over; by default everything.
    keepdims : bool, default False
        Whether these axes stay, with length 1.

    Returns
    -------
    Rule
        The norms; gradient to X.

    Raises
    ------
    DataError
        Where X has no such axis.

    References
    ----------
    Petersen & Pedersen (2012), The Matrix Cookbook, section 2.6.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.norm([[3.0, 4.0], [0.0, 0.0]], axis=1)
    >>> rule.value.tolist(), rule.vjp([1.0, 1.0])[0].tolist()
    ([5.0, 0.0], [[0.6, 0.8], [0.0, 0.0]])
    """
    (X,) = read(X=X)
    axes = axes_of("norm", X, axis)
    scale, size = lengths(X, axes)
    value = _kept(scale * size, axes, X, keepdims)

    def back(U: Array) -> tuple[Array]:
        # X / scale / size: the product of both may not be representable, their quotients are.
        by = over(axes, X, np.where(size == 0, 1, size).astype(X.dtype, copy=False))
        if np.all(scale == 1):
            return (X * (over(axes, X, U) / by),)
        return (X / over(axes, X, scale) / by * over(axes, X, U),)

    return answer(value, back)


def lengths(X: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return scales and norms of X / scale, the scale 1 where squares neither overflow nor vanish.

    The norm itself is scale * norm, which may be infinite where the two factors are not.
    """
    size = np.sqrt(_squares(X, axes))
    one = np.ones_like(size)
    limits = np.finfo(X.dtype)
    low, high = limits.tiny**0.5 / limits.eps, limits.max**0.5
    if np.all((size > low) & (size < high)):
        return one, size
    if not X.size:
        return one, size
    largest = np.max(np.abs(X), axis=axes)
    scale = np.where((largest > 0) & (largest < np.inf), largest, one)
    return scale, np.sqrt(_squares(X / over(axes, X, scale), axes))


def _squares(X: Array, axes: tuple[int, ...]) -> Array:
    if axes == (X.ndim - 1,):
        return dots(X, X)
    if len(axes) == X.ndim:
        return np.asarray(np.vdot(X, X))
    return np.asarray(np.sum(np.square(X), axis=axes))
