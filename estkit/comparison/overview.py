"""The table of a comparison: how good each model is, how sure that is, and what it costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.comparison.fold_tests import corrected_error
from estkit.comparison.intervals import by_folds
from estkit.comparison.variability import columns_of, figures, notes_of
from estkit.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from estkit.comparison.result import Comparison
    from estkit.comparison.scores import Score


def rows_of(comparison: Comparison, score: Score, level: float) -> pd.DataFrame:
    """Return what there is to say of every model, a row for each."""
    import pandas as pd

    folds = comparison.folds
    baseline = comparison.values(comparison.models[-1], score)
    rows = []
    for model in comparison.models:
        values = comparison.values(model, score)
        known = np.isfinite(values)
        own = by_folds(comparison, model, score, level)
        both = known & np.isfinite(baseline)
        gain = (values - baseline)[both] * (1 if score.greater_is_better else -1)
        row: dict[str, Any] = {
            "model": model,
            "score": score.name,
            "value": float(values.mean()) if len(values) else math.nan,
            "std_error": own["std_error"],
            "lower": own["lower"],
            "upper": own["upper"],
            "over_baseline": float(gain.mean()) if gain.size else math.nan,
            "over_baseline_error": corrected_error(gain, folds.test_share),
        }
        for other in comparison.scoring:
            if other is not score:
                row[other.name] = float(comparison.values(model, other).mean())
                row[f"{other.name}_error"] = by_folds(comparison, model, other, level)["std_error"]
        row |= figures(comparison.decompositions, model)
        rows.append({**row, **_costs(comparison, model), "folds_used": int(known.sum())})
    frame = pd.DataFrame(rows)
    frame["bytes"] = frame["bytes"].astype("Int64")
    order = frame["value"].sort_values(ascending=not score.greater_is_better, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def _costs(comparison: Comparison, model: str) -> dict[str, Any]:
    trials = [comparison.trials[model, fold] for fold in range(len(comparison.folds))]
    sizes = [len(test) for test in comparison.folds.test]
    done = [(trial, size) for trial, size in zip(trials, sizes, strict=True)
            if trial.prediction is not None]  # fmt: skip
    rows = sum(size for _, size in done)
    freedom = next((trial.freedom for trial in trials if trial.freedom is not None), None)
    return {
        "degrees_of_freedom": math.nan if freedom is None else freedom,
        "fit_seconds": float(np.median([t.fit_seconds for t, _ in done])) if done else math.nan,
        "predict_seconds_per_row": (
            sum(t.predict_seconds for t, _ in done) / rows if rows else math.nan
        ),
        "bytes": next((t.size for t in trials if t.size), None),
    }


def table_of(comparison: Comparison, score: Score, level: float = 0.95) -> Table:
    """Return the overview with its digits cut by the errors."""
    frame = rows_of(comparison, score, level)
    of = {name: frame[name].to_numpy() for name in frame}
    error = of["std_error"]
    columns = [
        Column("model", of["model"].tolist()),
        _bracketed(score.name, of["value"], error),
        Column("lower", of["lower"], error),
        Column("upper", of["upper"], error),
        _bracketed("over baseline", of["over_baseline"], of["over_baseline_error"]),
    ]
    others = [other.name for other in comparison.scoring if other is not score]
    columns += [_bracketed(name, of[name], of[f"{name}_error"]) for name in others]
    columns += columns_of(frame)
    columns += [
        Column("df", of["degrees_of_freedom"].round(2)),
        Column("fit", [_time(seconds) for seconds in of["fit_seconds"]], right=True),
        Column("predict a row", [_time(s) for s in of["predict_seconds_per_row"]], right=True),
        Column("bytes", of["bytes"], style="count"),
    ]
    better = "greater" if score.greater_is_better else "less"
    notes = [
        f"{score.name}: {better} is better; mean over folds and its {100 * level:g}% interval, "
        f"corrected for training rows in common (Nadeau and Bengio 2003), as are the errors in "
        f"brackets.",
        *notes_of(comparison.decompositions),
        *comparison.notes,
    ]
    folds = comparison.folds
    notes += [
        f"{model}: {len(folds) - used} of {len(folds)} folds have no {score.name}."
        for model, used in zip(of["model"], of["folds_used"].tolist(), strict=True)
        if used < len(folds)
    ]
    if score.name == "r2" and max(map(len, folds.test)) == 1:
        notes.append(f"intervals({score.name!r}, 'clt') pools the rows of all folds first.")
    title = f"{len(comparison.models)} models, {folds.rows} rows, {folds.scheme}"
    return Table(columns, title, notes)


def _bracketed(name: str, values: Any, errors: Any) -> Column:
    return Column(name, values, errors, "with_error", right=True)


def _time(seconds: float) -> str:
    if not math.isfinite(seconds):
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
