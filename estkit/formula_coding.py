"""The columns that a formula makes, the same for new rows, and what JSON holds of them.

What formulaic learns from the data (levels, means, knots) stays in its model spec, which is pickled
with a fit. JSON keeps the formula, the levels, and what transforms learnt where that is numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from estkit import data, formulas
from estkit.categories import Coding, Factor, factor_of, is_categorical, listed
from estkit.errors import DataError, EstkitError
from estkit.frames import as_frame, read_series, select


def learn(formula: str, frame: Any, rows: int) -> tuple[data.Columns, bool]:
    """Return the columns that a right-hand side makes of a narwhals frame, without that of ones.

    Whether there is one, which `fit` adds itself, comes second.
    """
    factors = [factor for term in formulas.parse(formula) for factor in term]
    columns: dict[str, Factor | None] = {}
    for expression in factors:
        for name in formulas.variables(expression, frame):
            column = frame[name]
            if is_categorical(column):
                bare = expression == name
                columns[name] = columns.get(name) or factor_of(column, explicit=not bare)
            else:
                columns[name] = None
    inside = {_inside_c(expression) for expression in factors}
    pandas = formulas.native(frame, columns, inside) if columns else _empty(rows)
    matrix = formulas.materialise(formulas.load().Formula(formula), pandas)
    spec = matrix.model_spec
    coded = {}
    for expression in factors:
        name = _inside_c(expression)
        if name in columns and columns[name] is None:
            levels = spec.encoder_state[expression][1]["categories"]
            coded[name] = tuple(np.asarray(levels).tolist())
    members = {
        str(term): tuple(spec.column_names[i] for i in places)
        for term, places in spec.term_indices.items()
    }
    constant = members.pop("1", ())
    names = tuple(name for name in spec.column_names if name not in constant)
    coding = FormulaCoding(formula, columns, coded, names, members, spec)
    return data.checked(coding.columns_of(matrix), what="X"), bool(constant)


def _empty(rows: int) -> Any:
    import pandas as pd

    return pd.DataFrame(index=pd.RangeIndex(rows))


def _inside_c(expression: str) -> str:
    """Return x of the expressions C(x) and C(x, ...), else nothing."""
    found = re.match(r"C\(\s*(`[^`]*`|\w+)\s*[,)]", expression)
    return found.group(1).strip("`") if found else ""


@dataclass(frozen=True, eq=False)
class FormulaCoding:
    """The columns of a formula; part of a fit that was described by one.

    Parameters
    ----------
    formula : str
        The right-hand side.
    variables : mapping of str to Factor or None
        The columns that it uses; None for numbers.
    coded : mapping of str to tuple
        The levels of numbers in ``C()``.
    names : tuple of str
        The names of the columns that it makes.
    members : mapping of str to tuple of str
        The names of the columns of each term.
    spec : object
        The model spec of formulaic; None when JSON could not hold it.
    lacks : tuple of str
        The expressions of which JSON could not hold what they learnt.
    """

    formula: str
    variables: Mapping[str, Factor | None]
    coded: Mapping[str, tuple[Any, ...]]
    names: tuple[str, ...]
    members: Mapping[str, tuple[str, ...]]
    spec: Any
    lacks: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the fit must know."""
        factors = [factor for factor in self.variables.values() if factor is not None]
        return Coding(tuple(factors)).notes

    def read(self, given: Any) -> data.Columns:
        """Return the columns of numbers of new rows.

        Raises
        ------
        DataError
            If a variable is missing, or a level was not seen by the fit.
        EstkitError
            If the fit comes from JSON, which could not hold what a transform learnt.
        """
        frame = as_frame(given)
        if frame is None:
            raise DataError(
                f"The fit has a formula; pass a data frame or a mapping with the columns "
                f"{', '.join(self.variables) or 'of any name'}."
            )
        if self.spec is None:
            raise EstkitError(
                f"JSON does not hold what {' and '.join(self.lacks)} learnt from the data; fit "
                f"again, or pickle the fit."
            )
        if not self.variables:
            return data.Columns(np.empty((len(frame), 0)), (), self)
        frame = select(frame, list(self.variables))
        for name, levels in self.coded.items():
            _refuse_unseen(read_series(frame[name], "X", name), name, levels)
        matrix = formulas.materialise(self.spec, formulas.native(frame, self.variables, self.coded))
        return data.checked(self.columns_of(matrix), what="X")

    def columns_of(self, matrix: Any) -> data.Columns:
        """Return what formulaic made, but for the column of ones."""
        places = [i for i, name in enumerate(matrix.model_spec.column_names) if name in self.names]
        return data.Columns(np.asarray(matrix, dtype=float)[:, places], self.names, self)

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold, and of which expressions that is not enough to predict."""
        parts = tuple(factor or name for name, factor in self.variables.items())
        state, levels, lacks = ({}, {}, self.lacks) if self.spec is None else self._learnt()
        return {
            "kind": "formula",
            "formula": self.formula,
            "variables": Coding(parts).to_plain()["columns"],
            "coded": {name: list(levels) for name, levels in self.coded.items()},
            "names": list(self.names),
            "members": {term: list(names) for term, names in self.members.items()},
            "state": state,
            "levels": levels,
            "lacks": list(lacks),
        }

    def _learnt(self) -> tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]:
        """Return as plain values what transforms learnt, and the levels of expressions.

        Third come the expressions of which that says too little.
        """
        state, levels, lacks = {}, {}, []
        for expression, learnt in self.spec.transform_state.items():
            try:
                state[expression] = _plain(learnt)
            except TypeError:
                lacks.append(expression)
        for expression, (_, own) in self.spec.encoder_state.items():
            known = expression in self.variables or _inside_c(expression) in self.variables
            try:
                if "categories" in own and not known:
                    levels[expression] = _plain(list(own["categories"]))
            except TypeError:
                lacks.append(expression)
        if lacks:
            return {}, {}, tuple(lacks)
        again = _relearnt(self.formula, self.variables, self.coded, state, levels)
        if again is None:
            return {}, {}, (self.formula,)
        for expression, (_, own) in self.spec.encoder_state.items():
            found = [
                list(each["categories"]) if "categories" in each else None
                for each in (own, again.encoder_state[expression][1])
            ]
            if found[0] != found[1]:
                lacks.append(expression)
        if again.column_names != self.spec.column_names and not lacks:
            lacks.append(self.formula)
        return ({}, {}, tuple(lacks)) if lacks else (state, levels, ())

    @classmethod
    def from_plain(cls, stored: Mapping[str, Any]) -> FormulaCoding:
        """Return the coding that `to_plain` wrote."""
        parts = Coding.from_plain({"columns": stored["variables"]}).columns
        variables = {str(getattr(p, "name", p)): None if isinstance(p, str) else p for p in parts}
        coded = {name: tuple(levels) for name, levels in stored["coded"].items()}
        members = {term: tuple(names) for term, names in stored["members"].items()}
        formula, lacks = stored["formula"], tuple(stored["lacks"])
        levels = stored.get("levels", {})
        spec = None if lacks else _relearnt(formula, variables, coded, stored["state"], levels)
        return cls(formula, variables, coded, tuple(stored["names"]), members, spec, lacks)


def _plain(value: Any) -> Any:
    """Return what a transform learnt in a form that JSON holds without loss.

    Raises
    ------
    TypeError
        If it holds anything but finite numbers, text, bools, and lists, arrays and dicts of them.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):  # its keys may be numbers
        return {"entries": [[_plain(key), _plain(entry)] for key, entry in value.items()]}
    if isinstance(value, np.ndarray):
        return {"array": _plain(value.tolist())}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not np.isfinite(value):
        raise TypeError(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(type(value))


def _unplain(stored: Any) -> Any:
    """Return what `_plain` was given."""
    if isinstance(stored, dict) and "array" in stored:
        return np.array(stored["array"])
    if isinstance(stored, dict):
        return {_unplain(key): _unplain(entry) for key, entry in stored["entries"]}
    return [_unplain(entry) for entry in stored] if isinstance(stored, list) else stored


def _relearnt(
    formula: str,
    variables: Mapping[str, Factor | None],
    coded: Mapping[str, tuple[Any, ...]],
    stored: Mapping[str, Any],
    known: Mapping[str, Any],
) -> Any:
    """Return the model spec of a formula that learns its levels from rows that have them.

    What transforms learnt is given, without the ends beyond which splines have no value, and the
    levels of expressions, such as C(x > 0), which no row needs to have.
    """
    import pandas as pd

    levels = {name: factor.levels for name, factor in variables.items() if factor is not None}
    levels |= coded
    rows = max((len(own) for own in levels.values()), default=1)
    columns: dict[str, Any] = {}
    for name, factor in variables.items():
        values = [*(levels.get(name, (1.0,)) * rows)][:rows]
        columns[name] = values if factor is None else pd.Categorical(values, list(factor.levels))
    ends = {"lower_bound": -np.inf, "upper_bound": np.inf}
    state = {expression: _unplain(learnt) for expression, learnt in stored.items()}
    endless = {
        expression: {key: ends.get(key, entry) for key, entry in learnt.items()}
        for expression, learnt in state.items()
    }
    described = formulas.describe(formula, endless, {e: _unplain(own) for e, own in known.items()})
    try:
        frame = pd.DataFrame(columns, index=range(rows))
        matrix = formulas.materialise(described, frame, strange="ignore")
    except DataError:  # an expression that has no value there
        return None
    return matrix.model_spec.update(transform_state=state)


def _refuse_unseen(values: Any, name: str, levels: tuple[Any, ...]) -> None:
    strange = ~np.isin(values, np.array(levels))
    if strange.any():
        row = int(np.argmax(strange))
        raise DataError(
            f"X: column {name!r}, row {row} (counted from 0) is {values[row]}, a level that the "
            f"fit has not seen; it knows {listed(levels)}."
        )
