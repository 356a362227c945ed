"""What a model predicts for the test rows of a fold, and nothing else that a comparison keeps.

For simulations, which fit thousands of times. Nearest neighbours and least squares on columns of
numbers are computed directly; others are refitted without taking their time and size.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.candidates import Candidate, Data
from estkit.comparison.clones import seeded
from estkit.comparison.evaluation import codes_of, probability_of, rows_of
from estkit.comparison.folds import Folds
from estkit.comparison.knn import nearest
from estkit.comparison.rounds import plain_neighbours
from estkit.comparison.scores import Floats
from estkit.comparison.trial import Trial


def predicted(
    candidate: Candidate,
    data: Data,
    folds: Folds,
    fold: int,
    seed: np.random.SeedSequence,
    *,
    shares: bool,
) -> Trial:
    """Return what `compare` would predict, with probabilities if `shares`; an error is raised.

    Neighbours at equal distances go by row number, where scikit-learn takes any of them.
    """
    train, test = folds.train[fold], folds.test[fold]
    return _direct(candidate.estimator, data, train, test) or _refitted(
        candidate, data, train, test, fold, seed, shares=shares
    )


def _direct(model: Any, data: Data, train: NDArray[Any], test: NDArray[Any]) -> Trial | None:
    """Return the predictions of a model that needs no fitting; None for any other."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    last, scale = model, False
    if type(model) is Pipeline and len(model) == 2 and type(model[0]) is StandardScaler:
        last, scale = model[1], bool(model[0].with_mean and model[0].with_std)
        if not scale:
            return None
    kind = type(last).__name__
    if data.text or data.times or data.gaps or hasattr(data.X, "tocsr"):
        return None
    known, asked = (np.asarray(rows_of(data.X, rows), float) for rows in (train, test))
    if scale:
        known, asked = _scaled(known, asked)
    if kind.startswith("KNeighbors") and plain_neighbours(last) and last.n_neighbors <= len(train):
        said = data.codes[train][nearest(known, asked, int(last.n_neighbors)).rows]
        return _voted(said, len(data.classes))
    if kind == "LinearRegression" and not last.positive:
        return Trial(_by_least_squares(known, data.codes[train], asked, last.fit_intercept))
    return None


def _scaled(known: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """Return columns in standard deviations of the training rows; constant ones as they are."""
    middle, spread = known.mean(axis=0), known.std(axis=0)
    rounding = 10 * np.finfo(float).eps * np.abs(known).max(axis=0)
    spread[spread <= rounding] = 1.0
    return (known - middle) / spread, (asked - middle) / spread


def _voted(said: NDArray[Any], classes: int) -> Trial:
    """Return the average of the neighbours, or the class of most, the first of equals."""
    if not classes:
        return Trial(said.mean(axis=1))
    shares = np.stack([(said == code).mean(axis=1) for code in range(classes)], axis=1)
    return Trial(shares.argmax(axis=1), shares)


def _by_least_squares(known: Floats, y: Floats, asked: Floats, intercept: bool) -> Floats:
    middle, level = (known.mean(axis=0), y.mean()) if intercept else (0.0, 0.0)
    slopes = np.linalg.lstsq(known - middle, y - level, rcond=None)[0]
    return np.asarray((asked - middle) @ slopes + level)


def _refitted(
    candidate: Candidate,
    data: Data,
    train: NDArray[Any],
    test: NDArray[Any],
    fold: int,
    seed: np.random.SeedSequence,
    *,
    shares: bool,
) -> Trial:
    from sklearn.base import clone

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the user's own data are told by `compare`
        model = seeded(clone(candidate.estimator), candidate.name, fold, seed)
        model.fit(rows_of(data.X, train), data.y[train])
        asked = rows_of(data.X, test)
        told = codes_of(model.predict(asked), data.classes)
        return Trial(told, probability_of(model, asked, data.classes) if shares else None)
