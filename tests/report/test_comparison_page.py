"""The page of a comparison holds its numbers, escapes its names, and needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, Ridge

import estkit as ek

NAME = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def flowers() -> ek.Comparison:
    models = {NAME: "knn", "linear": "linear"}
    return ek.compare(models, *load_iris(return_X_y=True), cv=(4, 2), rng=1)


def test_the_page_holds_scores_tests_pictures_and_how_to_get_them_again(
    flowers: ek.Comparison, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    assert flowers.to_html(file, title="Which & why?") is None
    text = file.read_text("utf-8")
    assert "<h1>Which &amp; why?</h1>" in text
    for title in ("Scores", "Differences", "Calibration", "Cost", "Failures", "Reproduction"):
        assert f">{title}</h2>" in text
    assert text.count("<svg") == 4
    assert flowers.folds.fingerprint in text
    adjusted = flowers.pairwise()["p_adjusted"].min()
    assert adjusted < 0.0005
    assert "&lt;0.001" in text
    assert NAME not in text
    assert not re.findall(r"""(?:src|href)=["']?https?:""", text)


def test_the_page_takes_curves_that_were_computed(flowers: ek.Comparison) -> None:
    X, y = load_iris(return_X_y=True)
    over_k = ek.knn_curve(X, y, k=[1, 5], cv=3, rng=1)
    over_rows = ek.learning_curve({NAME: "knn"}, X, y, sizes=[60, 100], cv=3, rng=1)
    text = flowers.to_html(curves=[over_k, over_rows])
    assert text is not None
    assert text.count("<svg") == 4 + 2
    for title in (over_k._table().title, over_rows._table().title):
        assert title in text
    assert NAME not in text
    alone = flowers.to_html(curves=over_k, plots=False)  # type: ignore[arg-type]
    assert alone is not None
    assert ">Curves</h2>" in alone
    with pytest.raises(ek.DataError, match="curves holds a list"):
        flowers.to_html(curves=[[1, 2]])  # type: ignore[list-item]


def test_a_page_without_pictures_and_with_failures_says_so() -> None:
    X, y = load_diabetes(return_X_y=True)
    result = ek.compare({"line": LinearRegression(), "wrong": Ridge(alpha=-1)}, X, y, cv=3, rng=1)
    text = result.to_html(plots=False)
    assert text is not None
    assert "<svg" not in text
    assert "<h1>line, wrong or baseline?</h1>" in text
    assert "Folds without predictions" in text
    assert "InvalidParameterError" in text


@pytest.mark.parametrize("kind", ["scores", "differences", "calibration", "cost"])
def test_every_kind_is_drawn_with_its_models(flowers: ek.Comparison, kind: str) -> None:
    ax = flowers.plot(kind)
    text = {label.get_text() for label in [*ax.get_xticklabels(), *ax.get_yticklabels()]}
    text |= {words.get_text() for words in ax.texts}
    legend = ax.get_legend()
    text |= {words.get_text() for words in legend.get_texts()} if legend else set()
    assert "baseline" in text


def test_differences_are_drawn_where_the_test_has_them(flowers: ek.Comparison) -> None:
    ax = flowers.plot("differences", against="baseline", rope=0.02)
    test = flowers.test("linear", "baseline")
    drawn = {float(line.get_xdata()[0]) for line in ax.get_lines() if line.get_marker() == "D"}
    assert any(abs(x - test.estimate) < 1e-12 for x in drawn)
    assert ax.get_xlabel() == "accuracy less that of baseline (greater is better)"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "pie"}, "kind must be one of"),
        ({"kind": "scores", "rope": 0.1}, "rope is for kind 'differences'"),
        ({"kind": "differences", "rope": -1.0}, "rope must be"),
        ({"kind": "calibration", "bins": 1}, "bins must be"),
        ({"models": ["tree"]}, "'tree' is not a model here"),
    ],
)
def test_pictures_that_cannot_be_are_refused(
    flowers: ek.Comparison, given: dict[str, object], message: str
) -> None:
    with pytest.raises(ek.DataError, match=message):
        flowers.plot(**given)  # type: ignore[arg-type]


def test_the_baseline_does_not_decide_how_numbers_are_grouped() -> None:
    result = ek.compare("linear", *load_diabetes(return_X_y=True), rng=1)
    ax = result.plot("calibration", models=["linear", "baseline"])
    alone = result.plot("calibration", models=["linear"])
    drawn = [picture.get_lines()[0].get_xdata().tolist() for picture in (ax, alone)]
    assert drawn[0] == drawn[1]


def test_logarithmic_axes_have_plain_numbers_on_a_page(flowers: ek.Comparison) -> None:
    text = flowers.to_html()
    assert text is not None
    assert "mathdefault" not in text  # what matplotlib writes where it may not set formulas
    labels = [label.get_text() for label in flowers.plot("cost").get_xticklabels()]
    assert {"1", "10", "100"} & set(labels)


@pytest.mark.parametrize("kind", ["differences", "calibration", "cost"])
def test_long_names_neither_overlap_nor_leave_the_picture(kind: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    long = "boosting with a really long name, which somebody typed, number"
    models = {f"{long} {i}": Ridge(10.0 ** (i - 3)) for i in range(8)}
    ax = ek.compare(models, X[:90], y[:90], cv=3, rng=1).plot(kind)
    figure: Any = ax.figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    legend = ax.get_legend()
    texts = [ax.title, ax.xaxis.label, *(ax.get_yticklabels() if kind == "differences" else [])]
    texts += legend.get_texts() if legend else []
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    width, height = canvas.get_width_height()
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
