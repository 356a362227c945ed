"""Observations of which only bounds are known, or that could be seen within bounds only."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError
from estkit.labels import read_labels
from estkit.likelihood.family import Floats
from estkit.values import refuse_masked


@dataclass(frozen=True, eq=False)
class Censored:
    """Values known to lie between bounds, for `fit` with a `Distribution`.

    Parameters
    ----------
    lower, upper : array-like of shape (n,), or number
        Row i lies in [lower, upper], both ends included. Equal bounds are an exact value; a lower
        bound of -inf says that it is left-censored, an upper one of inf right-censored.
    truncated_below, truncated_above : array-like of shape (n,), or number
        The row could only come to be seen because its value lies between these, ends included: an
        age at entry, a limit of detection below which nothing was written down. It divides the
        likelihood by the probability of being seen. A bound of the value that lies outside is
        taken to be the end.

    Raises
    ------
    DataError
        If a bound is missing, a lower one lies above its upper one, a row says nothing because
        both are infinite, or its value could not have been seen.

    Notes
    -----
    A row contributes log f(x) if it is exact, else log P(lower ≤ X ≤ upper); of both log
    P(truncated_below ≤ X ≤ truncated_above) is subtracted. Counts lie in intervals that include
    both ends, so the zero-truncated Poisson is ``truncated_below=1``. What censors must not depend
    on the value otherwise than through the bounds.

    Examples
    --------
    Weeks until relapse, two patients still well when they were last seen:

    >>> import estkit as ek
    >>> weeks = ek.Censored(
    ...     [5.0, 8.0, 12.0, 15.0, 30.0], [5.0, 8.0, 12.0, float("inf"), float("inf")]
    ... )
    >>> fit = ek.fit(ek.Distribution("expon"), weeks)
    >>> fit.params.round(3), fit.std_errors.round(3)
    (array([23.333]), array([13.472]))
    """

    lower: Any
    upper: Any
    truncated_below: Any = field(default=-math.inf, kw_only=True)
    truncated_above: Any = field(default=math.inf, kw_only=True)

    def __post_init__(self) -> None:
        names = ("lower", "upper", "truncated_below", "truncated_above")
        data.check_same_index(**{name: getattr(self, name) for name in names})
        bounds = {name: _read_bound(getattr(self, name), name) for name in names}
        rows = max(len(bounds[name]) for name in names)
        for name, bound in bounds.items():
            if len(bound) not in (1, rows):
                raise DataError(f"{name} has {len(bound)} rows, others have {rows}.")
            object.__setattr__(self, name, np.broadcast_to(bound, rows))
        self._check()

    def _check(self) -> None:
        lower, upper, below, above = (
            self.lower,
            self.upper,
            self.truncated_below,
            self.truncated_above,
        )
        with np.errstate(invalid="ignore"):
            _refuse(lower > upper, "has a lower bound above its upper one", lower, upper)
            same = (lower == upper) & np.isinf(lower)
            _refuse(same, "has infinite bounds on the same side", lower, upper)
            _refuse(np.isinf(lower) & np.isinf(upper), "says nothing: drop it", lower, upper)
            _refuse(below >= above, "could be seen nowhere, truncated to", below, above)
            unseen = (upper < below) | (lower > above)
        if unseen.any():
            row = int(np.argmax(unseen))
            raise DataError(
                f"row {row} (counted from 0) lies in [{lower[row]:g}, {upper[row]:g}], outside "
                f"[{below[row]:g}, {above[row]:g}] where it could be seen; drop it or correct the "
                f"truncation."
            )

    def __len__(self) -> int:
        return len(self.lower)


def _read_bound(given: Any, what: str) -> Floats:
    """Return a bound for each row, or for all; infinite ones are welcome."""
    refuse_masked(given, what)
    try:
        values = np.atleast_1d(np.asarray(given, dtype=float)).astype(float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} must hold numbers, -inf or inf; {error}.") from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or not values.size:
        raise DataError(f"{what} must be a number or a vector, got shape {values.shape}.")
    if np.isnan(values).any():
        row = int(np.argmax(np.isnan(values)))
        raise DataError(
            f"{what}: row {row} (counted from 0) is missing (nan); write -inf or inf where "
            f"there is no bound."
        )
    return values


def _refuse(wrong: NDArray[np.bool_], found: str, first: Floats, second: Floats) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"row {row} (counted from 0) {found} ({first[row]:g}, {second[row]:g}); a row lies in "
            f"[lower, upper]."
        )


@dataclass(frozen=True, eq=False)
class Observations:
    """The checked rows that a distribution is fitted to.

    Parameters
    ----------
    lower, upper : array of shape (n,)
        The bounds of each row; the same array if all are exact.
    below, above : array of shape (n,), optional
        Where the row could be seen, if that is not everywhere.
    weights : array of shape (n,), optional
        How many observations each row stands for, 1 or more.
    groups : array of shape (n,), optional
        The number of the group of each row.
    rows : array of shape (n,), optional
        The numbers of the rows as they were given, if some had weight 0.
    """

    lower: Floats
    upper: Floats
    below: Floats | None = None
    above: Floats | None = None
    weights: Floats | None = None
    groups: NDArray[np.int64] | None = None
    rows: NDArray[np.int64] | None = None

    @cached_property
    def total(self) -> float:
        """The sum of the lower bounds, without weights."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.lower.sum())

    @cached_property
    def least(self) -> float:
        """The smallest upper bound."""
        return float(self.upper.min())

    @property
    def exact(self) -> bool:
        """Whether each row is a value, and none was truncated."""
        return self.upper is self.lower and self.below is None

    @property
    def n_obs(self) -> int:
        """The number of observations."""
        return len(self.lower) if self.weights is None else int(self.weights.sum())

    def values(self) -> Floats:
        """Return a finite value for each row, within its bounds, to start from."""
        if self.upper is self.lower:
            return self.lower
        guess = np.where(np.isinf(self.upper), self.lower, self.upper)
        both = np.isfinite(self.lower) & np.isfinite(self.upper)
        return np.where(both, (self.lower + np.where(both, self.upper, 0.0)) / 2, guess)

    def refuse(self, wrong: NDArray[np.bool_], reason: str) -> None:
        """Raise at the first row that is wrong, quoting its value."""
        if wrong.any():
            first = int(np.argmax(wrong))
            row = first if self.rows is None else int(self.rows[first])
            shown = f"{self.lower[first]:g}"
            if self.upper[first] != self.lower[first]:
                shown = f"[{shown}, {self.upper[first]:g}]"
            raise DataError(f"X: row {row} (counted from 0) is {shown}; {reason}")

    def check_support(
        self, lower: float, upper: float, law: str, *, closed: bool, hint: str
    ) -> None:
        """Raise at the first row that is impossible whatever the parameters are."""
        least, most = self.least, float(self.lower.max()) if upper < math.inf else -math.inf
        if (lower < least and most < upper) or (closed and lower <= least and most <= upper):
            return
        outside = (self.upper < lower) | (self.lower > upper)
        self.refuse(outside, f"{law} is defined from {lower:g} to {upper:g}. {hint}")
        if not closed:
            at_end = (self.lower == self.upper) & ((self.lower == lower) | (self.lower == upper))
            self.refuse(
                at_end,
                f"the likelihood of {law} is 0 or infinite at the end of its support, {lower:g} to "
                f"{upper:g}, whatever the parameters. {hint}",
            )

    def active(self) -> Observations:
        """Return the rows that stand for any observation."""
        if self.weights is None or self.weights.all():
            return self
        kept = np.flatnonzero(self.weights)
        return replace(self.take(kept), rows=kept)

    def take(self, kept: Any) -> Observations:
        """Return some of the rows."""
        lower = self.lower[kept]
        upper = lower if self.upper is self.lower else self.upper[kept]

        def some(values: Any) -> Any:
            return None if values is None else values[kept]

        below, above, weights = some(self.below), some(self.above), some(self.weights)
        return Observations(lower, upper, below, above, weights, some(self.groups))

    def moved(self, origin: float, unit: float) -> Observations:
        """Return them as (x - origin) / unit."""
        if origin == 0.0 and unit == 1.0:
            return self

        def move(values: Any) -> Any:
            return None if values is None else (values - origin) / unit

        lower = move(self.lower)
        upper = lower if self.upper is self.lower else move(self.upper)
        return replace(
            self, lower=lower, upper=upper, below=move(self.below), above=move(self.above)
        )


