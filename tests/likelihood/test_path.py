"""Regularisation paths: warm is cold, the certificate, what is counted, and what is refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.linear_model import lasso_path

import estkit as ek

# A path promises 1e-6 of ‖x‖ ‖r‖ by default; single fits go on to rounding.
WARM = 1e-4
TIGHT = 1e-9

RNG = np.random.default_rng(0)
N, P = 150, 40
X = RNG.normal(size=(N, P)) + 0.5 * RNG.normal(size=(N, 1))
HIT = (RNG.random(N) < 1 / (1 + np.exp(-X[:, 0] + X[:, 1]))).astype(int)
LEVELS = np.array(list("abc"))[np.argmax(X[:, :3] + RNG.gumbel(size=(N, 3)), axis=1)]
NUMBERS = X[:, 0] - X[:, 1] + RNG.normal(size=N)


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_warm_is_cold(ratio: float) -> None:
    found = ek.path(ek.Binomial(), X, HIT, ratio=ratio, n_strengths=12, tolerance=1e-11)
    for strength, params in zip(found.strengths, found.params, strict=True):
        cold = ek.fit(ek.Binomial(penalty=ek.ElasticNet(strength, ratio)), X, HIT)
        np.testing.assert_allclose(params, cold.params, rtol=TIGHT, atol=TIGHT)


@pytest.mark.parametrize("symmetric", [False, True])
def test_warm_is_cold_for_softmax(symmetric: bool) -> None:
    family = ek.Softmax(symmetric=symmetric)
    found = ek.path(family, X, LEVELS, n_strengths=6, tolerance=1e-11)
    assert found.names == ek.fit(family, None, LEVELS).names[:1] + found.names[1:]
    for strength, params in zip(found.strengths, found.params, strict=True):
        penalised = ek.Softmax(symmetric=symmetric, penalty=ek.L1(strength))
        cold = ek.fit(penalised, X, LEVELS)
        np.testing.assert_allclose(params, cold.params, rtol=TIGHT, atol=TIGHT)


def test_gaussian_agrees_with_scikit_learn() -> None:
    centered = X - X.mean(axis=0)
    alphas, coefs, _ = lasso_path(centered, NUMBERS - NUMBERS.mean(), tol=1e-13, max_iter=10**6)
    found = ek.path(ek.Gaussian(), X, NUMBERS, strengths=alphas * N, tolerance=1e-11)
    np.testing.assert_allclose(found.params[:, 1:], coefs.T, rtol=1e-6, atol=1e-6)


def test_the_largest_strength_is_where_the_first_coefficient_comes_in() -> None:
    found = ek.path(ek.Binomial(), X, HIT, n_strengths=3)
    assert found.n_nonzero[0] == 0
    largest = np.abs(X.T @ (HIT - HIT.mean())).max()
    assert found.strengths[0] == pytest.approx(largest, rel=1e-8)
    below = ek.fit(ek.Binomial(penalty=ek.L1(0.999 * largest)), X, HIT)
    assert np.count_nonzero(below.params[1:]) == 1


def test_strengths_are_of_equal_ratio_down_to_the_smallest() -> None:
    found = ek.path(ek.Binomial(), X, HIT, n_strengths=5, smallest=0.1)
    ratios = found.strengths[1:] / found.strengths[:-1]
    np.testing.assert_allclose(ratios, 0.1**0.25)


def test_the_certificate_is_the_violation_of_the_conditions() -> None:
    found = ek.path(ek.Binomial(), X, HIT)
    assert found.converged.all()
    null = np.linalg.norm(HIT - HIT.mean())
    size = np.linalg.norm(X - X.mean(axis=0), axis=0)
    for strength, params, kkt in zip(found.strengths, found.params, found.kkt, strict=True):
        residual = HIT - 1 / (1 + np.exp(-(params[0] + X @ params[1:])))
        pull, slopes = (X - X.mean(axis=0)).T @ residual, params[1:]
        away = np.abs(pull - strength * np.sign(slopes))
        error = np.where(slopes != 0, away, np.maximum(np.abs(pull) - strength, 0.0))
        assert (error / (size * null)).max() <= max(1.001 * kkt, 1e-12)
        assert kkt <= 1e-6


def test_loglik_and_criteria_are_those_of_the_fits() -> None:
    found = ek.path(ek.Binomial(), X, HIT, n_strengths=8, tolerance=1e-11)
    for i, strength in enumerate(found.strengths):
        fit = ek.fit(ek.Binomial(penalty=ek.L1(float(strength))), X, HIT)
        assert found.loglik[i] == pytest.approx(fit.loglik, rel=1e-9)
        assert found.aic[i] == pytest.approx(fit.aic, rel=1e-9)
        assert found.bic[i] == pytest.approx(fit.bic, rel=1e-9)
        assert found.n_nonzero[i] == np.count_nonzero(fit.params[1:])


def test_sparse_columns_are_dense_columns() -> None:
    filled = np.where(np.abs(X) > 1.2, X, 0.0)
    dense = ek.path(ek.Binomial(), filled, HIT, n_strengths=6, tolerance=1e-11)
    for matrix in (sp.csr_array(filled), sp.csc_matrix(filled)):
        sparse = ek.path(ek.Binomial(), matrix, HIT, n_strengths=6, tolerance=1e-11)
        np.testing.assert_allclose(sparse.params, dense.params, rtol=1e-8, atol=TIGHT)


def test_ten_times_more_columns_than_rows() -> None:
    wide = np.hstack([X, RNG.normal(size=(N, 1500))])
    found = ek.path(ek.Binomial(), wide, HIT)
    assert found.converged.all()
    assert found.n_nonzero.max() <= N


def test_factors_and_standardize() -> None:
    factors = {f"x{j}": float(j % 3) for j in range(P)}
    found = ek.path(ek.Binomial(), X, HIT, factors=factors, strengths=[3.0], tolerance=1e-11)
    own = {name: 3.0 * factor for name, factor in factors.items()}
    fit = ek.fit(ek.Binomial(penalty=ek.L1(own)), X, HIT)
    np.testing.assert_allclose(found.params[0], fit.params, rtol=TIGHT, atol=TIGHT)
    scale = 10.0 ** RNG.integers(-3, 4, size=P)
    plain = ek.path(ek.Binomial(), X, HIT, standardize=True, n_strengths=5)
    scaled = ek.path(ek.Binomial(), X * scale, HIT, standardize=True, n_strengths=5)
    np.testing.assert_allclose(scaled.strengths, plain.strengths, rtol=1e-9)
    np.testing.assert_allclose(scaled.params[:, 1:] * scale, plain.params[:, 1:], atol=WARM)


def test_all_but_l2_has_a_grid_too() -> None:
    found = ek.path(ek.Binomial(), X, HIT, ratio=0.0, n_strengths=4, tolerance=1e-10)
    for strength, params in zip(found.strengths, found.params, strict=True):
        ridge = ek.fit(ek.Binomial(penalty=ek.L2(strength)), X, HIT)
        np.testing.assert_allclose(params, ridge.params, rtol=1e-6, atol=1e-8)


def test_at_and_best() -> None:
    found = ek.path(ek.Binomial(), X, HIT, n_strengths=20)
    middle = float(found.strengths[7])
    assert found.at(middle) == dict(zip(found.names, found.params[7].tolist(), strict=True))
    best = int(np.argmin(found.bic))
    assert found.best("bic") == found.at(float(found.strengths[best]))
    with pytest.raises(ek.DataError, match="holds no strength"):
        found.at(middle * 1.01)
    with pytest.raises(ek.DataError, match="criterion"):
        found.best("cp")


def test_frames() -> None:
    found = ek.path(ek.Binomial(), pd.DataFrame(X).add_prefix("c"), HIT, n_strengths=4)
    frame = found.to_frame()
    assert list(frame.columns) == [
        "strength", "n_nonzero", "loglik", "aic", "bic", "kkt", "converged",
    ]  # fmt: skip
    assert len(frame) == 4
    long = found.to_frame(params=True)
    assert list(long.columns) == ["strength", "term", "estimate"]
    assert len(long) == 4 * (P + 1)
    assert long["term"][1] == "c0"


def test_results_cannot_be_changed() -> None:
    found = ek.path(ek.Binomial(), X, HIT, n_strengths=3)
    for name in ("strengths", "params", "loglik", "n_nonzero", "kkt", "converged"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(found, name)[0] = 0


def test_a_tolerance_out_of_reach_is_said() -> None:
    with pytest.warns(ek.EstkitWarning, match="did not reach"):
        found = ek.path(ek.Binomial(), X, HIT, n_strengths=3, tolerance=1e-18)
    assert not found.converged.all()
    wrong = float(found.strengths[~found.converged][0])
    with pytest.raises(ek.DataError, match="did not converge"):
        found.at(wrong)


def test_no_warning_otherwise() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ek.path(ek.Binomial(), X, HIT, n_strengths=5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strengths": [1.0, -1.0]}, "positive"),
        ({"strengths": [0.0]}, "positive"),
        ({"n_strengths": 0}, "n_strengths"),
        ({"smallest": 1.0}, "smallest"),
        ({"ratio": 2.0}, "ratio"),
        ({"factors": 0.0}, "pass strengths"),
        ({"factors": [1.0]}, "1 strengths for 40 columns"),
    ],
)
def test_refusals(options: Any, message: str) -> None:
    with pytest.raises(ek.DataError, match=message):
        ek.path(ek.Binomial(), X, HIT, **options)


def test_a_family_with_a_penalty_of_its_own_is_refused() -> None:
    for family in (ek.Binomial(penalty=ek.L1(1.0)), ek.Ordinal()):
        with pytest.raises(ek.DataError, match="without a penalty"):
            ek.path(family, X, HIT)
