"""A study on a cluster of several processes, one of which is killed, has the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os
import signal
import threading
import time
import warnings

import joblib
import numpy as np
from dask.distributed import Client, LocalCluster

import estkit as ek


def slow(x):
    time.sleep(0.01)
    return float(np.mean(x))


study = ek.Study(
    lambda rng, n: rng.normal(size=n),
    {"mean": slow, "median": np.median, "own": lambda x, rng: x.mean() + rng.normal()},
    truth=0.0,
    conditions=ek.grid(n=[5, 10]),
)

if __name__ == "__main__":
    alone = study.run(200, rng=1)
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        workers = client.run(os.getpid)
        victim = min(workers.values())

        def kill():
            deadline = time.monotonic() + 60  # in mid-run: as soon as the workers are at work
            while not any(client.processing().values()) and time.monotonic() < deadline:
                time.sleep(0.02)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        with joblib.parallel_config("dask"):
            spread = study.run(200, rng=1, n_jobs=-1)
        killer.join()
        client.wait_for_workers(3)
        print("processes:", len(set(workers.values()) - {os.getpid()}))
        print("killed:", victim not in client.run(os.getpid).values())
    print("same bytes:", spread.fingerprint() == alone.fingerprint())
"""


def test_a_worker_that_dies_in_mid_run_changes_no_byte(tmp_path: Path) -> None:
    script = tmp_path / "cluster.py"
    script.write_text(SCRIPT, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split("\n")[:3] == ["processes: 3", "killed: True", "same bytes: True"]
