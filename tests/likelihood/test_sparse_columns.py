"""Full sparse columns far from 0, and sparse columns of any scale, give the dense numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

import estkit as ek

# The same sums in another order.
EXACT = 1e-11
PENALTIES = [
    None,
    ek.L2(1.0),
    ek.L2(1.0, standardize=True),
    ek.L1(3.0),
    ek.L1(3.0, standardize=True),
    ek.Jeffreys(),
]
N = 600


def drawn() -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((N, 3))
    y = rng.random(N) < 1 / (1 + np.exp(-X @ [1.0, -0.5, 0.3]))
    X[:, 2] *= rng.random(N) < 0.1
    return X, y.astype(float)


def assert_same(X: Any, y: Any, family: Any, **options: Any) -> ek.RegressionFit:
    dense = ek.fit(family, X, y, **options)
    found = ek.fit(family, sparse.csr_matrix(X), y, **options)
    np.testing.assert_allclose(found.params, dense.params, rtol=EXACT)
    if dense.covariance_kind != "none":
        np.testing.assert_allclose(found.std_errors, dense.std_errors, rtol=EXACT)
    np.testing.assert_allclose(found.predict(X), dense.predict(X), rtol=EXACT)
    np.testing.assert_allclose(found.predict(sparse.csr_matrix(X)), dense.predict(X), rtol=EXACT)
    return found


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("origin", [1e4, 1e8, -1e10])
def test_a_full_column_far_from_0_keeps_its_digits(origin: float, penalty: Any) -> None:
    X, y = drawn()
    X[:, 1] += origin
    assert_same(X, y, ek.Binomial(penalty=penalty))


@pytest.mark.parametrize("family", [ek.Gaussian(), ek.Softmax(), ek.Binomial(link="probit")])
def test_every_family_keeps_the_digits_of_a_column_far_from_0(family: Any) -> None:
    X, y = drawn()
    X[:, 1] += 1e8
    weights = np.random.default_rng(2).integers(0, 3, N)
    X[weights == 0, 1] = 0.0  # rows that do not count do not make it less full
    assert_same(X, y, family, weights=weights)


@pytest.mark.parametrize("share", [0.5, 0.01])
def test_far_columns_with_zeros_are_not_filled(share: float) -> None:
    X, y = drawn()
    X[:, 1] = np.where(np.random.default_rng(2).random(N) < share, 0.0, 1e8 + X[:, 1])
    assert_same(X, y, ek.Binomial())


def test_new_rows_may_hold_a_zero_where_all_fitted_ones_lay_far_away() -> None:
    X, y = drawn()
    X[:, 1] += 1e4
    found = assert_same(X, y, ek.Gaussian())
    new = np.zeros((2, 3))
    expected = found.params[0]
    np.testing.assert_allclose(found.predict(sparse.csr_matrix(new)), expected, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e100, 1e200, 1e-100, 1e-200])
def test_sparse_columns_may_have_any_scale(scale: float) -> None:
    X, y = drawn()
    plain = ek.fit(ek.Binomial(), X, y)
    X[:, 2] *= scale
    found = assert_same(X, y, ek.Binomial())
    assert found.std_errors[3] * scale == pytest.approx(plain.std_errors[3], rel=EXACT)


def test_a_column_far_away_that_does_not_vary_is_still_refused() -> None:
    X, y = drawn()
    X[:, 1] = 1e8
    with pytest.raises(ek.RankError, match="'x1' does not vary"):
        ek.fit(ek.Binomial(), sparse.csr_matrix(X), y)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("penalty", [None, ek.L1(1.0)], ids=str)
def test_values_too_small_for_any_coefficient_are_refused(form: Any, penalty: Any) -> None:
    X, y = drawn()
    X[:, 2] *= 1e-310
    with pytest.raises(ek.DataError, match="'x2' holds values up to"):
        ek.fit(ek.Binomial(penalty=penalty), form(X), y)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_tests_and_profiles_do_not_depend_on_the_scale_of_columns(scale: float) -> None:
    X, y = drawn()
    plain = ek.fit(ek.Binomial(), X, y)
    scaled = ek.fit(ek.Binomial(), X * [1.0, 1.0, scale], y)
    for test in ("likelihood_ratio", "score_test"):
        expected = getattr(plain, test)(["x2"]).statistic
        assert getattr(scaled, test)(["x2"]).statistic == pytest.approx(expected, rel=1e-8)
    found = scaled.interval(method="profile")[3] * scale
    np.testing.assert_allclose(found, plain.interval(method="profile")[3], rtol=1e-6)
