"""Files that the commands read and write, with errors that say what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estkit.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd


def read_table(file: Path) -> pd.DataFrame:
    """Return a CSV or Parquet file as a frame.

    Raises
    ------
    DataError
        If it cannot be read, or is neither.
    """
    import pandas as pd

    kind = file.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise DataError(f"cannot read {str(file)!r}: it must end in .csv or .parquet.")
    try:
        return _read_csv(file) if kind == ".csv" else pd.read_parquet(file)
    except ImportError as error:
        raise MissingExtraError(
            "Parquet files need pyarrow, which is not installed; install estkit[store]."
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {str(file)!r}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"cannot read {str(file)!r}: it is not text in UTF-8 ({error}); save it as such."
        ) from error
    except ValueError as error:  # what pandas and pyarrow raise where a file is not of its kind
        reason = str(error).strip().split("\n")[0]
        raise DataError(f"cannot read {str(file)!r}: {reason}") from error


def _read_csv(file: Path) -> pd.DataFrame:
    """Return a CSV file, or raise where pandas would guess what its columns are."""
    import pandas as pd

    frame = pd.read_csv(file)
    names = pd.read_csv(file, header=None, nrows=1, dtype=str).iloc[0]
    twice = names[names.duplicated() & names.notna()]
    if len(twice):
        raise DataError(f"{str(file)!r} has two columns named {twice.iloc[0]!r}; rename one.")
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(
            f"{str(file)!r} has rows of more fields than its first line has names; name them all."
        )
    return frame


def read_rows(file: Path) -> Any:
    """Return a CSV or Parquet file as a frame, or a .npy file as a memory map.

    Raises
    ------
    DataError
        If it cannot be read, or is none of these.
    """
    import numpy as np

    kind = file.suffix.lower()
    if kind in (".csv", ".parquet"):
        return read_table(file)
    if kind != ".npy":
        raise DataError(f"cannot read {str(file)!r}: it must end in .csv, .parquet or .npy.")
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"cannot read {str(file)!r}: {error.strerror or error}.") from error
    except (EOFError, ValueError) as error:  # no array, a broken one, or one of objects
        raise DataError(
            f"cannot read {str(file)!r}: it holds no array of numbers, as numpy.save writes it."
        ) from error


def names_in(text: str | None) -> list[str]:
    """Return the names that an option lists with commas between."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def named_column(frame: pd.DataFrame, name: str, option: str, file: Path) -> pd.Series[Any]:
    """Return the column that an option names.

    Raises
    ------
    DataError
        If there is none of this name.
    """
    if name not in frame.columns:
        known = ", ".join(map(str, frame.columns))
        sign = next((sign for sign in ";\t|" if frame.shape[1] == 1 and sign in known), None)
        hint = f" Fields must have commas between, not {sign!r}." if sign else ""
        raise DataError(
            f"{option}: there is no column {name!r} in {str(file)!r}; there are {known}.{hint}"
        )
    return frame[name]


def write_frame(file: Path, frame: pd.DataFrame, *, index: str | None = None) -> None:
    """Write a frame as .csv, .parquet or .npy, to the last digit; its index under a name, if any.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    import numpy as np

    kind = file.suffix.lower()
    try:
        if kind == ".npy":
            np.save(file, frame.to_numpy())
        elif kind == ".csv":
            frame.to_csv(file, index=index is not None, index_label=index)
        else:
            named = frame.rename_axis(index=index).rename(columns=str)
            named.to_parquet(file, index=index is not None)
    except ImportError as error:
        raise MissingExtraError(
            "Parquet files need pyarrow, which is not installed; install estkit[store]."
        ) from error
    except (OSError, ValueError) as error:  # pyarrow on names that repeat
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot write {str(file)!r}: {reason}.") from error


def write_json(file: Path, value: Any) -> None:
    """Write plain values as JSON."""
    write_text(file, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_text(file: Path, text: str) -> None:
    """Write text to a file."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {str(file)!r}: {error.strerror or error}.") from error


def check_target(*files: Path | None) -> None:
    """Raise before anything is computed if a file could not be written."""
    for file in files:
        if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
            raise DataError(f"cannot write {str(file)!r}: it is a folder, or in none.")
