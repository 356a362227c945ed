"""The store of a study: a manifest and parts, so that no replicate is computed twice or lost."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from estkit.errors import DataError, EstkitError, EstkitWarning, StudyError
from estkit.montecarlo import conditions as settings
from estkit.montecarlo.execution import Block, Span
from estkit.montecarlo.gathering import Gathered, joined
from estkit.montecarlo.manifest import condition_of, enter, manifest_of, study_of
from estkit.montecarlo.outcomes import Outcomes
from estkit.montecarlo.parts import Part, parquet, parts_in, write_part
from estkit.montecarlo.pieces import (
    Made,
    Piece,
    Share,
    Waiting,
    cells_of,
    cover,
    has_truths,
    names_in,
    read_cell,
    read_truths,
    size_of,
)
from estkit.montecarlo.times import keep_times, new_file, read_times
from estkit.montecarlo.truth import truth_of

if TYPE_CHECKING:
    from estkit.montecarlo.study import Study

K = TypeVar("K")
V = TypeVar("V")
_SECONDS = 2.0  # of work that a crash may cost, at most
_BYTES = 16e6  # of outcomes that wait to be written, at most


class _Reach:
    """What is there of a condition: pieces, and how far they go without a gap from a start."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.start = self.end = self.asked = 0
        self._apart = len(pieces)  # pieces that may lie beyond a gap
        self._advance()

    def begin(self, start: int) -> None:
        """Count from another replicate than the first."""
        self.start = self.end = self.asked = start
        self._advance()

    def add(self, piece: Piece) -> None:
        self.pieces.append(piece)
        if piece.first <= self.end:
            self.end = max(self.end, piece.stop)
        self._advance()

    def _advance(self) -> None:
        moved = bool(self._apart)
        while moved:
            reached = [p.stop for p in self.pieces[: self._apart] if p.first <= self.end]
            moved = max(reached, default=0) > self.end
            self.end = max([self.end, *reached])

    @property
    def count(self) -> int:
        return min(self.end, self.asked) - self.start

    def shares(self) -> list[Share]:
        return cover(self.pieces, self.start, self.start + self.count)


