"""One run of a study: which replicates to compute, what came of them, what is kept on trouble."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit import parallel
from estkit.errors import EstkitError, StudyError, StudyInterrupted
from estkit.montecarlo.execution import Block, Execution, Span
from estkit.montecarlo.gathering import Gathered
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
    """

    replicates: tuple[int, ...]
    seed: np.random.SeedSequence
    n_jobs: int | None = None
    progress: bool = False


def run(study: Study, request: Request) -> StudyResult:
    """Run a study, and return what was computed; on trouble, raise with what was complete."""
    gathered = Gathered(study, request.seed)
    execution = Execution(study, request.seed, request.n_jobs)
    total = sum(request.replicates) - sum(map(gathered.count, range(len(study.conditions))))
    bar = parallel.progress_bar(total, show=request.progress, unit="rep", description="study")
    with bar as forward:
        try:
            for spans in _rounds(study, request, gathered):
                _compute(execution, spans, gathered, forward)
        except KeyboardInterrupt as stop:
            note = f"The study was stopped.{_kept(gathered)}"
            raise StudyInterrupted(note, _so_far(gathered)) from stop
        except EstkitError as error:
            partial = getattr(error, "partial", None) or _so_far(gathered)
            raise StudyError(f"{error}{_kept(gathered)}", partial) from error
        except Exception as error:
            raise StudyError(
                f"The workers could not go on ({type(error).__name__}: {error}); run with n_jobs=1 "
                f"to see why, and define functions so that they can be pickled.{_kept(gathered)}",
                _so_far(gathered),
            ) from error
    try:
        return gathered.result(study.truth)
    except EstkitError as error:
        raise StudyError(f"{error}{_kept(gathered)}", _so_far(gathered)) from error


def _rounds(study: Study, request: Request, gathered: Gathered) -> Iterator[list[Span]]:
    """Yield the spans to compute next."""
    yield [
        Span(number, gathered.count(number), count)
        for number, count in enumerate(request.replicates)
    ]


def _compute(execution: Execution, spans: list[Span], gathered: Gathered, forward: Any) -> None:
    for block, stop in execution.blocks(spans):
        if block.size:
            if not gathered.total:
                _check_truth(gathered, block)
            gathered.add(block)
            forward(block.size)
        if stop is not None:
            raise stop


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
    if block.truths:
        return
    study = gathered.study
    condition = study.conditions[block.condition]
    offer = study.setting(block.condition, gathered.seed).lasting()
    for name in study.estimators:
        names = block.outcomes[name].names
        if names is not None:
            truth_of(study.truth, condition, name, names, study.estimators, offer)
