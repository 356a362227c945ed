"""Log-likelihoods of the user's own against R's bbmle: estimates, errors and profile limits.

A case is one JSON file in tests/references/custom; its log-likelihood stands here by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln, xlogy

import estkit as ek

KIND = "custom"
PARAMS = 1e-8  # of a standard error: the references end Newton steps on numerical derivatives
STD_ERRORS = 1e-6
LOGLIK = 1e-9
LIMITS = 1e-6  # of a standard error


def hyperbola(p: Any, x: Any, y: Any) -> Any:
    mean = p.ymax / (1 + x / p.xhalf)
    return y * np.log(mean) - mean - gammaln(y + 1)


def michaelis(p: Any, x: Any, y: Any) -> Any:
    residual = (y - p.vmax * x / (p.k + x)) / np.exp(p.log_sd)
    return -0.5 * residual**2 - p.log_sd - 0.5 * np.log(2 * np.pi)


def absences(p: Any, x: Any, y: Any) -> Any:
    mean = np.exp(p.level + p.b_male * x[:, 0] + p.b_aboriginal * x[:, 1])
    size = np.exp(p.log_size)
    ways = gammaln(y + size) - gammaln(size) - gammaln(y + 1)
    return ways + size * np.log(size / (size + mean)) + xlogy(y, mean / (size + mean))


def discoveries(p: Any, y: Any) -> Any:
    none = 1 / (1 + np.exp(-p.logit_none))
    poisson = np.exp(y * np.log(p.rate) - p.rate - gammaln(y + 1))
    return np.log(none * (y == 0) + (1 - none) * poisson)


LIKELIHOODS: dict[tuple[str, ...], Callable[..., Any]] = {
    ("ymax", "xhalf"): hyperbola,
    ("vmax", "k", "log_sd"): michaelis,
    ("level", "b_male", "b_aboriginal", "log_size"): absences,
    ("logit_none", "rate"): discoveries,
}


@pytest.mark.parametrize("per_row", [True, False])
def test_estimates_errors_and_profile_limits(stored: dict[str, Any], per_row: bool) -> None:
    data, expected = stored["data"], stored["expected"]
    function = LIKELIHOODS[tuple(stored["start"])]
    given = [np.array(data["y"], float)]
    if "x" in data:
        x = data["x"]
        given.insert(0, pd.DataFrame(x).to_numpy(float) if isinstance(x, dict) else np.array(x))

    def loglik(params: Any, *rows: Any) -> Any:
        values = function(params, *rows)
        return values if per_row else values.sum()

    fit = ek.fit(ek.Likelihood(loglik, stored["start"]), *given)
    params, errors = np.array(expected["params"]), np.array(expected["std_errors"])
    assert list(fit.names) == expected["names"]
    assert (np.abs(fit.params - params) <= PARAMS * errors).all()
    np.testing.assert_allclose(fit.std_errors, errors, rtol=STD_ERRORS)
    assert fit.loglik == pytest.approx(expected["loglik"], rel=LOGLIK)
    limits = fit.interval(stored["level"], method="profile")
    assert (np.abs(limits - expected["limits"]) <= LIMITS * errors[:, None]).all()
