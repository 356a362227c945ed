"""Comparisons made by hand, so that tests meet the predictions that they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import KFold

import estkit as ek
from estkit.comparison.folds import make_folds
from estkit.comparison.scores import named_scores
from estkit.comparison.trial import Trial

FIRST = ek.Score("first", lambda p: float(p.prediction[0]), True, "regression")


def handmade(
    models: Mapping[str, Any],
    outcome: Any,
    *,
    cv: Any = 5,
    scoring: Any = None,
    classes: tuple[Any, ...] = (),
    chances: Mapping[str, Any] | None = None,
) -> ek.Comparison:
    """Return a comparison of models that predict, in every repeat, what is given for each row."""
    outcome = np.asarray(outcome)
    folds = make_folds(cv, np.zeros((len(outcome), 1)), outcome, rng=1)
    task = "classification" if classes else "regression"
    trials = {}
    for name, given in models.items():
        for fold, rows in enumerate(folds.test):
            if given is None:
                trials[name, fold] = Trial(None, reason="ValueError: no")
                continue
            chance = None
            if chances is not None:
                own = np.asarray(chances[name], float)[rows]
                chance = np.column_stack([1 - own, own])
            trials[name, fold] = Trial(np.asarray(given)[rows], chance)
    return ek.Comparison(
        tuple(models), named_scores(scoring, task), folds, classes, outcome, trials, (), {}
    )


def of_fold_scores(models: Mapping[str, Any], repeats: int = 1) -> ek.Comparison:
    """Return a comparison whose models have these scores on each of the folds; nan if they failed.

    The score is called "first", and greater is better.
    """
    count = len(next(iter(models.values()))) // repeats
    rows = np.arange(2 * count)
    pairs = [pair for _ in range(repeats) for pair in KFold(count).split(rows)]
    made = handmade(dict.fromkeys(models), np.zeros(len(rows)), cv=pairs, scoring=FIRST)
    trials = dict(made.trials)
    for name, values in models.items():
        for fold, value in enumerate(values):
            if not np.isnan(value):
                trials[name, fold] = Trial(np.full(2, value))
    return ek.Comparison(made.models, made.scoring, made.folds, (), made.outcome, trials, (), {})


@pytest.fixture
def made() -> Callable[..., ek.Comparison]:
    """Give `handmade`."""
    return handmade


@pytest.fixture
def scored() -> Callable[..., ek.Comparison]:
    """Give `of_fold_scores`."""
    return of_fold_scores
