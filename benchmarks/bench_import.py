"""The price of `import estkit`, in units of `import numpy`.

Each import is timed inside a fresh process, the two in turn, so that the interpreter's own start
is left out and a slow spell of the machine hits both.
Run alone: `python benchmarks/bench_import.py`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from environment import markdown, print_header

PROCESSES = 15
MODULES = ("estkit", "numpy")
CODE = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def seconds_to_import(module: str) -> float:
    """Time one import in a process of its own."""
    command = [sys.executable, "-c", CODE.format(module)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Print the table of import times."""
    print_header("Import: fresh processes", peers=[])
    # The first import of each compiles and reads from disk; it is not counted.
    for module in MODULES:
        seconds_to_import(module)
    times: dict[str, list[float]] = {module: [] for module in MODULES}
    for _ in range(PROCESSES):
        for module in MODULES:
            times[module].append(seconds_to_import(module))
    rows = []
    for module, own in times.items():
        ratio = statistics.median(
            mine / numpys for mine, numpys in zip(own, times["numpy"], strict=True)
        )
        milli = [1e3 * statistics.median(own), 1e3 * min(own)]
        rows.append([f"import {module}", *(f"{value:.1f}" for value in milli), f"{ratio:.2f}"])
    print(markdown(["statement", "median ms", "minimum ms", "ratio to numpy"], rows))
    print(f"\n{PROCESSES} processes each, interleaved.\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
