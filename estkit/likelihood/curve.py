"""``Profile``: the profile likelihood of one parameter as a curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from estkit.errors import DataError
from estkit.likelihood.constrained import maximise_under
from estkit.likelihood.family import Floats
from estkit.likelihood.profile import limits_of, slope_of
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from estkit.likelihood.model import Model

LEVELS = (0.9, 0.95, 0.99)
_GROWTH = 1.5  # of the distance, at most, from point to point
_FLAT = 1e-4  # of the log-likelihood: what such a step may add at an asymptote
_NEAR = 0.02  # of the fall to an asymptote
_NEARLY = 0.995
_CLOSE = 0.02  # standard errors: how near to the end of the domain the curve is followed


@dataclass(frozen=True, eq=False, repr=False)
class Profile(Tabular):
    """The profile likelihood of a parameter: the log-likelihood maximised over all others.

    Parameters
    ----------
    name : str
        The parameter.
    values, loglik, root : arrays of shape (m,)
        Its values, the profile log-likelihood there, and the signed root of twice its fall, which
        is normal in large samples.
    estimate, maximum : float
        The estimate, and the log-likelihood there.
    levels : tuple of float
        Confidence levels.
    limits : array of shape (len(levels), 2)
        Their limits; infinite on a side that never falls so far.
    asymptotes : array of shape (2,)
        What the log-likelihood tends to on such a side, below and above; else NaN.

    Examples
    --------
    >>> import estkit as ek
    >>> fit = ek.fit(ek.Binomial(), None, [[3, 7]])
    >>> fit.profile("intercept", levels=[0.95]).limits.round(3)
    array([[-2.382,  0.433]])
    """

    name: str
    values: Floats
    loglik: Floats
    root: Floats
    estimate: float
    maximum: float
    levels: tuple[float, ...]
    limits: Floats
    asymptotes: Floats

    def __repr__(self) -> str:
        return f"Profile({self.name}, {len(self.values)} points)"

    def to_frame(self) -> pd.DataFrame:
        """Return the curve: value, loglik, root.

        Examples
        --------
        >>> import estkit as ek
        >>> frame = ek.fit(ek.Binomial(), None, [[3, 7]]).profile("intercept").to_frame()
        >>> list(frame.columns)
        ['value', 'loglik', 'root']
        """
        import pandas as pd

        return pd.DataFrame({"value": self.values, "loglik": self.loglik, "root": self.root})

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the curve, its levels and limits; needs the extra ``plot``."""
        from estkit.plot import plot_profile

        return plot_profile(self, ax=ax)

    def _table(self) -> Table:
        wide = np.where(np.isfinite(self.limits), self.limits, np.nan)
        error = np.full(len(self.levels), float(np.nanmean(np.abs(wide - self.estimate))) / 2)
        columns = [
            Column("level", [f"{100 * level:g}%" for level in self.levels]),
            Column("lower", self.limits[:, 0], error),
            Column("upper", self.limits[:, 1], error),
        ]
        notes = [
            f"{side} the estimate the log-likelihood falls to {value:.6g} and no further."
            for side, value in zip(("Below", "Above"), self.asymptotes.tolist(), strict=True)
            if not math.isnan(value)
        ]
        title = f"Profile likelihood of {self.name}: estimate {self.estimate:.5g}"
        return Table(columns, title, notes)


class _Side(NamedTuple):
    """The curve on one side of the estimate."""

    distances: list[float]
    logliks: list[float]
    asymptote: float


def profile_of(
    model: Model,
    point: Floats,
    loglik: float,
    covariance: Floats,
    index: int,
    *,
    points: int,
    reach: float,
    levels: tuple[float, ...],
) -> Profile:
    """Return the profile of one outside parameter; see `Uncertainty.profile`."""
    if points != int(points) or points < 4:
        raise DataError(f"points must be a whole number of 4 or more, got {points!r}.")
    if not 0 < reach < math.inf:
        raise DataError(f"reach must be positive, got {reach!r}.")
    row, outward, _ = model.coordinate(index)
    name, center = model.names[index], float(row @ point)
    error = math.sqrt(float(row @ covariance @ row))
    limits = [limits_of(model, point, loglik, covariance, level, index) for level in levels]
    direction = covariance @ row / error**2
    below, above = (
        _side(model, row, point, direction, loglik, sign, error, reach, int(points) // 2)
        for sign in (-1.0, 1.0)
    )
    distances = [-d for d in reversed(below.distances)] + [0.0, *above.distances]
    logliks = np.array([*reversed(below.logliks), loglik, *above.logliks])
    values = np.array([outward(center + distance) for distance in distances])
    asymptotes = np.array([below.asymptote, above.asymptote])
    if values[0] > values[-1]:  # a falling transform
        values, logliks, asymptotes = values[::-1], logliks[::-1], asymptotes[::-1]
    estimate = outward(center)
    root = np.sign(values - estimate) * np.sqrt(np.maximum(2 * (loglik - logliks), 0.0))
    arrays = [np.array(a) for a in (values, logliks, root, limits, asymptotes)]
    for array in arrays:
        array.flags.writeable = False
    values, logliks, root, ends, asymptotes = arrays
    return Profile(
        name, values, logliks, root, estimate, loglik, levels, ends.reshape(-1, 2), asymptotes
    )


def _side(
    model: Model,
    row: Floats,
    point: Floats,
    direction: Floats,
    loglik: float,
    sign: float,
    error: float,
    reach: float,
    count: int,
) -> _Side:
    """Follow the curve on one side in equal steps of the root, as far as it falls."""
    center = float(row @ point)
    distances: list[float] = []
    logliks: list[float] = []
    even = reach / count * error  # a step, were the curve that of the Wald interval
    distance, start, last, end = even, point, 0.0, math.inf
    for _ in range(4 * count):
        begin = start + sign * (distance - last) * direction
        found = maximise_under(model, row[None], np.array([center + sign * distance]), begin)
        if not math.isfinite(found.loglik):  # beyond the domain
            end = distance
            if end - last <= _CLOSE * error:
                break
            distance = (last + end) / 2
            continue
        fall = loglik - found.loglik
        before = loglik - logliks[-1] if logliks else 0.0
        grown = distance >= 0.99 * _GROWTH * last > 0
        distances.append(distance)
        logliks.append(found.loglik)
        root = math.sqrt(max(2 * fall, 0.0))
        if root >= _NEARLY * reach:
            break
        if grown and fall - before <= _FLAT * max(1.0, fall):
            near = fall - _NEAR * max(fall, 0.0)  # what lies further out shows nothing new
            shown = sum(loglik - value < near for value in logliks) + 1
            return _Side(distances[:shown], logliks[:shown], found.loglik)
        start, last = found.point, distance
        slope = slope_of(found, row, sign)
        aim = min(reach, root + reach / count)
        step = (aim - root) * root / slope if slope > 0 and root > 0 else math.inf
        distance = min(last + step, max(_GROWTH * last, last + 1.5 * even))
        if distance >= end:
            distance = (last + end) / 2
            if end - last <= _CLOSE * error:
                break
    return _Side(distances, logliks, math.nan)
