"""The right-hand side of a formula into columns of numbers, and the same for new rows.

formulaic does the work; what it learns from the data (levels, means, knots) stays in its model
spec, which is pickled with a fit. JSON keeps the formula and the levels, and so all but transforms
that learnt something.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.categories import Coding, Factor, factor_of, is_categorical, listed
from estkit.errors import DataError, EstkitError, MissingExtraError

_EXACT = 1 << 53  # up to here a float holds every whole number
_QUOTED = re.compile(r"`([^`]*)`")


def load() -> Any:
    """Return formulaic, or say how to install it."""
    try:
        import formulaic
    except ImportError as error:
        raise MissingExtraError(
            "Formulas need formulaic, which is not installed; install estkit[formula]."
        ) from error
    return formulaic


def parse(text: str) -> list[list[str]]:
    """Return the factors of each term of a sum: expressions of Python, or names of columns.

    Raises
    ------
    DataError
        If the formula cannot be read.
    """
    formulaic = load()
    try:
        terms = formulaic.Formula(text)
    except formulaic.errors.FormulaicError as error:
        shown = text.removeprefix("0 + ")
        raise DataError(f"The formula {shown!r} cannot be read: {plain_text(error)}") from error
    if not isinstance(terms, formulaic.SimpleFormula):
        raise DataError(f"The formula {text!r} has several parts; give one response and one sum.")
    return [[str(factor.expr) for factor in term.factors] for term in terms]


def variables(expression: str, frame: Any) -> list[str]:
    """Return the columns of a frame that an expression names, in order.

    Raises
    ------
    DataError
        If it names something that is neither a column nor known to formulaic.
    """
    if expression in frame.columns:
        return [expression]
    found = [name for name in _QUOTED.findall(expression) if name in frame.columns]
    try:
        tree = ast.parse(_QUOTED.sub("0", expression).strip("{}"), mode="eval")
    except SyntaxError as error:
        raise _unknown(expression, frame) from error
    known = load().transforms.TRANSFORMS
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in frame.columns:
            found.append(node.id)
        elif isinstance(node, ast.Name) and node.id not in known and node.id != "cbind":
            raise _unknown(node.id, frame)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "Q":
            texts = [part.value for part in node.args if isinstance(part, ast.Constant)]
            found += [str(text) for text in texts if text in frame.columns]
    return list(dict.fromkeys(found))


def all_variables(terms: list[list[str]], frame: Any) -> list[str]:
    """Return the columns of a frame that the terms of a formula name."""
    found = [name for term in terms for factor in term for name in variables(factor, frame)]
    return list(dict.fromkeys(found))


def _unknown(name: str, frame: Any) -> DataError:
    hint = "; pass the offset as offset=" if name == "offset" else ""
    return DataError(f"data has no column {name!r}; it has {', '.join(frame.columns)}{hint}.")


def plain_text(error: Exception) -> str:
    """Return the first line of a message, without the codes for a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m|[⧛⧚]", "", str(error)).strip().split("\n")[0]


