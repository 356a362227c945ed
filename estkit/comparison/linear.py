"""Ridge regression: every penalty from one decomposition, leave-one-out in closed form."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.comparison.candidates import Data, read_data
from estkit.comparison.curves import Curve, fold_errors, one_score, pooled, scored
from estkit.comparison.folds import Folds, make_folds
from estkit.comparison.knn import numbers_of
from estkit.comparison.scores import Floats, Score, named_scores
from estkit.errors import DataError, RankError


def ridge_curve(
    X: Any,
    y: Any,
    *,
    alphas: Any,
    cv: Any = None,
    scoring: Any = None,
    groups: Any = None,
    rng: Any = None,
) -> Curve:
    """Return the score of ridge regression for every penalty, from one decomposition per fold.

    The model is that of scikit-learn's ``Ridge``: ‖y - b₀ - Xb‖² + alpha ‖b‖², the intercept free
    and the columns as they are.

    Parameters
    ----------
    X : array or data frame of shape (n, p)
        Columns of numbers; p may be greater than n.
    y : array of shape (n,)
        Numbers.
    alphas : iterable of float
        The penalties, above 0.
    cv : optional
        The folds, as in `compare`; ``"loo"`` leaves every row out once, in closed form, and scores
        all predictions together.
    scoring : str or Score, optional
        By default RMSE.
    groups : array of shape (n,), optional
        Rows of one group are never split between training and testing.
    rng : int, SeedSequence, Generator or None
        The seed of the folds.

    Returns
    -------
    Curve
        With the trace of the hat matrix, intercept included, as effective degrees of freedom.

    Raises
    ------
    DataError
        If a penalty is not above 0, or X is not of numbers.

    Notes
    -----
    The products of a fold are those of all rows less those of its test rows. The left-out residual
    is e / (1 - h) (Allen 1974), for p ≥ n the ratio (G y) / diag G with G the inverse of the
    penalised matrix of products of rows, where 1 - h would cancel.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> ek.ridge_curve(X, y, alphas=np.logspace(-3, 1, 50), cv="loo")
    Curve(rmse over alpha of 0.001 to 10; leave-one-out, best 54.77 at alpha = 0.004498)
    """
    data = numbers_of(read_data(X, y, "regression"))
    penalties = np.unique(np.asarray(list(np.atleast_1d(alphas)), float))
    if penalties.size == 0 or not (np.isfinite(penalties).all() and penalties[0] > 0):
        raise DataError(f"alphas must be numbers above 0, got {alphas!r:.60}.")
    score = one_score(scoring, named_scores(scoring, "regression"))
    with parallel.serial_algebra():
        if isinstance(cv, str) and cv == "loo" and groups is None:
            return _left_out(data, penalties, score)
        folds = make_folds(cv, data.X, data.y, groups=groups, rng=rng)
        return _by_folds(data, penalties, score, folds)


def _left_out(data: Data, alphas: Floats, score: Score) -> Curve:
    far, residual = data.X - data.X.mean(axis=0), data.y - data.y.mean()
    rows, columns = far.shape
    if columns < rows:
        U, singular, _ = np.linalg.svd(far, full_matrices=False)
        kept = singular[:, None] ** 2
        kept = kept / (kept + alphas)
        left = residual[:, None] - U @ (kept * (U.T @ residual)[:, None])
        left /= (1 - 1 / rows) - (U * U) @ kept
        degrees = kept.sum(axis=0) + 1
    else:
        left, degrees = _dual_residuals(far, residual, alphas)
    values, errors = pooled(score, data.y, data.y[:, None] - left, ())
    return Curve("alpha", alphas, score, values[None, :], errors, degrees, "leave-one-out")


def _dual_residuals(far: Floats, residual: Floats, alphas: Floats) -> tuple[Floats, Floats]:
    """Return left-out residuals and degrees of freedom from the products of rows."""
    sizes, U = np.linalg.eigh(far @ far.T)
    sizes = np.clip(sizes, 0.0, None)
    shrunk = alphas / (sizes[:, None] + alphas)
    constant = int(np.argmax(np.abs(U.sum(axis=0))))  # the direction the intercept takes
    shrunk[constant] = 0.0
    left = (U @ (shrunk * (U.T @ residual)[:, None])) / ((U * U) @ shrunk)
    return left, len(far) - shrunk.sum(axis=0)


def _by_folds(data: Data, alphas: Floats, score: Score, folds: Folds) -> Curve:
    far, outcome = data.X - data.X.mean(axis=0), data.y - data.y.mean()
    predict = _primal(far, outcome) if far.shape[1] < far.shape[0] else _dual(far, outcome)
    values, degrees = np.empty((len(folds), len(alphas))), np.zeros(len(alphas))
    for fold, (train, test) in enumerate(zip(folds.train, folds.test, strict=True)):
        told = predict(train, test, alphas)
        values[fold] = scored(score, data.y[test], told.values + data.y.mean(), ())
        degrees += told.degrees / len(folds)
    return Curve("alpha", alphas, score, values, fold_errors(values, folds), degrees, folds.scheme)


class _Told(NamedTuple):
    values: Floats
    degrees: Floats


def _primal(far: Floats, outcome: Floats) -> Any:
    """Return predictions from the products of columns, those of other rows taken away."""
    products, moments = far.T @ far, far.T @ outcome

    def predict(train: NDArray[Any], test: NDArray[Any], alphas: Floats) -> _Told:
        rest = np.ones(len(far), bool)
        rest[train] = False
        out, count = far[rest], len(train)
        middle, level = far[train].mean(axis=0), outcome[train].mean()
        if len(out) < count:
            own = products - out.T @ out - count * np.outer(middle, middle)
            moment = moments - out.T @ outcome[rest] - count * level * middle
        else:  # less to add up than to take away
            own = far[train].T @ far[train] - count * np.outer(middle, middle)
            moment = far[train].T @ outcome[train] - count * level * middle
        sizes, V = np.linalg.eigh(own)
        sizes = np.clip(sizes, 0.0, None)[:, None]
        slopes = V @ ((V.T @ moment)[:, None] / (sizes + alphas))
        return _Told(
            (far[test] - middle) @ slopes + level, (sizes / (sizes + alphas)).sum(axis=0) + 1
        )

    return predict


def _dual(far: Floats, outcome: Floats) -> Any:
    """Return predictions from the products of rows, for more columns than rows."""
    products = far @ far.T

    def predict(train: NDArray[Any], test: NDArray[Any], alphas: Floats) -> _Told:
        own, across = products[np.ix_(train, train)], products[np.ix_(test, train)]
        middle, level = own.mean(axis=0), outcome[train].mean()
        across = across - middle - across.mean(axis=1)[:, None] + middle.mean()
        own = own - middle - middle[:, None] + middle.mean()
        sizes, U = np.linalg.eigh(own)
        sizes = np.clip(sizes, 0.0, None)[:, None]
        slopes = U @ ((U.T @ (outcome[train] - level))[:, None] / (sizes + alphas))
        return _Told(across @ slopes + level, (sizes / (sizes + alphas)).sum(axis=0) + 1)

    return predict


def leverages(X: Any, *, intercept: bool = True) -> Floats:
    """Return how much each row pulls its own fitted value in a linear regression: diag H.

    Parameters
    ----------
    X : array or data frame of shape (n, p)
        Columns of numbers.
    intercept : bool
        Whether the regression has an intercept.

    Returns
    -------
    array of shape (n,)
        Between 0 and 1; their sum is the number of coefficients.

    Raises
    ------
    RankError
        If the columns depend on each other linearly, or there are more of them than rows.

    Examples
    --------
    >>> import estkit as ek
    >>> ek.leverages([[0.0], [1.0], [2.0], [9.0]]).round(3)
    array([0.43, 0.33, 0.27, 0.97])
    """
    from estkit.data import read_columns

    values = np.asarray(read_columns(X).values, float)
    design = np.column_stack([np.ones(len(values)), values]) if intercept else values
    size = np.abs(design).max(axis=0)
    Q, R = np.linalg.qr(design / np.where(size > 0, size, 1.0))
    least = np.abs(np.diag(R)).min() if design.shape[1] <= len(design) else 0.0
    if least < 1e-12 * len(design):
        raise RankError(
            f"{design.shape[1]} columns (intercept included) of {len(design)} rows are not "
            f"independent, so leverages are those of fewer columns; drop the superfluous ones."
        )
    return np.asarray((Q * Q).sum(axis=1), float)
