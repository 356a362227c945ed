"""Rows with missing values: which they are, what they lack, and everything else without them.

Missing is what has no value: None, NaN, NA, NaT, null, a masked entry. An infinite number is a
value, and is left to be refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.frames import as_frame
from estkit.values import is_missing

Mask = NDArray[np.bool_]
_SHOWN = 6


@dataclass(frozen=True)
class Dropped:
    """What was left out: row numbers, counted from 0, and how many values each column lacked."""

    rows: tuple[int, ...] = ()
    columns: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        if not self.rows:
            return "No rows dropped."
        shown = ", ".join(str(row) for row in self.rows[:_SHOWN])
        shown += ", ..." if len(self.rows) > _SHOWN else ""
        rows = f"1 row dropped ({shown})" if len(self.rows) == 1 else ""
        rows = rows or f"{len(self.rows)} rows dropped ({shown})"
        lacking = ", ".join(f"{name} {count}" for name, count in self.columns)
        return f"{rows} for missing values: {lacking}."


def drop_missing(given: Mapping[str, Any]) -> tuple[dict[str, Any], Dropped]:
    """Return the arguments of a fit without the rows in which any of them has a missing value.

    Parameters
    ----------
    given : mapping of str to array-like, frame or None
        The arguments by name; X by the names of its columns. They are returned in the form in which
        they came, and are never modified.

    Raises
    ------
    DataError
        If the arguments differ in length, cannot be looked into, or no row is complete.
    """
    given = {name: value for name, value in given.items() if value is not None}
    total: Mask | None = None
    columns: list[tuple[str, int]] = []
    for name, value in given.items():
        for column, mask in missing_values(name, value):
            if total is None:
                total = np.zeros(len(mask), dtype=bool)
            if len(mask) != len(total):
                raise DataError(f"{name} has {len(mask)} rows, expected {len(total)}.")
            total |= mask
            if mask.any():
                columns.append((column, int(mask.sum())))
    if total is None or not total.any():
        return given, Dropped()
    dropped = Dropped(tuple(np.flatnonzero(total).tolist()), tuple(columns))
    if total.all():
        raise DataError(f"No complete row is left: {dropped}")
    return {name: _take(value, ~total) for name, value in given.items()}, dropped


def missing_values(what: str, given: Any) -> Iterator[tuple[str, Mask]]:
    """Yield the name of each column of an argument, and where it has no value."""
    if hasattr(given, "isna") and not hasattr(given, "iloc"):  # an array of pandas, no series
        yield what, np.asarray(given.isna(), dtype=bool)
        return
    frame = as_frame(given, unnamed=what)
    if frame is not None:
        for column in frame.iter_columns():
            name = what if len(frame.columns) == 1 and what != "X" else str(column.name)
            yield name if what in ("X", name) else f"{what} {name}", _of_series(column)
    elif hasattr(given, "nnz"):  # a sparse matrix, all of whose missing values are stored
        entries = given.tocoo()
        for j in range(given.shape[1]):
            mask = np.zeros(given.shape[0], dtype=bool)
            mask[entries.row[(entries.col == j) & np.isnan(entries.data)]] = True
            yield f"x{j}", mask
    elif isinstance(given, np.ndarray | list | tuple):
        values = _of_array(given)
        for j in range(values.shape[1]):
            single = values.shape[1] == 1 and what != "X"
            yield what if single else f"x{j}" if what == "X" else f"{what} x{j}", values[:, j]
    else:
        raise DataError(
            f"missing='drop' looks through arrays, lists and data frames; {what} is of type "
            f"{type(given).__name__}. Drop its rows first, and pass missing='raise'."
        )


def _of_series(column: Any) -> Mask:
    missing = np.array(column.is_null().to_numpy(), dtype=bool)
    if column.dtype.is_float():
        values = column.to_numpy()
        if values.dtype.kind == "f":
            missing |= np.isnan(values)
    return missing


def _of_array(given: Any) -> Mask:
    """Return where a matrix or a vector has no value, of shape (n, p)."""
    mask: Mask
    try:
        values = np.asarray(given)
    except ValueError as error:
        raise DataError(f"An argument is ragged: its rows differ in length ({error}).") from error
    if values.dtype.kind == "f":
        mask = np.isnan(values)
    elif values.dtype.kind in "mM":
        mask = np.isnat(values)
    elif values.dtype.kind in "OUS":  # text may be what numpy made of None
        elements = np.asarray(given, dtype=object)
        flat = [is_missing(element) for element in elements.ravel().tolist()]
        mask = np.array(flat, dtype=bool).reshape(elements.shape)
    else:
        mask = np.zeros(values.shape, dtype=bool)
    if isinstance(given, np.ma.MaskedArray):
        mask = mask | np.ma.getmaskarray(given)
    result: Mask = mask.reshape(len(mask), -1)
    return result


def _take(given: Any, kept: Mask) -> Any:
    """Return some of the rows, in the form in which all were given."""
    if isinstance(given, list | tuple):
        return [row for row, keep in zip(given, kept.tolist(), strict=True) if keep]
    if isinstance(given, Mapping):
        return {name: _take(column, kept) for name, column in given.items()}
    if isinstance(given, np.ndarray):
        return given[kept]
    if hasattr(given, "nnz"):
        return given.tocsr()[np.flatnonzero(kept)]
    if hasattr(given, "isna") and not hasattr(given, "iloc"):
        return given[kept]
    import narwhals.stable.v2 as nw

    frame: Any = nw.from_native(given, eager_only=True, allow_series=True)
    return frame.filter(kept.tolist()).to_native()
