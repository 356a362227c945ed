"""Maximum likelihood under linear constraints: what tests and profile intervals are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from estkit.errors import ConvergenceError, DataError
from estkit.likelihood import newton

if TYPE_CHECKING:
    from estkit.likelihood.family import Floats
    from estkit.likelihood.model import Model

_STEPS = 100
_RANK = 1e-10
_AGREE = 1e-8


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
    constraints : int
        How many independent constraints there are.
    """

    point: Floats
    loglik: float
    score: Floats
    information: Floats
    constraints: int


def maximise_under(model: Model, matrix: Floats, value: Floats, start: Floats) -> Constrained:
    """Maximise the likelihood where ``matrix @ θ = value``.

    Parameters
    ----------
    model : Model
        The likelihood and its data.
    matrix : array of shape (m, k)
        The constraints for inside parameters; those that follow from others count once.
    value : array of shape (m,)
        What they must equal.
    start : array of shape (k,)
        Where to begin; it is moved to the nearest point that satisfies the constraints.

    Raises
    ------
    DataError
        If constraints contradict each other.
    ConvergenceError
        If the maximum under the constraints is not reached.
    """
    length = np.linalg.norm(matrix, axis=1)
    unit, target = matrix / length[:, None], value / length
    left, singular, right = np.linalg.svd(unit)
    rank = int((singular > _RANK * singular[0]).sum())
    along = left.T @ (target - unit @ start)
    if np.abs(along[rank:]).max(initial=0.0) > _AGREE * max(1.0, float(np.abs(target).max())):
        raise DataError("The hypotheses contradict each other: they cannot all hold at once.")
    free = np.asarray(right[rank:].T, dtype=float)
    base = start + right[:rank].T @ (along[:rank] / singular[:rank])

    def objective(moved: Floats) -> tuple[float, Floats, Floats]:
        loglik, gradient, information = model.objective(base + free @ moved)
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
    loglik, gradient, information = model.objective(point)
    concluded = model.conclude(loglik)
    scale = model.spread(concluded) ** -2  # `total` took the inside standard deviation for 1
    return Constrained(point, concluded.loglik, scale * gradient, scale * information, rank)
