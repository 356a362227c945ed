"""Parts: immutable Parquet files, each with consecutive replicates of one condition.

The name of a part says which replicates it holds, and ends in the hash of its bytes; so a part is
there as a whole and as it was written, or it is known to be damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, MissingExtraError, StudyError
from estkit.estimate import Estimate
from estkit.montecarlo.execution import Block
from estkit.montecarlo.outcomes import FIELDS, Outcomes
from estkit.montecarlo.truth import leaves_of, tree_of

if TYPE_CHECKING:
    import pyarrow

_NAME = re.compile(r"c(\d+)-(\d+)-(\d+)-([0-9a-f]{16})\.parquet")
_UNFINISHED = ".tmp"
_STALE = 24 * 3600  # seconds after which what a killed process left behind is removed
_KEY = b"estkit"
_NOTES = {"reasons": "reason", "warnings": "warning"}


@dataclass(frozen=True)
class Part:
    """A file with the replicates ``first`` to ``stop`` (not included) of a condition."""

    path: Path
    condition: int
    first: int
    stop: int
    digest: str = field(compare=False)

    def is_whole(self) -> bool:
        """Tell whether the bytes are those that were written."""
        digest = hashlib.blake2b(digest_size=8)
        try:
            with self.path.open("rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
        except OSError:
            return False
        return digest.hexdigest() == self.digest

    @cached_property
    def head(self) -> dict[str, Any]:
        """What the file says of itself: by estimator the names, level, columns and the truth."""
        found: dict[str, Any] = json.loads(self._file().schema_arrow.metadata[_KEY])
        return found

    def is_of(self, study: str) -> bool:
        """Tell whether it was written under its name, for a study."""
        known = [self.head.get("study", study), self.head.get("place", self._place)]
        return known == [study, self._place]

    @property
    def _place(self) -> list[int]:
        return [self.condition, self.first, self.stop]

    @property
    def has_truths(self) -> bool:
        """Whether truths came with the data sets."""
        return bool(self.head["truths"])

    def names(self, name: str) -> tuple[str, ...] | None:
        """Return the names of the parameters of an estimator."""
        names = self.head["estimators"][name]["names"]
        return None if names is None else tuple(names)

    def outcomes(self, name: str, start: int, stop: int) -> Outcomes:
        """Return the outcomes of an estimator in replicates `start` to `stop`."""
        own = self.head["estimators"][name]
        wanted = [c for columns in own["columns"].values() for c in columns if c is not None]
        table = self._read([*wanted, *own["notes"].values()])
        names, size = own["names"], self.stop - self.first
        columns: dict[str, Any] = dict.fromkeys(FIELDS)
        for part in FIELDS:
            if part in own["columns"]:
                listed = [table.column(c).to_numpy() for c in own["columns"][part]]
                columns[part] = np.stack(listed, axis=1) if listed else np.empty((size, 0))
        notes = {kind: _noted(table.column(c), self.first) for kind, c in own["notes"].items()}
        status = table.column(own["columns"]["status"][0]).to_numpy().astype(np.int8, copy=False)
        strays = {int(number): _estimate(given) for number, given in own["strays"].items()}
        whole = Outcomes(
            None if names is None else tuple(names), columns["estimate"], columns["std_error"],
            columns["lower"], columns["upper"], columns["p_value"], status,
            notes.get("reasons", {}), notes.get("warnings", {}), self.first, strays, own["level"],
        )  # fmt: skip
        return whole.rows(start - self.first, stop - self.first)

    def truths(self, start: int, stop: int) -> list[Any]:
        """Return the truths that came with the data sets, if they came."""
        if not self.has_truths:
            return []
        table = self._read(["truth", "truth_tree"])
        rows = slice(start - self.first, stop - self.first)
        trees = table.column("truth_tree").to_pylist()[rows]
        return [
            tree_of(json.loads(tree), iter(leaves))
            for tree, leaves in zip(trees, table.column("truth").to_pylist()[rows], strict=True)
        ]

    def _read(self, columns: list[str]) -> pyarrow.Table:
        return self._file(columns)

    def _file(self, columns: list[str] | None = None) -> Any:
        from pyarrow import ArrowException

        try:
            file = parquet().ParquetFile(self.path)
            return file if columns is None else file.read(columns, use_threads=False)
        except (OSError, ArrowException) as error:
            raise StudyError(
                f"The part {str(self.path)!r} cannot be read ({error}); run the study again with "
                f"this store to compute it anew."
            ) from error


def parquet() -> Any:
    """Return pyarrow's module for Parquet files, or raise and name the extra that brings it."""
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("A store needs pyarrow; install estkit[store].") from error
    return pyarrow.parquet


def parts_in(folder: Path) -> list[Part]:
    """Return the parts in a folder, and remove what killed processes left there long ago."""
    found = []
    for path in swept(folder):
        named = _NAME.fullmatch(path.name)
        if named is not None:
            number, first, stop = map(int, named.groups()[:3])
            found.append(Part(path, number, first, stop, named[4]))
    return found


