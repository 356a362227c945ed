"""Regression under Jeffreys' prior: log-likelihood plus half the log-determinant of information.

With W the expected information of a row about its linear predictors, I = Σ W ⊗ x xᵀ and Q = x I⁻¹ x
for each row, the penalty ½ log |I| has the gradient ½ Σ tr(W' Q) x (Firth 1993; Kosmidis and Firth
2009). Its second derivatives are summed exactly where the model is small; where it is not, Newton's
method goes on without them, and only takes more steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from estkit.likelihood import newton
from estkit.likelihood.family import Block, Conclusion, Floats, Sums
from estkit.likelihood.penalties.fit import PenalisedFit, concluded
from estkit.likelihood.penalties.penalty import described
from estkit.likelihood.penalties.rowwise import Penalisable
from estkit.likelihood.regression import Regression
from estkit.likelihood.uncertainty import inverse_of

_SMALL = 3e8  # operations that the second derivatives of the penalty may cost
_STEP = 1e-5  # of linear predictors, for differences of an analytic slope


class _Part(NamedTuple):
    gradient: Floats
    curve: Floats | None
    change: Floats | None


@dataclass(frozen=True, eq=False)
class JeffreysRegression(Regression):
    """A regression under Jeffreys' prior."""

    family: Penalisable

    def likelihood(self, point: Floats) -> Sums:
        """Return the sums over all rows without the prior."""
        return super().total(point)

    def total(self, point: Floats, *, curvature: bool = True) -> Sums:
        """Return the sums over all rows with the prior."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = super().total(point, curvature=curvature)
            information = self.expected(point)
        sign, logdet = np.linalg.slogdet(information) if np.isfinite(information).all() else (0, 0)
        if sign <= 0:
            return Sums(-np.inf, sums.gradient, sums.information)
        inverse = inverse_of(information)
        exact = curvature and self.rows.count * float(self.size) ** 3 <= _SMALL
        gradient, curve = np.zeros(self.size), np.zeros((self.size, self.size))
        change = np.zeros((self.size, self.size, self.size))
        for part in self.rows.each(lambda block: self._bent(point, block, inverse, exact)):
            gradient += part.gradient
            if part.curve is not None and part.change is not None:
                curve += part.curve
                change += part.change
        total, observed = sums.loglik + 0.5 * float(logdet), sums.information
        if exact and observed is not None:
            turned = np.einsum("ab,cbd->cad", inverse, change)
            curve -= 0.5 * np.einsum("cab,dba->cd", turned, turned)
            observed = observed - (curve + curve.T) / 2
        return Sums(total, sums.gradient + gradient, observed)

    def _bent(self, point: Floats, block: Block, inverse: Floats, exact: bool) -> _Part:
        """Return the derivatives of the penalty over a block, and of the information for each."""
        design, eta = block.design, block.predictors(point)
        k, q = len(eta), design.shape[1]
        slope = self._slope_of(block)
        bend = slope(eta)
        blocks = inverse.reshape(k, q, k, q)
        leverage = np.einsum("nq,aqbr,nr->abn", design, blocks, design, optimize=True)
        pull = 0.5 * np.einsum("abcn,abn->cn", bend, leverage)
        gradient = (pull @ design).ravel()
        if not exact:
            return _Part(gradient, None, None)
        weights = 0.5 * np.einsum("abcdn,abn->cdn", _differences(slope, eta), leverage)
        curve = np.einsum("cdn,nq,nr->cqdr", weights, design, design, optimize=True)
        change = np.empty((k, q, k, q, k, q))
        for c in range(k):
            for j in range(q):
                moved = bend[:, :, c] * design[:, j]
                for a in range(k):
                    for b in range(k):
                        change[c, j, a, :, b, :] = (design * moved[a, b][:, None]).T @ design
        size = k * q
        return _Part(gradient, curve.reshape(size, size), change.reshape(size, size, size))

    def conclude_at(self, point: Floats, value: float) -> Conclusion:
        """Return the penalised log-likelihood, all digits of that of large counts."""
        concluded, found = self.conclude(value), self.precise(point)
        if found is None:
            return concluded
        logdet = float(np.linalg.slogdet(self.expected(point))[1])
        return concluded._replace(loglik=found + 0.5 * logdet)

    def _slope_of(self, block: Block) -> Callable[[Floats], Floats]:
        """Return the derivative of W, of shape (K, K, K, n), the predictor that moves third."""
        response = replace(self.rows.response, values=block.values, weights=block.weights)
        rows = self.family.rowwise(response)
        if rows.symmetric:  # inside, one outcome is the reference
            rows = replace(rows, symmetric=False)
        slope: Callable[[Floats], Floats] = rows.information_slope
        return slope

    def _refuse_separated(self, point: Floats) -> None:
        """Raise nothing: the prior keeps every maximum finite."""

    def result(self, optimum: newton.Optimum) -> PenalisedFit:
        """Return the fit, with errors from the expected information at the estimate."""
        point = optimum.point
        information = self.expected(point)
        logdet = float(np.linalg.slogdet(information)[1])
        informed = replace(optimum, inverse=inverse_of(information))
        fields = concluded(self, informed, -0.5 * logdet) | self._form(point)
        # for the columns as they were given, the determinant of the information is another
        fields["objective"] -= float(np.linalg.slogdet(self.rows.placement.transform)[1])
        note = (
            f"{described(self.family.penalty)}: penalized log-likelihood "
            f"{fields['objective']:.5g}, for profile intervals and ratio tests."
        )
        fields |= {"covariance_kind": "expected", "notes": (*fields["notes"], note)}
        return PenalisedFit(**fields, effective=float(self.size))


def _differences(slope: Callable[[Floats], Floats], eta: Floats) -> Floats:
    """Return the derivative of an analytic slope (..., n) in each of K predictors, (..., K, n)."""
    found = []
    for moved in range(len(eta)):
        step = np.zeros_like(eta)
        step[moved] = _STEP * np.maximum(1.0, np.abs(eta[moved]))
        found.append((slope(eta + step) - slope(eta - step)) / (2 * step[moved]))
    return np.stack(found, axis=-2)
