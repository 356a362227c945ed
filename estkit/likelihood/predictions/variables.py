"""The variables of a fit as the user knows them, and what may be done to each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.categories import Coding, Factor
from estkit.errors import DataError

if TYPE_CHECKING:
    from estkit.likelihood.regression_fit import RegressionFit


@dataclass(frozen=True)
class Variable:
    """A column as the user knows it: a number, or categories.

    Parameters
    ----------
    name : str
        Its name.
    place : int
        Where its first column of numbers stands.
    levels : tuple
        The levels of categories, the reference first.
    coded : tuple
        Those that have a column.
    """

    name: str
    place: int
    levels: tuple[Any, ...] = ()
    coded: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Change:
    """What is done to a variable.

    Parameters
    ----------
    variable : Variable
        Which one.
    shown : str
        The change in words.
    ends : tuple, optional
        From where to where; None for a step or a slope.
    step : float, optional
        What is added.
    """

    variable: Variable
    shown: str
    ends: tuple[Any, Any] | None = None
    step: float | None = None

    @property
    def column(self) -> str:
        """The name of the variable."""
        return self.variable.name

    @property
    def is_slope(self) -> bool:
        """Whether the effect is a derivative."""
        return self.ends is None and self.step is None


def variables_of(fit: RegressionFit) -> tuple[Variable, ...] | None:
    """Return the variables whose columns can be changed one by one; None for some formulas."""
    coding = fit._coding
    if coding is None:
        return tuple(Variable(name, place) for place, name in enumerate(fit._columns))
    if isinstance(coding, Coding):
        found, place = [], 0
        for part in coding.columns:
            if isinstance(part, Factor):
                found.append(Variable(part.name, place, part.levels, part.coded))
            else:
                found.append(Variable(part, place))
            place += max(1, len(found[-1].coded))
        return tuple(found)
    by_name = {v.name: v for v in formula_variables(fit)}
    own = []
    for term, columns in coding.members.items():
        name = next((v for v in by_name if term in (v, f"C({v})")), "")
        variable = by_name.get(name)
        coded_elsewhere = name in getattr(coding, "coded", {})
        if variable is None or (coded_elsewhere if term == name else not variable.levels):
            return None
        coded = variable.levels[len(variable.levels) - len(columns) :]
        if variable.levels and len(columns) < len(variable.levels) - 1:
            return None
        own.append(replace(variable, place=fit._columns.index(columns[0]), coded=coded))
    return tuple(own) if len({v.name for v in own}) == len(own) else None


def formula_variables(fit: RegressionFit) -> tuple[Variable, ...]:
    """Return the variables of a formula, in a frame of which they can be changed."""
    coding: Any = fit._coding
    if coding is None or isinstance(coding, Coding):
        return ()
    return tuple(
        Variable(name, -1, factor.levels if factor else coding.coded.get(name, ()))
        for name, factor in coding.variables.items()
    )


def changes_of(
    variables: Sequence[Variable],
    binary: Collection[str],
    columns: Any,
    change: Mapping[str, Any],
) -> list[Change]:
    """Return what is done to each variable; binary ones go from 0 to 1.

    Raises
    ------
    DataError
        If a name is no variable, or a change cannot be understood.
    """
    wanted = [columns] if isinstance(columns, str) else columns
    chosen = variables if wanted is None else [find(name, variables) for name in wanted]
    for name in change:
        if find(name, variables) not in chosen:
            raise DataError(f"change names {name!r}, which is not among the columns asked for.")
    if not chosen:
        raise DataError("The fit has no columns, so there is nothing to change.")
    return [c for v in chosen for c in _changes(v, change.get(v.name), v.name in binary)]


def _changes(variable: Variable, given: Any, binary: bool) -> list[Change]:
    if given is None and variable.levels:
        reference = variable.levels[0]
        return [_between(variable, (reference, level)) for level in variable.levels[1:]]
    if given is None and binary:
        return [_between(variable, (0, 1))]
    if (given is None or given == "slope") and not variable.levels:
        return [Change(variable, "slope")]
    if isinstance(given, tuple | list) and len(given) == 2:
        ends = [checked(variable, value, "change") for value in given]
        return [_between(variable, (ends[0], ends[1]))]
    if not variable.levels and isinstance(given, int | float | np.number) and given != 0:
        return [Change(variable, f"{given:+g}", step=checked(variable, given, "change"))]
    expected = "a pair of levels" if variable.levels else "a step, a pair of values, or 'slope'"
    raise DataError(f"change[{variable.name!r}] must be {expected}, got {given!r:.60}.")


def _between(variable: Variable, ends: tuple[Any, Any]) -> Change:
    low, high = (f"{end:g}" if isinstance(end, float) else str(end) for end in ends)
    return Change(variable, f"{low} to {high}", ends)


def find(name: Any, variables: Sequence[Variable]) -> Variable:
    """Return the variable of a name, or raise."""
    for variable in variables:
        if variable.name == name:
            return variable
    known = ", ".join(variable.name for variable in variables)
    raise DataError(f"{name!r} is no column of the fit; it has {known}.")


def checked(variable: Variable, value: Any, what: str) -> Any:
    """Return a value that a variable can have, or raise."""
    if variable.levels:
        if value in variable.levels:
            return value
        raise DataError(
            f"{what}: {variable.name!r} has the levels {variable.levels}, got {value!r:.60}."
        )
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise DataError(f"{what}: {variable.name!r} takes finite numbers, got {value!r:.60}.")
    return number
