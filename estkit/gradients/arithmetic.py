"""Rules that work entry by entry, with the broadcasting of numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from estkit.errors import DataError
from estkit.gradients.operands import (
    Array,
    Shape,
    answer,
    broadcast,
    quiet,
    read,
    seen,
    summed_to,
)
from estkit.gradients.rule import Rule


def elementwise(
    function: Callable[[Array], ArrayLike], derivative: Callable[[Array], ArrayLike], X: ArrayLike
) -> Rule:
    """Any function that is applied to each entry.

    Its Jacobian is diagonal, so ∂L/∂X = U ∘ f'(X), entry by entry.

    Parameters
    ----------
    function : callable
        Takes an array and gives f of each entry.
    derivative : callable
        The same for f'.
    X : array_like
        Any array.

    Returns
    -------
    Rule
        Value and gradient of the shape of X.

    Raises
    ------
    DataError
        Where one of the functions gives another shape than it was given.

    References
    ----------
    Magnus & Neudecker (1999), Matrix Differential Calculus, chapter 5.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> rule = ek.gradients.elementwise(np.square, lambda x: 2 * x, [1.0, -3.0])
    >>> rule.value.tolist(), rule.vjp([1.0, 10.0])[0].tolist()
    ([1.0, 9.0], [2.0, -60.0])
    """
    (X,) = read(X=X)
    value = _applied("function", function, X)
    return answer(value, lambda U: (U * _applied("derivative", derivative, X),))


def _applied(name: str, function: Callable[[Array], ArrayLike], X: Array) -> Array:
    found = np.asarray(function(X))
    if found.shape != X.shape:
        raise DataError(
            f"elementwise: {name} gave shape {found.shape} for X of shape {X.shape}; it must give "
            "one number for each entry."
        )
    return found.astype(X.dtype, copy=False)


def _expanded(shape: Shape, gradient: Array) -> Array:
    """Sum back, and protect what is the upstream itself."""
    return seen(gradient) if gradient.shape == shape else summed_to(shape, gradient)


@quiet
def add(X: ArrayLike, Y: ArrayLike) -> Rule:
    """Sum X + Y.

    ∂L/∂X = ∂L/∂Y = U, each summed over the axes along which the operand was repeated.

    Parameters
    ----------
    X, Y : array_like
        Arrays that broadcast together.

    Returns
    -------
    Rule
        Value of the common shape; gradients to X and Y. One of the shape of the upstream is a
        read-only view of it.

    Raises
    ------
    DataError
        Where shapes do not broadcast.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.add([[1.0, 2.0], [3.0, 4.0]], [10.0, 20.0])
    >>> [gradient.tolist() for gradient in rule.vjp([[1.0, 2.0], [3.0, 4.0]])]
    [[[1.0, 2.0], [3.0, 4.0]], [4.0, 6.0]]
    """
    X, Y = read(X=X, Y=Y)
    broadcast("add", X=X, Y=Y)
    return answer(X + Y, lambda U: (_expanded(X.shape, U), _expanded(Y.shape, U)))


@quiet
def subtract(X: ArrayLike, Y: ArrayLike) -> Rule:
    """Difference X − Y.

    ∂L/∂X = U and ∂L/∂Y = −U, each summed over the axes along which the operand was repeated.

    Parameters
    ----------
    X, Y : array_like
        Arrays that broadcast together.

    Returns
    -------
    Rule
        Value of the common shape; gradients to X and Y. The one to X, where it has the shape of the
        upstream, is a read-only view of it.

    Raises
    ------
    DataError
        Where shapes do not broadcast.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.subtract([1.0, 2.0], 1.0)
    >>> rule.value.tolist(), float(rule.vjp([1.0, 2.0])[1])
    ([0.0, 1.0], -3.0)
    """
    X, Y = read(X=X, Y=Y)
    broadcast("subtract", X=X, Y=Y)
    return answer(X - Y, lambda U: (_expanded(X.shape, U), -summed_to(Y.shape, U)))


@quiet
def multiply(X: ArrayLike, Y: ArrayLike) -> Rule:
    """Product of entries, X ∘ Y.

    ∂L/∂X = U ∘ Y and ∂L/∂Y = U ∘ X, each summed over the axes along which the operand was repeated.

    Parameters
    ----------
    X, Y : array_like
        Arrays that broadcast together.

    Returns
    -------
    Rule
        Value of the common shape; gradients to X and Y.

    Raises
    ------
    DataError
        Where shapes do not broadcast.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.multiply([1.0, 2.0], [3.0, 4.0])
    >>> [gradient.tolist() for gradient in rule.vjp([1.0, 10.0])]
    [[3.0, 40.0], [1.0, 20.0]]
    """
    X, Y = read(X=X, Y=Y)
    broadcast("multiply", X=X, Y=Y)
    return answer(X * Y, lambda U: (summed_to(X.shape, U * Y), summed_to(Y.shape, U * X)))


@quiet
def divide(X: ArrayLike, Y: ArrayLike) -> Rule:
    """Ratio of entries, X / Y.

    ∂L/∂X = U / Y and ∂L/∂Y = −U ∘ (X / Y) / Y, each summed over the axes along which the operand
    was repeated. A division by 0 gives what it gives in numpy, infinite or NaN, without a warning.

    Parameters
    ----------
    X, Y : array_like
        Arrays that broadcast together.

    Returns
    -------
    Rule
        Value of the common shape; gradients to X and Y.

    Raises
    ------
    DataError
        Where shapes do not broadcast.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.divide([1.0, 6.0], 2.0)
    >>> rule.value.tolist(), rule.vjp([1.0, 1.0])[0].tolist(), float(rule.vjp([1.0, 1.0])[1])
    ([0.5, 3.0], [0.5, 0.5], -1.75)
    """
    X, Y = read(X=X, Y=Y)
    broadcast("divide", X=X, Y=Y)

    def back(U: Array) -> tuple[Array, Array]:
        share = U / Y
        to_Y = X / Y
        to_Y *= share
        return summed_to(X.shape, share), -summed_to(Y.shape, to_Y)

    return answer(X / Y, back)
