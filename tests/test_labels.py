"""Labels of any one kind: their order, their types, and what is no label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import estkit as ek
from estkit.labels import read_labels

# labels, and the outcomes in the order of their codes
KINDS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "whole numbers": ([3, 1, 2, 1], (1, 2, 3)),
    "negative numbers": ([1, -1, 1, -1], (-1, 1)),
    "whole floats": ([2.0, 1.0, 2.0], (1.0, 2.0)),
    "bools": ([True, False, True], (False, True)),
    "words": (["no", "yes", "no"], ("no", "yes")),
    "text of numpy": (np.array(["no", "yes", "no"], np.dtypes.StringDType()), ("no", "yes")),
    "bytes": ([b"b", b"a"], (b"a", b"b")),
    "uint8": (np.array([200, 3], dtype=np.uint8), (3, 200)),
    "large whole numbers": ([2**62, 2**62 + 1], (2**62, 2**62 + 1)),
    "a column": (np.array([[2], [1]]), (1, 2)),
    "objects": (np.array(["b", "a"], dtype=object), ("a", "b")),
    "pandas words": (pd.Series(["b", "a"], dtype="string"), ("a", "b")),
    "nullable integers": (pd.Series([2, 1], dtype="Int64"), (1, 2)),
    "a frame of one column": (pd.DataFrame({"y": ["b", "a"]}), ("a", "b")),
    "polars words": (pl.Series(["b", "a"]), ("a", "b")),
    "polars bools": (pl.Series([True, False]), (False, True)),
    "arrow words": (pa.chunked_array([["b", "a"]]), ("a", "b")),
    "categories": (pd.Series(pd.Categorical(["b", "a"], ["c", "b", "a"])), ("b", "a")),
    "a categorical": (pd.Categorical(["b", "a"], ["c", "b", "a"]), ("b", "a")),
    "ordered categories": (
        pd.Series(pd.Categorical(["hi", "lo"], ["lo", "hi"], ordered=True)),
        ("lo", "hi"),
    ),
    "numbers as categories": (pd.Series(pd.Categorical([1, 3, 2], [3, 2, 1])), (3, 2, 1)),
    "a polars enum": (pl.Series(["b", "a"], dtype=pl.Enum(["b", "a"])), ("b", "a")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_label_is_read(kind: str) -> None:
    given, outcomes = KINDS[kind]
    labels = read_labels(given)
    assert labels.outcomes == outcomes
    assert [type(o) for o in labels.outcomes] == [type(o) for o in outcomes]
    plain = given["y"].tolist() if isinstance(given, pd.DataFrame) else list(np.ravel(given))
    shown = [str(outcomes[code]) for code in labels.codes]
    assert shown == [str(getattr(value, "as_py", lambda v=value: v)()) for value in plain]


@given(st.one_of(st.lists(st.integers(-9, 9), min_size=1), st.lists(st.booleans(), min_size=1),
                 st.lists(st.text(max_size=3), min_size=1)))  # fmt: skip
def test_codes_point_at_their_labels(given: list[Any]) -> None:
    labels = read_labels(given)
    assert [labels.outcomes[code] for code in labels.codes] == given
    assert list(labels.outcomes) == sorted(set(given))


REFUSED: dict[str, tuple[Any, str]] = {
    "measurements": ([1.0, 2.5, 3.0], r"row 1 .*2\.5.*no label.*counts"),
    "words and numbers": (["a", 1], r"int, str.*one kind"),
    "words and bools": (["a", True], r"bool, str"),
    "a gap": (["a", None], r"row 1 .*missing"),
    "nan": ([1.0, np.nan], r"row 1 .*missing"),
    "nan among words": (["a", np.nan], r"row 1 .*missing"),
    "infinity": ([1.0, np.inf], r"row 1 .*infinite"),
    "NA": (pd.Series([1, None], dtype="Int64"), r"row 1 .*missing"),
    "NA among categories": (pd.Categorical(["a", None]), r"row 1 .*missing"),
    "null": (pl.Series(["a", None]), r"row 1 .*missing"),
    "a masked label": (np.ma.array([1, 2], mask=[False, True]), r"row 1 .*missing"),
    "complex numbers": ([1j, 2.0], "complex"),
    "two columns": (pd.DataFrame({"a": [1, 2], "b": [1, 2]}), "one column.*'a', 'b'"),
    "three dimensions": (np.ones((2, 2, 2)), r"one column.*\(2, 2, 2\)"),
    "one label": ("yes", "one column"),
    "no labels": ([], "no rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_label_is_refused(case: str) -> None:
    given, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=rf"^y.*{message}"):
        read_labels(given)


@pytest.mark.parametrize("form", [pd.Series, pd.DatetimeIndex, np.array])
def test_dates_are_all_labels_or_all_refused(form: Any) -> None:
    """Whatever holds the dates, the answer is one and the same, and it can be stored."""
    days = form(pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-01"]))
    with pytest.raises(ek.DataError, match=r"^y.*(datetime|Timestamp).*no labels"):
        read_labels(days)
