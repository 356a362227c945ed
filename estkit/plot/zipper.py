"""Zip plot: every interval of a condition, sorted by the size of its z-score.

Those that miss the truth are at the top, as an open zip; the height at which it opens is the
coverage, and a zip that opens to one side shows bias (Morris, White and Crowther 2019).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.montecarlo.summary import Cell, measured
from estkit.plot.choice import in_words, series_of
from estkit.plot.figures import axes_for
from estkit.plot.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DRAWN = 2000  # so many intervals of an estimator are drawn, evenly spaced among all
_ROOM = 1.1  # half the width of a lane, in units of nearly the longest distance from the truth
_COLORS = {True: "C0", False: "C1"}


def zipper(picture: Picture, ax: Axes | None) -> Axes:
    """Draw the intervals of each estimator in a lane of its own."""
    number = picture.number()
    lines = series_of([cell for cell in picture.cells if cell.number == number])
    lanes = {line.label: line.cells[number] for line in lines}
    lanes = {label: cell for label, cell in lanes.items() if _known(cell).any()}
    if not lanes:
        raise DataError("No estimator answered with intervals and has a truth; nothing to draw.")
    ax = axes_for(ax, min(16.0, 1.5 + 3.0 * len(lanes)), 5.0)
    reach = {name: max(_reach(cell) for cell in lanes.values() if cell.parameter == name)
             for name in {cell.parameter for cell in lanes.values()}}  # fmt: skip
    ticks: list[float] = []
    labels: list[str] = []
    for lane, (label, cell) in enumerate(lanes.items()):
        half = reach[cell.parameter] or 1.0
        _draw_lane(ax, cell, 2.0 * _ROOM * lane, half, picture.level)
        ax.annotate(label, (2.0 * _ROOM * lane, 1.0), xycoords=("data", "axes fraction"),
                    xytext=(0, 4), textcoords="offset points", ha="center")  # fmt: skip
        for distance in (-_round(0.7 * half), 0.0, _round(0.7 * half)):
            ticks.append(2.0 * _ROOM * lane + distance / half)
            labels.append(f"{distance:g}")
    ax.set_xticks(ticks, labels)
    ax.set_xlim(-_ROOM, (2 * len(lanes) - 1) * _ROOM)
    ax.set_ylim(0, 100)
    ax.set_yticks([0, 25, 50, 75, 100, *(100 * level for level in picture.result.levels())])
    ax.set_xlabel("limits, as distance from the truth")
    ax.set_ylabel("per cent of replicates, by size of z")
    title = in_words(picture.result.conditions[number])
    if title:
        ax.set_title(title, pad=20, fontsize="medium")
    for covers, name in ((True, "covers the truth"), (False, "does not")):
        ax.plot([], [], color=_COLORS[covers], label=name)
    ax.plot([], [], color="0.5", linestyle="--", label="interval of coverage")
    ax.legend(loc="lower right", fontsize="small", framealpha=0.9)
    return ax


def _draw_lane(ax: Axes, cell: Cell, centre: float, half: float, level: float) -> None:
    """Draw the intervals of a cell, and where its coverage lies between."""
    draws, known = cell.draws, _known(cell)
    below = draws.lower[known] - draws.truth[known]
    above = draws.upper[known] - draws.truth[known]
    order = np.argsort(_size(cell)[known], kind="stable")
    count = len(order)
    shown = np.unique(np.linspace(0, count - 1, min(count, _DRAWN)).round().astype(int))
    order, height = order[shown], 100 * (shown + 0.5) / count
    covers = (below <= 0) & (above >= 0)
    for hit, color in _COLORS.items():
        own = covers[order] == hit
        ends = np.clip([below[order][own] / half, above[order][own] / half], -_ROOM, _ROOM)
        ax.hlines(height[own], centre + ends[0], centre + ends[1], color=color, linewidth=0.7,
                  rasterized=count > _DRAWN // 4)  # fmt: skip
    ax.vlines(centre, 0, 100, color="0.5", linewidth=1)
    row = measured(cell, "coverage", level)
    limits = [100 * row["lower"], 100 * row["upper"]]
    ax.hlines(limits, centre - _ROOM, centre + _ROOM, color="0.5", linestyle="--", linewidth=1)


def _known(cell: Cell) -> NDArray[np.bool_]:
    """Return which replicates have an interval and a truth."""
    draws = cell.draws
    parts = [draws.estimate, draws.lower, draws.upper, draws.truth]
    known: NDArray[np.bool_] = ~np.any([np.isnan(part) for part in parts], axis=0)
    return known


def _size(cell: Cell) -> NDArray[np.float64]:
    """Return |z|; without standard errors, the distance to the truth in half-widths."""
    draws = cell.draws
    error = draws.estimate - draws.truth
    limit = np.where(error < 0, draws.upper, draws.lower)
    scale = np.where(np.isnan(draws.std_error), np.abs(limit - draws.estimate), draws.std_error)
    with np.errstate(divide="ignore", invalid="ignore"):
        size: NDArray[np.float64] = np.abs(error) / scale
    return np.where(error == 0, 0.0, size)


def _reach(cell: Cell) -> float:
    """Return how far limits lie from the truth, a few outliers left out."""
    known = _known(cell)
    distance = np.abs([(end - cell.draws.truth)[known] for end in cell.draws[3:5]])
    finite = distance[np.isfinite(distance)]
    return float(np.quantile(finite, 0.995)) if finite.size else 0.0


def _round(distance: float) -> float:
    """Return a number with one digit that is not 0."""
    return float(f"{distance:.0e}")
