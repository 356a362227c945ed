"""Tell what the figures were measured on: versions, BLAS, threads and cores.

Run alone it prints the table that stands above every benchmark:
`python benchmarks/environment.py`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterable, Sequence

BLAS_THREADS = 1
"""BLAS threads where the problems are small: there, threads only add noise to the ratios."""

PEERS = ("scipy", "joblib", "statsmodels", "scikit-learn", "mcframework", "monaco", "mcpower")


def version(distribution: str) -> str:
    """Give the installed version of a distribution, or say that there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed" if not is_installed(distribution) else "from the source tree"


def is_installed(module: str) -> bool:
    """Tell whether a top-level module can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def cores() -> int:
    """Count the cores this process may use, which a container can make fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load() -> str:
    """Say how busy the machine was in the last minute, before this began."""
    if not hasattr(os, "getloadavg"):
        return "unknown"
    return f"load average {os.getloadavg()[0]:.1f}; times mean little above 1"


def blas_in_use(threads: int = BLAS_THREADS) -> list[str]:
    """Name each BLAS library in this process with the kernel it chose and its threads."""
    from threadpoolctl import threadpool_info, threadpool_limits

    # numpy and scipy may each bring a BLAS of their own; only loaded ones are seen.
    for module in ("numpy", "scipy.linalg"):
        importlib.import_module(module)
    with threadpool_limits(limits=threads):
        libraries = [entry for entry in threadpool_info() if entry["user_api"] == "blas"]
    return [
        f"{entry['internal_api']} {entry['version']}, kernel "
        f"{entry.get('architecture', 'unknown')}, {entry['num_threads']} thread(s)"
        for entry in libraries
    ] or ["none that threadpoolctl knows"]


def blas_built_with() -> str:
    """Name the BLAS that numpy was built against."""
    import numpy as np

    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{built['name']} {built['version']}"


def describe(peers: Iterable[str] = PEERS, *, threads: int = BLAS_THREADS) -> list[tuple[str, str]]:
    """List the facts that a timing cannot be read without."""
    facts = [
        ("estkit", version("estkit")),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("numpy", version("numpy")),
        *((peer, version(peer)) for peer in peers),
        ("numpy built with", blas_built_with()),
        *(("BLAS in use", library) for library in blas_in_use(threads)),
        ("BLAS threads while timing", f"{threads}, the same for every competitor"),
        ("OPENBLAS_CORETYPE", os.environ.get("OPENBLAS_CORETYPE", "not set")),
        ("cores", str(cores())),
        ("others at work", load()),
        ("machine", f"{platform.system()} {platform.machine()}"),
    ]
    return facts


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay rows out as a Markdown table; the first column is text, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def print_header(title: str, peers: Iterable[str] = PEERS, *, threads: int = BLAS_THREADS) -> None:
    """Print the title of a benchmark and the facts below it."""
    facts = "\n".join(f"- {name}: {fact}" for name, fact in describe(peers, threads=threads))
    print(f"## {title}\n\n{facts}\n", flush=True)


if __name__ == "__main__":
    print_header("The machine and its versions")
