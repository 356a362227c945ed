"""Rows that are there many times: the k nearest in their order, and how many are as near.

Unit rows here hold nothing but quarters, so all cosines are exact and plain arithmetic orders them.
"""

import numpy as np
import pytest

import estkit as ek

KINDS = np.array(
    [[4, 0, 0, 0], [0, 4, 0, 0], [2, 2, 2, 2], [2, -2, 2, -2], [0, 0, -4, 0], [0, 0, 0, 0]]
)


def by_hand(X, Y, k, own, zero_counts):
    """Return positions and counts of ties, by going through all pairs."""
    lengths = [np.sqrt((rows**2).sum(axis=1)) for rows in (X, Y)]
    lengths = [np.where(length == 0, 1.0, length) for length in lengths]
    cosines = (X / lengths[0][:, None]) @ (Y / lengths[1][:, None]).T
    if not zero_counts:
        cosines[~X.any(axis=1)] = -np.inf
        cosines[:, ~Y.any(axis=1)] = -np.inf
    if own:
        np.fill_diagonal(cosines, -np.inf)
    order = np.argsort(-cosines, axis=1, kind="stable")
    ranked = np.take_along_axis(cosines, order, axis=1)
    tied = (ranked[:, k:] == ranked[:, k - 1 : k]).sum(axis=1)
    missing = ranked[:, :k] == -np.inf
    return np.where(missing, -1, order[:, :k]), np.where(missing[:, -1], 0, tied)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("zero", ["nan", "zero"])
@pytest.mark.parametrize("k", [1, 5, 300])
@pytest.mark.parametrize("n_kinds", [1, 6])
def test_few_kinds_of_rows_are_found_in_order_and_all_ties_counted(own, zero, k, n_kinds):
    rng = np.random.default_rng(n_kinds)
    Y = KINDS[rng.integers(0, n_kinds, 1100)] * 1.0
    X = Y if own else KINDS[rng.integers(0, 6, 30)] * 1.0
    rows, ties = by_hand(X, Y, k, own, zero == "zero")
    found = ek.cosine_top_k(X, None if own else Y, k=k, zero=zero)
    np.testing.assert_array_equal(found.indices, rows)
    np.testing.assert_array_equal(found.ties, ties)


def test_of_many_equal_rows_no_more_are_multiplied_than_can_be_found(monkeypatch):
    from estkit.similarity import nearest

    met = []
    real = nearest.Buffers.products

    def counted(self, *given):
        values, mask = real(self, *given)
        met.append(values.size)
        return values, mask

    monkeypatch.setattr(nearest.Buffers, "products", counted)
    rng = np.random.default_rng(1)
    X = rng.standard_normal((20, 8))[rng.integers(0, 20, 2000)]
    ek.cosine_top_k(X, k=4)
    assert sum(met) <= 2000 * 20 * 5
