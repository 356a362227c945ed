"""From an estimate and its covariance to intervals and tests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.estimate import normal_quantile
from estkit.likelihood.family import Floats

if TYPE_CHECKING:
    from estkit.likelihood.uncertainty import Uncertainty


_RANK = 1e-13  # of the largest singular value of a root: what rounding leaves of 0
_AGREE = 1e-6  # in standard errors: what rounding leaves of hypotheses that agree


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        return f"TestResult({self})"

    def __str__(self) -> str:
        return (
            f"{self.method} test of {self.hypothesis}: chi-squared {self.statistic:.4g} on "
            f"{self.df} df, p = {self.p_value:.3g}"
        )


def standard_errors(covariance: Floats) -> Floats:
    """Return the roots of the diagonal."""
    return np.sqrt(np.diag(covariance))


def carried_out(jacobian: Floats, inverse: Floats, spread: float) -> tuple[Floats, Floats]:
    """Return the covariance of outside parameters and their standard errors.

    Parameters are brought to size 1 first: the squares of extreme scales would overflow.
    """
    if len(jacobian) == len(inverse) <= 2:
        return _few_carried_out(jacobian.tolist(), inverse.tolist(), spread)
    if jacobian.shape[0] == jacobian.shape[1] == np.count_nonzero(jacobian):
        size = np.abs(np.diagonal(jacobian))
        if size.all():  # a diagonal: nothing to multiply
            relative = spread**2 * inverse
            with np.errstate(over="ignore"):
                return relative * size * size[:, None], size * standard_errors(relative)
    size = np.abs(jacobian).max(axis=1, initial=0.0)
    size[size == 0] = 1.0
    back = jacobian / size[:, None]
    relative = back @ (spread**2 * inverse) @ back.T
    with np.errstate(over="ignore"):
        covariance = relative * size * size[:, None]
    return covariance, size * standard_errors(relative)


def blanked(covariance: Floats, at_end: NDArray[np.bool_]) -> Floats:
    """Return a covariance that is NaN for parameters at an end, which no kind gives an error."""
    return np.where(at_end | at_end[:, None], np.nan, covariance)


def _few_carried_out(
    jacobian: list[list[float]], inverse: list[list[float]], spread: float
) -> tuple[Floats, Floats]:
    """Do the same in plain numbers, which for one or two parameters takes a quarter of the time."""
    sizes = [max(map(abs, row)) or 1.0 for row in jacobian]
    back = [[v * spread / size for v in row] for row, size in zip(jacobian, sizes, strict=True)]
    if len(sizes) == 1:
        ((share,),), ((variance,),), (size,) = back, inverse, sizes
        relative = share * variance * share
        return np.array([[relative * size * size]]), np.array([size * _root(relative)])
    ((a, b), (c, d)), ((p, q), (_, r)), (size, other) = back, inverse, sizes
    left, right, low, high = a * p + b * q, a * q + b * r, c * p + d * q, c * q + d * r
    first, across, second = left * a + right * b, left * c + right * d, low * c + high * d
    across = across * size * other  # in this order: a product of sizes may overflow
    covariance = [[first * size * size, across], [across, second * other * other]]
    return np.array(covariance), np.array([size * _root(first), other * _root(second)])


def _root(square: float) -> float:
    return math.sqrt(square) if square >= 0.0 else math.nan


def wald_interval(params: Floats, std_errors: Floats, level: float) -> Floats:
    """Return limits of shape (k, 2): estimate ± z · standard error."""
    half_width = normal_quantile(level) * std_errors
    return np.column_stack([params - half_width, params + half_width])


def wald_statistics(params: Floats, std_errors: Floats) -> tuple[Floats, Floats]:
    """Return z and its two-sided p-value, right far into the tail."""
    from scipy.special import ndtr

    with np.errstate(divide="ignore", invalid="ignore"):  # NaN where 0 has an error of 0
        statistic = params / std_errors
    return statistic, 2.0 * ndtr(-np.abs(statistic))


def wald_test(
    difference: Floats, root: Floats, hypothesis: str, *, dependent: bool = False
) -> TestResult:
    """Test that a vector of parameters equals its hypothetical value, jointly.

    Parameters
    ----------
    difference : array of shape (k,)
        Estimate minus hypothetical value.
    root : array of shape (k, s)
        A root of its covariance: that keeps twice the digits of columns far from 0.
    hypothesis : str
        What is tested, for the report.
    dependent : bool
        Whether a covariance of lower rank may come of few clusters, and not of parameters that
        depend on each other.

    Raises
    ------
    DataError
        If no parameters fulfil the hypothesis.
    """
    if not (np.isfinite(root).all() and root.any(axis=1).all()):  # without an answer, or an error
        return chi_squared_test("Wald", hypothesis, float("nan"), len(difference))
    scale = 1.0 / np.linalg.norm(root / np.abs(root).max(axis=1, keepdims=True), axis=1)
    scale /= np.abs(root).max(axis=1)
    left, sizes, _ = np.linalg.svd(root * scale[:, None], full_matrices=False)
    # parameters that sum to 0, as in a symmetric softmax, have a covariance of lower rank
    left, sizes = left[:, sizes > _RANK * sizes[0]], sizes[sizes > _RANK * sizes[0]]
    standard = difference * scale
    z = left.T @ standard
    beyond = np.abs(standard - left @ z).max()
    if beyond > _AGREE * max(1.0, float(np.abs(standard).max())) and not dependent:
        raise DataError("The hypotheses contradict each other: they cannot all hold at once.")
    return chi_squared_test("Wald", hypothesis, float(((z / sizes) ** 2).sum()), len(sizes))


def chi_squared_test(method: str, hypothesis: str, statistic: float, df: int) -> TestResult:
    """Return a test whose statistic is chi-squared under the hypothesis, in large samples."""
    from scipy.special import chdtrc

    statistic = max(statistic, 0.0)
    return TestResult(hypothesis, statistic, df, float(chdtrc(df, statistic)), method)


def compare_nested(first: Uncertainty, second: Uncertainty) -> TestResult:
    """Test the smaller of two nested fits against the larger by their likelihood ratio."""
    for fit in (first, second):
        fit._need_likelihood("A likelihood-ratio test")
    for what in ("family", "n_obs", "outcomes"):
        own, other = getattr(first, what), getattr(second, what)
        if own != other:
            raise DataError(
                f"The fits differ in {what} ({own!r} and {other!r}), so one is not nested in the "
                f"other; fit both to the same responses."
            )
    small, large = sorted((first, second), key=lambda fit: fit.n_params)
    df = large.n_params - small.n_params
    if df == 0 or not set(small.names) <= set(large.names):
        raise DataError(
            f"A nested fit has some of the parameters of the other; these have {small.names} and "
            f"{large.names}."
        )
    statistic = 2.0 * (large.loglik - small.loglik)
    if not statistic > -1e-8 * abs(large.loglik):
        raise DataError(
            f"The larger model has the smaller log-likelihood ({large.loglik:.6g} and "
            f"{small.loglik:.6g}); the fits are not of the same responses, or one has no answer."
        )
    constraints = "1 constraint" if df == 1 else f"{df} constraints"
    return chi_squared_test("Likelihood-ratio", constraints, statistic, df)
