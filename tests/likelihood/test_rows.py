"""Rows are summed block by block: the same answer as all at once, for any number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import log_softmax

import estkit as ek

Floats = NDArray[np.float64]

# Sums of 30,000 terms in two different orders, and the inverse of a well-conditioned matrix.
LOGLIK = 1e-11
STD_ERRORS = 1e-9
# How far from the maximum, in standard errors.
AT_MAXIMUM = 1e-8
ROWS = 30_000  # several blocks; a single one holds at most a few thousand rows
ROOT = Path(__file__).parents[2]


def large() -> tuple[Floats, Floats, NDArray[Any]]:
    """Return columns of different origin and scale, numbers and outcomes that depend on them."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(ROWS, 3))
    numbers = z @ [1.0, -0.5, 0.25] + rng.normal(size=ROWS)
    outcomes = np.digitize(numbers, [-1.0, 0.5])
    return z * [1.0, 1e3, 1e-3] + [0.0, 50.0, -1e-3], numbers, outcomes


def designed(X: Floats) -> Floats:
    return np.column_stack([np.ones(len(X)), X])


def at_maximum(fit: Any, score: Floats, information: Floats) -> None:
    """Check a fit against a score and information that were computed on all rows at once."""
    covariance = np.linalg.inv(information / np.outer(fit.std_errors, fit.std_errors) ** -1)
    step = fit.std_errors * (covariance @ (fit.std_errors * score))
    np.testing.assert_array_less(np.abs(step / fit.std_errors), AT_MAXIMUM)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), 1.0, rtol=STD_ERRORS)


def binomial_parts(fit: Any, X: Floats, hit: Any) -> tuple[float, Floats, Floats]:
    D = designed(X)
    p = stats.logistic.cdf(D @ fit.params)
    loglik = stats.bernoulli.logpmf(hit, p).sum()
    return float(loglik), D.T @ (hit - p), D.T @ ((p * (1 - p))[:, None] * D)


def softmax_parts(fit: Any, X: Floats, codes: Any) -> tuple[float, Floats, Floats]:
    D = designed(X)
    eta = np.column_stack([np.zeros(len(D)), D @ fit.params.reshape(2, -1).T])
    log_p = log_softmax(eta, axis=1)
    p = np.exp(log_p)[:, 1:]
    seen = (codes[:, None] == [1, 2]).astype(float)
    weight = [[p[:, i] * ((i == j) - p[:, j]) for j in range(2)] for i in range(2)]
    information = np.block([[D.T @ (w[:, None] * D) for w in row] for row in weight])
    return float(log_p[np.arange(len(D)), codes].sum()), ((seen - p).T @ D).ravel(), information


def test_binomial_over_many_blocks() -> None:
    X, _, outcomes = large()
    hit = outcomes > 0
    fit = ek.fit(ek.Binomial(), X, hit)
    loglik, score, information = binomial_parts(fit, X, hit)
    assert fit.loglik == pytest.approx(loglik, rel=LOGLIK)
    at_maximum(fit, score, information)


def test_softmax_over_many_blocks() -> None:
    X, _, outcomes = large()
    fit = ek.fit(ek.Softmax(), X, outcomes)
    loglik, score, information = softmax_parts(fit, X, outcomes)
    assert fit.loglik == pytest.approx(loglik, rel=LOGLIK)
    at_maximum(fit, score, information)


def test_gaussian_over_many_blocks() -> None:
    X, numbers, _ = large()
    fit = ek.fit(ek.Gaussian(), X, numbers)
    D = designed(X)
    residual = numbers - D @ fit.params
    sigma = np.sqrt(np.mean(residual**2))
    assert fit.loglik == pytest.approx(stats.norm.logpdf(residual, scale=sigma).sum(), rel=LOGLIK)
    at_maximum(fit, D.T @ residual / sigma**2, D.T @ D / sigma**2)


