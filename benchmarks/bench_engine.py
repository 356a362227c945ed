"""What the engine of a study costs beside the estimators: overhead, two workers, memory.

Run alone: `python benchmarks/bench_engine.py`; with `--large` it also measures the memory that ten
million replicates of S1 take, which lasts minutes.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bench_location import SIZES, VECTORIZED
from environment import markdown, print_header

import estkit as ek

BLOCKS = np.zeros((1024, 1))
ROUNDS = 7
CPU_SECONDS = 1e-3  # of an estimator, where workers are compared
LARGE = 10_000_000 // len(SIZES)  # replicates of each condition
MODES = ("in memory", "store")


def best(run: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Give the shortest of several runs, in seconds: what others do at work only adds to it."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


# overhead: estimators that do nothing, so all that is left is the engine --------------------------


def first_column(block: Any) -> Any:
    return block[:, 0]


def half(data: Any) -> float:
    return 0.5


def overhead(study: Any, few: int, many: int) -> float:
    """Give the microseconds of a replicate beyond the first ones, which pay for the start."""
    study.run(few, rng=1)
    spent = best(lambda: study.run(many, rng=1)) - best(lambda: study.run(few, rng=1))
    return 1e6 * spent / (many - few)


def overheads() -> list[list[str]]:
    rows = []
    draw_blocks = ek.vectorized(lambda rng, replicates: BLOCKS[:replicates])
    for count in (1, 5):
        estimators = {f"e{i}": ek.vectorized(first_column) for i in range(count)}
        study = ek.Study(draw_blocks, estimators, truth=0.0)
        micro = overhead(study, 1024, 1024 * 200)
        rows.append([f"vectorised, {count} estimator(s)", f"{micro:.3f}", "0.2"])
    for count in (1, 5):
        study = ek.Study(lambda rng: BLOCKS[0], {f"e{i}": half for i in range(count)}, truth=0.0)
        micro = overhead(study, 100, 10_000)
        rows.append([f"looped, {count} estimator(s)", f"{micro:.2f}", "3"])
    start = 1e3 * best(lambda: study.run(1, rng=1))
    rows.append(["a run of a single replicate, ms", f"{start:.2f}", ""])
    return rows


# two workers -------------------------------------------------------------------------------------


def busy(data: Any) -> float:
    """Keep a processor busy for a millisecond of its own time, whoever else is at work."""
    end = time.thread_time() + CPU_SECONDS
    while time.thread_time() < end:
        pass
    return float(data[0])


def two_at_once(seconds: float) -> float:
    """Tell how many times as much two plain processes do as one: the bound for two workers."""
    script = (
        f"import time\nend = time.process_time() + {seconds!r}\n"
        "while time.process_time() < end:\n    pass"
    )
    command = [sys.executable, "-S", "-c", script]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    alone = time.perf_counter() - start
    start = time.perf_counter()
    both = [subprocess.Popen(command) for _ in range(2)]
    for process in both:
        process.wait()
    return 2 * alone / (time.perf_counter() - start)


def workers(replicates: int = 4_000, rounds: int = 3) -> list[list[str]]:
    study = ek.Study(lambda rng: rng.normal(size=3), {"busy": busy}, truth=0.0)
    study.run(8, rng=1, n_jobs=2)  # the workers start once in a session
    rows = []
    for number in range(rounds):
        bound = two_at_once(1.0)
        one = best(lambda: study.run(replicates, rng=1, n_jobs=1), 1)
        two = best(lambda: study.run(replicates, rng=1, n_jobs=2), 1)
        rows.append([f"round {number + 1}", f"{one:.2f}", f"{two:.2f}", f"{one / two:.2f}",
                     f"{bound:.2f}"])  # fmt: skip
    return rows


# memory ------------------------------------------------------------------------------------------


def peak() -> float:
    """Give the largest resident set of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(mode: str) -> None:
    """Run S1 large in this process, and print the peaks: before, after the run, the summary."""
    peaks = [peak()]
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/kept" if mode == "store" else None
        result = VECTORIZED.run(LARGE, rng=1, store=store)
        peaks.append(peak())
        result.summary()
        peaks.append(peak())
    print(*(f"{value:.0f}" for value in peaks))


def memories() -> list[list[str]]:
    rows = []
    for mode in MODES:
        command = [sys.executable, __file__, "--memory", mode]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append([mode, *ended.stdout.split()])
    return rows


def main() -> int:
    """Print the tables."""
    if "--memory" in sys.argv:
        memory(sys.argv[-1])
        return 0
    print_header("The engine of a study", ["joblib"])
    print(markdown(["µs of the engine per replicate", "measured", "target"], overheads()), "\n")
    header = ["4,000 replicates of 1 ms", "one worker s", "two s", "gain", "two plain processes"]
    print(markdown(header, workers()), "\n", flush=True)
    if "--large" in sys.argv:
        header = ["10⁷ replicates of S1", "MB before", "after the run", "after summary()"]
        print(markdown(header, memories()), "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
