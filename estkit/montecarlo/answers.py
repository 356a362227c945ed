"""Whatever an estimator returns, turned into an `Estimate`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from numbers import Real
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import STATUSES, Estimate
from estkit.montecarlo import libraries


def as_estimate(answer: Any) -> Estimate:
    """Turn what an estimator returned into an `Estimate`.

    Parameters
    ----------
    answer : number, array, mapping, Estimate, fit, or a result of another library
        A mapping is read as parameter names and their values, unless it has the key ``"value"``
        and only keys that `Estimate` knows. Of other libraries: fits of statsmodels, tests and
        fits of scipy, and fitted scikit-learn estimators with coefficients.

    Raises
    ------
    DataError
        If it is none of these.

    Examples
    --------
    >>> from estkit.montecarlo.answers import as_estimate
    >>> as_estimate({"location": 1.5, "scale": 2.0}).names
    ('location', 'scale')
    """
    estimate = _converted(answer)
    if not estimate.names:
        raise DataError(f"an estimator returned an empty answer, {answer!r:.60}; expected numbers.")
    return estimate


def _converted(answer: Any) -> Estimate:
    if isinstance(answer, float | Estimate):
        return answer if isinstance(answer, Estimate) else Estimate(answer)
    for recognised, convert in _CONVERSIONS:
        if recognised(answer):
            return convert(answer)
    if isinstance(answer, Real | np.ndarray | list | tuple | np.generic):
        return Estimate(answer)
    raise DataError(
        f"an estimator must return a number, an array, a mapping, an Estimate or a fit; "
        f"it returned {type(answer).__name__}: {answer!r:.80}."
    )


def _from_mapping(answer: Mapping[str, Any]) -> Estimate:
    known = {f.name for f in fields(Estimate)}
    if "value" in answer and set(answer) <= known and len(answer) > 1:
        given = dict(answer)
        return Estimate(given.pop("value"), **given)
    parts = {str(name): as_estimate(part) for name, part in answer.items()}
    vectors = [name for name, part in parts.items() if not isinstance(part.value, float)]
    if vectors:
        raise DataError(f"a mapping must hold one number for each name; {vectors[0]!r} holds more.")
    stacked: dict[str, Any] = {}
    for field in ("std_error", "lower", "upper", "p_value"):
        column = [getattr(part, field) for part in parts.values()]
        if any(entry is not None for entry in column):
            stacked[field] = [math.nan if entry is None else entry for entry in column]
    worst = max(parts.values(), key=lambda part: STATUSES.index(part.status), default=None)
    if worst is None:
        raise DataError("an estimator returned an empty mapping; expected a number for each name.")
    value = [part.value for part in parts.values()]
    return Estimate(
        value, names=tuple(parts), status=worst.status, reason=worst.reason,
        level=worst.level, **stacked,
    )  # fmt: skip


def _from_series(answer: Any) -> Estimate:
    return Estimate(answer.to_numpy(), names=[str(name) for name in answer.index])


_CONVERSIONS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Estimate]], ...] = (
    (lambda answer: hasattr(answer, "to_estimate"), lambda answer: answer.to_estimate()),
    (libraries.is_of_scipy, libraries.from_scipy),
    (lambda answer: isinstance(answer, Mapping), _from_mapping),
    (
        lambda answer: hasattr(answer, "params") and hasattr(answer, "bse"),
        libraries.from_statsmodels,
    ),
    (libraries.is_of_sklearn, libraries.from_sklearn),
    (lambda answer: hasattr(answer, "index") and hasattr(answer, "to_numpy"), _from_series),
)