class Stored(Gathered):
    """The blocks of a run, in a folder.

    Replicates that are there already count as computed as soon as they are asked for, so that a
    run takes the same course, and ends with the same bytes, whatever it finds.

    Parameters
    ----------
    study : Study
        What is drawn and estimated.
    seed : SeedSequence
        The seed of the run.
    folder : Path
        Where the store is, or will be.
    replicates : tuple of int
        How many are asked for in each condition, all shards together.
    step : callable
        At what multiples the spans of a condition begin.
    """

    def __init__(
        self,
        study: Study,
        seed: np.random.SeedSequence,
        folder: Path,
        replicates: tuple[int, ...],
        step: Callable[[int], int],
    ) -> None:
        parquet()
        super().__init__(study, seed)
        self.folder, self._step = folder, step
        self._manifest = enter(folder, manifest_of(study, seed, replicates))
        found: dict[int, list[Piece]] = {n: [] for n in range(len(study.conditions))}
        for part in sound_parts(folder, self._manifest, "they are computed anew"):
            found[part.condition].append(part)
        self._reach = {number: _Reach(pieces) for number, pieces in found.items()}
        self._waiting: dict[int, list[Block]] = {}
        self._time, self._spent = read_times([folder])
        self._times = new_file(folder)
        self._bytes, self._since = 0.0, time.monotonic()
        self._heads: dict[tuple[int, str, Any], Any] = {}

    def begin(self, spans: Sequence[Span]) -> None:
        """Begin each condition where its span does, as a shard does, instead of at 0."""
        for span in spans:
            self._reach[span.condition].begin(span.start)

    @property
    def total(self) -> int:
        """How many replicates there are, of all conditions together."""
        return sum(reach.count for reach in self._reach.values())

    def count(self, number: int) -> int:
        """Return how many leading replicates of a condition there are, of those asked for."""
        return self._reach[number].count

    def missing(self, span: Span) -> list[Span]:
        """Return what is not in the store of a span that is asked for."""
        reach = self._reach[span.condition]
        reach.asked = max(reach.asked, span.stop)
        if reach.pieces:
            self._check_step(span.condition)
        shares = cover(reach.pieces, span.start, span.stop)
        return [Span(span.condition, a, b) for piece, a, b in shares if piece is None]

    def add(self, block: Block) -> None:
        """Keep a block, and write what waits once that is enough or old enough."""
        if not self._waiting:
            self._since = time.monotonic()
        self._clock(block)
        self._reach[block.condition].add(Waiting(block))
        self._waiting.setdefault(block.condition, []).append(block)
        self._bytes += sum(map(size_of, block.outcomes.values()))
        if self._bytes >= _BYTES or time.monotonic() - self._since >= _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        timed = [block for blocks in self._waiting.values() for block in blocks]
        for number in list(self._waiting):
            reach = self._reach[number]
            try:
                parts = [
                    write_part(self.folder, joined(run), self._head(run[0]))
                    for run in _runs(self._waiting[number])
                ]
            except OSError as error:
                raise StudyError(
                    f"The store {str(self.folder)!r} cannot be written to: "
                    f"{error.strerror or error}. What it holds is safe: make room, and run again "
                    f"with the same arguments to continue."
                ) from error
            reach.pieces[:] = [p for p in reach.pieces if isinstance(p, Part)] + parts
            del self._waiting[number]
        self._bytes = 0.0
        if timed:
            with suppress(OSError):  # of a full disk the next part will tell; these are no outcomes
                keep_times(self._times, timed)

    def outcomes(self, number: int) -> Mapping[str, Outcomes]:
        """Return the outcomes of a condition by estimator and control variate."""
        shares = self._reach[number].shares()
        names = self.study.functions() if shares else ()
        return Made({name: functools.partial(read_cell, shares, name) for name in names})

    def names(self, number: int, name: str) -> tuple[str, ...] | None:
        """Return the names of the parameters of an estimator."""
        return names_in(self._reach[number].shares(), name)

    def by_condition(self, numbers: Sequence[int]) -> Mapping[tuple[int, str], Outcomes]:
        """Return the outcomes of several conditions by condition and name, read when asked for."""
        return cells_of({n: self._reach[n].shares() for n in numbers}, list(self.study.functions()))

    def truths(self, number: int) -> list[Any] | None:
        """Return the truths that came with the data sets of a condition, if they came."""
        return read_truths(self._reach[number].shares()) or None

    def source_of_truths(self, number: int) -> Callable[[], Sequence[Any]] | None:
        """Return what gives the truths that came with the data sets, if they came."""
        shares = self._reach[number].shares()
        return functools.partial(read_truths, shares) if has_truths(shares) else None

    def mapping(self, makers: Mapping[K, Callable[[], V]]) -> Mapping[K, V]:
        """Return what functions make when it is asked for."""
        return Made(makers)

    def _check_step(self, number: int) -> None:
        """Raise if replicates were drawn in other blocks than they would be now."""
        known = {p.head["step"] for p in self._reach[number].pieces if isinstance(p, Part)} - {0}
        step = self._own_step(number)
        if step and known and known != {step}:
            raise DataError(
                f"The store {str(self.folder)!r} holds blocks of {max(known)} replicates in "
                f"{settings.describe(self.study.conditions[number])}, now they have {step}; give "
                f"another folder."
            )

    def _own_step(self, number: int) -> int:
        try:
            return self._step(number)
        except StudyError:  # what is wrong with the condition will be told when it is computed
            return 0

    def _head(self, block: Block) -> dict[str, Any]:
        """Return what a part says beside its outcomes: what is true, what controls are expected."""
        number = block.condition
        names = {name: block.outcomes[name].names for name in self.study.estimators}
        truth = {name: self._true(number, name, own) for name, own in names.items()
                 if not block.truths}  # fmt: skip
        if (number, "", None) not in self._heads:
            with suppress(EstkitError):
                expected = self.study.expectations(number, self.seed)
                self._heads[number, "", None] = expected
        controls = self._heads.get((number, "", None), {})
        return {"study": study_of(self._manifest, number), "step": self._own_step(number),
                "truth": truth, "controls": controls}  # fmt: skip

    def _true(self, number: int, name: str, names: tuple[str, ...] | None) -> Any:
        key = (number, name, names)
        if key not in self._heads:
            self._heads[key] = None
            with suppress(EstkitError):  # a wrong truth is told at the end; outcomes are right
                offer = self.study.setting(number, self.seed).lasting()
                true = truth_of(self.study.truth, self.study.conditions[number], name,
                                names or (), self.study.estimators, offer)  # fmt: skip
                self._heads[key] = [true.value.tolist(), true.std_error.tolist()]
        return self._heads[key]


def sound_parts(
    folder: Path, manifest: Mapping[str, Any], then: str, *, aside: bool = True
) -> Iterator[Part]:
    """Yield the parts that are as they were written, for this study, and warn of the others."""
    conditions = [condition_of(stored) for stored in manifest["conditions"]]
    studies = [study_of(manifest, number) for number in range(len(conditions))]
    for part in parts_in(folder):
        if part.condition >= len(conditions):
            continue
        whole = part.is_whole()
        if whole and part.is_of(studies[part.condition]):
            yield part
            continue
        what = "is of another study, or was renamed" if whole else "is damaged"
        warnings.warn(
            f"The part {part.path.name} of the store {str(folder)!r} {what}: replicates "
            f"{part.first} to {part.stop - 1} of {settings.describe(conditions[part.condition])} "
            f"cannot be read, {then}.",
            EstkitWarning,
            stacklevel=2,
        )
        if aside:
            with suppress(OSError):
                part.path.replace(part.path.with_suffix(".foreign" if whole else ".damaged"))


def _runs(blocks: list[Block]) -> list[list[Block]]:
    """Return blocks in lists within which each begins where the one before it ends."""
    runs: list[list[Block]] = []
    for block in blocks:
        if runs and runs[-1][-1].first + runs[-1][-1].size == block.first:
            runs[-1].append(block)
        else:
            runs.append([block])
    return runs
