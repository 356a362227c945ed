"""Wide tables of a study: what is side by side, and how many digits are left."""

from __future__ import annotations

import datetime
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.estimate import with_error
from estkit.montecarlo import pieces
from estkit.montecarlo.execution import Block
from estkit.montecarlo.gathering import joined
from estkit.montecarlo.outcomes import from_block


def mean(x: Any) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / np.sqrt(len(x)))


def moments(x: Any) -> dict[str, float]:
    return {"center": x.mean(), "spread": x.std()}


def picky(x: Any) -> float:
    if len(x) == 9:
        raise ValueError("nine")
    return float(np.median(x))


def result(conditions: Any, replicates: Any = 50, **estimators: Any) -> ek.StudyResult:
    def generate(rng: np.random.Generator, n: int) -> Any:
        return rng.normal(size=n)

    functions: Any = estimators or {"mean": mean, "picky": picky}
    return ek.Study(generate, functions, truth=0.0, conditions=conditions).run(replicates, rng=2)


GRID = ek.grid(n=[5, 9])


def columns(table: Any) -> dict[str, list[str]]:
    return {column.name: column.shown() for column in table.columns}


def test_the_chosen_measures_and_estimators_stand_in_the_chosen_order() -> None:
    table = result(GRID).table(["mse", "bias"], estimators=["picky", "mean"])
    assert list(columns(table)) == ["n", "estimator", "mse", "bias", "failed"]
    assert columns(table)["estimator"] == ["picky", "mean"] * 2
    assert columns(table)["failed"] == ["0", "0", "50", "0"]
    assert columns(table)["mse"][2] == ""  # picky has no answer there


@pytest.mark.parametrize("measure", ["bias", "coverage", "empirical_se"])
def test_digits_end_where_the_monte_carlo_error_begins(measure: str) -> None:
    found = result(GRID, mean=mean)
    rows = found.summary(measure)
    pairs = zip(rows["value"], rows["mcse"], strict=True)
    expected = ["{} ({})".format(*with_error(value, error)) for value, error in pairs]
    assert columns(found.table(measure))[measure] == expected


def test_estimators_stand_side_by_side() -> None:
    found = result(GRID)
    table = found.table(["bias", "mse"], across="estimator")
    own = columns(table)
    assert list(own) == ["n", "measure", "mean", "picky"]
    assert own["measure"] == ["bias", "mse"] * 2
    wide = columns(found.table(["bias", "mse"]))
    assert own["mean"] == [wide[m][i] for i in (0, 2) for m in ("bias", "mse")]
    assert own["picky"] == [wide["bias"][1], wide["mse"][1], "", ""]


def test_the_failure_rate_of_an_estimator_without_answers_is_shown() -> None:
    own = columns(result(GRID).table("failure_rate", across="estimator"))
    assert [cell.split(" ")[0] for cell in own["picky"]] == ["0", "1"]


def test_estimators_with_other_parameters_leave_cells_empty() -> None:
    found = result(GRID, moments=moments, mean=mean)
    own = columns(found.table("bias", across="estimator"))
    assert own["parameter"] == ["center", "spread", "value"] * 2
    assert [cell == "" for cell in own["mean"]] == [True, True, False] * 2
    assert [cell == "" for cell in own["moments"]] == [False, False, True] * 2


def test_unequal_numbers_of_replicates_have_a_column() -> None:
    assert "replicates" not in columns(result(GRID).table())
    for across in ("measure", "estimator"):
        table = result([{"n": 5}, {"n": 9}, {"n": 5}], [20, 40, 60]).table("mse", across=across)
        assert list(dict.fromkeys(columns(table)["replicates"])) == ["20", "40", "60"]
        assert "20 to 60 replicates" in table.title


def test_measures_of_the_user_stand_beside_those_of_estkit() -> None:
    near = ek.Measure(lambda d: np.mean(np.abs(d.estimate) < 0.5), "near", smooth=True)
    found = result(GRID, mean=mean)
    own = columns(found.table([near, "bias"]))
    assert list(own) == ["n", "estimator", "near", "bias", "failed"]
    values = found.summary(near)["value"]
    assert [float(cell.split(" ")[0]) for cell in own["near"]] == pytest.approx(values, abs=0.01)
    assert list(columns(found.table({"<half": near}))) == ["n", "estimator", "<half", "failed"]


