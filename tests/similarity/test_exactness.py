"""The last digits: near-parallel and near-orthogonal rows beside rational arithmetic.

References are exact: rows are taken as the fractions that their floats are, and only the last root
and division are made by mpmath, with hundreds of digits.
"""

from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest

import estkit as ek

DISTANCE = 1e-12  # what is promised of distances and angles
LAST_DIGITS = 1e-15  # what is promised of compensated cosines: some units in the last place

WEIGHTS = {"equal": None, "weighted": np.array([0.5, 3.0, 1e-3, 1.0, 0.0, 2.0, 1e-9, 0.1])}


def exact_cosine(x, y, weights=None, center=False):
    """Return the cosine with as many digits as one may want."""
    first, second = ([Fraction(float(value)) for value in row] for row in (x, y))
    w = [Fraction(1)] * len(first) if weights is None else [Fraction(float(v)) for v in weights]
    if center:
        total = sum(w)
        means = [sum(a * b for a, b in zip(w, row, strict=True)) / total for row in (first, second)]
        first, second = [a - means[0] for a in first], [b - means[1] for b in second]

    def product(one, other):
        found = sum((a * b * c for a, b, c in zip(w, one, other, strict=True)), Fraction(0))
        return mp.mpf(found.numerator) / found.denominator

    with mp.workdps(700):
        squares = product(first, first) * product(second, second)
        return product(first, second) / mp.sqrt(squares)


def relative_error(found, wanted):
    with mp.workdps(700):
        return float(abs((mp.mpf(float(found)) - wanted) / wanted))


@pytest.mark.parametrize("apart", [1e-1, 1e-5, 1e-10])
@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
def test_distances_of_centred_rows_far_from_zero_keep_their_digits(apart, weights):
    rng = np.random.default_rng(1)
    x = rng.standard_normal(8) + 1e6
    y = 3.7 * x + 77 + apart * rng.standard_normal(8)
    options = {"weights": weights, "center": True}
    with mp.workdps(700):
        wanted = 1 - exact_cosine(x, y, **options)
    found = [
        ek.cosine_distance(x, y, **options),
        ek.cosine_pairs(x[None], y[None], measure="distance", **options)[0],
    ]
    assert max(relative_error(value, wanted) for value in found) < DISTANCE


def test_distances_from_given_column_means_keep_their_digits():
    rng = np.random.default_rng(2)
    middle = 1e6 + rng.standard_normal(8)
    x = middle + rng.standard_normal(8)
    y = middle + 3 * (x - middle) + 1e-6 * rng.standard_normal(8)
    moved = [
        [Fraction(a) - Fraction(b) for a, b in zip(row, middle, strict=True)] for row in (x, y)
    ]
    product = [
        [sum(a * b for a, b in zip(one, two, strict=True)) for two in moved] for one in moved
    ]
    with mp.workdps(700):
        xy, xx, yy = (
            mp.mpf(v.numerator) / v.denominator
            for v in (product[0][1], product[0][0], product[1][1])
        )
        wanted = 1 - xy / mp.sqrt(xx * yy)
    assert relative_error(ek.cosine_distance(x, y, center=middle), wanted) < DISTANCE


def nearly_orthogonal(rng, weights, center):
    x = rng.integers(-1000, 1000, 8).astype(float)
    y = rng.standard_normal(8)
    w = np.ones(8) if weights is None else weights
    for _ in range(3):
        a, b = (row - (w @ row) / w.sum() if center else row for row in (x, y))
        y = y - (w * a) @ b / ((w * a) @ a) * x
    return x, y


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
def test_compensated_cosines_of_weighted_and_centred_rows_keep_their_digits(weights, center):
    x, y = nearly_orthogonal(np.random.default_rng(3), weights, center)
    options = {"weights": weights, "center": center}
    wanted = exact_cosine(x, y, **options)
    assert abs(wanted) < 1e-14
    found = [
        ek.cosine_similarity(x, y, compensated=True, **options),
        ek.cosine_pairs(x[None], y[None], compensated=True, **options)[0],
    ]
    assert max(relative_error(value, wanted) for value in found) < LAST_DIGITS


@pytest.mark.parametrize("step", [5, 20, 40])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1)])
def test_compensated_cosines_of_rows_of_many_sizes_keep_their_digits(step, signs):
    x = 10.0 ** -np.arange(0, 300, step)
    y = x[::-1] * np.resize(signs, len(x))
    y[0] *= 1.37
    wanted = exact_cosine(x, y)
    found = [
        ek.cosine_similarity(x, y, compensated=True),
        ek.cosine_pairs(x[None], y[None], compensated=True)[0],
    ]
    assert max(relative_error(value, wanted) for value in found) < LAST_DIGITS


def test_compensated_cosines_of_short_floats_are_as_exact_when_asked_for_in_double():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((2, 50)).astype(np.float32)
    y -= np.float32(x.astype(float) @ y.astype(float) / (x.astype(float) @ x.astype(float))) * x
    found = ek.cosine_similarity(x, y, compensated=True, dtype=float)
    assert relative_error(found, exact_cosine(x, y)) < LAST_DIGITS


def test_pairwise_distances_of_near_parallel_rows_keep_their_digits():
    x = np.array([1.0, 2.0, np.nan, 3.0, 4.0])
    y = np.array([1.0, 2.0, 5.0, 3.0 + 1e-10, 4.0])
    both = [0, 1, 3, 4]
    with mp.workdps(700):
        wanted = 1 - exact_cosine(x[both], y[both])
    found = [
        ek.cosine_distance(x, y, nan="pairwise"),
        ek.cosine_pairs(x[None], y[None], nan="pairwise", measure="distance")[0],
    ]
    assert max(relative_error(value, wanted) for value in found) < DISTANCE


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-150, 1.0, 1e150, 5e307])
@pytest.mark.parametrize("center", ["columns", [0.0, 0.0]])
def test_adjusted_cosines_hold_at_any_scale(size, center):
    rows = np.array([[2.0, -1.0], [-1.0, 2.0], [2.0, 2.0]])
    wanted = ek.cosine_similarity(rows, center=center)
    np.testing.assert_allclose(
        ek.cosine_similarity(rows * size, center=center), wanted, rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("center", [False, True])
def test_neighbours_over_what_both_have_hold_at_any_scale(center):
    X = np.array([[1e300, 1e-300, 2e-300, np.nan], [np.nan, 1, 2, np.nan], [np.nan, 2, 1, 5]])
    options = {"nan": "pairwise", "center": center}
    all_pairs = np.asarray(ek.cosine_similarity(X, **options))
    found = ek.cosine_top_k(X, k=2, **options)
    wanted = np.take_along_axis(all_pairs, found.indices, axis=1)
    np.testing.assert_allclose(found.similarities, wanted, rtol=0, atol=LAST_DIGITS)
    joined = ek.cosine_join(X, threshold=-1.0, **options)
    assert len(joined.indices) == 6
