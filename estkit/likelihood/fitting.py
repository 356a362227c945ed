"""``fit``: data in, a model made of them and maximised, a certified result out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from estkit import data
from estkit.categories import read_design
from estkit.errors import DataError, FitError
from estkit.labels import read_labels
from estkit.likelihood.chunked_rows import read_in_chunks
from estkit.likelihood.chunks import Chunks, is_dask
from estkit.likelihood.family import Family
from estkit.likelihood.model import Model, fit_model
from estkit.likelihood.penalties.penalised import penalised
from estkit.likelihood.placement import place
from estkit.likelihood.regression import Regression
from estkit.likelihood.result import LikelihoodFit
from estkit.likelihood.rows import Rows
from estkit.likelihood.weights import KINDS, given_weights, read_weights
from estkit.missing import Dropped, drop_missing


def fit(
    family: Any,
    X: Any = None,
    y: Any = None,
    *,
    intercept: bool = True,
    weights: Any = None,
    sampling_weights: Any = None,
    analytic_weights: Any = None,
    offset: Any = None,
    groups: Any = None,
    missing: str = "raise",
    start: Any = None,
    errors: str = "raise",
) -> LikelihoodFit:
    """Fit a likelihood to data by maximum likelihood, and say how sure the answer is.

    Parameters
    ----------
    family : Family
        What is maximised, for example ``Binomial()``, ``Softmax()`` or ``Gaussian()``.
    X : array-like of shape (n, p) or (n,), data frame, sparse matrix, `Chunks`, or None
        The covariates, one row for each observation. The columns of a frame give the names, those
        of an array are called ``x0``, ``x1``, ... None fits the intercept alone. Columns of a frame
        that hold categories or text have a coefficient for each level but the first, named
        ``race[black]``; the first is the first category, or of text the first in sorted order. A
        scipy sparse matrix is never filled; `Chunks`, a Dask frame (with the
        name of y) or a Dask array is read in pieces.
    y : array-like
        The response, in the form that the family asks for.
    intercept : bool
        Whether to add a column of ones.
    weights : array-like of shape (n,), optional
        Frequency weights: how many times each row was observed, whole numbers. A row of weight 2 is
        the same as the row twice. Where y holds shares of successes, they are the trials.
    sampling_weights : array-like of shape (n,), optional
        How many units of a population each row stands for: 1 over its probability of being in the
        sample, positive, at any scale. The estimates maximise a pseudo-log-likelihood; standard
        errors are linearized (those of ``svyglm`` in R), by ``groups`` when these are given.
    analytic_weights : array-like of shape (n,), optional
        How precise each row is: it averages so many observations. For `Gaussian` the variance of a
        row is σ² / w, as with the weights of R's ``lm``; for `Binomial` and `Softmax` y holds
        shares, and the weights are the trials.
    offset : array-like of shape (n,), or (n, K) for softmax, optional
        A known part of the linear predictor, with coefficient 1.
    groups : array-like of shape (n,), optional
        The group to which each row belongs, labels of any kind, for ``covariance("cluster")`` and,
        with sampling weights, for the standard errors; it changes nothing else.
    missing : {"raise", "drop"}
        What to do with a row in which X, y, weights, offset or groups have no value (None, NaN, NA,
        null): raise, or leave it out. ``fit.dropped`` holds the numbers of rows that were left out,
        and the table says how many values each column lacked. Infinite numbers are never dropped.
    start : array-like of shape (k,), optional
        Where to begin, in the order of ``names``. It changes the path and not the answer.
    errors : {"raise", "return"}
        What to do when there is no trustworthy answer: raise, or return a result with
        ``converged=False``, the reason, and NaN where there is no number.

    Returns
    -------
    LikelihoodFit
        Parameters in the order of ``names``, their errors, and the certificate of convergence.

    Raises
    ------
    DataError
        If the input cannot be used; the message quotes the column, the row and the value.
    RankError
        If columns are linearly dependent; the message names them and what they depend on.
    SeparationError
        If the outcomes are completely or quasi-completely separated, so that the maximum lies at
        infinity; the message names the columns and the direction.
    ConvergenceError
        If the certificate of convergence does not hold.

    Notes
    -----
    Newton's method with the observed information, summed over blocks of rows (McCullagh and Nelder
    1989, section 2.5). Standard errors are roots of the diagonal of the inverse observed
    information. Columns may have any origin and scale.

    Examples
    --------
    >>> import estkit as ek
    >>> dose = [1.69, 1.72, 1.76, 1.78, 1.81, 1.84, 1.86, 1.88]
    >>> killed = [[6, 53], [13, 47], [18, 44], [28, 28], [52, 11], [53, 6], [61, 1], [60, 0]]
    >>> beetles = ek.fit(ek.Binomial(), {"dose": dose}, killed)
    >>> beetles.params.round(2), beetles.std_errors.round(2)
    (array([-60.1 ,  33.93]), array([5.16, 2.9 ]))
    >>> beetles.predict({"dose": [1.8]}).round(4)
    array([0.7268])

    Text and categories are coded, and kept for new rows:

    >>> soil = {"soil": ["clay", "sand", "loam", "clay", "sand", "loam", "sand"]}
    >>> yields = ek.fit(ek.Gaussian(), soil, [5.1, 3.0, 6.2, 4.9, 3.4, 5.8, 3.2])
    >>> yields.names, yields.params.round(2)
    (('intercept', 'soil[loam]', 'soil[sand]'), array([ 5. ,  1. , -1.8]))
    >>> yields.predict({"soil": ["loam"]})
    array([6.])
    """
    check_options(missing, errors)
    check_family(family)
    if isinstance(X, Chunks) or is_dask(X):
        if missing == "drop":
            raise DataError(
                "missing='drop' is for data in memory; leave incomplete rows out where the pieces "
                "are made."
            )
        chunks = _chunks(family, X, y, weights, sampling_weights, analytic_weights, offset, groups)
        rows = read_in_chunks(family, chunks, intercept=intercept)
        make = getattr(family, "regression", partial(Regression, family))
        return fit_model(penalised(make(rows)), start=start, errors=errors)
    given = {"X": X, "y": y, "offset": offset, "groups": groups}
    given |= given_weights(family, weights, sampling_weights, analytic_weights)
    dropped = Dropped()
    if missing == "drop":
        given, dropped = drop_missing(given)
    return fit_given(family, given, dropped, intercept=intercept, start=start, errors=errors)


def check_options(missing: str, errors: str) -> None:
    """Raise unless the options are among those that there are."""
    if errors not in ("raise", "return"):
        raise DataError(f"errors must be 'raise' or 'return', got {errors!r}.")
    if missing not in ("raise", "drop"):
        raise DataError(f"missing must be 'raise' or 'drop', got {missing!r}.")


def fit_given(
    family: Any,
    given: Mapping[str, Any],
    dropped: Dropped,
    *,
    intercept: bool,
    start: Any,
    errors: str,
) -> LikelihoodFit:
    """Fit what is left of the arguments of `fit` after rows were dropped, and say which."""
    make = getattr(family, "model", None)  # what is no sum over rows of linear predictors has one
    make = make or partial(gather, family)
    options = {"weights": None, "offset": None, "groups": None, "intercept": intercept, **given}
    try:
        model: Model = make(options.pop("X", None), options.pop("y", None), **options)
    except DataError as error:
        if not dropped.rows:
            raise
        raise DataError(
            f"{error} (Rows are counted without the {len(dropped.rows)} that were dropped.)"
        ) from error
    try:
        return _told(fit_model(model, start=start, errors=errors), dropped)
    except FitError as error:
        error.result = error.result and _told(error.result, dropped)
        raise


def _told(result: LikelihoodFit, dropped: Dropped) -> LikelihoodFit:
    """Return a fit that knows which rows were left out of it."""
    if not dropped.rows:
        return result
    return replace(result, dropped=dropped.rows, notes=(*result.notes, str(dropped)))


def _chunks(family: Any, X: Any, y: Any, *others: Any) -> Chunks:
    """Return data in pieces as `Chunks`; what belongs to rows must be in the pieces."""
    if hasattr(family, "model") and not hasattr(family, "regression"):
        raise DataError(f"{type(family).__name__} cannot be fitted in chunks; pass all rows.")
    if any(other is not None for other in others):
        raise DataError(
            "Chunks carry their weights, offsets and groups themselves, Chunks(source, "
            "weights=, weighting=, offset=, groups=)."
        )
    if not isinstance(X, Chunks):
        return Chunks(X, y=y) if isinstance(y, str | list) else Chunks((X, y))
    if y is not None:
        raise DataError("Chunks carry their responses themselves; pass Chunks(source, y=...).")
    given_weights(family, *(kind == X.weighting or None for kind in KINDS))
    return X


def check_family(family: Any) -> None:
    """Raise unless `family` is an instance of a likelihood, not its class or its name."""
    known = hasattr(family, "evaluate") or hasattr(family, "model")
    if isinstance(family, type) or not known:
        shown = f"{family.__name__}()" if isinstance(family, type) else "Binomial()"
        raise DataError(f"family must be an instance such as {shown}, got {family!r:.60}.")


def gather(
    family: Family,
    X: Any,
    y: Any,
    *,
    intercept: bool = True,
    weights: Any = None,
    sampling_weights: Any = None,
    analytic_weights: Any = None,
    offset: Any = None,
    groups: Any = None,
) -> Regression:
    """Check everything that was passed in, and return the regression that it makes."""
    if y is None:
        raise DataError(f"y is missing; {type(family).__name__} needs a response for each row.")
    weighted = {
        "weights": weights,
        "sampling_weights": sampling_weights,
        "analytic_weights": analytic_weights,
    }
    data.check_same_index(X=X, y=y, **weighted, offset=offset, groups=groups)
    if X is None and not np.shape(y):
        raise DataError(f"y must hold a response for each row, got {y!r:.60}.")
    columns = read_design(X, rows=len(y) if X is None else None, intercept=intercept)
    if intercept and "intercept" in columns.names:
        raise DataError(
            "X has a column named 'intercept' and an intercept is added; pass intercept=False or "
            "rename the column."
        )
    if not intercept and not columns.names:
        raise DataError("X has no columns and intercept=False, so there is nothing to estimate.")
    for kind in ("sampling", "analytic"):  # which of them were given was checked before
        if weighted[KINDS[kind]] is not None:
            weights = read_weights(weighted[KINDS[kind]], rows=columns.rows, kind=kind)
    response = family.encode(y, weights, columns.rows, intercept=intercept)
    predictors = family.predictors(response)
    placement = place(columns, intercept=intercept, predictors=predictors, active=response.active())
    added = family.encode_offset(offset, response)
    level: Any = 0.0
    if added is not None and intercept:
        level = added.mean(axis=0)
        added = added - level
    codes = None
    if groups is not None:
        codes = read_labels(groups, what="groups").codes
        data.check_rows("groups", len(codes), columns.rows)
    return penalised(Regression(family, Rows(columns, response, placement, added, level, codes)))
