"""The reference cases of Jeffreys' prior, fitted again: brglm2 in R, separated data among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

# The references are at their optimum and stored with all digits.
PARAMS = 1e-8
STD_ERRORS = 1e-6
LOGLIK = 1e-9

KIND = "jeffreys"


def fitted(stored: dict[str, Any]) -> Any:
    data = stored["data"]
    y: Any = data["y"]
    if isinstance(y, dict):
        y = pd.DataFrame(y)
    elif isinstance(y[0], list):
        y = np.array(y)
    family = getattr(ek, stored["family"])(**stored["options"], penalty=ek.Jeffreys())
    options = {name: data.get(name) for name in ("weights", "offset")}
    return ek.fit(family, pd.DataFrame(data["columns"]), y, **options)


def test_params_and_names(stored: dict[str, Any]) -> None:
    fit, expected = fitted(stored), stored["expected"]
    assert list(fit.names) == expected["names"]
    scale = np.abs(expected["params"]) + np.minimum(1.0, expected["std_errors"])
    np.testing.assert_array_less(np.abs(fit.params - expected["params"]), PARAMS * scale)


def test_std_errors_of_the_expected_information(stored: dict[str, Any]) -> None:
    fit = fitted(stored)
    np.testing.assert_allclose(fit.std_errors, stored["expected"]["std_errors"], rtol=STD_ERRORS)
    assert fit.covariance_kind == "expected"
    np.testing.assert_allclose(
        np.sqrt(np.diag(fit.covariance("expected"))), fit.std_errors, rtol=1e-12
    )


def test_loglik_without_and_with_the_prior(stored: dict[str, Any]) -> None:
    fit, expected = fitted(stored), stored["expected"]
    assert fit.loglik == pytest.approx(expected["loglik"], rel=LOGLIK)
    assert fit.objective == pytest.approx(expected["penalised"], rel=LOGLIK)
    assert fit.n_obs == expected["n_obs"]
    assert fit.converged
