"""How a comparison is shown: a table, pictures, a page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from estkit.table import Table, Tabular

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from estkit.comparison.curves import Curve
    from estkit.comparison.datasets import DatasetComparison
    from estkit.comparison.decomposition import Decomposition
    from estkit.comparison.learning import LearningCurve
    from estkit.comparison.result import Comparison


class Presentation(Tabular):
    """What a comparison inherits to be shown."""

    def _whole(self) -> Comparison:
        return cast("Comparison", self)

    def to_frame(self) -> pd.DataFrame:
        """Return the table of the leading score."""
        return self._whole().table()

    def _table(self) -> Table:
        from estkit.comparison.overview import table_of

        return table_of(self._whole(), self._whole().scoring[0])

    def plot(
        self,
        kind: str = "scores",
        *,
        score: str | None = None,
        models: Sequence[str] | None = None,
        against: str | None = None,
        rope: float | None = None,
        level: float = 0.95,
        bins: int = 10,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the comparison, by default the scores fold by fold.

        Needs the extra ``plot``. The kinds ``"scores"``, ``"differences"``, ``"calibration"`` and
        ``"cost"`` and what they need: `estkit.plot.plot_comparison`.
        """
        from estkit.plot import plot_comparison

        return plot_comparison(
            self._whole(), kind=kind, score=score, models=models, against=against, rope=rope,
            level=level, bins=bins, ax=ax,
        )  # fmt: skip

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        rope: float | None = None,
        test: str = "corrected_t",
        curves: Sequence[Curve | LearningCurve] | None = None,
        plots: bool = True,
    ) -> str | None:
        """Write a self-contained page: scores, differences, calibration, cost, folds, failures.

        It needs no network, its tables are sorted by their headings, and every name is escaped.
        Needs the extra ``report``, and ``plot`` for its pictures.

        Parameters
        ----------
        path : str or path, optional
            The file to write, whole or not at all; without it the page is returned.
        title : str, optional
            The heading; by default the models.
        rope : float, optional
            The largest difference of the leading score that does not matter.
        test : str
            The test of all pairs: a method of `Comparison.test`.
        curves : sequence of Curve and LearningCurve, optional
            What `knn_curve`, `ridge_curve` and `learning_curve` gave, to stand on the page, too.
        plots : bool
            Whether to draw.

        Examples
        --------
        >>> import estkit as ek
        >>> from sklearn.datasets import load_iris
        >>> result = ek.compare("knn", *load_iris(return_X_y=True), cv=5, rng=1)
        >>> "<h1>knn or baseline?</h1>" in result.to_html(plots=False)
        True
        """
        from estkit.report import comparison_page, render, write

        text = render(
            comparison_page(
                self._whole(), title=title, rope=rope, test=test, curves=curves, plots=plots
            )
        )
        if path is None:
            return text
        write(text, path)
        return None


class DatasetPresentation(Tabular):
    """What a comparison over data sets inherits to be shown."""

    def plot(self, kind: str = "critical_difference", *, ax: Axes | None = None) -> Axes:
        """Draw the average ranks, and which of them are not to be told apart.

        Needs the extra ``plot``. What is on it: `estkit.plot.plot_datasets`.
        """
        from estkit.plot import plot_datasets

        return plot_datasets(cast("DatasetComparison", self), kind=kind, ax=ax)

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        tests: Mapping[str, pd.DataFrame] | None = None,
        plots: bool = True,
    ) -> str | None:
        """Write a self-contained page: ranks, tests of all pairs, scores.

        Needs the extra ``report``, and ``plot`` for its picture.

        Parameters
        ----------
        path : str or path, optional
            The file to write, whole or not at all; without it the page is returned.
        title : str, optional
            The heading.
        tests : mapping of str to pandas.DataFrame, optional
            Tests on single data sets, as `Comparison.pairwise` gives them, to stand on the page.
        plots : bool
            Whether to draw.
        """
        from estkit.report import datasets_page, render, write

        own = cast("DatasetComparison", self)
        text = render(datasets_page(own, title=title, tests=tests, plots=plots))
        if path is None:
            return text
        write(text, path)
        return None


class DecompositionPresentation(Tabular):
    """What a decomposition inherits to be shown."""

    def plot(
        self,
        *,
        beside: Mapping[str, Decomposition] | None = None,
        level: float = 0.95,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw noise, bias and variance as one bar that ends where the loss is.

        Needs the extra ``plot``. What is on it: `estkit.plot.plot_decompositions`.

        Parameters
        ----------
        beside : mapping of str to Decomposition, optional
            Other models by their names, drawn below.
        level : float
            The level of the Monte-Carlo intervals.
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure.
        """
        from estkit.plot import plot_decompositions

        own = cast("Decomposition", self)
        return plot_decompositions({own.model: own, **(beside or {})}, level=level, ax=ax)
