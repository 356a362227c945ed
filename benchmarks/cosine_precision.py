"""How many digits of a cosine are right: no race, but what estkit and its peers answer.

    python benchmarks/cosine_precision.py

First the matrix of 2,000 x 384 standard normal numbers with itself: the share of its diagonal that
is exactly 1, whether it is exactly symmetric, the largest entry, and the largest error of 40 rows
against long doubles, in units of the last place of 1 (1.2e-7 in float32, 2.2e-16 in float64). Then
hard pairs of vectors against `mpmath`: right is an error of at most 4 such units of the type of the
numbers, and nothing beyond 1. Last the distance of near-parallel vectors. "-": refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
from environment import is_installed, markdown, print_header

import estkit as ek

ROWS, COLUMNS, SAMPLED = 2000, 384, 40
ULPS = 4
GAPS = (1e-3, 1e-6, 1e-9, 1e-15)
Array = Any
Way = Callable[[Array, Array], Any]


def scikit_learn(X: Array, Y: Array) -> Array:
    from sklearn.metrics.pairwise import cosine_similarity

    return cosine_similarity(X, Y)


def scipy_cdist(X: Array, Y: Array) -> Array:
    from scipy.spatial.distance import cdist

    return 1 - cdist(X, Y, "cosine")


def numpy_plain(X: Array, Y: Array) -> Array:
    unit = [rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (X, Y)]
    return unit[0] @ unit[1].T


def torch_plain(X: Array, Y: Array) -> Array:
    import torch

    left, right = (torch.nn.functional.normalize(torch.from_numpy(rows)) for rows in (X, Y))
    return (left @ right.T).numpy()


def simsimd_cdist(X: Array, Y: Array) -> Array:
    import simsimd

    return 1 - np.asarray(simsimd.cdist(X, Y, "cosine"))


def numkong_cdist(X: Array, Y: Array) -> Array:
    import numkong

    return 1 - np.asarray(numkong.cdist(X, Y, "angular"))


def faiss_products(X: Array, Y: Array) -> Array:
    import faiss

    if X.dtype != np.float32:
        raise TypeError("float32 only")
    left, right = X.copy(), Y.copy()
    faiss.normalize_L2(left)
    faiss.normalize_L2(right)
    return faiss.pairwise_distances(left, right, metric=faiss.METRIC_INNER_PRODUCT)


WAYS: dict[str, tuple[Way, str]] = {
    "estkit": (lambda X, Y: ek.cosine_similarity(X, None if Y is X else Y, zero="zero"), "estkit"),
    "numpy: normalise, multiply": (numpy_plain, "numpy"),
    "scikit-learn": (scikit_learn, "sklearn"),
    "scipy cdist": (scipy_cdist, "scipy"),
    "torch": (torch_plain, "torch"),
    "simsimd cdist": (simsimd_cdist, "simsimd"),
    "numkong cdist": (numkong_cdist, "numkong"),
    "faiss pairwise": (faiss_products, "faiss"),
}


def answer(way: Way, X: Array, Y: Array) -> Any:
    """Return what one way says, or None where it refuses or breaks."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return np.asarray(way(X, Y))
        except Exception:
            return None


def matrix_line(name: str, way: Way, dtype: Any) -> list[str]:
    """Judge a matrix of rows with themselves."""
    X = np.random.default_rng(11).standard_normal((ROWS, COLUMNS)).astype(dtype)
    found = answer(way, X, X)
    if found is None:
        return [name, *"----"]
    rows = np.random.default_rng(0).choice(ROWS, SAMPLED, replace=False)
    long = X.astype(np.longdouble)
    long /= np.sqrt((long * long).sum(axis=1))[:, None]
    true = np.stack([long @ long[row] for row in rows])
    errors = np.abs(found[rows] - true) / np.finfo(dtype).eps
    return [
        name,
        f"{(np.diag(found) == 1).mean():.1%}",
        "yes" if np.array_equal(found, found.T) else f"{np.abs(found - found.T).max():.0e}",
        "1"
        if found.max() == 1
        else f"1 {'+' if found.max() > 1 else '-'} {abs(float(found.max()) - 1):.0e}",
        f"{float(errors.max()):.2g}",
    ]


