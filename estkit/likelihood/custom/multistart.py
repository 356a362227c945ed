"""Several starts, and the distinct maxima they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estkit.likelihood.custom.derivatives import Derivatives
from estkit.likelihood.family import Floats
from estkit.table import Column, Table, Tabular

_SPREAD = 5.0  # standard errors of a parameter when the others are known
_SAME_VALUE = 1e-6
_SAME_PLACE = 1e-2  # standard errors


@dataclass(frozen=True, eq=False)
class Optima(Tabular):
    """The distinct maxima that several starts led to, the highest first.

    Parameters
    ----------
    names : tuple of str
        The parameters.
    loglik : array of shape (m,)
        The log-likelihood of each maximum.
    params : array of shape (m, k)
        Where it is.
    starts : tuple of int
        How many starts ended there.
    status : tuple of str
        ``"maximum"``, or why a start led to none; its numbers are NaN then.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> x = np.array([-5.0, -4.0, 4.5, 5.0, 5.2])
    >>> cauchy = ek.Likelihood(
    ...     lambda params, x: -np.log1p((x - params["mu"]) ** 2), {"mu": -5.0}, starts=12, rng=1
    ... )
    >>> fit = ek.fit(cauchy, x)
    >>> len(fit.optima), fit.params.round(2)
    (2, array([4.82]))
    """

    names: tuple[str, ...]
    loglik: Floats
    params: Floats
    starts: tuple[int, ...]
    status: tuple[str, ...]

    def __len__(self) -> int:
        return self.maxima

    @property
    def maxima(self) -> int:
        """How many distinct maxima were found."""
        return sum(status == "maximum" for status in self.status)

    def _table(self) -> Table:
        columns = [Column("loglik", self.loglik)]
        columns += [Column(n, self.params[:, j]) for j, n in enumerate(self.names)]
        columns += [
            Column("starts", self.starts, style="count"),
            Column("status", self.status),
        ]
        return Table(columns, f"Maxima from {sum(self.starts)} starts")

    def to_frame(self) -> object:
        """Return a frame: loglik, a column for each parameter, starts, status."""
        return self._table().to_frame()


def more_starts(
    derivatives: Derivatives, origin: Floats, count: int, rng: np.random.Generator
) -> list[Floats]:
    """Return points around an origin at which the function is finite.

    A parameter between two bounds is drawn uniformly between them, one with one bound by factors of
    about e around the start, an unbounded one around it by the largest of 1, its size, and five of
    its standard errors.
    """
    function = derivatives.function
    reach = np.maximum(np.maximum(1.0, np.abs(origin)), _SPREAD / 0.05 * derivatives.steps)
    reach = np.where(function.transforms.bounded, 1.0, reach)
    both = np.array([kind == "logit" for kind in function.transforms.kinds])
    found: list[Floats] = []
    for _ in range(100 * count):
        if len(found) == count:
            break
        drawn = origin + reach * rng.normal(size=len(origin))
        uniform = rng.uniform(1e-3, 1.0 - 1e-3, size=len(origin))
        drawn = np.where(both, np.log(uniform / (1.0 - uniform)), drawn)
        if np.isfinite(function.value(drawn)):
            found.append(drawn)
    return found


@dataclass(frozen=True, eq=False)
class Arrival:
    """Where one start led: an optimum with its log-likelihood and errors, or why there is none."""

    value: float
    outside: Floats
    errors: Floats
    status: str


def gathered(names: tuple[str, ...], arrivals: Sequence[Arrival]) -> Optima:
    """Return the distinct maxima among arrivals, and the reasons of those that are none."""
    groups: list[list[Arrival]] = []
    for arrival in sorted(arrivals, key=_rank):
        for group in groups:
            if _same(group[0], arrival):
                group.append(arrival)
                break
        else:
            groups.append([arrival])
    return Optima(
        names,
        np.array([group[0].value for group in groups]),
        np.array([group[0].outside for group in groups]).reshape(len(groups), len(names)),
        tuple(len(group) for group in groups),
        tuple(group[0].status for group in groups),
    )


def _rank(arrival: Arrival) -> float:
    return -arrival.value if arrival.status == "maximum" else np.inf


def _same(first: Arrival, second: Arrival) -> bool:
    if first.status != "maximum" or second.status != "maximum":
        return first.status == second.status
    near = np.abs(first.outside - second.outside) <= _SAME_PLACE * first.errors
    return bool(
        abs(first.value - second.value) <= _SAME_VALUE * max(1.0, abs(first.value)) and near.all()
    )
