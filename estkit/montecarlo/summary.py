"""From draws to numbers: a measure with its Monte-Carlo error and interval."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, StudyError
from estkit.estimate import with_error
from estkit.montecarlo import simultaneous, streaming
from estkit.montecarlo.conditions import describe
from estkit.montecarlo.influence import Draws, Floats, Influence, Interval, Measure, standard_error
from estkit.montecarlo.intervals import mean_interval, rate_interval
from estkit.montecarlo.measures import MEASURES, chosen_measures
from estkit.montecarlo.outcomes import FIELDS, Outcomes
from estkit.montecarlo.reading import Reading
from estkit.montecarlo.reduction import adjusted
from estkit.montecarlo.resampling import evaluated, value_of
from estkit.montecarlo.tails import tail_of
from estkit.montecarlo.truth import Truth

WHO = ("estimator", "parameter", "measure")
ROW = ("value", "mcse", "lower", "upper", "used", "failed", "gain", "note")
_NONE_COMPLETE = "in no replicate has every estimator an answer"
_NOT_ALL = "no replicate has all that it needs"
_IN_WORDS = {
    "estimate": "an estimate", "truth": "a truth", "std_error": "a standard error",
    "lower": "an interval", "upper": "an interval", "p_value": "a p-value",
    "rejected": "a p-value or an interval",
}  # fmt: skip
_EXACT = 1e-10  # an error so much smaller than it would be is one of rounding
_NOTHING = Influence(math.nan, np.empty(0))


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
    nest: int = 1  # so many would depend on each other without antithetic draws
    doubt: str = ""  # whether the expectations are right

    @property
    def plain(self) -> bool:
        """Whether replicates are independent, and neither they nor the truth are adjusted."""
        return self.group == self.nest == 1 and self.controls is None and self.truth_error == 0

    def groups(self, known: NDArray[np.bool_]) -> NDArray[np.intp] | None:
        """Return to which group each of the replicates in use belongs; None where none depend."""
        return None if self.group == 1 else np.flatnonzero(known) // self.group

    def known(self, measure: Measure) -> NDArray[np.bool_]:
        """Return which replicates a measure can use."""
        usable = np.ones(len(self.draws.estimate), dtype=bool)
        for field in measure.needs:
            usable &= ~np.isnan(getattr(self.draws, field))
        return usable


def telling(measure: Measure, cell: Cell) -> Measure:
    """Return a measure of which it is said what it was computed of, if it raises."""
    if any(measure is known for known in MEASURES.values()):
        return measure

    def told(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except Exception as error:
                raise StudyError(
                    f"the measure {measure.title!r} raised {type(error).__name__} for parameter "
                    f"{cell.parameter!r} of estimator {cell.estimator!r} in "
                    f"{describe(cell.condition)}: {error}"
                ) from error

        return call

    limits = measure.interval and told(measure.interval)
    return dataclasses.replace(measure, function=told(measure.function), interval=limits)


class Found(NamedTuple):
    """A measure of one cell and its error, before an interval is made of them."""

    influence: Influence
    error: float
    used: int
    independent: int  # on so many numbers the error rests
    known: NDArray[np.bool_]
    draws: Draws  # of the replicates in use
    exact: bool  # whether the replicates are independent and nothing was adjusted
    gain: float = math.nan
    note: str = ""

    @property
    def value(self) -> float:
        """The measure."""
        return self.influence.value


def draws_of(
    outcome: Outcomes, truth: Truth, parameter: int, reading: Reading | None = None
) -> tuple[Draws, float]:
    """Return what an estimator said of a parameter, and the standard error of its truth."""
    reading = reading or Reading()
    usable, count = outcome.status == 0, len(outcome)
    failed, stuck = _flags(~usable), _flags(outcome.status == 1)
    noted = np.zeros(count, dtype=bool)
    noted[[number - outcome.first for number in outcome.warnings]] = True
    warned = _flags(noted)
    if not outcome.names:
        gap: Floats = np.broadcast_to(np.nan, count)
        return Draws(gap, gap, gap, gap, gap, failed, gap, gap, stuck, warned), 0.0
    columns = {field: outcome.column(field)[:, parameter] for field in FIELDS}
    if not usable.all():  # what it says nevertheless does not count
        columns = {
            field: np.where(usable, column, np.nan) if column.strides != (0,) else column
            for field, column in columns.items()
        }
    columns = {field: _closed(column) for field, column in columns.items()}
    rejected = reading.rejected(
        outcome.names[parameter], columns["lower"], columns["upper"], columns["p_value"]
    )
    true = np.broadcast_to(truth.value[..., parameter], count)
    draws = Draws(
        truth=true, failed=failed, rejected=rejected, not_converged=stuck, warned=warned, **columns
    )
    return draws, float(truth.std_error[parameter])


def _closed(column: Floats) -> Floats:
    """Return a column that a measure cannot write into, for it may be that of the outcomes."""
    view = column.view()
    view.flags.writeable = False
    return view


def _flags(raised: NDArray[np.bool_]) -> Floats:
    """Return flags as numbers; without memory where none is raised."""
    return raised.astype(float) if raised.any() else np.broadcast_to(0.0, raised.shape)


def found(cell: Cell, measure: Measure, *, whole: bool = False) -> Found:
    """Return a measure of a cell, with its Monte-Carlo error.

    The influence values of millions of replicates come along with `whole` only.
    """
    if not whole and cell.plain and streaming.suits(measure, cell.draws):
        value, error, used = streaming.measured(measure, cell.draws)
        if math.isfinite(error) and error > 0:
            nothing = Influence(value, np.empty(0))
            known = np.ones(1, dtype=bool)
            return Found(nothing, error, used, used, known, cell.draws, True, 1.0)
    measure, known = telling(measure, cell), cell.known(measure)
    used = int(known.sum())
    if not used:
        lacking = [f for f in measure.needs if np.isnan(getattr(cell.draws, f)).all()]
        note = f"no replicate has {_IN_WORDS.get(lacking[0], lacking[0])}" if lacking else _NOT_ALL
        if lacking[:1] == ["estimate"] and not cell.draws.failed.all():
            note = _NONE_COMPLETE
        return Found(_NOTHING, math.nan, 0, 0, known, cell.draws, False, note=note)
    draws = cell.draws if used == len(known) else cell.draws.of(known)
    influence = evaluated(measure, draws, cell.groups(known))
    reduced, own, independent = lessened(cell, influence, known)
    gain = _gain(cell, influence, known, own)
    if reduced.by_replicate and len(reduced.psi) == len(known):
        known = np.ones_like(known)
    error = math.hypot(own, from_truth(draws, measure, cell.truth_error))
    exact = reduced is influence and independent == used and error == own
    return Found(
        reduced, error, used, independent, known, draws, exact, gain, influence.note
    )  # fmt: skip


def lessened(
    cell: Cell, influence: Influence, known: NDArray[np.bool_]
) -> tuple[Influence, float, int]:
    """Return a measure less its controls, its error, and on how many numbers that rests.

    Where some replicates are missing, why may go along with the controls, whose expectation among
    the others is then not known. So the measure is taken as the quotient of two means over all
    replicates, which are 0 in those that are missing, and the controls are those of all.
    """
    fitted, groups = 0, cell.groups(known)
    independent = int(known.sum()) if groups is None else len(np.unique(groups))
    if not influence.by_replicate:
        return influence, standard_error(influence.psi), independent
    if cell.controls is not None and independent > 2 * cell.controls.shape[1] + 2:
        if not known.all():
            influence = influence._replace(psi=_over_all(influence.psi, known))
            groups = cell.groups(np.ones_like(known))
        influence, fitted = adjusted(influence, cell.controls, groups)
    return influence, standard_error(influence.psi, groups, fitted), independent - fitted


def _over_all(psi: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return influence values of all replicates, 0 for those that are missing."""
    spread = np.zeros(len(known))
    spread[known] = (psi - psi.mean()) * (len(known) / len(psi))
    return spread


