"""The outcomes of an ordinal regression: their order, and that each of them occurs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError


def check_order(order: Sequence[Any] | None, outcomes: Sequence[Any], *, ordered: bool) -> None:
    """Raise if neither an order nor the labels themselves say which is lower."""
    if order is None and not (ordered or all(isinstance(o, bool | int | float) for o in outcomes)):
        raise DataError(
            f"y has the labels {listed(outcomes)}, which have no order of their own; give it from "
            f"lowest to highest, Ordinal(order=({listed(outcomes)})) in the right order, or make y "
            f"an ordered categorical."
        )


def positions(
    order: Sequence[Any], found: Sequence[Any], codes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return where in an order each label that was found stands."""
    place = {outcome: k for k, outcome in enumerate(order)}
    for code, label in enumerate(found):
        if label not in place:
            row = int(np.argmax(codes == code))
            raise DataError(
                f"y: row {row} (counted from 0) is {label!r}, which order= does not name: "
                f"{listed(order)}."
            )
    return np.array([place[label] for label in found], dtype=np.int64)


def check_all_seen(seen: NDArray[Any], outcomes: Sequence[Any]) -> None:
    """Raise if there is a single outcome, or one that never occurs."""
    if len(outcomes) < 2:
        raise DataError(
            f"y has a single outcome, {outcomes[0]!r}; an ordinal regression needs at least two."
        )
    for count, outcome in zip(seen, outcomes, strict=True):
        if count == 0:
            raise DataError(
                f"outcome {outcome!r} is never observed, so the thresholds on its two sides "
                f"collapse into one; leave it out, or merge it with its neighbour."
            )


def listed(outcomes: Sequence[Any]) -> str:
    """Return the first of the outcomes as text."""
    shown = ", ".join(repr(outcome) for outcome in outcomes[:6])
    return shown if len(outcomes) <= 6 else f"{shown}, ... ({len(outcomes)} in all)"
