"""The likelihood of a distribution with its values: what `fit` maximises."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import ConvergenceError, DataError, EstkitError, FitError
from estkit.likelihood import newton
from estkit.likelihood.distribution import boundary, breaks
from estkit.likelihood.distribution.censoring import Observations
from estkit.likelihood.distribution.laws import starts
from estkit.likelihood.distribution.laws.ascent import ascend
from estkit.likelihood.distribution.laws.law import Axis, Law, find_law
from estkit.likelihood.distribution.laws.rows import LawRows
from estkit.likelihood.distribution.laws.samples import Sample, check_values, place, summarise
from estkit.likelihood.family import Conclusion, Floats, Sums
from estkit.likelihood.model import Coordinate, Model
from estkit.likelihood.result import unmeasured

if TYPE_CHECKING:
    from estkit.likelihood.distribution.distribution import Distribution
    from estkit.likelihood.distribution.fit import DistributionFit

_STEPS = 50
_SMALL_MOVE = 1e-2  # of a coordinate: the last step of a search that goes nowhere else


def model_of(
    family: Distribution,
    observations: Observations,
    held: tuple[float | None, ...] | None = None,
) -> DistributionModel:
    """Return the likelihood of observations, with parameters held where the family says or at."""
    law = find_law(family.law)
    held = held or law.settle(family.fixed)
    check_values(law, held, observations)
    origin, unit = place(law, held, observations)
    return DistributionModel(family, law, held, observations, origin, unit)


@dataclass(frozen=True, eq=False)
class DistributionModel(Model):
    """A law and the values it is fitted to.

    Inside, a parameter lies on the real line of its `Axis`; a complete sample of a law that is
    known by its sums has coordinates of its own, which `out` takes to those.
    """

    family: Distribution
    law: Law
    held: tuple[float | None, ...]
    observations: Observations
    origin: float
    unit: float

    @cached_property
    def free(self) -> tuple[int, ...]:
        """The numbers of the parameters that are estimated."""
        return tuple(i for i, value in enumerate(self.held) if value is None)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters that are estimated."""
        return tuple(self.law.names[i] for i in self.free)

    @property
    def n_obs(self) -> int:
        """The number of values, or the sum of the frequency weights."""
        return self.observations.n_obs

    @property
    def groups(self) -> NDArray[np.int64] | None:  # type: ignore[override]
        """The number of the group to which each row belongs."""
        return self.observations.groups

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The line of each parameter."""
        return tuple(self._axis(i) for i in range(len(self.held)))

    def _axis(self, i: int) -> Axis:
        name, lower, upper, _, _ = self.law.parameters[i]
        if name == "scale":
            return Axis(0.0, math.inf, 0.0, self.unit)
        if name != "loc":
            return Axis(lower, upper)
        if self.held[i] is None and self.law.dist.a >= 0.0:  # no value lies below the support
            values = self.observations.values()
            upper = (float(values.min()) - self.origin) / self.unit
        return Axis(lower, upper, self.origin, self.unit)

    @cached_property
    def sample(self) -> Sample | None:
        """The sums that make the likelihood, where there are such."""
        place = self.origin, self.unit
        return summarise(self.law, self.held, self.observations, self.axes, *place)

    @cached_property
    def rows(self) -> LawRows:
        """The likelihood of the rows, one by one."""
        place = {"loc": (self.origin, self.unit), "scale": (0.0, self.unit)}
        standard: list[float | None] = []
        for name, value in zip(self.law.names, self.held, strict=True):
            origin, unit = place.get(name, (0.0, 1.0))
            standard.append(None if value is None else (value - origin) / unit)
        moved = self.observations.moved(self.origin, self.unit)
        return LawRows(self.law, moved, self.axes, tuple(standard))

    @property
    def out(self) -> Floats:
        """What takes inside coordinates to the lines of the parameters."""
        return np.eye(len(self.free)) if self.sample is None else self.sample.out

    def total(self, point: Floats, *, curvature: bool = True) -> Sums:
        """Return the log-likelihood in the unit of the data, its gradient and information."""
        return self.rows.total(point) if self.sample is None else self.sample.total(point)

    def objective(self, point: Floats) -> tuple[float, Floats, Floats]:
        """Return the derivatives, the curvature turned round where it is not that of a peak."""
        value, gradient, information = self.total(point)
        assert information is not None
        uphill = None if self.sample is None else self.sample.uphill(point)
        return value, gradient, starts.positive(information) if uphill is None else uphill

    def conclude(self, value: float) -> Conclusion:
        """Return the log-likelihood with its constants, equal to a sum of scipy's logpdf."""
        constant = 0.0 if self.sample is None else float(self.sample.sums.constant)
        if not self.law.discrete and self.unit != 1.0:
            constant -= self._exact_rows() * math.log(self.unit)
        return Conclusion(value + constant + 0.0)  # no -0.0

    def _exact_rows(self) -> float:
        own = self.observations
        if own.upper is own.lower:
            return float(self.n_obs)
        exact = own.lower == own.upper
        return float(exact.sum() if own.weights is None else own.weights[exact].sum())

    def outside(self, point: Floats) -> Floats:
        """Return the parameters."""
        lines = zip(self.free, self._lines(point), strict=True)
        return np.array([self.axes[i].outward(v) for i, v in lines])

    def jacobian(self, point: Floats) -> Floats:
        """Return the derivative of the parameters, of shape (k, k)."""
        pairs = zip(self.free, self._lines(point), strict=True)
        slopes = np.array([[self.axes[i].slope(v)] for i, v in pairs])
        result: Floats = slopes * self.out
        return result

    def _lines(self, point: Floats) -> list[float]:
        """Return where the estimated parameters are on their lines."""
        lines: list[float] = (self.out @ point).tolist()
        return lines

    def coordinate(self, index: int) -> Coordinate:
        """Return the line of a parameter."""
        axis = self.axes[self.free[index]]
        return Coordinate(self.out[index], axis.outward, axis.inward)

    def expected(self, point: Floats) -> Floats:
        """Return the expected information, where it has a closed form."""
        found = None if self.sample is None else self.sample.expected(point)
        return super().expected(point) if found is None else found

    def scores(self, point: Floats) -> Iterator[Floats]:
        """Yield the scores of the rows, each as often as it was observed."""
        for scores, weights in self._weighted_scores(point):
            yield scores if weights is None else scores * weights[:, None]

    def meat(self, point: Floats) -> Floats:
        """Return the sum of squared scores, a row of weight w standing for w equal ones."""
        middle = np.zeros((self.size, self.size))
        for scores, weights in self._weighted_scores(point):
            middle += scores.T @ (scores if weights is None else scores * weights[:, None])
        return middle

    def _weighted_scores(self, point: Floats) -> Iterator[tuple[Floats, Floats | None]]:
        first, weights = 0, self.observations.weights
        for scores in self.rows.scores(self.out @ point):
            last = first + len(scores)
            yield scores @ self.out, None if weights is None else weights[first:last]
            first = last

    def read_start(self, start: Any) -> Floats:
        """Return the inside point of parameters that the user starts from; a mapping has names."""
        if isinstance(start, Mapping):
            start = starts.in_order(start, self.names)
        lines = super().read_start(start)
        if not np.isfinite(lines).all():
            i = int(np.argmin(np.isfinite(lines)))
            axis = self.axes[self.free[i]]
            ends = axis.outward(-math.inf), axis.outward(math.inf)
            raise DataError(
                f"start has {self.names[i]} = {np.ravel(start)[i]:g}, which must lie between "
                f"{ends[0]:g} and {ends[1]:g}, not at an end."
            )
        return np.asarray(np.linalg.solve(self.out, lines), float)

    def begin(self) -> Floats:
        """Return a point near the maximum.

        Raises
        ------
        FitError
            If there is no maximum.
        """
        if self.sample is not None:
            return self.sample.begin()
        guess = None
        if self.names[0] != "loc" and self.held[self.law.names.index("loc")] is None:
            guess = starts.by_location(self.law, self.held, self.observations, self.axes, self.unit)
        elif not self.observations.exact:
            values = self.observations.values()
            whole = Observations(values, values, weights=self.observations.weights)
            with suppress(FitError, ValueError), np.errstate(all="ignore"):  # equal, or at an end
                sample = summarise(self.law, self.held, whole, self.axes, self.origin, self.unit)
                guess = None if sample is None else sample.out @ sample.begin()
        found = starts.search(self.rows, guess)
        if found is None:
            raise FitError(
                f"Some rows have probability 0 under {self.law.name} wherever a maximum was looked "
                f"for. Compare the values with the support of the law, or say where to begin: "
                f"start={{{self.names[0]!r}: ...}}."
            )
        return found

    def solve(self, start: Any = None) -> newton.Optimum:
        """Return the maximum."""
        edge = boundary.reached(self.sample)
        if edge is not None:
            return boundary.maximum(self, edge)
        begin = self.begin() if start is None else self.read_start(start)
        if self.sample is not None:
            found = ascend(self.sample.total, begin)
            if found is None and start is not None:  # too far away, and there is but one maximum
                found = ascend(self.sample.total, self.begin())
            if found is not None:
                return found
        climb = starts.Climb(self.total, None if self.sample else self.rows.value)
        optimum = newton.maximise(
            climb,
            begin,
            max_iter=_STEPS,
            settled=lambda step: float(np.abs(step).max()) < _SMALL_MOVE,
        )
        if optimum.converged and climb.is_concave(optimum.information):
            told = (np.diag(optimum.inverse) > 0) & ~starts.flat(optimum.inverse)
            if self.sample or told.all():
                wrong = breaks.refuted(self, optimum)
                if wrong is not None:
                    raise FitError(wrong)
                return optimum
        raise self._lost(optimum)

    def limits(self, point: Floats, level: float) -> Floats | None:
        """Return profile limits of a parameter at its boundary; elsewhere they are searched for."""
        edge = boundary.reached(self.sample)
        return None if edge is None else boundary.limits(self, edge, level)

    def _lost(self, optimum: newton.Optimum) -> FitError:
        """Return what to raise where the search ended without a maximum."""
        height = self.conclude(optimum.value).loglik
        axes, lines = [self.axes[i] for i in self.free], self.out @ optimum.point
        flat = starts.flat(optimum.inverse)
        far = starts.drifting(axes, self.names, lines, flat)
        if far:
            return FitError(
                f"The likelihood of {self.law.name} has no maximum that was found: the "
                f"log-likelihood does not fall, {height:.10g} so far, as {far}. Fix such a "
                f"parameter, or choose a law with fewer."
            )
        broken = None if self.sample else breaks.explain(self, optimum.point)
        if broken is not None:
            return FitError(broken)
        measured = optimum.certificate
        if optimum.converged and flat.any():
            loose = " and ".join(n for n, level in zip(self.names, flat, strict=True) if level)
            return FitError(
                f"The data hardly determine {loose} of {self.law.name}: around the highest point "
                f"that was found ({self.shown(optimum.point)}, log-likelihood {height:.10g}) the "
                f"likelihood is so flat that its curvature is lost in rounding. Fix a parameter."
            )
        return ConvergenceError(
            f"The fit of {self.law.name} did not converge: {measured.reason} (Newton decrement "
            f"{measured.newton_decrement:.2g}, log-likelihood {height:.10g} at "
            f"{self.shown(optimum.point)}). Say where to begin with start=, fix a parameter, or "
            f"look for a value that the law does not explain."
        )

    def shown(self, point: Floats) -> str:
        """Return the parameters at a point in words."""
        pairs = zip(self.names, self.outside(point).tolist(), strict=True)
        return ", ".join(f"{name} = {value:.4g}" for name, value in pairs)

    def result(self, optimum: newton.Optimum) -> DistributionFit:
        """Return the fit that converged."""
        from estkit.likelihood.distribution.fit import DistributionFit

        return DistributionFit.of(self, optimum)

    def no_result(self, reason: str, status: str) -> DistributionFit:
        """Return a fit without numbers."""
        from estkit.likelihood.distribution.fit import DistributionFit

        return DistributionFit(**unmeasured(self, reason, status))

    def frozen(self, params: Floats) -> Any:
        """Return scipy's distribution at values of the estimated parameters."""
        return self.law.dist(*self.law.complete(self.held, params))

    def draw(
        self, point: Floats, sigma: float | None, rng: np.random.Generator, replicates: int
    ) -> NDArray[Any]:
        """Return samples of as many single values as were observed, truncated as these were."""
        own = self.observations
        if own.upper is not own.lower:
            raise EstkitError(
                "How rows come to be censored is no part of the model, so censored data cannot be "
                "simulated; draw values from fit.frozen() and censor them yourself."
            )
        law, size = self.frozen(self.outside(point)), (replicates, self.n_obs)
        if own.below is None or own.above is None:
            return np.asarray(law.rvs(size=size, random_state=rng))
        times = None if own.weights is None else own.weights.astype(int)
        below, above = (_repeated(bound, times) for bound in (own.below, own.above))
        step = 1.0 if self.law.discrete else 0.0
        low, high = law.cdf(np.ceil(below) - 1.0 if step else below), law.cdf(above)
        return np.asarray(law.ppf(low + rng.random(size) * (high - low)))

    def renew(self, values: NDArray[Any]) -> DistributionModel:
        """Return the same model for other values."""
        own = self.observations
        times = None if own.weights is None else own.weights.astype(int)
        drawn = np.asarray(values, float)
        below = None if own.below is None else _repeated(own.below, times)
        above = None if own.above is None else _repeated(own.above, times)
        return model_of(self.family, Observations(drawn, drawn, below, above))


def _repeated(values: Floats, times: NDArray[np.int64] | None) -> Floats:
    return values if times is None else np.repeat(values, times)
