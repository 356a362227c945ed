"""Which pictures stand on the page of a study."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from estkit.montecarlo.measures import MEASURES
from estkit.plot.choice import in_words
from estkit.report.page import Part
from estkit.report.pictures import Gallery

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult

_IN_A_ROW = 12  # more conditions than that are drawn as nested loops
_LINES = 8  # more lines than that are drawn one parameter at a time
_PARAMETERS = 6  # so many parameters are drawn
_MEASURES = ("bias", "rmse", "coverage")


def study_pictures(result: StudyResult) -> list[Part]:
    """Return the pictures of a study, or a sentence why there are none."""
    gallery = Gallery()
    parts: list[Part] = [*gallery.missing()]
    if parts:
        return parts
    for options, caption in _wanted(result):
        parts += gallery.draw(functools.partial(result.plot, **options), caption)
    return parts


def _wanted(result: StudyResult) -> Iterator[tuple[dict[str, Any], str]]:
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
    yield from _in_one_condition(result, shown[0], parameters)


def _in_one_condition(
    result: StudyResult, parameter: str | None, parameters: list[str]
) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield pictures of the condition in which there is most to see."""
    worst = _extreme(result, "coverage", "value", least=True)
    if worst is not None:
        yield (
            {"kind": "zip", "condition": worst, "parameter": parameter},
            f"Every interval{_in(result, worst)}, where coverage is lowest, sorted by |z|.",
        )
    loose = _extreme(result, "bias", "mcse", least=False)
    if loose is not None:
        yield (
            {"measure": "bias", "kind": "convergence", "condition": loose, "parameter": parameter},
            f"Bias after more and more replicates{_in(result, loose)}, where its Monte-Carlo error "
            f"is largest.",
        )
    if len(result.estimators) == 2:
        failing = _extreme(result, "failure_rate", "value", least=False)
        one = parameters[0] if len(parameters) > 1 else None
        yield (
            {"kind": "estimates", "condition": failing, "parameter": one},
            f"Estimates{f' of {one}' if one else ''} from the same data sets"
            f"{_in(result, failing)}.",
        )


def _extreme(result: StudyResult, measure: str, column: str, *, least: bool) -> int | None:
    """Return the number of the condition in which a column of a measure is least or largest."""
    frame = result.summary(measure)
    numbers = [cell.number for cell in result.cells()]
    found = [(value, number) for value, number in zip(frame[column], numbers, strict=True)
             if value == value]  # fmt: skip
    if not found:
        return None
    best = (min if least else max)(value for value, _ in found)
    return next(number for value, number in found if value == best)


def _in(result: StudyResult, number: int | None) -> str:
    words = in_words(result.conditions[number]) if number is not None else ""
    return f" in the condition {words}" if words else ""
