"""Measures of millions of replicates are taken piece by piece; here pieces are small."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import estkit as ek
from estkit.montecarlo import measures, streaming, tails

SAME = 1e-12  # sums in another order, of some hundreds of numbers
ALL = list(measures.MEASURES)


def answer(x: np.ndarray) -> ek.Estimate:
    if x[1] > 101.2:
        raise ValueError("missing")
    return ek.Estimate(x.mean(), std_error=x.std() / 3)


def halves(x: np.ndarray) -> ek.Estimate:
    return ek.Estimate(x[:5].mean(), std_error=x.std() / 2)


STUDY = ek.Study(
    lambda rng: 100 + rng.normal(size=9), {"all": answer, "halves": halves}, truth=100.0
)
RESULT = STUDY.run(500, rng=3)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "LONG", 10)
    monkeypatch.setattr(streaming, "_PIECE", 7)


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    words = expected.columns[[kind.kind == "O" for kind in expected.dtypes]]
    assert found[words].equals(expected[words])
    numbers = expected.columns.difference(words)
    np.testing.assert_allclose(
        found[numbers].to_numpy(float), expected[numbers].to_numpy(float), rtol=SAME
    )


def test_pieces_give_every_measure_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = RESULT.summary(ALL)
    counted = []
    measured = streaming.measured
    monkeypatch.setattr(streaming, "LONG", 10)
    monkeypatch.setattr(streaming, "_PIECE", 7)
    monkeypatch.setattr(
        streaming, "measured", lambda m, d: counted.append(m.title) or measured(m, d)
    )
    same(RESULT.summary(ALL), whole)
    assert len(set(counted)) == 13


@pytest.mark.parametrize("kind", ["difference", "ratio"])
@pytest.mark.parametrize("measure", ["bias", "mse", "rmse", "empirical_se", "mae", "model_se"])
def test_pieces_give_every_contrast_of_all_at_once(
    measure: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RESULT.contrast("all", "halves", measure, kind=kind)
    monkeypatch.setattr(streaming, "LONG", 10)
    monkeypatch.setattr(streaming, "_PIECE", 7)
    found = RESULT.contrast("all", "halves", measure, kind=kind)
    same(found, whole)
    assert 0 < found["used"][0] < 500


@pytest.mark.usefixtures("small")
def test_simultaneous_intervals_have_all_influence_values() -> None:
    found = RESULT.summary(["bias", "rmse"], simultaneous=True)
    alone = RESULT.summary(["bias", "rmse"])
    assert (found["upper"] > alone["upper"]).all()


@pytest.mark.usefixtures("small")
def test_a_study_whose_squares_overflow_is_measured_as_if_they_did_not() -> None:
    far = ek.Study(lambda rng: 1e200 * rng.normal(size=1), {"x": np.max}, truth=0.0)
    row = far.run(100, rng=1).summary("bias").iloc[0]
    assert 1e198 < row["mcse"] < 1e200


@pytest.mark.parametrize("law", ["normal", "standard_cauchy", "exponential"])
@pytest.mark.parametrize("count", [5000, 5001])
def test_tails_and_medians_are_found_in_pieces(
    law: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = getattr(np.random.default_rng(1), law)(size=count)
    draws = next(iter(RESULT.cells())).draws._replace(estimate=values)
    whole = tails.tail_of(draws)
    monkeypatch.setattr(tails, "_PIECE", 300)
    monkeypatch.setattr(tails, "_LOOK", 500)
    assert tails._median(values) == np.median(values)
    np.testing.assert_allclose(tails.tail_of(draws)[:2], whole[:2], rtol=SAME)
    assert tails.tail_of(draws).heavy == whole.heavy == (law == "standard_cauchy")


def test_a_sample_that_misleads_does_not_mislead_the_median(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tails, "_PIECE", 300)
    monkeypatch.setattr(tails, "_LOOK", 100)
    values = np.arange(5000.0)
    values[::50] = -1.0
    assert tails._median(values) == np.median(values)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("power", [-700, 600, 1000])
def test_estimates_whose_squares_are_no_numbers_have_errors_all_the_same(power: int) -> None:
    def study(unit: float) -> pd.DataFrame:
        found = ek.Study(lambda rng: unit * rng.normal(size=2), {"x": np.max}, truth=0.0)
        frame = found.run(100, rng=1).summary(["rmse", "empirical_se", "mse", "precision"])
        return frame.set_index("measure")

    far, near = study(2.0**power), study(1.0)
    for measure in ("rmse", "empirical_se"):
        numbers = ["value", "mcse", "lower", "upper"]
        expected = near.loc[measure, numbers].astype(float) * 2.0**power
        np.testing.assert_allclose(far.loc[measure, numbers].astype(float), expected, rtol=SAME)
    for measure in ("mse", "precision"):
        assert np.isnan(far.loc[measure, "value"])
        assert "see rmse" in far.loc[measure, "note"]