def _gain(cell: Cell, influence: Influence, known: NDArray[np.bool_], own: float) -> float:
    """Return how many times the replicates it would take without variance reduction.

    What opposite draws within a nest gain is not known: the nests remain dependent without them.
    """
    if not influence.by_replicate or (cell.nest > 1 and cell.controls is None):
        return math.nan
    if cell.group == cell.nest == 1 and cell.controls is None:
        return 1.0 if 0 < own < math.inf else math.nan
    nests = np.flatnonzero(known) // cell.nest if cell.nest > 1 else None
    plain = standard_error(influence.psi, nests)
    if plain > 0 and own < _EXACT * plain:
        return math.inf
    return (plain / own) ** 2 if own > 0 else math.nan


def from_truth(draws: Draws, measure: Measure, truth_error: float) -> float:
    """Return how far a measure moves when the truth moves by its own standard error."""
    if truth_error == 0 or "truth" not in measure.needs:
        return 0.0
    up, down = (
        value_of(measure, draws._replace(truth=draws.truth + sign * truth_error))
        for sign in (1, -1)
    )
    return (up - down) / 2


def interval_of(measure: Measure, found: Found, level: float, rates: str = "wilson") -> Interval:
    """Return the Monte-Carlo interval of a measure."""
    if not found.used:
        return math.nan, math.nan
    if measure.is_rate:
        value = min(max(found.value, 0.0), 1.0)
        spread, count = value * (1 - value), found.independent
        if spread > 0 and math.isfinite(found.error):
            binomial = spread / max(found.used - 1, 1)
            same = found.exact and math.isclose(found.error**2, binomial, rel_tol=1e-9)
            effective = found.used if same else spread / found.error**2
            return rate_interval(value, effective, level, rates)
        return rate_interval(value, count, level, rates)
    if measure.interval is not None and found.exact:
        return measure.interval(found.draws, level)
    return mean_interval(found.value, found.error, found.independent, level)


