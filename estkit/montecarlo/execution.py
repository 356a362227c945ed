"""Spans of replicates in, blocks of outcomes out; here or in joblib workers, the same bytes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from estkit import parallel
from estkit.errors import StudyError
from estkit.montecarlo.conditions import describe
from estkit.montecarlo.estimators import Estimator
from estkit.montecarlo.looping import Spent, answer_each
from estkit.montecarlo.outcomes import Outcomes, collect
from estkit.montecarlo.sampling import Drawn, Source
from estkit.montecarlo.streams import Streams
from estkit.montecarlo.watch import Watch

if TYPE_CHECKING:
    from estkit.montecarlo.study import Study

_SECONDS_PER_TASK = 0.25  # long against the cost of sending a task, short against waiting for it
_ALL = [("always", None, Warning, None, 0)]  # the filter under which every warning is recorded
_BLOCKS_LOOPED = 10  # are taken at once where replicates are looped, for each costs some time
_FIRST_LOOK = 4  # replicates that are run here before workers start, to see what is wrong


class Span(NamedTuple):
    """Consecutive replicates of a condition."""

    condition: int
    start: int
    stop: int


class Block(NamedTuple):
    """What came out of consecutive replicates: outcomes by estimator, truths that came with them.

    The outcomes of control variates stand among those of the estimators; seconds are what it took,
    and `spent` the processor's seconds by estimator, with how many replicates they were taken of.
    """

    condition: int
    first: int
    size: int
    outcomes: dict[str, Outcomes]
    truths: list[Any]
    seconds: float = 0.0
    spent: Spent = {}  # noqa: RUF012


class Runner:
    """Puts the data sets of one condition through every estimator.

    Parameters
    ----------
    study : Study
        What is drawn and estimated.
    number : int
        The number of the condition.
    seed : SeedSequence
        The seed of the study.

    Attributes
    ----------
    step : int
        A multiple of it is where spans must begin: 1 where replicates are drawn and estimated one
        by one, the length of a block where anything works on whole blocks.
    longest : int
        How many replicates `run` takes at most.
    """

    def __init__(self, study: Study, number: int, seed: np.random.SeedSequence) -> None:
        self._watch = Watch()
        self._spent: Spent = {}
        self.number = number
        self.condition = study.conditions[number]
        streams = Streams(seed.entropy, seed.spawn_key, study.stream_of(number))
        setting = study.setting(number, seed)
        self.source = Source(
            study.generate,
            setting,
            streams,
            antithetic=study.antithetic,
            shared=study.common_random_numbers,
        )
        self.estimators = [
            Estimator(name, function, setting, streams)
            for name, function in study.functions().items()
        ]
        for estimator in self.estimators:
            estimator.try_blocks(self.source)
        whole = any(estimator.whole is not None for estimator in self.estimators)
        self.step = self.source.block_length if whole or self.source.whole_blocks else 1
        self.longest = self.source.block_length
        if self.step == 1 and not setting.every:
            self.longest *= _BLOCKS_LOOPED

    def run(self, first: int, end: int) -> tuple[Block, BaseException | None]:
        """Return the replicates from `first`, at most `longest` and not beyond `end`.

        What stopped it before comes along, if anything did. What works on whole blocks always gets
        the whole block, so that fewer replicates give the same bytes as the beginning of more.
        """
        need = min(self.longest, end - first)
        drawn = self.drawn(first, need)
        looped = [estimator for estimator in self.estimators if estimator.whole is None]
        whole = [estimator for estimator in self.estimators if estimator.whole is not None]
        answers: dict[str, list[Any]] = {estimator.name: [] for estimator in looped}
        noted: dict[str, dict[int, str]] = {name: {} for name in answers}
        self._spent = {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if not looped and self.source.whole_blocks:
                truths, size, stop = drawn.truths(need), need, None
            else:
                each = [(estimator, answers[estimator.name]) for estimator in looped]
                truths, stop = answer_each(
                    drawn, need, each, noted, caught, self._spent, keep=bool(whole)
                )
                size = len(truths)
            found = {name: collect(given[:size], drawn.first, noted[name])
                     for name, given in answers.items()}  # fmt: skip
            try:
                found |= {each.name: self._whole(each, drawn, size, caught) for each in whole}
                self._check_global_state(drawn, need)
                kept = [truth for truth in truths if truth is not None]
                if 0 < len(kept) < len(truths):
                    raise StudyError(
                        f"generate returned a Sample in some replicates only, in "
                        f"{describe(self.condition)}; return one always or never."
                    )
            except (StudyError, KeyboardInterrupt) as error:
                return Block(self.number, drawn.first, 0, {}, []), stop or error
        ordered = {each.name: found[each.name] for each in self.estimators}
        return Block(self.number, drawn.first, size, ordered, kept, spent=self._spent), stop

    def drawn(self, first: int, length: int) -> Drawn:
        """Return data sets from `first`, or the block in which it lies where there are blocks."""
        if self.step == 1:
            return self.source.some(first, length)
        return self.source.block(first // self.source.block_length)

    def whole(self, estimator: Estimator, drawn: Drawn, size: int) -> Outcomes:
        """Return outcomes of a block estimated at once, or one by one where that cannot be."""
        with warnings.catch_warnings(record=True) as caught:
            return self._whole(estimator, drawn, size, caught)

    def _whole(self, estimator: Estimator, drawn: Drawn, size: int, caught: list[Any]) -> Outcomes:
        caught.clear()
        if warnings.filters[:1] != _ALL:  # none yet, or an estimator has set its own
            warnings.simplefilter("always")
        try:
            stacked = drawn.stack() is not None
        except (StudyError, KeyboardInterrupt):
            stacked = False  # a data set beyond the ones asked for
        if stacked:
            try:
                started = time.thread_time()
                outcomes = estimator.block(drawn).rows(0, size)
                self._spent[estimator.name] = time.thread_time() - started, drawn.length
                if estimator.by_axis and outcomes.status.all():
                    return self._one_by_one(estimator, drawn, size)  # did one spoil the others?
                if caught:  # which replicate gave them shows when each is estimated alone
                    alone = self._one_by_one(estimator, drawn, size)
                    outcomes = replace(outcomes, warnings=alone.warnings)
                return outcomes
            except StudyError:
                if not estimator.by_axis:  # nobody said that it takes blocks
                    raise
            except Exception:  # one bad replicate fails the whole call: find it below
                pass
        return self._one_by_one(estimator, drawn, size)

    def _one_by_one(self, estimator: Estimator, drawn: Drawn, size: int) -> Outcomes:
        answers: list[Any] = []
        noted: dict[int, str] = {}
        started = time.thread_time()
        for row in range(size):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                answers.append(estimator.answer(drawn.data(row, keep=True)[0], drawn.first + row))
                if caught:
                    noted[drawn.first + row] = str(caught[0].message)
        self._spent.setdefault(estimator.name, (time.thread_time() - started, size))
        return collect(answers, drawn.first, noted)

    def _check_global_state(self, drawn: Drawn, size: int) -> None:
        """Raise when a user's function has drawn from a global generator, and say which."""
        if not self._watch.sees_change():
            return
        culprit = self._culprit(drawn.first, size)
        if culprit is None:
            self._watch.acquit()
            return
        raise StudyError(
            f"{culprit} used the global random state in {describe(self.condition)}, so the study "
            f"could not be reproduced; draw everything from an argument named rng."
        )

    def _culprit(self, first: int, size: int) -> str | None:
        """Go through a block once more to find who moves the global states, if anybody does."""
        if self.step > 1 and self._watch.draws(lambda: self.drawn(first, size), 0):
            return "generate"
        drawn = self.drawn(first, size)
        for row in range(size):
            if self._watch.draws(partial(drawn.data, row), row):
                return "generate"
            data, _ = drawn.data(row)
            for estimator in self.estimators:
                if self._watch.draws(partial(estimator.answer, data, drawn.first + row), row):
                    return f"estimator {estimator.name!r}"
        return None


