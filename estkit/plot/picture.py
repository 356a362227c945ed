"""What a picture of a study was asked for, and the figures that it shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.montecarlo.measures import Measure
from estkit.montecarlo.summary import Cell, measured
from estkit.plot.choice import Series, condition_number, series_of

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult

_MARKERS = "osD^vP*X"  # one for each ten colors
_WHOLE = {"failed", "not_converged", "warned"}  # what is known of an estimator as a whole
_NEUTRAL = {"bias": 0.0, "relative_bias": 0.0, "median_bias": 0.0, "model_se_error": 0.0}


class Line(NamedTuple):
    """What is drawn in one color: value, lower and upper in each row."""

    label: str
    figures: NDArray[np.float64]
    style: dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """What a picture of a study was asked for.

    Parameters
    ----------
    result : StudyResult
        The study.
    name : str
        The name of the measure.
    measure : Measure
        The measure, for the kinds that show one.
    cells : list of Cell
        The estimators and parameters to show, in every condition.
    condition : object
        The condition as it was given, for the kinds that show one.
    factors : sequence of str or None
        The order in which the factors are nested.
    level : float
        The confidence level of the Monte-Carlo intervals.
    """

    result: StudyResult
    name: str
    measure: Measure
    cells: list[Cell]
    condition: Any
    factors: Sequence[str] | None
    level: float

    def number(self) -> int:
        """Return the number of the one condition that is shown."""
        return condition_number(self.result, self.condition)

    def title(self) -> str:
        """Return the measure in words."""
        return self.measure.title or self.name

    def is_whole(self) -> bool:
        """Return whether the measure belongs to an estimator and not to each of its parameters."""
        return set(self.measure.needs) <= _WHOLE

    def series(self) -> list[Series]:
        """Return what is drawn, line by line."""
        return series_of(self.cells, whole=self.is_whole())

    def figures(self, cell: Cell) -> tuple[float, float, float]:
        """Return the measure in a cell, and its Monte-Carlo interval."""
        row = measured(cell, self.measure, self.level)
        return row["value"], row["lower"], row["upper"]

    def references(self) -> list[float]:
        """Return what the measure would be for an estimator without fault."""
        if "coverage" in self.name:
            return self.result.levels()
        return [_NEUTRAL[self.name]] if self.name in _NEUTRAL else []

    def lines(self) -> list[Line]:
        """Return what is drawn over all conditions; a line without any value is left out."""
        numbers = list(self.result.conditions)
        lines = []
        for series, style in zip(self.series(), styles(), strict=False):
            figures = np.full((len(numbers), 3), np.nan)
            for number, cell in series.cells.items():
                figures[numbers.index(number)] = self.figures(cell)
            if not np.isnan(figures[:, 0]).all():
                lines.append(Line(series.label, figures, style))
        if not lines:
            raise DataError(
                f"No replicate has what the measure {self.name!r} needs; nothing to draw."
            )
        return lines


def styles() -> Iterator[dict[str, Any]]:
    """Yield color and marker of one line after the other, all different."""
    for marker in _MARKERS:
        yield from ({"color": f"C{color}", "marker": marker} for color in range(10))
    yield from styles()
