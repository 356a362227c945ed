"""What becomes of the replicates in which an estimator has no answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estkit.montecarlo.influence import Draws
from estkit.montecarlo.summary import Cell


def selected(cells: Sequence[Cell], missing: str) -> list[Cell]:
    """Return the cells of one condition with the replicates that shall count.

    Parameters
    ----------
    cells : sequence of Cell
        All estimators and parameters of a condition.
    missing : {"pairwise", "complete", "worst"}
        "pairwise": each estimator by all of its own answers, a contrast by the replicates in which
        both have one. "complete": all by the replicates in which every estimator has an answer.
        "worst": a failure counts against its estimator, see `worst`.
    """
    if missing == "complete":
        answered = np.all([cell.draws.failed == 0 for cell in cells], axis=0)
        return [
            cell if answered.all() else cell._replace(draws=_without(cell.draws, ~answered))
            for cell in cells
        ]
    if missing == "worst":
        return [cell._replace(draws=worst(cell.draws)) for cell in cells]
    return list(cells)


def worst(draws: Draws) -> Draws:
    """Return draws in which failures count against the estimator.

    Where it failed it is given the largest error that it made elsewhere, with its sign, an interval
    as wide as its widest which holds neither the truth nor any estimate, and no rejection. Claimed
    standard errors, in which no direction is the worse one, stay unknown.
    """
    gone = draws.failed > 0
    answered = draws.of(~gone)
    if not gone.any() or not len(answered.estimate):
        return draws
    center = answered.truth
    if np.isnan(center).any():
        center = np.full_like(answered.estimate, np.median(answered.estimate))
    errors = answered.estimate - center
    largest = errors[np.argmax(np.abs(errors))]
    truth = np.where(np.isnan(draws.truth), center[0], draws.truth)
    changed = {"estimate": np.where(gone, truth + largest, draws.estimate)}
    width = np.nanmax(answered.upper - answered.lower, initial=-np.inf)
    if width > -np.inf:
        away = max(truth.max(), np.nanmax(changed["estimate"])) + max(width, 1.0)
        changed["lower"] = np.where(gone, away, draws.lower)
        changed["upper"] = np.where(gone, away + width, draws.upper)
    if not np.isnan(answered.rejected).all():
        changed["rejected"] = np.where(gone, 0.0, draws.rejected)
    return draws._replace(std_error=np.where(gone, np.nan, draws.std_error), **changed)


def _without(draws: Draws, gone: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Draws:
    """Return draws in which some replicates do not count, except for how they ended."""
    answers = ("estimate", "std_error", "lower", "upper", "p_value", "rejected")
    return draws._replace(
        **{name: np.where(gone, np.nan, getattr(draws, name)) for name in answers}
    )
