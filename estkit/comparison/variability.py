"""Bias and variance of every model of a comparison, over the same training sets."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.candidates import Candidate, Data
from estkit.comparison.decomposition import Decomposition
from estkit.comparison.evaluation import rows_of
from estkit.comparison.expected_loss import bias_variance
from estkit.comparison.folds import Folds
from estkit.errors import DataError
from estkit.table import Column

if TYPE_CHECKING:
    import pandas as pd

Rows = NDArray[np.intp]
_TESTED = 0.3  # of all rows, about
_SCHEMES = ("bootstrap", "subsample")
_LEAST = 3  # rounds, to tell their error
_PARTS = {"bias_squared": "bias", "variance": "variance"}


def checked_rounds(given: Any) -> tuple[int, str]:
    """Return how many training sets were asked for, 0 for None, and the scheme, or raise."""
    if given is None:
        return 0, ""
    wanted = {"rounds": 100, "scheme": "bootstrap", **given} if isinstance(given, Mapping) else {
        "rounds": given, "scheme": "bootstrap"}  # fmt: skip
    rounds, scheme = wanted["rounds"], wanted["scheme"]
    if len(wanted) > 2 or scheme not in _SCHEMES:
        raise DataError(
            f"bias_variance is a number of training sets, or 'rounds' and 'scheme' ("
            f"{' or '.join(_SCHEMES)}) in a mapping; got {given!r}."
        )
    whole = isinstance(rounds, int | np.integer) and not isinstance(rounds, bool)
    if not whole or rounds < _LEAST:
        raise DataError(
            f"bias_variance must be a whole number of training sets, at least {_LEAST}, got "
            f"{rounds!r}; 100 is usual."
        )
    return int(rounds), scheme


def decomposed(
    candidates: Sequence[Candidate],
    data: Data,
    folds: Folds,
    rounds: int,
    seed: np.random.SeedSequence,
    *,
    scheme: str,
    n_jobs: int | None,
    forward: Callable[..., Any],
) -> Iterator[tuple[str, Decomposition | str]]:
    """Yield the decomposition of each model, or why there is none, by its name."""
    if not candidates:
        return
    own = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 2))
    train, test = training_and_test(folds, np.random.default_rng(own))
    asked = (rows_of(data.X, test), data.y[test])
    for each in candidates:
        with warnings.catch_warnings(record=True):  # the trials have told them
            warnings.simplefilter("always")
            try:
                found: Decomposition | str = bias_variance(
                    each.estimator, rows_of(data.X, train), data.y[train], test=asked,
                    loss="zero_one" if data.classes else "squared", definition="kohavi_wolpert",
                    scheme=scheme, rounds=rounds, rng=own, n_jobs=n_jobs,
                )  # fmt: skip
            except Exception as error:
                named = isinstance(error, DataError)  # and says by itself what happened
                found = str(error) if named else f"{type(error).__name__}: {error}"
        forward(rounds)
        yield each.name, found


def training_and_test(folds: Folds, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Return rows to draw training sets from, and rows to test on, as the folds part them.

    Test rows are those of one fold or several of one repeat, so that groups stay whole; of folds
    forward in time they are the latest.
    """
    once = len(folds) // folds.repeats if folds.repeats else len(folds)
    order = rng.permutation(once) if folds.repeats else np.arange(once)[::-1]
    train, test = folds.train[order[0]], folds.test[order[0]]
    for fold in order[1:]:
        left = np.intersect1d(train, folds.train[fold])
        apart = not np.intersect1d(test, folds.test[fold]).size
        if len(test) + len(folds.test[fold]) / 2 > _TESTED * folds.rows:
            break
        if apart and len(left) >= folds.rows / 2:
            train, test = left, np.concatenate([test, folds.test[fold]])
    return train, np.sort(test)


def figures(decompositions: Mapping[str, Decomposition], model: str) -> dict[str, float]:
    """Return what a table has of a model: bias² and variance, each with its error."""
    found = {}
    for name, part in _PARTS.items() if decompositions else ():
        own = decompositions.get(model)
        found[name] = math.nan if own is None else own.value(part)
        found[f"{name}_mcse"] = math.nan if own is None else own.std_error(part)
    return found


def columns_of(frame: pd.DataFrame) -> list[Column]:
    """Return bias² and variance with their errors in brackets, where a table has them."""
    of = {name: frame[name].to_numpy() for name in frame}
    return [
        Column(heading, of[name], of[f"{name}_mcse"], "with_error", right=True)
        for name, heading in (("bias_squared", "bias²"), ("variance", "variance"))
        if name in of
    ]


def notes_of(decompositions: Mapping[str, Decomposition]) -> list[str]:
    """Return what to know when reading bias² and variance."""
    if not decompositions:
        return []
    any_one = next(iter(decompositions.values()))
    loss = "squared loss" if any_one.loss == "squared" else "0/1 loss (Kohavi and Wolpert 1996)"
    return [
        f"bias² and variance of {loss}, over {any_one.rounds} {any_one.scheme} training sets of "
        f"{any_one.train_rows} rows, at {any_one.rows} other rows; in brackets, their Monte-Carlo "
        f"standard error.",
        *any_one.notes,
    ]
