"""How a fit is shown beside its table: a picture, a page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from estkit.table import Tabular

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estkit.likelihood.result import LikelihoodFit


class Presentation(Tabular):
    """What a fit inherits to be shown."""

    def _whole(self) -> LikelihoodFit:
        return cast("LikelihoodFit", self)

    def plot(self, *, level: float = 0.95, kind: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the coefficients with their intervals; needs the extra ``plot``.

        `kind` says which covariance the intervals come from.
        """
        from estkit.plot import plot_coefficients

        return plot_coefficients(self._whole(), level=level, kind=kind, ax=ax)

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        plots: bool = True,
        level: float = 0.95,
        kind: str | None = None,
    ) -> str | None:
        """Write a self-contained page: the table, a picture of the coefficients, how it was made.

        Needs the extra ``report``, and ``plot`` for the picture.

        Parameters
        ----------
        path : str or path, optional
            The file to write, whole or not at all; without it the page is returned.
        title : str, optional
            The heading.
        plots : bool
            Whether to draw.
        level : float
            The confidence level of the intervals.
        kind : str, optional
            The covariance that the errors come from, as in `covariance`.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Binomial(), {"dose": [1, 2, 3, 4]}, [0, 1, 0, 1])
        >>> page = fit.to_html(plots=False)
        >>> "<h1>Binomial regression, 4 observations</h1>" in page
        True
        """
        from estkit.report import fit_page, render, write

        text = render(fit_page(self._whole(), title=title, plots=plots, level=level, kind=kind))
        if path is None:
            return text
        write(text, path)
        return None
