"""Pages: what they are made of, that all of it is escaped, and that files are written whole."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import estkit as ek
from estkit.report import Code, Grid, Page, Picture, Section, Terms, Words, render, write
from estkit.report.pictures import Gallery, inlined
from estkit.report.sources import source_of
from estkit.table import Column, Table

NASTY = "<script>alert('1')</script> & \"quoted\" {{ 7 * 7 }}"


def body(*parts: object) -> str:
    return render(Page(NASTY, [Section("A section", parts)]))  # type: ignore[arg-type]


def test_every_part_is_escaped() -> None:
    table = Table([Column(NASTY, [NASTY])], NASTY, [NASTY])
    text = body(Words(NASTY), Code(NASTY, NASTY), Terms([(NASTY, NASTY)]), Grid(table))
    assert text.count("<script>") == 1  # our own
    assert "alert('1')" not in text
    assert html.unescape(text).count(NASTY) == 12  # title, heading, words, code 2, terms 2, table 5
    assert "49" not in text


def test_words_with_an_empty_line_are_paragraphs() -> None:
    assert "<p>One.</p>\n<p>Two\nlines.</p>" in body(Words("One.\n\n\n\nTwo\nlines.\n"))


def test_the_page_forbids_itself_requests_and_other_scripts() -> None:
    text = body(Words("Nothing."))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html.unescape(policy)
    assert html.unescape(policy).startswith("default-src 'none';")
    assert not re.search(r"https?:|//[a-z]+\.|@import|src=|url\(", text)


def test_cells_carry_the_numbers_to_sort_by() -> None:
    table = Table(
        [
            Column("name", ["b", "a", "c"]),
            Column("size", [3.0, float("nan"), float("inf")]),
            Column("shown", ["1 (2)", "", "0 (9)"], right=True, order=[1.0, None, np.float64(0)]),
        ]
    )
    cells = re.findall(r"<td([^>]*)>", body(Grid(table)))
    orders = [re.findall(r'data-order="([^"]*)"', cell) for cell in cells]
    assert orders == [[], ["3.0"], ["1.0"], [], [], [], [], ["Infinity"], ["0.0"]]
    heads = re.findall(r'<th scope="col"([^>]*)>', body(Grid(table)))
    assert heads == ["", ' class="number"', ' class="number"']


def test_links_lead_to_the_sections() -> None:
    text = body()
    assert '<a href="#a-section">A section</a>' in text
    assert '<section id="a-section">' in text


# --- pictures ---

SVG = """<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "x" "http://www.w3.org/x.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="9pt" xmlns="http://www.w3.org/2000/svg">
 <metadata><a href="http://purl.org/dc"/></metadata>
 <defs><style type="text/css">*{stroke-linejoin: round}</style><path id="m1" d="M 0"/></defs>
 <!-- id="x" --><use xlink:href="#m1" clip-path="url(#c2)" style="fill: #010203"/>
 <text style="fill: #fdfcfb">id="x" #010203</text>
</svg>"""


def test_a_picture_has_names_of_its_own_and_the_colors_of_the_page() -> None:
    text = inlined(SVG, "p7-", 'Bias of "a"')
    assert text.startswith(
        '<svg role="img" aria-label="Bias of &quot;a&quot;" style="--natural: 9pt" width="9pt">'
    )
    assert 'id="p7-m1"' in text
    assert 'xlink:href="#p7-m1" clip-path="url(#p7-c2)" style="fill: currentColor"' in text
    assert '<text style="fill: var(--paper)">id="x" #010203</text>' in text
    assert not re.search("http|metadata|<style|<!--", text)


def test_drawing_changes_no_setting_of_matplotlib() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    study = ek.Study(lambda rng: rng.normal(size=4), {"$a$ $\\b": np.mean}, truth=0.0)
    result = study.run(30, rng=1)
    (picture,) = Gallery().draw(lambda: result.plot(kind="convergence"), "Bias")
    assert dict(matplotlib.rcParams) == before
    assert "$a$ $\\b" in picture.svg  # a name, and no formula that cannot be read
    assert Gallery().draw(lambda: result.plot("coverage"), "Coverage") == []
    assert Gallery().draw(lambda: result.plot(kind="convergence"), "Bias") == [picture]


def test_without_matplotlib_a_sentence_stands_in_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    study = ek.Study(lambda rng: rng.normal(size=4), {"mean": np.mean}, truth=0.0)
    text = study.run(5, rng=1).to_html()
    assert text is not None
    assert text.count("matplotlib is not installed") == 1
    assert "<svg" not in text


def test_without_jinja2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ek.MissingExtraError, match=r"jinja2.*estkit\[report\]"):
        body()


# --- files ---


def test_a_file_is_replaced_whole_and_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write("first", file)
    mask = os.umask(0)
    os.umask(mask)
    assert file.stat().st_mode & 0o777 == 0o666 & ~mask
    file.chmod(0o640)
    write("sécond", str(file))
    assert file.read_bytes() == "sécond".encode()
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "page.html"
    write("old", file)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write("new", file)
    assert file.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_missing_folder_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ek.DataError, match=r"nowhere' does not exist; make it first"):
        write("text", tmp_path / "nowhere" / "page.html")
    with pytest.raises(ek.DataError, match="is a folder"):
        write("text", tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- sources ---


def test_source_is_shown_where_the_user_wrote_it() -> None:
    def halve(x: float) -> float:
        # a remark
        return x / 2

    assert source_of(halve).startswith("def halve(x: float) -> float:\n    # a remark\n")
    declared = source_of(ek.vectorized(halve))
    assert declared.startswith("# takes whole blocks")
    assert declared.endswith(source_of(halve))


def test_what_a_library_has_goes_by_its_name() -> None:
    assert source_of(np.mean) == "numpy.mean"
    assert source_of(max) == "max"
    assert source_of(ek.proportion) == "estkit.likelihood.proportion.proportion"
    made = eval("lambda x: x")
    assert source_of(made).endswith("<lambda> (its source is not at hand)")

    class Model:
        def __repr__(self) -> str:
            return "Model(depth=3)"

        def __call__(self, x: float) -> float:
            return x

    assert source_of(Model()) == "Model(depth=3)"


def test_pictures_are_put_in_as_they_are() -> None:
    assert "<figure>\n<svg></svg>\n<figcaption>&lt;b&gt;" in body(Picture("<svg></svg>", "<b>"))
