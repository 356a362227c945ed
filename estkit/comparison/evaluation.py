"""``compare``: every model on the same folds, and what it predicted for rows it had not seen."""

from __future__ import annotations

import os
import pickle
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.comparison.candidates import Candidate, Data, candidates_of, read_data
from estkit.comparison.clones import Maker
from estkit.comparison.degrees import degrees_of_freedom
from estkit.comparison.folds import Folds, make_folds
from estkit.comparison.scores import Floats, named_scores
from estkit.comparison.store import Store, open_store, stored_seed
from estkit.comparison.trial import Trial, check_rows
from estkit.errors import DataError, in_words
from estkit.montecarlo.streams import seed_sequence

if TYPE_CHECKING:
    from estkit.comparison.result import Comparison

_MOST_NUMBERS, _MOST_COEFFICIENTS = 1_000_000, 200  # for degrees of freedom, by a decomposition


def compare(
    models: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    scoring: Any = None,
    groups: Any = None,
    task: str | None = None,
    rng: Any = None,
    bias_variance: int | Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    store: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Comparison:
    """Fit models on the same folds and keep what they predict for the rows they have not seen.

    Parameters
    ----------
    models : mapping of str to estimator, or names
        scikit-learn estimators (or estkit's); names such as ``"knn"`` and ``"linear"`` stand for
        models with usual settings. What a model needs of its data is added inside the folds, see
        the notes of the result. A dummy that ignores X is always compared, too: ``"baseline"``.
    X : array, data frame or sparse matrix of n rows
        Columns of numbers and of categories; values may be missing.
    y : array of shape (n,)
        Labels or numbers.
    cv : int, pair, str, splitter or pairs of rows, optional
        The folds: a number, (folds, repeats), ``"loo"``, ``"time"`` or ``("time", folds)``, a
        splitter of scikit-learn or the rows themselves. By default 10 folds, 3 times, stratified by
        class.
    scoring : str, Score or sequence of them, optional
        The scores, the first one leading; by default accuracy, log loss and Brier score, or RMSE,
        MAE and R².
    groups : array of shape (n,), optional
        Rows of one group are never split between training and testing.
    task : {"classification", "regression"}, optional
        By default what y looks like.
    rng : int, SeedSequence, Generator or None
        The seed of folds and models.
    bias_variance : int or mapping, optional
        A number of bootstrap training sets, such as 100, over which the table tells bias² and
        variance of every model, each with its Monte-Carlo error, as `estkit.bias_variance` does for
        one model; ``{"rounds": 100, "scheme": "subsample"}`` takes half the rows without
        repeating any. About 30 % of the rows, whole folds, are predicted. By default they are not
        computed, since every model is fitted that many times more; a store does not keep them.
    n_jobs : int, optional
        How many workers; the numbers do not depend on it.
    store : str or path, optional
        A folder to keep every model on every fold in as soon as it is done. What is there is not
        fitted again: a run that was stopped goes on, a model that is added is fitted alone. Times
        are those of the first run, and a failure stays one, unless it was for lack of memory or a
        file. Without `rng` the seed is that of the store. A store of other data, folds, seed,
        settings of a model or versions is refused.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Comparison
        Scores, tests, predictions and costs.

    Raises
    ------
    DataError
        If the data, the folds, a model or the store are not usable. A model that fails on a fold is
        an outcome with its reason.

    Notes
    -----
    Rows have no weights: nearest neighbours take none, and the tests count rows. Where a row stands
    for several of the same kind, repeat it (``X.loc[X.index.repeat(count)]``, and y alike), with
    ``groups=X.index.repeat(count)``, so that no row is trained on its own copy. For sampling
    weights of a survey, `fit` has ``sampling_weights``.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_iris
    >>> result = ek.compare(["knn", "linear"], *load_iris(return_X_y=True), cv=5, rng=1)
    >>> result.scores("accuracy").groupby("model")["value"].mean().round(3).to_dict()
    {'baseline': 0.333, 'knn': 0.96, 'linear': 0.953}
    """
    from estkit.comparison.result import Comparison
    from estkit.comparison.variability import checked_rounds, decomposed

    rounds, scheme = checked_rounds(bias_variance)
    data = read_data(X, y, task, models, groups=groups)
    scores = named_scores(scoring, data.task)
    known = stored_seed(store) if store is not None and rng is None else None
    seed = known or seed_sequence(rng)
    own = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 0))
    folds = make_folds(cv, data.X, data.y, groups=groups, rng=own, classes=bool(data.classes))
    candidates = candidates_of(models, data)
    kept = None if store is None else open_store(store, candidates, data, folds, seed)
    trials: dict[tuple[str, int], Trial] = {} if kept is None else kept.read()
    wanted = [(each.name, fold) for each in candidates for fold in range(len(folds))]
    missing = [key for key in wanted if key not in trials]
    with parallel.progress_bar(
        len(wanted) + rounds * len(candidates), show=progress, unit="fit", description="compare"
    ) as forward:
        forward(len(wanted) - len(missing))
        for key, trial in evaluate(
            candidates, data, folds, missing, seed, n_jobs=n_jobs, store=kept
        ):
            trials[key] = trial
            forward(1)
        parts = dict(
            decomposed(
                candidates if rounds else (), data, folds, rounds, seed, scheme=scheme,
                n_jobs=n_jobs, forward=forward,
            )
        )  # fmt: skip
    notes = [f"{each.name}: {each.note}." for each in candidates if each.note]
    notes += [f"{n}: no bias² and variance: {p}" for n, p in parts.items() if isinstance(p, str)]
    return Comparison(
        models=tuple(each.name for each in candidates),
        scoring=scores,
        folds=folds,
        classes=data.classes,
        outcome=data.codes,
        trials={key: trials[key] for key in wanted},
        notes=tuple(notes),
        seed={"entropy": seed.entropy, "spawn_key": list(seed.spawn_key)},
        decompositions={name: part for name, part in parts.items() if not isinstance(part, str)},
    )


