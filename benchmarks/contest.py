"""Race contenders on the same data, each in a fresh process: time, peak memory, and the answer.

A process of its own gives each contender the same empty memory, so that what it needs beyond the
data can be measured. It warms up on a few rows first, for imports and compilers are not the task.
All run in turn, in an order shuffled anew each round. What they answer is judged by code that
shares nothing with any of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from environment import cores, is_installed, markdown, print_header

THREADS = min(2, cores())
ROUNDS = 3
ENOUGH_SECONDS, ENOUGH_REPEATS = 1.0, 7  # within one process, whichever comes first
A_FEW_SECONDS = 0.05  # but quick ones go on so long
PATIENCE = 900  # seconds for one process
ABSENT = ("not found", "not installed")
QUIET, QUIET_SECONDS = 0.9, 0.5  # share of the cores that is idle, for so long
REACHED = 1e-2  # in the log-likelihood: who falls short by more is not a rival

Data = dict[str, Any]


def limited(algebra: int = THREADS) -> dict[str, str]:
    """Give the environment with a number of threads, and one for linear algebra alone."""
    wanted = {"OMP": THREADS, "NUMBA": THREADS, "OPENBLAS": algebra, "MKL": algebra}
    return os.environ | {f"{name}_NUM_THREADS": str(number) for name, number in wanted.items()}


class Judgement(NamedTuple):
    """What an answer is worth.

    `value` is the criterion that is maximised and `slope` how far from stationary it is, NaN where
    there is no such thing. A wrong answer is no rival, however fast; `note` says it in words.
    """

    value: float = math.nan
    slope: float = math.nan
    note: str = ""
    right: bool = True


class Elsewhere(NamedTuple):
    """The answer of a contender that took its own time and memory, in another language."""

    answer: Any
    seconds: list[float]
    busy: list[float]
    megabytes: float


@dataclass(frozen=True)
class Contender:
    """One way to do the task.

    `run` takes the data and gives what the case can judge. `needs` is the module it imports, or
    ``"R"`` or ``"R:package"``. `slow` ones run only with ``--all``, once. `errors` says whether
    standard errors are part of the work. A contender that does only a part of the task, because the
    whole would take too long, has a `share`; its time is divided by that.
    """

    name: str
    run: Callable[[Data], Any]
    needs: str | None = None
    slow: bool = False
    errors: bool = False
    share: float = 1.0


@dataclass(frozen=True)
class Case:
    """A task: how its data are made, how an answer is judged, who competes, and the target.

    The first contender is estkit. It is to take at most `target` of the time of `rival` (when none
    is named, of the fastest peer that reaches the maximum), at most `seconds` and `megabytes`.
    `algebra` is the number of threads for linear algebra: where matrices are tiny, one is fastest.
    """

    name: str
    title: str
    make: Callable[[], Data]
    few: Callable[[Data], Data]
    judge: Callable[[Data, Any], Judgement]
    contenders: Sequence[Contender]
    target: float = math.nan
    rival: str | None = None
    seconds: float = math.nan
    megabytes: float = math.nan
    algebra: int = THREADS
    slope: str = "max score / n"
    remark: str = "standard errors"


@dataclass
class Row:
    """What became of one contender."""

    contender: Contender
    trouble: str = ""
    seconds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)  # seconds of all cores together
    megabytes: list[float] = field(default_factory=list)
    judgement: Judgement | None = None


# in the process of a contender -------------------------------------------------------------------


def memory(name: str) -> float:
    """Give a memory figure of this process in MB, NaN where the system has no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def forget_peak() -> float:
    """Start the peak anew where the system can, and give the memory that is in use now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def save(data: Data, folder: Path) -> None:
    import scipy.sparse

    for name, values in data.items():
        if scipy.sparse.issparse(values):
            scipy.sparse.save_npz(folder / f"{name}.npz", values, compressed=False)
        else:
            np.save(folder / f"{name}.npy", values)


def load(folder: Path) -> Data:
    data: Data = {file.stem: np.load(file) for file in sorted(folder.glob("*.npy"))}
    for file in folder.glob("*.npz"):
        import scipy.sparse

        data[file.stem] = scipy.sparse.load_npz(file)
    return data


def perform(case: Case, contender: Contender, folder: Path) -> dict[str, Any]:
    """Run one contender in this process; give its times, its memory and the judgement."""
    warnings.simplefilter("ignore")  # of peers that stop at a tolerance we chose
    data = load(folder)
    seconds: list[float] = []
    busy: list[float] = []
    if contender.needs is None or not contender.needs.startswith("R"):
        contender.run(case.few(data))
    before = forget_peak()
    while len(seconds) < ENOUGH_REPEATS or sum(seconds) < A_FEW_SECONDS:
        start, start_busy = time.perf_counter(), time.process_time()
        answer = contender.run(data)
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - start_busy)
        if len(seconds) == 1:
            megabytes = memory("VmHWM") - before
        if isinstance(answer, Elsewhere):
            answer, seconds, busy, megabytes = answer
            break
        if sum(seconds) > ENOUGH_SECONDS:
            break
    judgement = case.judge(data, answer)
    return {
        "seconds": [value / contender.share for value in seconds],
        "busy": [value / contender.share for value in busy],
        "megabytes": megabytes,
        "judgement": judgement,
    }


# in the process that compares --------------------------------------------------------------------


@lru_cache
def is_there(needs: str | None) -> str:
    """Say why a contender cannot run, or nothing."""
    from rscript import has_package, has_r

    if needs is None:
        return ""
    if needs == "R" or needs.startswith("R:"):
        if not has_r():
            return "R not found"
        _, _, package = needs.partition(":")
        return "" if has_package(package) else f"R package {package} not found"
    return "" if is_installed(needs) else "not installed"


def ticks() -> tuple[int, int]:
    """Give how long the machine's cores were idle, and how long in all, since it started."""
    first = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    return int(first[3]) + int(first[4]), sum(map(int, first))


