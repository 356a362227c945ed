"""Pictures of fits: coefficients, a regularisation path, a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from estkit.errors import EstkitError
from estkit.estimate import normal_quantile
from estkit.plot.figures import axes_for, tell_above, use_log_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estkit.likelihood.curve import Profile
    from estkit.likelihood.penalties.path import RegularizationPath
    from estkit.likelihood.result import LikelihoodFit

_NAMED = 10  # coefficients of a path that are told apart by color and name


def plot_coefficients(
    fit: LikelihoodFit,
    *,
    level: float = 0.95,
    kind: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the coefficients of a fit with their intervals, intercepts left out.

    Parameters
    ----------
    fit : LikelihoodFit
        The fit.
    level : float
        The confidence level of the intervals.
    kind : str, optional
        The covariance that the intervals come from, as in `LikelihoodFit.covariance`.
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
    bare = (kind or fit.covariance_kind) == "none"  # a penalty that leaves no standard errors
    limits = np.column_stack([fit.params] * 2) if bare else fit.interval(level, kind=kind)
    terms = fit.terms * (len(fit.names) // len(fit.terms))
    kept = [i for i, term in enumerate(terms) if term != "intercept"]
    if not kept:
        raise EstkitError("The fit has no coefficient but intercepts, so there is nothing to draw.")
    ax = axes_for(ax)
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
    ax = axes_for(ax)
    params = np.where(path.converged[:, None], path.params, np.nan)[:, slopes]
    last = np.abs(np.nan_to_num(params[-1]))
    order = np.argsort(-last, kind="stable")
    marker = "o" if len(path.strengths) == 1 else ""
    for place, j in enumerate(order):
        named = place < _NAMED and last[j] > 0
        style = {"label": path.names[slopes[j]]} if named else {"color": "0.75", "linewidth": 0.8}
        ax.plot(path.strengths, params[:, j], marker=marker, zorder=2 if named else 1, **style)
    ax.axhline(0.0, color="0.6", linewidth=1, zorder=0)
    use_log_scale(ax)
    ax.set_xlim(path.strengths[0] * 1.05, path.strengths[-1] / 1.05)
    ax.set_xlabel("strength of the penalty")
    ax.set_ylabel("coefficient")
    shown = np.unique(np.linspace(0, len(path.strengths) - 1, 6).astype(int))
    counts = [str(path.n_nonzero[i]) for i in shown]
    tell_above(ax, path.strengths[shown], counts, "coefficients that are not 0")
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
    ax = axes_for(ax)
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
