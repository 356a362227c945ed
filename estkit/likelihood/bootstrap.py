"""The parametric bootstrap of a fit, as a Monte-Carlo study whose truth is the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.likelihood.batch import batched, fit_rows
from estkit.likelihood.model import fit_model
from estkit.montecarlo import Study, vectorized

if TYPE_CHECKING:
    from estkit.likelihood.batch import BatchFit
    from estkit.likelihood.result import LikelihoodFit


def study_of(fit: LikelihoodFit) -> Study:
    """Return the study that draws data from `fit` and fits them again."""
    model = fit._training("bootstrap")
    point, sigma = fit._point, None if fit.sigma is None else fit.sigma.value

    def simulate(rng: np.random.Generator, replicates: int) -> Any:
        return model.draw(point, sigma, rng, replicates)

    def refit(values: Any) -> LikelihoodFit:
        return fit_model(model.renew(values))

    def refit_all(values: Any) -> BatchFit:
        return fit_rows(model, values)

    truth = dict(zip(fit.names, fit.params.tolist(), strict=True))
    name = type(fit.family).__name__.lower()
    at_once = batched(fit.family) and not model.rows.sparse
    estimator = vectorized(refit_all) if at_once else refit
    return Study(vectorized(simulate), {name: estimator}, truth=truth)
