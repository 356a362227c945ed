"""The conditional reference cases of R, fitted again: survival::clogit, polished to its optimum."""

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

KIND = "conditional"


def fitted(stored: dict[str, Any]) -> Any:
    data = stored["data"]
    options = {"groups": data["groups"], "offset": data.get("offset")}
    return ek.fit(ek.ConditionalLogit(), pd.DataFrame(data["columns"]), data["y"], **options)


def test_params_and_names(stored: dict[str, Any]) -> None:
    expected, fit = stored["expected"], fitted(stored)
    assert list(fit.names) == expected["names"]
    scale = np.abs(expected["params"]) + np.minimum(1.0, expected["std_errors"])
    np.testing.assert_array_less(np.abs(fit.params - expected["params"]), PARAMS * scale)


def test_std_errors(stored: dict[str, Any]) -> None:
    wanted = stored["expected"]["std_errors"]
    np.testing.assert_allclose(fitted(stored).std_errors, wanted, rtol=STD_ERRORS)


def test_criteria(stored: dict[str, Any]) -> None:
    expected, fit = stored["expected"], fitted(stored)
    assert fit.loglik == pytest.approx(expected["loglik"], rel=LOGLIK)
    assert fit.aic == pytest.approx(expected["aic"], rel=LOGLIK)
    test = fit.likelihood_ratio()
    assert fit.loglik - test.statistic / 2 == pytest.approx(expected["null_loglik"], rel=LOGLIK)


def test_strata_that_say_nothing_are_counted(stored: dict[str, Any]) -> None:
    """R counts all rows, a fit here those that were used."""
    expected, fit = stored["expected"], fitted(stored)
    assert fit.n_strata == expected["n_strata"]
    cases = pd.Series(stored["data"]["y"]).groupby(stored["data"]["groups"])
    said = (cases.transform("max") == 1) & (cases.transform("min") == 0)
    assert fit.n_obs == said.sum() <= expected["n_obs"]
