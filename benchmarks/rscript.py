"""Peers written in R: find R, hand it the data, and read its answer, its time and its memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from contest import Elsewhere

PEERS = Path(__file__).parent / "peers.R"


def has_r() -> bool:
    return shutil.which("Rscript") is not None


@lru_cache
def has_package(package: str) -> bool:
    """Tell whether R can load a package; the empty name stands for R itself."""
    if not package:
        return True
    code = f"quit(status = !requireNamespace('{package}', quietly = TRUE))"
    return subprocess.run(["Rscript", "-e", code], capture_output=True).returncode == 0


def call(function: str, *arrays: Any) -> Elsewhere:
    """Call a function of peers.R with arrays; give its numbers, its seconds and its peak MB."""
    with tempfile.TemporaryDirectory() as folder:
        for number, array in enumerate(arrays, start=1):
            values = np.asarray(array, dtype=float)
            stem = Path(folder) / str(number)
            # R stores the first index fastest.
            np.ravel(values, order="F").tofile(stem.with_suffix(".bin"))
            stem.with_suffix(".txt").write_text(" ".join(map(str, values.shape)))
        command = ["Rscript", "--vanilla", str(PEERS), function, folder]
        end = subprocess.run(command, capture_output=True, text=True, env=os.environ)
        if end.returncode != 0:
            message = " ".join(end.stderr.split()) or f"status {end.returncode}"
            raise RuntimeError(f"R: {message}")
        seconds, busy, peak = np.loadtxt(Path(folder) / "measured.txt", ndmin=2).T
        answer = np.fromfile(Path(folder) / "answer.bin")
    return Elsewhere(answer, seconds.tolist(), busy.tolist(), float(peak[0]))
