"""Ridge regression: every penalty from one decomposition, leave-one-out in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.comparison.candidates import Data, read_data
from estkit.comparison.curves import Curve, fold_errors, one_score, pooled_residuals, scored
from estkit.comparison.folds import Folds, make_folds
from estkit.comparison.knn import numbers_of
from estkit.comparison.scores import Floats, Score, named_scores
from estkit.errors import DataError, RankError

_BLOCK = 1 << 15  # numbers at a time: some such arrays are in the cache together
_MOST_LOST = 1e-11  # relative, of the least squared singular value with the least penalty
_MUCH = 1e-3  # of a column's sum of squares: what must be left for differences to be exact enough


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
    data = numbers_of(read_data(X, y, "regression", groups=groups))
    given = np.atleast_1d(np.array(alphas if np.ndim(alphas) else [alphas]))
    penalties = np.unique(given.astype(float) if given.dtype.kind in "fiu" else [])
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
    parts = _of_columns if far.shape[1] < far.shape[0] else _of_rows
    left, degrees = parts(far, residual, alphas)
    values, errors = pooled_residuals(score, data.y, left)
    return Curve("alpha", alphas, score, values[None, :], errors, degrees, "leave-one-out")


class _Left:
    """Residuals of rows left out, for every penalty: a ratio of products, some rows at a time.

    `turned` is what a row is in the coordinates of the decomposition; its products with `above` are
    the numerators, those of its squares with `below` the denominators.
    """

    def __init__(self, turned: Floats, above: Floats, below: Floats) -> None:
        self.turned, self.above, self.below = turned, above, below

    def __iter__(self) -> Iterator[Floats]:
        size = max(1, _BLOCK // self.above.shape[1])
        for start in range(0, len(self.turned), size):
            turned = self.turned[start : start + size]
            left = turned @ self.above
            left /= (turned * turned) @ self.below
            yield left


def _of_columns(far: Floats, residual: Floats, alphas: Floats) -> tuple[_Left, Floats]:
    """Return e / (1 - h) and degrees of freedom, for more rows than columns."""
    rows, columns = far.shape
    sizes, V = np.linalg.eigh(far.T @ far)
    if _blurred(sizes, alphas):
        U, singular, _ = np.linalg.svd(far, full_matrices=False)
        sizes = singular**2
        weights = sizes[:, None] / (sizes[:, None] + alphas)
    else:
        U, weights = far @ V, 1 / (sizes[:, None] + alphas)
    # Two more columns hold y and 1, so that one product makes y less what is fitted, one 1 - h.
    turned = np.empty((rows, columns + 2))
    turned[:, :columns], turned[:, columns], turned[:, columns + 1] = U, residual, 1.0
    above, below = np.zeros((2, columns + 2, len(alphas)))
    above[:columns], above[columns] = -weights * (U.T @ residual)[:, None], 1.0
    below[:columns], below[columns + 1] = -weights, 1 - 1 / rows
    degrees = (sizes[:, None] / (sizes[:, None] + alphas)).sum(axis=0) + 1
    return _Left(turned, above, below), degrees


def _blurred(sizes: Floats, alphas: Floats) -> bool:
    """Tell whether products of columns say too little of the small singular values."""
    lost = np.finfo(float).eps * max(sizes[-1], 0.0)
    return bool(lost > _MOST_LOST * (max(sizes[0], 0.0) + alphas[0]))


def _of_rows(far: Floats, residual: Floats, alphas: Floats) -> tuple[_Left, Floats]:
    """Return (G y) / diag G and degrees of freedom, for at least as many columns as rows."""
    sizes, U = np.linalg.eigh(far @ far.T)
    sizes = np.clip(sizes, 0.0, None)
    shrunk = alphas / (sizes[:, None] + alphas)
    constant = int(np.argmax(np.abs(U.sum(axis=0))))  # the direction the intercept takes
    shrunk[constant] = 0.0
    left = _Left(U, shrunk * (U.T @ residual)[:, None], shrunk)
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
    sums, total = far.sum(axis=0), outcome.sum()

    def predict(train: NDArray[Any], test: NDArray[Any], alphas: Floats) -> _Told:
        asked, count = far[test], len(train)
        if len(test) + count == len(far):
            out, gone = asked, outcome[test]
        else:
            rest = np.ones(len(far), bool)
            rest[train] = False
            out, gone = far[rest], outcome[rest]
        middle, level = (sums - out.sum(axis=0)) / count, (total - gone.sum()) / count
        own = products - out.T @ out - count * np.outer(middle, middle)
        sizes, V = np.linalg.eigh(own)
        turned = V.T @ (moments - out.T @ gone - count * level * middle)
        if (np.diag(own) < _MUCH * np.diag(products)).any() or _blurred(sizes, alphas):
            known = far[train]
            middle, level = known.mean(axis=0), outcome[train].mean()
            U, singular, Vt = np.linalg.svd(known - middle, full_matrices=False)
            sizes, V = singular**2, Vt.T
            turned = singular * (U.T @ (outcome[train] - level))
        weights = 1 / (np.clip(sizes, 0.0, None)[:, None] + alphas)
        slopes = V @ (turned[:, None] * weights)
        values = asked @ slopes
        values += level - middle @ slopes
        return _Told(values, (sizes[:, None] * weights).sum(axis=0) + 1)

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
