"""The page of a maximum-likelihood fit: its estimates, their picture, what it was made with."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

from estkit.report.page import Grid, Page, Section, Terms
from estkit.report.pictures import Gallery
from estkit.report.reproduction import versions
from estkit.table import Table

if TYPE_CHECKING:
    from estkit.likelihood.result import LikelihoodFit


def fit_page(
    fit: LikelihoodFit,
    *,
    title: str | None = None,
    plots: bool = True,
    level: float = 0.95,
    kind: str | None = None,
) -> Page:
    """Return the page of a fit.

    Parameters
    ----------
    fit : LikelihoodFit
        The fit, converged or not.
    title : str, optional
        The heading; by default that of its table.
    plots : bool
        Whether to draw.
    level : float
        The confidence level of the intervals.
    kind : str, optional
        The covariance that the errors come from.
    """
    table = fit._table(level, kind)
    gallery = Gallery()
    drawn = partial(fit.plot, level=level, kind=kind)
    caption = f"Coefficients with their {100 * level:g}% intervals."
    pictures = gallery.draw(drawn, caption) if plots else []
    bare: Table = dataclasses.replace(table, title="")
    about = [
        ("Family", repr(fit.family)),
        ("Standard errors from", kind or fit.covariance_kind),
        ("Level of the intervals", f"{level:g}"),
        ("Optimiser", fit.reason),
        versions(),
    ]
    sections = [
        Section("Estimates", [Grid(bare), *(gallery.missing() if plots else []), *pictures]),
        Section("About the fit", [Terms(about)]),
    ]
    return Page(title or table.title, sections)
