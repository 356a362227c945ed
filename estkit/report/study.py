"""The page of a Monte-Carlo study.

In the order of ADEMP: aims, data-generating mechanism, estimands, methods, performance measures
(Morris, White and Crowther 2019); then what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError
from estkit.montecarlo.measures import MEASURES, Measure, chosen_measures
from estkit.montecarlo.reading import Reading
from estkit.montecarlo.tables import heading
from estkit.report.events import event_parts
from estkit.report.page import Code, Grid, Page, Part, Section, Terms, Words
from estkit.report.reproduction import reproduction
from estkit.report.sources import source_of
from estkit.report.study_pictures import study_pictures
from estkit.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from estkit.montecarlo.result import StudyResult
    from estkit.montecarlo.study import Study

_NAMED = 4  # so many estimators are named in a title
_WITHOUT_ANSWER = {
    "pairwise": (
        "Replicates without an answer count for no measure of their estimator but its failure "
        "rate, and take nothing from the other estimators."
    ),
    "complete": (
        "Only the replicates in which every estimator has an answer count, but for failure rates."
    ),
    "worst": (
        "A replicate without an answer counts as the largest error that its estimator made "
        "elsewhere, as an interval that misses, and as no rejection."
    ),
}
_NO_FUNCTIONS = "The result was stored without its functions, so their source is not shown."


def study_page(
    result: StudyResult,
    *,
    title: str | None = None,
    aims: str | None = None,
    measures: Any = None,
    reading: Reading | None = None,
    times: bool = False,
    plots: bool = True,
) -> Page:
    """Return the page of a study.

    Parameters
    ----------
    result : StudyResult
        The study.
    title, aims : str, optional
        The user's words; by default they are made from the study.
    measures : str, Measure, function, or a sequence or mapping of them, optional
        What the table of results shows, as in ``StudyResult.table``.
    reading : Reading, optional
        Which replicates count, and what is a rejection.
    times : bool
        Whether to show what each estimator takes of time.
    plots : bool
        Whether to draw.
    """
    if not result.conditions:
        raise DataError("There are no replicates of any condition, so there is nothing to write.")
    study, reading = result._study, reading or Reading()
    table = result.table(measures, **reading.choices)
    columns = [column.name for column in table.columns]
    known: Mapping[str, Measure] = MEASURES if measures is None else chosen_measures(measures)
    shown = {name: measure for name, measure in known.items() if name in columns}
    pictures = study_pictures(result, reading) if plots else []
    sections = [
        Section("Aims", [Words(aims or _aims(result))]),
        Section("Data-generating mechanism", _mechanism(result, study)),
        Section("Estimands", _estimands(result, study)),
        Section("Methods", [*_methods(result, study), *_times(result, shown=times)]),
        Section("Performance measures", _measures(shown, reading)),
        Section("Results", [Grid(table), *_notes(result, shown, reading), *pictures]),
        Section("Failures and warnings", event_parts(result)),
        Section("Reproduction", reproduction(result)),
    ]
    lead = f"{heading(result)}. Every figure stands beside its Monte-Carlo standard error."
    return Page(title or f"Simulation study of {_listed(result.estimators)}", sections, lead=lead)


def _listed(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{len(names)} estimators"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _aims(result: StudyResult) -> str:
    factors = list(next(iter(result.conditions.values())))
    where = "in one condition" if len(result.conditions) == 1 else (
        f"in {len(result.conditions)} conditions, which vary {_listed(factors)}"
    )  # fmt: skip
    known = dict.fromkeys(cell.parameter for cell in result.cells())
    parameters = [name for name in known if name not in ("value", "")]
    of = f" of {_listed(parameters)}" if 0 < len(parameters) <= _NAMED else ""
    return (
        f"To learn how well {_listed(result.estimators)} estimate{_s(result)}{of} {where}: how far "
        f"from the truth, how variably, and whether the errors that they claim are right."
    )


def _s(result: StudyResult) -> str:
    return "s" if len(result.estimators) == 1 else ""


def _mechanism(result: StudyResult, study: Study | None) -> list[Part]:
    """Return how data came about: the functions, what chance they share, the conditions."""
    parts: list[Part] = [Words(_NO_FUNCTIONS)] if study is None else []
    if study is not None:
        parts.append(Code(source_of(study.generate), "generate"))
        if study.prepare is not None:
            every = study.prepare_every
            often = f"anew after every {every} replicates" if every else "once in each condition"
            parts.append(Code(source_of(study.prepare), f"prepare, called {often}"))
    parts.append(Words(" ".join(_chance(result))))
    replicates = result.counts()
    conditions = result.conditions
    columns = [Column("condition", list(conditions), style="count")]
    for name in next(iter(conditions.values())):
        columns.append(Column(name, [own[name] for own in conditions.values()]))
    counts = [replicates[number] for number in conditions]
    columns.append(Column("replicates", counts, style="count"))
    parts.append(Grid(Table(columns, "Conditions")))
    return parts


def _chance(result: StudyResult) -> list[str]:
    """Return in words which random numbers replicates and conditions have in common."""
    design = result.design
    sentences = ["Every replicate draws from a random stream of its own."]
    if len(result.conditions) > 1:
        shared = design["common_random_numbers"]
        sentences.append(
            "Replicate r draws from the same stream in every condition (common random numbers)."
            if shared else "The streams of different conditions are independent."
        )  # fmt: skip
    if design["antithetic"]:
        sentences.append("Replicates 2k and 2k + 1 draw opposite numbers (antithetic pairs).")
    elif design["group"] > 1:
        sentences.append(f"Blocks of {design['group']} replicates have what is prepared in common.")
    controls = list(next(iter(design["controls"].values()), {}))
    if controls:
        sentences.append(f"Control variates with known expectations: {', '.join(controls)}.")
    return sentences


def _estimands(result: StudyResult, study: Study | None) -> list[Part]:
    """Return what is true: a sentence, or a table where it varies."""
    truths = {}
    for cell in result.cells():
        if cell.parameter:
            own = cell.draws.truth
            known = own[~np.isnan(own)]
            ends = (float(known.min()), float(known.max())) if known.size else (None, None)
            truths[cell.number, cell.estimator, cell.parameter] = (*ends, cell.truth_error)
    parts: list[Part] = []
    distinct = set(truths.values())
    if not distinct or all(low is None for low, _, _ in distinct):
        parts.append(Words("No true value was given; measures that need one are left out."))
    elif len(distinct) == 1 and _is_fixed(next(iter(distinct))):
        parts.append(Words(f"The true value is {next(iter(distinct))[0]:.6g} throughout."))
    else:
        parts.append(Grid(_truth_table(result, truths)))
    if study is not None and callable(study.truth):
        parts.append(Code(source_of(study.truth), "truth"))
    return parts


def _is_fixed(truth: tuple[Any, Any, float]) -> bool:
    return truth[0] == truth[1] and truth[2] == 0


def _truth_table(result: StudyResult, truths: dict[tuple[int, str, str], Any]) -> Table:
    """Return the truths, without the columns that they do not depend on."""
    rows: dict[tuple[Any, ...], tuple[int, str, str]] = {}
    by_estimator = len({(n, p, t) for (n, _, p), t in truths.items()}) > len(
        {(n, p) for n, _, p in truths}
    )
    for key, truth in truths.items():
        rows.setdefault((key[0], key[1] if by_estimator else "", key[2], truth), key)
    first = next(iter(result.conditions.values()))
    columns = [
        Column(name, [result.conditions[number][name] for number, _, _ in rows.values()])
        for name in first
    ]
    if by_estimator:
        columns.append(Column("estimator", [name for _, name, _ in rows.values()]))
    if any(parameter != "value" for _, _, parameter in rows.values()):
        columns.append(Column("parameter", [parameter for _, _, parameter in rows.values()]))
    found = [truth for *_, truth in rows]
    text = [_truth_text(truth) for truth in found]
    columns.append(Column("truth", text, right=True, order=[low for low, _, _ in found]))
    if any(error for _, _, error in found):
        columns.append(Column("standard error", [error for _, _, error in found], style="error"))
    return Table(columns, "True values")


def _truth_text(truth: tuple[Any, Any, float]) -> str:
    low, high, _ = truth
    if low is None:
        return ""
    return f"{low:.6g}" if low == high else f"varies from {low:.6g} to {high:.6g}"


def _methods(result: StudyResult, study: Study | None) -> list[Part]:
    if study is None:
        return [Words(f"{_NO_FUNCTIONS} The estimators: {', '.join(result.estimators)}.")]
    sources = {name: source_of(study.estimators[name]) for name in result.estimators}
    parts: list[Part] = [Code(source, name) for name, source in sources.items()]
    for name, (function, _) in study.controls.items():
        parts.append(Code(source_of(function), f"control variate {name}"))
    return parts


def _times(result: StudyResult, *, shown: bool) -> list[Part]:
    """Return the seconds of the estimators, where they are asked for and known."""
    frame = result.times() if shown else None
    if frame is None:
        return []
    known = frame[frame["timed"] > 0]
    if known.empty:
        return [Words("How long the estimators took is not known.")]
    columns = [Column(str(name), known[name].tolist()) for name in known if name != "seconds"]
    seconds = [float(f"{value:.3g}") for value in known["seconds"]]
    columns.insert(-1, Column("seconds", seconds))
    note = "seconds: of the processor, for one data set, the average of as many as were timed."
    return [Grid(Table(columns, "What the estimators take of time", (note,)))]


def _measures(measures: Mapping[str, Measure], reading: Reading) -> list[Part]:
    """Return what each measure is, in words and as a formula or, if it is the user's, in code."""
    pairs = []
    for name, measure in measures.items():
        first = (measure.function.__doc__ or "").strip().split("\n")[0].removeprefix("Return ")
        titled = name if measure.title in (name, "") else f"{measure.title} ({name})"
        pairs.append((titled, first or source_of(measure.function)))
    how = (
        "Monte-Carlo standard errors come from the influence values of the replicates, with no "
        "assumption on the law of the estimates; a rate that is 0 or 1 has an interval instead. "
    )
    how += _WITHOUT_ANSWER[reading.missing]
    if "power" in measures:
        how += f" {reading.rejection()}"
    return [Terms(pairs), Words(how)]


