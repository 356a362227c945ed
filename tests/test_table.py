"""The output seam: the same table as frame, text, Markdown, LaTeX and HTML."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estkit.table import Column, Table, Tabular

NASTY = ["a|b", "50%", "x_1", "$\\alpha$", "<script>", "A & B", "{c}", "~^#", '"quoted"', "ünï"]


def table(**options: Any) -> Table:
    return Table(
        [
            Column("term", ["age", "dose"]),
            Column("estimate", [1.23456, -200.0], [0.1, 50.0]),
            Column("std_error", [0.1, 50.0], style="error"),
            Column("p_value", [0.0412, 1e-9], style="p_value"),
            Column("n", [12, 1_000_000], style="count"),
        ],
        **options,
    )


class Cells(HTMLParser):
    """Collects the text of the cells of an HTML table, and every tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and self.tags[-1] in ("td", "th"):
            self.rows[-1][-1] += data.strip("\n")


# --- golden renderings ---

TEXT = """\
Fit of 12 rows

term  estimate  std_error  p_value        n
age       1.23       0.10    0.041       12
dose      -200         50   <0.001  1000000

log-likelihood -3.2"""

MARKDOWN = """\
**Fit of 12 rows**

| term | estimate | std_error | p_value | n |
| --- | ---: | ---: | ---: | ---: |
| age | 1.23 | 0.10 | 0.041 | 12 |
| dose | -200 | 50 | <0.001 | 1000000 |

log-likelihood -3.2  """

LATEX = r"""% Fit of 12 rows
% log-likelihood -3.2
\begin{tabular}{lrrrr}
\toprule
term & estimate & std\_error & p\_value & n \\
\midrule
age & 1.23 & 0.10 & 0.041 & 12 \\
dose & -200 & 50 & \textless{}0.001 & 1000000 \\
\bottomrule
\end{tabular}"""


def full() -> Table:
    return table(title="Fit of 12 rows", notes=["log-likelihood -3.2"])


@pytest.mark.parametrize(("form", "golden"), [("text", TEXT), ("markdown", MARKDOWN),
                                              ("latex", LATEX)])  # fmt: skip
def test_the_rendering_is_fixed(form: str, golden: str) -> None:
    assert getattr(full(), f"to_{form}")() == golden


def test_html_has_the_same_cells() -> None:
    rows = [re.split(r"\s{2,}", line) for line in TEXT.splitlines()[2:5]]
    parsed = Cells(full().to_html())
    assert parsed.rows == rows
    assert "caption" in parsed.tags
    assert "Fit of 12 rows" in full().to_html()
    assert "log-likelihood -3.2" in full().to_html()


def test_the_frame_has_the_full_digits() -> None:
    frame = full().to_frame()
    assert list(frame) == ["term", "estimate", "std_error", "p_value", "n"]
    assert frame["estimate"].tolist() == [1.23456, -200.0]
    assert frame["p_value"].tolist() == [0.0412, 1e-9]


def test_title_and_notes_may_be_left_out() -> None:
    bare = table()
    assert bare.to_text().splitlines() == TEXT.splitlines()[2:5]
    assert not bare.to_markdown().startswith("*")
    assert bare.to_latex().startswith(r"\begin{tabular}")
    assert "caption" not in bare.to_html()


# --- cells ---


@pytest.mark.parametrize(("column", "shown"), [
    (Column("p", [0.0004, 0.0005, 0.04951, 1.0, 0.0], style="p_value"),
     ["<0.001", "0.001", "0.050", "1.000", "<0.001"]),
    (Column("n", [3.0, np.int64(4), 5], style="count"), ["3", "4", "5"]),
    (Column("se", [0.12345, 67.8, 0.0], style="error"), ["0.12", "68", "0"]),
    (Column("x", [1.23456, 2.0], [0.1, np.nan]), ["1.23", "2"]),
    (Column("x", [np.nan, None, np.float64("nan")]), ["", "", ""]),
    (Column("x", [True, "word", 1.5]), ["True", "word", "1.5"]),
    (Column("x", [np.float32(0.1), np.int8(3)]), ["0.1", "3"]),
    (Column("x", [np.inf, -np.inf]), ["inf", "-inf"]),
])  # fmt: skip
def test_cells_are_shown_in_their_style(column: Column, shown: list[str]) -> None:
    assert column.shown() == shown


