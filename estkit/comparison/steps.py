"""What columns go through before a model, inside the folds: filled, one-hot, scaled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.comparison.columns import in_days

if TYPE_CHECKING:
    from estkit.comparison.candidates import Data


def ready(model: Any, data: Data, *, scale: bool) -> tuple[Any, str]:
    """Return a model after the steps that its data need, and those in words."""
    from sklearn.pipeline import make_pipeline

    sparse = hasattr(data.X, "tocsr")  # of which no tree takes gaps
    fill = data.gaps and (sparse or not _takes_gaps(model))
    drop = data.gaps and not fill
    empty = _empty(data) if drop else 0
    done = ["missing values filled in"] if fill else []
    done += [f"columns without any value left out ({empty})"] if empty else []
    done += ["categories one-hot"] if data.text else []
    done += ["times in days since 1970"] if data.times else []
    done += ["columns scaled"] if scale else []
    if not done and not drop:
        return model, ""
    mixed = data.text or data.times
    steps = [_transformer(data, fill=fill, drop=drop, scale=scale)] if mixed else (
        _of_numbers(fill=fill, drop=drop, scale=scale, sparse=sparse))  # fmt: skip
    return make_pipeline(*steps, model), ", ".join(done)


def _takes_gaps(model: Any) -> bool:
    from sklearn.utils import get_tags

    try:
        return bool(get_tags(model).input_tags.allow_nan)
    except AttributeError:  # an estimator that inherits nothing
        return False


def _empty(data: Data) -> int:
    """Return how many columns of numbers hold none."""
    if isinstance(data.X, np.ndarray):
        return len(empty_columns(data.X))
    return len(empty_columns(data.X.drop(columns=[*data.text, *data.times])))


def empty_columns(X: Any) -> list[int]:
    """Return which columns of numbers hold none, which models that take gaps may fail on."""
    import pandas as pd

    return np.flatnonzero(np.asarray(pd.isna(X)).all(axis=0)).tolist()


def _without_empty() -> Any:
    """Return a step without the columns that have no value in the rows of a training fold."""
    from sklearn.compose import ColumnTransformer

    return ColumnTransformer([("empty", "drop", empty_columns)], remainder="passthrough")


def _of_numbers(*, fill: bool, drop: bool, scale: bool, sparse: bool = False) -> list[Any]:
    """Return the steps for numbers; sparse ones are not centred, which would fill them."""
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    steps = [SimpleImputer(strategy="median", keep_empty_features=True)] if fill else []
    steps += [_without_empty()] if drop else []
    return steps + ([StandardScaler(with_mean=not sparse)] if scale else [])


def _transformer(data: Data, *, fill: bool, drop: bool, scale: bool) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    text, times = list(data.text), list(data.times)
    numbers = [column for column in data.X.columns if column not in {*text, *times}]
    steps = _of_numbers(fill=fill, drop=drop, scale=scale)
    of_numbers = make_pipeline(*steps) if steps else FunctionTransformer()
    of_times = make_pipeline(FunctionTransformer(in_days), *steps)
    of_text = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    parts: list[Any] = [("numbers", of_numbers, numbers)] if numbers else []
    parts += [("times", of_times, times)] if times else []
    parts += [("categories", of_text, text)] if text else []
    return ColumnTransformer(parts)
