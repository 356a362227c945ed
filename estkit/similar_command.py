"""``estkit similar``: which rows of a file are alike, with the numbers of the call in Python."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

import estkit as ek
from estkit.estimate import plain
from estkit.files import check_target, named_column, names_in, read_rows, write_frame, write_json
from estkit.similarity.form import read_form
from estkit.similarity.found import decimals
from estkit.similarity.vectors import Vectors, read_vectors
from estkit.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

_TOP = 5  # neighbours that are told where nothing else is asked for
_CORNER = (20, 8)  # rows and columns of a matrix that are printed
_NAMED = 6  # columns that a note lists
_NUMBERS = 1 << 20  # whose intervals are made together
_KINDS = (".csv", ".parquet", ".json")


class Zero(StrEnum):
    """What the cosine with a zero row is."""

    nan = "nan"
    zero = "zero"
    refuse = "raise"
    drop = "drop"


class Nan(StrEnum):
    """What a row with NaN means."""

    refuse = "raise"
    propagate = "propagate"
    pairwise = "pairwise"


def similar(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A CSV, Parquet or .npy file.")],
    against: Annotated[
        Path | None, typer.Option(help="Rows to compare with; by default those of DATA itself.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(min=1, help=f"How many neighbours of each row; {_TOP} if not given."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Instead: all pairs with at least this cosine.")
    ] = None,
    matrix: Annotated[bool, typer.Option("--matrix", help="Instead: the cosines of all pairs.")] = (
        False
    ),
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What the rows are called.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="What is compared, commas between (by default all numbers); or a column of lists."
        ),
    ] = None,
    center: Annotated[
        bool,
        typer.Option("--center", help="Take the mean of each row away: Pearson's correlation."),
    ] = False,
    adjusted: Annotated[
        bool, typer.Option("--adjusted", help="Take the mean of each column away.")
    ] = False,
    zero: Annotated[Zero, typer.Option(help="What the cosine with a zero row is.")] = Zero.nan,
    nan: Annotated[Nan, typer.Option(help="What a row that lacks a value means.")] = Nan.refuse,
    interval: Annotated[
        bool, typer.Option("--interval", help="Tell how sure each cosine is, columns as a sample.")
    ] = False,
    level: Annotated[float, typer.Option(help="The level of the intervals.")] = 0.95,
    n_jobs: Annotated[
        int | None, typer.Option(help="How many threads; by default one for each core.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Write all of it: .csv, .parquet, .json; a matrix as .npy, too."
        ),
    ] = None,
    progress: Annotated[bool, typer.Option("--progress", help="Show a progress bar.")] = False,
) -> None:
    """Tell which rows are most similar, by the cosine of their numbers.

    estkit similar wines.csv --label name --top 3 --interval --out neighbours.csv

    estkit similar new.parquet --against known.parquet --threshold 0.98 --out pairs.json
    """
    if (top is not None) + (threshold is not None) + matrix > 1:
        raise ek.DataError("--top, --threshold and --matrix exclude each other; give one of them.")
    if center and adjusted:
        raise ek.DataError("--center takes row means away, --adjusted column means; give one.")
    if interval and (matrix or nan is Nan.pairwise):
        raise ek.DataError(
            "--interval is for the pairs of --top or --threshold, and needs rows without gaps."
        )
    _check_out(out, matrix)
    X = _read(data, label, columns)
    Y = None if against is None else _read(against, label, columns, like=X)
    options: dict[str, Any] = {
        "center": "columns" if adjusted else center,
        "zero": zero.value,
        "nan": nan.value,
        "n_jobs": n_jobs,
        "progress": progress,
    }
    try:
        if matrix:
            _tell_matrix(X, Y, options, out)
        else:
            found = (
                ek.cosine_top_k(X.values, Y and Y.values, k=top or _TOP, **options)
                if threshold is None
                else ek.cosine_join(X.values, Y and Y.values, threshold=threshold, **options)
            )
            _tell_pairs(found, X, Y, options, level if interval else None, out)
    except ek.DataError as error:
        raise ek.DataError(_as_command(str(error), X, Y)) from error


@dataclass(frozen=True)
class _Rows:
    """The rows of a file: a frame or an array, and the columns that hold no numbers."""

    file: Path
    values: Any
    left_out: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Return what is compared; nothing for an array."""
        return [str(name) for name in getattr(self.values, "columns", [])]

    def notes(self) -> list[str]:
        """Say what is compared, and what is not."""
        names = self.names
        count = len(names) or self.values.shape[1]
        notes = [f"Compared over {count} column{'s' * (count != 1)}" + (": " if names else ".")]
        if names:
            shown = ", ".join(names[:_NAMED]) + (", ..." if count > _NAMED else "")
            notes[0] += f"{shown}."
        if self.left_out:
            notes.append(f"Left out, for they hold no numbers: {', '.join(self.left_out)}.")
        return notes


