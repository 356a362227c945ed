"""What is done with rows that have no direction, one meaning for every function and storage.

A zero row (or a constant one, when rows are centred) makes a cosine 0/0; a row with NaN or an
infinite number makes it unknown. The two options `zero` and `nan` say what the caller wants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.similarity.vectors import Vectors
from estkit.values import unnamed_columns

Mask = NDArray[np.bool_]
ZERO = ("nan", "zero", "raise", "drop")
NAN = ("raise", "propagate", "pairwise")
_SHOWN = 5


@dataclass(frozen=True)
class Policy:
    """What is done with zero rows and with rows that hold NaN."""

    zero: str = "nan"
    nan: str = "raise"
    center: bool = False

    def __post_init__(self) -> None:
        if self.zero not in ZERO:
            raise DataError(f"zero must be one of {', '.join(map(repr, ZERO))}, got {self.zero!r}.")
        if self.nan not in NAN:
            raise DataError(f"nan must be one of {', '.join(map(repr, NAN))}, got {self.nan!r}.")

    @property
    def value(self) -> float:
        """The cosine of a zero row with any other."""
        return 0.0 if self.zero == "zero" else np.nan

    def check(self, vectors: Vectors, zero: Mask, missing: Mask) -> None:
        """Raise where the policy is to raise, naming the rows."""
        if missing.any() and self.nan != "propagate":
            _refuse_missing(vectors, missing, self.nan)
        if zero.any() and self.zero == "raise":
            rows = np.flatnonzero(zero)
            kind = "constant, so nothing is left when its mean is" if self.center else "zero, so"
            kind = f"{kind} taken away;" if self.center else f"{kind} its cosine is 0/0;"
            raise DataError(
                f"{vectors.name_of(int(rows[0]))} is {kind} {_counted(rows)}; pass zero='nan', "
                f"'zero' or 'drop', or take the row out."
            )

    def kept(self, zero: Mask) -> Mask | None:
        """Return which rows stay, or None for all."""
        return ~zero if self.zero == "drop" and zero.any() else None


def _refuse_missing(vectors: Vectors, missing: Mask, nan: str) -> None:
    """Raise for the first NaN or infinite number; where NaN is left out, only the latter."""
    for row in np.flatnonzero(missing):
        values = vectors.dense(slice(int(row), int(row) + 1))[0]
        wrong = ~np.isfinite(values) if nan == "raise" else np.isinf(values)
        if not wrong.any():
            continue
        column = int(np.argmax(wrong))
        names = vectors.names or unnamed_columns("X", vectors.width)
        where = f"{vectors.name_of(int(row))}, column {names[column]!r}"
        if np.isinf(values[column]):
            raise DataError(
                f"{where} is infinite ({values[column]}), which has no direction; "
                f"{_counted(np.flatnonzero(missing))}; "
                f"take it out, or pass nan='propagate' for a cosine of NaN."
            )
        raise DataError(
            f"{where} is missing (nan); {_counted(np.flatnonzero(missing))}; pass nan='propagate' "
            f"for a cosine of NaN, or nan='pairwise' to compare what both vectors have."
        )


def _counted(rows: NDArray[np.intp]) -> str:
    shown = ", ".join(str(row) for row in rows[:_SHOWN]) + (", ..." if len(rows) > _SHOWN else "")
    return f"1 such row ({shown})" if len(rows) == 1 else f"{len(rows)} such rows ({shown})"
