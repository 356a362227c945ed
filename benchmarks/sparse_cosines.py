"""Case (d) of `bench_similarity.py`: the ten nearest of sparse rows, as of words in documents.

The columns of a row are drawn without repetition, column j with a probability in proportion to
1 / (j + 100); its entries are counts weighted by how rare their columns are. An answer is right if
the similarities of 100 sampled rows are the ten largest in float64, to 1e-5, and no row is its own
neighbour.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import numpy as np
import scipy.sparse
from contest import THREADS, Case, Contender, Data, Judgement

import estkit as ek

ROWS, COLUMNS, ENTRIES, K = 50_000, 20_000, 50, 10
SHIFT, DRAWS = 100, 90  # draws of which as many as there are entries are distinct
SAMPLED, CLOSE = 100, 1e-5
BLOCK = 500


def make() -> Data:
    """Draw the rows."""
    rng = np.random.default_rng(3)
    heights = np.cumsum(1 / (np.arange(COLUMNS) + SHIFT))
    drawn = np.searchsorted(heights / heights[-1], rng.random((ROWS, DRAWS)))
    order = np.argsort(drawn, axis=1, kind="stable")
    ordered = np.take_along_axis(drawn, order, axis=1)
    new = np.ones(drawn.shape, bool)
    np.put_along_axis(new, order[:, 1:], ordered[:, 1:] != ordered[:, :-1], axis=1)
    kept = new & (np.cumsum(new, axis=1) <= ENTRIES)
    assert (kept.sum(axis=1) == ENTRIES).all()
    columns = rng.permutation(COLUMNS)[drawn[kept]]
    counts = 1 + rng.poisson(0.5, ROWS * ENTRIES)
    documents = np.bincount(columns, minlength=COLUMNS)
    values = counts * (np.log((1 + ROWS) / (1 + documents)) + 1)[columns]
    starts = np.arange(0, ROWS * ENTRIES + 1, ENTRIES)
    parts = values.astype(np.float32), columns.astype(np.int32), starts.astype(np.int32)
    X = scipy.sparse.csr_array(parts, shape=(ROWS, COLUMNS))
    X.sort_indices()
    return {"X": X}


def few(data: Data) -> Data:
    return {"X": data["X"][:500]}


def unit(X: Any) -> Any:
    norms = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    return scipy.sparse.csr_array(scipy.sparse.diags_array((1 / norms).astype(X.dtype)) @ X)


def judge(data: Data, answer: Any) -> Judgement:
    """Compare the largest cosines of some rows with those that are claimed."""
    rows = np.random.default_rng(0).choice(ROWS, SAMPLED, replace=False)
    X = unit(data["X"].astype(float))
    cosines = (X[rows] @ X.T).toarray()
    cosines[np.arange(SAMPLED), rows] = -np.inf
    best = -np.sort(-cosines, axis=1)[:, :K]
    indices, claimed = (values[rows] for values in answer)
    named = np.take_along_axis(cosines, indices, axis=1)
    error = float(max(np.abs(best - named).max(), np.abs(best - claimed).max()))
    note = "exact" if error <= CLOSE else f"off by {error:.1g}"
    return Judgement(slope=error, note=note, right=error <= CLOSE)


def estkit(data: Data) -> Any:
    with contextlib.suppress(ImportError):
        import numba  # noqa: F401 - which a few rows would not load, so it is no part of the task
    return search(data)


def search(data: Data) -> Any:
    found = ek.cosine_top_k(data["X"], k=K)
    return found.indices, found.similarities


class Hidden:
    """A finder of modules that finds no numba."""

    def __init__(self, finder: Any) -> None:
        self.finder = finder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name == "numba" else self.finder.find_spec(name, path, target)


def estkit_plain(data: Data) -> Any:
    """Search as where numba is not installed."""
    if not any(isinstance(finder, Hidden) for finder in sys.meta_path):
        sys.meta_path[:] = [Hidden(finder) for finder in sys.meta_path]
    return search(data)


def without_self(indices: Any, scores: Any, first: int = 0) -> Any:
    """Take each row itself out of K + 1 neighbours."""
    other = indices != np.arange(first, first + len(indices))[:, None]
    other[other.all(axis=1), K] = False
    shape = len(indices), K
    return indices[other].reshape(shape), scores[other].reshape(shape)


def sparse_dot_topn(data: Data) -> Any:
    from sparse_dot_topn import sp_matmul_topn

    X = scipy.sparse.csr_matrix(unit(data["X"]))
    found = sp_matmul_topn(X, X.T.tocsr(), top_n=K + 1, sort=True, n_threads=THREADS)
    shape = len(found.indptr) - 1, K + 1
    return without_self(found.indices.reshape(shape), found.data.reshape(shape))


def in_blocks(data: Data) -> Any:
    """Multiply some rows with all, and take the largest of each from a dense block."""
    X = unit(data["X"])
    turned, count = X.T.tocsr(), X.shape[0]
    indices, scores = np.empty((count, K), np.int64), np.empty((count, K), np.float32)
    for start in range(0, count, BLOCK):
        block = (X[start : start + BLOCK] @ turned).toarray()
        some = np.argpartition(block, -K - 1, axis=1)[:, -K - 1 :]
        values = np.take_along_axis(block, some, axis=1)
        order = np.argsort(-values, axis=1)
        part = [np.take_along_axis(found, order, axis=1) for found in (some, values)]
        stop = start + len(block)
        indices[start:stop], scores[start:stop] = without_self(*part, first=start)
    return indices, scores


def scikit_learn(data: Data) -> Any:
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute", n_jobs=THREADS)
    distances, indices = model.fit(data["X"]).kneighbors(None)
    return indices, 1 - distances


CASE = Case(
    name="d",
    title=f"the {K} nearest of {ROWS:,} sparse rows, {COLUMNS:,} columns, {ENTRIES} entries each",
    make=make,
    few=few,
    judge=judge,
    contenders=[
        Contender("estkit", estkit),
        Contender("estkit without numba", estkit_plain, slow=True),
        Contender("sparse_dot_topn", sparse_dot_topn, "sparse_dot_topn"),
        Contender("scipy product, argpartition", in_blocks, slow=True),
        Contender("scikit-learn cosine", scikit_learn, "sklearn", slow=True),
    ],
    target=0.4,
    rival="sparse_dot_topn",
    slope="largest error of a cosine",
    remark="answer",
)
