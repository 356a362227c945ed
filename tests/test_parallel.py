"""Work in parallel: the same answers in the same order, and threads that do not get in the way."""

from __future__ import annotations

import os
import threading
from typing import Any

import joblib
import numpy as np
import pytest
import threadpoolctl
from joblib.parallel import ThreadingBackend

from estkit import parallel


def blas_threads(_: Any = None) -> int:
    """Return the largest number of threads that any linear-algebra library would take."""
    pools = threadpoolctl.threadpool_info()
    return max((pool["num_threads"] for pool in pools if pool["user_api"] == "blas"), default=1)


def square(x: int) -> int:
    return x * x


def fail_at_3(x: int) -> int:
    if x == 3:
        raise ZeroDivisionError("three")
    return x


def process(_: Any) -> int:
    return os.getpid()


# --- how many ---


@pytest.mark.parametrize(("asked", "found"), [("1", 1), ("100000", None), ("", None), ("0", None),
                                              ("many", None), ("2,1", None)])  # fmt: skip
def test_cores_are_what_is_there_and_no_more_than_asked(
    monkeypatch: pytest.MonkeyPatch, asked: str, found: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert parallel.cores() == (found or here)


@pytest.mark.parametrize("n_jobs", [1, 2, -1, None])
def test_workers_are_those_of_joblib(n_jobs: int | None) -> None:
    assert parallel.workers(n_jobs) == joblib.effective_n_jobs(n_jobs)


def test_the_users_configuration_decides() -> None:
    with joblib.parallel_config(backend="threading", n_jobs=3):
        assert parallel.workers(None) == 3
        assert parallel.workers(1) == 1


# --- tasks ---


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_results_come_in_order(n_jobs: int | None) -> None:
    found = parallel.map_tasks(square, range(7), n_jobs=n_jobs)
    assert list(found) == [0, 1, 4, 9, 16, 25, 36]
    assert list(parallel.map_tasks(square, [], n_jobs=n_jobs)) == []


def test_results_come_as_they_are_done() -> None:
    done: list[int] = []

    def note(x: int) -> int:
        done.append(x)
        return x

    results = parallel.map_tasks(note, [1, 2, 3], n_jobs=1)
    assert next(results) == 1
    assert done == [1]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_is_done_before_a_failure_is_kept(n_jobs: int) -> None:
    kept = []
    with pytest.raises(ZeroDivisionError, match="three"):
        for result in parallel.map_tasks(fail_at_3, range(6), n_jobs=n_jobs):
            kept.append(result)  # a comprehension would lose it
    assert kept == [0, 1, 2]


def test_two_workers_are_other_processes() -> None:
    found = set(parallel.map_tasks(process, range(8), n_jobs=2))
    assert os.getpid() not in found
    assert set(parallel.map_tasks(process, range(3), n_jobs=1)) == {os.getpid()}


def test_the_backend_is_left_to_the_user() -> None:
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert set(parallel.map_tasks(process, range(4), n_jobs=None)) == {os.getpid()}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_task_has_one_thread_for_linear_algebra(n_jobs: int) -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    assert set(parallel.map_tasks(blas_threads, range(4), n_jobs=n_jobs)) == {1}


# --- threads ---


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_give_results_in_order(threads: int) -> None:
    assert list(parallel.map_threads(square, range(50), threads=threads)) == [
        x * x for x in range(50)
    ]


def test_threads_are_used() -> None:
    barrier = threading.Barrier(2, timeout=30)  # passed only by two at the same time
    assert list(parallel.map_threads(lambda _: barrier.wait() >= 0, range(2), threads=2)) == [
        True,
        True,
    ]


def test_a_failure_in_a_thread_is_raised() -> None:
    with pytest.raises(ZeroDivisionError, match="three"):
        list(parallel.map_threads(fail_at_3, range(6), threads=2))


def test_the_limit_on_linear_algebra_ends_with_the_work() -> None:
    before = blas_threads()
    with parallel.one_blas_thread():
        assert blas_threads() == 1
    assert blas_threads() == before
    inside = list(parallel.map_threads(blas_threads, range(4), threads=2))
    assert inside == [1, 1, 1, 1]
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError):
        list(parallel.map_threads(fail_at_3, range(6), threads=2))
    assert blas_threads() == before


# --- progress ---


def test_progress_is_silent_unless_wanted(capfd: pytest.CaptureFixture[str]) -> None:
    with parallel.progress_bar(10, show=False, unit="rep", description="study") as step:
        step(10)
    assert capfd.readouterr() == ("", "")


def test_progress_goes_to_the_error_stream(capfd: pytest.CaptureFixture[str]) -> None:
    with parallel.progress_bar(10, show=True, unit="rep", description="study") as step:
        step(4)
        step(6)
    output, beside = capfd.readouterr()
    assert output == ""
    assert [part for part in ("study", "10/10", "rep") if part not in beside] == []


# --- back ends that give back lists only, as Ray ---


class Lists(ThreadingBackend):
    """Threads, but nothing is given back before all of it is there."""

    supports_return_generator = False


joblib.register_parallel_backend("lists", Lists)


@pytest.mark.parametrize("count", [1, 16, 17, 50])
def test_a_back_end_without_generators_works_too(count: int) -> None:
    with joblib.parallel_config("lists", n_jobs=2):
        found = list(parallel.map_tasks(square, range(count), n_jobs=None))
    assert found == [x * x for x in range(count)]


def test_a_back_end_without_generators_gives_what_came_before_an_error() -> None:
    with joblib.parallel_config("lists", n_jobs=2):
        found = []
        with pytest.raises(ZeroDivisionError, match="three"):
            for each in parallel.map_tasks(fail_at_3, range(40), n_jobs=None):
                found.append(each)
    assert found == [0, 1, 2]


def test_a_back_end_without_generators_does_not_run_what_nobody_wants() -> None:
    ran: list[int] = []
    with joblib.parallel_config("lists", n_jobs=2):
        results = parallel.map_tasks(ran.append, range(1000), n_jobs=None)
        next(results)
        results.close()
    assert 0 < len(ran) < 100


@pytest.mark.parametrize("shape", [(3, 2), (1 << 16, 2)])
def test_room_is_an_array_to_be_filled(shape: tuple[int, ...]) -> None:
    array = parallel.room(shape)
    array[:] = np.arange(shape[1])
    assert array.shape == shape and array.dtype == float
    assert array.sum() == shape[0] * sum(range(shape[1]))
