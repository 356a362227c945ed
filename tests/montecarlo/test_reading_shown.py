"""Tables and pictures read failures and rejections as the summary does."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

import estkit as ek

mpl.use("Agg")
SEED = 2
OPTIONS: list[dict[str, Any]] = [
    {"missing": "complete"}, {"missing": "worst"}, {"alpha": 0.3}, {"null": 0.4}
]  # fmt: skip


def picky(x: Any) -> ek.Estimate:
    if x[0] > 0.5:
        raise ValueError("no")
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / len(x) ** 0.5)


def plain(x: Any) -> dict[str, Any]:
    mean, error = x.mean(), x.std(ddof=1) / len(x) ** 0.5
    return {
        "value": mean,
        "std_error": error,
        "p_value": min(1.0, 2.0 / (1 + abs(mean / error)) ** 4),
    }


@pytest.fixture(scope="module")
def result() -> ek.StudyResult:
    return ek.Study(
        lambda rng, n: rng.normal(0.2, 1.0, size=n), {"picky": picky, "plain": plain},
        truth=0.2, conditions=ek.grid(n=[8, 20]),
    ).run(300, rng=SEED)  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("measure", ["bias", "power", "failure_rate"])
def test_a_table_shows_what_the_summary_says(
    result: ek.StudyResult, options: dict[str, Any], measure: str
) -> None:
    told = result.summary(measure, **options)
    table = result.table(measure, **options)
    column = next(own for own in table.columns if own.name == measure)
    assert column.order is not None
    assert np.array(column.order, float) == pytest.approx(told["value"].to_numpy(), rel=1e-12)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["lollipop", "nested_loop", "convergence"])
def test_a_picture_shows_what_the_summary_says(
    result: ek.StudyResult, options: dict[str, Any], kind: str
) -> None:
    import matplotlib.pyplot as plt

    told = result.summary("power", **options).set_index(["n", "estimator"])["value"]
    one = {"condition": {"n": 8}} if kind == "convergence" else {}
    ax = result.plot("power", kind=kind, **one, **options)
    if kind == "lollipop":
        shown = [own.lines[0].get_ydata() for own in ax.containers]
        expected = [told[:, name] for name in ("picky", "plain")]
        assert np.array(shown) == pytest.approx(np.array(expected))
    elif kind == "convergence":
        last = [line.get_ydata()[-1] for line in ax.lines if len(line.get_xdata()) > 2]
        assert last == pytest.approx([told[8, "picky"], told[8, "plain"]])
    else:
        steps = [
            own.get_data().values for own in ax.patches if not str(own.get_label()).startswith("_")
        ]
        assert np.array(steps) == pytest.approx(np.array([told[:, "picky"], told[:, "plain"]]))
    plt.close(ax.figure)


def test_a_table_says_how_failures_count(result: ek.StudyResult) -> None:
    assert "every estimator has an answer" in str(result.table("bias", missing="complete"))
    assert "largest error" in str(result.table("bias", missing="worst"))
    assert "largest error" not in str(result.table("bias"))


def test_what_cannot_be_is_refused(result: ek.StudyResult) -> None:
    with pytest.raises(ek.DataError, match="missing must be one of"):
        result.table("bias", missing="drop")
    with pytest.raises(ek.DataError, match="alpha must lie"):
        result.plot("power", alpha=2.0)
    with pytest.raises(ek.DataError, match="null names 'nobody'"):
        result.plot("power", null={"nobody": 1.0})
    with pytest.raises(ek.DataError, match="leave missing out"):
        result.plot(kind="estimates", condition=0, missing="worst")


def test_an_estimator_is_not_said_to_have_no_estimates_because_another_has_none() -> None:
    def never(x: Any) -> float:
        raise ValueError("never")

    study = ek.Study(lambda rng: rng.normal(size=4), {"never": never, "mean": np.mean}, truth=0.0)
    result = study.run(20, rng=SEED)
    told = result.summary("bias", missing="complete").set_index("estimator")["note"]
    assert told["never"] == "no replicate has an estimate"
    assert told["mean"] == "in no replicate has every estimator an answer"
