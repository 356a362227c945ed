"""Sandwich and cluster covariances against the R package sandwich."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

KIND = "robust"
STD_ERRORS = 1e-6  # what comes from a curvature


def fitted(stored: dict[str, Any]) -> Any:
    data = stored["data"]
    return ek.fit(
        getattr(ek, stored["family"])(**stored["options"]),
        pd.DataFrame(data["columns"]),
        data["y"],
        weights=data.get("weights"),
        groups=data["groups"],
    )


@pytest.mark.parametrize("kind", ["HC0", "HC1", "cluster"])
def test_standard_errors(stored: dict[str, Any], kind: str) -> None:
    """The package puts the expected information outside; logit's and Gaussian's are the observed.

    For other links the same with the observed information was stored beside it.
    """
    canonical = stored["options"].get("link", "logit") == "logit"
    errors = stored["expected"]["std_errors" if canonical else "observed"][kind]
    fit = fitted(stored)
    assert list(fit.names) == stored["expected"]["names"]
    found = np.sqrt(np.diag(fit.covariance(kind)))
    np.testing.assert_allclose(found, errors, rtol=STD_ERRORS)
