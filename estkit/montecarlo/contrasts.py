"""The difference or the ratio of a measure, between two estimators or two conditions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.montecarlo import streaming
from estkit.montecarlo.conditions import describe
from estkit.montecarlo.influence import Influence, Interval, Measure, ratio_of
from estkit.montecarlo.intervals import (
    mean_interval,
    paired_rate_interval,
    ratio_interval,
    separate_rate_interval,
)
from estkit.montecarlo.reading import Reading
from estkit.montecarlo.resampling import evaluated
from estkit.montecarlo.summary import Cell, Found, found, from_truth, lessened, telling

KINDS = ("difference", "ratio")
_LONGER = "estimator_a", "estimator_b"  # what is else a and b, where a condition is named so
_OF_NO_PARAMETER = (("failed",), ("not_converged",), ("warned",))


def check_kind(kind: str) -> None:
    """Raise for a kind of contrast that does not exist."""
    if kind not in KINDS:
        raise DataError(f"kind must be one of {KINDS}, got {kind!r}.")


def rows_of(
    cells: Iterable[Cell],
    names: tuple[str, str],
    measures: Mapping[str, Measure],
    reading: Reading,
    kind: str,
    conditions: tuple[int, int] | None,
    *,
    together: bool,
) -> list[dict[str, Any]]:
    """Return the contrasts of two estimators, a row for each parameter.

    Parameters
    ----------
    cells : iterable of Cell
        The parameters of all estimators in all conditions, condition by condition.
    names : pair of str
        The estimators.
    measures : mapping of str to Measure
        The one measure, by its name.
    reading : Reading
        The level.
    kind : {"difference", "ratio"}
        Which contrast.
    conditions : pair of int, or None
        The condition of either; None for each condition by itself.
    together : bool
        Whether conditions share their random numbers.
    """
    ((name, measure),) = measures.items()
    whole = measure.needs in _OF_NO_PARAMETER
    rows = []
    for known in _held(cells, names, conditions, whole=whole):
        for (number, estimator, parameter), a in known.items():
            first, other = conditions or (number, number)
            b = _partner(known, other, names[1], parameter)
            if estimator != names[0] or number != first or b is None:
                continue
            compare = paired if together or number == other else separate
            where: Mapping[str, Any] = a.condition
            if conditions is not None:
                where = {
                    "condition_a": describe(a.condition, ""),
                    "condition_b": describe(b.condition, ""),
                }
            named = ("a", "b") if where.keys().isdisjoint(("a", "b")) else _LONGER
            who = {"parameter": parameter, "measure": name, **dict(zip(named, names, strict=True))}
            rows.append({**where, **who, **compare(a, b, measure, reading.level, kind)})
    return rows


def _held(
    cells: Iterable[Cell],
    names: tuple[str, str],
    conditions: tuple[int, int] | None,
    *,
    whole: bool,
) -> Iterator[dict[tuple[int, str, str], Cell]]:
    """Yield the cells that must be held together: of one condition, or of the two compared."""
    wanted = (
        c for c in cells if c.estimator in names and (conditions is None or c.number in conditions)
    )
    for _, own in itertools.groupby(wanted, lambda c: c.number if conditions is None else 0):
        yield {(c.number, c.estimator, "" if whole else c.parameter): c for c in own}


def _partner(
    known: Mapping[tuple[int, str, str], Cell], number: int, estimator: str, parameter: str
) -> Cell | None:
    """Return the cell to compare with; what always failed has one only, of no parameter."""
    for own in (parameter, ""):
        if (number, estimator, own) in known:
            return known[number, estimator, own]
    those = (c for (n, e, _), c in known.items() if (n, e, parameter) == (number, estimator, ""))
    return next(those, None)


def paired(a: Cell, b: Cell, measure: Measure, level: float, kind: str) -> dict[str, Any]:
    """Return a contrast of two cells that were drawn from the same data sets, or streams.

    Both are computed from the replicates in which both have what the measure needs; what they have
    in common cancels replicate by replicate.
    """
    length = min(len(a.draws.estimate), len(b.draws.estimate))
    a, b = (_first(cell, length) for cell in (a, b))
    if a.plain and b.plain and not measure.is_rate and streaming.suits(measure, a.draws):
        value, error, used = streaming.contrasted(measure, a.draws, b.draws, kind)
        if math.isfinite(error) and error > 0:
            limits = ratio_interval if kind == "ratio" else mean_interval
            return _row(value, error, limits(value, error, used, level), used, "")
    both = a.known(measure) & b.known(measure)
    used = int(both.sum())
    if not used:
        return _row(math.nan, math.nan, (math.nan, math.nan), 0, "no replicate has both")
    draws = (a.draws, b.draws) if both.all() else (a.draws.of(both), b.draws.of(both))
    named = [telling(measure, cell) for cell in (a, b)]
    first, second = (
        evaluated(of, own, a.groups(both)) for of, own in zip(named, draws, strict=True)
    )
    apart = _apart(first, second, kind)
    moved = [
        from_truth(own, of, cell.truth_error)
        for own, of, cell in zip(draws, named, (a, b), strict=True)
    ]
    combined, error, independent = lessened(_with_both_controls(a, b), apart, both)
    if kind == "ratio":
        unit = second.value or math.nan
        moved = [moved[0] / unit, moved[1] * apart.value / unit]
    shift = _moved_apart(a, b, moved)
    exact = apart.by_replicate and combined is apart and independent == used and shift == 0
    error = math.hypot(error, shift)
    value = combined.value
    if kind == "ratio":
        interval = ratio_interval(value, error, independent, level)
    elif measure.is_rate and exact:
        interval = paired_rate_interval(first.psi - second.psi, level)
    else:
        interval = mean_interval(value, error, independent, level)
    return _row(value, error, interval, used, apart.note)


def separate(a: Cell, b: Cell, measure: Measure, level: float, kind: str) -> dict[str, Any]:
    """Return a contrast of two cells with independent random numbers."""
    first, second = found(a, measure), found(b, measure)
    used = min(first.used, second.used)
    note = first.note or second.note
    if not used:
        return _row(math.nan, math.nan, (math.nan, math.nan), 0, note)
    independent = min(first.independent, second.independent)
    moved = [from_truth(f.draws, measure, c.truth_error) for f, c in ((first, a), (second, b))]
    own = [
        math.sqrt(max(f.error**2 - shift**2, 0.0)) if shift else f.error
        for f, shift in zip((first, second), moved, strict=True)
    ]
    if kind == "ratio":
        if second.value == 0:
            return _row(math.nan, math.nan, (math.nan, math.nan), used, "divided by 0")
        value = first.value / second.value
        own[1], moved[1] = value * own[1], value * moved[1]
        error = math.hypot(*own, _moved_apart(a, b, moved)) / abs(second.value)
        return _row(value, error, ratio_interval(value, error, independent, level), used, note)
    value = first.value - second.value
    error = math.hypot(*own, _moved_apart(a, b, moved))
    if measure.is_rate and first.exact and second.exact:
        interval = separate_rate_interval(*_counted(first), *_counted(second), level)
    else:
        interval = mean_interval(value, error, independent, level)
    return _row(value, error, interval, used, note)


def _moved_apart(a: Cell, b: Cell, moved: list[float]) -> float:
    """Return how far the errors of the truths move two cells apart.

    One number that is the truth of both moves both alike.
    """
    same = a.truth_error == b.truth_error and np.array_equal(
        a.draws.truth[:1], b.draws.truth[:1], equal_nan=True
    )
    return moved[0] - moved[1] if same else math.hypot(*moved)


def _apart(first: Influence, second: Influence, kind: str) -> Influence:
    if kind == "ratio":
        return ratio_of(first, second)._replace(by_replicate=first.by_replicate)
    note = first.note or second.note
    return Influence(
        first.value - second.value, first.psi - second.psi, note, first.by_replicate
    )  # fmt: skip


def _first(cell: Cell, length: int) -> Cell:
    controls = None if cell.controls is None else cell.controls[:length]
    return cell._replace(draws=cell.draws.of(slice(length)), controls=controls)


def _with_both_controls(a: Cell, b: Cell) -> Cell:
    """Return the first cell with the controls of both, which are two sets in two conditions."""
    if a.number == b.number or a.controls is None or b.controls is None:
        return a
    return a._replace(controls=np.hstack([a.controls, b.controls]))


def _counted(found: Found) -> tuple[float, int]:
    return found.value, found.used


def _row(value: float, error: float, interval: Interval, used: int, note: str) -> dict[str, Any]:
    lower, upper = interval
    return {"value": value, "mcse": error, "lower": lower, "upper": upper, "used": used,
            "note": note}  # fmt: skip
