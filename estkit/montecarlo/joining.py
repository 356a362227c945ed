"""Blocks of outcomes put together: one set of names, strays that find their place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estkit import parallel
from estkit.estimate import Estimate
from estkit.montecarlo.outcomes import (
    FAILED,
    FIELDS,
    Floats,
    Outcomes,
    answered,
    empty_columns,
    enter,
    outcomes_of,
    refuse_nan,
    set_aside,
    single_estimate,
)


def join(parts: Sequence[Outcomes]) -> Outcomes:
    """Return the outcomes of consecutive blocks as one; the first block with names decides them.

    Answers with other names stay among the strays, so it does not matter what is joined first.
    """
    names = next((part.names for part in parts if part.names is not None), None)
    adapted = [part if part.names == names else _renamed(part, names) for part in parts]
    status = np.concatenate([part.status for part in adapted])
    if not status.any():  # without memory where all is well, as it mostly is
        status = np.broadcast_to(np.int8(0), status.shape)
    reasons = {number: text for part in adapted for number, text in part.reasons.items()}
    warnings = {number: text for part in adapted for number, text in part.warnings.items()}
    leader = next((part for part in parts if part.names is not None), parts[0])
    strays = {number: answer for part in adapted for number, answer in part.strays.items()}
    columns = [_joined_column(adapted, field) for field in FIELDS]
    return outcomes_of(
        names, columns, status, reasons, warnings, parts[0].first, strays, leader.level
    )


def _joined_column(parts: Sequence[Outcomes], field: str) -> Floats | None:
    if all(getattr(part, field) is None for part in parts):
        return None
    columns = [part.column(field) for part in parts]
    joined = parallel.room((sum(map(len, columns)), columns[0].shape[1]))
    return np.concatenate(columns, out=joined)


def _renamed(part: Outcomes, names: tuple[str, ...] | None) -> Outcomes:
    """Return a block under other names: answers with these count, all others are strays."""
    table = empty_columns(len(part), len(names or ()))
    status = np.full(len(part), FAILED, dtype=np.int8)
    reasons, strays = dict(part.reasons), dict[int, Estimate]()
    for row in np.flatnonzero(answered(part)).tolist():
        estimate = single_estimate(part.rows(row, row + 1))
        set_aside(estimate, part.first + row, names or (), strays, reasons)
    for number, estimate in part.strays.items():
        if estimate.names == names:
            reasons.pop(number, None)
            enter(estimate, number - part.first, table, status, reasons, part.first)
        else:
            set_aside(estimate, number, names or (), strays, reasons)
    columns = [table.get(field) for field in FIELDS]
    found = outcomes_of(
        names, columns, status, reasons, part.warnings, part.first, strays, part.level
    )
    return refuse_nan(found)
