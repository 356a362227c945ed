"""Studies that are killed at any moment, in any process, and started again."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import estkit as ek

SIZE, KILLS = 400, 20
# In a forked child nothing is imported again, so that twenty of them cost little.
SCRIPT = """
import os, sys, time
import numpy as np
import pandas, pyarrow.parquet, threadpoolctl
import estkit as ek
from estkit.montecarlo import store

store._SECONDS = 0.02  # parts are written all the time, so that kills hit all that happens


def draw(rng, n):
    return rng.normal(size=n)


def spread(x):
    time.sleep(0.0003)
    if x[0] > 1.5:
        raise ValueError("too large")
    return ek.Estimate(x.std(), std_error=x.std() / len(x) ** 0.5)


study = ek.Study(
    draw, {"mean": np.mean, "spread": spread}, truth=0.0, conditions=ek.grid(n=[5, 8])
)
folder, size, kills = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
waits = np.random.default_rng(7).uniform(0.0, 0.15, kills)


def parts():
    return len([name for name in os.listdir(folder) if name.endswith(".parquet")])


counts = [0]
for number, wait in enumerate(waits):
    child = os.fork()
    if child == 0:
        study.run(size, rng=1, store=folder)
        os._exit(0)
    ended = 0
    while number % 2 and parts() <= counts[-1] and not ended:  # however slow the machine is
        time.sleep(0.002)
        ended = os.waitpid(child, os.WNOHANG)[0]
    if not ended:
        time.sleep(wait / 5 if number % 2 else wait)
        os.kill(child, 9)
        os.waitpid(child, 0)
    counts.append(parts())
result = study.run(size, rng=1, store=folder)
print(result.fingerprint(), counts[1], counts[-1])
"""


def spread(x: np.ndarray) -> ek.Estimate:
    if x[0] > 1.5:
        raise ValueError("too large")
    return ek.Estimate(x.std(), std_error=x.std() / len(x) ** 0.5)


def unbroken() -> str:
    study = ek.Study(
        lambda rng, n: rng.normal(size=n),
        {"mean": np.mean, "spread": spread},
        truth=0.0,
        conditions=ek.grid(n=[5, 8]),
    )
    return study.run(SIZE, rng=1).fingerprint()


def test_a_study_killed_twenty_times_ends_with_the_same_bytes(tmp_path: Path) -> None:
    script, folder = tmp_path / "study.py", tmp_path / "kept"
    script.write_text(SCRIPT)
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, script, folder, str(SIZE), str(KILLS)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found, first, last = ended.stdout.split()
    assert found == unbroken()
    assert int(first) < int(last)  # the kills came in between, not before or after
    assert ek.open_study(folder).fingerprint() == found


def crash(x: np.ndarray, *, parent: int, calm: str) -> float:
    """End the worker, as a lack of memory does, unless a file says that all is well."""
    if x[0] > 2.5 and os.getpid() != parent and not os.path.exists(calm):
        time.sleep(0.2)
        os._exit(1)
    return float(x.mean())


def test_a_worker_that_dies_costs_nothing_that_was_written(tmp_path: Path) -> None:
    mean = functools.partial(crash, parent=os.getpid(), calm=str(tmp_path / "calm"))
    study = ek.Study(lambda rng: rng.normal(size=4), {"mean": mean}, truth=0.0)
    with pytest.raises(ek.StudyError, match="workers could not go on"):
        study.run(3000, rng=1, n_jobs=2, store=tmp_path / "kept")
    kept = len(ek.open_study(tmp_path / "kept").outcomes())
    assert kept >= 4
    (tmp_path / "calm").touch()
    whole = study.run(3000, rng=1, n_jobs=2, store=tmp_path / "kept")
    assert whole.fingerprint() == study.run(3000, rng=1).fingerprint()
