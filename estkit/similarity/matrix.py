"""``Similarities``: an array of cosines that knows which rows had none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FACTS = ("zero_rows", "missing_rows", "zero_columns", "missing_columns", "rows", "columns")


class Similarities(np.ndarray[Any, Any]):
    """An array of cosines, distances or angles, with the rows that have no direction.

    It is an array in all that it does. A copy of all of it has the same facts, which are of the
    whole: a part of it, its transpose and what is computed from it are plain arrays.

    Attributes
    ----------
    zero_rows, missing_rows : ndarray of int
        Positions in X of rows that are zero (constant, when centred), and that hold NaN or
        infinite numbers.
    zero_columns, missing_columns : ndarray of int
        The same of Y; of X where X is compared with itself.
    rows, columns : ndarray of int
        Which rows of X and of Y the entries belong to, for some may have been dropped.

    Examples
    --------
    >>> import estkit as ek
    >>> similarities = ek.cosine_similarity([[3.0, 4.0], [0.0, 0.0], [4.0, 3.0]], zero="drop")
    >>> similarities
    Similarities([[1.  , 0.96],
                  [0.96, 1.  ]])
    >>> similarities.zero_rows, similarities.rows
    (array([1]), array([0, 2]))
    """

    zero_rows: NDArray[np.intp] | None
    missing_rows: NDArray[np.intp] | None
    zero_columns: NDArray[np.intp] | None
    missing_columns: NDArray[np.intp] | None
    rows: NDArray[np.intp] | None
    columns: NDArray[np.intp] | None

    def __array_finalize__(self, made_of: Any) -> None:
        """Forget the facts, which may be those of another array."""
        for fact in _FACTS:
            setattr(self, fact, None)

    def __getitem__(self, key: Any) -> Any:
        """Return a part: a plain array, for the facts are of the whole."""
        part = super().__getitem__(key)
        return np.asarray(part) if isinstance(part, np.ndarray) else part

    def __array_wrap__(self, made: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Return what was computed as a plain array; what was computed in place is this array."""
        if made is self:
            return self
        plain = np.asarray(made)
        return plain[()] if return_scalar or plain.ndim == 0 else plain

    @property
    def T(self) -> Any:
        """The transpose, a plain array."""
        return np.asarray(self).T

    def copy(self, order: Any = "C") -> Similarities:
        """Return a copy, with its facts."""
        return with_facts(np.array(self, order=order), self._facts())

    def __copy__(self) -> Similarities:
        """Return what copy.copy gives."""
        return self.copy("K")

    def __deepcopy__(self, memo: Any) -> Similarities:
        """Return what copy.deepcopy gives: a copy with facts of its own."""
        facts = {fact: None if v is None else v.copy() for fact, v in self._facts().items()}
        return with_facts(np.array(self, order="K"), facts)

    def _facts(self) -> dict[str, Any]:
        return {fact: getattr(self, fact) for fact in _FACTS}

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle holds, the facts with it."""
        made: Any = super().__reduce__()
        return made[0], made[1], (made[2], self._facts())

    def __setstate__(self, state: Any) -> None:
        """Take back what a pickle held."""
        own, facts = state
        super().__setstate__(own)
        for fact, value in facts.items():
            setattr(self, fact, value)


def with_facts(values: NDArray[Any], facts: dict[str, Any]) -> Similarities:
    """Return an array of cosines with what is known about its rows."""
    made = values.view(Similarities)
    for fact, value in facts.items():
        setattr(made, fact, value)
    return made


def labelled(values: Similarities, row_labels: Any, column_labels: Any) -> Any:
    """Return a pandas frame (or series, of one dimension) where the input had an index."""
    import pandas as pd

    facts = values._facts()

    def index(labels: Any, positions: Any) -> Any:
        return pd.Index(positions) if labels is None else labels[positions]

    plain = np.asarray(values)
    made: Any
    if plain.ndim == 1:
        labels = column_labels if row_labels is None else row_labels
        positions = values.columns if row_labels is None else values.rows
        made = pd.Series(plain, index=index(labels, positions))
    else:
        rows, columns = index(row_labels, values.rows), index(column_labels, values.columns)
        made = pd.DataFrame(plain, index=rows, columns=columns)
    made.attrs.update({k: v.tolist() for k, v in facts.items() if v is not None and "_" in k})
    return made
