"""The course of a run: rounds through the conditions, until something ends it.

What ends a run cuts by replicate number. Time ends it after the work that was in progress, which is
kept: to drop what was not finished would drop slow replicates rather than fast ones.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from estkit import parallel
from estkit.errors import DataError, StudyError
from estkit.montecarlo.execution import Execution, Span
from estkit.montecarlo.gathering import Gathered
from estkit.montecarlo.outcomes import FIELDS
from estkit.montecarlo.stopping import Targets, looks, targets_of

if TYPE_CHECKING:
    from estkit.montecarlo.runs import Request
    from estkit.montecarlo.study import Study

_FIRST = 4  # replicates of each condition in the first round, where time or memory counts
_ROUNDS = 20  # into so many rounds, about, a time budget is divided
_TRUTH = 64  # bytes, about, of a truth that comes with a data set


@dataclass(frozen=True)
class Ending:
    """How many replicates each condition has, and what ended it; by the number of the condition.

    Parameters
    ----------
    conditions : tuple of mapping
        All conditions of the study, also those without replicates.
    replicates, asked : dict of int to int
        How many there are, and how many were asked for at most.
    ended : dict of int to str
        ``"complete"``, ``"target"``, ``"time"`` or ``"memory"``.
    seconds : dict of int to float
        Of one replicate on one worker; missing where it was not measured.
    targets : dict of str to tuple of float
        The Monte-Carlo errors that were asked for, by measure.
    spent : dict of (int, str) to (float, int)
        The processor's seconds of an estimator in a condition, and of how many replicates.
    """

    conditions: tuple[Mapping[str, Any], ...]
    replicates: dict[int, int]
    asked: dict[int, int]
    ended: dict[int, str]
    seconds: dict[int, float]
    targets: Targets = field(default_factory=dict)
    spent: dict[tuple[int, str], tuple[float, int]] = field(default_factory=dict)


class Course:
    """Says which spans of replicates come next, and in the end what ended the run.

    Parameters
    ----------
    study : Study
        What is drawn and estimated.
    request : Request
        What the run was asked for.
    gathered : Gathered
        What was computed so far.
    execution : Execution
        What computes.
    """

    def __init__(
        self, study: Study, request: Request, gathered: Gathered, execution: Execution
    ) -> None:
        self._study, self._request = study, request
        self._gathered, self._execution = gathered, execution
        self._most = list(request.replicates)
        self._numbers = range(len(self._most))
        self.total = sum(self._most)
        self.targets: Targets = {}
        self._met: set[int] = set()
        if request.target_mcse is not None:
            self.targets = targets_of(request.target_mcse, study.conditions)
        self.deadline = math.inf
        if request.max_seconds is not None:
            self.deadline = time.monotonic() + request.max_seconds

    def rounds(self) -> Iterator[list[Span]]:
        """Yield the spans to compute next."""
        if self._request.max_bytes is not None:
            yield from self._slices({n: self._rounded(n, _FIRST) for n in self._numbers})
            self._fit(self._request.max_bytes)
        if not self.targets:
            yield from self._slices(dict(enumerate(self._most)))
            return
        units = [self._unit(number) for number in self._numbers]
        for goals in looks(self._study, self._gathered, self.targets, self._most, units, self._met):
            yield from self._slices(goals)

    def in_time(self) -> bool:
        """Return whether there is time left."""
        return time.monotonic() < self.deadline

    def ending(self) -> Ending:
        """Return what ended each condition."""
        done = {number: self._gathered.count(number) for number in self._numbers}
        asked = dict(enumerate(self._request.replicates))
        ended = {}
        for number in self._numbers:
            if done[number] >= asked[number]:
                ended[number] = "complete"
            elif number in self._met:
                ended[number] = "target"
            else:
                short = done[number] < self._most[number]
                ended[number] = "time" if short else "memory"
        conditions = tuple(dict(condition) for condition in self._study.conditions)
        seconds = self._gathered.seconds()
        spent = self._gathered.spent()
        return Ending(conditions, done, asked, ended, seconds, self.targets, spent)

    def _slices(self, goals: Mapping[int, int]) -> Iterator[list[Span]]:
        """Yield what is missing to reach the goals: at once, or breadth first where time counts."""
        goals = {n: min(goal, self._most[n]) for n, goal in goals.items()}
        self.total = sum(goals.values())
        while True:
            have = {n: self._gathered.count(n) for n, g in goals.items()
                    if self._gathered.count(n) < g}  # fmt: skip
            if not have:
                return
            level = math.inf
            if self.deadline < math.inf:
                level = min(have.values())
                level += min(max(_FIRST, level), self._share(have))
            yield [Span(n, have[n], min(goals[n], self._rounded(n, level))) for n in have]

    def _share(self, numbers: Iterable[int]) -> float:
        """Return how many replicates of each condition take one of `_ROUNDS` parts of the time."""
        known = self._gathered.seconds()
        seconds = sum(known.get(number, 0.0) for number in numbers)
        if not seconds:
            return math.inf
        budget = float(self._request.max_seconds or 0) * parallel.workers(self._request.n_jobs)
        return max(1.0, budget / _ROUNDS / seconds)

    def _rounded(self, number: int, level: float) -> int:
        if level == math.inf:
            return self._most[number]
        unit = self._unit(number)
        return math.ceil(level / unit) * unit

    def _unit(self, number: int) -> int:
        """Return of what number the replicates of a condition should be multiples."""
        try:
            step = self._execution.step(number)
        except StudyError:
            step = 1  # the run will come across it, and keep what was computed before
        return math.lcm(step, self._study.group_size())

    def _fit(self, max_bytes: float) -> None:
        """Lower the most so that the outcomes fit into memory, with equal shares of replicates."""
        each = {n: self._bytes(n) for n in self._numbers}
        left, most = float(max_bytes), dict(enumerate(self._most))
        share = 0.0
        for done, number in enumerate(sorted(most, key=lambda n: most[n])):
            still = sorted(most, key=lambda n: most[n])[done:]
            share = left / sum(each[n] for n in still)
            if most[number] > share:
                break
            left -= most[number] * each[number]
        else:
            return
        for number in self._numbers:
            if most[number] > share:
                unit = self._unit(number)
                self._most[number] = max(math.floor(share / unit) * unit, unit)
                if self._most[number] > share:
                    raise DataError(
                        f"max_bytes={max_bytes:g} is too small: {unit} replicates of "
                        f"{len(most)} conditions take {unit * sum(each.values()):.3g} bytes."
                    )

    def _bytes(self, number: int) -> float:
        """Return how much memory the outcomes of one replicate take."""
        size = 0.0
        for outcome in self._gathered.outcomes(number).values():
            columns = [getattr(outcome, field) for field in FIELDS]
            kept = [c for c in columns if c is not None] + [outcome.status]
            size += sum(math.prod(c.shape[1:]) * c.itemsize for c in kept)
        return size + (_TRUTH if self._gathered.truths(number) else 0)
