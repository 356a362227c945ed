"""Files that the commands read and write, with errors that say what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
        return pd.read_csv(file) if kind == ".csv" else pd.read_parquet(file)
    except ImportError as error:
        raise MissingExtraError(
            "Parquet files need pyarrow, which is not installed; install estkit[store]."
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {str(file)!r}: {error.strerror or error}.") from error
    except ValueError as error:  # what pandas and pyarrow raise where a file is not of its kind
        reason = str(error).strip().split("\n")[0]
        raise DataError(f"cannot read {str(file)!r}: {reason}") from error


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
