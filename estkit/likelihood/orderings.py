"""Directions that order comparisons of outcomes, by linear programs over few of them at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import ConvergenceError
from estkit.likelihood.comparisons import Comparisons
from estkit.likelihood.family import Floats

_FEASIBLE = 1e-9
_STRICT = 1e-7
_INFEASIBLE = 2  # what linprog calls it
UNDECIDED = (
    "Whether the outcomes are separated could not be decided; drop or rescale columns with extreme "
    "values."
)


def separable(comparisons: Comparisons, near: Floats | None) -> NDArray[np.bool_]:
    """Return which comparisons some direction orders that leaves none out of order."""
    separated = np.zeros(comparisons.total, dtype=bool)
    while not separated.all():
        direction = _widest(comparisons, ~separated, near)
        if direction is None:
            break
        found = (comparisons.margins(direction) > _STRICT) & ~separated
        if not found.any():
            break
        separated |= found
    return separated


def _widest(
    comparisons: Comparisons, left: NDArray[np.bool_], near: Floats | None
) -> Floats | None:
    """Return the direction in the unit box with the largest sum of margins, none below 0."""
    gain = comparisons.sum(left)
    size = np.abs(gain).sum()
    numbers = np.flatnonzero(left)
    active = _first(numbers, len(gain), near)
    for _ in range(500):
        answer = _linear_program(-gain / max(size, 1e-300), comparisons.take(active), 0.0, (-1, 1))
        if answer is None or gain @ answer <= _FEASIBLE * size or size == 0:
            return None
        margins = comparisons.margins(answer)[numbers]
        worst = _worst(numbers, margins + _FEASIBLE, active, len(gain))
        if not len(worst):
            return answer
        active = np.union1d(active, worst)
    raise ConvergenceError(UNDECIDED)


def sparsest(
    comparisons: Comparisons, separated: NDArray[np.bool_], near: Floats | None
) -> Floats | None:
    """Return the direction of least absolute sum with margins of 1 where separated, 0 elsewhere."""
    size = len(comparisons.unit if comparisons.tie is None else comparisons.tie.T)
    needed = separated.astype(float)
    active = _first(np.arange(len(separated)), size, near)
    for _ in range(500):
        taken = comparisons.take(active)
        both = _linear_program(
            np.ones(2 * size), np.hstack([taken, -taken]), needed[active], (0, None)
        )
        if both is None:
            return None
        answer = both[:size] - both[size:]
        short = comparisons.margins(answer) - needed + 10 * _FEASIBLE
        worst = _worst(np.arange(len(separated)), short, active, size)
        if not len(worst):
            return answer
        active = np.union1d(active, worst)
    raise ConvergenceError(UNDECIDED)


def _first(numbers: NDArray[np.int64], size: int, near: Floats | None) -> NDArray[np.int64]:
    """Return the numbers to begin with: evenly spaced, and the hardest ones if it is known."""
    most = min(10 * size + 50, len(numbers))
    spaced = numbers[np.unique(np.linspace(0, len(numbers) - 1, most).astype(np.int64))]
    if near is None:
        return spaced
    hardest = numbers[np.argpartition(near[numbers], most - 1)[:most]]
    return np.union1d(spaced[::2], hardest)


def _worst(
    numbers: NDArray[np.int64], slack: Floats, active: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Return the numbers with the most negative slack that are not active yet."""
    order = np.argsort(slack)[: 5 * size + 50]
    violated = numbers[order[slack[order] < 0]]
    return np.setdiff1d(violated, active)


def _linear_program(
    cost: Floats, matrix: Floats, least: Floats | float, bounds: tuple[float, float | None]
) -> Floats | None:
    """Minimise cost·v subject to matrix·v ≥ least and bounds on every entry; None if none does."""
    from scipy.optimize import linprog

    limits: Any = bounds
    answer: Any = None
    for tolerance in (1e-10, 1e-7):  # the second is the solver's own
        answer = linprog(
            cost,
            A_ub=-matrix,
            b_ub=np.broadcast_to(-np.asarray(least, float), len(matrix)),
            bounds=limits,
            options={
                "primal_feasibility_tolerance": tolerance,
                "dual_feasibility_tolerance": tolerance,
            },
        )
        if answer.status == _INFEASIBLE:
            return None
        if answer.x is not None:
            result: Floats = answer.x
            return result
    raise ConvergenceError(f"{UNDECIDED} ({answer.message})")


def is_strict(comparisons: Comparisons, direction: Floats) -> bool:
    """Tell whether a direction, brought into the unit box, orders everything clearly."""
    margins = comparisons.margins(direction)
    return bool((margins > _STRICT * np.abs(direction).max()).all())
