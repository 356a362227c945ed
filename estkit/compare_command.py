"""``estkit compare``: models on the data of a file, with the numbers of the call in Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

import estkit as ek
from estkit.comparison.paired_tests import METHODS, check_method, check_suited
from estkit.estimate import plain
from estkit.files import check_target, named_column, names_in, read_table, write_json

if TYPE_CHECKING:
    import pandas as pd

_FOLDS, _REPEATS = 10, 3


class Scheme(StrEnum):
    """How training sets are drawn for bias and variance."""

    bootstrap = "bootstrap"
    subsample = "subsample"


def compare(
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="CSV or Parquet files, a data set each.")
    ],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    models: Annotated[
        str, typer.Option(help="knn, linear, ridge, tree, forest, boosting; with commas between.")
    ] = "knn,linear",
    scoring: Annotated[
        str | None, typer.Option(help="Scores, the leading one first: accuracy,log_loss.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="How many folds.", show_default=str(_FOLDS))
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(min=1, help="How often to draw them.", show_default=str(_REPEATS)),
    ] = None,
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
        typer.Option(min=3, help="Tell bias² and variance over so many training sets."),
    ] = None,
    bias_variance_scheme: Annotated[
        Scheme, typer.Option(help="How to draw those training sets: subsample takes half the rows.")
    ] = Scheme.bootstrap,
    test: Annotated[
        str | None,
        typer.Option(help=f"Test all pairs of models, on each file: {', '.join(METHODS)}."),
    ] = None,
    rope: Annotated[
        float | None, typer.Option(min=0, help="The largest difference that does not matter.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same numbers.")] = 1,
    n_jobs: Annotated[int, typer.Option(help="How many worker processes; -1 for all cores.")] = 1,
    store: Annotated[
        Path | None,
        typer.Option(
            help="A folder to keep every fit in; a stopped run goes on from there. "
            "Several files have a folder in it each."
        ),
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

    Several files are as many data sets: every model is compared on each, and then their average
    scores, a data set being one observation: ranks, Friedman, Wilcoxon with Holm.
    """
    check_target(out, json_file)
    if test is not None:
        check_method(test)
    if bias_variance is None and bias_variance_scheme != Scheme.bootstrap:
        raise ek.DataError("--bias-variance-scheme needs --bias-variance, a number of sets.")
    names = _names(data)
    parts = [_part(file, target, group, time, names_in(drop)) for file in data]
    _check_tasks(parts, target, task)
    cv = _cv(folds, repeats, forward=time is not None)
    scores = None if scoring is None else names_in(scoring)
    decompose = {"rounds": bias_variance, "scheme": bias_variance_scheme.value}
    results = []
    for part in parts if test is not None else ():
        with _named(part, len(parts)):
            _check_test(str(test), part, names_in(models), cv, scores, task)
    for part, name in zip(parts, names, strict=True):
        with _named(part, len(parts)):
            results.append(ek.compare(
                names_in(models),
                part.X,
                part.y,
                cv=cv,
                scoring=scores,
                groups=part.groups,
                task=task,
                rng=seed,
                bias_variance=None if bias_variance is None else decompose,
                n_jobs=n_jobs,
                store=store if store is None or len(parts) == 1 else store / _folder(name),
                progress=progress,
            ))  # fmt: skip
    for part, result in zip(parts, results, strict=True):
        if len(parts) == 1:
            typer.echo(str(result))
        place = "" if len(parts) == 1 else f" on {str(part.file)!r}"
        for row in result.failures().drop_duplicates(["model", "reason"]).itertuples():
            typer.echo(f"{row.model} failed{place}: {row.reason}")
    if len(parts) == 1:
        _tell_one(results[0], test, rope, out, json_file)
    else:
        several = dict(zip(names, results, strict=True))
        _tell_several(several, test, rope, seed, out, json_file)


def _tell_one(
    result: ek.Comparison,
    test: str | None,
    rope: float | None,
    out: Path | None,
    json_file: Path | None,
) -> None:
    stored = result.to_dict()
    if test is not None:
        stored["tests"] = plain(_tell_tests(result, test, rope).to_dict("records"))
    if json_file is not None:
        write_json(json_file, stored)
    if out is not None:
        result.to_html(out, rope=rope, test=test or "corrected_t")


def _tell_tests(result: ek.Comparison, test: str, rope: float | None) -> pd.DataFrame:
    """Print the tests of all pairs, and return them."""
    frame = result.pairwise(method=test, rope=rope)
    lacking = frame["notes"].str.startswith("no test: ")
    for row in frame[~lacking].itertuples():
        typer.echo(repr(result.test(str(row.a), str(row.b), test, rope=rope)))
    for row in frame[lacking].itertuples():
        typer.echo(f"{row.a} - {row.b}: {row.notes}")
    for note in dict.fromkeys(frame.loc[~lacking, "notes"]):
        typer.echo(note)
    return frame


