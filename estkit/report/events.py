"""What went wrong in a study: failures and warnings, counted by what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from estkit.report.page import Grid, Part, Words
from estkit.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from estkit.montecarlo.result import StudyResult

_SHOWN = 200  # so many rows; what is rarer is summed up


def event_parts(result: StudyResult) -> list[Part]:
    """Return the tables of failures and warnings, or a sentence where there are none."""
    total = sum(result.counts().values()) * len(result.estimators)
    parts: list[Part] = []
    for frame, what, reason in (
        (result.failures(), "failures", "reason"),
        (result.warnings(), "warnings", "warning"),
    ):
        if frame.empty:
            parts.append(Words(f"There were no {what} in {total} estimates."))
        else:
            share = f"{len(frame)} {what} in {total} estimates"
            parts.append(Grid(_counted(result, frame, share, reason)))
    return parts


def _counted(result: StudyResult, frame: pd.DataFrame, title: str, reason: str) -> Table:
    """Return a row for each condition, estimator and reason, with the replicates that show it."""
    factors = list(next(iter(result.conditions.values())))
    by = ["estimator", *(["status"] if "status" in frame else []), reason]
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in frame.to_dict("records"):
        key = (*(str(row[name]) for name in factors), *(row[name] for name in by))
        groups.setdefault(key, []).append(row)
    ordered = sorted(groups.values(), key=len, reverse=True)
    shown, rest = ordered[:_SHOWN], ordered[_SHOWN:]
    columns = [Column(name, [rows[0][name] for rows in shown]) for name in [*factors, *by]]
    columns.append(Column("count", [len(rows) for rows in shown], style="count"))
    examples = [", ".join(str(row["replicate"]) for row in rows[:3]) for rows in shown]
    columns.append(Column("replicates, for example", examples))
    left = f"And {sum(map(len, rest))} more of {len(rest)} other kinds."
    return Table(columns, title, [left] if rest else [])
