"""Stopping at a Monte-Carlo error: which numbers of replicates are looked at, and which is enough.

A look is taken after a pilot; what it says decides how many replicates the next one has, so there
are few looks. A decision rests on the leading replicates alone, never on the time or the order in
which they came, so any number of workers and any interruption lead to the same number.

To stop where an estimate happens to look precise is to favour some estimates. Two things hold that
down. The error of a rate is taken at (k + 2) / (n + 4), so that 50 of 50 is not an error of 0
(Agresti and Coull 1998). And a coverage is never judged by fewer replicates than intervals that
keep their level take, so that by far the most runs end at a number that was fixed beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError
from estkit.montecarlo import conditions as settings
from estkit.montecarlo.declaration import is_series
from estkit.montecarlo.gathering import Gathered
from estkit.montecarlo.measures import MEASURES
from estkit.montecarlo.summary import Cell, measured, named_measures

if TYPE_CHECKING:
    from estkit.montecarlo.outcomes import Outcomes
    from estkit.montecarlo.study import Study

PILOT = 100  # replicates of the first look, at least
_PILOT_GROUPS = 10  # and so many independent groups of them
_MARGIN = 1.1  # more than the last look asks for, so that the next one is the last one
_NOMINAL_MARGIN = 1.25  # the same where the number is fixed beforehand
_GROWTH = 10  # from one look to the next, at most: a pilot's error is rough
_COVERAGES = ("coverage", "bias_eliminated_coverage")
Targets = dict[str, tuple[float, ...]]


def targets_of(given: Any, conditions: Sequence[Mapping[str, Any]]) -> Targets:
    """Return the wanted Monte-Carlo error of each measure in each condition.

    Parameters
    ----------
    given : number or mapping
        A number is that of the bias. A mapping of measures to errors: each a number, a sequence
        with one for each condition, or a function of the condition; ``inf`` asks for nothing.
    conditions : sequence of mappings
        The conditions of the study.

    Raises
    ------
    DataError
        If a measure does not exist or an error is not positive.

    Examples
    --------
    >>> from estkit.montecarlo.stopping import targets_of
    >>> targets_of({"bias": 0.1, "coverage": lambda n: 0.1 / n}, [{"n": 10}, {"n": 20}])
    {'bias': (0.1, 0.1), 'coverage': (0.01, 0.005)}
    """
    wanted = dict(given) if isinstance(given, Mapping) else {"bias": given}
    if not wanted:
        raise DataError("target_mcse names no measure; say {'coverage': 0.005}.")
    targets: Targets = {}
    for name in named_measures(list(wanted)):
        goal = wanted[name]
        if callable(goal):
            goals = [settings.called("target_mcse", goal, condition) for condition in conditions]
        else:
            goals = list(goal) if is_series(goal) else [goal] * len(conditions)
        if len(goals) != len(conditions):
            raise DataError(
                f"target_mcse has {len(goals)} errors of {name} for {len(conditions)} conditions."
            )
        for error in goals:
            if isinstance(error, bool) or not isinstance(error, Real) or not float(error) > 0:
                raise DataError(
                    f"target_mcse of {name} must be a positive number, got {error!r}; a mapping "
                    f"such as {{'coverage': 0.005}} says of which measure it is."
                )
        targets[name] = tuple(float(error) for error in goals)
    return targets


def rate_error(rate: Any, count: Any) -> Any:
    """Return the standard error of a rate that is honest near 0 and 1, of numbers or arrays.

    Examples
    --------
    >>> from estkit.montecarlo.stopping import rate_error
    >>> round(float(rate_error(1.0, 50)), 3), round(float(rate_error(0.95, 5000)), 5)
    (0.027, 0.00309)
    """
    smoothed = (np.multiply(rate, count) + 2) / np.add(count, 4)
    return np.sqrt(smoothed * (1 - smoothed) / count)


def nominal_count(level: Any, target: Any) -> Any:
    """Return how many replicates a coverage takes where intervals keep their level."""
    return _NOMINAL_MARGIN * np.multiply(level, np.subtract(1, level)) / np.square(target)


def least_count(measure: str, level: Any, target: Any) -> Any:
    """Return how many replicates there must be for a measure, whatever they say."""
    return nominal_count(level, target) if measure in _COVERAGES else 0


def next_count(count: Any, error: Any, target: Any, least: Any = 0) -> Any:
    """Return at how many replicates to look next; the same number where they are enough.

    Parameters
    ----------
    count : int or array
        How many replicates were looked at.
    error : float or array
        The Monte-Carlo error in them; nan where they cannot tell.
    target : float or array
        The error that is wanted.
    least : float or array
        How many replicates there must be, whatever they say.

    Examples
    --------
    >>> from estkit.montecarlo.stopping import next_count
    >>> [int(next_count(100, error, 0.01)) for error in (0.009, 0.0101, 0.03, 1.0)]
    [100, 113, 990, 1000]
    """
    count = np.asarray(count, dtype=float)
    ratio = np.where(np.isnan(error), np.inf, np.square(error / np.asarray(target)))
    further = np.ceil(count * np.clip(_MARGIN * ratio, _MARGIN, _GROWTH))
    goal = np.where(ratio > 1, further, count)
    return np.where(count < least, np.ceil(least), goal).astype(np.int64)


def honest_error(cell: Cell, measure: str) -> float | None:
    """Return the error of a measure to stop by; nan if it cannot be told, None if it never can."""
    row = measured(cell, measure, 0.95)
    if not row["used"]:
        return math.nan if cell.draws.failed.all() else None
    if math.isnan(row["value"]):
        return None if row["used"] > 1 else math.nan
    if not MEASURES[measure].is_rate:
        return float(row["mcse"])
    return float(rate_error(row["value"], effective_count(row, cell.group)))


def effective_count(row: Mapping[str, Any], group: int) -> float:
    """Return the number of independent replicates in which a rate would have its error."""
    value, error = row["value"], row["mcse"]
    if error > 0:
        return float(value * (1 - value) / error**2)
    return float(math.ceil(row["used"] / group))


def looks(
    study: Study,
    gathered: Gathered,
    targets: Targets,
    most: Sequence[int],
    units: Sequence[int],
    met: set[int],
) -> Iterator[dict[int, int]]:
    """Yield the numbers of replicates to have in each condition, until all targets are met.

    Parameters
    ----------
    study : Study
        What is drawn and estimated.
    gathered : Gathered
        What was computed; between two yields it must have reached the numbers.
    targets : mapping
        See `targets_of`.
    most : sequence of int
        How many replicates each condition may have; changes to it are obeyed.
    units : sequence of int
        Of what number the replicates of a condition must be multiples, except the most.
    met : set of int
        The conditions that need no more replicates are put in here.
    """
    numbers = range(len(study.conditions))

    def rounded(goal: float, number: int) -> int:
        whole = math.ceil(goal / units[number]) * units[number]
        return min(most[number], whole)

    first = max(PILOT, _PILOT_GROUPS * study.group_size())
    counts = {number: rounded(first, number) for number in numbers}
    undecided = set(numbers)
    untold = set(targets)
    while undecided:
        yield dict(counts)
        leading = Leading(gathered, counts)
        goals: dict[int, int] = {}
        for cell in leading.cells():
            if cell.number not in undecided:
                continue
            own = _goals(cell, leading.outcomes(cell.number)[cell.estimator], targets)
            untold -= own.keys()
            goals[cell.number] = max(goals.get(cell.number, 0), *own.values(), 0)
        if untold:
            names = ", ".join(name for name in targets if name in untold)
            raise DataError(f"No estimator gives what {names} needs, so target_mcse cannot be met.")
        for number in sorted(undecided):
            if goals.get(number, 0) <= counts[number]:
                met.add(number)
                undecided.discard(number)
            elif counts[number] >= most[number]:
                undecided.discard(number)
            else:
                counts[number] = rounded(goals[number], number)


def _goals(cell: Cell, outcome: Outcomes, targets: Targets) -> dict[str, int]:
    """Return at how many replicates one cell asks to look, by measure that it can tell."""
    count = len(cell.draws.estimate)
    goals: dict[str, int] = {}
    for measure, each in targets.items():
        error, target = honest_error(cell, measure), each[cell.number]
        if error is not None:
            goals[measure] = 0
        if error is not None and target < math.inf:
            least = least_count(measure, outcome.level, target)
            goals[measure] = int(next_count(count, error, target, least))
    return goals


class Leading(Gathered):
    """The first replicates of each condition among those that were gathered.

    Parameters
    ----------
    gathered : Gathered
        All that was computed.
    counts : mapping of int to int
        How many of each condition.
    """

    def __init__(self, gathered: Gathered, counts: Mapping[int, int]) -> None:
        super().__init__(gathered.study, gathered.seed)
        self._gathered, self._counts = gathered, counts
        self._cut: dict[int, Mapping[str, Outcomes]] = {}

    def count(self, number: int) -> int:
        """Return how many leading replicates of a condition there are."""
        return min(self._counts.get(number, 0), self._gathered.count(number))

    def outcomes(self, number: int) -> Mapping[str, Outcomes]:
        """Return the outcomes of a condition by estimator and control variate."""
        if number not in self._cut:
            count, whole = self.count(number), self._gathered.outcomes(number)
            self._cut[number] = {name: each.rows(0, count) for name, each in whole.items()}
        return self._cut[number]

    def truths(self, number: int) -> list[Any] | None:
        """Return the truths that came with the data sets of a condition, if they came."""
        own = self._gathered.truths(number)
        return None if own is None else own[: self.count(number)]

    def cells(self) -> Iterator[Cell]:
        """Yield every parameter of every estimator in every condition."""
        from estkit.montecarlo.result import StudyResult

        return StudyResult.of(self.study, self.seed, self, self.study.truth)._cells()
