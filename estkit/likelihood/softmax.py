"""The softmax (multinomial logit) likelihood: one of K outcomes, K - 1 linear predictors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError
from estkit.frames import as_frame
from estkit.labels import read_labels
from estkit.likelihood.counts import Long, constants_of, softmax_shares
from estkit.likelihood.family import Block, Conclusion, Floats, Response, Sums
from estkit.likelihood.penalties.penalty import Penalty, check_penalty
from estkit.likelihood.penalties.rowwise import SoftmaxRows, counts_of
from estkit.likelihood.predictions import expectation
from estkit.likelihood.shares import information, observed_counts, residual, shares_of
from estkit.likelihood.weights import KINDS, Weights, read_totals, read_weights


@dataclass(frozen=True)
class Softmax:
    """Softmax regression: which of K outcomes, or counts of each.

    Outcome k has probability ``exp(xᵀβ_k) / Σ_j exp(xᵀβ_j)``, with β = 0 for the reference outcome
    (Agresti 2013, section 8.1). Parameters are named ``"outcome:term"``, outcome after outcome; the
    multinomial coefficient of counts is kept in the log-likelihood.

    Parameters
    ----------
    reference : label, optional
        The outcome that the others are compared with; by default the first one, in sorted order or
        in the order of a categorical.
    symmetric : bool
        Whether to report a coefficient for every outcome, measured from their mean, so that those
        of a term sum to 0, instead of against a reference. The fit is the same, unless it is
        penalised: then these coefficients pay, and under `L1` they need not sum to 0.
    penalty : L1, L2, ElasticNet or Jeffreys, optional
        What the coefficients pay.

    Notes
    -----
    y may be labels of any one kind, or an (n, K) array or frame of counts, whose columns are the
    outcomes (numbered from 0 for an array), or of shares with the trials as ``analytic_weights``.

    Examples
    --------
    >>> import estkit as ek
    >>> X = [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0]]
    >>> y = ["low", "mid", "low", "high", "mid", "high", "mid", "high"]
    >>> fit = ek.fit(ek.Softmax(reference="low"), X, y)
    >>> fit.names
    ('high:intercept', 'high:x0', 'mid:intercept', 'mid:x0')
    >>> fit.params.round(3)
    array([-4.894,  1.434, -2.841,  1.051])
    """

    weightings: ClassVar = tuple(KINDS)
    coefficients: ClassVar = "multinomial coefficients"

    reference: Any = None
    symmetric: bool = False
    penalty: Penalty | None = None

    def __post_init__(self) -> None:
        check_penalty(self.penalty)
        if self.symmetric and self.reference is not None:
            raise DataError("The symmetric form has no reference; pass one of the two.")

    def encode(self, y: Any, weights: Any, rows: int, *, intercept: bool = True) -> Response:
        """Check y and weights; in the codes, the reference comes first."""
        weights = read_weights(weights, rows=rows)
        if data.is_table(y):
            return self._encode_counts(y, weights, rows)
        if weights is not None and weights.kind == "analytic":
            raise DataError(
                "analytic_weights are the trials of shares, so y needs a column of shares for each "
                "outcome; for labels that were observed several times pass weights."
            )
        repeats = None if weights is None else weights.values
        labels = read_labels(y)
        data.check_rows("y", len(labels.codes), rows)
        if len(labels.outcomes) < 2:
            raise DataError(
                f"y has a single outcome, {labels.outcomes[0]!r}; softmax needs at least two."
            )
        seen = np.bincount(labels.codes, weights=repeats, minlength=len(labels.outcomes))
        _check_all_seen(seen, labels.outcomes)
        codes = np.argsort(self.order(labels.outcomes))[labels.codes]
        if weights is None:
            return Response(codes, None, rows, 0.0, labels.outcomes, "labels")
        return Response(
            codes, repeats, weights.n_obs(), 0.0, labels.outcomes, "labels", weighting=weights.kind
        )

    def _encode_counts(self, y: Any, weights: Weights | None, rows: int) -> Response:
        counts, names, weights = read_totals(y, weights)
        data.check_rows("y", len(counts), rows)
        outcomes = names if as_frame(y) is not None else tuple(range(counts.shape[1]))
        totals = counts.sum(axis=1)
        weight = weights.values
        _check_all_seen(weight @ counts, outcomes)
        values = counts[:, self.order(outcomes)] * weight[:, None]
        return Response(
            values, totals * weight, weights.n_obs(totals > 0), outcomes=outcomes, kind="counts",
            weighting=weights.kind, repeats=weight, **constants_of(counts, weight),
        )  # fmt: skip

    def order(self, outcomes: Sequence[Any]) -> list[int]:
        """Return the positions of the outcomes, the reference first."""
        if self.reference is None:
            return list(range(len(outcomes)))
        if self.reference not in outcomes:
            shown = ", ".join(repr(outcome) for outcome in outcomes[:8])
            raise DataError(f"reference={self.reference!r} is not an outcome of y: {shown}.")
        first = list(outcomes).index(self.reference)
        return [first, *(k for k in range(len(outcomes)) if k != first)]

    def rowwise(self, response: Response) -> SoftmaxRows:
        """Return the likelihood as a function of the linear predictors of the rows."""
        counts = counts_of(response.values, response.weights, len(response.outcomes))
        return SoftmaxRows(counts, self.symmetric)

    def counts(self, response: Response, part: slice) -> Floats:
        """Return the counts of rows (n, K), the reference first."""
        return np.asarray(response.values[part], float)

    def shares(self, eta: Long) -> Long:
        """Return the probabilities, the reference first."""
        return softmax_shares(eta)

    def predictors(self, response: Response) -> int:
        """Return the number of outcomes other than the reference."""
        return len(response.outcomes) - 1

    def names(self, terms: Sequence[str], response: Response) -> tuple[str, ...]:
        """Return ``outcome:term``, outcome after outcome."""
        own = self.order(response.outcomes)[1:]
        if self.symmetric:
            own = list(range(len(response.outcomes)))
        return tuple(f"{response.outcomes[k]}:{term}" for k in own for term in terms)

    def mixing(self, response: Response) -> Floats | None:
        """Return what turns coefficients against the reference into ones that sum to 0."""
        if not self.symmetric:
            return None
        order = self.order(response.outcomes)
        against = np.vstack([np.zeros(len(order) - 1), np.eye(len(order) - 1)])
        centred: Floats = against - against.mean(axis=0)
        return centred[np.argsort(order)]

    def encode_offset(self, offset: Any, response: Response) -> Floats | None:
        """Check the offsets, a column for each outcome, and take the reference's away."""
        if offset is None:
            return None
        shape = (len(response.values), len(response.outcomes))
        columns = data.read_columns(offset, what="offset")
        if columns.values.shape != shape:
            raise DataError(
                f"offset has shape {columns.values.shape}; softmax needs a column for each of the "
                f"outcomes {list(response.outcomes)}, shape {shape}."
            )
        values = np.asarray(columns.values, float)[:, self.order(response.outcomes)]
        return np.ascontiguousarray(values[:, 1:] - values[:, :1])

    def evaluate(self, params: Floats, block: Block, *, curvature: bool) -> Sums:
        """Return the sums of a block; exact for linear predictors of any size."""
        eta = block.predictors(params)
        shares = shares_of(eta)
        observed = observed_counts(block, len(eta))
        totals = 1.0 if block.weights is None else block.weights
        reference = totals - observed.sum(axis=0)
        log_scale = np.log1p(shares.excess)
        # every term is a log-probability: no difference of large numbers
        loglik = float(np.vdot(observed, eta - shares.largest) - reference @ shares.largest)
        loglik -= float(log_scale.sum() if block.weights is None else block.weights @ log_scale)
        gradient = block.columns.collect(residual(shares, observed, totals)).ravel()
        bent = information(block.columns, shares, block.weights) if curvature else None
        return Sums(loglik, gradient, bent)

    def expected(self, params: Floats, block: Block) -> Floats:
        """Return the information, which the outcomes do not enter."""
        expected = self.evaluate(params, block, curvature=True).information
        assert expected is not None
        return expected

    def scores(self, params: Floats, block: Block) -> Floats:
        """Return the score of each row."""
        eta = block.predictors(params)
        totals = 1.0 if block.weights is None else block.weights
        left = residual(shares_of(eta), observed_counts(block, len(eta)), totals)
        scores: Floats = left.T[:, :, None] * block.design[:, None, :]
        return scores.reshape(len(block), -1)

    def conclude(self, value: float, response: Response) -> Conclusion:
        """Add the multinomial coefficients."""
        return Conclusion(value + response.constant, None, response.constant)

    def contrasts(self, block: Block, predictors: int) -> tuple[NDArray[np.int64], Floats]:
        """Return η of an observed outcome minus η of every other one, for each row."""
        outcomes = predictors + 1
        counts = block.values
        if counts.ndim == 1:
            counts = (counts[:, None] == np.arange(outcomes)).astype(float)
            if block.weights is not None:
                counts *= block.weights[:, None]
        seen = counts > 0
        rows = np.flatnonzero(seen.any(axis=1))
        first = seen[rows].argmax(axis=1)
        unit = np.eye(outcomes)
        beaten = unit[first][:, None, :] - unit[None, :, :]  # (rows, other outcome, predictor)
        # a second outcome seen in the same row must tie with the first: add the opposite contrast
        tie_row, tie = np.nonzero(seen[rows])
        tied = unit[tie] - unit[first[tie_row]]
        index = np.concatenate([np.repeat(rows, outcomes), rows[tie_row]])
        contrast = np.concatenate([beaten.reshape(-1, outcomes), tied])
        keep = np.abs(contrast).sum(axis=1) > 0
        return index[keep], contrast[keep, 1:]

    def mean(self, predictors: Floats, response: Response) -> Floats:
        """Return the probability of each outcome, in the order of the outcomes."""
        shares = shares_of(predictors.T)
        inside = np.vstack([shares.reference / (1.0 + shares.excess), shares.probability()])
        result: Floats = inside[np.argsort(self.order(response.outcomes))].T
        return result

    def slopes(self, predictors: Floats, response: Response) -> Floats:
        """Return the derivative of the probability of each outcome."""
        probability = self.mean(predictors, response)
        return expectation.share_slopes(probability, self.order(response.outcomes))

    def bends(self, predictors: Floats, response: Response) -> Floats:
        """Return the second derivative of the probability of each outcome."""
        probability = self.mean(predictors, response)
        return expectation.share_bends(probability, self.order(response.outcomes))

    def draw(
        self,
        rng: np.random.Generator,
        predictors: Floats,
        response: Response,
        sigma: float | None,
        replicates: int,
    ) -> NDArray[Any]:
        """Return codes, or counts of each outcome where rows stand for several observations."""
        order = self.order(response.outcomes)
        probability = self.mean(predictors, response)[:, order]
        size = (replicates, len(probability))
        if response.weights is not None or response.kind == "counts":
            totals = 1 if response.weights is None else response.weights.astype(np.int64)
            return rng.multinomial(totals, probability, size=size).astype(float)
        uniform = rng.random(size)
        codes = np.zeros(size, dtype=np.int64)
        for limit in probability.cumsum(axis=1)[:, :-1].T:
            codes += uniform > limit
        return codes

    def decode(self, values: NDArray[Any], response: Response) -> NDArray[Any]:
        """Return labels, or counts in the order of the outcomes."""
        order = self.order(response.outcomes)
        if response.weights is not None or response.kind == "counts":
            return values[..., np.argsort(order)].astype(np.int64)
        labels: NDArray[Any] = np.asarray(response.outcomes)[np.asarray(order)[values]]
        return labels

    def renew(self, values: NDArray[Any], response: Response) -> Response:
        """Return the response with other codes or counts.

        Raises
        ------
        DataError
            If an outcome does not occur in them.
        """
        outcomes = [response.outcomes[k] for k in self.order(response.outcomes)]
        if values.ndim == 1:
            _check_all_seen(np.bincount(values, minlength=len(outcomes)), outcomes)
            return replace(response, values=values)
        _check_all_seen(values.sum(axis=0), outcomes)
        renewed = replace(response, values=values, repeats=None)
        if response.kind != "counts":
            return renewed
        return replace(renewed, **constants_of(values, np.ones(len(values))))


def _check_all_seen(seen: NDArray[Any], outcomes: Sequence[Any]) -> None:
    for count, outcome in zip(seen, outcomes, strict=True):
        if count == 0:
            raise DataError(
                f"outcome {outcome!r} is never observed, so its coefficients lie at minus "
                f"infinity; leave it out."
            )
