"""What a likelihood without a maximum approaches: its supremum, and the finite limits.

Along a direction v that orders some comparisons of outcomes, what they add to the log-likelihood
rises to 0; the others do not change. Far out along v, the likelihood is maximised over what the
others determine (Geyer 2009).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from estkit.errors import SeparationError
from estkit.likelihood import existence, newton
from estkit.likelihood.existence import Separation
from estkit.likelihood.family import Floats

if TYPE_CHECKING:
    from estkit.likelihood.model import Model
    from estkit.likelihood.regression import Regression

_FAR = 45.0  # a margin at which what is left of a comparison is below all rounding
_FAR_OF_CAUCHY = 1e9  # its tails fall slowly: what is left is the inverse of the margin
_FREE = 1e-9  # of the largest eigenvalue: directions that the comparisons do not determine
_SMALL = 1e-6
_STEPS = 100


def approached(model: Model, separation: Separation, near: Floats) -> Separation:
    """Return the separation with the limits of the parameters and of the log-likelihood.

    Parameters
    ----------
    model : Model
        The model in the coordinates in which the direction was found.
    separation : Separation
        The direction, and the comparisons that it orders.
    near : array of shape (size,)
        A point at which the likelihood can be computed.
    """
    comparisons, ordered = separation.comparisons, separation.ordered
    direction = separation.inside
    assert comparisons is not None and ordered is not None and direction is not None
    margins = comparisons.margins(comparisons.scaled(direction))[ordered]
    far = _FAR_OF_CAUCHY if getattr(model.family, "link", "") == "cauchit" else _FAR
    along = direction * (far / max(float(margins.min()), 1e-300))
    gram = comparisons.gram(~ordered)
    size = np.sqrt(np.maximum(gram.diagonal(), 0.0))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(gram / (size * size[:, None]))
    kept = values > _FREE * max(float(values[-1]), 1e-300)
    # back in the coordinates of the model: what the others determine, and what they do not
    unit = comparisons.scaled(np.ones(len(direction)))
    determined = vectors[:, kept] / size[:, None] / unit[:, None]
    moved: Floats = np.zeros(determined.shape[1])
    if len(moved):
        moved = np.asarray(np.linalg.lstsq(determined, near, rcond=None)[0], float)

    def objective(z: Floats) -> tuple[float, Floats, Floats]:
        value, gradient, information = model.objective(along + determined @ z)
        return value, determined.T @ gradient, determined.T @ information @ determined

    value, _, _ = objective(moved)
    if len(moved):
        optimum = newton.maximise(objective, moved, max_iter=_STEPS)
        if not optimum.converged:
            return separation
        value, moved = optimum.value, optimum.point
    if separation.complete:
        value = 0.0  # but for rounding
    rest, free = determined @ moved, vectors[:, ~kept]
    limits = np.empty(len(model.names))
    for j in range(len(limits)):
        row, outward, _ = model.coordinate(j)
        scaled = row / (size * unit)
        if np.linalg.norm(scaled @ free) <= _SMALL * np.linalg.norm(scaled):
            limits[j] = outward(float(row @ rest))
        else:
            moves = float(row @ direction)
            flat = abs(moves) <= _SMALL * float(np.abs(row) @ np.abs(direction))
            limits[j] = np.nan if flat else np.sign(moves) * np.inf
    return replace(separation, limits=limits, supremum=model.conclude(value).loglik)


def refuse_separated(model: Regression, point: Floats) -> None:
    """Raise if the outcomes are separated, and say what is approached from a point.

    Raises
    ------
    SeparationError
        With what separates them, and the limits.
    """
    placement = model.rows.placement
    mixed = placement.mix is not None
    separation = existence.find_separation(
        model.rows, model.family, tie=model.tie, guess=None if mixed else point
    )
    if separation is None:
        return
    if mixed:
        rows = replace(model.rows, placement=replace(placement, mix=None))
        model = replace(model, rows=rows)
        point = model.origin()
    found = approached(model, separation, point)
    raise SeparationError(found.message, separation=found)
