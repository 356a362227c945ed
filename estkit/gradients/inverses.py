"""Rules that go through the inverse of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from estkit.errors import DataError
from estkit.gradients.operands import (
    Array,
    answer,
    quiet,
    read,
    shapes,
    square,
    summed_to,
    swapped,
)
from estkit.gradients.rule import Rule

# The inverse of a matrix of rank n − 1 is made of round-off alone: of 200 random ones of order 2 to
# 300, the largest |x_ij (X⁻¹)_ji| was above 1.7 / (n eps). A third of that says nothing, either.
_LOST = 0.5
_ASYMMETRY = 100.0  # in units of round-off of the largest entry


def _inverted(rule: str, X: Array) -> Array:
    """Return X⁻¹, or say that there is none.

    x_ij (X⁻¹)_ji is by how much log |det X| changes when x_ij grows by its own size: X is singular
    once x_ij changes by the -1 / [x_ij (X⁻¹)_ji]-th part of itself. Unlike the condition number
    this does not depend on the units of rows and columns.
    """
    try:
        inverted = np.linalg.inv(X)
    except np.linalg.LinAlgError:
        raise DataError(
            f"{rule}: X of shape {X.shape} is singular: its determinant is 0, so that it has no "
            "inverse. Are rows or columns linearly dependent?"
        ) from None
    worst = np.max(np.abs(X * swapped(inverted)), initial=0.0)
    if worst * np.finfo(X.dtype).eps * X.shape[-1] > _LOST:
        raise DataError(
            f"{rule}: X of shape {X.shape} is singular to working precision: a change of one entry "
            f"by {1 / worst:.1e} of itself makes its determinant 0. Are rows or columns linearly "
            "dependent?"
        )
    return inverted


@quiet
def log_abs_det(X: ArrayLike, *, symmetric: bool = False) -> Rule:
    """Logarithm of the absolute determinant, log |det X|.

    With free entries ∂L/∂X = u X⁻ᵀ. With `symmetric`, X is a function of the entries on and below
    its diagonal, and the gradient is that to these free entries, u (2X⁻¹ − diag X⁻¹), written at
    both places of an entry: off the diagonal it is twice the free form, since x_ij and x_ji move
    together. To follow a path over the free entries sum over one triangle, not over the matrix.

    Parameters
    ----------
    X : array_like, shape (..., n, n)
        A regular matrix, or a stack of them.
    symmetric : bool, default False
        Whether X is symmetric and is to stay so.

    Returns
    -------
    Rule
        Value of shape (...); gradient to X.

    Raises
    ------
    DataError
        Where X is not square, is singular (also: to working precision), or is not symmetric where
        that was said.

    References
    ----------
    Petersen & Pedersen (2012), The Matrix Cookbook, equations 57 (free) and 141 (symmetric); Giles
    (2008), section 2.2.4.

    Examples
    --------
    >>> import estkit as ek
    >>> X = [[2.0, 1.0], [1.0, 1.0]]
    >>> ek.gradients.log_abs_det(X).vjp(1.0)[0].round(12).tolist()
    [[1.0, -1.0], [-1.0, 2.0]]
    >>> ek.gradients.log_abs_det(X, symmetric=True).vjp(1.0)[0].round(12).tolist()
    [[1.0, -2.0], [-2.0, 2.0]]
    """
    (X,) = read(X=X)
    square("log_abs_det", X)
    if symmetric:
        _check_symmetric(X)
    inverted = _inverted("log_abs_det", X)

    def back(U: Array) -> tuple[Array]:
        if not symmetric:
            return (U[..., None, None] * swapped(inverted),)
        gradient = U[..., None, None] * (inverted + swapped(inverted))
        np.einsum("...ii->...i", gradient)[...] /= 2
        return (gradient,)

    return answer(np.linalg.slogdet(X)[1], back)


def _check_symmetric(X: Array) -> None:
    gap = np.abs(X - swapped(X))
    largest = np.max(np.abs(X), initial=0.0)
    if np.max(gap, initial=0.0) > _ASYMMETRY * np.finfo(X.dtype).eps * largest:
        *_, i, j = np.unravel_index(int(np.argmax(gap)), gap.shape)
        raise DataError(
            f"log_abs_det: symmetric=True, but entries ({i}, {j}) and ({j}, {i}) of X differ by "
            f"{gap.max():.3g}; give a symmetric matrix, or leave symmetric out."
        )


@quiet
def inverse(X: ArrayLike) -> Rule:
    """Inverse X⁻¹.

    ∂L/∂X = −X⁻ᵀ U X⁻ᵀ.

    Parameters
    ----------
    X : array_like, shape (..., n, n)
        A regular matrix, or a stack of them, with free entries.

    Returns
    -------
    Rule
        Value of the shape of X; gradient to X.

    Raises
    ------
    DataError
        Where X is not square, or is singular (also: to working precision).

    References
    ----------
    Petersen & Pedersen (2012), The Matrix Cookbook, equation 60; Giles (2008), section 2.2.3.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.inverse([[2.0, 0.0], [0.0, 4.0]])
    >>> rule.value.tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    >>> rule.vjp([[1.0, 0.0], [1.0, 0.0]])[0].tolist()
    [[-0.25, -0.0], [-0.125, -0.0]]
    """
    (X,) = read(X=X)
    square("inverse", X)
    inverted = _inverted("inverse", X)
    turned = swapped(inverted)
    return answer(inverted, lambda U: (-(turned @ U @ turned),))


@quiet
def solve(A: ArrayLike, B: ArrayLike) -> Rule:
    """Solution X of AX = B.

    ∂L/∂B = A⁻ᵀU and ∂L/∂A = −∂L/∂B Xᵀ.

    Parameters
    ----------
    A : array_like, shape (..., n, n)
        A regular matrix, or a stack of them.
    B : array_like, shape (n,) or (..., n, m)
        Right-hand sides: one vector, or columns.

    Returns
    -------
    Rule
        Value of shape (..., n) for a vector, else (..., n, m); gradients to A and B.

    Raises
    ------
    DataError
        Where shapes do not fit, or A is exactly singular. Nearly singular ones are solved, as numpy
        does; `inverse` refuses them.

    References
    ----------
    Giles (2008), Collected matrix derivative results, section 2.3.1.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 8.0])
    >>> rule.value.tolist()
    [1.0, 2.0]
    >>> [gradient.tolist() for gradient in rule.vjp([1.0, 0.0])]
    [[[-0.5, -1.0], [-0.0, -0.0]], [0.5, 0.0]]
    """
    A, B = read(A=A, B=B)
    if (
        A.ndim < 2
        or A.shape[-1] != A.shape[-2]
        or not B.ndim
        or A.shape[-1] != B.shape[-min(2, B.ndim)]
    ):
        raise DataError(
            f"solve: {shapes(A=A, B=B)}; expected A of shape (..., n, n) and B of shape (n,) or "
            "(..., n, m)."
        )
    columns = B[:, None] if B.ndim == 1 else B
    try:
        solution = np.linalg.solve(A, columns)
    except np.linalg.LinAlgError:
        raise DataError(
            f"solve: A of shape {A.shape} is singular, so that AX = B has no or many solutions."
        ) from None
    except ValueError:
        raise DataError(f"solve: {shapes(A=A, B=B)}: the stacks do not broadcast.") from None
    vector = B.ndim == 1

    def back(upstream: Array) -> tuple[Any, Any]:
        U = upstream[..., None] if vector else upstream
        to_columns = np.linalg.solve(swapped(A), U)
        to_A = -(to_columns @ swapped(solution))
        return summed_to(A.shape, to_A), summed_to(columns.shape, to_columns).reshape(B.shape)

    return answer(solution[..., 0] if vector else solution, back)
