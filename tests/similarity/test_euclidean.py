"""The nearest by Euclidean distance, against sums of squared differences in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from estkit.similarity.nearest import top_k
from estkit.similarity.search import euclidean_search

CLOSE = 1e-14  # sums of at most 10 squares of differences


def exact_squares(x: Any, rows: Any) -> list[Fraction]:
    """Return the squared distances of one row to others, without any rounding."""
    return [
        sum(
            ((Fraction(float(a)) - Fraction(float(b))) ** 2 for a, b in zip(x, y, strict=True)),
            Fraction(0),
        )
        for y in rows
    ]


@pytest.mark.parametrize("offset", [0.0, 1e3, 2.0**30])
@pytest.mark.parametrize("own", [True, False])
def test_order_and_distances_are_right_far_from_the_origin(offset: float, own: bool) -> None:
    rng = np.random.default_rng(1)
    train, queries = rng.normal(size=(1200, 3)) + offset, rng.normal(size=(40, 3)) + offset
    train[600:700] = train[:100]
    asked = train if own else queries
    found = top_k(euclidean_search(train, None if own else queries), 6)
    for row in range(0, len(asked), len(asked) // 8):
        squares = exact_squares(asked[row], train)
        others = [other for other in range(len(train)) if not (own and other == row)]
        order = sorted(others, key=lambda other: (squares[other], other))[:6]
        np.testing.assert_array_equal(found.rows[row], order)
        np.testing.assert_allclose(
            -found.scores[row], [float(squares[other]) for other in order], rtol=CLOSE
        )


@pytest.mark.parametrize("own", [True, False])
def test_ties_of_whole_numbers_go_by_row_number_and_are_counted(own: bool) -> None:
    rng = np.random.default_rng(2)
    train, queries = rng.integers(0, 3, (2500, 4)), rng.integers(0, 3, (50, 4))
    asked = train if own else queries
    squares = ((asked[:, None].astype(int) - train[None]) ** 2).sum(axis=2)
    if own:
        np.fill_diagonal(squares, 99)
    rows = np.argsort(squares, axis=1, kind="stable")[:, :8]
    best = np.take_along_axis(squares, rows, 1)
    more = (squares == best[:, -1:]).sum(axis=1) - (best == best[:, -1:]).sum(axis=1)
    found = top_k(euclidean_search(train * 1.0, None if own else queries * 1.0), 8)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(-found.scores, best)
    np.testing.assert_array_equal(found.ties, more)


def test_every_query_may_divide_the_columns_by_scales_of_its_own() -> None:
    rng = np.random.default_rng(3)
    train, scales = rng.normal(size=(1500, 5)), rng.uniform(0.5, 2, size=(1500, 5))
    found = top_k(euclidean_search(train, scales=scales), 4)
    for row in range(0, 1500, 300):
        squares = (((train - train[row]) / scales[row]) ** 2).sum(axis=1)
        squares[row] = np.inf
        np.testing.assert_array_equal(found.rows[row], np.argsort(squares)[:4])
        np.testing.assert_allclose(-found.scores[row], np.sort(squares)[:4], rtol=CLOSE)
