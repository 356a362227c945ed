"""Which pictures stand on the page of a study."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.montecarlo.measures import MEASURES
from estkit.montecarlo.reading import Reading
from estkit.montecarlo.summary import Cell
from estkit.plot.choice import in_words
from estkit.report.page import Part
from estkit.report.pictures import Gallery

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult

_IN_A_ROW = 12  # more conditions than that are drawn as nested loops
_LINES = 8  # more lines than that are drawn one parameter at a time
_PARAMETERS = 6  # so many parameters are drawn
_MEASURES = ("bias", "rmse", "coverage")


def study_pictures(result: StudyResult, reading: Reading) -> list[Part]:
    """Return the pictures of a study, or a sentence why there are none."""
    gallery = Gallery()
    parts: list[Part] = [*gallery.missing()]
    if parts:
        return parts
    for options, caption in _wanted(result, reading):
        parts += gallery.draw(functools.partial(result.plot, **options, **reading.choices), caption)
    return parts


def _wanted(result: StudyResult, reading: Reading) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield what to draw, and what it shows."""
    cells = [cell for cell in result.cells() if cell.parameter]
    parameters = list(dict.fromkeys(cell.parameter for cell in cells))
    lines = {(cell.estimator, cell.parameter) for cell in cells}
    shown: list[str | None] = [None]
    if len(lines) > _LINES and len(parameters) > 1:
        shown = [*parameters[:_PARAMETERS]]
    nested = len(result.conditions) > _IN_A_ROW
    for measure in _MEASURES:
        title = MEASURES[measure].title.capitalize()
        for parameter in shown:
            of = f" of {parameter}" if parameter is not None else ""
            how = "as steps over the conditions" if nested else "in every condition"
            yield (
                {"measure": measure, "parameter": parameter,
                 "kind": "nested_loop" if nested else "lollipop"},
                f"{title}{of} {how}, with 95% Monte-Carlo intervals.",
            )  # fmt: skip
    yield from _in_one_condition(result, parameters, reading)


def _in_one_condition(
    result: StudyResult, parameters: list[str], reading: Reading
) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield pictures of the condition, and the parameter, in which there is most to see."""
    several = len(parameters) > 1
    for measure, column, least, options, what, why in (
        ("coverage", "value", True, {"kind": "zip"}, "Every interval, sorted by |z|",
         "coverage is lowest"),
        ("bias", "mcse", False, {"kind": "convergence", "measure": "bias"},
         "Bias after more and more replicates", "its Monte-Carlo error is largest"),
    ):  # fmt: skip
        cell = _extreme(result, reading, measure, column, least=least)
        if cell is not None:
            own = cell.parameter if several else None
            yield (
                {**options, "condition": cell.number, "parameter": own},
                f"{what}{_where(result, cell, several)}, where {why}.",
            )
    if len(result.estimators) == 2:
        cell = _extreme(result, reading, "failure_rate", "value", least=False)
        common = _common(result, parameters)
        if cell is not None and common is not None:
            shared = cell._replace(parameter=common)
            yield (
                {"kind": "estimates", "condition": cell.number,
                 "parameter": common if several else None},
                f"Estimates from the same data sets{_where(result, shared, several)}.",
            )  # fmt: skip


def _extreme(
    result: StudyResult, reading: Reading, measure: str, column: str, *, least: bool
) -> Cell | None:
    """Return the cell in which a column of a measure is least or largest."""
    values = result.summary(measure, **reading.choices)[column].to_numpy()
    if np.isnan(values).all():
        return None
    best = int(np.nanargmin(values) if least else np.nanargmax(values))
    return list(result.cells())[best]


def _common(result: StudyResult, parameters: list[str]) -> str | None:
    """Return the first parameter that all estimators have."""
    known = {(cell.estimator, cell.parameter) for cell in result.cells()}
    shared = (name for name in parameters if all((own, name) in known for own in result.estimators))
    return next(shared, None)


def _where(result: StudyResult, cell: Cell, several: bool) -> str:
    """Return the parameter and the condition in words, where there are several."""
    words = in_words(result.conditions[cell.number])
    of = f" of {cell.parameter}" if several else ""
    return of + (f", in the condition {words}" if words else "")
