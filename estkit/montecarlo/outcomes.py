"""Outcomes: estimate, standard error, interval, status and reason of every replicate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, StudyError, in_words
from estkit.estimate import STATUSES, Estimate, normal_quantile
from estkit.montecarlo.answers import as_estimate
from estkit.montecarlo.libraries import from_scipy, is_of_scipy

Floats = NDArray[np.float64]
FIELDS = ("estimate", "std_error", "lower", "upper", "p_value")
FAILED = STATUSES.index("failed")
_ESTIMATE = {each.name for each in fields(Estimate)}


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
    estimate : array of shape (R, k)
        NaN where there is none.
    std_error, lower, upper, p_value : array of shape (R, k), or None
        NaN where there is none; None where no replicate has one.
    status : array of int8 of shape (R,)
        Index into ``("ok", "not_converged", "failed")``.
    reasons : dict
        Replicate number to the reason why it is not ok.
    warnings : dict
        Replicate number to the first warning given in it.
    first : int
        The number of the first replicate.
    strays : dict
        Replicate number to the answer whose names are not those of the others.
    level : float
        The confidence level of the intervals, that of the first answer.
    """

    names: tuple[str, ...] | None
    estimate: Floats
    std_error: Floats | None
    lower: Floats | None
    upper: Floats | None
    p_value: Floats | None
    status: NDArray[np.int8]
    reasons: dict[int, str] = field(default_factory=dict)
    warnings: dict[int, str] = field(default_factory=dict)
    first: int = 0
    strays: dict[int, Estimate] = field(default_factory=dict)
    level: float = 0.95

    def __len__(self) -> int:
        return len(self.status)

    def column(self, field: str) -> Floats:
        """Return one of `FIELDS` as an array of shape (R, k), with nan for what is not there."""
        column: Floats | None = getattr(self, field)
        return np.broadcast_to(np.nan, self.estimate.shape) if column is None else column

    def rows(self, start: int, stop: int) -> Outcomes:
        """Return the outcomes of some consecutive replicates, counted within these."""
        if start == 0 and stop == len(self):
            return self
        first, last = self.first + start, self.first + stop
        part = slice(start, stop)

        def own(noted: dict[int, Any]) -> dict[int, Any]:
            return {number: text for number, text in noted.items() if first <= number < last}

        columns = [None if c is None else c[part] for c in map(self.__dict__.get, FIELDS)]
        return outcomes_of(
            self.names, columns, self.status[part], own(self.reasons), own(self.warnings), first,
            own(self.strays), self.level,
        )  # fmt: skip


def collect(answers: Sequence[Any], first: int, warnings: dict[int, str]) -> Outcomes:
    """Return the outcomes of replicates first, first + 1, ... from their answers one by one.

    The names of the first answer hold for all; one that has others is a failure.
    """
    if set(map(type, answers)) <= {float, np.float64}:
        return from_block(np.array(answers, dtype=float), len(answers), first, warnings)
    reasons: dict[int, str] = {}
    estimates = [_estimate(answer, row, reasons) for row, answer in enumerate(answers, first)]
    leader = next((e for e in estimates if e is not None), None)
    if leader is None:
        return _nothing(len(answers), reasons, warnings, first)
    names = leader.names
    table = empty_columns(len(answers), len(names))
    status = np.full(len(answers), FAILED, dtype=np.int8)
    strays: dict[int, Estimate] = {}
    for row, estimate in enumerate(estimates):
        if estimate is not None and estimate.names == names:
            enter(estimate, row, table, status, reasons, first)
        elif estimate is not None:
            set_aside(estimate, first + row, names, strays, reasons)
    columns = [table.get(part) for part in FIELDS]
    found = outcomes_of(names, columns, status, reasons, warnings, first, strays, leader.level)
    return refuse_nan(found)


def empty_columns(replicates: int, parameters: int) -> dict[str, Floats]:
    """Return a table whose other columns come when there is something to write into them."""
    return {"estimate": np.full((replicates, parameters), np.nan)}


