"""The command line; all reading and writing of files that the commands do is here."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import estkit as ek
from estkit import compare_command, similar_command, study_command
from estkit.estimate import plain
from estkit.files import check_target, read_table, write_json

app = typer.Typer(
    name="estkit",
    help="Tell how good an estimate is: every number comes with its own error.",
    epilog="Start with: estkit demo. In Python: import estkit as ek; help(ek).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("study")(study_command.study)
app.command("compare")(compare_command.compare)
app.command("similar")(similar_command.similar)
_PICTURE = "coverage.png"


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"estkit {ek.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


class Family(StrEnum):
    """The families that a command can name."""

    binomial = "binomial"
    softmax = "softmax"
    ordinal = "ordinal"
    gaussian = "gaussian"


class Missing(StrEnum):
    """What to do with incomplete rows."""

    refuse = "raise"
    drop = "drop"


class Kind(StrEnum):
    """The covariances that errors can come from."""

    observed = "observed"
    expected = "expected"
    HC0 = "HC0"
    HC1 = "HC1"
    cluster = "cluster"
    linearized = "linearized"


_COLUMN = "COLUMN"


@app.command("fit")
def fit_file(
    data: Annotated[Path, typer.Argument(help="A CSV or a Parquet file.")],
    formula: Annotated[str, typer.Argument(help="For example 'low ~ age + C(race)'.")],
    family: Annotated[Family, typer.Option(help="What is maximised.")] = Family.binomial,
    link: Annotated[
        str | None, typer.Option(help="The link of binomial or ordinal; logit if not given.")
    ] = None,
    success: Annotated[str | None, typer.Option(help="The label that binomial counts.")] = None,
    reference: Annotated[
        str | None, typer.Option(help="The outcome that softmax compares with.")
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="The outcomes of ordinal, lowest first: low,mid,high.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar=_COLUMN, help="How often each row was observed.")
    ] = None,
    sampling_weights: Annotated[
        str | None, typer.Option(metavar=_COLUMN, help="How many units each row stands for.")
    ] = None,
    analytic_weights: Annotated[
        str | None, typer.Option(metavar=_COLUMN, help="How many observations a row averages.")
    ] = None,
    offset: Annotated[
        str | None, typer.Option(metavar=_COLUMN, help="A known part of the predictor.")
    ] = None,
    groups: Annotated[
        str | None, typer.Option(metavar=_COLUMN, help="The group of each row, for cluster.")
    ] = None,
    covariance: Annotated[
        Kind | None, typer.Option(help="Where the errors come from; observed if not given.")
    ] = None,
    level: Annotated[float, typer.Option(help="The level of the intervals.")] = 0.95,
    missing: Annotated[Missing, typer.Option(help="What to do with rows that lack a value.")] = (
        Missing.refuse
    ),
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write the fit, which LikelihoodFit.from_dict reads."),
    ] = None,
    html_file: Annotated[
        Path | None,
        typer.Option("--html", help="Write a self-contained page; needs the extra report."),
    ] = None,
) -> None:
    """Fit a regression to a file of data by maximum likelihood, and print it with its errors.

    The numbers are those of estkit.fit_formula in Python. Needs the extra formula, and for Parquet
    the extra store.
    """
    own = {"link": link, "success": success, "reference": reference, "order": order}
    made = _family(family, {name: value for name, value in own.items() if value is not None})
    check_target(json_file, html_file)
    result = ek.fit_formula(
        formula,
        read_table(data),
        made,
        weights=weights,
        sampling_weights=sampling_weights,
        analytic_weights=analytic_weights,
        offset=offset,
        groups=groups,
        missing=missing.value,
    )
    kind = None if covariance is None else covariance.value
    table = result._table(level, kind)
    said = (
        f"Standard errors are {kind or result.covariance_kind}; intervals are at level {level:g}."
    )
    table = replace(table, notes=(*table.notes, said))
    typer.echo(table.to_text())
    if json_file is not None:
        rows = plain(table.to_frame().to_dict("records"))
        shown = {"level": level, "covariance": kind or result.covariance_kind, "rows": rows}
        stored = {**result.to_dict(), "table": shown}
        write_json(json_file, stored)
    if html_file is not None:
        result.to_html(html_file, level=level, kind=kind)


def _family(name: Family, options: dict[str, str]) -> Any:
    """Return the family that a command names, with labels as a file of data holds them."""
    takes = {
        Family.binomial: (ek.Binomial, {"link", "success"}),
        Family.softmax: (ek.Softmax, {"reference"}),
        Family.ordinal: (ek.Ordinal, {"link", "order"}),
        Family.gaussian: (ek.Gaussian, set[str]()),
    }
    make, known = takes[name]
    for option in options.keys() - known:
        raise ek.DataError(
            f"--{option} is not for --family {name}, which takes "
            f"{', '.join(f'--{each}' for each in sorted(known)) or 'no options of its own'}."
        )
    given: dict[str, Any] = {key: _label(text) for key, text in options.items()}
    if "order" in options:
        given["order"] = tuple(_label(text.strip()) for text in options["order"].split(","))
    return make(**given)


def _label(text: str) -> Any:
    """Return a label as pandas reads it from a file: a number, true or false, or text."""
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option(help="The folder for the plots; made if it is not there.")
    ] = Path("estkit-demo"),
    replicates: Annotated[
        int, typer.Option(min=2, help="How many data sets to draw for each sample size.")
    ] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same numbers.")] = 1,
    n_jobs: Annotated[int, typer.Option(help="How many worker processes; -1 for all cores.")] = 1,
) -> None:
    """Fit real data by maximum likelihood, then study the estimator by Monte Carlo.

    Fits a binomial regression (569 breast tumours) and a softmax regression (178 wines), prints
    both with their errors, and draws new data from the first to see how the estimator does at
    several sample sizes: its bias, variance and coverage, each with its Monte-Carlo standard error,
    and how often there is no estimate at all. Both data sets come with scikit-learn.
    """
    from estkit import demo as job

    if n_jobs == 0:
        raise ek.DataError("--n-jobs must not be 0; give a number of workers, or -1 for all cores.")
    _prepare(out)
    console = Console(highlight=False, soft_wrap=True)
    try:
        binomial, softmax, result = job.run(
            replicates=replicates, seed=seed, n_jobs=n_jobs, progress=True
        )
    except KeyboardInterrupt as stop:
        typer.echo("estkit: stopped.", err=True)
        raise typer.Exit(130) from stop
    for title, body in (
        ("Is a tumour malignant? (per standard deviation)", binomial),
        ("Which cultivar is a wine made from?", softmax),
        ("How good is the estimator of the first fit, at n rows?", result),
    ):
        console.rule(title, align="left")
        console.print(str(body), markup=False)
        console.print()
    reasons = result.failures()["reason"].str.split(":").str[0].value_counts()
    for reason, count in reasons.items():
        console.print(f"{count} data sets without an estimate: {reason}.", markup=False)
    picture = out / _PICTURE
    _draw(result, picture)
    console.print(f"The plot is in {picture}.", markup=False)


def _prepare(folder: Path) -> None:
    """Make a folder and see that it can be written to, before anything is computed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".estkit-can-write"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ek.DataError(
            f"cannot write to the folder {str(folder)!r}: {error.strerror}; choose another one "
            f"with --out."
        ) from error


def _draw(result: ek.StudyResult, picture: Path) -> None:
    from estkit.plot import new_figure

    figure = new_figure(10, 4.5)
    left, right = figure.subplots(1, 2)
    result.plot("bias", ax=left)
    result.plot("coverage", ax=right)
    try:
        figure.savefig(picture, dpi=150)
    except OSError as error:
        raise ek.DataError(f"cannot write {str(picture)!r}: {error.strerror or error}.") from error
