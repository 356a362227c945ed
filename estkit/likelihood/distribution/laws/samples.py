"""Values before they are fitted: are they possible, where do they lie, which sums say it all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from estkit import data
from estkit.likelihood.distribution.censoring import Observations
from estkit.likelihood.distribution.laws.counts import NegativeBinomial, Poisson, Trials
from estkit.likelihood.distribution.laws.law import Axis, Law
from estkit.likelihood.distribution.laws.location_scale import (
    Exponential,
    Laplace,
    Lognormal,
    Normal,
)
from estkit.likelihood.distribution.laws.shapes import Beta, Gamma, Weibull
from estkit.likelihood.distribution.laws.sums import Values, blocks
from estkit.likelihood.distribution.laws.tails import NormalTail
from estkit.likelihood.family import Floats, Sums

_ENOUGH = 512  # values to see where they lie
_FEW = 32  # values to see their size
_OPEN = ("gamma", "weibull_min", "lognorm", "beta")  # what density they have at an end says nothing
_SAME = tuple(np.eye(k) for k in range(3))
_SUMS: dict[str, Callable[[Values], Any]] = {
    "norm": Normal.of,
    "lognorm": Lognormal.of,
    "laplace": Laplace.of,
    "expon": Exponential.of,
    "gamma": Gamma.of,
    "weibull_min": Weibull.of,
    "beta": Beta.of,
    "poisson": Poisson.of,
    "geom": Trials.geometric,
    "nbinom": NegativeBinomial.of,
    "binom": Trials.binomial,
}


def check_values(law: Law, held: Sequence[float | None], observations: Observations) -> None:
    """Raise for a value that the law cannot have, whatever its free parameters.

    Raises
    ------
    DataError
        With the row and its value.
    """
    if law.discrete:
        own = observations
        if any((part != np.floor(part)).any() for part, _ in blocks(own.lower, 0.0, None)):
            broken = (own.lower != np.floor(own.lower)) & (own.lower == own.upper)
            own.refuse(broken, f"{law.name} is a law of whole numbers.")
        if own.lower.max() > data.LARGEST_COUNT:
            large = own.lower > data.LARGEST_COUNT
            own.refuse(large, "that is too large to be counted in a float.")
    values = dict(zip(law.names, held, strict=True))
    loc, scale = values["loc"], values.get("scale", 1.0)
    if loc is None or law.name == "uniform":
        return
    lower, upper = float(law.dist.a), float(law.dist.b)
    if law.name == "binom":
        upper = float(values["n"] or 0.0)
    lower = lower * scale + loc if scale is not None else (loc if lower >= 0 else -math.inf)
    upper = upper * scale + loc if scale is not None and upper < math.inf else math.inf
    closed = law.name not in _OPEN
    observations.check_support(lower, upper, law.name, closed=closed, hint=_hint(law, lower))


def _hint(law: Law, lower: float) -> str:
    if law.name == "geom" and lower == 1.0:
        return (
            "scipy's geom counts the trials up to the first success; for the failures before it, "
            'from 0 on, pass fixed={"loc": -1}.'
        )
    if law.name in _OPEN:
        return (
            "Drop the row, model such values apart, or say below which limit they were not told "
            "apart: ek.Censored(lower, upper)."
        )
    return 'Shift the law by fixed={"loc": ...}, or choose another one.'


def place(
    law: Law, held: Sequence[float | None], observations: Observations
) -> tuple[float, float]:
    """Return an origin and a unit for the values: those that are held, or near their own."""
    values = dict(zip(law.names, held, strict=True))
    loc, scale = values["loc"], values.get("scale", 1.0)
    if loc is not None and scale is not None:
        return loc, scale
    if law.name in _SUMS and observations.exact:  # any unit will do, so the nearest at hand
        x = observations.lower
        mean = observations.total / len(x)
        unit = scale or (float(abs(x[:_FEW] - mean).mean()) if loc is None else mean - loc)
        if 0.0 < unit < math.inf:
            return mean if loc is None else loc, unit
    every = max(1, len(observations.lower) // _ENOUGH)
    x = observations.take(slice(None, None, every)).values()
    if every > 1 and x.min() == x.max():
        x = observations.values()
    middle = np.mean if law.name in _SUMS else np.median
    if loc is None:
        loc = float(middle(x))
    if scale is None:
        apart = np.abs(x - loc)
        scale = float(middle(apart)) or float(apart.mean())
    return loc, scale or abs(loc) or 1.0


@dataclass(frozen=True, eq=False)
class Sample:
    """Sums over a complete sample, as functions of ``base + matrix @ point``."""

    sums: Any
    base: Floats
    matrix: Floats
    out: Floats
    free: tuple[bool, ...]
    lines: Floats

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood without constants, its gradient and information."""
        if len(point) == len(self.base):
            found: Sums = self.sums.total(point)
            return found
        value, gradient, information = self.sums.total(self.base + self.matrix @ point)
        matrix = self.matrix
        return Sums(value, matrix.T @ gradient, matrix.T @ information @ matrix)

    def uphill(self, point: Floats) -> Floats | None:
        """Return what may stand in for the information on the way, if there is such."""
        if not isinstance(self.sums, NormalTail):
            return None
        whole = self.sums.uphill(self.base + self.matrix @ point if len(point) < 2 else point)
        return whole if len(point) == len(whole) else self.matrix.T @ whole @ self.matrix

    def begin(self) -> Floats:
        """Return the maximum, or a point near it.

        Raises
        ------
        FitError
            If there is none.
        """
        found: Floats = self.sums.begin(self.free, self.lines)
        if all(self.free):
            return found
        if self.sums.mixing is not None:
            found = self.sums.mixing @ found
        return found[list(self.free)]

    def expected(self, point: Floats) -> Floats | None:
        """Return the expected information at the maximum, if it is known."""
        whole = self.base + self.matrix @ point
        if isinstance(self.sums, NegativeBinomial):
            return None
        if not isinstance(
            self.sums, Weibull
        ):  # exponential families, and Laplace: the observed one
            return self.total(point).information
        result: Floats = self.matrix.T @ self.sums.expected(whole) @ self.matrix
        return result


