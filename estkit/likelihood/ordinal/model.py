"""Regression on thresholds: predictors with intercepts of their own and slopes in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError
from estkit.likelihood import existence, newton
from estkit.likelihood.family import Floats
from estkit.likelihood.links.links import LINKS
from estkit.likelihood.placement import Placement
from estkit.likelihood.regression import Regression
from estkit.likelihood.regression_fit import RegressionFit
from estkit.likelihood.result import measured, unmeasured
from estkit.likelihood.uncertainty import frozen

if TYPE_CHECKING:
    from estkit.likelihood.ordinal.ordinal import Ordinal


def tie_of(thresholds: int, slopes: int) -> Floats:
    """Return what makes the coefficients of all predictors from thresholds and slopes."""
    tie = np.zeros((thresholds, 1 + slopes, thresholds + slopes))
    tie[:, 0, :thresholds] = np.eye(thresholds)
    tie[:, 1:, thresholds:] = -np.eye(slopes)
    return tie.reshape(-1, thresholds + slopes)


def untied(tie: Floats, placement: Placement) -> Floats:
    """Return what takes inside thresholds and slopes to the ones that are reported."""
    free = tie.T / (tie * tie).sum(axis=0)[:, None]
    result: Floats = free @ placement.transform @ tie
    return result


@dataclass(frozen=True, eq=False, repr=False)
class OrdinalFit(RegressionFit):
    """A fit whose first parameters are thresholds; see `LikelihoodFit`.

    Examples
    --------
    >>> import estkit as ek
    >>> fit = ek.fit(ek.Ordinal(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [0, 1, 0, 1, 2, 1, 2])
    >>> fit.names, fit.predict([4.0]).round(3)
    (('0|1', '1|2', 'x0'), array([[0.138, 0.725, 0.138]]))
    """

    @property
    def _baseline(self) -> tuple[str, ...]:
        return self.names[: len(self.outcomes) - 1]

    @property
    def _columns(self) -> tuple[str, ...]:
        return self.names[len(self.outcomes) - 1 :]

    @cached_property
    def _tie(self) -> Floats:
        return tie_of(len(self._baseline), len(self._columns))

    @property
    def _matrix(self) -> Floats:
        return untied(self._tie, self._placement)


@dataclass(frozen=True, eq=False)
class OrderedRegression(Regression):
    """An ordinal likelihood and the rows to sum over.

    Parameters are K - 1 thresholds ζ and then the slopes β; the predictors that `Rows` knows of are
    ``ζ_k - xᵀβ``, so what moves columns moves each of them.
    """

    family: Ordinal

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the parameters: a slope belongs to no threshold."""
        return self.names

    @property
    def size(self) -> int:
        """The number of thresholds and slopes."""
        return self.thresholds + len(self.rows.columns.names)

    @property
    def thresholds(self) -> int:
        """The number of thresholds."""
        return self.rows.placement.predictors

    @cached_property
    def tie(self) -> Floats:
        """What makes the coefficients of all predictors from the parameters."""
        return tie_of(self.thresholds, self.size - self.thresholds)

    @cached_property
    def matrix(self) -> Floats:
        """What inside parameters are multiplied with on the way out."""
        return untied(self.tie, self.rows.placement)

    @cached_property
    def displacement(self) -> Floats:
        """What the level of the offset adds to the thresholds."""
        moved = np.zeros(self.size)
        moved[: self.thresholds] = -self.rows.level
        return moved

    def read_start(self, start: Any) -> Floats:
        """Return the inside point of thresholds and slopes for the columns as they were given."""
        given = data.read_vector(start, what="start")
        if len(given) != self.size:
            raise DataError(f"start has {len(given)} values, the model has {self.size} parameters.")
        if not (np.diff(given[: self.thresholds]) > 0).all():
            raise DataError(f"start must begin with {self.thresholds} rising thresholds.")
        placed = np.linalg.solve(self.matrix, given)
        return np.asarray(placed - self.displacement, float)

    def origin(self) -> Floats:
        """Return the thresholds that give the shares of the outcomes, and no effects."""
        seen = self.rows.seen(self.thresholds + 1)
        share = np.cumsum(seen)[:-1] / seen.sum()
        point = np.zeros(self.size)
        point[: self.thresholds] = LINKS[self.family.link].link(share)
        return point

    def near(self, close: float) -> Floats:
        """Return a point near the maximum, or the origin if some rows lack an outcome."""
        some = self.rows.thinned(self.rows.count // 10)
        seen = some.seen(self.thresholds + 1).all()
        return super().near(close) if seen else self.origin()

    def precise(self, point: Floats) -> float | None:
        """Return the log-likelihood of large counts at a point, None if none is large."""
        return super().precise(self.tie @ point)

    def _settled(self, step: Floats) -> bool:
        return super()._settled(self.tie @ step)

    def proved(self, optimum: newton.Optimum) -> bool:
        """Tell whether the last Newton step proves that nothing separates the outcomes."""
        at, step = optimum.point - optimum.step, optimum.step
        changes = self.rows.each(lambda block: self.family.largest_change(at, step, block))
        return max(changes) < existence.SMALL_MOVE

    def draw(
        self, point: Floats, sigma: float | None, rng: np.random.Generator, replicates: int
    ) -> NDArray[Any]:
        """Return codes or counts at the rows."""
        predictors = self.predictors(self.tie @ self.inside(point))
        return self.family.draw(rng, predictors, self.rows.response, sigma, replicates)

    def result(self, optimum: newton.Optimum) -> OrdinalFit:
        """Return the fit that converged."""
        return OrdinalFit(**measured(self, optimum), **self._form(optimum.point))

    def no_result(self, reason: str, status: str) -> OrdinalFit:
        """Return a fit without numbers."""
        point = np.full(self.size, np.nan)
        return OrdinalFit(**unmeasured(self, reason, status), **self._form(point))

    def _form(self, point: Floats) -> dict[str, Any]:
        inside = self.tie @ self.inside(point)
        return {**super()._form(point), "_inside": frozen(inside)}
