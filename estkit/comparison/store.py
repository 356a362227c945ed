"""The store of a comparison: a file for each trial, so that no model is fitted twice or lost.

The name of a file says of which model it is and of which fold, and ends in the hash of its bytes.
The model's part is a hash of all that its numbers depend on, the data and the folds included.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from estkit.comparison.candidates import Candidate, Data
from estkit.comparison.folds import Folds
from estkit.comparison.manifest import (
    key_of,
    manifest_of,
    read_manifest,
    refuse_changes,
    seed_in,
)
from estkit.comparison.trial import Trial
from estkit.errors import DataError, EstkitWarning
from estkit.montecarlo.manifest import NAME
from estkit.montecarlo.parts import checked_folder, swept, write_whole

_FILE = re.compile(r"([0-9a-f]{16})-(\d{6,})-([0-9a-f]{16})\.npz")
_ARRAYS = ("prediction", "probability")
_NUMBERS = ("fit_seconds", "predict_seconds", "size", "freedom", "reason", "warning")


class Store(NamedTuple):
    """A folder of trials.

    Parameters
    ----------
    folder : Path
        Where they are.
    keys : mapping of str to str
        A hash of all that the trials of a model depend on, by its name.
    """

    folder: Path
    keys: Mapping[str, str]

    def keep(self, name: str, fold: int, trial: Trial) -> None:
        """Write a trial, unless it is there already or its failure may pass."""
        if trial.passing:
            return
        data = _encoded(self.keys[name], fold, trial)
        file = self.folder / f"{self.keys[name]}-{fold:06d}-{_hash(data)}.npz"
        try:
            if not file.exists():
                write_whole(file, data)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def read(self) -> dict[tuple[str, int], Trial]:
        """Return the trials that are there; damaged ones are named and put aside."""
        names = {key: name for name, key in self.keys.items()}
        found: dict[tuple[str, int], Trial] = {}
        for path in swept(self.folder):
            parts = _FILE.fullmatch(path.name)
            if parts is None or parts[1] not in names:
                continue
            name, fold = names[parts[1]], int(parts[2])
            trial = _decoded(path, parts[3], [parts[1], fold])
            if trial is not None:
                found.setdefault((name, fold), trial)
                continue
            warnings.warn(
                f"The file {path.name} of the store {str(self.folder)!r} is damaged: the model "
                f"{name!r} is fitted to fold {fold} anew.",
                EstkitWarning,
                stacklevel=3,
            )
            with suppress(OSError):
                path.replace(path.with_suffix(".damaged"))
        return found


def stored_seed(folder: Any) -> np.random.SeedSequence | None:
    """Return the seed of the store that a user names, None where there is none yet."""
    return seed_in(checked_folder(folder))


def open_store(
    folder: Any,
    candidates: Sequence[Candidate],
    data: Data,
    folds: Folds,
    seed: np.random.SeedSequence,
) -> Store:
    """Return the store in a folder, made if it is not there; raise if it is of something else."""
    path, new = checked_folder(folder), manifest_of(candidates, data, folds, seed)
    old = read_manifest(path)
    if old is not None:
        refuse_changes(old, new, path)
    merged = {**new, "models": {**(old or new)["models"], **new["models"]}}
    if merged != old:
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_whole(path / NAME, json.dumps(merged, indent=1).encode())
        except OSError as error:
            raise _unwritable(path, error) from error
    return Store(path.absolute(), {each.name: key_of(new, each.name) for each in candidates})


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"The store {str(folder)!r} cannot be written to: {error.strerror or error}. What it holds "
        f"is safe: make room, and run again with the same arguments to continue."
    )


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _encoded(key: str, fold: int, trial: Trial) -> bytes:
    head = {"place": [key, fold], **{name: getattr(trial, name) for name in _NUMBERS}}
    arrays = {name: getattr(trial, name) for name in _ARRAYS}
    given = {name: array for name, array in arrays.items() if array is not None}
    sink = io.BytesIO()
    text = np.frombuffer(json.dumps(head, default=float).encode(), np.uint8)
    np.savez(sink, head=text, **given)
    return sink.getvalue()


def _decoded(path: Path, digest: str, place: list[Any]) -> Trial | None:
    """Return the trial in a file; None if its bytes or its name are not what was written."""
    try:
        data = path.read_bytes()
        if _hash(data) != digest:
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            head = json.loads(file["head"].tobytes())
            arrays = {name: file[name] for name in _ARRAYS if name in file}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    if head.pop("place") != place:
        return None
    return Trial(arrays.get("prediction"), arrays.get("probability"), **head)
