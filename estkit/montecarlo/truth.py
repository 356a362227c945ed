"""What is true: a number, a value for each parameter, or a function of the condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import StudyError
from estkit.montecarlo import calls
from estkit.montecarlo.sampling import describe


def truth_of(
    truth: Any, condition: Mapping[str, Any], estimator: str, names: Sequence[str]
) -> NDArray[np.float64]:
    """Return the true value of each parameter of an estimator; NaN where none was given.

    Parameters
    ----------
    truth : float, array, mapping, callable or None
        As it was given to the study, or with a data set.
    condition : mapping
        The condition.
    estimator : str
        The name of the estimator.
    names : sequence of str
        The names of its parameters.

    Raises
    ------
    StudyError
        If a vector has the wrong length, or a mapping names neither estimators nor parameters.
    """
    if callable(truth):
        known = ["condition", *condition]
        call = calls.plan(truth, "truth", named=known, positional=["condition"])
        truth = call({**condition, "condition": dict(condition)})
    if truth is None:
        return np.full(len(names), np.nan)
    if isinstance(truth, Mapping):
        if estimator in truth:
            return truth_of(truth[estimator], condition, estimator, names)
        return np.array([float(truth.get(name, np.nan)) for name in names])
    value = np.asarray(getattr(truth, "value", truth))
    if value.dtype.kind not in "fiub" or value.ndim > 1:
        raise StudyError(f"truth must be numbers, got {truth!r:.80} in {describe(condition)}.")
    if value.ndim and len(value) != len(names):
        raise StudyError(
            f"truth has {len(value)} values, but estimator {estimator!r} has {len(names)} "
            f"parameters ({', '.join(names)}) in {describe(condition)}."
        )
    return np.broadcast_to(value.astype(float), (len(names),)).copy()
