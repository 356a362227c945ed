"""The models of a comparison: by name or as they are, with what their data need, and a baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError

BASELINE = "baseline"


class Candidate(NamedTuple):
    """A model that is compared.

    Parameters
    ----------
    name : str
        Its name.
    estimator : object
        A scikit-learn estimator that was not fitted; only clones of it are.
    note : str
        What was added to it, in words; empty if nothing was.
    """

    name: str
    estimator: Any
    note: str = ""


class Data(NamedTuple):
    """What models are fitted to.

    Parameters
    ----------
    X : array or pandas data frame
        The columns.
    y : array of shape (n,)
        Numbers or labels.
    classes : tuple
        The labels in ascending order; empty for numbers.
    codes : array of shape (n,)
        y as numbers: the codes of labels.
    text : tuple of str
        The columns that hold categories.
    gaps : bool
        Whether a value is missing.
    """

    X: Any
    y: NDArray[Any]
    classes: tuple[Any, ...]
    codes: NDArray[Any]
    text: tuple[str, ...] = ()
    gaps: bool = False

    @property
    def task(self) -> str:
        """What the models do."""
        return "classification" if self.classes else "regression"


def candidates_of(models: Any, data: Data) -> list[Candidate]:
    """Return the models with what their data need, the baseline last.

    A model without steps of its own gets columns of numbers and of categories made ready inside the
    folds: missing values filled in, categories one-hot, and for nearest neighbours every column
    scaled, since distances depend on units. A pipeline is taken as it is.

    Parameters
    ----------
    models : mapping of str to estimator or name, sequence of them, or None
        Names are ``"knn"``, ``"linear"``, ``"ridge"``, ``"tree"``, ``"forest"``, ``"boosting"``;
        by default the first two.
    data : Data
        What they are fitted to.

    Raises
    ------
    DataError
        If a name is not known or used twice, or a model is about another task.
    """
    named = _named(("knn", "linear") if models is None else models)
    if not named:
        raise DataError("there is no model to compare; say {'knn': ..., 'linear': ...}.")
    if BASELINE in named:
        raise DataError(f"the name {BASELINE!r} is that of the model that is always added.")
    made = [_candidate(name, given, data) for name, given in named.items()]
    return [*made, Candidate(BASELINE, _known("baseline", data.task))]


def _named(models: Any) -> dict[str, Any]:
    if isinstance(models, Mapping):
        return {str(name): model for name, model in models.items()}
    several = models if isinstance(models, Sequence) and not isinstance(models, str) else [models]
    named: dict[str, Any] = {}
    for model in several:
        name = model if isinstance(model, str) else type(model).__name__
        if name in named:
            raise DataError(f"two models are called {name!r}; pass a mapping of names to models.")
        named[name] = model
    return named


def _candidate(name: str, given: Any, data: Data) -> Candidate:
    from sklearn.base import is_classifier, is_regressor
    from sklearn.pipeline import Pipeline

    model = _known(given, data.task) if isinstance(given, str) else given
    if not (hasattr(model, "fit") and hasattr(model, "predict") and hasattr(model, "get_params")):
        raise DataError(
            f"model {name!r} must be a scikit-learn estimator or a name; got {type(given).__name__}"
        )
    other = is_regressor(model) if data.classes else is_classifier(model)
    if other:
        raise DataError(
            f"model {name!r} is for {'regression' if data.classes else 'classification'}, but y "
            f"asks for {data.task}; say task=... if y is something else."
        )
    if isinstance(model, Pipeline):
        return Candidate(name, model)
    slow_unscaled = isinstance(given, str) and given == "linear" and bool(data.classes)
    return _ready(name, model, data, scale=_by_distance(model) or slow_unscaled)


def _by_distance(model: Any) -> bool:
    return type(model).__name__.startswith(("KNeighbors", "RadiusNeighbors"))


def _ready(name: str, model: Any, data: Data, *, scale: bool) -> Candidate:
    """Return a model after what its data need."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not data.text and not data.gaps:
        if not scale:
            return Candidate(name, model)
        return Candidate(name, make_pipeline(StandardScaler(), model), "columns scaled")
    done = []
    if data.gaps and not _takes_gaps(model):
        done.append("missing values filled in")
    done += ["categories one-hot"] if data.text else []
    done += ["columns scaled"] if scale else []
    first = _transformer(data, fill=not _takes_gaps(model), scale=scale)
    return Candidate(name, make_pipeline(first, model), ", ".join(done))


def _takes_gaps(model: Any) -> bool:
    from sklearn.utils import get_tags

    return bool(get_tags(model).input_tags.allow_nan)


def _transformer(data: Data, *, fill: bool, scale: bool) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    text: list[Any] = list(data.text)
    names = list(data.X.columns) if hasattr(data.X, "columns") else list(range(data.X.shape[1]))
    numbers: list[Any] = [column for column in names if column not in text]
    steps = [SimpleImputer(strategy="median", keep_empty_features=True)] if fill else []
    steps += [StandardScaler()] if scale else []
    of_numbers = make_pipeline(*steps) if steps else FunctionTransformer()
    of_text = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    parts: list[Any] = [("numbers", of_numbers, numbers)] if numbers else []
    parts += [("categories", of_text, text)] if text else []
    return ColumnTransformer(parts)


