"""Single values that are not numbers: found, and refused with where they stand and what to do."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError

Floats = NDArray[np.float64]


def unnamed_columns(what: str, count: int) -> tuple[str, ...]:
    """Return names for columns without any; a vector such as y goes by its own."""
    return (what,) if count == 1 and what != "X" else tuple(f"x{j}" for j in range(count))


def refuse_masked(given: Any, what: str) -> None:
    """Raise at the first masked entry, whose value numpy would otherwise let through."""
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        mask = np.ma.getmaskarray(given).reshape(len(given), -1)
        row, column = (int(i) for i in np.argwhere(mask)[0])
        refuse_value(None, what, unnamed_columns(what, mask.shape[1])[column], row)


def numbers_from_objects(elements: NDArray[Any], what: str, name: str) -> Floats:
    """Return elements of any kind as numbers, or raise at the first that is none."""
    numbers = np.empty(len(elements))
    for row, element in enumerate(elements):
        if is_missing(element):
            refuse_value(element, what, name, row)
        try:
            if isinstance(element, str | bytes | complex):
                raise TypeError
            numbers[row] = float(element)
        except (TypeError, ValueError, OverflowError):
            refuse_value(element, what, name, row)
    return numbers


def is_missing(element: Any) -> bool:
    """Tell whether an element is None, nan, or what a library puts in the place of a value."""
    if element is None or type(element).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(element, float | np.floating) and bool(np.isnan(element))


def refuse_value(value: Any, what: str, name: str, row: int) -> NoReturn:
    """Raise for a value that is missing, infinite or not a number, quoting where it is."""
    column = "" if name == what else f"column {name!r}, "
    where = f"{what}: {column}row {row} (counted from 0)"
    if is_missing(value):
        shown = "nan" if isinstance(value, float | np.floating) else "null"
        raise DataError(
            f"{where} is missing ({shown}); drop the row or fill the value in first (fit does the "
            f"former with missing='drop', the command estkit fit with --missing drop)."
        )
    if isinstance(value, float | np.floating):
        raise DataError(f"{where} is infinite ({value}); estkit needs finite numbers.")
    shown = f"{value!r:.60}"
    raise DataError(
        f"{where} is not a number: {shown} ({type(value).__name__}); convert the column; in X, "
        f"categories and text are coded when they are columns of a data frame in memory."
    )
