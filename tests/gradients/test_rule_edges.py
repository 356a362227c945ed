"""Where rules meet an edge: singular, symmetric, empty, infinite, tiny and misshapen input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

import estkit as ek
from estkit import DataError
from estkit import gradients as g

ROUND_OFF = 1e-12  # some roundings of numbers near 1
EMPTY = np.zeros((0, 3))


def symmetric_matrix(order: int = 4) -> np.ndarray:
    A = np.random.default_rng(3).normal(size=(order, order))
    return A @ A.T + np.eye(order)


# log |det| and the inverse ------------------------------------------------------------------------


def test_symmetric_log_det_is_the_derivative_to_the_free_entries() -> None:
    X, step = symmetric_matrix(), 1e-5
    (found,) = g.log_abs_det(X, symmetric=True).vjp(2.0)
    for i, j in zip(*np.tril_indices(4), strict=True):
        E = np.zeros((4, 4))
        E[i, j] = E[j, i] = step
        slope = (np.linalg.slogdet(X + E)[1] - np.linalg.slogdet(X - E)[1]) / (2 * step)
        assert found[i, j] == pytest.approx(2 * slope, abs=1e-8)  # of differences
        assert found[j, i] == found[i, j]


def test_free_and_symmetric_forms_differ_off_the_diagonal_by_two() -> None:
    X = symmetric_matrix()
    free, tied = (g.log_abs_det(X, symmetric=s).vjp(1.0)[0] for s in (False, True))
    np.testing.assert_allclose(tied, 2 * free - np.diag(np.diag(free)), rtol=ROUND_OFF)


def test_a_matrix_that_is_not_symmetric_is_refused_by_its_entries() -> None:
    X = symmetric_matrix()
    X[1, 2] += 1e-6
    with pytest.raises(DataError, match=r"entries \(1, 2\) and \(2, 1\) of X differ by 1e-06"):
        g.log_abs_det(X, symmetric=True)


@pytest.mark.parametrize("rule", [g.log_abs_det, g.inverse])
@pytest.mark.parametrize(
    "X",
    [
        np.zeros((2, 2)),
        [[1.0, 2.0], [2.0, 4.0]],
        np.arange(1.0, 10.0).reshape(3, 3),  # numpy finds a determinant of 7e-16
        np.array([[1e-200, 2e-200], [2e200, 4e200]]),
        np.stack([np.eye(3), np.ones((3, 3))]),
    ],
)
def test_singular_matrices_are_refused(rule: Any, X: Any) -> None:
    with pytest.raises(DataError, match="is singular"):
        rule(X)


@pytest.mark.parametrize("order", [2, 5, 20, 100])
def test_products_of_too_few_columns_are_found_singular(order: int) -> None:
    rng = np.random.default_rng(order)
    A = rng.normal(size=(order, order - 1))
    with pytest.raises(DataError, match="is singular"):
        g.inverse(A @ rng.normal(size=(order - 1, order)))


def test_units_of_rows_and_columns_do_not_make_a_matrix_singular() -> None:
    rng = np.random.default_rng(0)
    X, by = rng.normal(size=(5, 5)), np.geomspace(1e-100, 1e100, 5)
    scaled = by[:, None] * X * by[::-1]
    rule, plain = g.log_abs_det(scaled), g.log_abs_det(X)
    assert rule.value == pytest.approx(plain.value, abs=1e-9)  # logarithms of 1e±100 cancel
    np.testing.assert_allclose(
        rule.vjp(1.0)[0] * scaled, plain.vjp(1.0)[0] * X, rtol=1e-9, atol=1e-12
    )


def test_solve_refuses_singular_matrices() -> None:
    with pytest.raises(DataError, match=r"A of shape \(2, 2\) is singular"):
        g.solve([[1.0, 2.0], [2.0, 4.0]], [1.0, 1.0])


# Shapes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: g.product(np.ones((2, 3)), np.ones((4, 5))), r"\(2, 3\) and Y of shape \(4, 5\)"),
        (lambda: g.product(np.ones((2, 3)), 2.0), "use multiply"),
        (lambda: g.product(np.ones((2, 1, 3)), np.ones((3, 3, 1))), "stacks do not broadcast"),
        (lambda: g.affine(np.ones((2, 3)), np.ones(4)), r"W of shape \(m, k\)"),
        (lambda: g.affine(np.ones((2, 3)), np.ones(3), np.ones(3)), r"bias of shape \(3,\)"),
        (lambda: g.gram([1.0]), r"must be a matrix; it has shape \(1,\)"),
        (lambda: g.trace(np.ones((2, 3))), "trace: X must be a square matrix"),
        (lambda: g.log_abs_det(np.ones((2, 3))), r"square matrix; it has shape \(2, 3\)"),
        (lambda: g.solve(np.eye(2), np.ones(3)), r"\(2, 2\) and B of shape \(3,\)"),
        (lambda: g.solve(np.ones((2, 2, 2)), np.ones((3, 2, 1))), "broadcast"),
        (lambda: g.add(np.ones(2), np.ones(3)), r"\(2,\) and Y of shape \(3,\) do not broadcast"),
        (lambda: g.transpose(np.ones((2, 3)), axes=(0, 0)), r"axes=\(0, 0\) is no order"),
        (lambda: g.reshape(np.ones(6), (4, 2)), r"6 entries .* do not fit into \(4, 2\)"),
        (lambda: g.sum(np.ones((2, 3)), axis=2), "axis=2 is not among the 2 axes"),
        (lambda: g.mean(np.ones((2, 3)), axis=(0, -2)), "names an axis twice"),
        (lambda: g.max(EMPTY), "no maximum of no entries"),
        (lambda: g.softmax(np.ones((3, 0))), "has no entries"),
        (lambda: g.cosine(np.ones(2), np.ones(3)), "last axes must be of one length"),
        (lambda: g.cosine_matrix(np.ones(2)), r"X of shape \(n, k\)"),
        (lambda: g.normalize([0.0, 0.0], zero="none"), "zero must be"),  # type: ignore[arg-type]
        (lambda: g.elementwise(np.sum, np.cos, [1.0, 2.0]), r"function gave shape \(\)"),
        (lambda: g.softmax_log_likelihood([0.0], [0]), r"expected \(n, K\)"),
        (lambda: g.softmax_log_likelihood([[0.0, 0.0]], [2]), "from 0 to 1; y goes from 2 to 2"),
        (lambda: g.softmax_log_likelihood([[0.0, 0.0]], [0.5]), "dtype float64"),
        (lambda: g.softmax_log_likelihood([[0.0, 0.0]], [[1, -1]]), "not negative"),
        (lambda: g.softmax_log_likelihood([[0.0, 0.0]], [1], weights=[-1.0]), "smallest is -1"),
        (lambda: g.binomial_log_likelihood([0.0], [2]), "from 0 to the number of trials"),
        (lambda: g.binomial_log_likelihood([0.0, 1.0], [1]), r"expected \(2,\)"),
        (lambda: g.binomial_log_likelihood_of_probabilities([1.5], [1]), "p must lie from 0 to 1"),
        (lambda: g.l1_penalty([1.0], strength=-1.0), "at least 0, not -1"),
        (lambda: g.product([[1.0, 2.0], [3.0]], [1.0]), "X is no array of numbers"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_shapes(call: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        call()


@pytest.mark.parametrize(
    ("rule", "value", "shapes"),
    [
        (lambda: g.product(EMPTY, np.ones((3, 2))), np.zeros((0, 2)), [(0, 3), (3, 2)]),
        (lambda: g.product(np.ones((2, 0)), np.ones((0, 2))), np.zeros((2, 2)), [(2, 0), (0, 2)]),
        (lambda: g.affine(np.ones((2, 3)), EMPTY, np.ones(2)), np.zeros((0, 2)),
         [(2, 3), (0, 3), (2,)]),
        (lambda: g.gram(EMPTY), np.zeros((3, 3)), [(0, 3)]),
        (lambda: g.outer_gram(EMPTY), np.zeros((0, 0)), [(0, 3)]),
        (lambda: g.inverse(np.zeros((0, 0))), np.zeros((0, 0)), [(0, 0)]),
        (lambda: g.add(EMPTY, np.ones(3)), EMPTY, [(0, 3), (3,)]),
        (lambda: g.sum(EMPTY), 0.0, [(0, 3)]),
        (lambda: g.sum(EMPTY, axis=0), np.zeros(3), [(0, 3)]),
        (lambda: g.mean(EMPTY, axis=0), np.full(3, np.nan), [(0, 3)]),
        (lambda: g.norm(EMPTY), 0.0, [(0, 3)]),
        (lambda: g.max(EMPTY, axis=1), np.zeros(0), [(0, 3)]),
        (lambda: g.normalize(EMPTY), EMPTY, [(0, 3)]),
        (lambda: g.cosine(EMPTY, EMPTY), np.zeros(0), [(0, 3), (0, 3)]),
        (lambda: g.cosine_matrix(EMPTY), np.zeros((0, 0)), [(0, 3)]),
        (lambda: g.softmax(EMPTY), EMPTY, [(0, 3)]),
        (lambda: g.logsumexp(EMPTY), np.zeros(0), [(0, 3)]),
        (lambda: g.softmax_log_likelihood(EMPTY, np.zeros(0, int)), 0.0, [(0, 3)]),
        (lambda: g.softmax_log_likelihood(EMPTY, EMPTY), 0.0, [(0, 3)]),
        (lambda: g.binomial_log_likelihood([], []), 0.0, [(0,)]),
        (lambda: g.l1_penalty([]), 0.0, [(0,)]),
    ],
)  # fmt: skip
def test_no_rows_are_rows_too(rule: Any, value: Any, shapes: list[tuple[int, ...]]) -> None:
    made = rule()
    np.testing.assert_array_equal(made.value, value)
    found = made.vjp(np.ones(np.shape(value)))
    assert [gradient.shape for gradient in found] == shapes
    assert not any(np.any(gradient[~np.isnan(gradient)]) for gradient in found[1:])


# Scales and infinities ----------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-200, 1e200, 3e307])
def test_norms_and_directions_do_not_depend_on_the_scale(scale: float) -> None:
    X = np.array([[3.0, 4.0, 0.0], [2.0, 2.0, 1.0]]) * scale
    size, unit, cosines = g.norm(X, axis=1), g.normalize(X), g.cosine_matrix(X)
    np.testing.assert_allclose(size.value / scale, [5, 3], rtol=ROUND_OFF)
    expected = np.array([[0.6, 0.8, 0], [2 / 3, 2 / 3, 1 / 3]])
    np.testing.assert_allclose(unit.value, expected, rtol=ROUND_OFF)
    np.testing.assert_allclose(size.vjp([1.0, 1.0])[0], expected, rtol=ROUND_OFF)
    assert cosines.value[0, 1] == pytest.approx(14 / 15, rel=ROUND_OFF)
    if scale > 1e-300:
        (to_X,) = unit.vjp(np.eye(2, 3))
        np.testing.assert_allclose(to_X[0] * scale, [0.128, -0.096, 0], rtol=ROUND_OFF, atol=1e-17)


@pytest.mark.parametrize("rule", ["normalize", "cosine", "cosine_matrix"])
def test_a_vector_of_zeros_has_the_direction_that_was_asked_for(rule: str) -> None:
    X = np.array([[0.0, 0.0], [3.0, 4.0]])
    inputs = (X, X[::-1].copy()) if rule == "cosine" else (X,)
    function = getattr(g, rule)
    with pytest.raises(DataError, match=r"the vector at \[0\] .* is 0 and has no direction"):
        function(*inputs, zero="raise")
    for zero, wanted in (("nan", np.nan), ("zero", 0.0)):
        made = function(*inputs, zero=zero)
        (to_X, *_) = made.vjp(np.ones_like(made.value))
        np.testing.assert_array_equal(made.value[0].ravel(), wanted)
        np.testing.assert_array_equal(to_X[0], [wanted, wanted])
        if zero == "zero":
            assert np.isfinite(to_X).all()


def test_the_norm_of_nothing_has_the_subgradient_zero() -> None:
    assert g.norm([0.0, 0.0]).vjp(1.0)[0].tolist() == [0.0, 0.0]


def test_logits_of_minus_infinity_are_probabilities_of_zero() -> None:
    X = np.array([[0.0, -np.inf, 0.0]])
    assert g.softmax(X).value.tolist() == [[0.5, 0.0, 0.5]]
    assert g.logsumexp(X).value[0] == pytest.approx(math.log(2), rel=ROUND_OFF)
    assert g.logsumexp([[-np.inf, -np.inf]]).value[0] == -np.inf
    made = g.softmax_log_likelihood(X, [[1, 0, 1]], coefficient=False)
    assert made.value == pytest.approx(-2 * math.log(2), rel=ROUND_OFF)
    assert made.vjp(1.0)[0].tolist() == [[0.0, 0.0, 0.0]]
    sure = g.binomial_log_likelihood([-np.inf, np.inf], [0, 1])
    assert sure.value == 0
    assert sure.vjp(1.0)[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("row", [[np.inf, 0.0], [np.nan, 0.0], [-np.inf, -np.inf]])
def test_what_has_no_softmax_is_nan_throughout(row: list[float]) -> None:
    for rule in (g.softmax, g.log_softmax):
        made = rule([row, [0.0, 0.0]])
        assert np.isnan(made.value[0]).all()
        assert np.isfinite(made.value[1]).all()
        assert np.isnan(made.vjp([[1.0, 2.0], [1.0, 2.0]])[0][0]).all()
    total = g.logsumexp([row])
    np.testing.assert_array_equal(total.value, [row[0]])
    assert np.isnan(total.vjp([1.0])[0]).all()
    likely = g.softmax_log_likelihood([row], [0])
    assert np.isnan(likely.value)
    assert np.isnan(likely.vjp(1.0)[0]).all()


@pytest.mark.parametrize("y", [[1, 0], [[0, 1], [1, 0]]])
def test_an_impossible_row_of_weight_0_counts_for_nothing(y: Any) -> None:
    X = [[0.0, -np.inf], [0.0, 0.0]]
    made = g.softmax_log_likelihood(X, y, weights=[0.0, 2.0])
    assert made.value == pytest.approx(-2 * math.log(2), rel=ROUND_OFF)
    assert made.vjp(1.0)[0].tolist() == [[0.0, 0.0], [1.0, -1.0]]
    assert g.softmax_log_likelihood(X, y, weights=[1.0, 2.0]).value == -np.inf


def test_classes_that_are_nearly_certain_keep_their_digits() -> None:
    made = g.softmax_log_likelihood([[50.0, 0.0, 0.0]], [0])
    assert made.value == pytest.approx(-2 * math.exp(-50), rel=ROUND_OFF)
    np.testing.assert_allclose(
        made.vjp(1.0)[0], [[2 * math.exp(-50), -math.exp(-50), -math.exp(-50)]], rtol=ROUND_OFF
    )
    counted = g.softmax_log_likelihood([[50.0, 0.0, 0.0]], [[3, 0, 0]])
    np.testing.assert_allclose(counted.vjp(1.0)[0], 3 * made.vjp(1.0)[0], rtol=ROUND_OFF)
    one = g.binomial_log_likelihood([50.0], [1])
    assert one.value == pytest.approx(-math.exp(-50), rel=ROUND_OFF)
    assert one.vjp(1.0)[0][0] == pytest.approx(math.exp(-50), rel=ROUND_OFF)


# Likelihoods are those of the laws, and of the fits -----------------------------------------------


def test_log_likelihoods_keep_their_constants() -> None:
    y, n, p = np.array([2, 0, 5]), np.array([4, 3, 5]), np.array([0.3, 0.6, 0.8])
    wanted = stats.binom.logpmf(y, n, p).sum()
    logits = np.log(p / (1 - p))
    for made in (g.binomial_log_likelihood(logits, y, trials=n),
                 g.binomial_log_likelihood_of_probabilities(p, y, trials=n)):  # fmt: skip
        assert made.value == pytest.approx(wanted, rel=ROUND_OFF)
    counts, shares = [[2, 1, 4]], np.array([[0.2, 0.5, 0.3]])
    made = g.softmax_log_likelihood(np.log(shares), counts)
    wanted = stats.multinomial.logpmf(counts[0], 7, shares[0])
    assert made.value == pytest.approx(wanted, rel=ROUND_OFF)


def test_the_rules_chain_to_a_gradient_of_zero_at_a_fit() -> None:
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(80, 2)), rng.integers(0, 2, 80)
    fit = ek.fit(ek.Binomial(), X, y)
    line = g.affine(fit.params[None, 1:], X, fit.params[:1])
    likelihood = g.binomial_log_likelihood(line.value[:, 0], y)
    assert likelihood.value == pytest.approx(fit.loglik, rel=ROUND_OFF)
    to_slopes, _, to_intercept = line.vjp(likelihood.vjp(1.0)[0][:, None])
    assert np.max(np.abs([*to_slopes[0], *to_intercept])) < 1e-8  # the tolerance of a fit


def test_probabilities_at_the_edge_have_the_slope_inwards() -> None:
    made = g.binomial_log_likelihood_of_probabilities([0.0, 1.0, 0.0], [0, 3, 1], trials=3)
    assert made.value == -np.inf
    assert made.vjp(1.0)[0].tolist() == [-3.0, 3.0, np.inf]


def test_penalties_have_the_subgradient_zero_at_zero() -> None:
    assert g.l1_penalty([0.0, -0.0, 2.0], strength=3.0).vjp(1.0)[0].tolist() == [0.0, 0.0, 3.0]


@pytest.mark.parametrize("name", ["sum", "mean", "max", "norm"])
@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), None])
def test_axes_that_are_kept_change_shapes_and_no_numbers(name: str, axis: Any) -> None:
    X = np.random.default_rng(1).integers(-2, 3, (2, 3, 4)) + 0.5  # with ties
    rule = getattr(g, name)
    value, vjp = rule(X, axis=axis)
    kept, back = rule(X, axis=axis, keepdims=True)
    upstream = np.random.default_rng(2).normal(size=kept.shape)
    np.testing.assert_array_equal(kept.reshape(np.shape(value)), value)
    np.testing.assert_array_equal(back(upstream)[0], vjp(upstream.reshape(np.shape(value)))[0])