def _read(file: Path, label: str | None, columns: str | None, like: _Rows | None = None) -> _Rows:
    """Return the rows of a file, of the columns that are compared, by their labels."""
    from pandas.api.types import is_numeric_dtype

    given = read_rows(file)
    if not given.size:
        raise ek.DataError(f"{str(file)!r} holds no rows to compare.")
    if isinstance(given, np.ndarray):
        if label is not None or columns is not None:
            raise ek.DataError(
                f"--label and --columns need columns with names, which {str(file)!r} has not."
            )
        return _Rows(file, given[None] if given.ndim == 1 else given)
    index = None if label is None else named_column(given, label, "--label", file)
    if index is not None and index.isna().any():
        row = int(np.argmax(index.isna()))
        raise ek.DataError(f"--label: {str(file)!r} has no {label!r} in row {row} (from 0).")
    left_out: tuple[str, ...] = ()
    if columns is not None or (like is not None and like.names):
        wanted = names_in(columns) if columns is not None or like is None else like.names
        option = "--against" if columns is None else "--columns"
        chosen = [named_column(given, name, option, file).name for name in wanted]
    else:
        others = [name for name in given.columns if name != label]
        chosen = [name for name in others if is_numeric_dtype(given[name].dtype)]
        left_out = tuple(str(name) for name in others if name not in chosen)
    if not chosen:
        raise ek.DataError(
            f"{str(file)!r} has no column of numbers to compare rows by; it has "
            f"{', '.join(map(str, given.columns))}. A column of lists is to be named: --columns."
        )
    values = _unpacked(given, chosen[0]) if len(chosen) == 1 else given[chosen]
    return _Rows(file, values if index is None else values.set_axis(index.to_numpy()), left_out)


def _unpacked(frame: pd.DataFrame, name: Any) -> pd.DataFrame:
    """Return a column as a frame; one of lists, such as embeddings, with a column for each place.

    Raises
    ------
    DataError
        If the lists differ in length.
    """
    import pandas as pd

    elements = list(frame[name])
    if not all(isinstance(element, list | np.ndarray) for element in elements):
        return frame[[name]]
    lengths = [len(element) for element in elements]
    if len(set(lengths)) > 1:
        row = int(np.argmax(np.array(lengths) != lengths[0]))
        raise ek.DataError(
            f"column {name!r} has {lengths[row]} numbers in row {row} (from 0) and {lengths[0]} in "
            f"row 0; rows are compared number by number, so all need as many."
        )
    return pd.DataFrame(np.stack(elements), columns=[f"{name}[{j}]" for j in range(lengths[0])])


def _tell_pairs(
    found: ek.Neighbors | ek.SimilarPairs,
    X: _Rows,
    Y: _Rows | None,
    options: dict[str, Any],
    level: float | None,
    out: Path | None,
) -> None:
    """Print pairs, with their intervals if there is a level, and write all of them."""
    frame, table = found.to_frame(), found._table()
    notes = [*table.notes, *X.notes()]
    if level is not None:
        frame = frame.join(_intervals(found, X, Y, options["center"], level))
        shown = frame.head(len(table.columns[0].values))
        limits = [
            [f"{limit:.{decimals(side)}f}" for limit in side] for side in (shown.lower, shown.upper)
        ]
        cells = [f"{low} to {high}" for low, high in zip(*limits, strict=True)]
        table = replace(
            table, columns=[*table.columns, Column(f"{100 * level:.4g}% interval", cells)]
        )
        notes.append("Intervals: the jackknife, which takes the columns as a sample.")
    typer.echo(replace(table, notes=notes).to_text())
    if out is None:
        return
    if out.suffix.lower() != ".json":
        write_frame(out, frame)
        return
    facts = {
        name: getattr(found, name)
        for name in ("shape", "zero_rows", "missing_rows", "zero_columns", "missing_columns")
    }
    head = {"level": level, "columns": X.names, "left_out": X.left_out}
    write_json(out, plain({**head, **facts, "pairs": frame.to_dict("records")}))


