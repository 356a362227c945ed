"""The derivative along a line by differences, with an error that may be believed.

Central differences with steps on a ladder, neighbours combined by Richardson's extrapolation; the
error of each is what its neighbour differs by, and never less than rounding leaves of it. Steps go
up while noise is the larger part of the error and down while the curve is, and stay where the
function is finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from estkit.gradients.checking.form import Floats

# Takes t, returns f(x + t) - f(x) and the t that was left when x + t was rounded.
Change = Callable[[float], tuple[Floats, float]]

SURE = 5.0  # errors of the numeric value that a right one may be off by
RATIO = 4.0
_MOST = 14  # pairs of calls
_TARGET = 1e-10
_CONFIRMED = 1e-6  # how near the complex step must be to differences
_AT_ONCE = 1e-5  # the same for a single pair, whose own error is of second order
_JUMP = 64.0
_GONE = 16  # steps by which the edge of a domain is approached
_FLAT = 0.6  # a jump of slopes halves with each ladder step of a smooth function


@dataclass(frozen=True, eq=False)
class Slope:
    """A derivative with its error.

    Parameters
    ----------
    value, error : array of shape (m,)
        The derivative of each output, and how far off it may be.
    below, above : array of shape (m,)
        The slopes to either side.
    kink : array of bool of shape (m,)
        Whether they stay apart however small the step.
    scale : array of shape (m,)
        How much the derivative changes over the step: what is small beside it is 0.
    step : float
        The step that the value is from; NaN where no step stayed in the domain.
    method : {"complex step", "Richardson", "smaller steps", "one-sided", "none"}
        How it was found.
    """

    value: Floats
    error: Floats
    below: Floats
    above: Floats
    kink: NDArray[np.bool_]
    scale: Floats
    step: float
    method: str


@dataclass(frozen=True, eq=False)
class _Pair:
    """The changes to both sides of a point."""

    step: float
    above: Floats
    below: Floats
    central: Floats

    @property
    def jump(self) -> Floats:
        return self.above - self.below


class Ladder:
    """Pairs of steps, the largest first, and what they say together."""

    def __init__(self, change: Change, noise: Floats) -> None:
        self.change = change
        self.noise = noise
        self.pairs: list[_Pair] = []
        self.edge = math.inf  # a step that left the domain

    def add(self, step: float) -> bool:
        """Take a step to both sides; say whether the function is finite there."""
        (ahead, up), (behind, down) = self.change(step), self.change(-step)
        finite = np.isfinite(ahead).all() and np.isfinite(behind).all()
        if not finite or not up > 0 or not down < 0:
            self.edge = min(self.edge, step) if not finite else self.edge
            return False
        central = (ahead - behind) / (up - down)
        self.pairs.append(_Pair(step, ahead / up, behind / down, central))
        self.pairs.sort(key=lambda pair: -pair.step)
        return True

    def read(self) -> tuple[Floats, Floats, Floats, Floats, NDArray[np.int64]]:
        """Return value, curve and noise parts of the error by step, and which step is best."""
        steps = np.array([pair.step for pair in self.pairs])
        central = np.stack([pair.central for pair in self.pairs])
        noise = 2 * self.level() / steps[:, None]
        if len(steps) == 1:
            curve = np.abs(self.pairs[0].jump)[None]
            return central, curve, noise, curve + noise, np.zeros(central.shape[1], np.int64)
        ratio = (steps[:-1] / steps[1:])[:, None]
        better = central[1:] + (central[1:] - central[:-1]) / (ratio**2 - 1)
        near = np.minimum(ratio, RATIO)  # beyond, the step may be too large for any power law
        second = np.abs(central[1:] - central[:-1]) / (near**2 - 1)
        curve = second.copy()
        if len(better) > 1:
            change = np.maximum(np.abs(np.diff(better, axis=0)), 1e-3 * second[1:])
            curve[1:] = np.minimum(change, second[1:])
        jumps = np.abs(np.stack([pair.jump for pair in self.pairs]))
        stays = (jumps[1:] > _FLAT * jumps[:-1]) & (jumps[1:] > 2 * noise[1:])  # as at a kink
        curve = np.where(stays, np.maximum(curve, jumps[1:]), curve)
        total = curve + noise[1:]
        trusted, its_error = better[-1], total[-1]
        for k in range(len(total) - 2, -1, -1):  # smaller steps may refute the error of larger
            gap = np.abs(better[k] - trusted)
            curve[k] = np.where(gap > total[k] + its_error, gap, curve[k])
            total[k] = curve[k] + noise[k + 1]
            closer = total[k] < its_error
            trusted = np.where(closer, better[k], trusted)
            its_error = np.where(closer, total[k], its_error)
        return better, curve, noise[1:], total, np.argmin(total, axis=0)

    def level(self) -> Floats:
        """Return the noise: second differences that do not shrink with the step are of noise."""
        level = self.noise
        for larger, smaller in pairwise(self.pairs):
            second = [np.abs(pair.jump) * pair.step for pair in (larger, smaller)]
            level = np.where(second[1] > second[0], np.maximum(level, second[1]), level)
        return level

    def found(self) -> tuple[Floats, Floats, Floats, float]:
        """Return value, error, scale and step of the best of all steps."""
        values, _, _, errors, best = self.read()
        every = np.arange(values.shape[1])
        first = len(self.pairs) - len(values)
        jumps = np.stack([np.abs(pair.jump) for pair in self.pairs])[first:]
        step = self.pairs[first + int(np.median(best))].step
        return values[best, every], errors[best, every], jumps[best, every], step

    def next_step(self, largest: float) -> float | None:
        """Return the step that promises most, or nothing when there is none."""
        steps = [pair.step for pair in self.pairs]
        values, curve, noise, errors, _ = self.read()
        if len(steps) == 1:
            return steps[0] / RATIO
        # Outputs may be of any size: their errors are compared as ratios, of those that are told.
        told = (errors < 0.1 * np.abs(values)).any(axis=0)
        told = told if told.any() else ~told
        values, curve, noise, errors = (part[:, told] for part in (values, curve, noise, errors))
        best = int(np.argmin(np.log(errors + 1e-300).sum(axis=1)))  # of the steps best, best + 1
        far = _JUMP if np.median(errors[best] - 0.1 * np.abs(values[best])) > 0 else RATIO
        gaps = [a / b > 2 * RATIO for a, b in pairwise(steps)]
        too_curved = bool(np.log((curve[best] + 1e-300) / (noise[best] + 1e-300)).sum() > 0)
        near = [best, best + 1 if too_curved else best - 1]
        for i in near:
            if 0 <= i < len(gaps) and gaps[i]:
                return math.sqrt(steps[i] * steps[i + 1])
        if too_curved:
            return steps[-1] / far if best == len(errors) - 1 else None
        if best:
            return None
        step = steps[0] * far
        if step >= self.edge:
            step = steps[0] * 2
        return step if step < self.edge and step <= largest else None


@np.errstate(all="ignore")
def differentiate(
    change: Change,
    first: float,
    noise: Floats,
    *,
    guess: Floats | None = None,
    largest: float = math.inf,
) -> Slope:
    """Return the derivative of f(x + t) to t at 0.

    Parameters
    ----------
    change : callable
        The change of the outputs along the line.
    first : float
        The step to begin with.
    noise : array of shape (m,)
        How far rounding may move each output.
    guess : array of shape (m,), optional
        What the complex step gives; it is used if differences confirm it.
    largest : float
        The largest step that means anything.
    """
    ladder = Ladder(change, noise)
    step: float | None = first
    for tried in range(_MOST + _GONE):
        if step is None or len(ladder.pairs) >= _MOST:
            break
        if not ladder.add(step):
            if ladder.pairs:
                break
            step = step / (8 if tried < _GONE / 2 else 64)
            continue
        if _jumps(ladder).any() and _kinks(ladder).any():
            break
        if guess is not None and _confirms(ladder, guess):
            return _exact(ladder, guess)
        value, error, scale, _ = ladder.found()
        if len(ladder.pairs) > 2 and (error <= _TARGET * np.maximum(np.abs(value), scale)).all():
            break
        step = ladder.next_step(largest)
    if not ladder.pairs:
        return _one_sided(change, first, noise)
    value, error, scale, best = ladder.found()
    last, kink = ladder.pairs[-1], _jumps(ladder)
    if kink.any():
        last = _clearest(ladder)
        value = np.where(kink, last.central, value)
        error = np.where(kink, 4 * ladder.noise / last.step, error)
    return Slope(value, error, last.below, last.above, kink, scale, best, "Richardson")


def _clearest(ladder: Ladder) -> _Pair:
    """Return the pair whose slopes to both sides differ least from those of the next."""

    def off(larger: _Pair, smaller: _Pair) -> float:
        moved = np.abs(larger.above - smaller.above) + np.abs(larger.below - smaller.below)
        return float((moved + ladder.noise / smaller.step).sum())

    return min(pairwise(ladder.pairs), key=lambda pairs: off(*pairs))[1]


def _confirms(ladder: Ladder, guess: Floats) -> bool:
    """Say whether differences are exact enough to confirm a complex step, and do."""
    value, error, scale, step = ladder.found()
    size = np.maximum(np.abs(guess), scale)
    size = np.maximum(size, 0.01 * size.max())
    off = np.abs(guess - value)
    if len(ladder.pairs) == 1:
        smooth = np.abs(ladder.pairs[0].jump) <= 0.05 * size
        clear = 2 * ladder.noise / step <= 1e-3 * size
        return bool((smooth & clear & (off <= _AT_ONCE * size)).all())
    return bool(((error <= 1e-4 * size) & (off <= _CONFIRMED * size + 3 * error)).all())


def _exact(ladder: Ladder, guess: Floats) -> Slope:
    _, _, scale, step = ladder.found()
    last = ladder.pairs[-1]
    error = 8 * np.finfo(float).eps * (np.abs(guess) + scale)
    none = np.zeros(len(guess), dtype=bool)
    return Slope(guess, error, last.below, last.above, none, scale, step, "complex step")


def _jumps(ladder: Ladder) -> NDArray[np.bool_]:
    """Say where the slopes to both sides differ as much at the smallest step as at the next."""
    if len(ladder.pairs) < 2:
        return np.zeros(len(ladder.noise), dtype=bool)
    larger, smaller = ladder.pairs[-2:]
    jump = np.abs(smaller.jump)
    clear = jump > 100 * ladder.noise / smaller.step
    seen = jump > 1e-3 * (np.abs(smaller.above) + np.abs(smaller.below))
    stays = jump > _FLAT * np.abs(larger.jump)
    for side in ("above", "below"):  # noise makes slopes that jump about
        stays &= np.abs(getattr(smaller, side) - getattr(larger, side)) <= 0.5 * jump
    answer: NDArray[np.bool_] = clear & seen & stays
    return answer


def _kinks(ladder: Ladder) -> NDArray[np.bool_]:
    """Say where the slopes to both sides stay apart when the step goes on shrinking."""
    jumps = _jumps(ladder)
    for _ in range(8):
        if not jumps.any() or not ladder.add(ladder.pairs[-1].step / 8):
            break
        jumps = _jumps(ladder)
    return jumps


def _one_sided(change: Change, first: float, noise: Floats) -> Slope:
    """Return the slope to the side on which the function is finite, where only one is."""
    nothing = np.full(len(noise), np.nan)
    none = np.zeros(len(noise), dtype=bool)
    for side in (1.0, -1.0):
        for shrink in (1.0, 1e-3, 1e-6):
            steps = [side * first * shrink / c for c in (1, 2, 4)]
            ends = [change(step) for step in steps]
            if not all(np.isfinite(end).all() and t for end, t in ends):
                continue
            slopes = [end / t for end, t in ends]
            lines = [2 * slopes[1] - slopes[0], 2 * slopes[2] - slopes[1]]
            value = (4 * lines[1] - lines[0]) / 3
            error = np.abs(value - lines[1]) + 20 * noise / abs(steps[2])
            below, above = (nothing, value) if side > 0 else (value, nothing)
            scale = np.abs(slopes[2] - slopes[1])
            return Slope(value, error, below, above, none, scale, abs(steps[2]), "one-sided")
    return Slope(nothing, nothing, nothing, nothing, none, nothing * 0, math.nan, "none")


@np.errstate(all="ignore")
def roughness(change: Change, step: float, shaken: Floats) -> Floats:
    """Return the noise of a function along a line, from differences of high order.

    Of a smooth function they vanish with the step and of noise they do not (Moré and Wild 2011,
    SIAM Journal on Scientific Computing 33, 1292-1314). Where no level is consistent over the
    orders it is 0, unless two calls with the same parameters differed, by `shaken`.
    """
    values = np.stack([change(step * i)[0] for i in range(8)])
    if not np.isfinite(values).all():
        return shaken
    levels, table = [], values
    for order in range(1, 7):
        table = np.diff(table, axis=0)
        gamma = math.factorial(order) ** 2 / math.factorial(2 * order)
        levels.append(np.sqrt(gamma * np.mean(table**2, axis=0)))
    last = np.stack(levels[2:])
    steady = last.max(axis=0) <= 8 * last.min(axis=0)
    return np.where(steady | (shaken > 0), np.maximum(last.max(axis=0), shaken), 0.0)
