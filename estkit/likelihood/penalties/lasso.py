"""L1 and elastic-net penalties: the maximum for one strength after the other, each from the last.

The strong rule proposes which columns to work on (Tibshirani et al. 2012, made bolder); the KKT
conditions of all columns decide, confirmed for several strengths in one pass over the columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Floats
from estkit.likelihood.penalties.proximal import STEPS, ProximalNewton, central
from estkit.likelihood.penalties.rowwise import RowLikelihood
from estkit.likelihood.penalties.working_set import Candidates, Indices, WorkingSet

_TOGETHER = 6  # strengths confirmed in one pass over all columns
_SLOPE = 0.6  # of gradients along the path; the strong rule takes 1, which hardly any has
_MOST = 100  # candidates taken at once while few are in use
_FEW = 10
_DOWN = 0.3  # how far one goes at a time on the way to a single strength
_ROUGH = 1e-3  # the KKT error on that way
_FEW_STEPS = 25  # for one strength on that way
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Solution:
    """A penalised maximum, and how far the KKT conditions are from holding.

    Parameters
    ----------
    columns : array of shape (m,)
        The columns with a coefficient other than 0.
    intercepts : array of shape (K,)
        The intercepts for columns as the design moves them.
    slopes : array of shape (K, m)
        The coefficients of these columns.
    eta : array of shape (K, n)
        The linear predictors.
    kkt : float
        The largest violation of the KKT conditions over all columns, relative to ‖x‖ ‖r₀‖.
    converged : bool
        Whether `kkt` is within the tolerance.
    iterations : int
        The number of proximal Newton steps.
    """

    columns: Indices
    intercepts: Floats
    slopes: Floats
    eta: Floats
    kkt: float
    converged: bool
    iterations: int


class Lasso:
    """A penalised likelihood, solved for decreasing strengths.

    Parameters
    ----------
    likelihood : RowLikelihood
        The rows.
    design : Candidates
        The columns.
    l1, l2 : array of shape (p,)
        The penalty of each column at strength 1: l₁ |b| + ½ l₂ b².
    intercept : bool
        Whether each predictor has an intercept, which pays nothing.
    offset : array of shape (K, n), optional
        What is added to the linear predictors.
    weights : array of shape (n,), optional
        How much each row counts in ‖x‖.
    tolerance : float
        The KKT error to reach: violations relative to ‖x‖ ‖r₀‖, the largest gradient that a column
        could have, where r₀ are the residuals of the model without penalised columns.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.likelihood.penalties.lasso import Lasso
    >>> from estkit.likelihood.penalties.rowwise import GaussianRows
    >>> from estkit.likelihood.penalties.working_set import Candidates
    >>> X, y = np.eye(3), np.array([3.0, 1.0, 0.1])
    >>> rows = GaussianRows(y, None)
    >>> lasso = Lasso(rows, Candidates(X, movable=False), np.ones(3), np.zeros(3), intercept=False)
    >>> (solution,) = lasso.path(np.array([0.5]))
    >>> solution.columns, solution.slopes.round(6)
    (array([0, 1]), array([[2.5, 0.5]]))
    """

    def __init__(
        self,
        likelihood: RowLikelihood,
        design: Candidates,
        l1: Floats,
        l2: Floats,
        *,
        intercept: bool = True,
        offset: Floats | None = None,
        weights: Floats | None = None,
        tolerance: float = 1e-8,
    ) -> None:
        self.likelihood, self.design, self.l1, self.l2 = likelihood, design, l1, l2
        self.tolerance = tolerance
        self._size = np.maximum(design.sizes(weights), _TINY)
        self._working = WorkingSet(design, intercept=intercept)
        eta = np.zeros((likelihood.predictors, design.rows)) if offset is None else offset.copy()
        self._newton = ProximalNewton(likelihood, self._working, eta)
        self._look()
        self._add(np.flatnonzero((l1 == 0) & (l2 == 0)))
        if self._working.size:
            self._newton.solve(*self._penalties(1.0), tolerance)
            self._look()

    def _look(self) -> None:
        """Take the gradient of all columns, and the size of the residuals as the unit of errors."""
        residual = self.likelihood.residual(self._newton.eta)
        self._newton.unit = float(np.sqrt((residual**2).sum() / len(residual))) or 1.0
        self._gradient = self.design.correlate(residual)

    def largest_strength(self, share: float = 0.0) -> float:
        """Return the strength from which on every coefficient that pays for its size is 0.

        L1 is taken to be at least this share of what is paid, for a penalty that is all but L2.
        """
        paid = np.maximum(self.l1, share * (self.l1 + self.l2))
        pays = paid > 0
        return float((np.abs(self._gradient[:, pays]) / paid[pays]).max(initial=0.0))

    def at(self, strength: float) -> Solution:
        """Return the solution for one strength, by way of a few larger ones, roughly."""
        largest, wanted = self.largest_strength(), self.tolerance
        self.tolerance, self._newton.limit = max(wanted, _ROUGH), _FEW_STEPS
        steps = int(np.log(max(strength, _TINY) / largest) / np.log(_DOWN)) if largest > 0 else 0
        way = np.arange(1.0, min(steps, 60) + 1)
        self._walk(np.asarray(largest * _DOWN**way, float), hard=False)
        self.tolerance, self._newton.limit = wanted, STEPS
        return self.path(np.array([strength]))[0]

    def path(self, strengths: Floats) -> list[Solution]:
        """Return the solutions for decreasing strengths."""
        return self._walk(strengths, hard=True)

    def _walk(self, strengths: Floats, *, hard: bool) -> list[Solution]:
        """Solve for decreasing strengths, up to one that is too hard, or through."""
        found: list[Solution] = []
        previous = self.largest_strength()
        while len(found) < len(strengths):
            group = strengths[len(found) : len(found) + _TOGETHER]
            self._propose(float(group[-1]), previous)
            done = self._solve_group(group)
            found += done
            if done:
                previous = float(group[len(done) - 1])
                if not hard and done[-1].iterations >= self._newton.limit:
                    break
        return found

    def effective(self, solution: Solution, strength: float = 1.0) -> float:
        """Return trace((H + S)⁻¹ H) over the coefficients in use, S being the L2 penalty."""
        working = WorkingSet(self.design, intercept=bool(self._working.start))
        working.add(solution.columns, self._size[solution.columns])
        working.promote(np.ones(working.size, dtype=bool))
        weights = self.likelihood.curvature(solution.eta)
        k, m = len(weights), working.size
        hessian = np.zeros((k, m, k, m))
        for a in range(k):
            for b in range(k):
                hessian[a, :, b] = working.gram(weights[a, b], 0)
        kept = (solution.slopes != 0).ravel()
        if working.start:
            kept = np.insert(solution.slopes != 0, 0, True, axis=1).ravel()
        used = hessian.reshape(k * m, k * m)[np.ix_(kept, kept)]
        price = np.concatenate([np.zeros(working.start), strength * self.l2[solution.columns]])
        paying = used + np.diag(np.tile(price, k)[kept])
        scale = 1.0 / np.sqrt(np.maximum(paying.diagonal(), _TINY))
        scaled = paying * scale * scale[:, None]
        return float(np.trace(np.linalg.lstsq(scaled, used * scale * scale[:, None])[0]))

    def _propose(self, strength: float, previous: float) -> None:
        """Add the columns that are likely to be used at a strength."""
        bound = self.l1 * max(strength - _SLOPE * (previous - strength), 0.0)
        size = np.abs(self._gradient).max(axis=0, initial=0.0)
        wanted = size > bound
        wanted[self._working.index] = False
        used = int((self._newton.coefs != 0).any(axis=0).sum())
        self._add_worst(wanted, (size - self.l1 * strength) / self._size, max(_MOST, 2 * used))

    def _add_worst(self, wanted: NDArray[np.bool_], excess: Floats, most: int) -> None:
        columns = np.flatnonzero(wanted)
        if len(columns) > most:
            columns = np.sort(columns[np.argsort(-excess[columns], kind="stable")[:most]])
        self._add(columns)

    def _add(self, columns: Indices) -> None:
        if len(columns):
            self._working.add(columns, self._size[columns])
            self._newton.add(self._gradient[:, columns])

    def _penalties(self, strength: float) -> tuple[Floats, Floats]:
        """Return l₁ and l₂ of the coefficients at work."""
        index, lead = self._working.index, np.zeros(self._working.start)
        parts = [np.concatenate([lead, strength * part[index]]) for part in (self.l1, self.l2)]
        return parts[0], parts[1]

    def _solve_group(self, group: Floats) -> list[Solution]:
        """Solve for some strengths, and return those that hold for all columns."""
        newton, states = self._newton, []
        for strength in group:
            newton.iterations = 0
            newton.solve(*self._penalties(float(strength)), self.tolerance)
            states.append((newton.coefs[:, : self._working.front], newton.eta, newton.iterations))
            if newton.iterations >= newton.limit:
                break
        group = group[: len(states)]
        residuals = [self.likelihood.residual(eta) for _, eta, _ in states]
        gradients = self.design.correlate(np.concatenate(residuals))
        gradients = gradients.reshape(len(group), self.likelihood.predictors, -1)
        done: list[Solution] = []
        for state, strength, residual, gradient in zip(
            states, group, residuals, gradients, strict=True
        ):
            self._restore(state[0], state[1], residual, gradient)
            excess = np.abs(gradient).max(axis=0, initial=0.0) - strength * self.l1
            excess[self._working.index] = 0.0
            excess = np.maximum(excess, 0.0) / (newton.unit * self._size)
            if (excess > self.tolerance).any():
                self._add_worst(excess > self.tolerance, excess, max(_FEW, self._working.size))
                break
            l1, l2 = self._penalties(float(strength))
            done.append(
                self._solution(max(excess.max(initial=0.0), newton.error(l1, l2)), state[2])
            )
        return done

    def _restore(self, front: Floats, eta: Floats, residual: Floats, gradient: Floats) -> None:
        """Go back to an earlier state; columns that came into use after it have coefficient 0."""
        newton, working = self._newton, self._working
        newton.eta, self._gradient = eta, gradient
        newton.coefs = np.zeros((len(front), working.size))
        newton.coefs[:, : front.shape[1]] = front
        lead = residual.sum(axis=1, keepdims=True)[:, : working.start]
        newton.pull = np.concatenate([lead, gradient[:, working.index]], axis=1)

    def _solution(self, kkt: float, steps: int) -> Solution:
        coefs, start = self._newton.coefs, self._working.start
        slopes = coefs[:, start:]
        used = np.flatnonzero(slopes.any(axis=0))
        used = used[np.argsort(self._working.index[used])]
        intercepts = coefs[:, 0] if start else np.zeros(len(coefs))
        if self.likelihood.symmetric:
            slopes = central(slopes, self.l2[self._working.index])
        return Solution(
            self._working.index[used],
            intercepts,
            slopes[:, used],
            self._newton.eta,
            float(kkt),
            bool(kkt <= self.tolerance),
            steps,
        )
