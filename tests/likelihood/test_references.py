"""Every stored reference case, fitted again and compared with the tool that made it.

A case is one JSON file in tests/references, written by the make_* scripts beside it. A new file is
picked up by itself: there is nothing to register here. The folders in there hold cases of a kind of
their own, which test_references_<kind>.py reads through the argument `stored`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

# The references were driven to their optimum (a further Newton step moves nothing) and stored with
# 15 digits, so what is left is estkit's own error. A parameter is held to 1e-8 of itself, and near
# zero to 1e-8 of its standard error (or of 1, if that is smaller).
PARAMS = 1e-8
# Standard errors come from a curvature that loses half the digits of a nearly singular design.
STD_ERRORS = 1e-6
# AIC and BIC are the log-likelihood and a count, so they are held to the same figure.
LOGLIK = 1e-8

REFERENCES = Path(__file__).parents[1] / "references"
CASES = sorted(path.stem for path in REFERENCES.glob("*.json"))
PROVENANCE = ("description", "source", "tool", "version", "call")


def read(case: str) -> dict[str, Any]:
    return json.loads((REFERENCES / f"{case}.json").read_text(encoding="utf-8"))


def table(stored: Any) -> Any:
    """Columns named by outcome become a frame, rows of counts an array, the rest stays as it is."""
    if isinstance(stored, dict):
        return pd.DataFrame(stored)
    return np.array(stored) if stored and isinstance(stored[0], list) else stored


@cache
def fitted(case: str) -> Any:
    stored = read(case)
    data = stored["data"]
    return ek.fit(
        getattr(ek, stored["family"])(**stored["options"]),
        pd.DataFrame(data["columns"]),
        table(data["y"]),
        intercept=stored["intercept"],
        weights=data.get("weights"),
        offset=table(data.get("offset")),
    )


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_public_family_has_a_case() -> None:
    exported = {name: getattr(ek, name) for name in ek.__all__ if name[0].isupper()}
    families = {
        name
        for name, what in exported.items()
        if isinstance(what, type)
        and hasattr(what, "evaluate")
        and not hasattr(what, "model")  # with a model of its own it has a test file of its own
    }
    others = ("comparison", "gradients")
    files = [path for path in REFERENCES.rglob("*.json") if path.parent.name not in others]
    stored = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    assert families <= {case["family"] for case in stored}
    assert families >= {"Binomial", "Softmax", "Gaussian"}


def test_family_is_public(case: str) -> None:
    stored = read(case)
    assert stored["family"] in ek.__all__
    assert case.startswith(stored["family"].lower() + "_")


def test_origin_is_recorded(case: str) -> None:
    stored = read(case)
    assert all(isinstance(stored[key], str) and stored[key] for key in PROVENANCE)


def test_names(case: str) -> None:
    assert list(fitted(case).names) == read(case)["expected"]["names"]


def test_params(case: str) -> None:
    expected = read(case)["expected"]
    params, scale = np.array(expected["params"]), np.array(expected["std_errors"])
    allowed = PARAMS * (np.abs(params) + np.minimum(1.0, scale))
    np.testing.assert_array_less(np.abs(fitted(case).params - params), allowed)


def test_std_errors(case: str) -> None:
    expected = read(case)["expected"]
    np.testing.assert_allclose(fitted(case).std_errors, expected["std_errors"], rtol=STD_ERRORS)
    if "sigma" in expected:
        assert fitted(case).sigma.value == pytest.approx(expected["sigma"], rel=LOGLIK)


@pytest.mark.parametrize("criterion", ["loglik", "aic", "bic"])
def test_criteria(case: str, criterion: str) -> None:
    expected = read(case)["expected"][criterion]
    assert getattr(fitted(case), criterion) == pytest.approx(expected, rel=LOGLIK)


def test_n_obs(case: str) -> None:
    assert fitted(case).n_obs == read(case)["expected"]["n_obs"]


def test_converged(case: str) -> None:
    assert fitted(case).converged, fitted(case).reason
