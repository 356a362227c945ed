"""Which model maximises a penalised likelihood, and what its columns pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from estkit import data
from estkit.errors import DataError
from estkit.likelihood import sparse_columns
from estkit.likelihood.chunked_rows import ChunkedRows
from estkit.likelihood.family import Floats
from estkit.likelihood.penalties.penalty import L2, ElasticNet, Jeffreys, Shrinkage
from estkit.likelihood.regression import Regression

T = TypeVar("T", bound=Regression)

_CONCAVE = ("logit", "probit", "cloglog")
_ROWS = 4096
_LARGEST = 1e140  # strengths whose squares are floats
_CONSTANT = 1e-14  # of the mean: what rounding leaves of the deviation of a constant


def penalised(model: Regression) -> Regression:
    """Return the model under the penalty of its family, if it has one.

    Raises
    ------
    DataError
        If the penalty does not go with the link, the weights or the columns.
    """
    penalty = getattr(model.family, "penalty", None)
    if penalty is None:
        return model
    check_link(model.family)
    if isinstance(penalty, Jeffreys):
        from estkit.likelihood.penalties.jeffreys import JeffreysRegression

        if model.weighting == "sampling":
            raise DataError(
                "Jeffreys' prior needs the information of the data, which sampling weights do not "
                "give; use L2, or frequency weights."
            )
        return made(JeffreysRegression, model)
    if isinstance(model.rows, ChunkedRows):
        _check_chunks(penalty, model)
    strengths = paid_by(penalty, model)
    if isinstance(penalty, L2) or (isinstance(penalty, ElasticNet) and penalty.ratio == 0):
        from estkit.likelihood.penalties.ridge import Ridge

        _check_payable(model, strengths[1])
        return made(Ridge, model, strengths=strengths[1])
    from estkit.likelihood.penalties.lasso_regression import LassoRegression

    return made(LassoRegression, model, strengths=strengths)


def _check_payable(model: Regression, strengths: Floats) -> None:
    """Raise if a column is so small that the errors under its penalty are no floats."""
    scale = model.rows.placement.scale
    if scale is None:
        return
    wrong = np.flatnonzero(strengths * np.minimum(scale, _LARGEST) ** 2 > _LARGEST)
    if len(wrong):
        raise DataError(
            f"The column {model.rows.names[wrong[0]]!r} is so small that nothing but its penalty "
            f"is left; multiply it by a power of 10 that brings its values near 1."
        )


def _check_chunks(penalty: Shrinkage, model: Regression) -> None:
    strengths = penalty.strengths(model.rows.columns.names)
    if penalty.share or penalty.standardize or not strengths.all():
        raise DataError(
            "Rows in chunks can be fitted under L2 with a strength above 0 for every column, not "
            "standardized; L1 looks at columns, so for it X must be in memory."
        )


def made(kind: type[T], model: Regression, **more: Any) -> T:
    """Return a regression of another kind for the same rows."""
    own = {field.name: getattr(model, field.name) for field in fields(model)}
    return kind(**own, **more)


def check_link(family: Any) -> None:
    """Raise unless the log-likelihood is concave, so that its maximum is the only one."""
    link = getattr(family, "link", "logit")
    if link not in _CONCAVE:
        raise DataError(
            f"A penalty needs a concave log-likelihood, which the link {link!r} does not give; "
            f"use one of {_CONCAVE}."
        )


def paid_by(penalty: Shrinkage, model: Regression) -> Floats:
    """Return the L1 strength and the L2 strength of each column as it was given, shape (2, p)."""
    strengths = penalty.strengths(model.rows.columns.names)
    l1, l2 = penalty.share * strengths, (1.0 - penalty.share) * strengths
    if penalty.standardize:
        deviations, plain = standard_deviations(model), (l1, l2)
        with np.errstate(over="ignore"):
            l1, l2 = l1 * deviations, l2 * deviations * deviations
        for wanted, taken in zip(plain, (l1, l2), strict=True):
            _refuse_extreme(model.rows.columns.names, wanted, taken)
    return np.stack([l1, l2])


def standard_deviations(model: Regression) -> Floats:
    """Return the standard deviation of each column over the observations, with the divisor n.

    That of a constant column is its size, so that it pays like any other.
    """
    values, weights = model.rows.columns.values, model.rows.response.weights
    w = np.ones(model.rows.columns.rows) if weights is None else weights
    w = w / w.sum()
    given = model.rows.placement.scale  # of columns whose squares are no floats
    scale = np.ones(values.shape[1]) if given is None else given
    shift, mean, squares = np.zeros((3, values.shape[1]))
    if data.is_sparse(values):
        shift = sparse_columns.distance(values)
        moved = sparse_columns.moved(values, shift, scale)
        mean = moved.T @ w
        squares = moved.multiply(moved).T @ w - mean**2
        mean = mean + shift * scale
    else:
        for first in range(0, len(values), _ROWS):
            mean += w[first : first + _ROWS] @ (values[first : first + _ROWS] * scale)
        for first in range(0, len(values), _ROWS):
            squares += (
                w[first : first + _ROWS] @ (values[first : first + _ROWS] * scale - mean) ** 2
            )
    deviations, size = np.sqrt(np.maximum(squares, 0.0)), np.abs(mean)
    size = np.where(size > 0, size, 1.0)
    return np.asarray(np.where(deviations > _CONSTANT * np.abs(mean), deviations, size) / scale)


def _refuse_extreme(names: Sequence[str], wanted: Floats, taken: Floats) -> None:
    """Raise if a column that should pay has a strength that is no positive float."""
    wrong = np.flatnonzero((wanted > 0) & ~((taken > 0) & np.isfinite(taken)))
    if len(wrong):
        raise DataError(
            f"The column {names[wrong[0]]!r} has so extreme a standard deviation that what it pays "
            f"is no float; multiply it by a power of 10 that brings its values near 1."
        )
