"""What is asked of a result with one replicate, or with none, is answered in words or is empty."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import estkit as ek


def interval(x: np.ndarray) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / len(x) ** 0.5)


@pytest.fixture
def empty(tmp_path: Path) -> ek.StudyResult:
    study = ek.Study(lambda rng: rng.normal(size=5), {"mean": interval}, truth=0.0)
    study.run(9, rng=1, store=tmp_path / "store")
    for part in (tmp_path / "store").glob("*.parquet"):
        part.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ek.EstkitWarning)
        return ek.open_study(tmp_path / "store")


def test_frames_of_an_empty_store_are_empty_and_have_their_columns(empty: ek.StudyResult) -> None:
    full = ek.Study(lambda rng: rng.normal(size=5), {"mean": interval}, truth=0.0).run(9, rng=1)
    for name in ("summary", "outcomes", "failures", "warnings", "targets", "times"):
        frame = getattr(empty, name)()
        assert len(frame) == 0
        assert frame.columns.tolist() == getattr(full, name)().columns.tolist()
    assert empty.summary("coverage").columns.tolist() == full.summary("coverage").columns.tolist()


def test_an_empty_store_is_written_as_json_and_has_no_page(empty: ek.StudyResult) -> None:
    assert json.loads(json.dumps(empty.to_dict()))["summary"] == []
    with pytest.raises(ek.DataError, match="no replicates of any condition"):
        empty.to_html()


def test_a_single_replicate_has_no_spread_and_no_squares_out_of_range() -> None:
    study = ek.Study(lambda rng: rng.normal(size=5), {"mean": interval}, truth=0.0)
    result = study.run(1, rng=1)
    rows = result.summary(["empirical_variance", "empirical_se", "precision"])
    assert rows["value"].isna().all()
    assert rows["note"].tolist() == ["", "", ""]
    assert "nan (nan)" not in str(result)


def test_a_missing_value_is_an_empty_place_in_a_table() -> None:
    study = ek.Study(lambda rng: rng.normal(size=5), {"mean": np.mean}, truth=0.0)
    table = study.run(50, rng=1).table(["relative_bias", "bias"])
    assert "nan" not in str(table)


@pytest.mark.parametrize("misspelt", ["N", "size"])
def test_to_solve_for_what_nothing_depends_on_is_refused_before_any_work(misspelt: str) -> None:
    drawn = []

    def generate(rng: np.random.Generator, n: int) -> np.ndarray:
        drawn.append(n)
        return rng.normal(0.5, 1.0, size=n)

    study = ek.Study(generate, {"mean": interval}, truth=0.5, conditions=ek.grid(n=[20]))
    with pytest.raises(
        ek.DataError, match=f"Nothing depends on '{misspelt}'.*the condition has 'n'"
    ):
        ek.solve(study, misspelt, measure="power", target=0.8, rng=1)
    assert not drawn