def hard_pairs() -> dict[str, tuple[Array, Array]]:
    """Make pairs of vectors at the edges of what a float holds, and of short integers."""
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 64))
    short = np.float32
    near = np.array([1.0, 1e-9]), np.array([1.0, -1e-9])
    return {
        "1e200": (a * 1e200, b * 1e200),
        "1e308": (a / abs(a).max() * 1.7e308, b / abs(b).max() * 1.7e308),
        "1e-200": (a * 1e-200, b * 1e-200),
        "5e-324": (np.array([5e-324, 5e-324]), np.array([5e-324, 0.0])),
        "1e300 with 1e-300": (a * 1e300, b * 1e-300),
        "one large": (np.r_[a, 1e160], np.r_[b, 1e150]),
        "the same, 1/3": (np.full(300, 1 / 3), np.full(300, 1 / 3)),
        "opposite": (a, -a),
        "scaled by 3": (a, 3 * a),
        "near-parallel": near,
        "float32 1e30": ((a * 1e30).astype(short), (b * 1e30).astype(short)),
        "float32 1e-30": ((a * 1e-30).astype(short), (b * 1e-30).astype(short)),
        "float32 1e-45": (np.array([1e-45, 1e-45], short), np.array([1e-45, 0], short)),
        "float32, 100,000 ones": (np.ones(100_000, short), np.ones(100_000, short)),
        "float16 6e4": (np.full(64, 6e4, np.float16), np.full(64, 6e4, np.float16)),
        "int8 -128": (np.full(64, -128, np.int8), np.full(64, -128, np.int8)),
        "int16 of 30,000": (np.full(64, 30_000, np.int16), np.arange(64, dtype=np.int16)),
        "int32 of 2^31 - 1": (np.full(4, 2**31 - 1, np.int32), np.arange(4, dtype=np.int32)),
        "int64 of 2^62": (np.full(4, 2**62), np.arange(4)),
        "uint8 255": (np.full(64, 255, np.uint8), np.arange(64, dtype=np.uint8)),
        "bool": (np.ones(5, bool), np.array([1, 0, 1, 0, 1], bool)),
    }


def true_cosine(x: Array, y: Array) -> Any:
    """Return the cosine in 100 digits."""
    left, right = ([mpmath.mpf(value.item()) for value in vector] for vector in (x, y))
    lengths = mpmath.sqrt(mpmath.fdot(left, left)) * mpmath.sqrt(mpmath.fdot(right, right))
    return mpmath.fdot(left, right) / lengths


def hard_line(name: str, way: Way) -> list[str]:
    """Count hard pairs that are right and that are refused, and name those that are wrong."""
    wrong, refused = [], 0
    pairs = hard_pairs()
    for case, (x, y) in pairs.items():
        found = answer(way, x[None], y[None])
        if found is None:
            refused += 1
            continue
        value = float(found.ravel()[0])
        unit = np.finfo(np.float32 if x.dtype in (np.float32, np.float16) else float).eps
        if not (abs(value - true_cosine(x, y)) <= ULPS * unit and abs(value) <= 1):
            wrong.append(case)
    right = len(pairs) - len(wrong) - refused
    return [name, f"{right} of {len(pairs)}", str(refused), ", ".join(wrong) or "none"]


def distance_line(name: str, way: Way) -> list[str]:
    """Judge distances of near-parallel vectors, relative to themselves."""
    cells = []
    for gap in GAPS:
        x, y = np.array([[1.0, 0.5]]), np.array([[1.0, 0.5 + gap]])
        found = answer(way, x, y)
        true = 1 - true_cosine(x[0], y[0])
        error = float("nan") if found is None else abs(float(found.ravel()[0]) - true) / true
        cells.append("-" if found is None else f"{float(error):.0e}")
    return [name, *cells]


def main() -> None:
    """Print four tables."""
    mpmath.mp.dps = 100
    ways = {name: way for name, (way, module) in WAYS.items() if is_installed(module)}
    print_header("Right digits of cosines", ["scikit-learn", "torch", "simsimd", "numkong"])
    for dtype in (np.float32, np.float64):
        header = [np.dtype(dtype).name, "diagonal 1", "symmetric", "largest", "error in ulp of 1"]
        print(markdown(header, [matrix_line(name, way, dtype) for name, way in ways.items()]), "\n")
    lines = [hard_line(name, way) for name, way in ways.items()]
    print(markdown(["hard pairs", "right", "refused", "wrong"], lines), "\n")
    distances: dict[str, Way] = {"estkit cosine_distance": lambda X, Y: ek.cosine_distance(X, Y)}
    distances |= {name: lambda X, Y, way=way: 1 - way(X, Y) for name, way in ways.items()}
    header = ["distance, relative error", *(f"{gap:.0e}" for gap in GAPS)]
    print(markdown(header, [distance_line(*one) for one in distances.items()]))


if __name__ == "__main__":
    main()
