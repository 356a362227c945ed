"""Profile-likelihood limits against root finding in R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import estkit as ek

KIND = "profile"
LIMITS = 1e-6  # of half the width of the interval


def test_limits(stored: dict[str, Any]) -> None:
    data, expected = stored["data"], stored["expected"]
    family = getattr(ek, stored["family"])(**stored["options"])
    fit = ek.fit(family, pd.DataFrame(data["columns"]), np.array(data["y"]))
    found = fit.interval(stored["level"], method="profile")
    limits = np.array(expected["limits"])
    assert list(fit.names) == expected["names"]
    width = (limits[:, 1] - limits[:, 0])[:, None] / 2
    assert (np.abs(found - limits) <= LIMITS * width).all()
