"""How many replicates a Monte-Carlo error takes, and which errors a run has reached."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import check_level, normal_quantile
from estkit.montecarlo.conditions import describe
from estkit.montecarlo.measures import MEASURES, Draws, rate_interval
from estkit.montecarlo.stopping import (
    effective_count,
    honest_error,
    least_count,
    rate_error,
    targets_of,
)
from estkit.montecarlo.summary import Cell, measured
from estkit.montecarlo.times import Times

if TYPE_CHECKING:
    import pandas as pd

    from estkit.montecarlo.budget import Ending
    from estkit.montecarlo.result import StudyResult


def plan(result: StudyResult, target_mcse: Any, level: float) -> pd.DataFrame:
    """Return how many replicates a Monte-Carlo error takes; see `StudyResult.plan`."""
    import pandas as pd

    check_level(level)
    targets = _by_number(result, target_mcse)
    seconds = _clock(result).seconds
    rows = []
    for row, cell in _rows(result, targets):
        have, ratio = row["replicates"], (row["mcse"] / row["target"]) ** 2
        low, high = _spread(cell, row["measure"], row["mcse"], level)
        level_of = result._outcomes[cell.number, cell.estimator].level
        least = float(least_count(row["measure"], level_of, row["target"]))
        goal = max(have * ratio, least)
        needed = [
            _whole(n) for n in (goal, have * ratio * low**2, max(have * ratio * high**2, goal))
        ]
        further = max(needed[0] - have, 0)
        rows.append({
            **row, **dict(zip(("needed", "lower", "upper"), needed, strict=True)),
            "further": further, "seconds": further * seconds.get(cell.number, math.nan),
        })  # fmt: skip
    if not rows:
        raise DataError(f"No estimator gives what {', '.join(targets)} needs.")
    return pd.DataFrame(rows)


def reached(result: StudyResult) -> pd.DataFrame:
    """Return which of the errors that a run was asked for it has reached."""
    import pandas as pd

    asked = result.ending.targets if result.ending else {}
    targets = {name: dict(enumerate(errors)) for name, errors in asked.items()}
    rows = [{**row, "met": row["mcse"] <= row["target"]} for row, _ in _rows(result, targets)]
    first = next(iter(result.conditions.values()), {})
    columns = ["estimator", "parameter", "measure", "replicates", "mcse", "target", "met"]
    return pd.DataFrame(rows, columns=[*first, *columns])


def replicates(result: StudyResult) -> pd.DataFrame:
    """Return how many replicates each condition has, and what ended it."""
    import pandas as pd

    ending = result.ending
    if ending is None:  # a part that an error left, or what a store holds
        counts = {n: len(result._outcomes[n, result.estimators[0]]) for n in result.conditions}
        ended, seconds = "" if result._study is None else "error", _clock(result).seconds
        rows = [
            {**result.conditions[n], "replicates": count, "asked": None, "ended": ended,
             "seconds": seconds.get(n, math.nan)}
            for n, count in counts.items()
        ]  # fmt: skip
        return pd.DataFrame(rows)
    rows = [
        {**condition, "replicates": ending.replicates[n], "asked": ending.asked[n],
         "ended": ending.ended[n], "seconds": ending.seconds.get(n, math.nan)}
        for n, condition in enumerate(ending.conditions)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _clock(result: StudyResult) -> Ending | Times:
    """Return what knows how long replicates took: the run, or what a store has kept of it."""
    return result.ending or result._times or Times({}, {})


def times(result: StudyResult) -> pd.DataFrame:
    """Return the processor's seconds of each estimator; see `StudyResult.times`."""
    import pandas as pd

    spent = _clock(result).spent
    rows = [
        {**condition, "estimator": name, "seconds": seconds / timed if timed else math.nan,
         "timed": timed}
        for number, condition in result.conditions.items()
        for name in result.estimators
        for seconds, timed in [spent.get((number, name), (0.0, 0))]
    ]  # fmt: skip
    columns = None if rows else ["estimator", "seconds", "timed"]
    return pd.DataFrame(rows, columns=columns)


