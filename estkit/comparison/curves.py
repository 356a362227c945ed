"""``Curve``: how a score depends on how complex a model is, every point on the same folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.folds import Folds
from estkit.comparison.scores import (
    SCORES,
    Floats,
    Predicted,
    Score,
    distances,
    losses_of,
    r2,
    rmse,
    value_of,
)
from estkit.errors import DataError
from estkit.estimate import plain
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SQUARED, _ROOT, _SHARE, _EXPLAINED = "mse", "rmse", "accuracy", "r2"
_AT_ONCE = (_SHARE, _SQUARED, _ROOT, "mae", _EXPLAINED)


@dataclass(frozen=True, eq=False, repr=False)
class Curve(Tabular):
    """A score at every value of a parameter that says how complex a model is.

    Parameters
    ----------
    parameter : str
        Its name, such as ``"k"`` or ``"alpha"``.
    points : array of shape (P,)
        Its values, in ascending order.
    score : Score
        The score, with its direction.
    values : array of shape (J, P)
        The score on every fold; of leave-one-out a single row, over all predictions together.
    errors : array of shape (P,)
        Standard errors of the averages over the folds.
    degrees_of_freedom : array of shape (P,)
        Effective degrees of freedom at every value; nan where they are not known.
    scheme : str
        How the folds were made, in words.
    greater_is_simpler : bool
        Whether a greater value of the parameter is a simpler model.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_iris
    >>> curve = ek.knn_curve(*load_iris(return_X_y=True), k=range(1, 31), cv="loo")
    >>> curve
    Curve(accuracy over k of 1 to 30; leave-one-out, best 0.9667 at k = 18)
    >>> curve.best(), curve.one_standard_error()
    (18, 28)
    """

    parameter: str
    points: NDArray[Any]
    score: Score
    values: Floats
    errors: Floats
    degrees_of_freedom: Floats
    scheme: str
    greater_is_simpler: bool = True

    def __repr__(self) -> str:
        told = "nowhere finite"
        if np.isfinite(self.means).any():
            best = self._best()
            told = f"best {self.means[best]:.4g} at {self.parameter} = {self.points[best]:.4g}"
        return (
            f"Curve({self.score.name} over {self.parameter} of {self.points[0]:.4g} to "
            f"{self.points[-1]:.4g}; {self.scheme}, {told})"
        )

    @property
    def means(self) -> Floats:
        """The average over the folds at every value."""
        average: Floats = self.values.mean(axis=0)
        return average

    def best(self) -> Any:
        """Return the value of the parameter with the best average; of several the simplest."""
        return self.points[self._best()].item()

    def one_standard_error(self) -> Any:
        """Return the simplest value whose average is within one standard error of the best.

        It is the rule of Breiman et al. (1984), section 3.4.3.
        """
        best = self._best()
        means, error = self.means, self.errors[best]
        if not np.isfinite(error):
            raise DataError("there is no standard error of a single fold, so the rule has no width")
        far = means[best] - means if self.score.greater_is_better else means - means[best]
        close = np.flatnonzero(far <= error)
        return self.points[close[-1] if self.greater_is_simpler else close[0]].item()

    def to_frame(self) -> pd.DataFrame:
        """Return a row for every value of the parameter and every fold.

        Returns
        -------
        pandas.DataFrame
            The parameter by its name, fold, value, and the mean and error of all folds.
        """
        import pandas as pd

        folds, points = self.values.shape
        return pd.DataFrame(
            {
                self.parameter: np.repeat(self.points, folds),
                "fold": np.tile(np.arange(folds), points),
                "value": self.values.T.ravel(),
                "mean": np.repeat(self.means, folds),
                "error": np.repeat(self.errors, folds),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, with the version of the format."""
        return {
            "format": "estkit.Curve", "version": 1, "parameter": self.parameter,
            "score": self.score.name, "greater_is_better": self.score.greater_is_better,
            "folds": self.scheme, "points": plain(self.points), "means": plain(self.means),
            "errors": plain(self.errors), "values": plain(self.values),
            "degrees_of_freedom": plain(self.degrees_of_freedom),
        }  # fmt: skip

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the score with a band of one standard error, and which values to take.

        Needs the extra ``plot``. What is on it: `estkit.plot.plot_curve`.
        """
        from estkit.plot import plot_curve

        return plot_curve(self, ax=ax)

    def _best(self) -> int:
        means = self.means if self.score.greater_is_better else -self.means
        if not np.isfinite(means).any():
            raise DataError(
                f"{self.score.name} is infinite or missing at every {self.parameter}, so none is "
                f"best; take another score."
            )
        equal = np.flatnonzero(means == np.nanmax(means))
        return int(equal[-1] if self.greater_is_simpler else equal[0])

    def _table(self) -> Table:
        chosen = np.full(len(self.points), "", object)
        if np.isfinite(self.means).any():
            if np.isfinite(self.errors[self._best()]):
                chosen[self.points == self.one_standard_error()] = "simplest within one error"
            chosen[self._best()] = "best"
        columns = [
            Column(self.parameter, self.points.tolist()),
            Column(self.score.name, self.means, self.errors),
            Column("error", self.errors, style="error"),
            Column("df", self.degrees_of_freedom, 0.05 * self.degrees_of_freedom),
            Column("", chosen.tolist()),
        ]
        return Table(columns, f"{self.score.name} over {self.parameter}, {self.scheme}")


def one_score(scoring: Any, scores: Sequence[Score]) -> Score:
    """Return the leading score, or raise if several were asked for."""
    if scoring is not None and len(scores) > 1:
        raise DataError(
            f"a curve is of one score; got {', '.join(score.name for score in scores)}."
        )
    return scores[0]


def scored(score: Score, truth: NDArray[Any], predictions: NDArray[Any], classes: Any) -> Floats:
    """Return a score of every column of predictions, (m, P) -> (P,); no probabilities."""
    if score.name in _AT_ONCE and score is SCORES[score.name]:
        return _of_losses(score, _losses(score, truth, predictions, classes), truth)
    return np.array(
        [value_of(score, Predicted(truth, each, None, classes)) for each in predictions.T], float
    )


def _losses(score: Score, truth: Any, predictions: Any, classes: Any) -> Floats:
    assert score.loss is not None
    losses: Floats = score.loss(Predicted(truth[:, None], predictions, None, classes))
    return losses


def _of_losses(score: Score, losses: Floats, truth: NDArray[Any]) -> Floats:
    """Return the score that belongs to the losses of all rows."""
    return _of_average(score, losses.mean(axis=0), truth)


def _of_average(score: Score, average: Floats, truth: NDArray[Any]) -> Floats:
    """Return the score that belongs to an average loss."""
    if score.name == _SHARE:
        return np.asarray(1 - average, float)
    if score.name == _ROOT:
        return np.asarray(np.sqrt(average), float)
    if score.name == _EXPLAINED:
        total = float(((truth - truth.mean()) ** 2).mean())
        return 1 - average / total if total > 0 else np.full(len(average), np.nan)
    return average


def fold_errors(values: Floats, folds: Folds) -> Floats:
    """Return the standard error of the average of fold scores at every point.

    Repeats share the rows, so that they are not taken for more data: it is sd / √(folds of one
    repeat).
    """
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    with np.errstate(invalid="ignore"):  # an infinite score: nan
        spread = values.std(axis=0, ddof=1)
    return np.asarray(spread * np.sqrt(max(folds.repeats, 1) / len(values)), float)


def pooled_errors(score: Score, values: Floats, losses: Floats, truth: NDArray[Any]) -> Floats:
    """Return the standard error of scores of pooled predictions, (m, P) losses of rows."""
    average = losses.mean(axis=0)
    across = _far_squares(truth) @ losses if score.function is r2 else None
    return _errors(score, values, average, losses.var(axis=0) * len(losses), across, truth)


def _far_squares(truth: NDArray[Any]) -> Floats:
    """Return the squared distances of an outcome from its mean, less their mean."""
    squared = (truth - truth.mean()) ** 2
    return np.asarray(squared - squared.mean(), float)


def _errors(
    score: Score,
    values: Floats,
    average: Floats,
    squares: Floats,
    across: Floats | None,
    truth: NDArray[Any],
) -> Floats:
    """Return the standard error of scores from sums over losses, by the chain rule.

    NaN where a score of the user's own is neither the average nor 1 less it. R² divides by the
    variance of the outcome, which is of the same rows: `across` are the sums of losses times what
    `_far_squares` gives.
    """
    rows = len(truth)
    with np.errstate(divide="ignore", invalid="ignore"):
        if across is not None:
            far = _far_squares(truth)
            spread = float(((truth - truth.mean()) ** 2).mean())
            ratio = average / spread
            squares = squares - 2 * ratio * across + ratio**2 * float(far @ far)
            slope = np.full(len(values), 1 / spread if spread else np.nan)
        elif score.function is rmse:
            slope = 1 / (2 * values)
        elif score is SCORES.get(score.name):
            slope = np.ones(len(values))
        else:
            told = 1 - values if score.greater_is_better else values
            slope = np.where(np.isclose(told, average), 1.0, np.nan)
        error = np.sqrt(np.maximum(squares, 0.0) / (rows - 1) / rows)
        return np.where(error == 0, 0.0, slope * error)


def pooled_residuals(
    score: Score, truth: NDArray[Any], parts: Iterable[Floats]
) -> tuple[Floats, Floats]:
    """Return score and standard error of every column of residuals, some rows at a time.

    The parts are overwritten; averages and sums of squares are put together part by part
    (Chan, Golub and LeVeque 1983).
    """
    if not (score.name in _AT_ONCE and score is SCORES[score.name]):
        return pooled(score, truth, truth[:, None] - np.concatenate(list(parts)), ())
    count, average, spread = 0, np.zeros(1), np.zeros(1)
    far = _far_squares(truth) if score.function is r2 else None
    across: Any = None if far is None else 0.0
    for losses in parts:  # in place, and sums as products: all stays in the cache
        if score.loss is distances:
            np.abs(losses, out=losses)
        else:
            np.multiply(losses, losses, out=losses)
        more, ones = len(losses), np.ones(len(losses))
        if far is not None:
            across = across + far[count : count + more] @ losses
        own = ones @ losses / more
        losses -= own
        np.multiply(losses, losses, out=losses)
        apart = own - average
        spread = spread + ones @ losses + apart**2 * (count * more / (count + more))
        average = average + apart * (more / (count + more))
        count += more
    values = _of_average(score, average, truth)
    return values, _errors(score, values, average, spread, across, truth)


def pooled(
    score: Score, truth: NDArray[Any], predictions: NDArray[Any], classes: Any
) -> tuple[Floats, Floats]:
    """Return score and standard error of every column of predictions, all rows together."""
    if score.name in _AT_ONCE and score is SCORES[score.name]:
        losses = _losses(score, truth, predictions, classes)
        values = _of_losses(score, losses, truth)
        return values, pooled_errors(score, values, losses, truth)
    values = scored(score, truth, predictions, classes)
    if score.loss is None:
        return values, np.full(len(values), np.nan)
    one_by_one = [losses_of(score, Predicted(truth, each, None, classes)) for each in predictions.T]
    return values, pooled_errors(score, values, np.column_stack(one_by_one), truth)
