"""Products with the columns of a block: sparse ones give the numbers of dense ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from estkit.likelihood import pairs
from estkit.likelihood.design import Dense, Sparse
from estkit.likelihood.triangles import add_transpose, mirror

REL = 1e-13  # sums of some hundred products, in another order


def table(rows: int, columns: int, density: float, seed: int = 5) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((rows, columns)) * (rng.random((rows, columns)) < density)
    return sparse.csr_matrix(values)


@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize(
    ("rows", "columns", "density"),
    [(300, 40, 0.2), (300, 6, 1.0), (50, 200, 0.01), (7, 3, 0.0), (400, 90, 0.9)],
)
def test_a_sparse_gram_matrix_is_that_of_the_dense_columns(
    rows: int, columns: int, density: float, ones: bool
) -> None:
    held = table(rows, columns, density)
    weight = np.random.default_rng(1).random(rows)
    expected = Dense(held.toarray(), ones).gram(weight)
    found = Sparse(held, ones).gram(weight)
    np.testing.assert_allclose(found, expected, rtol=REL, atol=REL * rows)


def test_rows_whose_entries_are_unsorted_or_repeated_are_added_up() -> None:
    held = sparse.csr_matrix(
        (np.array([2.0, 1.0, 3.0, 5.0, -1.0]), np.array([2, 0, 2, 1, 0]), np.array([0, 3, 3, 5])),
        shape=(3, 3),
    )
    weight = np.array([0.5, 7.0, 2.0])
    expected = Dense(held.toarray()).gram(weight)
    np.testing.assert_allclose(Sparse(held).gram(weight), expected, rtol=REL)


def test_rows_are_taken_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    held, weight = table(300, 12, 0.5), np.random.default_rng(1).random(300)
    whole = Sparse(held, True).gram(weight)
    monkeypatch.setattr(pairs, "_PAIRS", 64)
    np.testing.assert_allclose(Sparse(held, True).gram(weight), whole, rtol=REL, atol=REL)


@pytest.mark.parametrize("cells", [0, 1 << 17])
def test_codes_of_factors_give_the_same_with_tables_and_without(
    monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    rng = np.random.default_rng(3)
    codes = np.column_stack([rng.integers(0, 5, 400), rng.integers(5, 12, 400)])
    codes = np.column_stack([codes, np.full(400, 12), rng.integers(13, 20, 400)])
    codes[:30, 3] = 19 - codes[:30, 3] % 3 * 6  # columns that two positions share
    values, starts = rng.standard_normal(1600), np.arange(0, 1601, 4)
    held = sparse.csr_matrix((values, codes.ravel(), starts), shape=(400, 21))
    weight = rng.random(400)
    monkeypatch.setattr(pairs, "_TABLE", cells)
    expected = Dense(held.toarray(), True).gram(weight)
    np.testing.assert_allclose(Sparse(held, True).gram(weight), expected, rtol=REL, atol=REL * 400)


@pytest.mark.parametrize("size", [0, 1, 5, 128, 129, 300])
def test_triangles_of_any_size(size: int) -> None:
    matrix = np.random.default_rng(2).standard_normal((size, size))
    both = matrix.copy()
    add_transpose(both)
    assert np.array_equal(both, matrix + matrix.T)
    mirrored = matrix.copy()
    mirror(mirrored)
    assert np.array_equal(mirrored, np.triu(matrix) + np.triu(matrix, 1).T)
