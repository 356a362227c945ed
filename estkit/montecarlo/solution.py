"""``Solution``: the entry of a condition at which a measure reaches its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estkit.estimate import plain, with_error
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Solution(Tabular):
    """Where a performance measure reaches a target, with the error that chance leaves.

    Parameters
    ----------
    name : str
        The entry of the condition that was solved for.
    value, lower, upper : float or int
        The answer and its Monte-Carlo interval; of a whole number the first that reaches the
        target.
    level : float
        The confidence level of the interval.
    crossing, crossing_error : float
        Where the measure crosses the target between whole numbers, and its standard error.
    measure, estimator, parameter : str
        What was solved for.
    target : float
        The value that was wanted.
    achieved, mcse : float
        The measure at the answer, and its Monte-Carlo standard error.
    condition : dict
        The other entries of the condition.
    seed : dict
        ``entropy`` and ``spawn_key``: the same seed gives the same answer.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import stats
    >>> import estkit as ek
    >>> def t_test(x):
    ...     low, high = stats.ttest_1samp(x, 0.0, axis=-1).confidence_interval()
    ...     return ek.Estimate(x.mean(axis=-1), lower=low, upper=high)
    >>> study = ek.Study(
    ...     ek.vectorized(lambda rng, replicates, n: rng.normal(0.5, size=(replicates, n))),
    ...     {"t": ek.vectorized(t_test)},
    ...     truth=0.5,
    ... )
    >>> ek.solve(study, "n", measure="power", target=0.8, rng=1)
    Solution(n=33, 95% interval 33 to 34; power 0.8004 (0.0032))
    """

    name: str
    value: float | int
    lower: float | int
    upper: float | int
    level: float
    crossing: float
    crossing_error: float
    measure: str
    estimator: str
    parameter: str
    target: float
    achieved: float
    mcse: float
    condition: dict[str, Any]
    seed: dict[str, Any]
    _evaluations: tuple[dict[str, Any], ...]

    def __repr__(self) -> str:
        at, error = with_error(self.achieved, self.mcse)
        value, low, high = (f"{number:.6g}" for number in (self.value, self.lower, self.upper))
        return (
            f"Solution({self.name}={value}, {100 * self.level:g}% interval {low} to {high}; "
            f"{self.measure} {at} ({error}))"
        )

    @property
    def evaluations(self) -> pd.DataFrame:
        """Every evaluation: the entry, value, mcse, used (replicates) and stage."""
        import pandas as pd

        return pd.DataFrame(list(self._evaluations))

    def to_frame(self) -> pd.DataFrame:
        """Return the evaluations."""
        return self.evaluations

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        own = {key: value for key, value in self.__dict__.items() if key != "_evaluations"}
        return {"format": "estkit.Solution", "version": 1, **plain(own),
                "evaluations": plain(list(self._evaluations))}  # fmt: skip

    def _table(self) -> Table:
        rows = self._evaluations
        errors = [row["mcse"] for row in rows]
        columns = [
            Column(self.name, [row[self.name] for row in rows]),
            Column(self.measure, [row["value"] for row in rows], error=errors),
            Column("mcse", errors, error=errors),
            Column("replicates", [row["used"] for row in rows], style="count"),
        ]
        return Table(columns, repr(self), ["The answer rests on the last stage alone."])
