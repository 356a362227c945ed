"""``cosine_top_k`` and ``cosine_join``: who is nearest to whom, and who is near enough."""

from __future__ import annotations

from typing import Any

import numpy as np

from estkit.data import is_sparse
from estkit.errors import DataError
from estkit.similarity.blocks import MEMORY
from estkit.similarity.found import Integers, Neighbors, SimilarPairs
from estkit.similarity.joining import join
from estkit.similarity.nearest import check_places, top_k
from estkit.similarity.preparation import Options, Prepared, prepare
from estkit.similarity.rows import Units
from estkit.similarity.search import PAIRS, Search, cosine_search, overlap_search
from estkit.similarity.sparse import compiled_top_k


def cosine_top_k(
    X: Any,
    Y: Any = None,
    *,
    k: int,
    weights: Any = None,
    center: Any = False,
    soft: Any = None,
    zero: str = "nan",
    nan: str = "raise",
    dtype: Any = None,
    max_bytes: int | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Neighbors:
    """Return the k rows of Y that are most similar to each row of X, exactly.

    They are in the order of (cosine, position): of equal cosines the lowest position comes first,
    also where only some of them are among the k. Equal rows have equal cosines. Neither blocks nor
    threads change an answer. Without Y, each row is compared with all others but itself.

    Parameters
    ----------
    X, Y, weights, center, soft, zero, nan, dtype, n_jobs, progress
        As of `cosine_similarity`. Rows without a direction have no neighbours (-1 and NaN) and are
        nobody's; with ``zero="zero"`` a zero row has a cosine of 0 with all others.
    k : int
        How many; positions of -1 stand for what is missing when Y has fewer rows, which is refused
        where they would take more than `max_bytes`.
    max_bytes : int, optional
        Memory to work in, beside input and result; by default 256 MiB. Unit rows are held in it
        where they leave half of it free, and else made again whenever they are needed.

    Returns
    -------
    Neighbors
        `indices`, `similarities`, `ties`; `to_frame`. Of a single vector, of one dimension.

    Raises
    ------
    DataError
        If the input cannot be compared, holds what a policy refuses, or `k` is no whole number of
        at least 1.

    Notes
    -----
    Products of blocks of unit rows find what may be among the k nearest; what their rounding cannot
    tell apart is computed again in float64, pair by pair. Rows that are compared among themselves
    take half the products, for each serves two rows.

    Examples
    --------
    >>> import estkit as ek
    >>> X = [[3.0, 4.0], [4.0, 3.0], [1.0, 0.0], [30.0, 40.0]]
    >>> print(ek.cosine_top_k(X, k=2))
    Neighbors(4 rows, the nearest 2 of 4, 1 with ties beyond)
    <BLANKLINE>
    row  rank  neighbor  similarity
      0     1         3      1.0000
      0     2         1      0.9600
      1     1         0      0.9600
      1     2         3      0.9600
      2     1         1      0.8000
      2     2         0      0.6000
      3     1         0      1.0000
      3     2         1      0.9600
    """
    given: Any = k
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 1:
        raise DataError(f"k must be a whole number of at least 1, got {k!r:.60}.")
    options = Options(weights, center, soft, zero, nan, dtype, max_bytes, n_jobs, progress)
    prepared = prepare(X, Y, options)
    room, threads = _room(prepared, options), prepared.layout.threads
    check_places(prepared.left.rows, prepared.other.rows, int(k), room)
    found = compiled_top_k(
        prepared, int(k), max_bytes=room, threads=threads, progress=progress
    ) or top_k(_search(prepared, room), int(k), max_bytes=room, threads=threads, progress=progress)
    none = ~np.isfinite(found.scores)
    indices = _positions(prepared, np.where(none, 0, found.rows))
    indices[none] = -1
    scores = np.where(none, np.nan, found.scores).astype(prepared.dtype, copy=False)
    single = prepared.left.vectors.single
    return Neighbors(
        indices=indices[0] if single and len(indices) else indices,
        similarities=scores[0] if single and len(scores) else scores,
        ties=found.ties,
        shape=_shape(prepared),
        **_facts(prepared),
    )


def cosine_join(
    X: Any,
    Y: Any = None,
    *,
    threshold: float,
    weights: Any = None,
    center: Any = False,
    soft: Any = None,
    zero: str = "nan",
    nan: str = "raise",
    dtype: Any = None,
    max_bytes: int | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
) -> SimilarPairs:
    """Return all pairs of a row of X and a row of Y with a cosine of at least `threshold`, exactly.

    Without Y, the rows of X are paired with each other, not with themselves, and each pair is
    listed for both of its rows.

    Parameters
    ----------
    X, Y, weights, center, soft, zero, nan, dtype, n_jobs, progress
        As of `cosine_similarity`. Rows without a direction are in no pair; with ``zero="zero"`` a
        zero row has a cosine of 0 with all others.
    threshold : float
        The lowest cosine that counts, from -1 to 1.
    max_bytes : int, optional
        Memory to work in, the pairs included; by default 256 MiB. More pairs than fit are refused.

    Returns
    -------
    SimilarPairs
        `indptr`, `indices`, `similarities`; `to_frame`, `to_csr`.

    Raises
    ------
    DataError
        If the input cannot be compared, holds what a policy refuses, the threshold is no cosine, or
        there are more pairs than `max_bytes` has room for.

    Examples
    --------
    >>> import estkit as ek
    >>> pairs = ek.cosine_join([[1, 0], [1, 1]], [[1, 0], [0, 1]], threshold=0.7)
    >>> pairs.indptr, pairs.indices
    (array([0, 1, 3]), array([0, 0, 1]))
    """
    given: Any = threshold
    if not isinstance(given, float | int | np.number) or not -1 <= given <= 1:
        raise DataError(f"threshold must be a cosine from -1 to 1, got {threshold!r:.60}.")
    options = Options(weights, center, soft, zero, nan, dtype, max_bytes, n_jobs, progress)
    prepared = prepare(X, Y, options)
    room = _room(prepared, options)
    found = join(
        _search(prepared, room), float(threshold), max_bytes=room,
        threads=prepared.layout.threads, progress=progress,
    )  # fmt: skip
    return SimilarPairs(
        indptr=found.indptr,
        indices=_positions(prepared, found.rows),
        similarities=found.scores.astype(prepared.dtype, copy=False),
        threshold=float(threshold),
        shape=_shape(prepared),
        **_facts(prepared),
    )


def _shape(prepared: Prepared) -> tuple[int, int]:
    return prepared.left.vectors.rows, prepared.other.vectors.rows


def _search(prepared: Prepared, room: int) -> Search:
    pairs = max(1, min(PAIRS, room // 128))
    counts = prepared.policy.zero == "zero"
    left = Units(prepared.left, counts)
    right = None if prepared.right is None else Units(prepared.right, counts)
    if prepared.policy.nan == "pairwise":
        return overlap_search(left, right, prepared.policy, pairs=pairs)
    return cosine_search(left, right, pairs=pairs)


def _room(prepared: Prepared, options: Options) -> int:
    """Return what is left of the memory beside the unit rows that are held."""
    room = MEMORY if options.max_bytes is None else int(options.max_bytes)
    tables = [prepared.left] + ([] if prepared.right is None else [prepared.right])
    return room - sum(_bytes_of(table.held) for table in tables if table.held is not None)


def _bytes_of(held: Any) -> int:
    """Return the memory that unit rows take, dense or sparse."""
    parts = (held.data, held.indices, held.indptr) if is_sparse(held) else (held,)
    return sum(int(part.nbytes) for part in parts)


def _positions(prepared: Prepared, rows: Integers) -> Integers:
    """Return the positions in Y as it was given."""
    return np.array(prepared.other.places(rows))


def _facts(prepared: Prepared) -> dict[str, Any]:
    facts = {name: value for name, value in prepared.facts.items() if name != "columns"}
    labels = {
        "row_labels": prepared.left.vectors.labels,
        "column_labels": prepared.other.vectors.labels,
    }
    return facts | labels
