"""The quadratic lasso against its own KKT conditions, for regular, singular and huge problems."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from estkit.likelihood.penalties.quadratic import minimise

Floats = NDArray[np.float64]

# What is asked for, relative to the linear term.
TOLERANCE = 1e-10


def violation(hessian: Floats, linear: Floats, l1: Floats, b: Floats) -> float:
    pull = linear - hessian @ b
    away = np.abs(pull - l1 * np.sign(b))
    return float(np.where(b != 0, away, np.maximum(np.abs(pull) - l1, 0.0)).max())


def problem(seed: int, rows: int, columns: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns)) + 0.7 * rng.normal(size=(rows, 1))
    return X.T @ X, X.T @ (X[:, : min(5, columns)].sum(axis=1) + rng.normal(size=rows))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(50, 8), (40, 40), (30, 120)])
@pytest.mark.parametrize("part", [0.7, 0.1, 1e-3])
def test_the_conditions_hold(seed: int, shape: tuple[int, int], part: float) -> None:
    hessian, linear = problem(seed, *shape)
    l1 = np.full(len(linear), part * np.abs(linear).max())
    tolerance = np.full(len(linear), TOLERANCE * np.abs(linear).max())
    b = minimise(hessian, linear, l1, np.zeros(len(linear)), tolerance)
    assert violation(hessian, linear, l1, b) <= tolerance[0]
    assert (b == 0).any() or part < 0.7


def test_a_coefficient_without_penalty_is_free() -> None:
    hessian, linear = problem(1, 60, 6)
    l1 = np.array([0.0, *[np.abs(linear).max()] * 5])
    b = minimise(hessian, linear, l1, np.zeros(6), np.full(6, 1e-9))
    np.testing.assert_allclose(b, [linear[0] / hessian[0, 0], *[0.0] * 5], rtol=1e-12)


def test_it_does_not_matter_where_one_starts() -> None:
    hessian, linear = problem(2, 50, 20)
    l1, tolerance = np.full(20, 10.0), np.full(20, 1e-9)
    cold = minimise(hessian, linear, l1, np.zeros(20), tolerance)
    rng = np.random.default_rng(3)
    for _ in range(5):
        warm = minimise(hessian, linear, l1, rng.normal(size=20), tolerance)
        np.testing.assert_allclose(warm, cold, atol=1e-9)


def test_equal_columns_share_what_one_would_have() -> None:
    hessian, linear = problem(4, 50, 4)
    twice = np.block([[hessian, hessian], [hessian, hessian]])
    tolerance = np.full(8, 1e-8)
    alone = minimise(hessian, linear, np.full(4, 20.0), np.zeros(4), tolerance[:4])
    both = minimise(twice, np.tile(linear, 2), np.full(8, 20.0), np.zeros(8), tolerance)
    np.testing.assert_allclose(both[:4] + both[4:], alone, atol=1e-7)


def test_nothing_is_modified() -> None:
    hessian, linear = problem(5, 20, 5)
    start = np.ones(5)
    kept = hessian.copy(), linear.copy(), start.copy()
    minimise(hessian, linear, np.ones(5), start, np.full(5, 1e-9))
    for now, before in zip((hessian, linear, start), kept, strict=True):
        np.testing.assert_array_equal(now, before)