def _intervals(
    found: ek.Neighbors | ek.SimilarPairs, X: _Rows, Y: _Rows | None, center: Any, level: float
) -> pd.DataFrame:
    """Return the standard error and the limits of each pair, some pairs at a time."""
    import pandas as pd

    left = read_vectors(X.values, what="X")
    right = left if Y is None else read_vectors(Y.values, what="Y", like=left)
    if center == "columns":  # the means of all rows, not of those of a few pairs
        center = read_form(None, center, None, left, None if Y is None else right).origin
    pairs = found._long()
    count, step = len(pairs["row"]), max(1, _NUMBERS // left.width)
    parts = [slice(start, start + step) for start in range(0, count, step)]
    made = [_some(left, right, pairs, part, center, level) for part in parts]
    names = ["std_error", "lower", "upper"]
    return pd.DataFrame(np.vstack([np.empty((0, 3)), *made]), columns=names)


def _some(
    left: Vectors, right: Vectors, pairs: dict[str, Any], part: slice, center: Any, level: float
) -> Any:
    x, y = left.dense(pairs["row"][part]), right.dense(pairs["neighbor"][part])
    sure = ek.cosine_interval(x, y, level=level, center=center)
    return np.column_stack([np.asarray(sure.std_error), sure.lower, sure.upper])


def _tell_matrix(X: _Rows, Y: _Rows | None, options: dict[str, Any], out: Path | None) -> None:
    """Print a corner of the cosines of all pairs, and write all of them."""
    import pandas as pd

    try:
        made = ek.cosine_similarity(X.values, Y and Y.values, **options)
    except MemoryError as error:
        raise ek.DataError(
            f"the cosines of all pairs do not fit into memory ({error}); ask for --top or "
            f"--threshold."
        ) from error
    if not isinstance(made, pd.DataFrame):
        made = pd.DataFrame(np.asarray(made), index=made.rows, columns=made.columns)
    typer.echo(_corner(made, X).to_text())
    if out is None:
        return
    if out.suffix.lower() == ".json":
        parts = {"rows": list(made.index), "columns": list(made.columns)}
        write_json(out, plain({**parts, "cosines": made.to_numpy()}))
    else:
        write_frame(out, made, index="row")


def _corner(made: pd.DataFrame, X: _Rows) -> Table:
    rows, columns = _CORNER
    more = [
        f"{count - most:,} more {what}"
        for count, most, what in zip(made.shape, _CORNER, ("rows", "columns"), strict=True)
        if count > most
    ]
    part = made.iloc[:rows, :columns]
    digits = decimals(part.to_numpy())
    cells = [Column("row", [str(name) for name in part.index])]
    for j, name in enumerate(part.columns):
        values = [f"{value:.{digits}f}" for value in part.iloc[:, j]]
        cells.append(Column(str(name), values, right=True))
    title = f"Cosines of {made.shape[0]:,} x {made.shape[1]:,} rows"
    return Table(cells, title, [*([f"and {' and '.join(more)}"] if more else []), *X.notes()])


def _check_out(out: Path | None, matrix: bool) -> None:
    """Raise before anything is computed if the result could not be written."""
    kinds = (*_KINDS, ".npy") if matrix else _KINDS
    if out is not None and out.suffix.lower() not in kinds:
        more = "" if matrix else "; .npy is for --matrix"
        raise ek.DataError(f"--out: {str(out)!r} must end in {', '.join(kinds)}{more}.")
    check_target(out)


def _as_command(message: str, X: _Rows, Y: _Rows | None) -> str:
    """Return a message of the call in Python in the words of the command."""
    message = re.sub(r"\b(zero|nan)='(\w+)'", r"--\1 \2", message)
    for name, rows in (("X", X), ("Y", Y)):
        if rows is not None:
            shown = repr(str(rows.file)).replace("\\", r"\\")
            message = re.sub(rf"\b{name}(?=:| has | must | holds )", shown, message)
    return message
