"""Rows as a search for neighbours reads them: a block at a time, or some by their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit.similarity.directions import Directions

Floats = NDArray[Any]


class Rows(Protocol):
    """Rows that are read a block at a time, so that they need not be in memory.

    `excluded` says which rows are nobody's neighbour and have none; their numbers must be finite.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of float32 or float64."""

    @property
    def excluded(self) -> NDArray[np.bool_] | None:
        """The rows that do not count, if any."""

    @property
    def held(self) -> bool:
        """Whether reading makes no copies."""

    def block(self, start: int, stop: int) -> Any:
        """Return consecutive rows, as the search multiplies them."""

    def take(self, rows: NDArray[Any]) -> Any:
        """Return some rows."""


@dataclass(frozen=True, eq=False)
class Held:
    """Rows that are an array, in memory or mapped into it."""

    values: Floats
    excluded: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of columns."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""
        dtype: np.dtype[Any] = self.values.dtype
        return dtype

    @property
    def held(self) -> bool:
        """Whether reading makes no copies."""
        return True

    def block(self, start: int, stop: int) -> Floats:
        """Return consecutive rows."""
        return self.values[start:stop]

    def take(self, rows: NDArray[Any]) -> Floats:
        """Return some rows."""
        return np.take(self.values, rows, axis=0)


@dataclass(frozen=True, eq=False)
class Units:
    """The unit rows of a table of directions.

    Parameters
    ----------
    directions : Directions
        Whose rows they are.
    zero_counts : bool
        Whether a zero row has a cosine, which is 0.
    """

    directions: Directions
    zero_counts: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of columns."""
        return self.directions.rows, self.directions.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""
        dtype: np.dtype[Any] = np.dtype(self.directions.dtype)
        return dtype

    @property
    def excluded(self) -> NDArray[np.bool_] | None:
        """The rows without a cosine, if there are any."""
        found = self.directions
        outside = found.missing if self.zero_counts else found.missing | found.zero
        outside = outside[found.places(slice(None))]
        return outside if outside.any() else None

    @property
    def held(self) -> bool:
        """Whether reading makes no copies."""
        return self.directions.held is not None and self.directions.kept is None

    def block(self, start: int, stop: int) -> Any:
        """Return consecutive rows."""
        return self.directions.units(slice(start, stop))

    def take(self, rows: NDArray[Any]) -> Any:
        """Return some rows."""
        return self.directions.units(rows)


@dataclass(frozen=True, eq=False)
class Places:
    """Rows that are only named, for a search that looks at them itself, in float64."""

    units: Units

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of columns."""
        return self.units.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the products."""
        return np.dtype(np.float64)

    @property
    def excluded(self) -> NDArray[np.bool_] | None:
        """The rows that do not count, if any."""
        return self.units.excluded

    @property
    def held(self) -> bool:
        """Whether reading makes no copies."""
        return False

    def block(self, start: int, stop: int) -> slice:
        """Return where consecutive rows stand."""
        return slice(start, stop)

    def take(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers of rows."""
        return rows
