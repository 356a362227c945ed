"""``estkit compare``: models on the data of a file, with the numbers of the call in Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import estkit as ek
from estkit.files import check_target, read_table, write_text

if TYPE_CHECKING:
    import pandas as pd

_FOLDS = 10


def compare(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A CSV or Parquet file.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    models: Annotated[
        str, typer.Option(help="knn, linear, ridge, tree, forest, boosting; with commas between.")
    ] = "knn,linear",
    scoring: Annotated[
        str | None, typer.Option(help="Scores, the leading one first: accuracy,log_loss.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="How many folds.")] = _FOLDS,
    repeats: Annotated[int, typer.Option(min=1, help="How often to draw them.")] = 3,
    group: Annotated[
        str | None, typer.Option(help="A column whose values keep rows together.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="A column to order by: models are trained on the past.")
    ] = None,
    drop: Annotated[str | None, typer.Option(help="Columns to leave out, commas between.")] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; by default what it looks like")
    ] = None,
    bias_variance: Annotated[
        int | None,
        typer.Option(min=3, help="Tell bias² and variance over so many bootstrap training sets."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same numbers.")] = 1,
    n_jobs: Annotated[int, typer.Option(help="How many worker processes; -1 for all cores.")] = 1,
    store: Annotated[
        Path | None,
        typer.Option(help="A folder to keep every fit in; a stopped run goes on from there."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a self-contained page, an HTML file.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the table and all scores.")
    ] = None,
    progress: Annotated[bool, typer.Option("--progress", help="Show a progress bar.")] = False,
) -> None:
    """Compare models on the rows of a file that they have not seen.

    estkit compare patients.csv --target outcome --models knn,linear,forest --out report.html
    """
    check_target(out, json_file)
    frame = read_table(data)
    y = _column(frame, target, "--target")
    groups = None if group is None else _column(frame, group, "--group")
    left_out = [target, *_listed(drop)]
    left_out += [name for name in (group, time) if name is not None]
    for name in _listed(drop):
        _column(frame, name, "--drop")
    cv: Any = (folds, repeats)
    if time is not None:
        order = _column(frame, time, "--time").argsort(kind="stable")
        frame, y = frame.iloc[order], y.iloc[order]
        cv = "time"
    X = frame.drop(columns=left_out)
    if not X.shape[1]:
        raise ek.DataError(f"{str(data)!r} has no column left to predict {target!r} from.")
    result = ek.compare(
        _listed(models),
        X,
        y,
        cv=cv,
        scoring=None if scoring is None else _listed(scoring),
        groups=groups,
        task=task,
        rng=seed,
        bias_variance=bias_variance,
        n_jobs=n_jobs,
        store=store,
        progress=progress,
    )
    typer.echo(str(result))
    for row in result.failures().drop_duplicates(["model", "reason"]).itertuples():
        typer.echo(f"{row.model} failed: {row.reason}")
    if json_file is not None:
        write_text(json_file, json.dumps(result.to_dict(), indent=1, allow_nan=False) + "\n")
    if out is not None:
        result.to_html(out)


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _column(frame: pd.DataFrame, name: str, option: str) -> pd.Series[Any]:
    if name not in frame.columns:
        known = ", ".join(map(str, frame.columns))
        raise ek.DataError(f"{option}: there is no column {name!r}; there are {known}.")
    return frame[name]
