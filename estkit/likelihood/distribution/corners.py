"""Laws that end at a value of the sample: their likelihood is highest where it breaks off.

The uniform law between the smallest and the largest value is the plainest. Such an estimate has no
gradient of 0 and no curvature, so no standard error; the other parameters, given it, have theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, EstkitError, FitError
from estkit.likelihood import newton
from estkit.likelihood.distribution.censoring import Observations
from estkit.likelihood.distribution.laws.law import find_law
from estkit.likelihood.distribution.laws.sums import added, no_spread
from estkit.likelihood.distribution.model import DistributionModel, model_of
from estkit.likelihood.family import Conclusion, Floats, Sums
from estkit.likelihood.model import Coordinate, Model
from estkit.likelihood.result import measured, unmeasured
from estkit.likelihood.uncertainty import frozen

if TYPE_CHECKING:
    from estkit.likelihood.distribution.distribution import Distribution
    from estkit.likelihood.distribution.fit import DistributionFit

# Their densities fall from their smallest value on, so it cannot be too large.
_FALLING = ("expon", "halfnorm", "halflogistic", "halfcauchy", "lomax")
_WHY = "the likelihood breaks off there and has no curvature that an error could come from"


def distribution_model(family: Distribution, observations: Observations) -> Model:
    """Return the likelihood of observations, of a law that may end at one of them."""
    law = find_law(family.law)
    settled = law.settle(family.fixed)
    held = dict(zip(law.names, settled, strict=True))
    find = _ends if observations.exact else _censored_ends
    names = tuple(name for name, value in held.items() if value is None)
    try:
        ends = find(law.name, held, observations)
    except FitError as error:  # the model says so when it is fitted
        return CornerModel(family, observations, names, {}, None, error)
    if not ends:
        return model_of(family, observations, settled)
    settled = tuple({**held, **ends}[name] for name in law.names)
    inner = None
    if None in settled:
        inner = model_of(family, observations, settled)
    return CornerModel(family, observations, names, ends, inner)


def _ends(law: str, held: dict[str, float | None], observations: Observations) -> dict[str, float]:
    """Return the parameters that the smallest or largest value is the estimate of."""
    if law not in ("uniform", "pareto", *_FALLING):
        return {}
    x = observations.lower
    low, high = float(x.min()), float(x.max())
    if law == "uniform":
        loc, scale = held["loc"], held["scale"]
        if loc is None and scale is not None:
            raise FitError(
                f"With scale fixed at {scale:g} the likelihood of uniform is the same for any loc "
                f"from {high - scale:g} to {low:g}: there is no single maximum. Free scale."
            )
        start = low if loc is None else loc
        observations.refuse(x < start, f"uniform is defined from {start:g} on.")
        if scale is None and high == start:
            raise no_spread("uniform", high, "scale goes to 0")
        found = {} if loc is not None else {"loc": low}
        return found if scale is not None else {**found, "scale": high - start}
    if law in _FALLING and held["loc"] is None:
        if low == high and held["scale"] is None:
            raise no_spread(law, high, "scale goes to 0")
        return {"loc": low}
    if law == "pareto" and held["scale"] is None and held["loc"] is not None:
        observations.refuse(x <= held["loc"], f"pareto is defined above {held['loc']:g}.")
        return {"scale": low - held["loc"]}
    return {}


def _censored_ends(
    law: str, held: dict[str, float | None], observations: Observations
) -> dict[str, float]:
    """Return the same where some rows are censored.

    An exact or right-censored row is the likelier, the higher the end of the law lies below it, so
    that end is the smallest exact value. Rows with an upper bound pull it down again.
    """
    end = "scale" if law == "pareto" and held["loc"] is not None else "loc"
    if law not in ("uniform", "pareto", *_FALLING) or held[end] is not None:
        return {}
    own, exact = observations, observations.lower == observations.upper
    others = [value for name, value in held.items() if name != end]
    known = own.below is None and (exact | np.isposinf(own.upper)).all()
    if known and exact.any() and None in others:
        low = float(own.lower[exact].min())
        return {end: low if end == "loc" else low - float(held["loc"] or 0.0)}
    raise FitError(
        f"{law} begins at its {end}, where its likelihood breaks off: with rows that are censored "
        f"to the left, to intervals or truncated, or without another parameter to estimate, its "
        f"maximum may be a corner of the data, which no derivative finds or certifies. Fix {end}."
    )


@dataclass(frozen=True, eq=False)
class CornerModel(Model):
    """A law some of whose parameters lie where the sample ends, and the likelihood of the rest."""

    family: Distribution
    observations: Observations
    labels: tuple[str, ...]
    ends: dict[str, float]
    inner: DistributionModel | None
    endless: FitError | None = None  # why there is no maximum, if there is none

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters that are estimated."""
        return self.labels

    @property
    def n_obs(self) -> int:
        """The number of values, or the sum of the frequency weights."""
        return self.observations.n_obs

    @property
    def groups(self) -> NDArray[np.int64] | None:  # type: ignore[override]
        """The number of the group to which each row belongs."""
        return self.observations.groups

    @property
    def size(self) -> int:
        """The number of parameters that lie inside."""
        return 0 if self.inner is None else self.inner.size

    @property
    def _at(self) -> list[int]:
        return [self.labels.index(name) for name in (self.inner.names if self.inner else ())]

    def total(self, point: Floats, *, curvature: bool = True) -> Sums:
        """Return the log-likelihood of what lies inside."""
        if self.inner is None:
            return Sums(0.0, np.empty(0), np.empty((0, 0)))
        return self.inner.total(point)

    def conclude(self, value: float) -> Conclusion:
        """Return the log-likelihood with its constants."""
        if self.inner is not None:
            return self.inner.conclude(value)
        own, law = self.observations, self._frozen(np.empty(0))
        return Conclusion(added(np.asarray(law.logpdf(own.lower)), own.weights))

    def _frozen(self, point: Floats) -> Any:
        law = find_law(self.family.law)
        return law.dist(*law.complete(law.settle(self.family.fixed), self.outside(point)))

    def outside(self, point: Floats) -> Floats:
        """Return the parameters."""
        found = np.array([self.ends.get(name, np.nan) for name in self.labels])
        if self.inner is not None:
            found[self._at] = self.inner.outside(point)
        return found

    def jacobian(self, point: Floats) -> Floats:
        """Return the derivative of the parameters; those at an end have none."""
        result = np.zeros((len(self.labels), self.size))
        if self.inner is not None:
            result[self._at] = self.inner.jacobian(point)
        return result

    def coordinate(self, index: int) -> Coordinate:
        """Return the line of a parameter that lies inside."""
        if self.inner is None or index not in self._at:
            raise EstkitError(f"{self.labels[index]} is estimated by an end of the sample: {_WHY}.")
        return self.inner.coordinate(self._at.index(index))

    def scores(self, point: Floats) -> Iterator[Floats]:
        """Yield the scores of the rows."""
        if self.inner is not None:
            yield from self.inner.scores(point)

    def meat(self, point: Floats) -> Floats:
        """Return the sum of squared scores."""
        return np.empty((0, 0)) if self.inner is None else self.inner.meat(point)

    def limits(self, point: Floats, level: float) -> Floats | None:
        """Return no limits: those of a corner do not follow the law of the others."""
        raise EstkitError(
            f"{' and '.join(self.ends)} of {self.family.law}: {_WHY}; ask for interval() of the "
            f"others, or simulate by bootstrap()."
        )

    def solve(self, start: Any = None) -> newton.Optimum:
        """Return the maximum of what lies inside."""
        if self.endless is not None:
            raise self.endless
        if start is not None:
            raise DataError(f"{self.family.law} needs no start: part of it is read off the sample.")
        if self.inner is not None:
            return self.inner.solve()
        known = newton.Certificate(0.0, 0.0, 1.0, 0, "the maximum is read off the sample")
        nothing = np.empty((0, 0))
        return newton.Optimum(np.empty(0), 0.0, nothing, nothing, np.empty(0), True, known)

    def result(self, optimum: newton.Optimum) -> DistributionFit:
        """Return the fit, without errors for what the sample ends at."""
        from estkit.likelihood.distribution.fit import DistributionFit

        fields = measured(self, optimum)
        at_end = [self.labels.index(name) for name in self.ends]
        errors, covariance = fields["std_errors"].copy(), fields["_covariance"].copy()
        errors[at_end] = covariance[at_end] = covariance[:, at_end] = np.nan
        fields |= {"std_errors": frozen(errors), "_covariance": frozen(covariance)}
        return DistributionFit(**fields)

    def no_result(self, reason: str, status: str) -> DistributionFit:
        """Return a fit without numbers."""
        from estkit.likelihood.distribution.fit import DistributionFit

        return DistributionFit(**unmeasured(self, reason, status))

    def draw(
        self, point: Floats, sigma: float | None, rng: np.random.Generator, replicates: int
    ) -> NDArray[Any]:
        """Return samples of as many values as were observed."""
        if self.inner is not None and not self.observations.exact:
            return self.inner.draw(point, sigma, rng, replicates)  # says why it cannot
        size = (replicates, self.n_obs)
        return np.asarray(self._frozen(point).rvs(size=size, random_state=rng))

    def renew(self, values: NDArray[Any]) -> Model:
        """Return the same model for other values."""
        drawn = np.asarray(values, float)
        return distribution_model(self.family, Observations(drawn, drawn))
