"""From an estimate and its covariance to intervals and tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estkit.estimate import normal_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TestResult:
    """The outcome of a test of a hypothesis about parameters.

    Parameters
    ----------
    hypothesis : str
        What was tested.
    statistic : float
        The chi-squared statistic.
    df : int
        Its degrees of freedom under the hypothesis.
    p_value : float
        The probability of a statistic at least as large.
    method : str
        The name of the test.
    """

    __test__ = False  # the name starts like a test class; pytest must not collect it

    hypothesis: str
    statistic: float
    df: int
    p_value: float
    method: str

    def __str__(self) -> str:
        return (
            f"{self.method} test of {self.hypothesis}: chi-squared {self.statistic:.4g} on "
            f"{self.df} df, p = {self.p_value:.3g}"
        )


def standard_errors(covariance: Floats) -> Floats:
    """Return the roots of the diagonal."""
    return np.sqrt(np.diag(covariance))


def wald_interval(params: Floats, std_errors: Floats, level: float) -> Floats:
    """Return limits of shape (k, 2): estimate ± z · standard error."""
    half_width = normal_quantile(level) * std_errors
    return np.column_stack([params - half_width, params + half_width])


def wald_statistics(params: Floats, std_errors: Floats) -> tuple[Floats, Floats]:
    """Return z and its two-sided p-value, right far into the tail."""
    from scipy.special import ndtr

    statistic = params / std_errors
    return statistic, 2.0 * ndtr(-np.abs(statistic))


def wald_test(difference: Floats, covariance: Floats, hypothesis: str) -> TestResult:
    """Test that a vector of parameters equals its hypothetical value, jointly.

    Parameters
    ----------
    difference : array of shape (k,)
        Estimate minus hypothetical value.
    covariance : array of shape (k, k)
        Its covariance.
    hypothesis : str
        What is tested, for the report.
    """
    from scipy.special import chdtrc

    scale = 1.0 / standard_errors(covariance)
    correlation = covariance * np.outer(scale, scale)
    z = difference * scale
    statistic = float(z @ np.linalg.solve(correlation, z)) if len(z) else math.nan
    p_value = float(chdtrc(len(z), statistic)) if len(z) else math.nan
    return TestResult(hypothesis, statistic, len(z), p_value, "Wald")
