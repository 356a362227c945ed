"""Little memory, large k and rows that are made again and again change no answer."""

from __future__ import annotations

import copy
import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import estkit as ek
from estkit.similarity.directions import unit_rows
from estkit.similarity.form import read_form
from estkit.similarity.nearest import top_k
from estkit.similarity.search import euclidean_search
from estkit.similarity.vectors import read_vectors

SOFT = np.exp(-abs(np.subtract.outer(np.arange(40), np.arange(40))) / 7.0)


def table(dtype: Any = np.float64) -> Any:
    X = np.random.default_rng(8).normal(size=(600, 40)).astype(dtype)
    X[500:] = X[:100]
    return X


@pytest.mark.parametrize("options", [{}, {"center": True}, {"soft": SOFT}])
@pytest.mark.parametrize("room", [150_000, 600_000, 2_000_000])
def test_little_memory_is_kept_and_changes_no_digit(options: dict[str, Any], room: int) -> None:
    X = table()
    plain = ek.cosine_top_k(X, k=3, **options), ek.cosine_join(X, threshold=0.99, **options)
    tracemalloc.start()
    little = ek.cosine_top_k(X, k=3, max_bytes=room, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < room + 600_000  # the result, flags, and what the interpreter itself takes
    pairs = ek.cosine_join(X, threshold=0.99, max_bytes=max(room, 400_000), **options)
    for name in ("indices", "similarities", "ties"):
        np.testing.assert_array_equal(getattr(little, name), getattr(plain[0], name))
    for name in ("indptr", "indices", "similarities"):
        np.testing.assert_array_equal(getattr(pairs, name), getattr(plain[1], name))


def test_little_memory_is_enough_for_sparse_rows_of_many_columns() -> None:
    S = sparse.random(300, 20_000, 0.003, format="csr", random_state=2)
    found = ek.cosine_top_k(S, k=3, max_bytes=300_000)
    plain = ek.cosine_top_k(S, k=3)
    np.testing.assert_array_equal(found.indices, plain.indices)
    np.testing.assert_array_equal(found.similarities, plain.similarities)


def terms(columns: int, each: int, rows: int = 1500) -> Any:
    """Rows of counts of words, of which few are in most rows: their products are dense."""
    rng = np.random.default_rng(12)
    shares = 1 / np.arange(1, columns + 1)
    words = rng.choice(columns, size=rows * each, p=shares / shares.sum())
    made = sparse.csr_array(
        (rng.random(rows * each) + 0.1, (np.repeat(np.arange(rows), each), words)),
        shape=(rows, columns),
    )
    made.sum_duplicates()
    return made


SPARSE = {
    "similarity": lambda S, T, out, **o: ek.cosine_similarity(S, out=out, **o),
    "of two": lambda S, T, out, **o: ek.cosine_similarity(S, T, out=out, **o),
    "distance": lambda S, T, out, **o: ek.cosine_distance(S, out=out, **o),
    "top_k": lambda S, T, out, **o: ek.cosine_top_k(S, k=5, **o),
    "join": lambda S, T, out, **o: ek.cosine_join(S, threshold=0.97, **o),
}


@pytest.mark.parametrize(
    ("name", "columns", "room"),
    [(name, columns, room) for name in ("top_k", "join", "of two") for columns, room in
     ((1_000, 10_000_000), (200, 20_000_000))] + [("similarity", 1_000, 5_000_000),
     ("distance", 60_000, 1_000_000), ("top_k", 60_000, 1_000_000)],
)  # fmt: skip
def test_products_of_sparse_rows_keep_to_the_memory(
    name: str, columns: int, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("estkit.similarity.compiled.installed", lambda: False)
    S = terms(columns, 40, rows=500) if columns > 1_000 else terms(columns, 80, rows=2000)
    T, out = S.copy(), np.empty((S.shape[0],) * 2)
    SPARSE[name](S[:5], T[:5], np.empty((5, 5)))
    tracemalloc.start()
    SPARSE[name](S, T, out, max_bytes=room, n_jobs=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < room + 600_000  # the result, flags, and what the interpreter itself takes


@pytest.mark.parametrize("weighted", [False, True])
def test_wide_sparse_rows_are_as_far_apart_as_dense_ones(weighted: bool) -> None:
    S = terms(30_000, 30, rows=40)
    T = S.copy()
    T.data = T.data * (1 + 1e-9 * np.random.default_rng(1).standard_normal(T.nnz))
    weights = np.arange(30_000) % 3.0 if weighted else None
    far = ek.cosine_pairs(S, T, measure="distance", weights=weights)
    dense = ek.cosine_pairs(S.toarray(), T.toarray(), measure="distance", weights=weights)
    np.testing.assert_allclose(far, dense, rtol=1e-12)
    np.testing.assert_array_equal(far, np.diag(ek.cosine_distance(S, T, weights=weights)))


@pytest.mark.parametrize("width", [1, 7, 40])
def test_soft_rows_depend_on_no_other_rows(width: int) -> None:
    vectors = read_vectors(table()[:500, :width], what="X")
    form = read_form(None, False, SOFT[:width, :width], vectors, None)
    whole = unit_rows(vectors, form, slice(0, 500), float).rows
    for part in (slice(3, 4), slice(77, 400), np.array([499, 3, 250])):
        np.testing.assert_array_equal(unit_rows(vectors, form, part, float).rows, whole[part])


def test_places_that_no_row_can_fill_are_refused_where_they_take_more_than_the_memory() -> None:
    X = table()
    assert ek.cosine_top_k(X[:30], k=50).indices.shape == (30, 50)
    with pytest.raises(ek.DataError, match="k is 5,000, but there are 600 rows"):
        ek.cosine_top_k(X, k=5_000, max_bytes=10_000_000)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda made: made.copy()])
def test_a_copy_knows_what_the_whole_knows(how: Any) -> None:
    made = ek.cosine_similarity([[3.0, 4.0], [0.0, 0.0], [4.0, 3.0]], zero="drop")
    again = how(made)
    assert type(again) is type(made)
    assert again.zero_rows.tolist() == [1]
    assert again.columns.tolist() == [0, 2]
    again[0, 0] = 7.0
    assert made[0, 0] == 1.0
    assert type(made[:1]) is np.ndarray


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e160, 1e300])
@pytest.mark.parametrize("scaled", [False, True])
def test_euclidean_neighbours_do_not_depend_on_the_unit(scale: float, scaled: bool) -> None:
    unit = 2.0 ** round(np.log2(scale))
    X = np.random.default_rng(9).normal(size=(700, 4))
    scales = np.full((700, 4), 2.0) if scaled else None
    plain = top_k(euclidean_search(X, scales=scales), 4)
    far = top_k(euclidean_search(X * unit, scales=scales if scales is None else scales * unit), 4)
    np.testing.assert_array_equal(far.rows, plain.rows)
    other = top_k(euclidean_search(X * unit, X[:50] * unit), 4)
    np.testing.assert_array_equal(other.rows, top_k(euclidean_search(X, X[:50]), 4).rows)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("cv", ["loo", 3])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_a_curve_of_neighbours_does_not_depend_on_the_unit(
    scale: bool, cv: Any, weights: str
) -> None:
    rng = np.random.default_rng(10)
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] + rng.normal(size=60) > 0).astype(int)
    options: dict[str, Any] = {"k": [1, 5], "cv": cv, "scale": scale, "weights": weights, "rng": 1}
    plain = ek.knn_curve(X, y, **options)
    for power in (-560, 660):
        far = ek.knn_curve(X * 2.0**power, y, **options)
        np.testing.assert_array_equal(far.values, plain.values)
