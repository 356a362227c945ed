"""The k nearest by cosine and the order of ties, against every pair scored by itself."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

import estkit as ek
from estkit.similarity import nearest
from estkit.similarity.nearest import top_k
from estkit.similarity.rows import Held
from estkit.similarity.search import cosine_search

ULPS = 4 * 2.0**-53  # relative, of a product, a root and a quotient

DRAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "counts with many ties": lambda rng, shape: rng.integers(0, 3, shape) + 0.25,
    "few distinct rows": lambda rng, shape: rng.normal(size=(9, shape[1]))[
        rng.integers(0, 9, shape[0])
    ],
    "nearly parallel": lambda rng, shape: 100 + rng.normal(size=shape),
}


def unit(X: Any) -> Any:
    """Return rows of length 1."""
    return X / np.sqrt((X * X).sum(axis=1, keepdims=True))


def drawn(name: str, rows: int, columns: int, dtype: Any, seed: int = 0) -> Any:
    """Return rows of length 1, drawn by one of the laws above."""
    return unit(DRAWS[name](np.random.default_rng(seed), (rows, columns)).astype(dtype))


def every_pair(queries: Any, corpus: Any) -> Any:
    """Return all similarities, each from its two rows alone."""
    dtype = np.result_type(queries, corpus)
    first, second = ((rows.astype(float) ** 2).sum(axis=1) for rows in (queries, corpus))
    scores = np.array([np.multiply(row, corpus, dtype=float).sum(axis=1) for row in queries])
    with np.errstate(invalid="ignore"):
        scores = scores / np.sqrt(first[:, None] * second)
    return np.clip(scores.astype(dtype), -1, 1)


def by_definition(scores: Any, k: int) -> tuple[Any, Any, Any]:
    """Return rows and scores by (descending score, row), and how many more tie with the last."""
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, rows, 1)
    return rows, best, (scores == best[:, -1:]).sum(axis=1) - (best == best[:, -1:]).sum(axis=1)


def assert_found(found: Any, scores: Any, k: int) -> None:
    """Fail unless a search found exactly what the definition says."""
    for got, expected in zip(found, by_definition(scores, k), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", DRAWS)
def test_neighbours_are_those_of_the_definition(name: str, dtype: Any) -> None:
    X, Y = drawn(name, 1500, 12, dtype), drawn(name, 300, 12, dtype, seed=1)
    own = every_pair(X, X)
    np.fill_diagonal(own, -np.inf)
    for k in (1, 10, 70):
        assert_found(top_k(cosine_search(Held(X)), k), own, k)
        assert_found(top_k(cosine_search(Held(Y), Held(X)), k), every_pair(Y, X), k)


@pytest.mark.parametrize("name", ["normal", "few distinct rows"])
def test_neighbours_depend_neither_on_blocks_nor_on_threads(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = drawn(name, 1300, 8, np.float32)
    expected = every_pair(X, X)
    np.fill_diagonal(expected, -np.inf)
    monkeypatch.setattr(nearest, "_SMALL", 0)
    for blocks in ((64, 96, 72), (513, 100, 311), (32, 1024, 1300)):
        for constant, value in zip(("_QUERIES", "_ROWS", "_OWN"), blocks, strict=True):
            monkeypatch.setattr(nearest, constant, value)
        for threads in (1, 2):
            for corpus in (None, Held(X)):
                search = cosine_search(Held(X), corpus)
                if corpus is None:
                    assert_found(top_k(search, 7, threads=threads), expected, 7)
                else:
                    assert_found(top_k(search, 7, threads=threads), every_pair(X, X), 7)


def cosine(x: Any, y: Any) -> Any:
    """Return a cosine in the arithmetic of mpmath."""
    x, y = ([mpf(float(value)) for value in row] for row in (x, y))
    xy, xx, yy = (
        mp.fsum(a * b for a, b in zip(*pair, strict=True)) for pair in ((x, y), (x, x), (y, y))
    )
    return xy / mp.sqrt(xx * yy)


def test_scores_are_those_of_exact_arithmetic() -> None:
    X = drawn("normal", 400, 30, np.float64)
    found = top_k(cosine_search(Held(X)), 3)
    with mp.workdps(40):
        for row in range(0, 400, 80):
            exact = [cosine(X[row], other) for other in X[found.rows[row]]]
            np.testing.assert_allclose(found.scores[row], np.array(exact, float), rtol=ULPS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_do_not_count_have_no_neighbours_and_are_nobody_s(dtype: Any) -> None:
    X = drawn("normal", 1100, 6, dtype)
    outside = np.zeros(1100, bool)
    outside[[0, 5, 640, 1099]] = True
    X[outside] = 0
    scores = every_pair(X, X)
    np.fill_diagonal(scores, -np.inf)
    scores[outside] = scores[:, outside] = -np.inf
    for corpus in (None, Held(X, outside)):
        found = top_k(cosine_search(Held(X, outside), corpus), 4)
        assert (found.rows[outside] == -1).all()
        assert np.isnan(found.scores[outside]).all()
        assert (found.ties[outside] == 0).all()
        if corpus is None:
            inside = type(found)(*(part[~outside] for part in found))
            assert_found(inside, scores[~outside], 4)
        else:
            assert not np.isin(found.rows[~outside], np.flatnonzero(outside)).any()


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_what_is_missing_when_k_exceeds_the_rows_is_marked(rows: int) -> None:
    X = drawn("normal", rows, 3, np.float64)
    own, other = top_k(cosine_search(Held(X)), 9), top_k(cosine_search(Held(X), Held(X)), 9)
    assert ((own.rows >= 0).sum(axis=1) == rows - 1).all()
    assert ((other.rows >= 0).sum(axis=1) == rows).all()
    assert (other.rows[:, 0] == np.arange(rows)).all()
    assert np.array_equal(np.isnan(own.scores), own.rows < 0)


@pytest.mark.parametrize("name", ["normal", "few distinct rows"])
@pytest.mark.parametrize("own", [True, False])
def test_memory_stays_within_its_bound(name: str, own: bool) -> None:
    X = drawn(name, 2500, 16, np.float32)
    search = cosine_search(Held(X), None if own else Held(X))
    bound, result = 8 << 20, 2500 * (5 * (8 + 4) + 8)
    tracemalloc.start()
    top_k(search, 5, max_bytes=bound, threads=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= bound + result


def test_too_little_memory_is_refused_in_words() -> None:
    X = drawn("normal", 3000, 16, np.float32)
    with pytest.raises(ek.DataError, match=r"max_bytes leaves 100,000 bytes, too few.*the best 50"):
        top_k(cosine_search(Held(X)), 50, max_bytes=100_000)


class Counted(Held):
    """Rows of which it is known how many were read at a time."""

    largest = 0

    def block(self, start: int, stop: int) -> Any:
        """Return a copy, as from a file."""
        Counted.largest = max(Counted.largest, stop - start)
        return self.values[start:stop].copy()


def test_rows_are_read_in_blocks() -> None:
    X = drawn("normal", 5000, 4, np.float32)
    found = top_k(cosine_search(Counted(X)), 2)
    for got, expected in zip(found, top_k(cosine_search(Held(X)), 2), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert Counted.largest <= 2048
