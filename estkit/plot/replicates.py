"""Replicate by replicate: two estimators against each other, a measure as replicates came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError
from estkit.montecarlo.summary import Cell
from estkit.plot.choice import Series, in_words, series_of
from estkit.plot.figures import axes_for
from estkit.plot.picture import Line, Picture, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_VECTOR = 1000  # more points than that are drawn as one image, so that files stay small
_POINTS = 60  # at so many numbers of replicates a running measure is computed
_FEWEST = 10  # the number it begins with


def estimates(picture: Picture, ax: Axes | None) -> Axes:
    """Draw what two estimators answered for the same data sets, with failures at the margin."""
    number = picture.number()
    a, b = _pair(picture, number)
    x, y = a.draws.estimate, b.draws.estimate
    known = ~np.isnan(x), ~np.isnan(y)
    ax = axes_for(ax, 5.5, 5.0)
    both = known[0] & known[1]
    ax.plot(x[both], y[both], "o", markersize=3, alpha=0.4, color="C0", markeredgewidth=0,
            rasterized=int(both.sum()) > _VECTOR, label=f"{both.sum()} replicates")  # fmt: skip
    only_x, only_y = known[0] & ~known[1], known[1] & ~known[0]
    lost: dict[str, Any] = {
        "color": "C1",
        "linestyle": "none",
        "markersize": 5,
        "clip_on": False,
        "alpha": 0.6,
    }
    if only_x.any():
        label = f"{b.estimator} failed: {only_x.sum()}"
        bottom = np.zeros(only_x.sum())
        ax.plot(x[only_x], bottom, marker="v", transform=ax.get_xaxis_transform(), label=label,
                **lost)  # fmt: skip
    if only_y.any():
        label = f"{a.estimator} failed: {only_y.sum()}"
        left = np.zeros(only_y.sum())
        ax.plot(left, y[only_y], marker="<", transform=ax.get_yaxis_transform(), label=label,
                **lost)  # fmt: skip
    neither = ~(known[0] | known[1])
    if neither.any():
        ax.plot([], [], linestyle="none", label=f"both failed: {neither.sum()}")
    for truth, line in ((a.draws.truth, ax.axvline), (b.draws.truth, ax.axhline)):
        if len(truth) and (truth == truth[0]).all():
            line(float(truth[0]), color="0.6", linewidth=1, zorder=0)
    ax.margins(0.06)
    ax.axline((0.0, 0.0), slope=1.0, color="0.6", linewidth=1, linestyle="--", zorder=0)
    ax.set_xlabel(a.estimator)
    ax.set_ylabel(b.estimator)
    words = [in_words(picture.result.conditions[number])]
    words += [a.parameter] if a.parameter not in ("value", "") else []
    ax.set_title("; ".join(word for word in words if word), fontsize="medium")
    ax.legend(fontsize="small", frameon=False)
    return ax


def _pair(picture: Picture, number: int) -> tuple[Cell, Cell]:
    """Return the cells of two estimators that hold the same parameter, or raise."""
    cells = [cell for cell in picture.cells if cell.number == number]
    names = list(dict.fromkeys(cell.estimator for cell in cells))
    if len(names) != 2:
        raise DataError(
            f"This picture shows two estimators; name them, as in estimators=['a', 'b']. "
            f"Here are {len(names)}: {', '.join(map(repr, names))}."
        )
    first, second = ({c.parameter: c for c in cells if c.estimator == name} for name in names)
    common = [parameter for parameter in first if parameter in second]
    if len(common) > 1:
        listed = ", ".join(map(repr, common))
        raise DataError(f"Name one of the parameters {listed}, as in parameter={common[0]!r}.")
    pair = (first[common[0]], second[common[0]]) if common else None
    if pair is None and min(len(first), len(second)) == 1:  # both have one; or one failed always
        if "" in first or "" in second or (len(first), len(second)) == (1, 1):
            pair = next(iter(first.values())), next(iter(second.values()))
    if pair is None:
        raise DataError(f"{names[0]!r} and {names[1]!r} have no parameter in common.")
    if all(np.isnan(cell.draws.estimate).all() for cell in pair):
        raise DataError("Neither estimator has an answer in this condition; nothing to draw.")
    return pair


def convergence(picture: Picture, ax: Axes | None) -> Axes:
    """Draw a measure and its Monte-Carlo interval after more and more replicates."""
    number = picture.number()
    cells = [cell for cell in picture.cells if cell.number == number]
    lines = series_of(cells, whole=picture.is_whole())
    curves = [
        Line(line.label, _running(picture, line, number), style)
        for line, style in zip(lines, styles(), strict=False)
    ]
    curves = [curve for curve in curves if np.isfinite(curve.figures[:, 1]).any()]
    if not curves:
        raise DataError(
            f"No replicate has what the measure {picture.name!r} needs; nothing to draw."
        )
    ax = axes_for(ax)
    for label, figures, style in curves:
        replicates, value, lower, upper = figures.T
        ax.plot(replicates, value, color=style["color"], label=label)
        ax.fill_between(replicates, lower, upper, color=style["color"], alpha=0.2, linewidth=0)
    for reference in picture.references():
        ax.axhline(reference, color="0.6", linewidth=1, zorder=0)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("replicates")
    ax.set_ylabel(picture.title())
    ax.set_title(in_words(picture.result.conditions[number]), fontsize="medium")
    ax.legend(frameon=False, ncols=1 + (len(curves) - 1) // 8)
    return ax


def _running(picture: Picture, line: Series, number: int) -> np.ndarray:
    """Return replicates, value, lower and upper of a measure, a row for each number of them."""
    cell = line.cells[number]
    total = len(cell.draws.failed)
    steps = np.geomspace(min(_FEWEST, total), total, _POINTS).round().astype(int)
    steps = np.unique(np.minimum(-(-steps // cell.group) * cell.group, total))  # whole groups
    return np.array([[step, *picture.figures(_first(cell, step))] for step in steps.tolist()])


def _first(cell: Cell, replicates: int) -> Cell:
    """Return a cell as it was after so many replicates."""
    controls = None if cell.controls is None else cell.controls[:replicates]
    draws = type(cell.draws)(*(field[:replicates] for field in cell.draws))
    return cell._replace(draws=draws, controls=controls)
