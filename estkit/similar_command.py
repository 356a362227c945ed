"""``estkit similar``: which rows of a file are alike, with the numbers of the call in Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

import estkit as ek
from estkit.estimate import plain
from estkit.files import check_target, write_frame, write_json
from estkit.similar_inputs import Rows, as_command, read, read_soft, read_weights
from estkit.similarity.form import read_form
from estkit.similarity.found import decimals
from estkit.similarity.vectors import read_vectors
from estkit.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

_TOP = 5  # neighbours that are told where nothing else is asked for
_CORNER = (20, 8)  # rows and columns of a matrix that are printed
_NUMBERS = 1 << 20  # whose intervals are made together
_PLURAL = {"similarity": "Cosines", "distance": "Distances", "angle": "Angles"}
_KINDS = (".csv", ".parquet", ".json")


class Zero(StrEnum):
    """What the cosine with a zero row is."""

    nan = "nan"
    zero = "zero"
    refuse = "raise"
    drop = "drop"


class Measure(StrEnum):
    """What is told of two rows."""

    similarity = "similarity"
    distance = "distance"
    angle = "angle"


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
    weights: Annotated[
        str | None,
        typer.Option(help="Weights of columns: name=number, commas between; or a file."),
    ] = None,
    soft: Annotated[
        Path | None,
        typer.Option(help="How alike each two columns are, a square file: the soft cosine."),
    ] = None,
    measure: Annotated[
        Measure, typer.Option(help="Tell the distance 1 - cosine, or the angle in radians, too.")
    ] = Measure.similarity,
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
    X = read(data, label, columns)
    Y = None if against is None else read(against, label, columns, like=X)
    options: dict[str, Any] = {
        "weights": read_weights(weights, X),
        "soft": read_soft(soft, X),
        "center": "columns" if adjusted else center,
        "zero": zero.value,
        "nan": nan.value,
        "n_jobs": n_jobs,
        "progress": progress,
    }
    try:
        if matrix:
            _tell_matrix(X, Y, options, measure.value, out)
        else:
            found = (
                ek.cosine_top_k(X.values, Y and Y.values, k=top or _TOP, **options)
                if threshold is None
                else ek.cosine_join(X.values, Y and Y.values, threshold=threshold, **options)
            )
            _tell_pairs(found, X, Y, options, measure.value, level if interval else None, out)
    except ek.DataError as error:
        raise ek.DataError(as_command(str(error), X, Y)) from error


def _tell_pairs(
    found: ek.Neighbors | ek.SimilarPairs,
    X: Rows,
    Y: Rows | None,
    options: dict[str, Any],
    measure: str,
    level: float | None,
    out: Path | None,
) -> None:
    """Print pairs, with their intervals if there is a level, and write all of them."""
    frame, table = found.to_frame(), found._table()
    notes = [*table.notes, *X.notes()]
    told = ["weights", "soft", "center"]
    if measure != "similarity":
        pairs = {name: options[name] for name in (*told, "zero", "nan")}
        frame[measure] = _each(
            found, X, Y, pairs, lambda x, y, o: ek.cosine_pairs(x, y, measure=measure, **o)
        )
        cells = [f"{value:.4g}" for value in frame[measure][: len(table.columns[0].values)]]
        table = replace(table, columns=[*table.columns, Column(measure, cells, right=True)])
    if level is not None:
        taken = {name: options[name] for name in told}
        frame = frame.join(_intervals(found, X, Y, taken, level))
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
    found: ek.Neighbors | ek.SimilarPairs,
    X: Rows,
    Y: Rows | None,
    options: dict[str, Any],
    level: float,
) -> pd.DataFrame:
    """Return the standard error and the limits of each pair."""
    import pandas as pd

    def some(x: Any, y: Any, options: dict[str, Any]) -> Any:
        sure = ek.cosine_interval(x, y, level=level, **options)
        return np.column_stack([np.asarray(sure.std_error), sure.lower, sure.upper])

    made = _each(found, X, Y, options, some)
    return pd.DataFrame(made.reshape(-1, 3), columns=["std_error", "lower", "upper"])


def _each(
    found: ek.Neighbors | ek.SimilarPairs,
    X: Rows,
    Y: Rows | None,
    options: dict[str, Any],
    some: Callable[[Any, Any, dict[str, Any]], Any],
) -> Any:
    """Return what is told of each pair, made of some pairs at a time."""
    left = read_vectors(X.values, what="X")
    right = left if Y is None else read_vectors(Y.values, what="Y", like=left)
    if options["center"] == "columns":  # the means of all rows, not of those of a few pairs
        form = read_form(None, "columns", None, left, None if Y is None else right)
        options = options | {"center": form.origin}
    pairs = found._long()
    count, step = len(pairs["row"]), max(1, _NUMBERS // left.width)
    parts = [slice(start, start + step) for start in range(0, count, step)]
    made = [
        some(left.dense(pairs["row"][part]), right.dense(pairs["neighbor"][part]), options)
        for part in parts
    ]
    return np.concatenate(made) if made else np.empty(0)


def _tell_matrix(
    X: Rows, Y: Rows | None, options: dict[str, Any], measure: str, out: Path | None
) -> None:
    """Print a corner of the cosines of all pairs, or distances or angles, and write all of them."""
    import pandas as pd

    try:
        if measure == "similarity":
            made = ek.cosine_similarity(X.values, Y and Y.values, **options)
        else:
            made = ek.cosine_distance(X.values, Y and Y.values, measure=measure, **options)
    except MemoryError as error:
        raise ek.DataError(
            f"the cosines of all pairs do not fit into memory ({error}); ask for --top or "
            f"--threshold."
        ) from error
    if not isinstance(made, pd.DataFrame):
        made = pd.DataFrame(np.asarray(made), index=made.rows, columns=made.columns)
    typer.echo(_corner(made, X, measure).to_text())
    if out is None:
        return
    if out.suffix.lower() == ".json":
        parts = {"rows": list(made.index), "columns": list(made.columns)}
        write_json(out, plain({**parts, _PLURAL[measure].lower(): made.to_numpy()}))
    else:
        write_frame(out, made, index="row")


def _corner(made: pd.DataFrame, X: Rows, measure: str) -> Table:
    rows, columns = _CORNER
    more = [
        f"{count - most:,} more {what}"
        for count, most, what in zip(made.shape, _CORNER, ("rows", "columns"), strict=True)
        if count > most
    ]
    part = made.iloc[:rows, :columns]
    shape = f".{decimals(part.to_numpy())}f" if measure == "similarity" else ".4g"
    cells = [Column("row", [str(name) for name in part.index])]
    for j, name in enumerate(part.columns):
        values = [f"{value:{shape}}" for value in part.iloc[:, j]]
        cells.append(Column(str(name), values, right=True))
    title = f"{_PLURAL[measure]} of {made.shape[0]:,} x {made.shape[1]:,} rows"
    return Table(cells, title, [*([f"and {' and '.join(more)}"] if more else []), *X.notes()])


def _check_out(out: Path | None, matrix: bool) -> None:
    """Raise before anything is computed if the result could not be written."""
    kinds = (*_KINDS, ".npy") if matrix else _KINDS
    if out is not None and out.suffix.lower() not in kinds:
        more = "" if matrix else "; .npy is for --matrix"
        raise ek.DataError(f"--out: {str(out)!r} must end in {', '.join(kinds)}{more}.")
    check_target(out)
