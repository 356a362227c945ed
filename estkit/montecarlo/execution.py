"""Blocks of replicates in, outcomes out; in this process or in joblib workers, the same bytes."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from estkit import parallel
from estkit.errors import StudyError, StudyInterrupted
from estkit.estimate import Estimate
from estkit.montecarlo import calls
from estkit.montecarlo.estimators import plan_estimator, whole_block_form
from estkit.montecarlo.outcomes import Failure, Outcomes, collect, from_block, join
from estkit.montecarlo.sampling import Drawn, Source, Vectorized, describe
from estkit.montecarlo.streams import Streams, own_purpose

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult
    from estkit.montecarlo.study import Study

_SECONDS_PER_TASK = 0.25  # long against the cost of sending a task, short against waiting for it


class Block(NamedTuple):
    """What came out of a block: outcomes by estimator, and the truths that came with the data."""

    condition: int
    size: int
    outcomes: Mapping[str, Outcomes]
    truths: list[Any] | None


@dataclass
class Runner:
    """Draws the blocks of one condition and puts them through every estimator.

    Parameters
    ----------
    study : Study
        What is drawn and estimated.
    number : int
        The number of the condition.
    entropy, spawn_key : int or sequence of int
        The seed of the study.
    """

    study: Study
    number: int
    entropy: Any
    spawn_key: tuple[int, ...]
    batched: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.condition = self.study.conditions[self.number]
        self.streams = Streams(self.entropy, self.spawn_key, self.number)
        self.source = Source(self.study.generate, self.condition, self.streams)

    def look(self) -> Runner:
        """Find out, once, which estimators can take a whole block, and check that they do."""
        for name, function in self.study.estimators.items():
            whole = whole_block_form(function, self.source)
            if whole is not None and self._agrees(name, function, whole):
                self.batched[name] = whole
        return self

    def run(self, block: int, most: int) -> Block:
        """Draw a block and estimate from it."""
        before = _global_states() if block == 0 else None
        drawn = self.source.block(block, most)
        if before is not None and before != _global_states():
            raise StudyError(
                f"generate used the global random state in {describe(self.condition)}, so its data "
                f"cannot be reproduced; draw everything from its argument rng."
            )
        outcomes = {name: self._estimate(name, drawn) for name in self.study.estimators}
        return Block(self.number, drawn.count, outcomes, drawn.truths)

    def _estimate(self, name: str, drawn: Drawn) -> Outcomes:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            whole = self.batched.get(name)
            stack = drawn.stacked() if whole is not None else None
            if whole is not None and stack is not None:
                try:
                    answer = self._call(name, whole, stack, drawn.first)
                    given = {drawn.first: str(caught[0].message)} if caught else {}
                    return from_block(answer, drawn.count, drawn.first, given)
                except StudyError as error:
                    raise StudyError(f"estimator {name!r}: {error}") from error
                except Exception:
                    # one bad replicate fails the whole call: find it by going through them alone
                    caught.clear()
            answers, given = [], {}
            for row in range(drawn.count):
                seen = len(caught)
                answers.append(self._answer(name, drawn, row))
                if len(caught) > seen:
                    given[drawn.first + row] = str(caught[seen].message)
            return collect(answers, drawn.first, given)

    def _answer(self, name: str, drawn: Drawn, row: int) -> Any:
        function = self.study.estimators[name]
        replicate = drawn.first + row
        try:
            if isinstance(function, Vectorized):
                answer = self._call(name, function.function, drawn.part(row), replicate)
                return _first(from_block(answer, 1, 0, {}))
            return self._call(name, function, drawn.single(row), replicate)
        except Exception as error:
            hint = ""
            if "read-only" in str(error):
                hint = " (all estimators share the data: copy them before changing them)"
            return Failure(f"{type(error).__name__}: {error}{hint}")

    def _call(self, name: str, function: Callable[..., Any], data: Any, replicate: int) -> Any:
        call, wants_rng = self._planned(name, function, data)
        offer = {**self.condition, "condition": self.condition, "data": data}
        if isinstance(data, dict):
            offer |= data
        elif isinstance(data, tuple):
            offer |= {f"data[{i}]": part for i, part in enumerate(data)}
        if wants_rng:
            offer["rng"] = self.streams.at(replicate, own_purpose(name))
        return call(offer)

    def _planned(self, name: str, function: Any, data: Any) -> tuple[Callable[..., Any], bool]:
        plans: dict[Any, Any] = self.__dict__.setdefault("_plans", {})
        parts = len(data) if isinstance(data, tuple) else 0
        key = (name, id(function), parts)
        if key not in plans:
            plans[key] = plan_estimator(name, function, data, tuple(self.condition))
        planned: tuple[Callable[..., Any], bool] = plans[key]
        return planned

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_plans", "streams", "source")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self.__post_init__()

    def _agrees(self, name: str, function: Any, whole: Callable[..., Any]) -> bool:
        """Tell whether a block gives what its data sets give alone; needed before it is trusted."""
        probe = self.source.probe
        stack = probe.stacked()
        if stack is None:
            return False
        declared = isinstance(function, Vectorized)
        if calls.takes(whole, "rng"):
            return declared  # the block has a stream of its own, so the numbers differ rightly
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                both = from_block(self._call(name, whole, stack, 0), 2, 0, {})
                alone = collect([self._answer(name, probe, row) for row in range(2)], 0, {})
            except StudyError as error:
                if declared:
                    raise StudyError(f"estimator {name!r}: {error}") from error
                return False
            except Exception:
                return declared
        if both.names != alone.names and (declared or "value" in (alone.names or ())):
            return declared and alone.names is None
        same = np.allclose(both.estimate, alone.estimate, rtol=1e-9, atol=1e-12, equal_nan=True)
        if declared and not same:
            raise StudyError(
                f"estimator {name!r} is declared vectorized, but gives {both.estimate[0]} for a "
                f"data set in a block and {alone.estimate[0]} for the same one alone; each "
                f"replicate must be computed from its own row."
            )
        return same


def _first(outcomes: Outcomes) -> Estimate:
    """Return the single replicate of outcomes as an `Estimate`."""
    if outcomes.status[0]:
        raise ValueError(outcomes.reasons.get(0, "no answer"))
    row: Any = 0 if outcomes.names != ("value",) else (0, 0)  # one unnamed parameter: a number
    with_errors = np.isfinite(outcomes.std_error).any()
    with_limits = ~np.isnan(outcomes.lower).all()
    return Estimate(
        outcomes.estimate[row],
        names=outcomes.names,
        std_error=outcomes.std_error[row] if with_errors else None,
        lower=outcomes.lower[row] if with_limits else None,
        upper=outcomes.upper[row] if with_limits else None,
    )


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
        return StudyResult.of(study, seed, joined(blocks)) if blocks else None

    total = replicates * len(study.conditions)
    with parallel.progress_bar(total, show=progress, unit="rep", description="study") as forward:
        try:
            for done, error in _all_blocks(study, replicates, seed, n_jobs):
                blocks += done
                forward(sum(block.size for block in done))
                if error is not None:
                    raise StudyError(f"{error}{_kept(blocks)}", so_far())
        except KeyboardInterrupt as stop:
            raise StudyInterrupted(f"The study was stopped.{_kept(blocks)}", so_far()) from stop
    return StudyResult.of(study, seed, joined(blocks))


def _kept(blocks: list[Block]) -> str:
    count = sum(block.size for block in blocks)
    return f" The {count} replicates before it are in the attribute partial." if count else ""


def _all_blocks(
    study: Study, replicates: int, seed: np.random.SeedSequence, n_jobs: int | None
) -> Any:
    """Yield finished blocks in order, with the error that stopped a task, if any."""
    several = parallel.workers(n_jobs) > 1
    tasks: list[tuple[Runner, list[int], int]] = []
    length = 1
    for number in range(len(study.conditions)):
        try:
            runner = Runner(study, number, seed.entropy, seed.spawn_key).look()
        except StudyError as error:
            yield from parallel.map_tasks(_run_task, tasks, n_jobs=n_jobs)
            yield [], str(error)
            return
        count = -(-replicates // runner.source.block_length)
        numbers = list(range(count))
        if number == 0:
            started = time.perf_counter()
            yield from parallel.map_tasks(_run_task, [(runner, numbers[:1], replicates)], n_jobs=1)
            seconds = max(time.perf_counter() - started, 1e-6)
            length = max(1, int(_SECONDS_PER_TASK / seconds)) if several else 1
            numbers = numbers[1:]
        parts = [numbers[i : i + length] for i in range(0, len(numbers), length)]
        tasks += [(runner, part, replicates) for part in parts]
    yield from parallel.map_tasks(_run_task, tasks, n_jobs=n_jobs)


def _run_task(task: tuple[Runner, list[int], int]) -> tuple[list[Block], str | None]:
    runner, numbers, replicates = task
    done: list[Block] = []
    for number in numbers:
        try:
            most = replicates - number * runner.source.block_length
            done.append(runner.run(number, most))
        except StudyError as error:
            return done, str(error)
    return done, None


def joined(blocks: list[Block]) -> dict[int, tuple[dict[str, Outcomes], list[Any] | None]]:
    """Return outcomes and truths by condition, the blocks of each put together."""
    result = {}
    for number in dict.fromkeys(block.condition for block in blocks):
        own = [block for block in blocks if block.condition == number]
        outcomes = {name: join([block.outcomes[name] for block in own]) for name in own[0].outcomes}
        truths = [t for block in own for t in block.truths or ()] or None
        result[number] = outcomes, truths
    return result


def replay(
    study: Study, number: int, replicate: int, seed: np.random.SeedSequence
) -> tuple[Any, Any, dict[str, Estimate], dict[str, Any], int]:
    """Return data, truth, estimates, condition and number of one replicate."""
    from estkit.montecarlo.truth import truth_of

    runner = Runner(study, number, seed.entropy, seed.spawn_key).look()
    drawn = runner.source.replicate(replicate)
    row = replicate - drawn.first
    estimates, truths = {}, {}
    for name in study.estimators:
        outcome = collect([runner._answer(name, drawn, row)], replicate, {})
        estimates[name] = _first_or_failed(outcome, replicate)
        own = None if drawn.truths is None else drawn.truths[row]
        names = outcome.names or ()
        truths[name] = truth_of(study.truth if own is None else own, runner.condition, name, names)
    return drawn.single(row), truths, estimates, runner.condition, replicate


def _first_or_failed(outcome: Outcomes, replicate: int) -> Estimate:
    if not outcome.status[0]:
        return _first(outcome)
    reason = outcome.reasons.get(replicate, "no answer")
    names = outcome.names
    missing = float("nan") if not names else np.full(len(names), np.nan)
    return Estimate(missing, names=names or None, status="failed", reason=reason)
