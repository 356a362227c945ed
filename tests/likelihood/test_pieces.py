"""Shares and normal laws: derivatives, maxima, and errors, against differences and inverses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from estkit.likelihood.joint.normals import Normals
from estkit.likelihood.joint.pieces import Shares

# Central differences with this step err by its square and by 1e-16 over it.
STEP = 1e-6
SLOPE = 1e-6
# A closed form against the inverse of an information matrix.
INVERSE = 1e-12

RNG = np.random.default_rng(1)


def normals(populations: int, groups: int, p: int) -> Normals:
    root = RNG.normal(size=(populations, p, p))
    return Normals(
        RNG.integers(5, 20, size=(populations, groups)).astype(float),
        RNG.normal(size=(populations, groups, p)),
        root @ root.transpose(0, 2, 1) + np.eye(p),
        RNG.uniform(1, 2, size=(populations, p)),
        RNG.normal(size=(populations, p)),
    )


PIECES: dict[str, Any] = {
    "multinomial": Shares(RNG.integers(1, 30, size=(3, 4)).astype(float), 4),
    "binary": Shares(RNG.integers(1, 30, size=(5, 2)).astype(float), 1),
    "shared": normals(1, 3, 2),
    "separate": normals(3, 1, 3),
    "diagonal": normals(6, 1, 1),
}


@pytest.fixture(params=PIECES)
def piece(request: pytest.FixtureRequest) -> Any:
    return PIECES[request.param]


def test_gradient_and_information_are_slopes(piece: Any) -> None:
    point = 0.9 * piece.best() + 0.02
    sums = piece.total(point)
    for j, unit in enumerate(STEP * np.eye(len(point))):
        ahead, behind = piece.total(point + unit), piece.total(point - unit)
        size = np.abs(sums.gradient).max()
        slope = (ahead.loglik - behind.loglik) / (2 * STEP)
        assert slope == pytest.approx(sums.gradient[j], abs=SLOPE * size)
        bend = -(ahead.gradient - behind.gradient) / (2 * STEP)
        largest = np.abs(sums.information).max()
        np.testing.assert_allclose(bend, sums.information[j], atol=SLOPE * largest)


def test_the_best_point_is_a_maximum_with_these_errors(piece: Any) -> None:
    best = piece.total(piece.best())
    scale = np.sqrt(np.diag(best.information))
    np.testing.assert_allclose(best.gradient / scale, 0.0, atol=1e-12)
    assert best.loglik == pytest.approx(0.0, abs=1e-13 * abs(piece.peak()))
    covariance = np.linalg.inv(best.information)
    np.testing.assert_allclose(piece.covariance(), covariance, rtol=1e-9, atol=INVERSE)
    out = piece.jacobian() @ piece.covariance() @ piece.jacobian().T
    np.testing.assert_allclose(np.sqrt(np.diag(out)), piece.errors(), rtol=1e-12)
    moved = piece.jacobian() @ piece.best() + piece.shift()
    np.testing.assert_allclose(piece.reported(piece.best()), moved, rtol=1e-13, atol=1e-15)


def test_outside_the_domain_there_is_no_likelihood(piece: Any) -> None:
    assert piece.total(-np.abs(piece.best()) - 1.0).loglik == -np.inf
    assert piece.total(np.full(piece.size, np.nan)).loglik == -np.inf


def test_shares_of_zero_have_no_error_and_add_nothing() -> None:
    shares = Shares(np.array([[0.0, 3.0, 7.0]]), 3)
    assert np.isnan(shares.errors()).tolist() == [True, False, False]
    assert shares.peak() == pytest.approx(3 * np.log(0.3) + 7 * np.log(0.7))


def test_a_normal_law_gives_the_likelihood_of_scipy() -> None:
    x = RNG.normal(size=(20, 2)) @ [[2.0, 0.3], [0.0, 0.5]]
    covariance = np.cov(x.T, bias=True)
    piece = Normals(
        np.array([[20.0]]), x.mean(axis=0)[None, None], covariance[None], np.ones((1, 2)),
        np.zeros((1, 2)),
    )  # fmt: skip
    wanted = stats.multivariate_normal(x.mean(axis=0), covariance).logpdf(x).sum()
    assert piece.peak() - 20 * np.log(2 * np.pi) == pytest.approx(wanted, rel=1e-12)
    zeros = np.zeros(20, dtype=int)
    scores = piece.gradients(zeros, zeros, x)
    np.testing.assert_allclose(scores.sum(axis=0), 0.0, atol=1e-11)
