"""Thousands of small fits at once: a leading replicate axis through every step.

The iterates are those of `fit`, so a batch gives the numbers of a loop to rounding. A replicate
that the batch does not bring to a proved maximum is fitted alone by `fit`, which finds the answer
or says why there is none; it never disturbs the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError, EstkitError
from estkit.estimate import plain
from estkit.frames import as_frame
from estkit.likelihood.batches import binomial as binomial_batch
from estkit.likelihood.batches import responses, softmax_outcomes
from estkit.likelihood.batches import softmax as softmax_batch
from estkit.likelihood.batches.design import Solved
from estkit.likelihood.family import Family, Floats, Response
from estkit.likelihood.fitting import check_family, fit
from estkit.likelihood.model import fit_model
from estkit.likelihood.regression import Regression
from estkit.likelihood.result import LikelihoodFit
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd


_SHOWN = 20  # rows of a table that is printed


@dataclass(frozen=True, eq=False, repr=False)
class BatchFit(Tabular):
    """Many fits of one model, replicate by replicate.

    Parameters
    ----------
    names : tuple of str
        The names of the k parameters.
    params, std_errors : array of shape (R, k)
        Estimates and standard errors; NaN in a replicate without an answer.
    loglik : array of shape (R,)
        The log-likelihoods, constants included.
    status : array of str of shape (R,)
        ``"ok"``, ``"not_converged"`` or ``"failed"``.
    reason : array of str of shape (R,)
        Why a replicate is not ``"ok"``.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> X = np.linspace(-2, 2, 40)[:, None]
    >>> y = np.random.default_rng(1).random((3, 40)) < 0.5
    >>> fits = ek.fit_many(ek.Binomial(), X, y)
    >>> fits
    BatchFit(3 replicates, 2 parameters, 3 ok)
    >>> fits.params.shape, fits.names
    ((3, 2), ('intercept', 'x0'))
    """

    names: tuple[str, ...]
    params: Floats
    std_errors: Floats
    loglik: Floats
    status: NDArray[np.str_]
    reason: NDArray[np.object_]

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Which replicates have an answer, of shape (R,)."""
        return np.asarray(self.status == "ok")

    def __repr__(self) -> str:
        replicates, size = self.params.shape
        good = int((self.status == "ok").sum())
        return f"BatchFit({replicates} replicates, {size} parameters, {good} ok)"

    def _table(self) -> Table:
        frame = self.to_frame().head(_SHOWN)
        errors = frame["std_error"].to_numpy()
        columns = [
            Column("replicate", frame["replicate"].to_numpy(), style="count"),
            Column("term", frame["term"].tolist()),
            Column("estimate", frame["estimate"].to_numpy(), errors),
            Column("std_error", errors, style="error"),
            Column("status", frame["status"].tolist()),
        ]
        hidden = self.params.size - len(frame)
        return Table(columns, repr(self), [f"... and {hidden} rows more"] if hidden else [])

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"format": "estkit.BatchFit", "version": 1, **plain(own)}

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy frame: replicate, term, estimate, std_error, status, reason."""
        import pandas as pd

        replicates, size = self.params.shape
        return pd.DataFrame(
            {
                "replicate": np.repeat(np.arange(replicates), size),
                "term": list(self.names) * replicates,
                "estimate": self.params.ravel(),
                "std_error": self.std_errors.ravel(),
                "status": np.repeat(self.status, size),
                "reason": np.repeat(self.reason, size),
            }
        )


def fit_many(
    family: Family,
    X: Any,
    y: Any,
    *,
    intercept: bool = True,
    weights: Any = None,
    offset: Any = None,
) -> BatchFit:
    """Fit the same model to many data sets at once.

    Parameters
    ----------
    family : Family
        What is maximised. The logit link has a batched kernel; other links and families are looped.
    X : array of shape (R, n, p) or (n, p), data frame, or None
        The covariates of each replicate, or of all; a frame gives its names, None is the intercept
        alone.
    y : array of shape (R, n), or (R, n, 2) for counts
        The response of each replicate.
    intercept : bool
        Whether to add a column of ones.
    weights : array of shape (R, n) or (n,), optional
        Frequency weights, as in `fit`. `Binomial` is batched with them, others are looped.
    offset : array of shape (n,), optional
        A known part of the linear predictor, the same in all replicates.

    Returns
    -------
    BatchFit
        ``params`` and ``std_errors`` of shape (R, k), ``loglik``, ``status`` and ``reason``.

    Raises
    ------
    DataError
        If the shapes do not fit together. Bad values in a replicate make that replicate
        ``"failed"`` and leave the others as they are.

    See Also
    --------
    fit : one data set, with all of inference.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 50, 2))
    >>> y = rng.random((100, 50)) < 1 / (1 + np.exp(-X[:, :, 0]))
    >>> fits = ek.fit_many(ek.Binomial(), X, y)
    >>> fits.params.mean(axis=0).round(1) + 0.0
    array([0. , 1.1, 0. ])
    """
    check_family(family)
    columns = _shared_columns(X, y)
    X, y = _shapes(X if columns is None else columns.values, y)
    if not (intercept or X.shape[-1]):
        raise DataError("X has no columns and intercept=False, so there is nothing to estimate.")

    often = None if weights is None else _often(weights, y)
    usable = None if often is None else _usable(often)

    def alone(replicate: int) -> LikelihoodFit:
        return fit(
            family,
            X[replicate] if X.ndim == 3 else (columns or X),
            y[replicate],
            intercept=intercept,
            weights=None if often is None else often[replicate],
            offset=offset,
            errors="return",
        )

    solved: list[Solved] = []
    names = None
    own_names = columns.names if columns else tuple(f"x{j}" for j in range(X.shape[-1]))
    terms = ("intercept",) * intercept + own_names
    if binomial_batch.suits(family):
        names = terms
        added = None if offset is None else data.read_vector(offset, what="offset", rows=y.shape[1])
        logit = family  # what kind of family it is holds inside the function as well
        solved = binomial_batch.solve(
            X,
            y.shape[:2],
            lambda part: responses.outcomes_of(
                logit, y[part], None if usable is None else usable[part]
            ),
            intercept=intercept,
            offset=added,
        )
    elif softmax_batch.suits(family) and often is None:
        found = softmax_outcomes.outcomes_of(family, y)
        if found is not None:
            response = Response(np.zeros(y.shape[1]), None, y.shape[1], 0.0, found.outcomes)
            names = family.names(terms, response)
            added = family.encode_offset(offset, response)
            values = np.asarray(X, float)
            solved = softmax_batch.solve(values, found, intercept=intercept, offset=added)
    return _assemble(len(y), names, solved, alone)


def fit_rows(model: Regression, values: NDArray[Any]) -> BatchFit:
    """Fit a model again to other responses, coded as `Family.draw` gives them, replicates first."""
    family, rows = model.family, model.rows

    def alone(replicate: int) -> LikelihoodFit:
        return fit_model(model.renew(values[replicate]), errors="return")

    solved: list[Solved] = []
    columns = np.asarray(rows.columns.values, float)
    intercept = rows.placement.intercept
    offset = None if rows.offset is None else rows.offset + rows.level
    if binomial_batch.suits(family):
        logit = family
        solved = binomial_batch.solve(
            columns,
            values.shape,
            lambda part: responses.redrawn(logit, values[part], rows.response),
            intercept=intercept,
            offset=offset,
        )
    elif softmax_batch.suits(family):
        found = softmax_outcomes.redrawn(family, values, rows.response)
        solved = softmax_batch.solve(columns, found, intercept=intercept, offset=offset)
    return _assemble(len(values), model.names, solved, alone)


def _shared_columns(X: Any, y: Any) -> data.Columns | None:
    """Return the named columns of a frame, a vector or None, which all replicates share."""
    if X is None or as_frame(X) is not None or np.ndim(X) == 1:
        return data.read_columns(X, rows=np.shape(y)[1] if X is None else None)
    return None


def _shapes(X: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    X, y = np.asarray(X), np.asarray(y)
    if X.dtype.kind not in "fiub":
        raise DataError(f"X must hold real numbers, got dtype {X.dtype}.")
    if y.ndim not in (2, 3):
        raise DataError(
            f"y must have the replicates first, shape (R, n) or (R, n, K); got {y.shape}."
        )
    if X.ndim not in (2, 3) or X.shape[-2] != y.shape[1] or (X.ndim == 3 and len(X) != len(y)):
        raise DataError(
            f"X has shape {X.shape} and y {y.shape}; expected X of shape (R, n, p) or (n, p) with "
            f"R = {y.shape[0]}, n = {y.shape[1]}."
        )
    if y.shape[1] == 0:
        raise DataError("X and y have no rows; at least one observation is needed.")
    return X, y


def _often(weights: Any, y: NDArray[Any]) -> Floats:
    """Return the frequency weights (R, n) of all replicates, good or bad."""
    given = np.asarray(weights)
    if given.dtype.kind not in "fiub":
        raise DataError(f"weights must hold real numbers, got dtype {given.dtype}.")
    if given.shape not in (y.shape[:2], y.shape[1:2]):
        raise DataError(
            f"weights has shape {given.shape}; expected (R, n) = {y.shape[:2]}, or (n,) for the "
            f"same in all replicates."
        )
    return np.broadcast_to(given.astype(float), y.shape[:2])


def _usable(often: Floats) -> Floats:
    """Return frequency weights, 0 in replicates in which they are not whole numbers."""
    whole = ((often >= 0) & (often == np.floor(often)) & (often < np.inf)).all(axis=1)
    result: Floats = often if whole.all() else np.where(whole[:, None], often, 0.0)
    return result


def _assemble(
    replicates: int,
    names: Sequence[str] | None,
    solved: Sequence[Solved],
    alone: Callable[[int], LikelihoodFit],
) -> BatchFit:
    """Put the solved replicates in their places, and fit each of the others alone."""
    reason = np.full(replicates, "", dtype=object)
    if len(solved) == 1 and np.array_equal(solved[0].replicates, np.arange(replicates)):
        _, params, errors, loglik = solved[0]
        return _batch_fit(names, params, errors, loglik, np.full(replicates, "ok", "<U13"), reason)
    done = np.zeros(replicates, dtype=bool)
    for part in solved:
        done[part.replicates] = True
    singles: dict[int, LikelihoodFit] = {}
    unfinished: list[int] = []
    for r in np.flatnonzero(~done).tolist():
        try:
            single = alone(r)
        except EstkitError as error:
            reason[r] = str(error)
            continue
        names = single.names if names is None else names
        if not single.converged:
            reason[r] = single.reason
            unfinished += [r] * (single.status == "not_converged")
        elif single.names != tuple(names):
            reason[r] = f"its parameters are ({', '.join(single.names)}), not those of the others."
        else:
            singles[r] = single
    size = len(names or ())
    params = np.full((replicates, size), np.nan)
    errors, loglik = params.copy(), np.full(replicates, np.nan)
    for part in solved:
        params[part.replicates], errors[part.replicates] = part.params, part.std_errors
        loglik[part.replicates] = part.loglik
    for r, single in singles.items():
        params[r], errors[r], loglik[r] = single.params, single.std_errors, single.loglik
        done[r] = True
    status = np.where(done, "ok", "failed").astype("<U13")
    status[unfinished] = "not_converged"
    return _batch_fit(names, params, errors, loglik, status, reason)


def _batch_fit(names: Sequence[str] | None, *arrays: Any) -> BatchFit:
    for array in arrays:
        array.flags.writeable = False
    return BatchFit(tuple(names or ()), *arrays)


def batched(family: Family) -> bool:
    """Return whether a family has a batched kernel."""
    return binomial_batch.suits(family) or softmax_batch.suits(family)


# a study whose estimator is `fit` takes this whole block at a time
fit.vectorized = fit_many  # type: ignore[attr-defined]
