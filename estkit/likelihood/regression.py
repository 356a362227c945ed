"""Regression: a family whose linear predictors are made from columns, summed over rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.errors import ConvergenceError
from estkit.likelihood import approach, counts, divergence, existence, newton, rank, score_sums
from estkit.likelihood.family import Conclusion, Floats, Sums
from estkit.likelihood.links.bounds import Bounds, Plane
from estkit.likelihood.links.restarts import restarts
from estkit.likelihood.placed import Placed
from estkit.likelihood.result import measured, unmeasured
from estkit.likelihood.uncertainty import frozen

if TYPE_CHECKING:
    from estkit.likelihood.regression_fit import RegressionFit

_ALL_STEPS = 200
_LARGE = 20_000
_COSTLY = 5_000_000  # rows times parameters: one Hessian less is worth the 9th digit of an error


@dataclass(frozen=True, eq=False)
class Regression(Placed):
    """A family of linear predictors and the rows to sum over."""

    moments: rank.Scan | None = None

    @property
    def n_obs(self) -> int:
        """The number of rows, or the sum of the frequency weights."""
        return self.rows.response.n_obs

    @property
    def outcomes(self) -> tuple[Any, ...]:  # type: ignore[override]
        """The labels of the outcomes."""
        return self.rows.response.outcomes

    @property
    def weighting(self) -> str:  # type: ignore[override]
        """What the weights of the rows mean."""
        return self.rows.response.weighting

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was done with the columns on the way in."""
        coding = self.rows.columns.coding
        return () if coding is None else coding.notes

    @property
    def groups(self) -> NDArray[np.int64] | None:  # type: ignore[override]
        """The number of the group to which each row belongs, of rows in memory."""
        return self.rows.groups

    @property
    def n_groups(self) -> int | None:
        """The number of groups, if the rows have them."""
        return self.rows.n_groups

    def total(self, point: Floats, *, curvature: bool = True) -> Sums:
        """Return the sums over all rows."""
        return self.rows.total(self.family, point, curvature=curvature)

    def conclude(self, value: float) -> Conclusion:
        """Return the log-likelihood as the family concludes it."""
        return self.family.conclude(value, self.rows.response)

    def conclude_at(self, point: Floats, value: float) -> Conclusion:
        """Return the log-likelihood; that of large counts from parts that do not cancel."""
        concluded = self.conclude(value)
        paying = getattr(self.family, "penalty", None) is not None  # the value is another then
        found = None if paying else self.precise(point)
        return concluded if found is None else concluded._replace(loglik=found)

    def precise(self, point: Floats) -> float | None:
        """Return the log-likelihood of large counts at a point, None if none is large."""
        return counts.loglik_at(self.family, self.rows, point)

    def expected(self, point: Floats) -> Floats:
        """Return the expected information summed over all rows."""
        return self.rows.expected(self.family, point)

    def stand_in(self, point: Floats) -> Floats:
        """Return the expected information, which is never indefinite."""
        return self.expected(point)

    @cached_property
    def bounds(self) -> Bounds | None:  # type: ignore[override]
        """The region in which every row has a probability, for links that bound it."""
        domain = getattr(self.family, "domain", None)
        found = None if domain is None else domain(self.rows.response)
        return None if found is None else Bounds(self.rows, self.family, found)

    def scores(self, point: Floats) -> Iterator[Floats]:
        """Yield the scores of the rows of each block."""
        return self.rows.each(lambda block: self.family.scores(point, block))

    def group_scores(self, point: Floats) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """Yield the groups of some rows and their scores, added up in each."""
        return score_sums.of_groups(self.rows, self.family, point)

    def meat(self, point: Floats) -> Floats:
        """Return the sum of squared scores, a row of weight w standing for w equal units."""
        return score_sums.of_squares(self.rows, self.family, point)

    def slope(self, point: Floats) -> tuple[float, Floats]:
        """Return the value and the gradient alone, at a fraction of the cost."""
        loglik, gradient, _ = self.total(point, curvature=False)
        return loglik, gradient

    @property
    def large(self) -> bool:
        """Whether there are so many rows that a fit to some of them saves time."""
        return self.rows.count >= max(_LARGE, 40 * len(self.terms))

    @property
    def tie(self) -> Floats | None:
        """What makes the coefficients of all predictors, where they are not the parameters."""
        return None

    def origin(self) -> Floats:
        """Return 0, or a point inside bounds: Newton's method gets to any maximum from there."""
        return np.zeros(self.size) if self.bounds is None else self.bounds.start()

    def proved(self, optimum: newton.Optimum) -> bool:
        """Tell whether convergence proves by itself that nothing separates the outcomes."""
        return True

    def begin(self) -> Floats:
        """Return a point near the maximum when there are many rows, else the origin."""
        point = self.near(approach.CLOSE)
        fits = self.bounds is None or self.bounds.holds(point)
        return point if fits else self.origin()

    def near(self, close: float) -> Floats:
        """Return a point so many standard errors from the maximum, or the origin."""
        return approach.near(self, close)

    def thinned(self, part: int = 10) -> Regression:
        """Return the same model for a tenth of the rows, or another part."""
        return replace(self, rows=self.rows.thinned(self.rows.count // part))

    def diagonal(self) -> Floats:
        """Return a guess of the diagonal of the information."""
        return self.rows.squares() / 4

    def examine(self) -> Regression:
        """Return the model with its columns placed so that their moments keep their digits.

        Raises
        ------
        RankError
            If columns depend linearly on others.
        """
        if self.large and rank.is_clear(self.rows.thinned(self.rows.count // 10), self.reach):
            return self  # independent in some rows is independent in all
        rows, moments = rank.examine(self.rows, without_intercept=self.tie is None)
        return replace(self, rows=rows, moments=moments)

    @cached_property
    def reach(self) -> Floats:
        """A bound on the size of the entries in each column of the design."""
        if self.moments is not None:
            return np.sqrt(np.diag(self.moments.gram))  # no entry exceeds the root sum of squares
        return self.rows.reach()

    def alone(self) -> AbstractContextManager[Any]:
        """Return a context without threads of linear algebra, which small products wait for."""
        return nullcontext() if self.rows.small else parallel.serial_algebra()

    def _settled(self, step: Floats) -> bool:
        return existence.largest_move(self.rows, self.reach, step) < existence.SMALL_MOVE

    def _maximise(self, begin: Floats, steps: int, patience: float = math.inf) -> newton.Optimum:
        return newton.maximise(
            self.objective,
            begin,
            max_iter=steps,
            settled=self._settled,
            slope=self.slope if self.rows.count * self.size >= _COSTLY else None,
            stand_in=self.stand_in,
            patience=patience,
        )

    def solve(self, start: Any = None) -> newton.Optimum:
        """Return the maximum; whether there is one is asked when it is not found at once."""
        patience = approach.PATIENCE if self.large else math.inf
        begin = self.begin() if start is None else self.read_start(start)
        optimum = self._maximise(begin, approach.EASY_STEPS, patience)
        if not optimum.converged and start is not None:
            optimum = self._maximise(self.origin(), approach.EASY_STEPS, patience)
        if not (optimum.converged and self.proved(optimum)):  # is there a maximum at all?
            self._refuse_separated(optimum.point)
        if not optimum.converged and self.bounds is not None:
            optimum = self._inwards(self.bounds)
        elif not optimum.converged:
            optimum = self._maximise(optimum.point, _ALL_STEPS)
            if not optimum.converged:
                optimum = self._maximise(self.origin(), _ALL_STEPS)
        if not optimum.converged:
            measured = optimum.certificate
            raise ConvergenceError(
                f"The fit did not converge: {measured.reason} (relative gradient "
                f"{measured.relative_gradient:.2g}, Newton decrement "
                f"{measured.newton_decrement:.2g}). The outcomes are almost separated or the "
                f"columns almost dependent; look for columns with extreme values, drop or merge "
                f"them."
            )
        return self._highest(optimum)

    def _refuse_separated(self, point: Floats) -> None:
        """Raise if the outcomes are separated, and say what is approached."""
        divergence.refuse_separated(self, point)

    def _highest(self, found: newton.Optimum) -> newton.Optimum:
        """Return the highest of the maxima found from here and from the other starts."""
        for point in self.starts:
            other = self._maximise(point, _ALL_STEPS)
            if other.converged and other.is_above(found):
                found = other
        return found

    @cached_property
    def starts(self) -> tuple[Floats, ...]:  # type: ignore[override]
        """Where else to start, when there may be several maxima."""
        return restarts(self)

    def _inwards(self, bounds: Bounds) -> newton.Optimum:
        """Return the maximum within bounds, coming from inside.

        Raises
        ------
        FitError
            If it lies on the edge.
        """
        arrival, _ = bounds.approach(Plane.whole(self.size), self.origin())
        optimum = self._maximise(arrival, approach.EASY_STEPS)
        if not optimum.converged:
            bounds.refuse_edge(arrival, self.outside(arrival), self.names)
        return optimum

    def result(self, optimum: newton.Optimum) -> RegressionFit:
        """Return the fit that converged."""
        from estkit.likelihood.regression_fit import RegressionFit

        return RegressionFit(**measured(self, optimum), **self._form(optimum.point))

    def no_result(self, reason: str, status: str) -> RegressionFit:
        """Return a fit without numbers."""
        from estkit.likelihood.regression_fit import RegressionFit

        return RegressionFit(
            **unmeasured(self, reason, status), **self._form(np.full(self.size, np.nan))
        )

    def _form(self, point: Floats) -> dict[str, Any]:
        return {
            "_placement": self.rows.placement,
            "_inside": frozen(self.inside(point)),
            "_unit": self.rows.response.unit,
            "_coding": self.rows.columns.coding,
        }

    def draw(
        self, point: Floats, sigma: float | None, rng: np.random.Generator, replicates: int
    ) -> NDArray[Any]:
        """Return values of responses at the rows."""
        predictors = self.predictors(self.inside(point))
        return self.family.draw(rng, predictors, self.rows.response, sigma, replicates)

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return responses in the form of y."""
        return self.family.decode(values, self.rows.response)

    def renew(self, values: NDArray[Any]) -> Regression:
        """Return the model for other responses to the same columns."""
        response = self.family.renew(values, self.rows.response)
        return replace(self, rows=replace(self.rows, response=response))