def swept(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder by name; remove what killed processes left there long ago."""
    for path in sorted(folder.iterdir()):
        if path.suffix != _UNFINISHED:
            yield path
            continue
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()


def write_part(folder: Path, block: Block, head: Mapping[str, Any]) -> Part:
    """Write a block as a part; `head` says by estimator what is true, and what else to remember."""
    import pyarrow

    stop = block.first + block.size
    table: dict[str, Any] = {"replicate": np.arange(block.first, stop)}
    estimators = {name: _columns(name, own, table) for name, own in block.outcomes.items()}
    if block.truths:
        flat = [leaves_of(truth) for truth in block.truths]
        table["truth"] = pyarrow.array([leaves for _, leaves in flat], pyarrow.list_(_double()))
        table["truth_tree"] = [json.dumps(tree) for tree, _ in flat]
    place = [block.condition, block.first, stop]
    whole = {**head, "place": place, "estimators": estimators, "truths": bool(block.truths)}
    made = pyarrow.table(table).replace_schema_metadata({_KEY: json.dumps(whole)})
    few = [f.name for f in made.schema if f.type in (pyarrow.int8(), pyarrow.string())]
    sink = pyarrow.BufferOutputStream()
    parquet().write_table(
        made, sink, compression="none", use_dictionary=few, write_statistics=False,
        column_encoding={"replicate": "DELTA_BINARY_PACKED"}, row_group_size=max(1, block.size),
        store_schema=True,
    )  # fmt: skip
    data = sink.getvalue()
    digest = hashlib.blake2b(data, digest_size=8).hexdigest()
    name = f"c{block.condition:05d}-{block.first:012d}-{stop:012d}-{digest}.parquet"
    write_whole(folder / name, data)
    return Part(folder / name, block.condition, block.first, stop, digest)


def write_whole(path: Path, data: Any) -> None:
    """Write a file so that it is there with all its bytes or not at all, even if power fails."""
    unfinished = path.parent / f".{uuid.uuid4().hex}{_UNFINISHED}"
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
    with suppress(OSError):  # not every system lets a folder be written through
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _double() -> Any:
    import pyarrow

    return pyarrow.float64()


def _columns(name: str, own: Outcomes, table: dict[str, Any]) -> dict[str, Any]:
    """Add what an estimator answered to the columns of a table; return how to find it there."""

    def add(column: str, values: Any) -> str:
        while column in table:
            column += "'"
        table[column] = values
        return column

    columns: dict[str, list[str]] = {}
    for part in FIELDS:
        values = getattr(own, part)
        if values is not None:
            columns[part] = [add(f"{name}/{parameter}/{part}", np.ascontiguousarray(values[:, j]))
                             for j, parameter in enumerate(own.names or ())]  # fmt: skip
    columns["status"] = [add(f"{name}/status", own.status)]
    notes = {}
    for kind, column in _NOTES.items():
        noted = getattr(own, kind)
        if noted:
            rows = range(own.first, own.first + len(own))
            notes[kind] = add(f"{name}/{column}", _strings(noted, rows))
    strays = {number: _parts_of(estimate) for number, estimate in own.strays.items()}
    return {"names": own.names, "level": own.level, "columns": columns, "notes": notes,
            "strays": strays}  # fmt: skip


def _strings(noted: Mapping[int, str], rows: range) -> Any:
    import pyarrow

    texts = [noted.get(row) for row in rows]
    clean = [None if text is None else text.encode(errors="replace").decode() for text in texts]
    return pyarrow.array(clean, pyarrow.string())


def _noted(column: Any, first: int) -> dict[int, str]:
    import pyarrow.compute

    rows = pyarrow.compute.indices_nonzero(column.is_valid())
    return {
        first + row: text
        for row, text in zip(rows.to_pylist(), column.take(rows).to_pylist(), strict=True)
    }


def _parts_of(estimate: Estimate) -> dict[str, Any]:
    arrays = ("value", "std_error", "lower", "upper", "p_value")
    given = {part: getattr(estimate, part) for part in arrays}
    lists = {part: np.asarray(v).tolist() for part, v in given.items() if v is not None}
    return {**lists, "names": list(estimate.names), "level": estimate.level,
            "status": estimate.status, "reason": estimate.reason}  # fmt: skip


def _estimate(given: Mapping[str, Any]) -> Estimate:
    arguments = dict(given)
    return Estimate(arguments.pop("value"), **arguments)


def checked_folder(folder: Any) -> Path:
    """Return the path of a folder that was given by the user, or raise."""
    if not isinstance(folder, str | os.PathLike) or folder == "" or "\0" in str(folder):
        raise DataError(f"store must be the name of a folder, got {folder!r:.60}.")
    path = Path(folder)
    try:
        is_file = path.exists() and not path.is_dir()
    except (OSError, ValueError) as error:  # too long, or with characters that no name can have
        raise DataError(f"store cannot be the folder {str(path)!r:.60}: {error!s:.60}.") from error
    if is_file:
        raise DataError(f"store must be a folder, but {str(path)!r} is a file.")
    return path
