"""Nearest neighbours: every k from one list of neighbours, leave-one-out without refitting.

Neighbours are in the order of (distance, row number). `similarity` finds them: their distances are
sums of squared differences, so that they depend on the two rows alone, not on threads or on where
in the matrix the rows stand, and are exact for whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.candidates import Data, read_data
from estkit.comparison.curves import Curve, fold_errors, one_score, pooled, pooled_errors, scored
from estkit.comparison.folds import make_folds
from estkit.comparison.scores import Floats, Predicted, Score, losses_of, named_scores, value_of
from estkit.errors import DataError
from estkit.similarity.nearest import top_k
from estkit.similarity.search import euclidean_search

_MOST = 400  # the exponent of numbers whose squares are what floats hold
_WEIGHTS = ("uniform", "distance")


class Neighbours(NamedTuple):
    """The nearest rows of every query, the nearest first.

    Parameters
    ----------
    rows : array of int of shape (m, k)
        Numbers of training rows.
    squared : array of shape (m, k)
        Their squared distances.
    """

    rows: NDArray[np.intp]
    squared: Floats


def nearest(
    train: Floats, queries: Floats, k: int, *, scales: Floats | None = None, own: bool = False
) -> Neighbours:
    """Return the k nearest training rows of every query, by (distance, row number).

    Parameters
    ----------
    train : array of shape (n, p)
        The training rows.
    queries : array of shape (m, p)
        What to find neighbours of.
    k : int
        How many.
    scales : array of shape (m, p), optional
        What every query divides the columns by.
    own : bool
        Whether query i is training row i, which then is not its own neighbour.
    """
    found = top_k(euclidean_search(train, None if own else queries, scales=scales), k)
    return Neighbours(found.rows, -found.scores)


def knn_curve(
    X: Any,
    y: Any,
    *,
    k: Any = range(1, 51),
    cv: Any = None,
    scoring: Any = None,
    scale: bool = True,
    weights: str = "uniform",
    groups: Any = None,
    task: str | None = None,
    rng: Any = None,
) -> Curve:
    """Return the score of k nearest neighbours for every k, from one list of neighbours per fold.

    Equal distances go by row number and equal votes to the smallest label, so that the numbers
    depend on the data alone.

    Parameters
    ----------
    X : array or data frame of shape (n, p)
        Columns of numbers.
    y : array of shape (n,)
        Labels or numbers.
    k : iterable of int
        The numbers of neighbours.
    cv : optional
        The folds, as in `compare`; ``"loo"`` leaves every row out once and scores all predictions
        together.
    scoring : str or Score, optional
        By default accuracy or RMSE.
    scale : bool
        Whether every column is divided by its standard deviation among the training rows of each
        fold, without the row that is left out.
    weights : {"uniform", "distance"}
        Whether neighbours count equally or by 1 / distance; rows at distance 0 then count alone.
    groups : array of shape (n,), optional
        Rows of one group are never split between training and testing.
    task : {"classification", "regression"}, optional
        By default what y looks like.
    rng : int, SeedSequence, Generator or None
        The seed of the folds.

    Returns
    -------
    Curve
        `to_frame`, `best`, `one_standard_error`.

    Raises
    ------
    DataError
        If a k is greater than the number of training rows of a fold, or X is not of numbers.

    Notes
    -----
    The effective degrees of freedom are n_train / k (Hastie, Tibshirani and Friedman 2009, section
    7.6), n_train averaged over the folds.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> curve = ek.knn_curve(*load_diabetes(return_X_y=True), k=[1, 5, 15, 45], cv="loo")
    >>> print(curve)
    rmse over k, leave-one-out
    <BLANKLINE>
     k  rmse  error    df
     1  77.3    3.0   441
     5  60.6    2.1  88.2
    15  57.4    1.8  29.4  best
    45  57.6    1.7  9.80  simplest within one error
    """
    data = numbers_of(read_data(X, y, task, groups=groups))
    if scale:
        data = data._replace(X=_squarable(data.X))
    ks = _checked_ks(k)
    if weights not in _WEIGHTS:
        raise DataError(f"weights must be 'uniform' or 'distance', got {weights!r}.")
    score = one_score(scoring, named_scores(scoring, data.task))
    if isinstance(cv, str) and cv == "loo" and groups is None:
        return _left_out(data, ks, score, scale=scale, weights=weights)
    folds = make_folds(cv, data.X, data.y, groups=groups, rng=rng, classes=bool(data.classes))
    for number, rows in enumerate(folds.train):
        _check_enough(ks, len(rows), f"fold {number}")
    values = np.empty((len(folds), len(ks)))
    for fold, (train, test) in enumerate(zip(folds.train, folds.test, strict=True)):
        known, asked = _scaled(data.X[train], data.X[test]) if scale else (
            data.X[train], data.X[test])  # fmt: skip
        found = nearest(known, asked, int(ks[-1]))
        told = _Told(data, data.codes[train], found, ks, weights)
        values[fold] = told.scored(score, data.codes[test])
    degrees = np.mean([len(rows) for rows in folds.train]) / ks
    return Curve("k", ks, score, values, fold_errors(values, folds), degrees, folds.scheme)


def _left_out(data: Data, ks: NDArray[Any], score: Score, *, scale: bool, weights: str) -> Curve:
    rows = len(data.codes)
    _check_enough(ks, rows - 1, "leaving one row out")
    scales = _scales_without(data.X) if scale else None
    found = nearest(data.X, data.X, int(ks[-1]), scales=scales, own=True)
    told = _Told(data, data.codes, found, ks, weights)
    values, errors = told.pooled(score, data.codes)
    return Curve("k", ks, score, values[None, :], errors, (rows - 1) / ks, "leave-one-out")


class _Told:
    """What the neighbours of some rows say for every k."""

    def __init__(
        self, data: Data, known: NDArray[Any], found: Neighbours, ks: NDArray[Any], weights: str
    ) -> None:
        self.classes, self.ks = data.classes, ks
        said = known[found.rows]
        counting = None if weights == "uniform" else _by_distance(found.squared)
        if self.classes:
            kind = np.int32 if counting is None else float
            self.votes = np.stack([
                np.cumsum((said == code) if counting is None else (said == code) * counting,
                          axis=1, dtype=kind)[:, ks - 1]
                for code in range(len(self.classes))
            ])  # fmt: skip
            self.predictions = self.votes.argmax(axis=0)  # the first of equals
        elif counting is None:
            self.predictions = np.cumsum(said, axis=1)[:, ks - 1] / ks
        else:
            above, below = np.cumsum(said * counting, axis=1), np.cumsum(counting, axis=1)
            self.predictions = (above / below)[:, ks - 1]

    def _each(self, truth: NDArray[Any]) -> Iterator[Predicted]:
        """Yield predictions with probabilities for every k."""
        for number in range(len(self.ks)):
            votes = self.votes[:, :, number].T
            shares = votes / votes.sum(axis=1, keepdims=True)
            yield Predicted(truth, self.predictions[:, number], shares, self.classes)

    def scored(self, score: Score, truth: NDArray[Any]) -> Floats:
        """Return the score for every k."""
        if not score.needs_probability:
            return scored(score, truth, self.predictions, self.classes)
        return np.array([value_of(score, given) for given in self._each(truth)], float)

    def pooled(self, score: Score, truth: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return the score for every k and its standard error, over all rows together."""
        if not score.needs_probability:
            return pooled(score, truth, self.predictions, self.classes)
        values = self.scored(score, truth)
        if score.loss is None:
            return values, np.full(len(values), np.nan)
        losses = np.column_stack([losses_of(score, given) for given in self._each(truth)])
        return values, pooled_errors(score, values, losses, truth)


