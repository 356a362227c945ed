"""A Hessian of many parameters, as that of a few numbers along random directions.

At x + V t the function of t has the Hessian Vᵀ H V, which is small and is checked entry by entry.
Where it is wrong, the change of the gradient along one direction tells the rows that are wrong, and
these are checked entry by entry with the other parameters held.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.gradients.checking.differences import SURE, differentiate
from estkit.gradients.checking.form import Floats
from estkit.gradients.checking.hessian_report import HessianReport, definiteness

if TYPE_CHECKING:
    from estkit.gradients.checking.hessian import HessianCheck

_ROWS = 3  # that are looked at, each with as many columns


def check_hessian_directions(check: HessianCheck, count: int) -> HessianReport:
    """Check the Hessian along so many random directions, and name pairs where it is wrong."""
    k, form, given = len(check.units), check.form, check.given
    told = f"{k} parameters were checked along {count} random directions and not pair by pair; "
    point = form.values.astype(float)
    if not np.isfinite(given).all():
        odd = np.unique(np.argwhere(~np.isfinite(given))[:_ROWS])
        return _of_parameters(check, odd, told + "shown are some that are not finite.")
    signs = check.rng.choice([-1.0, 1.0], (k, count)) * check.rng.uniform(0.5, 1.5, (k, count))
    moves = check.units[:, None] * signs
    names = tuple(f"direction {i + 1}" for i in range(count))
    report = check.through(point, moves, np.zeros(count), names).report()
    guilty = _guilty(check, moves[:, 0]) if report.wrong else np.empty(0, dtype=int)
    if len(guilty):
        found = _of_parameters(
            check, guilty, told + "these were wrong, and shown are some pairs to which they led."
        )
        if found.wrong:
            return found
    scaled = given * np.outer(check.units, check.units)
    return replace(
        report,
        asymmetry=float(np.abs(scaled - scaled.T).max()),
        definiteness=definiteness(scaled),
        score=check.score,
        notes=(*report.notes, told + "a small part of it may be wrong unseen."),
    )


def _of_parameters(check: HessianCheck, chosen: NDArray[np.int64], note: str) -> HessianReport:
    """Return the report of some parameters, with the others held where they are."""
    origin = check.form.values.astype(float)
    at, origin[chosen] = origin[chosen], 0.0
    moves = np.eye(len(origin))[:, chosen]
    names = tuple(check.form.names[j] for j in chosen)
    report = check.through(origin, moves, at, names).report()
    return replace(report, score=check.score, notes=(*report.notes, note))


def _guilty(check: HessianCheck, direction: Floats) -> NDArray[np.int64]:
    """Return parameters whose rows of the Hessian are wrong, with the columns that are."""
    slopes, exact = check.slopes_at_hand()
    if not exact:
        return np.empty(0, dtype=int)
    off = _off(check, slopes, direction, check.given @ direction)
    chosen: set[int] = set()
    for i in np.argsort(-off, kind="stable")[:_ROWS]:
        if off[i] <= 0:
            break
        own = np.zeros(len(direction))
        own[i] = check.units[i]
        column, row = (
            _off(check, slopes, own, part * own[i]) for part in (check.given[:, i], check.given[i])
        )
        worst = np.argsort(-np.maximum(column, row), kind="stable")[:_ROWS]
        chosen |= {int(i), *(int(j) for j in worst if column[j] > 0 or row[j] > 0)}
    return np.array(sorted(chosen), dtype=int)


def _off(check: HessianCheck, slopes: Any, direction: Floats, wanted: Floats) -> Floats:
    """Return by how much the change of the gradient is not what is wanted; 0 where it may be."""
    point, units = check.form.values.astype(float), check.units
    center = units * slopes(point)

    def moved(by: float) -> tuple[Floats, float]:
        return units * slopes(point + by * direction) - center, by

    noise = 4 * np.finfo(float).eps * np.abs(center)
    line = differentiate(moved, 1e-3, noise, largest=1e3)
    size = np.abs(units * wanted) + line.scale
    allowed = 10 * check.rtol * np.maximum(size, np.abs(line.value)) + SURE * line.error
    off = np.abs(units * wanted - line.value)
    return np.where(off > allowed, off / np.maximum(size, 1e-300), 0.0)
