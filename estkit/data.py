"""The one input seam: array-likes and data frames in, checked arrays and their names out.

Frames of any kind come in through narwhals. Nothing is copied that can be used as it is, and
nothing that was passed in is ever modified. Each check says the column, the row and the value it
met; rows are positions counted from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.frames import as_frame, read_series, select
from estkit.values import numbers_from_objects, refuse_masked, refuse_value, unnamed_columns

Floats = NDArray[np.float64]
LARGEST_COUNT = 1 << 52  # so that the sum of two counts is still exact
_CHUNK = 1 << 18  # numbers looked at together when a bad one must be found


class Coding(Protocol):
    """How columns of numbers are made from what was given, when they are not what was given."""

    @property
    def members(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the columns that were made from one thing, by its name."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the fit must know."""
        ...

    def read(self, given: Any) -> Columns:
        """Return the same columns of new rows."""
        ...

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        ...


@dataclass(frozen=True, eq=False)
class Columns:
    """A checked matrix of real numbers, of any numeric dtype, and a name for each column.

    It is an array, or a sparse matrix in compressed rows. What was made from something else, such
    as categories, knows its `coding`.
    """

    values: Any
    names: tuple[str, ...]
    coding: Coding | None = None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.values.shape[0])


def read_columns(given: Any, *, what: str = "X", rows: int | None = None) -> Columns:
    """Return a matrix with named columns from an array-like, a frame or a mapping.

    Parameters
    ----------
    given : array-like of shape (n, p) or (n,), data frame, or None
        One-dimensional input is a single column.
    what : str
        What to call it in messages.
    rows : int, optional
        The number of rows it must have; needed when `given` is None.

    Raises
    ------
    DataError
        If a value is missing, infinite or not a number, if names repeat, or if there is no row.
    """
    if isinstance(given, Columns):
        return given
    if is_sparse(given):
        return _read_sparse(given, what, rows)
    frame = as_frame(given, unnamed="x0" if what == "X" else what)
    if frame is not None:
        columns = _read_frame(frame, what)
    elif given is None:
        columns = Columns(np.empty((rows or 0, 0)), ())
    else:
        values = _as_array(given, what)
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2:
            raise DataError(
                f"{what} must have two dimensions (rows, columns), got shape {values.shape}."
            )
        columns = Columns(values, unnamed_columns(what, values.shape[1]))
    return checked(columns, what=what, rows=rows)


def checked(columns: Columns, *, what: str, rows: int | None = None) -> Columns:
    """Return columns that have rows, as many as wanted, and finite numbers only; or raise."""
    if columns.rows == 0:
        raise DataError(f"{what} has no rows; at least one observation is needed.")
    if rows is not None and columns.rows != rows:
        raise DataError(f"{what} has {columns.rows} rows, expected {rows}.")
    check_finite(columns.values, what, columns.names)
    return columns


def is_sparse(given: Any) -> bool:
    """Tell whether `given` is a sparse matrix or array of scipy."""
    return hasattr(given, "toarray") and hasattr(given, "nnz") and hasattr(given, "tocsr")


def rows_of(values: Any, part: slice) -> Any:
    """Return some rows, without a copy."""
    if not is_sparse(values):
        return values[part]
    from scipy import sparse

    first, last, _ = part.indices(values.shape[0])
    start, stop = values.indptr[first], values.indptr[last]
    pointers = values.indptr[first : last + 1] - start
    held = values.data[start:stop], values.indices[start:stop], pointers
    return sparse.csr_array(held, shape=(last - first, values.shape[1]), copy=False)


def _read_sparse(given: Any, what: str, rows: int | None) -> Columns:
    """Return a sparse matrix in compressed rows, checked; it is never filled."""
    if given.ndim != 2 or given.dtype.kind not in "fiub":
        raise DataError(
            f"{what} must be a sparse matrix of real numbers with rows and columns, got dtype "
            f"{given.dtype} and shape {given.shape}."
        )
    from scipy import sparse

    values = sparse.csr_array(given)  # of a matrix or an array; shares the numbers where it can
    if values.dtype != np.float64:
        values = values.astype(float)
    if values.shape[0] == 0:
        raise DataError(f"{what} has no rows; at least one observation is needed.")
    if rows is not None and values.shape[0] != rows:
        raise DataError(f"{what} has {values.shape[0]} rows, expected {rows}.")
    names = unnamed_columns(what, values.shape[1])
    wrong = np.flatnonzero(~np.isfinite(values.data))
    if len(wrong):
        row = int(np.searchsorted(values.indptr, wrong[0], side="right")) - 1
        refuse_value(values.data[wrong[0]], what, names[int(values.indices[wrong[0]])], row)
    return Columns(values, names)


def read_vector(given: Any, *, what: str, rows: int | None = None) -> Floats:
    """Return a checked float64 vector; a column of shape (n, 1) is taken as one.

    Raises
    ------
    DataError
        If a value is missing, infinite or not a number, or the length is not `rows`.
    """
    columns = read_columns(given, what=what)
    if columns.values.shape[1] != 1:
        raise DataError(f"{what} must be one column of numbers, got shape {columns.values.shape}.")
    if rows is not None:
        check_rows(what, columns.rows, rows)
    return np.ascontiguousarray(columns.values[:, 0], dtype=float)