def _by_distance(squared: Floats) -> Floats:
    """Return 1 / distance; where the nearest is at distance 0, those at 0 count alone."""
    at_point = squared[:, :1] == 0
    with np.errstate(divide="ignore"):
        return np.where(at_point, squared == 0, 1 / np.sqrt(squared))


def _scaled(train: Floats, test: Floats) -> tuple[Floats, Floats]:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def _squarable(X: Floats) -> Floats:
    """Return columns whose squares floats hold: some multiplied by a power of two, if need be."""
    exponents = np.frexp(np.abs(X).max(axis=0, initial=0.0))[1]
    far = np.abs(exponents) > _MOST
    return np.ldexp(X, np.where(far, -exponents, 0)) if far.any() else X


def _scales_without(X: Floats) -> Floats:
    """Return the standard deviation of every column without row i; 1 for a constant column."""
    rows = len(X)
    far = X - X.mean(axis=0)
    total = (far * far).sum(axis=0)
    left = total - far * far * (rows / (rows - 1))
    for row, column in np.argwhere(left < 1e-6 * total):  # cancelled: afresh
        others = np.delete(X[:, column], row)
        left[row, column] = ((others - others.mean()) ** 2).sum()
    size = np.abs(X).max(axis=0) * np.finfo(float).eps
    constant = left <= rows * (rows * size) ** 2
    return np.sqrt(np.where(constant, 1.0, left / (rows - 1)))


def numbers_of(data: Data) -> Data:
    """Return the data with an array of numbers as X."""
    if data.text or data.gaps or data.times:
        other = [f"the column {name!r} of categories" for name in data.text]
        other += [f"the column {name!r} of times" for name in data.times]
        what = other[0] if other else "missing values"
        raise DataError(
            f"X has {what}; a curve is of columns of numbers. Encode or fill them before, or use "
            f"ek.compare, which does so inside the folds."
        )
    X = data.X.toarray() if hasattr(data.X, "toarray") else data.X
    return data._replace(X=np.ascontiguousarray(X, float))


def _checked_ks(k: Any) -> NDArray[np.int64]:
    several = isinstance(k, Iterator | range) or np.ndim(k) > 0
    given = np.atleast_1d(np.array(list(k) if several else [k]))
    if given.size == 0 or given.dtype.kind not in "iu" or given.min() < 1:
        raise DataError(f"k must be whole numbers of at least 1, got {k!r:.60}.")
    return np.unique(given).astype(np.int64)


def _check_enough(ks: NDArray[np.int64], rows: int, where: str) -> None:
    if ks[-1] > rows:
        raise DataError(
            f"k = {ks[-1]} is more than the {rows} training rows of {where}; take k up to {rows} "
            f"or fewer folds."
        )
