"""``learning_curve``: how a score depends on the number of rows a model is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.candidates import Data, candidates_of, read_data
from estkit.comparison.curves import one_score
from estkit.comparison.evaluation import evaluate
from estkit.comparison.fold_tests import corrected_error
from estkit.comparison.folds import Folds, Rows, make_folds
from estkit.comparison.intervals import folds_of_one_repeat
from estkit.comparison.scores import Floats, Predicted, Score, named_scores, value_of
from estkit.comparison.trial import Trial
from estkit.errors import DataError
from estkit.estimate import check_level, plain
from estkit.montecarlo.streams import seed_sequence
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)  # by default
_SUMMARY = ("mean", "error", "lower", "upper")


@dataclass(frozen=True, eq=False, repr=False)
class LearningCurve(Tabular):
    """The score of models on the same test rows after more and more training rows.

    Parameters
    ----------
    models : tuple of str
        Their names, the baseline last.
    sizes : array of int of shape (S,)
        How many rows were trained on, in ascending order.
    score : Score
        The score, with its direction.
    values : array of shape (M, S, J)
        The score of every model, at every size, on every fold; nan where the model failed.
    seen : array of shape (M, S, J)
        The score for the training rows themselves; nan where it was not asked for.
    test_share : float
        The average of n_test / n_train over the whole folds, for the errors.
    folds_of_one_repeat : float
        How many folds test every row once; further repeats bring no new rows.
    scheme : str
        How the folds were made, in words.
    notes : tuple of str
        What was added to models, and why some failed.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> ek.learning_curve("knn", X, y, sizes=[30, 120], cv=5, rng=1)
    LearningCurve(accuracy of knn, baseline at 30 to 120 training rows; 5-fold, stratified)
    """

    models: tuple[str, ...]
    sizes: NDArray[np.int64]
    score: Score
    values: Floats
    seen: Floats
    test_share: float
    folds_of_one_repeat: float
    scheme: str
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"LearningCurve({self.score.name} of {', '.join(self.models)} at {self.sizes[0]} to "
            f"{self.sizes[-1]} training rows; {self.scheme})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, with the version of the format."""
        return {
            "format": "estkit.LearningCurve", "version": 1, "models": list(self.models),
            "score": self.score.name, "greater_is_better": self.score.greater_is_better,
            "folds": self.scheme, "sizes": plain(self.sizes), "notes": list(self.notes),
            "scores": plain(self.to_frame().to_dict("records")),
        }  # fmt: skip

    def to_frame(self, rows: str = "test", *, level: float = 0.95) -> pd.DataFrame:
        """Return a row for every model, size and fold.

        Parameters
        ----------
        rows : {"test", "train"}
            Which rows were scored: those not seen, or those that the model was trained on.
        level : float
            The confidence level of the intervals.

        Returns
        -------
        pandas.DataFrame
            model, size, fold, value; mean over the folds, its corrected error, lower and upper.

        Notes
        -----
        The error is that of Nadeau and Bengio (2003) with n_test / n_train of the whole folds: few
        rows of each have less in common, so that the error of small sizes is rather too great.
        """
        import pandas as pd

        check_level(level)
        if rows not in ("test", "train"):
            raise DataError(f"rows must be 'test' or 'train', got {rows!r:.60}.")
        values = self.values if rows == "test" else self.seen
        models, sizes, folds = values.shape
        summary = np.array([self._mean(own, level) for own in values.reshape(-1, folds)])
        frame = {
            "model": np.repeat(np.array(self.models, object), sizes * folds),
            "size": np.tile(np.repeat(self.sizes, folds), models),
            "fold": np.tile(np.arange(folds), models * sizes),
            "value": values.ravel(),
        }
        of_all = dict(zip(_SUMMARY, np.repeat(summary, folds, axis=0).T, strict=True))
        return pd.DataFrame({**frame, **of_all})

    def plot(
        self,
        *,
        models: Sequence[str] | None = None,
        level: float = 0.95,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the scores for test and training rows over the number of training rows.

        Needs the extra ``plot``. What is on it: `estkit.plot.plot_learning_curve`.
        """
        from estkit.plot import plot_learning_curve

        return plot_learning_curve(self, models=models, level=level, ax=ax)

    def _mean(self, values: Floats, level: float) -> tuple[float, float, float, float]:
        """Return mean, error and limits as those of `Comparison.intervals` for all rows."""
        known = values[np.isfinite(values)]
        mean = float(known.mean()) if known.size else float("nan")
        count = min(self.folds_of_one_repeat, len(known))
        if len(known) < 2 or count <= 1:
            return mean, float("nan"), float("nan"), float("nan")
        from scipy.special import stdtrit

        error = corrected_error(known, self.test_share + 1 / count - 1 / len(known))
        half_width = float(stdtrit(count - 1, 0.5 + level / 2)) * error
        lower, upper = np.clip([mean - half_width, mean + half_width], *self.score.range)
        return mean, error, float(lower), float(upper)

    def _table(self) -> Table:
        frame, seen = (self.to_frame(rows) for rows in ("test", "train"))
        frame, seen = frame[frame["fold"] == 0], seen[seen["fold"] == 0]
        columns = [
            Column("model", frame["model"].tolist()),
            Column("rows", frame["size"].tolist(), style="count"),
            Column(self.score.name, frame["mean"].tolist(), frame["error"].tolist()),
            Column("error", frame["error"].tolist(), style="error"),
        ]
        if seen["mean"].notna().any():
            columns.append(
                Column("of training rows", seen["mean"].tolist(), seen["error"].tolist())
            )
        return Table(columns, f"{self.score.name} over training rows, {self.scheme}", self.notes)


def learning_curve(
    models: Any,
    X: Any,
    y: Any,
    *,
    sizes: Any = None,
    cv: Any = None,
    scoring: Any = None,
    groups: Any = None,
    task: str | None = None,
    rng: Any = None,
    n_jobs: int | None = None,
    seen: bool = True,
) -> LearningCurve:
    """Return the scores of models trained on more and more rows, tested on the same folds.

    Within a fold the training rows of a size contain those of every smaller size, drawn at random,
    of classes in proportion. With all rows of a fold its scores are those of `compare`. Where every
    fold is trained on rows before its test rows (``cv="time"``), a size takes the latest of them:
    what a model knows that was begun so many rows ago.

    Parameters
    ----------
    models, X, y, cv, scoring, groups, task, rng, n_jobs
        As in `compare`; of several scores there is one curve each, so name one.
    sizes : sequence of int or of float, optional
        How many rows to train on, or shares of the training rows of the smallest fold; by default a
        tenth, a quarter, a half, three quarters and all.
    seen : bool
        Whether to score the training rows, too; what they are predicted better is overfitting.

    Returns
    -------
    LearningCurve
        Print it, `plot` it, or `to_frame`.

    Raises
    ------
    DataError
        If a size is less than 2 or more than the training rows of a fold.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> curve = ek.learning_curve("linear", X, y, sizes=[50, 100, 350], cv=5, rng=1)
    >>> curve.to_frame().groupby(["model", "size"])["value"].mean().round(1)["linear"].to_dict()
    {50: 63.4, 100: 56.6, 350: 54.5}
    """
    data = read_data(X, y, task, models, groups=groups)
    score = one_score(scoring, named_scores(scoring, data.task))
    seed = seed_sequence(rng)
    own = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 0))  # as in compare
    folds = make_folds(cv, data.X, data.y, groups=groups, rng=own, classes=bool(data.classes))
    counts = _checked(sizes, min(len(rows) for rows in folds.train))
    orders = [
        rows[::-1] if folds.forward  # ascending, so the latest come first
        else _order(rows, data.codes if data.classes else None, _stream(seed, fold))
        for fold, rows in enumerate(folds.train)
    ]  # fmt: skip
    candidates = candidates_of(models, data)
    names = tuple(each.name for each in candidates)
    wanted = [(name, fold) for name in names for fold in range(len(folds))]
    values, known = np.full((2, len(names), len(counts), len(folds)), np.nan)
    failed: list[str] = []
    for number, size in enumerate(counts):
        part = replace(folds, train=tuple(np.sort(order[:size]) for order in orders))
        trials = dict(evaluate(candidates, data, part, wanted, seed, n_jobs=n_jobs, seen=seen))
        for (name, fold), trial in trials.items():
            place = names.index(name), number, fold
            values[place] = _scored(
                score, data, part.test[fold], trial.prediction, trial.probability
            )
            if trial.seen is not None:
                known[place] = _scored(score, data, part.train[fold], *trial.seen)
        failed += _failed(names, size, part, trials)
    for array in (values, known):
        array.setflags(write=False)
    return LearningCurve(
        models=names,
        sizes=counts,
        score=score,
        values=values,
        seen=known,
        test_share=folds.test_share,
        folds_of_one_repeat=folds_of_one_repeat(folds, np.arange(len(folds))),
        scheme=folds.scheme,
        notes=(*(f"{each.name}: {each.note}." for each in candidates if each.note), *failed),
    )


def _scored(score: Score, data: Data, rows: Rows, prediction: Any, probability: Any) -> float:
    """Return a score of predictions; nan where there are none, or no probabilities for it."""
    if prediction is None or (score.needs_probability and probability is None):
        return float("nan")
    return value_of(score, Predicted(data.codes[rows], prediction, probability, data.classes))


def _stream(seed: np.random.SeedSequence, fold: int) -> np.random.Generator:
    """Return random numbers of a fold; keys 0 and 1 are those of folds and models."""
    key = (*seed.spawn_key, 2, fold)
    return np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=key))


def _order(rows: Rows, codes: NDArray[Any] | None, rng: np.random.Generator) -> Rows:
    """Return rows in an order whose every beginning has the classes about in proportion."""
    mixed = rng.permutation(rows)
    if codes is None:
        return mixed
    place = np.empty(len(mixed))
    for code in np.unique(codes[mixed]):
        own = np.flatnonzero(codes[mixed] == code)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return mixed[np.argsort(place, kind="stable")]


def _checked(sizes: Any, most: int) -> NDArray[np.int64]:
    given = np.atleast_1d(np.asarray(_SHARES if sizes is None else list(np.atleast_1d(sizes))))
    if given.dtype.kind == "f" and given.size and 0 < given.min() and given.max() <= 1:
        given = np.maximum(np.floor(given * most + 1e-9), 2).astype(np.int64)
    if given.size == 0 or given.dtype.kind not in "iu" or given.min() < 2 or given.max() > most:
        raise DataError(
            f"sizes must be numbers of rows from 2 to {most}, the training rows of the smallest "
            f"fold, or shares of them above 0 and up to 1; got {sizes!r:.60}."
        )
    return np.unique(given).astype(np.int64)


def _failed(
    names: tuple[str, ...], size: int, folds: Folds, trials: Mapping[tuple[str, int], Trial]
) -> list[str]:
    notes = []
    for name in names:
        own = [trials[name, fold] for fold in range(len(folds))]
        reasons = [trial.reason for trial in own if trial.prediction is None]
        if reasons:
            notes.append(f"{name} failed on {len(reasons)} folds of {size} rows: {reasons[0]}")
    return notes
