"""Pictures of results: a result and perhaps an Axes in, the Axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, EstkitError, MissingExtraError
from estkit.estimate import normal_quantile
from estkit.montecarlo.measures import MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from estkit.likelihood.curve import Profile
    from estkit.likelihood.penalties.path import RegularizationPath
    from estkit.likelihood.result import LikelihoodFit
    from estkit.montecarlo.result import StudyResult

_NAMED = 10  # coefficients of a path that are told apart by color and name
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
    bare = fit.covariance_kind == "none"  # a penalty that leaves no standard errors
    limits = np.column_stack([fit.params] * 2) if bare else fit.interval(level)
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
    ax.set_xlabel("coefficient" if bare else f"coefficient with {100 * level:g}% interval")
    return ax


def plot_path(path: RegularizationPath, *, ax: Axes | None = None) -> Axes:
    """Draw the coefficients of a regularisation path against the strength, intercepts left out.

    The strength falls from left to right; the number of coefficients that are not 0 stands above.
    The ten that are largest in the end are named.

    Parameters
    ----------
    path : RegularizationPath
        The path.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, reached by ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Examples
    --------
    >>> import estkit as ek
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 1.0], [4.0, 0.0]]
    >>> ax = ek.path(ek.Gaussian(), X, [0.1, 1.2, 1.8, 3.1, 3.9]).plot()
    >>> [line.get_label() for line in ax.get_lines()][:2]
    ['x0', 'x1']
    """
    slopes = [j for j, name in enumerate(path.names) if name not in path.intercepts]
    if not slopes:
        raise EstkitError(
            "The path has no coefficient but intercepts, so there is nothing to draw."
        )
    ax = _axes(ax)
    params = np.where(path.converged[:, None], path.params, np.nan)[:, slopes]
    last = np.abs(np.nan_to_num(params[-1]))
    order = np.argsort(-last, kind="stable")
    marker = "o" if len(path.strengths) == 1 else ""
    for place, j in enumerate(order):
        named = place < _NAMED and last[j] > 0
        style = {"label": path.names[slopes[j]]} if named else {"color": "0.75", "linewidth": 0.8}
        ax.plot(path.strengths, params[:, j], marker=marker, zorder=2 if named else 1, **style)
    ax.axhline(0.0, color="0.6", linewidth=1, zorder=0)
    ax.set_xscale("log")
    ax.set_xlim(path.strengths[0] * 1.05, path.strengths[-1] / 1.05)
    ax.set_xlabel("strength of the penalty")
    ax.set_ylabel("coefficient")
    shown = np.unique(np.linspace(0, len(path.strengths) - 1, 6).astype(int))
    above = ax.secondary_xaxis("top")
    above.set_xticks(path.strengths[shown], [str(path.n_nonzero[i]) for i in shown], minor=False)
    above.minorticks_off()
    above.set_xlabel("coefficients that are not 0")
    if (last > 0).any():
        ax.legend(frameon=False, fontsize="small")
    return ax


def plot_profile(profile: Profile, *, ax: Axes | None = None) -> Axes:
    """Draw the profile log-likelihood of a parameter, its levels and its limits.

    Where a side never falls to a level, the log-likelihood that it tends to is drawn, too.

    Parameters
    ----------
    profile : Profile
        The curve.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, reached by ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Examples
    --------
    >>> import estkit as ek
    >>> fit = ek.fit(ek.Binomial(), {"dose": [1, 2, 3, 4]}, [0, 1, 0, 1])
    >>> fit.profile("dose").plot().get_xlabel()
    'dose'
    """
    ax = _axes(ax)
    ax.plot(profile.values, profile.loglik - profile.maximum, color="C0")
    ax.plot([profile.estimate], [0.0], "o", color="C0")
    for level, pair in zip(profile.levels, profile.limits, strict=True):
        fall = -0.5 * normal_quantile(level) ** 2
        ax.axhline(fall, color="0.6", linewidth=1, zorder=0)
        ax.annotate(f"{100 * level:g}%", (1.0, fall), xycoords=("axes fraction", "data"),
                    ha="right", va="bottom", color="0.4")  # fmt: skip
        finite = pair[np.isfinite(pair)]
        ax.vlines(finite, fall, 0.0, color="0.6", linewidth=1, linestyle=":", zorder=0)
    for asymptote in profile.asymptotes[np.isfinite(profile.asymptotes)]:
        ax.axhline(asymptote - profile.maximum, color="C1", linestyle="--", label="asymptote")
    ax.set_xlabel(profile.name)
    ax.set_ylabel("profile log-likelihood, from its maximum")
    if np.isfinite(profile.asymptotes).any():
        ax.legend(frameon=False, loc="lower center")
    return ax
