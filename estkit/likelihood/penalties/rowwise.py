"""Likelihoods as functions of the linear predictors of each row, for what looks at columns.

Arrays are (predictors, rows): all rows at once, where `Family.evaluate` sees a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Family, Floats, Response
from estkit.likelihood.links import links
from estkit.likelihood.penalties.penalty import Penalty


class RowLikelihood(Protocol):
    """A concave log-likelihood as a function of the linear predictors of its rows.

    Attributes
    ----------
    predictors : int
        The number K of linear predictors.
    symmetric : bool
        Whether nothing changes when the same is added to all predictors of a row.
    """

    predictors: int
    symmetric: bool

    def value(self, eta: Floats) -> float:
        """Return the log-likelihood without constants at linear predictors of shape (K, n)."""
        ...

    def residual(self, eta: Floats) -> Floats:
        """Return its derivative, of shape (K, n)."""
        ...

    def curvature(self, eta: Floats) -> Floats:
        """Return minus its second derivative, of shape (K, K, n)."""
        ...


class Penalisable(Family, Protocol):
    """A family whose coefficients may pay."""

    penalty: Penalty | None

    def rowwise(self, response: Response) -> Any:
        """Return the likelihood as a function of the linear predictors of the rows.

        That is a `RowLikelihood`, and for Jeffreys' prior one that also gives
        `information_slope`.
        """
        ...


@dataclass(frozen=True, eq=False)
class BinomialRows:
    """Successes and trials of each row under a link; without trials there is one in each."""

    link: links.Link
    successes: Floats
    trials: Floats | None
    predictors: int = 1
    symmetric: bool = False

    @cached_property
    def _last(self) -> list[Any]:
        """The linear predictors that were asked about last, and the answer."""
        return [None, None]

    @cached_property
    def _sign(self) -> Floats | None:
        """±1 for single outcomes under a link with 1 - π(η) = π(-η): one law serves both."""
        single = self.trials is None and self.link.name in ("logit", "probit")
        return 2.0 * self.successes - 1.0 if single else None

    def _rows(self, eta: Floats) -> links.LogProbability:
        if self._last[0] is not eta:
            self._last[:] = eta, self._computed(eta[0])
        found: links.LogProbability = self._last[1]
        return found

    def _computed(self, eta: Floats) -> links.LogProbability:
        if self._sign is None:
            return links.rows(self.link, eta, self.successes, self.trials)
        value, first, second = self.link.success(self._sign * eta)
        return links.LogProbability(value, self._sign * first, second)

    def value(self, eta: Floats) -> float:
        """Return the log-likelihood."""
        return float(self._rows(eta).value.sum())

    def residual(self, eta: Floats) -> Floats:
        """Return the score of the linear predictor."""
        return self._rows(eta).first[None]

    def curvature(self, eta: Floats) -> Floats:
        """Return minus its second derivative."""
        return -self._rows(eta).second[None, None]

    def information_slope(self, eta: Floats) -> Floats:
        """Return the derivative of the expected curvature, of shape (1, 1, 1, n)."""
        won, lost = self.link.success(eta[0]), self.link.failure(eta[0])
        slope = -(won.second * lost.first + won.first * lost.second)
        slope = slope if self.trials is None else self.trials * slope
        return slope[None, None, None]


@dataclass(frozen=True, eq=False)
class SoftmaxRows:
    """How often each outcome was seen in each row, the reference first.

    Parameters
    ----------
    counts : array of shape (K, n)
        The counts.
    symmetric : bool
        Whether every outcome has a linear predictor, or all but the reference.
    """

    counts: Floats
    symmetric: bool

    @property
    def predictors(self) -> int:
        """The number of linear predictors."""
        return len(self.counts) - (not self.symmetric)

    @cached_property
    def totals(self) -> Floats:
        """The number of observations in each row."""
        totals: Floats = self.counts.sum(axis=0)
        return totals

    def _logs(self, eta: Floats) -> Floats:
        """Return the logarithms of the probabilities of all outcomes."""
        every = eta if self.symmetric else np.vstack([np.zeros((1, eta.shape[1])), eta])
        every = every - every.max(axis=0)
        logs: Floats = every - np.log(np.exp(every).sum(axis=0))
        return logs

    def value(self, eta: Floats) -> float:
        """Return the log-likelihood."""
        return float((self.counts * self._logs(eta)).sum())

    def residual(self, eta: Floats) -> Floats:
        """Return observed minus expected counts."""
        residual: Floats = self.counts - self.totals * np.exp(self._logs(eta))
        return residual if self.symmetric else residual[1:]

    def curvature(self, eta: Floats) -> Floats:
        """Return totals · (diag(p) - p pᵀ)."""
        share = np.exp(self._logs(eta))
        share = share if self.symmetric else share[1:]
        weighted = self.totals * share
        curvature: Floats = -weighted[:, None] * share[None]
        each = np.arange(len(share))
        curvature[each, each] += weighted
        return curvature

    def information_slope(self, eta: Floats) -> Floats:
        """Return the derivative of the curvature, of shape (K, K, K, n)."""
        share = np.exp(self._logs(eta))
        share = share if self.symmetric else share[1:]
        unit = np.eye(len(share))[:, :, None]
        change = share[:, None] * (unit - share[None])  # of share a in predictor c
        slope: Floats = unit[:, :, None] * change[:, None]
        slope = slope - change[:, None] * share[None, :, None] - share[:, None, None] * change
        return self.totals * slope


@dataclass(frozen=True, eq=False)
class GaussianRows:
    """Numbers around their mean, at σ = 1."""

    values: Floats
    weights: Floats | None
    predictors: int = 1
    symmetric: bool = False

    def value(self, eta: Floats) -> float:
        """Return minus half the weighted sum of squares."""
        return -0.5 * float(self.residual(eta)[0] @ (self.values - eta[0]))

    def residual(self, eta: Floats) -> Floats:
        """Return weight times residual."""
        residual: Floats = self.values - eta
        return residual if self.weights is None else self.weights * residual

    def curvature(self, eta: Floats) -> Floats:
        """Return the weights."""
        ones = np.ones(eta.shape[1]) if self.weights is None else self.weights
        return ones[None, None]


def counts_of(values: NDArray[Any], weights: Floats | None, outcomes: int) -> Floats:
    """Return counts (K, n) from codes of outcomes with weights, or from counts (n, K)."""
    if values.ndim == 2:
        return np.ascontiguousarray(values.T, dtype=float)
    counts: Floats = (values == np.arange(outcomes)[:, None]).astype(float)
    return counts if weights is None else counts * weights
