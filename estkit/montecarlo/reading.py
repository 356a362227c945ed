"""How outcomes are read: at which level, which replicates count, what is a rejection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import check_level
from estkit.montecarlo.influence import Floats
from estkit.montecarlo.intervals import check_rate_interval

MISSING = ("pairwise", "complete", "worst")
_ROUNDING = 1e-9  # 1 - 0.95 is above 0.05 by rounding, and yet the same level


@dataclass(frozen=True)
class Reading:
    """How outcomes are read.

    Parameters
    ----------
    level : float
        The confidence level of the Monte-Carlo intervals.
    missing : {"pairwise", "complete", "worst"}
        What becomes of replicates without an answer; see `selection.selected`.
    rate_interval : {"wilson", "clopper_pearson"}
        The interval of rates.
    alpha : float
        A p-value of at most this is a rejection.
    null : float or mapping, optional
        The value, or one for each parameter, that an interval must leave out to reject it. By
        default p-values decide where there are some, and otherwise the interval, on 0.
    """

    level: float = 0.95
    missing: str = "pairwise"
    rate_interval: str = "wilson"
    alpha: float = 0.05
    null: Any = None

    def __post_init__(self) -> None:
        check_level(self.level)
        check_rate_interval(self.rate_interval)
        if self.missing not in MISSING:
            raise DataError(f"missing must be one of {MISSING}, got {self.missing!r}.")
        if not 0 < self.alpha < 1:
            raise DataError(f"alpha must lie strictly between 0 and 1, got {self.alpha!r}.")
        given = self.null.values() if isinstance(self.null, Mapping) else [self.null]
        for value in given:
            if value is not None and not isinstance(value, int | float | np.number):
                raise DataError(f"null must be a number, or one by parameter; got {self.null!r}.")

    @property
    def choices(self) -> dict[str, Any]:
        """Which replicates count and what is a rejection, as options of `StudyResult`."""
        return {"missing": self.missing, "alpha": self.alpha, "null": self.null}

    def rejection(self) -> str:
        """Return in words what is a rejection."""
        if self.null is None:
            return (
                f"A rejection is a p-value of at most {self.alpha:g} or, without p-values, an "
                f"interval that leaves out 0."
            )
        several = isinstance(self.null, Mapping)
        pairs = [f"{value:g} for {name}" for name, value in self.null.items()] if several else []
        return f"A rejection is an interval that leaves out {', '.join(pairs) or self.null}."

    def check_null(self, parameters: Iterable[str]) -> None:
        """Raise if `null` names a parameter that there is not."""
        unknown = set(self.null if isinstance(self.null, Mapping) else ()) - (
            known := {*parameters}
        )
        if unknown and known:
            raise DataError(
                f"null names {sorted(unknown)[0]!r}; the parameters are {', '.join(sorted(known))}."
            )

    def rejected(self, parameter: str, lower: Floats, upper: Floats, p_value: Floats) -> Floats:
        """Return 1 for replicates that reject the null hypothesis, 0 for others, nan if unknown."""
        if all(each.strides == (0,) and np.isnan(each[:1]).all() for each in (lower, p_value)):
            return np.broadcast_to(np.nan, lower.shape)  # without memory, as they are
        null = self.null.get(parameter) if isinstance(self.null, Mapping) else self.null
        if null is None and not np.isnan(p_value).all():
            unknown, found = np.isnan(p_value), p_value <= self.alpha * (1 + _ROUNDING)
        else:
            null = 0.0 if null is None else float(null)
            unknown, found = np.isnan(lower) | np.isnan(upper), (lower > null) | (upper < null)
        return np.where(unknown, np.nan, found)
