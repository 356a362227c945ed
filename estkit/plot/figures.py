"""Where to draw: the user's Axes, or a figure that nothing global knows of."""

from __future__ import annotations

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
