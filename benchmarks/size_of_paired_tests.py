"""How often the paired tests call one of two equally good learners better, at nominal 5 %.

    python benchmarks/size_of_paired_tests.py [data sets] [rows]

Three kinds of data: two linear learners, or two 5-NN learners, on exchangeable halves of the
columns; and linear against 5-NN on noise. Folds are the default (10, 3 times). Linear learners
are least squares on -1 and 1, whose predictions without a fold follow from the hat matrix.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import estkit as ek
from estkit.comparison.evaluation import Trial
from estkit.comparison.folds import Folds, make_folds
from estkit.comparison.scores import named_scores

METHODS = ("corrected_t", "mcnemar", "clt", "naive_t")


def linear(X: Any, y: Any, folds: Folds) -> list[Any]:
    """Return the classes that least squares without a fold predicts for it."""
    columns = np.column_stack([np.ones(len(X)), X])
    outcome = 2.0 * y - 1
    hat = columns @ np.linalg.solve(columns.T @ columns, columns.T)
    errors = outcome - hat @ outcome
    found = []
    for test in folds.test:
        left = np.eye(len(test)) - hat[np.ix_(test, test)]
        found.append((outcome[test] - np.linalg.solve(left, errors[test]) > 0).astype(int))
    return found


def neighbours(X: Any, y: Any, folds: Folds, k: int = 5) -> list[Any]:
    """Return the votes of the k nearest training rows."""
    squared = (X**2).sum(axis=1)
    distance = squared[:, None] + squared - 2 * X @ X.T
    found = []
    for train, test in zip(folds.train, folds.test, strict=True):
        near = np.argpartition(distance[np.ix_(test, train)], k - 1, axis=1)[:, :k]
        found.append((y[train][near].mean(axis=1) > 0.5).astype(int))
    return found


def data_set(kind: str, rows: int, rng: np.random.Generator, cv: Any = None) -> ek.Comparison:
    """Return a comparison of two equally good learners on new data."""
    X = rng.normal(size=(rows, 4 if kind == "noise" else 6))
    if kind == "noise":
        y = rng.integers(0, 2, rows)
        first, second = (linear, X), (neighbours, X)
    else:
        y = (X[:, 0] + X[:, 1] + 0.7 * rng.normal(size=rows) > 0).astype(int)
        learner = linear if kind == "linear" else neighbours
        first, second = (learner, X[:, [0, 2, 3]]), (learner, X[:, [1, 4, 5]])
    # Not stratified: where a fold has the share of classes of the rest, predicting the greater
    # class is better than 1/2 on noise, and the learners are not equally good.
    folds = make_folds((10, 3) if cv is None else cv, X, y, rng=rng)
    trials = {
        (name, fold): Trial(found)
        for name, (learner, columns) in (("a", first), ("b", second))
        for fold, found in enumerate(learner(columns, y, folds))
    }
    scoring = named_scores("accuracy", "classification")
    return ek.Comparison(("a", "b"), scoring, folds, (0, 1), y, trials, (), {})


def size(kind: str, rows: int, times: int, rng: Any, methods: Any = METHODS) -> dict[str, float]:
    """Return the share of data sets on which each test has p < 0.05."""
    found = dict.fromkeys(methods, 0)
    for _ in range(times):
        result = data_set(kind, rows, rng)
        for method in methods:
            found[method] += result.test("a", "b", method).p_value < 0.05
    return {method: count / times for method, count in found.items()}


if __name__ == "__main__":
    times, rows = (int(value) for value in [*sys.argv[1:], "1000", "200"][:2])
    generator = np.random.default_rng(2024)
    for kind in ("linear", "noise", "knn"):
        shares = size(kind, rows, times, generator)
        text = ", ".join(f"{method} {share:.3f}" for method, share in shares.items())
        print(f"{kind:8s} {text}   ({times} data sets of {rows} rows)", flush=True)
