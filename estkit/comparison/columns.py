"""The columns that models are fitted to: numbers, categories and times of any array or frame."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.frames import as_frame

if TYPE_CHECKING:
    import pandas as pd

_NUMBER = (int, float, np.number, np.bool_, Decimal)
_TIME = (datetime.date, np.datetime64)
_HOLDS_OTHERS = (list, tuple, dict, set, np.ndarray)


class Columns(NamedTuple):
    """What was given as X.

    Parameters
    ----------
    values : array, sparse matrix or pandas data frame of n rows
        The columns. Those of a frame are numbers of numpy, text, categories or times, with nan or
        NaT where a value is missing.
    text : tuple of str
        The columns that hold categories.
    times : tuple of str
        The columns that hold times.
    gaps : bool
        Whether a value is missing.
    """

    values: Any
    text: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    gaps: bool = False


def columns_of(X: Any) -> Columns:
    """Return the columns of an array, a sparse matrix or any data frame.

    Raises
    ------
    DataError
        If it is no table, has no columns, or holds what no model can use.
    """
    frame = as_frame(X)
    if frame is not None:
        return _of_frame(frame.to_pandas())
    if hasattr(X, "tocsr"):
        sparse = X.tocsr()
        _check_shape(sparse.shape)
        _refuse_infinite(sparse.data[:, None], ["of a sparse matrix"])
        return Columns(sparse, gaps=bool(np.isnan(sparse.data.astype(float)).any()))
    array = np.asarray(X)
    if array.dtype.kind in "US" and not isinstance(X, np.ndarray):
        array = np.asarray(X, dtype=object)  # otherwise 1 and "a" are both made text
    if array.ndim == 1:
        array = array[:, None]
    _check_shape(array.shape)
    names = [f"x{j}" for j in range(array.shape[1])]
    if array.dtype.kind not in "fiub":
        import pandas as pd

        return _of_frame(pd.DataFrame(array, columns=names))
    _refuse_infinite(array, names)
    return Columns(array, gaps=bool(np.isnan(array.astype(float)).any()))


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise DataError(f"X must be a table of rows and columns, got shape {shape}.")
    if shape[1] == 0:
        raise DataError("X has no columns, so there is nothing to predict from.")


def _of_frame(frame: pd.DataFrame) -> Columns:
    import pandas as pd

    _check_shape(frame.shape)
    given = {name: frame[name] for name in frame.columns}
    made = {name: _column(column) for name, column in given.items()}
    kinds = {name: kind for name, (_, kind) in made.items()}
    if any(made[name][0] is not column for name, column in given.items()):
        frame = pd.DataFrame({name: column for name, (column, _) in made.items()})
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    _refuse_infinite(frame[numbers].to_numpy(float), numbers)
    text, times = (tuple(n for n, own in kinds.items() if own == kind) for kind in ("text", "time"))
    return Columns(frame, text, times, bool(frame.isna().to_numpy().any()))


def _column(column: pd.Series[Any]) -> tuple[pd.Series[Any], str]:
    """Return a column as models can use it, and whether it holds numbers, text or times."""
    import pandas as pd

    kind, own = column.dtype, pd.api.types
    if isinstance(kind, pd.CategoricalDtype):
        return column, "text"
    if own.is_numeric_dtype(kind) or own.is_bool_dtype(kind):
        return _numbers(column), "number"
    if own.is_datetime64_any_dtype(kind) or own.is_timedelta64_dtype(kind):
        return column, "time"
    if isinstance(kind, pd.StringDtype) and getattr(kind, "na_value", None) is np.nan:
        return column, "text"
    missing = column.isna().to_numpy()
    known = column.to_numpy(dtype=object)[~missing].tolist()
    kinds = set(map(type, known))
    if all(issubclass(each, _NUMBER) for each in kinds):
        values = np.full(len(column), np.nan)
        values[~missing] = np.array(known, dtype=float)
        return pd.Series(values, column.index, name=column.name), "number"
    if all(issubclass(each, _TIME) for each in kinds):
        return pd.to_datetime(column), "time"
    if any(issubclass(each, _HOLDS_OTHERS) for each in kinds):
        holder = next(value for value in known if isinstance(value, _HOLDS_OTHERS))
        raise DataError(
            f"The column {column.name!r} of X holds {type(holder).__name__} values such as "
            f"{holder!r:.40}, which are neither numbers nor categories; make columns of what is in "
            f"them, or leave it out."
        )
    if kinds == {str} and str(kind) == "object" and not missing.any():
        return column, "text"
    text = np.full(len(column), np.nan, dtype=object)
    text[~missing] = [value if isinstance(value, str) else str(value) for value in known]
    return pd.Series(text, column.index, name=column.name, dtype=object), "text"


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of numbers as numpy has them, with nan for the missing values of others."""
    import pandas as pd

    if isinstance(column.dtype, np.dtype):
        if column.dtype.kind == "c":
            raise DataError(f"The column {column.name!r} of X holds complex numbers.")
        return column
    gaps = bool(column.isna().any())
    kind = np.dtype(float) if gaps else getattr(column.dtype, "numpy_dtype", np.dtype(float))
    values = column.to_numpy(dtype=kind, na_value=np.nan) if gaps else column.to_numpy(dtype=kind)
    return pd.Series(values, column.index, name=column.name)


def _refuse_infinite(numbers: NDArray[Any], names: Sequence[str]) -> None:
    if numbers.dtype.kind == "c":
        raise DataError("X holds complex numbers; pass their real and imaginary parts as columns.")
    if numbers.dtype.kind == "f" and np.isinf(numbers).any():
        row, column = np.argwhere(np.isinf(numbers))[0]
        raise DataError(f"X is infinite in row {row} of column {names[column]!r}.")


def in_days(times: Any) -> NDArray[np.float64]:
    """Return times as days since 1970, and spans of time in days; nan where one is missing."""
    import pandas as pd

    found = []
    for name in times.columns:
        column = times[name]
        if not pd.api.types.is_timedelta64_dtype(column.dtype):
            column = pd.to_datetime(column, utc=True) - pd.Timestamp(0, tz="UTC")
        found.append((column / pd.Timedelta(days=1)).to_numpy(float))
    return np.column_stack(found)
