"""Blocks of replicates in, outcomes out; in this process or in joblib workers, the same bytes."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from estkit import parallel
from estkit.errors import EstkitError, StudyError, StudyInterrupted
from estkit.montecarlo.estimators import Estimator
from estkit.montecarlo.outcomes import Outcomes, collect, join, single_estimate
from estkit.montecarlo.sampling import Drawn, Source, describe
from estkit.montecarlo.streams import Streams
from estkit.montecarlo.truth import truth_of

if TYPE_CHECKING:
    from estkit.estimate import Estimate
    from estkit.montecarlo.result import StudyResult
    from estkit.montecarlo.study import Study

_SECONDS_PER_TASK = 0.25  # long against the cost of sending a task, short against waiting for it


class Block(NamedTuple):
    """What came out of a block: outcomes by estimator, and the truths that came with the data."""

    condition: int
    size: int
    outcomes: Mapping[str, Outcomes]
    truths: list[Any]


class Runner:
    """Draws the blocks of one condition and puts them through every estimator.

    Parameters
    ----------
    study : Study
        What is drawn and estimated.
    number : int
        The number of the condition.
    seed : SeedSequence
        The seed of the study.
    """

    def __init__(self, study: Study, number: int, seed: np.random.SeedSequence) -> None:
        self._start = _global_states()
        self.number = number
        self.condition = study.conditions[number]
        streams = Streams(seed.entropy, seed.spawn_key, number)
        self.source = Source(study.generate, self.condition, streams)
        self.estimators = [
            Estimator(name, function, self.condition, streams)
            for name, function in study.estimators.items()
        ]
        for estimator in self.estimators:
            estimator.try_blocks(self.source)

    def run(self, number: int, most: int) -> tuple[Block, BaseException | None]:
        """Return the first `most` replicates of a block, and what stopped it before, if anything.

        What works on whole blocks always gets the whole block, so that fewer replicates give the
        same bytes as the beginning of more.
        """
        need = min(self.source.block_length, most)
        drawn = self.source.block(number)
        looped = [estimator for estimator in self.estimators if estimator.whole is None]
        whole = [estimator for estimator in self.estimators if estimator.whole is not None]
        answers: dict[str, list[Any]] = {estimator.name: [] for estimator in looped}
        noted: dict[str, dict[int, str]] = {name: {} for name in answers}
        truths: list[Any] = []
        stop: BaseException | None = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                if not looped and self.source.whole_blocks:
                    truths = drawn.truths(need)
                for row in range(len(truths), need):
                    data, truth = drawn.data(row, keep=bool(whole))
                    for estimator in looped:
                        caught.clear()
                        answers[estimator.name].append(estimator.answer(data, drawn.first + row))
                        if caught:
                            noted[estimator.name][drawn.first + row] = str(caught[0].message)
                    truths.append(truth)
            except (StudyError, KeyboardInterrupt) as error:
                stop = error
        size = len(truths)
        found = {name: collect(given[:size], drawn.first, noted[name])
                 for name, given in answers.items()}  # fmt: skip
        try:
            found |= {each.name: self._whole(each, drawn, size) for each in whole}
            self._check_global_state(number, need)
            if len({truth is None for truth in truths}) > 1:
                raise StudyError(
                    f"generate returned a Sample in some replicates only, in "
                    f"{describe(self.condition)}; return one always or never."
                )
        except (StudyError, KeyboardInterrupt) as error:
            return Block(self.number, 0, {}, []), stop or error
        ordered = {each.name: found[each.name] for each in self.estimators}
        return Block(self.number, size, ordered, [t for t in truths if t is not None]), stop

    def _whole(self, estimator: Estimator, drawn: Drawn, size: int) -> Outcomes:
        """Return outcomes of a block estimated at once, or one by one where that cannot be."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                stack = drawn.stack()
            except (StudyError, KeyboardInterrupt):
                stack = None  # a data set beyond the ones asked for
            if stack is not None:
                try:
                    outcomes = estimator.block(stack, drawn.first, drawn.length).rows(0, size)
                    if caught:  # which replicate gave them shows when each is estimated alone
                        alone = self._one_by_one(estimator, drawn, size)
                        outcomes = replace(outcomes, warnings=alone.warnings)
                    return outcomes
                except StudyError:
                    raise
                except Exception:
                    caught.clear()  # one bad replicate fails the whole call: find it below
            return self._one_by_one(estimator, drawn, size)

    def _one_by_one(self, estimator: Estimator, drawn: Drawn, size: int) -> Outcomes:
        answers: list[Any] = []
        noted: dict[int, str] = {}
        for row in range(size):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                answers.append(estimator.answer(drawn.data(row, keep=True)[0], drawn.first + row))
                if caught:
                    noted[drawn.first + row] = str(caught[0].message)
        return collect(answers, drawn.first, noted)

    def _check_global_state(self, number: int, size: int) -> None:
        """Raise when a user's function has drawn from a global generator, and say which."""
        if self._start == _global_states():
            return
        raise StudyError(
            f"{self._culprit(number, size)} used the global random state in "
            f"{describe(self.condition)}, so the study could not be reproduced; draw everything "
            f"from an argument named rng."
        )

    def _culprit(self, number: int, size: int) -> str:
        """Go through a block once more, from known states, to find who changes them."""
        kept = random.getstate(), np.random.get_state()  # noqa: NPY002 - put back below
        drawn = self.source.block(number)
        try:
            for row in range(size):
                known = _known_states(row)
                data, _ = drawn.data(row)
                if _global_states() != known:
                    return "generate"
                for estimator in self.estimators:
                    known = _known_states(row)
                    estimator.answer(data, drawn.first + row)
                    if _global_states() != known:
                        return f"estimator {estimator.name!r}"
            return (
                "generate"  # a whole block is drawn by one call, before the first row is looked at
            )
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])  # noqa: NPY002


