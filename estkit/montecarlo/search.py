"""The search for a place at which a measure reaches a target.

A coarse search with few replicates finds the neighbourhood of the answer; there all places have
the same random numbers, so that they are told apart. Evaluations around it with more replicates
move the centre, and the last ones give the answer: from streams of their own, so that the search
does not spoil the interval (retrospective approximation, Chen and Schmeiser 2001), and from
different ones at each place, so that their errors average out along the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from estkit.errors import StudyError
from estkit.estimate import normal_quantile
from estkit.montecarlo.crossing import (
    Line,
    Seen,
    height,
    line_through,
    reach,
    uncertainty,
)
from estkit.montecarlo.evaluations import SEARCH, Evaluations
from estkit.montecarlo.measures import MEASURES
from estkit.montecarlo.solution import Solution

_COARSE = 400  # replicates of an evaluation in the search, at least
_CLEAR = 4.0  # so many standard errors apart are different
_HALVINGS = 12  # of the interval that holds the answer
_RECENTRED = 6  # how often the centre may move
_PLACES = (-1.0, -1 / 3, 1 / 3, 1.0)  # of evaluations around the centre


class Search(Evaluations):
    """The way from evaluations near some start to the line on which the answer lies."""

    def neighbourhood(
        self, start: float, ends: Sequence[float], replicates: int
    ) -> tuple[float, float, float]:
        """Return a place near the answer, the slope there, and a short step, on scales."""
        coarse = max(_COARSE, replicates // 20)
        self.evaluate(sorted({start, *ends}), coarse, 0)
        upwards = True
        while not self._crossed():
            following = self._further(upwards)
            if following is None:
                self._refuse(replicates)
                break
            upwards = following > max(each.at for each in self.seen)
            self.evaluate([following], coarse, 0)
            upwards = not upwards
        self._check_monotone()
        step = reach(self.scale, coarse)
        if math.isnan(step):
            low, high = self._crossed()[0]
            step = max(abs(height(high, self.scale) - height(low, self.scale)) / 4, 1e-300)
        self._bisect(coarse, 2 * step)
        for _ in range(3):  # closer, with the points that are near weighing most
            center, slope = self._guess(step)
            place = self._place(center)
            if any(each.at == place for each in self.seen):
                break
            self.evaluate([place], coarse, 0)
        center, slope = self._guess(step)
        return center, slope, step

    def _bisect(self, replicates: int, distance: float) -> None:
        """Halve the interval that holds the answer until its ends are near the target."""
        for _ in range(_HALVINGS):
            pair = self._crossed()[0]
            if max(self._away(each) for each in pair) <= distance:
                return
            place = self._place(sum(self.entry.to(each.at) for each in pair) / 2)
            if any(each.at == place for each in self.seen):
                return
            self.evaluate([place], replicates, 0)

    def _away(self, seen: Seen) -> float:
        """Return how far the measure is from the target, on its scale."""
        return abs(height(seen, self.scale) - self.scale.to(self.target))

    def _crossed(self) -> list[tuple[Seen, Seen]]:
        """Return neighbours on two sides of the target."""
        ordered = sorted(self.seen, key=lambda each: each.at)
        return [
            (a, b)
            for a, b in pairwise(ordered)
            if (a.value - self.target) * (b.value - self.target) <= 0
        ]

    def _further(self, upwards: bool) -> float | None:
        """Return the next place to look at, outside of those that were; None if there is none."""
        ordered = sorted(self.seen, key=lambda each: each.at)
        first, last = ordered[0], ordered[-1]
        rise = height(last, self.scale) - height(first, self.scale)
        noise = math.hypot(uncertainty(first, self.scale), uncertainty(last, self.scale))
        if abs(rise) > _CLEAR / 2 * noise:
            upwards = (rise > 0) == (self.target > last.value)
        above, below = self._beyond(last.at, 1), self._beyond(first.at, -1)
        choices = (above, below) if upwards else (below, above)
        return next((choice for choice in choices if choice is not None), None)

    def _beyond(self, place: float, sign: int) -> float | None:
        low, high = self.bounds
        if place == (high if sign > 0 else low):
            return None
        further = place * 2.0**sign if low > 0 else place + sign * (high - low) / 4
        further = min(max(further, low), high)
        return round(further) if self.whole else further

    def _refuse(self, replicates: int) -> None:
        """Look at both ends again with all replicates; raise if the target is not between them."""
        low, high = self.bounds
        first, last = self.evaluate([low, high], replicates, 1)
        if (first.value - self.target) * (last.value - self.target) <= 0:
            self.seen = [first, last]
            return
        self._check_monotone()
        raise StudyError(
            f"{self.measure} {self.target:g} is not reached for {self.name} from {low:g} to "
            f"{high:g}: it is {first.value:.4g} ({first.mcse:.2g}) and {last.value:.4g} "
            f"({last.mcse:.2g}) there, in brackets the Monte-Carlo standard errors. Give other "
            f"bounds, or another target."
        )

    def _check_monotone(self) -> None:
        """Raise when the measure clearly rises and clearly falls."""
        ordered = sorted((e for e in self.seen if e.stage in SEARCH), key=lambda each: each.at)
        kinds: dict[bool, tuple[Seen, Seen]] = {}
        for i, a in enumerate(ordered):
            for b in ordered[i + 1 :]:
                rise = height(b, self.scale) - height(a, self.scale)
                noise = math.hypot(uncertainty(a, self.scale), uncertainty(b, self.scale))
                if abs(rise) > _CLEAR * noise and a.at < b.at:
                    kinds[rise > 0] = a, b
        if len(kinds) == 2:
            said = " and ".join(
                f"{'rises' if rising else 'falls'} from {a.value:.4g} at {a.at:g} to {b.value:.4g} "
                f"at {b.at:g}"
                for rising, (a, b) in sorted(kinds.items(), reverse=True)
            )
            raise StudyError(
                f"{self.measure} does not rise or fall throughout: over {self.name} it {said}. "
                f"Give bounds between which it does."
            )

    def _guess(self, step: float) -> tuple[float, float]:
        """Return the crossing and slope of a line through all evaluations, near ones first."""
        x = np.array([self.entry.to(each.at) for each in self.seen])
        y = np.array([height(each, self.scale) for each in self.seen])
        noise = np.array([max(uncertainty(each, self.scale), 1e-300) for each in self.seen])
        away = (y - self.scale.to(self.target)) / (1.5 * step)
        weight = np.exp(-0.5 * np.minimum(away**2, 50.0)) / (noise**2 + (0.3 * step) ** 2)
        middle = float(weight @ x / weight.sum())
        spread = float(weight @ (x - middle) ** 2)
        slope = float(weight @ ((x - middle) * y)) / spread if spread > 0 else 0.0
        level = float(weight @ y / weight.sum())
        first, last = int(np.argmin(x)), int(np.argmax(x))
        chord = float((y[last] - y[first]) / (x[last] - x[first]))
        if slope * chord <= 0:  # what is near says nothing
            slope = chord
        if not slope:
            raise StudyError(
                f"{self.measure} does not change with {self.name}: it was {self.last()}."
            )
        return self._inside(middle + (self.scale.to(self.target) - level) / slope), slope

    def _inside(self, place: float) -> float:
        low, high = (self.entry.to(bound) for bound in self.bounds)
        return min(max(place, low), high)

    def _place(self, at: float) -> float:
        place = self.entry.back(at)
        place = round(place) if self.whole else place
        return min(max(place, self.bounds[0]), self.bounds[1])

    def refined(self, center: float, slope: float, step: float, replicates: int) -> Line:
        """Return the line through evaluations around the answer, after the centre has settled."""
        moved, stage, count = 0, 2, max(_COARSE, replicates // 4)
        while True:
            near = reach(self.scale, count)
            near = step if math.isnan(near) else near
            places = self._around(center, near / abs(slope))
            seen = self.evaluate(places, count, stage)
            line = line_through(seen, self.target, self.scale, self.entry)
            if not abs(line.slope) > 3 * line.slope_error:
                if moved < _RECENTRED:  # farther apart, with more replicates
                    slope /= 2
                    count, stage, moved = replicates, stage + 1, moved + 1
                    continue
                raise StudyError(
                    f"{self.measure} hardly changes with {self.name} near {places[0]:g} to "
                    f"{places[-1]:g}: {seen[0].value:.4g} ({seen[0].mcse:.2g}) to "
                    f"{seen[-1].value:.4g} ({seen[-1].mcse:.2g}), so that no {self.name} can be "
                    f"told. Take more replicates, or other bounds."
                )
            ends = [self.entry.to(each.at) for each in (seen[0], seen[-1])]
            beyond = max(ends[0] - line.root, line.root - ends[1])
            settled = beyond <= 0.25 * (ends[1] - ends[0])
            steep = len(places) > 2 and max(map(self._away, seen)) > 4 * near
            settled = settled and (not steep or (self.whole and places[-1] - places[0] <= 3))
            if settled and count >= replicates:
                return line
            center, slope = self._inside(line.root), line.slope
            if settled:
                count = replicates
            else:
                center, slope = self._guess(near)
            moved, stage = moved + 1, stage + 1
            if moved > _RECENTRED:
                raise StudyError(
                    f"The search for {self.name} did not settle; the last evaluations were "
                    f"{self.last()}. Take more replicates, or bounds closer to the answer."
                )

    def _around(self, center: float, distance: float) -> list[float]:
        """Return places on both sides of a centre."""
        places = sorted({self._place(self._inside(center + t * distance)) for t in _PLACES})
        if self.whole:
            low, high = (round(bound) for bound in self.bounds)
            below = min(max(math.floor(self.entry.back(center)), low), high - 1)
            places = sorted({*places, *([below, below + 1] if len(places) < 3 else [])})
        return places

    # the answer

    def solution(self, line: Line, level: float) -> Solution:
        """Return the answer of the last line."""
        half = normal_quantile(level) * line.error
        crossing = self.entry.back(line.root)
        ends = sorted(self.entry.back(line.root + sign * half) for sign in (-1, 1))
        value, (lower, upper) = crossing, ends
        if self.whole:
            wants_more = self.formula.is_rate and self.measure != "failure_rate"
            own = MEASURES.get(self.measure) is not self.formula  # of which that is not known
            cut = math.ceil if own or (line.slope > 0) == wants_more else math.floor
            value, lower, upper = (cut(round(end, 9)) for end in (crossing, *ends))
        low, high = self.bounds
        value, lower, upper = (min(max(end, low), high) for end in (value, lower, upper))
        reached, error = line.at(self.entry.to(value))
        achieved = self.scale.back(reached)
        last = self.seen[-1].stage
        return Solution(
            self.name, value, lower, upper, level, crossing,
            line.error / self.entry.slope(crossing), self.measure, *self.who, self.target, achieved,
            error / self.scale.slope(achieved), dict(self.condition),
            {"entropy": self.seed.entropy, "spawn_key": list(self.seed.spawn_key)},
            tuple(
                {self.name: each.at, "value": each.value, "mcse": each.mcse, "used": each.used,
                 "stage": each.stage, "last": each.stage == last}
                for each in self.seen
            ),
        )  # fmt: skip
