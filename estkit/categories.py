"""Columns of categories into columns of 0 and 1, and the same for new rows.

Treatment coding: a column for each level but the first, named ``race[black]``; the first level is
what the others are compared with. Without an intercept the first categorical column has one for
every level, so that nothing is held at 0 unasked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError
from estkit.frames import as_frame, read_series, select
from estkit.values import refuse_value

_MOST_LEVELS = 50  # of text; more are taken for names of rows, unless the column is categorical
_NEARLY_ALL = 0.8


@dataclass(frozen=True)
class Factor:
    """A categorical column.

    Parameters
    ----------
    name : str
        The column.
    levels : tuple
        The levels that were seen, the reference first.
    full : bool
        Whether the first level has a column, too.
    unused : tuple
        Levels that the column could have had and no row has.
    """

    name: str
    levels: tuple[Any, ...]
    full: bool = False
    unused: tuple[Any, ...] = ()

    @property
    def coded(self) -> tuple[Any, ...]:
        """The levels that have a column."""
        return self.levels if self.full else self.levels[1:]

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(f"{self.name}[{_plain(level)}]" for level in self.coded)

    def code(self, column: Any) -> NDArray[np.int64]:
        """Return the number of the level of each row.

        Raises
        ------
        DataError
            If a value is missing, or is no level.
        """
        codes, seen = _factorize(column)
        place = {level: k for k, level in enumerate(self.levels)}
        places = np.array([place.get(value, -1) for value in seen], dtype=np.int64)
        strange = (places < 0)[codes]
        if strange.any():
            row = int(np.argmax(strange))
            raise DataError(
                f"X: column {self.name!r}, row {row} (counted from 0) is {seen[codes[row]]!r:.60}, "
                f"a level that the fit has not seen; it knows {listed(self.levels)}."
            )
        return places[codes]


@dataclass(frozen=True)
class Coding:
    """How columns as they are given become columns of numbers; part of a fit that has categories.

    Parameters
    ----------
    columns : tuple of str or Factor
        Names of numeric columns, and categorical ones, in order.
    """

    columns: tuple[str | Factor, ...]

    @property
    def members(self) -> dict[str, tuple[str, ...]]:
        """The names of the columns of each categorical one."""
        return {part.name: part.terms for part in self.columns if isinstance(part, Factor)}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the fit must know."""
        left_out = [
            f"Column {part.name!r}: no row has {listed(part.unused)}, left out."
            for part in self.columns
            if isinstance(part, Factor) and part.unused
        ]
        return tuple(left_out)

    def read(self, given: Any) -> data.Columns:
        """Return the columns of numbers of new rows.

        Raises
        ------
        DataError
            If a column is missing, or a level was not seen by the fit.
        """
        wanted = [part if isinstance(part, str) else part.name for part in self.columns]
        frame = as_frame(given)
        if frame is None:
            raise DataError(
                f"The fit has categorical columns ({', '.join(self.members)}); pass a data frame "
                f"or a mapping with the columns {', '.join(wanted)}."
            )
        return self.read_frame(select(frame, wanted))

    def read_frame(self, frame: Any) -> data.Columns:
        """Return the columns of numbers of a frame that has these columns in this order."""
        names = [n for part in self.columns for n in _names(part)]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise DataError(f"X has more than one column named {repeated[0]!r}; rename one.")
        values = np.empty((len(frame), len(names)), order="F")
        j = 0
        for part, column in zip(self.columns, frame.iter_columns(), strict=True):
            if isinstance(part, str):
                values[:, j] = read_series(column, "X", part)
                j += 1
                continue
            codes = part.code(column)
            for k in range(len(part.levels) - len(part.coded), len(part.levels)):
                values[:, j] = codes == k
                j += 1
        return data.Columns(values, tuple(names), self)

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        parts: list[Any] = []
        for part in self.columns:
            if isinstance(part, Factor):
                levels, unused = list(part.levels), list(part.unused)
                parts.append(
                    {"name": part.name, "levels": levels, "full": part.full, "unused": unused}
                )
            else:
                parts.append(part)
        return {"kind": "categories", "columns": parts}

    @classmethod
    def from_plain(cls, stored: Mapping[str, Any]) -> Coding:
        """Return the coding that `to_plain` wrote."""
        return cls(
            tuple(
                part
                if isinstance(part, str)
                else Factor(
                    part["name"], tuple(part["levels"]), part["full"], tuple(part["unused"])
                )
                for part in stored["columns"]
            )
        )


def read_design(given: Any, *, rows: int | None = None, intercept: bool = True) -> data.Columns:
    """Return columns of numbers from what `fit` was given as X; frames may hold categories.

    Columns of categories or text are coded; everything else is read by `data.read_columns`.

    Raises
    ------
    DataError
        If a column has one level, holds numbers as text, or text that differs in nearly all rows.
    """
    frame = None if isinstance(given, data.Columns) else as_frame(given)
    if frame is None or not any(is_categorical(column) for column in frame.iter_columns()):
        return data.read_columns(given, rows=rows)
    parts: list[str | Factor] = []
    full = not intercept
    for column in frame.iter_columns():
        if is_categorical(column):
            parts.append(factor_of(column, full=full))
            full = False
        else:
            parts.append(str(column.name))
    columns = Coding(tuple(parts)).read_frame(frame)
    return data.checked(columns, what="X", rows=rows)


@dataclass(frozen=True)
class Seen:
    """What a piece of a data set has in one column: the levels, and their own order if any."""

    name: str
    levels: tuple[Any, ...]
    order: tuple[Any, ...] | None
    text: bool
    rows: int


