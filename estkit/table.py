"""The one output seam: columns in; frame, aligned text, Markdown, LaTeX and HTML out.

A result builds one `Table`; how numbers are cut and text is escaped is decided here and nowhere
else.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.estimate import with_error

if TYPE_CHECKING:
    import pandas as pd

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip
_MARKDOWN = str.maketrans({"\n": " ", **{c: f"&#{ord(c)};" for c in "|\\$*`"}})
_TAG = re.compile(r"<(?=[A-Za-z/!?])")  # what begins a tag; "<0.001" does not


@dataclass(frozen=True, eq=False)
class Column:
    """One column: its name, its values, and how its numbers are shown.

    Parameters
    ----------
    name : str
        The heading.
    values : sequence
        Numbers or text.
    error : sequence of float, optional
        The standard error that says how many digits of each number mean anything.
    style : {"number", "error", "with_error", "p_value", "count"}
        ``"error"`` shows `values` as the error itself, ``"with_error"`` puts `error` in brackets
        behind each number, ``"p_value"`` shows three decimals.
    right : bool
        Whether to align text right, as numbers are.
    order : sequence, optional
        The numbers behind text, by which a page sorts it.
    """

    name: str
    values: Sequence[Any] | NDArray[Any]
    error: Sequence[float] | NDArray[Any] | None = None
    style: str = "number"
    right: bool = False
    order: Sequence[Any] | None = None

    @property
    def is_left(self) -> bool:
        """Whether the column is aligned left, as text is."""
        return not self.right and any(isinstance(value, str) for value in self.values)

    def shown(self) -> list[str]:
        """Return each value as text."""
        errors = self.error if self.error is not None else [None] * len(self.values)
        return [self._show(v, e) for v, e in zip(self.values, errors, strict=True)]

    def _show(self, value: Any, error: float | None) -> str:
        if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
            return ""
        if not isinstance(value, int | float | np.number) or isinstance(value, bool):
            return as_text(value)
        if self.style == "count":
            return f"{int(value)}"
        if self.style == "p_value":
            return "<0.001" if value < 0.0005 else f"{value:.3f}"
        if self.style == "error":
            return with_error(float(value), float(value))[1]
        shown, spread = with_error(float(value), error)
        bracketed = self.style == "with_error" and error is not None and math.isfinite(error)
        return f"{shown} ({spread})" if bracketed else shown


def as_text(value: Any) -> str:
    """Return what is no number as text: a function by its name."""
    name = getattr(value, "__name__", None)
    return name if callable(value) and isinstance(name, str) else str(value)


@dataclass(frozen=True, eq=False)
class Table:
    """Columns with a title above and notes below.

    Examples
    --------
    >>> from estkit.table import Column, Table
    >>> table = Table([Column("term", ["a", "b"]), Column("estimate", [1.23456, -2.0], [0.1, 0.5])])
    >>> print(table.to_text())
    term  estimate
    a         1.23
    b        -2.00
    """

    columns: Sequence[Column]
    title: str = ""
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with the full digits."""
        import pandas as pd

        return pd.DataFrame({column.name: list(column.values) for column in self.columns})

    def to_text(self) -> str:
        """Return aligned text."""
        cells = [list(map(_one_line, [c.name, *c.shown()])) for c in self.columns]
        widths = [max(len(cell) for cell in column) for column in cells]
        pad = [str.ljust if column.is_left else str.rjust for column in self.columns]
        lines = [
            "  ".join(p(cell, w) for p, cell, w in zip(pad, row, widths, strict=True)).rstrip()
            for row in zip(*cells, strict=True)
        ]
        head = [self.title, ""] if self.title else []
        tail = ["", *self.notes] if self.notes else []
        return "\n".join([*head, *lines, *tail])

    def to_markdown(self) -> str:
        """Return a Markdown pipe table."""
        rule = ["---" if column.is_left else "---:" for column in self.columns]
        rows = [[column.name for column in self.columns], rule, *self._rows()]
        escaped = [[_TAG.sub("&lt;", cell).translate(_MARKDOWN) for cell in row] for row in rows]
        lines = ["| " + " | ".join(row) + " |" for row in escaped]
        head = [f"**{self.title}**", ""] if self.title else []
        tail = ["", *(note + "  " for note in self.notes)] if self.notes else []
        return "\n".join([*head, *lines, *tail])

    def to_latex(self) -> str:
        """Return a LaTeX tabular with booktabs rules."""
        layout = "".join("l" if column.is_left else "r" for column in self.columns)
        rows = [" & ".join(_latex(cell) for cell in row) + r" \\" for row in self._rows()]
        names = " & ".join(_latex(column.name) for column in self.columns) + r" \\"
        comments = [f"% {line}" for line in (self.title, *self.notes) if line]
        body = [r"\toprule", names, r"\midrule", *rows, r"\bottomrule"]
        return "\n".join([*comments, rf"\begin{{tabular}}{{{layout}}}", *body, r"\end{tabular}"])

    def to_html(self) -> str:
        """Return an HTML table; every name and value is escaped."""
        align = ["left" if column.is_left else "right" for column in self.columns]
        head = _html_row("th", [column.name for column in self.columns], align)
        body = "\n".join(_html_row("td", row, align) for row in self._rows())
        caption = f"<caption>{html.escape(self.title)}</caption>\n" if self.title else ""
        notes = "".join(f"<p>{html.escape(note)}</p>\n" for note in self.notes)
        table = f"<thead>\n{head}\n</thead>\n<tbody>\n{body}\n</tbody>"
        return f'<table class="estkit">\n{caption}{table}\n</table>\n{notes}'

    def _rows(self) -> list[list[str]]:
        return [list(row) for row in zip(*(c.shown() for c in self.columns), strict=True)]


class Tabular:
    """What every result inherits: one `_table` becomes text, HTML, Markdown and LaTeX."""

    def _table(self) -> Table:
        raise NotImplementedError

    def __str__(self) -> str:
        return self._table().to_text()

    def _repr_html_(self) -> str:
        return self._table().to_html()

    def to_markdown(self) -> str:
        """Return the table of the result as Markdown."""
        return self._table().to_markdown()

    def to_latex(self) -> str:
        """Return the table of the result as a LaTeX tabular (needs the package booktabs)."""
        return self._table().to_latex()


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _html_row(tag: str, cells: Sequence[str], align: Sequence[str]) -> str:
    inner = "".join(
        f'<{tag} style="text-align: {a}">{html.escape(cell)}</{tag}>'
        for cell, a in zip(cells, align, strict=True)
    )
    return f"<tr>{inner}</tr>"
