"""``Comparison``: what models predicted for rows they had not seen, and what that says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.decomposition import Decomposition
from estkit.comparison.folds import Folds
from estkit.comparison.presentation import Presentation
from estkit.comparison.scores import Predicted, Score, value_of
from estkit.comparison.trial import Trial
from estkit.errors import DataError
from estkit.estimate import check_level, plain

if TYPE_CHECKING:
    import pandas as pd

    from estkit.comparison.paired_tests import CochranTest
    from estkit.comparison.verdict import PairedTest


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Presentation):
    """Models on the same folds; `compare` makes it.

    Parameters
    ----------
    models : tuple of str
        Their names, the baseline last.
    scoring : tuple of Score
        The scores, the first one leading.
    folds : Folds
        The folds.
    classes : tuple
        The labels; empty for numbers.
    outcome : array of shape (n,)
        y, labels as codes.
    trials : mapping
        What each model did on each fold.
    notes : tuple of str
        What was added to models.
    seed : dict
        The seed of folds and models.
    decompositions : mapping of str to Decomposition
        Bias² and variance of each model, where they were asked for.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> ek.compare(["knn", "linear"], *load_diabetes(return_X_y=True), cv=5, rng=1)
    Comparison(knn, linear, baseline; rmse, 5-fold, 442 rows, 0 failed fits)
    """

    models: tuple[str, ...]
    scoring: tuple[Score, ...]
    folds: Folds
    classes: tuple[Any, ...]
    outcome: NDArray[Any]
    trials: Mapping[tuple[str, int], Trial]
    notes: tuple[str, ...]
    seed: dict[str, Any]
    decompositions: Mapping[str, Decomposition] = field(default_factory=dict)

    def __repr__(self) -> str:
        failed = sum(trial.prediction is None for trial in self.trials.values())
        return (
            f"Comparison({', '.join(self.models)}; {self.scoring[0].name}, {self.folds.scheme}, "
            f"{self.folds.rows} rows, {failed} failed fits)"
        )

    def predicted(self, model: str, fold: int) -> Predicted | None:
        """Return what a model predicted on a fold beside what is true; None where it failed."""
        trial = self.trials[self.checked_model(model), fold]
        if trial.prediction is None:
            return None
        truth = self.outcome[self.folds.test[fold]]
        return Predicted(truth, trial.prediction, trial.probability, self.classes)

    def checked_model(self, name: str) -> str:
        """Return the name of a model, or raise if there is none of this name."""
        if name not in self.models:
            raise DataError(f"{name!r} is not a model here; they are {', '.join(self.models)}.")
        return name

    def checked_score(self, name: str | None) -> Score:
        """Return a score by its name, the leading one for None."""
        if name is None:
            return self.scoring[0]
        for score in self.scoring:
            if score.name == name:
                return score
        known = ", ".join(score.name for score in self.scoring)
        raise DataError(f"{name!r} was not among the scores of this comparison: {known}.")

    def values(self, model: str, score: Score) -> NDArray[np.float64]:
        """Return the score of a model on each fold; nan where it failed or gives none."""
        found = []
        for fold in range(len(self.folds)):
            given = self.predicted(model, fold)
            lacking = given is None or (score.needs_probability and given.probability is None)
            where = f" for model {model!r} on fold {fold}"
            found.append(np.nan if given is None or lacking else value_of(score, given, where))
        return np.array(found, float)

    def scores(self, score: str | None = None) -> pd.DataFrame:
        """Return the scores of every model on every fold.

        Parameters
        ----------
        score : str, optional
            Which one; by default all.

        Returns
        -------
        pandas.DataFrame
            model, fold, score, value.
        """
        import pandas as pd

        wanted = self.scoring if score is None else (self.checked_score(score),)
        rows = [
            {"model": model, "fold": fold, "score": each.name, "value": value}
            for each in wanted
            for model in self.models
            for fold, value in enumerate(self.values(model, each))
        ]
        return pd.DataFrame(rows)

    def predictions(self) -> pd.DataFrame:
        """Return every prediction for a row that the model had not seen.

        Returns
        -------
        pandas.DataFrame
            model, fold, row, truth, prediction, and the probability of each class.
        """
        import pandas as pd

        frames = []
        for model, fold, given in self._given():
            truth, found = (
                np.array(self.classes, object)[part] if self.classes else part
                for part in (given.truth, given.prediction)
            )
            columns = {"model": model, "fold": fold, "row": self.folds.test[fold],
                       "truth": truth, "prediction": found}  # fmt: skip
            for code, label in enumerate(self.classes):
                known = given.probability
                columns[f"p({label})"] = np.nan if known is None else known[:, code]
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)

    def table(self, score: str | None = None, *, level: float = 0.95) -> pd.DataFrame:
        """Return what there is to say of every model, the best one first.

        Parameters
        ----------
        score : str, optional
            The score to order by; by default the leading one.
        level : float
            The confidence level of the intervals.

        Returns
        -------
        pandas.DataFrame
            model; score, value, std_error, lower, upper (mean over folds, its corrected error and
            interval); over_baseline (how much better than the baseline, whatever the direction) and
            its error; the other scores; bias_squared and variance with their mcse, where asked for;
            degrees_of_freedom and bytes (stored), of the first fold, or the last and longest one
            forward in time; fit_seconds (median over folds), predict_seconds_per_row; folds_used.

        Examples
        --------
        >>> import estkit as ek
        >>> from sklearn.datasets import load_diabetes
        >>> result = ek.compare(["knn", "linear"], *load_diabetes(return_X_y=True), cv=5, rng=1)
        >>> result.table()[["model", "value", "lower", "upper"]].round(1)
              model  value  lower  upper
        0    linear   54.5   46.4   62.5
        1       knn   60.8   55.7   65.9
        2  baseline   77.1   71.7   82.5
        """
        from estkit.comparison.overview import rows_of

        check_level(level)
        return rows_of(self, self.checked_score(score), level)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: seed, folds, the table and the scores.

        Examples
        --------
        >>> import estkit as ek
        >>> from sklearn.datasets import load_iris
        >>> ek.compare("knn", *load_iris(return_X_y=True), cv=5, rng=1).to_dict()["models"]
        ['knn', 'baseline']
        """
        return {
            "format": "estkit.Comparison",
            "version": 1,
            "seed": plain(self.seed),
            "models": list(self.models),
            "classes": plain(list(self.classes)),
            "folds": {"scheme": self.folds.scheme, "number": len(self.folds),
                      "rows": self.folds.rows, "fingerprint": self.folds.fingerprint},
            "notes": list(self.notes),
            "table": plain(self.table().to_dict("records")),
            "scores": plain(self.scores().to_dict("records")),
        }  # fmt: skip

    def test(
        self,
        a: str,
        b: str,
        method: str = "corrected_t",
        score: str | None = None,
        *,
        rope: float | None = None,
        level: float = 0.95,
        alternative: str = "two-sided",
    ) -> PairedTest:
        """Test whether one model is better than another, from the stored predictions.

        Parameters
        ----------
        a, b : str
            The models; differences are those of a less b.
        method : str
            On scores of folds: ``"corrected_t"`` (Nadeau-Bengio), ``"bayesian"`` (correlated t with
            `rope`), ``"five_by_two_t"``, ``"five_by_two_f"`` (folds of cv=(2, 5)), ``"naive_t"``
            (invalid). On pooled predictions, every row once: ``"clt"`` (losses averaged over
            repeats), ``"mcnemar"`` (exact), ``"mcnemar_chi2"`` (corrected), ``"delong"`` (AUC).
        score : str, optional
            What to compare; by default the leading score, or the one that the test is about.
        rope : float, optional
            The largest difference that does not matter, for ``"bayesian"``; by default 0.
        level : float
            The confidence of the interval.
        alternative : {"two-sided", "better", "worse"}
            What is to be shown of a, whatever the direction of the score.

        Returns
        -------
        PairedTest
            Difference, interval, p-value or posterior, power and what is known of the test.

        Raises
        ------
        DataError
            If there is no such model or test, or it does not suit the score or the folds. Folds on
            which a model failed are left out for both, and the basis says so.
        """
        from estkit.comparison.paired_tests import paired_test

        return paired_test(
            self, a, b, method, score, rope=rope, level=level, alternative=alternative
        )

    def pairwise(
        self,
        *,
        method: str = "corrected_t",
        score: str | None = None,
        adjust: str | None = "holm",
        rope: float | None = None,
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Test all pairs of models.

        Parameters
        ----------
        method, score, rope, level
            As in `test`.
        adjust : {"holm", "bonferroni"} or None
            What makes the p-values hold for all pairs together.

        Returns
        -------
        pandas.DataFrame
            A row for each pair: a, b, estimate, interval, p_value, p_adjusted, detectable, notes.
            A pair that cannot be tested, such as of a model that failed, has nan and the reason.
        """
        from estkit.comparison.paired_tests import pairwise

        return pairwise(self, method, score, adjust=adjust, rope=rope, level=level)

    def intervals(
        self, score: str | None = None, method: str = "corrected_t", *, level: float = 0.95
    ) -> pd.DataFrame:
        """Return the score of every model with an interval.

        Parameters
        ----------
        score : str, optional
            Which one; by default the leading one.
        method : {"corrected_t", "clt"}
            From the scores of folds, with the corrected error of one repeat; or a normal law for
            pooled losses, every row once, which is too short where rows are few for the model. For
            nested cross-validation, which fits again, see `nested_interval`.
        level : float
            The confidence.

        Returns
        -------
        pandas.DataFrame
            model, score, method, value, std_error, lower, upper, basis.
        """
        from estkit.comparison.intervals import intervals

        return intervals(self, score, method, level=level)

    def cochran_q(self, models: Sequence[str] | None = None) -> CochranTest:
        """Test whether several models hit equally many rows (Cochran's Q), every row once.

        Parameters
        ----------
        models : sequence of str, optional
            Which; by default all, the baseline included.
        """
        from estkit.comparison.paired_tests import cochran_q

        return cochran_q(self, models)

    def failures(self) -> pd.DataFrame:
        """Return every fit that gave no prediction: model, fold, reason."""
        import pandas as pd

        rows = [
            {"model": model, "fold": fold, "reason": trial.reason}
            for (model, fold), trial in self.trials.items()
            if trial.prediction is None
        ]
        return pd.DataFrame(rows, columns=["model", "fold", "reason"])

    def _given(self) -> Iterator[tuple[str, int, Predicted]]:
        for model in self.models:
            for fold in range(len(self.folds)):
                given = self.predicted(model, fold)
                if given is not None:
                    yield model, fold, given
