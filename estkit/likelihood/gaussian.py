"""The Gaussian likelihood: a linear mean and one variance; the check on everything else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError, SeparationError
from estkit.likelihood.family import Block, Conclusion, Floats, Response, Sums
from estkit.likelihood.penalties.penalty import L1, L2, ElasticNet, Jeffreys, check_penalty
from estkit.likelihood.penalties.rowwise import GaussianRows
from estkit.likelihood.weights import KINDS, read_weights

_NO_VARIANCE = 1e-28  # what rounding leaves of a plane through all responses of size 1


@dataclass(frozen=True)
class Gaussian:
    """Gaussian regression by maximum likelihood: y = xᵀβ + offset + normal errors.

    The standard deviation is profiled out: `fit.sigma` is √(RSS / n), an `Estimate` with its own
    standard error, and it counts as a parameter in the AIC and BIC, as in R. ``params`` holds the
    coefficients. With ``analytic_weights`` w the variance of a row is σ² / w.

    Parameters
    ----------
    penalty : L1, L2 or ElasticNet, optional
        What the coefficients pay, against the log-likelihood at σ = 1: half the sum of squares.

    Notes
    -----
    Standard errors come from the observed information, so the variance has the divisor n. Those of
    ordinary least squares have the divisor n - p: multiply by √(n / (n - p)) to get them.

    Examples
    --------
    >>> import estkit as ek
    >>> fit = ek.fit(ek.Gaussian(), [0.0, 1.0, 2.0, 3.0], [1.0, 2.9, 5.2, 6.9])
    >>> fit.params.round(3), fit.std_errors.round(3)
    (array([1., 2.]), array([0.102, 0.055]))
    >>> fit.sigma
    Estimate(0.122 ± 0.043, 95% interval 0.038 to 0.207)
    """

    weightings: ClassVar = tuple(KINDS)
    coefficients: ClassVar = "analytic weights"

    penalty: L1 | L2 | ElasticNet | None = None

    def __post_init__(self) -> None:
        check_penalty(self.penalty)
        if isinstance(self.penalty, Jeffreys):
            raise DataError(
                "Jeffreys' prior of a Gaussian does not depend on the coefficients, so it would "
                "change nothing; leave it out."
            )

    def encode(self, y: Any, weights: Any, rows: int, *, intercept: bool = True) -> Response:
        """Check y and weights; inside, y is near 0 (if an intercept takes that up) and near 1."""
        values = data.read_vector(y, what="y", rows=rows)
        weights = read_weights(weights, rows=rows)
        counts = slice(None) if weights is None else weights.values > 0
        half = 0.5 * values[counts]  # the sum of two large numbers may not be a number
        origin = float(half.min() + half.max()) if intercept else 0.0
        size = float(np.abs(values[counts] - origin).max())
        unit = 2.0 ** math.frexp(size)[1] if size > 0 else 1.0
        inside = (values - origin) / unit
        response = Response(inside, None, rows, origin=origin, unit=unit)
        if weights is None:
            return response
        response = replace(
            response, weights=weights.values, n_obs=weights.n_obs(), weighting=weights.kind
        )
        if weights.kind != "analytic":
            return response
        precision = 2.0 ** (math.frexp(weights.values.max())[1] - 1)  # products must not overflow
        return replace(
            response,
            weights=weights.values / precision,
            constant=0.5 * float(np.log(weights.values[counts]).sum()),
            precision=precision,
        )

    def rowwise(self, response: Response) -> GaussianRows:
        """Return the likelihood as a function of the means of the rows, at σ = 1."""
        return GaussianRows(response.values, response.weights)

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
        return data.read_vector(offset, what="offset", rows=len(response.values)) / response.unit

    def evaluate(self, params: Floats, block: Block, *, curvature: bool) -> Sums:
        """Return the sums of a block at σ = 1; `conclude` brings σ in."""
        weights = block.weights
        residual = self._residual(params, block)
        weighted = residual if weights is None else weights * residual
        information = None
        if curvature:
            information = block.columns.gram(weights)
        gradient = block.columns.collect(weighted[None])[0]
        return Sums(-0.5 * float(weighted @ residual), gradient, information)

    def expected(self, params: Floats, block: Block) -> Floats:
        """Return the information, which the outcomes do not enter."""
        information = self.evaluate(params, block, curvature=True).information
        assert information is not None
        return information

    def scores(self, params: Floats, block: Block) -> Floats:
        """Return the score of each row at σ = 1: weight · residual · x."""
        residual = self._residual(params, block)
        if block.weights is not None:
            residual = block.weights * residual
        return residual[:, None] * block.design

    def _residual(self, params: Floats, block: Block) -> Floats:
        residual: Floats = block.values - block.predictors(params)[0]
        return residual

    def conclude(self, value: float, response: Response) -> Conclusion:
        """Profile out σ² = RSS / n."""
        n = response.n_obs
        variance = -2.0 * value / n  # of y inside, whose size is about 1
        if not variance > _NO_VARIANCE:
            raise SeparationError(
                f"Perfect fit: all {n} responses lie on the fitted plane, so the likelihood has no "
                f"maximum; use fewer columns or more rows."
            )
        scale = response.unit * math.sqrt(response.precision)
        deviation = math.log(variance) / 2 + math.log(scale)
        loglik = -0.5 * n * (math.log(2 * math.pi) + 2 * deviation + 1.0) + response.constant
        return Conclusion(loglik, math.sqrt(variance) * scale, response.constant)

    def contrasts(self, block: Block, predictors: int) -> None:
        """Return None: with full rank the maximum is finite."""
        return

    def mean(self, predictors: Floats, response: Response) -> Floats:
        """Return the mean."""
        return predictors[:, 0]

    def slopes(self, predictors: Floats, response: Response) -> Floats:
        """Return 1 for each row."""
        return np.ones((len(predictors), 1, 1))

    def bends(self, predictors: Floats, response: Response) -> Floats:
        """Return 0 for each row."""
        return np.zeros((len(predictors), 1, 1, 1))

    def draw(
        self,
        rng: np.random.Generator,
        predictors: Floats,
        response: Response,
        sigma: float | None,
        replicates: int,
    ) -> NDArray[Any]:
        """Return numbers drawn around the mean, inside."""
        weights = response.weights
        if response.weighting == "frequency" and weights is not None and (weights != 1).any():
            raise DataError(
                "A Gaussian fit with frequency weights cannot be simulated: a row would need "
                "several responses. Repeat the rows instead, numpy.repeat(X, weights, axis=0)."
            )
        if weights is not None and not weights.all():
            raise DataError(
                f"Row {int(np.argmin(weights))} has the analytic weight 0, so its variance is "
                f"infinite and it cannot be simulated; leave out such rows."
            )
        assert sigma is not None
        noise = rng.standard_normal((replicates, len(predictors)))
        if weights is not None:
            noise /= np.sqrt(weights * response.precision)
        drawn = predictors[:, 0] + sigma * noise
        result: Floats = (drawn - response.origin) / response.unit
        return result

    def decode(self, values: NDArray[Any], response: Response) -> NDArray[Any]:
        """Return numbers as they were given."""
        return values * response.unit + response.origin

    def renew(self, values: NDArray[Any], response: Response) -> Response:
        """Return the response with other numbers."""
        return replace(response, values=values)
