"""Cosines against exact arithmetic: any scale, type and storage; never above 1; exact symmetry."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

import estkit as ek
from estkit.similarity.blocks import lay_out

EPS = float(np.finfo(float).eps)
FEW_ULP = 4 * EPS
RELATIVE = 1e-12  # asked of distances and angles of near-parallel vectors; they are within 1e-15

# Each pair with its cosine, known by arithmetic.
HARD: dict[str, tuple[Any, Any, float]] = {
    "ordinary": ([3.0, 4.0], [4.0, 3.0], 0.96),
    "smallest": ([5e-324, 0.0], [5e-324, 5e-324], 0.5**0.5),
    "subnormal": ([3e-310, 4e-310], [4e-310, 3e-310], 0.96),
    "tiny": ([3e-200, 4e-200], [4e-200, 3e-200], 0.96),
    "small": ([3e-160, 4e-160], [4.0, 3.0], 0.96),
    "large": ([3e160, 4e160], [4.0, 3.0], 0.96),
    "huge": ([3e200, 4e200], [4e200, 3e200], 0.96),
    "largest": ([1.7e308, 1.7e308], [1.7e308, 0.0], 0.5**0.5),
    "opposite ends": ([1.7e308, 1.7e308], [5e-324, 5e-324], 1.0),
    "across": ([1e308, 0.0], [1e-308, 1e-308], 0.5**0.5),
    "wide range in one row": ([1e300, 1e-300], [0.0, 1.0], 0.0),
    "opposite": ([1e-200, 2e-200], [-1e200, -2e200], -1.0),
    "float32 large": (np.float32([3e30, 4e30]), np.float32([4e30, 3e30]), 0.96),
    "float32 small": (np.float32([3e-30, 4e-30]), np.float32([4e-30, 3e-30]), 0.96),
    "float32 subnormal": (np.float32([3e-44, 4e-44]), np.float32([1.0, 0.0]), 0.5735393346764044),
    "float32 largest": (np.float32([3.4e38, 3.4e38]), np.float32([1.0, 0.0]), 0.5**0.5),
    "float16 largest": (np.float16([65504, 65504]), np.float16([65504, 0]), 0.5**0.5),
    "float16 smallest": (np.float16([6e-8, 6e-8]), np.float16([6e-8, 0]), 0.5**0.5),
    "int8": (np.int8([-128, -128]), np.int8([-128, 0]), 0.5**0.5),
    "uint8": (np.uint8([200, 200]), np.uint8([250, 0]), 0.5**0.5),
    "int16": (np.int16([-32768, 32767]), np.int16([-32768, 0]), 0.7071175662),
    "int32": (np.int32([-(2**31), -(2**31)]), np.int32([2**31 - 1, 0]), -(0.5**0.5)),
    "int64": (np.int64([-(2**63), -(2**63)]), np.int64([2**62, 0]), -(0.5**0.5)),
    "uint64": (np.uint64([2**64 - 1, 2**64 - 1]), np.uint64([1, 0]), 0.5**0.5),
    "bool": (np.array([True, True, False]), np.array([True, False, False]), 0.5**0.5),
    "mixed types": (np.int8([3, 4]), np.float32([4, 3]), 0.96),
    "lists of integers": ([10**18, 0], [10**18, 10**18], 0.5**0.5),
    "one coordinate": ([1e-300], [-1e300], -1.0),
}
FUNCTIONS: dict[str, Callable[[Any, Any], float]] = {
    "pairs": ek.cosine_pairs,
    "similarity": ek.cosine_similarity,
    "compensated": lambda x, y: ek.cosine_similarity(x, y, compensated=True),
    "rows": lambda x, y: ek.cosine_pairs(np.array([x]), np.array([y]))[0],
    "table": lambda x, y: ek.cosine_similarity(np.array([x]), np.array([y]))[0, 0],
    "distance": lambda x, y: 1 - ek.cosine_distance(x, y),
    "pairwise": lambda x, y: ek.cosine_similarity(x, y, nan="pairwise"),
    "sparse": lambda x, y: ek.cosine_similarity(sparse_row(x), sparse_row(y))[0, 0],
    "nearest": lambda x, y: ek.cosine_top_k(x, np.array([y]), k=1).similarities[0],
    "sparse nearest": lambda x, y: ek.cosine_top_k(sparse_row(x), sparse_row(y), k=1).similarities[
        0, 0
    ],
    "joined": lambda x, y: ek.cosine_join(x, np.array([y]), threshold=-1).similarities[0],
    "angle": lambda x, y: np.cos(ek.cosine_distance(x, y, measure="angle")),
}


def sparse_row(x: Any) -> Any:
    """Return a row of a sparse matrix, of a type that scipy has."""
    row = np.atleast_2d(x)
    return sparse.csr_array(row.astype(np.float32) if row.dtype == np.float16 else row)


def exact(x: Any, y: Any) -> mpmath.mpf:
    """Return the cosine of two rows to 60 digits."""
    with mpmath.workdps(60):
        a, b = ([mpmath.mpf(float(v)) for v in np.asarray(row, dtype=float)] for row in (x, y))
        return mpmath.fdot(a, b) / mpmath.sqrt(mpmath.fdot(a, a) * mpmath.fdot(b, b))


def table(rows: int = 60, width: int = 37, seed: int = 1) -> Any:
    """Return random rows."""
    return np.random.default_rng(seed).standard_normal((rows, width))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("case", HARD)
def test_a_cosine_is_right_at_any_scale_and_of_any_type(case: str, function: str) -> None:
    x, y, _ = HARD[case]
    short = all(np.asarray(v).dtype in (np.float16, np.float32) for v in (x, y))
    tolerance = 4 * float(np.finfo(np.float32).eps) if short else FEW_ULP
    expected = float(exact(x, y))
    found = float(FUNCTIONS[function](x, y))
    assert found == pytest.approx(expected, abs=tolerance)
    assert -1 <= found <= 1


@pytest.mark.parametrize("case", HARD)
def test_the_hard_cases_are_stated_correctly(case: str) -> None:
    x, y, stated = HARD[case]
    if "subnormal" not in case:  # whose digits are few
        assert float(exact(x, y)) == pytest.approx(stated, abs=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_self_matrix_is_exactly_symmetric_with_ones_and_right_to_4_ulp(dtype: Any) -> None:
    X = np.random.default_rng(0).standard_normal((2000, 384)).astype(dtype)
    S = ek.cosine_similarity(X)
    assert S.dtype == dtype
    np.testing.assert_array_equal(np.diag(S), 1.0)
    np.testing.assert_array_equal(S, S.T)
    wide = X[::10].astype(np.longdouble)
    wide /= np.sqrt((wide * wide).sum(axis=1))[:, None]
    assert abs(np.asarray(S)[::10, ::10] - wide @ wide.T).max() <= 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_cosine_of_near_parallel_rows_is_above_1(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    X = (np.outer(rng.lognormal(size=700), rng.random(11)) * (1 + 1e-8)).astype(dtype)
    for S in (
        ek.cosine_similarity(X),
        ek.cosine_similarity(X, X.copy()),
        ek.cosine_similarity(-X, X),
    ):
        assert abs(S).max() <= 1
        assert abs(S).min() > 1 - 1e-5
    pairs = ek.cosine_pairs(X, X[::-1])
    assert pairs.max() <= 1
    np.testing.assert_array_equal(ek.cosine_pairs(X, X), 1.0)


@pytest.mark.parametrize("scale", [1e-2, 1e-6, 1e-10, 1e-14])
def test_distance_and_angle_of_near_parallel_vectors_are_right_to_the_last_digits(
    scale: float,
) -> None:
    rng = np.random.default_rng(5)
    x, noise = rng.standard_normal((2, 50))
    y = 2.7 * x * (1 + scale * noise)
    with mpmath.workdps(60):
        cosine = exact(x, y)
        distance, angle = float(1 - cosine), float(mpmath.acos(cosine))
    for found in (ek.cosine_distance(x, y), ek.cosine_pairs(x, y, measure="distance")):
        assert found == pytest.approx(distance, rel=RELATIVE, abs=0)
    assert ek.cosine_distance(x, y, measure="angle") == pytest.approx(angle, rel=RELATIVE, abs=0)
    # one minus a rounded cosine, which is what others compute, has lost these digits
    if scale < 1e-7:
        naive = 1 - x @ y / np.sqrt((x @ x) * (y @ y))
        assert abs(naive / distance - 1) > 1e-3


def test_distances_of_1e_30_and_below_are_there() -> None:
    assert ek.cosine_distance([1.0, 0.0], [1.0, 1e-15]) == pytest.approx(5e-31, rel=RELATIVE)
    assert ek.cosine_distance([1.0, 0.0], [1.0, 1e-150]) == pytest.approx(5e-301, rel=RELATIVE)
    angle = ek.cosine_distance([1.0, 0.0], [1.0, 1e-300], measure="angle")
    assert angle == pytest.approx(1e-300, rel=RELATIVE, abs=0)
    assert ek.cosine_distance([1.0, 2.0], [-1.0, -2.0], measure="angle") == np.pi


def test_a_centred_distance_of_shifted_and_scaled_rows_is_zero_to_rounding() -> None:
    x = table(1, 40)[0]
    assert ek.cosine_distance(x, 3 * x + 5, center=True) < 1e-30
    near = ek.cosine_distance(x, x + 1e-9 * table(1, 40, 8)[0], center=True)
    assert 1e-19 < near < 1e-17


def test_a_compensated_cosine_of_nearly_orthogonal_vectors_has_all_its_digits() -> None:
    rng = np.random.default_rng(11)
    for width in (2, 50, 1000):
        x, y = rng.standard_normal((2, width))
        y -= (x @ y) / (x @ x) * x
        expected = float(exact(x, y))
        assert abs(expected) < 1e-14
        for found in (
            ek.cosine_similarity(x, y, compensated=True),
            ek.cosine_pairs(x, y, compensated=True),
        ):
            assert found == pytest.approx(expected, rel=1e-15, abs=0)


def test_products_that_cancel_to_the_last_bit_are_exact_when_compensated() -> None:
    x = np.array([2.0**53 + 2, 1.0, -(2.0**53)])
    y = np.array([1.0, 1e-8, 1 + 2.0**-52])
    expected = float(exact(x, y))
    for found in (
        ek.cosine_similarity(x, y, compensated=True),
        ek.cosine_pairs(x, y, compensated=True),
    ):
        assert found == pytest.approx(expected, rel=1e-15, abs=0)


def test_angles_are_those_of_arctan() -> None:
    angles = np.linspace(0, np.pi, 1001)
    Y = np.column_stack([np.cos(angles), np.sin(angles)])
    found = ek.cosine_distance([1.0, 0.0], Y, measure="angle")
    np.testing.assert_allclose(found, np.arctan2(Y[:, 1], Y[:, 0]), rtol=1e-14, atol=0)


@pytest.mark.parametrize("measure", ["similarity", "distance", "angle"])
def test_rows_pair_by_pair_are_the_diagonal_of_all_pairs(measure: str) -> None:
    X, Y = table(50), table(50, seed=2)
    whole = ek.cosine_distance(X, Y, measure=measure)
    np.testing.assert_allclose(
        ek.cosine_pairs(X, Y, measure=measure), np.diag(whole), rtol=1e-13, atol=1e-15
    )


def test_weighted_and_centred_cosines_are_those_of_scipy_and_numpy() -> None:
    X, Y, weights = table(20), table(30, seed=2), np.random.default_rng(4).random(37)
    for center, name in ((False, "cosine"), (True, "correlation")):
        expected = 1 - cdist(X, Y, name, w=weights)
        found = ek.cosine_similarity(X, Y, weights=weights, center=center)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(
        ek.cosine_similarity(X, center=True), np.corrcoef(X), rtol=0, atol=1e-14
    )


def test_a_whole_weight_is_so_many_copies_of_a_coordinate() -> None:
    X, counts = table(10, 6), np.array([1, 3, 0, 2, 1, 5])
    for center in (False, True):
        np.testing.assert_allclose(
            ek.cosine_similarity(X, weights=counts, center=center),
            ek.cosine_similarity(np.repeat(X, counts, axis=1), center=center),
            rtol=0,
            atol=1e-15,
        )
    for power in (-900, 900):
        moved = ek.cosine_similarity(X, weights=counts * 2.0**power)
        np.testing.assert_array_equal(moved, ek.cosine_similarity(X, weights=counts))


def test_the_adjusted_cosine_takes_the_mean_of_each_column_away() -> None:
    X, Y = table(12), table(9, seed=2) + 3
    means = np.vstack([X, Y]).mean(axis=0)
    expected = ek.cosine_similarity(X - means, Y - means)
    found = ek.cosine_similarity(X, Y, center="columns")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    given = ek.cosine_similarity(X, Y, center=means)
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-14)


def test_the_soft_cosine_is_its_formula_and_the_identity_changes_nothing() -> None:
    X, Y = table(8, 5), table(6, 5, seed=2)
    root = table(5, 5, seed=3)
    S = root @ root.T
    norms = [np.sqrt(np.einsum("ij,jk,ik->i", rows, S, rows)) for rows in (X, Y)]
    expected = X @ S @ Y.T / np.outer(*norms)
    np.testing.assert_allclose(ek.cosine_similarity(X, Y, soft=S), expected, rtol=0, atol=1e-14)
    plain = ek.cosine_similarity(X, Y)
    np.testing.assert_allclose(
        ek.cosine_similarity(X, Y, soft=np.eye(5)), plain, rtol=0, atol=1e-15
    )
    alike = sparse.csr_array(np.ones((5, 5)))  # all coordinates mean the same: only sums count
    signs = np.sign(np.outer(X.sum(axis=1), Y.sum(axis=1)))
    np.testing.assert_allclose(ek.cosine_similarity(X, Y, soft=alike), signs, rtol=0, atol=1e-12)


def test_shifts_scales_signs_and_orders_do_what_they_must() -> None:
    X, Y = table(20), table(25, seed=2)
    S = ek.cosine_similarity(X, Y)
    factors = 2.0 ** np.random.default_rng(1).integers(-900, 900, 20)
    np.testing.assert_allclose(
        ek.cosine_similarity(factors[:, None] * X, Y), S, rtol=0, atol=FEW_ULP
    )
    np.testing.assert_array_equal(ek.cosine_similarity(-X, Y), -S)
    order = np.random.default_rng(2).permutation(25)
    np.testing.assert_allclose(ek.cosine_similarity(X, Y[order]), S[:, order], rtol=0, atol=EPS)
    np.testing.assert_allclose(ek.cosine_similarity(Y, X), S.T, rtol=0, atol=EPS)
    moved = ek.cosine_similarity(X + 1e6, Y - 1e6, center=True)
    centred = ek.cosine_similarity(X, Y, center=True)
    np.testing.assert_allclose(moved, centred, rtol=0, atol=1e-8)  # of which the shift left digits


STORAGES: dict[str, Callable[[Any], Any]] = {
    "list": lambda X: X.tolist(),
    "column-wise": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "coo_array": sparse.coo_array,
    "pandas": lambda X: pd.DataFrame(X),
    "mapping": lambda X: {f"x{j}": X[:, j] for j in range(X.shape[1])},
    "objects": lambda X: X.astype(object),
    "long double": lambda X: X.astype(np.longdouble),
}


@pytest.mark.parametrize("right", STORAGES)
@pytest.mark.parametrize("left", ["column-wise", "csr_matrix", "mapping"])
def test_the_storage_changes_nothing(left: str, right: str) -> None:
    X = np.where(table(15) > 0.8, table(15, seed=7), 0.0)
    Y = np.where(table(9, seed=2) > 0.2, table(9, seed=8), 0.0)
    X[:, 0] = Y[:, 0] = 1.0
    before = X.copy(), Y.copy()
    if left == "mapping" and right == "pandas":
        given = pd.DataFrame({f"x{j}": Y[:, j] for j in range(Y.shape[1])})
    else:
        given = STORAGES[right](Y)
    found = np.asarray(ek.cosine_similarity(STORAGES[left](X), given))
    np.testing.assert_allclose(found, 1 - cdist(X, Y, "cosine"), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


def test_a_sparse_self_matrix_is_exactly_symmetric_with_ones() -> None:
    X = sparse.random_array((900, 50), density=0.2, rng=np.random.default_rng(1), format="csr")
    S = ek.cosine_similarity(X, zero="drop")
    np.testing.assert_array_equal(np.diag(S), 1.0)
    np.testing.assert_array_equal(S, S.T)


def test_repeated_entries_of_a_sparse_matrix_are_added_up_and_the_input_stays() -> None:
    X = sparse.csr_array((np.array([1.0, 2.0, 4.0]), np.array([0, 0, 1]), np.array([0, 3])), (1, 2))
    assert ek.cosine_similarity(X, [[4.0, 3.0]])[0, 0] == pytest.approx(0.96)
    assert X.nnz == 3


def test_a_memory_map_is_read_and_another_written(tmp_path: Path) -> None:
    X = table(700, 20)
    source = np.memmap(tmp_path / "x", dtype=float, mode="w+", shape=X.shape)
    source[:] = X
    out = np.memmap(tmp_path / "s", dtype=float, mode="w+", shape=(700, 700))
    returned = ek.cosine_similarity(source, out=out)
    assert returned is out
    np.testing.assert_array_equal(out, ek.cosine_similarity(X))


def test_threads_change_no_digit_and_little_memory_no_more_than_the_last() -> None:
    X = table(1300, 40)
    one, two = (ek.cosine_similarity(X, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(one, two)
    little = ek.cosine_similarity(X, max_bytes=100_000)
    np.testing.assert_allclose(little, one, rtol=0, atol=FEW_ULP)
    np.testing.assert_array_equal(little, little.T)


@pytest.mark.parametrize("room", [50_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("function", ["similarity", "distance"])
def test_the_memory_bound_is_kept(room: int, function: str) -> None:
    import tracemalloc

    X = table(2000, 30)
    out = np.empty((2000, 2000))
    call = {"similarity": ek.cosine_similarity, "distance": ek.cosine_distance}[function]
    call(X[:4], out=out[:4, :4].copy())
    tracemalloc.start()
    call(X, out=out, max_bytes=room, n_jobs=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < room + 1_000_000  # flags, tasks and what the interpreter itself takes


def test_blocks_grow_smaller_with_the_memory_and_two_rows_are_the_least() -> None:
    sizes = [lay_out(9999, 9999, 100, max_bytes=room, n_jobs=1) for room in (2**28, 2**22, 2**16)]
    assert sizes[0].rows > sizes[1].rows > sizes[2].rows >= 1
    with pytest.raises(ek.DataError, match="max_bytes is 1000, but two rows of 100 coordinates"):
        ek.cosine_similarity(table(3, 100), max_bytes=1000)


def test_one_vector_goes_with_many_without_reshaping() -> None:
    X = table(6, 4)
    whole = ek.cosine_similarity(X)
    np.testing.assert_allclose(ek.cosine_similarity(X[2], X), whole[2], rtol=0, atol=EPS)
    np.testing.assert_allclose(ek.cosine_similarity(X, X[2]), whole[:, 2], rtol=0, atol=EPS)
    assert isinstance(ek.cosine_similarity(X[0], X[1]), float)
    assert ek.cosine_similarity(X[0]) == 1.0


def test_frames_give_their_labels_and_match_their_columns_by_name() -> None:
    frame = pd.DataFrame({"a": [3.0, 4.0], "b": [4.0, 3.0]}, index=["u", "v"])
    S = ek.cosine_similarity(frame)
    assert isinstance(S, pd.DataFrame)
    assert S.loc["u", "v"] == pytest.approx(0.96)
    turned = ek.cosine_similarity(frame, frame[["b", "a"]])
    assert turned.loc["u", "u"] == pytest.approx(1.0, abs=FEW_ULP)
    one = ek.cosine_similarity(frame.loc["u"], frame[["b", "a"]])
    assert isinstance(one, pd.Series)
    assert one["u"] == pytest.approx(1.0, abs=FEW_ULP)
    dropped = ek.cosine_similarity(frame.mul([0, 1], axis=0), zero="drop")
    assert list(dropped.index) == ["v"]
    assert dropped.attrs["zero_rows"] == [0]
    pairs = ek.cosine_pairs(frame, frame)
    assert list(pairs.index) == ["u", "v"]
    with pytest.raises(ek.DataError, match="lacking b, too many c"):
        ek.cosine_similarity(frame, frame.rename(columns={"b": "c"}))
    with pytest.raises(ek.DataError, match="different row labels"):
        ek.cosine_pairs(frame, frame[::-1])


def test_a_polars_frame_is_rows_of_vectors() -> None:
    import polars

    frame = polars.DataFrame({"a": [3.0, 4.0], "b": [4.0, 3.0]})
    assert ek.cosine_similarity(frame)[0, 1] == pytest.approx(0.96)


def test_no_row_and_no_coordinate_are_no_error() -> None:
    assert ek.cosine_similarity(np.empty((0, 3))).shape == (0, 0)
    assert ek.cosine_similarity(np.empty((0, 3)), table(2, 3)).shape == (0, 2)
    assert ek.cosine_pairs(np.empty((0, 3)), np.empty((0, 3))).shape == (0,)
    assert np.isnan(ek.cosine_similarity(np.empty((2, 0)))).all()  # each is a zero vector


def test_the_facts_are_of_the_whole_and_survive_a_pickle() -> None:
    S = ek.cosine_similarity([[1.0, 2.0], [0.0, 0.0]])
    again = pickle.loads(pickle.dumps(S))
    np.testing.assert_array_equal(again.zero_rows, [1])
    np.testing.assert_array_equal(again, S)
    for part in (S[1:], S[0], S[:, [0]], S[S > 0], S[...], S.T, S + 1, -S, S.max(axis=1), S @ S):
        assert type(part) is np.ndarray
    assert S[0, 0] == 1.0
    assert isinstance(S[0, 0], float)
    assert isinstance(S.sum(), float)
    S *= 2  # the same array, with what it knows
    np.testing.assert_array_equal(S.zero_rows, [1])
    S[0] = 0.5
    np.testing.assert_array_equal(np.asarray(S)[0], [0.5, 0.5])


@pytest.mark.parametrize(
    ("X", "Y", "options", "message"),
    [
        ([[1.0, 2.0]], [[1.0]], {}, "Y has 1 coordinates but X has 2"),
        ([[1.0], [2.0, 3.0]], None, {}, "ragged"),
        ([["a", "b"]], None, {}, "column 'x0', row 0 .* is not a number: 'a'"),
        ([[1j, 2.0]], None, {}, "must hold real numbers, got dtype complex128"),
        (np.zeros((2, 2, 2)), None, {}, "got 3 dimensions"),
        (3.0, None, {}, "got 0 dimensions"),
        ([[1.0]], None, {"zero": "one"}, "zero must be one of 'nan', 'zero', 'raise', 'drop'"),
        ([[1.0]], None, {"nan": "drop"}, "nan must be one of 'raise', 'propagate', 'pairwise'"),
        ([[1.0]], None, {"center": "all"}, "center must be True or 'rows'"),
        ([[1.0]], None, {"dtype": "int8"}, "dtype must be float32 or float64"),
        ([[1.0, 1.0]], None, {"weights": [1.0]}, "weights must be one number for each of the 2"),
        ([[1.0, 1.0]], None, {"weights": [1.0, -2.0]}, "number 1 is negative"),
        ([[1.0, 1.0]], None, {"weights": [0.0, 0.0]}, "all zero"),
        ([[1.0, 1.0]], None, {"soft": [[1.0, 2.0], [2.0, 1.0]]}, "has the eigenvalue -1"),
        (
            [[1.0, 1.0]],
            None,
            {"soft": [[1.0, 2.0], [0.0, 1.0]]},
            "soft must be symmetric, but",
        ),
        ([[1.0, 1.0]], None, {"soft": [[1.0]]}, "must be a matrix of 2 x 2"),
        ([[1.0, 1.0]], None, {"soft": np.eye(2), "nan": "pairwise"}, "cannot be had with soft="),
        ([[1.0, 1.0]], None, {"out": np.empty((2, 2))}, r"out must be .* of shape \(1, 1\)"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(
    X: Any, Y: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ek.DataError, match=message):
        ek.cosine_similarity(X, Y, **options)


def test_pairs_need_as_many_rows_and_measures_a_name() -> None:
    with pytest.raises(ek.DataError, match="X has 2 rows and Y has 3; pairs need as many"):
        ek.cosine_pairs(table(2), table(3))
    with pytest.raises(ek.DataError, match="measure must be one of"):
        ek.cosine_distance(table(2), measure="euclidean")


@pytest.mark.parametrize("width", [1_000, 100_000])
def test_long_rows_of_single_precision_keep_their_digits(width: int) -> None:
    X = np.ones((3, width), np.float32)
    X[1, ::2] = 2.0
    # Equal terms are rounded the same way in every sum of up to 1,024, and float32 adds these up.
    tolerance = 2e-5
    for left, right in ((X, None), (X, X.copy())):
        found = np.asarray(ek.cosine_similarity(left, right))
        np.testing.assert_allclose(found[0], [1, 1.5 / 2.5**0.5, 1], rtol=0, atol=tolerance)
        wide = ek.cosine_similarity(left, right, dtype=np.float64)
        np.testing.assert_allclose(wide[0], [1, 1.5 / 2.5**0.5, 1], rtol=0, atol=5e-14)
    pairs = ek.cosine_pairs(X, X[[1, 0, 2]])[:2]
    np.testing.assert_allclose(pairs, 1.5 / 2.5**0.5, rtol=0, atol=tolerance)
