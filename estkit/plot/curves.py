"""Pictures of curves: a score over the complexity of a model, and over its training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import check_level
from estkit.plot.choice import name_of
from estkit.plot.figures import axes_for, legend_height, tell_above, use_log_scale
from estkit.plot.picture import styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estkit.comparison.curves import Curve
    from estkit.comparison.learning import LearningCurve
    from estkit.comparison.scores import Floats, Score

_TOLD = 5  # degrees of freedom that stand above the picture
_MARKED = 60  # up to so many points are marked one by one


def plot_curve(curve: Curve, *, ax: Axes | None = None) -> Axes:
    """Draw a score over the complexity of a model, and which value of it to take.

    The band is one standard error wide on either side. The best value is marked, and the simplest
    within one standard error of it (Breiman and others 1984) where there is an error; effective
    degrees of freedom stand above.

    Parameters
    ----------
    curve : Curve
        The score at every value.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, reached by ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_iris
    >>> ax = ek.knn_curve(*load_iris(return_X_y=True), k=range(1, 31), cv="loo").plot()
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['± one standard error', 'best: k = 18', 'simplest within one error: k = 28']
    """
    best = curve.best()
    ax = axes_for(ax)
    points, means, errors = curve.points.astype(float), curve.means, curve.errors
    known = np.isfinite(means)
    if np.isfinite(errors).any():
        ax.fill_between(points, means - errors, means + errors, where=known & np.isfinite(errors),
                        color="C0", alpha=0.2, linewidth=0,
                        label="± one standard error")  # fmt: skip
    marker = "o" if known.sum() <= _MARKED else ""
    ax.plot(points, means, color="C0", marker=marker, markersize=3)
    for value, label, style in _chosen(curve, best):
        place = np.flatnonzero(curve.points == value)[0]
        ax.axvline(points[place], color=style["color"], linewidth=1, linestyle=":", zorder=1)
        ax.plot(points[place], means[place], linestyle="none", markersize=8, zorder=3,
                label=f"{label}: {curve.parameter} = {value:.4g}", **style)  # fmt: skip
    if is_geometric(points):
        use_log_scale(ax)
    elif curve.points.dtype.kind in "iu":
        ax.locator_params(axis="x", integer=True)
    simpler = "greater" if curve.greater_is_simpler else "less"
    ax.set_xlabel(f"{curve.parameter} ({simpler} is simpler)")
    ax.set_ylabel(_axis(curve.score))
    _tell_freedom(ax, curve)
    ax.legend(frameon=False)
    return ax


def _chosen(curve: Curve, best: Any) -> list[tuple[Any, str, dict[str, Any]]]:
    """Return the values to take, what each is called, and how it is marked."""
    first: dict[str, Any] = {"color": "C1", "marker": "D"}
    second: dict[str, Any] = {"color": "C2", "marker": "s"}
    if not np.isfinite(curve.errors[curve.points == best]).all():
        return [(best, "best", first)]
    simplest = curve.one_standard_error()
    if simplest == best:
        return [(best, "best, and simplest within one error", first)]
    return [(best, "best", first), (simplest, "simplest within one error", second)]


def _tell_freedom(ax: Axes, curve: Curve) -> None:
    """Put some effective degrees of freedom above the values that have them."""
    known = np.flatnonzero(np.isfinite(curve.degrees_of_freedom))
    if not known.size:
        return
    scale = np.log if ax.get_xscale() == "log" else np.asarray
    places = scale(curve.points[known].astype(float))
    wanted = np.linspace(places[0], places[-1], _TOLD)
    shown = known[np.unique([int(np.abs(places - each).argmin()) for each in wanted])]
    labels = [f"{curve.degrees_of_freedom[each]:.3g}" for each in shown]
    tell_above(ax, curve.points[shown].astype(float), labels, "effective degrees of freedom")


def plot_learning_curve(
    curve: LearningCurve,
    *,
    models: Sequence[str] | None = None,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Draw the scores of models over the number of rows that they were trained on.

    Lines are scores for rows that were not seen, dashed ones those for the training rows: what lies
    between them is overfitting.

    Parameters
    ----------
    curve : LearningCurve
        The scores at every size.
    models : sequence of str, optional
        Which models; by default all.
    level : float
        The confidence level of the corrected intervals.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, reached by ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Raises
    ------
    DataError
        If there is no such model, or no score to draw.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_iris
    >>> curve = ek.learning_curve("knn", *load_iris(return_X_y=True), cv=5, rng=1)
    >>> curve.plot(models=["knn"]).get_xlabel()
    'training rows'
    """
    check_level(level)
    wanted = list(curve.models) if models is None else list(
        [models] if isinstance(models, str) else models)  # fmt: skip
    for name in wanted:
        if name not in curve.models:
            raise DataError(f"{name!r} is not a model here; they are {', '.join(curve.models)}.")
    frames = {}
    for rows in ("test", "train"):
        frame = curve.to_frame(rows, level=level)
        frames[rows] = frame[(frame["fold"] == 0) & np.isfinite(frame["mean"])]
    if not frames["test"]["model"].isin(wanted).any():
        raise DataError(f"no model has a {curve.score.name} at any size; nothing to draw.")
    height = legend_height([name_of(name, "") for name in wanted] * 2)
    ax = axes_for(ax, 7.5, max(4.5, height))
    sizes = curve.sizes.astype(float)
    logarithmic = is_geometric(sizes)
    for number, (name, style) in enumerate(zip(wanted, styles(), strict=False)):
        place = _beside(sizes, number - (len(wanted) - 1) / 2, logarithmic=logarithmic)
        for rows, dash in (("test", "-"), ("train", "--")):
            own = frames[rows][frames[rows]["model"] == name]
            if own.empty:
                continue
            at = place[np.searchsorted(curve.sizes, own["size"])]
            mean, lower, upper = own[["mean", "lower", "upper"]].to_numpy(float).T
            limits = np.nan_to_num(np.maximum([mean - lower, upper - mean], 0.0))
            seen = rows == "train"
            ax.errorbar(at, mean, yerr=limits, linestyle=dash, capsize=3, linewidth=1.4,
                        elinewidth=0.8, markersize=4 if seen else 5, color=style["color"],
                        marker=style["marker"], alpha=0.6 if seen else 1.0,
                        markerfacecolor="none" if seen else style["color"],
                        label=name_of(name, "") + (", training rows" if seen else ""))  # fmt: skip
    if logarithmic:
        ax.set_xscale("log")
        ax.set_xticks(sizes, [str(size) for size in curve.sizes], minor=False)
        ax.minorticks_off()
    ax.set_xlabel("training rows")
    ax.set_ylabel(_axis(curve.score))
    ax.set_title(f"means over the folds with corrected {100 * level:g}% intervals",
                 fontsize="medium")  # fmt: skip
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def is_geometric(points: Floats) -> bool:
    """Return whether points are spaced more evenly by ratios than by differences."""
    if len(points) < 3 or points[0] <= 0:
        return False
    uneven = [
        float(gaps.std() / gaps.mean()) for gaps in (np.diff(np.log(points)), np.diff(points))
    ]
    return uneven[0] < uneven[1]


def _beside(sizes: Floats, steps: float, *, logarithmic: bool) -> Floats:
    """Return places a little beside others, so that intervals do not hide each other."""
    if logarithmic:
        return np.asarray(sizes * (sizes[-1] / sizes[0]) ** (0.006 * steps), float)
    return np.asarray(sizes + 0.006 * steps * (sizes[-1] - sizes[0]), float)


def _axis(score: Score) -> str:
    better = "greater" if score.greater_is_better else "less"
    return f"{score.name} ({better} is better)"
