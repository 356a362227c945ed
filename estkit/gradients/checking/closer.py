"""A closer look at a derivative that seems wrong, with steps that cross no kink.

Where a function is smooth in pieces, as networks with max(0, x) and sums of absolute values are,
the steps that rounding harms least may reach over the next kink and agree with each other about it.
A gradient that is wrong is so at every step; so before it is called wrong, the smallest steps are
tried that rounding leaves able to see the difference.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from estkit.gradients.checking.differences import SURE, Change, Ladder, Slope
from estkit.gradients.checking.form import Floats

_SEEN = 20.0  # rounding may hide so small a part of the difference, one over this
_RATIO = 8.0
_CLEAR = 5.0  # times what rounding may be
_UNSETTLED = 3.0  # times what steps differ by is their error
_STEPS = 16
_ENOUGH = 64.0  # times the smallest step, where all steps say the same


@np.errstate(all="ignore")
def look_closer(
    change: Change, slope: Slope, given: Floats, doubted: NDArray[np.bool_], noise: Floats
) -> Slope:
    """Return the derivative on this side of the kinks, or `slope` itself where it stands.

    Parameters
    ----------
    change : callable
        The change of the outputs along the line.
    slope : Slope
        What larger steps gave.
    given : array of shape (m,)
        What it should be.
    doubted : array of bool of shape (m,)
        Where the two disagree.
    noise : array of shape (m,)
        How far rounding may move each output.
    """
    off = np.abs(given - slope.value)
    doubted = doubted & np.isfinite(off) & (off > 0)
    if not doubted.any() or not np.isfinite(slope.step):
        return slope
    ladder = Ladder(change, noise)
    step = float((_SEEN * noise / off)[doubted].min()) or 1e-9 * slope.step
    value, error, chosen = slope.value, slope.error, slope.step
    while step < slope.step and len(ladder.pairs) < _STEPS:
        added = ladder.add(step)
        step *= _RATIO
        if not added and ladder.pairs:
            break
        if len(ladder.pairs) < 2:
            continue
        value, error, chosen = _nearest(ladder)
        stands = _stands(value, error, slope, off)
        wide = step > _ENOUGH * (_SEEN * _level(ladder) / off)[doubted].max()
        if wide and (stands | ~doubted).all():
            break
    if len(ladder.pairs) < 2:
        return slope
    stands = _stands(value, error, slope, off)
    kink, below, above, blur = _kink(ladder)
    kink &= doubted & (stands | (np.abs(given - value) > error))
    kink &= (given >= np.fmin(below, above) - blur) & (given <= np.fmax(below, above) + blur)
    exacter = (error < slope.error) | (off > SURE * slope.error)
    moved = kink | (doubted & ~stands & exacter)
    if not moved.any():
        return slope
    value = np.where(kink, (below + above) / 2, np.where(moved, value, slope.value))
    error = np.where(kink, blur, np.where(moved, error, slope.error))
    return replace(
        slope,
        value=value,
        error=error,
        below=np.where(moved, below, slope.below),
        above=np.where(moved, above, slope.above),
        kink=np.where(moved, kink, slope.kink),
        # What slopes change by grows as steps shrink only at a jump, beside which nothing is small.
        scale=np.where(moved, np.minimum(np.abs(above - below), slope.scale), slope.scale),
        step=chosen,
        method="smaller steps",
    )


def _stands(value: Floats, error: Floats, slope: Slope, off: Floats) -> NDArray[np.bool_]:
    """Say where smaller steps see the difference, and say the same as larger ones."""
    clear = error < off / 5
    return np.asarray(clear & (np.abs(value - slope.value) <= error + slope.error))


def _kink(ladder: Ladder) -> tuple[NDArray[np.bool_], Floats, Floats, Floats]:
    """Say where the slopes to both sides stay apart as steps shrink; return them, and their error.

    They are those of the smallest steps that rounding leaves clear; without a kink the smallest.
    """
    pairs, level = ladder.pairs[::-1], _level(ladder)
    below, above = pairs[0].below, pairs[0].above
    blur = 2 * level / pairs[0].step
    kink = np.zeros(len(level), dtype=bool)
    for small, large in pairwise(pairs):
        jump, rounding = np.abs(small.jump), 2 * level / small.step
        stays = (jump > _CLEAR * rounding) & (jump > 0.5 * np.abs(large.jump)) & ~kink
        below, above = np.where(stays, small.below, below), np.where(stays, small.above, above)
        blur = np.where(stays, rounding, blur)
        kink |= stays
    return kink, below, above, blur


def _nearest(ladder: Ladder) -> tuple[Floats, Floats, float]:
    """Return the value of the step that no smaller one refutes, its error, and that step."""
    pairs = ladder.pairs[::-1]  # the smallest first
    central = np.stack([pair.central for pair in pairs])
    steps = np.array([pair.step for pair in pairs])
    rounding = 2 * _level(ladder) / steps[:, None]
    errors = rounding.copy()
    # The smallest has none below it that could refute it: it must agree with the next.
    apart = np.abs(central[1] - central[0]) - rounding[1] - rounding[0]
    errors[0] += _UNSETTLED * np.maximum(apart, 0.0)
    for i in range(1, len(pairs)):
        gaps = np.abs(central[:i] - central[i]) - rounding[:i]
        errors[i] += _UNSETTLED * np.maximum(gaps.max(axis=0), 0.0)
    best = np.argmin(errors, axis=0)
    every = np.arange(central.shape[1])
    return central[best, every], errors[best, every], float(steps[int(np.median(best))])


def _level(ladder: Ladder) -> Floats:
    """Return the noise: second differences that do not shrink with the step, unless smaller do.

    A step that crosses kinks which bend both ways looks like noise; but noise is there at any step,
    if it is not rounding to so few digits that small steps change nothing.
    """
    level, smaller = ladder.noise, np.zeros_like(ladder.noise)
    for small, large in pairwise(ladder.pairs[::-1]):
        second = np.abs(small.jump) * small.step
        grows = second > np.abs(large.jump) * large.step
        there = (smaller > 0.1 * second) | (smaller == 0)
        level = np.where(grows & there, np.maximum(level, second), level)
        smaller = np.maximum(smaller, second)
    return level
