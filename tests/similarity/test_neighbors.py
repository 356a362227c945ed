"""Neighbours and pairs by cosine as users call them: options, policies, labels, memory maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import estkit as ek

CLOSE = 1e-12  # cosines of the same rows, summed in another order
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "weights": {"weights": np.arange(1.0, 7)},
    "Pearson": {"center": True},
    "adjusted": {"center": "columns"},
    "soft": {"soft": np.eye(6) + 0.3},
    "pairwise": {"nan": "pairwise", "center": True},
}


def rows(count: int, seed: int = 0) -> Any:
    """Return rows of six numbers."""
    return np.random.default_rng(seed).normal(size=(count, 6)) + 0.5


def ordered(cosines: Any, k: int, own: bool) -> Any:
    """Return the k largest of each row of a matrix of cosines."""
    cosines = np.array(cosines)
    if own:
        np.fill_diagonal(cosines, np.nan)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("own", [True, False])
def test_options_mean_what_they_mean_for_all_pairs(name: str, own: bool) -> None:
    X, Y = rows(150), None if own else rows(90, seed=1)
    if name == "pairwise":
        X[3, 2] = X[7, :5] = np.nan
    cosines = ek.cosine_similarity(X, Y, **OPTIONS[name])
    found = ek.cosine_top_k(X, Y, k=4, **OPTIONS[name])
    some = np.flatnonzero(found.indices[:, -1] >= 0)
    assert len(some) > 140
    np.testing.assert_array_equal(found.indices[some], ordered(cosines, 4, own)[some])
    expected = np.take_along_axis(np.asarray(cosines), found.indices, 1)[some]
    np.testing.assert_allclose(found.similarities[some], expected, rtol=CLOSE, atol=CLOSE)
    pairs = ek.cosine_join(X, Y, threshold=0.6, **OPTIONS[name])
    reached = np.nan_to_num(np.array(cosines), nan=-2.0) >= 0.6
    if own:
        np.fill_diagonal(reached, False)
    np.testing.assert_array_equal(pairs.to_csr().toarray() != 0, reached)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float16", "float32", "int64", "bool"])
def test_every_type_of_number_has_its_neighbours(dtype: str) -> None:
    rng = np.random.default_rng(4)
    X = rng.integers(0, 100, (80, 9)).astype(dtype)
    X[:, 0] = 1
    found = ek.cosine_top_k(X, k=3)
    plain = ek.cosine_top_k(X.astype(float), k=3)
    assert found.similarities.dtype == (np.float32 if dtype.startswith("f") else np.float64)
    np.testing.assert_allclose(found.similarities, plain.similarities, rtol=3e-7)
    if found.similarities.dtype == np.float64:
        np.testing.assert_array_equal(found.indices, plain.indices)


def test_sparse_rows_have_the_neighbours_of_dense_ones() -> None:
    rng = np.random.default_rng(5)
    X = rng.poisson(0.4, (120, 30)) * 1.0
    X[4] = 0
    dense, found = ek.cosine_top_k(X, k=5), ek.cosine_top_k(csr_array(X), k=5)
    np.testing.assert_allclose(found.similarities, dense.similarities, rtol=CLOSE)
    assert found.zero_rows.tolist() == dense.zero_rows.tolist() == [4]
    mixed = ek.cosine_join(csr_array(X), X[:20], threshold=0.3)
    plain = ek.cosine_join(X, X[:20], threshold=0.3)
    np.testing.assert_array_equal(mixed.indices, plain.indices)


def test_equal_rows_are_as_near_as_can_be_and_in_the_order_of_their_positions() -> None:
    X = rows(60)[np.random.default_rng(1).integers(0, 6, 60)]
    found = ek.cosine_top_k(X.astype(np.float32), k=3)
    same = (X[:, None] == X[None]).all(axis=2)
    for row in range(60):
        others = [other for other in np.flatnonzero(same[row]) if other != row]
        assert found.indices[row].tolist() == others[:3]
        assert found.ties[row] == len(others) - 3
    assert (found.similarities == 1).all()
    assert repr(found).endswith("60 with ties beyond)")


@pytest.mark.parametrize("own", [True, False])
def test_rows_without_a_direction_follow_the_policy(own: bool) -> None:
    X = rows(40)
    X[[2, 9]] = 0
    X[5, 1] = np.nan
    Y = None if own else X
    with pytest.raises(ek.DataError, match=r"row 5 .*is missing"):
        ek.cosine_top_k(X, Y, k=3)
    with pytest.raises(ek.DataError, match=r"row 2 .*zero"):
        ek.cosine_top_k(X, Y, k=3, zero="raise", nan="propagate")
    found = ek.cosine_top_k(X, Y, k=40, nan="propagate")
    assert (found.zero_rows.tolist(), found.missing_rows.tolist()) == ([2, 9], [5])
    assert (found.indices[[2, 5, 9]] == -1).all()
    assert np.isnan(found.similarities[[2, 5, 9]]).all()
    assert not np.isin(found.indices, [2, 5, 9]).any()
    zeros = ek.cosine_top_k(X, Y, k=39, zero="zero", nan="propagate")
    assert (zeros.similarities[2][zeros.indices[2] >= 0] == 0).all()
    assert (zeros.indices == 2).sum() >= 37
    dropped = ek.cosine_top_k(X, Y, k=3, zero="drop", nan="propagate")
    kept = np.setdiff1d(np.arange(40), [2, 9])
    assert dropped.rows.tolist() == kept.tolist()
    np.testing.assert_array_equal(dropped.indices, found.indices[kept, :3])
    pairs = ek.cosine_join(X, Y, threshold=-1, nan="propagate")
    assert not np.isin(pairs.indices, [2, 5, 9]).any()
    assert (np.diff(pairs.indptr)[[2, 5, 9]] == 0).all()


def test_labels_go_in_and_come_out() -> None:
    X = pd.DataFrame(rows(4), index=list("abcd"), columns=list("uvwxyz"))
    Y = pd.DataFrame(rows(3, seed=1), index=["p", "q", "r"], columns=list("uvwxyz"))
    found = ek.cosine_top_k(X, Y[list("zyxwvu")], k=2)
    frame = found.to_frame()
    assert list(frame.columns) == ["row", "rank", "neighbor", "similarity"]
    cosines = ek.cosine_similarity(X, Y)
    for line in frame.itertuples():
        assert line.similarity == pytest.approx(cosines.loc[line.row, line.neighbor], rel=CLOSE)
    assert "a" in str(found) and "q" in str(found)
    joined = ek.cosine_join(X, Y, threshold=0.1).to_frame()
    assert len(joined) == int((cosines.to_numpy() >= 0.1).sum())
    assert set(joined["neighbor"]) <= {"p", "q", "r"}


def test_a_single_vector_has_neighbours_of_one_dimension() -> None:
    X = rows(30)
    found = ek.cosine_top_k(X[7], X, k=2)
    assert found.indices.shape == (2,)
    assert (found.indices[0], found.similarities[0]) == (7, 1.0)
    assert len(found.to_frame()) == 2


def test_memory_maps_in_little_memory_have_the_same_neighbours(tmp_path: Path) -> None:
    X = np.random.default_rng(6).normal(size=(3000, 40)).astype(np.float32)
    X[2000:2100] = X[:100]
    np.save(tmp_path / "rows.npy", X)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    plain = ek.cosine_top_k(X, k=3)
    for room in (15 << 20, 400_000):
        small = ek.cosine_top_k(mapped, k=3, max_bytes=room)
        for name in ("indices", "similarities", "ties"):
            np.testing.assert_array_equal(getattr(small, name), getattr(plain, name))
    with pytest.raises(ek.DataError, match="max_bytes"):
        ek.cosine_top_k(mapped, k=3, max_bytes=10_000)


@pytest.mark.parametrize("order", ["C", "F"])
def test_little_memory_changes_no_digit_of_correlations(order: Any) -> None:
    X = np.random.default_rng(7).normal(size=(2500, 150))
    X[2000:] = X[:500]
    X = np.asarray(X, order=order)
    plain = ek.cosine_top_k(X, k=3, center=True)
    small = ek.cosine_top_k(X, k=3, center=True, max_bytes=10 << 20)
    for name in ("indices", "similarities", "ties"):
        np.testing.assert_array_equal(getattr(small, name), getattr(plain, name))


def test_results_are_frozen_and_can_be_written_as_json() -> None:
    found, pairs = ek.cosine_top_k(rows(5), k=2), ek.cosine_join(rows(5), threshold=0.0)
    with pytest.raises(ValueError, match="read-only"):
        found.indices[0, 0] = 3
    assert json.loads(json.dumps(found.to_dict()))["indices"] == found.indices.tolist()
    assert json.loads(json.dumps(pairs.to_dict()))["threshold"] == 0.0


def test_rows_with_nothing_in_common_follow_the_policy() -> None:
    X = [[1.0, 2.0, np.nan, np.nan], [np.nan, np.nan, 3.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    found = ek.cosine_top_k(X, k=2, nan="pairwise")
    assert found.indices.tolist() == [[2, -1], [2, -1], [0, 1]]
    zeros = ek.cosine_top_k(X, k=2, nan="pairwise", zero="zero")
    assert zeros.indices.tolist() == [[2, 1], [2, 0], [0, 1]]
    assert zeros.similarities[:2, 1].tolist() == [0, 0]
    with pytest.raises(ek.DataError, match=r"row 0 .* and X: row 1 .* have no direction"):
        ek.cosine_top_k(X, k=2, nan="pairwise", zero="raise")


@pytest.mark.parametrize("k", [0, 1.5, True, "3"])
def test_a_number_of_neighbours_that_is_none_is_refused(k: Any) -> None:
    with pytest.raises(ek.DataError, match="k must be a whole number"):
        ek.cosine_top_k(rows(5), k=k)


@pytest.mark.parametrize("threshold", [1.5, np.nan, "high"])
def test_a_threshold_that_is_no_cosine_is_refused(threshold: Any) -> None:
    with pytest.raises(ek.DataError, match="threshold must be a cosine"):
        ek.cosine_join(rows(5), threshold=threshold)
