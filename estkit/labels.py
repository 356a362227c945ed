"""The input seam for what is not a number: labels of any kind in, codes and outcomes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError
from estkit.frames import as_frame
from estkit.values import is_missing, refuse_masked, refuse_value

_CLOSE_TOGETHER = 1024
_LABEL = (str, bytes, bool, int, float, np.generic)


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of any kind as codes 0, 1, ... into `outcomes`; all `categories`, if it has some."""

    codes: NDArray[np.int64]
    outcomes: tuple[Any, ...]
    categories: tuple[Any, ...] = ()

    @property
    def ordered(self) -> bool:
        """Whether the outcomes are in the order of categories."""
        return bool(self.categories)


def read_labels(given: Any, *, what: str = "y") -> Labels:
    """Return codes and outcomes from labels of any one kind: numbers, strings, bools, categories.

    Outcomes are sorted, or in the order of the categories for a categorical; a category that
    never occurs is left out.

    Raises
    ------
    DataError
        If a label is missing, the labels cannot be ordered, or they look like measurements.
    """
    values, categories = _label_values(given, what)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{what} must be one column of labels, got shape {values.shape}.")
    if values.size == 0:
        raise DataError(f"{what} has no rows; at least one observation is needed.")
    _check_labels(values, what)
    few = _few_numbers(values) if categories is None else None
    if few is not None:
        return few
    try:
        outcomes, codes = np.unique(values, return_inverse=True)
    except TypeError as error:
        kinds = sorted({type(value).__name__ for value in values.tolist()})
        raise DataError(
            f"{what} mixes labels of the kinds {', '.join(kinds)}, which have no common order; "
            f"make them all of one kind."
        ) from error
    seen = tuple(outcomes.tolist())
    if categories is not None:
        order = [category for category in categories if category in set(seen)]
        position = np.array([order.index(outcome) for outcome in seen], dtype=np.int64)
        return Labels(position[codes.ravel()], tuple(order), tuple(categories))
    return Labels(codes.ravel().astype(np.int64), seen)


def _few_numbers(values: NDArray[Any]) -> Labels | None:
    """Return the labels of whole numbers that lie close together, without sorting them."""
    if values.dtype.kind not in "biuf":
        return None
    low, high = values.min(), values.max()
    if not (float(high) - float(low) < _CLOSE_TOGETHER and abs(float(low)) < 2**53):
        return None
    moved = values.astype(np.int64) - int(low)
    seen = np.flatnonzero(np.bincount(moved))
    outcomes = (seen + int(low)).astype(values.dtype)
    position = np.zeros(seen[-1] + 1, dtype=np.int64)
    position[seen] = np.arange(len(seen))
    return Labels(position[moved], tuple(outcomes.tolist()))


def _label_values(given: Any, what: str) -> tuple[NDArray[Any], list[Any] | None]:
    """Return labels as an array, and the ordered categories where the input has them."""
    if type(given).__name__ == "Categorical":  # of pandas, which has no rows of its own
        given = _series(given)
    frame = as_frame(given)
    if frame is None:
        refuse_masked(given, what)
        values = np.asarray(given)
        if values.dtype.kind == "T":  # text of any length, as numpy 2 has it
            return values.astype(object), None
        if values.dtype.kind in "US" and not isinstance(given, np.ndarray):
            mixed = np.asarray(given, dtype=object)  # otherwise 1 and "a" are both made text
            if not all(isinstance(v, str | bytes) for v in mixed.ravel()):
                return mixed, None
        return values, None
    if len(frame.columns) != 1:
        raise DataError(f"{what} must be one column of labels, got columns {frame.columns}.")
    (column,) = frame.iter_columns()
    missing = column.is_null().to_numpy()
    if missing.any():
        refuse_value(None, what, what, int(np.argmax(missing)))
    categories = None
    kind = str(column.dtype)
    # polars keeps a Categorical in no order of its own; an Enum and a pandas category have one
    if kind.startswith("Enum") or (kind == "Categorical" and frame.implementation.is_pandas_like()):
        categories = column.cat.get_categories().to_list()
    elements = column.to_list()
    plain = np.asarray(elements)
    return (plain if plain.dtype.kind in "fiub" else np.asarray(elements, dtype=object)), categories


def _kind(value: Any) -> str:
    return "datetime" if hasattr(value, "isoformat") else type(value).__name__


def _series(given: Any) -> Any:
    import pandas as pd

    return pd.Series(given)


def _check_labels(values: NDArray[Any], what: str) -> None:
    if values.dtype.kind == "f":
        data.check_finite(values[:, None], what, [what])
        fractional = values != np.floor(values)
        if fractional.any():
            row = int(np.argmax(fractional))
            raise DataError(
                f"{what}: row {row} (counted from 0) is {values[row]:g}, which is no label; "
                f"for proportions pass counts, one column for each outcome."
            )
    elif values.dtype.kind == "O":
        wrong = next((v for v in values.tolist() if not isinstance(v, _LABEL)), None)
        if wrong is not None and not is_missing(wrong):
            raise DataError(
                f"{what} holds {_kind(wrong)} values such as {wrong!r:.40}, which are no "
                f"labels; make them text or numbers."
            )
        missing = [is_missing(value) for value in values.tolist()]
        if any(missing):
            refuse_value(None, what, what, missing.index(True))
    elif values.dtype.kind not in "iubUS":
        raise DataError(f"{what} holds {values.dtype} values, which are no labels.")
