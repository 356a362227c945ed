"""Why a log-likelihood has no maximum to report: a bound, a flat direction, a wrong sign, noise."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from estkit.errors import ConvergenceError, FitError, RankError
from estkit.likelihood.custom.ascent import Ascent, Surface, climb
from estkit.likelihood.custom.derivatives import Derivatives, first_steps
from estkit.likelihood.family import Floats

_FLAT = 1e-11  # of the scaled information: a direction that differences cannot tell from flat
_FLAT_BY_DIFFERENCES = 1e-8
_DROP = 1e-5  # in the log-likelihood, a unit along a flat direction
_LEVEL = 0.1  # in the log-likelihood
_NOISE = 1e-4  # of the log-likelihood: what functions may lose to rounding near a bound
_SHARE = 0.05  # of the largest entry: parameters with less have no part in a direction
_STRAYED = 7.5  # a factor of 1800 from where a bounded parameter started
_RUN = 5.0
COARSEST = 1e-3  # standard errors: derivatives less accurate than this certify nothing


def flat_direction(
    derivatives: Derivatives, point: Floats, information: Floats
) -> RankError | None:
    """Return what to raise when the log-likelihood does not change along some direction.

    Parameters
    ----------
    derivatives : Derivatives
        The function.
    point : array of shape (k,)
        Where its gradient vanishes.
    information : array of shape (k, k)
        The negative Hessian there.
    """
    information = np.where(np.abs(information) <= derivatives.noise(point), 0.0, information)
    surface = Surface.of(information, 1e3 * derivatives.reach(point))
    limit = _FLAT_BY_DIFFERENCES if derivatives.method == "differences" else _FLAT
    if surface is None or surface.eigenvalues[0] > limit:
        return None
    unit = surface.vectors[:, 0] * surface.scale
    function = derivatives.function
    here = function.value(point)
    steps = (s * 0.1 * unit / max(1.0, float(np.max(np.abs(unit)))) for s in (1, -1))
    if not all(abs(here - function.value(point + step)) < _DROP for step in steps):
        return None
    slope = function.transforms.slope(point) * unit
    part = np.abs(surface.vectors[:, 0])
    chosen = np.flatnonzero(part > _SHARE * part.max())
    slope = slope / np.abs(slope[chosen]).max()
    names = function.layout.names
    moves = ", ".join(f"{names[j]} by {slope[j]:+.3g}" for j in chosen)
    if len(chosen) == 1:
        (name,) = (names[j] for j in chosen)
        return RankError(
            f"The log-likelihood does not depend on {name!r} at {function.shown(point)}, so it is "
            f"not identified; leave it out, or fix it with fixed={{{name!r}: ...}}."
        )
    first = names[chosen[-1]]
    return RankError(
        f"{', '.join(repr(names[j]) for j in chosen)} are not identified: the log-likelihood stays "
        f"{here:.6g} when {moves} are moved together from {function.shown(point)}. Fix one of "
        f"them, as in fixed={{{first!r}: ...}}, or write the function in what they have in common."
    )


def why_no_maximum(derivatives: Derivatives, begin: Floats, ascent: Ascent) -> FitError:
    """Return what to raise when a climb has not led to a maximum.

    Parameters
    ----------
    derivatives : Derivatives
        The function.
    begin : array of shape (k,)
        Where the climb began.
    ascent : Ascent
        Where it ended.
    """
    return _led_away(derivatives, begin, ascent) or _ended(derivatives, ascent)


def _led_away(derivatives: Derivatives, begin: Floats, ascent: Ascent) -> FitError | None:
    """Return what to raise when the climb led to infinity or to a bound."""
    point = ascent.point
    strayed = _strayed(derivatives, begin, ascent)
    runs = [_run(derivatives, point, j, sign) for j, sign in strayed]
    # beyond a point where it was level, what rises is the rounding of the function
    level = [_is_level(derivatives, ascent, j, sign) for j, sign in strayed]
    endless = [run for run, flat in zip(runs, level, strict=True) if run.endless and not flat]
    on_bound = _on_bounds(derivatives, point, runs)
    if all(level):
        on_bound = np.fmax(on_bound, ascent.value)
    if runs and not endless and not on_bound >= ascent.value - _NOISE * max(1, abs(ascent.value)):
        endless = runs[:1]  # at the bound itself there is nothing to be gained: it is a pole
    if ascent.state == "stuck" or endless:
        sign = _wrong_sign(derivatives, begin)
        if sign is not None:
            return sign
    if endless:
        run = endless[0]
        return ConvergenceError(
            f"The log-likelihood has no maximum: it rises as {run.named} "
            f"({run.values}). Bound the parameter away from there, fix it, or look for an error in "
            f"the function; a local maximum may be found from another start, see starts=."
        )
    to_infinity = _to_infinity(derivatives, begin, ascent)
    bounded = derivatives.function.transforms.bounded
    if to_infinity is not None and not any(bounded[run.place] for run in runs):
        return to_infinity
    if runs:
        return ConvergenceError(_at_a_bound(derivatives, point, runs, on_bound))
    return None


def _ended(derivatives: Derivatives, ascent: Ascent) -> FitError:
    """Return what to raise when the climb ended where there is no maximum."""
    function, point = derivatives.function, ascent.point
    information = derivatives.information(point)
    flat = flat_direction(derivatives, point, information)
    if flat is not None:
        return flat
    surface = Surface.of(information)
    where = f"{function.shown(point)} (log-likelihood {ascent.value:.8g})"
    if (ascent.state == "stuck" or surface is None) and _is_edge(derivatives, point):
        return ConvergenceError(
            f"The log-likelihood rises towards an edge beyond which it has no finite value, near "
            f"{where}. Its maximum may be the edge itself, as with a law that ends at the largest "
            f"observation, and then has no standard error; otherwise give bounds=."
        )
    if surface is None:
        return ConvergenceError(
            f"The second derivatives of the log-likelihood are not finite at {where}, after "
            f"{ascent.steps} steps; give bounds= for parameters that must be positive or in an "
            f"interval."
        )
    known = float(np.max(derivatives.gradient_error(point) * surface.scale))
    if known > COARSEST:
        return too_coarse(derivatives, point, known)
    if not surface.is_maximum:
        part = np.abs(surface.vectors[:, 0])
        names = [function.layout.names[j] for j in np.flatnonzero(part > 0.3 * part.max())]
        return ConvergenceError(
            f"The fit stopped at {where}, which is no maximum: the log-likelihood curves up along "
            f"{', '.join(names)}. Start elsewhere, or at several points with starts=."
        )
    return ConvergenceError(
        f"The fit stopped at {where} after {ascent.steps} steps without a maximum that its "
        f"derivatives could certify (by {derivatives.method}). The log-likelihood may have kinks "
        f"or noise there; make it smooth, or start elsewhere."
    )


def _is_edge(derivatives: Derivatives, point: Floats) -> bool:
    """Say whether the function has no value half a standard error away."""
    moves = np.outer([1.0, -1.0, 3.0, -3.0, 10.0, -10.0], derivatives.steps)
    return any(
        math.isnan(derivatives.function.value(point + move * unit))
        for move in moves
        for unit in np.eye(len(point))
    )


def too_coarse(derivatives: Derivatives, point: Floats, error: float) -> ConvergenceError:
    """Return what to raise when derivatives certify nothing, their error being so large."""
    return ConvergenceError(
        f"The derivatives at {derivatives.function.shown(point)} are known to no more than "
        f"{error:.1g} standard errors: the log-likelihood has jumps, kinks or noise there (a "
        f"table, an iteration that stops early, an absolute value). Make it smooth, or give "
        f"gradient=."
    )


def _to_infinity(derivatives: Derivatives, begin: Floats, ascent: Ascent) -> FitError | None:
    """Return what to raise when the log-likelihood never falls on the line of the climb."""
    function, way = derivatives.function, ascent.point - begin
    *beyond, far = (function.value(begin + factor * way) for factor in (2.0, 4.0, 16.0))
    if math.isnan(far) and ascent.state != "stuck":  # so far out, functions may overflow
        far = beyond[-1]
    tolerance = _DROP * max(1.0, abs(ascent.value)) * 1e-4
    if not (
        ascent.value > function.value(begin) + _DROP
        and np.min([*beyond, far]) >= ascent.value - tolerance
    ):
        return None
    outward = function.transforms.slope(ascent.point) * way
    part = np.abs(way) / np.abs(way).max()
    goals = [
        f"{name} → {'' if outward[j] > 0 else '-'}infinity"
        for j, name in enumerate(function.layout.names)
        if part[j] > _SHARE
    ]
    return ConvergenceError(
        f"The maximum lies at infinity: the log-likelihood still rises as {', '.join(goals)}, and "
        f"is {beyond[-1]:.8g} at {function.shown(begin + 4.0 * way)}. There is no estimate and no "
        f"standard error; the data say only in which direction it lies."
    )


class _Run(NamedTuple):
    """What happens to the log-likelihood when a parameter goes where it was heading."""

    place: int
    sign: float
    named: str
    bound: float
    endless: bool
    values: str


def _strayed(derivatives: Derivatives, begin: Floats, ascent: Ascent) -> list[tuple[int, float]]:
    """Return the parameters that ran away, and whether up (1) or down (-1) inside."""
    bounded = derivatives.function.transforms.bounded
    moved = ascent.point - begin
    size = np.maximum(np.abs(begin), derivatives.tuned(begin).steps / 0.05)
    far = np.where(bounded, np.abs(moved) > _STRAYED, np.abs(moved) > 1e3 * size)
    signs = np.sign(moved)
    running = signs * ascent.direction > np.where(bounded, 0.1, 1e-3 * np.abs(moved))
    places = [(j, float(sign)) for j, sign in enumerate(signs)]
    keeps = np.array([_keeps_up(derivatives, ascent, j, sign) for j, sign in places])
    level = np.array([_is_level(derivatives, ascent, j, sign) for j, sign in places])
    hidden = bounded & (np.abs(moved) > _STRAYED / 2) & keeps & level
    chosen = np.flatnonzero((far & (running | keeps | level)) | hidden)
    order = chosen[np.argsort(-np.abs(moved[chosen]))]
    return [(int(j), float(np.sign(moved[j]))) for j in order]


def _keeps_up(derivatives: Derivatives, ascent: Ascent, index: int, sign: float) -> bool:
    """Say whether the log-likelihood does not fall when a parameter goes further."""
    further = ascent.point.copy()
    further[index] += sign * _stride(derivatives, ascent.point, index)
    allowed = _NOISE * max(1.0, abs(ascent.value))
    return not derivatives.function.value(further) < ascent.value - allowed


def _is_level(derivatives: Derivatives, ascent: Ascent, index: int, sign: float) -> bool:
    """Say whether the log-likelihood hardly changes on the way back, as on the way to a limit."""
    back = ascent.point.copy()
    back[index] -= 0.6 * sign * _stride(derivatives, ascent.point, index)
    return abs(derivatives.function.value(back) - ascent.value) < _LEVEL


def _stride(derivatives: Derivatives, point: Floats, index: int) -> float:
    bounded = bool(derivatives.function.transforms.bounded[index])
    return _RUN if bounded else max(1.0, abs(float(point[index])))


def _run(derivatives: Derivatives, point: Floats, index: int, sign: float) -> _Run:
    """Follow one parameter further."""
    function = derivatives.function
    transforms = function.transforms
    stride = _stride(derivatives, point, index)
    points = [point.copy() for _ in range(3)]
    for i, moved in enumerate(points):
        moved[index] += i * sign * stride
    values = [function.value(moved) for moved in points]
    gains = np.diff(values)
    gain = max(1e-3, 0.1 * _NOISE * abs(values[0]))
    endless = bool(gains[0] > gain and not gains[1] <= 0.5 * gains[0])
    with np.errstate(over="ignore"):
        limit = point.copy()
        limit[index] = sign * np.inf
        bound = float(function.parameters(limit)[index])
    name = function.layout.names[index]
    shown = ", ".join(
        f"{value:.6g} at {name} = {function.parameters(moved)[index]:.3g}"
        for value, moved in zip(values, points, strict=True)
        if math.isfinite(value)
    )
    where = "lower" if bound == transforms.lower[index] else "upper"
    kind = f" (its {where} bound)" if math.isfinite(bound) else ""
    goal = f"{bound:g}" if math.isfinite(bound) else ("infinity" if bound > 0 else "-infinity")
    return _Run(index, sign, f"{name} → {goal}{kind}", bound, endless, shown)


def _on_bounds(derivatives: Derivatives, point: Floats, runs: list[_Run]) -> float:
    """Return the log-likelihood when the finite bounds are reached, NaN if it has no value there.

    Some functions have none at the bound itself, such as 0 · log 0; then the value nearby.
    """
    function = derivatives.function
    outside, near = function.parameters(point), point.copy()
    for run in runs:
        if math.isfinite(run.bound):
            outside[run.place] = run.bound
        near[run.place] += _RUN * np.sign(run.sign)
    value = function.value_at(outside)
    return value if math.isfinite(value) else function.value(near)


def _at_a_bound(derivatives: Derivatives, point: Floats, runs: list[_Run], level: float) -> str:
    """Return what to say when the maximum lies on bounds, or at infinity."""
    function = derivatives.function
    outside = function.parameters(point)
    named = " and ".join(run.named for run in runs)
    rest = [
        f"{name} = {value:.6g}"
        for j, (name, value) in enumerate(zip(function.layout.names, outside, strict=True))
        if j not in {run.place for run in runs}
    ]
    others = f", with {', '.join(rest)}" if rest else ""
    finite = all(math.isfinite(run.bound) for run in runs)
    place = "lies on a bound" if finite else "lies at infinity"
    fixes = ", ".join(
        f"{function.layout.names[run.place]!r}: "
        + (f"{run.bound:g}" if math.isfinite(run.bound) else "...")
        for run in runs
    )
    return (
        f"The maximum {place}: {named}, where the log-likelihood is {level:.8g}{others}. There is "
        f"no standard error there; fix what is at its limit with fixed={{{fixes}}}, which is "
        f"another model, or drop it."
    )


def _wrong_sign(derivatives: Derivatives, begin: Floats) -> FitError | None:
    """Return what to raise when the function turned upside down has a proper maximum."""
    upside_down = replace(derivatives.function, sign=-derivatives.function.sign)
    steps = first_steps(upside_down, begin)
    other = Derivatives(upside_down, "differences", steps).tuned(begin)
    ascent = climb(other, begin)
    if ascent.state != "near":
        return None
    other = other.tuned(ascent.point)
    information = other.information(ascent.point)
    surface = Surface.of(information)
    if surface is None or surface.eigenvalues[0] <= _FLAT_BY_DIFFERENCES:
        return None
    return ConvergenceError(
        f"The function seems to return the negative of the log-likelihood, or minus twice it: it "
        f"rises without limit, while its negative has a proper maximum near "
        f"{upside_down.shown(ascent.point)}. Return the log-likelihood itself."
    )
