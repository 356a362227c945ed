"""The models of a comparison: by name or as they are, with what their data need, and a baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.columns import columns_of
from estkit.comparison.steps import ready
from estkit.data import check_same_index
from estkit.errors import DataError
from estkit.frames import as_frame

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
    times : tuple of str
        The columns that hold times.
    """

    X: Any
    y: NDArray[Any]
    classes: tuple[Any, ...]
    codes: NDArray[Any]
    text: tuple[str, ...] = ()
    gaps: bool = False
    times: tuple[str, ...] = ()

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
    pairs = (
        [(str(name), model) for name, model in models.items()]
        if isinstance(models, Mapping)
        else [(m if isinstance(m, str) else type(m).__name__, m) for m in _listed(models)]
    )
    named: dict[str, Any] = {}
    for name, model in pairs:
        if name in named:
            raise DataError(
                f"two models are called {name!r}; pass a mapping of different names to models."
            )
        named[name] = model
    return named


def _listed(models: Any) -> list[Any]:
    if isinstance(models, Mapping):
        return list(models.values())
    several = isinstance(models, Sequence) and not isinstance(models, str)
    return list(models) if several else [models]


def _candidate(name: str, given: Any, data: Data) -> Candidate:
    from sklearn.base import is_classifier, is_regressor

    model = _known(given, data.task) if isinstance(given, str) else given
    check_estimator(name, model)
    if _is(is_regressor if data.classes else is_classifier, model):
        raise DataError(
            f"model {name!r} is for {'regression' if data.classes else 'classification'}, but y "
            f"asks for {data.task}; say task=... if y is something else."
        )
    if _has_steps(model):
        return Candidate(name, model)
    slow_unscaled = isinstance(given, str) and given == "linear" and bool(data.classes)
    return Candidate(name, *ready(model, data, scale=_by_distance(model) or slow_unscaled))


def prepared(model: Any, data: Data) -> Any:
    """Return a model given by name, or one that needs something of its data, as `compare` has it.

    A model that can be fitted to the columns as they are stays as it is, not scaled.
    """
    named = isinstance(model, str)
    if named or data.text or data.gaps or data.times or data.classes:
        made = _candidate(model if named else type(model).__name__, model, data).estimator
        return made if named or data.text or data.gaps or data.times else model
    check_estimator(getattr(model, "__name__", type(model).__name__), model)
    return model


def check_estimator(name: str, model: Any) -> None:
    """Raise if something is no estimator."""
    if isinstance(model, type):
        raise DataError(
            f"model {name!r} is the class {model.__name__}; pass an estimator, {model.__name__}()."
        )
    if not (hasattr(model, "fit") and hasattr(model, "predict") and hasattr(model, "get_params")):
        raise DataError(
            f"model {name!r} must be a scikit-learn estimator or a name; got {type(model).__name__}"
        )


def is_for_numbers(model: Any) -> bool:
    """Return whether a model says that it predicts numbers."""
    from sklearn.base import is_regressor

    return _is(is_regressor, model)


def _is(check: Callable[[Any], bool], model: Any) -> bool:
    """Return whether a model says that it is of a kind; one that inherits nothing says nothing."""
    try:
        return check(model)
    except AttributeError:
        return False


def _parts(model: Any) -> list[Any]:
    """Return a model and the models in it, such as those that a search fits."""
    return [model, *model.get_params().values()]


def _has_steps(model: Any) -> bool:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    return any(isinstance(part, Pipeline | ColumnTransformer) for part in _parts(model))


def _by_distance(model: Any) -> bool:
    kinds = ("KNeighbors", "RadiusNeighbors")
    return any(type(part).__name__.startswith(kinds) for part in _parts(model))


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


