"""The picture of decompositions: noise, bias and variance, one beside the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from estkit.errors import DataError
from estkit.estimate import check_level
from estkit.plot.choice import name_of
from estkit.plot.figures import axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estkit.comparison.decomposition import Decomposition

_PARTS = ("noise", "bias", "variance")
_COLORS = {"noise": "0.7", "bias": "C0", "variance": "C1"}


def plot_decompositions(
    decompositions: Mapping[str, Decomposition], *, level: float = 0.95, ax: Axes | None = None
) -> Axes:
    """Draw the parts of the expected loss of models as bars that end where the loss is.

    Parameters
    ----------
    decompositions : mapping of str to Decomposition
        Each by the name of its model, all of the same loss.
    level : float
        The level of the Monte-Carlo intervals, drawn about the end of each part.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, reached by ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Raises
    ------
    DataError
        If they are not of the same loss and definition.

    Notes
    -----
    The variance of Domingos is negative where more change would be better: such a part goes back
    from where the others end.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> five = ek.bias_variance(KNeighborsRegressor(5), X, y, rng=1)
    >>> ax = ek.bias_variance(KNeighborsRegressor(1), X, y, rng=1).plot(beside={"5-NN": five})
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['KNeighborsRegressor', '5-NN']
    """
    check_level(level)
    kinds = {(each.loss, each.definition) for each in decompositions.values()}
    if len(kinds) != 1:
        shown = "; ".join(f"{name}: {each.loss} {each.definition}".strip()
                          for name, each in decompositions.items())  # fmt: skip
        raise DataError(f"parts of different losses cannot stand beside each other: {shown or '-'}")
    ((loss, definition),) = kinds
    ax = axes_for(ax, 7.0, 1.6 + 0.55 * len(decompositions))
    for row, found in enumerate(decompositions.values()):
        reached = 0.0
        for number, part in enumerate(_PARTS):
            value, start = found.value(part), reached
            reached += value
            below = number == 2 and value < 0
            ax.barh(row, abs(value), left=min(start, reached), color=_COLORS[part],
                    height=0.3 if below else 0.6, hatch="///" if below else None,
                    edgecolor="white" if below else "none",
                    label=_label(part, loss) if row == 0 else None)  # fmt: skip
            half_width = reached - (start + found.interval(part, level=level)[0])
            if np.isfinite(half_width) and half_width > 0:
                ax.errorbar([reached], [row + 0.18 * (number - 1)], xerr=[half_width],
                            color="0.25", linewidth=1, capsize=2, zorder=3)  # fmt: skip
        ax.plot(found.value("loss"), row, marker="D", color="0.25", markersize=5, linestyle="none",
                zorder=4, label="loss" if row == 0 else None)  # fmt: skip
    ax.axvline(0.0, color="0.5", linewidth=1, zorder=0)
    ax.set_yticks(range(len(decompositions)), [name_of(name, "") for name in decompositions])
    ax.set_ylim(len(decompositions) - 0.5, -0.5)
    ax.set_xlabel(f"{loss} loss" + (f" ({definition})" if definition else ""))
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i] == "loss")  # after its parts
    ax.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        frameon=False,
        ncols=4,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0,
    )
    return ax


def _label(part: str, loss: str) -> str:
    return "bias²" if part == "bias" and loss == "squared" else part
