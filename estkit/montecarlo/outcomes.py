"""Outcomes: estimate, standard error, interval, status and reason of every replicate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, StudyError
from estkit.estimate import STATUSES, Estimate, as_estimate, normal_quantile

Floats = NDArray[np.float64]
_FIELDS = ("estimate", "std_error", "lower", "upper")


@dataclass(frozen=True, eq=False)
class Failure:
    """What stands in the place of an answer when an estimator raised."""

    reason: str


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What one estimator answered in consecutive replicates of one condition.

    Parameters
    ----------
    names : tuple of str, or None
        The names of the k parameters; None when no replicate has an answer.
    estimate, std_error, lower, upper : array of shape (R, k)
        NaN where there is none.
    status : array of int8 of shape (R,)
        Index into ``("ok", "not_converged", "failed")``.
    reasons : dict
        Replicate number to the reason why it is not ok.
    warnings : dict
        Replicate number to the first warning given in it.
    """

    names: tuple[str, ...] | None
    estimate: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    status: NDArray[np.int8]
    reasons: dict[int, str] = field(default_factory=dict)
    warnings: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.status)


def collect(answers: Sequence[Any], first: int, warnings: dict[int, str]) -> Outcomes:
    """Return the outcomes of replicates first, first + 1, ... from their answers one by one."""
    if all(type(answer) is float or type(answer) is np.float64 for answer in answers):
        return from_block(np.array(answers, dtype=float), len(answers), first, warnings)
    reasons: dict[int, str] = {}
    estimates: list[Estimate | None] = []
    for replicate, answer in enumerate(answers, first):
        estimates.append(_estimate(answer, replicate, reasons))
    found = Counter(e.names for e in estimates if e is not None)
    if not found:
        return _nothing(len(answers), reasons, warnings)
    names = found.most_common(1)[0][0]
    table = {field: np.full((len(answers), len(names)), np.nan) for field in _FIELDS}
    status = np.full(len(answers), STATUSES.index("failed"), dtype=np.int8)
    for row, estimate in enumerate(estimates):
        if estimate is None:
            continue
        if estimate.names != names:
            reasons[first + row] = _other_names(estimate.names, names)
            continue
        status[row] = STATUSES.index(estimate.status)
        if estimate.status != "ok":
            reasons[first + row] = estimate.reason or estimate.status
        table["estimate"][row] = estimate.value
        for part in _FIELDS[1:]:
            if getattr(estimate, part) is not None:
                table[part][row] = getattr(estimate, part)
    columns = [table[part] for part in _FIELDS]
    return _refuse_nan(_of(names, columns, status, reasons, warnings), first)


def _of(
    names: tuple[str, ...] | None,
    columns: Sequence[Floats],
    status: NDArray[np.int8],
    reasons: dict[int, str],
    warnings: dict[int, str],
) -> Outcomes:
    estimate, std_error, lower, upper = columns
    return Outcomes(names, estimate, std_error, lower, upper, status, reasons, warnings)


def _estimate(answer: Any, replicate: int, reasons: dict[int, str]) -> Estimate | None:
    if isinstance(answer, Failure):
        reasons[replicate] = answer.reason
        return None
    try:
        return as_estimate(answer)
    except DataError as error:
        reasons[replicate] = str(error)
        return None


def from_block(answer: Any, replicates: int, first: int, warnings: dict[int, str]) -> Outcomes:
    """Return the outcomes from what a vectorised estimator answered for a whole block.

    Raises
    ------
    StudyError
        If the answer does not have one entry for each replicate.
    """
    if hasattr(answer, "params") and hasattr(answer, "status"):
        return _from_fits(answer, replicates, first, warnings)
    if isinstance(answer, Mapping):
        parts = {str(name): part for name, part in answer.items()}
    else:
        parts = _parts_of_array(answer)
    names = tuple(parts)
    table: dict[str, list[Floats]] = {field: [] for field in _FIELDS}
    for name, part in parts.items():
        estimate = part if isinstance(part, Estimate) else None
        value = np.asarray(part if estimate is None else estimate.value)
        if value.shape != (replicates,) or value.dtype.kind not in "fiub":
            raise StudyError(
                f"a vectorized estimator must return one number for each of {replicates} "
                f"replicates; {name!r} has shape {value.shape} and dtype {value.dtype}."
            )
        table["estimate"].append(value.astype(float))
        for column in _FIELDS[1:]:
            given = None if estimate is None else getattr(estimate, column)
            table[column].append(np.full(replicates, np.nan) if given is None else given)
    status = np.zeros(replicates, dtype=np.int8)
    columns = [np.stack(table[field], axis=1) for field in _FIELDS]
    return _refuse_nan(_of(names, columns, status, {}, warnings), first)