def read_observations(X: Any, weights: Any, groups: Any) -> Observations:
    """Return the checked rows of a vector, a frame of one column, or censored data."""
    if type(X) is np.ndarray and X.ndim == 1 and X.dtype == float and weights is groups is None:
        values = np.ascontiguousarray(X)  # the usual case: nothing to read, and one pass to check
        given = Observations(values, values)
        if len(X) and math.isfinite(given.total):
            return given
    X = _from_scipy(X)
    if not isinstance(X, Censored):
        data.check_same_index(X=X, weights=weights, groups=groups)
        _refuse_table(X)
    below = above = None
    if isinstance(X, Censored):
        lower, upper = X.lower, X.upper
        if np.isfinite(X.truncated_below).any() or np.isfinite(X.truncated_above).any():
            below, above = X.truncated_below, X.truncated_above
        if (lower == upper).all():
            upper = lower
    else:
        lower = upper = data.read_vector(X, what="X")
    repeats = data.read_frequencies(weights, rows=len(lower))
    codes = None
    if groups is not None:
        codes = read_labels(groups, what="groups").codes
        data.check_rows("groups", len(codes), len(lower))
    return Observations(lower, upper, below, above, repeats, codes).active()


def _refuse_table(X: Any) -> None:
    if data.is_table(X):
        raise DataError(
            f"X has shape {np.shape(X)}; a distribution is fitted to one column of values. Pass "
            f"the bounds of censored values as ek.Censored(lower, upper)."
        )


def _from_scipy(X: Any) -> Any:
    """Return a scipy.stats.CensoredData as bounds; its rows are exact, left, right, between."""
    if type(X).__name__ != "CensoredData":
        return X
    # it has no public attributes; these have been there since the class came in scipy 1.11
    exact, left, right, between = X._uncensored, X._left, X._right, X._interval
    lower = [exact, np.full(len(left), -np.inf), right, between[:, 0] if len(between) else []]
    upper = [exact, left, np.full(len(right), np.inf), between[:, 1] if len(between) else []]
    return Censored(np.concatenate(lower), np.concatenate(upper))


def refuse_response(y: Any, offset: Any) -> None:
    """Raise for what belongs to a regression."""
    for name, given in (("y", y), ("offset", offset)):
        if given is not None:
            _refuse_argument(name)


def _refuse_argument(name: str) -> NoReturn:
    raise DataError(
        f"{name} belongs to a regression; a distribution is fitted to X alone, as in "
        f'ek.fit(ek.Distribution("gamma"), x).'
    )