def read_data(X: Any, y: Any, task: str | None, models: Any = (), *, groups: Any = None) -> Data:
    """Return what was given as what models are fitted to; groups are only looked at.

    Without a task it is what y looks like, or what `models` are for where y can be that.

    Raises
    ------
    DataError
        If lengths or row labels differ, y has a missing value or is constant, or X holds infinite
        numbers.
    """
    if task not in (None, "classification", "regression"):
        raise DataError(f"task must be 'classification' or 'regression', got {task!r}.")
    outcome = outcome_of(y)
    columns = columns_of(X)
    rows = columns.values.shape[0]
    if rows != len(outcome):
        raise DataError(f"X has {rows} rows, but y has {len(outcome)}.")
    check_same_index(X=X, y=y, groups=groups)
    task = task or _task_of(models, outcome)
    given = (columns.text, columns.gaps, columns.times)
    if task is None:
        task = "classification" if _are_labels(outcome) else "regression"
    if task == "regression":
        if outcome.dtype.kind not in "fiub":
            raise DataError(
                f"y holds {type(outcome.tolist()[0]).__name__} values such as "
                f"{outcome.tolist()[0]!r:.40}; regression needs numbers."
            )
        numbers = outcome.astype(float)
        if not np.isfinite(numbers).all():
            raise DataError(f"y is infinite in row {np.flatnonzero(~np.isfinite(numbers))[0]}.")
        if len(numbers) > 1 and (numbers == numbers[0]).all():
            raise DataError(f"y is constant ({numbers[0]:g}), so there is nothing to predict.")
        return Data(columns.values, numbers, (), numbers, *given)
    try:
        classes, codes = np.unique(outcome, return_inverse=True)
    except TypeError as error:
        kinds = sorted({type(value).__name__ for value in outcome.tolist()})
        raise DataError(
            f"y mixes labels of the kinds {', '.join(kinds)}, which have no common order; make "
            f"them all of one kind."
        ) from error
    if len(classes) < 2:
        one = f"the single class {classes.tolist()[0]!r}" if len(classes) else "no rows"
        raise DataError(f"y has {one}, so there is nothing to predict.")
    return Data(columns.values, outcome, tuple(classes.tolist()), codes, *given)


def outcome_of(y: Any) -> NDArray[Any]:
    """Return y as a vector without gaps, of numbers wherever all its values are."""
    import pandas as pd

    if y is None:
        raise DataError("y is None; pass the labels or numbers to predict, one for every row of X.")
    frame = as_frame(y) if hasattr(y, "columns") else None
    given = y if frame is None else frame.to_pandas()
    outcome = np.asarray(given.to_numpy() if hasattr(given, "to_numpy") else given)
    if outcome.dtype.kind in "US" and not isinstance(y, np.ndarray):
        outcome = np.asarray(y, dtype=object)  # otherwise 1 and "a" are both made text
    if outcome.ndim == 2 and outcome.shape[1] == 1:
        outcome = outcome[:, 0]
    if outcome.ndim != 1:
        raise DataError(f"y must be one column of labels or numbers, got shape {outcome.shape}.")
    missing = np.flatnonzero(pd.isna(outcome))
    if missing.size:
        raise DataError(f"y has no value in row {missing[0]}; drop such rows before.")
    if outcome.dtype.kind == "O":
        outcome = np.asarray(pd.Series(outcome, dtype=object).infer_objects().to_numpy())
    label = next((each for each in _objects(outcome) if isinstance(each, bytes)), None)
    if label is not None:
        raise DataError(
            f"y holds bytes such as {label!r:.40}, which not all models take for labels; make them "
            f"text: [label.decode() for label in y]."
        )
    if outcome.dtype.kind not in "OUfiub":
        raise DataError(
            f"y holds {outcome.dtype} values, which are neither labels nor numbers; make them text "
            f"or numbers."
        )
    return outcome


def _objects(values: NDArray[Any]) -> list[Any]:
    return values.tolist() if values.dtype.kind in "OS" else []


def _task_of(models: Any, y: NDArray[Any]) -> str | None:
    """Return classification for whole numbers of any type if all models are classifiers."""
    from sklearn.base import is_classifier

    given = [m for m in _listed(models) if hasattr(m, "get_params") and not isinstance(m, type)]
    whole = y.dtype.kind != "f" or bool((np.trunc(y) == y).all())
    suited = given and whole and all(_is(is_classifier, model) for model in given)
    return "classification" if suited else None


def _are_labels(y: NDArray[Any]) -> bool:
    """Tell whether outcomes are classes: text, truth values, or whole numbers of few values."""
    if y.dtype.kind not in "fiu":
        return True
    return y.dtype.kind in "iu" and len(np.unique(y)) <= 20 and len(y) > 2 * len(np.unique(y))
