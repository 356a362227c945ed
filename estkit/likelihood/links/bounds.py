"""Links whose predictors are bounded: a point inside, and maxima that lie on the edge.

With the log or the identity link only some coefficients give probabilities, and the likelihood may
be largest at the edge of that region, where a fitted probability is 0 or 1. A barrier
μ Σ log(distance from the edge) keeps the iteration inside. The log-likelihood is concave, so the
maximum with the barrier is at most μ a row below the one without, and follows it as μ goes to 0
(Boyd and Vandenberghe 2004, section 11.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import ConvergenceError, FitError
from estkit.likelihood import newton
from estkit.likelihood.family import Block, Family, Floats, Sums

if TYPE_CHECKING:
    from estkit.likelihood.rows import Rows

_STRENGTHS = 10.0 ** -np.arange(0.0, 11.0)  # of the barrier, one after the other
_WEAK = 1e-6  # such a barrier will do when a weaker one leaves too few digits
_AT_EDGE = 1e-5  # a distance below is that of a row which holds the maximum back
_STEPS = 100
_ROUNDS = 100
_INSIDE = 1e-9
_SHOWN = 5


class Domain(NamedTuple):
    """The open interval of the predictors, and a value in it that suits the outcomes at large."""

    lower: float
    upper: float
    level: float


class Plane(NamedTuple):
    """The points ``base + free @ z``: all, or those that satisfy linear constraints."""

    base: Floats
    free: Floats

    @classmethod
    def whole(cls, size: int) -> Plane:
        """Return the plane of all points."""
        return cls(np.zeros(size), np.eye(size))

    def at(self, z: Floats) -> Floats:
        """Return a point by its coordinates in the plane."""
        result: Floats = self.base + self.free @ z
        return result


@dataclass(frozen=True, eq=False)
class Bounds:
    """The region of the parameters in which every row that counts has a probability."""

    rows: Rows
    family: Family
    domain: Domain

    def distances(self, point: Floats) -> Floats:
        """Return how far each predictor is from the nearer edge, infinite where no one was seen."""
        parts = [_distances(point, block, self.domain).min(axis=0) for block in self.rows.blocks()]
        return np.concatenate(parts)

    def holds(self, point: Floats) -> bool:
        """Return whether a point lies inside."""
        nearest = self.rows.each(lambda block: _distances(point, block, self.domain).min())
        return all(distance > 0 for distance in nearest)

    def start(self) -> Floats:
        """Return a point inside.

        Raises
        ------
        FitError
            If there is none.
        """
        size = self.rows.size
        if self.rows.placement.intercept:
            constant = np.zeros(size)
            constant[0] = self.domain.level
            if self.holds(constant):
                return constant
        found = self.inside(Plane.whole(size))
        if found is None:
            raise FitError(
                "No coefficients give every row a probability between 0 and 1, so this link does "
                "not suit these columns. Add an intercept, look for rows with extreme values or "
                "offsets, or fit with the logit link."
            )
        return found

    def inside(self, plane: Plane) -> Floats | None:
        """Return coordinates in a plane of a point well inside, or None when there is none.

        A linear program finds the largest distance of all predictors from the edge; rows that its
        answer violates are added until none is left.
        """
        lower, upper, _ = self.domain
        width = min(1.0, (upper - lower) / 2)
        total = self.rows.count
        few = min(total, 20 * self.rows.size + 200)
        active = np.unique(np.linspace(0, total - 1, few).astype(np.int64))
        for _ in range(_ROUNDS):
            answer = _deepest(plane, *self._take(active), self.domain, width)
            if answer is None:
                return None
            coordinates, depth = answer
            distances = self.distances(plane.at(coordinates))
            if distances.min() >= depth / 2:
                return coordinates
            worst = np.argsort(distances)[: 2 * self.rows.size + 50]
            active = np.union1d(active, worst[distances[worst] < depth])
        return None

    def _take(self, chosen: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return the design and the offset of those of the chosen rows that count."""
        designs, offsets = [], []
        for first, block in self._numbered():
            low, high = np.searchsorted(chosen, [first, first + len(block)])
            local = chosen[low:high] - first
            if block.weights is not None:
                local = local[block.weights[local] > 0]
            designs.append(block.design[local])
            offsets.append(np.zeros(len(local)) if block.offset is None else block.offset[local])
        return np.concatenate(designs), np.concatenate(offsets)

    def _numbered(self) -> Iterator[tuple[int, Block]]:
        first = 0
        for block in self.rows.blocks():
            yield first, block
            first += len(block)

    def approach(self, plane: Plane, begin: Floats) -> tuple[Floats, float]:
        """Return coordinates next to the maximum in a plane, and how weak the barrier became.

        Raises
        ------
        ConvergenceError
            If the iteration gets stuck.
        """
        for strength in _STRENGTHS:
            fenced: Any = _Fenced(self.family, self.domain, float(strength))

            def objective(z: Floats, fenced: Any = fenced) -> tuple[float, Floats, Floats]:
                value, slope, curvature = self.rows.total(fenced, plane.at(z))
                assert curvature is not None
                return value, plane.free.T @ slope, plane.free.T @ curvature @ plane.free

            # the barrier changes over distances of √strength standard errors
            optimum = newton.maximise(
                objective, begin, precision=1e-2 * math.sqrt(strength), max_iter=_STEPS
            )
            if not optimum.converged and strength < _WEAK:
                return begin, 10.0 * float(strength)  # where the maximum is flat along the edge
            if not optimum.converged:
                raise ConvergenceError(
                    f"The fit did not converge within the bounds of its link: "
                    f"{optimum.certificate.reason}. Drop or rescale columns with extreme values, "
                    f"or fit with the logit link."
                )
            begin = optimum.point
        return begin, float(_STRENGTHS[-1])

    def gradient(self, point: Floats, strength: float) -> Floats:
        """Return the gradient with a barrier counted in, which holds it on the edge."""
        fenced: Any = _Fenced(self.family, self.domain, strength)
        return self.rows.total(fenced, point, curvature=False).gradient

    def refuse_edge(self, point: Floats, params: Floats, names: Sequence[str]) -> None:
        """Raise if a maximum lies on the edge, and say which rows do.

        Raises
        ------
        FitError
            If any row does.
        """
        rows = np.flatnonzero(self.distances(point) < _AT_EDGE)
        if not len(rows):
            return
        listed = ", ".join(str(row) for row in rows[:_SHOWN])
        some = "row" if len(rows) == 1 else "rows"
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        pairs = zip(names[:_SHOWN], params[:_SHOWN], strict=True)
        where = ", ".join(f"{name} {value:.4g}" for name, value in pairs)
        where += ", ..." if len(names) > _SHOWN else ""
        edges = "1" if math.isinf(self.domain.lower) else "0 or 1"
        raise FitError(
            f"The maximum lies on the boundary: at ({where}) the fitted probability is {edges} in "
            f"{some} {listed}{more} (counted from 0), and the likelihood would rise beyond it. "
            f"Standard errors and tests do not hold there. Look at these rows, drop or merge "
            f"columns, or fit with the logit link."
        )


