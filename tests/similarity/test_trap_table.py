"""Every known trap of cosines, and the test that would catch us in it.

The table says where they are, and is tested, too. Below it are traps that no other test is about.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.metrics.pairwise import cosine_similarity as of_sklearn

import estkit as ek

HERE = Path(__file__)

# What users of other tools reported, and the tests that show it: file and name.
TRAPS = {
    "1: a cosine of 1.0000000000000002":
        ["test_cosine::test_no_cosine_of_near_parallel_rows_is_above_1",
         "test_trap_table::test_a_row_with_itself_is_1_where_others_say_more"],
    "2: a zero vector is silently 0":
        ["test_policies::test_a_zero_row_has_the_cosine_that_the_policy_says",
         "test_policies::test_a_zero_row_raises_and_is_named"],
    "3: an eps in the norm changes the cosines of small vectors":
        ["test_cosine::test_a_cosine_is_right_at_any_scale_and_of_any_type"],
    "4: all pairs materialise n x m x d": ["test_cosine::test_the_memory_bound_is_kept"],
    "5: the distance of a vector to itself is negative or 2e-16":
        ["test_trap_table::test_functions_agree_and_the_distance_to_itself_is_0",
         "test_cosine::test_distances_of_1e_30_and_below_are_there"],
    "6: NaN from a constant row; NaN as a missing value":
        ["test_policies::test_zero_rows_are_dropped",
         "test_policies::test_pairwise_cosines_are_those_of_the_common_coordinates"],
    "7: a fast reciprocal root is wrong in the 6th digit":
        ["test_cosine::test_a_self_matrix_is_exactly_symmetric_with_ones_and_right_to_4_ulp"],
    "8: inner products taken for cosines":
        ["test_neighbors::test_every_type_of_number_has_its_neighbours"],
    "9: a search keeps the hits of all its blocks":
        ["test_nearest::test_memory_stays_within_its_bound"],
    "10: a threshold that allocates too much":
        ["test_joining::test_more_pairs_than_fit_are_refused_within_the_memory"],
    "11: whole numbers and threads give zeros; similarity asked, distance given":
        ["test_neighbors::test_every_type_of_number_has_its_neighbours",
         "test_cosine::test_threads_change_no_digit_and_little_memory_no_more_than_the_last"],
    "12: centred by which axis, norms over which entries":
        ["test_cosine::test_the_adjusted_cosine_takes_the_mean_of_each_column_away",
         "test_policies::test_pairwise_pearson_is_that_of_pandas"],
    "13: 1e20 overflows the norm of float32":
        ["test_cosine::test_a_cosine_is_right_at_any_scale_and_of_any_type"],
    "14: a candidate with NaN is dropped in silence, or breaks the order":
        ["test_neighbors::test_rows_without_a_direction_follow_the_policy",
         "test_trap_table::test_a_row_with_nan_breaks_no_order"],
    "15: the interval of Pearson's correlation":
        ["test_inference::test_the_interval_covers_where_that_of_pearson_does_not"],
    "16: noise pulls a cosine towards 0":
        ["test_inference::test_the_debiased_cosine_is_right_where_the_naive_one_is_not"],
    "17: the null of numbers that cannot be negative is not 0":
        ["test_trap_table::test_counts_are_similar_without_being_related"],
}  # fmt: skip


# What is promised of precision and policy; each pair of numbers in HARD of test_cosine is a row.
PROMISES = {
    "any scale from 5e-324 to 1.8e308, every type of number":
        ["test_cosine::test_a_cosine_is_right_at_any_scale_and_of_any_type"],
    "never above 1": ["test_cosine::test_no_cosine_of_near_parallel_rows_is_above_1"],
    "a self matrix exactly symmetric, ones on its diagonal, 4 ulp":
        ["test_cosine::test_a_self_matrix_is_exactly_symmetric_with_ones_and_right_to_4_ulp",
         "test_cosine::test_a_sparse_self_matrix_is_exactly_symmetric_with_ones"],
    "distances and angles of near-parallel vectors to 1e-12, 1e-30 included":
        ["test_cosine::test_distance_and_angle_of_near_parallel_vectors_are_right_to_the_last_digits",
         "test_cosine::test_distances_of_1e_30_and_below_are_there"],
    "near-orthogonal cosines, compensated":
        ["test_cosine::test_a_compensated_cosine_of_nearly_orthogonal_vectors_has_all_its_digits"],
    "ties by index":
        ["test_neighbors::test_equal_rows_are_as_near_as_can_be_and_in_the_order_of_their_positions"],
    "zero rows: nan, zero, raise, drop":
        ["test_policies::test_a_zero_row_has_the_cosine_that_the_policy_says",
         "test_policies::test_a_zero_row_raises_and_is_named",
         "test_policies::test_zero_rows_are_dropped",
         "test_policies::test_pairs_with_a_zero_row_are_dropped"],
    "NaN: raise, propagate, pairwise":
        ["test_policies::test_nan_raises_or_goes_through",
         "test_policies::test_pairwise_cosines_are_those_of_the_common_coordinates",
         "test_policies::test_pairs_with_nothing_in_common_follow_the_policy_for_zero"],
    "infinite numbers": ["test_policies::test_an_infinite_number_is_never_passed_over"],
    "the same policies for neighbours":
        ["test_neighbors::test_options_mean_what_they_mean_for_all_pairs",
         "test_neighbors::test_rows_without_a_direction_follow_the_policy",
         "test_neighbors::test_rows_with_nothing_in_common_follow_the_policy"],
    "one meaning of all policies together":
        ["test_trap_table::test_every_function_means_the_same_by_its_policies"],
    "the rows concerned are named": ["test_policies::test_the_rows_with_nan_are_known"],
    "memory is bounded": ["test_cosine::test_the_memory_bound_is_kept",
                          "test_little_memory::test_products_of_sparse_rows_keep_to_the_memory"],
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS | PROMISES)
def test_every_trap_has_its_tests(trap: str) -> None:
    for place in (TRAPS | PROMISES)[trap]:
        file, name = place.split("::")
        tree = ast.parse((HERE.parent / f"{file}.py").read_text(encoding="utf-8"))
        tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert tests.count(name) == 1, place


def test_a_row_with_itself_is_1_where_others_say_more() -> None:
    X = np.random.default_rng(0).random((500, 3))
    assert (np.diag(of_sklearn(X)) > 1).any()
    np.testing.assert_array_equal(np.diag(ek.cosine_similarity(X)), 1.0)
    assert ek.cosine_similarity(X, X.copy()).max() <= 1


def test_functions_agree_and_the_distance_to_itself_is_0() -> None:
    X = np.random.default_rng(1).random((200, 7))
    np.testing.assert_array_equal(np.diag(ek.cosine_distance(X)), 0.0)
    np.testing.assert_array_equal(ek.cosine_pairs(X, X, measure="distance"), 0.0)
    distances = ek.cosine_distance(X, X.copy())
    assert distances.min() >= 0
    np.testing.assert_allclose(1 - ek.cosine_similarity(X), distances, rtol=0, atol=9e-16)
    nearest = ek.cosine_top_k(X, k=1)
    rows = np.arange(len(X))
    expected = np.asarray(ek.cosine_similarity(X))[rows, nearest.indices[:, 0]]
    np.testing.assert_allclose(nearest.similarities[:, 0], expected, rtol=0, atol=9e-16)


def test_a_row_with_nan_breaks_no_order() -> None:
    X = np.random.default_rng(2).standard_normal((60, 5))
    X[7, 2] = np.nan
    found = ek.cosine_top_k(X, k=5, nan="propagate")
    assert 7 not in found.indices
    np.testing.assert_array_equal(found.indices[7], -1)
    np.testing.assert_array_equal(found.missing_rows, [7])
    others = np.delete(np.arange(60), 7)
    alone = ek.cosine_top_k(X[others], k=5)
    np.testing.assert_array_equal(found.indices[others], others[alone.indices])


def test_counts_are_similar_without_being_related() -> None:
    rng = np.random.default_rng(3)
    naive, honest = [], []
    for _ in range(200):
        x, y = rng.poisson(3, (2, 20))
        naive.append(ek.cosine_test(x, y).p_value < 0.05)
        honest.append(ek.cosine_test(x, y, null="permutation", draws=199, rng=rng).p_value < 0.05)
    assert np.mean(naive) > 0.95
    assert np.mean(honest) < 0.1


@pytest.mark.parametrize("center", [False, True, "columns"])
@pytest.mark.parametrize("nan", ["raise", "propagate", "pairwise"])
@pytest.mark.parametrize("zero", ["nan", "zero", "raise", "drop"])
def test_every_function_means_the_same_by_its_policies(zero: str, nan: str, center: Any) -> None:
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(2, 8, 5))
    X[2], X[5], Y[0], Y[3] = 0.0, 3.0, 0.0, -1.0
    X[1, 0] = X[4, :3] = X[6] = Y[7, 1] = np.nan
    options: dict[str, Any] = {"zero": zero, "nan": nan, "center": center}
    functions: dict[str, Callable[..., Any]] = {
        "all": ek.cosine_similarity,
        "exact": partial(ek.cosine_similarity, compensated=True),
        "far": ek.cosine_distance,
        "rows": ek.cosine_pairs,
        "nearest": partial(ek.cosine_top_k, k=3),
        "joined": partial(ek.cosine_join, threshold=-1),
    }
    # Without the means of the columns a constant row is no longer one, and zero= does not matter.
    refused = nan == "raise" or (zero == "raise" and (center != "columns" or nan == "pairwise"))
    for left, right in ((X, Y), (csr_array(X), csr_array(Y))):
        if refused:
            for call in functions.values():
                with pytest.raises(ek.DataError, match="row"):
                    call(left, right, **options)
            continue
        made = {name: call(left, right, **options) for name, call in functions.items()}
        whole = np.asarray(made["all"])
        near = {"rtol": 0, "atol": 1e-14, "equal_nan": True}
        np.testing.assert_allclose(made["exact"], whole, **near)
        np.testing.assert_allclose(1 - made["far"], whole, **near)
        rows, columns = made["all"].rows, made["all"].columns
        full = np.full((8, 8), np.nan)
        full[np.ix_(rows, columns)] = whole
        np.testing.assert_allclose(made["rows"], np.diag(full)[made["rows"].rows], **near)
        best = np.sort(np.where(np.isnan(whole), -9.0, whole), axis=1)[:, :-4:-1]
        nearest = np.nan_to_num(made["nearest"].similarities, nan=-9.0)
        np.testing.assert_allclose(nearest, best, **near)
        joined = np.full((len(rows), 8), np.nan)
        found = made["joined"]
        joined[np.repeat(np.arange(len(rows)), np.diff(found.indptr)), found.indices] = (
            found.similarities
        )
        np.testing.assert_allclose(joined[:, columns], whole, **near)
        for fact in ("zero_rows", "missing_rows"):
            named = [getattr(made[name], fact).tolist() for name in made if name != "rows"]
            assert named == [named[0]] * len(named)
