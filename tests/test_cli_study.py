"""``estkit study``: a study in a file is run, stored, stopped, shared out and read again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.__main__ import main

WRONG_USE, STOPPED = 2, 130
SIZE = 60
FILE = """
import numpy as np
import estkit as ek
from neighbour import shift

def draw(rng, n):
    return rng.normal(shift, 1, size=n)

def picky(x):
    if x[0] < 0:
        raise ValueError("a <negative> one")
    return x.mean()

study = ek.Study(
    draw, {"mean": np.mean, "picky": picky}, truth=shift, conditions=ek.grid(n=[5, 9])
)
"""


def picky(x: np.ndarray) -> float:
    """Do as the function of the same name in the file does."""
    if x[0] < 0:
        raise ValueError("a <negative> one")
    return float(x.mean())


def same(size: int, seed: int = 1) -> ek.StudyResult:
    """Return the result of the study in the file."""
    return ek.Study(
        lambda rng, n: rng.normal(2.0, 1, size=n),
        {"mean": np.mean, "picky": picky},
        truth=2.0,
        conditions=ek.grid(n=[5, 9]),
    ).run(size, rng=seed)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "neighbour.py").write_text("shift = 2.0\n")
    (tmp_path / "one.py").write_text(FILE)
    (tmp_path / "two.py").write_text(FILE + "other = ek.Study(draw, np.median, truth=shift)\n")
    (tmp_path / "wrong.py").write_text("import estkit\nvalue = 1 / 0\n")
    (tmp_path / "broken.py").write_text("import estkit\n\ndef f(:\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


class Ended:
    """What a command printed, and its exit status."""

    def __init__(self, status: Any, captured: Any) -> None:
        self.status, self.out, self.err = status, captured.out, captured.err


@pytest.fixture
def estkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> Ended:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["estkit", "study", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code or 0, capsys.readouterr())

    return run


def test_a_study_is_run_printed_and_written(folder: Path, estkit: Any) -> None:
    ended = estkit("one.py", "--replicates", SIZE, "--seed", 1, "--store", "kept",
                   "--json", "out.json", "--out", "page.html")  # fmt: skip
    assert ended.status == 0
    assert str(same(SIZE)) in ended.out
    assert "without an estimate: ValueError: a <negative> one" in ended.out
    assert ek.open_study("kept").fingerprint() == same(SIZE).fingerprint()
    assert json.loads((folder / "out.json").read_text()) == same(SIZE).to_dict()
    assert "picky" in (folder / "page.html").read_text()
    again = estkit("kept", "--json", "again.json")
    assert again.out == ended.out
    assert json.loads((folder / "again.json").read_text()) == same(SIZE).to_dict()


def test_the_named_study_is_run_and_goes_to_workers(folder: Path, estkit: Any) -> None:
    ended = estkit("two.py:study", "--replicates", 300, "--seed", 1, "--n-jobs", 2, "--progress")
    assert ended.status == 0
    assert str(same(300)) in ended.out
    assert "study:" in ended.err


def test_shards_fill_one_store(folder: Path, estkit: Any) -> None:
    call = ["one.py", "--replicates", SIZE, "--seed", 1, "--store", "kept", "--shard"]
    assert estkit(*call, "2/3").status == 0
    half = estkit("kept")
    assert half.status == 0
    assert "has no replicates 0 to 19 of condition n=5" in half.err
    for shard in ("1/3", "3/3"):
        assert estkit(*call, shard).status == 0
    assert estkit("kept").out.startswith(str(same(SIZE)))
    assert ek.merge(["kept"]).fingerprint() == same(SIZE).fingerprint()


def test_a_shard_without_work_is_no_error(folder: Path, estkit: Any) -> None:
    call = ["one.py", "--replicates", 1, "--seed", 1, "--store", "kept", "--shard"]
    outputs = [estkit(*call, f"{i}/4") for i in (1, 2, 3, 4)]
    assert {ended.status for ended in outputs} == {0}
    assert sum("none for this shard" in ended.out for ended in outputs) == 2
    assert ek.merge(["kept"]).fingerprint() == same(1).fingerprint()


def test_a_target_stops_the_run(folder: Path, estkit: Any) -> None:
    ended = estkit("one.py", "--replicates", 100_000, "--seed", 1, "--target-mcse", "bias=0.05")
    assert ended.status == 0
    assert "100000" not in ended.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.py", "--replicates", "5"], "no file 'none.py'"),
        (["none.py"], "there is no file"),
        (["one.py"], "give --replicates"),
        (["a_store"], "there is no file 'a_store'"),
        (["one.py", "--replicates", "5", "--target-mcse", "coverage=1"], "cannot be met.\n"),
        (["one.py:nope", "--replicates", "5"], "no Study of the name 'nope'; it has study"),
        (["two.py", "--replicates", "5"], "must define one Study; it has study, other"),
        (["neighbour.py", "--replicates", "5"], "it has none"),
        (["wrong.py", "--replicates", "5"], "wrong.py, line 2: ZeroDivisionError"),
        (["broken.py", "--replicates", "5"], "broken.py, line 3: SyntaxError"),
        (["one.py", "--replicates", "5", "--shard", "1/2"], "needs a store"),
        (["one.py", "--replicates", "5", "--shard", "1-2"], "--shard must be I/K"),
        (["one.py", "--replicates", "5", "--shard", "3/2", "--store", "S"], "shard must be"),
        (["one.py", "--replicates", "5", "--target-mcse", "bias"], "must be MEASURE=ERROR"),
        (["one.py", "--replicates", "5", "--target-mcse", "skewness=1"], "'skewness'"),
        (["one.py", "--replicates", "5", "--n-jobs", "0"], "--n-jobs must not be 0"),
        (["one.py", "--replicates", "5", "--json", "none/x.json"], "cannot write"),
        (["empty"], "no manifest.json"),
        (["empty", "--seed", "1"], "--seed is for running a study"),
    ],
    ids=lambda value: "" if isinstance(value, list) else value,
)
def test_wrong_input_is_told_in_one_line(
    arguments: list[str], told: str, folder: Path, estkit: Any
) -> None:
    ended = estkit(*arguments)
    assert ended.status == WRONG_USE
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert ended.err.count("\n") == 1


def test_a_changed_study_is_refused(folder: Path, estkit: Any) -> None:
    call = ["one.py", "--replicates", SIZE, "--seed", 1, "--store", "kept"]
    estkit(*call)
    (folder / "one.py").write_text(FILE.replace("x[0] < 0", "x[0] < 0.1"))
    ended = estkit(*call)
    assert ended.status == WRONG_USE
    assert "estimator 'picky': its code was 'if x[0] < 0:', now it is 'if x[0] < 0.1:'" in ended.err


def test_an_interrupt_ends_with_130_and_the_next_call_goes_on(folder: Path, estkit: Any) -> None:
    slow = FILE.replace("    return rng.normal", "    time.sleep(0.002)\n    return rng.normal")
    (folder / "slow.py").write_text("import time\n" + slow)
    call = ["study", "slow.py", "--replicates", "600", "--seed", "1", "--store", "kept"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "estkit", *call],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (folder / "kept" / "manifest.json").exists():
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == STOPPED
    assert told == "estkit: stopped. Start it again with the same arguments to go on.\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ek.EstkitWarning)  # a condition may not have begun
        assert 0 < len(ek.open_study("kept").outcomes()) < 2 * 2 * 600
    assert estkit(*call[1:]).status == 0
    assert ek.open_study("kept").fingerprint() == same(600).fingerprint()
