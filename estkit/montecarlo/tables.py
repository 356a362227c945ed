"""Wide tables of a study: measures, or estimators, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from estkit.errors import DataError
from estkit.montecarlo.measures import MEASURES, Measure, chosen_measures
from estkit.montecarlo.planning import notes
from estkit.montecarlo.reading import Reading
from estkit.montecarlo.reduction import factors
from estkit.montecarlo.summary import Cell, in_brackets, measured
from estkit.montecarlo.tails import tail_of
from estkit.table import Column, Table

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult

_SHOWN = ("bias", "empirical_se", "model_se", "rmse", "coverage")
_NOTE = "In brackets: Monte-Carlo standard errors."
_COUNTED = {
    "pairwise": "",
    "complete": "Only replicates in which every estimator has an answer.",
    "worst": "A failure counts as the largest error elsewhere, and as an interval that misses.",
}
_LEVEL = 0.95


class Entry(NamedTuple):
    """What a table says of one cell; the draws, which may be millions, are let go."""

    condition: Mapping[str, Any]
    number: int
    estimator: str
    parameter: str
    replicates: int
    failed: int
    heavy: bool
    doubt: str
    rows: dict[str, dict[str, Any]]  # by measure


def entry_of(cell: Cell, measures: Mapping[str, Measure]) -> Entry:
    """Return the measures of a cell, and what else a table says of it."""
    rows = {name: measured(cell, measure, _LEVEL) for name, measure in measures.items()}
    failed = cell.draws.failed
    return Entry(
        cell.condition, cell.number, cell.estimator, cell.parameter, len(failed),
        int(failed.sum()), tail_of(cell.draws).heavy, cell.doubt, rows,
    )  # fmt: skip


def study_table(
    result: StudyResult,
    measures: Any,
    estimators: str | Sequence[str] | None,
    across: str,
    reading: Reading | None = None,
) -> Table:
    """Return the table of a study; see `StudyResult.table`.

    Parameters
    ----------
    result : StudyResult
        The study.
    measures : str, Measure, function, sequence or mapping of them, or None
        Which measures; None for the most usual ones, as far as the outcomes allow them.
    estimators : str, sequence of str, or None
        Which estimators, in this order; None for all.
    across : {"measure", "estimator"}
        What stands side by side.
    reading : Reading, optional
        What becomes of replicates without an answer, and what is a rejection.
    """
    if across not in ("measure", "estimator"):
        raise DataError(f"across must be 'measure' or 'estimator', got {across!r:.60}.")
    estimators = chosen_estimators(result, estimators)
    usual = {name: MEASURES[name] for name in _SHOWN}
    chosen = usual if measures is None else chosen_measures(measures)
    reading = reading or Reading()
    read = result._cells(reading)
    cells = [entry_of(cell, chosen) for cell in read if cell.estimator in estimators]
    cells.sort(key=lambda cell: (cell.number, estimators.index(cell.estimator)))
    used = {name for cell in cells for name, row in cell.rows.items() if row["used"]}
    names = [name for name in chosen if measures is not None or name in used]
    shape = _by_measure if across == "measure" else _by_estimator
    columns = shape(result, cells, names, estimators)
    saved = factors({name: [cell.rows[name]["gain"] for cell in cells] for name in names})
    reduced = [*saved, *_doubts(cells)] if result.reduced else []
    counted = [_COUNTED[reading.missing]] if any(cell.failed for cell in cells) else []
    lines = [_NOTE, *filter(None, counted), *reduced, *_heavy(cells), *notes(result)]
    return Table(columns, heading(result), lines)


def _doubts(cells: Sequence[Entry]) -> list[str]:
    return [d[:1].upper() + d[1:] for d in dict.fromkeys(c.doubt for c in cells if c.doubt)]


def heading(result: StudyResult) -> str:
    """Return in a line what was run."""
    several = len(result.conditions)
    each = f" in each of {several} conditions" if several > 1 else ""
    return f"Monte-Carlo study: {result._replicates()} replicates{each}"


def chosen_estimators(result: StudyResult, names: str | Sequence[str] | None) -> list[str]:
    """Return the names of estimators, all for None, or raise for one that does not exist."""
    wanted = list(result.estimators) if names is None else names
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    unknown = [name for name in wanted if name not in result.estimators]
    if unknown or not wanted:
        what = f"{unknown[0]!r} is not an estimator" if unknown else "No estimator was named"
        raise DataError(f"{what} of this study: {', '.join(map(repr, result.estimators))}.")
    return wanted


def _heavy(cells: Sequence[Entry]) -> list[str]:
    """Return a warning of estimators whose mean does not settle."""
    names = [cell.estimator for cell in cells if cell.heavy]
    if not names:
        return []
    return [
        f"Heavy tails: means of {', '.join(dict.fromkeys(names))} do not settle; summary() says "
        f"where, and has the median bias."
    ]


def _lead(result: StudyResult, cells: Sequence[Entry]) -> list[Column]:
    """Return the columns of the condition, and of its replicates where their number varies."""
    first = next(iter(result.conditions.values()), {})
    columns = [Column(name, [cell.condition[name] for cell in cells]) for name in first]
    counted = [cell.replicates for cell in cells]
    if len(set(counted)) > 1:
        columns.append(Column("replicates", counted, style="count"))
    return columns


def _parameters(cells: Sequence[Entry]) -> list[Column]:
    if all(cell.parameter in ("value", "") for cell in cells):
        return []
    return [Column("parameter", [cell.parameter for cell in cells])]


def _figures(name: str, rows: Sequence[Any]) -> Column:
    order = [row["value"] for row in rows]
    return Column(name, [in_brackets(row) for row in rows], right=True, order=order)


def _by_measure(
    result: StudyResult,
    cells: Sequence[Entry],
    names: Sequence[str],
    estimators: Sequence[str],
) -> list[Column]:
    who = Column("estimator", [cell.estimator for cell in cells])
    failed = Column("failed", [cell.failed for cell in cells], style="count")
    shown = [_figures(name, [cell.rows[name] for cell in cells]) for name in names]
    return [*_lead(result, cells), who, *_parameters(cells), *shown, failed]


def _by_estimator(
    result: StudyResult,
    cells: Sequence[Entry],
    names: Sequence[str],
    estimators: Sequence[str],
) -> list[Column]:
    """Return a row for each condition, parameter and measure; what an estimator lacks is empty."""
    leaders: dict[tuple[int, str], Entry] = {}
    found: dict[tuple[int, str, str, str], dict[str, Any]] = {}
    answered = {cell.number for cell in cells if cell.parameter}
    for cell in cells:
        if cell.parameter or cell.number not in answered:  # one that always failed has no row
            leaders.setdefault((cell.number, cell.parameter), cell)
        for name in names:
            found[cell.number, cell.parameter, name, cell.estimator] = cell.rows[name]
    leading = [leader for leader in leaders.values() for _ in names]
    kept = [name for _ in leaders for name in names]
    missing: dict[str, Any] = {"used": 0, "value": None}
    keys = [(cell.number, cell.parameter, name) for cell, name in zip(leading, kept, strict=True)]

    def own(number: int, parameter: str, name: str, estimator: str) -> dict[str, Any]:
        failed = found.get((number, "", name, estimator), missing)  # it has no parameters there
        return found.get((number, parameter, name, estimator), failed)

    columns = [
        _figures(estimator, [own(*key, estimator) for key in keys]) for estimator in estimators
    ]
    return [*_lead(result, leading), *_parameters(leading), Column("measure", kept), *columns]
