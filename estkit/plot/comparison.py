"""Pictures of comparisons: scores fold by fold, differences, cost; one kind a function."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.comparison.intervals import by_folds
from estkit.errors import DataError
from estkit.estimate import check_level
from estkit.plot.choice import name_of
from estkit.plot.figures import axes_for, legend_height, use_log_scale
from estkit.plot.picture import styles
from estkit.plot.reliability import reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estkit.comparison.result import Comparison
    from estkit.comparison.scores import Floats, Score

_JOINED = 400  # more lines than that, such as leave-one-out has, are not drawn
_BINS = 10
_UPRIGHT, _NARROW = 6, 16  # so many names stand upright, in lines of so many characters
_WIDE, _LETTER = 60, 0.085  # characters of an axis label in a line; inches of a letter


@dataclass(frozen=True)
class ComparisonPicture:
    """What a picture of a comparison was asked for.

    Parameters
    ----------
    comparison : Comparison
        The models and their folds.
    score : Score
        What is shown.
    models : tuple of str
        The models to show, the best first.
    against : str
        The model that differences are taken to.
    rope : float
        The largest difference that does not matter.
    level : float
        The confidence level of the intervals.
    bins : int
        How many groups predictions are put into.
    """

    comparison: Comparison
    score: Score
    models: tuple[str, ...]
    against: str
    rope: float
    level: float
    bins: int

    def values(self, model: str) -> Floats:
        """Return the score of a model on every fold."""
        return self.comparison.values(model, self.score)

    def interval(self, model: str) -> tuple[float, float, float]:
        """Return the mean score of a model and its corrected interval."""
        found = by_folds(self.comparison, model, self.score, self.level)
        return found["value"], found["lower"], found["upper"]

    def apart(self, model: str) -> tuple[float, float, float]:
        """Return the mean difference to the model they are taken to, and its corrected interval."""
        test = self.comparison.test(model, self.against, score=self.score.name, level=self.level)
        return test.estimate, test.lower, test.upper

    def axis(self) -> str:
        """Return the name of the score and its direction."""
        better = "greater" if self.score.greater_is_better else "less"
        return f"{self.score.name} ({better} is better)"


def plot_comparison(
    comparison: Comparison,
    *,
    kind: str = "scores",
    score: str | None = None,
    models: Sequence[str] | None = None,
    against: str | None = None,
    rope: float | None = None,
    level: float = 0.95,
    bins: int = _BINS,
    ax: Axes | None = None,
) -> Axes:
    """Draw a comparison.

    Parameters
    ----------
    comparison : Comparison
        The models and what they predicted.
    kind : {"scores", "differences", "calibration", "cost"}
        ``"scores"``: the score on every fold, a line through what belongs to one fold, and the mean
        with its corrected interval.
        ``"differences"``: the score less that of one model, fold by fold, with the mean and its
        corrected interval (Nadeau and Bengio 2003), and a band within which nothing matters.
        ``"calibration"``: how often what was given some probability happened, with intervals, and
        how many predictions that rests on; for numbers, the mean outcome over the predictions.
        ``"cost"``: the score over the time that it takes to predict a row.
    score : str, optional
        Which score; by default the leading one.
    models : sequence of str, optional
        Which models; by default all, the best first.
    against : str, optional
        For ``"differences"``: to which model; by default the best one.
    rope : float, optional
        For ``"differences"``: the largest difference that does not matter, drawn as a band.
    level : float
        The confidence level of the intervals.
    bins : int
        For ``"calibration"``: how many groups predictions are put into.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, reached by ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Raises
    ------
    DataError
        If there is nothing to draw, or no such model, score or kind.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_iris
    >>> result = ek.compare(["knn", "linear"], *load_iris(return_X_y=True), cv=5, rng=1)
    >>> result.plot(kind="differences", against="baseline").get_xlabel()
    'accuracy less that of baseline (greater is better)'
    """
    if kind not in COMPARISON_KINDS:
        known = ", ".join(map(repr, COMPARISON_KINDS))
        raise DataError(f"kind must be one of {known}; got {kind!r:.60}.")
    for name, given in (("against", against), ("rope", rope)):
        if given is not None and kind != "differences":
            raise DataError(f"{name} is for kind 'differences'; leave it out for {kind!r}.")
    if rope is not None and not 0 <= rope < math.inf:
        raise DataError(f"rope must be a difference of 0 or more, got {rope!r}.")
    if type(bins) is not int or bins < 2:
        raise DataError(f"bins must be a number of 2 or more, got {bins!r}.")
    check_level(level)
    own = comparison.checked_score(score)
    order = [name for name in comparison.table(own.name)["model"]
             if np.isfinite(comparison.values(name, own)).any()]  # fmt: skip
    if models is not None:
        asked = [models] if isinstance(models, str) else list(models)
        order = [name for name in map(comparison.checked_model, asked) if name in order]
    if not order:
        raise DataError(f"no model has a {own.name} on any fold; nothing to draw.")
    to = order[0] if against is None else comparison.checked_model(against)
    picture = ComparisonPicture(comparison, own, tuple(order), to, rope or 0.0, level, bins)
    return COMPARISON_KINDS[kind](picture, ax)


def scores(picture: ComparisonPicture, ax: Axes | None) -> Axes:
    """Draw the score of every model on every fold, joined fold by fold."""
    values = np.array([picture.values(model) for model in picture.models])
    number = len(picture.models)
    ax = axes_for(ax, min(16.0, max(5.0, 1.6 * number + 1.5)))
    place = np.arange(number)
    if values.shape[1] <= _JOINED and number > 1:
        ax.plot(place, values, color="0.75", linewidth=0.7, zorder=1)
    for x, model, own, style in zip(place, picture.models, values, styles(), strict=False):
        ax.plot(np.full(own.size, x), own, "o", color=style["color"], alpha=0.45, markersize=4,
                markeredgewidth=0, rasterized=own.size > 10 * _JOINED)  # fmt: skip
        mean, lower, upper = picture.interval(model)
        limits = np.nan_to_num([[max(mean - lower, 0.0)], [max(upper - mean, 0.0)]])
        ax.errorbar([x + 0.16], [mean], yerr=limits, color=style["color"], marker="D",
                    markersize=6, capsize=4, zorder=3)  # fmt: skip
    if number <= _UPRIGHT:
        ax.set_xticks(place, [textwrap.fill(model, _NARROW) for model in picture.models])
    else:
        ax.set_xticks(place, [name_of(model, "") for model in picture.models], rotation=60,
                      ha="right", rotation_mode="anchor")  # fmt: skip
    ax.set_xlim(-0.5, number - 0.3)
    ax.set_ylabel(picture.axis())
    ax.set_title(f"every fold, and the mean with its corrected {100 * picture.level:g}% interval",
                 fontsize="medium")  # fmt: skip
    return ax


def differences(picture: ComparisonPicture, ax: Axes | None) -> Axes:
    """Draw how far every model is from one, with corrected intervals and the ROPE."""
    others = [model for model in picture.models if model != picture.against]
    if not others:
        raise DataError("differences need two models that have the score.")
    names = [name_of(model, "") for model in others]
    longest = max(len(line) for name in names for line in name.split("\n"))
    ax = axes_for(ax, 6.5 + _LETTER * longest, max(2.2, 0.55 * len(others) + 1.4))
    to = picture.values(picture.against)
    if picture.rope:
        ax.axvspan(-picture.rope, picture.rope, color="0.88", zorder=0,
                   label=f"within ± {picture.rope:g}")  # fmt: skip
    ax.axvline(0.0, color="0.5", linewidth=1, zorder=1)
    place = np.arange(len(others))
    for y, model in zip(place, others, strict=True):
        apart = picture.values(model) - to
        apart = apart[np.isfinite(apart)]
        ax.plot(apart, np.full(apart.size, y + 0.18), "|", color="C0", alpha=0.6, markersize=8)
        mean, lower, upper = picture.apart(model)
        limits = np.nan_to_num([[max(mean - lower, 0.0)], [max(upper - mean, 0.0)]])
        ax.errorbar([mean], [y], xerr=limits, color="C0", marker="D", markersize=6, capsize=4)
    ax.set_yticks(place, names)
    ax.set_ylim(len(others) - 0.5, -0.5)
    better = "greater" if picture.score.greater_is_better else "less"
    label = f"{picture.score.name} less that of {picture.against} ({better} is better)"
    ax.set_xlabel(textwrap.fill(label, _WIDE))
    ax.set_title(f"every fold, and the mean with its corrected {100 * picture.level:g}% interval",
                 fontsize="medium")  # fmt: skip
    if picture.rope:
        ax.legend(frameon=False)
    return ax


def cost(picture: ComparisonPicture, ax: Axes | None) -> Axes:
    """Draw the score of every model over the time that it takes to predict a row."""
    table = picture.comparison.table(picture.score.name, level=picture.level).set_index("model")
    height = max(4.5, legend_height(name_of(model, "") for model in picture.models))
    ax = axes_for(ax, 7.5, height)
    for model, style in zip(picture.models, styles(), strict=False):
        seconds: Any = table.loc[model, "predict_seconds_per_row"]
        mean, lower, upper = picture.interval(model)
        limits = np.nan_to_num([[max(mean - lower, 0.0)], [max(upper - mean, 0.0)]])
        ax.errorbar([float(seconds) * 1e6], [mean], yerr=limits, capsize=4, linestyle="none",
                    label=name_of(model, ""), **style)  # fmt: skip
    ax.margins(x=0.1)
    use_log_scale(ax)
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.set_xlabel("time to predict a row (µs)")
    ax.set_ylabel(picture.axis())
    return ax


def calibration(picture: ComparisonPicture, ax: Axes | None) -> Axes:
    """Draw what happened over what was predicted."""
    return reliability(
        picture.comparison, picture.models, bins=picture.bins, level=picture.level, ax=ax
    )


COMPARISON_KINDS: dict[str, Callable[[ComparisonPicture, Axes | None], Axes]] = {
    "scores": scores,
    "differences": differences,
    "calibration": calibration,
    "cost": cost,
}
