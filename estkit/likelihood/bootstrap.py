"""The parametric bootstrap of a fit, as a Monte-Carlo study whose truth is the fit."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, EstkitWarning
from estkit.likelihood.batches.batch import batched, fit_rows
from estkit.likelihood.family import Floats
from estkit.likelihood.model import fit_model
from estkit.montecarlo import Study, vectorized

if TYPE_CHECKING:
    from estkit.likelihood.batches.batch import BatchFit
    from estkit.likelihood.result import LikelihoodFit
    from estkit.likelihood.simulation import Simulation
    from estkit.likelihood.uncertainty import Uncertainty


_IN_TAIL = 5  # estimates beyond a limit; fewer say too little of where it is


def study_of(fit: Uncertainty) -> Study:
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


def percentile_limits(
    fit: Simulation, level: float, replicates: int, rng: Any, n_jobs: int | None
) -> Floats:
    """Return limits of shape (k, 2): quantiles of estimates drawn where the truth is the fit.

    Replicates without an estimate are left out, and counted in a warning.

    Raises
    ------
    DataError
        If so few replicates have an estimate that the tails hold less than five.
    """
    tail = (1.0 - level) / 2
    enough = math.ceil(_IN_TAIL / tail)
    if not replicates * tail >= _IN_TAIL:
        raise DataError(
            f"replicates must be {enough} or more for an interval of level {level:g}, got "
            f"{replicates!r}."
        )
    study = fit.bootstrap(replicates, rng=rng, n_jobs=n_jobs)
    frame = study.outcomes()
    estimates = frame["estimate"].to_numpy().reshape(replicates, -1)
    usable = (frame["status"] == "ok").to_numpy().reshape(replicates, -1).all(axis=1)
    lost = replicates - int(usable.sum())
    if not usable.sum() * tail >= _IN_TAIL:
        reason = frame["reason"][frame["status"] != "ok"].iloc[0]
        raise DataError(
            f"{lost} of {replicates} replicates have no estimate, which leaves too few for an "
            f"interval; the first: {reason}"
        )
    if lost:
        warnings.warn(
            f"{lost} of {replicates} bootstrap replicates have no estimate and were left out of "
            f"the interval, which may then be too short; fit.bootstrap(...).failures() lists them.",
            EstkitWarning,
            stacklevel=3,
        )
    limits: Floats = np.quantile(estimates[usable], [tail, 1.0 - tail], axis=0).T
    return limits
