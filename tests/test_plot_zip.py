"""Zip plots: every interval at the height of its rank, in the color of whether it covers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

import estkit as ek

# What is drawn are the numbers of the table; only sums and products of a few are rounded.
SAME = 1e-12


def mean(x: Any) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / np.sqrt(len(x)))


def shifted(x: Any) -> ek.Estimate:
    if x[0] > 1:
        raise ValueError("first value above 1")
    return ek.Estimate(x.mean() + 0.5, std_error=x.std(ddof=1) / np.sqrt(len(x)))


def study(estimators: Any, replicates: int) -> ek.StudyResult:
    return ek.Study(lambda rng: rng.normal(size=8), estimators, truth=0.0).run(replicates, rng=5)


ONE = study({"mean": mean, "shifted": shifted}, 300)


def outcomes(estimator: str) -> Any:
    frame = ONE.outcomes()
    return frame[frame["estimator"] == estimator]


def test_every_interval_stands_at_the_rank_of_its_z_score() -> None:
    ax = ONE.plot(kind="zip", estimators="mean")
    frame = outcomes("mean")
    z = np.abs(frame["estimate"] / frame["std_error"]).to_numpy()
    order = np.argsort(z)
    ends = np.concatenate([c.get_segments() for c in intervals(ax)])
    ends = ends[np.argsort(ends[:, 0, 1])]
    np.testing.assert_allclose(ends[:, 0, 1], 100 * (np.arange(300) + 0.5) / 300)
    half = -((ends[0, 0, 0] / frame["lower"].to_numpy()[order[0]]) ** -1)
    inside = np.abs(ends[:, :, 0]).max(axis=1) < 1.0  # the others are cut at the lane
    assert inside.mean() > 0.9
    limits = frame[["lower", "upper"]].to_numpy()[order]
    np.testing.assert_allclose(-half * ends[inside, :, 0], limits[inside], rtol=1e-9)


def intervals(ax: Any) -> list[Any]:
    """Return the lines of the intervals: those that cover, and those that do not."""
    lines = [c for c in ax.collections if isinstance(c, LineCollection)]
    return [c for c in lines if c.get_linewidth()[0] == 0.7]


def test_colors_tell_which_intervals_cover_the_truth() -> None:
    ax = ONE.plot(kind="zip", estimators="shifted")
    frame = outcomes("shifted").query("status == 'ok'")
    covers = ((frame["lower"] <= 0) & (frame["upper"] >= 0)).sum()
    hit, miss = intervals(ax)
    assert (len(hit.get_segments()), len(miss.get_segments())) == (covers, len(frame) - covers)
    assert 0 < covers < len(frame) < 300
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == [
        "covers the truth",
        "does not",
    ]
    assert [tuple(c.get_color()[0]) for c in (hit, miss)] == [
        to_rgba(line.get_color()) for line in ax.get_lines()[:2]
    ]


def test_each_estimator_has_a_lane_with_the_interval_of_its_coverage() -> None:
    ax = ONE.plot(kind="zip")
    assert [text.get_text() for text in ax.texts] == ["mean", "shifted"]
    dashed = [c for c in ax.collections if c.get_linestyle()[0][1] is not None]
    rows = ONE.summary("coverage")
    for line, lower, upper in zip(dashed, rows["lower"], rows["upper"], strict=True):
        heights = [segment[0][1] for segment in line.get_segments()]
        np.testing.assert_allclose(heights, [100 * lower, 100 * upper], rtol=SAME)
    left, right = (np.array(line.get_segments())[0, :, 0] for line in dashed)
    assert left[1] == pytest.approx(right[0])  # the lanes meet, and do not overlap


def test_open_intervals_and_many_replicates_are_drawn() -> None:
    def half_open(x: Any) -> ek.Estimate:
        return ek.Estimate(x.mean(), lower=x.mean() - 1.0, upper=np.inf)

    ax = study({"open": half_open}, 4500).plot(kind="zip")
    drawn = np.concatenate([c.get_segments() for c in intervals(ax)])
    assert np.isfinite(drawn).all()
    assert len(drawn) == 2000
    assert drawn[:, 0, 1].max() > 99.9
