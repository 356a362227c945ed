"""How often the interval of a cosine holds the true one, and what noise does to a cosine.

    python benchmarks/cosine_intervals.py [replicates]

The coordinates of two vectors are a sample of n pairs: normal with correlation 0.5, sums of Poisson
counts, or Student's t with 5 degrees of freedom, of which both coordinates share the scale. The
interval of `cosine_interval` at nominal 95 % stands beside Fisher's, artanh ± 1.96 / sqrt(n - 3),
which is that of a correlation. Then 4 noisy replicates of two vectors in 768 dimensions of cosine
0.8: the cosine of their averages, and `debiased_cosine`. Both are studies of estkit's own.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import estkit as ek

REPLICATES = 20_000
SIZES = [10, 20, 200]
TRUTHS = {"normal": 0.5, "counts": 5 / 6, "t5": 0.8}
WIDTH, NOISE, COPIES, TRUE = 768, 0.05, 4, 0.8
Array = Any


@ek.vectorized
def pairs(rng: np.random.Generator, replicates: int, n: int, kind: str) -> tuple[Array, Array]:
    """Draw two vectors of n coordinates each, a row for each replicate."""
    shape = replicates, n
    if kind == "counts":
        shared, *own = rng.poisson(1, size=(3, *shape)).astype(float)
        return shared + own[0], shared + own[1]
    first, other = rng.standard_normal((2, *shape))
    second = TRUTHS[kind] * first + np.sqrt(1 - TRUTHS[kind] ** 2) * other
    scale = np.sqrt(5 / rng.chisquare(5, shape)) if kind == "t5" else 1.0
    return first * scale, second * scale


@ek.vectorized
def jackknife(x: Array, y: Array) -> ek.Estimate:
    return ek.cosine_interval(x, y)


@ek.vectorized
def fisher(x: Array, y: Array) -> ek.Estimate:
    """Give the cosine with the textbook interval of a correlation."""
    cosine = ek.cosine_pairs(x, y)
    height, error = np.arctanh(cosine), 1 / np.sqrt(x.shape[1] - 3)
    lower, upper = np.tanh(height - 1.959964 * error), np.tanh(height + 1.959964 * error)
    return ek.Estimate(cosine, lower=lower, upper=upper)


def replicates(rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw noisy replicates of two vectors of length 1."""
    first, second = np.zeros((2, WIDTH))
    first[0], second[:2] = 1.0, (TRUE, np.sqrt(1 - TRUE**2))
    return tuple(
        vector + NOISE * rng.standard_normal((COPIES, WIDTH)) for vector in (first, second)
    )


def naive(X: Array, Y: Array) -> ek.Estimate:
    return ek.Estimate(ek.cosine_similarity(X.mean(axis=0), Y.mean(axis=0)), names=["cosine"])


def coverage(times: int) -> Any:
    """Study both intervals under every condition."""
    study = ek.Study(
        pairs,
        {"cosine_interval": jackknife, "Fisher z": fisher},
        truth=lambda kind: TRUTHS[kind],
        conditions=ek.grid(kind=list(TRUTHS), n=SIZES),
    )
    return study.run(times, rng=6)


def attenuation(times: int) -> Any:
    """Study the cosine of averages, and the debiased one."""
    study = ek.Study(replicates, {"naive": naive, "debiased": ek.debiased_cosine}, truth=TRUE)
    return study.run(times, rng=7)


if __name__ == "__main__":
    count = int((sys.argv[1:] or [REPLICATES])[0])
    print(coverage(count).summary("coverage").to_string(index=False), "\n")
    print(attenuation(count // 10).summary(["median", "bias", "rmse"]).to_string(index=False))
