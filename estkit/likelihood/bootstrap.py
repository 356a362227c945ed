"""The parametric bootstrap of a fit, as a Monte-Carlo study whose truth is the fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.likelihood.batch import fit_rows
from estkit.likelihood.binomial import Binomial
from estkit.likelihood.fitting import fit_gathered
from estkit.montecarlo import Study, vectorized

if TYPE_CHECKING:
    from estkit.likelihood.batch import BatchFit
    from estkit.likelihood.result import LikelihoodFit


def study_of(fit: LikelihoodFit) -> Study:
    """Return the study that draws responses from `fit` and fits them again."""
    rows = fit._training("bootstrap")
    family = fit.family

    predictors = fit._predictors(rows)
    sigma = None if fit.sigma is None else fit.sigma.value

    def simulate(rng: np.random.Generator, replicates: int) -> Any:
        return family.draw(rng, predictors, rows.response, sigma, replicates)

    def refit(values: Any) -> LikelihoodFit:
        response = family.renew(values, rows.response)
        return fit_gathered(family, replace(rows, response=response))

    def refit_all(values: Any) -> BatchFit:
        return fit_rows(family, rows, values)

    truth = dict(zip(fit.names, fit.params.tolist(), strict=True))
    name = type(family).__name__.lower()
    estimator = vectorized(refit_all) if isinstance(family, Binomial) else refit
    return Study(vectorized(simulate), {name: estimator}, truth=truth)