def outcomes_of(
    names: tuple[str, ...] | None,
    columns: Sequence[Floats | None],
    status: NDArray[np.int8],
    reasons: dict[int, str],
    warnings: dict[int, str],
    first: int,
    strays: dict[int, Estimate] | None = None,
    level: float = 0.95,
) -> Outcomes:
    """Return outcomes from their columns, in the order of `FIELDS`."""
    estimate, *others = columns
    assert estimate is not None
    error, lower, upper, p_value = others
    return Outcomes(
        names, estimate, error, lower, upper, p_value, status, reasons, warnings, first,
        strays or {}, level,
    )  # fmt: skip


def enter(
    estimate: Estimate,
    row: int,
    table: dict[str, Floats],
    status: NDArray[np.int8],
    reasons: dict[int, str],
    first: int,
) -> None:
    """Write an estimate into its row."""
    status[row] = STATUSES.index(estimate.status)
    if estimate.status != "ok":
        reasons[first + row] = estimate.reason or estimate.status
    table["estimate"][row] = estimate.value
    for part in FIELDS[1:]:
        given = getattr(estimate, part)
        if given is not None:
            if part not in table:
                table[part] = np.full_like(table["estimate"], np.nan)
            table[part][row] = given


def set_aside(
    estimate: Estimate,
    number: int,
    names: tuple[str, ...],
    strays: dict[int, Estimate],
    reasons: dict[int, str],
) -> None:
    """Keep an answer whose names are not those of the others, should they turn out to be."""
    if estimate.status == "ok" and not np.isfinite(estimate.value).all():
        alone = refuse_nan(collect([estimate], number, {}))
        reasons[number] = alone.reasons[number]
        if answered(alone)[0]:
            strays[number] = single_estimate(alone)
        return
    strays[number] = estimate
    if estimate.status == "ok":
        reasons[number] = _other_names(estimate.names, names)
    else:
        reasons[number] = estimate.reason or estimate.status


def single_estimate(outcome: Outcomes) -> Estimate:
    """Return the outcome of a single replicate as an `Estimate`, with its status."""
    names = outcome.names
    status = STATUSES[outcome.status[0]]
    reason = outcome.reasons.get(outcome.first, "")
    if not names:
        return Estimate(math.nan, status=status, reason=reason)
    level = outcome.level
    row: Any = 0 if names != ("value",) else (0, 0)  # one unnamed parameter: a number
    given = {
        part: outcome.column(part)[row]
        for part in FIELDS[1:]
        if not np.isnan(outcome.column(part)).all()
    }
    return Estimate(
        outcome.estimate[row], names=names, level=level, status=status, reason=reason, **given
    )


def _estimate(answer: Any, replicate: int, reasons: dict[int, str]) -> Estimate | None:
    if isinstance(answer, Failure):
        reasons[replicate] = answer.reason
        return None
    try:
        return as_estimate(answer)
    except DataError as error:
        reasons[replicate] = str(error)
    except Exception as error:  # the user's object failed when it was asked for its numbers
        reasons[replicate] = in_words(error)
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
    if type(answer) is np.ndarray and answer.shape == (replicates,) and answer.dtype == float:
        status = np.zeros(replicates, dtype=np.int8)
        kept = answer.copy()  # the function may write its next answer into the same place
        columns: list[Floats | None] = [kept[:, None], None, None, None, None]
        return refuse_nan(outcomes_of(("value",), columns, status, {}, warnings, first))
    parts = _parts_of(from_scipy(answer) if is_of_scipy(answer) else answer)
    given = [part for part in parts.values() if isinstance(part, Estimate)]
    fields = [f for f in FIELDS[1:] if any(getattr(each, f) is not None for each in given)]
    table: dict[str, list[Floats]] = {field: [] for field in ("estimate", *fields)}
    status = np.zeros(replicates, dtype=np.int8)
    reasons: dict[int, str] = {}
    for name, part in parts.items():
        estimate = part if isinstance(part, Estimate) else None
        value = np.asarray(part if estimate is None else estimate.value)
        if value.shape != (replicates,) or value.dtype.kind not in "fiub":
            raise StudyError(
                f"a vectorized estimator must return one number for each of {replicates} "
                f"replicates; {name!r} has shape {value.shape} and dtype {value.dtype}."
            )
        value = value.astype(float)
        if isinstance(part, np.ma.MaskedArray):
            value = np.ma.filled(part.astype(float), np.nan)
        table["estimate"].append(value)
        for column in fields:
            own = None if estimate is None else getattr(estimate, column)
            table[column].append(np.full(replicates, np.nan) if own is None else own)
        if estimate is not None and estimate.status != "ok":
            status[:] = STATUSES.index(estimate.status)
            reasons = dict.fromkeys(range(first, first + replicates), estimate.reason)
    columns = [np.stack(table[f], axis=1) if f in table else None for f in FIELDS]
    level = given[0].level if given else 0.95
    found = outcomes_of(tuple(parts), columns, status, reasons, warnings, first, level=level)
    return refuse_nan(found)


