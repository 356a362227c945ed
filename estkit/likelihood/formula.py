"""``fit_formula``: a fit described as ``"low ~ age + C(race)"``, by way of formulaic.

formulaic makes the columns of the right-hand side; the left-hand side is taken as it is, so that
labels stay labels. What it learnt from the data (levels, means, knots) is kept for new rows.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit import formulas
from estkit.errors import DataError
from estkit.formula_coding import learn
from estkit.frames import as_frame
from estkit.likelihood.fitting import check_family, check_options, fit_given
from estkit.likelihood.weights import given_weights
from estkit.missing import Dropped, drop_missing, missing_values
from estkit.values import refuse_value

_DOT = re.compile(r"(?<![\w.`)\]])\.(?![\w.])")

if TYPE_CHECKING:
    from estkit.likelihood.family import Family
    from estkit.likelihood.result import LikelihoodFit


def fit_formula(
    formula: str,
    data: Any,
    family: Family,
    *,
    weights: Any = None,
    sampling_weights: Any = None,
    analytic_weights: Any = None,
    offset: Any = None,
    groups: Any = None,
    missing: str = "raise",
    start: Any = None,
    errors: str = "raise",
) -> LikelihoodFit:
    """Fit a likelihood to the columns of a data frame that a formula names.

    Parameters
    ----------
    formula : str
        ``"response ~ terms"`` in the language of formulaic (Wilkinson and Rogers 1973): ``a + b``,
        ``a:b``, ``a*b``, ``C(race)`` for numbers that are categories, ``np.log(x)``, ``{x + 1}``,
        ``center(x)``, ``scale(x)``, ``poly(x, 2)``, ``bs(x, df=4)``; a name with spaces between
        backticks; a dot for all other columns. There is an intercept unless ``0 +`` or ``- 1``
        removes it. The response is a column of labels, bools or numbers, an expression such as
        ``np.log(y)`` or ``{y > 3}``, or counts: ``cbind(success, failure)``,
        ``cbind(success, trials - success)``, ``success + failure``.
    data : data frame, or mapping of str to array-like
        The columns.
    family : Family
        What is maximised.
    weights, sampling_weights, analytic_weights, offset, groups : str or array-like, optional
        The name of a column, or values, as in `fit`.
    missing : {"raise", "drop"}
        What to do with a row that lacks a value in a column that is used, as in `fit`.
    start, errors
        As in `fit`.

    Returns
    -------
    LikelihoodFit
        Its terms have the names of formulaic, such as ``C(race)[T.2]``; tests also take a term of
        the formula, ``fit.wald_test("C(race)")``. ``predict`` takes frames with the columns of the
        formula and uses levels, means and knots of the fit.

    Raises
    ------
    DataError
        If the formula cannot be read or names a column that is not there, or as in `fit`.
    MissingExtraError
        If formulaic is not installed; the extra ``formula`` brings it.

    See Also
    --------
    fit : the same from X and y.

    Examples
    --------
    >>> import estkit as ek
    >>> beetles = {
    ...     "dose": [1.69, 1.72, 1.76, 1.78, 1.81, 1.84, 1.86, 1.88],
    ...     "killed": [6, 13, 18, 28, 52, 53, 61, 60],
    ...     "beetles": [59, 60, 62, 56, 63, 59, 62, 60],
    ... }
    >>> formula = "cbind(killed, beetles - killed) ~ center(dose)"
    >>> fit = ek.fit_formula(formula, beetles, ek.Binomial())
    >>> fit.names, fit.params.round(2)
    (('intercept', 'center(dose)'), array([ 0.72, 33.93]))
    >>> fit.predict({"dose": [1.8]}).round(4)
    array([0.7268])
    """
    check_options(missing, errors)
    check_family(family)
    frame = as_frame(data)
    if frame is None:
        raise DataError(
            f"data must be a data frame or a mapping of columns, got {type(data).__name__}."
        )
    left, right = _split(formula)
    given = {"offset": offset, "groups": groups}
    given |= given_weights(family, weights, sampling_weights, analytic_weights)
    named = {name: value for name, value in given.items() if isinstance(value, str)}
    for name, column in named.items():
        if column not in frame.columns:
            raise DataError(
                f"{name}={column!r} is no column of data; it has {', '.join(frame.columns)}."
            )
    response = formulas.parse(f"0 + {left}")
    used = formulas.all_variables(response, frame)
    right = _without_dot(right, frame, {*used, *named.values()})
    used += formulas.all_variables(formulas.parse(right), frame)
    columns = frame.select(list(dict.fromkeys([*used, *named.values()])))
    given = {name: value for name, value in given.items() if name not in named}
    dropped = Dropped()
    if missing == "drop":
        given, dropped = drop_missing({"X": columns.to_native(), **given})
        columns = as_frame(given.pop("X"))
    _refuse_missing(columns)
    given |= {name: columns[column].to_native() for name, column in named.items()}
    given["y"] = _response(response, columns)
    given["X"], intercept = learn(right, columns, len(columns))
    return fit_given(family, given, dropped, intercept=intercept, start=start, errors=errors)


def _split(formula: Any) -> tuple[str, str]:
    """Return the two sides of a formula."""
    sides = formula.split("~") if isinstance(formula, str) else []
    if len(sides) != 2 or not sides[0].strip() or not sides[1].strip():
        raise DataError(f"A formula has the form 'response ~ terms', got {formula!r:.80}.")
    return sides[0].strip(), sides[1].strip()


def _without_dot(right: str, frame: Any, taken: set[str]) -> str:
    """Return the right-hand side with a lone dot replaced by all columns that are not taken."""
    others = " + ".join(f"`{name}`" for name in frame.columns if name not in taken)
    return _DOT.sub(f"({others or 1})", right)


def _refuse_missing(columns: Any) -> None:
    for name, mask in missing_values("X", columns.to_native()):
        if mask.any():
            refuse_value(None, "data", name, int(np.argmax(mask)))


def _response(terms: list[list[str]], columns: Any) -> Any:
    """Return what the left-hand side names: one column as it is, several side by side."""
    expressions = [term[0] for term in terms]
    if not terms or any(len(term) > 1 for term in terms):
        raise DataError("The response must be a column, an expression, or counts added by +.")
    if len(expressions) == 1 and expressions[0] not in columns.columns:
        tree = ast.parse(expressions[0].strip("{}"), mode="eval").body
        if not (isinstance(tree, ast.Call) and ast.unparse(tree.func) == "cbind"):
            return formulas.evaluate(expressions[0], columns)
        expressions = [ast.unparse(part) for part in tree.args]
    if not all(expression in columns.columns for expression in expressions):
        return np.column_stack([formulas.evaluate(each, columns) for each in expressions])
    chosen = columns.select(expressions).to_native()
    return columns[expressions[0]].to_native() if len(expressions) == 1 else chosen
