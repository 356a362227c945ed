"""Maxima without curvature: at a kink, on a plain, or where the support of a law ends.

A density with a kink at its centre (laplace, gennorm with beta ≤ 1, triang) gives the likelihood
one at every value of the sample; a support that depends on the parameters makes it break off where
a value would fall outside. A truncation that leaves a tail alone makes it level, as tails of many
laws are those of one with fewer parameters. A search ends there without a certificate, and here the
place is named.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from estkit.likelihood.family import Floats

if TYPE_CHECKING:
    from estkit.likelihood.distribution.model import DistributionModel
    from estkit.likelihood.newton import Optimum

_NEAR = (0.3, 0.03)  # standard errors: within which the support ends, and a kink is looked for
_LEVEL = 1e-5  # what the likelihood changes by on a plain, over about a standard error
_WIDER = 12  # times the width of a plain is doubled
_BENT = 4.0  # times the curvature that a smooth likelihood has
_TINY = (1e-3, 1e-4)  # standard errors: far below the steps of differences, above their rounding
_STEEP, _SHARP = 1e-3, 0.02  # slopes per standard error that no maximum has
_ROUNDS, _STEPS = 3, 40
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def refuted(model: DistributionModel, optimum: Optimum) -> str | None:
    """Say why a point at which a search converged is no maximum to report, if it is none."""
    return slanted(model, optimum) or (None if model.sample else rough(model, optimum))


def rough(model: DistributionModel, optimum: Optimum) -> str | None:
    """Say that what differences take for a smooth maximum has kinks between their steps."""
    for i, curve in enumerate(np.diag(optimum.information)):
        along, error = _along(model.rows.value, optimum.point, i), 1.0 / math.sqrt(curve)
        (slope, bend), (closer, _) = (_tangent(along, h, error) for h in _TINY)
        steep = abs(slope - closer) < 0.2 * abs(slope) and abs(slope) > _STEEP
        if steep or bend > _SHARP:
            name, law = model.names[i], model.law.name
            return explain(model, optimum.point) or (
                f"The likelihood of {law} is not smooth near {model.shown(optimum.point)}: it "
                f"has kinks in {name}, as the density has one at a value of the data, between "
                f"which its slope is no measure of the maximum. No standard error holds; fix "
                f"{name} at several values and compare the log-likelihoods, or simulate."
            )
    return None


def explain(model: DistributionModel, ended: Floats) -> str | None:
    """Say why a search ended at a point where there is no curvature, if that is why."""
    point = ended.copy()
    kind, number = broken_at(model.rows.value, point, model.n_obs)
    law, name, shown = model.law.name, model.names[number], model.shown(point)
    if kind == "edge":
        return (
            f"The likelihood of {law} breaks off near {shown}: the support of the law, which "
            f"depends on {name}, ends at a value of the data there. The maximum is a corner "
            f"without a standard error, or the likelihood is unbounded, where the density is "
            f"infinite at that end. Fix {name}, or choose a law whose support does not depend on "
            f"its parameters."
        )
    if kind == "plain":
        ends = _plain(model, point, number)
        cut = model.observations.below is not None
        return (
            f"The data do not determine {name} of {law}: from {ends[0]:.4g} to {ends[1]:.4g} the "
            f"log-likelihood changes by less than {_LEVEL:g} (near {shown}). "
            f"{'Truncation may have left a tail that other values explain as well. ' * cut}"
            f"Fix it, such as fixed={{{name!r}: {float(model.outside(point)[number]):.4g}}}, or "
            f"choose a law with fewer parameters (for a tail alone: expon, with loc fixed where "
            f"it begins)."
        )
    if kind == "kink":
        height = model.conclude(model.rows.value(point)).loglik
        where = float(model.outside(point)[number])
        return (
            f"The likelihood of {law} has its maximum at a kink in {name}, as the density has one "
            f"at a value of the data: log-likelihood {height:.10g} at {shown}. It has no curvature "
            f"there that a standard error could come from. To fit the other parameters, hold it "
            f"there: fixed={{{name!r}: {where:.8g}}}; for its own error, simulate."
        )
    return None


def slanted(model: DistributionModel, optimum: Optimum) -> str | None:
    """Say that a maximum is a lower one: skewnorm may be higher as its slant goes to infinity.

    There it is half of a normal law, which begins at the least value or ends at the greatest
    (Sartori 2006, Journal of Statistical Planning and Inference 136, 4259-4275).
    """
    own, free = model.observations, {"a", "loc"} <= set(model.names)
    if model.law.name != "skewnorm" or not (free and own.exact):
        return None
    point, height = optimum.point, model.conclude(optimum.value).loglik
    x, weights = own.values(), own.weights
    x, w = (x, np.ones(len(x))) if weights is None else (x[weights > 0], weights[weights > 0])
    held = model.held[model.law.names.index("scale")]
    for side, end in (("", float(x.min())), ("minus ", float(x.max()))):
        scale = held or math.sqrt(float(w @ (x - end) ** 2) / w.sum())
        z = (x - end) / scale
        limit = float(w.sum()) * math.log(math.sqrt(2 / math.pi) / scale) - float(w @ z**2) / 2
        if limit > height:
            return (
                f"The likelihood of skewnorm has no maximum: the log-likelihood goes to "
                f"{limit:.10g} as a goes to {side}infinity with loc = {end:.6g} and scale = "
                f"{scale:.6g}, where it is half of a normal law; its highest point elsewhere that "
                f"was found is {height:.10g} at {model.shown(point)}. Choose halfnorm, or fix a: "
                f"fixed={{'a': {model.outside(point)[model.names.index('a')]:.4g}}} stays there."
            )
    return None


def broken_at(value: Callable[[Floats], float], point: Floats, rows: float) -> tuple[str, int]:
    """Return how a likelihood breaks at the place where a search ended, and along which coordinate.

    Parameters
    ----------
    value : callable
        Takes a point, changes visibly over a distance of 1; not finite where rows are impossible.
    point : array of shape (k,)
        Where the search ended; moved to the highest point near by.
    rows : float
        The number of observations: a standard error is about 1 over its root.

    Returns
    -------
    str, int
        "edge", "plain", "kink" or "", and the coordinate.
    """
    error = 1.0 / math.sqrt(rows)
    if not math.isfinite(value(point)):
        return "", 0
    for i in range(len(point)):
        for side in (-1.0, 1.0):
            if not math.isfinite(_along(value, point, i)(side * _NEAR[0] * error)):
                return "edge", i
    for i in range(len(point)):
        along = _along(value, point, i)
        if any(_level(along, side * error) for side in (-1.0, 1.0)):
            return "plain", i
    for _ in range(_ROUNDS):
        for i in range(len(point)):
            point[i] += _highest(_along(value, point, i), _NEAR[0] * error)
    bends = [_bend(_along(value, point, i), error) for i in range(len(point))]
    worst = int(np.argmax(bends))
    return ("kink", worst) if bends[worst] > _BENT else ("", worst)


def _level(at: Callable[[float], float], reach: float) -> bool:
    """Tell whether the likelihood is level from here on to some distance."""
    return max(abs(at(step * reach) - at(0.0)) for step in (0.5, 1.0)) < _LEVEL


def _plain(model: DistributionModel, point: Floats, number: int) -> list[float]:
    """Return between which values of a parameter the likelihood is level."""
    along, ends = _along(model.rows.value, point, number), []
    for side in (-1.0, 1.0):
        reach = 0.0
        step = side / math.sqrt(model.n_obs)
        for _ in range(_WIDER):
            if not _level(along, step):
                break
            reach, step = step, 2.0 * step
        end = point.copy()
        end[number] += reach
        ends.append(float(model.outside(end)[number]))
    return sorted(ends)


def _along(value: Callable[[Floats], float], point: Floats, i: int) -> Callable[[float], float]:
    def at(step: float) -> float:
        moved = point.copy()
        moved[i] += step
        return value(moved)

    return at


def _tangent(at: Callable[[float], float], h: float, error: float) -> tuple[float, float]:
    """Return the slope, and its change from side to side, per standard error."""
    right, left, center = at(h * error), at(-h * error), at(0.0)
    return (right - left) / (2.0 * h), (2.0 * center - right - left) / h


def _highest(at: Callable[[float], float], reach: float) -> float:
    """Return the step to the highest value in reach, by golden section: no slope is asked for."""
    low, high = -reach, reach
    for _ in range(_STEPS):
        width = _GOLDEN * (high - low)
        if at(high - width) >= at(low + width):
            high = low + width
        else:
            low = high - width
    step = (low + high) / 2.0
    return step if at(step) >= at(0.0) else 0.0


def _bend(at: Callable[[float], float], error: float) -> float:
    """Return how much more the likelihood is curved close by than further off: 1 if smooth."""
    (far, close), top = _NEAR, at(0.0)
    curves = [(2.0 * top - at(h * error) - at(-h * error)) / (h * h) for h in (far, close)]
    return curves[1] / curves[0] if curves[0] > 0.0 else 1.0