def native(frame: Any, wanted: Mapping[str, Factor | None], coded: Collection[str]) -> Any:
    """Return the columns that a formula uses as a frame of pandas, categories by their levels.

    Whole numbers that are `coded` are made integers, so that a column of floats, which one missing
    value makes of integers, has the levels 1 and 2 and not 1.0 and 2.0.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, factor in wanted.items():
        if factor is None:
            values = data.read_series(frame[name], "X", name)
            if name in coded and values.dtype.kind == "f":
                whole = (values == values.round()).all() and (np.abs(values) < _EXACT).all()
                values = values.astype(np.int64) if whole else values
            columns[name] = values
        else:
            codes, levels = factor.code(frame[name]), pd.Index(list(factor.levels))
            columns[name] = pd.Categorical.from_codes(codes, categories=levels)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))


def materialise(described: Any, frame: Any) -> Any:
    """Return the model matrix of a formula or a model spec of formulaic.

    Raises
    ------
    DataError
        If it cannot be evaluated, or meets categories that it does not know.
    """
    errors = load().errors
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", errors.DataMismatchWarning)
        try:
            return described.get_model_matrix(frame, na_action="ignore", output="numpy")
        except (errors.FormulaicError, errors.DataMismatchWarning) as error:
            raise DataError(f"The formula cannot be evaluated: {plain_text(error)}") from error


def evaluate(expression: str, frame: Any) -> NDArray[Any]:
    """Return the value of an expression of Python over the columns of a narwhals frame.

    Raises
    ------
    DataError
        If it has none.
    """
    code, known = expression.strip("{}"), dict(load().transforms.TRANSFORMS)
    for place, name in enumerate(variables(expression, frame)):
        column = frame[name]
        alias = name if name.isidentifier() else f"_{place}"
        code = code.replace(f"`{name}`", alias)
        text = is_categorical(column)
        known[alias] = (
            np.asarray(column.to_list(), dtype=object)
            if text
            else data.read_series(column, "data", name)
        )
    try:
        return np.asarray(eval(code, {"__builtins__": {}}, known))
    except Exception as error:
        raise DataError(f"{expression!r} cannot be evaluated: {error}") from error


def learn(formula: str, frame: Any, rows: int) -> tuple[data.Columns, bool]:
    """Return the columns that a right-hand side makes of a narwhals frame, without that of ones.

    Whether there is one, which `fit` adds itself, comes second.
    """
    factors = [factor for term in parse(formula) for factor in term]
    columns: dict[str, Factor | None] = {}
    for expression in factors:
        for name in variables(expression, frame):
            column = frame[name]
            if is_categorical(column):
                bare = expression == name
                columns[name] = columns.get(name) or factor_of(column, explicit=not bare)
            else:
                columns[name] = None
    inside = {_inside_c(expression) for expression in factors}
    pandas = native(frame, columns, inside) if columns else _empty(rows)
    matrix = materialise(load().Formula(formula), pandas)
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
    """

    formula: str
    variables: Mapping[str, Factor | None]
    coded: Mapping[str, tuple[Any, ...]]
    names: tuple[str, ...]
    members: Mapping[str, tuple[str, ...]]
    spec: Any

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
            If the fit comes from JSON, which does not hold what its transforms learnt.
        """
        frame = data.as_frame(given)
        if frame is None:
            raise DataError(
                f"The fit has a formula; pass a data frame or a mapping with the columns "
                f"{', '.join(self.variables) or 'of any name'}."
            )
        if self.spec is None:
            raise EstkitError(
                f"The formula {self.formula!r} has transforms that learnt from the data, such as "
                f"center or bs, and JSON does not hold what they learnt; fit again, or pickle the "
                f"fit."
            )
        if not self.variables:
            return data.Columns(np.empty((len(frame), 0)), (), self)
        frame = data.select(frame, list(self.variables))
        for name, levels in self.coded.items():
            _refuse_unseen(data.read_series(frame[name], "X", name), name, levels)
        matrix = materialise(self.spec, native(frame, self.variables, self.coded))
        return data.checked(self.columns_of(matrix), what="X")

    def columns_of(self, matrix: Any) -> data.Columns:
        """Return what formulaic made, but for the column of ones."""
        places = [i for i, name in enumerate(matrix.model_spec.column_names) if name in self.names]
        return data.Columns(np.asarray(matrix, dtype=float)[:, places], self.names, self)

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold, and whether that is enough to predict."""
        parts = tuple(factor or name for name, factor in self.variables.items())
        whole = self.spec is not None and not self.spec.transform_state
        if whole:
            again = _relearnt(self.formula, self.variables, self.coded)
            whole = again is not None and again.column_names == self.spec.column_names
        return {
            "kind": "formula",
            "formula": self.formula,
            "variables": Coding(parts).to_plain()["columns"],
            "coded": {name: list(levels) for name, levels in self.coded.items()},
            "names": list(self.names),
            "members": {term: list(names) for term, names in self.members.items()},
            "whole": whole,
        }

    @classmethod
    def from_plain(cls, stored: Mapping[str, Any]) -> FormulaCoding:
        """Return the coding that `to_plain` wrote."""
        parts = Coding.from_plain({"columns": stored["variables"]}).columns
        variables = {str(getattr(p, "name", p)): None if isinstance(p, str) else p for p in parts}
        coded = {name: tuple(levels) for name, levels in stored["coded"].items()}
        members = {term: tuple(names) for term, names in stored["members"].items()}
        spec = _relearnt(stored["formula"], variables, coded) if stored["whole"] else None
        return cls(stored["formula"], variables, coded, tuple(stored["names"]), members, spec)


def _relearnt(
    formula: str, variables: Mapping[str, Factor | None], coded: Mapping[str, tuple[Any, ...]]
) -> Any:
    """Return the model spec of a formula that learns only levels, from rows that have them."""
    import pandas as pd

    levels = {name: factor.levels for name, factor in variables.items() if factor is not None}
    levels |= coded
    rows = max((len(own) for own in levels.values()), default=1)
    columns: dict[str, Any] = {}
    for name, factor in variables.items():
        values = [*(levels.get(name, (1.0,)) * rows)][:rows]
        columns[name] = values if factor is None else pd.Categorical(values, list(factor.levels))
    try:
        matrix = materialise(load().Formula(formula), pd.DataFrame(columns, index=range(rows)))
    except DataError:  # an expression that has no value there
        return None
    return matrix.model_spec


def _refuse_unseen(values: Any, name: str, levels: tuple[Any, ...]) -> None:
    strange = ~np.isin(values, np.array(levels))
    if strange.any():
        row = int(np.argmax(strange))
        raise DataError(
            f"X: column {name!r}, row {row} (counted from 0) is {values[row]}, a level that the "
            f"fit has not seen; it knows {listed(levels)}."
        )