def wait_for_quiet(patience: float) -> None:
    """Wait until nothing else uses the machine, or until patience ends."""
    if not Path("/proc/stat").exists():
        return
    end = time.monotonic() + patience
    while time.monotonic() < end:
        idle, total = ticks()
        time.sleep(QUIET_SECONDS)
        idle_later, total_later = ticks()
        if idle_later - idle >= QUIET * (total_later - total):
            return


def ask(script: Path, case: Case, row: Row, folder: Path, patience: float) -> None:
    """Run one contender once in a process of its own, and note what it says."""
    command = [sys.executable, str(script), "--perform", case.name, row.contender.name, str(folder)]
    environment = limited(case.algebra)
    try:
        end = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=patience
        )
    except subprocess.TimeoutExpired:
        row.trouble = f"not done after {patience:g} s"
        return
    if end.returncode != 0:
        lines = end.stderr.strip().splitlines() or [f"status {end.returncode}"]
        # The message goes into a table cell, where no bars may stand.
        row.trouble = "failed: " + lines[-1].replace("|", "/")[:200]
        return
    told = json.loads(end.stdout.splitlines()[-1])
    row.seconds += told["seconds"]
    row.busy += told["busy"]
    row.megabytes.append(told["megabytes"])
    row.judgement = Judgement(*told["judgement"])


def entrants(case: Case, options: argparse.Namespace) -> list[Row]:
    """Give a row to each contender that is asked for; estkit always takes part."""
    wanted = options.peers.split(",")
    return [
        Row(contender)
        for number, contender in enumerate(case.contenders)
        if number == 0
        or ((options.all or not contender.slow) and any(part in contender.name for part in wanted))
    ]


def race(script: Path, case: Case, options: argparse.Namespace) -> list[Row]:
    """Run the contenders of a case in shuffled rounds."""
    rows = entrants(case, options)
    for row in rows:
        row.trouble = is_there(row.contender.needs)
    shuffler = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        save(case.make(), Path(folder))
        for number in range(options.rounds):
            able = [row for row in rows if not row.trouble and not (number and row.contender.slow)]
            for row in shuffler.sample(able, len(able)):
                wait_for_quiet(options.wait)
                ask(script, case, row, Path(folder), options.patience)
    return rows


def brief(value: float, digits: int = 3) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}g}"


