"""What is true: a number, a value for each parameter, or a function of the condition."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import StudyError
from estkit.montecarlo.conditions import called, describe


class Truth(NamedTuple):
    """The true value of each parameter, NaN where none was given, and its own standard error."""

    value: NDArray[np.float64]
    std_error: NDArray[np.float64]


def truth_of(
    truth: Any,
    condition: Mapping[str, Any],
    estimator: str,
    names: Sequence[str],
    others: Collection[str] = (),
    offer: Mapping[str, Any] | None = None,
) -> Truth:
    """Return the true value of each parameter of an estimator.

    Parameters
    ----------
    truth : float, array, mapping, Estimate, callable or None
        As it was given to the study, or with a data set.
    condition : mapping
        The condition.
    estimator : str
        The name of the estimator.
    names : sequence of str
        The names of its parameters.
    others : collection of str
        The names of all estimators, to which a mapping may be addressed instead.
    offer : mapping, optional
        What a truth that is a function may take by name; by default the condition.

    Raises
    ------
    StudyError
        If a vector has the wrong length, a mapping names neither an estimator nor a parameter, or
        a value is no number.
    """
    if callable(truth):
        truth = called("truth", truth, condition, offer)
    if isinstance(truth, Mapping):
        if estimator in truth:
            return truth_of(truth[estimator], condition, estimator, names, (), offer)
        if not set(truth) & {*names, *others}:
            raise StudyError(
                f"truth names {', '.join(map(repr, truth))}, but neither the estimator "
                f"{estimator!r} nor one of its parameters ({', '.join(names)}) in "
                f"{describe(condition)}; give it a value, or nan."
            )
        single = [
            truth_of(truth.get(name), condition, estimator, [name], (), offer) for name in names
        ]
        return Truth(*(np.concatenate(parts) for parts in zip(*single, strict=True)))
    error = getattr(truth, "std_error", None)
    value = _numbers(np.nan if truth is None else getattr(truth, "value", truth), condition)
    if value.ndim and len(value) != len(names):
        raise StudyError(
            f"truth has {len(value)} values, but estimator {estimator!r} has {len(names)} "
            f"parameters ({', '.join(names)}) in {describe(condition)}."
        )
    shape = (len(names),)
    errors = np.zeros(()) if error is None else _numbers(error, condition)
    return Truth(np.broadcast_to(value, shape).copy(), np.broadcast_to(errors, shape).copy())


def _numbers(value: Any, condition: Mapping[str, Any]) -> NDArray[np.float64]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.ndim > 1:
        raise StudyError(f"truth must be numbers, got {value!r:.80} in {describe(condition)}.")
    return array.astype(float)
