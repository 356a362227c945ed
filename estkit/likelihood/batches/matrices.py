"""Small symmetric matrices, one for each replicate: Newton steps, inverses, near dependence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Floats

_FEW = 8  # columns: their matrices are swept
_NEARLY_DEPENDENT = 1e-8  # the smallest eigenvalue of a correlation matrix to work with


def newton_steps(information: Floats, gradient: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return Newton steps, and which replicates have a usable information matrix."""
    right = gradient[:, :, None]
    step, regular = _solutions(information, lambda matrices: np.linalg.solve(matrices, right))
    return step[:, :, 0], regular


def inverses(matrices: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the inverses of positive definite matrices, and which of them have a usable one."""
    if matrices.shape[1] > _FEW:
        return _solutions(matrices, np.linalg.inv)
    inverse, _ = _swept(matrices)
    regular = np.asarray(np.isfinite(inverse).all(axis=(1, 2)))
    if not regular.all():
        inverse[~regular] = 0.0
    return inverse, regular


def inverses_and_determinants(matrices: Floats) -> tuple[Floats, Floats]:
    """Return what `inverses` gives where there is an inverse, and the determinants."""
    if matrices.shape[1] > _FEW:
        return _solutions(matrices, np.linalg.inv)[0], np.linalg.det(matrices)
    return _swept(matrices)


def _swept(matrices: Floats) -> tuple[Floats, Floats]:
    """Return inverses, not finite where there is none, and determinants.

    The sweep operator (Goodnight 1979) works on all replicates at once, which for few columns is
    faster than to factorise matrix after matrix.
    """
    work = matrices.transpose(1, 2, 0).copy()
    determinant = np.ones(len(matrices))
    with np.errstate(all="ignore"):
        for k in range(len(work)):
            pivot = work[k, k].copy()
            determinant *= pivot
            row = work[k] / pivot
            work -= work[:, k, None] * row
            work[k] = work[:, k] = row
            work[k, k] = -1.0 / pivot
    return np.negative(work.transpose(2, 0, 1), order="C"), determinant


def _solutions(
    matrices: Floats, solve: Callable[[Floats], Any]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Solve for each replicate; 0, and said to be irregular, where that cannot be done."""
    try:
        solution: Floats = solve(matrices)
    except np.linalg.LinAlgError:  # one singular matrix fails the whole call: find it
        finite = np.isfinite(matrices).all(axis=(1, 2), keepdims=True)
        identity = np.eye(matrices.shape[1])
        matrices = np.where(finite, matrices, identity)
        spectrum = np.linalg.eigvalsh(matrices)
        good = np.ravel(finite) & (spectrum[:, 0] > 1e-13 * spectrum[:, -1])
        solution = solve(np.where(good[:, None, None], matrices, identity))
        solution[~good] = np.nan
    regular = np.asarray(np.isfinite(solution).all(axis=(1, 2)))
    if not regular.all():
        solution[~regular] = 0.0
    return solution, regular


def independent(gram: Floats, determinant: Floats) -> NDArray[np.bool_]:
    """Return in which matrices of products no eigenvalue of the cosines of columns is nearly 0.

    The determinant tells it of most: the other eigenvalues sum to at most q, so that their product
    is at most (q / (q - 1))^(q - 1).
    """
    size = gram.shape[1]
    with np.errstate(all="ignore"):
        least = of_cosines(determinant, gram) * (1.0 - 1.0 / size) ** (size - 1)
    independent = np.asarray(least > _NEARLY_DEPENDENT)
    if not independent.all():
        unsure = ~independent
        scale = np.sqrt(np.diagonal(gram, axis1=1, axis2=2)[unsure])
        cosines = gram[unsure] / (scale[:, :, None] * scale[:, None, :])
        independent[unsure] = np.linalg.eigvalsh(cosines)[:, 0] > _NEARLY_DEPENDENT
    return independent


def of_cosines(determinant: Floats, gram: Floats) -> Floats:
    """Return the determinants of the cosines of columns, from those of their products."""
    result: Floats = determinant / np.diagonal(gram, axis1=1, axis2=2).prod(axis=1)
    return result


def independent_where_seen(information: Floats, regular: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which information matrices are regular, and of columns that do not nearly depend."""
    usable: NDArray[np.bool_] = regular & np.isfinite(information).all(axis=(1, 2))
    identity = np.eye(information.shape[1])
    seen = np.where(usable[:, None, None], information, identity)
    usable &= independent(seen, np.linalg.det(seen))
    return usable