def test_weights_and_offsets_follow_their_rows_into_the_blocks() -> None:
    X, _, outcomes = large()
    rng = np.random.default_rng(1)
    weights, offset = rng.integers(0, 3, size=ROWS), rng.normal(size=ROWS)
    found = ek.fit(ek.Binomial(), X, outcomes > 0, weights=weights, offset=offset)
    order = np.repeat(np.arange(ROWS), weights)
    wanted = ek.fit(ek.Binomial(), X[order], outcomes[order] > 0, offset=offset[order])
    np.testing.assert_allclose(found.params, wanted.params, rtol=STD_ERRORS)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=STD_ERRORS)
    assert found.loglik == pytest.approx(wanted.loglik, rel=LOGLIK)


@pytest.mark.parametrize("order", ["sorted by a column", "sorted by the outcome"])
def test_sorted_rows_change_nothing(order: str) -> None:
    """The start comes from some of the rows; sorted ones must not make them one-sided."""
    X, _, outcomes = large()
    by = np.argsort(X[:, 0] if "column" in order else outcomes, kind="stable")
    for family in (ek.Binomial(), ek.Softmax()):
        y = outcomes > 0 if isinstance(family, ek.Binomial) else outcomes
        found, wanted = ek.fit(family, X[by], y[by]), ek.fit(family, X, y)
        np.testing.assert_allclose(found.params, wanted.params, rtol=STD_ERRORS)
        assert found.loglik == pytest.approx(wanted.loglik, rel=LOGLIK)


def test_what_happens_only_in_one_block_is_seen() -> None:
    """A column that is 0 but for two rows, and an outcome that is seen once."""
    X, _, outcomes = large()
    rare = np.zeros(ROWS)
    rare[[17_001, 17_002]] = 1.0
    hit = outcomes > 0
    hit[[17_001, 17_002]] = True, False
    fit = ek.fit(ek.Binomial(), np.column_stack([X, rare]), hit)
    others = np.delete(np.arange(ROWS), [17_001, 17_002])
    without = ek.fit(ek.Binomial(), X[others], hit[others])
    assert fit.converged
    np.testing.assert_allclose(fit.params[:4], without.params, rtol=0.01)
    single = np.zeros(ROWS, dtype=int)
    single[12_345] = 1
    alone = ek.fit(ek.Binomial(), None, single)
    assert alone.params[0] == pytest.approx(-np.log(ROWS - 1), rel=1e-9)
    assert ek.fit(ek.Softmax(), X[:, :1], np.where(single, 2, hit)).converged


SUMS = """
import hashlib, sys
import numpy as np
import estkit as ek
rows, columns = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
X = rng.normal(size=(rows, columns))
numbers = X[:, 0] + rng.normal(size=rows)
for family, y in ((ek.Binomial(), numbers > 0), (ek.Gaussian(), numbers),
                  (ek.Softmax(), np.digitize(numbers, [-0.5, 0.5]))):
    fit = ek.fit(family, X, y)
    print(hashlib.sha256(fit.params.tobytes() + fit.covariance().tobytes()
                         + np.float64(fit.loglik).tobytes()).hexdigest())
"""


@pytest.mark.parametrize(("rows", "columns"), [(3_000, 20), (30_000, 12)])
def test_the_number_of_threads_does_not_change_a_byte(rows: int, columns: int) -> None:
    found = []
    for threads in ("1", "2"):
        ended = subprocess.run(
            [sys.executable, "-c", SUMS, str(rows), str(columns)],
            env={**os.environ, "OMP_NUM_THREADS": threads},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(ended.stdout.split())
    assert len(found[0]) == 3
    assert found[0] == found[1]


def test_memory_maps_are_read_block_by_block(tmp_path: Path) -> None:
    X, numbers, _ = large()
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    found = ek.fit(ek.Gaussian(), mapped, numbers)
    wanted = ek.fit(ek.Gaussian(), X.astype(np.float32).astype(float), numbers)
    np.testing.assert_allclose(found.params, wanted.params, rtol=STD_ERRORS)


def test_memory_is_bounded_by_the_block() -> None:
    """Beside the data, a fit may hold a few numbers for each row, and never another design."""
    import tracemalloc

    rng = np.random.default_rng(3)
    X, hit = rng.normal(size=(100_000, 30)), rng.random(100_000) < 0.5
    ek.fit(ek.Binomial(), X[:100], hit[:100])  # what is imported on the way is not counted
    tracemalloc.start()
    ek.fit(ek.Binomial(), X, hit)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes / 2
