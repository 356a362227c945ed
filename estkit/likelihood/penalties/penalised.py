"""Which model maximises a penalised likelihood, and what its columns pay."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from estkit import data
from estkit.errors import DataError
from estkit.likelihood.chunked_rows import ChunkedRows
from estkit.likelihood.family import Floats
from estkit.likelihood.penalties.penalty import L2, ElasticNet, Jeffreys, Shrinkage
from estkit.likelihood.regression import Regression

T = TypeVar("T", bound=Regression)

_CONCAVE = ("logit", "probit", "cloglog")


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

        return made(Ridge, model, strengths=strengths[1])
    from estkit.likelihood.penalties.lasso_regression import LassoRegression

    return made(LassoRegression, model, strengths=strengths)


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
        deviations = standard_deviations(model)
        l1, l2 = l1 * deviations, l2 * deviations**2
    return np.stack([l1, l2])


def standard_deviations(model: Regression) -> Floats:
    """Return the standard deviation of each column over the observations, with the divisor n."""
    values, weights = model.rows.columns.values, model.rows.response.weights
    w = np.ones(model.rows.columns.rows) if weights is None else weights
    w = w / w.sum()
    if data.is_sparse(values):
        mean = values.T @ w
        return np.asarray(np.sqrt(np.maximum(values.multiply(values).T @ w - mean**2, 0.0)))
    mean, squares = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for first in range(0, len(values), 4096):
        mean += w[first : first + 4096] @ values[first : first + 4096]
    for first in range(0, len(values), 4096):
        squares += w[first : first + 4096] @ (values[first : first + 4096] - mean) ** 2
    return np.sqrt(squares)
