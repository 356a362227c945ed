"""Data frames of any kind, and mappings of columns, through narwhals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.values import numbers_from_objects, refuse_value


def as_frame(given: Any, *, unnamed: str = "x0") -> Any:
    """Return a narwhals frame of what is a frame or a series, else None."""
    if given is None or isinstance(given, np.ndarray | list | tuple) or np.isscalar(given):
        return None
    import narwhals.stable.v2 as nw

    if isinstance(given, Mapping):
        given = _frame_of(given)
    if type(given).__name__ == "LazyFrame":
        raise DataError("A LazyFrame holds no values yet; pass frame.collect().")
    columns = getattr(given, "columns", None)
    if columns is not None and hasattr(given, "set_axis"):  # pandas, whose names may be numbers
        names = [str(name) for name in columns]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise DataError(f"A frame has more than one column named {repeated[0]!r}; rename one.")
        given = given.set_axis(names, axis=1)
    frame = nw.from_native(given, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(frame, nw.Series):
        return frame.alias(str(frame.name or unnamed)).to_frame()
    return frame if isinstance(frame, nw.DataFrame) else None


def _frame_of(given: Mapping[str, Any]) -> Any:
    import pandas as pd

    try:
        return pd.DataFrame(dict(given))
    except ValueError as error:
        sizes = {name: np.size(column) for name, column in given.items()}
        raise DataError(
            f"A mapping must hold columns of equal length; it holds {sizes} values."
        ) from error


def select(frame: Any, names: Sequence[str]) -> Any:
    """Return the columns of these names, in this order, of a narwhals frame."""
    found = {str(name): name for name in frame.columns}
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(
            f"X has the columns {', '.join(found)}, but the fit used {', '.join(names)}; missing: "
            f"{', '.join(missing)}."
        )
    return frame.select([found[name] for name in names])


def read_series(column: Any, what: str, name: str) -> NDArray[Any]:
    """Return the numbers of a narwhals series."""
    missing = column.is_null().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        refuse_value(None, what, name, row)
    numeric = column.dtype.is_numeric() or str(column.dtype) == "Boolean"
    values = column.to_numpy()
    if numeric and values.dtype.kind in "fiub":
        return np.asarray(values)
    return numbers_from_objects(np.asarray(values, dtype=object), what, name)
