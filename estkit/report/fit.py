"""The page of a maximum-likelihood fit: its estimates, their picture, what it was made with."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from estkit.report.page import Grid, Page, Section, Terms
from estkit.report.pictures import Gallery
from estkit.report.reproduction import versions
from estkit.table import Table

if TYPE_CHECKING:
    from estkit.likelihood.result import LikelihoodFit


def fit_page(fit: LikelihoodFit, *, title: str | None = None, plots: bool = True) -> Page:
    """Return the page of a fit.

    Parameters
    ----------
    fit : LikelihoodFit
        The fit, converged or not.
    title : str, optional
        The heading; by default that of its table.
    plots : bool
        Whether to draw.
    """
    table = fit._table()
    gallery = Gallery()
    pictures = gallery.draw(fit.plot, "Coefficients with their 95% intervals.") if plots else []
    bare: Table = dataclasses.replace(table, title="")
    about = [
        ("Family", repr(fit.family)),
        ("Standard errors from", fit.covariance_kind),
        ("Optimiser", fit.reason),
        versions(),
    ]
    sections = [
        Section("Estimates", [Grid(bare), *(gallery.missing() if plots else []), *pictures]),
        Section("About the fit", [Terms(about)]),
    ]
    return Page(title or table.title, sections)
