"""``compare_datasets``: models on many data sets, where a data set is one observation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.comparison import rank_tests
from estkit.comparison.paired_tests import adjusted
from estkit.comparison.presentation import DatasetPresentation
from estkit.comparison.rank_tests import Friedman
from estkit.comparison.score_tables import chosen, read_scores
from estkit.errors import DataError
from estkit.estimate import check_level, plain
from estkit.montecarlo.streams import generator_of
from estkit.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DatasetComparison(DatasetPresentation):
    """Models on many data sets; `compare_datasets` makes it.

    Parameters
    ----------
    scores : pandas.DataFrame
        Data sets by models.
    higher_is_better : bool
        The direction of the score.
    ranks : dict
        The average rank of each model, 1 for the best, in ascending order.
    friedman : Friedman
        Whether the models differ at all: ``chi2``, ``f`` and their p-values.
    critical_difference : float
        Of average ranks, by Nemenyi.
    level : float
        Its confidence.
    rope : float
        The largest difference that does not matter, in the Bayesian test.
    pairs : pandas.DataFrame
        What `pairwise` returns.
    notes : tuple of str
        What should be known of the tests.

    Examples
    --------
    >>> import pandas as pd
    >>> import estkit as ek
    >>> errors = pd.DataFrame(
    ...     {"knn": [3.1, 2.0, 4.2, 5.0, 1.9, 2.2], "linear": [2.9, 2.1, 3.8, 4.1, 1.7, 1.8]},
    ...     index=["iris", "wine", "cars", "fish", "rain", "wind"],
    ... )
    >>> found = ek.compare_datasets(errors, higher_is_better=False, rng=1)
    >>> found
    DatasetComparison(6 data sets; linear 1.17, knn 1.83; Iman-Davenport p = 0.102)
    >>> found.pairwise()[["a", "b", "wins", "losses", "p_value"]]
         a       b  wins  losses  p_value
    0  knn  linear     1       5   0.0625
    """

    scores: pd.DataFrame
    higher_is_better: bool
    ranks: dict[str, float]
    friedman: Friedman
    critical_difference: float
    level: float
    rope: float
    pairs: pd.DataFrame
    notes: tuple[str, ...] = ()

    def pairwise(self) -> pd.DataFrame:
        """Return the tests of all pairs of models.

        Returns
        -------
        pandas.DataFrame
            a, b; difference (average of a less b); wins, ties, losses of a; statistic and p_value
            of Wilcoxon, p_adjusted by Holm; p_nemenyi; p_better, p_equivalent, p_worse of the
            Bayesian signed-rank test.
        """
        return self.pairs.copy()

    def cliques(self) -> list[tuple[str, ...]]:
        """Return the largest groups of models, by rank, within one critical difference.

        These are the bars of a critical-difference diagram; a model alone is none.
        """
        names, values = list(self.ranks), list(self.ranks.values())
        groups, reached = [], 0
        for start, value in enumerate(values):
            end = max(i for i, v in enumerate(values) if v - value <= self.critical_difference) + 1
            if end - start > 1 and end > reached:
                groups.append(tuple(names[start:end]))
                reached = end
        return groups

    def to_frame(self) -> pd.DataFrame:
        """Return model, rank, mean, best (how often it was), for each model by rank."""
        import pandas as pd

        values = self.scores[list(self.ranks)]
        best = values.max(axis=1) if self.higher_is_better else values.min(axis=1)
        return pd.DataFrame({
            "model": list(self.ranks), "rank": list(self.ranks.values()),
            "mean": values.mean().to_numpy(),
            "best": values.eq(best, axis=0).sum().to_numpy(),
        })  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, with the version of the format."""
        return {
            "format": "estkit.DatasetComparison", "version": 1,
            "datasets": list(map(str, self.scores.index)), "ranks": plain(self.ranks),
            "scores": plain(self.scores.rename(index=str).to_dict("index")),
            "higher_is_better": self.higher_is_better, "friedman": plain(self.friedman._asdict()),
            "critical_difference": self.critical_difference, "level": self.level,
            "rope": self.rope, "pairs": plain(self.pairs.to_dict("records")),
            "cliques": plain(self.cliques()), "notes": list(self.notes),
        }  # fmt: skip

    def __repr__(self) -> str:
        ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in self.ranks.items())
        shown = f"{self.friedman.p_value:.3f}"
        p = f"= {shown}" if float(shown) else "< 0.001"
        return f"DatasetComparison({len(self.scores)} data sets; {ranks}; Iman-Davenport p {p})"

    def _table(self) -> Table:
        frame = self.to_frame()
        columns = [
            Column("model", frame["model"].tolist()),
            Column("rank", frame["rank"].round(3).to_numpy()),
            Column("mean", frame["mean"].map(lambda v: float(f"{v:.4g}")).to_numpy()),
            Column("best on", frame["best"].to_numpy(), style="count"),
        ]
        better = "greater" if self.higher_is_better else "less"
        found = self.friedman
        notes = [
            f"Rank 1 is best; {better} is better. Friedman chi-squared {found.chi2:.3f} "
            f"(p {found.chi2_p_value:.3g}), Iman-Davenport F {found.f:.3f} "
            f"(p {found.p_value:.3g}).",
            f"Nemenyi: ranks {self.critical_difference:.3f} apart differ at {self.level:g}.",
            *self.notes,
        ]
        return Table(columns, f"{len(self.ranks)} models on {len(self.scores)} data sets", notes)