def _known_states(number: int) -> tuple[Any, ...]:
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - only on the way to an error, and put back
    return _global_states()


def _global_states() -> tuple[Any, ...]:
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002 - looked at, never used
    inner: Any = legacy["state"]
    return (inner.get("pos"), inner["key"].tobytes() if "key" in inner else None, random.getstate())


def run(
    study: Study,
    replicates: int,
    *,
    seed: np.random.SeedSequence,
    n_jobs: int | None,
    progress: bool,
) -> StudyResult:
    """Run a study, and return what was computed; on trouble, raise with what was complete."""
    from estkit.montecarlo.result import StudyResult

    blocks: list[Block] = []

    def so_far() -> StudyResult | None:
        if not blocks:
            return None
        try:
            return StudyResult.of(study, seed, joined(blocks), study.truth)
        except EstkitError:  # the truth is what is wrong
            return StudyResult.of(study, seed, joined(blocks), None)

    def kept() -> str:
        count = sum(block.size for block in blocks)
        return f" The {count} replicates before it are in the attribute partial." if count else ""

    total = replicates * len(study.conditions)
    with parallel.progress_bar(total, show=progress, unit="rep", description="study") as forward:
        try:
            for block, stop in _all_blocks(study, replicates, seed, n_jobs):
                blocks += [block] if block.size else []
                forward(block.size)
                if isinstance(stop, KeyboardInterrupt):
                    raise stop
                if stop is not None:
                    raise StudyError(f"{stop}{kept()}", so_far()) from stop
                if len(blocks) == 1:
                    _check_truth(study, blocks[0])
        except KeyboardInterrupt as stop:
            raise StudyInterrupted(f"The study was stopped.{kept()}", so_far()) from stop
        except EstkitError as error:
            raise StudyError(str(error), getattr(error, "partial", None) or so_far()) from error
        except Exception as error:
            raise StudyError(
                f"The workers could not go on ({type(error).__name__}: {error}); run with n_jobs=1 "
                f"to see why, and define functions so that they can be pickled.{kept()}",
                so_far(),
            ) from error
    try:
        return StudyResult.of(study, seed, joined(blocks), study.truth)
    except EstkitError as error:
        raise StudyError(f"{error}{kept()}", so_far()) from error


