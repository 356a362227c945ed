"""Nested-loop plot: a measure as steps over all conditions, the factors drawn below.

The conditions stand in lexicographic order, as nested loops would run through them, so a glance
from the steps of a factor to those of the measure shows what it does (Rücker and Schwarzer 2014,
BMC Medical Research Methodology 14:129).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.plot.choice import level_text
from estkit.plot.figures import axes_for
from estkit.plot.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAND = 0.09  # the height of a factor's steps, of that of the measure
_GAP = 0.06  # the room above each of them, where its levels are named


def nested_loop(picture: Picture, ax: Axes | None) -> Axes:
    """Draw a measure as steps over the conditions, and the factors below."""
    lines = picture.lines()
    conditions = list(picture.result.conditions.values())
    ranks = _ranks(conditions, picture.factors)
    order = np.lexsort([rank for rank, _ in reversed(ranks.values())]) if ranks else np.arange(1)
    ax = axes_for(ax, min(16.0, max(7.0, 0.1 * len(order))), 5.0 + 0.3 * len(ranks))
    edges = np.arange(len(order) + 1) - 0.5
    for label, figures, style in lines:
        value, lower, upper = figures[order].T
        drawn = {"color": style["color"], "linestyle": _dash(style["marker"])}
        ax.stairs(value, edges, baseline=None, label=label, linewidth=1.5, **drawn)
        low, high = np.append(lower, lower[-1]), np.append(upper, upper[-1])
        ax.fill_between(edges, low, high, step="post", color=style["color"], alpha=0.15, lw=0)
    for reference in picture.references():
        ax.axhline(reference, color="0.6", linewidth=1, zorder=0)
    _draw_factors(ax, ranks, order, edges)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel(f"{len(order)} conditions, nested: {', '.join(ranks)}" if ranks else "")
    ax.set_ylabel(picture.title())
    if len(lines) > 1:
        ax.legend(frameon=False, ncols=1 + (len(lines) - 1) // 8)
    return ax


def _ranks(
    conditions: Sequence[Mapping[str, Any]], factors: Sequence[str] | None
) -> dict[str, tuple[NDArray[np.intp], list[str]]]:
    """Return for each factor the rank of its level in each condition, and the levels in order."""
    known = list(conditions[0])
    given = known if factors is None else [factors] if isinstance(factors, str) else list(factors)
    unknown = [name for name in given if name not in known]
    if unknown:
        listed = ", ".join(map(repr, known)) or "none"
        raise DataError(f"{unknown[0]!r} is not a factor of the conditions; they are {listed}.")
    ranks = {}
    for name in dict.fromkeys([*given, *known]):
        values = [condition[name] for condition in conditions]
        if all(isinstance(value, int | float) for value in values):
            levels: list[Any] = sorted(set(values))
        else:  # in the order in which the user has put them
            values = [str(value) for value in values]
            levels = list(dict.fromkeys(values))
        found = [levels.index(value) for value in values]
        ranks[name] = (np.array(found), [level_text(level) for level in levels])
    return ranks


def _draw_factors(
    ax: Axes,
    ranks: Mapping[str, tuple[NDArray[np.intp], list[str]]],
    order: NDArray[np.intp],
    edges: NDArray[np.floating[Any]],
) -> None:
    """Draw the steps of each factor below the measure, the first one on top."""
    low, high = ax.get_ylim()
    height = high - low
    ticks = [tick for tick in ax.get_yticks() if low <= tick <= high]
    floor = low
    for name, (rank, levels) in ranks.items():
        top = floor - _GAP * height
        bottom = top - _BAND * height
        share = rank[order] / max(1, len(levels) - 1)
        heights = bottom + share * (top - bottom)
        ax.stairs(heights, edges, baseline=None, color="0.5", linewidth=1, label="_" + name)
        shown = levels if len(levels) <= 8 else [*levels[:3], "…", *levels[-2:]]
        ax.annotate(f"{name}: {', '.join(shown)}", (0.005, top), xycoords=("axes fraction", "data"),
                    fontsize="small", color="0.45", va="bottom")  # fmt: skip
        floor = bottom
    ax.set_ylim(floor - (_GAP / 2 * height if ranks else 0.0), high)
    ax.set_yticks(ticks)
    ax.set_xticks([])


def _dash(marker: str) -> Any:
    """Return the dashes of a line, which tell lines of the same color apart."""
    return {"o": "-", "s": "--", "D": "-.", "^": ":"}.get(marker, (0, (1, 3)))
