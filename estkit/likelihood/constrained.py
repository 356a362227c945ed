"""Maximum likelihood under linear constraints: what tests and profile intervals are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from estkit.errors import ConvergenceError
from estkit.likelihood import newton

if TYPE_CHECKING:
    from estkit.likelihood.family import Family, Floats
    from estkit.likelihood.rows import Rows

_STEPS = 100


@dataclass(frozen=True, eq=False)
class Constrained:
    """The maximum under constraints, and the derivatives of the whole likelihood there.

    Parameters
    ----------
    point : array of shape (k,)
        The parameters, inside.
    loglik : float
        The log-likelihood with its constants.
    score : array of shape (k,)
        Its gradient; the constraints are what keeps it from 0.
    information : array of shape (k, k)
        Its negative Hessian.
    """

    point: Floats
    loglik: float
    score: Floats
    information: Floats


def maximise_under(
    family: Family, rows: Rows, matrix: Floats, value: Floats, start: Floats
) -> Constrained:
    """Maximise the likelihood where ``matrix @ θ = value``.

    Parameters
    ----------
    family, rows
        The likelihood and its data.
    matrix : array of shape (m, k)
        The constraints, of full rank, for inside parameters.
    value : array of shape (m,)
        What they must equal.
    start : array of shape (k,)
        Where to begin; it is moved to the nearest point that satisfies the constraints.

    Raises
    ------
    ConvergenceError
        If the maximum under the constraints is not reached.
    """
    length = np.linalg.norm(matrix, axis=1)
    unit, target = matrix / length[:, None], value / length
    basis, _ = np.linalg.qr(unit.T, mode="complete")
    free = np.asarray(basis[:, len(unit) :], dtype=float)
    base = start + np.linalg.lstsq(unit, target - unit @ start, rcond=None)[0]

    def objective(moved: Floats) -> tuple[float, Floats, Floats]:
        loglik, gradient, information = rows.total(family, base + free @ moved)
        assert information is not None
        return loglik, free.T @ gradient, free.T @ information @ free

    moved = np.zeros(free.shape[1])
    if len(moved):
        optimum = newton.maximise(objective, moved, max_iter=_STEPS)
        if not optimum.converged:
            raise ConvergenceError(
                f"The fit under a constraint did not converge: {optimum.certificate.reason}."
            )
        moved = optimum.point
    point = base + free @ moved
    loglik, gradient, information = rows.total(family, point)
    assert information is not None
    concluded = family.conclude(loglik, rows.response)
    scale = 1.0
    if concluded.sigma is not None:  # `evaluate` took the inside standard deviation for 1
        scale = (rows.response.unit / concluded.sigma) ** 2
    return Constrained(point, concluded.loglik, scale * gradient, scale * information)