@dataclass(frozen=True)
class _Fenced:
    """A family whose log-likelihood has the barrier added."""

    family: Family
    domain: Domain
    strength: float

    def evaluate(self, params: Floats, block: Block, *, curvature: bool) -> Sums:
        """Return the sums of a block, the barrier counted in."""
        sums = self.family.evaluate(params, block, curvature=curvature)
        distances = _distances(params, block, self.domain)
        if not np.isfinite(sums.loglik) or (distances <= 0).any():
            return sums._replace(loglik=-math.inf)
        seen = np.isfinite(distances)
        value = self.strength * float(np.log(distances[seen]).sum())
        slope = self.strength * (1 / distances[0] - 1 / distances[1])
        bend = self.strength * (1 / distances**2).sum(axis=0)
        information = sums.information
        if information is not None:
            information = information + block.columns.gram(bend)
        gradient = sums.gradient + block.columns.collect(slope[None])[0]
        return Sums(sums.loglik + value, gradient, information)


def _distances(params: Floats, block: Block, domain: Domain) -> Floats:
    """Return distances from the lower and the upper edge, infinite in rows without weight."""
    eta = block.predictors(params)[0]
    distances = np.stack([eta - domain.lower, domain.upper - eta])
    if block.weights is not None:
        distances[:, block.weights == 0] = math.inf
    return distances


def _deepest(
    plane: Plane, design: Floats, offset: Floats, domain: Domain, width: float
) -> tuple[Floats, float] | None:
    """Return the coordinates farthest from the edge and their distance, up to a width."""
    from scipy.optimize import linprog

    slopes = design @ plane.free
    size = np.abs(slopes).max(axis=0, initial=0.0)
    size = np.where(size > 0, size, 1.0)
    constant = design @ plane.base + offset
    sides = [(1.0, domain.upper - constant), (-1.0, constant - domain.lower)]
    sides = [(sign, room) for sign, room in sides if np.isfinite(room).all()]
    matrix = np.vstack([np.column_stack([sign * slopes / size, np.ones(len(design))])
                        for sign, _ in sides])  # fmt: skip
    cost = np.zeros(matrix.shape[1])
    cost[-1] = -1.0
    limits: Any = [(None, None)] * (len(cost) - 1) + [(0.0, width)]
    answer = linprog(cost, A_ub=matrix, b_ub=np.concatenate([room for _, room in sides]),
                     bounds=limits)  # fmt: skip
    if answer.x is None or answer.x[-1] <= _INSIDE:
        return None
    return answer.x[:-1] / size, float(answer.x[-1])