def _check_truth(study: Study, block: Block) -> None:
    """Raise at once when the truth does not fit the first answers."""
    if block.truths:
        return
    for name, outcome in block.outcomes.items():
        if outcome.names is not None:
            condition = study.conditions[block.condition]
            truth_of(study.truth, condition, name, outcome.names, study.estimators)


_Finished = tuple[Block, BaseException | None]


def _all_blocks(
    study: Study, replicates: int, seed: np.random.SeedSequence, n_jobs: int | None
) -> Iterator[_Finished]:
    """Yield finished blocks in order, each with what stopped it, if anything did."""
    if parallel.workers(n_jobs) == 1:
        with parallel.one_blas_thread():
            for number in range(len(study.conditions)):
                yield from _run_task(_Task(study, number, seed, None, replicates))
        return
    started = time.perf_counter()
    with parallel.one_blas_thread():  # here, so that what is wrong shows before workers start
        (first,) = _run_task(_Task(study, 0, seed, range(1), replicates))
        yield first
    seconds = max(time.perf_counter() - started, 1e-6)
    length = max(1, int(_SECONDS_PER_TASK / seconds))
    tasks = []
    for number in range(len(study.conditions)):
        count = -(-replicates // _block_length(study, number, seed))
        starts = range(number == 0, count, length)
        parts = [range(i, min(i + length, count)) for i in starts]
        tasks += [_Task(study, number, seed, part, replicates) for part in parts]
    for finished in parallel.map_tasks(_listed_task, tasks, n_jobs=n_jobs):
        yield from finished


class _Task(NamedTuple):
    """Some blocks of a condition, or all of them."""

    study: Study
    number: int
    seed: np.random.SeedSequence
    blocks: range | None
    replicates: int


def _block_length(study: Study, number: int, seed: np.random.SeedSequence) -> int:
    condition = study.conditions[number]
    try:
        streams = Streams(seed.entropy, seed.spawn_key, number)
        return Source(study.generate, condition, streams).block_length
    except StudyError:
        return 1 << 62  # a single task, which will run into the same trouble and report it


def _run_task(task: _Task) -> Iterator[_Finished]:
    """Yield the blocks of a task; its own runner shares no stream with another thread."""
    try:
        runner = Runner(task.study, task.number, task.seed)
    except StudyError as error:
        yield Block(task.number, 0, {}, []), error
        return
    length = runner.source.block_length
    for number in task.blocks or range(-(-task.replicates // length)):
        block, stop = runner.run(number, task.replicates - number * length)
        yield block, stop
        if stop is not None:
            return


def _listed_task(task: _Task) -> list[_Finished]:
    return list(_run_task(task))


def joined(blocks: list[Block]) -> dict[int, tuple[dict[str, Outcomes], list[Any] | None]]:
    """Return outcomes and truths by condition, the blocks of each put together."""
    result = {}
    for number in dict.fromkeys(block.condition for block in blocks):
        own = [block for block in blocks if block.condition == number]
        outcomes = {name: join([block.outcomes[name] for block in own]) for name in own[0].outcomes}
        result[number] = outcomes, [t for block in own for t in block.truths] or None
    return result


def replay(
    study: Study, number: int, replicate: int, seed: np.random.SeedSequence
) -> tuple[Any, Any, dict[str, Estimate], dict[str, Any], int]:
    """Return data, truth, estimates, condition and number of one replicate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in the run, where they were recorded
        runner = Runner(study, number, seed)
        block, row = divmod(replicate, runner.source.block_length)
        drawn = runner.source.block(block)
        whole = any(estimator.whole is not None for estimator in runner.estimators)
        data, own = drawn.data(row, keep=whole)
        outcomes = {}
        for estimator in runner.estimators:
            if estimator.whole is None:
                outcome = collect([estimator.answer(data, replicate)], replicate, {})
            else:
                outcome = runner._whole(estimator, drawn, row + 1).rows(row, row + 1)
            outcomes[estimator.name] = outcome
    truth = study.truth if own is None else own
    truths = {
        name: truth_of(truth, runner.condition, name, outcome.names, study.estimators).value
        for name, outcome in outcomes.items()
        if outcome.names
    }
    estimates = {name: single_estimate(outcome) for name, outcome in outcomes.items()}
    return data, truths, estimates, runner.condition, replicate
