"""Cases (k) and (m): the ten nearest by cosine of 50,000 rows of 256 numbers in float32.

In (k) the rows are searched among themselves, without each itself; in (m) the queries are others.
Normalising is part of the task. An answer is right if every cosine of 200 sampled queries is one of
the ten largest in float64, to 1e-6, and no row is its own neighbour.
Run alone: `python benchmarks/bench_neighbours.py`, with `--all` for the slow peers.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from contest import THREADS, Case, Contender, Data, Judgement, run

import estkit as ek

Array = npt.NDArray[Any]

ROWS, COLUMNS, K = 50_000, 256, 10
SAMPLED, CLOSE = 200, 1e-6
BLOCK, PART = 1000, 2048  # rows at a time, of what is written by hand


def make(own: bool) -> Data:
    """Draw rows, and others to search them with."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((ROWS, COLUMNS), dtype=np.float32)
    return {"X": X} if own else {"X": X, "Y": rng.standard_normal(X.shape, dtype=np.float32)}


def few(data: Data) -> Data:
    return {name: values[:3000] for name, values in data.items()}


def unit(X: Array) -> Array:
    return X / np.sqrt(np.einsum("ij,ij->i", X, X))[:, None]


def judge(data: Data, answer: Any) -> Judgement:
    """Compare the cosines that are claimed, and those of the rows that are named, with float64."""
    if answer is None:
        return Judgement(note="bound", right=False)
    indices, claimed = answer
    X, Y = (unit(values.astype(float)) for values in (data["X"], data.get("Y", data["X"])))
    rows = np.random.default_rng(0).choice(len(X), SAMPLED, replace=False)
    cosines = X[rows] @ Y.T
    if "Y" not in data:
        cosines[np.arange(SAMPLED), rows] = -np.inf
    best = -np.sort(-cosines, axis=1)[:, :K]
    named = np.take_along_axis(cosines, indices[rows], 1)
    gap = float(np.abs(best - named).max())
    error = float(np.abs(best - claimed[rows]).max())
    right = gap <= CLOSE
    return Judgement(slope=error, note="exact" if right else f"off by {gap:.1g}", right=right)


def estkit(data: Data) -> Any:
    found = ek.cosine_top_k(data["X"], data.get("Y"), k=K)
    return found.indices, found.similarities


def without_self(indices: Array, scores: Array) -> Any:
    """Take each row itself out of K + 1 neighbours."""
    other = indices != np.arange(len(indices))[:, None]
    other[other.all(axis=1), K] = False
    shape = len(indices), K
    return indices[other].reshape(shape), scores[other].reshape(shape)


def faiss_knn(data: Data) -> Any:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    tables = [data["X"].copy(), data.get("Y", data["X"]).copy()]
    for table in tables:
        faiss.normalize_L2(table)
    own = "Y" not in data
    scores, indices = faiss.knn(*tables, K + own, metric=faiss.METRIC_INNER_PRODUCT)
    return without_self(indices, scores) if own else (indices, scores)


def faiss_index(data: Data) -> Any:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    own = "Y" not in data
    tables = [data["X"].copy(), data.get("Y", data["X"]).copy()]
    for table in tables:
        faiss.normalize_L2(table)
    index = faiss.IndexFlatIP(tables[1].shape[1])
    index.add(tables[1])
    scores, indices = index.search(tables[0], K + own)
    return without_self(indices, scores) if own else (indices, scores)


def numpy_partition(data: Data) -> Any:
    X, Y = unit(data["X"]), unit(data.get("Y", data["X"]))
    own = "Y" not in data
    scores = np.empty((len(X), K), np.float32)
    indices = np.empty((len(X), K), np.int64)
    for start in range(0, len(X), BLOCK):
        part = slice(start, start + BLOCK)
        block = X[part] @ Y.T
        if own:
            block[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
        some = np.argpartition(block, -K, axis=1)[:, -K:]
        values = np.take_along_axis(block, some, 1)
        order = np.argsort(-values, axis=1)
        indices[part] = np.take_along_axis(some, order, 1)
        scores[part] = np.take_along_axis(values, order, 1)
    return indices, scores


def scikit_learn(data: Data) -> Any:
    from sklearn.neighbors import NearestNeighbors

    X = unit(data["X"])
    own = "Y" not in data
    model = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="euclidean")
    model.fit(X if own else unit(data["Y"]))
    distances, indices = model.kneighbors(None if own else X)
    return indices, 1 - distances**2 / 2


def scikit_learn_cosine(data: Data) -> Any:
    from sklearn.neighbors import NearestNeighbors

    own = "Y" not in data
    model = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="cosine")
    model.fit(data["X"] if own else data["Y"])
    distances, indices = model.kneighbors(None if own else data["X"])
    return indices, 1 - distances


def products(data: Data) -> None:
    """Only multiply, in blocks into a ready buffer: nothing that needs all products is faster."""
    X, Y = data["X"], data.get("Y", data["X"])
    out = np.empty((PART, PART), np.float32)
    for start in range(0, len(X), PART):
        for other in range(0, len(Y), PART):
            left, right = X[start : start + PART], Y[other : other + PART]
            np.matmul(left, right.T, out=out[: len(left), : len(right)])


CONTENDERS = [
    Contender("estkit", estkit),
    Contender("all products, nothing else", products),
    Contender("faiss knn", faiss_knn, "faiss"),
    Contender("faiss IndexFlatIP", faiss_index, "faiss"),
    Contender("numpy, argpartition", numpy_partition),
    Contender("scikit-learn euclidean", scikit_learn, "sklearn", slow=True),
    Contender("scikit-learn cosine", scikit_learn_cosine, "sklearn", slow=True),
]
CASES = [
    Case(
        name=name,
        title=f"the {K} nearest by cosine: {what}, {ROWS:,} x {COLUMNS}, float32",
        make=lambda own=own: make(own),  # type: ignore[misc]
        few=few,
        judge=judge,
        contenders=CONTENDERS,
        target=target,
        rival="faiss knn",
        megabytes=200,
        slope="largest error of a cosine",
        remark="answer",
    )
    for name, what, own, target in [
        ("k", "among themselves", True, 0.75),
        ("m", "other queries", False, 1.1),
    ]
]

if __name__ == "__main__":
    sys.exit(run(__file__, "Nearest by cosine", CASES, ["faiss-cpu", "scikit-learn"]))