def top_of(rows: Sequence[Row]) -> float:
    """Give the highest value of the criterion that any contender reaches."""
    values = [row.judgement.value for row in rows if row.judgement is not None]
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def lines_of(rows: Sequence[Row]) -> list[list[str]]:
    base, top = min(rows[0].seconds, default=math.nan), top_of(rows)
    lines = []
    for row in rows:
        name = row.contender.name + ("*" if row.contender.share < 1 else "")
        if row.judgement is None:
            lines.append([name, *[""] * 7, row.trouble])
            continue
        best, typical = min(row.seconds), statistics.median(row.seconds)
        megabytes = min(row.megabytes)
        lines.append(
            [
                name,
                *map(brief, [best, typical, best / base, min(row.busy)]),
                "–" if math.isnan(megabytes) else f"{megabytes:.0f}",
                brief(top - row.judgement.value, 1),
                brief(row.judgement.slope, 1),
                row.judgement.note or ("yes" if row.contender.errors else "no"),
            ]
        )
    return lines


def is_rival(case: Case, row: Row, top: float) -> bool:
    """Tell whether a contender answered well enough to be compared with."""
    if row.judgement is None or not row.judgement.right:
        return False
    named = case.rival is None or row.contender.name == case.rival
    return named and not top - row.judgement.value > REACHED


def verdicts(case: Case, rows: Sequence[Row]) -> list[str]:
    """Say how estkit stands beside its rival and its targets."""
    first, top = rows[0], top_of(rows)
    if first.judgement is None:
        return ["no answer"]
    rivals = [row for row in rows[1:] if is_rival(case, row, top)]
    seconds, megabytes = min(first.seconds), min(first.megabytes)
    checks = [
        (seconds, case.seconds, f"{seconds:.3g} s"),
        (megabytes, case.megabytes, f"{megabytes:.0f} MB beyond the data"),
    ]
    if rivals:
        fastest = min(rivals, key=lambda row: min(row.seconds))
        part, work = seconds / min(fastest.seconds), min(first.busy) / min(fastest.busy)
        text = f"{part:.3g} of the time ({work:.3g} of the core s) of {fastest.contender.name}"
        checks.insert(0, (part, case.target, text))
    lines = []
    for number, (value, target, text) in enumerate(checks):
        if not math.isnan(target):
            lines.append(f"{text}; target {target:g}: {'reached' if value <= target else 'missed'}")
        elif rivals and number == 0:
            lines.append(text)
    return lines or ["no peer to compare with"]


def report(case: Case, rows: Sequence[Row]) -> bool:
    """Print the table of a case; tell whether every installed contender gave an answer."""
    header = ["contender", "best s", "median s", "ratio to estkit", "core s", "extra MB"]
    header += ["short of maximum", case.slope, case.remark]
    lines = lines_of(rows)
    # A column that says nothing about anyone is left out.
    told = [j for j in range(len(header)) if any(line[j] not in ("", "–") for line in lines)]
    print(f"### ({case.name}) {case.title}\n")
    print(markdown([header[j] for j in told], [[line[j] for j in told] for line in lines]))
    print(f"\nestkit: {'. '.join(verdicts(case, rows))}.")
    if any(row.contender.share < 1 for row in rows):
        print("\\* ran on a part of the data sets; its time is that of all, in proportion.")
    print(flush=True)
    return all(row.judgement is not None or row.trouble.endswith(ABSENT) for row in rows)


def run(script: str, title: str, cases: Sequence[Case], peers: Sequence[str]) -> int:
    """Print the tables of all cases; give 1 when a contender that is installed did not answer."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--all", action="store_true", help="also the slow peers, once each")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="fresh processes for each")
    parser.add_argument(
        "--wait", type=float, default=0.0, help="seconds to wait, each time, for a quiet machine"
    )
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, help="seconds after which a process is ended"
    )
    parser.add_argument("--cases", help="only these letters, such as ac")
    parser.add_argument("--peers", default="", help="only these parts of names: glum,lbfgs")
    parser.add_argument("--perform", nargs=3, help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args()
    if options.perform:
        wanted, name, folder = options.perform
        case = next(case for case in cases if case.name == wanted)
        contender = next(one for one in case.contenders if one.name == name)
        print(json.dumps(perform(case, contender, Path(folder))))
        return 0
    print_header(title, ["scipy", *peers], threads=THREADS)
    good = True
    for case in cases:
        if options.cases is None or case.name[0] in options.cases:
            good = report(case, race(Path(script), case, options)) and good
    return 0 if good else 1


def first_rows(data: Mapping[str, Any], rows: int, columns: int) -> Data:
    """Give a few rows and columns of X and y, to warm up with."""
    return {"X": data["X"][:rows, :columns], "y": data["y"][:rows]}
