"""The input seam: what comes in as numbers, their names, and what is said of everything else."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

import estkit as ek
from estkit import data

VALUES = [[1.0, 4.0], [2.0, 5.0], [3.0, 6.5]]
ARRAY = np.array(VALUES)
FRAME = pd.DataFrame(ARRAY, columns=["age", "dose"])

# what holds the numbers of VALUES, and the names that it gives them
FORMS: dict[str, tuple[Callable[[], Any], tuple[str, str]]] = {
    "array": (lambda: ARRAY, ("x0", "x1")),
    "lists": (lambda: VALUES, ("x0", "x1")),
    "tuples": (lambda: tuple(map(tuple, VALUES)), ("x0", "x1")),
    "float32": (lambda: ARRAY.astype(np.float32), ("x0", "x1")),
    "longdouble": (lambda: ARRAY.astype(np.longdouble), ("x0", "x1")),
    "objects": (lambda: ARRAY.astype(object), ("x0", "x1")),
    "decimals": (lambda: [[Decimal(str(v)) for v in row] for row in VALUES], ("x0", "x1")),
    "fractions": (lambda: [[Fraction(v) for v in row] for row in VALUES], ("x0", "x1")),
    "mask without effect": (lambda: np.ma.array(ARRAY, mask=False), ("x0", "x1")),
    "pandas": (lambda: FRAME, ("age", "dose")),
    "nullable pandas": (lambda: FRAME.convert_dtypes(), ("age", "dose")),
    "pandas on arrow": (lambda: FRAME.astype("float64[pyarrow]"), ("age", "dose")),
    "sparse pandas": (lambda: FRAME.astype(pd.SparseDtype("float", 0.0)), ("age", "dose")),
    "numbers as names": (lambda: pd.DataFrame(ARRAY), ("0", "1")),
    "two levels of names": (
        lambda: FRAME.set_axis(pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]), axis=1),
        ("('a', 'x')", "('a', 'y')"),
    ),
    "polars": (lambda: pl.DataFrame(VALUES, schema=["age", "dose"], orient="row"), ("age", "dose")),
    "polars decimals": (
        lambda: pl.DataFrame(VALUES, schema=["age", "dose"], orient="row").cast(pl.Decimal(10, 1)),
        ("age", "dose"),
    ),
    "arrow": (lambda: pa.table({"age": ARRAY[:, 0], "dose": ARRAY[:, 1]}), ("age", "dose")),
    "mapping": (lambda: {"age": ARRAY[:, 0], "dose": ARRAY[:, 1].tolist()}, ("age", "dose")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_its_numbers_and_names(form: str) -> None:
    make, names = FORMS[form]
    columns = data.read_columns(make())
    assert columns.names == names
    assert columns.rows == 3
    np.testing.assert_array_equal(columns.values.astype(float), ARRAY)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i8", "u8", "?", ">f8", "g"])
def test_an_array_is_used_as_it_is(dtype: str) -> None:
    given = np.ones((4, 2), dtype=dtype)
    assert np.shares_memory(data.read_columns(given).values, given)


def test_one_dimension_is_one_column() -> None:
    for form in ([1, 2, 3], np.array([1, 2, 3]), range(3), pd.Index([1, 2, 3])):
        columns = data.read_columns(form)
        assert (columns.values.shape, columns.names) == ((3, 1), ("x0",))
    assert data.read_columns(pd.Series([1, 2], name="dose")).names == ("dose",)
    assert data.read_columns(pl.Series("dose", [1, 2])).names == ("dose",)
    assert data.read_columns(pl.Series([1, 2])).names == ("x0",)
    assert data.read_columns(pd.Series([1, 2], name=3)).names == ("3",)


def test_nothing_is_no_columns() -> None:
    columns = data.read_columns(None, rows=5)
    assert (columns.values.shape, columns.names) == ((5, 0), ())


@given(hnp.arrays(hnp.floating_dtypes(sizes=(32, 64), endianness="="),
                  hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)))  # fmt: skip
def test_finite_numbers_pass_and_others_are_named(values: Any) -> None:
    wrong = np.argwhere(~np.isfinite(values))
    if not len(wrong):
        assert data.read_columns(values).values is values
        return
    with pytest.raises(ek.DataError) as caught:
        data.read_columns(values)
    row, column = wrong[0]
    assert f"column 'x{column}', row {row} " in str(caught.value)


@pytest.mark.parametrize("row", [0, 100_000, 299_999])
def test_a_bad_value_is_found_in_any_part_of_a_large_array(row: int) -> None:
    values = np.zeros((300_000, 2))
    values[row, 1] = np.nan
    with pytest.raises(ek.DataError, match=rf"'x1', row {row} .*missing \(nan\)"):
        data.read_columns(values)


# what is refused, and what the message must say
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a gap": (lambda: FRAME.assign(dose=[1.0, np.nan, 2.0]), r"'dose', row 1 .*missing"),
    "an NA": (lambda: FRAME.assign(dose=pd.array([1, None, 2], "Int64")), r"'dose', row 1 .*miss"),
    "an NA among bools": (
        lambda: FRAME.assign(dose=pd.array([True, None, False], "boolean")),
        r"'dose', row 1 .*missing",
    ),
    "a null in polars": (lambda: pl.DataFrame({"a": [1, None]}), r"'a', row 1 .*missing \(null\)"),
    "a nan in polars": (lambda: pl.DataFrame({"a": [1.0, np.nan]}), r"'a', row 1 .*missing \(nan"),
    "a null in arrow": (lambda: pa.table({"a": [1, None]}), r"'a', row 1 .*missing"),
    "an infinite decimal": (lambda: [[Decimal("inf")]], r"'x0', row 0 .*infinite"),
    "a masked value": (lambda: np.ma.masked_equal(ARRAY, 5.0), r"'x1', row 1 .*missing"),
    "None": (lambda: [[1.0, None]], r"'x1', row 0 .*missing"),
    "a word": (lambda: [[1.0, "tall"]], r"'x1', row 0 .*not a number: 'tall' \(str\)"),
    "digits as text": (lambda: FRAME.assign(dose=["1", "2", "3"]), r"'dose', row 0 .*'1' \(str\)"),
    "categories": (
        lambda: FRAME.assign(dose=pd.Categorical(list("aba"))),
        r"'dose'.*'a'.*a data frame",
    ),
    "dates": (lambda: FRAME.assign(dose=pd.date_range("2020", periods=3)), r"'dose', row 0 .*date"),
    "lists in a column": (lambda: FRAME.assign(dose=[[1], [2], [3]]), r"'dose', row 0 .*list"),
    "a complex column": (lambda: FRAME.assign(dose=[1j, 2, 3]), r"'dose', row 0 .*complex"),
    "an unbounded integer": (lambda: [[1.0, 10**400]], r"'x1', row 0"),
    "complex numbers": (lambda: ARRAY + 1j, r"real numbers.*complex128"),
    "records": (lambda: np.zeros(3, dtype=[("a", float)]), "real numbers"),
    "time stamps": (lambda: np.array(["2020"], dtype="M8[D]"), "real numbers.*datetime64"),
    "a ragged list": (lambda: [[1.0, 2.0], [3.0]], "ragged"),
    "a ragged mapping": (lambda: {"a": [1.0, 2.0], "b": [3.0]}, "'b'"),
    "a mapping of numbers": (lambda: {"a": 1.0, "b": 2.0}, "'a'"),
    "three dimensions": (lambda: np.zeros((2, 2, 2)), r"two dimensions.*\(2, 2, 2\)"),
    "a number": (lambda: 1.0, "two dimensions"),
    "a word alone": (lambda: "abc", "X "),
    "a generator": (lambda: (i for i in range(3)), "generator"),
    "a set": (lambda: {1, 2}, "set"),
    "a lazy frame": (lambda: pl.LazyFrame({"a": [1]}), "LazyFrame"),
    "equal names": (lambda: FRAME.set_axis(["a", "a"], axis=1), r"more than one .*'a'"),
    "names equal as text": (lambda: FRAME.set_axis([1, "1"], axis=1), r"more than one .*'1'"),
    "no rows": (lambda: FRAME.iloc[:0], "no rows"),
    "an empty mapping": (dict, "no rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_matrix_of_numbers_is_refused(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=message) as caught:
        data.read_columns(make())
    assert "\n" not in str(caught.value)


def test_messages_call_things_by_their_name() -> None:
    with pytest.raises(ek.DataError, match=r"^offset.*row 1 .*missing"):
        data.read_columns([[1.0], [np.nan]], what="offset")
    with pytest.raises(ek.DataError, match=r"X has 3 rows.* 4"):
        data.read_columns(ARRAY, rows=4)


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(ek.DataError) as caught:
        data.read_columns([["a" * 10_000]])
    assert len(str(caught.value)) < 400


# --- vectors, counts, frequencies ---


@pytest.mark.parametrize(
    "form", [[1, 2, 3], np.array([[1], [2], [3]]), pd.DataFrame({"w": [1, 2, 3]})]
)
def test_a_vector_is_float64(form: Any) -> None:
    vector = data.read_vector(form, what="weights", rows=3)
    assert vector.dtype == np.float64
    assert vector.flags.c_contiguous
    assert vector.tolist() == [1.0, 2.0, 3.0]


def test_a_vector_of_another_shape_is_refused() -> None:
    with pytest.raises(ek.DataError, match=r"weights must be one column.*\(3, 2\)"):
        data.read_vector(ARRAY, what="weights")
    with pytest.raises(ek.DataError, match="weights has 3 rows but X has 4"):
        data.read_vector([1, 2, 3], what="weights", rows=4)


@pytest.mark.parametrize(("counts", "message"), [
    (pd.DataFrame({"won": [3, 1], "lost": [0, -2]}), r"'lost', row 1 .*negative \(-2\)"),
    ([[1, 2], [2.5, 1]], r"'x0', row 1 .*not whole \(2\.5\)"),
    ([[1, np.inf]], r"row 0 .*infinite"),
])  # fmt: skip
def test_counts_are_whole_and_not_negative(counts: Any, message: str) -> None:
    with pytest.raises(ek.DataError, match=rf"^y.*{message}"):
        data.read_counts(counts, what="y")


def test_counts_keep_their_names() -> None:
    counts, names = data.read_counts(pl.DataFrame({"won": [3], "lost": [1]}), what="y")
    assert (counts.tolist(), names) == ([[3.0, 1.0]], ("won", "lost"))


def test_frequencies_are_whole_not_negative_and_not_all_zero() -> None:
    assert data.read_frequencies(None, rows=3) is None
    found = data.read_frequencies([True, False, True], rows=3)
    assert found is not None
    assert found.tolist() == [1.0, 0.0, 1.0]
    for wrong, message in (([1, -1], r"row 1.*negative \(-1\)"), ([0.5, 1], r"row 0.*\(0\.5\)"),
                           ([0, 0], "all zero")):  # fmt: skip
        with pytest.raises(ek.DataError, match=f"weights.*{message}"):
            data.read_frequencies(wrong, rows=2)


# --- rows that belong together ---


def test_frames_must_carry_the_same_row_labels() -> None:
    X, y = FRAME, pd.Series([0, 1, 0])
    data.check_same_index(X=X, y=y, weights=None, offset=[1, 2, 3])
    data.check_same_index(X=X.to_numpy(), y=y.set_axis([5, 6, 7]))
    with pytest.raises(ek.DataError, match=r"X and y.*row 1: 1 and 9.*y\.to_numpy\(\)"):
        data.check_same_index(X=X, y=y.set_axis([0, 9, 2]))


def test_a_shuffled_response_is_not_paired_by_position() -> None:
    y = pd.Series([0, 1, 0]).sample(frac=1, random_state=1)
    with pytest.raises(ek.DataError, match="row labels"):
        ek.fit(ek.Gaussian(), FRAME, y)
