"""The page of a comparison over data sets: ranks, tests of all pairs, the scores behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from estkit.report.comparison import table_of_pairs
from estkit.report.page import Grid, Page, Part, Section, Terms
from estkit.report.pictures import Gallery
from estkit.report.reproduction import versions
from estkit.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from estkit.comparison.datasets import DatasetComparison

_NOTES = (
    "difference: the average of a less b; wins, ties and losses of a. p value: Wilcoxon's "
    "signed-rank test; p adjusted: by Holm's method, for all pairs together. p nemenyi: from the "
    "average ranks. p better, p equivalent, p worse: posterior probabilities of the Bayesian "
    "signed-rank test.",
)
_CAPTION = "Average ranks; a bar joins models that lie within one critical difference."


def datasets_page(
    comparison: DatasetComparison,
    *,
    title: str | None = None,
    tests: Mapping[str, pd.DataFrame] | None = None,
    plots: bool = True,
) -> Page:
    """Return the page of a comparison over data sets.

    Parameters
    ----------
    comparison : DatasetComparison
        What `compare_datasets` answered.
    title : str, optional
        The heading; by default how many models and data sets there are.
    tests : mapping of str to pandas.DataFrame, optional
        The tests of all pairs on single data sets, of `Comparison.pairwise`.
    plots : bool
        Whether to draw.
    """
    gallery = Gallery()
    drawn: list[Part] = []
    if plots:
        drawn = [*gallery.missing(), *gallery.draw(comparison.plot, _CAPTION)]
    count = len(comparison.scores)
    sections = [
        Section("Ranks", [Grid(comparison._table()), *drawn]),
        Section("Pairs", [Grid(_pairs(comparison))]),
        Section("Scores", [Grid(_scores(comparison))]),
        *([Section("Each data set", _alone(tests))] if tests else []),
        Section("Reproduction", [Terms([("ROPE", f"± {comparison.rope:g}"), versions()])]),
    ]
    better = "greater" if comparison.higher_is_better else "less"
    lead = f"Each of {count} data sets is one observation; of a score, {better} is better."
    return Page(
        title or f"{len(comparison.ranks)} models on {count} data sets", sections, lead=lead
    )


def _alone(tests: Mapping[str, pd.DataFrame]) -> list[Part]:
    return [table_of_pairs(frame, f" on {name}") for name, frame in tests.items()]


def _pairs(comparison: DatasetComparison) -> Table:
    frame = comparison.pairwise()
    columns = []
    for name in frame:
        label, values = str(name).replace("_", " "), frame[name].tolist()  # headings break
        if label.startswith("p "):
            columns.append(Column(label, values, style="p_value"))
        elif label == "difference":
            columns.append(Column(label, [float(f"{value:.4g}") for value in values]))
        else:
            columns.append(Column(label, values))
    return Table(columns, "Tests of all pairs", _NOTES)


def _scores(comparison: DatasetComparison) -> Table:
    frame = comparison.scores[list(comparison.ranks)]
    columns = [Column("data set", [str(name) for name in frame.index])]
    columns += [Column(str(name), [float(f"{value:.4g}") for value in frame[name]])
                for name in frame]  # fmt: skip
    return Table(columns, "Scores, the best model at the left")
