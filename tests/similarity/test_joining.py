"""All pairs over a threshold, against every pair scored by itself."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

import estkit as ek
from estkit.similarity import nearest
from estkit.similarity.joining import join
from estkit.similarity.rows import Held
from estkit.similarity.search import cosine_search


def drawn(rows: int, columns: int, dtype: Any, seed: int = 0) -> Any:
    """Return rows of length 1, some of them more than once."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns))[rng.integers(0, rows, rows)].astype(dtype)
    return X / np.sqrt((X * X).sum(axis=1, keepdims=True))


def by_definition(queries: Any, corpus: Any, threshold: float, own: bool) -> Any:
    """Return the pairs as a sparse array, scored one query at a time."""
    dtype = queries.dtype
    first, second = ((rows.astype(float) ** 2).sum(axis=1) for rows in (queries, corpus))
    scores = np.array([np.multiply(row, corpus, dtype=float).sum(axis=1) for row in queries])
    scores = np.clip((scores / np.sqrt(first[:, None] * second)).astype(dtype), -1, 1)
    kept = scores >= dtype.type(threshold)
    if own:
        np.fill_diagonal(kept, False)
    return csr_array((scores[kept], np.nonzero(kept)), shape=scores.shape)


def assert_pairs(found: Any, expected: Any) -> None:
    """Fail unless the pairs and their scores are exactly those expected."""
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.rows, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threshold", [-1.0, 0.2, 0.7, 1.0])
def test_pairs_are_those_of_the_definition(threshold: float, dtype: Any) -> None:
    X, Y = drawn(700, 5, dtype), drawn(150, 5, dtype, seed=1)
    assert_pairs(join(cosine_search(Held(X)), threshold), by_definition(X, X, threshold, True))
    assert_pairs(
        join(cosine_search(Held(Y), Held(X)), threshold), by_definition(Y, X, threshold, False)
    )


def test_pairs_depend_neither_on_blocks_nor_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    X = drawn(900, 6, np.float32)
    expected = by_definition(X, X, 0.6, True)
    monkeypatch.setattr(nearest, "_SMALL", 0)
    for queries, rows in ((64, 100), (513, 129), (900, 900)):
        monkeypatch.setattr(nearest, "_QUERIES", queries)
        monkeypatch.setattr(nearest, "_ROWS", rows)
        for threads in (1, 2):
            assert_pairs(join(cosine_search(Held(X)), 0.6, threads=threads), expected)


def test_rows_that_do_not_count_are_in_no_pair() -> None:
    X = drawn(300, 4, np.float64)
    outside = np.zeros(300, bool)
    outside[[0, 17, 299]] = True
    X[outside] = 0
    inside = np.flatnonzero(~outside)
    expected = by_definition(X[inside], X[inside], -0.5, True)
    for corpus in (None, Held(X, outside)):
        found = join(cosine_search(Held(X, outside), corpus), -0.5)
        assert (np.diff(found.indptr)[outside] == 0).all()
        assert not np.isin(found.rows, np.flatnonzero(outside)).any()
        if corpus is None:
            np.testing.assert_array_equal(found.rows, inside[expected.indices])


def test_no_pair_is_an_answer() -> None:
    found = join(cosine_search(Held(np.eye(5))), 0.5)
    assert found.indptr.tolist() == [0] * 6
    assert found.rows.size == found.scores.size == 0


def test_more_pairs_than_fit_are_refused_within_the_memory() -> None:
    X = drawn(4000, 4, np.float32)
    search = cosine_search(Held(X))
    bound = 24 << 20
    tracemalloc.start()
    with pytest.raises(ek.DataError, match="room for 196,608 pairs"):
        join(search, 0.0, max_bytes=bound)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= bound
