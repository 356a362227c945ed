"""Which part of a study a picture shows: estimators, a parameter, a condition."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from estkit.errors import DataError
from estkit.montecarlo.conditions import describe
from estkit.montecarlo.reading import Reading
from estkit.montecarlo.summary import Cell
from estkit.montecarlo.tables import chosen_estimators
from estkit.table import as_text

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult

_LONGEST = 24  # characters of a level in a label
_WIDTH = 32  # characters of a name in a line


class Series(NamedTuple):
    """One parameter of one estimator, in every condition that has it."""

    label: str
    cells: dict[int, Cell]


def chosen(
    result: StudyResult,
    estimators: str | Sequence[str] | None,
    parameter: str | None,
    reading: Reading | None = None,
) -> list[Cell]:
    """Return the cells of some estimators and of one parameter, or of all.

    Raises
    ------
    DataError
        If there is no such estimator or parameter.
    """
    wanted = chosen_estimators(result, estimators)
    cells = [cell for cell in result._cells(reading) if cell.estimator in wanted]
    parameters = list(dict.fromkeys(cell.parameter for cell in cells if cell.parameter))
    if parameter is not None and parameter not in parameters:
        listed = ", ".join(map(repr, parameters)) or "none"
        raise DataError(f"{parameter!r} is not a parameter that was estimated; they are {listed}.")
    # An estimator that failed throughout has no parameters: a gap in the line of each.
    cells = [cell for cell in cells if parameter in (None, cell.parameter) or not cell.parameter]
    return sorted(cells, key=lambda cell: wanted.index(cell.estimator))


def series_of(cells: Sequence[Cell], *, whole: bool = False) -> list[Series]:
    """Return the cells line by line.

    Parameters
    ----------
    cells : sequence of Cell
        What is drawn.
    whole : bool
        Whether the measure belongs to an estimator and not to each of its parameters.
    """
    known = {cell.estimator for cell in cells if cell.parameter}
    lines: dict[tuple[str, str], dict[int, Cell]] = {}
    for cell in cells:
        if whole:
            lines.setdefault((cell.estimator, ""), {}).setdefault(cell.number, cell)
        elif cell.parameter or cell.estimator not in known:
            lines.setdefault((cell.estimator, cell.parameter), {})[cell.number] = cell
    return [Series(name_of(*who), own) for who, own in lines.items()]


def name_of(estimator: str, parameter: str) -> str:
    """Return what a line is called: the parameter is left out where it has no name."""
    shown = estimator if parameter in ("value", "") else f"{estimator}: {parameter}"
    shown = "\n".join(textwrap.wrap(shown, _WIDTH)) or shown  # or a legend hides the picture
    return f" {shown}" if shown.startswith("_") else shown  # or matplotlib leaves it out


def condition_number(result: StudyResult, condition: Any) -> int:
    """Return the number of a condition given as its number, as a mapping, or as None.

    Raises
    ------
    DataError
        If it is not in the result, or is left out where there are several.
    """
    known = result.conditions
    first = min(known)
    if condition is None and len(known) == 1:
        return first
    if isinstance(condition, int | np.integer) and not isinstance(condition, bool):
        given = int(condition)
        if given in known:
            return given
    if isinstance(condition, Mapping):
        for number, own in known.items():
            if own.keys() == condition.keys() and all(
                np.array_equal(own[name], condition[name]) for name in own
            ):
                return number
    raise DataError(
        f"This picture shows one of {len(known)} conditions: name it by its number or as itself, "
        f"such as condition={first} or condition={known[first]!r:.80}; got {condition!r:.80}."
    )


def in_words(condition: Mapping[str, Any]) -> str:
    """Return a condition as a title; empty where there is only one."""
    return describe(condition).removeprefix("condition ") if condition else ""


def level_text(value: Any) -> str:
    """Return a level of a factor as it stands on an axis."""
    text = " ".join(as_text(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