def _known(name: str, task: str) -> Any:
    from sklearn import dummy, ensemble, linear_model, neighbors, tree

    classes = task == "classification"
    kinds: dict[str, Callable[[], Any]] = {
        "knn": neighbors.KNeighborsClassifier if classes else neighbors.KNeighborsRegressor,
        "linear": (
            (lambda: linear_model.LogisticRegression(max_iter=5000))
            if classes
            else linear_model.LinearRegression
        ),
        "ridge": linear_model.RidgeClassifier if classes else linear_model.Ridge,
        "tree": tree.DecisionTreeClassifier if classes else tree.DecisionTreeRegressor,
        "forest": ensemble.RandomForestClassifier if classes else ensemble.RandomForestRegressor,
        "boosting": (
            ensemble.HistGradientBoostingClassifier
            if classes
            else ensemble.HistGradientBoostingRegressor
        ),
        "baseline": (
            (lambda: dummy.DummyClassifier(strategy="prior")) if classes else dummy.DummyRegressor
        ),
    }
    if name not in kinds:
        known = ", ".join(sorted(set(kinds) - {"baseline"}))
        raise DataError(f"{name!r} is not a model that estkit knows by name; it knows {known}.")
    return kinds[name]()


def read_data(X: Any, y: Any, task: str | None) -> Data:
    """Return what was given as what models are fitted to.

    Raises
    ------
    DataError
        If lengths differ, y has a missing value or is constant, or X holds infinite numbers.
    """
    import pandas as pd

    outcome = np.asarray(y if not hasattr(y, "to_numpy") else y.to_numpy())
    if outcome.ndim != 1:
        raise DataError(f"y must be a vector, got shape {outcome.shape}.")
    columns, text, gaps = _columns(X)
    if columns.shape[0] != len(outcome):
        raise DataError(f"X has {columns.shape[0]} rows, but y has {len(outcome)}.")
    missing = np.flatnonzero(pd.isna(outcome))
    if missing.size:
        raise DataError(f"y has no value in row {missing[0]}; drop such rows before.")
    if task not in (None, "classification", "regression"):
        raise DataError(f"task must be 'classification' or 'regression', got {task!r}.")
    if task is None:
        task = "classification" if _are_labels(outcome) else "regression"
    if task == "regression":
        numbers = outcome.astype(float)
        if not np.isfinite(numbers).all():
            raise DataError(f"y is infinite in row {np.flatnonzero(~np.isfinite(numbers))[0]}.")
        if len(numbers) > 1 and (numbers == numbers[0]).all():
            raise DataError(f"y is constant ({numbers[0]:g}), so there is nothing to predict.")
        return Data(columns, numbers, (), numbers, text, gaps)
    classes, codes = np.unique(outcome, return_inverse=True)
    if len(classes) < 2:
        raise DataError(
            f"y has the single class {classes.tolist()[0]!r}, so there is nothing to predict."
        )
    return Data(columns, outcome, tuple(classes.tolist()), codes, text, gaps)


def _are_labels(y: NDArray[Any]) -> bool:
    """Tell whether outcomes are classes: text, truth values, or whole numbers of few values."""
    if y.dtype.kind in "OUSb":
        return not all(isinstance(each, float | int) and not isinstance(each, bool) for each in y)
    return y.dtype.kind in "iu" and len(np.unique(y)) <= 20 and len(y) > 2 * len(np.unique(y))


def _columns(X: Any) -> tuple[Any, tuple[str, ...], bool]:
    """Return columns as an array or a pandas frame, those of categories, whether values lack."""
    import narwhals as nw
    import pandas as pd

    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        own = frame.to_pandas()
        text = [c for c in own.columns if not pd.api.types.is_numeric_dtype(own[c].dtype)
                and not pd.api.types.is_bool_dtype(own[c].dtype)]  # fmt: skip
        own = own.rename(columns=str)
        numbers = own[[c for c in own.columns if c not in text]].to_numpy(float, na_value=np.nan)
        _refuse_infinite(numbers, [c for c in own.columns if c not in text])
        return own, tuple(map(str, text)), bool(own.isna().to_numpy().any())
    if hasattr(X, "tocsr"):
        return X.tocsr(), (), False
    array = np.asarray(X)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(f"X must be a table, got shape {array.shape}.")
    if array.dtype.kind == "O" or array.dtype.kind in "US":
        frame = pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])
        return _columns(frame.infer_objects())
    _refuse_infinite(array, [f"x{j}" for j in range(array.shape[1])])
    return array, (), bool(np.isnan(array.astype(float)).any())


def _refuse_infinite(numbers: NDArray[Any], names: Sequence[str]) -> None:
    if numbers.dtype.kind == "f" and np.isinf(numbers).any():
        row, column = np.argwhere(np.isinf(numbers))[0]
        raise DataError(f"X is infinite in row {row} of column {names[column]!r}.")
