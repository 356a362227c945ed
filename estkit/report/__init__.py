"""Self-contained HTML pages: a result in, a page out."""

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
    "render",
    "study_page",
    "write",
]
