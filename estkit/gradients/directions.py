"""Rules for directions: rows of length 1, and the cosines between them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from estkit.errors import DataError
from estkit.gradients.operands import (
    Array,
    answer,
    axes_of,
    broadcast,
    dots,
    over,
    quiet,
    read,
    shapes,
    summed_to,
)
from estkit.gradients.reductions import lengths
from estkit.gradients.rule import Rule

Zero = Literal["nan", "zero", "raise"]
Pair = tuple[Array, Array]


def _directions(rule: str, X: Array, axis: int, zero: Zero) -> tuple[Array, Pair]:
    """Return X / ‖X‖, and the two factors of the norm, with the axis kept."""
    if zero not in ("nan", "zero", "raise"):
        raise DataError(f"{rule}: zero must be 'nan', 'zero' or 'raise', not {zero!r}.")
    scale, size = (over((axis,), X, part) for part in lengths(X, (axis,)))
    none = size == 0
    if zero != "nan" and np.any(none):
        if zero == "raise":
            place = np.argwhere(np.squeeze(none, axis=axis))[0].tolist()
            raise DataError(
                f"{rule}: the vector at {place} (counted from 0) is 0 and has no direction; "
                "zero='nan' or zero='zero' say what to give instead."
            )
        size = np.where(none, 1, size).astype(X.dtype, copy=False)
    elif zero == "nan" and np.any(none):
        size = np.where(none, np.nan, size).astype(X.dtype, copy=False)
    unit = X / size if np.all(scale == 1) else X / scale / size
    if zero == "zero":  # what is 0 stays 0 in all directions: there, the way back is closed
        size = np.where(none, np.inf, size).astype(X.dtype, copy=False)
    return unit, (scale, size)


def _along(unit: Array, length: Pair, to_unit: Array, along: Array) -> Array:
    """Return ∂L/∂X = (G − (G·x̂) x̂) / ‖X‖ for G = ∂L/∂x̂, in place of G."""
    scale, size = length
    to_unit -= along * unit
    to_unit /= size
    if not np.all(scale == 1):
        to_unit /= scale
    return to_unit


@quiet
def normalize(X: ArrayLike, *, axis: int = -1, zero: Zero = "nan") -> Rule:
    """Vectors of length 1 along an axis, x̂ = x / ‖x‖: by default, the rows.

    ∂L/∂x = (u − (u·x̂) x̂) / ‖x‖: what of the upstream is along x has no effect.

    Parameters
    ----------
    X : array_like, shape (..., k)
        Vectors; rows of a matrix.
    axis : int, default -1
        The axis along which a vector lies.
    zero : {"nan", "zero", "raise"}, default "nan"
        What the vector 0, which has no direction, gives: NaN in value and gradient, 0 in both, or
        an error.

    Returns
    -------
    Rule
        Value of the shape of X; gradient to X.

    Raises
    ------
    DataError
        Where X has no such axis, or with ``zero="raise"`` a vector is 0.

    References
    ----------
    Petersen & Pedersen (2012), The Matrix Cookbook, section 2.6.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.normalize([[3.0, 4.0], [0.0, 2.0]])
    >>> rule.value.tolist()
    [[0.6, 0.8], [0.0, 1.0]]
    >>> rule.vjp([[1.0, 0.0], [1.0, 5.0]])[0].round(12).tolist()
    [[0.128, -0.096], [0.5, 0.0]]
    """
    (X,) = read(X=X)
    (along,) = axes_of("normalize", X, axis)
    unit, length = _directions("normalize", X, along, zero)

    def back(U: Array) -> tuple[Array]:
        along_x = over((along,), X, dots(U, unit, along))
        return (_along(unit, length, U.copy(), along_x),)

    return answer(unit, back)


@quiet
def cosine(X: ArrayLike, Y: ArrayLike, *, zero: Zero = "nan") -> Rule:
    """Cosine of the angle between vectors, row by row: c = x̂·ŷ.

    ∂L/∂x = u (ŷ − c x̂) / ‖x‖ and ∂L/∂y = u (x̂ − c ŷ) / ‖y‖.

    Parameters
    ----------
    X, Y : array_like, shape (..., k)
        Vectors along the last axis; other axes broadcast, so that one may be paired with many.
    zero : {"nan", "zero", "raise"}, default "nan"
        What the vector 0 gives: NaN in value and gradients, 0 in both, or an error.

    Returns
    -------
    Rule
        Value of shape (...), never beyond −1 or 1; gradients to X and Y.

    Raises
    ------
    DataError
        Where shapes do not fit, or with ``zero="raise"`` a vector is 0.

    References
    ----------
    The product of `normalize` with itself: Magnus & Neudecker (1999), chapter 9.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.cosine([3.0, 4.0], [1.0, 0.0])
    >>> float(rule.value)
    0.6
    >>> [gradient.round(12).tolist() for gradient in rule.vjp(1.0)]
    [[0.128, -0.096], [0.0, 0.8]]
    """
    X, Y = read(X=X, Y=Y)
    _check_vectors("cosine", X, Y)
    broadcast("cosine", X=X, Y=Y)
    unit_x, length_x = _directions("cosine", X, X.ndim - 1, zero)
    unit_y, length_y = _directions("cosine", Y, Y.ndim - 1, zero)
    cosines = dots(unit_x, unit_y)

    def back(U: Array) -> tuple[Array, Array]:
        u, uc = U[..., None], (U * cosines)[..., None]
        if X.shape == Y.shape:
            return (
                _along(unit_x, length_x, u * unit_y, uc),
                _along(unit_y, length_y, u * unit_x, uc),
            )
        to_x = summed_to(X.shape, u * unit_y - uc * unit_x)
        to_y = summed_to(Y.shape, u * unit_x - uc * unit_y)
        return to_x / length_x[1] / length_x[0], to_y / length_y[1] / length_y[0]

    return answer(np.clip(cosines, -1, 1), back)


def _check_vectors(rule: str, X: Array, Y: Array) -> None:
    if not X.ndim or not Y.ndim or X.shape[-1] != Y.shape[-1]:
        raise DataError(f"{rule}: {shapes(X=X, Y=Y)}; the last axes must be of one length.")


@quiet
def cosine_matrix(X: ArrayLike, Y: ArrayLike | None = None, *, zero: Zero = "nan") -> Rule:
    """Cosines of all rows of X with all rows of Y, C = X̂Ŷᵀ, or with one another.

    With s_i = Σⱼ u_ij c_ij: ∂L/∂x_i = ((UŶ)_i − s_i x̂_i) / ‖x_i‖, and the same of the transpose for
    Y. Where Y is left out, U + Uᵀ takes the place of U.

    Parameters
    ----------
    X : array_like, shape (n, k)
        Vectors, one a row.
    Y : array_like, shape (m, k), optional
        Other vectors.
    zero : {"nan", "zero", "raise"}, default "nan"
        What the vector 0 gives: NaN in value and gradients, 0 in both, or an error.

    Returns
    -------
    Rule
        Value of shape (n, m) or (n, n), never beyond −1 or 1; gradients to X and, where given, Y.

    Raises
    ------
    DataError
        Where shapes do not fit, or with ``zero="raise"`` a row is 0.

    References
    ----------
    `normalize` and `product` in turn.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.cosine_matrix([[3.0, 4.0]], [[1.0, 0.0], [0.0, 2.0]])
    >>> rule.value.tolist()
    [[0.6, 0.8]]
    >>> [gradient.round(12).tolist() for gradient in rule.vjp([[1.0, 0.0]])]
    [[[0.128, -0.096]], [[0.0, 0.8], [0.0, 0.0]]]
    """
    parts = read(X=X) if Y is None else read(X=X, Y=Y)
    if any(part.ndim != 2 for part in parts) or parts[0].shape[-1] != parts[-1].shape[-1]:
        named = dict(zip(("X", "Y"), parts, strict=False))
        raise DataError(
            f"cosine_matrix: {shapes(**named)}; expected X of shape (n, k) and Y of shape (m, k)."
        )
    made = [_directions("cosine_matrix", part, 1, zero) for part in parts]
    (unit_x, length_x), (unit_y, length_y) = made[0], made[-1]
    cosines = unit_x @ unit_y.T

    def back(U: Array) -> tuple[Array, ...]:
        if len(parts) == 1:
            U = U + U.T
        to_x = _along(unit_x, length_x, U @ unit_y, dots(U, cosines)[:, None])
        if len(parts) == 1:
            return (to_x,)
        along_y = dots(U, cosines, 0)[:, None]
        return to_x, _along(unit_y, length_y, U.T @ unit_x, along_y)

    return answer(np.clip(cosines, -1, 1), back)
