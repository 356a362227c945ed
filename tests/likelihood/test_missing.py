"""Rows without values are left out only when asked, from everything at once, counted and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

import estkit as ek
from estkit.missing import drop_missing

RNG = np.random.default_rng(8)
N = 60
FRAME = pd.DataFrame(RNG.normal(size=(N, 2)), columns=["age", "dose"])
Y = RNG.random(N) < 1 / (1 + np.exp(-FRAME["age"].to_numpy()))
LACKING = (4, 17)  # of age
KEPT = np.delete(np.arange(N), LACKING)
HOLES = FRAME["age"].to_numpy().copy()
HOLES[list(LACKING)] = np.nan
COMPLETE = ek.fit(ek.Binomial(), FRAME.to_numpy()[KEPT], Y[KEPT])


def as_list(values: Any) -> list[Any]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def nullable(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({name: pd.array(as_list(v), "Float64") for name, v in columns.items()})


BOTH = {"age": HOLES, "dose": FRAME["dose"].to_numpy()}
LISTS = {name: as_list(values) for name, values in BOTH.items()}
MATRIX = np.column_stack(list(BOTH.values()))
FORMS: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame(BOTH, index=np.arange(N) + 1000),
    "pandas NA": lambda: nullable(**BOTH),
    "pandas objects": lambda: pd.DataFrame(LISTS, dtype=object),
    "polars null": lambda: pl.DataFrame(LISTS),
    "polars nan": lambda: pl.DataFrame(BOTH),
    "arrow": lambda: pa.table(LISTS),
    "mapping": lambda: dict(LISTS),
    "array": lambda: MATRIX,
    "list": lambda: [list(row) for row in zip(*LISTS.values(), strict=True)],
    "masked": lambda: np.ma.masked_invalid(MATRIX),
}


@pytest.mark.parametrize("form", FORMS)
def test_incomplete_rows_are_left_out_of_any_form(form: str) -> None:
    X = FORMS[form]()
    with pytest.raises(ek.DataError, match=r"row 4 .* is missing"):
        ek.fit(ek.Binomial(), X, Y)
    fit = ek.fit(ek.Binomial(), X, Y, missing="drop")
    np.testing.assert_allclose(fit.params, COMPLETE.params, rtol=1e-12)
    assert fit.dropped == LACKING
    assert fit.n_obs == N - 2
    np.testing.assert_allclose(fit.predict(), COMPLETE.predict(), rtol=1e-12)
    assert fit.simulate(rng=1).shape == (N - 2,)
    name = "x0" if form in ("array", "list", "masked") else "age"
    assert f"2 rows dropped (4, 17) for missing values: {name} 2." in str(fit)


MISSING = [None, np.nan, pd.NA, pd.NaT, float("nan")]


@pytest.mark.parametrize("value", MISSING, ids=["None", "nan", "NA", "NaT", "float"])
@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [0, 1]], ids=str)
def test_a_response_of_any_kind_may_be_missing(value: Any, labels: list[Any]) -> None:
    y: list[Any] = [labels[int(hit)] for hit in Y]
    for row in LACKING:
        y[row] = value
    family = ek.Binomial(success=labels[1])
    X = FRAME.to_numpy()
    for given in (y, np.array(y, dtype=object), pd.Series(y, dtype=object)):
        fit = ek.fit(family, X, given, missing="drop")
        np.testing.assert_allclose(fit.params, COMPLETE.params, rtol=1e-12)
        assert fit.dropped == LACKING and "y 2." in str(fit)


def test_categories_and_text_may_be_missing() -> None:
    texts = ["yes" if hit else "no" for hit in Y]
    texts = [None if row in LACKING else text for row, text in enumerate(texts)]
    words = pd.Series(texts)
    for given in (pd.Categorical(words), words.astype("category"), pl.Series(texts)):
        fit = ek.fit(ek.Softmax(), FRAME, given, missing="drop")
        np.testing.assert_allclose(fit.params, COMPLETE.params, rtol=1e-9)


def test_every_argument_loses_the_rows_that_any_of_them_lacks() -> None:
    weights = np.ones(N)
    weights[3] = np.nan
    offset = pd.Series(np.linspace(0, 1, N))
    offset[5] = None
    groups: list[Any] = ["a", "b", "c"] * 20
    groups[7] = None
    y = Y.astype(float)
    y[[3, 9]] = np.nan
    fit = ek.fit(
        ek.Binomial(), FRAME, y, weights=weights, offset=offset, groups=groups, missing="drop"
    )
    assert fit.dropped == (3, 5, 7, 9)
    lacking = "y 2, offset 1, groups 1, weights 1."
    assert f"4 rows dropped (3, 5, 7, 9) for missing values: {lacking}" in str(fit)
    kept = np.delete(np.arange(N), fit.dropped)
    same = ek.fit(
        ek.Binomial(),
        FRAME.iloc[kept],
        Y[kept],
        offset=offset.iloc[kept],
        groups=[groups[i] for i in kept],
    )
    np.testing.assert_allclose(fit.params, same.params, rtol=1e-12)
    np.testing.assert_allclose(fit.covariance("cluster"), same.covariance("cluster"), rtol=1e-9)


@pytest.mark.parametrize("name", ["sampling_weights", "analytic_weights"])
def test_other_weights_may_be_missing(name: str) -> None:
    weights = np.linspace(1, 2, N)
    weights[list(LACKING)] = np.nan
    fit = ek.fit(ek.Gaussian(), FRAME["dose"], HOLES, missing="drop", **{name: weights})
    assert fit.dropped == LACKING
    assert f"y 2, {name} 2." in str(fit)


def test_counts_may_be_missing() -> None:
    counts = pd.DataFrame(
        {"won": RNG.integers(0, 5, N), "lost": RNG.integers(1, 5, N)}, dtype=float
    )
    counts.loc[6, "lost"] = np.nan
    fit = ek.fit(ek.Binomial(), FRAME, counts, missing="drop")
    assert fit.dropped == (6,)
    assert "1 row dropped (6) for missing values: y lost 1." in str(fit)


def test_an_infinite_number_is_not_missing() -> None:
    X = np.column_stack([HOLES, np.where(np.arange(N) == 30, np.inf, 1.5)])
    with pytest.raises(ek.DataError, match=r"row 28 .* is infinite.*without the 2 that"):
        ek.fit(ek.Binomial(), X, Y, missing="drop")


def test_nothing_is_dropped_from_complete_data() -> None:
    fit = ek.fit(ek.Binomial(), FRAME, Y, missing="drop")
    assert fit.dropped == () and fit.notes == () and "dropped" not in str(fit)


def test_the_inputs_are_not_modified() -> None:
    X, y = pd.DataFrame(BOTH), Y.copy()
    before = X.copy()
    ek.fit(ek.Binomial(), X, y, missing="drop")
    pd.testing.assert_frame_equal(X, before)
    assert len(y) == N


def test_a_fit_without_an_answer_and_a_stored_one_know_it_too() -> None:
    separated = np.where(np.isnan(HOLES), np.nan, HOLES > 0)
    with pytest.raises(ek.SeparationError) as caught:
        ek.fit(ek.Binomial(), HOLES, separated, missing="drop")
    assert caught.value.result.dropped == LACKING
    failed = ek.fit(ek.Binomial(), HOLES, separated, missing="drop", errors="return")
    assert failed.dropped == LACKING
    fit = ek.fit(ek.Binomial(), pd.DataFrame(BOTH), Y, missing="drop")
    again = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    assert again.dropped == LACKING and str(again) == str(fit)


def test_a_sparse_matrix_keeps_its_form() -> None:
    given = sparse.csc_array(np.nan_to_num(MATRIX))
    given.data[given.tocoo().row == 9] = np.nan
    kept, dropped = drop_missing({"X": given, "y": Y})
    assert dropped.rows == (9,) and dropped.columns == (("x0", 1), ("x1", 1))
    assert sparse.issparse(kept["X"]) and kept["X"].shape == (N - 1, 2)
    assert len(kept["y"]) == N - 1


def test_a_long_list_of_rows_is_cut_in_the_table_alone() -> None:
    holes = np.where(np.arange(N) % 3 == 0, np.nan, HOLES)
    fit = ek.fit(ek.Binomial(), holes, Y, missing="drop")
    assert "22 rows dropped (0, 3, 4, 6, 9, 12, ...)" in str(fit)
    assert fit.dropped == tuple(np.flatnonzero(np.isnan(holes)).tolist())


REFUSED: dict[str, tuple[Any, Any, str, str]] = {
    "no complete row": (np.full(N, np.nan), Y, "drop", "No complete row is left.*: x0 60"),
    "other lengths": (FRAME, HOLES[:5], "drop", "y has 5 rows, expected 60"),
    "unknown": (FRAME, Y, "omit", "missing must be 'raise' or 'drop', got 'omit'"),
    "pieces": (ek.Chunks([(FRAME, Y)]), None, "drop", "for data in memory"),
    "an iterator": (iter(range(N)), Y, "drop", "looks through arrays, lists and data frames"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_dropped_is_refused(case: str) -> None:
    X, y, missing, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=message):
        ek.fit(ek.Binomial(), X, y, missing=missing)
