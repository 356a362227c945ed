"""Functions of parameters and their errors, by the delta method.

A function is differentiated along the columns of a root of the covariance, so that each step is one
standard error long in its direction: by the complex step where differences confirm it, else by
differences of sixth order.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, EstkitError
from estkit.estimate import Estimate
from estkit.likelihood.custom.derivatives import FINE, ROUGH, STEP
from estkit.likelihood.family import Floats

_SINGULAR = 3e-7  # the root of what rounding leaves of an eigenvalue of 0
_COMPLEX_STEP = 2.0**-200
_AGREE = 1e-6
_SHORTER = 4  # times a step is divided by 8 when the function has no value there
_SMOOTH = 0.02  # of the standard error: how far off the derivative may be


def root_of(covariance: Floats) -> Floats:
    """Return R with R Rᵀ = covariance, of shape (k, k); its columns are errors of size 1.

    The row of a parameter without an error, as at the end of its range, is NaN.
    """
    known = np.isfinite(covariance.diagonal())
    if not np.isfinite(covariance[np.ix_(known, known)]).all():
        return np.full_like(covariance, np.nan)
    if not known.all():
        partial = np.where(known[:, None], np.zeros_like(covariance), np.nan)
        partial[known, : known.sum()] = root_of(covariance[np.ix_(known, known)])
        return partial
    scale = np.sqrt(covariance.diagonal())
    scale = np.where(scale > 0, scale, 1.0)
    correlation = covariance / scale / scale[:, None]
    try:
        root = np.asarray(np.linalg.cholesky(correlation), float)
        singular = bool((root.diagonal() < _SINGULAR).any())
    except np.linalg.LinAlgError:
        singular = True
    if singular:  # of lower rank: a sandwich of few groups, parameters that add up
        values, vectors = np.linalg.eigh(correlation)
        root = vectors * np.sqrt(np.where(values > _SINGULAR**2 * values[-1], values, 0.0))
    result: Floats = root * scale[:, None]
    return result


def length(vectors: Floats) -> Floats:
    """Return the lengths along the last axis; squares of any scale stay within a float."""
    size = np.abs(vectors).max(axis=-1, initial=0.0, keepdims=True)
    unit = np.where((size > 0) & np.isfinite(size), size, 1.0)
    result: Floats = unit[..., 0] * np.sqrt(((vectors / unit) ** 2).sum(axis=-1))
    return result


def estimate(
    function: Callable[[Any], Any],
    form: Callable[[NDArray[Any]], Any],
    params: Floats,
    root: Floats,
    names: Sequence[str] | None,
    level: float,
) -> Estimate:
    """Return a function of parameters with its standard error and interval.

    Parameters
    ----------
    function : callable
        Takes what `form` makes of parameters; returns a number, a vector or a mapping.
    form : callable
        Takes a vector of parameters.
    params : array of shape (k,)
        The estimates.
    root : array of shape (k, s)
        A root of their covariance.
    names : sequence of str, optional
        Names of the values.
    level : float
        The confidence level.
    """
    answer = _called(function, form, params)
    if names is None and isinstance(answer, Mapping):
        names = tuple(str(name) for name in answer)
    value = _numbers(answer)
    if value.ndim > 1 or value.dtype.kind not in "fiub":
        raise DataError(
            f"The function must return a real number, a vector or a mapping of numbers, got "
            f"{answer!r:.80}."
        )
    if not np.isfinite(value).all():
        raise EstkitError(f"The function is {answer!r:.80} at the estimates, so it has no error.")
    error: Any = np.full(value.shape, np.nan)
    known = np.asarray(np.isfinite(root).all(axis=1))
    if known.any():
        root = np.where(known[:, None], root, 0.0)

        def along(t: complex, direction: Floats) -> NDArray[Any]:
            there = _called(function, form, params + t * direction)
            return np.atleast_1d(_numbers(there))

        slopes, doubts = zip(*(_slope(along, direction) for direction in root.T), strict=True)
        error = length(np.stack(slopes, axis=-1)).reshape(value.shape)
        doubt = length(np.stack(doubts, axis=-1)).reshape(value.shape)
        if not np.all(doubt <= _SMOOTH * error + 1e-9 * np.abs(value)):
            raise EstkitError(
                f"The function bends too sharply at the estimates for the delta method: its "
                f"derivative is known to ±{float(np.max(doubt)):.2g} only. Is it smooth there? "
                f"Bootstrap the fit instead."
            )
        if not known.all():
            unknown = _unknown(function, form, np.where(known, params, np.nan))
            error = np.where(unknown, np.nan, error)
    return Estimate(value[()], names=names, std_error=error[()], level=level)


def _called(
    function: Callable[[Any], Any], form: Callable[[NDArray[Any]], Any], params: NDArray[Any]
) -> Any:
    given = form(params)
    with np.errstate(all="ignore"):  # what is not finite is noticed by its value
        return function(given)


def _unknown(
    function: Callable[[Any], Any], form: Callable[[NDArray[Any]], Any], params: NDArray[Any]
) -> Any:
    """Return which values a function makes of parameters that are NaN here."""
    try:
        return np.isnan(_numbers(_called(function, form, params)))
    except Exception:  # whatever it is, the function did look at one of them
        return True


def _numbers(answer: Any) -> NDArray[Any]:
    return np.asarray(list(answer.values()) if isinstance(answer, Mapping) else answer)


def _slope(
    along: Callable[[complex, Floats], NDArray[Any]], direction: Floats
) -> tuple[Floats, Floats]:
    """Return the derivative along a direction at 0, and how far off it may be."""
    numeric, error, kink = _difference(along, direction)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            slope = np.imag(along(1j * _COMPLEX_STEP, direction)) / _COMPLEX_STEP
    except Exception:  # whatever it is: the function works with real numbers, as was seen
        return numeric, error + kink
    if slope.shape == numeric.shape and np.isfinite(slope).all():
        agrees = np.abs(slope - numeric) <= _AGREE * np.abs(numeric) + 10 * error
        if agrees.all():
            return slope, kink
    return numeric, error + kink


def _difference(
    along: Callable[[complex, Floats], NDArray[Any]], direction: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return the derivative by differences of sixth order, its error, and how sharp a kink is."""
    step = STEP
    for _ in range(_SHORTER):
        ends = [(along(c * step, direction), along(-c * step, direction)) for c in (1, 2, 3)]
        rows = [(a - b) / (2 * c * step) for c, (a, b) in enumerate(ends, start=1)]
        fine = sum(weight * row for weight, row in zip(FINE, rows, strict=True))
        rough = sum(weight * row for weight, row in zip(ROUGH, rows, strict=False))
        if np.isfinite(fine).all():
            break
        step /= 8
    noise = 4e-16 * np.abs(ends[0][0]) / step
    center = along(0.0, direction)
    near, far = (np.abs(a + b - 2 * center) for a, b in (ends[0], ends[2]))
    # of a smooth function the second difference grows ninefold with thrice the step
    kink = np.where((near > 100 * noise * step) & (far < 6 * near), near / step, 0.0)
    return np.asarray(fine), np.asarray(np.abs(fine - rough) + noise), kink
