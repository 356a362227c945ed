"""A maximum where a parameter is 0 or 1: there the likelihood has a slope and no curvature."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from estkit.estimate import normal_quantile
from estkit.likelihood import newton
from estkit.likelihood.distribution.laws.counts import BOUNDARY, Poisson, Trials
from estkit.likelihood.family import Floats

if TYPE_CHECKING:
    from estkit.likelihood.distribution.laws.samples import Sample
    from estkit.likelihood.distribution.model import DistributionModel


def reached(sample: Sample | None) -> Floats | None:
    """Return the maximum of sums that have it at the boundary, where it is known, else None."""
    if sample is None or not isinstance(sample.sums, Poisson | Trials):
        return None
    point = sample.begin()
    return point if abs(float(point[0])) >= BOUNDARY else None


def maximum(model: DistributionModel, point: Floats) -> newton.Optimum:
    """Return the maximum at the boundary, which has no standard error."""
    sums = model.total(point)
    edge = model.outside(point)[0]
    reason = f"the maximum lies at the boundary {model.names[0]} = {edge:g}"
    missing = np.full((model.size, model.size), np.nan)
    measured = newton.Certificate(0.0, 0.0, math.nan, 0, reason)
    return newton.Optimum(point, sums.loglik, missing, missing, 0.0 * point, True, measured)


def limits(model: DistributionModel, point: Floats, level: float) -> Floats:
    """Return the profile limits of the parameter at the boundary, which is one of them."""
    from scipy.optimize import brentq

    top, fall = model.total(point).loglik, normal_quantile(level) ** 2 / 2
    axis = model.axes[model.free[0]]

    def excess(v: float) -> float:
        return top - model.total(np.array([v])).loglik - fall

    edge = float(point[0])
    limit = brentq(excess, edge, -edge if axis.upper < math.inf else 700.0, xtol=1e-13)
    ends = axis.outward(edge), axis.outward(float(limit))
    return np.array([[min(ends), max(ends)]])
