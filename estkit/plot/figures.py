"""Where to draw: the user's Axes, or a figure that nothing global knows of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from estkit.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """Return a figure outside pyplot: nothing global is kept, and it needs no display."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "Plots need matplotlib, which is not installed; install estkit[plot]."
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def axes_for(ax: Axes | None, width: float = 7, height: float = 4.5) -> Axes:
    """Return the Axes that were given, or those of a new figure."""
    return new_figure(width, height).subplots() if ax is None else ax


def legend_height(labels: Iterable[str]) -> float:
    """Return how many inches a legend of these labels needs beside a picture."""
    lines = [label.count("\n") + 1 for label in labels]
    return 0.6 + 0.19 * sum(lines) + 0.1 * len(lines)


def tell_above(ax: Axes, places: Sequence[float], labels: Sequence[str], title: str) -> None:
    """Put labels above a picture, at places of its x axis and nowhere else."""
    above = ax.secondary_xaxis("top")
    above.set_xticks(places, labels, minor=False)
    above.minorticks_off()
    above.set_xlabel(title)


def use_log_scale(ax: Axes) -> None:
    """Make the x axis logarithmic, with plain numbers: pages have no mathematics for powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    low, high = ax.get_xlim()
    few = low > 0 and high / low < 300
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=12))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
