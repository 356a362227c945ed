"""Constant columns and columns of extreme scale under penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

import estkit as ek

# The same maximum, found in another order of sums, under L1 to its KKT conditions.
SAME = 1e-7
RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 3))
Y = (RNG.random(200) < 1 / (1 + np.exp(-X @ [1.0, -0.5, 0.3]))).astype(float)
KINDS = [ek.L2, ek.L1, ek.ElasticNet]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("constant", [0.0, 0.1, 1.0, 1e8])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("family", [ek.Binomial, ek.Gaussian, ek.Softmax])
def test_a_constant_column_changes_nothing_beside_an_intercept(
    family: Any, form: Any, constant: float, standardize: bool, kind: Any
) -> None:
    """The intercept says the same and pays nothing."""
    fitted = family(penalty=kind(2.0, standardize=standardize))
    more = X.copy()
    more[:, 1] = constant
    with_constant = ek.fit(fitted, form(more), Y)
    without = ek.fit(fitted, X[:, [0, 2]], Y)
    expected = np.insert(without.params, 2, 0.0)
    np.testing.assert_allclose(with_constant.params, expected, rtol=SAME, atol=SAME)
    if kind is ek.L2:
        errors = np.insert(without.std_errors, 2, 0.0)
        np.testing.assert_allclose(with_constant.std_errors, errors, rtol=SAME, atol=1e-12)
    assert "x1" in str(with_constant)


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_intercept_a_constant_pays_in_its_own_unit(kind: Any) -> None:
    ones, fives = X.copy(), X.copy()
    ones[:, 1], fives[:, 1] = 1.0, 5.0
    family = ek.Binomial(penalty=kind(0.1, standardize=True))
    found = [ek.fit(family, given, Y, intercept=False).params for given in (ones, fives)]
    np.testing.assert_allclose(found[1], found[0] / [1.0, 5.0, 1.0], rtol=SAME)
    assert found[0][1] != 0.0


@pytest.mark.parametrize("scale", [1e-8, 1e-12, 1e-30, 1e-62])
def test_tiny_columns_under_l2_keep_their_test_statistic(scale: float) -> None:
    """Curvature is nothing beside the strength: score / strength, with the error of the score."""
    tiny = X * [1.0, scale, 1.0]
    found = ek.fit(ek.Binomial(penalty=ek.L2(2.0)), tiny, Y)
    without = ek.fit(ek.Binomial(penalty=ek.L2(2.0)), X[:, [0, 2]], Y)
    np.testing.assert_allclose(found.params[[0, 1, 3]], without.params, rtol=SAME)
    fitted = without.predict(X[:, [0, 2]])
    score = X[:, 1] @ (Y - fitted)
    assert found.params[2] / scale == pytest.approx(score / 2.0, rel=1e-6)
    design = np.column_stack([np.ones(len(X)), X])
    information = design.T @ (design * (fitted * (1 - fitted))[:, None])
    kept = [0, 1, 3]
    block = information[np.ix_(kept, kept)]
    inverse = np.linalg.inv(block + np.diag([0.0, 2.0, 2.0]))
    # to first order: the score of the tiny column, less what the others explain of it
    weights = np.insert(-inverse @ information[kept, 2], 2, 1.0)
    error = np.sqrt(weights @ information @ weights)
    assert found.std_errors[2] / scale == pytest.approx(error / 2.0, rel=1e-6)


def test_columns_too_small_for_errors_under_l2_are_refused() -> None:
    with pytest.raises(ek.DataError, match="'x1' is so small"):
        ek.fit(ek.Binomial(penalty=ek.L2(2.0)), X * [1.0, 1e-100, 1.0], Y)


@pytest.mark.parametrize("kind", KINDS[:1])
@pytest.mark.parametrize("scale", [1e-170, 1e170])
def test_strengths_that_leave_the_range_of_floats_are_refused(scale: float, kind: Any) -> None:
    with pytest.raises(ek.DataError, match="'x1' has so extreme a standard deviation"):
        ek.fit(ek.Binomial(penalty=kind(2.0, standardize=True)), X * [1.0, scale, 1.0], Y)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_columns_whose_squares_are_no_floats_are_refused_under_l1(form: Any) -> None:
    with pytest.raises(ek.DataError, match="squares of the column 'x1'"):
        ek.fit(ek.Binomial(penalty=ek.L1(2.0)), form(X * [1.0, 1e200, 1.0]), Y)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_columns_far_from_0_have_the_deviations_of_near_ones(form: Any) -> None:
    family = ek.Binomial(penalty=ek.L2(2.0, standardize=True))
    near, far = ek.fit(family, X, Y), ek.fit(family, form(X + np.array([0.0, 2.0**27, 0.0])), Y)
    np.testing.assert_allclose(far.params[1:], near.params[1:], rtol=1e-6)
