"""The critical-difference diagram: average ranks over data sets, and what they cannot tell apart.

One unit of height is a line of text. The axis of ranks lies at 0, models below it, lanes of bars
between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from estkit.errors import DataError
from estkit.plot.choice import name_of
from estkit.plot.figures import axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estkit.comparison.datasets import DatasetComparison

DATASET_KINDS = ("critical_difference",)
_LANE, _LINE, _GAP = 0.55, 1.0, 0.45  # heights: of a bar's lane, of a line of text, between models
_ABOVE = 5.2  # heights that the axis, its numbers and the critical difference take
_INCH = 0.19  # of a height, for text of 10 points
_LETTER = 0.085  # inches
_BEYOND, _APART = 0.006, 0.02  # of the axis: what a bar goes beyond its models, and between bars


def plot_datasets(
    comparison: DatasetComparison, *, kind: str = "critical_difference", ax: Axes | None = None
) -> Axes:
    """Draw the average rank of models over data sets: the critical-difference diagram.

    Models joined by a bar lie within one critical difference (Nemenyi; Demsar 2006), which is drawn
    to scale above the axis. The best model is at the left.

    Parameters
    ----------
    comparison : DatasetComparison
        What `compare_datasets` answered.
    kind : {"critical_difference"}
        What to draw.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure large enough for all names.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Raises
    ------
    DataError
        If there is no such kind.

    Examples
    --------
    >>> import estkit as ek
    >>> errors = {"knn": [3.1, 2.0, 4.2, 5.0], "linear": [2.9, 2.1, 3.8, 4.1]}
    >>> ax = ek.compare_datasets(errors, higher_is_better=False, rng=1).plot()
    >>> [text.get_text() for text in ax.texts[-2:]]
    ['linear  1.25', '1.75  knn']
    """
    if kind not in DATASET_KINDS:
        known = ", ".join(map(repr, DATASET_KINDS))
        raise DataError(f"kind must be one of {known}; got {kind!r:.60}.")
    lanes = [lane for *_, lane in bars_of(comparison)]
    labels = _labels(comparison, first=-_LANE * (max(lanes, default=0) + 1) - 0.9)
    lowest = min(label.height - label.lines / 2 for label in labels)
    last = max(len(labels), 1 + comparison.critical_difference)
    if ax is None:
        sides = [max((label.width for label in labels if label.left is side), default=0)
                 for side in (True, False)]  # fmt: skip
        width = _LETTER * sum(sides) + min(9.0, 4.0 + 0.15 * len(labels))
        ax = axes_for(None, width, _INCH * (_ABOVE - lowest))
    ax.set_axis_off()
    ax.set_title(
        f"average rank on {len(comparison.scores)} data sets, 1 is best", fontsize="medium"
    )
    ax.set_xlim(1 - 0.02 * (last - 1), last + 0.02 * (last - 1))
    ax.set_ylim(lowest, _ABOVE)
    _draw_axis(ax, comparison, len(labels))
    for label in labels:
        _draw_label(ax, label, edges=(1.0, float(last)))
    return ax


class Label(NamedTuple):
    """A model: its words, how wide and high they are, its rank, and where its name stands."""

    text: str
    width: int
    lines: int
    rank: float
    height: float
    left: bool


def _labels(comparison: DatasetComparison, first: float) -> list[Label]:
    """Return the better half from above at the left, the other from above, the worst first."""
    names = list(comparison.ranks)
    half = (len(names) + 1) // 2
    found = []
    for side, left in ((names[:half], True), (names[half:][::-1], False)):
        height = first
        for name in side:
            rank, wrapped = comparison.ranks[name], name_of(name, "")
            text = f"{wrapped}  {rank:.2f}" if left else f"{rank:.2f}  {wrapped}"
            rows = text.split("\n")
            height -= _LINE * len(rows) / 2
            found.append(Label(text, max(map(len, rows)), len(rows), rank, height, left))
            height -= _LINE * len(rows) / 2 + _GAP
    return found


def bars_of(comparison: DatasetComparison) -> list[tuple[float, float, int]]:
    """Return where the bar of each clique begins and ends, and its lane: bars never touch."""
    whole = len(comparison.ranks) - 1
    ends: list[float] = []  # of the last bar in every lane
    found = []
    for clique in comparison.cliques():
        start = comparison.ranks[clique[0]] - _BEYOND * whole
        end = comparison.ranks[clique[-1]] + _BEYOND * whole
        free = [lane for lane, taken in enumerate(ends) if taken + _APART * whole < start]
        lane = free[0] if free else len(ends)
        ends[lane : lane + 1] = [end]
        found.append((start, end, lane))
    return found


def _draw_axis(ax: Axes, comparison: DatasetComparison, models: int) -> None:
    """Draw the axis of ranks with its numbers, the critical difference above, the bars below."""
    from matplotlib import rcParams

    ink = rcParams["axes.edgecolor"]
    ax.plot([1, models], [0, 0], color=ink, linewidth=1.2)
    each = -(-models // 15)
    for rank in range(1, models + 1):
        named = (rank - 1) % each == 0
        ax.plot([rank, rank], [0, 0.35 if named else 0.2], color=ink, linewidth=1)
        if named:
            ax.annotate(str(rank), (rank, 0.45), ha="center", va="bottom", fontsize="small")
    ends = 1.0, 1 + comparison.critical_difference
    ax.plot(ends, [2.5, 2.5], color=ink, linewidth=1.2)
    for end in ends:
        ax.plot([end, end], [2.25, 2.75], color=ink, linewidth=1.2)
    said = f"critical difference {comparison.critical_difference:.2f} ({100 * comparison.level:g}%)"
    ax.annotate(said, (1.0, 2.9), va="bottom", fontsize="small")
    for start, end, lane in bars_of(comparison):
        height = -_LANE * (lane + 1)
        ax.plot([start, end], [height, height], color="C1", linewidth=4, solid_capstyle="butt",
                zorder=3)  # fmt: skip


def _draw_label(ax: Axes, label: Label, edges: tuple[float, float]) -> None:
    """Draw the name of a model at its side, and a line from there to its rank."""
    edge, align, shift = (edges[0], "right", -5) if label.left else (edges[1], "left", 5)
    ax.plot([label.rank, label.rank, edge], [0, label.height, label.height], color="C0",
            linewidth=1, zorder=2)  # fmt: skip
    ax.annotate(label.text, (edge, label.height), xytext=(shift, 0), textcoords="offset points",
                ha=align, va="center")  # fmt: skip
