"""Regression under an L1 or elastic-net penalty: the solver on its data, and the fit it ends in."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from estkit.errors import ConvergenceError, DataError
from estkit.likelihood import rank
from estkit.likelihood.family import Conclusion, Floats
from estkit.likelihood.newton import Certificate, Optimum
from estkit.likelihood.penalties.fit import PenalisedFit
from estkit.likelihood.penalties.lasso import Lasso, Solution
from estkit.likelihood.penalties.penalty import described
from estkit.likelihood.penalties.ridge import free_rows, refuse_separated
from estkit.likelihood.penalties.rowwise import Penalisable
from estkit.likelihood.penalties.working_set import Candidates
from estkit.likelihood.placement import Placement
from estkit.likelihood.regression import Regression
from estkit.likelihood.result import sigma_estimate, unmeasured
from estkit.likelihood.uncertainty import frozen

_TOLERANCE = 1e-8
_AIM = 1e-12  # where rounding allows: the last step costs little and gives the last digits


@dataclass(frozen=True, eq=False)
class Attained(Optimum):
    """An optimum with the solution that it is."""

    solution: Solution
    effective: float


@dataclass(frozen=True, eq=False)
class LassoRegression(Regression):
    """A regression whose log-likelihood pays l₁ |β| + ½ l₂ β² for each coefficient.

    Parameters
    ----------
    strengths : array of shape (2, p)
        l₁ and l₂ of each column as it was given.
    candidates : Candidates
        The columns as the solver looks at them; `examine` makes them.
    """

    family: Penalisable
    strengths: Floats | None = None
    candidates: Candidates | None = None

    @property
    def paid(self) -> Floats:
        """l₁ and l₂ of each column."""
        assert self.strengths is not None
        return self.strengths

    def examine(self) -> LassoRegression:
        """Return the model with its columns moved as the solver moves them.

        Raises
        ------
        RankError
            If columns without penalty depend linearly on each other.
        SeparationError
            If they separate the outcomes.
        DataError
            If the squares of a column leave the range of floats.
        """
        rows, free = self.rows, free_rows(self.rows, self.paid.sum(axis=0))
        if free.columns.names:
            rank.examine(free)
        refuse_separated(free, self.family)
        values, placement = rows.columns.values, rows.placement
        with np.errstate(over="ignore", invalid="ignore"):
            candidates = Candidates(values, movable=placement.intercept)
            sizes = candidates.sizes(rows.response.weights)
        if not np.isfinite(sizes).all():
            name = rows.names[int(np.argmin(np.isfinite(sizes)))]
            raise DataError(
                f"The squares of the column {name!r} are no floats, and L1 needs them; divide it "
                f"by a power of 10 that brings its values near 1."
            )
        placement = Placement(candidates.shift, None, placement.intercept, placement.predictors)
        return replace(self, rows=replace(rows, placement=placement), candidates=candidates)

    def solver(self, *, tolerance: float) -> Lasso:
        """Return the solver, in the unit of the response inside."""
        assert self.candidates is not None
        response = self.rows.response
        likelihood, offset = self.family.rowwise(response), self.rows.offset
        if offset is not None:
            offset = np.ascontiguousarray(offset.reshape(self.candidates.rows, -1).T)
            if likelihood.predictors > len(offset):  # the first outcome's was taken away
                offset = np.vstack([np.zeros((1, offset.shape[1])), offset])
        return Lasso(
            likelihood,
            self.candidates,
            self.paid[0] / (response.unit * response.precision),
            self.paid[1] / response.precision,
            intercept=self.rows.placement.intercept,
            offset=offset,
            weights=response.weights,
            tolerance=tolerance,
        )

    def coefficients(self, solution: Solution) -> Floats:
        """Return the coefficients (predictors, terms) for columns as they are moved, inside."""
        start = int(self.rows.placement.intercept)
        dense = np.zeros((len(solution.slopes), len(self.rows.terms)))
        dense[:, start + solution.columns] = solution.slopes
        if start:
            dense[:, 0] = solution.intercepts
        return dense

    def reported(self, solution: Solution) -> Floats:
        """Return the coefficients (predictors, terms) for columns as they were given."""
        coefs, response = self.coefficients(solution) * self.rows.response.unit, self.rows.response
        if self.rows.placement.intercept:
            level = np.atleast_1d(self.rows.level) * response.unit
            if self._leveled(coefs):
                level = np.concatenate([[0.0], np.broadcast_to(level, len(coefs) - 1)])
            coefs[:, 0] += response.origin - level - coefs[:, 1:] @ self.rows.placement.shift
            if self._leveled(coefs):
                coefs[:, 0] -= coefs[:, 0].mean()
        return coefs

    def solve(self, start: Any = None) -> Attained:
        """Return the maximum; it does not depend on where one starts, but that must be possible.

        Raises
        ------
        DataError
            If `start` is no point.
        ConvergenceError
            If the KKT conditions do not hold to 1e-8.
        """
        if start is not None:
            self.read_start(start)
        lasso = self.solver(tolerance=_AIM)
        solution = lasso.at(1.0)
        if not solution.kkt <= _TOLERANCE:
            raise ConvergenceError(
                f"The fit did not converge: the KKT conditions are violated by {solution.kkt:.2g} "
                f"of the largest gradient. Columns of extreme scale may be the reason: divide "
                f"them by their standard deviations, or make the penalty stronger."
            )
        point = self.point_of(solution)
        reason = "the KKT conditions hold"
        measured = Certificate(solution.kkt, math.nan, math.nan, solution.iterations, reason)
        counted = self.effective(solution, lasso)
        value, none = lasso.likelihood.value(solution.eta), np.empty((0, 0))
        return Attained(point, value, none, none, np.empty(0), True, measured, solution, counted)

    def point_of(self, solution: Solution) -> Floats:
        """Return the inside point of a solution."""
        coefs = self.coefficients(solution)
        return np.asarray((coefs[1:] - coefs[:1] if self._leveled(coefs) else coefs).ravel())

    def height(self, solution: Solution, value: float) -> Conclusion:
        """Return the log-likelihood of a solution, all digits of that of large counts."""
        concluded, found = self.conclude(value), self.precise(self.point_of(solution))
        return concluded if found is None else concluded._replace(loglik=found)

    def _leveled(self, coefs: Floats) -> bool:
        """Tell whether every outcome has coefficients, so that the first must be taken away."""
        return len(coefs) > self.rows.placement.predictors

    def effective(self, solution: Solution, lasso: Lasso) -> float:
        """Return how many parameters are counted: those not 0, less what L2 takes from them."""
        start, free = int(self.rows.placement.intercept), self.rows.placement.predictors
        used = np.count_nonzero(solution.slopes, axis=0)
        if self.weighting == "sampling":
            return math.nan
        if not self.paid[1].any():
            return float(np.minimum(used, free).sum() + start * free)
        return lasso.effective(solution)

    def result(self, optimum: Optimum) -> PenalisedFit:
        """Return the fit, without standard errors."""
        assert isinstance(optimum, Attained)
        solution, point = optimum.solution, optimum.point
        concluded, params = self.height(solution, optimum.value), self.reported(solution)
        response, slopes = self.rows.response, solution.slopes * self.rows.response.unit
        l1, l2 = self.paid[:, solution.columns]
        paid = float((l1 * np.abs(slopes)).sum() + 0.5 * (l2 * slopes**2).sum())
        sigma, objective = None, concluded.loglik - paid
        if concluded.sigma is not None:
            sigma = sigma_estimate(concluded.sigma, None)
            objective = optimum.value * response.unit**2 * response.precision - paid
        every = len(self.rows.columns.names) * len(slopes)
        notes = (
            f"{described(self.family.penalty)}: {np.count_nonzero(slopes)} of {every} coefficients "
            f"are not 0.",
            "There are no standard errors, for the data chose which coefficients are 0.",
        )
        fields = unmeasured(self, optimum.certificate.reason, "ok") | self._form(point)
        fields |= {
            "params": frozen(params.ravel()),
            "loglik": concluded.loglik,
            "converged": True,
            "certificate": optimum.certificate,
            "sigma": sigma,
            "constant": concluded.constant,
            "covariance_kind": "none",
            "notes": (*fields["notes"], *notes),
            "_covariance": frozen(np.empty((0, 0))),
            "_point": frozen(point),
        }
        fields |= {"objective": objective, "effective": optimum.effective, "kkt": solution.kkt}
        return PenalisedFit(**fields)