def look_at(given: Any) -> tuple[str | Seen, ...] | None:
    """Return the columns of a frame with the levels of categories; None if there are none."""
    frame = as_frame(given)
    if frame is None or not any(is_categorical(column) for column in frame.iter_columns()):
        return None
    parts: list[str | Seen] = []
    for column in frame.iter_columns():
        if not is_categorical(column):
            parts.append(str(column.name))
            continue
        _, seen = _factorize(column)
        text = str(column.dtype) == "String"
        parts.append(Seen(str(column.name), tuple(seen), _own_order(column), text, len(column)))
    return tuple(parts)


def coding_of_pieces(looks: Sequence[tuple[str | Seen, ...]], *, intercept: bool) -> Coding:
    """Return the coding of all levels that the pieces of a data set have.

    Raises
    ------
    DataError
        If a column is categorical in some pieces only, or is refused by `read_design`.
    """
    parts: list[str | Factor] = []
    full = not intercept
    for column in zip(*looks, strict=True):
        factors = [part for part in column if isinstance(part, Seen)]
        if not factors:
            parts.append(str(column[0]))
            continue
        name = factors[0].name
        if len(factors) < len(column):
            raise DataError(f"X: column {name!r} is categorical in some pieces and not in others.")
        found = {level for part in factors for level in part.levels}
        orders = {part.order for part in factors}
        own = orders.pop() if len(orders) == 1 else None
        levels = [x for x in own if x in found] if own else sorted(found)
        if all(part.text for part in factors):
            _refuse_text(name, levels, sum(part.rows for part in factors))
        unused = tuple(x for x in own if x not in found) if own else ()
        parts.append(_checked_factor(name, levels, full, unused))
        full = False
    return Coding(tuple(parts))


def is_categorical(column: Any) -> bool:
    """Tell whether a narwhals series holds categories or text."""
    return str(column.dtype).split("(")[0] in ("Categorical", "Enum", "String")


def factor_of(column: Any, *, full: bool = False, explicit: bool = False) -> Factor:
    """Return the factor that a narwhals series makes: its levels sorted, or in their own order.

    Text is examined whether it is meant as categories, unless the user said so.
    """
    name = str(column.name)
    if not len(column):
        raise DataError("X has no rows; at least one observation is needed.")
    _, seen = _factorize(column)  # in the order in which rows have them
    found, order = set(seen), _own_order(column)
    levels = sorted(seen) if order is None else [level for level in order if level in found]
    unused = [] if order is None else [level for level in order if level not in found]
    if str(column.dtype) == "String" and not explicit:
        _refuse_text(name, seen, len(column))
    return _checked_factor(name, levels, full, tuple(unused))


def _own_order(column: Any) -> tuple[Any, ...] | None:
    """Return the categories in their own order: of an Enum or a pandas category."""
    kind = str(column.dtype)
    # polars keeps a Categorical in no order of its own
    if kind.startswith("Enum") or (kind == "Categorical" and column.implementation.is_pandas()):
        return tuple(column.cat.get_categories().to_list())
    return None


def _checked_factor(
    name: str, levels: Sequence[Any], full: bool, unused: tuple[Any, ...]
) -> Factor:
    strange = next((v for v in levels if not isinstance(v, str | bool | int | float)), None)
    if strange is not None:
        raise DataError(
            f"X: column {name!r} has categories such as {strange!r:.40}; make them text or numbers."
        )
    if len(levels) == 1:
        raise DataError(
            f"X: column {name!r} has a single level, {levels[0]!r:.40}, so there is nothing to "
            f"compare; leave it out."
        )
    return Factor(name, tuple(levels), full, unused)


def _refuse_text(name: str, seen: list[str], rows: int) -> None:
    """Raise for text that is numbers, or names of rows."""
    if all(_is_number(text) for text in seen):
        refuse_value(seen[0], "X", name, 0)
    if len(seen) > _MOST_LEVELS or (len(seen) > 2 and len(seen) >= _NEARLY_ALL * rows):
        raise DataError(
            f"X: column {name!r} holds {len(seen)} different texts in {rows} rows, such as "
            f"{seen[0]!r:.40}, which look like names of rows and not like categories; leave it "
            f"out, or make the column categorical (pandas 'category', polars Enum) to code them."
        )


def _factorize(column: Any) -> tuple[NDArray[np.int64], list[Any]]:
    """Return the number of the value of each row, and the values in order of appearance."""
    import pandas as pd

    missing = column.is_null().to_numpy()
    if missing.any():
        refuse_value(None, "X", str(column.name), int(np.argmax(missing)))
    native = column.to_native() if column.implementation.is_pandas() else None
    values = np.asarray(column.to_list(), dtype=object) if native is None else native
    codes, seen = pd.factorize(values)
    return np.asarray(codes, dtype=np.int64), list(seen.tolist())


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _plain(level: Any) -> Any:
    """Return 2 for 2.0: a missing value elsewhere in the column has made it a float."""
    return int(level) if isinstance(level, float) and level.is_integer() else level


def _names(part: str | Factor) -> tuple[str, ...]:
    return (part,) if isinstance(part, str) else part.terms


def listed(levels: tuple[Any, ...]) -> str:
    """Return levels for a message, the first few of many."""
    shown = ", ".join(f"{level!r:.40}" for level in levels[:8])
    return shown if len(levels) <= 8 else f"{shown}, ... ({len(levels)} in all)"
