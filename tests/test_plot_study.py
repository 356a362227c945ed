"""Pictures of studies: where points, steps and intervals stand, against the outcomes themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

import estkit as ek

# What is drawn are the numbers of the table; only sums and products of a few are rounded.
SAME = 1e-12


def draw(rng: np.random.Generator, n: int, law: str = "normal") -> Any:
    return rng.normal(size=n) if law == "normal" else rng.standard_t(3, size=n)


def mean(x: Any) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / np.sqrt(len(x)))


def shifted(x: Any) -> ek.Estimate:
    if x[0] > 1:
        raise ValueError("first value above 1")
    return ek.Estimate(x.mean() + 0.5, std_error=x.std(ddof=1) / np.sqrt(len(x)))


ESTIMATORS: Any = {"mean": mean, "shifted": shifted}


def study(conditions: Any, replicates: Any = 60, estimators: Any = ESTIMATORS) -> ek.StudyResult:
    made = ek.Study(draw, estimators, truth=0.0, conditions=conditions)
    return made.run(replicates, rng=5)


def texts(labels: Any) -> list[str]:
    return [label.get_text() for label in labels]


def legend(ax: Any) -> list[str]:
    return texts(ax.get_legend().get_texts())


def outcomes(result: ek.StudyResult, estimator: str, **condition: Any) -> Any:
    frame = result.outcomes()
    for name, value in {"estimator": estimator, **condition}.items():
        frame = frame[frame[name] == value]
    return frame


GRID = ek.grid(n=[5, 9, 20], law=["normal", "t3"])
TWO = study(GRID)
ONE = study(ek.grid(n=[8]), 300)


# --- lollipop ---


def test_stems_reach_from_no_bias_to_each_point() -> None:
    ax = TWO.plot("bias", estimators="shifted")
    (stems,) = [c for c in ax.collections if len(c.get_segments()) == 6 and c.get_alpha()]
    ends = np.array(stems.get_segments())
    np.testing.assert_allclose(ends[:, 0, 1], 0.0)
    values = TWO.summary("bias").query("estimator == 'shifted'")["value"]
    np.testing.assert_allclose(ends[:, 1, 1], values, rtol=SAME)
    np.testing.assert_allclose(ends[:, :, 0], np.repeat(np.arange(6.0)[:, None], 2, axis=1))


def test_lines_without_a_value_are_left_out_and_the_others_keep_their_colors() -> None:
    only_last = {"median": lambda x: np.median(x), "mean": mean}
    result = study(ek.grid(n=[5, 9]), estimators=only_last)
    for kind in ("lollipop", "nested_loop"):
        assert result.plot("coverage", kind=kind).get_legend() is None  # one line needs none
    (bars,) = result.plot("coverage").containers
    assert bars.lines[0].get_color() == "C1"
    line = result.plot("coverage", kind="convergence", condition=0).get_lines()[0]
    assert (line.get_label(), line.get_color()) == ("mean", "C1")


def test_an_estimator_without_answers_in_a_condition_leaves_its_place_empty() -> None:
    def picky(x: Any) -> Any:
        if len(x) == 9:
            raise ValueError("nine")
        return {"center": x.mean()}

    result = study(ek.grid(n=[5, 9, 20]), estimators={"picky": picky})
    (container,) = result.plot("bias").containers
    x, y = container.lines[0].get_xdata(), container.lines[0].get_ydata()
    np.testing.assert_allclose(x, [0, 1, 2])
    assert np.isnan(y).tolist() == [False, True, False]
    assert texts(result.plot("bias").get_xticklabels()) == ["5", "9", "20"]
    rates = result.plot("failure_rate").containers[0].lines[0].get_ydata()
    np.testing.assert_array_equal(rates, [0.0, 1.0, 0.0])


@pytest.mark.parametrize("kind", ["lollipop", "nested_loop"])
def test_many_conditions_and_estimators_stay_apart(kind: str) -> None:
    conditions = ek.grid(n=list(range(2, 42)), law=["normal", "t3"])
    many = {f"e{i}": np.mean for i in range(12)}
    ax = study(conditions, 3, many).plot("bias", kind=kind)
    assert len(ax.get_xticks()) <= 60
    if kind == "lollipop":
        drawn = [c.lines[0] for c in ax.containers]
        places = np.array([line.get_xdata() for line in drawn])
        assert np.ptp(places[:, 0]) < 1  # no point of one condition stands in the next one
        looks = [(line.get_color(), line.get_marker()) for line in drawn]
        assert len(set(looks)) == 12
        assert ax.get_xticklabels()[0].get_text() == "2, normal"
        assert all(label.get_rotation() == 90 for label in ax.get_xticklabels())


def test_a_measure_of_the_user_is_drawn_under_its_title() -> None:
    near = ek.Measure(lambda d: np.mean(np.abs(d.estimate) < 0.5), "share near 0", smooth=True)
    for kind in ("lollipop", "nested_loop", "convergence"):
        assert ONE.plot(near, kind=kind).get_ylabel() == "share near 0"
    points = ONE.plot(near).containers[0].lines[0].get_ydata()
    estimates = outcomes(ONE, "mean")["estimate"]
    np.testing.assert_allclose(points, [(estimates.abs() < 0.5).mean()], rtol=SAME)
    with pytest.raises(ek.DataError, match="one measure"):
        ONE.plot([near, "bias"])


# --- nested loop ---


def steps(ax: Any) -> dict[str, Any]:
    return {patch.get_label(): patch.get_data() for patch in ax.patches
            if isinstance(patch, StepPatch)}  # fmt: skip


def test_steps_follow_the_conditions_in_lexicographic_order() -> None:
    shuffled = study([GRID[i] for i in (4, 1, 5, 0, 3, 2)])
    found = steps(shuffled.plot("coverage", kind="nested_loop"))
    frame = shuffled.summary("coverage").sort_values(["n", "law"])
    for name in ("mean", "shifted"):
        own = frame[frame["estimator"] == name]
        np.testing.assert_allclose(found[name].values, own["value"], rtol=SAME)
        np.testing.assert_allclose(found[name].edges, np.arange(7) - 0.5)


def test_factors_are_drawn_below_in_the_order_that_was_asked_for() -> None:
    ax = TWO.plot("bias", kind="nested_loop", factors=["law"])
    found = steps(ax)
    lowest = min(np.nanmin(found[name].values) for name in ("mean", "shifted"))
    law, n = found["_law"].values, found["_n"].values
    assert n.max() < law.min() < law.max() < lowest
    assert np.sign(np.diff(law)).tolist() == [0, 0, 1, 0, 0]
    assert np.sign(np.diff(n)).tolist() == [1, 1, -1, 1, 1]
    assert texts(ax.texts) == ["law: normal, t3", "n: 5, 9, 20"]
    assert min(ax.get_yticks()) > law.max()  # the scale belongs to the measure alone


def test_bands_are_the_monte_carlo_intervals() -> None:
    ax = TWO.plot("bias", kind="nested_loop", estimators="mean", level=0.9)
    (band,) = [c for c in ax.collections if isinstance(c, FillBetweenPolyCollection)]
    own = TWO.summary("bias", level=0.9).query("estimator == 'mean'")
    heights = {round(y, 9) for y in band.get_paths()[0].vertices[:, 1]}
    assert heights == {round(y, 9) for y in (*own["lower"], *own["upper"])}


def test_designs_with_missing_cells_and_odd_levels_are_drawn() -> None:
    conditions = [{"n": 5, "law": "t3"}, {"n": 9, "law": "normal"}, {"n": 5, "law": "normal"}]
    ax = study(conditions, [10, 30, 20]).plot("mse", kind="nested_loop")
    assert texts(ax.texts) == ["n: 5, 9", "law: t3, normal"]  # as they were given

    def generate(rng: np.random.Generator, weights: Any) -> Any:
        return rng.normal(size=len(weights))

    odd = [{"weights": [1, 2]}, {"weights": [3] * 40}]
    result = ek.Study(generate, np.mean, truth=0.0, conditions=odd).run(4, rng=1)
    (text,) = texts(result.plot("mse", kind="nested_loop").texts)
    assert text.startswith("weights: [1, 2], [3, 3")
    assert len(text) < 60


# --- two estimators ---


def test_estimates_are_paired_by_replicate_and_failures_stand_at_the_margin() -> None:
    ax = ONE.plot(kind="estimates")
    a, b = (outcomes(ONE, name).set_index("replicate")["estimate"] for name in ESTIMATORS)
    points, margin = ax.get_lines()[:2]
    np.testing.assert_array_equal(points.get_xdata(), a[b.notna()])
    np.testing.assert_array_equal(points.get_ydata(), b[b.notna()])
    np.testing.assert_allclose(np.subtract(points.get_ydata(), points.get_xdata()), 0.5)
    np.testing.assert_array_equal(margin.get_xdata(), a[b.isna()])
    assert set(margin.get_ydata()) == {0.0}
    assert margin.get_transform() == ax.get_xaxis_transform()
    assert legend(ax) == [f"{b.notna().sum()} replicates", f"shifted failed: {b.isna().sum()}"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("mean", "shifted", "n=8")


def test_turned_round_the_failures_stand_at_the_left() -> None:
    ax = ONE.plot(kind="estimates", estimators=["shifted", "mean"])
    margin = ax.get_lines()[1]
    assert set(margin.get_xdata()) == {0.0}
    assert margin.get_transform() == ax.get_yaxis_transform()


def test_one_of_two_may_have_failed_throughout() -> None:
    def never(x: Any) -> Any:
        raise ValueError("never")

    result = study(ek.grid(n=[4]), 30, {"mean": mean, "never": never})
    assert legend(result.plot(kind="estimates")) == ["0 replicates", "never failed: 30"]
    with pytest.raises(ek.DataError, match=r"no parameter in common|nothing to draw"):
        study(ek.grid(n=[4]), 30, {"a": never, "b": never}).plot(kind="estimates")


def test_other_numbers_of_estimators_or_parameters_are_refused() -> None:
    with pytest.raises(ek.DataError, match=r"two estimators.*Here are 1"):
        ONE.plot(kind="estimates", estimators="mean")

    def both(x: Any) -> Any:
        return {"center": x.mean(), "spread": x.std()}

    result = study(ek.grid(n=[4]), 30, {"a": both, "b": both})
    with pytest.raises(ek.DataError, match=r"parameters 'center', 'spread'"):
        result.plot(kind="estimates")
    ax = result.plot(kind="estimates", parameter="spread")
    assert ax.get_title() == "n=4; spread"


# --- convergence ---


@pytest.mark.parametrize("measure", ["bias", "coverage", "empirical_se"])
def test_a_running_measure_is_that_of_the_first_replicates(measure: str) -> None:
    ax = ONE.plot(measure, kind="convergence", estimators="mean")
    line = ax.get_lines()[0]
    sizes, values = line.get_xdata(), line.get_ydata()
    made = ek.Study(draw, ESTIMATORS, truth=0.0, conditions=ek.grid(n=[8]))
    for place in (0, 20, -1):
        row = made.run(int(sizes[place]), rng=5).summary(measure).iloc[0]
        assert values[place] == pytest.approx(row["value"], rel=1e-9)
        (band,) = ax.collections
        heights = band.get_paths()[0].vertices
        here = heights[heights[:, 0] == sizes[place], 1]
        assert [here.min(), here.max()] == pytest.approx([row["lower"], row["upper"]], rel=1e-9)
    assert sizes[-1] == 300
    assert ax.get_xscale() == "log"


def test_pairs_are_never_split_and_few_replicates_are_drawn() -> None:
    made = ek.Study(
        lambda rng: rng.normal(size=4), {"mean": np.mean}, truth=0.0, antithetic=True
    )  # fmt: skip
    sizes = made.run(46, rng=1).plot("bias", kind="convergence").get_lines()[0].get_xdata()
    assert not np.any(np.asarray(sizes) % 2)
    assert made.run(2, rng=1).plot("bias", kind="convergence").get_lines()[0].get_xdata() == [2]


# --- what one asks for ---


@pytest.mark.parametrize("kind", ["zip", "estimates", "convergence"])
def test_a_picture_of_one_condition_needs_to_know_which(kind: str) -> None:
    with pytest.raises(ek.DataError, match=r"6 conditions.*condition=0.*'n': 5"):
        TWO.plot(kind=kind)
    by_number, by_name = (TWO.plot(kind=kind, condition=c) for c in (3, {"n": 9, "law": "t3"}))
    assert by_number.get_title() == by_name.get_title() == "n=9, law='t3'"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "pie"}, r"'lollipop'.*'pie'"),
        ({"estimators": ["mode"]}, r"'mode'.*'mean', 'shifted'"),
        ({"estimators": []}, "No estimator"),
        ({"parameter": "slope"}, r"'slope'.*'value'"),
        ({"condition": 1}, "leave condition out"),
        ({"kind": "zip", "factors": ["n"]}, "nested_loop"),
        ({"kind": "nested_loop", "factors": ["m"]}, r"'m'.*'n', 'law'"),
        ({"kind": "convergence", "condition": 17}, "17"),
        ({"kind": "convergence", "condition": True}, "True"),
        ({"level": 1.5}, "level"),
    ],
)
def test_what_does_not_exist_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DataError, match=message):
        TWO.plot("bias", **options)


@pytest.mark.parametrize("kind", ["lollipop", "nested_loop", "zip", "estimates", "convergence"])
def test_every_kind_is_drawn_where_one_says_and_can_be_written(kind: str) -> None:
    left, right = Figure().subplots(1, 2)
    assert ONE.plot("coverage", kind=kind, ax=right) is right
    assert right.has_data() and not left.has_data()
    right.figure.draw_without_rendering()
    bare = ek.Study(lambda rng: rng.normal(size=5), np.mean, truth=None).run(5, rng=1)
    with pytest.raises(ek.DataError, match=r"nothing to draw|two estimators"):
        bare.plot("coverage", kind=kind)


def test_a_long_name_is_broken_so_that_it_leaves_the_picture_free() -> None:
    name = "an estimator of which the name goes on and on, as names made of options do"
    study = ek.Study(lambda rng: rng.normal(size=5), {name: np.mean, "m": np.median}, truth=0.0)
    ax = study.run(20, rng=1).plot("bias")
    shown = ax.get_legend().get_texts()[0].get_text()
    assert shown.replace("\n", " ") == name
    assert max(map(len, shown.splitlines())) <= 32
