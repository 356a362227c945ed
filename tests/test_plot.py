"""Pictures: what is on the Axes, a file without a screen, and nothing kept in pyplot."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import estkit as ek
from estkit.plot import plot_coefficients, plot_study

ROOT = Path(__file__).parents[1]
# Points and bars are placed from the very numbers of the table; only their sums are rounded.
SAME = 1e-12

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 2))


def binomial() -> Any:
    return ek.fit(ek.Binomial(), {"age": X[:, 0], "dose": X[:, 1]}, RNG.random(80) < 0.4)


def softmax() -> Any:
    y = np.array(["low", "mid", "top"])[RNG.integers(0, 3, size=80)]
    return ek.fit(ek.Softmax(), {"age": X[:, 0]}, y)


def study(**conditions: Any) -> Any:
    def generate(rng: np.random.Generator, n: int) -> Any:
        return rng.normal(size=n)

    def interval(x: Any) -> ek.Estimate:
        return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / np.sqrt(len(x)))

    estimators = {"mean": interval, "median": np.median}
    return ek.Study(generate, estimators, truth=0.0, conditions=ek.grid(**conditions)).run(
        40, rng=1
    )


def bars(ax: Any) -> list[tuple[Any, Any]]:
    """Return the points of each series, and the two ends of its bars."""
    found = []
    for container in ax.containers:
        points, _, (lines,) = container.lines
        ends = np.array(lines.get_segments())
        found.append((np.array(points.get_xydata()), ends))
    return found


def texts(labels: Any) -> list[str]:
    return [label.get_text() for label in labels]


# --- coefficients ---


def test_coefficients_and_their_intervals_are_drawn() -> None:
    fit = binomial()
    ax = plot_coefficients(fit, level=0.9)
    ((points, ends),) = bars(ax)
    np.testing.assert_allclose(points[:, 0], fit.params[1:], rtol=SAME)
    np.testing.assert_allclose(ends[:, :, 0], fit.interval(0.9)[1:], rtol=SAME)
    assert texts(ax.get_yticklabels()) == ["age", "dose"]
    assert points[0, 1] > points[1, 1]  # read from above, as the table is
    assert "90%" in ax.get_xlabel()


def test_softmax_coefficients_are_drawn_for_each_outcome() -> None:
    fit = softmax()
    ax = fit.plot()
    assert texts(ax.get_yticklabels()) == ["mid:age", "top:age"]
    ((points, _),) = bars(ax)
    np.testing.assert_allclose(points[:, 0], fit.params[[1, 3]], rtol=SAME)


def test_a_column_whose_name_ends_like_an_intercept_is_drawn() -> None:
    fit = ek.fit(ek.Binomial(), {"random:intercept": X[:, 0]}, RNG.random(80) < 0.4)
    assert texts(fit.plot().get_yticklabels()) == ["random:intercept"]


def test_a_fit_without_slopes_or_answer_cannot_be_drawn() -> None:
    with pytest.raises(ek.EstkitError, match=r"draw|intercept"):
        ek.fit(ek.Binomial(), None, [0, 1, 1]).plot()
    failed = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 0, 1, 1], errors="return")
    with pytest.raises(ek.EstkitError, match="separation"):
        failed.plot()


# --- studies ---


def test_a_measure_and_its_intervals_are_drawn() -> None:
    result = study(n=[10, 20, 40])
    ax = plot_study(result, "bias")
    frame = result.summary("bias")
    assert len(bars(ax)) == 2
    for name, (points, ends) in zip(("mean", "median"), bars(ax), strict=True):
        own = frame[frame["estimator"] == name]
        np.testing.assert_allclose(points[:, 1], own["value"], rtol=SAME)
        limits = own[["lower", "upper"]].to_numpy()
        np.testing.assert_allclose(ends[:, :, 1], limits, rtol=1e-9, atol=SAME)
        np.testing.assert_allclose(points[:, 0], [0, 1, 2], atol=0.3)
    assert texts(ax.get_legend().get_texts()) == ["mean", "median"]
    assert texts(ax.get_xticklabels()) == ["10", "20", "40"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("n", "bias")


@pytest.mark.parametrize(("measure", "height"), [("bias", 0.0), ("coverage", 0.95),
                                                 ("bias_eliminated_coverage", 0.95)])  # fmt: skip
def test_a_line_shows_what_would_be_right(measure: str, height: float) -> None:
    ax = study(n=[10, 20]).plot(measure)
    heights = [line.get_ydata() for line in ax.lines if len(set(line.get_ydata())) == 1]
    assert any(np.allclose(data, height) and len(data) == 2 for data in heights)


def test_a_measure_that_one_estimator_lacks_is_drawn_for_the_other() -> None:
    """Only the mean comes with an interval."""
    ax = study(n=[10, 20]).plot("coverage")
    drawn = [np.isfinite(points[:, 1]).any() for points, _ in bars(ax)]
    assert drawn.count(True) == 1


def test_two_factors_are_on_the_axis() -> None:
    def generate(rng: np.random.Generator, n: int, law: str) -> Any:
        return rng.normal(size=n) if law == "normal" else rng.standard_t(3, size=n)

    grid = ek.grid(n=[10, 20], law=["normal", "t3"])
    result = ek.Study(generate, {"mean": np.mean}, truth=0.0, conditions=grid).run(20, rng=1)
    ax = result.plot("bias")
    assert texts(ax.get_xticklabels()) == ["10\nnormal", "10\nt3", "20\nnormal", "20\nt3"]
    assert ax.get_xlabel() == "n, law"
    assert ax.get_legend() is None  # one estimator needs none


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(ek.DataError, match=r"'accuracy'.*bias"):
        study(n=[10]).plot("accuracy")
    with pytest.raises(ek.DataError, match=r"power|nothing to draw"):
        only = ek.Study(lambda rng: rng.normal(size=5), {"mean": np.mean}, truth=0.0)
        only.run(10, rng=1).plot("power")


# --- where it is drawn ---


@pytest.mark.parametrize("draw", ["fit", "study"])
def test_it_is_drawn_where_one_says(draw: str) -> None:
    target = binomial() if draw == "fit" else study(n=[10, 20])
    left, right = Figure().subplots(1, 2)
    assert target.plot(ax=right) is right
    assert not left.has_data()
    assert right.has_data()


def test_a_path_shows_every_coefficient_but_intercepts_and_how_many_are_not_0() -> None:
    y = X[:, 0] + RNG.normal(size=80)
    path = ek.path(ek.Gaussian(), {"age": X[:, 0], "dose": X[:, 1]}, y, n_strengths=7)
    ax = path.plot()
    lines = {line.get_label(): line for line in ax.get_lines()}
    for j, name in enumerate(("age", "dose"), 1):
        np.testing.assert_array_equal(lines[name].get_xdata(), path.strengths)
        np.testing.assert_array_equal(lines[name].get_ydata(), path.params[:, j])
    assert "intercept" not in lines
    assert ax.get_xlim()[0] > ax.get_xlim()[1]  # the strength falls from left to right
    (above,) = ax.child_axes
    shown = [label.get_text() for label in above.get_xticklabels()]
    assert shown[0] == "0"
    assert shown[-1] == str(path.n_nonzero[-1])
    with pytest.raises(ek.EstkitError, match="nothing to draw"):
        ek.path(ek.Gaussian(), None, y, strengths=[1.0]).plot()


def test_coefficients_without_errors_are_drawn_without_bars() -> None:
    fit = ek.fit(ek.Binomial(penalty=ek.L1(2.0)), {"age": X[:, 0]}, X[:, 0] > 0)
    ((points, ends),) = bars(fit.plot())
    np.testing.assert_allclose(points[:, 0], fit.params[1:], rtol=SAME)
    np.testing.assert_allclose(ends[:, :, 0], fit.params[1:][:, None].repeat(2, axis=1), rtol=SAME)


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_the_figure_can_be_written_without_a_screen(form: str) -> None:
    file = BytesIO()
    binomial().plot().figure.savefig(file, format=form)
    assert len(file.getvalue()) > 1000


STATE = """
import sys
import numpy as np
import estkit as ek
x = np.arange(20.0)
fit = ek.fit(ek.Gaussian(), x, np.sin(x))
assert not any(name.startswith("matplotlib") for name in sys.modules)
fit.plot().figure.savefig(sys.argv[1])
ek.Study(lambda rng: rng.normal(size=5), {"mean": np.mean}, truth=0.0).run(9, rng=1).plot()
assert "matplotlib.pyplot" not in sys.modules
import matplotlib.pyplot as plt
assert plt.get_fignums() == []
"""


def test_no_global_state_is_touched(tmp_path: Path) -> None:
    file = tmp_path / "coefficients.png"
    command = [sys.executable, "-c", STATE, str(file)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert file.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = binomial()
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ek.MissingExtraError, match=r"matplotlib.*estkit\[plot\]"):
        fit.plot()


# --- profiles ---


def test_a_profile_is_drawn_with_its_levels_limits_and_estimate() -> None:
    curve = binomial().profile("age", points=12)
    ax = curve.plot()
    line, point = ax.lines[0], ax.lines[1]
    np.testing.assert_allclose(line.get_xdata(), curve.values, rtol=SAME)
    np.testing.assert_allclose(line.get_ydata(), curve.loglik - curve.maximum, rtol=SAME)
    assert list(point.get_xdata()) == [curve.estimate]
    assert texts(ax.texts) == ["90%", "95%", "99%"]
    drawn = sorted(seg[0][0] for c in ax.collections for seg in c.get_segments())
    np.testing.assert_allclose(drawn, np.sort(curve.limits.ravel()), rtol=SAME)
    assert ax.get_xlabel() == "age"


def test_the_asymptote_of_a_profile_is_drawn() -> None:
    t, y = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.9, 1.05, 1.02, 0.98])
    model = ek.Likelihood(
        lambda params, t, y: -0.5 * ((y - 1 + np.exp(-params.rate * t)) / 0.1) ** 2,
        {"rate": 2.0},
        bounds={"rate": (0, None)},
    )
    curve = ek.fit(model, t, y).profile("rate")
    ax = curve.plot()
    (dashed,) = [line for line in ax.lines if line.get_label() == "asymptote"]
    assert dashed.get_ydata()[0] == curve.asymptotes[1] - curve.maximum
    assert ax.get_legend() is not None
