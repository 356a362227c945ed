"""Every stored reference case of a distribution, fitted again and compared.

A case is one JSON file in tests/references/distribution; a new file is picked up by itself.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estkit as ek

# The references were driven to their optimum in R and stored with 15 digits; what is left of a
# parameter is held to 1e-10 of itself, and near zero of its standard error (or of 1, if smaller).
PARAMS = 1e-10
# R's standard errors are of second differences, and so are ours where rows are censored.
STD_ERRORS = 1e-7
LOGLIK = 1e-11

FOLDER = Path(__file__).parents[1] / "references" / "distribution"
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))


def read(case: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{case}.json").read_text(encoding="utf-8"))


def values_of(data: dict[str, Any]) -> Any:
    """A bound that is null in JSON is none."""
    if set(data) <= {"x", "weights"}:
        return data["x"]
    lower = [-np.inf if v is None else v for v in data.get("lower", data.get("x"))]
    upper = [np.inf if v is None else v for v in data.get("upper", data.get("x"))]
    return ek.Censored(lower, upper, truncated_below=data.get("truncated_below", -np.inf))


@cache
def fitted(case: str) -> Any:
    stored = read(case)
    family = ek.Distribution(**stored["options"])
    return ek.fit(family, values_of(stored["data"]), weights=stored["data"].get("weights"))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_names_and_observations(case: str) -> None:
    expected = read(case)["expected"]
    assert list(fitted(case).names) == expected["names"]
    assert fitted(case).n_obs == expected["n_obs"]


def test_params(case: str) -> None:
    expected = read(case)["expected"]
    params, scale = np.array(expected["params"]), np.array(expected["std_errors"])
    allowed = PARAMS * (np.abs(params) + np.minimum(1.0, scale))
    np.testing.assert_array_less(np.abs(fitted(case).params - params), allowed)


def test_std_errors(case: str) -> None:
    expected = read(case)["expected"]
    np.testing.assert_allclose(fitted(case).std_errors, expected["std_errors"], rtol=STD_ERRORS)


@pytest.mark.parametrize("criterion", ["loglik", "aic", "bic"])
def test_criteria(case: str, criterion: str) -> None:
    expected = read(case)["expected"][criterion]
    assert getattr(fitted(case), criterion) == pytest.approx(expected, rel=LOGLIK)
