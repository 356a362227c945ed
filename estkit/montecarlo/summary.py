"""From draws to numbers: a measure, or the difference of one, with its Monte-Carlo error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.estimate import with_error
from estkit.montecarlo.measures import (
    MEASURES,
    Draws,
    mean_interval,
    rate_interval,
    standard_error,
)


class Cell(NamedTuple):
    """One parameter of one estimator in one condition, all replicates."""

    condition: Mapping[str, Any]
    number: int
    estimator: str
    parameter: str
    draws: Draws
    truth_error: float


def named_measures(measures: str | Sequence[str] | None) -> list[str]:
    """Return the names of measures, all for None, or raise for one that does not exist."""
    given: Any = list(MEASURES) if measures is None else measures
    several = isinstance(given, list | tuple | set | frozenset)
    wanted: list[str] = list(given) if several else [given]
    unknown = [name for name in wanted if name not in list(MEASURES)]
    if not wanted:
        raise DataError(f"No measure was named; they are {', '.join(MEASURES)}.")
    if unknown:
        raise DataError(f"{unknown[0]!r} is not a measure; they are {', '.join(MEASURES)}.")
    return wanted


def _known(draws: Draws, name: str) -> NDArray[np.bool_]:
    """Return which replicates a measure can use."""
    needs = [getattr(draws, field) for field in MEASURES[name].needs]
    missing: NDArray[np.bool_] = np.any([np.isnan(values) for values in needs], axis=0)
    return ~missing


def measured(cell: Cell, name: str, level: float) -> dict[str, Any]:
    """Return value, mcse, lower, upper, used and failed of a measure."""
    draws = cell.draws
    known = _known(draws, name)
    used, failed = int(known.sum()), int(draws.failed.sum())
    value = error = lower = upper = math.nan
    if used:
        used_draws = Draws(*(field[known] for field in draws))
        value, psi = MEASURES[name].function(used_draws)
        error = math.hypot(standard_error(psi), _from_truth(used_draws, name, cell.truth_error))
        if MEASURES[name].is_rate:
            lower, upper = rate_interval(value, used, level)
        else:
            lower, upper = mean_interval(value, error, used, level)
    return {"value": value, "mcse": error, "lower": lower, "upper": upper,
            "used": used, "failed": failed}  # fmt: skip


def _from_truth(draws: Draws, name: str, truth_error: float) -> float:
    """Return how far a measure moves when the truth moves by its own standard error."""
    if truth_error == 0 or "truth" not in MEASURES[name].needs:
        return 0.0
    up, down = (
        MEASURES[name].function(draws._replace(truth=draws.truth + sign * truth_error)).value
        for sign in (1, -1)
    )
    return (up - down) / 2


def difference(a: Cell, b: Cell, name: str, level: float) -> dict[str, Any]:
    """Return value, mcse, lower, upper and used of a difference, paired by replicate."""
    first, second = a.draws, b.draws
    length = min(len(first.estimate), len(second.estimate))
    first, second = (Draws(*(field[:length] for field in draws)) for draws in (first, second))
    both = _known(first, name) & _known(second, name)
    used = int(both.sum())
    if not used:
        return {"value": math.nan, "mcse": math.nan, "lower": math.nan, "upper": math.nan,
                "used": 0}  # fmt: skip
    first, second = (Draws(*(field[both] for field in draws)) for draws in (first, second))
    own, other = (MEASURES[name].function(draws) for draws in (first, second))
    from_truth = _from_truth(first, name, a.truth_error) - _from_truth(second, name, b.truth_error)
    value = own.value - other.value
    error = math.hypot(standard_error(own.psi - other.psi), from_truth)
    lower, upper = mean_interval(value, error, used, level)
    return {"value": value, "mcse": error, "lower": lower, "upper": upper, "used": used}


def in_brackets(row: Mapping[str, Any]) -> str:
    """Return a measure as text with its Monte-Carlo standard error, at 0 or 1 its interval."""
    if not row["used"]:
        return ""
    if row["mcse"] == 0 and row["lower"] < row["upper"]:  # a rate of 0 or 1: no error of 0
        return f"{row['value']:g} ({row['lower']:.3f} to {row['upper']:.3f})"
    value, error = with_error(row["value"], row["mcse"])
    return f"{value} ({error})"
