"""The page of a comparison: how good each model is, how sure that is, what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from estkit.errors import DataError, EstkitError
from estkit.report.page import Grid, Page, Part, Section, Terms, Words
from estkit.report.pictures import Gallery
from estkit.report.reproduction import versions
from estkit.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from estkit.comparison.curves import Curve
    from estkit.comparison.learning import LearningCurve
    from estkit.comparison.result import Comparison

_NAMED = 3  # so many models are named in a title
_USUAL, _TITLE = "corrected_t", "Corrected t tests (Nadeau and Bengio 2003)"
_SHOWN = (
    "a", "b", "estimate", "std_error", "lower", "upper", "p_value", "p_adjusted", "p_better",
    "p_equivalent", "p_worse", "detectable",
)  # fmt: skip


def comparison_page(
    comparison: Comparison,
    *,
    title: str | None = None,
    rope: float | None = None,
    test: str = "corrected_t",
    curves: Sequence[Curve | LearningCurve] | None = None,
    plots: bool = True,
) -> Page:
    """Return the page of a comparison.

    Parameters
    ----------
    comparison : Comparison
        The models and what they predicted.
    title : str, optional
        The heading; by default the models.
    rope : float, optional
        The largest difference of the leading score that does not matter.
    test : str
        The test of all pairs.
    curves : sequence of Curve and LearningCurve, optional
        Scores over a parameter or over training rows, to be shown, too.
    plots : bool
        Whether to draw.
    """
    score, gallery = comparison.scoring[0].name, Gallery()
    missing: list[Part] = list(gallery.missing()) if plots else []

    def drawn(kind: str, caption: str, rope: float | None = None) -> list[Part]:
        if not plots:
            return []
        return list(gallery.draw(lambda: comparison.plot(kind, rope=rope), caption))

    sections = [
        Section("Scores", [Grid(comparison._table()), *missing,
                           *drawn("scores", f"{score} on every fold.")]),
        Section("Differences", [*_tests(comparison, test, rope), *drawn(
            "differences", f"{score} less that of the best model.", rope)]),
        Section("Calibration", drawn("calibration", "What happened, over what was predicted.")),
        Section("Cost", drawn("cost", f"{score} over the time to predict a row.")),
        Section("Curves", list(_of_curves(curves, gallery, plots=plots))),
        Section("Failures", _failures(comparison)),
        Section("Reproduction", [Terms(_about(comparison))]),
    ]  # fmt: skip
    lead = (
        f"{comparison.folds.rows} rows, {comparison.folds.scheme}. Every model was fitted to the "
        f"same folds, and judged by rows that it had not seen."
    )
    shown = [section for section in sections if section.parts]
    return Page(title or _heading(comparison.models), shown, lead=lead)


def _heading(models: tuple[str, ...]) -> str:
    if len(models) > _NAMED:
        return f"Which of {len(models)} models?"
    return f"{', '.join(models[:-1])} or {models[-1]}?"


def _tests(comparison: Comparison, test: str, rope: float | None) -> list[Part]:
    """Return the tests of all pairs, or why there are none."""
    if len(comparison.models) < 2:
        return []
    try:
        frame = comparison.pairwise(method=test, rope=rope if test == "bayesian" else None)
    except EstkitError as error:  # such as infinite scores
        if test != _USUAL:
            raise
        return [Words(f"There are no tests of differences: {error}")]
    return [table_of_pairs(frame)]


def table_of_pairs(frame: pd.DataFrame, where: str = "") -> Grid:
    """Return the tests of all pairs as a table."""
    test = frame["method"][0]
    name = _TITLE if test == _USUAL else f"Tests by the method {test!r} of {frame['score'][0]},"
    notes = (
        f"{name} of a less b. p_adjusted: by Holm's method, "
        "for all pairs together. detectable: the difference that is found with a power of 80 %.",
        *dict.fromkeys(note for note in frame["notes"] if note),
    )
    shown = [name for name in _SHOWN if frame[name].notna().any()]
    return Grid(_as_table(frame[shown], f"Differences of all pairs{where}", notes))


def _as_table(frame: pd.DataFrame, title: str, notes: tuple[str, ...] = ()) -> Table:
    columns = []
    errors = frame["std_error"].to_numpy() if "std_error" in frame else None
    for name in frame:
        values, label = frame[name].tolist(), str(name)
        if label.startswith("p_"):
            columns.append(Column(label, values, style="p_value"))
        elif label == "std_error":
            columns.append(Column(label, values, style="error"))
        elif label in ("estimate", "lower", "upper", "detectable"):
            columns.append(Column(label, values, errors))
        else:
            columns.append(Column(label, values))
    return Table(columns, title, notes)


def _of_curves(curves: Any, gallery: Gallery, *, plots: bool) -> Iterator[Part]:
    """Yield the table and the picture of every curve."""
    from estkit.comparison.curves import Curve
    from estkit.comparison.learning import LearningCurve

    given = [curves] if isinstance(curves, Curve | LearningCurve) else curves or ()
    for curve in given:
        if not isinstance(curve, Curve | LearningCurve):
            raise DataError(
                f"curves holds a {type(curve).__name__}; pass what ek.knn_curve, ek.ridge_curve or "
                f"ek.learning_curve gave."
            )
        table = curve._table()
        yield Grid(table)
        if plots:
            yield from gallery.draw(curve.plot, table.title)


def _failures(comparison: Comparison) -> list[Part]:
    failures = comparison.failures()
    if failures.empty:
        return [Words("Every model gave predictions on every fold.")]
    counts = failures.groupby(["model", "reason"], sort=False).size().reset_index(name="folds")
    return [Grid(_as_table(counts, "Folds without predictions"))]


def _about(comparison: Comparison) -> list[tuple[str, str]]:
    return [
        ("Seed", str(comparison.seed["entropy"])),
        ("Folds", f"{len(comparison.folds)}, fingerprint {comparison.folds.fingerprint}"),
        versions(),
    ]
