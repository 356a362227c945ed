"""Fitted distributions against R's densities maximised to rounding: whole, censored, truncated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import estkit as ek

KIND = "distribution"
# The references were driven to their optimum by differences, which leave 1e-12 of a standard error.
PARAMS = 1e-8  # of a parameter, and near zero of its standard error (or of 1, if that is smaller)
STD_ERRORS = 1e-6  # what comes from a curvature
LOGLIK = 1e-8


def sample(data: dict[str, Any]) -> Any:
    """A plain sample, or one with bounds where it is censored or truncated; null is no bound."""
    below = data.get("truncated_below")
    if "x" in data and below is None:
        return np.array(data["x"])
    lower = np.array(data.get("lower", data.get("x")), dtype=float)
    upper = np.array(data.get("upper", data.get("x")), dtype=float)
    lower[np.isnan(lower)] = -np.inf
    upper[np.isnan(upper)] = np.inf
    truncation = {} if below is None else {"truncated_below": below}
    return ek.Censored(lower, upper, **truncation)


def fitted(stored: dict[str, Any]) -> Any:
    options, data = stored["options"], stored["data"]
    family = ek.Distribution(options["law"], fixed=options.get("fixed"))
    return ek.fit(family, sample(data), weights=data.get("weights"))


def test_parameters(stored: dict[str, Any]) -> None:
    expected, fit = stored["expected"], fitted(stored)
    params, errors = np.array(expected["params"]), np.array(expected["std_errors"])
    assert list(fit.names) == expected["names"]
    assert fit.converged, fit.reason
    allowed = PARAMS * (np.abs(params) + np.minimum(1.0, errors))
    np.testing.assert_array_less(np.abs(fit.params - params), allowed)


def test_standard_errors(stored: dict[str, Any]) -> None:
    errors = stored["expected"]["std_errors"]
    np.testing.assert_allclose(fitted(stored).std_errors, errors, rtol=STD_ERRORS)


def test_criteria(stored: dict[str, Any]) -> None:
    expected, fit = stored["expected"], fitted(stored)
    for criterion in ("loglik", "aic", "bic"):
        assert getattr(fit, criterion) == pytest.approx(expected[criterion], rel=LOGLIK)
    assert fit.n_obs == expected["n_obs"]
