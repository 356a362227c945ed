"""Whether what estimators say of their own error is right: standard errors, intervals, tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estkit.montecarlo.accuracy import empirical_variance, root_mean_square, scaled
from estkit.montecarlo.influence import Draws, Influence, mean_of, share_of


def model_se(d: Draws) -> Influence:
    """Return √E(se²), the standard error that the estimator claims."""
    return root_mean_square(d.std_error)


def mean_model_se(d: Draws) -> Influence:
    """Return E(se)."""
    return mean_of(d.std_error)


def model_se_error(d: Draws) -> Influence:
    """Return model SE / empirical SE - 1: by how much the estimator misjudges its own error."""
    errors, unit = scaled(d.std_error)
    claimed, real = np.square(errors), empirical_variance(d._replace(estimate=d.estimate / unit))
    mean = float(claimed.mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.sqrt(np.divide(mean, real.value)))
        psi = ratio / 2 * (claimed / mean - real.psi / real.value)
    return Influence(ratio - 1, psi)


def coverage(d: Draws) -> Influence:
    """Return P(lower ≤ θ ≤ upper)."""
    return share_of((d.lower <= d.truth) & (d.truth <= d.upper))


def bias_eliminated_coverage(d: Draws) -> Influence:
    """Return P(lower ≤ E(θ̂) ≤ upper)."""
    center, count = d.estimate.mean(), len(d.estimate)

    def share(of: float) -> NDArray[np.bool_]:
        return (d.lower <= of) & (of <= d.upper)

    hits = share_of(share(center))
    step = float(d.estimate.std()) * count ** (-1 / 3)  # a width at which the share is smooth
    if step == 0:
        return hits
    slope = (share(center + step).mean() - share(center - step).mean()) / (2 * step)
    return Influence(
        hits.value, hits.psi + slope * (d.estimate - center)
    )  # the center is estimated


def interval_width(d: Draws) -> Influence:
    """Return E(upper - lower)."""
    return mean_of(d.upper - d.lower)


def power(d: Draws) -> Influence:
    """Return P(the null hypothesis is rejected)."""
    return share_of(d.rejected > 0)


def failure_rate(d: Draws) -> Influence:
    """Return P(no usable estimate): failed, not converged, or nan."""
    return share_of(d.failed > 0)


def non_convergence_rate(d: Draws) -> Influence:
    """Return P(the estimator says that it did not converge)."""
    return share_of(d.not_converged > 0)


def warning_rate(d: Draws) -> Influence:
    """Return P(the estimator gives a warning)."""
    return share_of(d.warned > 0)
