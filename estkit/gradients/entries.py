"""Rules for what picks or moves the entries of an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from estkit.errors import DataError
from estkit.gradients.operands import Array, answer, quiet, read, seen, shapes, square
from estkit.gradients.rule import Rule


@quiet
def trace(X: ArrayLike) -> Rule:
    """Sum of the diagonal, tr X.

    ∂L/∂X = uI.

    Parameters
    ----------
    X : array_like, shape (..., n, n)
        A square matrix, or a stack of them.

    Returns
    -------
    Rule
        Value of shape (...); gradient to X.

    Raises
    ------
    DataError
        Where X is not square.

    References
    ----------
    Petersen & Pedersen (2012), The Matrix Cookbook, section 2.5.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.trace([[1, 2], [3, 4]])
    >>> float(rule.value), rule.vjp(3.0)[0].tolist()
    (5.0, [[3.0, 0.0], [0.0, 3.0]])
    """
    (X,) = read(X=X)
    square("trace", X)

    def back(U: Array) -> tuple[Array]:
        gradient = np.zeros(X.shape, dtype=X.dtype)
        np.einsum("...ii->...i", gradient)[...] = U[..., None]
        return (gradient,)

    return answer(np.trace(X, axis1=-2, axis2=-1), back)


def transpose(X: ArrayLike, *, axes: tuple[int, ...] | None = None) -> Rule:
    """Transpose Xᵀ, or any other order of the axes.

    ∂L/∂X = Uᵀ: the axes of the upstream in their former order.

    Parameters
    ----------
    X : array_like
        Any array.
    axes : tuple of int, optional
        The order of the axes; by default reversed, as in numpy.

    Returns
    -------
    Rule
        Value and gradient to X, both read-only views of what was given.

    Raises
    ------
    DataError
        Where `axes` is no order of the axes of X.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.transpose([[1.0, 2.0, 3.0]])
    >>> rule.value.tolist(), rule.vjp([[4.0], [5.0], [6.0]])[0].tolist()
    ([[1.0], [2.0], [3.0]], [[4.0, 5.0, 6.0]])
    """
    (X,) = read(X=X)
    order: Any = tuple(range(X.ndim))[::-1] if axes is None else axes
    if sorted(axis % max(X.ndim, 1) for axis in order) != list(range(X.ndim)):
        raise DataError(f"transpose: axes={axes} is no order of the axes of {shapes(X=X)}.")
    former = np.argsort([axis % max(X.ndim, 1) for axis in order])
    return answer(X.transpose(order), lambda U: (seen(U.transpose(former)),))


def reshape(X: ArrayLike, shape: int | tuple[int, ...]) -> Rule:
    """Put the same entries into another shape, row by row.

    ∂L/∂X is the upstream in the shape of X.

    Parameters
    ----------
    X : array_like
        Any array.
    shape : int or tuple of int
        The new shape; -1 stands for what remains.

    Returns
    -------
    Rule
        Value and gradient to X, both read-only; views of what was given, where that is possible.

    Raises
    ------
    DataError
        Where the entries do not fit into the shape.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.reshape([[1.0, 2.0], [3.0, 4.0]], -1)
    >>> rule.value.tolist(), rule.vjp([1.0, 1.0, 2.0, 2.0])[0].tolist()
    ([1.0, 2.0, 3.0, 4.0], [[1.0, 1.0], [2.0, 2.0]])
    """
    (X,) = read(X=X)
    try:
        value = X.reshape(shape)
    except ValueError:
        raise DataError(
            f"reshape: the {X.size} entries of X of shape {X.shape} do not fit into {shape}."
        ) from None
    return answer(value, lambda U: (seen(U.reshape(X.shape)),))
