"""What is given as X and y: every kind of column is made ready, what no model can use is named."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import estkit as ek
from estkit.comparison.columns import columns_of, in_days

X, Y = load_iris(return_X_y=True)
ROWS = len(Y)
NUMBERS = [None if row % 9 == 0 else int(10 * X[row, 2]) for row in range(ROWS)]
AS_FLOATS = np.array([np.nan if value is None else value for value in NUMBERS], float)
TEXT = [None if row % 7 == 0 else "abc"[row % 3] for row in range(ROWS)]
AS_OBJECTS = np.array([np.nan if value is None else value for value in TEXT], object)
DAYS = [None if row % 8 == 0 else datetime.date(2020, 1, 1 + row % 30) for row in range(ROWS)]


def predictions(columns: Any, outcome: Any = Y, models: Any = ("knn", "tree")) -> Any:
    result = ek.compare(models, columns, outcome, cv=3, rng=1)
    assert not len(result.failures()), result.failures()["reason"].iloc[0]
    return result.predictions()["prediction"].tolist()


SAME = {
    "Int64": (pd.array(NUMBERS, dtype="Int64"), AS_FLOATS),
    "objects": (pd.Series(NUMBERS, dtype=object), AS_FLOATS),
    "boolean": (pd.array([None if n is None else n > 40 for n in NUMBERS], dtype="boolean"),
                np.where(np.isnan(AS_FLOATS), np.nan, AS_FLOATS > 40)),
    "polars": (pl.Series(NUMBERS), AS_FLOATS),
    "string": (pd.array(TEXT, dtype="string"), AS_OBJECTS),
    "None": (pd.Series(TEXT, dtype=object), AS_OBJECTS),
    "dates": (pd.Series(DAYS, dtype=object), pd.to_datetime(pd.Series(DAYS))),
    "mixed": (pd.Series([1, "a", 2.5] * 50, dtype=object), ["1", "a", "2.5"] * 50),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAME)
def test_a_column_is_what_its_values_are_however_it_is_stored(kind: str) -> None:
    one, other = SAME[kind]
    assert predictions(pd.DataFrame({"number": X[:, 0], "other": one})) == predictions(
        pd.DataFrame({"number": X[:, 0], "other": other})
    )


def test_times_are_days() -> None:
    times = pd.DataFrame({
        "date": pd.to_datetime(["1970-01-02 00:00", None, "1969-12-31 12:00"]),
        "zone": pd.to_datetime(["1970-01-02"] * 3).tz_localize("Asia/Tokyo"),
        "span": pd.to_timedelta(["6h", "12h", None]),
    })  # fmt: skip
    nan, zone = np.nan, 1 - 9 / 24
    expected = [[1, zone, 0.25], [nan, zone, 0.5], [-0.5, zone, nan]]
    np.testing.assert_allclose(in_days(times), expected, rtol=1e-12)
    found = ek.compare("knn", pd.DataFrame({"day": pd.to_datetime(DAYS)}), Y, cv=3, rng=1)
    assert found.notes == (
        "knn: missing values filled in, times in days since 1970, columns scaled.",
    )


def test_sparse_columns_are_scaled_and_filled_like_dense_ones() -> None:
    gaps = np.where(X > 7, np.nan, X)
    for values in (X, gaps):
        dense, thin = predictions(values), predictions(sparse.csr_matrix(values))
        assert dense == thin


def test_a_search_over_neighbours_scales_and_one_over_a_pipeline_is_taken_as_it_is() -> None:
    frame = pd.DataFrame({"size": X[:, 0] * 1000, "kind": np.array(["u", "v", "w"])[Y]})
    steps = make_column_transformer(
        (StandardScaler(), ["size"]), (OneHotEncoder(handle_unknown="ignore"), ["kind"])
    )
    settings = {"logisticregression__C": [0.1, 1.0]}
    search = GridSearchCV(make_pipeline(steps, LogisticRegression()), settings, cv=2)
    neighbours = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 5]}, cv=2)
    found = ek.compare({"search": search, "neighbours": neighbours}, frame, Y, cv=2, rng=1)
    assert not len(found.failures())
    assert found.notes == ("neighbours: categories one-hot, columns scaled.",)


@pytest.mark.parametrize("given", [
    Y[:, None], pd.DataFrame({"y": Y}), Y.astype(object), pl.DataFrame({"y": Y}), Y.tolist(),
    pd.Series(Y, dtype="Int64"),
])  # fmt: skip
def test_one_column_of_labels_is_y_however_it_is_stored(given: Any) -> None:
    assert predictions(X, given, ["knn"]) == predictions(X, Y, ["knn"])


def test_whole_numbers_are_labels_where_all_models_are_classifiers() -> None:
    models = {"knn": KNeighborsClassifier()}
    assert predictions(X, Y.astype(float), models) == predictions(X, Y, models)
    assert ek.compare("knn", X, Y.astype(float), cv=3, rng=1).classes == ()


WRONG = {
    "no columns": ({"X": X[:, :0]}, "no columns"),
    "complex": ({"X": X + 1j}, "complex"),
    "twice": ({"X": pd.DataFrame(X[:, :2], columns=["a", "a"])}, "more than one column named 'a'"),
    "lazy": ({"X": pl.DataFrame(X).lazy()}, "collect"),
    "lists": ({"X": pd.DataFrame({"a": [[1]] * ROWS})}, "'a' of X holds list values"),
    "infinite in sparse": ({"X": sparse.csr_matrix(np.where(X > 7, np.inf, X))}, "infinite"),
    "no y": ({"y": None}, "y is None"),
    "dates": ({"y": pd.date_range("2020", periods=ROWS)}, "neither labels nor numbers"),
    "complex y": ({"y": Y + 1j}, "neither labels nor numbers"),
    "mixed labels": ({"y": ["a", 1, 2] * 50}, "mixes labels of the kinds int, str"),
    "text as numbers": ({"y": ["1.5", "a", "2"] * 50, "task": "regression"}, "holds str values"),
    "no rows": ({"X": X[:0], "y": Y[:0]}, "rows?"),
    "a class": ({"models": {"a": KNeighborsClassifier}}, r"pass an estimator, KNeighborsClass"),
    "one name twice": ({"models": {1: "knn", "1": "linear"}}, "two models are called '1'"),
    "regressor": ({"models": {"a": LinearRegression()}}, "is for regression"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_no_model_can_use_is_named(case: str) -> None:
    given, message = WRONG[case]
    with pytest.raises(ek.DataError, match=message):
        ek.compare(**{"models": ["knn"], "X": X, "y": Y, "cv": 3, **given})


def test_the_frame_that_was_given_stays_as_it_is() -> None:
    frame = pd.DataFrame({"a": pd.array(NUMBERS, dtype="Int64"), "b": TEXT})
    copy = frame.copy()
    columns_of(frame)
    pd.testing.assert_frame_equal(frame, copy)


@pytest.mark.parametrize("model", ["boosting", "tree", "knn"])
def test_a_column_without_any_value_changes_nothing(model: str) -> None:
    gaps = np.where(X > 6, np.nan, X)
    wider = np.insert(gaps, 2, np.nan, axis=1)
    frame = pd.DataFrame(wider, columns=list("abcde")).assign(kind=TEXT)
    for columns, without in ((wider, gaps), (frame, frame.drop(columns="c"))):
        assert predictions(columns, models=model) == predictions(without, models=model)


def test_a_column_without_any_value_in_one_training_fold_fails_no_model() -> None:
    part = np.arange(ROWS) // 50  # of the last two columns the first third alone has values
    late = np.where(part == 0, X[:, 3], np.nan)
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "late": late, "kind": None, "day": None})
    frame["kind"] = np.where(part == 0, AS_OBJECTS, None)
    frame["day"] = pd.to_datetime(pd.Series(DAYS)).where(part == 0)
    folds = [(np.flatnonzero(part != each), np.flatnonzero(part == each)) for each in range(3)]
    models = ["knn", "linear", "ridge", "tree", "forest", "boosting"]
    for columns in (frame, frame[["a", "b", "late"]], frame[["a", "late"]].to_numpy(float)):
        result = ek.compare(models, columns, X[:, 2], cv=folds, rng=1)
        assert not len(result.failures()), result.failures()["reason"].iloc[0]
    predicted = result.predictions().query("model == 'boosting' and fold == 0")["prediction"]
    alone = ek.compare("boosting", X[:, :1], X[:, 2], cv=folds, rng=1).predictions()
    assert predicted.tolist() == alone.query("model == 'boosting' and fold == 0")[
        "prediction"].tolist()  # fmt: skip


@pytest.mark.parametrize("kind", [object, "S3"])
def test_labels_of_bytes_are_refused_with_what_to_do(kind: Any) -> None:
    labels = np.where(Y == 0, b"yes", b"no").astype(kind)
    with pytest.raises(ek.DataError, match=r"bytes such as b'yes'.*label\.decode\(\) for label"):
        ek.compare("linear", X, labels)


TWO = pd.DataFrame({"x": np.arange(30.0), "z": np.sin(np.arange(30.0))})
ASKED: dict[str, Any] = {
    "compare": lambda **given: ek.compare("linear", **given),
    "knn_curve": lambda **given: ek.knn_curve(k=3, **given),
    "ridge_curve": lambda **given: ek.ridge_curve(alphas=1.0, **given),
    "learning_curve": lambda **given: ek.learning_curve("linear", **given),
    "nested_interval": lambda **given: ek.nested_interval("linear", **given),
    "calibrate_test": lambda **given: ek.calibrate_test("linear", "knn", **given),
    "five_by_two": lambda **given: ek.five_by_two("linear", "knn", **given),
}


@pytest.mark.parametrize("name", ASKED)
def test_rows_whose_labels_do_not_agree_are_not_paired_by_position(name: str) -> None:
    shuffled = TWO["x"].sample(frac=1, random_state=1)
    with pytest.raises(ek.DataError, match="X and y have different row labels"):
        ASKED[name](X=TWO, y=shuffled)
    with pytest.raises(ek.DataError, match="X and groups have different row labels"):
        ASKED[name](X=TWO, y=TWO["x"], groups=shuffled % 7)


def test_a_decomposition_pairs_no_rows_of_other_labels_either() -> None:
    for given, test in (
        ((TWO[::-1], TWO["x"]), None),
        ((TWO, TWO["x"]), (TWO, TWO["x"][::-1])),
    ):
        with pytest.raises(ek.DataError, match="different row labels"):
            ek.bias_variance("linear", *given, test=test)
