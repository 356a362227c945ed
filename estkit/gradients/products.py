"""Rules for products of matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from estkit.errors import DataError
from estkit.gradients.operands import (
    Array,
    answer,
    matrix,
    quiet,
    read,
    rows_below,
    shapes,
    summed_to,
    swapped,
)
from estkit.gradients.rule import Rule


@quiet
def product(X: ArrayLike, Y: ArrayLike) -> Rule:
    """Matrix product Z = XY.

    ∂L/∂X = ∂L/∂Z Yᵀ and ∂L/∂Y = Xᵀ ∂L/∂Z. Axes before the last two are those of a stack of
    matrices and broadcast; gradients are summed over the axes along which an operand was repeated.

    Parameters
    ----------
    X : array_like, shape (..., n, k) or (k,)
        Left factor; a vector is a row.
    Y : array_like, shape (..., k, m) or (k,)
        Right factor; a vector is a column.

    Returns
    -------
    Rule
        Z of shape (..., n, m), without the axis of a vector; gradients to X and Y.

    Raises
    ------
    DataError
        Where shapes do not fit.

    References
    ----------
    Giles (2008), Collected matrix derivative results for forward and reverse mode algorithmic
    differentiation, section 2.2.2.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.product([[1.0, 2.0], [3.0, 4.0]], [[1.0], [10.0]])
    >>> rule.value.tolist()
    [[21.0], [43.0]]
    >>> [gradient.tolist() for gradient in rule.vjp([[1.0], [2.0]])]
    [[[1.0, 10.0], [2.0, 20.0]], [[7.0], [10.0]]]
    """
    X, Y = read(X=X, Y=Y)
    if not X.ndim or not Y.ndim:
        raise DataError(f"product: {shapes(X=X, Y=Y)}; use multiply for numbers.")
    left = X[None, :] if X.ndim == 1 else X
    right = Y[:, None] if Y.ndim == 1 else Y
    if left.shape[-1] != right.shape[-2]:
        raise DataError(
            f"product: {shapes(X=X, Y=Y)}; the last axis of X ({left.shape[-1]}) must be as long "
            f"as the {'axis' if Y.ndim == 1 else 'last but one'} of Y ({right.shape[-2]})."
        )
    try:
        value = np.asarray(X @ Y)
    except ValueError:
        raise DataError(f"product: {shapes(X=X, Y=Y)}: the stacks do not broadcast.") from None

    def back(upstream: Array) -> tuple[Array, Array]:
        U = upstream[..., None] if Y.ndim == 1 else upstream
        U = U[..., None, :] if X.ndim == 1 else U
        to_left = summed_to(left.shape, U @ swapped(right))
        if right.ndim == 2:  # one product over all rows, instead of a sum of many products
            to_right: Array = rows_below(left).T @ rows_below(U)
        else:
            to_right = summed_to(right.shape, swapped(left) @ U)
        return to_left.reshape(X.shape), to_right.reshape(Y.shape)

    return answer(value, back)


@quiet
def affine(W: ArrayLike, X: ArrayLike, bias: ArrayLike | None = None) -> Rule:
    """Affine map c = Wx + b of one vector, or XWᵀ + b of a batch with one vector a row.

    For one vector ∂L/∂W = ∂L/∂c xᵀ, ∂L/∂x = Wᵀ ∂L/∂c and ∂L/∂b = ∂L/∂c; for a batch, with U the
    upstream, ∂L/∂W = UᵀX, ∂L/∂X = UW, and ∂L/∂b is the sum of the rows of U.

    Parameters
    ----------
    W : array_like, shape (m, k)
        Weights, a row for each output.
    X : array_like, shape (k,) or (..., k)
        One vector, or any number of them.
    bias : array_like, shape (m,), optional
        What is added to each output.

    Returns
    -------
    Rule
        Value of shape (m,) or (..., m); gradients to W, X and, where it is given, the bias.

    Raises
    ------
    DataError
        Where shapes do not fit.

    References
    ----------
    Petersen & Pedersen (2012), The Matrix Cookbook, equation 70.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.affine([[1.0, 2.0], [0.0, 1.0]], [[3.0, 4.0]], bias=[0.5, 0.0])
    >>> rule.value.tolist()
    [[11.5, 4.0]]
    >>> [gradient.tolist() for gradient in rule.vjp([[1.0, 2.0]])]
    [[[3.0, 4.0], [6.0, 8.0]], [[1.0, 4.0]], [1.0, 2.0]]
    """
    W, X, *b = read(W=W, X=X) if bias is None else read(W=W, X=X, bias=bias)
    if W.ndim != 2 or not X.ndim or W.shape[1] != X.shape[-1]:
        raise DataError(
            f"affine: {shapes(W=W, X=X)}; expected W of shape (m, k) and X of shape (k,) or "
            "(..., k), with the same k."
        )
    if b and b[0].shape != W.shape[:1]:
        raise DataError(
            f"affine: {shapes(bias=b[0])}; expected {W.shape[:1]}, one entry for each row of W."
        )
    value: Array = X @ W.T
    if b:
        value += b[0]

    def back(U: Array) -> tuple[Array, ...]:
        to_W = rows_below(U).T @ rows_below(X)
        to_b = [rows_below(U).sum(axis=0)] if b else []
        return (to_W, U @ W, *to_b)

    return answer(value, back)


@quiet
def outer_gram(X: ArrayLike) -> Rule:
    """Products of the rows, XXᵀ.

    ∂L/∂X = (U + Uᵀ)X for any upstream U, which is 2UX for a symmetric one.

    Parameters
    ----------
    X : array_like, shape (..., n, k)
        A matrix, or a stack of them.

    Returns
    -------
    Rule
        Value of shape (..., n, n); gradient to X. The entries of the upstream are those of a free
        n × n matrix: L may treat both triangles of XXᵀ differently.

    Raises
    ------
    DataError
        Where X is no matrix.

    References
    ----------
    Magnus & Neudecker (1999), Matrix Differential Calculus, chapter 9; Giles (2008), section 2.2.2.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.outer_gram([[1.0, 2.0], [3.0, 4.0]])
    >>> rule.value.tolist()
    [[5.0, 11.0], [11.0, 25.0]]
    >>> rule.vjp([[0.0, 1.0], [0.0, 0.0]])[0].tolist()
    [[3.0, 4.0], [1.0, 2.0]]
    """
    (X,) = read(X=X)
    matrix("outer_gram", "X", X)
    return answer(X @ swapped(X), lambda U: ((U + swapped(U)) @ X,))


@quiet
def gram(X: ArrayLike) -> Rule:
    """Products of the columns, XᵀX.

    ∂L/∂X = X(U + Uᵀ) for any upstream U, which is 2XU for a symmetric one.

    Parameters
    ----------
    X : array_like, shape (..., n, k)
        A matrix, or a stack of them.

    Returns
    -------
    Rule
        Value of shape (..., k, k); gradient to X. The entries of the upstream are those of a free
        k × k matrix.

    Raises
    ------
    DataError
        Where X is no matrix.

    References
    ----------
    Magnus & Neudecker (1999), Matrix Differential Calculus, chapter 9; Giles (2008), section 2.2.2.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.gram([[1.0, 2.0], [3.0, 4.0]])
    >>> rule.value.tolist()
    [[10.0, 14.0], [14.0, 20.0]]
    >>> rule.vjp([[1.0, 0.0], [0.0, 0.0]])[0].tolist()
    [[2.0, 0.0], [6.0, 0.0]]
    """
    (X,) = read(X=X)
    matrix("gram", "X", X)
    return answer(swapped(X) @ X, lambda U: (X @ (U + swapped(U)),))
