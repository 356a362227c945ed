"""The language of formulas: what they name, and what they are worth; formulaic does the work."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from estkit.categories import Factor, is_categorical
from estkit.errors import DataError, MissingExtraError
from estkit.frames import read_series

_EXACT = 1 << 53  # up to here a float holds every whole number
# Functions of Python that expressions may call, as formulaic lets them.
_BUILTINS = {
    each.__name__: each
    for each in (abs, bool, float, int, len, list, max, min, pow, range, sorted, str, sum)
} | {"round": np.round}
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
    except (formulaic.errors.FormulaicError, SyntaxError) as error:
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
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node in called and node.id in (*_BUILTINS, "cbind"):
            continue
        if isinstance(node, ast.Name) and node.id in frame.columns:
            found.append(node.id)
        elif isinstance(node, ast.Name) and node.id not in known:
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
            values = read_series(frame[name], "X", name)
            if name in coded and values.dtype.kind == "f":
                whole = (values == values.round()).all() and (np.abs(values) < _EXACT).all()
                values = values.astype(np.int64) if whole else values
            columns[name] = values
        else:
            codes, levels = factor.code(frame[name]), pd.Index(list(factor.levels))
            columns[name] = pd.Categorical.from_codes(codes, categories=levels)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))


def describe(formula: str, learnt: Mapping[str, Any], levels: Mapping[str, Any]) -> Any:
    """Return a model spec of formulaic that knows what transforms learnt, and some levels."""
    from formulaic.parser.types import Factor as Kinds

    state = {name: (Kinds.Kind.CATEGORICAL, {"categories": own}) for name, own in levels.items()}
    return load().ModelSpec.from_spec(formula, transform_state=learnt, encoder_state=state)


def materialise(
    described: Any, frame: Any, *, strange: Literal["error", "ignore"] = "error"
) -> Any:
    """Return the model matrix of a formula or a model spec of formulaic.

    Categories that it does not know are an error, or ignored.

    Raises
    ------
    DataError
        If it cannot be evaluated, or meets categories that it does not know.
    """
    errors = load().errors
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        if strange == "ignore":  # pandas warns of them, too
            warnings.simplefilter("ignore")
        else:
            warnings.simplefilter("error", errors.DataMismatchWarning)
        try:
            return described.get_model_matrix(frame, na_action="ignore", output="numpy")
        except (errors.FormulaicError, errors.DataMismatchWarning) as error:
            raise DataError(f"The formula cannot be evaluated: {plain_text(error)}") from error
        except (ValueError, TypeError) as error:  # of numpy, when columns are put side by side
            raise DataError(
                f"The formula cannot be evaluated; does each term give one value for each row? "
                f"({plain_text(error)})"
            ) from error


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
            else read_series(column, "data", name)
        )
    try:
        return np.asarray(eval(code, {"__builtins__": _BUILTINS}, known))
    except Exception as error:
        raise DataError(f"{expression!r} cannot be evaluated: {error}") from error
