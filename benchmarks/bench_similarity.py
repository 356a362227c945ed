"""Cosines of all pairs, of rows pair by pair, and of sparse rows, beside the bound and the peers.

- (a) all pairs of 5,000 x 512 with 5,000 others; the bound is the product into a ready buffer
- (s) all pairs of 5,000 x 512 among themselves; the bound is the symmetric product
- (c) the same rows of two tables of 1,000,000 x 128 in float32; the bound is to read both
- (d) the ten nearest of 50,000 sparse rows of 20,000 columns, 50 entries each, among themselves

Dense cases come in float32 and float64 (``a32``, ``a64``, ...). Normalising is part of the task,
and nothing given may be changed. An answer is right if a sample of it agrees with longer numbers.
Nearest dense rows are raced in `bench_neighbours.py`; how many digits are right, on hard cases too,
is told by `cosine_precision.py`.
Run alone: `python benchmarks/bench_similarity.py`, with `--all` for the slow peers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from contest import THREADS, Case, Contender, Data, Judgement, run
from sparse_cosines import CASE as SPARSE

import estkit as ek

Array = npt.NDArray[Any]

ROWS, COLUMNS = 5_000, 512
PAIRS, PAIRED = 1_000_000, 128
SAMPLED = 100
CLOSE = {"float32": 1e-6, "float64": 1e-14}  # some ulp of 1, which all but the broken reach
PIECE = 1 << 16  # numbers read at a time


def draw(rows: int, columns: int, dtype: Any, tables: int) -> Data:
    """Draw one table or two of standard normal numbers."""
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal((rows, columns), dtype=dtype) for name in ("X", "Y")[:tables]}


def few(data: Data) -> Data:
    return {name: values[:300] for name, values in data.items()}


def unit(X: Array) -> Array:
    return X / np.sqrt(np.einsum("ij,ij->i", X, X))[:, None]


# answers -----------------------------------------------------------------------------------------


def judged(error: float, dtype: Any, note: str) -> Judgement:
    right = error <= CLOSE[str(dtype)]
    return Judgement(slope=error, note=note if right else f"off by {error:.1g}", right=right)


def judge_all(data: Data, answer: Any) -> Judgement:
    """Compare some rows of the matrix with float64, or of float64 with long double."""
    if answer is None:
        return Judgement(note="bound")
    X, Y = data["X"], data.get("Y", data["X"])
    longer = np.float64 if X.dtype == np.float32 else np.longdouble
    rows = np.random.default_rng(0).choice(len(X), min(SAMPLED, len(X)), replace=False)
    some, all_of_them = unit(X[rows].astype(longer)), unit(Y.astype(longer))
    # One row at a time: a product of long doubles has no library.
    error = max(
        float(np.abs(np.asarray(answer[i]) - all_of_them @ row).max())
        for i, row in zip(rows[: 10 if longer is np.longdouble else None], some, strict=False)
    )
    if "Y" in data:
        return judged(error, X.dtype, "right")
    ones = float((np.diag(answer) == 1).mean())
    symmetric = "symmetric" if np.array_equal(answer, np.asarray(answer).T) else "not symmetric"
    return judged(error, X.dtype, f"{symmetric}, {ones:.0%} of the diagonal 1")


def judge_pairs(data: Data, answer: Any) -> Judgement:
    if answer is None:
        return Judgement(note="bound")
    rows = np.random.default_rng(0).choice(len(data["X"]), SAMPLED, replace=False)
    X, Y = (unit(table[rows].astype(float)) for table in (data["X"], data["Y"]))
    error = float(np.abs(np.asarray(answer)[rows] - np.einsum("ij,ij->i", X, Y)).max())
    return judged(error, data["X"].dtype, "right")


# bounds ------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def buffer(rows: int, columns: int, dtype: Any) -> Array:
    """Give memory that has been written to, the same for every run."""
    return np.ones((rows, columns), dtype)


def product(data: Data) -> None:
    X, Y = data["X"], data.get("Y", data["X"])
    np.matmul(X, Y.T, out=buffer(len(X), len(Y), X.dtype))


def read(data: Data) -> None:
    """Go through both tables once, in as many threads as everyone has."""

    def go(part: Array) -> float:
        return sum(float(part[i : i + PIECE].max()) for i in range(0, len(part), PIECE))

    tables = [values.ravel() for values in data.values()]
    parts = [part for values in tables for part in np.array_split(values, THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(go, parts))


# all pairs ---------------------------------------------------------------------------------------


def estkit(data: Data) -> Any:
    return ek.cosine_similarity(data["X"], data.get("Y"))


def numpy_product(data: Data) -> Any:
    X = unit(data["X"])
    return X @ (unit(data["Y"]) if "Y" in data else X).T


def scikit_learn(data: Data) -> Any:
    from sklearn.metrics.pairwise import cosine_similarity

    return cosine_similarity(data["X"], data.get("Y"))


def scipy_distances(data: Data) -> Any:
    from scipy.spatial.distance import cdist, pdist, squareform

    if "Y" in data:
        return 1 - cdist(data["X"], data["Y"], "cosine")
    return 1 - squareform(pdist(data["X"], "cosine"))


def simsimd_distances(data: Data) -> Any:
    import simsimd

    X = data["X"]
    return 1 - np.asarray(simsimd.cdist(X, data.get("Y", X), "cosine", threads=THREADS))


def numkong_distances(data: Data) -> Any:
    import numkong

    return 1 - np.asarray(numkong.cdist(data["X"], data.get("Y", data["X"]), "angular"))


def torch_product(data: Data) -> Any:
    import torch

    torch.set_num_threads(THREADS)
    tables = [torch.nn.functional.normalize(torch.from_numpy(values)) for values in data.values()]
    return (tables[0] @ tables[-1].T).numpy()


def faiss_products(data: Data) -> Any:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    tables = [values.copy() for values in data.values()]
    for table in tables:
        faiss.normalize_L2(table)
    return faiss.pairwise_distances(tables[0], tables[-1], metric=faiss.METRIC_INNER_PRODUCT)


def square(own: bool, dtype: str) -> Case:
    """Make a case of all pairs: the rows among themselves, or with others."""
    bound = "symmetric product, ready buffer" if own else "product, ready buffer"
    contenders = [
        Contender("estkit", estkit),
        Contender(bound, product),
        Contender("numpy: normalise, multiply", numpy_product),
        Contender("scikit-learn", scikit_learn, "sklearn"),
        Contender("torch: normalise, multiply", torch_product, "torch"),
        Contender("scipy pdist" if own else "scipy cdist", scipy_distances, "scipy", slow=True),
        Contender("simsimd cdist", simsimd_distances, "simsimd"),
        Contender("numkong cdist", numkong_distances, "numkong"),
    ]
    if dtype == "float32":
        contenders.insert(5, Contender("faiss pairwise", faiss_products, "faiss"))
    what = "among themselves" if own else "with as many others"
    return Case(
        name=f"{'s' if own else 'a'}{dtype[-2:]}",
        title=f"all pairs of {ROWS:,} x {COLUMNS} {what}, {dtype}",
        make=lambda: draw(ROWS, COLUMNS, np.dtype(dtype), 1 if own else 2),
        few=few,
        judge=judge_all,
        contenders=contenders,
        target=1.1,
        rival=bound,
        slope="largest error",
        remark="answer",
    )


# row by row --------------------------------------------------------------------------------------


def estkit_pairs(data: Data) -> Any:
    return ek.cosine_pairs(data["X"], data["Y"])


def estkit_compiled(data: Data) -> Any:
    import numba  # noqa: F401 - where it is loaded, estkit uses it

    return ek.cosine_pairs(data["X"], data["Y"])


def halves(measure: Callable[[Array, Array], Any], data: Data) -> Array:
    """Let each thread take a part of the rows."""
    parts = np.array_split(np.arange(len(data["X"])), THREADS)
    slices = [slice(part[0], part[-1] + 1) for part in parts]
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda rows: measure(data["X"][rows], data["Y"][rows]), slices)
        return np.concatenate([np.asarray(part) for part in found])


def simsimd_pairs(data: Data) -> Any:
    import simsimd

    return 1 - halves(simsimd.cosine, data)


def numkong_pairs(data: Data) -> Any:
    import numkong

    return 1 - halves(numkong.angular, data)


def numpy_pairs(data: Data) -> Any:
    X, Y = data["X"], data["Y"]
    xx, yy, xy = (np.einsum("ij,ij->i", *both) for both in ((X, X), (Y, Y), (X, Y)))
    return xy / np.sqrt(xx * yy)


def torch_pairs(data: Data) -> Any:
    import torch

    torch.set_num_threads(THREADS)
    X, Y = (torch.from_numpy(data[name]) for name in "XY")
    return torch.nn.functional.cosine_similarity(X, Y).numpy()


def scikit_learn_pairs(data: Data) -> Any:
    from sklearn.metrics.pairwise import paired_cosine_distances

    return 1 - paired_cosine_distances(data["X"], data["Y"])


def row_by_row(name: str, first: Contender, target: float) -> Case:
    """Make a case of rows pair by pair, with numba or without."""
    return Case(
        name=name,
        title=f"row by row, two tables of {PAIRS:,} x {PAIRED}, float32: {first.name}",
        make=lambda: draw(PAIRS, PAIRED, np.float32, 2),
        few=few,
        judge=judge_pairs,
        contenders=[
            first,
            Contender("read both", read),
            Contender("numpy einsum", numpy_pairs),
            Contender("simsimd, a part for each thread", simsimd_pairs, "simsimd"),
            Contender("numkong, a part for each thread", numkong_pairs, "numkong"),
            Contender("scikit-learn paired", scikit_learn_pairs, "sklearn", slow=True),
            Contender("torch", torch_pairs, "torch", slow=True),
        ],
        target=target,
        rival="read both",
        slope="largest error",
        remark="answer",
    )


CASES = [
    *(square(own, dtype) for own in (False, True) for dtype in ("float32", "float64")),
    row_by_row("c", Contender("estkit", estkit_pairs), 1.6),
    row_by_row("cn", Contender("estkit, numba loaded", estkit_compiled, "numba"), 1.15),
    SPARSE,
]
PEERS = ["scikit-learn", "torch", "faiss-cpu", "simsimd", "numkong", "sparse-dot-topn", "numba"]

if __name__ == "__main__":
    sys.exit(run(__file__, "Cosines", CASES, PEERS))
