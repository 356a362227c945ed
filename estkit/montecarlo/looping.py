"""Data sets one by one through estimators, with little time between the calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import StudyError, in_words
from estkit.montecarlo.outcomes import Failure
from estkit.montecarlo.sampling import Drawn

if TYPE_CHECKING:
    from estkit.montecarlo.estimators import Estimator

Spent = dict[str, tuple[float, int]]  # the processor's seconds by estimator, of how many replicates
_NUMBERS = frozenset({float, np.float64})  # as nearly all answers are
_SLOW = 2e-4  # seconds: of a replicate that takes longer, it costs nothing to take the time
_SELDOM = 100  # of other replicates the time of one in so many is taken


def answer_each(
    drawn: Drawn,
    need: int,
    given: list[tuple[Estimator, list[Any]]],
    noted: dict[str, dict[int, str]],
    caught: list[Any],
    spent: Spent,
    *,
    keep: bool,
) -> tuple[list[Any], BaseException | None]:
    """Add the answers to data sets one by one; return the truths, and what ended it if anything.

    Parameters
    ----------
    drawn : Drawn
        The data sets.
    need : int
        How many of them to go through.
    given : list of pairs
        The estimators, each with the list of its answers.
    noted : dict
        By estimator, the first warning of each replicate that gave one.
    caught : list
        Where warnings are recorded.
    spent : dict
        Where the time of each estimator is noted, of some replicates if they are quick.
    keep : bool
        Whether data sets are asked for again.
    """
    truths: list[Any] = []
    form, waiting, calls = 0, True, _direct(given, 0)
    clock = _Clock(len(given), min(1, need - 1))
    try:
        for row in range(need):
            data, truth = drawn.data(row, keep=keep)
            number = drawn.first + row
            now = form_of(data)
            if waiting or now != form:
                form, calls = now, _direct(given, now)
                waiting = any(call is None for call, _, _ in calls)
            parts = data if type(data) is tuple else (data,)
            caught.clear()
            for call, append, estimator in clock.taking(calls) if row == clock.due else calls:
                if call is None:
                    append(estimator.answer(data, number))
                else:
                    try:
                        answer = call(*parts)
                        append(answer if type(answer) in _NUMBERS else kept(answer))
                    except Exception as error:
                        append(failure(error))
                if caught:
                    noted[estimator.name][number] = str(caught[0].message)
                    caught.clear()
            if row == clock.due:
                clock.advance()
            truths.append(truth)
    except (StudyError, KeyboardInterrupt) as error:
        return truths, error
    for (estimator, _), seconds in zip(given, clock.seconds, strict=True):
        spent[estimator.name] = seconds, clock.timed
    return truths, None


_Answers = tuple[Callable[..., Any] | None, Callable[[Any], None], "Estimator"]


class _Clock:
    """Takes the processor's time of each estimator: of every replicate, or of some quick ones."""

    def __init__(self, estimators: int, first: int) -> None:
        self.seconds, self.timed = [0.0] * estimators, 0
        self.due = first  # the second of a block, when all that it needs is near
        self._before = 0.0

    def taking(self, calls: list[_Answers]) -> list[_Answers]:
        """Return calls of which the time is taken when their answer is kept, beginning now."""
        timed: list[_Answers] = [
            (call, partial(self._keep, place, append), estimator)
            for place, (call, append, estimator) in enumerate(calls)
        ]
        self._before = time.thread_time()
        return timed

    def _keep(self, place: int, append: Callable[[Any], None], answer: Any) -> None:
        now = time.thread_time()
        self.seconds[place] += now - self._before
        append(answer)
        self._before = now

    def advance(self) -> None:
        """Go on to the next replicate whose time is taken."""
        self.timed += 1
        self.due += 1 if sum(self.seconds) > _SLOW * self.timed else _SELDOM


def _direct(given: list[tuple[Estimator, list[Any]]], form: int) -> list[_Answers]:
    """Return a direct call for data of a form where an estimator has one: not for the first."""
    return [(estimator.direct.get(form), own.append, estimator) for estimator, own in given]


def form_of(data: Any) -> int:
    """Return how many arrays of numbers a tuple holds, 0 for a single one, -1 for anything else."""
    if type(data) is np.ndarray:
        return -1 if data.dtype.kind == "O" else 0
    if type(data) is tuple:
        for part in data:
            if type(part) is not np.ndarray or part.dtype.kind == "O":
                return -1
        return len(data) or -1
    return 0 if type(data) is float else -1


def kept(answer: Any) -> Any:
    """Return an answer as it is now, should the function write the next one into the same place."""
    return answer.copy() if type(answer) in (np.ndarray, list, dict) else answer


def failure(error: Exception) -> Failure:
    """Return what stands in the place of an answer when a function raised."""
    reason = in_words(error)
    if "read-only" in reason:
        reason += " (all estimators share the data: copy them before changing them)"
    return Failure(reason)
