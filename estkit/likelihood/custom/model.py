"""The model that a user's log-likelihood makes of its data."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.errors import DataError, EstkitError, FitError
from estkit.likelihood import newton
from estkit.likelihood.custom.ascent import Ascent, Surface, climb
from estkit.likelihood.custom.derivatives import Derivatives, Survey, agree
from estkit.likelihood.custom.diagnosis import COARSEST, flat_direction, too_coarse, why_no_maximum
from estkit.likelihood.custom.given import check_derivatives
from estkit.likelihood.custom.multistart import Arrival, Optima, gathered, more_starts
from estkit.likelihood.family import Floats, Sums
from estkit.likelihood.model import Coordinate, Model
from estkit.likelihood.result import measured, unmeasured
from estkit.likelihood.uncertainty import inverse_of
from estkit.montecarlo import streams

if TYPE_CHECKING:
    from estkit.likelihood.custom.fit import CustomFit
    from estkit.likelihood.custom.likelihood import Likelihood

_POLISHES = 10
_POLISH_STEPS = 60
_LARGE = 20_000
_SETTLED = 1e-4  # standard errors where the polish began: a last step of a maximum is shorter
_NOISY = 1e-2  # the same where noise allows no shorter one; on the way to infinity it is longer
_BENT = 1e-3  # the same for a bounded parameter, on its own scale


@dataclass(frozen=True, eq=False)
class Found(newton.Optimum):
    """An optimum, what differentiated the function there, and the other optima that were found."""

    derivatives: Derivatives
    error: float
    optima: Optima


@dataclass(frozen=True, eq=False)
class CustomModel(Model):
    """A user's log-likelihood and its data.

    Parameters
    ----------
    family : Likelihood
        What the user gave.
    derivatives : Derivatives
        The function, with its data, and its derivatives.
    origin : array of shape (k,)
        Where to begin.
    count : int
        The number of observations; 0 when it is not known.
    groups : array of shape (n,), optional
        The group of each row.
    weighting : {"frequency", "sampling"}
        What the weights mean.
    alternatives : sequence of arrays
        Where else to begin.
    checked : bool
        Whether the derivatives were compared before, for data of the same kind.
    """

    family: Likelihood
    derivatives: Derivatives
    origin: Floats
    count: int
    groups: NDArray[np.int64] | None = None
    weighting: str = "frequency"
    alternatives: tuple[Floats, ...] = ()
    checked: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that are estimated."""
        return self.derivatives.function.layout.names

    @property
    def n_obs(self) -> int:
        """The number of observations."""
        return self.count

    def objective(self, point: Floats) -> tuple[float, Floats, Floats]:
        """Return what Newton's method asks for, with a Hessian that costs less."""
        return self._survey(point)

    @cached_property
    def _survey(self) -> Survey:
        return Survey(self.derivatives)

    def total(self, point: Floats, *, curvature: bool = True) -> Sums:
        """Return the log-likelihood and its derivatives; NaN where it is not finite."""
        value = self.derivatives.function.value(point)
        if math.isnan(value):
            nowhere = np.full(self.size, np.nan)
            return Sums(value, nowhere, np.full((self.size, self.size), np.nan))
        gradient = self.derivatives.gradient(point)
        information = self.derivatives.information(point) if curvature else None
        return Sums(value, gradient, information)

    def stand_in(self, point: Floats) -> Floats | None:
        """Return the information with its eigenvalues taken positive."""
        information = self.derivatives.information(point, rough=True)
        surface = Surface.of(information, self.derivatives.reach(point))
        return None if surface is None else surface.positive

    def outside(self, point: Floats) -> Floats:
        """Return the parameters as the function takes them."""
        result: Floats = self.derivatives.function.parameters(point)
        return result

    def jacobian(self, point: Floats) -> Floats:
        """Return the slopes of the transforms."""
        return np.diag(self.derivatives.function.transforms.slope(point))

    def coordinate(self, index: int) -> Coordinate:
        """Return a parameter as its transform makes it."""
        one = self.derivatives.function.transforms.one(index)

        def outward(value: float) -> float:
            return float(one.outward(np.array([value]))[0])

        def inward(value: float) -> float:
            inside = float(one.inward(np.array([value]))[0])
            if not math.isfinite(inside):
                raise DataError(
                    f"{self.names[index]} = {value:g} is not between its bounds "
                    f"{one.lower[0]:g} and {one.upper[0]:g}."
                )
            return inside

        return Coordinate(np.eye(self.size)[index], outward, inward)

    def scores(self, point: Floats) -> Iterator[Floats]:
        """Yield the scores of the rows, if the function returns a value for each."""
        if not self.derivatives.function.per_row:
            raise EstkitError(
                "The log-likelihood returns a total, and a robust covariance is made of the score "
                "of each row; return an array with a value for each row."
            )
        yield self.derivatives.scores(point)

    def meat(self, point: Floats) -> Floats:
        """Return the sum of squared scores, a row of weight w standing for w equal units."""
        (scores,) = self.scores(point)
        weights = self.derivatives.function.weights
        if weights is not None and self.weighting == "frequency":
            scores = scores / np.sqrt(np.maximum(weights, 1.0))[:, None]
        product: Floats = scores.T @ scores
        return product

    def alone(self) -> AbstractContextManager[Any]:
        """Return a context without threads of linear algebra, which small products wait for."""
        return parallel.serial_algebra() if self.count < _LARGE else nullcontext()

    def begin(self) -> Floats:
        """Return where the iteration starts."""
        return self.origin

    def read_start(self, start: Any) -> Floats:
        """Return the inside point of a mapping or an array."""
        return self.family.inside(start, self.derivatives.function, "start")

    def solve(self, start: Any = None) -> Found:
        """Return the highest of the maxima that the starts lead to.

        Raises
        ------
        FitError
            If none of them leads to a maximum; the message is that of the first.
        """
        begin = self.begin() if start is None else self.read_start(start)
        derivatives = self.derivatives if begin is self.origin else self.derivatives.tuned(begin)
        starts = [begin, *self.alternatives]
        if isinstance(self.family.starts, int) and not self.checked:
            rng = streams.generator_of(self.family.rng)
            starts += more_starts(derivatives, begin, self.family.starts - 1, rng)
        found: list[Found] = []
        arrivals: list[Arrival] = []
        failure: FitError | None = None
        for point in starts:
            try:
                optimum = reach(derivatives if point is begin else derivatives.tuned(point), point)
            except FitError as error:
                failure = failure or error
                arrivals.append(_no_arrival(self.size, str(error)))
                continue
            found.append(optimum)
            arrivals.append(self._arrival(optimum))
        if not found:
            assert failure is not None
            raise failure
        best = max(found, key=lambda optimum: optimum.value)
        if not self.checked:
            best = self._confirmed(best)
        return replace(best, optima=gathered(self.names, arrivals))

    def _arrival(self, optimum: Found) -> Arrival:
        errors = np.sqrt(np.diag(optimum.inverse)) * np.abs(np.diag(self.jacobian(optimum.point)))
        return Arrival(optimum.value, self.outside(optimum.point), errors, "maximum")

    def _confirmed(self, optimum: Found) -> Found:
        """Return the optimum when its derivatives are right there, too; or a better one."""
        check_derivatives(optimum.derivatives, optimum.point, hessian=True)
        if optimum.derivatives.method != "complex" or agree(optimum.derivatives, optimum.point):
            return optimum
        return reach(replace(optimum.derivatives, method="differences"), optimum.point)

    def result(self, optimum: newton.Optimum) -> CustomFit:
        """Return the fit that converged."""
        from estkit.likelihood.custom.fit import CustomFit

        assert isinstance(optimum, Found)
        solved = replace(
            self,
            derivatives=optimum.derivatives,
            origin=optimum.point,
            alternatives=(),
            checked=True,
        )
        return CustomFit(**measured(solved, optimum), **self._form(optimum))

    def no_result(self, reason: str, status: str) -> CustomFit:
        """Return a fit without numbers."""
        from estkit.likelihood.custom.fit import CustomFit

        return CustomFit(**unmeasured(self, reason, status), **self._form(None))

    def _form(self, optimum: Found | None) -> dict[str, Any]:
        derivatives = self.derivatives if optimum is None else optimum.derivatives
        layout, transforms = derivatives.function.layout, derivatives.function.transforms
        return {
            "derivatives": derivatives.method,
            "derivative_error": math.nan if optimum is None else optimum.error,
            "optima": gathered(self.names, []) if optimum is None else optimum.optima,
            "fixed": layout.fixed,
            "_layout": layout,
            "bounds": tuple(zip(transforms.lower.tolist(), transforms.upper.tolist(), strict=True)),
        }

    def draw(
        self, point: Floats, sigma: float | None, rng: np.random.Generator, replicates: int
    ) -> NDArray[Any]:
        """Return data that the user's function draws: y if the fit had one, else X."""
        return self.family.drawn(self.derivatives.function, self.outside(point), rng, replicates)

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return drawn data as they are."""
        return values

    def renew(self, values: NDArray[Any]) -> CustomModel:
        """Return the model for data that `draw` made."""
        function = self.family.renewed(self.derivatives.function, values)
        return replace(self, derivatives=replace(self.derivatives, function=function))


def reach(derivatives: Derivatives, begin: Floats) -> Found:
    """Climb from a point and polish; return the maximum.

    Raises
    ------
    FitError
        If there is none, or it cannot be certified; the message says why.
    """
    ascent = climb(derivatives, begin)
    steps = ascent.steps
    metric = ascent.metric
    for _ in range(_POLISHES):
        if ascent.state != "near":
            break
        derivatives = derivatives.tuned(ascent.point)
        metric = np.minimum(metric, ascent.metric)  # it grows without end on the way to a bound
        optimum = _polished(derivatives, ascent.point, metric)
        steps += optimum.certificate.iterations
        if optimum.converged:
            return _certified(derivatives, optimum, begin, steps)
        ascent = climb(derivatives, optimum.point, begin)
    check_derivatives(derivatives, ascent.point, hessian=False)
    if derivatives.method == "complex" and not agree(derivatives, ascent.point):
        return reach(replace(derivatives, method="differences"), begin)
    raise why_no_maximum(derivatives, begin, ascent)


def _polished(derivatives: Derivatives, start: Floats, metric: Floats) -> newton.Optimum:
    bounded = derivatives.function.transforms.bounded

    def settled(step: Floats, within: float = _SETTLED) -> bool:
        small = np.abs(step) <= within * metric
        return bool((small & ~(bounded & (np.abs(step) > _BENT))).all())

    optimum = newton.maximise(Survey(derivatives), start, max_iter=_POLISH_STEPS, settled=settled)
    if optimum.converged or not np.isfinite(optimum.step).all():
        return optimum
    around = (derivatives.steps * sign for sign in (0.3, -0.3))
    beside = [replace(optimum, point=optimum.point + moved) for moved in around]
    error = max(error_of(derivatives, place) for place in (optimum, *beside))
    if not (optimum.certificate.newton_decrement <= 3 * error and settled(optimum.step, _NOISY)):
        return optimum
    reason = "the Newton decrement is at the level of the error of the derivatives"
    return replace(optimum, converged=True, certificate=replace(optimum.certificate, reason=reason))


def error_of(derivatives: Derivatives, optimum: newton.Optimum) -> float:
    """Return how far, in standard errors, the error of the gradient may move the maximum."""
    error = derivatives.gradient_error(optimum.point)
    return float(np.max(error * np.sqrt(np.diag(optimum.inverse)), initial=0.0))


def _certified(
    derivatives: Derivatives, optimum: newton.Optimum, begin: Floats, steps: int
) -> Found:
    """Return a maximum whose derivatives are good enough and that is curved in every direction."""
    error = error_of(derivatives, optimum)
    if error > COARSEST:
        raise too_coarse(derivatives, optimum.point, error)
    information = derivatives.information(optimum.point)
    if flat_direction(derivatives, optimum.point, information) is not None:
        still = np.zeros(len(begin))
        level = Ascent(optimum.point, optimum.value, still, "away", still, steps)
        raise why_no_maximum(derivatives, begin, level)
    fields = {
        **optimum.__dict__,
        "value": derivatives.function.value(optimum.point),
        "information": information,
        "inverse": inverse_of(information),
        "certificate": replace(optimum.certificate, iterations=steps),
    }
    return Found(**fields, derivatives=derivatives, error=error, optima=gathered((), []))


def _no_arrival(size: int, reason: str) -> Arrival:
    nowhere = np.full(size, np.nan)
    short = re.split(r", where|; |\. | \(log-likelihood", reason)[0]
    return Arrival(math.nan, nowhere, nowhere, short)
