"""``fit``: data in, existence, Newton's method, a certified result out."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from estkit import data, parallel
from estkit.errors import ConvergenceError, DataError, FitError, SeparationError
from estkit.labels import read_labels
from estkit.likelihood import existence, newton, rank
from estkit.likelihood.family import Family, Floats
from estkit.likelihood.result import LikelihoodFit
from estkit.likelihood.rows import Rows, place

_EASY_STEPS = 12  # a fit that needs more is asked whether it has a maximum at all
_ALL_STEPS = 200
_LARGE = 20_000
_SERIAL_ANYWAY = 4_000  # numbers that no linear-algebra library spreads over threads
_NEAR = 1e-2  # standard errors: how closely a fit to some of the rows is worth solving


def fit(
    family: Family,
    X: Any,
    y: Any = None,
    *,
    intercept: bool = True,
    weights: Any = None,
    offset: Any = None,
    groups: Any = None,
    start: Any = None,
    errors: str = "raise",
) -> LikelihoodFit:
    """Fit a likelihood to data by maximum likelihood, and say how sure the answer is.

    Parameters
    ----------
    family : Family
        What is maximised, for example ``Binomial()``, ``Softmax()`` or ``Gaussian()``.
    X : array-like of shape (n, p) or (n,), data frame, or None
        The covariates, one row for each observation; numbers only. The columns of a frame give the
        names, those of an array are called ``x0``, ``x1``, ... None fits the intercept alone.
    y : array-like
        The response, in the form that the family asks for.
    intercept : bool
        Whether to add a column of ones.
    weights : array-like of shape (n,), optional
        Frequency weights: how many times each row was observed, whole numbers.
    offset : array-like of shape (n,), or (n, K) for softmax, optional
        A known part of the linear predictor, with coefficient 1.
    groups : array-like of shape (n,), optional
        The group to which each row belongs, labels of any kind, for ``covariance("cluster")``; it
        changes nothing else.
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
    """
    if errors not in ("raise", "return"):
        raise DataError(f"errors must be 'raise' or 'return', got {errors!r}.")
    rows = gather(family, X, y, intercept=intercept, weights=weights, offset=offset)
    if groups is not None:
        data.check_same_index(X=X, groups=groups)
        codes = read_labels(groups, what="groups").codes
        data.check_rows("groups", len(codes), rows.columns.rows)
        rows = replace(rows, groups=codes)
    return fit_gathered(family, rows, start=start, errors=errors)


def fit_gathered(
    family: Family, rows: Rows, *, start: Any = None, errors: str = "raise"
) -> LikelihoodFit:
    """Fit rows that were checked before."""
    large = rows.columns.values.size > _SERIAL_ANYWAY
    try:
        with parallel.serial_algebra() if large else nullcontext():
            return _certified(family, rows, start)
    except FitError as error:
        status = "not_converged" if isinstance(error, ConvergenceError) else "failed"
        result = LikelihoodFit.without_answer(family, rows, str(error), status)
        if errors == "return":
            return result
        error.result = result
        raise


def check_family(family: Any) -> None:
    """Raise unless `family` is an instance of a likelihood, not its class or its name."""
    if isinstance(family, type) or not hasattr(family, "evaluate"):
        shown = f"{family.__name__}()" if isinstance(family, type) else "Binomial()"
        raise DataError(f"family must be an instance such as {shown}, got {family!r:.60}.")


def gather(family: Family, X: Any, y: Any, *, intercept: bool, weights: Any, offset: Any) -> Rows:
    """Check everything that was passed in, and return the rows to sum over."""
    check_family(family)
    if y is None:
        raise DataError(f"y is missing; {type(family).__name__} needs a response for each row.")
    data.check_same_index(X=X, y=y, weights=weights, offset=offset)
    if X is None and not np.shape(y):
        raise DataError(f"y must hold a response for each row, got {y!r:.60}.")
    columns = data.read_columns(X, rows=len(y) if X is None else None)
    if intercept and "intercept" in columns.names:
        raise DataError(
            "X has a column named 'intercept' and an intercept is added; pass intercept=False or "
            "rename the column."
        )
    if not intercept and not columns.names:
        raise DataError("X has no columns and intercept=False, so there is nothing to estimate.")
    response = family.encode(y, weights, columns.rows, intercept=intercept)
    predictors = family.predictors(response)
    placement = place(columns, intercept=intercept, predictors=predictors, active=response.active())
    added = family.encode_offset(offset, response)
    level: Any = 0.0
    if added is not None and intercept:
        level = added.mean(axis=0)
        added = added - level
    return Rows(columns, response, placement, added, level)


def _certified(family: Family, rows: Rows, start: Any) -> LikelihoodFit:
    rows, moments = rank.examine(rows)
    objective = _objective(family, rows)

    def settled(step: Floats) -> bool:
        return existence.largest_move(rows, moments, step) < existence.SMALL_MOVE

    def maximise(begin: Floats, steps: int) -> newton.Optimum:
        return newton.maximise(objective, begin, max_iter=steps, settled=settled)

    optimum = maximise(_begin(family, rows, start), _EASY_STEPS)
    if not optimum.converged and start is not None:
        optimum = maximise(np.zeros(rows.size), _EASY_STEPS)
    if not optimum.converged:  # is there a maximum at all?
        separation = existence.find_separation(rows, family)
        if separation is not None:
            raise SeparationError(separation.message)
        optimum = maximise(np.zeros(rows.size), _ALL_STEPS)
    if not optimum.converged:
        measured = optimum.certificate
        raise ConvergenceError(
            f"The fit did not converge: {measured.reason} (relative gradient "
            f"{measured.relative_gradient:.2g}, Newton decrement {measured.newton_decrement:.2g}). "
            f"The outcomes are almost separated or the columns almost dependent; look for columns "
            f"with extreme values, drop or merge them."
        )
    conclusion = family.conclude(optimum.value, rows.response)
    return LikelihoodFit.certified(family, rows, optimum, conclusion)


def _objective(family: Family, rows: Rows) -> newton.Objective:
    def objective(params: Floats) -> tuple[float, Floats, Floats]:
        loglik, gradient, information = rows.total(family, params)
        assert information is not None
        return loglik, gradient, information

    return objective


def _begin(family: Family, rows: Rows, start: Any) -> Floats:
    """Return where to begin: as told, at the answer for some of the rows, or at 0."""
    if start is not None:
        given = data.read_vector(start, what="start").copy()
        if len(given) != rows.size:
            raise DataError(f"start has {len(given)} values, the model has {rows.size} parameters.")
        response = rows.response
        if rows.placement.intercept:
            given[:: len(rows.terms)] += rows.level * response.unit - response.origin
        return rows.placement.inside(given / response.unit)
    few = max(2_000, 20 * rows.size, rows.columns.rows // 50)
    if rows.columns.rows < max(_LARGE, 4 * few):
        return np.zeros(rows.size)
    some = rows.thinned(few)
    near = newton.maximise(
        _objective(family, some), np.zeros(rows.size), precision=_NEAR, max_iter=_EASY_STEPS
    )
    return near.point if near.converged else np.zeros(rows.size)
