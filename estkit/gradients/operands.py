"""How the rules read what they are given, and what they hand back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estkit.errors import DataError
from estkit.gradients.rule import Rule

Array = NDArray[np.floating[Any]]
Shape = tuple[int, ...]
_SINGLE = {np.dtype(np.float32)}
_DOUBLE = np.dtype(np.float64)


def read(**given: Any) -> list[Array]:
    """Return all operands in one precision: float32 where all are, else float64.

    Plain Python numbers take the precision of the others. Nothing is copied that is right as it is.
    """
    plain = list(given.values())
    if all(type(value) is np.ndarray and value.dtype == _DOUBLE for value in plain):
        return plain  # as most are: looking no further halves what a small rule takes
    arrays = [_as_numbers(value, name) for name, value in given.items()]
    kinds = {
        array.dtype
        for array, value in zip(arrays, given.values(), strict=True)
        if not isinstance(value, int | float)
    }
    single = kinds == _SINGLE
    return [array.astype(np.float32 if single else np.float64, copy=False) for array in arrays]


def _as_numbers(value: Any, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of unequal lengths
        raise DataError(f"{name} is no array of numbers: {error}") from error
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} must hold real numbers; it has dtype {array.dtype}.")
    return array


def answer(value: Any, back: Callable[[Any], tuple[Any, ...]]) -> Rule:
    """Make the rule; what `back` is given has been checked and has the precision of `value`.

    The value is read-only, since the way back may go through it.
    """
    value = np.asarray(value)
    value = seen(value) if value.ndim else value[()]

    def vjp(upstream: ArrayLike) -> tuple[Any, ...]:
        right = type(upstream) is np.ndarray and upstream.dtype == value.dtype
        given: Any = upstream if right else _as_numbers(upstream, "upstream")
        if given.shape != value.shape:
            raise DataError(
                f"upstream has shape {given.shape}, but the value has shape {value.shape}; "
                "give ∂L/∂value, one entry for each entry of the value."
            )
        with np.errstate(all="ignore"):
            return back(given if right else given.astype(value.dtype, copy=False))

    return Rule(value, vjp)


quiet = np.errstate(all="ignore")
"""Infinities and NaN are answers here: they are in the result, and no warning is needed."""


def seen(array: Array) -> Array:
    """Return a view that cannot be written to, for what is handed on as it was given."""
    view = array.view()
    view.flags.writeable = False
    return view


def summed_to(shape: Shape, gradient: Array) -> Array:
    """Sum a gradient back over the axes along which an operand of this shape was repeated."""
    if gradient.shape == shape:
        return gradient
    new = gradient.ndim - len(shape)
    repeated = [
        new + i for i, size in enumerate(shape) if size == 1 and gradient.shape[new + i] != 1
    ]
    total: Array = gradient.sum(axis=(*range(new), *repeated), keepdims=True)
    return total.reshape(shape)


def broadcast(rule: str, **operands: Array) -> Shape:
    """Return the common shape of operands that are combined entry by entry."""
    try:
        return np.broadcast_shapes(*(operand.shape for operand in operands.values()))
    except ValueError:
        raise DataError(f"{rule}: {shapes(**operands)} do not broadcast together.") from None


def shapes(**operands: Array) -> str:
    """Say which shapes were received."""
    return " and ".join(f"{name} of shape {value.shape}" for name, value in operands.items())


def axes_of(rule: str, array: Array, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Return axes counted from 0; None stands for all."""
    if axis is None:
        return tuple(range(array.ndim))
    given = axis if isinstance(axis, tuple) else (axis,)
    if any(not -array.ndim <= one < array.ndim for one in given):
        raise DataError(
            f"{rule}: axis={axis} is not among the {array.ndim} axes of X of shape {array.shape}."
        )
    found = tuple(one % array.ndim for one in given)
    if len(set(found)) < len(found):
        raise DataError(f"{rule}: axis={axis} names an axis twice.")
    return found


def one_axis(rule: str, array: Array, axis: int) -> int:
    """Return the axis along which entries belong together; it may not be empty."""
    (found,) = axes_of(rule, array, axis)
    if array.shape[found] == 0:
        raise DataError(f"{rule}: axis {axis} of X of shape {array.shape} has no entries.")
    return found


def over(axes: tuple[int, ...], like: Array, reduced: Array) -> Array:
    """Give a reduced array its lost axes back, of length 1, so that it broadcasts."""
    kept = [1 if i in axes else size for i, size in enumerate(like.shape)]
    return reduced.reshape(kept)


def dots(X: Array, Y: Array, axis: int = -1) -> Array:
    """Return the scalar products of vectors along an axis."""
    return np.asarray(np.vecdot(np.moveaxis(X, axis, -1), np.moveaxis(Y, axis, -1)))


def square(rule: str, X: Array) -> None:
    """Refuse what is no square matrix, or stack of them."""
    if X.ndim < 2 or X.shape[-1] != X.shape[-2]:
        raise DataError(f"{rule}: X must be a square matrix; it has shape {X.shape}.")


def matrix(rule: str, name: str, X: Array) -> None:
    """Refuse what is no matrix, or stack of them."""
    if X.ndim < 2:
        raise DataError(f"{rule}: {name} must be a matrix; it has shape {X.shape}.")


def swapped(X: Array) -> Array:
    """Return the transpose of each matrix."""
    return X.swapaxes(-1, -2)


def rows_below(X: Array) -> Array:
    """Return all rows of a stack in one matrix."""
    return X.reshape(math.prod(X.shape[:-1]), X.shape[-1])