def _tell_several(
    results: dict[str, ek.Comparison],
    test: str | None,
    rope: float | None,
    seed: int,
    out: Path | None,
    json_file: Path | None,
) -> None:
    found = ek.compare_datasets(results, rope=rope or 0.0, rng=seed)
    typer.echo(str(found))
    for row in found.pairwise().itertuples():
        typer.echo(
            f"{row.a} - {row.b}: {row.wins} wins, {row.ties} ties, {row.losses} losses; "
            f"Wilcoxon p = {row.p_value:.3g}, by Holm {row.p_adjusted:.3g}"
        )
    single = {name: each.to_dict() for name, each in results.items()}
    tests = {}
    for name, each in results.items() if test is not None else ():
        typer.echo(f"On {name!r} alone:")
        tests[name] = _tell_tests(each, str(test), rope)
        single[name]["tests"] = plain(tests[name].to_dict("records"))
    if json_file is not None:
        stored = found.to_dict()
        stored["score"] = next(iter(results.values())).scoring[0].name
        stored["comparisons"] = single
        write_json(json_file, stored)
    if out is not None:
        found.to_html(out, tests=tests)


class _Part(NamedTuple):
    """What a file holds."""

    file: Path
    X: pd.DataFrame
    y: pd.Series[Any]
    groups: pd.Series[Any] | None


def _part(
    file: Path, target: str, group: str | None, time: str | None, drop: list[str]
) -> _Part:  # fmt: skip
    """Return columns, outcome and groups of a file, in the order of time."""
    frame = read_table(file)
    for option, names in (("--target", [target]), ("--group", [group]), ("--drop", drop),
                          ("--time", [time])):  # fmt: skip
        for name in names:
            if name is not None:
                named_column(frame, name, option, file)
    for option, name in (("--group", group), ("--time", time)):
        if name == target:
            raise ek.DataError(f"{option}: {name!r} is what is to be predicted (--target).")
    if time is not None:
        frame = frame.iloc[_order(frame[time], file)]
    X = frame.drop(columns=[name for name in (target, group, time, *drop) if name is not None])
    if not X.shape[1]:
        raise ek.DataError(f"{str(file)!r} has no column left to predict {target!r} from.")
    return _Part(file, X, frame[target], None if group is None else frame[group])


def _order(times: pd.Series[Any], file: Path) -> Any:
    """Return the rows in the order of time; text counts as dates, or has no order."""
    import numpy as np
    import pandas as pd

    missing = np.flatnonzero(times.isna())
    if missing.size:
        raise ek.DataError(f"--time: {times.name!r} has no value in row {missing[0]} of {file}.")
    if pd.api.types.is_object_dtype(times) or pd.api.types.is_string_dtype(times):
        try:
            times = pd.to_datetime(times, format="ISO8601", utc=True)
        except (TypeError, ValueError) as error:
            raise ek.DataError(
                f"--time: {times.name!r} of {file} holds text such as {times.iloc[0]!r:.40}, "
                f"whose order in time is not known; write dates like 2024-03-31, or numbers."
            ) from error
    return np.argsort(times.to_numpy(), kind="stable")


@contextmanager
def _named(part: _Part, files: int) -> Iterator[None]:
    """Say which of several files an error is about."""
    try:
        yield
    except ek.DataError as error:
        if files == 1:
            raise
        raise ek.DataError(f"{str(part.file)!r}: {error}") from error


def _cv(folds: int | None, repeats: int | None, *, forward: bool) -> Any:
    """Return the folds that were asked for as `ek.compare` takes them."""
    if forward and repeats is not None:
        raise ek.DataError("--repeats: there is one way to go forward in time; leave it out.")
    if forward:
        return "time" if folds is None else ("time", folds)
    return None if folds is repeats is None else (folds or _FOLDS, repeats or _REPEATS)


def _check_test(
    test: str, part: _Part, models: list[str], cv: Any, scoring: list[str] | None, task: str | None
) -> None:
    """Raise before anything is fitted if a test does not suit what is to be compared."""
    from estkit.comparison.candidates import candidates_of, read_data
    from estkit.comparison.folds import make_folds
    from estkit.comparison.scores import named_scores

    own = read_data(part.X, part.y, task, models)
    folds = make_folds(cv, own.X, own.y, groups=part.groups, rng=0, classes=bool(own.classes))
    *given, _ = candidates_of(models, own)
    shares = any(hasattr(each.estimator, "predict_proba") for each in given)
    check_suited(test, own, folds, named_scores(scoring, own.task), shares=shares)


def _folder(name: str) -> str:
    """Return a name for a folder of a data set, which may be called like its path."""
    return name.replace("/", "_").replace("\\", "_").replace(":", "_")


def _check_tasks(parts: list[_Part], target: str, task: str | None) -> None:
    """Raise if the target is a number in one file and a label in another."""
    from estkit.comparison.candidates import read_data

    if len(parts) == 1:
        return
    kinds = []
    for part in parts:
        try:
            kinds.append(read_data(part.X, part.y, task).task)
        except ek.DataError as error:
            raise ek.DataError(f"{str(part.file)!r}: {error}") from error
        if kinds[-1] != kinds[0]:
            raise ek.DataError(
                f"{target!r} calls for {kinds[0]} in {str(parts[0].file)!r} and for {kinds[-1]} in "
                f"{str(part.file)!r}: their scores cannot be ranked together. If they are the same "
                f"kind of outcome after all, say --task."
            )


def _names(files: list[Path]) -> list[str]:
    """Return what each data set is called: its file without the ending, where that tells them."""
    twice = [str(file) for file in files if files.count(file) > 1]
    if twice:
        raise ek.DataError(f"{twice[0]!r} is given twice, and one data set counts once.")
    stems = [file.stem for file in files]
    return stems if len(set(stems)) == len(stems) else [str(file) for file in files]
