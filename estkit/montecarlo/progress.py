"""The progress of a run: replicates, time left, and the Monte-Carlo error so far."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from estkit import parallel
from estkit.errors import EstkitError
from estkit.montecarlo.budget import Course
from estkit.montecarlo.gathering import Gathered
from estkit.montecarlo.stopping import Leading, honest_error

_SECONDS = 0.5  # between two notes


class Progress:
    """A progress bar that costs little: an error is computed when the replicates have doubled.

    Between, it falls with the root of their number.

    Parameters
    ----------
    course : Course
        What there is to do.
    gathered : Gathered
        What was done.
    show : bool
        Whether there is a bar at all.
    """

    def __init__(self, course: Course, gathered: Gathered, *, show: bool) -> None:
        self._course, self._gathered, self._show = course, gathered, show
        self._measure = next(iter(course.targets), "bias")
        self._known: dict[int, tuple[int, float]] = {}
        self._next = 0.0
        self._forward: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> Progress:
        bar = parallel.progress_bar(
            self._course.total, show=self._show, unit="rep", description="study"
        )
        self._forward = self._stack.enter_context(bar)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def forward(self, number: int, steps: int) -> None:
        """Tell that a condition has so many more replicates."""
        if not self._show:
            return
        note, now = "", time.monotonic()
        if now >= self._next:
            note = self._note(number, now)
            self._next = time.monotonic() + _SECONDS
        self._forward(steps, note, self._course.total)

    def _note(self, number: int, now: float) -> str:
        error = self._error(number)
        notes = [f"mcse of {self._measure} {error:.2g}"] if math.isfinite(error) else []
        if notes and self._measure in self._course.targets:
            notes[0] += f" (target {self._course.targets[self._measure][number]:.2g})"
        if self._course.deadline < math.inf:
            notes.append(f"at most {max(0.0, self._course.deadline - now):.0f} s left")
        return ", ".join(notes)

    def _error(self, number: int) -> float:
        """Return the largest error of the measure in a condition."""
        count = self._gathered.count(number)
        known, error = self._known.get(number, (0, math.nan))
        if count >= 2 * known:
            try:
                cells = Leading(self._gathered, {number: count}).cells()
                found = [honest_error(cell, self._measure) for cell in cells]
            except EstkitError:  # what is wrong will be told where it is needed
                found = []
            error = max((e for e in found if e is not None and math.isfinite(e)), default=math.nan)
            known = count
            self._known[number] = known, error
        return error * math.sqrt(known / count)
