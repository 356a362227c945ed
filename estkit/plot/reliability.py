"""Calibration: what happened, over what was predicted, with intervals and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from estkit.errors import DataError
from estkit.montecarlo.intervals import mean_interval, rate_interval
from estkit.plot.choice import name_of
from estkit.plot.figures import axes_for, legend_height
from estkit.plot.picture import styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estkit.comparison.result import Comparison
    from estkit.comparison.scores import Floats

_HEIGHT = 0.22  # of the picture, for the counts
_INSIDE, _SHORT = 5, 12  # up to so many names of so many characters stand inside


class Group(NamedTuple):
    """Predictions that are close to each other, and what happened.

    Parameters
    ----------
    predicted, happened : float
        The means of both.
    lower, upper : float
        The interval of what happened.
    size : int
        How many predictions; every repeat of the folds counts.
    """

    predicted: float
    happened: float
    lower: float
    upper: float
    size: int


def reliability(
    comparison: Comparison, models: Sequence[str], *, bins: int, level: float, ax: Axes | None
) -> Axes:
    """Draw the groups of every model and, below, how many predictions they hold."""
    given = {model: pairs_of(comparison, model) for model in models}
    known = {model: pair for model, pair in given.items() if pair is not None}
    if not known:
        raise DataError("no model gives probabilities; there is no calibration to draw.")
    wide = len(known) > _INSIDE or max(map(len, known)) > _SHORT  # a legend beside it
    height = max(5.2, legend_height(name_of(name, "") for name in known) if wide else 0.0)
    ax = axes_for(ax, 8.5 if wide else 5.5, height)
    # the baseline predicts nearly the same for all rows: groups cut by it would be narrow
    told = {model: pair for model, pair in known.items() if model != comparison.models[-1]}
    edges = edges_of(told or known, bins, rates=bool(comparison.classes))
    counts: Any = ax.inset_axes((0.0, 0.0, 1.0, _HEIGHT), zorder=0)
    for (model, pair), style in zip(known.items(), styles(), strict=False):
        groups = groups_of(*pair, edges, comparison.folds.repeats, level,
                           rates=bool(comparison.classes))  # fmt: skip
        x, y, low, high, _ = np.array(groups, float).T
        limits = np.nan_to_num([np.maximum(y - low, 0.0), np.maximum(high - y, 0.0)])
        ax.errorbar(
            x,
            y,
            yerr=limits,
            capsize=3,
            markersize=4,
            linewidth=1.2,
            label=name_of(model, ""),
            **style,
        )
        held = np.histogram(pair[0], edges)[0]
        counts.stairs(held, edges, color=style["color"], linewidth=1, alpha=0.7)
    ends = (0.0, 1.0) if comparison.classes else (float(edges[0]), float(edges[-1]))
    ax.axline((ends[0], ends[0]), slope=1.0, color="0.5", linewidth=1, linestyle="--", zorder=0)
    ax.set_xlim(*_wider(ends, 0.03))
    bottom, top = ends if comparison.classes else ax.get_ylim()
    ticks = ax.get_yticks()
    slack = 1e-9 * (top - bottom)
    ax.set_yticks(ticks[(ticks >= bottom - slack) & (ticks <= top + slack)])
    ax.set_ylim(bottom - (top - bottom) * (_HEIGHT + 0.08), _wider((bottom, top), 0.03)[1])
    counts.set_xlim(ax.get_xlim())
    counts.set_ylim(0, None)
    counts.patch.set_alpha(0.0)
    counts.tick_params(labelbottom=False, bottom=False, labelleft=False, left=False,
                       right=True, labelright=True, labelsize="x-small")  # fmt: skip
    for side in ("top", "left"):
        counts.spines[side].set_visible(False)
    counts.set_ylabel("predictions", fontsize="x-small")
    counts.yaxis.set_label_position("right")
    ax.set_xlabel(_of(comparison, "probability given to", "predicted"))
    ax.set_ylabel(_of(comparison, "share of", "mean outcome"))
    beside = {"bbox_to_anchor": (1.1, 1.0)} if wide else {}
    ax.legend(frameon=False, loc="upper left", **beside)
    return ax


def _wider(ends: tuple[float, float], share: float) -> tuple[float, float]:
    more = share * (ends[1] - ends[0])
    return ends[0] - more, ends[1] + more


def pairs_of(comparison: Comparison, model: str) -> tuple[Floats, Floats] | None:
    """Return every prediction of a model, and what happened; None without probabilities.

    For two classes it is the probability of the second; for more, those of all classes together.
    """
    given = [comparison.predicted(model, fold) for fold in range(len(comparison.folds))]
    done = [each for each in given if each is not None]
    if not done:
        return None
    if not comparison.classes:
        pairs = [(each.prediction, each.truth) for each in done]
    elif any(each.probability is None for each in done):
        return None
    else:
        first = 1 if len(comparison.classes) == 2 else 0
        pairs = [
            (each.probability[:, first:].ravel(),
             np.eye(len(comparison.classes))[each.truth.astype(int)][:, first:].ravel())
            for each in done if each.probability is not None
        ]  # fmt: skip
    predicted, happened = (np.concatenate(part).astype(float) for part in zip(*pairs, strict=True))
    return predicted, happened


def edges_of(known: dict[str, tuple[Floats, Floats]], bins: int, *, rates: bool) -> Floats:
    """Return the borders of the groups: equally wide for probabilities, equally full for numbers.

    All models have the same ones.
    """
    if rates:
        return np.linspace(0.0, 1.0, bins + 1)
    predicted = np.concatenate([pair[0] for pair in known.values()])
    edges = np.unique(np.quantile(predicted, np.linspace(0.0, 1.0, bins + 1)))
    return edges if len(edges) > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])


def groups_of(
    predicted: Floats, happened: Floats, edges: Floats, repeats: int, level: float, *, rates: bool
) -> list[Group]:
    """Return the groups that hold a prediction.

    Repeats of the folds predict the same rows again, so that intervals count every row once.
    """
    place = np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, len(edges) - 2)
    groups = []
    for number in np.unique(place):
        inside = place == number
        own, count = happened[inside], int(inside.sum())
        rows = max(1.0, count / max(repeats, 1))
        mean = float(own.mean())
        if rates:
            lower, upper = rate_interval(mean, rows, level)
        else:
            error = float(own.std(ddof=1) / np.sqrt(rows)) if count > 1 else np.nan
            lower, upper = mean_interval(mean, error, int(rows), level)
        groups.append(Group(float(predicted[inside].mean()), mean, lower, upper, count))
    return groups


def _of(comparison: Comparison, rate: str, number: str) -> str:
    if not comparison.classes:
        return number
    return f"{rate} {comparison.classes[1]!s}" if len(comparison.classes) == 2 else (
        f"{rate} a class"
    )  # fmt: skip
