"""Bounded parameters as functions of unbounded ones, and back.

A bound is kept by construction: what has a lower bound is that bound plus an exponential, what lies
between two bounds is a logistic curve from one to the other. All take complex numbers, so that the
complex step goes through them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.likelihood.family import Floats

# What each name stands for when no bound is given.
NAMED = {
    "identity": (-np.inf, np.inf),
    "log": (0.0, np.inf),
    "logit": (0.0, 1.0),
    "atanh": (-1.0, 1.0),
}


@dataclass(frozen=True, eq=False)
class Transforms:
    """How each of k parameters is made from an unbounded number.

    Parameters
    ----------
    lower, upper : array of shape (k,)
        The bounds, infinite where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.likelihood.custom.transforms import Transforms
    >>> both = Transforms(np.array([0.0, -np.inf]), np.array([1.0, np.inf]))
    >>> both.outward(np.array([0.0, 3.0]))
    array([0.5, 3. ])
    """

    lower: Floats
    upper: Floats

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The name of each transform: identity, log, upper log or logit."""
        below, above = np.isfinite(self.lower), np.isfinite(self.upper)
        names = {
            (False, False): "identity",
            (True, False): "log",
            (False, True): "upper log",
            (True, True): "logit",
        }
        return tuple(names[pair] for pair in zip(below.tolist(), above.tolist(), strict=True))

    @cached_property
    def bounded(self) -> NDArray[np.bool_]:
        """Which parameters have a bound."""
        return np.isfinite(self.lower) | np.isfinite(self.upper)

    def outward(self, inside: NDArray[Any]) -> NDArray[Any]:
        """Return the parameters from unbounded numbers, real or complex."""
        return self._apply(inside, _OUTWARD)

    def slope(self, inside: Floats) -> Floats:
        """Return the derivative of each parameter."""
        return self._apply(inside, _SLOPE)

    def curvature(self, inside: Floats) -> Floats:
        """Return the second derivative of each parameter."""
        return self._apply(inside, _CURVATURE)

    def inward(self, outside: Floats) -> Floats:
        """Return the unbounded numbers; infinite at a bound, NaN beyond it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._apply(outside, _INWARD)

    def one(self, index: int) -> Transforms:
        """Return the transform of one parameter."""
        return Transforms(self.lower[[index]], self.upper[[index]])

    def _apply(self, given: NDArray[Any], functions: dict[str, Function]) -> NDArray[Any]:
        if not self._parts:
            return functions["identity"](given, self.lower, self.upper)
        result = given.copy() if functions is _OUTWARD or functions is _INWARD else given * 0
        if functions is _SLOPE:
            result += 1.0
        with np.errstate(over="ignore"):
            for kind, chosen in self._parts:
                result[chosen] = functions[kind](
                    given[chosen], self.lower[chosen], self.upper[chosen]
                )
        return result

    @cached_property
    def _parts(self) -> list[tuple[str, NDArray[np.int64]]]:
        """The places of each kind of transform but the identity."""
        kinds = sorted(set(self.kinds) - {"identity"})
        return [(k, np.array([i for i, own in enumerate(self.kinds) if own == k])) for k in kinds]


Function = Callable[[NDArray[Any], Floats, Floats], NDArray[Any]]


def _logistic(u: NDArray[Any]) -> NDArray[Any]:
    """Return 1 / (1 + exp(-u)), which overflows at neither end."""
    small = np.exp(np.where(u.real < 0, u, -u))
    result: NDArray[Any] = np.where(u.real < 0, small, 1.0) / (1.0 + small)
    return result


def _logistic_slope(u: NDArray[Any]) -> NDArray[Any]:
    slope: NDArray[Any] = _logistic(u) * _logistic(-u)
    return slope


_OUTWARD: dict[str, Function] = {
    "identity": lambda u, low, high: u,
    "log": lambda u, low, high: low + np.exp(u),
    "upper log": lambda u, low, high: high - np.exp(u),
    "logit": lambda u, low, high: low + (high - low) * _logistic(u),
}
_SLOPE: dict[str, Function] = {
    "identity": lambda u, low, high: np.ones_like(u),
    "log": lambda u, low, high: np.exp(u),
    "upper log": lambda u, low, high: -np.exp(u),
    "logit": lambda u, low, high: (high - low) * _logistic_slope(u),
}
_CURVATURE: dict[str, Function] = {
    "identity": lambda u, low, high: np.zeros_like(u),
    "log": lambda u, low, high: np.exp(u),
    "upper log": lambda u, low, high: -np.exp(u),
    "logit": lambda u, low, high: (high - low) * _logistic_slope(u) * (1.0 - 2.0 * _logistic(u)),
}
_INWARD: dict[str, Function] = {
    "identity": lambda t, low, high: t,
    "log": lambda t, low, high: np.log(t - low),
    "upper log": lambda t, low, high: np.log(high - t),
    "logit": lambda t, low, high: np.log(t - low) - np.log(high - t),
}


def read_bounds(given: Any, name: str) -> tuple[float, float]:
    """Return the two bounds of a parameter, infinite where None was given.

    Raises
    ------
    DataError
        If it is not a pair, or the lower is not below the upper.
    """
    pair: Sequence[Any] = given if isinstance(given, tuple | list) else ()
    if len(pair) != 2 or not all(v is None or np.isreal(v) for v in pair):
        raise DataError(
            f"bounds[{name!r}] must be a pair (lower, upper), None where there is no bound; got "
            f"{given!r:.60}."
        )
    lower = -np.inf if pair[0] is None else float(pair[0])
    upper = np.inf if pair[1] is None else float(pair[1])
    if not lower < upper:
        raise DataError(f"bounds[{name!r}] must have the lower below the upper, got {given!r}.")
    return lower, upper


def named_bounds(kind: Any, bounds: tuple[float, float] | None, name: str) -> tuple[float, float]:
    """Return the bounds that a named transform keeps, which must be those given beside it.

    Raises
    ------
    DataError
        If there is no such transform, or the bounds do not go with it.
    """
    if kind not in NAMED:
        raise DataError(f"transforms[{name!r}] must be one of {tuple(NAMED)}, got {kind!r}.")
    own = NAMED[kind]
    if bounds is None:
        return own
    finite = tuple(map(np.isfinite, bounds))
    fits = {"identity": (False, False), "log": (True, False)}.get(kind, (True, True))
    if finite != fits:
        raise DataError(
            f"transforms[{name!r}] is {kind!r}, which does not go with the bounds {bounds}; leave "
            f"it out, and the transform follows from the bounds."
        )
    return bounds
