"""The ordinal reference cases of R, fitted again: polr's model, polished to its optimum."""

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

KIND = "ordinal"


def fitted(stored: dict[str, Any]) -> Any:
    data = stored["data"]
    family = ek.Ordinal(**stored["options"], order=data["levels"])
    options = {name: data.get(name) for name in ("weights", "offset")}
    return ek.fit(family, pd.DataFrame(data["columns"]), data["y"], **options)


def test_names(stored: dict[str, Any]) -> None:
    assert list(fitted(stored).names) == stored["expected"]["names"]


def test_params(stored: dict[str, Any]) -> None:
    expected = stored["expected"]
    scale = np.abs(expected["params"]) + np.minimum(1.0, expected["std_errors"])
    np.testing.assert_array_less(np.abs(fitted(stored).params - expected["params"]), PARAMS * scale)


@pytest.mark.parametrize("kind", ["observed", "expected"])
def test_std_errors(stored: dict[str, Any], kind: str) -> None:
    expected = stored["expected"]
    wanted = expected["std_errors" if kind == "observed" else "std_errors_expected"]
    errors = np.sqrt(np.diag(fitted(stored).covariance(kind)))
    np.testing.assert_allclose(errors, wanted, rtol=STD_ERRORS)


def test_criteria(stored: dict[str, Any]) -> None:
    expected, fit = stored["expected"], fitted(stored)
    for criterion in ("loglik", "aic", "bic"):
        assert getattr(fit, criterion) == pytest.approx(expected[criterion], rel=LOGLIK)
    assert fit.n_obs == expected["n_obs"]
    assert fit.converged
