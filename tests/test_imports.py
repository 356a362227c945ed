"""`import estkit` stays cheap because heavy modules are imported where they are used."""

from __future__ import annotations

import json
import subprocess
import sys

# numpy itself takes about 60 ms and brings none of these. The cheapest here cost a few milliseconds
# more (concurrent.futures 4, importlib.metadata 20), the dearest half a second.
FORBIDDEN = {
    "asyncio",
    "concurrent.futures",
    "dask",
    "distributed",
    "formulaic",
    "importlib.metadata",
    "jinja2",
    "joblib",
    "matplotlib",
    "multiprocessing",
    "narwhals",
    "numba",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "scipy",
    "sklearn",
    "statsmodels",
    "threadpoolctl",
    "tqdm",
    "typer",
}
SHOW_MODULES = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def modules_after(statement: str) -> set[str]:
    """Run a statement in a fresh process and list all that is imported afterwards."""
    command = [sys.executable, "-c", f"{statement}\n{SHOW_MODULES}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(ended.stdout))


def test_the_list_is_of_modules_that_numpy_does_without() -> None:
    assert not FORBIDDEN & modules_after("import numpy")


def test_importing_estkit_imports_nothing_heavy() -> None:
    assert not FORBIDDEN & modules_after("import estkit")
