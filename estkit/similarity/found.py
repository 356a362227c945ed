"""What is found: ``Neighbors`` and ``SimilarPairs``, with labels and the rows that have none."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.estimate import plain
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd

Integers = NDArray[np.intp]
Floats = NDArray[Any]
_SHOWN = 20  # rows of a printed table
_DECIMALS, _MOST_DECIMALS = 4, 9  # of a printed cosine


def decimals(cosines: Any) -> int:
    """Return how many decimals tell the cosines from 1 that are not 1: from 4 to 9.

    Examples
    --------
    >>> from estkit.similarity.found import decimals
    >>> decimals([0.5, 1.0]), decimals([0.99996, 0.5])
    (4, 5)
    """
    short = 1.0 - abs(np.asarray(cosines, dtype=float))
    least = float(np.min(short, where=short > 0, initial=1.0))
    return int(np.clip(np.ceil(-np.log10(least)), _DECIMALS, _MOST_DECIMALS))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class _Found(Tabular):
    """What neighbours and pairs have in common: positions, labels, rows without a direction."""

    indices: Integers
    similarities: Floats
    rows: Integers
    row_labels: Any = None
    column_labels: Any = None
    zero_rows: Integers
    missing_rows: Integers
    zero_columns: Integers
    missing_columns: Integers

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def _long(self) -> dict[str, Any]:
        """Return a row for every pair: row, neighbor, similarity, and where it stands."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """Return a row for every neighbour that was found.

        Returns
        -------
        pandas.DataFrame
            row and neighbor, by their labels where the input had some, and similarity.
        """
        import pandas as pd

        columns = self._long()
        for name, labels in (("row", self.row_labels), ("neighbor", self.column_labels)):
            if labels is not None:
                columns[name] = labels[columns[name]]
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, by the names of the attributes; labels as text if need be."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("row_labels", "column_labels"):
            values[name] = None if values[name] is None else list(values[name])
        told: dict[str, Any] = plain(values)
        return {"format": f"estkit.{type(self).__name__}", "version": 1, **told}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take back what a pickle held, read-only as before."""
        self.__dict__.update(state)
        self.__post_init__()

    def _without(self) -> str:
        """Say which rows have no direction."""
        told = [
            f"{len(rows)} {kind} row{'s' * (len(rows) != 1)}"
            for kind, rows in (("zero", self.zero_rows), ("missing", self.missing_rows))
            if len(rows)
        ]
        return "".join(f", {words}" for words in told)

    def _table(self) -> Table:
        columns = self._long()
        count = len(columns["row"])
        for name, labels in (("row", self.row_labels), ("neighbor", self.column_labels)):
            shown = columns[name][:_SHOWN]
            columns[name] = shown if labels is None else labels[shown]
        notes = [f"and {count - _SHOWN:,} more"] if count > _SHOWN else []
        cells = [
            Column(
                name, [f"{v:.{decimals(values[:_SHOWN])}f}" for v in values[:_SHOWN]], right=True
            )
            if name == "similarity"
            else Column(name, list(values[:_SHOWN]))
            for name, values in columns.items()
        ]
        return Table(cells, title=repr(self), notes=notes)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Neighbors(_Found):
    """The k rows of Y with the largest cosines to each row of X, the largest first.

    Parameters
    ----------
    indices : array of int of shape (n, k)
        Their positions in Y; -1 where there are no more.
    similarities : array of shape (n, k)
        Their cosines; NaN where there are no more.
    ties : array of int of shape (n,)
        How many further rows are exactly as similar as the last one.
    shape : tuple of int
        The numbers of rows of X and Y.
    rows : array of int of shape (n,)
        Positions in X, for some may have been dropped.
    row_labels, column_labels : object or None
        The index of X and of Y, where they were pandas frames.
    zero_rows, missing_rows, zero_columns, missing_columns : array of int
        Positions in X, and in Y, of rows that are zero (constant, when centred), and that hold NaN
        or infinite numbers.

    Examples
    --------
    >>> import estkit as ek
    >>> found = ek.cosine_top_k([[3.0, 4.0], [4.0, 3.0], [1.0, 0.0], [0.0, 0.0]], k=1)
    >>> found
    Neighbors(4 rows, the nearest 1 of 4, 1 zero row)
    >>> found.zero_rows
    array([3])
    """

    ties: Integers
    shape: tuple[int, int]

    def __repr__(self) -> str:
        count = len(self.rows)
        words = f"{count:,} row{'s' * (count != 1)}, the nearest {self.similarities.shape[-1]}"
        tied = int((np.atleast_1d(self.ties) > 0).sum())
        more = f", {tied:,} with ties beyond" if tied else ""
        return f"Neighbors({words} of {self.shape[1]:,}{self._without()}{more})"

    def _long(self) -> dict[str, Any]:
        indices = np.atleast_2d(self.indices)
        row, place = np.nonzero(indices >= 0)
        return {
            "row": self.rows[row],
            "rank": place + 1,
            "neighbor": indices[row, place],
            "similarity": np.atleast_2d(self.similarities)[row, place],
        }


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SimilarPairs(_Found):
    """All pairs of a row of X and a row of Y whose cosine reaches a threshold.

    Parameters
    ----------
    indptr : array of int of shape (n + 1,)
        Where the pairs of each row of X begin and end.
    indices : array of int
        Positions in Y, ascending for each row of X.
    similarities : array
        Their cosines.
    threshold : float
        The lowest cosine that counts.
    shape : tuple of int
        The numbers of rows of X and Y.
    rows, row_labels, column_labels, zero_rows, missing_rows, zero_columns, missing_columns
        As of `Neighbors`.

    Examples
    --------
    >>> import estkit as ek
    >>> pairs = ek.cosine_join([[3.0, 4.0], [4.0, 3.0], [1.0, 0.0]], threshold=0.7)
    >>> print(pairs)
    SimilarPairs(4 pairs of 3 x 3 rows with a cosine of at least 0.7)
    <BLANKLINE>
    row  neighbor  similarity
      0         1      0.9600
      1         0      0.9600
      1         2      0.8000
      2         1      0.8000
    """

    indptr: Integers
    threshold: float
    shape: tuple[int, int]

    def __repr__(self) -> str:
        count = len(self.indices)
        pairs = f"{count:,} pair{'s' * (count != 1)} of {self.shape[0]:,} x {self.shape[1]:,} rows"
        words = f"with a cosine of at least {self.threshold:g}"
        return f"SimilarPairs({pairs} {words}{self._without()})"

    def to_csr(self) -> Any:
        """Return a sparse array of the cosines, a row for each of `rows`."""
        from scipy import sparse

        parts = (self.similarities, self.indices, self.indptr)
        return sparse.csr_array(parts, shape=(len(self.rows), self.shape[1]), copy=True)

    def _long(self) -> dict[str, Any]:
        return {
            "row": np.repeat(self.rows, np.diff(self.indptr)),
            "neighbor": self.indices,
            "similarity": self.similarities,
        }
