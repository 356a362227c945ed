"""What a study is declared with, checked: estimators, control variates, numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.montecarlo.conditions import CONTROL
from estkit.montecarlo.libraries import Refitted


def check_limit(name: str, limit: Any) -> None:
    """Raise unless a limit is None or a positive number."""
    number = isinstance(limit, Real) and not isinstance(limit, bool)
    if limit is not None and not (number and limit > 0):
        raise DataError(f"{name} must be a positive number, got {limit!r}.")


def is_finite(number: Any) -> bool:
    """Tell whether something is a finite number."""
    return isinstance(number, Real) and math.isfinite(number)


def is_whole(number: Any, least: float = -math.inf) -> bool:
    """Tell whether something is a whole number, and not below `least`."""
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    return whole and number >= least


def is_series(given: Any) -> bool:
    """Tell whether something is a row of numbers, one for each condition: a list, range, column."""
    single = isinstance(given, str | Mapping) or getattr(given, "ndim", 1) != 1
    return isinstance(given, Iterable) and not single


def named_estimators(estimators: Any) -> dict[str, Callable[..., Any]]:
    """Return estimators by name, scikit-learn ones as functions of the data, or raise."""
    if isinstance(estimators, Mapping):
        named = {str(name): function for name, function in estimators.items()}
    else:
        several = estimators if isinstance(estimators, list | tuple) else [estimators]
        named = {getattr(function, "__name__", f"estimator{i}"): function
                 for i, function in enumerate(several)}  # fmt: skip
        if len(named) != len(several):
            raise DataError("Two estimators have the same name; pass a mapping of names to them.")
    wrong = [name for name in named if name.startswith(CONTROL)]
    if wrong:
        raise DataError(f"The name {wrong[0]!r} begins as those of control variates do; change it.")
    if not named:
        raise DataError("There is no estimator to study; pass a mapping of names to functions.")
    for name, function in named.items():
        if not callable(function) and hasattr(function, "fit") and hasattr(function, "get_params"):
            named[name] = Refitted(function)
        elif not callable(function):
            raise DataError(
                f"estimator {name!r} must be a function of the data, got {type(function).__name__}."
            )
    return named


def checked_controls(given: Any) -> dict[str, tuple[Callable[..., Any], Any]]:
    """Return control variates by name, each a function and its expectation, or raise."""
    controls: dict[str, tuple[Callable[..., Any], Any]] = {}
    if given is not None and not isinstance(given, Mapping):
        raise DataError(f"controls must be a mapping of names to pairs, got {given!r:.60}.")
    for name, pair in dict(given or {}).items():
        is_pair = isinstance(pair, tuple | list) and len(pair) == 2 and callable(pair[0])
        if not (is_pair and (callable(pair[1]) or is_finite(pair[1]))):
            raise DataError(
                f"control {name!r} must be a function of the data and its known expectation, a "
                f"finite number, such as (np.mean, 0.0); got {pair!r:.60}."
            )
        controls[str(name)] = (pair[0], pair[1])
    return controls
