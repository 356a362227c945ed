"""The page of a fit: its table, a picture, and where it comes from."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np

import estkit as ek

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 2))
FIT = ek.fit(ek.Binomial(), {"<age>": X[:, 0], "dose": X[:, 1]}, RNG.random(60) < 0.5)


def test_the_table_of_a_fit_is_on_its_page(tmp_path: Path) -> None:
    file = tmp_path / "fit.html"
    assert FIT.to_html(file) is None
    text = file.read_text("utf-8")
    cells = [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", text)]
    expected = [column.shown() for column in FIT._table().columns]
    assert cells == [cell for row in zip(*expected, strict=True) for cell in row]
    assert "<h1>Binomial regression, 60 observations</h1>" in text
    assert text.count("<figure>") == 1
    assert "&lt;age&gt;" in text and "<age>" not in text
    assert html.escape(FIT.reason) in text


def test_level_and_covariance_of_a_page_are_those_asked_for() -> None:
    text = FIT.to_html(level=0.8, kind="HC0")
    assert text is not None
    cells = [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", text)]
    expected = [column.shown() for column in FIT._table(0.8, "HC0").columns]
    assert cells == [cell for row in zip(*expected, strict=True) for cell in row]
    assert "80% interval" in text and "HC0" in text


def test_the_picture_has_the_intervals_that_were_asked_for() -> None:
    (bars,) = FIT.plot(level=0.8, kind="HC0").containers
    _, _, (lines,) = bars.lines
    ends = [segment[:, 0] for segment in lines.get_segments()]
    np.testing.assert_allclose(ends, FIT.interval(0.8, kind="HC0")[1:], rtol=1e-12)


def test_a_fit_without_slopes_or_answer_has_a_page_without_a_picture() -> None:
    failed = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 0, 1, 1], errors="return")
    for fit in (ek.fit(ek.Binomial(), None, [0, 1, 1]), failed):
        text = fit.to_html(title="A <fit>")
        assert text is not None
        assert "<h1>A &lt;fit&gt;</h1>" in text
        assert "<figure>" not in text
    assert "separation" in text
