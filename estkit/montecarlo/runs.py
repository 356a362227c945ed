"""One run of a study: which replicates to compute, what came of them, what is kept on trouble."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, EstkitError, StudyError, StudyInterrupted, in_words
from estkit.montecarlo.budget import Course
from estkit.montecarlo.execution import Block, Execution, Span
from estkit.montecarlo.gathering import Gathered
from estkit.montecarlo.progress import Progress
from estkit.montecarlo.sharding import shares
from estkit.montecarlo.truth import truth_of

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult
    from estkit.montecarlo.study import Study


@dataclass(frozen=True)
class Request:
    """What a run was asked for.

    Parameters
    ----------
    replicates : tuple of int
        How many in each condition.
    seed : SeedSequence
        The seed.
    n_jobs : int or None
        How many workers.
    progress : bool
        Whether to show a progress bar.
    target_mcse, max_seconds, max_bytes
        What may end it earlier; see `Study.run`.
    store : Path or None
        The folder in which to keep what is computed.
    shard : tuple of int or None
        Which of how many runs that share the study, from 1.
    """

    replicates: tuple[int, ...]
    seed: np.random.SeedSequence
    n_jobs: int | None = None
    progress: bool = False
    target_mcse: Any = None
    max_seconds: float | None = None
    max_bytes: float | None = None
    store: Path | None = None
    shard: tuple[int, int] | None = None


def run(study: Study, request: Request) -> StudyResult:
    """Run a study, and return what was computed; on trouble, raise with what was complete."""
    execution = Execution(study, request.seed, request.n_jobs)
    gathered = _gathered(study, request, execution)
    share: list[Span] | None = None
    if request.shard is not None:
        share = shares(study, execution, request.replicates, request.shard)
        gathered.begin(share)
        request = replace(request, replicates=tuple(s.stop - s.start for s in share))
    course = Course(study, request, gathered, execution)
    with Progress(course, gathered, show=request.progress) as progress:
        try:
            try:
                for spans in course.rounds() if share is None else [share]:
                    _compute(execution, spans, gathered, progress, course)
                    if not course.in_time():
                        break
            finally:
                gathered.flush()
        except KeyboardInterrupt as stop:
            note = f"The study was stopped.{_kept(gathered)}"
            raise StudyInterrupted(note, _so_far(gathered)) from stop
        except EstkitError as error:
            partial = getattr(error, "partial", None) or _so_far(gathered)
            raise StudyError(_with_kept(error, gathered), partial) from error
        except Exception as error:
            raise StudyError(
                f"The workers could not go on ({in_words(error)}); run with n_jobs=1 "
                f"to see why, and define functions so that they can be pickled.{_kept(gathered)}",
                _so_far(gathered),
            ) from error
    gathered.ending = course.ending()
    try:
        return gathered.result(study.truth)
    except EstkitError as error:
        raise StudyError(_with_kept(error, gathered), _so_far(gathered)) from error


def _gathered(study: Study, request: Request, execution: Execution) -> Gathered:
    """Return where to gather blocks: in memory, or in a folder."""
    if request.store is None:
        return Gathered(study, request.seed)
    from estkit.montecarlo.store import Stored

    return Stored(study, request.seed, request.store, request.replicates, execution.step)


def _compute(
    execution: Execution, spans: list[Span], gathered: Gathered, progress: Progress, course: Course
) -> None:
    wanted: list[Span] = []
    for span in spans:
        before = gathered.count(span.condition)
        wanted += gathered.missing(span)
        found = gathered.count(span.condition) - before
        if found:  # in the store
            progress.forward(span.condition, found)
    for block, stop in execution.blocks(wanted, course.in_time):
        if block.size:
            if not gathered.total:
                _check_truth(gathered, block)
            before = gathered.total
            gathered.add(block)
            progress.forward(block.condition, gathered.total - before)
        if stop is not None:
            raise stop


def _with_kept(error: EstkitError, gathered: Gathered) -> str:
    """Return what an error says as a sentence, and after it what is left."""
    said, kept = str(error), _kept(gathered)
    return said + ("" if not kept or said.endswith((".", "!", "?")) else ".") + kept


def _kept(gathered: Gathered) -> str:
    count = gathered.total
    return f" The {count} replicates before it are in the attribute partial." if count else ""


def _so_far(gathered: Gathered) -> StudyResult | None:
    if not gathered.total:
        return None
    try:
        return gathered.result(gathered.study.truth)
    except EstkitError:  # the truth is what is wrong
        return gathered.result(None)


def _check_truth(gathered: Gathered, block: Block) -> None:
    """Raise at once when the truth does not fit the first answers."""
    study = gathered.study
    if block.truths and study.truth is not None:
        raise DataError(
            "The data sets bring their truth with them (Sample), and truth= tells another one; "
            "leave one of them out."
        )
    if block.truths:
        return
    condition = study.conditions[block.condition]
    offer = study.setting(block.condition, gathered.seed).lasting()
    for name in study.estimators:
        names = block.outcomes[name].names
        if names is not None:
            truth_of(study.truth, condition, name, names, study.estimators, offer)