def compare_datasets(
    scores: Any,
    *,
    higher_is_better: bool | None = None,
    score: str | None = None,
    models: Sequence[str] | None = None,
    rope: float = 0.0,
    level: float = 0.95,
    draws: int = 50_000,
    rng: Any = None,
) -> DatasetComparison:
    """Compare models over many data sets, each of which is one observation.

    Parameters
    ----------
    scores : data frame, mapping or sequence of Comparison
        Data sets (rows) by models (columns), one number each; or what `compare` answered for each
        data set, whose scores are averaged over its folds.
    higher_is_better : bool, optional
        The direction; needed for a frame, known for comparisons.
    score : str, optional
        Which score of the comparisons; by default the leading one.
    models : sequence of str, optional
        Which models; by default all.
    rope : float
        The largest difference that does not matter, for the Bayesian signed-rank test.
    level : float
        The confidence of the critical difference.
    draws : int
        Monte-Carlo draws of the Bayesian test.
    rng : int, SeedSequence, Generator or None
        Their seed.

    Returns
    -------
    DatasetComparison
        Wilcoxon with Holm and the Bayesian signed-rank test for all pairs; Friedman with
        Iman-Davenport, and Nemenyi (Demsar 2006; Benavoli and others 2017).

    Raises
    ------
    DataError
        If a score is missing, the direction is not known, or the rows are folds of one data set:
        they share training rows, and say nothing of other data sets.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_breast_cancer, load_iris, load_wine
    >>> results = {
    ...     load.__name__: ek.compare(["knn", "tree"], *load(return_X_y=True), cv=5, rng=1)
    ...     for load in (load_iris, load_wine, load_breast_cancer)
    ... }
    >>> found = ek.compare_datasets(results, score="accuracy", models=["knn", "tree"], rng=1)
    >>> found
    DatasetComparison(3 data sets; knn 1.17, tree 1.83; Iman-Davenport p = 0.184)
    """
    check_level(level)
    if not (np.isfinite(rope) and rope >= 0):
        raise DataError(f"rope is the largest difference that does not matter; got {rope!r}.")
    frame, higher = read_scores(scores, higher_is_better, score)
    frame = chosen(frame, models)
    values = frame.to_numpy(float)
    count, number = values.shape
    ranks = rank_tests.ranks_of(values, higher_is_better=higher)
    average = dict(sorted(zip(frame.columns, ranks.mean(axis=0).tolist(), strict=True),
                          key=lambda pair: pair[1]))  # fmt: skip
    notes = ["Nemenyi's answer for a pair depends on the other models, Wilcoxon's does not."]
    if count < 6:
        notes.append(f"{count} data sets: Wilcoxon's p cannot be below {2.0 ** (1 - count):g}.")
    return DatasetComparison(
        scores=frame,
        higher_is_better=higher,
        ranks=average,
        friedman=rank_tests.friedman(ranks),
        critical_difference=rank_tests.critical_difference(number, count, level),
        level=level,
        rope=float(rope),
        pairs=_pairs(frame, average, higher, rope, draws, generator_of(rng)),
        notes=tuple(notes),
    )


def _pairs(
    frame: pd.DataFrame,
    ranks: Mapping[str, float],
    higher: bool,
    rope: float,
    draws: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    import pandas as pd

    rows, rounding = [], rank_tests.rounding_of(frame.to_numpy(float))
    for a, b in combinations(frame.columns, 2):
        differences = (frame[a] - frame[b]).to_numpy()
        gains = rank_tests.gains_of(differences if higher else -differences, rounding)
        statistic, p_value = rank_tests.wilcoxon(gains)
        posterior = rank_tests.signed_rank_posterior(gains, rope, draws, rng, rounding)
        rows.append({
            "a": a, "b": b, "difference": float(differences.mean()),
            "wins": int((gains > 0).sum()), "ties": int((gains == 0).sum()),
            "losses": int((gains < 0).sum()), "statistic": statistic, "p_value": p_value,
            "p_adjusted": math.nan,
            "p_nemenyi": rank_tests.nemenyi(ranks[a] - ranks[b], len(ranks), len(frame)),
            "p_better": posterior.better, "p_equivalent": posterior.equivalent,
            "p_worse": posterior.worse,
        })  # fmt: skip
    found = pd.DataFrame(rows)
    found["p_adjusted"] = adjusted(found["p_value"].to_numpy(float), "holm")
    return found