def read_counts(given: Any, *, what: str) -> tuple[Floats, tuple[str, ...]]:
    """Return an (n, K) matrix of whole non-negative counts and the column names.

    Raises
    ------
    DataError
        If a count is negative or not whole; the message quotes its column, row and value.
    """
    columns = read_columns(given, what=what)
    counts = np.asarray(columns.values, dtype=float)
    for wrong, kind in (
        (counts < 0, "is negative"),
        (counts != np.floor(counts), "is not whole"),
        (counts > LARGEST_COUNT, "is too large to be counted in a float"),
    ):
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            raise DataError(
                f"{what}: column {columns.names[column]!r}, row {row} (counted from 0) {kind} "
                f"({counts[row, column]:g}); counts must be whole numbers of 0 or more."
            )
    return counts, columns.names


def read_frequencies(given: Any, *, rows: int) -> Floats | None:
    """Return frequency weights, the number of times each row was observed, or None.

    Raises
    ------
    DataError
        If a weight is negative or not whole, or none is positive.
    """
    if given is None:
        return None
    weights = read_vector(given, what="weights", rows=rows)
    wrong = (weights < 0) | (weights != np.floor(weights)) | (weights > LARGEST_COUNT)
    if wrong.any():
        row = int(np.argmax(wrong))
        kind = "is negative" if weights[row] < 0 else "is not whole"
        kind = "is too large" if weights[row] > LARGEST_COUNT else kind
        raise DataError(
            f"weights: row {row} (counted from 0) {kind} ({weights[row]:g}); weights are "
            f"frequencies, the number of times a row was observed."
        )
    if not weights.any():
        raise DataError("weights are all zero; at least one row must have been observed.")
    return weights


def check_finite(values: NDArray[Any], what: str, names: Sequence[str]) -> None:
    """Raise at the first value of a matrix that is missing or infinite, quoting where it is."""
    if values.dtype.kind != "f" or values.size == 0:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # one cheap pass; an overflow only leads to the slow look
            return
    step = max(1, _CHUNK // values.shape[1])
    for start in range(0, values.shape[0], step):
        wrong = ~np.isfinite(values[start : start + step])
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            refuse_value(values[start + row, column], what, names[column], start + row)


def read_matching(given: Any, names: Sequence[str]) -> Columns:
    """Return the columns of these names in this order; those of an array go by position.

    Columns of a frame that are not asked for are not looked at.

    Raises
    ------
    DataError
        If a named column is missing, or an array has another number of columns.
    """
    frame = as_frame(given)
    if frame is None:
        columns = read_columns(given)
        if len(columns.names) != len(names):
            raise DataError(
                f"X has {len(columns.names)} columns, but the fit used {len(names)}: "
                f"{', '.join(names) or 'the intercept alone'}."
            )
        return Columns(columns.values, tuple(names))
    return read_columns(select(frame, names).to_native())


def check_rows(what: str, found: int, rows: int) -> None:
    """Raise unless `what` has as many rows as X."""
    if found != rows:
        raise DataError(
            f"{what} has {found} rows but X has {rows}; give one response for each row of X."
            if what == "y"
            else f"{what} has {found} rows but X has {rows}; give one value for each row of X."
        )


def check_same_index(**given: Any) -> None:
    """Raise if pandas inputs carry different row labels, which pairing by position would mix up."""
    indexes = {
        name: value.index
        for name, value in given.items()
        if type(value).__module__.split(".")[0] == "pandas" and hasattr(value, "iloc")
    }
    if len(indexes) < 2:
        return
    (first, reference), *others = indexes.items()
    for name, index in others:
        if len(index) == len(reference) and not index.equals(reference):
            row = int(np.argmax(np.asarray(index != reference)))
            raise DataError(
                f"{first} and {name} have different row labels (row {row}: {reference[row]} and "
                f"{index[row]}), so their rows may not belong together; align them, or pass "
                f"{name}.to_numpy() to pair them by position."
            )


def is_table(given: Any) -> bool:
    """Tell whether `given` has two dimensions and more than one column."""
    if isinstance(given, Mapping):
        return len(given) > 1
    if isinstance(given, list | tuple):
        return bool(given) and isinstance(given[0], list | tuple | np.ndarray) and len(given[0]) > 1
    shape: tuple[int, ...] = getattr(given, "shape", ())
    return len(shape) == 2 and shape[1] > 1


def _read_frame(frame: Any, what: str) -> Columns:
    names = tuple(str(name) for name in frame.columns)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{what} has more than one column named {repeated[0]!r}; rename one.")
    values = np.empty((len(frame), len(names)), order="F")
    for j, (name, column) in enumerate(zip(names, frame.iter_columns(), strict=True)):
        values[:, j] = read_series(column, what, name)
    return Columns(values, names)


def _as_array(given: Any, what: str) -> NDArray[Any]:
    if is_sparse(given):
        raise DataError(f"{what} is a sparse matrix; pass {what}.toarray().")
    refuse_masked(given, what)
    try:
        values = np.asarray(given)
    except ValueError as error:
        raise DataError(f"{what} is ragged: its rows differ in length ({error}).") from error
    if values.dtype.kind in "fiub":
        return values
    if values.dtype.kind not in "OUS" or values.ndim not in (1, 2):
        raise DataError(
            f"{what} must hold real numbers, got {type(given).__name__} of dtype {values.dtype} "
            f"and shape {values.shape}."
        )
    # np.asarray turns a mixed list into strings; look at the elements as they were given
    elements = np.asarray(given, dtype=object)
    table = elements[:, None] if elements.ndim == 1 else elements
    names = unnamed_columns(what, table.shape[1])
    columns = [numbers_from_objects(table[:, j], what, name) for j, name in enumerate(names)]
    return np.column_stack(columns).reshape(elements.shape)
