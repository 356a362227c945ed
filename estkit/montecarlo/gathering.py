"""What a run has computed so far, by condition and estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from estkit import parallel
from estkit.montecarlo.execution import Block, Span
from estkit.montecarlo.joining import join
from estkit.montecarlo.outcomes import FIELDS, Outcomes

if TYPE_CHECKING:
    from estkit.montecarlo.budget import Ending
    from estkit.montecarlo.result import StudyResult
    from estkit.montecarlo.study import Study

K = TypeVar("K")
V = TypeVar("V")
_MANY = 1 << 18  # replicates whose outcomes are not held twice, which takes a little time
_JOINED = 64  # so many blocks are put together at a time, for small objects cost memory


class Gathered:
    """The blocks of a run, in memory.

    Parameters
    ----------
    study : Study
        What is drawn and estimated.
    seed : SeedSequence
        The seed of the run.
    """

    def __init__(self, study: Study, seed: np.random.SeedSequence) -> None:
        self.study, self.seed = study, seed
        self._blocks: dict[int, list[Block]] = {}
        self._loose: dict[int, int] = {}  # how many blocks at the end were not put together yet
        self._count: dict[int, int] = {}
        self._time: dict[int, list[float]] = {}  # seconds and replicates
        self._spent: dict[tuple[int, str], tuple[float, int]] = {}  # the same, by estimator
        self.ending: Ending | None = None  # what ended the run, when it has ended

    @property
    def total(self) -> int:
        """How many replicates there are, of all conditions together."""
        return sum(self._count.values())

    def count(self, number: int) -> int:
        """Return how many leading replicates of a condition there are."""
        return self._count.get(number, 0)

    def add(self, block: Block) -> None:
        """Keep a block that continues those of its condition, or repeats the end of them."""
        own = self._blocks.setdefault(block.condition, [])
        if block.first < self.count(block.condition):
            own[:] = [_before(block.first, old) for old in own if old.first < block.first]
        own.append(block)
        self._clock(block)
        self._count[block.condition] = block.first + block.size
        loose = self._loose.get(block.condition, 0) + 1
        if loose == _JOINED:
            own[-loose:] = [joined(own[-loose:])]
            loose = 0
        self._loose[block.condition] = loose

    def begin(self, spans: Sequence[Span]) -> None:
        """Begin each condition where its span does, as a shard does, instead of at 0."""
        raise NotImplementedError

    def _clock(self, block: Block) -> None:
        if block.seconds:
            seconds, replicates = self._time.get(block.condition, [0.0, 0])
            self._time[block.condition] = [seconds + block.seconds, replicates + block.size]
        for name, (seconds, timed) in block.spent.items():
            before, count = self._spent.get((block.condition, name), (0.0, 0))
            self._spent[block.condition, name] = before + seconds, count + timed

    def missing(self, span: Span) -> list[Span]:
        """Return what is still to be computed of a span that is asked for."""
        return [span._replace(start=max(span.start, self.count(span.condition)))]

    def flush(self) -> None:
        """Bring what was gathered to where it is safe; in memory it is where it can be."""

    def outcomes(self, number: int) -> Mapping[str, Outcomes]:
        """Return the outcomes of a condition by estimator and control variate."""
        own = self._blocks.get(number, [])
        if len(own) > 1:
            own[:] = [joined(own, release=True)]
            self._loose[number] = 0
        return dict(own[0].outcomes) if own else {}

    def truths(self, number: int) -> list[Any] | None:
        """Return the truths that came with the data sets of a condition, if they came."""
        return [t for block in self._blocks.get(number, []) for t in block.truths] or None

    def seconds(self) -> dict[int, float]:
        """Return how long a replicate took, by condition, where that was measured."""
        return {number: spent / size for number, (spent, size) in self._time.items() if size}

    def spent(self) -> dict[tuple[int, str], tuple[float, int]]:
        """Return the processor's seconds by condition and estimator, and of how many replicates."""
        return dict(self._spent)

    def by_condition(self, numbers: Sequence[int]) -> Mapping[tuple[int, str], Outcomes]:
        """Return the outcomes of several conditions by condition and name."""
        return {(n, name): own for n in numbers for name, own in self.outcomes(n).items()}

    def names(self, number: int, name: str) -> tuple[str, ...] | None:
        """Return the names of the parameters of an estimator."""
        return self.outcomes(number)[name].names

    def source_of_truths(self, number: int) -> Callable[[], Sequence[Any]] | None:
        """Return what gives the truths that came with the data sets, if they came."""
        own = self.truths(number)
        return None if own is None else lambda: own

    def mapping(self, makers: Mapping[K, Callable[[], V]]) -> Mapping[K, V]:
        """Return what functions make, at once or when it is asked for."""
        return {key: make() for key, make in makers.items()}

    def result(self, truth: Any) -> StudyResult:
        """Return what can be said of all that was gathered."""
        from estkit.montecarlo.result import StudyResult

        return StudyResult.of(self.study, self.seed, self, truth)


def _before(replicate: int, block: Block) -> Block:
    """Return what a block says of the replicates before a given one."""
    size = min(block.size, replicate - block.first)
    outcomes = {name: each.rows(0, size) for name, each in block.outcomes.items()}
    return Block(block.condition, block.first, size, outcomes, block.truths[:size])


def joined(blocks: Sequence[Block], *, release: bool = False) -> Block:
    """Return consecutive blocks of a condition as one.

    With `release` the blocks become views of it, name by name, so that no two copies of all are
    held; they are right at any time, should the user interrupt.
    """
    outcomes, first = {}, blocks[0]
    for name in first.outcomes:
        own = [block.outcomes[name] for block in blocks]
        if release and sum(block.size for block in blocks) > _MANY and _alike(own):
            outcomes[name] = _moved(blocks, name, own)
        else:
            outcomes[name] = join(own)
        for block in blocks if release else ():
            at = block.first - first.first
            block.outcomes[name] = outcomes[name].rows(at, at + block.size)
    truths = [t for block in blocks for t in block.truths]
    return Block(first.condition, first.first, sum(b.size for b in blocks), outcomes, truths)


def _alike(parts: Sequence[Outcomes]) -> bool:
    """Tell whether outcomes have the same columns, so that they need no more than to be copied."""
    first = parts[0]
    return all(part.names == first.names and _given(part) == _given(first) for part in parts)


def _given(part: Outcomes) -> list[str]:
    return [field for field in FIELDS if getattr(part, field) is not None]


def _moved(blocks: Sequence[Block], name: str, parts: list[Outcomes]) -> Outcomes:
    """Return outcomes as one; each block gives up its memory as soon as it was copied."""
    size, given = sum(map(len, parts)), _given(parts[0])
    shape = (size, parts[0].estimate.shape[1])
    columns: dict[str, Any] = {field: parallel.room(shape) for field in given}
    nothing: dict[str, Any] = dict.fromkeys(given, np.empty((0, 0)))
    at = 0
    for number, block in enumerate(blocks):
        part, rows = parts[number], slice(at, at + len(parts[number]))
        for field, column in columns.items():
            column[rows] = getattr(part, field)
        views: dict[str, Any] = {field: column[rows] for field, column in columns.items()}
        block.outcomes[name] = replace(part, **views)
        parts[number] = replace(part, **nothing)
        at = rows.stop
    return replace(join(parts), **columns)
