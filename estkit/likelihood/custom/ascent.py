"""Uphill from anywhere to where Newton's method can be trusted, on a surface that is not concave.

Quasi-Newton steps (BFGS) in a metric that is renewed from the Hessian, with its eigenvalues taken
positive, so that a step never goes down and never stays at a saddle (Nocedal and Wright 2006,
sections 3.4 and 6.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from estkit.likelihood.custom.derivatives import STEP, Derivatives
from estkit.likelihood.family import Floats

NEAR = 0.1  # standard errors from the maximum: from here Newton's method goes on alone
_STEPS = 300
_HALVINGS = 60
_RENEW = 5
_CHEAP = 1  # parameters: with no more, the Hessian is found anew at every step
_LONGEST = 4.0  # a bounded parameter changes by no more than a factor of 50 in a step
_FLOOR = 1e-7  # of the largest eigenvalue of the scaled information
_GONE = 20.0  # a factor of 5e8 from where a bounded parameter started
_FAR = 1e8  # standard errors at the start that an unbounded one has gone
_ESCAPES = 5
_SADDLE = 1e-2
_IDLE = 1e-11  # of the value: steps that gain no more, one after another, lead nowhere
_IDLE_STEPS = 8


@dataclass(frozen=True, eq=False)
class Ascent:
    """Where the way up ended.

    Parameters
    ----------
    point : array of shape (k,)
        The last point.
    value : float
        The log-likelihood there.
    metric : array of shape (k,)
        The standard error of each parameter there, when the others are known.
    state : {"near", "stuck", "away", "limit"}
        Close to a maximum; no step goes up; far from everything; out of steps.
    direction : array of shape (k,)
        The last step.
    steps : int
        How many steps were taken.
    """

    point: Floats
    value: float
    metric: Floats
    state: str
    direction: Floats
    steps: int


def climb(derivatives: Derivatives, start: Floats, origin: Floats | None = None) -> Ascent:
    """Climb from a point where the function is finite.

    Parameters
    ----------
    derivatives : Derivatives
        The function and its derivatives.
    start : array of shape (k,)
        Where to begin.
    origin : array of shape (k,), optional
        Where an earlier climb began, if this one goes on from its end.
    """
    origin = start if origin is None else origin
    point, value = start.copy(), derivatives.function.value(start)
    gradient = derivatives.gradient(point, rough=True)
    renewal = 1 if len(point) <= _CHEAP or derivatives.hessian_of is not None else _RENEW
    first: Surface | None = None
    surface: Surface | None = None
    inverse, direction, age, escapes = np.eye(len(point)), np.zeros(len(point)), 0, 0
    idle = 0

    def ended(state: str) -> Ascent:
        metric = np.ones(len(point)) if surface is None else surface.scale
        return Ascent(point, value, metric, state, direction, number)

    for number in range(_STEPS):  # noqa: B007 - the steps are counted for the report
        renewed = age % renewal == 0
        if renewed:
            derivatives, surface = surveyed(derivatives, point)
            if surface is None:
                return ended("stuck")
            inverse, first = surface.inverse, first or surface
        assert surface is not None and first is not None
        step = inverse @ gradient
        decrement = math.sqrt(max(0.0, float(gradient @ step)))
        if decrement <= NEAR and not renewed:
            age = 0
            continue
        if _is_away(derivatives, point, origin, first.scale):
            return ended("away")
        if decrement <= NEAR and surface.is_maximum:
            return ended("near")
        if decrement <= _SADDLE and escapes < _ESCAPES and not surface.is_maximum:
            escapes += 1
            aside = _off_the_saddle(derivatives.function.value, point, surface)
            step = step if aside is None else aside
        taken = _up(derivatives, point, value, gradient, step)
        if taken is None:
            if renewed:
                return ended("stuck")
            age = 0
            continue
        ahead, reached, new_gradient = taken
        idle = idle + 1 if reached - value <= _IDLE * max(1.0, abs(value)) else 0
        if idle == _IDLE_STEPS:
            return ended("limit")
        value, direction = reached, ahead - point
        inverse = _updated(inverse, direction, gradient - new_gradient)
        point, gradient = ahead, new_gradient
        age += 1
    return ended("limit")


def surveyed(derivatives: Derivatives, point: Floats) -> tuple[Derivatives, Surface | None]:
    """Return the surface at a point, and the derivatives with steps that suit it."""
    reach = derivatives.reach(point)
    surface = Surface.of(derivatives.information(point, rough=True), reach)
    if surface is not None:
        ratio = derivatives.steps / (STEP * surface.scale)
        if (ratio < 4).all() and (ratio > 0.05).all():
            return derivatives, surface
    derivatives = derivatives.tuned(point)
    return derivatives, Surface.of(derivatives.information(point, rough=True), reach)


@dataclass(frozen=True, eq=False)
class Surface:
    """The shape of the log-likelihood around a point.

    Parameters
    ----------
    eigenvalues : array of shape (k,)
        Of the information scaled to a diagonal of ±1, smallest first.
    vectors : array of shape (k, k)
        The directions, a column each, in units of `scale`.
    scale : array of shape (k,)
        The standard error of each parameter when the others are known.
    """

    eigenvalues: Floats
    vectors: Floats
    scale: Floats

    @classmethod
    def of(cls, information: Floats, reach: Floats | float = np.inf) -> Surface | None:
        """Return the shape that a Hessian tells, or None when it is not finite.

        No parameter has a larger scale than `reach`, however flat the function is in it.
        """
        if not np.isfinite(information).all():
            return None
        diagonal = np.abs(np.diag(information))
        largest = float(diagonal.max(initial=0.0))
        if largest == 0.0:
            diagonal = np.ones_like(diagonal)
        scale = 1.0 / np.sqrt(np.maximum(diagonal, 1e-30 * max(largest, 1e-300)))
        scale = np.minimum(scale, reach)
        eigenvalues, vectors = np.linalg.eigh(information * np.outer(scale, scale))
        return cls(eigenvalues, vectors, scale)

    @property
    def is_maximum(self) -> bool:
        """Whether the log-likelihood falls in every direction."""
        return bool(self.eigenvalues[0] > 0)

    @property
    def positive(self) -> Floats:
        """The information with its eigenvalues taken positive."""
        unit = self.vectors / self.scale[:, None]
        result: Floats = (unit * self._sizes) @ unit.T
        return result

    @property
    def inverse(self) -> Floats:
        """The inverse of the same."""
        unit = self.vectors * self.scale[:, None]
        result: Floats = (unit / self._sizes) @ unit.T
        return result

    @property
    def _sizes(self) -> Floats:
        sizes = np.abs(self.eigenvalues)
        largest = float(sizes.max())
        result: Floats = np.maximum(sizes, _FLOOR * largest) if largest > 0 else np.ones_like(sizes)
        return result


def _off_the_saddle(
    value: Callable[[Floats], float], point: Floats, surface: Surface
) -> Floats | None:
    """Return a step of about a standard error along which the function curves up, if it goes up."""
    direction = surface.vectors[:, 0] * surface.scale
    here = value(point)
    for length in (1.0, 0.1):
        for step in (length * direction, -length * direction):
            if value(point + step) > here:
                return np.asarray(step)
    return None


def _is_away(derivatives: Derivatives, point: Floats, start: Floats, metric: Floats) -> bool:
    moved = np.abs(point - start)
    bounded = derivatives.function.transforms.bounded
    reach = np.where(bounded, _GONE, _FAR * np.maximum(metric, np.abs(start)))
    return bool((moved > reach).any())


def _up(
    derivatives: Derivatives, point: Floats, value: float, gradient: Floats, step: Floats
) -> tuple[Floats, float, Floats] | None:
    """Halve a step until the function rises enough and its gradient is known there."""
    bounded = derivatives.function.transforms.bounded
    longest = float(np.abs(step[bounded]).max(initial=0.0))
    length = min(1.0, _LONGEST / longest) if longest > 0 else 1.0
    slope = max(float(gradient @ step), 0.0)
    rounding = 1e-14 * abs(value)
    for _ in range(_HALVINGS):
        ahead = point + length * step
        reached = derivatives.function.value(ahead)
        if reached >= value + 1e-4 * length * slope - rounding and not (ahead == point).all():
            new_gradient = derivatives.gradient(ahead, rough=True)
            if np.isfinite(new_gradient).all():
                return ahead, reached, new_gradient
        length /= 2
    return None


def _updated(inverse: Floats, step: Floats, change: Floats) -> Floats:
    """Return the inverse of the metric as it is after a step over which the gradient changed."""
    along = float(step @ change)
    if along <= 1e-8 * float(np.linalg.norm(step) * np.linalg.norm(change)):
        return inverse
    moved = inverse @ change
    curvature = 1.0 + float(change @ moved) / along
    result: Floats = (
        inverse
        + (curvature * np.outer(step, step) - np.outer(moved, step) - np.outer(step, moved)) / along
    )
    return result
