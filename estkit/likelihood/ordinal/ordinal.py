"""The ordinal likelihood: one of K ordered outcomes, thresholds on one linear predictor."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError
from estkit.frames import as_frame
from estkit.labels import read_labels
from estkit.likelihood.counts import Long, constants_of
from estkit.likelihood.family import Block, Conclusion, Floats, Response, Sums
from estkit.likelihood.links import links
from estkit.likelihood.ordinal.cumulative import (
    LINKS,
    Cells,
    Seen,
    cells,
    count_thresholds,
    information_of,
    largest_change,
    observed,
)
from estkit.likelihood.ordinal.outcomes import check_all_seen, check_order, listed, positions
from estkit.likelihood.predictions import expectation
from estkit.likelihood.weights import Weights, read_weights

if TYPE_CHECKING:
    from estkit.likelihood.ordinal.model import OrderedRegression
    from estkit.likelihood.rows import Rows


@dataclass(frozen=True)
class Ordinal:
    r"""Ordinal regression: which of K ordered outcomes, by a cumulative link model.

    ``P(y ≤ k) = F(ζ_k - xᵀβ - offset)`` with thresholds ζ_1 < ... < ζ_{K-1}, one between each two
    neighbouring outcomes (McCullagh 1980), as in R's ``MASS::polr``: a positive slope makes higher
    outcomes more likely. The log-likelihood is concave for these links (Pratt 1981, Burridge 1981).

    Parameters
    ----------
    link : {"logit", "probit", "cloglog"}
        F is the logistic, the normal, or the distribution function 1 - exp(-exp(·)): proportional
        odds, a normal latent variable, or proportional hazards.
    order : sequence of labels, optional
        The outcomes from lowest to highest. Numbers and bools are ordered already, and so are
        categories of pandas and an Enum of polars; other labels need it.

    Notes
    -----
    y may be labels, or an (n, K) array or frame of counts whose columns are the outcomes, lowest
    first. Thresholds are named ``"low|medium"`` and come before the slopes; they are the
    intercepts, so ``intercept=False`` is refused. The multinomial coefficient of counts is kept.

    Examples
    --------
    >>> import estkit as ek
    >>> dose = [1, 2, 3, 4, 5, 6, 7, 8]
    >>> pain = ["none", "none", "some", "none", "some", "strong", "some", "strong"]
    >>> fit = ek.fit(ek.Ordinal(order=["none", "some", "strong"]), {"dose": dose}, pain)
    >>> fit.names
    ('none|some', 'some|strong', 'dose')
    >>> fit.params.round(3)
    array([4.142, 7.906, 1.198])
    >>> fit.predict({"dose": [4]}).round(3)
    array([[0.343, 0.614, 0.042]])
    """

    weightings: ClassVar = ("frequency", "sampling")
    coefficients: ClassVar = "multinomial coefficients"

    link: str = "logit"
    order: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        if self.link not in LINKS:
            raise DataError(f"link must be one of {LINKS}, got {self.link!r}.")
        if self.order is None:
            return
        if isinstance(self.order, str) or len(set(self.order)) < max(2, len(list(self.order))):
            raise DataError(
                f"order must name at least two outcomes from lowest to highest, each once; got "
                f"{self.order!r}."
            )
        object.__setattr__(self, "order", tuple(self.order))

    def model(
        self,
        X: Any,
        y: Any,
        *,
        intercept: bool = True,
        weights: Any = None,
        sampling_weights: Any = None,
        offset: Any = None,
        groups: Any = None,
    ) -> OrderedRegression:
        """Check everything that was passed to `fit`, and return the regression that it makes."""
        from estkit.likelihood.fitting import gather

        regression = gather(
            self,
            X,
            y,
            intercept=intercept,
            weights=weights,
            sampling_weights=sampling_weights,
            offset=offset,
            groups=groups,
        )
        return self.regression(regression.rows)

    def regression(self, rows: Rows) -> OrderedRegression:
        """Return the regression of some rows, in memory or in pieces."""
        from estkit.likelihood.ordinal.model import OrderedRegression

        return OrderedRegression(self, rows)

    def encode(self, y: Any, weights: Any, rows: int, *, intercept: bool = True) -> Response:
        """Check y and weights; codes are numbered from the lowest outcome."""
        if not intercept:
            raise DataError(
                "The thresholds of an ordinal regression are its intercepts, and without them "
                "there is no model; leave intercept=True."
            )
        weights = read_weights(weights, rows=rows)
        if data.is_table(y):
            return self._encode_counts(y, weights, rows)
        labels = read_labels(y)
        data.check_rows("y", len(labels.codes), rows)
        outcomes, codes = labels.outcomes, labels.codes
        self.check_order(outcomes, ordered=labels.ordered)
        if self.order is not None:
            outcomes = tuple(self.order)
            codes = positions(outcomes, labels.outcomes, codes)[codes]
        repeats = None if weights is None else weights.values
        check_all_seen(np.bincount(codes, repeats, len(outcomes)), outcomes)
        if weights is None:
            return Response(codes, None, rows, 0.0, outcomes, "labels")
        return Response(
            codes, repeats, weights.n_obs(), 0.0, outcomes, "labels", weighting=weights.kind
        )

    def check_order(self, outcomes: Sequence[Any], *, ordered: bool) -> None:
        """Raise if neither order= nor the labels themselves say which is lower."""
        check_order(self.order, outcomes, ordered=ordered)

    def _encode_counts(self, y: Any, weights: Weights | None, rows: int) -> Response:
        counts, names = data.read_counts(y, what="y")
        data.check_rows("y", len(counts), rows)
        outcomes: tuple[Any, ...] = tuple(range(counts.shape[1]))
        if as_frame(y) is not None:
            outcomes = names
        if self.order is not None:
            if set(self.order) != set(outcomes):
                raise DataError(
                    f"order= must name the columns of the counts {listed(outcomes)}, got "
                    f"{listed(self.order)}."
                )
            counts = counts[:, [outcomes.index(outcome) for outcome in self.order]]
            outcomes = tuple(self.order)
        totals = counts.sum(axis=1)
        weights = Weights(np.ones(rows)) if weights is None else weights
        weight = weights.values
        check_all_seen(weight @ counts, outcomes)
        return Response(
            counts * weight[:, None],
            totals * weight,
            weights.n_obs(totals > 0),
            outcomes=outcomes,
            kind="counts",
            weighting=weights.kind,
            repeats=weight,
            **constants_of(counts, weight),
        )

    def counts(self, response: Response, part: slice) -> Floats:
        """Return the counts of rows (n, K)."""
        return np.asarray(response.values[part], float)

    def shares(self, eta: Long) -> Long:
        """Return the probabilities, those of the logit with more digits."""
        if self.link != "logit":
            probability = self.mean(eta.astype(float))
            return probability.astype(np.longdouble)
        with np.errstate(over="ignore"):
            edge = np.full((len(eta), 1), np.inf, dtype=eta.dtype)
            ends = np.hstack([-edge, eta, edge])
            below, above = 1.0 / (1.0 + np.exp(-ends)), 1.0 / (1.0 + np.exp(ends))
        result: Long = np.where(ends[:, 1:] > 0, -np.diff(above), np.diff(below))
        return result

    def predictors(self, response: Response) -> int:
        """Return the number of thresholds; all predictors have the same slopes."""
        return len(response.outcomes) - 1

    def names(self, terms: Sequence[str], response: Response) -> tuple[str, ...]:
        """Return ``low|medium`` for each threshold, then the columns."""
        outcomes = response.outcomes
        pairs = itertools.pairwise(outcomes)
        return (*(f"{low}|{high}" for low, high in pairs), *terms[1:])

    def mixing(self, response: Response) -> None:
        """Return None: what is fitted is reported."""
        return

    def encode_offset(self, offset: Any, response: Response) -> Floats | None:
        """Check the offset, one number for each row, which the thresholds are lowered by."""
        if offset is None:
            return None
        return -data.read_vector(offset, what="offset", rows=len(response.values))

    def evaluate(self, params: Floats, block: Block, *, curvature: bool) -> Sums:
        """Return the sums of a block; -inf where the thresholds are out of order."""
        last = count_thresholds(params, block)
        if not (np.diff(params[:last]) > 0).all():
            size = len(params)
            return Sums(-np.inf, np.zeros(size), np.zeros((size, size)))
        seen = observed(block)
        found = self._cells(params, block, seen)
        moves = np.bincount(seen.codes, seen.weights * found.upper, last + 1)[:last]
        moves += np.bincount(seen.codes, seen.weights * found.lower, last + 1)[1:]
        shift = seen.by_row(found.shift, block)
        gradient = np.concatenate([moves, -block.columns.collect(shift[None])[0, 1:]])
        information = information_of(found, block, seen, last) if curvature else None
        return Sums(float(seen.weights @ found.value), gradient, information)

    def expected(self, params: Floats, block: Block) -> Floats:
        """Return minus the second derivatives, averaged over the outcomes of each row."""
        total = np.zeros((len(params), len(params)))
        rows, last = np.arange(len(block)), count_thresholds(params, block)
        for outcome in range(last + 1):
            seen = Seen(rows, np.full(len(rows), outcome), np.ones(len(rows)))
            found = self._cells(params, block, seen)
            chance = np.exp(found.value)
            weights = chance if block.weights is None else chance * block.weights
            total += information_of(found, block, seen._replace(weights=weights), last)
        return total

    def scores(self, params: Floats, block: Block) -> Floats:
        """Return the score of each row."""
        seen = observed(block)
        found = self._cells(params, block, seen)
        moves = seen.by_threshold(found.upper, found.lower, block, count_thresholds(params, block))
        shift = seen.by_row(found.shift, block)
        return np.hstack([moves, -shift[:, None] * block.design[:, 1:]])

    def largest_change(self, params: Floats, step: Floats, block: Block) -> float:
        """Return how far a step changes the slope of any row in any margin, relative to it."""
        seen, last = observed(block), count_thresholds(params, block)
        found = self._cells(params, block, seen)
        shift = _slopes_alone(step, last, block)[seen.rows]
        return largest_change(found, seen, step[:last], shift)

    def _cells(self, params: Floats, block: Block, seen: Seen) -> Cells:
        last = count_thresholds(params, block)
        eta = _slopes_alone(params, last, block)
        if block.offset is not None:
            eta -= block.offset
        thresholds = params[:last]
        return cells(self.link, seen.codes, eta[seen.rows], thresholds, np.diff(thresholds))

    def conclude(self, value: float, response: Response) -> Conclusion:
        """Add the multinomial coefficients."""
        return Conclusion(value + response.constant, None, response.constant)

    def contrasts(self, block: Block, predictors: int) -> tuple[NDArray[np.int64], Floats]:
        """Return, for each outcome seen, the threshold above it - η and η - the one below it."""
        rows, codes, weights = observed(block)
        rows, codes = rows[weights > 0], codes[weights > 0]
        unit = np.eye(predictors)
        under, over = codes < predictors, codes > 0
        return (
            np.concatenate([rows[under], rows[over]]),
            np.concatenate([unit[codes[under]], -unit[codes[over] - 1]]),
        )

    def mean(self, predictors: Floats, response: Response | None = None) -> Floats:
        """Return the probability of each outcome from ζ - η, of shape (n, K - 1)."""
        gaps, none = np.diff(predictors, axis=1), np.zeros(len(predictors))
        outcomes = range(predictors.shape[1] + 1)
        codes = (np.full(len(predictors), k) for k in outcomes)
        return np.column_stack(
            [np.exp(cells(self.link, code, none, predictors, gaps).value) for code in codes]
        )

    def slopes(self, predictors: Floats, response: Response) -> Floats:
        """Return the derivative of the probability of each outcome."""
        return expectation.threshold_slopes(links.LINKS[self.link], predictors)

    def bends(self, predictors: Floats, response: Response) -> Floats:
        """Return the second derivative of the probability of each outcome."""
        return expectation.threshold_bends(links.LINKS[self.link], predictors)

    def draw(
        self,
        rng: np.random.Generator,
        predictors: Floats,
        response: Response,
        sigma: float | None,
        replicates: int,
    ) -> NDArray[Any]:
        """Return codes, or counts of each outcome where rows stand for several observations."""
        probability = self.mean(predictors, response)
        size = (replicates, len(probability))
        if response.weights is not None or response.kind == "counts":
            totals = 1 if response.weights is None else response.weights.astype(np.int64)
            share = probability / probability.sum(axis=1, keepdims=True)
            return rng.multinomial(totals, share, size=size).astype(float)
        uniform = rng.random(size)
        codes = np.zeros(size, dtype=np.int64)
        for limit in probability.cumsum(axis=1)[:, :-1].T:
            codes += uniform > limit
        return codes

    def decode(self, values: NDArray[Any], response: Response) -> NDArray[Any]:
        """Return labels, or counts in the order of the outcomes."""
        if response.weights is not None or response.kind == "counts":
            return values.astype(np.int64)
        labels: NDArray[Any] = np.asarray(response.outcomes)[values]
        return labels

    def renew(self, values: NDArray[Any], response: Response) -> Response:
        """Return the response with other codes or counts.

        Raises
        ------
        DataError
            If an outcome does not occur in them.
        """
        if values.ndim == 1:
            check_all_seen(np.bincount(values, minlength=len(response.outcomes)), response.outcomes)
            return replace(response, values=values)
        check_all_seen(values.sum(axis=0), response.outcomes)
        renewed = replace(response, values=values, repeats=None)
        if response.kind != "counts":
            return renewed
        return replace(renewed, **constants_of(values, np.ones(len(values))))


def _slopes_alone(params: Floats, last: int, block: Block) -> Floats:
    """Return xᵀβ, the column of ones left out."""
    return np.asarray(block.columns.predict(np.append(0.0, params[last:])[None])[0], float)
