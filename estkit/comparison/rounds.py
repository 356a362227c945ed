"""What a model predicts in each round of a decomposition, refitted or by a shorter way.

Nearest neighbours look through one list of neighbours, counting how often each row was drawn;
linear regression solves all rounds in the coordinates of one QR decomposition. Both give what
refitting gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.comparison.clones import seeded
from estkit.comparison.knn import nearest
from estkit.comparison.scores import Floats
from estkit.errors import DataError

_BLOCK = 1 << 17  # predictions at a time: what is counted of them stays in a cache


class Pool(NamedTuple):
    """The rows that rounds draw from, and those they predict; y as numbers or codes."""

    X: Any
    y: NDArray[Any]
    asked: Any
    classes: tuple[Any, ...]
    labels: NDArray[Any]


class Task(NamedTuple):
    """Some rounds for a worker: `sample` gives the training rows of a round."""

    model: Any
    sample: Callable[[int], tuple[Any, Any]]
    rounds: range
    asked: Any
    classes: tuple[Any, ...]
    shares: bool
    seed: np.random.SeedSequence


def refitted(task: Task) -> NDArray[Any]:
    """Return predictions (rounds, m), or probabilities (rounds, m, q), of a model refitted."""
    from sklearn.base import clone

    code = {label: number for number, label in enumerate(task.classes)}
    found: list[NDArray[Any]] = []
    for number in task.rounds:
        model = seeded(clone(task.model), "bias_variance", number, task.seed)
        sample = task.sample(number)
        try:
            model.fit(*sample)
            told = model.predict_proba(task.asked) if task.shares else model.predict(task.asked)
        except Exception as error:
            raise DataError(
                f"the model raised {type(error).__name__} in round {number}: {error}"
            ) from error
        if task.shares:
            table = np.zeros((_length(task.asked), len(task.classes)))
            table[:, [code[label] for label in model.classes_.tolist()]] = told
            found.append(table)
        else:
            told = np.asarray(told)
            found.append(np.array([code[x] for x in told.tolist()]) if code else told.reshape(-1))
    return np.array(found)


def _length(X: Any) -> int:
    return int(X.shape[0])


def in_parallel(task: Task, n_jobs: int | None) -> NDArray[Any]:
    """Return what `refitted` gives, the rounds shared among workers."""
    rounds = len(task.rounds)
    size = max(1, -(-rounds // (4 * parallel.workers(n_jobs))))
    tasks = [task._replace(rounds=task.rounds[i : i + size]) for i in range(0, rounds, size)]
    return np.concatenate(list(parallel.map_tasks(refitted, tasks, n_jobs=n_jobs)))


def shortcut(model: Any, pool: Pool, draws: NDArray[Any], *, shares: bool) -> Any:
    """Return predictions without refitting, or None where there is no such way."""
    kind = type(model).__name__
    if isinstance(pool.X, np.ndarray) and pool.X.dtype.kind in "iuf":
        if kind in ("KNeighborsClassifier", "KNeighborsRegressor") and plain_neighbours(model):
            return by_counts(pool, draws, int(model.n_neighbors), shares=shares)
        if kind == "LinearRegression" and not model.positive:
            return by_one_decomposition(pool, draws, intercept=model.fit_intercept)
    return None


def counts_apply(model: Any, pool: Pool) -> bool:
    """Tell whether a model is nearest neighbours whose prediction is a mean of counted rows."""
    numbers = isinstance(pool.X, np.ndarray) and pool.X.dtype.kind in "iuf"
    return numbers and type(model).__name__ == "KNeighborsRegressor" and plain_neighbours(model)


def plain_neighbours(model: Any) -> bool:
    """Return whether all neighbours count equally, at Euclidean distances."""
    euclidean = model.metric == "euclidean" or (model.metric == "minkowski" and model.p == 2)
    return bool(model.weights == "uniform" and euclidean and model.metric_params is None)


def by_counts(pool: Pool, draws: NDArray[Any], k: int, *, shares: bool) -> NDArray[Any]:
    """Return what k nearest neighbours predict in every round, from one list of neighbours."""
    rows, drawn = len(pool.X), draws.shape[1]
    if k > drawn:
        raise DataError(f"the model asks for {k} neighbours, but a round has {drawn} rows.")
    asked, known = np.asarray(pool.asked, float), np.asarray(pool.X, float)
    depth = min(rows, int((1.7 + np.sqrt(1.7**2 + k)) ** 2 * rows / drawn) + 2)  # for nearly all
    kind = np.int8 if k < 128 else np.int32  # what is above k does not count
    counts = np.empty((rows, len(draws)), kind)
    for number, draw in enumerate(draws):
        counts[:, number] = np.minimum(np.bincount(draw, minlength=rows), k)
    size = max(1, _BLOCK // len(draws))
    votes = np.concatenate([
        _counted(pool, known, asked[start : start + size], counts, k, depth)
        for start in range(0, len(asked), size)
    ], axis=1)  # fmt: skip
    if not pool.classes:
        return np.ascontiguousarray(votes[0].T) / k
    return np.transpose(votes, (2, 1, 0)) / k if shares else votes.argmax(axis=0).T


def _counted(
    pool: Pool, known: Floats, asked: Floats, counts: NDArray[Any], k: int, depth: int
) -> NDArray[Any]:
    """Return the sum of k outcomes, or the votes for every class, of shape (1 or q, m, rounds).

    The neighbours are gone through from near to far, for all rounds at once.
    """
    order = nearest(known, asked, depth).rows
    left = np.full((len(asked), counts.shape[1]), k, counts.dtype)
    kind = counts.dtype if pool.classes else np.dtype(float)
    totals = np.zeros((max(1, len(pool.classes)), *left.shape), kind)
    for row in order.T:
        taken = np.minimum(counts[row], left)
        left -= taken
        if pool.classes:
            for code, votes in enumerate(totals):
                votes += taken * (pool.y[row] == code)[:, None]
        else:
            totals[0] += taken * pool.y[row][:, None]
        if not left.any():
            return totals
    more = np.flatnonzero(left.any(axis=1))  # those whose neighbours some round hardly drew
    totals[:, more] = _counted(pool, known, asked[more], counts, k, min(len(known), 4 * depth))
    return totals


def by_one_decomposition(pool: Pool, draws: NDArray[Any], *, intercept: bool) -> Any:
    """Return what least squares predicts in every round; None if a round is nearly singular."""
    known, asked = np.asarray(pool.X, float), np.asarray(pool.asked, float)
    middle = known.mean(axis=0) if intercept else np.zeros(known.shape[1])
    known, asked = known - middle, asked - middle
    if intercept:
        known = np.column_stack([np.ones(len(known)), known])
        asked = np.column_stack([np.ones(len(asked)), asked])
    rows, width = known.shape
    if width > 60 or width >= rows:
        return None  # the products of columns of all rounds would be large
    with parallel.serial_algebra():
        Q, R = np.linalg.qr(known)
        diagonal = np.abs(np.diag(R))
        if diagonal.min() < 1e-10 * diagonal.max():
            return None
        turned = np.linalg.solve(R.T, asked.T)
        counts = np.empty((len(draws), rows))
        for number, draw in enumerate(draws):
            counts[number] = np.bincount(draw, minlength=rows)
        upper = np.triu_indices(width)
        flat = counts @ (Q[:, upper[0]] * Q[:, upper[1]])
        products = np.empty((len(draws), width, width))
        products[:, upper[0], upper[1]] = products[:, upper[1], upper[0]] = flat
        sizes = np.linalg.eigvalsh(products)
        if (sizes[:, 0] * 1e6 < sizes[:, -1]).any():
            return None
        slopes = np.linalg.solve(products, (counts @ (Q * pool.y[:, None]))[..., None])[..., 0]
        return slopes @ turned
