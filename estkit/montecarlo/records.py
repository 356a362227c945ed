"""What happened in each replicate of a study, by condition, estimator and parameter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import STATUSES
from estkit.montecarlo.conditions import CONTROL, describe
from estkit.montecarlo.outcomes import FIELDS, Outcomes
from estkit.montecarlo.reading import Reading
from estkit.montecarlo.reduction import far_off
from estkit.montecarlo.selection import selected
from estkit.montecarlo.summary import Cell, draws_of
from estkit.montecarlo.truth import Truth

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("estimator", "parameter", "replicate", *FIELDS, "truth", "status", "reason")


class Records:
    """What a result holds, and the frames of it."""

    conditions: dict[int, dict[str, Any]]
    estimators: tuple[str, ...]
    design: dict[str, Any]
    _outcomes: Mapping[tuple[int, str], Outcomes]
    _truths: Mapping[tuple[int, str], Truth]

    def _of_estimators(self) -> Iterator[Outcomes]:
        for key in itertools.product(self.conditions, self.estimators):
            yield self._outcomes[key]

    @property
    def reduced(self) -> bool:
        """Whether there were antithetic draws or control variates."""
        return bool(self.design["antithetic"] or any(self.design["controls"].values()))

    def levels(self) -> list[float]:
        """Return the confidence levels of the intervals that the estimators answered with."""
        return sorted({outcome.level for outcome in self._of_estimators()})

    def counts(self) -> dict[int, int]:
        """Return how many replicates each condition has, by its number."""
        return {n: len(self._outcomes[n, self.estimators[0]]) for n in self.conditions}

    def _replicates(self) -> str:
        counts = sorted(set(self.counts().values())) or [0]
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"

    def _cells(self, reading: Reading | None = None, *, across: bool = False) -> Iterator[Cell]:
        """Yield the cells; `across` where conditions with common random numbers are compared."""
        reading, group = reading or Reading(), self.design["shared" if across else "group"]
        reading.check_null(n for outcome in self._of_estimators() for n in outcome.names or ())
        own_group = self.design["group"]
        nest = own_group if own_group > (2 if self.design["antithetic"] else 1) else 1
        for number, condition in self.conditions.items():
            (controls, doubt), own = self._controls(number), list[Cell]()
            for name in self.estimators:
                outcome, truth = self._outcomes[number, name], self._truths[number, name]
                for j, parameter in enumerate(outcome.names or ("",)):
                    draws, error = draws_of(outcome, truth, j, reading)
                    own.append(Cell(condition, number, name, parameter, draws, error,
                                    group, controls, nest, doubt))  # fmt: skip
                    if reading.missing == "pairwise":  # no other cell has a say
                        yield own.pop()
            yield from selected(own, reading.missing)

    def _controls(self, number: int) -> tuple[Any, str]:
        """Return the control variates of a condition less their expectations, and what is odd."""
        means, group = self.design["controls"][number], self.design["group"]
        if not means:
            return None, ""
        columns, doubts = [], []
        for name, mean in means.items():
            outcome = self._outcomes[number, CONTROL + name]
            if outcome.names is None or len(outcome.names) != 1 or outcome.status.any():
                why = next(iter(outcome.reasons.values()), f"names {outcome.names}")
                raise DataError(
                    f"control {name!r} must be one number in every data set of "
                    f"{describe(self.conditions[number])}; found {why}."
                )
            columns.append(outcome.estimate[:, 0] - mean)
            doubts.append(far_off(name, columns[-1], np.arange(len(outcome)) // group))
        return np.stack(columns, axis=1), "; ".join(filter(None, doubts))

    def cells(self) -> Iterator[Cell]:
        """Yield what measures are computed from: each parameter of each estimator and condition."""
        return self._cells()

    def failures(self) -> pd.DataFrame:
        """Return every replicate without a usable estimate: condition, estimator, status, reason.

        Examples
        --------
        >>> import estkit as ek
        >>> def picky(x):
        ...     if x[0] < 0:
        ...         raise ValueError("negative")
        ...     return x[0]
        >>> study = ek.Study(lambda rng: rng.normal(size=3), {"picky": picky}, truth=0.0)
        >>> study.run(4, rng=1).failures()
          estimator  replicate  status                reason
        0     picky          3  failed  ValueError: negative
        """
        return self._events("reasons")

    def warnings(self) -> pd.DataFrame:
        """Return every replicate in which an estimator gave a warning, and the first of them.

        Where workers are threads, Python cannot tell whose warning it is, and some are lost.
        """
        return self._events("warnings").drop(columns="status").rename(columns={"reason": "warning"})

    def _events(self, kind: str) -> pd.DataFrame:
        import pandas as pd

        rows = [
            {
                **self.conditions[number],
                "estimator": name,
                "replicate": replicate,
                "status": STATUSES[outcome.status[replicate - outcome.first]],
                "reason": reason,
            }
            for number in self.conditions
            for name in self.estimators
            for outcome in [self._outcomes[number, name]]
            for replicate, reason in sorted(getattr(outcome, kind).items())
        ]
        first = next(iter(self.conditions.values()), {})
        columns = [*first, "estimator", "replicate", "status", "reason"]
        return pd.DataFrame(rows, columns=columns)

    def outcomes(self) -> pd.DataFrame:
        """Return the outcome of every replicate, a row for each parameter.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
        >>> study.run(2, rng=1).outcomes()[["replicate", "estimate", "status"]].round(3)
           replicate  estimate status
        0          0    -0.049     ok
        1          1     0.081     ok
        """
        import pandas as pd

        frames = []
        for number, name in itertools.product(self.conditions, self.estimators):
            outcome = self._outcomes[number, name]
            size = len(outcome.names or ())
            shape = (len(outcome), size)
            status = np.array(STATUSES)[outcome.status]
            numbers = np.arange(outcome.first, outcome.first + len(outcome))
            reasons = [outcome.reasons.get(number, "") for number in numbers.tolist()]
            columns = {
                **{key: [value] * (len(outcome) * size)
                   for key, value in self.conditions[number].items()},
                "estimator": name,
                "parameter": list(outcome.names or ()) * len(outcome),
                "replicate": np.repeat(numbers, size),
                "estimate": outcome.estimate.ravel(),
                "std_error": outcome.column("std_error").ravel(),
                "lower": outcome.column("lower").ravel(),
                "upper": outcome.column("upper").ravel(),
                "p_value": outcome.column("p_value").ravel(),
                "truth": np.broadcast_to(self._truths[number, name].value, shape).ravel(),
                "status": np.repeat(status, size),
                "reason": np.repeat(reasons, size),
            }  # fmt: skip
            frames.append(pd.DataFrame(columns))
        if not frames:
            return pd.DataFrame(columns=[*_COLUMNS])
        return pd.concat(frames, ignore_index=True)
