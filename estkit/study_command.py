"""``estkit study``: run the study that a file defines, or read the one that a store holds."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Annotated, TextIO

import typer
from rich.console import Console

import estkit as ek

_PICKLERS = ("cloudpickle", "joblib.externals.cloudpickle")  # joblib's own until 1.5
_REASONS = 5  # how many reasons of failures are printed


def study(
    source: Annotated[
        str, typer.Argument(metavar="FILE.py[:NAME]|STORE", help="A file with a Study, or a store.")
    ],
    replicates: Annotated[
        int | None, typer.Option(min=1, help="How many data sets in each condition, at most.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same numbers.")
    ] = None,
    n_jobs: Annotated[int, typer.Option(help="How many worker processes; -1 for all cores.")] = 1,
    store: Annotated[
        Path | None, typer.Option(help="A folder to keep what is computed in, and to go on from.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/K", help="Compute the I-th of K shares into the store.")
    ] = None,
    target_mcse: Annotated[
        list[str] | None,
        typer.Option(metavar="MEASURE=ERROR", help="Stop at this Monte-Carlo error: bias=0.01."),
    ] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Stop after this time.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a self-contained page, an HTML file.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the summary of all measures.")
    ] = None,
    progress: Annotated[bool, typer.Option("--progress", help="Show a progress bar.")] = False,
) -> None:
    """Run the study that a Python file defines, or summarise one that a store holds.

    An interrupted run goes on where it stopped when it is started again with the same store. In an
    array of jobs each runs a share: estkit study FILE.py --replicates 10000 --seed 1 --store DIR
    --shard 3/100; estkit study DIR then reads all.
    """
    for file in (out, json_file):
        if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
            raise ek.DataError(f"cannot write {str(file)!r}: it is a folder, or in none.")
    with warnings.catch_warnings():
        warnings.simplefilter("always", ek.EstkitWarning)
        warnings.showwarning = _show
        if Path(source).is_dir():
            given = {
                "--replicates": replicates,
                "--seed": seed,
                "--store": store,
                "--shard": shard,
                "--target-mcse": target_mcse,
                "--max-seconds": max_seconds,
            }
            unused = [name for name, value in given.items() if value is not None]
            if unused:
                raise ek.DataError(
                    f"{unused[0]} is for running a study, but {source!r} is a folder; name the "
                    f"file with the study."
                )
            result = ek.open_study(source)
        else:
            found = found_study(source)
            if replicates is None:
                raise ek.DataError("give --replicates, how many data sets to draw.")
            try:
                result = found.run(
                    replicates,
                    rng=seed,
                    n_jobs=_jobs(n_jobs),
                    store=store,
                    shard=None if shard is None else _shard(shard),
                    target_mcse=_targets(target_mcse),
                    max_seconds=max_seconds,
                    progress=progress,
                )
            except ek.StudyInterrupted as stop:
                safe = "Start it again with the same arguments to go on." if store else ""
                typer.echo(f"estkit: stopped. {safe}".rstrip(), err=True)
                raise typer.Exit(130) from stop
            except ek.StudyError as error:  # which speaks of an attribute that is of no use here
                own = error.__cause__ if isinstance(error.__cause__, ek.EstkitError) else error
                safe = " What was computed before it is in the store." if store else ""
                raise ek.StudyError(f"{own}{safe}", error.partial) from error
        _print(result)
        _write(result, out, json_file)


def found_study(source: str) -> ek.Study:
    """Return the study that a file defines, the one that is named or the only one.

    Parameters
    ----------
    source : str
        ``FILE.py`` or ``FILE.py:NAME``.
    """
    file, colon, name = source.rpartition(":")
    path = Path(file if colon and not Path(source).exists() else source)
    name = name if path == Path(file) and colon else ""
    if not path.is_file():
        raise ek.DataError(f"there is no file {str(path)!r}.")
    if path.suffix != ".py":
        raise ek.DataError(f"{str(path)!r} is neither a Python file nor the folder of a store.")
    found = {n: v for n, v in vars(_loaded(path)).items() if isinstance(v, ek.Study)}
    listed = f"it has {', '.join(found)}" if found else "it has none"
    if name:
        if name not in found:
            raise ek.DataError(f"{str(path)!r} has no Study of the name {name!r}; {listed}.")
        return found[name]
    distinct = {id(own): own for own in found.values()}
    if len(distinct) != 1:
        more = f"; name one: {path}:{next(iter(found))}" if found else ""
        raise ek.DataError(f"{str(path)!r} must define one Study; {listed}{more}.")
    return next(iter(distinct.values()))


def _loaded(path: Path) -> ModuleType:
    """Run a file as a module whose functions can be sent to workers."""
    name = f"estkit_study_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ek.DataError(f"{_where(path, error)}: {type(error).__name__}: {error}") from error
    for pickler in _PICKLERS:  # no worker can import the module, so its functions are sent whole
        with suppress(ImportError):
            importlib.import_module(pickler).register_pickle_by_value(module)
    return module


def _where(path: Path, error: BaseException) -> str:
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename) == path.absolute() and line is None:
            line = frame.lineno
    return f"{path}, line {line}" if line else str(path)


def _jobs(n_jobs: int) -> int:
    if n_jobs == 0:
        raise ek.DataError("--n-jobs must not be 0; give a number of workers, or -1 for all cores.")
    return n_jobs


def _shard(text: str) -> tuple[int, int]:
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise ek.DataError(f"--shard must be I/K, as 3/100 is; got {text!r}.")
    return int(parts[0]), int(parts[1])


def _targets(given: list[str] | None) -> dict[str, float] | None:
    targets = {}
    for text in given or ():
        measure, _, error = text.partition("=")
        try:
            targets[measure] = float(error)
        except ValueError:
            raise ek.DataError(
                f"--target-mcse must be MEASURE=ERROR, as bias=0.01 is; got {text!r}."
            ) from None
    return targets or None


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning in one line, as errors are."""
    typer.echo(f"estkit: {message}", err=True)


def _print(result: ek.StudyResult) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if not result.conditions:
        console.print("There are no replicates yet, or none for this shard.")
        return
    console.print(str(result), markup=False)
    failures = result.failures()
    for reason, count in list(failures["reason"].value_counts().items())[:_REASONS]:
        console.print(f"{count} without an estimate: {reason}", markup=False)
    console.print(f"Seed: {result.seed['entropy']}", markup=False)


def _write(result: ek.StudyResult, out: Path | None, json_file: Path | None) -> None:
    try:
        if out is not None:
            result.to_html(out)
        if json_file is not None:
            text = json.dumps(result.to_dict(), indent=1, allow_nan=False)
            json_file.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise ek.DataError(f"cannot write: {error.strerror or error}.") from error
