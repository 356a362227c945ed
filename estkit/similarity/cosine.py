"""Cosine similarity, distance and angle of all pairs, and of rows pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.similarity.blocks import fill, inner_products
from estkit.similarity.compensated import cosine_terms, products
from estkit.similarity.directions import Directions
from estkit.similarity.matrix import labelled, with_facts
from estkit.similarity.measures import check_measure, measured
from estkit.similarity.overlap import overlap_block
from estkit.similarity.preparation import Options, Prepared, prepare
from estkit.similarity.twofold import exact_rows
from estkit.similarity.vectors import Real

BlockOfPairs = Callable[[slice, slice, Real | None], Real]


def cosine_similarity(
    X: Any,
    Y: Any = None,
    *,
    weights: Any = None,
    center: Any = False,
    soft: Any = None,
    zero: str = "nan",
    nan: str = "raise",
    dtype: Any = None,
    compensated: bool = False,
    max_bytes: int | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
    out: Any = None,
) -> Any:
    r"""Return the cosine of the angle between each row of X and each of Y.

    :math:`\cos(x, y) = x'y / \sqrt{x'x \; y'y}`, never outside [-1, 1]. The matrix of X with itself
    is exactly symmetric, its diagonal exactly 1. Norms neither overflow nor underflow, whatever the
    size of the numbers.

    Parameters
    ----------
    X : array-like of shape (n, d) or (d,), sparse matrix, data frame
        Rows to compare; one dimension is one vector. Numbers of any real type, memory maps too.
    Y : as X, optional
        What to compare with; by default the rows of X among themselves. The columns of two frames
        are matched by name.
    weights : array-like of shape (d,), optional
        Coordinate weights w of 0 or more: :math:`x'y` becomes :math:`\sum_j w_j x_j y_j`.
    center : {False, True, "rows", "columns"} or array-like of shape (d,)
        True or "rows": take the (weighted) mean of each row away, which makes it Pearson's
        correlation. "columns": take the mean of each column over the rows of X and Y away, the
        adjusted cosine; or these means themselves.
    soft : array-like or sparse matrix of shape (d, d), optional
        The similarity S of coordinates, symmetric and positive semidefinite: the soft cosine
        :math:`x'Sy / \sqrt{x'Sx \; y'Sy}`.
    zero : {"nan", "zero", "raise", "drop"}
        What the cosine with a zero row is (a constant one, where rows are centred): NaN, 0, an
        error that names the rows, or nothing, for these rows are left out of the result.
    nan : {"raise", "propagate", "pairwise"}
        What a row with NaN means: an error that names the rows, a cosine of NaN, or each cosine
        over the coordinates that both vectors have. Infinite numbers are never passed over.
    dtype : {float32, float64}, optional
        Of the result; by default float32 if all numbers are float16 or float32, else float64. In
        float32 products of rows that hardly vary can be off by some 1e-6.
    compensated : bool
        Whether to make inner products in twice the precision, so that the cosines of nearly
        orthogonal vectors are right to their last digits, too.
    max_bytes : int, optional
        Memory to work in, beside input and result; by default 256 MiB.
    n_jobs : int, optional
        Threads; by default as many as there are cores. They change no digit.
    progress : bool
        Whether to show a bar.
    out : array of shape (n, m), optional
        Where to write the result, a memory map, say.

    Returns
    -------
    Similarities, DataFrame, Series or float
        An array of shape (n, m), without the dimension of what was a single vector, which knows its
        `zero_rows` and `missing_rows`. Of pandas frames, a frame with their labels, and these facts
        in its `attrs`.

    Raises
    ------
    DataError
        If the input cannot be compared, or holds what a policy refuses.

    References
    ----------
    .. [1] Sidorov, Gelbukh, Gómez-Adorno & Pinto (2014), "Soft similarity and soft cosine measure",
       Computación y Sistemas 18. The adjusted cosine: Sarwar, Karypis, Konstan & Riedl (2001),
       "Item-based collaborative filtering recommendation algorithms", WWW 10.

    Examples
    --------
    >>> import estkit as ek
    >>> ek.cosine_similarity([[3.0, 4.0], [4.0, 3.0], [0.0, 0.0]])
    Similarities([[1.  , 0.96,  nan],
                  [0.96, 1.  ,  nan],
                  [ nan,  nan,  nan]])
    >>> ek.cosine_similarity([3, 4], [[1e300, 0], [0, 1e-300]])
    Similarities([0.6, 0.8])
    """
    options = Options(weights, center, soft, zero, nan, dtype, max_bytes, n_jobs, progress)
    return _all_pairs(X, Y, "similarity", options, compensated, out)


def cosine_distance(
    X: Any,
    Y: Any = None,
    *,
    measure: str = "distance",
    weights: Any = None,
    center: Any = False,
    soft: Any = None,
    zero: str = "nan",
    nan: str = "raise",
    dtype: Any = None,
    compensated: bool = False,
    max_bytes: int | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
    out: Any = None,
) -> Any:
    """Return one minus the cosine, or the angle, between each row of X and each of Y.

    Both are right to their last digits for near-parallel vectors too, where one minus a rounded
    cosine has none: there they are made of what is left of one vector when its projection on the
    other is taken away. The distance of rows from themselves is exactly 0.

    Parameters
    ----------
    X, Y, weights, center, soft, zero, nan, dtype, compensated, max_bytes, n_jobs, progress, out
        As of `cosine_similarity`. With ``zero="zero"`` the cosine of a zero row is 0, so its
        distance is 1, and its angle a right one.
    measure : {"distance", "angle", "similarity"}
        What to return; angles are in radians, from 0 to π.

    Returns
    -------
    Similarities, DataFrame, Series or float
        As of `cosine_similarity`.

    Raises
    ------
    DataError
        As of `cosine_similarity`.

    Examples
    --------
    >>> import estkit as ek
    >>> float(ek.cosine_distance([1.0, 0.0], [1.0, 1e-15]))
    5e-31
    >>> ek.cosine_distance([[1.0, 0.0], [1.0, 1.0]], measure="angle")
    Similarities([[0.        , 0.78539816],
                  [0.78539816, 0.        ]])
    """
    check_measure(measure)
    options = Options(weights, center, soft, zero, nan, dtype, max_bytes, n_jobs, progress)
    return _all_pairs(X, Y, measure, options, compensated, out)


def _all_pairs(X: Any, Y: Any, measure: str, options: Options, compensated: bool, out: Any) -> Any:
    exact = compensated or measure != "similarity"
    prepared = prepare(X, Y, options, exact=exact)
    left, right = prepared.left, prepared.other
    shape = (left.rows, right.rows)
    given = [table.vectors.values for table in (left, right)]
    values = np.empty(shape, prepared.dtype) if out is None else _checked_out(out, shape, given)
    block = _overlaps if options.nan == "pairwise" else _compensated if compensated else _plain
    compute = block(prepared, measure)
    fill(values, left, prepared.right, compute, prepared.layout, progress=options.progress)
    finish(values, prepared, measure)
    if out is not None:
        return out
    made = with_facts(values, prepared.facts)
    return unwrapped(made, prepared)


def unwrapped(made: Any, prepared: Prepared) -> Any:
    """Return a result without the dimensions that the caller did not give, with its labels."""
    first, second = prepared.single
    second = second if prepared.right is not None else first
    rows, columns = prepared.left.vectors.labels, prepared.other.vectors.labels
    if first and second:
        return float(made[0, 0]) if made.size else np.nan
    if first or second:
        facts = {name: getattr(made, name) for name in vars(made)}
        made = with_facts(np.asarray(made)[0] if first else np.asarray(made)[:, 0], facts)
        rows = None if first else rows
        columns = None if second else columns
    return made if rows is None and columns is None else labelled(made, rows, columns)


def _checked_out(out: Any, shape: tuple[int, int], given: list[Any]) -> Any:
    found = getattr(out, "shape", None)
    if found != shape or getattr(out, "dtype", np.dtype(object)).kind != "f":
        raise DataError(
            f"out must be a floating-point array of shape {shape}, got shape {found} and dtype "
            f"{getattr(out, 'dtype', None)}."
        )
    if not out.flags.writeable:
        raise DataError("out is read-only; pass an array that may be written, or a copy.")
    arrays = [table for table in given if isinstance(table, np.ndarray)]
    if any(np.may_share_memory(out, table) for table in arrays):
        raise DataError(
            "out shares its memory with the input, which would change while it is read; pass "
            "another array."
        )
    return out


def _plain(prepared: Prepared, measure: str) -> BlockOfPairs:
    left, right = prepared.left, prepared.other

    def block(i: slice, j: slice, place: Real | None) -> Real:
        x = left.units(i)
        # The product of rows with the very same rows takes half the time, and is symmetric.
        y = x if prepared.right is None and i == j else right.units(j)
        cosines = inner_products(x, y, place)
        rows, columns = np.arange(i.start, i.stop), np.arange(j.start, j.stop)
        return measured(cosines, measure, left, right, rows, columns)

    return block


def _compensated(prepared: Prepared, measure: str) -> BlockOfPairs:
    left, right = prepared.left, prepared.other

    def block(i: slice, j: slice, place: Real | None) -> Real:
        x, y, first, second = cosine_terms(
            exact_rows(finite_rows(left, i), left.form),
            exact_rows(finite_rows(right, j), left.form),
            left.form,
        )
        lengths = first[:, None] * second
        cosines = products(x, y) / np.where(lengths > 0, lengths, 1.0)
        rows, columns = np.arange(i.start, i.stop), np.arange(j.start, j.stop)
        return measured(cosines, measure, left, right, rows, columns)

    return block


def finite_rows(table: Directions, part: slice) -> Real:
    """Return rows as they were given; zeros for those that are not finite."""
    places = table.places(part)
    return np.where(table.missing[places][:, None], 0.0, table.vectors.dense(places))


def _overlaps(prepared: Prepared, measure: str) -> BlockOfPairs:
    left, right = prepared.left, prepared.other

    def block(i: slice, j: slice, place: Real | None) -> Real:
        cosines = overlap_block(left, right, i, j)
        rows, columns = np.arange(i.start, i.stop), np.arange(j.start, j.stop)
        return measured(cosines, measure, left, right, rows, columns, overlap=True)

    return block


def finish(values: Any, prepared: Prepared, measure: str) -> None:
    """Give rows without a direction what the policy says, and the diagonal its exact value."""
    left, right, policy = prepared.left, prepared.other, prepared.policy
    nothing = {"similarity": 0.0, "distance": 1.0, "angle": np.pi / 2}[measure]
    if policy.nan == "pairwise":
        _fill_pairs(values, prepared, nothing)
    for table, along in ((left, 0), (right, 1)):
        places = table.places(slice(None))
        unknown = table.missing[places].copy()
        if policy.zero != "zero":
            unknown |= table.zero[places]
        if unknown.any():
            rows = np.flatnonzero(unknown)
            values[(rows,) if along == 0 else (slice(None), rows)] = np.nan
    if prepared.right is None:
        places = left.places(slice(None))
        known = np.flatnonzero(~(left.missing[places] | left.zero[places]))
        values[known, known] = 1.0 if measure == "similarity" else 0.0


def _fill_pairs(values: Any, prepared: Prepared, nothing: float) -> None:
    """Give pairs with nothing in common what the policy says."""
    if prepared.policy.zero in ("nan", "drop"):
        return
    for i in range(values.shape[0]):
        empty = np.isnan(values[i])
        if not empty.any():
            continue
        if prepared.policy.zero == "raise":
            left, right = prepared.left.vectors, prepared.other.vectors
            raise DataError(
                f"{left.name_of(i)} and {right.name_of(int(np.argmax(empty)))} have no direction "
                f"in the coordinates that both have; pass zero='nan' or zero='zero'."
            )
        values[i, empty] = nothing
