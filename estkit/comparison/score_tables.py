"""Scores of models on many data sets, read from a table or from comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.comparison.result import Comparison
from estkit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_ONE = (
    "these are folds of one data set: they share training rows, so tests that take them for "
    "independent find differences by luck. Use Comparison.test, or one row for each data set."
)


def read_scores(scores: Any, higher: bool | None, score: str | None) -> tuple[pd.DataFrame, bool]:
    """Return data sets by models, and the direction."""
    import pandas as pd

    if isinstance(scores, Comparison):
        raise DataError(f"One comparison is one data set; {_ONE}")
    parts = scores.values() if isinstance(scores, Mapping) else scores
    if isinstance(scores, Mapping | list | tuple) and any(
        isinstance(part, Comparison) for part in parts
    ):
        return _from_comparisons(scores, higher, score)
    frame = scores if isinstance(scores, pd.DataFrame) else pd.DataFrame(_plain_table(scores))
    named = {str(name).lower() for name in [*frame.columns, *frame.index.names]}
    if named & {"fold", "folds", "split", "repeat"} or frame.index.has_duplicates:
        what = "rows of the same name" if frame.index.has_duplicates else "a column of folds"
        raise DataError(f"scores has {what}: {_ONE}")
    if higher is None:
        raise DataError(
            "say higher_is_better=True (accuracy) or False (an error): with the wrong direction "
            "the worst model wins."
        )
    if frame.columns.has_duplicates:
        raise DataError("scores names a model twice.")
    for name in frame.columns:
        if frame[name].dtype.kind not in "fiu":
            raise DataError(f"column {name!r} of scores holds no numbers; put names in the index.")
    return frame.rename(columns=str), bool(higher)


def _plain_table(scores: Any) -> Any:
    if hasattr(scores, "to_pandas"):
        return scores.to_pandas()
    return scores if isinstance(scores, Mapping) else np.asarray(scores, float)


def _from_comparisons(
    given: Any, higher: bool | None, score: str | None
) -> tuple[pd.DataFrame, bool]:
    import pandas as pd

    several = given.items() if isinstance(given, Mapping) else enumerate(given)
    named = {f"data set {name + 1}" if isinstance(name, int) else str(name): part
             for name, part in several}  # fmt: skip
    first = next(iter(named.values()))
    for name, part in named.items():
        if not isinstance(part, Comparison) or part.models != first.models:
            raise DataError(f"{name!r} must be a comparison of {', '.join(first.models)}.")
    for (one, a), (other, b) in combinations(named.items(), 2):
        if np.array_equal(a.outcome, b.outcome):
            raise DataError(
                f"{one!r} and {other!r} have the same outcome: {_ONE} If they are different data "
                f"after all, pass a frame of their scores."
            )
    own = first.checked_score(score)
    if higher is not None and higher != own.greater_is_better:
        raise DataError(f"higher_is_better={higher} contradicts {own.name}; leave it out.")
    rows = {
        name: [float(part.values(model, part.checked_score(own.name)).mean())
               for model in part.models]
        for name, part in named.items()
    }  # fmt: skip
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(first.models))
    return frame, own.greater_is_better


def chosen(frame: pd.DataFrame, models: Sequence[str] | None) -> pd.DataFrame:
    """Return the scores of the models that are asked for; all must be numbers."""
    if models is not None:
        lacking = [name for name in models if name not in frame.columns]
        if lacking:
            raise DataError(f"{lacking[0]!r} is not a model; they are {', '.join(frame.columns)}.")
        frame = frame[list(models)]
    if frame.shape[0] < 2 or frame.shape[1] < 2:
        raise DataError(
            f"scores must have 2 data sets and 2 models or more, got {frame.shape[0]} and "
            f"{frame.shape[1]}."
        )
    wrong = np.argwhere(~np.isfinite(frame.to_numpy(float)))
    if wrong.size:
        row, column = wrong[0]
        raise DataError(
            f"the score of {frame.columns[column]!r} on {frame.index[row]!r} is "
            f"{frame.to_numpy(float)[row, column]}; leave that data set or that model out."
        )
    return frame
