"""Scores: how good predictions are, each with its direction, its range and its loss row by row.

To add one: a function and its line in `SCORES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError

Floats = NDArray[np.float64]


class Predicted(NamedTuple):
    """Predictions of some rows beside what is true of them.

    Parameters
    ----------
    truth : array of shape (m,)
        Numbers, or codes into `classes`.
    prediction : array of shape (m,)
        Likewise.
    probability : array of shape (m, k), or None
        Of every class; None where a model gives none.
    classes : tuple
        The labels; empty for numbers.
    """

    truth: NDArray[Any]
    prediction: NDArray[Any]
    probability: Floats | None
    classes: tuple[Any, ...]


@dataclass(frozen=True)
class Score:
    """What a score is.

    Parameters
    ----------
    name : str
        Its name in tables.
    function : callable
        From `Predicted` to a number.
    greater_is_better : bool
        Its direction.
    task : {"classification", "regression"}
        What it is about.
    needs_probability : bool
        Whether it is computed from probabilities.
    loss : callable, optional
        From `Predicted` to a loss of every row, less is better, whose average is the score, or 1
        less the score where greater is better; what pooled tests use.
    range : tuple of float
        Its least and its greatest value.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> far = ek.Score(
    ...     "largest miss",
    ...     lambda p: float(np.abs(p.truth - p.prediction).max()),
    ...     greater_is_better=False,
    ...     task="regression",
    ... )
    >>> X, y = np.arange(20.0)[:, None], np.arange(20.0) % 5
    >>> ek.compare("linear", X, y, cv=4, scoring=far, rng=1).scores()["value"].max().round(2)
    np.float64(2.78)
    """

    name: str
    function: Callable[[Predicted], float]
    greater_is_better: bool
    task: str
    needs_probability: bool = False
    loss: Callable[[Predicted], Floats] | None = None
    range: tuple[float, float] = (-np.inf, np.inf)


def value_of(score: Score, given: Predicted, where: str = "") -> float:
    """Return a score of predictions, or raise and say which score failed, and on what.

    Raises
    ------
    DataError
        If its function raises, or returns anything but a number.
    """
    found = _told(score.function, f"the score {score.name!r}", given, where)
    if np.ndim(found) or np.asarray(found).dtype.kind not in "fiub":
        raise DataError(
            f"the score {score.name!r} must return a number; it returned "
            f"{type(found).__name__}: {found!r:.60}{where}."
        )
    return float(found)


def losses_of(score: Score, given: Predicted, where: str = "") -> Floats:
    """Return the loss of every row by a score that has one, or raise as `value_of` does."""
    assert score.loss is not None
    losses: Floats = np.asarray(_told(score.loss, f"the loss of {score.name!r}", given, where))
    if losses.shape != given.prediction.shape or losses.dtype.kind not in "fiub":
        raise DataError(
            f"the loss of {score.name!r} must return a number for each row; it returned "
            f"shape {losses.shape} for {given.prediction.shape}{where}."
        )
    return losses


def _told(function: Callable[[Predicted], Any], what: str, given: Predicted, where: str) -> Any:
    try:
        return function(given)
    except Exception as error:
        raise DataError(f"{what} raised {type(error).__name__}{where}: {error}") from error


def misses(p: Predicted) -> Floats:
    """Return 1 for every row whose class was missed, 0 for the others."""
    return np.asarray(p.truth != p.prediction, float)


def squares(p: Predicted) -> Floats:
    """Return the squared error of every row."""
    return np.asarray((p.truth - p.prediction) ** 2, float)


def distances(p: Predicted) -> Floats:
    """Return the absolute error of every row."""
    return np.asarray(np.abs(p.truth - p.prediction), float)


def surprises(p: Predicted) -> Floats:
    """Return -log of the probability that was given to the true class of every row.

    Infinite where that was 0: a model that calls impossible what happens is infinitely surprised.
    """
    assert p.probability is not None
    with np.errstate(divide="ignore"):
        given: Floats = p.probability[np.arange(len(p.truth)), p.truth.astype(int)]
        return np.asarray(-np.log(given), float)


def brier_losses(p: Predicted) -> Floats:
    """Return the squared distance of the probabilities from the outcome; halved for two classes."""
    assert p.probability is not None
    outcome = np.eye(len(p.classes))[p.truth.astype(int)]
    squared = ((p.probability - outcome) ** 2).sum(axis=1)
    return np.asarray(squared / 2 if len(p.classes) == 2 else squared, float)


def accuracy(p: Predicted) -> float:
    """Return the share of classes that were hit."""
    return float(1 - misses(p).mean())


def balanced_accuracy(p: Predicted) -> float:
    """Return the average over the true classes of the share that was hit."""
    hit = 1 - misses(p)
    return float(np.mean([hit[p.truth == code].mean() for code in np.unique(p.truth)]))


def log_loss(p: Predicted) -> float:
    """Return the average surprise; see `surprises`."""
    return float(surprises(p).mean())


def brier(p: Predicted) -> float:
    """Return the Brier score; see `brier_losses`."""
    return float(brier_losses(p).mean())


def roc_auc(p: Predicted) -> float:
    """Return the area under the ROC curve, ties halved; one class against the rest for several.

    Missing when the rows hold a single class.
    """
    from scipy.stats import rankdata

    assert p.probability is not None
    areas = []
    codes = [1] if len(p.classes) == 2 else range(len(p.classes))
    for code in codes:
        own = p.truth == code
        if not 0 < own.sum() < len(own):
            return float("nan")
        ranks = rankdata(p.probability[:, code])
        inside = own.sum()
        below = ranks[own].sum() - inside * (inside + 1) / 2
        areas.append(below / (inside * (len(own) - inside)))
    return float(np.mean(areas))


def f1(p: Predicted) -> float:
    """Return the F1 score, averaged over the classes; 0 for a class never hit."""
    found = []
    for code in range(len(p.classes)):
        hit = np.sum((p.truth == code) & (p.prediction == code))
        total = np.sum(p.truth == code) + np.sum(p.prediction == code)
        found += [2 * hit / total] if total else []
    return float(np.mean(found))


def mse(p: Predicted) -> float:
    """Return the mean squared error."""
    return float(squares(p).mean())


def rmse(p: Predicted) -> float:
    """Return the root mean squared error."""
    return float(np.sqrt(squares(p).mean()))


def mae(p: Predicted) -> float:
    """Return the mean absolute error."""
    return float(distances(p).mean())


def r2(p: Predicted) -> float:
    """Return 1 less the squared errors over those of the mean; missing where truth is constant."""
    total = float(((p.truth - p.truth.mean()) ** 2).sum())
    return float(1 - squares(p).sum() / total) if total > 0 else float("nan")


_CLASSES, _NUMBERS = "classification", "regression"
_ALL = [
    Score("accuracy", accuracy, True, _CLASSES, loss=misses, range=(0, 1)),
    Score("balanced_accuracy", balanced_accuracy, True, _CLASSES, range=(0, 1)),
    Score("log_loss", log_loss, False, _CLASSES, True, surprises, (0, np.inf)),
    Score("brier", brier, False, _CLASSES, True, brier_losses, (0, 2)),
    Score("roc_auc", roc_auc, True, _CLASSES, True, range=(0, 1)),
    Score("f1", f1, True, _CLASSES, range=(0, 1)),
    Score("rmse", rmse, False, _NUMBERS, loss=squares, range=(0, np.inf)),
    Score("mse", mse, False, _NUMBERS, loss=squares, range=(0, np.inf)),
    Score("mae", mae, False, _NUMBERS, loss=distances, range=(0, np.inf)),
    Score("r2", r2, True, _NUMBERS, loss=squares, range=(-np.inf, 1)),
]
SCORES: dict[str, Score] = {score.name: score for score in _ALL}
_DEFAULT = {_CLASSES: ("accuracy", "log_loss", "brier"), _NUMBERS: ("rmse", "mae", "r2")}


def named_scores(scoring: Any, task: str) -> tuple[Score, ...]:
    """Return the scores that were asked for, or those for the task, the first one leading.

    Raises
    ------
    DataError
        If one does not exist, or is about another task.
    """
    given: Any = _DEFAULT[task] if scoring is None else scoring
    several = isinstance(given, Sequence | Mapping) and not isinstance(given, str)
    wanted = [_score(each) for each in (given if several else [given])]
    if not wanted:
        raise DataError("scoring is empty; leave it out, or name a score.")
    for score in wanted:
        if score.task != task:
            fitting = ", ".join(name for name, s in SCORES.items() if s.task == task)
            raise DataError(f"{score.name!r} is no score for {task}; they are {fitting}.")
    if len({score.name for score in wanted}) != len(wanted):
        raise DataError("scoring names a score twice.")
    return tuple(wanted)


def _score(given: Any) -> Score:
    if isinstance(given, Score):
        return given
    if not isinstance(given, str) or given not in SCORES:
        raise DataError(
            f"{given!r} is not a score; they are {', '.join(SCORES)}, or an ek.Score of your own."
        )
    return SCORES[given]
