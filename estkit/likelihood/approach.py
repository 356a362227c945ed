"""A point near the maximum, by gradients of all rows and the curvature of some of them.

A tenth of the rows, fitted roughly, gives a point and an information matrix, with which few
gradients of all rows lead near the maximum.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood import newton
from estkit.likelihood.family import Floats

if TYPE_CHECKING:
    from estkit.likelihood.regression import Regression

CLOSE = 1e-5  # in standard errors
EASY_STEPS = 12  # a fit that needs more is asked whether it has a maximum at all
PATIENCE = 4  # steps of many rows in a row that lead hardly nearer: as to a maximum at infinity
_ROUGH = 0.3  # standard errors: how closely a fit to some of the rows is worth solving
_PART = 5  # of so many columns the curvature of a fifth of the rows saves more than it costs
_WIDE = 300
_WIDE_SPARSE = 3_000
_GRADIENTS = 100
_FEW_HALVINGS = 6
_MEMORY = 30


def near(model: Regression, close: float) -> Floats:
    """Return a point so many standard errors from the maximum, or the origin where rows are few."""
    terms = len(model.terms)
    many = terms > _WIDE
    cheap = model.rows.sparse and terms <= _WIDE_SPARSE and model.large
    if many and not cheap:  # a Hessian of some rows costs more than gradients of all
        return _climbed(model, close)
    if not model.large:
        return model.origin()
    some = model.thinned()
    share = some.rows.observed() / model.rows.observed()
    if many:
        start = _climbed(some, _ROUGH * math.sqrt(terms))
        some = model.thinned(_PART)
        _, _, information = some.objective(start)
        information *= model.rows.observed() / some.rows.observed()
        return follow(model.slope, start, information, close=close)
    start = some.near(_ROUGH)
    rough = newton.maximise(
        some.objective, start, precision=_ROUGH, max_iter=EASY_STEPS, stand_in=some.stand_in
    )
    if not rough.converged:
        return start
    return follow(
        model.slope,
        rough.point,
        rough.information / share,
        close=close,
        patience=PATIENCE,
        fallback=model.origin(),
    )


def _climbed(model: Regression, close: float) -> Floats:
    """Return a point near the maximum, found by gradients alone."""
    return follow(
        model.slope,
        model.origin(),
        model.diagonal(),
        close=0.1 * close,
        max_iter=_GRADIENTS,
    )


def follow(
    slope: newton.Slope,
    start: Floats,
    information: Floats,
    *,
    close: float = CLOSE,
    max_iter: int = 20,
    patience: float = math.inf,
    fallback: Floats | None = None,
) -> Floats:
    """Return a point near the maximum, by gradients and the information of some of the data.

    Limited-memory quasi-Newton steps, preconditioned by an information matrix near that of all
    data, or by a guess of its diagonal (Nocedal and Wright 2006, section 7.2): a few of them cost
    less than one Hessian. They are given up when more steps in a row than the `patience` leave most
    of what is to be gained. Where they get nowhere near, for some of the data said little of the
    rest, the answer is the `fallback` if the value is higher there.
    """
    factor = _Diagonal(information) if information.ndim == 1 else _factorised(information)
    if factor is None:
        return start
    point, (value, gradient) = start, slope(start)
    pairs: list[tuple[Floats, Floats]] = []
    previous, slow = math.inf, 0
    for _ in range(max_iter):
        step = _two_loops(factor, pairs, gradient)
        gain = float(gradient @ step)
        if not gain > 0 or gain <= close**2:
            return point + step if gain > 0 else point
        slow = slow + 1 if gain > 0.25 * previous else 0
        if slow > patience:
            break
        previous = gain
        for _ in range(_FEW_HALVINGS):
            ahead, further = slope(point + step)
            if ahead >= value:
                break
            step = 0.5 * step
        else:
            break
        change = gradient - further
        if step @ change > 0:
            pairs = [*pairs, (step, change)][-_MEMORY:]
        point, value, gradient = point + step, ahead, further
    if fallback is not None and slope(fallback)[0] > value:
        return fallback
    return point


def _two_loops(
    factor: Preconditioner, pairs: list[tuple[Floats, Floats]], gradient: Floats
) -> Floats:
    rest, used = gradient.copy(), []
    for step, change in reversed(pairs):
        weight = float(step @ rest) / float(step @ change)
        rest -= weight * change
        used.append(weight)
    result = factor.solve(rest)
    for (step, change), weight in zip(pairs, reversed(used), strict=True):
        result += (weight - float(change @ result) / float(step @ change)) * step
    return result


class Preconditioner(Protocol):
    """What stands for an information matrix where a step is chosen."""

    def solve(self, gradient: Floats) -> Floats:
        """Return about the Newton step."""
        ...


class _Diagonal(NamedTuple):
    """A diagonal in the place of an information matrix."""

    values: Floats

    def solve(self, gradient: Floats) -> Floats:
        return gradient / self.values


class _Rough(NamedTuple):
    """The Cholesky factor of an information matrix in single precision: half the work."""

    lower: NDArray[np.float32]
    scale: Floats

    def solve(self, gradient: Floats) -> Floats:
        from scipy.linalg.lapack import spotrs

        right = gradient * self.scale
        size = float(np.abs(right).max()) or 1.0
        solution, _ = spotrs(self.lower, (right / size).astype(np.float32), lower=1)
        result: Floats = solution * (size * self.scale)
        return result


def _factorised(information: Floats) -> Preconditioner | None:
    """Return the factor of a matrix, rough if it is large and that is enough, or None."""
    diagonal = information.diagonal()
    if len(information) <= _WIDE or not ((diagonal > 0) & np.isfinite(diagonal)).all():
        return newton.factorised(information)
    from scipy.linalg.lapack import spotrf

    scale = 1.0 / np.sqrt(diagonal)
    scaled = np.empty(information.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # such a factor is not rough but wrong
        np.multiply(information, scale, out=scaled, casting="same_kind")
        scaled *= scale[:, None].astype(np.float32)
    lower, trouble = spotrf(scaled.T, lower=1, overwrite_a=1)
    if trouble or not np.isfinite(lower.diagonal()).all():
        return newton.factorised(information)
    return _Rough(lower, scale)
