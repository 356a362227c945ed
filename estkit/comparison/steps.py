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
    empty = [] if fill else _empty(data)
    done = ["missing values filled in"] if fill else []
    done += [f"columns without any value left out ({len(empty)})"] if empty else []
    done += ["categories one-hot"] if data.text else []
    done += ["times in days since 1970"] if data.times else []
    done += ["columns scaled"] if scale else []
    if not done:
        return model, ""
    mixed = data.text or data.times
    steps = [_transformer(data, fill=fill, scale=scale, empty=empty)] if mixed else [
        *_without(empty), *_of_numbers(fill=fill, scale=scale, sparse=sparse)]  # fmt: skip
    return make_pipeline(*steps, model), ", ".join(done)


def _takes_gaps(model: Any) -> bool:
    from sklearn.utils import get_tags

    try:
        return bool(get_tags(model).input_tags.allow_nan)
    except AttributeError:  # an estimator that inherits nothing
        return False


def _empty(data: Data) -> list[Any]:
    """Return the columns of numbers that hold none, which models that take gaps may fail on."""
    if not data.gaps or hasattr(data.X, "tocsr"):
        return []
    if isinstance(data.X, np.ndarray):
        return np.flatnonzero(np.isnan(data.X).all(axis=0)).tolist()
    others = {*data.text, *data.times}
    return [each for each in data.X.columns if each not in others and data.X[each].isna().all()]


def _without(columns: list[Any]) -> list[Any]:
    from sklearn.compose import ColumnTransformer

    if not columns:
        return []
    return [ColumnTransformer([("empty", "drop", columns)], remainder="passthrough")]


def _of_numbers(*, fill: bool, scale: bool, sparse: bool = False) -> list[Any]:
    """Return the steps for numbers; sparse ones are not centred, which would fill them."""
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    steps = [SimpleImputer(strategy="median", keep_empty_features=True)] if fill else []
    return steps + ([StandardScaler(with_mean=not sparse)] if scale else [])


def _transformer(data: Data, *, fill: bool, scale: bool, empty: list[Any]) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    text, times = list(data.text), list(data.times)
    numbers = [column for column in data.X.columns if column not in {*text, *times, *empty}]
    steps = _of_numbers(fill=fill, scale=scale)
    of_numbers = make_pipeline(*steps) if steps else FunctionTransformer()
    of_times = make_pipeline(FunctionTransformer(in_days), *_of_numbers(fill=fill, scale=scale))
    of_text = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    parts: list[Any] = [("numbers", of_numbers, numbers)] if numbers else []
    parts += [("times", of_times, times)] if times else []
    parts += [("categories", of_text, text)] if text else []
    return ColumnTransformer(parts)