def _parts_of(answer: Any) -> dict[str, Any]:
    """Return the columns of a vectorised answer by name."""
    if isinstance(answer, Mapping):
        if "value" in answer and len(answer) > 1 and set(answer) <= _ESTIMATE:
            given = dict(answer)
            return {"value": Estimate(given.pop("value"), **given)}
        return {str(name): part for name, part in answer.items()}
    if isinstance(answer, Estimate):
        return {"value": answer}
    array = answer if isinstance(answer, np.ma.MaskedArray) else np.asarray(answer)
    if array.ndim == 2:
        return {f"value[{j}]": column for j, column in enumerate(array.T)}
    return {"value": array}


def _from_fits(answer: Any, replicates: int, first: int, warnings: dict[int, str]) -> Outcomes:
    params, errors = np.asarray(answer.params, float), np.asarray(answer.std_errors, float)
    if len(params) != replicates:
        raise StudyError(f"expected {replicates} fits, one for each replicate, got {len(params)}.")
    half_width = normal_quantile(0.95) * errors
    status = np.zeros(replicates, dtype=np.int8)
    for number, name in enumerate(STATUSES[1:], 1):
        status[answer.status == name] = number
    reasons = {first + int(row): str(answer.reason[row]) for row in np.flatnonzero(status)}
    outcomes = Outcomes(
        tuple(answer.names), params, errors, params - half_width, params + half_width, None,
        status, reasons, warnings, first,
    )  # fmt: skip
    return refuse_nan(outcomes)


def refuse_nan(outcomes: Outcomes) -> Outcomes:
    """Turn replicates that answered nan or infinity into failures, with the parameter named."""
    wrong = ~np.isfinite(outcomes.estimate)
    if not wrong.any():
        return outcomes
    for row in np.flatnonzero(wrong.any(axis=1) & (outcomes.status == 0)):
        column = int(np.argmax(wrong[row]))
        assert outcomes.names is not None
        value = outcomes.estimate[row, column]
        reason = f"returned {value} for {outcomes.names[column]!r}"
        outcomes.reasons[outcomes.first + int(row)] = reason
        outcomes.status[row] = FAILED
    return outcomes


def _nothing(
    replicates: int, reasons: dict[int, str], warnings: dict[int, str], first: int
) -> Outcomes:
    empty = np.empty((replicates, 0))
    status = np.full(replicates, FAILED, dtype=np.int8)
    return Outcomes(None, empty, None, None, None, None, status, reasons, warnings, first)


def _other_names(found: Sequence[str], expected: Sequence[str]) -> str:
    return f"returned the parameters ({', '.join(found)}) instead of ({', '.join(expected)})"


def answered(part: Outcomes) -> NDArray[np.bool_]:
    """Return in which replicates there is any number."""
    known = [~np.isnan(c).all(axis=1) for c in map(part.__dict__.get, FIELDS) if c is not None]
    answered: NDArray[np.bool_] = np.any(known, axis=0)
    return answered
