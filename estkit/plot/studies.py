"""Pictures of Monte-Carlo studies, one kind a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from estkit.errors import DataError
from estkit.montecarlo.measures import chosen_measures
from estkit.montecarlo.reading import Reading
from estkit.plot.choice import chosen
from estkit.plot.lollipop import lollipop
from estkit.plot.nested_loop import nested_loop
from estkit.plot.picture import Picture
from estkit.plot.replicates import convergence, estimates
from estkit.plot.zipper import zipper

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estkit.montecarlo.result import StudyResult

KINDS: dict[str, Callable[[Picture, Axes | None], Axes]] = {
    "lollipop": lollipop,
    "nested_loop": nested_loop,
    "zip": zipper,
    "estimates": estimates,
    "convergence": convergence,
}


def plot_study(
    result: StudyResult,
    measure: Any = "bias",
    *,
    kind: str = "lollipop",
    estimators: str | Sequence[str] | None = None,
    parameter: str | None = None,
    condition: Any = None,
    factors: Sequence[str] | None = None,
    level: float = 0.95,
    missing: str = "pairwise",
    alpha: float = 0.05,
    null: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a study.

    Parameters
    ----------
    result : StudyResult
        The study.
    measure : str, Measure or function
        Which measure, as in ``StudyResult.summary``; ``"zip"`` and ``"estimates"`` show none.
    kind : {"lollipop", "nested_loop", "zip", "estimates", "convergence"}
        ``"lollipop"``: the measure with its Monte-Carlo interval in every condition.
        ``"nested_loop"``: the measure as steps over the conditions in lexicographic order, the
        factors drawn below (Rücker and Schwarzer 2014); for many conditions.
        ``"zip"``: every interval of one condition, sorted by the size of its z-score, told apart by
        whether it covers the truth (Morris, White and Crowther 2019).
        ``"estimates"``: what two estimators answered for the same data sets of one condition, with
        failures at the margin.
        ``"convergence"``: the measure and its interval as the replicates of one condition came in.
    estimators : str or sequence of str, optional
        Which ones, in this order; by default all.
    parameter : str, optional
        Which parameter; by default all.
    condition : int or mapping, optional
        Which condition, its number or itself, for the kinds that show one; not needed when there
        is only one.
    factors : sequence of str, optional
        For ``"nested_loop"``: in which order the factors are nested, the one that changes least
        often first; by default as in the conditions.
    level : float
        The confidence level of the Monte-Carlo intervals.
    missing, alpha, null
        What becomes of replicates without an answer, and what is a rejection; as in
        ``StudyResult.summary``. ``"estimates"`` shows failures as they are.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, reached by ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Raises
    ------
    DataError
        If there is nothing to draw, or the condition must be named.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> study = ek.Study(
    ...     lambda rng, n: rng.normal(size=n),
    ...     {"mean": np.mean, "median": np.median},
    ...     truth=0.0,
    ...     conditions=ek.grid(n=[5, 9]),
    ... )
    >>> result = study.run(50, rng=1)
    >>> result.plot("bias").get_ylabel()
    'bias'
    >>> result.plot(kind="estimates", condition={"n": 9}).get_xlabel()
    'mean'
    """
    if kind not in KINDS:
        raise DataError(f"kind must be one of {', '.join(map(repr, KINDS))}; got {kind!r:.60}.")
    if measure is None or isinstance(measure, list | tuple | set | frozenset | dict):
        raise DataError(f"measure must be the name of one measure, got {measure!r:.60}.")
    ((name, own),) = chosen_measures(measure).items()
    reading = Reading(level, missing, alpha=alpha, null=null)
    if condition is not None and kind in ("lollipop", "nested_loop"):
        raise DataError(f"kind {kind!r} shows every condition; leave condition out.")
    if factors is not None and kind != "nested_loop":
        raise DataError(f"factors are for kind 'nested_loop'; leave them out for {kind!r}.")
    if missing != "pairwise" and kind == "estimates":
        raise DataError("kind 'estimates' shows failures at the margin; leave missing out.")
    cells = chosen(result, estimators, parameter, reading)
    return KINDS[kind](Picture(result, name, own, cells, condition, factors, level), ax)