def notes(result: StudyResult) -> list[str]:
    """Return in words what ended a run before all replicates that it was asked for."""
    ending = result.ending
    if ending is None:
        return []
    found = []
    for why, said in (("time", "Time was up"), ("memory", "Cut to the memory")):
        cut = {n: ending.replicates[n] for n, end in ending.ended.items() if end == why}
        if cut:
            least = min(cut, key=lambda n: cut[n] / ending.asked[n])
            found.append(
                f"{said} in {len(cut)} of {len(ending.ended)} conditions; the fewest replicates: "
                f"{cut[least]} of {ending.asked[least]} in {describe(ending.conditions[least])}."
            )
    if ending.targets:
        table = reached(result)
        missed = table[~table["met"]]
        wanted = ", ".join(ending.targets)
        if missed.empty:
            found.append(f"The target for the Monte-Carlo error of {wanted} was met everywhere.")
        else:
            ratio = (missed["mcse"] / missed["target"]).fillna(math.inf).to_numpy()
            worst = missed.iloc[int(np.argmax(ratio))]
            error = "unknown" if math.isnan(worst["mcse"]) else f"{worst['mcse']:.3g}"
            found.append(
                f"The target for the Monte-Carlo error was missed in {len(missed)} of {len(table)} "
                f"rows of targets(), most by {worst['measure']} of {worst['estimator']}: "
                f"{error} for {worst['target']:.3g}."
            )
    return found


def _by_number(result: StudyResult, target_mcse: Any) -> dict[str, dict[int, float]]:
    targets = targets_of(target_mcse, list(result.conditions.values()))
    numbers = list(result.conditions)
    return {name: dict(zip(numbers, errors, strict=True)) for name, errors in targets.items()}


def _rows(
    result: StudyResult, targets: dict[str, dict[int, float]]
) -> Iterator[tuple[dict[str, Any], Cell]]:
    """Yield each error that a target is about, with its cell."""
    for cell in result._cells() if targets else ():
        for measure, each in targets.items():
            error, target = honest_error(cell, measure), each[cell.number]
            if error is not None and target < math.inf:
                yield {
                    **cell.condition, "estimator": cell.estimator, "parameter": cell.parameter,
                    "measure": measure, "replicates": len(cell.draws.estimate), "mcse": error,
                    "target": target,
                }, cell  # fmt: skip


def _spread(cell: Cell, measure: str, error: float, level: float) -> tuple[float, float]:
    """Return by what factors the error of a measure may be off, downwards and upwards."""
    if math.isnan(error):
        return math.nan, math.nan
    row = measured(cell, measure, level)
    if MEASURES[measure].is_rate:
        count = effective_count(row, cell.group)
        ends = rate_interval(min(max(row["value"], 0.0), 1.0), count, level)
        errors = [float(rate_error(end, count)) for end in ends]
        if ends[0] <= 0.5 <= ends[1]:
            errors.append(0.5 / math.sqrt(count))
        return min(*errors, error) / error, max(*errors, error) / error
    if MEASURES[measure].interval is not None:  # of quantiles: it rests on a density, too
        return math.nan, math.nan
    known = ~np.any([np.isnan(getattr(cell.draws, f)) for f in MEASURES[measure].needs], axis=0)
    psi = MEASURES[measure].function(Draws(*(field[known] for field in cell.draws))).psi
    square = (psi - psi.mean()) ** 2
    mean = float(square.mean())
    if not mean > 0:
        return 1.0, 1.0
    relative = float(square.std()) / mean / math.sqrt(len(psi))  # of the variance of psi
    factor = math.exp(normal_quantile(level) * relative / 2)
    return 1 / factor, factor


def _whole(number: float) -> Any:
    return math.ceil(number) if math.isfinite(number) else math.nan