def summarise(
    law: Law,
    held: Sequence[float | None],
    observations: Observations,
    axes: Sequence[Axis],
    origin: float,
    unit: float,
) -> Sample | None:
    """Return the sums of a complete sample of a law that is known by them, else None."""
    sums = _sums_of(law, held, observations, origin, unit)
    if sums is None:
        return None
    numbers = [law.names.index(name) for name in sums.names]
    free = tuple(held[i] is None for i in numbers)
    lines = np.array(
        [0.0 if value is None else axes[i].inward(value) for i in numbers for value in [held[i]]]
    )
    same = _SAME[len(numbers)]
    mixing = same if sums.mixing is None else sums.mixing
    if all(free):
        return Sample(sums, lines, same, mixing, free, lines)
    back = np.linalg.inv(mixing)
    return Sample(sums, back @ lines, back[:, list(free)], np.eye(sum(free)), free, lines)


def _sums_of(
    law: Law, held: Sequence[float | None], own: Observations, origin: float, unit: float
) -> Any:
    """Return the sums that make the likelihood of a law, None if there are no such."""
    if law.name == "norm" and not own.exact:
        return NormalTail.of(own, origin, unit)
    make = _SUMS.get(law.name)
    values = dict(zip(law.names, held, strict=True))
    placed = values["loc"] is not None or law.name in ("norm", "laplace")
    if make is None or not (own.exact and placed):
        return None
    if law.name == "beta" and values["scale"] is None:
        return None
    size = float(values["n"] or 0.0) if law.name == "binom" else unit
    n, total, least = float(own.n_obs), own.total, own.least
    return make(Values(own.lower, origin, size, own.weights, n, total, least))
