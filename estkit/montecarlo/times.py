"""How long replicates took, kept beside the parts of a store.

Times are no outcomes: they differ from run to run, so they are in no part and in no fingerprint.
Each run adds lines to a file of its own; a line that a killed process left unfinished is passed by.
"""

from __future__ import annotations

import json
import uuid
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from estkit.errors import EstkitWarning
from estkit.montecarlo.execution import Block

_FILES = "times-*.jsonl"
BySize = dict[int, list[float]]  # by condition: seconds, and of how many replicates
Spent = dict[tuple[int, str], tuple[float, int]]  # the processor's, by condition and estimator


class Times(NamedTuple):
    """Seconds of one replicate by condition, and those of each estimator with their number."""

    seconds: dict[int, float]
    spent: Spent


def new_file(folder: Path) -> Path:
    """Return where a run keeps its times."""
    return folder / f"times-{uuid.uuid4().hex}.jsonl"


def keep_times(path: Path, blocks: Sequence[Block]) -> None:
    """Add what blocks took to a file."""
    seconds, spent = collected(
        ([block.condition, block.seconds, block.size] for block in blocks if block.seconds),
        ([b.condition, name, *own] for b in blocks for name, own in b.spent.items()),
    )
    line = {
        "seconds": [[number, *own] for number, own in seconds.items()],
        "spent": [[*key, *own] for key, own in spent.items()],
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def read_times(folders: Iterable[Path]) -> tuple[BySize, Spent]:
    """Return what all runs have kept in folders."""
    found: list[dict[str, Any]] = []
    for path in (path for folder in folders for path in sorted(folder.glob(_FILES))):
        try:
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # the last one is whole
            found += [json.loads(line) for line in lines]
        except (OSError, ValueError) as error:
            warnings.warn(
                f"The file {str(path)!r} cannot be read ({error}), so the times in it are not "
                f"known; nothing else depends on it.",
                EstkitWarning,
                stacklevel=2,
            )
    return collected(
        (row for line in found for row in line["seconds"]),
        (row for line in found for row in line["spent"]),
    )


def copy_times(folders: Iterable[Path], into: Path) -> None:
    """Copy the files with times into a folder."""
    for path in (path for folder in folders for path in sorted(folder.glob(_FILES))):
        if not (into / path.name).exists():
            (into / path.name).write_bytes(path.read_bytes())


def times_of(folders: Iterable[Path]) -> Times:
    """Return the times in folders, by replicate."""
    seconds, spent = read_times(folders)
    return Times({number: own / size for number, (own, size) in seconds.items() if size}, spent)


def collected(seconds: Iterable[Any], spent: Iterable[Any]) -> tuple[BySize, Spent]:
    """Return sums of rows: condition, seconds, replicates; condition, name, seconds, timed."""
    by_condition: BySize = {}
    by_estimator: Spent = {}
    for number, own, size in seconds:
        before, count = by_condition.get(int(number), [0.0, 0])
        by_condition[int(number)] = [before + own, count + size]
    for number, name, own, size in spent:
        key = (int(number), str(name))
        before, timed = by_estimator.get(key, (0.0, 0))
        by_estimator[key] = (before + own, int(timed + size))
    return by_condition, by_estimator
