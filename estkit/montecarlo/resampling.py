"""The error of a measure that is known as a function of the draws only.

Smooth functions of means: the jackknife. Others: the bootstrap, or with very many replicates the
spread of the measure over 200 parts of them.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.montecarlo.influence import Draws, Floats, Influence, Measure

_SINGLY = 1000  # more replicates than this are left out part by part
_PARTS = 200  # they know a standard error to 5 per cent
_RESAMPLED = 100_000  # of more replicates, parts are looked at instead of resamples
_RESAMPLES = 400  # they know a standard error to 3.5 per cent
_STREAM = 20150401  # the same resamples for every estimator, so that contrasts are paired

Groups = NDArray[np.intp] | None


def evaluated(measure: Measure, draws: Draws, groups: Groups = None) -> Influence:
    """Return a measure, with influence values even where its function knows none.

    Parameters
    ----------
    measure : Measure
        The measure.
    draws : Draws
        Those of the replicates in use.
    groups : array of int of shape (R,), optional
        Which replicates depend on each other; they are left out, or drawn again, together.
    """
    found = measure.function(draws)
    if isinstance(found, Influence):
        return _checked(found, measure, len(draws.estimate))
    value = _number(found, measure)
    units = _units(len(draws.estimate), groups)
    if len(units) < 2:
        return Influence(value, np.full(len(units), np.nan), by_replicate=False)
    again = _jackknife if measure.smooth else _bootstrap
    if len(units) > _RESAMPLED and not measure.smooth:
        again = _apart
    return again(measure, _slim(draws), value, units)


def value_of(measure: Measure, draws: Draws) -> float:
    """Return the value of a measure alone."""
    found = measure.function(draws)
    return found.value if isinstance(found, Influence) else _number(found, measure)


def _slim(draws: Draws) -> Draws:
    """Return draws whose unknown columns are no memory, so that they need not be copied."""
    return Draws(*(
        np.broadcast_to(np.nan, len(column)) if np.isnan(column).all() else column
        for column in draws
    ))  # fmt: skip


def _units(count: int, groups: Groups) -> list[NDArray[np.intp]]:
    """Return what is independent of each other: replicates, or groups of them."""
    if groups is None:
        return list(np.arange(count)[:, None])
    return np.split(np.arange(count), np.flatnonzero(np.diff(groups)) + 1)


def _jackknife(
    measure: Measure, draws: Draws, value: float, units: list[NDArray[np.intp]]
) -> Influence:
    """Leave out every part, of unequal size maybe (Busing, Meijer and van der Leeden 1999)."""
    count = len(draws.estimate)
    number = len(units) if len(units) <= _SINGLY else _PARTS
    parts = [
        np.concatenate(units[start * len(units) // number : (start + 1) * len(units) // number])
        for start in range(number)
    ]
    keep = np.ones(count, dtype=bool)
    pseudo, weight = np.empty(number), np.empty(number)
    for row, part in enumerate(parts):
        keep[part] = False
        without = value_of(measure, draws.of(keep))
        keep[part] = True
        weight[row] = count / len(part)
        pseudo[row] = weight[row] * value - (weight[row] - 1) * without
    psi = (pseudo - pseudo.mean()) * np.sqrt((number - 1) / (weight - 1))
    return Influence(value, psi, by_replicate=number == count)


def _bootstrap(
    measure: Measure, draws: Draws, value: float, units: list[NDArray[np.intp]]
) -> Influence:
    rng = np.random.default_rng([_STREAM, len(units)])
    single = len(units) == len(draws.estimate)
    again = np.empty(_RESAMPLES)
    for row in range(_RESAMPLES):
        chosen: Any = rng.integers(0, len(units), size=len(units))
        rows = chosen if single else np.concatenate([units[unit] for unit in chosen])
        again[row] = value_of(measure, draws.of(rows))
    unbiased = math.sqrt(len(units) / (len(units) - 1))
    psi: Floats = (again - again.mean()) * math.sqrt(_RESAMPLES) * unbiased
    return Influence(value, psi, by_replicate=False)


def _apart(
    measure: Measure, draws: Draws, value: float, units: list[NDArray[np.intp]]
) -> Influence:
    """Look at parts, each large enough, by themselves: they vary √(their number) times as much."""
    ends = [len(units) * part // _PARTS for part in range(_PARTS + 1)]
    starts = [int(units[end][0]) if end < len(units) else len(draws.estimate) for end in ends]
    psi = np.array([
        value_of(measure, draws.of(slice(start, stop)))
        for start, stop in itertools.pairwise(starts)
    ])  # fmt: skip
    return Influence(value, psi, by_replicate=False)


def _checked(found: Influence, measure: Measure, replicates: int) -> Influence:
    """Return a measure with its influence values, or raise where these are not one for each."""
    psi = np.asarray(found.psi, dtype=float)
    if psi.ndim != 1 or (found.by_replicate and len(psi) != replicates):
        raise DataError(
            f"the measure {measure.title!r} must return an influence value for each of "
            f"{replicates} replicates; got shape {psi.shape}."
        )
    return found if psi is found.psi else found._replace(psi=psi)


def _number(found: Any, measure: Measure) -> float:
    array = np.asarray(found)
    if array.shape != () or array.dtype.kind not in "fiub":
        raise DataError(
            f"the measure {measure.title!r} must return one number, or an Influence; "
            f"it returned {type(found).__name__}: {found!r:.60}."
        )
    return float(array)
