"""Binomial regression with other links than logit against R's glm, counts and weights included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

KIND = "links"
# The references were driven to their optimum and stored to the last digit.
PARAMS = 1e-8  # of a parameter, and near zero of its standard error (or of 1, if that is smaller)
STD_ERRORS = 1e-6  # what comes from a curvature
LOGLIK = 1e-8


def fitted(stored: dict[str, Any]) -> Any:
    data = stored["data"]
    y = data["y"]
    return ek.fit(
        ek.Binomial(**stored["options"]),
        pd.DataFrame(data["columns"]),
        np.array(y) if isinstance(y[0], list) else y,
        intercept=stored["intercept"],
        weights=data.get("weights"),
        offset=data.get("offset"),
    )


def test_parameters(stored: dict[str, Any]) -> None:
    expected, fit = stored["expected"], fitted(stored)
    params, errors = np.array(expected["params"]), np.array(expected["std_errors"])
    assert list(fit.names) == expected["names"]
    assert fit.converged, fit.reason
    allowed = PARAMS * (np.abs(params) + np.minimum(1.0, errors))
    np.testing.assert_array_less(np.abs(fit.params - params), allowed)


def test_standard_errors_of_the_observed_information(stored: dict[str, Any]) -> None:
    errors = stored["expected"]["std_errors"]
    np.testing.assert_allclose(fitted(stored).std_errors, errors, rtol=STD_ERRORS)


def test_standard_errors_of_the_expected_information(stored: dict[str, Any]) -> None:
    found = np.sqrt(np.diag(fitted(stored).covariance("expected")))
    errors = stored["expected"]["std_errors_expected"]
    np.testing.assert_allclose(found, errors, rtol=STD_ERRORS)


def test_criteria(stored: dict[str, Any]) -> None:
    expected, fit = stored["expected"], fitted(stored)
    for criterion in ("loglik", "aic", "bic"):
        assert getattr(fit, criterion) == pytest.approx(expected[criterion], rel=LOGLIK)
    assert fit.n_obs == expected["n_obs"]
