"""Groups of rows in pieces: the cluster covariances of the same rows in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

SAME = 1e-9  # the same sums in another order
ROWS, PIECE = 400, 37

RNG = np.random.default_rng(5)
X = RNG.normal(size=(ROWS, 2)) * [1.0, 20.0] + [0.0, 300.0]
HOMES = np.array([f"home {k}" for k in RNG.integers(0, 23, ROWS)])  # each in nearly every piece
ETA = X[:, 0] + RNG.normal(size=23)[np.unique(HOMES, return_inverse=True)[1]]
HIT = RNG.random(ROWS) < 1 / (1 + np.exp(-ETA))
GRADE = np.digitize(ETA + RNG.logistic(size=ROWS), [-1.0, 1.0])
WEIGHTS = RNG.integers(1, 4, ROWS).astype(float)
CASES: dict[str, tuple[Any, Any]] = {
    "binomial": (ek.Binomial(), HIT),
    "counts": (ek.Binomial(), np.column_stack([HIT * 3, 4 - HIT * 2])),
    "softmax": (ek.Softmax(), GRADE),
    "ordinal": (ek.Ordinal(), GRADE),
    "gaussian": (ek.Gaussian(), ETA),
    "ridge": (ek.Binomial(penalty=ek.L2(2.0)), HIT),
}


def pieces(*parts: Any) -> Iterator[tuple[Any, ...]]:
    for first in range(0, ROWS, PIECE):
        yield tuple(None if part is None else part[first : first + PIECE] for part in parts)


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "hit": HIT, "home": HOMES})


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["rows", "weights"])
def test_clusters_go_on_from_piece_to_piece(case: str, weights: Any) -> None:
    family, y = CASES[case]
    wanted = ek.fit(family, X, y, weights=weights, groups=HOMES)
    found = ek.fit(family, ek.Chunks(lambda: pieces(X, y, weights, None, HOMES)))
    clustered = wanted.covariance("cluster")
    scale = np.sqrt(np.outer(clustered.diagonal(), clustered.diagonal()))
    np.testing.assert_allclose(
        found.covariance("cluster") / scale, clustered / scale, rtol=0, atol=SAME
    )


def test_groups_are_the_sampled_units_of_sampling_weights() -> None:
    wanted = ek.fit(ek.Binomial(), X, HIT, sampling_weights=WEIGHTS, groups=HOMES)
    source = list(pieces(X, HIT, WEIGHTS, None, HOMES))
    found = ek.fit(ek.Binomial(), ek.Chunks(source, weighting="sampling"))
    assert found.covariance_kind == "linearized"
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=SAME)


def test_a_column_of_frames_or_of_a_file_names_the_groups(tmp_path: Path) -> None:
    data = frame()
    wanted = ek.fit(ek.Binomial(), data[["a", "b"]], HIT, groups=HOMES).covariance("cluster")
    parts = [data[first : first + PIECE] for first in range(0, ROWS, PIECE)]
    data.to_parquet(tmp_path / "homes.parquet")
    stored = ek.Chunks.parquet(tmp_path / "homes.parquet", y="hit", groups="home", rows=50)
    for chunks in (ek.Chunks(parts, y="hit", groups="home"), stored):
        fit = ek.fit(ek.Binomial(), chunks)
        assert fit.names == ("intercept", "a", "b")
        np.testing.assert_allclose(fit.covariance("cluster"), wanted, rtol=SAME)


def test_partitions_of_a_dask_frame_have_groups() -> None:
    dask = pytest.importorskip("dask.dataframe")
    wanted = ek.fit(ek.Binomial(), frame()[["a", "b"]], HIT, groups=HOMES).covariance("cluster")
    parts = dask.from_pandas(frame(), npartitions=3)
    fit = ek.fit(ek.Binomial(), ek.Chunks(parts, y="hit", groups="home"))
    np.testing.assert_allclose(fit.covariance("cluster"), wanted, rtol=SAME)


def test_what_is_no_group_is_refused() -> None:
    def refused(groups: Any, words: str) -> None:
        fit = None
        with pytest.raises(ek.DataError, match=words):
            fit = ek.fit(ek.Binomial(), ek.Chunks(lambda: pieces(X, HIT, None, None, groups)))
            fit.covariance("cluster")

    refused(None, "needs the group of each row")
    refused(np.zeros(ROWS), "at least two groups, and there is one")
    refused(np.where(np.arange(ROWS) == 3, np.nan, 1.0), "groups: row 3")
    refused(HOMES[:-1], "groups has 29 rows")
    mixed = np.array(["a"] * PIECE + [1] * (ROWS - PIECE), dtype=object)
    refused(mixed, "labels without a common order")
    first, *rest = pieces(X, HIT, None, None, HOMES)
    with pytest.raises(ek.DataError, match="differ in groups"):
        ek.fit(ek.Binomial(), ek.Chunks([first, *(piece[:2] for piece in rest)]))


def test_groups_that_change_between_readings_are_noticed() -> None:
    turns = iter(range(100))

    def source() -> Iterator[tuple[Any, ...]]:
        return pieces(X, HIT, None, None, np.roll(HOMES, next(turns) > 2))

    with pytest.raises(ek.DataError, match="is not what it was when it was first read"):
        ek.fit(ek.Binomial(), ek.Chunks(source))
