"""Is the maximum finite? Complete and quasi-complete separation of the outcomes.

Nothing needs to be searched for when Newton's method has converged: with d the Newton step at any
point and v a separating direction with margins aᵢ ≥ 0, the gradient along v is Σ rᵢaᵢ, rᵢ being the
probability that the model gives to what was not observed. It also equals the curvature between v
and d, which is at most max|xᵢᵀd| · Σ rᵢaᵢ. So a Newton step that moves every linear predictor by
less than 1 proves that no such v exists. Only where that proof fails are linear programs solved,
and they name the direction (Albert and Anderson 1984; Konis 2007).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import ConvergenceError
from estkit.likelihood.family import Family, Floats
from estkit.likelihood.rows import Rows

_FEASIBLE = 1e-9
_STRICT = 1e-7
_UNDECIDED = (
    "Whether the outcomes are separated could not be decided; drop or rescale columns with extreme "
    "values."
)


@dataclass(frozen=True, eq=False)
class Separation:
    """A direction in which the likelihood rises for ever."""

    complete: bool
    direction: Floats
    names: tuple[str, ...]
    separated: int
    pairs: int
    sizes: Floats  # of what each parameter is multiplied with
    thresholds: int = 0  # how many of the first parameters take the place of intercepts
    penalised: bool = True  # whether a penalty is there to help

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
            f"outcomes without an exception. Remedy: {remedy}."
        )


def _is_intercept(name: str) -> bool:
    return name == "intercept" or name.endswith(":intercept")


SMALL_MOVE = 1e-3  # of a linear predictor: far below the 1 that proves the maximum finite


def largest_move(rows: Rows, reach: Floats, step: Floats) -> float:
    """Return a bound on how far a step moves any linear predictor, relative to the others."""
    moves = np.abs(step.reshape(rows.placement.predictors, -1)) @ reach
    # softmax: measured from the mean predictor
    factor = 1.0 if rows.placement.predictors == 1 else 2.0
    return factor * float(moves.max(initial=0.0))


def find_separation(rows: Rows, family: Family, *, tie: Floats | None = None) -> Separation | None:
    """Return a direction in which the likelihood rises for ever, or None when there is none.

    The coefficients of all predictors may be ``tie @ parameters``, predictors with an intercept of
    their own and slopes in common; parameters then start with the intercepts.

    Linear programs with few constraints are solved, and constraints that the answer violates are
    added until none is left. A first one finds which comparisons of outcomes can be separated
    (repeated on the rest until nothing more can); a second finds the direction that does it with
    the smallest sum of absolute coefficients, so that few columns are named.
    """
    rows = replace(rows, placement=replace(rows.placement, mix=None))  # to name few columns
    unit = _typical_sizes(rows)
    unit = np.tile(unit, rows.placement.predictors)
    comparisons = _Comparisons(rows, family, unit, tie)
    separated = np.zeros(comparisons.total(), dtype=bool)
    if not len(separated):
        return None
    alone = _intercepts(comparisons) if tie is None else None
    if alone is not None:
        names = family.names(rows.terms, rows.response)
        alone = _reported(rows, family, alone)
        return Separation(True, alone, names, len(separated), len(separated), np.ones(len(names)))
    while not separated.all():
        direction = _widest(comparisons, ~separated)
        if direction is None:
            break
        found = (comparisons.margins(direction) > _STRICT) & ~separated
        if not found.any():
            break
        separated |= found
    if not separated.any():
        return None
    sparse = comparisons.untied(_sparsest(comparisons, separated))
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


def _intercepts(comparisons: _Comparisons) -> Floats | None:
    """Return the direction of the intercepts if they alone separate: one outcome was seen."""
    if not comparisons.rows.placement.intercept:
        return None
    terms = len(comparisons.rows.terms)
    direction = np.zeros(comparisons.unit.size)
    everything = np.ones(comparisons.total(), dtype=bool)
    direction[::terms] = np.sign(comparisons.sum(everything)[::terms])
    return direction if (comparisons.margins(direction) > 0).all() else None


def _typical_sizes(rows: Rows) -> Floats:
    """Return a size of each column of the design that no single value far away decides."""
    sizes = np.abs(rows.sample())
    sizes = np.sort(np.where(sizes > 0, sizes, np.inf), axis=0)
    half = np.isfinite(sizes).sum(axis=0) // 2
    typical: Floats = sizes[np.minimum(half, len(sizes) - 1), np.arange(sizes.shape[1])]
    return np.where(np.isfinite(typical), typical, 1.0)


@dataclass(frozen=True, eq=False)
class _Comparisons:
    """The rows of the matrix A of all comparisons, cᵀ ⊗ x, without ever holding it.

    Each x is brought to a largest entry of 1, so that one tolerance suits them all.
    """

    rows: Rows
    family: Family
    unit: Floats
    tie: Floats | None = None

    def untied(self, direction: Floats) -> Floats:
        """Return the coefficients of all predictors."""
        return direction if self.tie is None else self.tie @ direction

    def _each(self) -> Iterator[tuple[Floats, NDArray[np.int64], Floats]]:
        for block in self.rows.blocks():
            pairs = self.family.contrasts(block, self.rows.placement.predictors)
            if pairs is not None:
                design = block.design / self.unit[: block.design.shape[1]]
                largest = np.abs(design).max(axis=1, keepdims=True)
                yield design / np.where(largest > 0, largest, 1.0), *pairs

    def total(self) -> int:
        return sum(len(index) for _, index, _ in self._each())

    def margins(self, direction: Floats) -> Floats:
        each = self.untied(direction).reshape(self.rows.placement.predictors, -1)
        parts = [((x @ each.T)[i] * c).sum(axis=1) for x, i, c in self._each()]
        return np.concatenate(parts)

    def take(self, chosen: NDArray[np.int64]) -> Floats:
        """Return the rows of A with the given numbers, in rising order."""
        taken, first = [], 0
        for x, index, contrast in self._each():
            low, high = np.searchsorted(chosen, [first, first + len(index)])
            local = chosen[low:high] - first
            rows = contrast[local][:, :, None] * x[index[local]][:, None, :]
            taken.append(rows.reshape(len(local), self.unit.size))
            first += len(index)
        rows = np.concatenate(taken)
        return rows if self.tie is None else rows @ self.tie

    def sum(self, wanted: NDArray[np.bool_]) -> Floats:
        """Return the sum of the wanted rows of A."""
        total, first = np.zeros((self.rows.placement.predictors, len(self.rows.terms))), 0
        for x, index, contrast in self._each():
            use = wanted[first : first + len(index)]
            total += contrast[use].T @ x[index[use]]
            first += len(index)
        return total.ravel() if self.tie is None else total.ravel() @ self.tie


def _widest(comparisons: _Comparisons, left: NDArray[np.bool_]) -> Floats | None:
    """Return the direction in the unit box with the largest sum of margins, none below 0."""
    gain = comparisons.sum(left)
    size = np.abs(gain).sum()
    numbers = np.flatnonzero(left)
    active = _spaced(numbers, 10 * len(gain) + 50)
    for _ in range(500):
        answer = _linear_program(-gain / max(size, 1e-300), comparisons.take(active), 0.0, (-1, 1))
        if gain @ answer <= _FEASIBLE * size or size == 0:
            return None
        margins = comparisons.margins(answer)[numbers]
        worst = _worst(numbers, margins + _FEASIBLE, active, len(gain))
        if not len(worst):
            return answer
        active = np.union1d(active, worst)
    raise ConvergenceError(_UNDECIDED)


def _sparsest(comparisons: _Comparisons, separated: NDArray[np.bool_]) -> Floats:
    """Return the direction of least absolute sum with margins of 1 where separated, 0 elsewhere."""
    size = len(comparisons.unit if comparisons.tie is None else comparisons.tie.T)
    needed = separated.astype(float)
    active = _spaced(np.arange(len(separated)), 10 * size + 50)
    for _ in range(500):
        taken = comparisons.take(active)
        both = _linear_program(
            np.ones(2 * size), np.hstack([taken, -taken]), needed[active], (0, None)
        )
        answer = both[:size] - both[size:]
        short = comparisons.margins(answer) - needed + 10 * _FEASIBLE
        worst = _worst(np.arange(len(separated)), short, active, size)
        if not len(worst):
            return answer
        active = np.union1d(active, worst)
    raise ConvergenceError(_UNDECIDED)


def _spaced(numbers: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    chosen = np.unique(np.linspace(0, len(numbers) - 1, min(most, len(numbers))).astype(np.int64))
    return numbers[chosen]


def _worst(
    numbers: NDArray[np.int64], slack: Floats, active: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Return the numbers with the most negative slack that are not active yet."""
    order = np.argsort(slack)[: 2 * size + 50]
    violated = numbers[order[slack[order] < 0]]
    return np.setdiff1d(violated, active)


def _linear_program(
    cost: Floats, matrix: Floats, least: Floats | float, bounds: tuple[float, float | None]
) -> Floats:
    """Minimise cost·v subject to matrix·v ≥ least and bounds on every entry."""
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
        if answer.x is not None:
            result: Floats = answer.x
            return result
    raise ConvergenceError(f"{_UNDECIDED} ({answer.message})")
