"""The binomial likelihood: successes out of trials, one linear predictor, six links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError
from estkit.likelihood.counts import Long, constants_of
from estkit.likelihood.family import Block, Conclusion, Floats, Response, Sums
from estkit.likelihood.links import linked, links
from estkit.likelihood.links.bounds import Domain
from estkit.likelihood.penalties.penalty import Penalty, check_penalty
from estkit.likelihood.penalties.rowwise import BinomialRows
from estkit.likelihood.predictions import expectation
from estkit.likelihood.successes import read_successes
from estkit.likelihood.weights import KINDS


@dataclass(frozen=True)
class Binomial:
    r"""Binomial regression: the number of successes out of trials, with one of six links.

    The log-likelihood of s successes in m trials with probability π is
    ``log C(m, s) + s log π + (m - s) log(1 - π)``, with ``link(π) = η = xᵀβ + offset`` (McCullagh
    and Nelder 1989, chapter 4). The binomial coefficient is kept, so that the AIC of grouped data
    agrees with R.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "cauchit", "log", "identity"}
        The link function; see the notes.
    success : label, optional
        Which of two labels counts as success; needed unless y is 0/1 or bool.
    penalty : L1, L2, ElasticNet or Jeffreys, optional
        What the coefficients pay.

    Notes
    -----
    y may be 0/1 numbers, bools, two labels of any kind with `success`, an (n, 2) array or frame of
    successes and failures, or shares of successes with the trials as ``analytic_weights``.

    - logit: log(π / (1 - π)) = η; a slope is a log odds ratio.
    - probit: π = Φ(η).
    - cloglog: π = 1 - exp(-exp(η)); a slope is a log ratio of hazards, when survival was grouped.
    - cauchit: π = 1/2 + arctan(η) / π; few rows far from what is expected sway it little. Its
      likelihood may have several maxima: the highest of those found from several starts is given.
    - log: π = exp(η), η < 0; a slope is a log relative risk.
    - identity: π = η, 0 < η < 1; a slope is a difference of risks.

    Standard errors are those of the observed information, which for all but the logit differs from
    the expected information that R's glm reports: ``covariance("expected")`` has it.

    With the logit, probit, cloglog and cauchit link the maximum is finite unless the outcomes are
    separated. With the log link it lies at infinity when a combination of columns is the same in
    all rows with successes and below that only in rows without; with the identity link never. But
    with both it may lie on the edge, where some fitted probability is 0 or 1; there are no standard
    errors there, and `fit` raises a FitError that names the rows.

    Examples
    --------
    >>> import estkit as ek
    >>> x = [1, 2, 3, 4, 5, 6]
    >>> y = ["no", "no", "yes", "no", "yes", "yes"]
    >>> fit = ek.fit(ek.Binomial(success="yes"), x, y)
    >>> fit.params.round(4)
    array([-4.2491,  1.214 ])
    >>> grouped = ek.fit(ek.Binomial(), [0, 1], [[3, 7], [6, 4]])
    >>> fit.names, float(round(grouped.params[1], 4))
    (('intercept', 'x0'), 1.2528)
    >>> risk_ratio = ek.fit(ek.Binomial(link="log"), [0, 1], [[3, 7], [6, 4]])
    >>> np.exp(risk_ratio.params).round(4)
    array([0.3, 2. ])
    """

    weightings: ClassVar = tuple(KINDS)
    coefficients: ClassVar = "binomial coefficients"

    link: str = "logit"
    success: Any = None
    penalty: Penalty | None = None

    def __post_init__(self) -> None:
        check_penalty(self.penalty)
        if self.link not in links.LINKS:
            known = ", ".join(repr(name) for name in links.LINKS)
            raise DataError(f"link must be one of {known}, got {self.link!r}.")

    @property
    def neighbour(self) -> Binomial | None:
        """A concave likelihood to start from, where this one may have several maxima."""
        return None if self._link.concave else replace(self, link="logit")

    def domain(self, response: Response) -> Domain | None:
        """Return the bounds of the predictors, if there are any, and the link of the mean."""
        lower, upper = self._link.lower, self._link.upper
        if np.isinf(lower) and np.isinf(upper):
            return None
        trials = len(response.values) if response.weights is None else response.weights.sum()
        share = (response.values.sum() + 0.5) / (trials + 1.0)  # never 0 or 1
        return Domain(lower, upper, float(self._link.link(np.array([share]))[0]))

    @property
    def _link(self) -> links.Link:
        return links.LINKS[self.link]

    def encode(self, y: Any, weights: Any, rows: int, *, intercept: bool = True) -> Response:
        """Check y and weights, and return successes and trials of every row."""
        return read_successes(y, weights, rows, success=self.success)

    def rowwise(self, response: Response) -> BinomialRows:
        """Return the likelihood as a function of the linear predictors of the rows."""
        return BinomialRows(self._link, response.values, response.weights)

    def counts(self, response: Response, part: slice) -> Floats:
        """Return failures and successes of rows of counts, of shape (n, 2)."""
        assert response.weights is not None
        won = response.values[part]
        return np.column_stack([response.weights[part] - won, won])

    def shares(self, eta: Long) -> Long:
        """Return the probabilities of failure and success."""
        return linked.shares(self._link, eta[:, 0])

    def predictors(self, response: Response) -> int:
        """Return 1."""
        return 1

    def names(self, terms: Sequence[str], response: Response) -> tuple[str, ...]:
        """Return the terms."""
        return tuple(terms)

    def mixing(self, response: Response) -> None:
        """Return None: what is fitted is reported."""
        return

    def encode_offset(self, offset: Any, response: Response) -> Floats | None:
        """Check the offset: one number for each row."""
        if offset is None:
            return None
        return data.read_vector(offset, what="offset", rows=len(response.values))

    def evaluate(self, params: Floats, block: Block, *, curvature: bool) -> Sums:
        """Return the sums of a block; exact for linear predictors of any size."""
        eta = _linear_predictor(params, block)
        if self.link != "logit":
            return linked.evaluate(self._link, eta, block, curvature=curvature)
        trials = block.weights
        small, near_one, residual = _pieces(eta, block)
        failures = (1.0 if trials is None else trials) - block.values
        against = np.where(eta > 0, failures, block.values)
        cost = np.log1p(small)
        total = float(cost.sum() if trials is None else trials @ cost)
        loglik = -float(against @ np.abs(eta)) - total
        information = None
        if curvature:
            weight = small * near_one * near_one
            if trials is not None:
                weight *= trials
            information = block.columns.gram(weight)
        return Sums(loglik, block.columns.collect(residual[None])[0], information)

    def expected(self, params: Floats, block: Block) -> Floats:
        """Return the expected information; the observed one differs but for the logit."""
        return linked.expected(self._link, _linear_predictor(params, block), block)

    def scores(self, params: Floats, block: Block) -> Floats:
        """Return the score of each row; for the logit (successes - trials · probability) · x."""
        eta = _linear_predictor(params, block)
        if self.link == "logit":
            _, _, score = _pieces(eta, block)
        else:
            score = linked.scores(self._link, eta, block)
        return score[:, None] * block.design

    def conclude(self, value: float, response: Response) -> Conclusion:
        """Add the binomial coefficients."""
        return Conclusion(value + response.constant, None, response.constant)

    def contrasts(self, block: Block, predictors: int) -> tuple[NDArray[np.int64], Floats] | None:
        """Return +x where a success was seen and -x where a failure was.

        With the log link a success grows likelier only up to the edge, so the direction must not
        move it at all; with the identity link the region is bounded.
        """
        if self.link == "identity":
            return None
        trials = np.ones(len(block.values)) if block.weights is None else block.weights
        won, lost = np.flatnonzero(block.values > 0), np.flatnonzero(block.values < trials)
        index, sign = [won, lost], [np.ones(len(won)), -np.ones(len(lost))]
        if self.link == "log":
            index, sign = [*index, won], [*sign, -np.ones(len(won))]
        return np.concatenate(index), np.concatenate(sign)[:, None]

    def mean(self, predictors: Floats, response: Response) -> Floats:
        """Return the probability of success.

        Raises
        ------
        DataError
            If a predictor lies outside the domain of the link.
        """
        eta, link = predictors[:, 0], self._link
        wrong = np.flatnonzero((eta < link.lower) | (eta > link.upper))
        if len(wrong):
            row = int(wrong[0])
            raise DataError(
                f"Row {row} (counted from 0) has a linear predictor of {eta[row]:.4g}, which the "
                f"{self.link} link takes to no probability; it gives one from {link.lower:g} to "
                f"{link.upper:g}. Predict within the range of the data, or fit with the logit link."
            )
        return link.mean(eta)

    def slopes(self, predictors: Floats, response: Response) -> Floats:
        """Return the density of the link."""
        return expectation.density(self._link, predictors[:, 0])[:, None, None]

    def bends(self, predictors: Floats, response: Response) -> Floats:
        """Return the slope of the density of the link."""
        return expectation.density_slope(self._link, predictors[:, 0])[:, None, None, None]

    def clipped(self, predictors: Floats) -> Floats:
        """Return predictors brought back to the closed domain of the link."""
        return np.clip(predictors, self._link.lower, self._link.upper)

    def draw(
        self,
        rng: np.random.Generator,
        predictors: Floats,
        response: Response,
        sigma: float | None,
        replicates: int,
    ) -> NDArray[Any]:
        """Return the number of successes of each row."""
        probability = self.mean(predictors, response)
        size = (replicates, len(probability))
        if response.weights is None:
            return (rng.random(size) < probability).astype(float)
        return rng.binomial(response.weights.astype(np.int64), probability, size=size).astype(float)

    def decode(self, values: NDArray[Any], response: Response) -> NDArray[Any]:
        """Return labels, or (successes, failures) where rows stand for several trials."""
        if response.weights is not None:
            successes = values.astype(np.int64)
            return np.stack([successes, response.weights.astype(np.int64) - successes], axis=-1)
        failure, success = response.outcomes
        if response.kind == "counts":
            return np.stack([values, 1.0 - values], axis=-1).astype(np.int64)
        labels: NDArray[Any] = np.where(values > 0, success, failure)
        return labels

    def renew(self, values: NDArray[Any], response: Response) -> Response:
        """Return the response with other numbers of successes."""
        renewed = replace(response, values=values, repeats=None)  # which were drawn together
        if response.kind != "counts" or response.weights is None:
            return renewed
        counts = self.counts(renewed, slice(None))
        return replace(renewed, **constants_of(counts, np.ones(len(counts))))


def _linear_predictor(params: Floats, block: Block) -> Floats:
    eta: Floats = block.predictors(params)[0]
    return eta


def _pieces(eta: Floats, block: Block) -> tuple[Floats, Floats, Floats]:
    """Return exp(-|η|), 1 / (1 + exp(-|η|)), and successes minus expected ones.

    The last is successes · (1 - π) - failures · π, with each factor exact: no difference of large
    numbers, so a billion trials keep their digits.
    """
    small = np.exp(-np.abs(eta))
    near_one = 1.0 / (1.0 + small)
    won = block.values
    lost = (1.0 if block.weights is None else block.weights) - won
    residual = np.where(eta > 0, small * won - lost, won - small * lost)
    residual *= near_one
    return small, near_one, residual