def measured(
    cell: Cell, measure: Measure | str, level: float, rates: str = "wilson", tail: str = ""
) -> dict[str, Any]:
    """Return value, mcse, lower, upper, used, failed, gain and note of a measure."""
    measure = MEASURES[measure] if isinstance(measure, str) else measure
    return _row(cell, measure, found(cell, measure), level, rates, tail)


def _row(
    cell: Cell, measure: Measure, own: Found, level: float, rates: str, tail: str
) -> dict[str, Any]:
    value = min(max(own.value, 0.0), 1.0) if measure.is_rate and own.used else own.value
    lower, upper = interval_of(telling(measure, cell), own, level, rates)
    note = own.note or cell.doubt or (tail if measure.averages else "")
    return {"value": value, "mcse": own.error, "lower": lower, "upper": upper, "used": own.used,
            "failed": int(cell.draws.failed.sum()), "gain": own.gain, "note": note}  # fmt: skip


def summarised(
    cells: Iterable[Cell],
    measures: Mapping[str, Measure],
    reading: Reading,
    *,
    together: bool | None = None,
) -> list[dict[str, Any]]:
    """Return a row for each cell and measure.

    Parameters
    ----------
    cells : iterable of Cell
        The parameters of all estimators in all conditions; held one by one where that is enough.
    measures : mapping of str to Measure
        The measures by name.
    reading : Reading
        The level, and the kind of interval of rates.
    together : bool, optional
        Whether conditions share their random numbers, for intervals that hold simultaneously; by
        default each interval stands for itself.
    """
    averages = any(measure.averages for measure in measures.values())
    levels, kept = {}, {}
    if together is not None:
        cells = list(cells)
        for name, measure in measures.items():
            kept[name] = [found(cell, measure, whole=True) for cell in cells]
            levels[name] = simultaneous.level_of(
                [(0 if together else cell.number, own.influence, own.known, cell.group)
                 for cell, own in zip(cells, kept[name], strict=True) if own.used],
                reading.level,
            )  # fmt: skip
    rows = []
    for number, cell in enumerate(cells):
        tail = tail_of(cell.draws).note if averages else ""
        for name, measure in measures.items():
            own = kept[name][number] if kept else found(cell, measure)
            row = _row(
                cell, measure, own, levels.get(name, reading.level), reading.rate_interval, tail
            )
            who = {"estimator": cell.estimator, "parameter": cell.parameter}
            rows.append({**cell.condition, **who, "measure": name, **row})
    return rows


def named_measures(measures: str | Sequence[str] | None) -> list[str]:
    """Return the names of measures of estkit, or raise for one that does not exist."""
    chosen = chosen_measures(measures)
    unknown = [name for name in chosen if name not in MEASURES]
    if unknown:
        raise DataError(f"{unknown[0]!r} is not a measure; they are {', '.join(MEASURES)}.")
    return list(chosen)


def in_brackets(row: Mapping[str, Any]) -> str:
    """Return a measure as text with its Monte-Carlo standard error, at 0 or 1 its interval."""
    if not row["used"] or math.isnan(row["value"]):
        return ""
    if row.get("gain") == math.inf:  # chance cancels: what is left is rounding
        return f"{0.0 if abs(row['value']) < 100 * row['mcse'] else row['value']:.6g} (exact)"
    if row["mcse"] == 0 and row["lower"] < row["upper"]:  # a rate of 0 or 1: no error of 0
        return f"{row['value']:g} ({row['lower']:.3f} to {row['upper']:.3f})"
    value, error = with_error(row["value"], row["mcse"])
    return f"{value} ({error})"
