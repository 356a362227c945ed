"""Sparse columns give the numbers of dense ones, and are never filled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

import estkit as ek

# The same sums in another order.
EXACT = 1e-11
FORMS = [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array]


def columns(rows: int = 4_000) -> Any:
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, 4)) * (rng.random((rows, 4)) < 0.3)


def response(family: str, X: Any) -> Any:
    rng = np.random.default_rng(1)
    if family == "Gaussian":
        return X[:, 0] + rng.standard_normal(len(X))
    if family == "Softmax":
        return rng.integers(0, 3, len(X)) + (X[:, 1] > 0)
    return rng.random(len(X)) < 1 / (1 + np.exp(X[:, 0] - 0.5 * X[:, 2]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", ["Binomial", "Softmax", "Gaussian"])
def test_every_form_gives_the_numbers_of_the_dense_one(family: str, form: Any) -> None:
    X = columns()
    y = response(family, X)
    dense = ek.fit(getattr(ek, family)(), X, y)
    held = form(X)
    found = ek.fit(getattr(ek, family)(), held, y)
    np.testing.assert_allclose(found.params, dense.params, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(found.std_errors, dense.std_errors, rtol=EXACT)
    assert found.loglik == pytest.approx(dense.loglik, rel=EXACT)
    robust = dense.covariance("HC0")
    np.testing.assert_allclose(found.covariance("HC0"), robust, rtol=1e-9, atol=EXACT)
    np.testing.assert_allclose(found.predict(held), dense.predict(X), rtol=EXACT)
    assert (held != form(X)).nnz == 0


def test_rows_of_any_length_and_entries_given_twice_add_up() -> None:
    X = columns(300)
    X[:100] = 0.0
    twice = sparse.coo_matrix(X)
    repeated = sparse.csr_matrix(
        (np.tile(twice.data / 2, 2), (np.tile(twice.row, 2), np.tile(twice.col, 2))), X.shape
    )
    y = response("Binomial", X)
    found, dense = ek.fit(ek.Binomial(), repeated, y), ek.fit(ek.Binomial(), X, y)
    np.testing.assert_allclose(found.params, dense.params, rtol=EXACT)
    np.testing.assert_allclose(found.std_errors, dense.std_errors, rtol=EXACT)


def test_long_rows_and_wide_designs_take_another_way_to_the_same_numbers() -> None:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((600, 70))
    y = rng.random(600) < 0.5
    found, dense = ek.fit(ek.Binomial(), sparse.csr_matrix(X), y), ek.fit(ek.Binomial(), X, y)
    np.testing.assert_allclose(found.std_errors, dense.std_errors, rtol=1e-9)


def test_many_columns_start_from_gradients_alone() -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 200, size=(30_000, 2)) + np.array([0, 200])
    index = np.arange(0, 60_001, 2)
    every = sparse.csr_matrix((np.ones(60_000), codes.ravel(), index), (30_000, 400))
    X = every[:, [j for j in range(400) if j % 200]]
    y = rng.random(30_000) < 0.3 + 0.4 * (codes[:, 0] % 2)
    fit = ek.fit(ek.Binomial(), X, y)
    residual = y - fit.predict(X)
    assert np.abs(X.T @ residual).max() < 1e-7
    assert fit.certificate.newton_decrement < 1e-8


def test_a_full_set_of_dummies_is_named() -> None:
    codes = np.random.default_rng(5).integers(0, 5, 500)
    X = sparse.csr_matrix(np.eye(5)[codes])
    with pytest.raises(ek.RankError, match=r"'x4' = -1·'x0' .* constant"):
        ek.fit(ek.Binomial(), X, codes % 2)


def test_separation_is_found_and_named() -> None:
    X = columns(500)
    y = response("Binomial", X)
    X[:, 3] = np.where(y, 0.0, X[:, 3] ** 2)
    with pytest.raises(ek.SeparationError, match="x3"):
        ek.fit(ek.Binomial(), sparse.csr_matrix(X), y)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_entry_is_quoted_with_its_place(bad: float) -> None:
    X = sparse.csr_matrix(columns(50))
    row, column = 17, int(X[17].indices[0]) if X[17].nnz else 0
    X[row, column] = bad
    with pytest.raises(ek.DataError, match=rf"column 'x{column}', row {row} "):
        ek.fit(ek.Binomial(), X, np.arange(50) % 2)


def test_whole_numbers_and_bools_are_numbers() -> None:
    X = (columns() > 0.5).astype(np.int8)
    y = response("Binomial", X)
    dense = ek.fit(ek.Binomial(), X.astype(float), y)
    for kind in (np.int8, bool, np.float32):
        found = ek.fit(ek.Binomial(), sparse.csr_matrix(X.astype(kind)), y)
        np.testing.assert_allclose(found.params, dense.params, rtol=EXACT)


def test_a_bootstrap_of_sparse_rows_runs() -> None:
    X = columns(200)
    fit = ek.fit(ek.Binomial(), sparse.csr_matrix(X), response("Binomial", X))
    dense = ek.fit(ek.Binomial(), X, response("Binomial", X))
    found = fit.bootstrap(5, rng=1).summary("bias")["value"]
    np.testing.assert_allclose(found, dense.bootstrap(5, rng=1).summary("bias")["value"], rtol=1e-9)
