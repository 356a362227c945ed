"""The Gaussian likelihood: a linear mean and one variance; the check on everything else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError, SeparationError
from estkit.likelihood.family import Block, Conclusion, Floats, Response, Sums

_LARGEST = 1e150


@dataclass(frozen=True)
class Gaussian:
    """Gaussian regression by maximum likelihood: y = xᵀβ + offset + normal errors.

    The standard deviation is profiled out: `fit.sigma` is √(RSS / n), an `Estimate` with its own
    standard error, and it counts as a parameter in the AIC and BIC, as in R. ``params`` holds the
    coefficients.

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

    def encode(self, y: Any, weights: Any, rows: int) -> Response:
        """Check y and weights."""
        values = data.read_vector(y, what="y", rows=rows)
        size = np.abs(values).max()
        if size > _LARGEST or 0 < size < 1 / _LARGEST:
            raise DataError(
                f"y has values of size {size:.2g}, whose squares are no numbers; rescale."
            )
        repeats = data.read_frequencies(weights, rows=rows)
        return Response(values, repeats, rows if repeats is None else int(repeats.sum()))

    def predictors(self, response: Response) -> int:
        """Return 1."""
        return 1

    def names(self, terms: Sequence[str], response: Response) -> tuple[str, ...]:
        """Return the terms."""
        return tuple(terms)

    def encode_offset(self, offset: Any, response: Response) -> Floats | None:
        """Check the offset: one number for each row."""
        if offset is None:
            return None
        return data.read_vector(offset, what="offset", rows=len(response.values))

    def unit(self, response: Response) -> float:
        """Return the spread of y, since `evaluate` takes σ = 1."""
        return float(np.std(response.values)) or 1.0

    def evaluate(self, params: Floats, block: Block, *, curvature: bool) -> Sums:
        """Return the sums of a block at σ = 1; `conclude` brings σ in."""
        design, weights = block.design, block.weights
        residual = self._residual(params, block)
        weighted = residual if weights is None else weights * residual
        information = None
        if curvature:
            scaled = design if weights is None else design * np.sqrt(weights)[:, None]
            information = scaled.T @ scaled
        return Sums(-0.5 * float(weighted @ residual), weighted @ design, information)

    def scores(self, params: Floats, block: Block) -> Floats:
        """Return the score of each row at σ = 1: weight · residual · x."""
        residual = self._residual(params, block)
        if block.weights is not None:
            residual = block.weights * residual
        return residual[:, None] * block.design

    def _residual(self, params: Floats, block: Block) -> Floats:
        residual: Floats = block.values - block.design @ params
        return residual if block.offset is None else residual - block.offset

    def conclude(self, value: float, response: Response) -> Conclusion:
        """Profile out σ² = RSS / n."""
        n = response.n_obs
        variance = -2.0 * value / n
        spread = np.std(response.values)
        if not variance > (1e-13 * (spread + 1e-2 * np.abs(response.values).max())) ** 2:
            raise SeparationError(
                f"Perfect fit: all {n} responses lie on the fitted plane (σ = "
                f"{math.sqrt(max(variance, 0.0)):.2g}), so the likelihood has no maximum; use "
                f"fewer columns or more rows."
            )
        loglik = -0.5 * n * (math.log(2 * math.pi * variance) + 1.0)
        return Conclusion(loglik, math.sqrt(variance))

    def contrasts(self, block: Block, predictors: int) -> None:
        """Return None: with full rank the maximum is finite."""
        return

    def mean(self, predictors: Floats, response: Response) -> Floats:
        """Return the mean."""
        return predictors[:, 0]

    def draw(
        self,
        rng: np.random.Generator,
        predictors: Floats,
        response: Response,
        sigma: float | None,
        replicates: int,
    ) -> NDArray[Any]:
        """Return numbers drawn around the mean."""
        if response.weights is not None and not np.all(response.weights == 1):
            raise DataError(
                "A Gaussian fit with frequency weights cannot be simulated: a row would need "
                "several responses. Repeat the rows instead, numpy.repeat(X, weights, axis=0)."
            )
        assert sigma is not None
        noise = rng.standard_normal((replicates, len(predictors)))
        return predictors[:, 0] + sigma * noise
