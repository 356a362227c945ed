"""Self-contained HTML pages: a result in, a page out."""

from estkit.report.comparison import comparison_page
from estkit.report.datasets import datasets_page
from estkit.report.fit import fit_page
from estkit.report.page import Code, Grid, Page, Picture, Section, Terms, Words, render, write
from estkit.report.study import study_page

__all__ = [
    "Code",
    "Grid",
    "Page",
    "Picture",
    "Section",
    "Terms",
    "Words",
    "comparison_page",
    "datasets_page",
    "fit_page",
    "render",
    "study_page",
    "write",
]
