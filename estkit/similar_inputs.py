"""What ``estkit similar`` compares: the rows of files, weights and likeness of their columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import estkit as ek
from estkit.files import named_column, names_in, read_rows

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 6  # columns that a note lists


@dataclass(frozen=True)
class Rows:
    """The rows of a file: a frame or an array, and the columns that hold no numbers."""

    file: Path
    values: Any
    left_out: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Return what is compared; nothing for an array."""
        return [str(name) for name in getattr(self.values, "columns", [])]

    def notes(self) -> list[str]:
        """Say what is compared, and what is not."""
        names = self.names
        count = len(names) or self.values.shape[1]
        notes = [f"Compared over {count} column{'s' * (count != 1)}" + (": " if names else ".")]
        if names:
            shown = ", ".join(names[:_NAMED]) + (", ..." if count > _NAMED else "")
            notes[0] += f"{shown}."
        if self.left_out:
            notes.append(f"Left out, for they hold no numbers: {', '.join(self.left_out)}.")
        return notes


def read(file: Path, label: str | None, columns: str | None, like: Rows | None = None) -> Rows:
    """Return the rows of a file, of the columns that are compared, by their labels."""
    from pandas.api.types import is_numeric_dtype

    given = read_rows(file)
    if not given.size:
        raise ek.DataError(f"{str(file)!r} holds no rows to compare.")
    if isinstance(given, np.ndarray):
        if label is not None or columns is not None:
            raise ek.DataError(
                f"--label and --columns need columns with names, which {str(file)!r} has not."
            )
        return Rows(file, given[None] if given.ndim == 1 else given)
    index = None if label is None else named_column(given, label, "--label", file)
    if index is not None and index.isna().any():
        row = int(np.argmax(index.isna()))
        raise ek.DataError(f"--label: {str(file)!r} has no {label!r} in row {row} (from 0).")
    left_out: tuple[str, ...] = ()
    if columns is not None or (like is not None and like.names):
        wanted = names_in(columns) if columns is not None or like is None else like.names
        option = "--against" if columns is None else "--columns"
        chosen = [named_column(given, name, option, file).name for name in wanted]
    else:
        others = [name for name in given.columns if name != label]
        chosen = [name for name in others if is_numeric_dtype(given[name].dtype)]
        left_out = tuple(str(name) for name in others if name not in chosen)
    if not chosen:
        raise ek.DataError(
            f"{str(file)!r} has no column of numbers to compare rows by; it has "
            f"{', '.join(map(str, given.columns))}. A column of lists is to be named: --columns."
        )
    values = _unpacked(given, chosen[0]) if len(chosen) == 1 else given[chosen]
    return Rows(file, values if index is None else values.set_axis(index.to_numpy()), left_out)


def _unpacked(frame: pd.DataFrame, name: Any) -> pd.DataFrame:
    """Return a column as a frame; one of lists, such as embeddings, with a column for each place.

    Raises
    ------
    DataError
        If the lists differ in length.
    """
    import pandas as pd

    elements = list(frame[name])
    if not all(isinstance(element, list | np.ndarray) for element in elements):
        return frame[[name]]
    lengths = [len(element) for element in elements]
    if len(set(lengths)) > 1:
        row = int(np.argmax(np.array(lengths) != lengths[0]))
        raise ek.DataError(
            f"column {name!r} has {lengths[row]} numbers in row {row} (from 0) and {lengths[0]} in "
            f"row 0; rows are compared number by number, so all need as many."
        )
    return pd.DataFrame(np.stack(elements), columns=[f"{name}[{j}]" for j in range(lengths[0])])


def read_weights(text: str | None, rows: Rows) -> Any:
    """Return a weight for each column, of ``name=number`` with commas between, or of a file.

    Raises
    ------
    DataError
        If a name is unknown, or the file holds anything but one number for each column.
    """
    if text is None:
        return None
    if "=" not in text:
        given = read_rows(Path(text))
        if isinstance(given, np.ndarray):
            return np.ravel(given)
        if len(given) != 1:
            raise ek.DataError(
                f"--weights: {text!r} has {len(given)} rows; it is to have one, with the weight of "
                f"each column under its name."
            )
        return [named_column(given, name, "--weights", Path(text)).iloc[0] for name in rows.names]
    weights = dict.fromkeys(rows.names, 1.0)
    for part in names_in(text):
        name, _, number = part.rpartition("=")
        if name.strip() not in weights:
            raise ek.DataError(
                f"--weights: {name.strip()!r} is no column that is compared; there are "
                f"{', '.join(weights) or 'none with names, so give a .npy file'}."
            )
        try:
            weights[name.strip()] = float(number)
        except ValueError as error:
            raise ek.DataError(f"--weights: {part!r} must be name=number.") from error
    return list(weights.values())


def read_soft(file: Path | None, rows: Rows) -> Any:
    """Return how alike each two columns are: a matrix in the order of the columns.

    Raises
    ------
    DataError
        If a column is not there, or the file has not as many rows as columns.
    """
    if file is None:
        return None
    given = read_rows(file)
    if isinstance(given, np.ndarray) or not rows.names:
        return np.asarray(given)
    numbers = [named_column(given, name, "--soft", file).name for name in rows.names]
    first = given.columns[0]
    if first not in numbers and not given[first].duplicated().any():
        labelled = given.set_index(given[first].astype(str))
        if set(rows.names) <= set(labelled.index):
            return labelled.loc[rows.names, numbers].to_numpy()
    if len(given) != len(given.columns):
        raise ek.DataError(
            f"--soft: {str(file)!r} has {len(given)} rows and {len(given.columns)} columns; it is "
            f"to have a row for each column, named in its first column or in the same order."
        )
    order = [list(given.columns).index(name) for name in numbers]
    return given.to_numpy()[np.ix_(order, order)]


def as_command(message: str, X: Rows, Y: Rows | None) -> str:
    """Return a message of the call in Python in the words of the command."""
    message = re.sub(r"\b(zero|nan)='(\w+)'", r"--\1 \2", message)
    for name, rows in (("X", X), ("Y", Y)):
        if rows is not None:
            shown = repr(str(rows.file)).replace("\\", r"\\")
            message = re.sub(rf"\b{name}(?=:| has | must | holds )", shown, message)
    return message
