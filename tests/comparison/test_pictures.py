"""Pictures of curves, decompositions and ranks: drawn where the numbers are, no names overlap."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier

import estkit as ek
from estkit.montecarlo.influence import Influence

SAME = 1e-12  # drawn from the very numbers
LONG = "gradient boosting with a really long name, tuned by an inner search, $100 per_run"
FLOWERS, PATIENTS = load_iris(return_X_y=True), load_diabetes(return_X_y=True)


def legend(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def ranks(models: list[str], sets: int, apart: float, seed: int = 1) -> ek.DatasetComparison:
    values = np.random.default_rng(seed).normal(size=(sets, len(models)))
    frame = pd.DataFrame(values + apart * np.arange(len(models)), columns=models)
    return ek.compare_datasets(frame, higher_is_better=True, draws=50, rng=1)


# --- complexity ---


def test_a_curve_is_drawn_with_its_band_and_both_choices() -> None:
    curve = ek.knn_curve(*FLOWERS, k=range(1, 31), cv="loo")
    ax = curve.plot()
    line = ax.get_lines()[0]
    np.testing.assert_allclose(line.get_ydata(), curve.means, rtol=SAME)
    band = ax.collections[0].get_paths()[0].vertices
    wanted = np.concatenate([curve.means - curve.errors, curve.means + curve.errors])
    assert set(np.round(wanted, 9)) <= set(np.round(band[:, 1], 9))
    assert legend(ax)[1:] == ["best: k = 18", "simplest within one error: k = 28"]
    marks = [line.get_xdata()[0] for line in ax.get_lines() if line.get_marker() in ("D", "s")]
    assert marks == [curve.best(), curve.one_standard_error()]
    assert ax.get_xscale() == "linear"
    assert ax.get_ylabel() == "accuracy (greater is better)"


def test_penalties_stand_on_a_logarithmic_scale_and_one_fold_has_no_rule() -> None:
    ax = ek.ridge_curve(*PATIENTS, alphas=np.logspace(-3, 3, 13), rng=1).plot()
    assert ax.get_xscale() == "log"
    rows = np.arange(len(PATIENTS[1]))
    one = ek.ridge_curve(*PATIENTS, alphas=[0.1, 1.0, 10.0], cv=[(rows[:300], rows[300:])])
    assert [text.split(":")[0] for text in legend(one.plot())] == ["best"]


# --- training rows ---


def test_a_learning_curve_has_test_and_training_rows_with_intervals() -> None:
    curve = ek.learning_curve({"ols": LinearRegression()}, *PATIENTS, cv=4, rng=1)
    ax = curve.plot(models=["ols"], level=0.9)
    assert legend(ax) == ["ols", "ols, training rows"]
    for rows, drawn in zip(("test", "train"), ax.containers, strict=True):
        frame = curve.to_frame(rows, level=0.9).query("model == 'ols' and fold == 0")
        points, _, (bars,) = drawn.lines
        np.testing.assert_allclose(points.get_ydata(), frame["mean"], rtol=SAME)
        ends = np.array(bars.get_segments())[:, :, 1]
        np.testing.assert_allclose(ends, frame[["lower", "upper"]], rtol=SAME)
    with pytest.raises(ek.DataError, match="'knn' is not a model here"):
        curve.plot(models=["knn"])


# --- bias and variance ---


def test_the_parts_are_stacked_up_to_the_loss() -> None:
    found = ek.bias_variance(LinearRegression(), *PATIENTS, rounds=20, rng=1)
    ax = found.plot(beside={LONG: found})
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches[:3]]
    wanted = np.cumsum([found.value(part) for part in ("noise", "bias", "variance")])
    np.testing.assert_allclose(ends, wanted, rtol=SAME)
    assert wanted[-1] == pytest.approx(found.value("loss"), rel=SAME)
    assert legend(ax) == ["noise", "bias²", "variance", "loss"]


def test_a_negative_variance_goes_back_from_the_bias() -> None:
    found = ek.bias_variance(KNeighborsClassifier(5), *FLOWERS, loss="zero_one", rounds=5, rng=1)
    parts = {"noise": 0.0, "bias": 0.4, "variance": -0.1, "loss": 0.3}
    made = replace(found, parts={name: Influence(value, np.zeros(5))
                                 for name, value in parts.items()})  # fmt: skip
    bar = made.plot().patches[2]
    assert bar.get_x() == pytest.approx(0.3, rel=SAME)
    assert bar.get_x() + bar.get_width() == pytest.approx(0.4, rel=SAME)


def test_different_losses_are_not_put_beside_each_other() -> None:
    squared = ek.bias_variance(LinearRegression(), *PATIENTS, rounds=5, rng=1)
    other = ek.bias_variance(KNeighborsClassifier(5), *FLOWERS, loss="zero_one", rounds=5, rng=1)
    with pytest.raises(ek.DataError, match="different losses"):
        squared.plot(beside={"knn": other})


# --- ranks over data sets ---


def test_ranks_bars_and_critical_difference_are_drawn_to_scale() -> None:
    found = ranks(list("abcdef"), 15, 0.4)
    ax = found.plot("critical_difference")
    corners = {float(line.get_xdata()[0]) for line in ax.get_lines() if len(line.get_xdata()) == 3}
    assert corners == set(found.ranks.values())
    bars = [line.get_xdata() for line in ax.get_lines() if line.get_linewidth() == 4]
    assert len(bars) == len(found.cliques()) > 1
    for (start, end), clique in zip(bars, found.cliques(), strict=True):
        inside = [name for name, rank in found.ranks.items() if start <= rank <= end]
        assert tuple(inside) == clique
    scale = next(line.get_xdata() for line in ax.get_lines() if line.get_ydata()[0] == 2.5)
    assert scale[1] - scale[0] == pytest.approx(found.critical_difference, rel=SAME)
    with pytest.raises(ek.DataError, match="kind must be one of 'critical_difference'"):
        found.plot("pie")


@pytest.mark.parametrize(
    ("models", "sets", "apart"),
    [
        (["a", "b"], 4, 0.0),
        ([LONG, "_private", "knn", "x" * 70, "b"], 9, 0.5),
        ([f"model {j}" for j in range(30)], 40, 0.1),
        ([LONG.replace("100", str(j)) for j in range(10)], 2, 0.0),
    ],
)
def test_no_names_overlap_or_leave_the_picture(models: list[str], sets: int, apart: float) -> None:
    figure: Any = ranks(models, sets, apart).plot().figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (ax,) = figure.axes
    boxes = [text.get_window_extent() for text in [*ax.texts, ax.title]]
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)
    width, height = canvas.get_width_height()
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
