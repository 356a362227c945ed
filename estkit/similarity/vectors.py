"""Vectors as they were given: an array, a memory map, sparse rows or a frame, read block by block.

Nothing is copied that can be used as it is. What has no value (None, NaN, null, a masked entry) is
NaN in a block; whether that is an error is for the policies to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.data import is_sparse, rows_of
from estkit.errors import DataError
from estkit.frames import as_frame, select
from estkit.values import is_missing

Real = NDArray[Any]  # of float32 or float64


@dataclass(frozen=True, eq=False)
class Vectors:
    """Rows to be compared, what each is called, and what their coordinates are called.

    Parameters
    ----------
    values : ndarray or csr_array of shape (n, d)
        Real numbers of any type.
    labels : object or None
        The index of a pandas frame, else None: rows go by their positions.
    names : tuple of str or None
        The names of the coordinates, where the input had some.
    single : bool
        Whether one vector was given, not a table of one row.
    what : str
        What to call it in messages.
    """

    values: Any
    labels: Any
    names: tuple[str, ...] | None
    single: bool
    what: str

    @property
    def rows(self) -> int:
        """The number of vectors."""
        return int(self.values.shape[0])

    @property
    def width(self) -> int:
        """The number of coordinates."""
        return int(self.values.shape[1])

    @property
    def sparse(self) -> bool:
        """Whether only what is not zero is held."""
        return is_sparse(self.values)

    @property
    def short(self) -> bool:
        """Whether no number has more digits than float32 holds."""
        kind, size = self.values.dtype.kind, self.values.dtype.itemsize
        return bool(kind == "f" and size <= 4)

    def block(self, part: slice | NDArray[np.intp], dtype: Any = np.float64) -> Any:
        """Return some rows as floating-point numbers, sparse where they are; not to be written."""
        taken = rows_of(self.values, part) if isinstance(part, slice) else self.values[part]
        if self.sparse:
            return taken if taken.dtype == dtype else taken.astype(dtype)
        with np.errstate(over="ignore"):  # a long double beyond float64 is infinite here
            return np.asarray(taken, dtype=dtype, order="C")  # sums by row, in one order

    def dense(self, part: slice | NDArray[np.intp], dtype: Any = np.float64) -> Real:
        """Return some rows as an array; not to be written."""
        block = self.block(part, dtype)
        return np.asarray(block.toarray() if self.sparse else block)

    def name_of(self, row: int) -> str:
        """Return what a message calls a row."""
        named = self.labels is not None and self.labels[row] != row
        label = f" ({self.labels[row]!r})" if named else ""
        return f"{self.what}: row {row}{label} (counted from 0)"


def read_vectors(given: Any, *, what: str, like: Vectors | None = None) -> Vectors:
    """Return vectors from an array-like, sparse rows, a frame, a series or a mapping of columns.

    Parameters
    ----------
    given : array-like of shape (n, d) or (d,), sparse matrix, data frame, series or mapping
        Its rows are the vectors; one dimension is one vector.
    what : str
        What to call it in messages.
    like : Vectors, optional
        What it will be compared with: the coordinates of two frames are matched by name.

    Raises
    ------
    DataError
        If it holds anything but real numbers, has more than two dimensions, repeats a name, or has
        other coordinates than `like`.
    """
    if isinstance(given, Vectors):
        return given
    if is_sparse(given):
        vectors = Vectors(_sparse_rows(given, what), None, None, given.ndim == 1, what)
    else:
        names = like.names if like is not None else None
        found = _from_series(given, what, names)
        found = _from_frame(given, what, names) if found is None else found
        vectors = _from_array(given, what) if found is None else found
    if like is not None and vectors.width != like.width:
        raise DataError(
            f"{what} has {vectors.width} coordinates but {like.what} has {like.width}; vectors are "
            f"compared coordinate by coordinate, so both need the same."
        )
    return vectors


def _sparse_rows(given: Any, what: str) -> Any:
    """Return compressed rows without repeated entries; shares the numbers where it can."""
    if given.ndim > 2 or given.dtype.kind not in "fiub":
        raise DataError(
            f"{what} must be a sparse matrix of real numbers with rows and columns, got dtype "
            f"{given.dtype} and shape {given.shape}."
        )
    from scipy import sparse

    rows = sparse.csr_array(given.reshape(1, -1) if given.ndim == 1 else given)
    if rows.dtype.kind != "f" or rows.dtype.itemsize > 8:
        rows = rows.astype(np.float64)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return rows


def _from_series(given: Any, what: str, names: Sequence[str] | None) -> Vectors | None:
    """Return one vector of a pandas series, whose index names its coordinates; or None."""
    if not (hasattr(given, "index") and hasattr(given, "to_frame") and hasattr(given, "iloc")):
        return None
    if getattr(given, "ndim", 0) != 1:
        return None
    own = [str(name) for name in given.index]
    numbers = _numbers(given.array, what, str(given.name or what))
    if own == [str(j) for j in range(len(own))]:
        return Vectors(numbers[None], None, None, True, what)
    if names is not None:
        own, numbers = list(names), numbers[_matched(own, names, what)]
    return Vectors(numbers[None], None, tuple(own), True, what)


def _from_frame(given: Any, what: str, names: Sequence[str] | None) -> Vectors | None:
    """Return the rows of a data frame, or None."""
    if isinstance(given, np.ndarray | list | tuple):
        return None
    frame = as_frame(given, unnamed=what)
    if frame is None:
        return None
    if not hasattr(given, "columns") and len(frame.columns) == 1 and not isinstance(given, dict):
        return Vectors(_column(frame, frame.columns[0], what)[None], None, None, True, what)
    own = [str(name) for name in frame.columns]
    repeated = sorted({name for name in own if own.count(name) > 1})
    if repeated:
        raise DataError(f"{what} has more than one column named {repeated[0]!r}; rename one.")
    if names is not None:
        _matched(own, names, what)
        frame = select(frame, names)
    columns = [_column(frame, name, what) for name in frame.columns]
    kind = np.result_type(*columns) if columns else np.float64
    values = np.empty((len(frame), len(columns)), dtype=kind)
    for j, column in enumerate(columns):
        values[:, j] = column
    return Vectors(values, getattr(given, "index", None), tuple(frame.columns), False, what)


def _matched(own: Sequence[str], names: Sequence[str], what: str) -> list[int]:
    """Return where each of `names` stands in `own`, which must be the same names."""
    lacking = [name for name in names if name not in set(own)]
    extra = [name for name in own if name not in set(names)]
    if lacking or extra:
        raise DataError(
            f"{what} has other coordinates than what it is compared with: "
            f"lacking {', '.join(lacking[:5]) or 'none'}, too many {', '.join(extra[:5]) or 'none'}"
            f"; select the same columns, or pass arrays to go by position."
        )
    place = {name: j for j, name in enumerate(own)}
    return [place[name] for name in names]


def _column(frame: Any, name: str, what: str) -> NDArray[Any]:
    column = frame[name]
    if column.dtype.is_numeric() or str(column.dtype) == "Boolean":
        values = np.asarray(column.to_numpy())
        if values.dtype.kind in "fiub" and not column.is_null().any():
            return values
    return _numbers(column.to_list(), what, name)


def _numbers(elements: Any, what: str, name: str) -> NDArray[Any]:
    """Return elements of one column as numbers, NaN where there is no value; or raise."""
    plain = getattr(elements, "dtype", None)
    if isinstance(plain, np.dtype) and plain.kind in "fiub":
        return np.asarray(elements)
    numbers = np.empty(len(elements))
    for row, element in enumerate(elements):
        if is_missing(element):
            numbers[row] = np.nan
            continue
        try:
            if isinstance(element, str | bytes | complex):
                raise TypeError
            numbers[row] = float(element)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(
                f"{what}: column {name!r}, row {row} (counted from 0) is not a number: "
                f"{element!r:.60} ({type(element).__name__}); leave the column out, or code it."
            ) from error
    return numbers


def _from_array(given: Any, what: str) -> Vectors:
    try:
        values = given if isinstance(given, np.ndarray) else np.asarray(given)
    except ValueError as error:
        raise DataError(f"{what} is ragged: its rows differ in length ({error}).") from error
    if isinstance(values, np.ma.MaskedArray):
        floats = values.astype(np.result_type(values.dtype, np.float32))
        values = np.ma.filled(floats, np.nan)
    if values.ndim not in (1, 2):
        raise DataError(
            f"{what} must be one vector or rows of vectors, got {values.ndim} dimensions "
            f"(shape {values.shape}, of {type(given).__name__})."
        )
    single = values.ndim == 1
    if values.dtype.kind not in "fiub":
        if values.dtype.kind not in "OUS":
            raise DataError(f"{what} must hold real numbers, got dtype {values.dtype}.")
        elements = np.asarray(given, dtype=object)
        table = elements[None] if single else elements
        values = np.empty(table.shape)
        for j in range(table.shape[1]):
            values[:, j] = _numbers(table[:, j], what, f"x{j}")
        return Vectors(values, None, None, single, what)
    return Vectors(values[None] if single else values, None, None, single, what)
