"""The weighted reference cases of R, fitted again: lm, glm, and the sandwich of a survey."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

# The references are at their optimum and stored with all digits; see test_references.py.
PARAMS = 1e-8
STD_ERRORS = 1e-6
LOGLIK = 1e-8

KIND = "weights"


def fitted(stored: dict[str, Any]) -> Any:
    data = stored["data"]
    options = {f"{data['kind']}_weights": data["weights"], "groups": data.get("groups")}
    return ek.fit(
        getattr(ek, stored["family"])(), pd.DataFrame(data["columns"]), data["y"], **options
    )


def test_params(stored: dict[str, Any]) -> None:
    expected, fit = stored["expected"], fitted(stored)
    assert list(fit.names) == expected["names"]
    scale = np.abs(expected["params"]) + np.minimum(1.0, expected["std_errors"])
    np.testing.assert_array_less(np.abs(fit.params - expected["params"]), PARAMS * scale)


def test_std_errors(stored: dict[str, Any]) -> None:
    expected, fit = stored["expected"], fitted(stored)
    np.testing.assert_allclose(fit.std_errors, expected["std_errors"], rtol=STD_ERRORS)
    if "sigma" in expected:
        assert fit.sigma.value == pytest.approx(expected["sigma"], rel=LOGLIK)


def test_criteria(stored: dict[str, Any]) -> None:
    expected, fit = stored["expected"], fitted(stored)
    assert fit.n_obs == expected["n_obs"]
    for criterion in expected.keys() & {"loglik", "aic"}:
        assert getattr(fit, criterion) == pytest.approx(expected[criterion], rel=LOGLIK)
    assert ("loglik" in expected) == (fit.covariance_kind == "observed")
