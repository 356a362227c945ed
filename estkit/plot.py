"""Pictures of results: a result and perhaps an Axes in, the Axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, EstkitError, MissingExtraError
from estkit.montecarlo.measures import MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from estkit.likelihood.result import LikelihoodFit
    from estkit.montecarlo.result import StudyResult

_SPREAD = 0.12  # how far apart the points of neighbouring estimators stand, of one step on the axis
_NEUTRAL = {"bias": (0.0,), "relative_bias": (0.0,), "model_se_error": (0.0,)}


def new_figure(width: float, height: float) -> Figure:
    """Return a figure outside pyplot: nothing global is kept, and it needs no display."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "Plots need matplotlib, which is not installed; install estkit[plot]."
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def _axes(ax: Axes | None) -> Axes:
    return new_figure(7, 4.5).subplots() if ax is None else ax


def plot_study(result: StudyResult, measure: str = "bias", *, ax: Axes | None = None) -> Axes:
    """Draw a performance measure in every condition, with its Monte-Carlo intervals.

    Parameters
    ----------
    result : StudyResult
        The study.
    measure : str
        Which measure, as in ``StudyResult.summary``.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, reached by ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
    >>> ax = study.run(50, rng=1).plot("bias")
    >>> ax.get_ylabel()
    'bias'
    """
    if not isinstance(measure, str):
        raise DataError(f"measure must be the name of one measure, got {measure!r:.60}.")
    frame = result.summary(measure)
    ax = _axes(ax)
    if frame["value"].isna().all():
        raise DataError(f"No replicate has what the measure {measure!r} needs; nothing to draw.")
    names = list(next(iter(result.conditions.values())))
    labels = [_label(condition) for condition in result.conditions.values()]
    lines = list(dict.fromkeys(zip(frame["estimator"], frame["parameter"], strict=True)))
    shifts = (np.arange(len(lines)) - (len(lines) - 1) / 2) * _SPREAD
    for (estimator, parameter), shift in zip(lines, shifts, strict=True):
        own = frame[(frame["estimator"] == estimator) & (frame["parameter"] == parameter)]
        below, above = own["value"] - own["lower"], own["upper"] - own["value"]
        shown = estimator if parameter in ("value", "") else f"{estimator}: {parameter}"
        limits = np.nan_to_num(np.maximum([below, above], 0.0))
        position = np.arange(len(own)) + shift
        ax.errorbar(position, own["value"], yerr=limits, fmt="o", capsize=3, label=shown)
    for reference in result.levels() if "coverage" in measure else _NEUTRAL.get(measure, ()):
        ax.axhline(reference, color="0.6", linewidth=1, zorder=0)
    ax.set_xticks(range(len(labels)), labels)
    ax.set_xlabel(", ".join(names))
    ax.set_ylabel(MEASURES[measure].title)
    ax.margins(x=0.1)
    if len(lines) > 1:
        ax.legend(frameon=False)
    return ax


def _label(condition: dict[str, Any]) -> str:
    return "\n".join(str(value) for value in condition.values())


def plot_coefficients(fit: LikelihoodFit, *, level: float = 0.95, ax: Axes | None = None) -> Axes:
    """Draw the coefficients of a fit with their intervals, intercepts left out.

    Parameters
    ----------
    fit : LikelihoodFit
        The fit.
    level : float
        The confidence level of the intervals.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, reached by ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Examples
    --------
    >>> import estkit as ek
    >>> ax = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 1, 0, 1]).plot()
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['x0']
    """
    if not fit.converged:
        raise EstkitError(f"The fit has no answer to draw: {fit.reason}")
    limits = fit.interval(level)
    terms = fit.terms * (len(fit.names) // len(fit.terms))
    kept = [i for i, term in enumerate(terms) if term != "intercept"]
    if not kept:
        raise EstkitError("The fit has no coefficient but intercepts, so there is nothing to draw.")
    ax = _axes(ax)
    position = np.arange(len(kept))[::-1]
    middle = fit.params[kept]
    distance = [middle - limits[kept, 0], limits[kept, 1] - middle]
    ax.errorbar(middle, position, xerr=distance, fmt="o", capsize=3)
    ax.axvline(0.0, color="0.6", linewidth=1, zorder=0)
    ax.set_yticks(position, [fit.names[i] for i in kept])
    ax.set_xlabel(f"coefficient with {100 * level:g}% interval")
    return ax