def test_numbers_to_sort_by_stand_behind_the_text() -> None:
    found = result(GRID)
    (column,) = [c for c in found.table("mse").columns if c.name == "mse"]
    assert column.order is not None
    np.testing.assert_array_equal(list(column.order), found.summary("mse")["value"])


def test_every_format_has_the_same_cells() -> None:
    table = result(GRID).table("bias", across="estimator")
    cell = table.columns[2].shown()[0]
    assert str(table) == table.to_text()
    for text in (table.to_text(), table.to_markdown(), table.to_latex(), table._repr_html_()):
        assert cell in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measures": "accuracy"}, "'accuracy' is not a measure"),
        ({"estimators": "mode"}, r"'mode' is not an estimator of this study: 'mean', 'picky'"),
        ({"across": "condition"}, r"'measure' or 'estimator'.*'condition'"),
    ],
)
def test_what_does_not_exist_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ek.DataError, match=message):
        result(GRID).table(**options)


def test_a_table_and_a_contrast_hold_the_draws_of_few_cells_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_KEPT", 0)
    size, conditions = 20_000, 30
    draw = ek.vectorized(lambda rng, replicates, n: rng.normal(size=(replicates, 2)))
    functions = {
        "first": ek.vectorized(lambda x: x[:, 0]),
        "last": ek.vectorized(lambda x: x[:, 1]),
    }
    study = ek.Study(draw, functions, truth=0.0, conditions=ek.grid(n=range(conditions)))
    opened = study.run(size, rng=1, store=tmp_path) and ek.open_study(tmp_path)
    every = 8.0 * size * conditions * len(functions)
    for read in (str, lambda own: own.contrast("first", "last", "mse")):
        read(opened)  # what is imported then is not counted
        tracemalloc.start()
        read(opened)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < every / 2  # 15 columns and flags of 60; a measure takes several at a time


def test_blocks_become_views_of_what_they_are_put_together_to() -> None:
    def block(first: int) -> Block:
        return Block(0, first, 9, {n: from_block(np.arange(9.0), 9, first, {}) for n in "ab"}, [])

    blocks = [block(0), block(9)]
    whole = joined(blocks, release=True)
    for part in blocks:  # right at any time, whenever the user may interrupt
        view = part.outcomes["b"]
        assert (view.first, len(view)) == (part.first, 9)
        np.testing.assert_array_equal(view.estimate[:, 0], np.arange(9.0))
        assert np.shares_memory(view.estimate, whole.outcomes["b"].estimate)


def test_a_store_without_replicates_is_shown_as_such(tmp_path: Path) -> None:
    study = ek.Study(lambda rng, n: rng.normal(size=n), np.mean, truth=0.0, conditions=GRID)
    study.run(20, rng=1, store=tmp_path)
    for path in tmp_path.glob("*.parquet"):
        path.unlink()
    with pytest.warns(ek.EstkitWarning, match="no replicates of 2 of 2 conditions: condition n=5"):
        empty = ek.open_study(tmp_path)
    assert "0 replicates" in str(empty)
    assert "0 replicates" in repr(empty)
    assert empty.failures().empty


def middle(x: Any) -> float:
    return float(x.mean())


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (datetime.date(2020, 1, 31), "2020-01-31"),
        (np.datetime64("2020-01-31"), "2020-01-31"),
        ((1, 2), "(1, 2)"),
        ([0.5, 2], "[0.5, 2]"),
        (range(3), "range(0, 3)"),
        (middle, "middle"),
        (np.mean, "mean"),
    ],
    ids=["date", "datetime64", "tuple", "list", "range", "function", "numpy"],
)
def test_an_opened_store_shows_levels_as_the_run_did(
    level: Any, shown: str, tmp_path: Path
) -> None:
    own = ek.Study(
        lambda rng, z: rng.normal(size=3),
        {"mean": middle},
        truth=0.0,
        conditions=ek.grid(z=[level]),
    )
    ran = own.run(9, rng=1, store=tmp_path)
    before = (tmp_path / "manifest.json").read_bytes()
    opened = ek.open_study(tmp_path)
    texts = [str(result.table("bias")).split() for result in (opened, ran)]
    assert texts[0] == texts[1]  # but for spaces, since text is at the left
    assert shown in str(opened.table("bias")) and f"<td>{shown}" in opened.to_html(plots=False)
    assert own.run(9, rng=1, store=tmp_path).fingerprint() == opened.fingerprint()
    assert (tmp_path / "manifest.json").read_bytes() == before
