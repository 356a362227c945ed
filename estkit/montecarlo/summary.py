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
    Floats,
    Influence,
    mean_interval,
    rate_interval,
    standard_error,
)
from estkit.montecarlo.outcomes import FIELDS, Outcomes
from estkit.montecarlo.reduction import adjusted
from estkit.montecarlo.truth import Truth


class Cell(NamedTuple):
    """One parameter of one estimator in one condition, all replicates."""

    condition: Mapping[str, Any]
    number: int
    estimator: str
    parameter: str
    draws: Draws
    truth_error: float
    group: int = 1  # so many consecutive replicates depend on each other
    controls: Floats | None = None  # control variates less their expectations, a column for each

    def groups(self, known: NDArray[np.bool_]) -> NDArray[np.intp] | None:
        """Return to which group each of the replicates in use belongs; None where none depend."""
        return None if self.group == 1 else np.flatnonzero(known) // self.group


def draws_of(outcome: Outcomes, truth: Truth, parameter: int) -> tuple[Draws, float]:
    """Return what an estimator said of a parameter, and the standard error of its truth."""
    usable, count = outcome.status == 0, len(outcome)
    if not outcome.names:
        gap: Floats = np.broadcast_to(np.nan, count)
        return Draws(gap, gap, gap, gap, gap, np.ones(count), gap), 0.0
    columns = {field: outcome.column(field)[:, parameter] for field in FIELDS}
    if not usable.all():
        columns["estimate"] = np.where(usable, columns["estimate"], np.nan)
    true = np.broadcast_to(truth.value[..., parameter], count)
    draws = Draws(truth=true, failed=(~usable).astype(float), **columns)
    return draws, float(truth.std_error[parameter])


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
    value = error = lower = upper = gain = math.nan
    if used:
        used_draws = Draws(*(field[known] for field in draws))
        influence = MEASURES[name].function(used_draws)
        plain = standard_error(influence.psi)
        value, own, independent = _reduced(cell, influence, known)
        gain = (plain / own) ** 2 if own > 0 else math.nan
        error = math.hypot(own, _from_truth(used_draws, name, cell.truth_error))
        if MEASURES[name].is_rate and value in (0.0, 1.0):
            lower, upper = rate_interval(value, independent, level)
        elif MEASURES[name].is_rate:
            value = min(max(value, 0.0), 1.0)
            effective = used if independent == used else value * (1 - value) / error**2
            lower, upper = rate_interval(value, effective, level)
        else:
            lower, upper = mean_interval(value, error, independent, level)
    return {"value": value, "mcse": error, "lower": lower, "upper": upper,
            "used": used, "failed": failed, "gain": gain}  # fmt: skip


def _reduced(
    cell: Cell, influence: Influence, known: NDArray[np.bool_]
) -> tuple[float, float, int]:
    """Return a measure, its standard error, and on how many independent numbers that rests."""
    fitted, groups = 0, cell.groups(known)
    if cell.controls is not None and known.sum() > 2 * cell.controls.shape[1] + 2:
        influence = adjusted(influence, cell.controls[known])
        fitted = cell.controls.shape[1]
    independent = int(known.sum()) if groups is None else len(np.unique(groups))
    return influence.value, standard_error(influence.psi, groups, fitted), independent - fitted


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
    apart = Influence(own.value - other.value, own.psi - other.psi)
    cell = a if a.controls is None else a._replace(controls=a.controls[:length])
    value, error, independent = _reduced(cell, apart, both)
    error = math.hypot(error, from_truth)
    lower, upper = mean_interval(value, error, independent, level)
    return {"value": value, "mcse": error, "lower": lower, "upper": upper, "used": used}


def in_brackets(row: Mapping[str, Any]) -> str:
    """Return a measure as text with its Monte-Carlo standard error, at 0 or 1 its interval."""
    if not row["used"]:
        return ""
    if row["mcse"] == 0 and row["lower"] < row["upper"]:  # a rate of 0 or 1: no error of 0
        return f"{row['value']:g} ({row['lower']:.3f} to {row['upper']:.3f})"
    value, error = with_error(row["value"], row["mcse"])
    return f"{value} ({error})"
