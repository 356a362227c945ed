"""Weights of all kinds, and ordered outcomes, in pieces: the numbers of the rows in memory."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import estkit as ek

SAME = 1e-9  # the same sums in another order, from another start
N = 21_000  # so many that a fit to some of the rows is the start
RNG = np.random.default_rng(8)
X = RNG.standard_normal((N, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 1e3]
P = 1 / (1 + np.exp(-X[:, 0] + 0.03 * X[:, 1]))
HIT = RNG.random(N) < P
NUMBERS = 2 * X[:, 0] + (1 + np.abs(X[:, 0])) * RNG.standard_normal(N) + 1e4
THREE = np.array(["low", "mid", "high"])[np.digitize(X[:, 0] + RNG.logistic(size=N), [-1.0, 1.5])]
WEIGHTS = RNG.uniform(0.1, 40.0, N)
OFFSET = RNG.normal(size=N)
TRIALS = RNG.integers(1, 9, N)
SHARES = RNG.binomial(TRIALS, P) / TRIALS
PAIRS = np.column_stack([SHARES, 1 - SHARES])
ORDER = ("low", "mid", "high")


def pieces(*parts: Any, length: int = 3_210) -> Iterator[tuple[Any, ...]]:
    for first in range(0, N, length):
        yield tuple(part[first : first + length] for part in parts)


def assert_same(found: Any, wanted: Any) -> None:
    assert (found.names, found.outcomes, found.n_obs) == (
        wanted.names,
        wanted.outcomes,
        wanted.n_obs,
    )
    np.testing.assert_allclose(found.params, wanted.params, rtol=SAME)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=SAME)
    assert found.loglik == pytest.approx(wanted.loglik, rel=SAME)
    assert found.constant == pytest.approx(wanted.constant, rel=SAME)
    assert found.covariance_kind == wanted.covariance_kind


CASES: dict[str, tuple[Any, Any, str, Any]] = {
    "sampling binomial": (ek.Binomial(), HIT, "sampling", WEIGHTS),
    "sampling probit": (ek.Binomial(link="probit"), HIT, "sampling", 1e6 * WEIGHTS),
    "sampling softmax": (ek.Softmax(reference="mid"), THREE, "sampling", WEIGHTS),
    "sampling gaussian": (ek.Gaussian(), NUMBERS, "sampling", WEIGHTS),
    "sampling ordinal": (ek.Ordinal(order=ORDER), THREE, "sampling", WEIGHTS),
    "sampling counts": (ek.Binomial(), np.c_[TRIALS, TRIALS[::-1]], "sampling", WEIGHTS),
    "analytic gaussian": (ek.Gaussian(), NUMBERS, "analytic", WEIGHTS),
    "analytic gaussian, some 0": (ek.Gaussian(), NUMBERS, "analytic", WEIGHTS * (WEIGHTS > 9)),
    "analytic shares": (ek.Binomial(), SHARES, "analytic", TRIALS),
    "analytic pairs": (ek.Binomial(), PAIRS, "analytic", TRIALS),
    "analytic softmax": (ek.Softmax(), PAIRS, "analytic", TRIALS),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_weights_in_pieces_give_the_numbers_of_the_rows_in_memory(case: str) -> None:
    family, y, kind, weights = CASES[case]
    wanted = ek.fit(family, X, y, **{f"{kind}_weights": weights})
    chunks = ek.Chunks(lambda: pieces(X, y, weights), weighting=kind)
    found = ek.fit(family, chunks)
    assert_same(found, wanted)
    np.testing.assert_allclose(found.covariance("HC0"), wanted.covariance("HC0"), rtol=1e-8)


@pytest.mark.parametrize("kind", ["sampling", "analytic"])
def test_offsets_go_with_weights_of_any_kind(kind: str) -> None:
    wanted = ek.fit(ek.Gaussian(), X, NUMBERS, offset=OFFSET, **{f"{kind}_weights": WEIGHTS})
    parts = list(pieces(X, NUMBERS, WEIGHTS, OFFSET))
    assert_same(ek.fit(ek.Gaussian(), ek.Chunks(parts, weighting=kind)), wanted)


@pytest.mark.parametrize("make", [lambda part: part, pl.from_pandas])
def test_a_column_of_frames_holds_weights_of_a_kind(make: Any, tmp_path: Any) -> None:
    table = pd.DataFrame(X, columns=["u", "v", "w"]).assign(hit=HIT, stands_for=WEIGHTS)
    wanted = ek.fit(ek.Binomial(), table[["u", "v", "w"]], HIT, sampling_weights=WEIGHTS)
    parts = [make(table.iloc[i : i + 7_000]) for i in range(0, N, 7_000)]
    named: dict[str, Any] = {"y": "hit", "weights": "stands_for", "weighting": "sampling"}
    assert_same(ek.fit(ek.Binomial(), ek.Chunks(parts, **named)), wanted)
    table.to_parquet(tmp_path / "a.parquet")
    stored = ek.Chunks.parquet(tmp_path / "a.parquet", rows=7_000, **named)
    assert_same(ek.fit(ek.Binomial(), stored), wanted)


def test_workers_know_what_weights_mean() -> None:
    import dask.dataframe

    kept = pickle.loads(pickle.dumps(ek.Chunks([], weighting="analytic")))
    assert kept.weighting == "analytic"
    table = pd.DataFrame(X, columns=["u", "v", "w"]).assign(y=NUMBERS, precision=WEIGHTS)
    wanted = ek.fit(ek.Gaussian(), table[["u", "v", "w"]], NUMBERS, analytic_weights=WEIGHTS)
    parts = dask.dataframe.from_pandas(table, npartitions=3)
    chunks = ek.Chunks(parts, y="y", weights="precision", weighting="analytic")
    assert_same(ek.fit(ek.Gaussian(), chunks), wanted)


def test_a_piece_may_have_no_weight_at_all() -> None:
    weights = np.where(np.arange(N) < 5_000, 0, TRIALS)
    wanted = ek.fit(ek.Binomial(), X, HIT, weights=weights)
    assert_same(ek.fit(ek.Binomial(), ek.Chunks(list(pieces(X, HIT, weights)))), wanted)


ORDINAL: dict[str, tuple[Any, Any]] = {
    "labels": (ek.Ordinal(order=ORDER), THREE),
    "probit": (ek.Ordinal(link="probit", order=ORDER), THREE),
    "numbers": (ek.Ordinal(link="cloglog"), np.digitize(X[:, 0] + X[:, 1] / 5, [0.0, 2.0])),
    "category": (ek.Ordinal(), pd.Categorical(THREE, categories=ORDER, ordered=True)),
    "counts": (ek.Ordinal(), RNG.multinomial(4, [0.2, 0.3, 0.5], N)),
}  # fmt: skip


@pytest.mark.parametrize("case", ORDINAL)
@pytest.mark.parametrize("offset", [None, OFFSET])
def test_ordered_outcomes_in_pieces(case: str, offset: Any) -> None:
    family, y = ORDINAL[case]
    if case == "numbers":
        y = np.where(P < RNG.random(N), y, 2 - y)  # else they are separated
    wanted = ek.fit(family, X, y, offset=offset)
    parts = (X, y) if offset is None else (X, y, np.ones(N), offset)
    found = ek.fit(family, ek.Chunks(lambda: pieces(*parts)))
    assert_same(found, wanted)
    np.testing.assert_allclose(found.predict(X[:9]), wanted.predict(X[:9]), rtol=SAME)


def test_sorted_outcomes_start_where_the_shares_are() -> None:
    order = np.argsort(THREE)
    wanted = ek.fit(ek.Ordinal(order=ORDER), X[order], THREE[order])
    chunks = ek.Chunks(list(pieces(X[order], THREE[order])))
    assert_same(ek.fit(ek.Ordinal(order=ORDER), chunks), wanted)


ONES = np.ones((2, 1))
BAD: dict[str, tuple[Any, Any, str]] = {
    "a kind that there is not": (None, {"weighting": "survey"}, "weighting must be one of"),
    "no meaning": (ek.Ordinal(), {"weighting": "analytic"}, "Ordinal has no meaning for analytic"),
    "not positive": (ek.Gaussian(), {"weighting": "sampling"}, "sampling_weights: row 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_weights_cannot_be_is_said(case: str) -> None:
    family, options, message = BAD[case]
    with pytest.raises(ek.DataError, match=message):
        ek.fit(family, ek.Chunks([(ONES, [0.0, 1.0], [1.0, 0.0])], **options))


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ek.DataError, match="all zero"):
        ek.fit(ek.Gaussian(), ek.Chunks([(ONES, [0.0, 1.0], [0, 0])], weighting="analytic"))


@pytest.mark.parametrize("family", [ek.Softmax(), ek.Ordinal(order=ORDER)])
def test_an_outcome_that_is_never_counted_is_refused_as_in_memory(family: Any) -> None:
    weights = np.where(THREE == "mid", 0, 1)
    with pytest.raises(ek.DataError, match="'mid' is never observed"):
        ek.fit(family, X, THREE, weights=weights)
    with pytest.raises(ek.DataError, match="'mid' is never observed"):
        ek.fit(family, ek.Chunks(list(pieces(X, THREE, weights))))


@pytest.mark.parametrize("family", [ek.Softmax(), ek.Ordinal()])
def test_outcomes_keep_the_order_of_categories_of_which_pieces_lack_some(family: Any) -> None:
    rows = np.argsort(np.where(THREE == "mid", 0, np.where(THREE == "high", 1, 2)))
    levels = ["mid", "low", "high", "none"]  # no piece holds all of them
    y = pd.Series(pd.Categorical(THREE[rows], categories=levels, ordered=True))
    chunks = ek.Chunks(list(pieces(X[rows], y, length=10_000)))
    assert_same(ek.fit(family, chunks), ek.fit(family, X[rows], y))


def test_labels_without_an_order_are_refused_in_pieces() -> None:
    with pytest.raises(ek.DataError, match="no order of their own"):
        ek.fit(ek.Ordinal(), ek.Chunks(list(pieces(X, THREE))))
    parts = [(ONES, pd.Categorical(two, categories=two, ordered=True))
             for two in (["mid", "low"], ["high", "mid"])]  # fmt: skip
    with pytest.raises(ek.DataError, match="no order of their own"):
        ek.fit(ek.Ordinal(), ek.Chunks(parts))
    with pytest.raises(ek.DataError, match="leave intercept=True"):
        ek.fit(ek.Ordinal(order=ORDER), ek.Chunks(list(pieces(X, THREE))), intercept=False)
