"""The cosine of each row of one table with the same row of another, at the speed of memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from estkit.data import is_sparse
from estkit.errors import DataError
from estkit.parallel import map_threads, progress_bar, serial_algebra
from estkit.similarity import compiled
from estkit.similarity.blocks import lay_out, parts
from estkit.similarity.compensated import cosine_terms
from estkit.similarity.directions import (
    SAFE,
    Directions,
    Units,
    mapped_units,
    row_dots,
    unit_rows,
)
from estkit.similarity.matrix import labelled, with_facts
from estkit.similarity.measures import check_measure, measured
from estkit.similarity.overlap import overlapping, without_direction
from estkit.similarity.preparation import Options
from estkit.similarity.twofold import dots, exact_rows
from estkit.similarity.vectors import Real, Vectors

_NUMBERS = 1 << 18  # coordinates of a block: with its partner it stays in cache
_FEW = 256  # so few that float32 may add them up without help from float64
_COLUMNS = 1024  # so few that float32 adds them up without losing digits
_BLOCKS = 32  # that a thread takes at once, at most


def cosine_pairs(
    X: Any,
    Y: Any,
    *,
    measure: str = "similarity",
    weights: Any = None,
    center: Any = False,
    soft: Any = None,
    zero: str = "nan",
    nan: str = "raise",
    dtype: Any = None,
    compensated: bool = False,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Any:
    """Return the cosine of each row of X with the same row of Y.

    Parameters
    ----------
    X, Y : array-like of shape (n, d), sparse matrix, data frame
        As many rows each; two single vectors give one number.
    measure : {"similarity", "distance", "angle"}
        What to return: the cosine, one minus it, or the angle in radians.
    weights, center, soft, zero, nan, dtype, compensated, n_jobs, progress
        As of `cosine_similarity`; ``zero="drop"`` leaves out pairs of which one row is zero.

    Returns
    -------
    Similarities, Series or float
        An array of shape (n,), of which `zero_rows` and `zero_columns` are the zero rows of X and
        of Y; of pandas frames a series with the labels of X.

    Raises
    ------
    DataError
        If the numbers of rows differ, pandas frames have different row labels, or the input holds
        what a policy refuses.

    Examples
    --------
    >>> import estkit as ek
    >>> ek.cosine_pairs([[1, 0], [2, 2]], [[1, 1], [-3, -3]])
    Similarities([ 0.70710678, -1.        ])
    """
    check_measure(measure)
    options = Options(weights, center, soft, zero, nan, dtype, None, n_jobs, progress)
    if Y is None:
        raise DataError(
            "Y is None; pairs need a second table. For all pairs of X, call cosine_similarity."
        )
    left, right, form = options.read(X, Y)
    assert right is not None
    _check_alike(left, right)
    kind = options.result_dtype(left, right)
    work = np.dtype(np.float64) if compensated or measure != "similarity" else kind
    flags = [np.zeros(left.rows, bool) for _ in range(4)]
    tables = [
        Directions(table, form, work, *flags[2 * k : 2 * k + 2])
        for k, table in enumerate((left, right))
    ]
    values = np.empty(left.rows, kind)
    kernel = _overlapping if nan == "pairwise" else _compensated if compensated else _quotients
    layout = lay_out(1, 1, left.width, max_bytes=None, n_jobs=n_jobs)
    step = max(16, _NUMBERS // max(1, left.width))

    def work_on(run: slice) -> int:
        inside = [slice(i, min(i + step, run.stop)) for i in range(run.start, run.stop, step)]
        if kernel is _quotients and _plain(tables[0], tables[1]):
            cosines = values[run] if measure == "similarity" else np.empty(run.stop - run.start)
            _plain_quotients(tables[0], tables[1], run, inside, cosines)
        else:
            cosines = np.concatenate([kernel(tables[0], tables[1], part) for part in inside])
        rows = np.arange(run.start, run.stop if measure != "similarity" else run.start)
        made = measured(
            cosines, measure, tables[0], tables[1], rows, rows, overlap=nan == "pairwise"
        )
        if made.base is not values:  # already there
            values[run] = made
        return int(run.stop - run.start)

    share = -(-left.rows // layout.threads)
    runs = parts(left.rows, max(step, min(share, step * _BLOCKS)))
    bar = progress_bar(left.rows, show=progress, unit="pair", description="Cosines")
    with bar as forward, serial_algebra():
        for done in map_threads(work_on, runs, threads=layout.threads):
            forward(done)
    return _finished(values, tables, options, measure)


def _check_alike(left: Any, right: Any) -> None:
    if left.rows != right.rows or left.single != right.single:
        raise DataError(
            f"X has {left.rows} rows and Y has {right.rows}; pairs need as many of both. For all "
            f"pairs, or one vector with many, call cosine_similarity."
        )
    if left.labels is not None and right.labels is not None:
        if not left.labels.equals(right.labels):
            row = int(np.argmax(np.asarray(left.labels != right.labels)))
            raise DataError(
                f"X and Y have different row labels (row {row}: {left.labels[row]!r} and "
                f"{right.labels[row]!r}), so their rows may not belong together; align them, or "
                f"pass arrays to pair them by position."
            )


def _plain(left: Directions, right: Directions) -> bool:
    """Tell whether rows are compared as they are."""
    return left.form.plain and not left.vectors.sparse and not right.vectors.sparse


def _plain_quotients(
    left: Directions, right: Directions, run: slice, inside: list[slice], cosines: Real
) -> None:
    """Write cosines of rows as they are where that is safe, else of unit rows."""
    short = left.dtype == np.float32 and left.vectors.short and right.vectors.short
    kind = np.dtype(np.float32 if short else np.float64)
    quick = compiled.loaded() and left.vectors.width <= _COLUMNS
    with np.errstate(all="ignore"):
        divide = _divide_compiled if quick else _divide
        if divide(left.vectors, right.vectors, run, inside, kind, cosines):
            return
    odd = np.flatnonzero(np.isnan(cosines))
    rows = odd + run.start
    wide = (table.vectors.dense(rows) for table in (left, right))
    made = [mapped_units(block, left.form, float) for block in wide]
    _note(left, right, rows, *made)
    cosines[odd] = row_dots(made[0].rows, made[1].rows)


def _divide(
    left: Vectors, right: Vectors, run: slice, inside: list[slice], kind: Any, cosines: Real
) -> bool:
    """Write products of rows over their lengths, NaN where not safe; tell whether all are."""
    direct = kind == np.float64 or left.width <= _FEW
    sums = np.empty((3, run.stop - run.start), kind if direct else float)
    multiply = _multiply if direct else _add_up
    if _ready(left, right, kind):
        x, y = left.dense(run, kind), right.dense(run, kind)
        for part in inside:
            here = slice(part.start - run.start, part.stop - run.start)
            multiply(x[here], y[here], sums[:, here])
    else:
        for part in inside:
            place = sums[:, part.start - run.start : part.stop - run.start]
            multiply(left.dense(part, kind), right.dense(part, kind), place)
    low, high = SAFE[kind]
    xy, xx, yy = sums
    both = np.multiply(xx, yy, dtype=float)
    # The product of two of float64 may be too large or too small, too.
    checked = (xx, yy) if kind == np.float32 else (xx, yy, both)
    safe = all(values.min() > low and values.max() < high for values in checked)
    if not safe:
        kept = [(values > low) & (values < high) for values in checked]
        both[~np.logical_and.reduce(kept)] = np.nan
    np.divide(xy, np.sqrt(both, out=both), out=cosines, casting="same_kind")
    return safe


def _divide_compiled(
    left: Vectors, right: Vectors, run: slice, inside: list[slice], kind: Any, cosines: Real
) -> bool:
    """Do as `_divide`, in one pass over the rows; all of them where that takes no copies."""
    from estkit.similarity.kernels import row_cosines

    safe = True
    for part in [run] if _ready(left, right, kind) else inside:
        place = cosines[part.start - run.start : part.stop - run.start]
        safe &= row_cosines(left.dense(part, kind), right.dense(part, kind), *SAFE[kind], place)
    return safe


def _ready(left: Vectors, right: Vectors, kind: Any) -> bool:
    """Tell whether rows are read without copies."""
    return all(t.values.dtype == kind and t.values.flags.c_contiguous for t in (left, right))


def _multiply(x: Real, y: Real, sums: Real) -> None:
    """Write the product of each row of `x` with that of `y`, and the squared lengths of both.

    The lengths come first: what they cost is spent while memory is waited for, and the product then
    finds its rows in the cache.
    """
    for number, a, b in ((1, x, x), (2, y, y), (0, x, y)):
        np.vecdot(a, b, out=sums[number])


def _add_up(x: Real, y: Real, sums: Real) -> None:
    """Do as `_multiply` for long rows of float32, of which float64 adds up the pieces."""
    for place, (a, b) in zip(sums, ((x, y), (x, x), (y, y)), strict=True):
        place[:] = row_dots(a, b)


def _quotients(left: Directions, right: Directions, part: slice) -> Real:
    """Return the cosines of unit rows."""
    made = [unit_rows(table.vectors, table.form, part, table.dtype) for table in (left, right)]
    _note(left, right, part, *made)
    return _dots(made[0].rows, made[1].rows)


def _note(left: Directions, right: Directions, rows: Any, first: Units, second: Units) -> None:
    left.zero[rows], left.missing[rows] = first.zero, first.missing
    right.zero[rows], right.missing[rows] = second.zero, second.missing


def _dots(x: Any, y: Any) -> Real:
    if not is_sparse(x) and not is_sparse(y):
        return np.asarray(np.einsum("ij,ij->i", x, y))
    if not is_sparse(x):
        x, y = y, x
    return np.asarray(x.multiply(y).sum(axis=1), dtype=float).ravel()


def _compensated(left: Directions, right: Directions, part: slice) -> Real:
    rows = []
    for table in (left, right):
        given = table.vectors.dense(part)
        made = mapped_units(given, table.form, float)
        table.zero[part], table.missing[part] = made.zero, made.missing
        given = np.where((made.zero | made.missing)[:, None], 0.0, given)
        rows.append(exact_rows(given, table.form))
    x, y, first, second = cosine_terms(rows[0], rows[1], left.form)
    lengths = first * second
    return np.asarray(dots(x, y) / np.where(lengths > 0, lengths, 1.0))


def _overlapping(left: Directions, right: Directions, part: slice) -> Real:
    x, y = left.given(part), right.given(part)
    for table, rows in ((left, x), (right, y)):
        table.zero[part], table.missing[part] = without_direction(rows, table.form)
    return overlapping(x, y, left.form)


def _finished(values: Any, tables: list[Directions], options: Options, measure: str) -> Any:
    left, right = tables
    policy = options.policy
    for table in tables:
        policy.check(table.vectors, table.zero, table.missing)
    zero, missing = left.zero | right.zero, left.missing | right.missing
    empty = np.isnan(values) & ~missing  # pairs with nothing in common
    if policy.zero == "raise" and empty.any():
        row = left.vectors.name_of(int(np.argmax(empty)))
        raise DataError(
            f"{row} and the same row of Y have no direction in the coordinates that both have; "
            f"pass zero='nan' or zero='zero'."
        )
    nothing = {"similarity": 0.0, "distance": 1.0, "angle": np.pi / 2}[measure]
    values[zero | empty] = nothing if policy.zero == "zero" else np.nan
    values[missing] = np.nan
    kept = np.arange(len(values)) if policy.zero != "drop" else np.flatnonzero(~zero)
    facts = {
        "zero_rows": np.flatnonzero(left.zero),
        "missing_rows": np.flatnonzero(left.missing),
        "zero_columns": np.flatnonzero(right.zero),
        "missing_columns": np.flatnonzero(right.missing),
        "rows": kept,
        "columns": kept,
    }
    if left.vectors.single:
        return float(values[0])
    made = with_facts(values if len(kept) == len(values) else values[kept], facts)
    labels = left.vectors.labels if left.vectors.labels is not None else right.vectors.labels
    return made if labels is None else labelled(made, labels, None)
