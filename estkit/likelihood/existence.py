"""Is the maximum finite? Complete and quasi-complete separation of the outcomes.

Nothing needs to be searched for when Newton's method has converged: with d the Newton step at any
point and v a separating direction with margins aᵢ ≥ 0, the gradient along v is Σ rᵢaᵢ, rᵢ being the
probability that the model gives to what was not observed. It also equals the curvature between v
and d, which is at most max|xᵢᵀd| · Σ rᵢaᵢ. So a Newton step that moves every linear predictor by
less than 1 proves that no such v exists. Only where that proof fails are linear programs solved,
and they name the direction (Albert and Anderson 1984; Konis 2007).

For other links rᵢ is the slope of the log-likelihood of a row, and its curvature is at most K rᵢ: K
is 2 for the cauchit, and below 800 for probit and cloglog wherever rᵢ is a float above 0. Moves
below 1 / K prove the same. Whether rows are separated depends on the order of their predictors
alone, so it is the same for all links whose probabilities fill (0, 1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import ConvergenceError
from estkit.likelihood import orderings
from estkit.likelihood.comparisons import Comparisons
from estkit.likelihood.family import Family, Floats
from estkit.likelihood.rows import Rows

_HARDLY = 0.99  # of the comparisons in order: it may be that all can be


@dataclass(frozen=True, eq=False)
class Separation:
    """A direction in which the likelihood rises for ever, and what it approaches.

    Parameters
    ----------
    complete : bool
        Whether every comparison of outcomes is ordered.
    direction : array of shape (k,)
        How the reported parameters move; the largest slope has the size 1.
    names : tuple of str
        Their names.
    separated, pairs : int
        How many comparisons of outcomes are ordered, and how many there are.
    sizes : array of shape (k,)
        A typical size of what each parameter is multiplied with.
    thresholds : int
        How many of the first parameters take the place of intercepts.
    penalised : bool
        Whether a penalty is there to help.
    limits : array of shape (k,)
        What each parameter approaches: a number, an infinity, or NaN where it may be anything.
    supremum : float
        What the log-likelihood approaches and never reaches.
    inside : array
        The direction of the parameters that are fitted, and `ordered` which comparisons it orders.
    """

    complete: bool
    direction: Floats
    names: tuple[str, ...]
    separated: int
    pairs: int
    sizes: Floats
    thresholds: int = 0
    penalised: bool = True
    limits: Floats | None = None
    supremum: float = float("nan")
    inside: Floats | None = None
    comparisons: Comparisons | None = None
    ordered: NDArray[np.bool_] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "comparisons": None, "ordered": None}

    @property
    def message(self) -> str:
        """What was found, and what to do."""
        slope = np.array([not _is_intercept(name) for name in self.names])
        slope[: self.thresholds] = False
        moves = np.abs(self.direction) * self.sizes
        moving = moves > 1e-6 * (moves[slope].max(initial=0.0) or 1.0)
        named = zip(self.names, self.direction, moving, strict=True)
        shown = [f"{name} {value:+.3g}" for name, value, moves in named if moves]
        kind = "Complete" if self.complete else "Quasi-complete"
        slopes = [n for n, m, s in zip(self.names, moving, slope, strict=True) if m and s]
        if slopes:
            columns = ", ".join(repr(name) for name in slopes[:8])
            remedy = f"drop or merge {columns}, collect rows in which the outcomes overlap there"
            if self.penalised:
                remedy += ", or fit with a penalty"
        else:
            remedy = "only one outcome was seen, so there is nothing to compare; collect the other"
        return (
            f"{kind} separation: no finite maximum exists. Moving the coefficients in the "
            f"direction ({', '.join(shown[:8])}{', ...' if len(shown) > 8 else ''}) raises the "
            f"likelihood for ever; it orders {self.separated} of {self.pairs} comparisons of "
            f"outcomes without an exception.{self._approached()} Remedy: {remedy}."
        )

    def _approached(self) -> str:
        if self.limits is None:
            return ""
        found = zip(self.names, self.limits, strict=True)
        rest = [f"{name} {limit:.4g}" for name, limit in found if np.isfinite(limit)]
        shown = f", and the rest {', '.join(rest[:8])}{', ...' * (len(rest) > 8)}" if rest else ""
        return f" The log-likelihood approaches {self.supremum:.6g}{shown}."


def _is_intercept(name: str) -> bool:
    return name == "intercept" or name.endswith(":intercept")


SMALL_MOVE = 1e-3  # of a linear predictor: far below the 1 that proves the maximum finite


def largest_move(rows: Rows, reach: Floats, step: Floats) -> float:
    """Return a bound on how far a step moves any linear predictor, relative to the others."""
    moves = np.abs(step.reshape(rows.placement.predictors, -1)) @ reach
    # softmax: measured from the mean predictor
    factor = 1.0 if rows.placement.predictors == 1 else 2.0
    return factor * float(moves.max(initial=0.0))


def find_separation(
    rows: Rows, family: Family, *, tie: Floats | None = None, guess: Floats | None = None
) -> Separation | None:
    """Return a direction in which the likelihood rises for ever, or None when there is none.

    The coefficients of all predictors may be ``tie @ parameters``, predictors with an intercept of
    their own and slopes in common; parameters then start with the intercepts.

    A `guess`, such as where Newton's method was left, tells complete separation if it orders
    everything, and else which comparisons are hard; it is in the parameters that are fitted.

    Linear programs with few constraints are solved, and constraints that the answer violates are
    added until none is left. A first one finds which comparisons of outcomes can be separated
    (repeated on the rest until nothing more can); a second finds the direction that does it with
    the smallest sum of absolute coefficients, so that few columns are named. Where the guess leaves
    hardly anything out of order, the second is asked at once whether it can order everything.
    """
    rows = replace(rows, placement=replace(rows.placement, mix=None))  # to name few columns
    unit = _typical_sizes(rows)
    unit = np.tile(unit, rows.placement.predictors)
    comparisons = Comparisons(rows, family, unit, tie)
    separated = np.zeros(comparisons.total, dtype=bool)
    if not len(separated):
        return None
    alone = _intercepts(comparisons) if tie is None else None
    if alone is not None:
        names = family.names(rows.terms, rows.response)
        everything = np.ones(len(separated), dtype=bool)
        return Separation(
            True,
            _reported(rows, family, alone),
            names,
            len(separated),
            len(separated),
            np.ones(len(names)),
            inside=alone,
            comparisons=comparisons,
            ordered=everything,
        )
    margins = None if guess is None else comparisons.margins(comparisons.scaled(guess))
    direction = None
    if margins is not None and (margins > 0).mean() > _HARDLY:
        direction = orderings.sparsest(comparisons, ~separated, margins)
    if direction is not None and orderings.is_strict(comparisons, direction):
        separated[:] = True
    else:
        separated = orderings.separable(comparisons, margins)
        if not separated.any():
            return None
        direction = orderings.sparsest(comparisons, separated, margins)
        if direction is None:
            raise ConvergenceError(orderings.UNDECIDED)
    sparse = comparisons.untied(direction)
    outside = _reported(rows, family, rows.placement.outside(sparse / unit))
    names = family.names(rows.terms, rows.response)
    thresholds = 0 if tie is None else rows.placement.predictors
    if tie is not None:
        outside = tie.T @ outside / (tie * tie).sum(axis=0)
    sizes = _sizes(rows, unit, len(names), thresholds)
    slope = [j >= thresholds and not _is_intercept(name) for j, name in enumerate(names)]
    moves = np.abs(outside) * sizes
    largest = np.argmax(np.where(slope, moves, 0.0) if moves[slope].any() else moves)
    return Separation(
        bool(separated.all()),
        outside / abs(outside[largest]),
        names,
        int(separated.sum()),
        len(separated),
        sizes,
        thresholds,
        not hasattr(family, "model"),
        inside=comparisons.unscaled(direction),
        comparisons=comparisons,
        ordered=separated,
    )


def _sizes(rows: Rows, unit: Floats, count: int, thresholds: int) -> Floats:
    """Return a typical size of what each reported parameter is multiplied with."""
    size, scale = unit[: len(rows.terms)].copy(), rows.placement.scale
    if scale is not None:
        size[len(size) - len(scale) :] /= scale
    if thresholds:
        return np.concatenate([np.ones(thresholds), size[1:]])
    return np.tile(size, count // len(size))


def _reported(rows: Rows, family: Family, direction: Floats) -> Floats:
    """Return a direction for the parameters as they are reported."""
    mixing = family.mixing(rows.response)
    if mixing is None:
        return direction
    result: Floats = (mixing @ direction.reshape(-1, len(rows.terms))).ravel()
    return result


def _intercepts(comparisons: Comparisons) -> Floats | None:
    """Return the direction of the intercepts if they alone separate: one outcome was seen."""
    if not comparisons.rows.placement.intercept:
        return None
    terms = len(comparisons.rows.terms)
    direction = np.zeros(comparisons.unit.size)
    everything = np.ones(comparisons.total, dtype=bool)
    direction[::terms] = np.sign(comparisons.sum(everything)[::terms])
    return direction if (comparisons.margins(direction) > 0).all() else None


def _typical_sizes(rows: Rows) -> Floats:
    """Return a size of each column of the design that no single value far away decides."""
    sizes = np.abs(rows.sample())
    sizes = np.sort(np.where(sizes > 0, sizes, np.inf), axis=0)
    half = np.isfinite(sizes).sum(axis=0) // 2
    typical: Floats = sizes[np.minimum(half, len(sizes) - 1), np.arange(sizes.shape[1])]
    return np.where(np.isfinite(typical), typical, 1.0)