def _notes(result: StudyResult, measures: Mapping[str, Measure], reading: Reading) -> list[Part]:
    """Return what must be known of the figures: means that do not settle, the variance saved."""
    parts: list[Part] = []
    if not measures:  # no estimator has an answer
        return parts
    frame = result.summary(dict(measures), **reading.choices)
    own = [name for name in ("estimator", "parameter", "measure") if name in frame]
    columns = [*next(iter(result.conditions.values())), *own]
    noted = frame[(frame["note"] != "") & (frame["used"] > 0)]
    if not noted.empty:
        parts.append(Grid(_noted(noted, columns)))
    if "gain" in frame:
        parts.append(Grid(_gains(frame, columns[:-1], list(measures))))
    return parts


def _noted(frame: pd.DataFrame, names: Sequence[str]) -> Table:
    """Return the notes, with the measures of a cell that have the same one in one row."""
    *who, last = names
    rows: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in frame.to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        rows.setdefault(tuple(str(row[name]) for name in (*who, "note")), []).append(row)
    columns = [Column(name, [own[0][name] for own in rows.values()]) for name in (*who, "note")]
    together = [", ".join(row[last] for row in own) for own in rows.values()]
    return Table([*columns[:-1], Column(last, together), columns[-1]], "Notes on single figures")


def _gains(frame: pd.DataFrame, lead: Sequence[str], measures: Sequence[str]) -> Table:
    """Return by which factor variances were reduced, from a summary with all measures of a cell."""
    cells = frame.iloc[:: len(measures)]
    columns = [Column(name, cells[name].tolist()) for name in lead]
    gains = frame["gain"].to_numpy().reshape(-1, len(measures))
    for name, own in zip(measures, gains.T, strict=True):
        columns.append(Column(name, [float(f"{gain:.3g}") for gain in own]))
    title = "Variance reduction: so many times the replicates would be needed without it"
    return Table(columns, title)