def _parts_of_array(answer: Any) -> dict[str, Any]:
    if isinstance(answer, Estimate):
        return {"value": answer}
    array = np.asarray(answer)
    if array.ndim == 2:
        return {f"value[{j}]": column for j, column in enumerate(array.T)}
    return {"value": array}


def _from_fits(answer: Any, replicates: int, first: int, warnings: dict[int, str]) -> Outcomes:
    params, errors = np.asarray(answer.params, float), np.asarray(answer.std_errors, float)
    if len(params) != replicates:
        raise StudyError(f"expected {replicates} fits, one for each replicate, got {len(params)}.")
    half_width = normal_quantile(0.95) * errors
    index = {name: number for number, name in enumerate(STATUSES)}
    status = np.array([index[str(name)] for name in answer.status], dtype=np.int8)
    reasons = {first + int(row): str(answer.reason[row]) for row in np.flatnonzero(status)}
    outcomes = Outcomes(
        tuple(answer.names), params, errors, params - half_width, params + half_width, status,
        reasons, warnings,
    )  # fmt: skip
    return _refuse_nan(outcomes, first)


def _refuse_nan(outcomes: Outcomes, first: int) -> Outcomes:
    """Turn replicates that answered nan or infinity into failures, with the parameter named."""
    wrong = ~np.isfinite(outcomes.estimate)
    rows = np.flatnonzero(wrong.any(axis=1) & (outcomes.status == 0))
    for row in rows:
        column = int(np.argmax(wrong[row]))
        assert outcomes.names is not None
        value = outcomes.estimate[row, column]
        outcomes.reasons[first + int(row)] = f"returned {value} for {outcomes.names[column]!r}"
        outcomes.status[row] = STATUSES.index("failed")
    return outcomes


def _nothing(replicates: int, reasons: dict[int, str], warnings: dict[int, str]) -> Outcomes:
    empty = np.empty((replicates, 0))
    status = np.full(replicates, STATUSES.index("failed"), dtype=np.int8)
    return Outcomes(None, empty, empty, empty, empty, status, reasons, warnings)


def _other_names(found: Sequence[str], expected: Sequence[str]) -> str:
    return f"returned the parameters ({', '.join(found)}) instead of ({', '.join(expected)})"


def join(parts: Sequence[Outcomes]) -> Outcomes:
    """Return the outcomes of consecutive blocks as one; the first block with names decides them."""
    names = next((part.names for part in parts if part.names is not None), None)
    reasons: dict[int, str] = {}
    warnings: dict[int, str] = {}
    columns: dict[str, list[Floats]] = {field: [] for field in _FIELDS}
    status, first = [], 0
    for part in parts:
        reasons |= part.reasons
        warnings |= part.warnings
        fits = part.names == names
        own = part.status
        if not fits:
            own = np.full(len(part), STATUSES.index("failed"), dtype=np.int8)
            for row in np.flatnonzero(part.status == 0):
                reasons[first + int(row)] = _other_names(part.names or (), names or ())
        missing = np.full((len(part), len(names or ())), np.nan)
        for column, blocks in columns.items():
            blocks.append(getattr(part, column) if fits else missing)
        status.append(own)
        first += len(part)
    whole = [np.concatenate(columns[column]) for column in _FIELDS]
    return _of(names, whole, np.concatenate(status), reasons, warnings)
