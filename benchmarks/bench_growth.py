"""How the cost of a fit grows: time and extra memory against rows and against columns.

The task: estimates and standard errors, of one regression after another, each in a fresh process.
The slope of a log-log line is the power with which the cost grows. `--plot FILE` says where the
picture goes (its ending is the format); by default into a new temporary folder.
Run alone: `python benchmarks/bench_growth.py`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench_fit import make_binary, make_softmax
from contest import THREADS, forget_peak, limited, memory
from environment import is_installed, markdown, print_header

import estkit as ek

ROUNDS = 3
SWEEPS: dict[str, list[tuple[str, int, int]]] = {
    "logit, 20 columns, rows": [("logit", n, 20) for n in (10**3, 10**4, 10**5, 10**6, 3 * 10**6)],
    "softmax of 3, 10 columns, rows": [("softmax", n, 10) for n in (10**3, 10**4, 10**5, 10**6)],
    "logit, 50,000 rows, columns": [("logit", 50_000, p) for p in (5, 10, 20, 50, 100, 200, 400)],
}
LARGEST = 3
"""The slope is that of the last so many sizes: before them fixed costs hide it."""


def perform(kind: str, rows: int, columns: int) -> tuple[float, float]:
    """Fit once in this process, after a small fit; give seconds and extra MB."""
    family = ek.Binomial() if kind == "logit" else ek.Softmax()
    small = make_binary(500, 3, 1) if kind == "logit" else make_softmax(500, 3, 3, 1)
    data = make_binary(rows, columns, 41) if kind == "logit" else make_softmax(rows, columns, 3, 42)
    ek.fit(family, small["X"], small["y"])
    before = forget_peak()
    seconds = []
    while not seconds or (sum(seconds) < 0.2 and len(seconds) < 20):
        start = time.perf_counter()
        ek.fit(family, data["X"], data["y"])
        seconds.append(time.perf_counter() - start)
        if len(seconds) == 1:
            megabytes = memory("VmHWM") - before
    return min(seconds), megabytes


def measure(kind: str, rows: int, columns: int) -> tuple[float, float]:
    """Fit in fresh processes; give the least time and the least memory of the rounds."""
    environment = limited()
    command = [sys.executable, __file__, "--perform", kind, str(rows), str(columns)]
    told = []
    for _ in range(ROUNDS):
        end = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        told.append(json.loads(end.stdout))
    least = np.min(told, axis=0)
    return float(least[0]), float(least[1])


def slope(sizes: list[int], costs: list[float]) -> float:
    """Fit a line to the last logarithms."""
    chosen = slice(-LARGEST, None)
    return float(np.polyfit(np.log(sizes[chosen]), np.log(costs[chosen]), 1)[0])


def plot(found: dict[str, list[list[Any]]], file: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, (top, bottom) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, points in found.items():
        sizes, seconds, megabytes = zip(*points, strict=True)
        top.loglog(sizes, seconds, "o-", label=f"{name}: slope {slope(sizes, seconds):.2f}")
        bottom.loglog(sizes, np.maximum(megabytes, 0.1), "o-", label=name)
    top.set(xlabel="rows or columns", ylabel="seconds", title="time of a fit")
    bottom.set(xlabel="rows or columns", ylabel="MB beyond the data", title="peak memory of a fit")
    top.legend(fontsize="small")
    figure.savefig(file)


def main() -> int:
    """Print the table and the slopes, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path, help="file for the picture, such as growth.svg")
    parser.add_argument("--perform", nargs=3, help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args()
    if options.perform:
        kind, rows, columns = options.perform
        print(json.dumps(perform(kind, int(rows), int(columns))))
        return 0
    print_header("Growth: one fit with standard errors", peers=["scipy"], threads=THREADS)
    found: dict[str, list[list[Any]]] = {}
    lines = []
    for name, points in SWEEPS.items():
        found[name] = []
        for kind, rows, columns in points:
            seconds, megabytes = measure(kind, rows, columns)
            size = columns if name.endswith("columns") else rows
            found[name].append([size, seconds, megabytes])
            lines.append([name, f"{size:,}", f"{seconds:.3g}", f"{megabytes:.1f}"])
    print(markdown(["sweep", "size", "best s", "extra MB"], lines))
    print(f"\nThe slope is that of the last {LARGEST} sizes; {ROUNDS} processes each.")
    for name, points in found.items():
        sizes, seconds, _ = (list(column) for column in zip(*points, strict=True))
        print(f"- {name}: time grows with the power {slope(sizes, seconds):.2f}")
    if is_installed("matplotlib"):
        file = options.plot or Path(tempfile.mkdtemp()) / "growth.png"
        plot(found, file)
        print(f"- picture: {file}")
    print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
