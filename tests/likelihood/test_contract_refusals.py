"""Every family refuses data that it cannot use: one clear line, what, where and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

import estkit as ek

ROWS = 120


def frame(**changed: Any) -> pd.DataFrame:
    X = np.random.default_rng(0).normal(size=(ROWS, 2))
    return pd.DataFrame(X, columns=["age", "dose"]).assign(**changed)


def with_value(value: Any, dtype: Any = float) -> pd.Series:
    column = pd.Series(frame()["dose"].to_numpy(), dtype=dtype)
    column.iloc[3] = value
    return column


# what X is, and what the message must quote
COLUMNS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "nan": (lambda: frame(dose=with_value(np.nan)), ["'dose'", "row 3", "missing"]),
    "infinity": (lambda: frame(dose=with_value(-np.inf)), ["'dose'", "row 3", "infinite", "-inf"]),
    "None": (lambda: frame(dose=with_value(None, object)), ["'dose'", "row 3", "missing"]),
    "NA": (lambda: frame(dose=with_value(pd.NA, "Float64")), ["'dose'", "row 3", "missing"]),
    "null": (
        lambda: pl.DataFrame(frame().to_dict("list")).with_columns(
            dose=pl.when(pl.arange(ROWS) == 3).then(None).otherwise(pl.col("dose"))
        ),
        ["'dose'", "row 3", "missing", "null"],
    ),
    "nan in an array": (
        lambda: frame(dose=with_value(np.nan)).to_numpy(),
        ["'x1'", "row 3", "missing", "nan"],
    ),
    "masked value": (
        lambda: np.ma.masked_invalid(frame(dose=with_value(np.nan)).to_numpy()),
        ["'x1'", "row 3", "missing"],
    ),
    "None in a list": (
        lambda: frame(dose=with_value(None, object)).to_numpy(dtype=object).tolist(),
        ["'x1'", "row 3", "missing"],
    ),
    "a word": (lambda: frame(dose=with_value("high", object)), ["'dose'", "row 3", "'high'"]),
    "numbers as text": (lambda: frame(dose=["1.5"] * ROWS), ["'dose'", "row 0", "'1.5'", "str"]),
    "text array": (lambda: frame().to_numpy().astype(str), ["'x0'", "row 0", "not a number"]),
    "dates as categories": (
        lambda: frame(dose=pd.Categorical(pd.date_range("2020", periods=2).repeat(60))),
        ["'dose'", "Timestamp"],
    ),
    "dates": (lambda: frame(dose=pd.date_range("2020", periods=ROWS)), ["'dose'", "row 0"]),
    "complex": (lambda: frame().to_numpy() + 1j, ["real", "complex128"]),
    "ragged": (lambda: [[1.0, 2.0], [3.0]] * 60, ["ragged"]),
    "three dimensions": (lambda: np.zeros((ROWS, 2, 2)), ["two dimensions", "(120, 2, 2)"]),
    "one number": (lambda: 3.0, ["two dimensions"]),
    "no rows": (lambda: np.empty((0, 2)), ["no rows", "at least one"]),
    "no rows in a list": (lambda: [], ["no rows", "at least one"]),
    "no rows in a frame": (lambda: frame().iloc[:0], ["no rows", "at least one"]),
    "equal names": (lambda: frame().set_axis(["age", "age"], axis=1), ["'age'", "more than one"]),
    "unequal columns": (lambda: {"age": [1.0] * ROWS, "dose": [1.0, 2.0]}, ["'dose'", "2", "120"]),
    "too large a number": (lambda: frame(dose=with_value(10**400, object)), ["'dose'", "row 3"]),
    "the name of the intercept": (lambda: frame(intercept=1.0), ["'intercept'", "rename"]),
    "nan in a sparse matrix": (
        lambda: sparse.csr_array(frame(dose=with_value(np.nan)).to_numpy()),
        ["'x1'", "row 3", "missing"],
    ),
}


def refused(simple: Any, **given: Any) -> str:
    """Return the message with which a fit is refused."""
    X = given.pop("X", frame())
    y = given.pop("y", simple.redrawn(frame()).y)
    with pytest.raises(ek.DataError) as caught:
        ek.fit(simple.family, X, y, **given)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("case", COLUMNS)
def test_bad_columns_are_refused(simple: Any, case: str) -> None:
    make, quoted = COLUMNS[case]
    message = refused(simple, X=make())
    assert [part for part in quoted if part not in message] == []


@pytest.mark.parametrize("case", ["nan", "infinity"])
def test_a_bad_value_is_found_in_a_late_block(simple: Any, case: str) -> None:
    X = np.random.default_rng(1).normal(size=(40_000, 3))
    X[39_998, 1] = {"nan": np.nan, "infinity": np.inf}[case]
    message = refused(simple, X=X, y=[simple.y[0]] * 40_000)
    assert "'x1'" in message
    assert "row 39998" in message


def test_large_values_whose_sum_overflows_are_not_taken_for_infinite(simple: Any) -> None:
    X = np.random.default_rng(2).uniform(1.0, 1.7, size=(ROWS, 1)) * 1e308
    assert simple.redrawn(X).fit().converged


@pytest.mark.parametrize("rows", [ROWS - 1, ROWS + 1, 1])
def test_a_response_of_another_length_is_refused(simple: Any, rows: int) -> None:
    message = refused(simple, y=list(simple.redrawn(None, rows).y))
    assert "y" in message
    assert str(rows) in message
    assert str(ROWS) in message


def test_a_missing_response_is_refused(simple: Any) -> None:
    assert "y is missing" in refused(simple, y=None)


@pytest.mark.parametrize("value", [None, np.nan, np.inf])
@pytest.mark.parametrize("form", [list, pd.Series, lambda y: np.array(y, dtype=object)])
def test_a_bad_value_in_the_response_is_refused(simple: Any, form: Any, value: Any) -> None:
    y = list(simple.redrawn(frame()).y)
    y[5] = value
    message = refused(simple, y=form(y))
    assert "y" in message
    assert "row 5" in message or "kinds" in message  # infinity among words is another kind
    assert "x0" not in message  # which is a column of X


def test_masked_responses_are_refused(simple: Any) -> None:
    y = np.ma.array(simple.redrawn(frame()).y, mask=np.arange(ROWS) == 5)
    assert "row 5" in refused(simple, y=y)


def test_a_response_of_one_number_is_refused(simple: Any) -> None:
    assert "y" in refused(simple, y=3)
    assert "y" in refused(simple, X=None, y=3)
    assert "no rows" in refused(simple, X=None, y=[])


def with_first(value: Any) -> list[Any]:
    return [value, *[1] * (ROWS - 1)]


WEIGHTS: dict[str, tuple[Any, list[str]]] = {
    "negative": (with_first(-1), ["row 0", "negative", "-1"]),
    "fraction": (with_first(0.5), ["row 0", "not whole", "0.5"]),
    "nan": (with_first(np.nan), ["row 0", "missing"]),
    "infinity": (with_first(np.inf), ["row 0", "infinite"]),
    "a word": (with_first("a"), ["row 0", "'a'"]),
    "too few": ([1] * 119, ["119", "120"]),
    "two columns": (np.ones((ROWS, 2)), ["one column", "(120, 2)"]),
    "all zero": ([0] * ROWS, ["all zero"]),
    "one number": (2, ["weights"]),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_bad_weights_are_refused(simple: Any, case: str) -> None:
    weights, quoted = WEIGHTS[case]
    message = refused(simple, weights=weights)
    assert message.startswith("weights")
    assert [part for part in quoted if part not in message] == []
    assert "'x0'" not in message  # which is a column of X


@pytest.mark.parametrize("value", [np.nan, np.inf, "a", None])
def test_bad_offsets_are_refused(simple: Any, value: Any) -> None:
    predictors = simple.redrawn(frame()).fit().names
    width = 1 + len({name.rsplit(":", 1)[0] for name in predictors if ":" in name})
    offset = np.zeros((ROWS, width), dtype=object)
    offset[4, 0] = value
    message = refused(simple, offset=offset)
    assert message.startswith("offset")
    assert "row 4" in message


@pytest.mark.parametrize("offset", [1.0, [0.0] * 119, np.zeros((ROWS, 7))])
def test_offsets_of_another_shape_are_refused(simple: Any, offset: Any) -> None:
    assert refused(simple, offset=offset).startswith("offset")


@pytest.mark.parametrize("start", [[0.0], [np.nan] * 50, "zero"])
def test_bad_starts_are_refused(simple: Any, start: Any) -> None:
    assert refused(simple, start=start).startswith("start")


def test_rows_with_other_labels_are_refused(simple: Any) -> None:
    drawn = simple.redrawn(frame())
    y = pd.Series(list(drawn.y), index=range(1, ROWS + 1))
    message = refused(simple, y=y)
    assert "row labels" in message
    assert "to_numpy" in message


def test_a_family_must_be_made_first(simple: Any) -> None:
    name = type(simple.family).__name__
    with pytest.raises(ek.DataError, match=rf"instance such as {name}\(\)"):
        ek.fit(type(simple.family), frame(), simple.redrawn(frame()).y)
    with pytest.raises(ek.DataError, match=name.lower()):
        ek.fit(name.lower(), frame(), simple.redrawn(frame()).y)


def test_errors_must_be_raise_or_return(simple: Any) -> None:
    assert "'raise' or 'return'" in refused(simple, errors="ignore")


def test_without_intercept_there_must_be_a_column(simple: Any) -> None:
    assert "nothing to estimate" in refused(simple, X=None, intercept=False)


def test_one_row_has_no_answer(simple: Any) -> None:
    for X in (None, [[1.5]]):
        with pytest.raises(ek.EstkitError):
            ek.fit(simple.family, X, list(simple.y)[:1])


def test_bad_data_are_refused_also_where_a_failed_fit_would_be_returned(simple: Any) -> None:
    refused(simple, X=frame(dose=with_value(np.nan)), errors="return")
