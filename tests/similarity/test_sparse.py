"""Sparse rows: the compiled loops give the same, to the last bit, as blocks of products."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numba  # noqa: F401 - where it is loaded, it is used
import numpy as np
import pytest
from scipy import sparse

import estkit as ek
from estkit.similarity import compiled


def rows(count: int, seed: int, *, whole: bool) -> Any:
    """Return sparse rows, some of them zero; of small whole numbers, so that many cosines tie."""
    rng = np.random.default_rng(seed)
    made = sparse.random_array((count, 40), density=0.1, rng=rng, format="csr")
    made.data = np.round(3 * made.data) if whole else made.data - 0.3
    return made


@pytest.mark.parametrize("zero", ["nan", "zero", "drop"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_compiled_neighbours_are_those_of_blocks(
    own: bool, whole: bool, dtype: Any, zero: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = rows(300, 1, whole=whole)
    Y = None if own else rows(200, 2, whole=whole)
    options: dict[str, Any] = {"k": 7, "dtype": dtype, "zero": zero}
    found = ek.cosine_top_k(X, Y, **options)
    monkeypatch.setattr(compiled, "installed", lambda: False)
    expected = ek.cosine_top_k(X, Y, **options)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.similarities, expected.similarities)
    np.testing.assert_array_equal(found.ties, expected.ties)


def test_the_compiled_loops_are_what_was_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    from estkit.similarity import nearest

    def refuse(*_: Any) -> None:
        raise AssertionError("blocks were used")

    monkeypatch.setattr(nearest, "_pass", refuse)
    monkeypatch.setattr(nearest, "_meet", refuse)
    X = rows(300, 1, whole=False)
    found = ek.cosine_top_k(X, k=3)
    dense = ek.cosine_similarity(X)
    np.fill_diagonal(dense, -2.0)
    best = np.sort(np.nan_to_num(np.asarray(dense), nan=-2.0), axis=1)[:, ::-1][:, :3]
    known = ~np.isnan(found.similarities)
    np.testing.assert_allclose(found.similarities[known], best[known], rtol=0, atol=1e-14)
    with pytest.raises(AssertionError, match="blocks were used"):
        ek.cosine_top_k(X.toarray(), k=3)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_more_neighbours_than_rows_and_threads(n_jobs: int) -> None:
    X = sparse.csr_array(np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]))
    found = ek.cosine_top_k(X, k=5, n_jobs=n_jobs)
    np.testing.assert_array_equal(found.indices[0], [3, 2, -1, -1, -1])
    np.testing.assert_array_equal(found.indices[1], [-1] * 5)
    np.testing.assert_array_equal(found.similarities[0, :2], [1.0, 0.5**0.5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 37, 128, 1500])
def test_compiled_pairs_are_those_of_numpy(
    width: int, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(width)
    X, Y = rng.standard_normal((2, 500, width)).astype(dtype)
    X[3], Y[4], X[5], Y[6] = 0.0, 1e30, 1e-30, X[6]
    found = ek.cosine_pairs(X, Y)
    assert found[6] == 1.0
    np.testing.assert_array_equal(ek.cosine_pairs(X, X)[[0, 1, 2]], 1.0)
    np.testing.assert_array_equal(found.zero_rows, [3])
    monkeypatch.setattr(compiled, "loaded", lambda: False)
    expected = ek.cosine_pairs(X, Y)
    np.testing.assert_allclose(found, expected, rtol=0, atol=4 * np.finfo(dtype).eps)


def test_numba_is_not_loaded_for_little_work() -> None:
    code = (
        "import sys, numpy as np, estkit as ek; from scipy import sparse\n"
        "X = np.random.default_rng(1).random((50, 8))\n"
        "ek.cosine_pairs(X, X); ek.cosine_top_k(sparse.csr_array(X), k=2)\n"
        "print('numba' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
