"""The penalised reference cases of R, fitted again: glmnet's fits, polished to their optimum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

# The references meet their KKT conditions to 1e-11 of the strength, with all digits stored.
PARAMS = 1e-8
LOGLIK = 1e-9
KKT = 1e-8  # of the largest gradient that a column could have; what a fit promises

KIND = "penalised"


def table(given: Any) -> Any:
    return np.array(given) if isinstance(given[0], list) else given


def penalty_of(stored: dict[str, Any], strength: float) -> Any:
    given = stored["penalty"]
    factors = given.get("factors")
    own: Any = strength
    if factors is not None:
        own = {name: strength * factor for name, factor in factors.items()}
    more = {"ratio": given["ratio"]} if given["kind"] == "ElasticNet" else {}
    return getattr(ek, given["kind"])(own, **more)


def fitted(stored: dict[str, Any], strength: float) -> Any:
    data = stored["data"]
    penalty = penalty_of(stored, strength)
    family = getattr(ek, stored["family"])(**stored["options"], penalty=penalty)
    X, y = pd.DataFrame(data["columns"]), table(data["y"])
    return ek.fit(family, X, y, weights=data.get("weights"))


def test_params_and_names(stored: dict[str, Any]) -> None:
    expected = stored["expected"]
    for strength, wanted in zip(stored["penalty"]["strengths"], expected["params"], strict=True):
        fit = fitted(stored, strength)
        assert list(fit.names) == expected["names"]
        np.testing.assert_allclose(fit.params, wanted, rtol=PARAMS, atol=PARAMS)


def test_zeros_are_zeros(stored: dict[str, Any]) -> None:
    for strength, wanted in zip(
        stored["penalty"]["strengths"], stored["expected"]["params"], strict=True
    ):
        np.testing.assert_array_equal(fitted(stored, strength).params == 0, np.array(wanted) == 0)


def test_loglik_and_objective(stored: dict[str, Any]) -> None:
    expected = stored["expected"]
    for i, strength in enumerate(stored["penalty"]["strengths"]):
        fit = fitted(stored, strength)
        assert fit.loglik == pytest.approx(expected["loglik"][i], rel=LOGLIK)
        assert fit.objective == pytest.approx(expected["objective"][i], rel=LOGLIK)
        assert fit.n_obs == expected["n_obs"]
        assert fit.converged
        assert fit.kkt is None or fit.kkt <= KKT


def test_the_path_gives_the_same(stored: dict[str, Any]) -> None:
    data, given = stored["data"], stored["penalty"]
    family = getattr(ek, stored["family"])(**stored["options"])
    found = ek.path(
        family,
        pd.DataFrame(data["columns"]),
        table(data["y"]),
        weights=data.get("weights"),
        strengths=given["strengths"],
        ratio=given["ratio"],
        factors=given.get("factors", 1.0),
        tolerance=1e-12,
    )
    wanted = np.array(stored["expected"]["params"])[np.argsort(given["strengths"])[::-1]]
    np.testing.assert_allclose(found.params, wanted, rtol=PARAMS, atol=PARAMS)
