"""The training sets of a decomposition: drawn from the rows there are, or generated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.candidates import Data, outcome_of, read_data
from estkit.comparison.columns import columns_of
from estkit.comparison.evaluation import rows_of
from estkit.comparison.rounds import Pool
from estkit.data import check_same_index
from estkit.errors import DataError
from estkit.montecarlo.streams import SETTING, Streams


def fresh(generate: Any, seed: np.random.SeedSequence, number: int) -> tuple[Any, Any]:
    """Return the training set of a round that `generate` draws."""
    rng = Streams(seed.entropy, seed.spawn_key, condition=0).at(number)
    X, y = generated(generate, rng, f"in round {number}")
    return X, np.asarray(y)


def generated(
    generate: Any, rng: np.random.Generator, where: str = "for the test rows"
) -> tuple[Any, Any]:
    """Return what `generate` draws, or raise if that is no pair."""
    try:
        drawn = generate(rng)
    except Exception as error:
        raise DataError(f"generate raised {type(error).__name__} {where}: {error}") from error
    if not (isinstance(drawn, tuple | list) and len(drawn) == 2):
        raise DataError(f"generate must return a pair (X, y), got {type(drawn).__name__}.")
    return drawn[0], drawn[1]


def of_pool(pool: Pool, draws: NDArray[Any], number: int) -> tuple[Any, Any]:
    """Return the training set of a round from the rows that were drawn for it."""
    return rows_of(pool.X, draws[number]), pool.labels[draws[number]]


def split(
    X: Any, y: Any, task: str, test: Any, test_size: float, streams: Streams
) -> tuple[Data, Pool, NDArray[Any]]:
    """Return all data, what is drawn from and predicted, and the outcome of what is predicted."""
    if test is None:
        whole = read_data(X, y, task)
        if not 0 < test_size < 1:
            raise DataError(f"test_size must be a share between 0 and 1, got {test_size!r}.")
        order = streams.at(0, SETTING).permutation(len(whole.y))
        cut = int(np.ceil(test_size * len(order)))
        asked, rest = np.sort(order[:cut]), np.sort(order[cut:])
        pool = Pool(rows_of(whole.X, rest), whole.codes[rest], rows_of(whole.X, asked),
                    whole.classes, whole.y[rest])  # fmt: skip
        return whole, pool, whole.codes[asked]
    whole, other = read_data(X, y, task), outcome_of(test[1])
    check_same_index(**{"test[0]": test[0], "test[1]": test[1]})
    if whole.classes:
        code = {label: number for number, label in enumerate(whole.classes)}
        unknown = sorted(set(other.tolist()) - set(code))
        if unknown:
            raise DataError(f"the test rows have the class {unknown[0]!r}, which y lacks.")
        other = np.array([code[label] for label in other.tolist()])
    given = columns_of(test[0])
    asked, whole = given.values, whole._replace(gaps=whole.gaps or given.gaps)
    if asked.shape != (len(other), whole.X.shape[1]):
        raise DataError(
            f"test must be a pair of {whole.X.shape[1]} columns, as X has, and one y for each row; "
            f"got shapes {asked.shape} and {other.shape}."
        )
    return whole, Pool(whole.X, whole.codes, asked, whole.classes, whole.y), other


def rows_drawn(
    given: Any, scheme: str, rounds: int, rows: int, streams: Streams
) -> NDArray[np.int64]:  # fmt: skip
    """Return the rows of every round, (rounds, size): those given, or drawn by a scheme."""
    if given is not None:
        draws = np.asarray(given)
        if draws.ndim != 2 or draws.dtype.kind not in "iu" or len(draws) < 3:
            raise DataError("draws must be whole numbers of shape (rounds, size), 3 rounds or more")
        if draws.min() < 0 or draws.max() >= rows:
            raise DataError(f"draws must be rows from 0 to {rows - 1}.")
        return draws.astype(np.int64)
    if scheme == "bootstrap":
        return np.stack([streams.at(r).integers(0, rows, rows) for r in range(rounds)])
    return np.stack([streams.at(r).permutation(rows)[: rows // 2] for r in range(rounds)])