def evaluate(
    candidates: Sequence[Candidate],
    data: Data,
    folds: Folds,
    wanted: Sequence[tuple[str, int]],
    seed: np.random.SeedSequence,
    *,
    n_jobs: int | None = None,
    store: Store | None = None,
    seen: bool = False,
) -> Iterator[tuple[tuple[str, int], Trial]]:
    """Yield what models did on folds, in the order of `wanted`, each kept as soon as it is done.

    With `seen` they predict their training rows, too; a store does not keep that.
    """
    if parallel.workers(n_jobs) == 1:
        makers = {each.name: Maker(each, seed, seen=seen) for each in candidates}
        with parallel.one_blas_thread():
            for name, fold in wanted:
                yield (name, fold), _kept(makers[name], data, folds, fold, store)
        return
    several = max(1, len(wanted) // (8 * parallel.workers(n_jobs)))
    parts = [wanted[i : i + several] for i in range(0, len(wanted), several)]
    tasks = [
        _Task(tuple(candidates), data, folds, tuple(part), seed, store, seen) for part in parts
    ]
    for part, found in zip(parts, parallel.map_tasks(_run, tasks, n_jobs=n_jobs), strict=True):
        for key, trial in zip(part, found, strict=True):
            if store is not None:
                store.keep(*key, trial)  # not there yet if the worker has other disks, see _run
            yield key, trial


class _Task(NamedTuple):
    """What a worker is sent."""

    candidates: tuple[Candidate, ...]
    data: Data
    folds: Folds
    wanted: tuple[tuple[str, int], ...]
    seed: np.random.SeedSequence
    store: Store | None
    seen: bool


def _run(task: _Task) -> list[Trial]:
    makers = {each.name: Maker(each, task.seed, seen=task.seen) for each in task.candidates}
    store = task.store if task.store is not None and task.store.folder.is_dir() else None
    return [_kept(makers[name], task.data, task.folds, fold, store) for name, fold in task.wanted]


def _kept(
    maker: Maker, data: Data, folds: Folds, fold: int, store: Store | None
) -> Trial:  # fmt: skip
    trial = _trial(maker, data, folds, fold)
    if store is not None:
        store.keep(maker.candidate.name, fold, trial)
    return trial


def _trial(maker: Maker, data: Data, folds: Folds, fold: int) -> Trial:
    """Fit a clone to the training rows of a fold and predict its test rows."""
    train, test = folds.train[fold], folds.test[fold]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model, known, labels = maker.make(fold), rows_of(data.X, train), data.y[train]
            start = time.perf_counter()
            model.fit(known, labels)
            fitted = time.perf_counter()
            asked = rows_of(data.X, test)
            begun = time.perf_counter()
            found = model.predict(asked)
            ended = time.perf_counter()
            trial = Trial(
                codes_of(found, data.classes),
                probability_of(model, asked, data.classes),
                fitted - start,
                ended - begun,
                _size(model) if fold == folds.weighed else None,
                _freedom(model, rows_of(data.X, train)) if fold == folds.weighed else None,
                seen=_told(model, rows_of(data.X, train), data.classes) if maker.seen else None,
            )
            check_rows(trial, len(test))
        except Exception as error:
            passing = isinstance(error, MemoryError | OSError)
            trial = Trial(None, reason=in_words(error), passing=passing)
    return replace(trial, warning=str(caught[0].message)) if caught else trial


def _told(model: Any, asked: Any, classes: tuple[Any, ...]) -> tuple[NDArray[Any], Floats | None]:
    return codes_of(model.predict(asked), classes), probability_of(model, asked, classes)


def _size(model: Any) -> int | None:
    """Return the bytes of a stored model; None for one that cannot be stored, as with a lambda."""
    with suppress(Exception):
        return len(pickle.dumps(model, pickle.HIGHEST_PROTOCOL))
    return None


def _freedom(model: Any, X: Any) -> float | None:
    """Return the effective degrees of freedom, where it costs little to know them."""
    last = model[-1] if hasattr(model, "steps") else model
    if hasattr(X, "tocsr") or X.size > _MOST_NUMBERS:
        return None
    if np.size(getattr(last, "coef_", 0)) > _MOST_COEFFICIENTS:
        return None
    with suppress(Exception):  # it is no part of what is compared
        return degrees_of_freedom(model, X)
    return None


def rows_of(X: Any, rows: NDArray[Any]) -> Any:
    """Return a copy of some rows of an array, a sparse matrix or a frame."""
    if isinstance(X, np.ndarray) and X.flags.c_contiguous:
        return X.take(rows, axis=0)  # in half the time
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def codes_of(found: Any, classes: tuple[Any, ...]) -> NDArray[Any]:
    """Return predictions as finite numbers, or as codes of classes."""
    if not classes:
        numbers = np.asarray(found, float).reshape(-1)
        if not np.isfinite(numbers).all():
            raise DataError(f"predicted {numbers[~np.isfinite(numbers)][0]}")
        return numbers
    code: Mapping[Any, int] = {label: number for number, label in enumerate(classes)}
    try:
        return np.array([code[x] for x in np.asarray(found).reshape(-1).tolist()], dtype=np.int64)
    except KeyError as error:
        raise DataError(f"predicted {error.args[0]!r:.40}, which is no label of y") from None


def probability_of(model: Any, asked: Any, classes: tuple[Any, ...]) -> Floats | None:
    """Return the probabilities of all classes; 0 for those that the training rows lack."""
    if not classes or not hasattr(model, "predict_proba"):
        return None
    known = np.array(model.predict_proba(asked), float, order="C")
    shape = (len(known), len(classes))
    if known.shape == shape and np.asarray(model.classes_).tolist() == list(classes):
        return known
    table = np.zeros(shape)
    table[:, codes_of(model.classes_, classes)] = known
    return table
