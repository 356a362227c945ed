"""The command line; all reading and writing of files that the commands do is here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import estkit as ek

app = typer.Typer(
    name="estkit",
    help="Tell how good an estimate is: every number comes with its own error.",
    epilog="Start with: estkit demo. In Python: import estkit as ek; help(ek).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
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