_Finished = tuple[Block, BaseException | None]


class Execution:
    """Computes spans of replicates of a study, and keeps what it learns of the conditions.

    Parameters
    ----------
    study : Study
        What is drawn and estimated.
    seed : SeedSequence
        The seed of the study.
    n_jobs : int or None
        How many workers.
    """

    def __init__(self, study: Study, seed: np.random.SeedSequence, n_jobs: int | None) -> None:
        self._study, self._seed, self._n_jobs = study, seed, n_jobs
        self._runners: dict[int, Runner] = {}
        self.seconds: dict[int, float] = {}  # of a replicate here, by condition

    def step(self, number: int) -> int:
        """Return at what multiples spans of a condition must begin."""
        return self._runner(number).step

    def blocks(
        self, spans: Sequence[Span], in_time: Callable[[], bool] = lambda: True
    ) -> Iterator[_Finished]:
        """Yield finished blocks in the order of the spans, each with what stopped it, if anything.

        Nothing follows a block that was stopped, or the work that was in progress when time is up.
        """
        wanted = [span for span in spans if span.start < span.stop]
        several = parallel.workers(self._n_jobs) > 1
        here = wanted
        if several:  # a look here, so that what is wrong shows before workers start
            here = [self._look(wanted[0])] if wanted and not self.seconds else []
        parallel.keep_memory()
        with parallel.one_blas_thread():
            for span in here:
                for block, stop in self._here(span):
                    yield block, stop
                    if stop is not None or not in_time():
                        return
        if not several:
            return
        if here:
            wanted[0] = wanted[0]._replace(start=here[0].stop)
        for listed in parallel.map_tasks(_run_task, self._tasks(wanted), n_jobs=self._n_jobs):
            for block, stop in listed:
                yield block, stop
                if stop is not None:
                    return
            if not in_time():
                return

    def _runner(self, number: int) -> Runner:
        if number not in self._runners:
            self._runners[number] = Runner(self._study, number, self._seed)
        return self._runners[number]

    def _here(self, span: Span) -> Iterator[_Finished]:
        try:
            runner = self._runner(span.condition)
        except StudyError as error:
            yield Block(span.condition, span.start, 0, {}, []), error
            return
        yield from _pieces(runner, span, self.seconds)

    def _look(self, span: Span) -> Span:
        """Return the beginning of a span that is enough to see what is wrong."""
        try:
            step = self.step(span.condition)
        except StudyError:
            return span
        return span._replace(stop=min(span.stop, span.start + max(step, _FIRST_LOOK)))

    def _tasks(self, spans: Sequence[Span]) -> list[_Task]:
        """Cut spans into pieces of work, each long against the cost of sending it."""
        tasks = []
        for span in spans:
            step, length = 1, span.stop - span.start
            seconds = self.seconds.get(span.condition, max(self.seconds.values(), default=1.0))
            try:
                step = self.step(span.condition)
                length = step * max(1, int(_SECONDS_PER_TASK / (step * max(seconds, 1e-9))))
            except StudyError:
                pass  # one task, which will run into the same trouble and report it
            starts = range(span.start - span.start % step, span.stop, max(1, length))
            parts = [span._replace(start=i, stop=min(i + length, span.stop)) for i in starts]
            tasks += [_Task(self._study, self._seed, part) for part in parts]
        return tasks


class _Task(NamedTuple):
    """What a worker is sent."""

    study: Study
    seed: np.random.SeedSequence
    span: Span


def _run_task(task: _Task) -> list[_Finished]:
    """Return the blocks of a task; it shares no stream and no state with another one."""
    parallel.keep_memory()
    return list(Execution(task.study, task.seed, 1)._here(task.span))


def _pieces(runner: Runner, span: Span, seconds: dict[int, float]) -> Iterator[_Finished]:
    """Yield a span piece by piece, none much longer than a task or a block."""
    first, longest = span.start - span.start % runner.step, runner.longest
    length = longest if runner.step > 1 else _FIRST_LOOK
    while first < span.stop:
        started = time.perf_counter()
        block, stop = runner.run(first, min(first + length, span.stop))
        taken = time.perf_counter() - started
        if stop is None:
            spent = seconds[span.condition] = taken / block.size
        yield block._replace(seconds=taken), stop
        if stop is not None:
            return
        first += block.size
        if runner.step == 1:
            length = max(1, min(longest, int(_SECONDS_PER_TASK / max(spent, 1e-9))))
