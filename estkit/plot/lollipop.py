"""Lollipops: a measure in every condition, with its Monte-Carlo interval, on a stem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.plot.choice import level_text
from estkit.plot.figures import axes_for
from estkit.plot.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SPREAD = 0.12  # how far apart the points of neighbouring estimators stand, of one step on the axis
_STACKED = 12  # up to so many conditions have their levels one below the other
_LABELLED = 60  # up to so many conditions are all named


def lollipop(picture: Picture, ax: Axes | None) -> Axes:
    """Draw a measure with its interval for every condition and estimator, on stems."""
    lines = picture.lines()
    conditions = list(picture.result.conditions.values())
    ax = axes_for(ax, min(18.0, max(7.0, 0.3 * len(conditions))))
    step = min(_SPREAD, 0.8 / len(lines))
    references = picture.references()
    for i, (label, figures, style) in enumerate(lines):
        value, lower, upper = figures.T
        position = np.arange(len(conditions)) + (i - (len(lines) - 1) / 2) * step
        limits = np.nan_to_num(np.maximum([value - lower, upper - value], 0.0))
        ax.errorbar(position, value, yerr=limits, linestyle="none", capsize=3, markersize=5,
                    label=label, **style)  # fmt: skip
        if len(references) == 1:
            ax.vlines(position, references[0], value, color=style["color"], alpha=0.35, zorder=1)
    for reference in references:
        ax.axhline(reference, color="0.6", linewidth=1, zorder=0)
    _name_conditions(ax, conditions)
    ax.set_ylabel(picture.title())
    ax.margins(x=0.1 if len(conditions) <= _STACKED else 0.02)
    if len(lines) > 1:
        ax.legend(frameon=False, ncols=1 + (len(lines) - 1) // 8)
    return ax


def _name_conditions(ax: Axes, conditions: Sequence[dict[str, Any]]) -> None:
    """Put the conditions on the axis: one below the other, then upright, then some of them."""
    count = len(conditions)
    between = "\n" if count <= _STACKED else ", "
    labels = [between.join(map(level_text, condition.values())) for condition in conditions]
    each = -(-count // _LABELLED)
    small: dict[str, Any] = {} if count <= _STACKED else {"rotation": 90, "fontsize": "small"}
    ax.set_xticks(range(0, count, each), labels[::each], **small)
    ax.set_xlabel(", ".join(conditions[0]))
