"""How the result of a study is shown: tables, pictures, a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from estkit.montecarlo.reading import Reading
from estkit.montecarlo.tables import study_table
from estkit.table import Table, Tabular

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estkit.montecarlo.result import StudyResult


class Presentation(Tabular):
    """What the result of a study inherits to be shown."""

    def _whole(self) -> StudyResult:
        return cast("StudyResult", self)

    def table(
        self,
        measures: Any = None,
        *,
        estimators: str | Sequence[str] | None = None,
        across: str = "measure",
        missing: str = "pairwise",
        alpha: float = 0.05,
        null: Any = None,
    ) -> Table:
        """Return measures side by side, cut to the digits that their Monte-Carlo errors leave.

        Parameters
        ----------
        measures : str, Measure, function, or a sequence or mapping of them, optional
            Which, as in `summary`; by default bias, empirical and model SE, RMSE and coverage.
        estimators : str or sequence of str, optional
            Which, in this order; by default all.
        across : {"measure", "estimator"}
            What stands side by side.
        missing, alpha, null
            What becomes of replicates without an answer, and what is a rejection; as in `summary`.

        Returns
        -------
        Table
            With ``to_text``, ``to_markdown``, ``to_latex``, ``to_html`` and ``to_frame``.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(
        ...     lambda rng, n: rng.normal(size=n),
        ...     {"mean": np.mean, "median": np.median},
        ...     truth=0.0,
        ...     conditions=ek.grid(n=[10, 40]),
        ... )
        >>> result = study.run(1000, rng=1)
        >>> print(result.table("mse", across="estimator"))
        Monte-Carlo study: 1000 replicates in each of 2 conditions
        <BLANKLINE>
         n  measure             mean           median
        10  mse      0.0997 (0.0047)  0.1302 (0.0062)
        40  mse      0.0239 (0.0011)  0.0379 (0.0017)
        <BLANKLINE>
        In brackets: Monte-Carlo standard errors.
        """
        reading = Reading(missing=missing, alpha=alpha, null=null)
        return study_table(self._whole(), measures, estimators, across, reading)

    def _table(self) -> Table:
        return self.table()

    def plot(
        self,
        measure: Any = "bias",
        *,
        kind: str = "lollipop",
        estimators: str | Sequence[str] | None = None,
        parameter: str | None = None,
        condition: Any = None,
        factors: Sequence[str] | None = None,
        level: float = 0.95,
        missing: str = "pairwise",
        alpha: float = 0.05,
        null: Any = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the study, by default a measure with its Monte-Carlo intervals.

        Needs the extra ``plot``. The kinds ``"lollipop"``, ``"nested_loop"``, ``"zip"``,
        ``"estimates"`` and ``"convergence"`` and what they need: `estkit.plot.plot_study`.
        """
        from estkit.plot import plot_study

        return plot_study(
            self._whole(), measure, kind=kind, estimators=estimators, parameter=parameter,
            condition=condition, factors=factors, level=level,
            missing=missing, alpha=alpha, null=null, ax=ax,
        )  # fmt: skip

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        aims: str | None = None,
        measures: Any = None,
        missing: str = "pairwise",
        alpha: float = 0.05,
        null: Any = None,
        times: bool = False,
        plots: bool = True,
    ) -> str | None:
        """Write a self-contained page: aims, data, estimands, methods, measures, results.

        It needs no network, its tables are sorted by their headings, and every name is escaped.
        Needs the extra ``report``, and ``plot`` for its pictures.

        Parameters
        ----------
        path : str or path, optional
            The file to write, whole or not at all; without it the page is returned.
        title, aims : str, optional
            Your words; an empty line begins a paragraph. By default they are made from the study.
        measures : str, Measure, function, or a sequence or mapping of them, optional
            What the table of results shows, as in `table`.
        missing, alpha, null
            What becomes of replicates without an answer, and what is a rejection, in the tables
            and in the pictures; as in `summary`.
        times : bool
            Whether to show the seconds of each estimator, too. They differ from run to run; without
            them the same study gives the same bytes.
        plots : bool
            Whether to draw.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
        >>> page = study.run(20, rng=1).to_html(aims="Is it centred?", plots=False)
        >>> "<h1>Simulation study of mean</h1>" in page, "<p>Is it centred?</p>" in page
        (True, True)
        """
        from estkit.report import render, study_page, write

        reading = Reading(missing=missing, alpha=alpha, null=null)
        text = render(study_page(
            self._whole(), title=title, aims=aims, measures=measures, reading=reading, times=times,
            plots=plots,
        ))  # fmt: skip
        if path is None:
            return text
        write(text, path)
        return None
