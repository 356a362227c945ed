"""What is known of a distribution before any data: its parameters and where they may lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from estkit.errors import DataError
from estkit.likelihood.family import Floats

_ALIASES = {
    "normal": "norm",
    "gaussian": "norm",
    "lognormal": "lognorm",
    "exponential": "expon",
    "weibull": "weibull_min",
    "geometric": "geom",
    "negative_binomial": "nbinom",
    "binomial": "binom",
    "student_t": "t",
}
_CIRCULAR = ("vonmises",)  # angles, whose circle a scale would change
_REAL = {"nbinom": ("n",), "betanbinom": ("n",)}  # whole in scipy's tables, though any size will do


class Axis(NamedTuple):
    """The real line v on which a parameter in (lower, upper) is moved.

    Parameters are reported as ``origin + unit * standard(v)``; the standard ones belong to data
    that were brought to the origin 0 and the unit 1.
    """

    lower: float = -math.inf
    upper: float = math.inf
    origin: float = 0.0
    unit: float = 1.0

    def standard(self, v: float) -> float:
        """Return the parameter of the standardised data."""
        low, high = self.lower > -math.inf, self.upper < math.inf
        if low and high:
            return self.lower + (self.upper - self.lower) / (1.0 + _exp(-v))
        if low:
            return self.lower + _exp(v)
        return self.upper - _exp(-v) if high else v

    def inward(self, value: float) -> float:
        """Return v of a parameter as it is reported; ±inf at its bounds."""
        x = (value - self.origin) / self.unit
        low, high = self.lower > -math.inf, self.upper < math.inf
        if low and high:
            return _log(x - self.lower) - _log(self.upper - x)
        if low:
            return _log(x - self.lower)
        return -_log(self.upper - x) if high else x

    def outward(self, v: float) -> float:
        """Return the parameter as it is reported."""
        return self.origin + self.unit * self.standard(v)

    def slope(self, v: float) -> float:
        """Return the derivative of the reported parameter."""
        low, high = self.lower > -math.inf, self.upper < math.inf
        if low and high:
            share = 1.0 / (1.0 + _exp(-abs(v)))
            return self.unit * (self.upper - self.lower) * share * _exp(-abs(v)) * share
        if low or high:
            return self.unit * _exp(v if low else -v)
        return self.unit


def _exp(v: float) -> float:
    return math.exp(v) if v < 709.0 else math.inf


def _log(x: float) -> float:
    return math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)


class Parameter(NamedTuple):
    """A parameter of a law: its open range, and the value that it has unless it is freed."""

    name: str
    lower: float
    upper: float
    default: float | None = None
    whole: bool = False


@dataclass(frozen=True, eq=False)
class Law:
    """A distribution of scipy.stats and its parameters, in the order in which scipy takes them."""

    name: str
    dist: Any
    parameters: tuple[Parameter, ...]
    discrete: bool

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    def settle(self, fixed: Any) -> tuple[float | None, ...]:
        """Return the value at which each parameter is held, or None where it is estimated.

        Raises
        ------
        DataError
            If a name is unknown, a value impossible, or nothing is left to estimate.
        """
        given = dict(fixed or {})
        unknown = [name for name in given if name not in self.names]
        if unknown:
            raise DataError(
                f"{self.name} has no parameter {unknown[0]!r} to fix; it has "
                f"{', '.join(self.names)}."
            )
        values = []
        for parameter in self.parameters:
            value = given.get(parameter.name, parameter.default)
            if value is None and parameter.whole:
                raise DataError(
                    f"{parameter.name} of {self.name} is a whole number, which no derivative "
                    f"finds; fix it: fixed={{{parameter.name!r}: 10}}."
                )
            values.append(None if value is None else _checked(self.name, parameter, value))
        if None not in values:
            raise DataError(
                f"All parameters of {self.name} are fixed; nothing is left to estimate."
            )
        return tuple(values)

    def complete(self, held: Sequence[float | None], params: Floats) -> list[float]:
        """Return all parameters, of which some are held."""
        estimated = iter(params.tolist())
        return [next(estimated) if value is None else value for value in held]


def _checked(law: str, parameter: Parameter, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    fits = parameter.lower < number < parameter.upper
    if parameter.whole:
        fits = parameter.lower <= number <= parameter.upper and number == math.floor(number)
    if not fits or not math.isfinite(number):
        kind = "a whole number" if parameter.whole else "a number"
        raise DataError(
            f"{parameter.name} of {law} must be {kind} between {parameter.lower:g} and "
            f"{parameter.upper:g}, got {value!r:.60}."
        )
    return number


@lru_cache(maxsize=256)
def find_law(law: Any) -> Law:
    """Return the law of a name or a scipy.stats object.

    Raises
    ------
    DataError
        If there is no such distribution.
    """
    from scipy import stats

    dist = law
    if isinstance(law, str):
        name = law.lower()
        dist = getattr(stats, _ALIASES.get(name, name), None)
    if not isinstance(dist, stats.rv_continuous | stats.rv_discrete):
        raise DataError(
            f"law must be the name of a distribution in scipy.stats, such as 'gamma', or the "
            f"object itself; got {law!r:.60}."
        )
    discrete = isinstance(dist, stats.rv_discrete)
    # bounds of the support that hold at any shape; `a` and `b` are documented constructor arguments
    bounded = np.isfinite([dist.a, dist.b])
    parameters = [*_shapes(dist), Parameter("loc", -math.inf, math.inf, None, discrete)]
    if discrete:
        parameters[-1] = parameters[-1]._replace(default=0.0)
    else:
        unit = bounded.all() and len(parameters) > 1  # such as beta, and not uniform
        if unit or bounded.sum() == 1:
            parameters[-1] = parameters[-1]._replace(default=0.0)
        both = 1.0 if unit or dist.name in _CIRCULAR else None
        parameters.append(Parameter("scale", 0.0, math.inf, both))
    return Law(str(dist.name), dist, tuple(parameters), discrete)


def _shapes(dist: Any) -> list[Parameter]:
    """Return the shape parameters with the ranges that scipy's own `stats.fit` goes by."""
    describe: Callable[[], Any] | None = getattr(dist, "_shape_info", None)
    try:
        described = describe() if describe else None
    except NotImplementedError:
        described = None
    if described is None:  # a distribution of the user's own
        names = (dist.shapes or "").replace(",", " ").split()
        return [Parameter(name, -math.inf, math.inf) for name in names]
    shapes = []
    for info in described:
        lower, upper = (float(end) for end in info.domain)
        whole = bool(info.integrality) and info.name not in _REAL.get(dist.name, ())
        tiny = 0.0 < lower < 1e-300  # how scipy writes an open end at 0
        shapes.append(Parameter(info.name, 0.0 if tiny else lower, upper, None, whole))
    return shapes
