"""Work in parallel: joblib processes outside, threads over row blocks inside, and progress.

The back end is never chosen here: ``joblib.parallel_config`` decides, which is how work leaves one
machine. Inside a task the linear-algebra threads are limited to one, so that workers do not fight
for cores and every sum is added in the same order wherever it runs.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError

_APART = 1 << 16  # numbers that are worth memory of their own
_KEPT = 1 << 23  # bytes: more than a block with all that is made of it

T = TypeVar("T")
R = TypeVar("R")

_ROUNDS = 8  # tasks for each worker, after which one that finishes early waits for the others


def cores() -> int:
    """Return the number of cores this process may use, no more than OMP_NUM_THREADS says."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(available or 1, int(asked)) if asked.isdigit() and int(asked) else available or 1


def check_jobs(n_jobs: Any, *, what: str = "workers") -> None:
    """Refuse a number of workers that is none: 0, a fraction, a word."""
    whole = isinstance(n_jobs, int | np.integer) and not isinstance(n_jobs, bool)
    if n_jobs is not None and not (whole and n_jobs):
        raise DataError(
            f"n_jobs must be a number of {what}, -1 for all cores or None, got {n_jobs!r:.60}."
        )


def thread_count(n_jobs: int | None) -> int:
    """Return how many threads `n_jobs` means: -1 is one for each core, -2 is one less."""
    check_jobs(n_jobs, what="threads")
    if n_jobs is None or n_jobs > 0:
        return cores() if n_jobs is None else int(n_jobs)
    return max(1, cores() + 1 + int(n_jobs))


def workers(n_jobs: int | None) -> int:
    """Return how many joblib workers `n_jobs` means under the user's ``parallel_config``."""
    check_jobs(n_jobs)
    if n_jobs == 1 or (n_jobs is None and "joblib" not in sys.modules):
        return 1
    import joblib

    return int(joblib.effective_n_jobs(n_jobs))


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit the linear-algebra libraries to one thread inside the block."""
    with _libraries(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """Return the control over all libraries with threads; to look for them takes milliseconds.

    A library that was not there before came with a module that was not there before.
    """
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


@lru_cache(maxsize=1)
def _own_libraries() -> Any:
    import scipy.linalg.lapack  # noqa: F401 - loads the second library, next to that of numpy
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


def serial_algebra() -> Any:
    """Limit numpy's and scipy's own libraries to one thread, at little cost.

    What a sum of products gives depends on how threads share it; one thread gives one answer.
    """
    return _own_libraries().limit(limits=1, user_api="blas")


def keep_memory() -> None:
    """Tell the system's allocator to keep the memory of arrays that come and go.

    By default glibc hands the end of its heap back whenever 128 kB of it are free, and block after
    block takes it anew page by page, which can cost more than to fill it with numbers. To free one
    larger piece raises that limit to twice its size, until somebody sets it (see mallopt(3)); other
    allocators are none the worse. The piece is never touched, so it costs nothing.
    """
    np.empty(_KEPT, dtype=np.int8)


def room(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return an array to be filled; a large one stands where its memory goes back to the system.

    Pieces that come and go on the heap leave holes between them, which others seldom fit into.
    """
    count = math.prod(shape)
    if count < _APART:
        return np.empty(shape)
    own: dict[str, int] = {}  # not shared with processes that are forked, where there are any
    if hasattr(mmap, "MAP_PRIVATE"):
        own["flags"] = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    return np.frombuffer(mmap.mmap(-1, 8 * count, **own)).reshape(shape)


def map_tasks(function: Callable[[T], R], tasks: Sequence[T], *, n_jobs: int | None) -> Iterator[R]:
    """Yield ``function(task)`` in the order of `tasks`, from joblib workers when there are several.

    Each call runs with one linear-algebra thread. Results come as soon as they and all before them
    are done, so that a caller can keep what is complete when a later task fails.
    """
    if workers(n_jobs) == 1:
        with one_blas_thread():
            for task in tasks:
                yield function(task)
        return
    with closing(_results(function, tasks, n_jobs)) as results:
        for result, error in results:
            if error is not None:
                raise error
            yield result


def _results(
    function: Callable[[T], R], tasks: Sequence[T], n_jobs: int | None
) -> Generator[tuple[Any, Exception | None], None, None]:
    """Yield what comes of tasks as it comes, or some rounds at a time where joblib cannot do so."""
    import joblib

    if not joblib.parallel.get_active_backend()[0].supports_return_generator:  # Ray, for one
        size = _ROUNDS * workers(n_jobs)
        with joblib.Parallel(n_jobs=n_jobs) as pool:
            for start in range(0, len(tasks), size):
                some = tasks[start : start + size]
                yield from pool(joblib.delayed(_limited)(function, task) for task in some)
        return
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    results = parallel(joblib.delayed(_limited)(function, task) for task in tasks)
    try:
        for result in results:  # noqa: UP028 - `yield from` closes results before the filter
            yield result
    finally:
        with warnings.catch_warnings():  # of tasks that are no longer wanted
            warnings.simplefilter("ignore")
            results.close()


def _limited(function: Callable[[T], R], task: T) -> tuple[R | None, Exception | None]:
    """Return an error instead of raising it, for joblib would throw away what came before."""
    try:
        with one_blas_thread():
            return function(task), None
    except Exception as error:
        return None, error


def map_threads(function: Callable[[T], R], items: Iterable[T], *, threads: int) -> Iterator[R]:
    """Yield ``function(item)`` in order, computed by threads; for numpy work."""
    if threads == 1:
        yield from map(function, items)
        return
    from concurrent.futures import ThreadPoolExecutor

    with serial_algebra(), ThreadPoolExecutor(threads) as pool:
        yield from pool.map(function, items)


@contextmanager
def progress_bar(
    total: int, *, show: bool, unit: str, description: str
) -> Iterator[Callable[..., Any]]:
    """Give a function that moves a progress bar on; silent unless `show`.

    It is called with the steps that were made, and may be given a `note` to show beside the bar and
    another `total`.
    """
    if not show:
        yield lambda steps, note="", total=None: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, desc=description, mininterval=0.5) as bar:

        def forward(steps: int, note: str = "", total: int | None = None) -> None:
            bar.total = bar.total if total is None else total
            if note:
                bar.set_postfix_str(note, refresh=False)
            bar.update(steps)

        yield forward
