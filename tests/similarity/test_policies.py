"""Zero rows and NaN: one meaning in every function and storage, and the rows are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import estkit as ek

ZEROS = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0], [4.0, 3.0, 0.0]])
CONSTANT = np.array([[1.0, 2.0, 4.0], [0.1, 0.1, 0.1], [3.0, 1.0, 1.0]])
HOLES = np.array([[3.0, 4.0, np.nan], [1.0, 1.0, 1.0], [4.0, 3.0, 7.0]])

# Each gives the matrix of three rows with themselves.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "self": lambda X, **options: ek.cosine_similarity(X, **options),
    "cross": lambda X, **options: ek.cosine_similarity(X, X, **options),
    "compensated": lambda X, **options: ek.cosine_similarity(X, compensated=True, **options),
    "sparse": lambda X, **options: ek.cosine_similarity(sparse.csr_array(X), **options),
    "mixed": lambda X, **options: ek.cosine_similarity(sparse.csr_array(X), X, **options),
    "distance": lambda X, **options: 1 - np.asarray(ek.cosine_distance(X, **options)),
    "float32": lambda X, **options: ek.cosine_similarity(X.astype(np.float32), **options),
    "little memory": lambda X, **options: ek.cosine_similarity(X, max_bytes=800, **options),
    "pairs": lambda X, **options: np.reshape(
        ek.cosine_pairs(np.repeat(X, 3, axis=0), np.tile(X, (3, 1)), **options), (3, 3)
    ),
    "pairwise": lambda X, **options: ek.cosine_similarity(X, **{**options, "nan": "pairwise"}),
}


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("zero", "value"), [("nan", np.nan), ("zero", 0.0)])
def test_a_zero_row_has_the_cosine_that_the_policy_says(
    zero: str, value: float, function: str, center: bool
) -> None:
    X = CONSTANT if center else ZEROS
    found = np.asarray(FUNCTIONS[function](X, zero=zero, center=center))
    np.testing.assert_array_equal(found[1], np.full(3, value))
    np.testing.assert_array_equal(found[:, 1], np.full(3, value))
    expected = np.corrcoef(X[[0, 2]])[0, 1] if center else 0.96
    assert found[0, 2] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(found[[0, 2], [0, 2]], 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "pairs"])
def test_zero_rows_are_dropped(function: str, center: bool) -> None:
    found = FUNCTIONS[function](CONSTANT if center else ZEROS, zero="drop", center=center)
    assert found.shape == (2, 2)
    if function != "distance":
        np.testing.assert_array_equal(found.rows, [0, 2])
        np.testing.assert_array_equal(found.zero_rows, [1])


def test_pairs_with_a_zero_row_are_dropped() -> None:
    found = ek.cosine_pairs(ZEROS, ZEROS[[1, 0, 2]], zero="drop")
    np.testing.assert_allclose(found, [1.0])
    np.testing.assert_array_equal(found.rows, [2])
    np.testing.assert_array_equal(found.zero_rows, [1])
    np.testing.assert_array_equal(found.zero_columns, [0])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_zero_row_raises_and_is_named(function: str) -> None:
    row = 3 if function == "pairs" else 1
    with pytest.raises(ek.DataError, match=rf"X: row {row} \(counted from 0\) is zero"):
        FUNCTIONS[function](ZEROS, zero="raise")
    with pytest.raises(ek.DataError, match=rf"row {row} .* constant, so nothing is left"):
        FUNCTIONS[function](CONSTANT, zero="raise", center=True)
    ready = FUNCTIONS[function](ZEROS[[0, 2, 2]], zero="raise")  # nothing to raise for
    assert np.asarray(ready).shape == (3, 3)


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "pairwise"])
def test_nan_raises_or_goes_through(function: str) -> None:
    with pytest.raises(ek.DataError, match=r"X: row 0 .*, column 'x2' is missing \(nan\)"):
        FUNCTIONS[function](HOLES)
    found = np.asarray(FUNCTIONS[function](HOLES, nan="propagate"))
    np.testing.assert_array_equal(np.isnan(found), [[1, 1, 1], [1, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_infinite_number_is_never_passed_over(function: str) -> None:
    X = HOLES.copy()
    X[0, 2] = -np.inf
    with pytest.raises(ek.DataError, match=r"column 'x2' is infinite \(-inf\)"):
        FUNCTIONS[function](X)
    if function != "pairwise":
        found = np.asarray(FUNCTIONS[function](X, nan="propagate"))
        assert np.isnan(found[0]).all()


def test_the_rows_with_nan_are_known() -> None:
    found = ek.cosine_similarity(ZEROS, HOLES, nan="propagate")
    np.testing.assert_array_equal(found.zero_rows, [1])
    np.testing.assert_array_equal(found.missing_rows, [])
    np.testing.assert_array_equal(found.missing_columns, [0])


@pytest.mark.parametrize("given", ["frame", "masked", "objects"])
def test_what_has_no_value_is_nan(given: str) -> None:
    X = {
        "frame": pd.DataFrame(HOLES).astype("Float64"),
        "masked": np.ma.masked_invalid(HOLES),
        "objects": [[3.0, 4.0, None], *HOLES[1:].tolist()],
    }[given]
    found = np.asarray(ek.cosine_similarity(X, nan="pairwise"))
    np.testing.assert_array_equal(found, np.asarray(ek.cosine_similarity(HOLES, nan="pairwise")))
    with pytest.raises(ek.DataError, match="missing"):
        ek.cosine_similarity(X)


def one_by_one(X: Any, Y: Any, weights: Any, center: bool) -> Any:
    """Return cosines over common coordinates, pair by pair, from what both have."""
    found = np.empty((len(X), len(Y)))
    for i, x in enumerate(X):
        for j, y in enumerate(Y):
            both = ~np.isnan(x) & ~np.isnan(y)
            found[i, j] = (
                ek.cosine_similarity(x[both], y[both], weights=weights[both], center=center)
                if both.any() and weights[both].any()
                else np.nan
            )
    return found


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("shift", [0.0, 1e7])
def test_pairwise_cosines_are_those_of_the_common_coordinates(center: bool, shift: float) -> None:
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((18, 7)) + shift, rng.standard_normal((21, 7)) + shift
    X[rng.random(X.shape) < 0.5] = np.nan
    Y[rng.random(Y.shape) < 0.5] = np.nan
    weights = rng.random(7)
    expected = one_by_one(X, Y, weights, center)
    options = {"weights": weights, "center": center, "nan": "pairwise"}
    tolerance = 1e-13 if not shift or not center else 1e-8
    found = ek.cosine_similarity(X, Y, **options)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    pairs = ek.cosine_pairs(X, Y[:18], **options)
    np.testing.assert_allclose(pairs, np.diag(expected), rtol=0, atol=tolerance)
    assert np.isnan(expected).any()


def test_pairwise_pearson_is_that_of_pandas() -> None:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((12, 30))
    X[rng.random(X.shape) < 0.3] = np.nan
    found = ek.cosine_similarity(X, center=True, nan="pairwise")
    np.testing.assert_allclose(found, pd.DataFrame(X.T).corr(), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(np.diag(found), 1.0)
    np.testing.assert_array_equal(found, found.T)


def test_common_coordinates_of_any_size_count() -> None:
    X = np.array([[1e300, 3e-200, 4e-200], [np.nan, 4e-200, 3e-200]])
    assert ek.cosine_similarity(X, nan="pairwise")[0, 1] == pytest.approx(0.96)


def test_pairs_with_nothing_in_common_follow_the_policy_for_zero() -> None:
    X = np.array([[1.0, np.nan], [np.nan, 1.0]])
    assert np.isnan(ek.cosine_similarity(X, nan="pairwise")[0, 1])
    assert ek.cosine_similarity(X, nan="pairwise", zero="zero")[0, 1] == 0
    assert ek.cosine_distance(X, nan="pairwise", zero="zero")[0, 1] == 1
    with pytest.raises(ek.DataError, match=r"row 0 .* row 1 .* no direction in the coordinates"):
        ek.cosine_similarity(X, nan="pairwise", zero="raise")
    with pytest.raises(ek.DataError, match="no direction in the coordinates"):
        ek.cosine_pairs(X, X[::-1], nan="pairwise", zero="raise")
