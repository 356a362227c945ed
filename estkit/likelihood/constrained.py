"""Maximum likelihood under linear constraints: what tests and profile intervals are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from estkit.errors import ConvergenceError, DataError
from estkit.likelihood import newton
from estkit.likelihood.links.bounds import Plane

if TYPE_CHECKING:
    from estkit.likelihood.family import Floats
    from estkit.likelihood.model import Model

_STEPS = 100
_FEW_STEPS = 12
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
    constraints : int
        How many independent constraints there are.
    edge : bool
        Whether the maximum lies on the edge of a bounded region, so that not the constraints alone
        keep the score from 0; or the constraints leave nothing of it, and the value is -inf.
    """

    point: Floats
    loglik: float
    score: Floats
    constraints: int
    edge: bool
    _model: Model
    _scale: float

    @property
    def information(self) -> Floats:
        """The negative Hessian of the whole likelihood, which tests of the score alone ask for.

        Where it is not positive definite, this is what stands in for it.
        """
        information = self._model.total(self.point).information
        assert information is not None
        stand_in = None
        if not newton.is_definite(information):
            stand_in = self._model.stand_in(self.point)
        return self._scale * (information if stand_in is None else stand_in)


def maximise_under(
    model: Model,
    matrix: Floats,
    value: Floats,
    start: Floats,
    *,
    precision: float = newton.PRECISION,
) -> Constrained:
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
    precision : float
        The Newton decrement to reach; what the value lacks is about half of its square.

    Raises
    ------
    DataError
        If constraints contradict each other.
    ConvergenceError
        If the maximum under the constraints is not reached.
    """
    size = np.abs(matrix).max(axis=1)  # its square may be no float
    length = size * np.linalg.norm(matrix / size[:, None], axis=1)
    unit, target = matrix / length[:, None], value / length
    left, singular, right = np.linalg.svd(unit)
    rank = int((singular > _RANK * singular[0]).sum())
    along = left.T @ (target - unit @ start)
    if np.abs(along[rank:]).max(initial=0.0) > _AGREE * max(1.0, float(np.abs(target).max())):
        raise DataError("The hypotheses contradict each other: they cannot all hold at once.")
    free = np.asarray(right[rank:].T, dtype=float)
    base = start + right[:rank].T @ (along[:rank] / singular[:rank])

    plane = Plane(base, free)
    point, gradient = base, None
    if free.shape[1]:
        point, gradient = _highest(model, plane, precision)
    loglik, own_gradient, _ = model.total(point, curvature=False)
    edge = gradient is not None or not np.isfinite(loglik)
    concluded = model.conclude_at(point, loglik)
    scale = model.spread(concluded) ** -2  # `total` took the inside standard deviation for 1
    score = own_gradient if gradient is None else gradient
    return Constrained(point, concluded.loglik, scale * score, rank, edge, model, scale)


def _highest(model: Model, plane: Plane, precision: float) -> tuple[Floats, Floats | None]:
    """Return the maximum in a plane; on an edge also the gradient that the barrier leaves there."""
    free = plane.free

    def objective(z: Floats) -> tuple[float, Floats, Floats]:
        loglik, gradient, information = model.objective(plane.at(z))
        return loglik, free.T @ gradient, free.T @ information @ free

    def stand_in(z: Floats) -> Floats | None:
        whole = model.stand_in(plane.at(z))
        return None if whole is None else free.T @ whole @ free

    def maximise(begin: Floats, steps: int) -> newton.Optimum:
        return newton.maximise(
            objective,
            begin,
            precision=precision,
            max_iter=steps,
            stand_in=stand_in,
            certify=False,
        )

    optimum = maximise(np.zeros(free.shape[1]), _STEPS)
    if not optimum.converged and model.bounds is not None:
        begin = model.bounds.inside(plane)
        if begin is None:
            return plane.base, None
        arrival, strength = model.bounds.approach(plane, begin)
        optimum = maximise(arrival, _FEW_STEPS)
        if not optimum.converged:
            point = plane.at(arrival)
            return point, model.bounds.gradient(point, strength)
    for start in model.starts:
        other = maximise(free.T @ (start - plane.base), _STEPS)
        if other.converged and (other.is_above(optimum) or not optimum.converged):
            optimum = other
    if not optimum.converged:
        raise ConvergenceError(
            f"The fit under a constraint did not converge: {optimum.certificate.reason}."
        )
    return plane.at(optimum.point), None