def test_text_stands_left_and_numbers_right() -> None:
    shown = Table([Column("name", ["a", "long name"]), Column("value", [1.0, 1000.0])]).to_text()
    assert shown.splitlines()[1:] == ["a              1", "long name   1000"]
    bracketed = Column("bias", ["0.10 (0.02)", "12.1 (1.5)"], right=True)
    assert not bracketed.is_left
    assert Table([bracketed]).to_text().splitlines()[2] == " 12.1 (1.5)"


def test_columns_must_be_of_one_length() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        Table([Column("a", [1.0]), Column("b", [1.0, 2.0])]).to_text()


def test_a_table_without_rows_has_its_heading() -> None:
    empty = Table([Column("term", []), Column("estimate", [])])
    assert empty.to_text() == "term  estimate"
    assert len(Cells(empty.to_html()).rows) == 1
    assert empty.to_frame().shape == (0, 2)


# --- what is typed by users is escaped ---


def nasty() -> Table:
    return Table([Column("na_me", NASTY), Column("x", [1.0] * len(NASTY))], "50% & <b>", ["a_b"])


def test_html_escapes_everything() -> None:
    parsed = Cells(nasty().to_html())
    assert [row[0] for row in parsed.rows[1:]] == NASTY
    assert not {"script", "b"} & set(parsed.tags)
    assert html.escape("50% & <b>") in nasty().to_html()


def test_markdown_keeps_every_cell_in_its_column() -> None:
    lines = [line for line in nasty().to_markdown().splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(NASTY)
    for line in lines:
        assert len(re.findall(r"(?<!\\)\|", line)) == 3
    broken = Table([Column("a", ["two\nlines"])]).to_markdown()
    assert "| two lines |" in broken


def test_latex_escapes_what_has_a_meaning() -> None:
    body = nasty().to_latex().split(r"\midrule")[1].split(r"\bottomrule")[0]
    for line, text in zip(body.strip().splitlines(), NASTY, strict=True):
        cell = line.split(" & 1")[0]
        for character in set(text) & set("%$#_{}&"):
            assert not re.search(rf"(?<!\\){re.escape(character)}", cell.replace(r"{}", ""))
    assert r"\textbackslash{}alpha" in body
    assert r"na\_me" in nasty().to_latex()


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4))
def test_any_text_survives_html(words: list[str]) -> None:
    printable = ["".join(c for c in word if c.isprintable()) or "-" for word in words]
    parsed = Cells(Table([Column("x", printable)]).to_html())
    assert [row[0] for row in parsed.rows[1:]] == printable


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=6))
def test_any_number_has_one_line_in_every_form(values: list[float]) -> None:
    numbers = Table([Column("x", values, np.abs(values) / 7)])
    assert len(numbers.to_text().splitlines()) <= 1 + len(values)
    assert len(Cells(numbers.to_html()).rows) == 1 + len(values)
    assert len(numbers.to_markdown().splitlines()) == 2 + len(values)
    assert len(numbers.to_latex().splitlines()) == 6 + len(values)


def test_what_is_tabular_has_every_form() -> None:
    class Result(Tabular):
        def _table(self) -> Table:
            return full()

    result = Result()
    assert str(result) == TEXT
    assert result.to_markdown() == MARKDOWN
    assert result.to_latex() == LATEX
    assert result._repr_html_() == full().to_html()
    assert isinstance(full().to_frame(), pd.DataFrame)


def test_names_are_no_markup_in_markdown_and_latex() -> None:
    table = Table([Column("a", ["<b>x</b>", "$y$ *z* `w`", "p|q"])])
    assert "| &lt;b>x&lt;/b> |" in table.to_markdown()
    assert "| &#36;y&#36; &#42;z&#42; &#96;w&#96; |" in table.to_markdown()
    assert r"\textless{}b\textgreater{}x" in table.to_latex()
    assert r"p\textbar{}q" in table.to_latex()


def test_errors_in_brackets_cut_the_digits_and_are_left_out_where_they_are_unknown() -> None:
    column = Column("gain", [1.23456, -200.0, 3.0, None], [0.1, 50.0, np.nan, 1.0], "with_error")
    assert column.shown() == ["1.23 (0.10)", "-200 (50)", "3", ""]
