"""Sums over the rows of each class: counts of categories, means and covariances."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError, RankError
from estkit.likelihood import rank
from estkit.likelihood.counts import log_ways, multinomial_loglik
from estkit.likelihood.family import Floats
from estkit.likelihood.joint.normals import Normals
from estkit.likelihood.joint.pieces import Shares
from estkit.likelihood.placement import place, rescale

_ROWS = 4096
_SUSPECT = 1e-6  # squared residual of a column on those before it, relative to its own square


class Classes:
    """The rows of each class, block by block.

    Parameters
    ----------
    columns : Columns
        The columns, dense or sparse.
    codes : array of shape (n,)
        The class of each row.
    weights : array of shape (n,), optional
        How many times each row was observed.
    outcomes : tuple
        The labels of the classes.
    """

    def __init__(
        self,
        columns: data.Columns,
        codes: NDArray[np.int64],
        weights: Floats | None,
        outcomes: tuple[Any, ...],
    ) -> None:
        self.columns, self.codes, self.outcomes = columns, codes, outcomes
        self.weights = np.ones(len(codes)) if weights is None else weights
        self.counts = np.asarray(np.bincount(codes, self.weights, len(outcomes)), float)

    def blocks(self) -> Iterator[tuple[Any, NDArray[np.int64], Floats]]:
        """Yield values, codes and weights of some rows."""
        for first in range(0, len(self.codes), _ROWS):
            part = slice(first, first + _ROWS)
            yield data.rows_of(self.columns.values, part), self.codes[part], self.weights[part]

    def sums(self) -> Floats:
        """Return the sum of each column in each class, of shape (K, p)."""
        total = np.zeros((len(self.outcomes), len(self.columns.names)))
        for values, codes, weights in self.blocks():
            total += self.added(values, codes, weights)
        return total

    def added(self, values: Any, codes: NDArray[np.int64], weights: Floats) -> Floats:
        """Return the weighted sums of some rows by class."""
        member = np.zeros((len(codes), len(self.outcomes)))
        member[np.arange(len(codes)), codes] = weights
        return np.asarray(values.T @ member, float).T


def binary(classes: Classes, smoothing: float) -> Shares:
    """Return how often each column was 1 and 0 in each class."""
    ones = classes.sums()
    counts = np.stack([ones, classes.counts[:, None] - ones], axis=-1)
    return Shares(counts.reshape(-1, 2) + smoothing, 1)


def words(classes: Classes, smoothing: float) -> Shares:
    """Return how often each column was counted in each class."""
    counts = classes.sums()
    for total, outcome in zip(counts.sum(axis=1), classes.outcomes, strict=True):
        if total == 0:
            raise DataError(f"class {outcome!r} has no counts at all, so its shares are 0 / 0.")
    return Shares(counts + smoothing, counts.shape[1])


def height(classes: Classes, law: Shares, *, counts: bool) -> float:
    """Return the log-likelihood of the columns under shares, with multinomial coefficients."""
    if not counts:
        return binary(classes, 0.0).value(law.shares)
    return math.fsum(
        multinomial_loglik(values, weights, law.counts, codes)
        for values, codes, weights in classes.blocks()
    )


def ways(classes: Classes) -> float:
    """Return the logarithm of the multinomial coefficients of all rows."""
    return math.fsum(log_ways(values, weights) for values, _, weights in classes.blocks())


def normals(classes: Classes, covariance: str) -> Normals:
    """Return means and covariances, in two passes.

    Raises
    ------
    RankError
        If a covariance is singular; the message names the class and the column.
    """
    columns = classes.columns
    placement = rescale(columns, place(columns, intercept=True, predictors=1))
    assert placement.scale is not None
    shift, scale = placement.shift, placement.scale
    _check_squares(columns.names, scale)
    _check_ranges(classes, covariance)
    p, number = len(columns.names), len(classes.outcomes)
    means = np.zeros((number, p))
    for values, codes, weights in classes.blocks():
        means += classes.added((values - shift) * scale, codes, weights)
    means /= classes.counts[:, None]
    counts = classes.counts
    if covariance == "diagonal":
        squares = np.zeros((number, p))
        for values, codes, weights in classes.blocks():
            away = (values - shift) * scale - means[codes]
            squares += classes.added(away * away, codes, weights)
        return Normals(
            np.repeat(counts, p)[:, None],
            means.reshape(-1, 1, 1),
            (squares / counts[:, None]).reshape(-1, 1, 1),
            np.tile(1.0 / scale, number)[:, None],
            np.tile(shift, number)[:, None],
        )
    pooled = covariance == "shared"
    grams = np.zeros((1 if pooled else number, p, p))

    def centred() -> Iterator[tuple[int, Floats]]:
        for values, codes, weights in classes.blocks():
            away = ((values - shift) * scale - means[codes]) * np.sqrt(weights)[:, None]
            for b in range(len(grams)):
                yield b, away if pooled else away[codes == b]

    for b, away in centred():
        grams[b] += away.T @ away
    if any(_suspicious(gram) for gram in grams):
        factors = [np.zeros((0, p)) for _ in grams]
        for b, away in centred():
            factors[b] = np.asarray(np.linalg.qr(np.vstack([factors[b], away]), mode="r"))
        for b, factor in enumerate(factors):
            outcome = None if pooled else classes.outcomes[b]
            _check_factor(factor, outcome, columns.names, shift, scale)
    totals = np.array([counts.sum()]) if pooled else counts
    return Normals(
        counts[None] if pooled else counts[:, None],
        means[None] if pooled else means[:, None],
        grams / totals[:, None, None],
        np.tile(1.0 / scale, (len(grams), 1)),
        np.tile(shift, (len(grams), 1)),
    )


def _check_squares(names: Sequence[str], scale: Floats) -> None:
    """Raise if a variance is no float."""
    with np.errstate(over="ignore", under="ignore"):
        beyond = ~((scale * scale > 0) & np.isfinite(scale * scale))
    if beyond.any():
        raise DataError(
            f"The squares of the column {names[int(np.argmax(beyond))]!r} are no floats, and its "
            f"variance is one of them; divide it by a power of 10 that brings its values near 1."
        )


def _suspicious(gram: Floats) -> bool:
    """Tell whether columns may be dependent: moments have half of the digits that decide."""
    size = np.sqrt(gram.diagonal())
    try:
        lower = np.linalg.cholesky(gram / size / size[:, None])
    except np.linalg.LinAlgError:
        return True
    return bool((lower.diagonal() ** 2).min() < _SUSPECT)


def _check_ranges(classes: Classes, covariance: str) -> None:
    """Raise if there are too few rows, or a column does not vary where its variance is needed."""
    p, number, names = len(classes.columns.names), len(classes.outcomes), classes.columns.names
    low, high = np.full((number, p), np.inf), np.full((number, p), -np.inf)
    rows = np.zeros(number, dtype=np.int64)
    for values, codes, weights in classes.blocks():
        for k in range(number):
            own = values[(codes == k) & (weights > 0)]
            rows[k] += len(own)
            if len(own):
                low[k] = np.minimum(low[k], own.min(axis=0))
                high[k] = np.maximum(high[k], own.max(axis=0))
    flat = low == high
    if covariance == "shared":
        flat = flat.all(axis=0, keepdims=True)
    if flat.any():
        k, j = (int(i) for i in np.argwhere(flat)[0])
        where = "any class" if covariance == "shared" else f"class {classes.outcomes[k]!r}"
        raise RankError(
            f"column {names[j]!r} does not vary within {where}, so its variance there is 0 and the "
            f"likelihood has no maximum. Drop the column, or "
            + ("collect more rows." if covariance == "shared" else "use covariance='shared'.")
        )
    few = rows.min()
    if covariance == "separate" and few <= p:
        k = int(np.argmin(rows))
        raise RankError(
            f"class {classes.outcomes[k]!r} has {few} rows for {p} columns, so its covariance is "
            f"singular; use covariance='shared' or 'diagonal', or fewer columns."
        )
    if covariance == "shared" and rows.sum() - number < p:
        raise RankError(
            f"{rows.sum()} rows in {number} classes cannot determine the shared covariance of {p} "
            f"columns; use covariance='diagonal', or fewer columns."
        )


def _check_factor(
    factor: Floats, outcome: Any, names: Sequence[str], shift: Floats, scale: Floats
) -> None:
    """Raise if columns depend linearly on others within a class, or within all of them."""
    spread = np.linalg.norm(factor, axis=0)
    resolution = np.finfo(float).eps * np.abs(shift) * scale * np.sqrt(len(names)) / spread
    said = rank.dependence(
        factor / spread, spread / scale, names, resolution=float(resolution.max())
    )
    if said is not None:
        where = "within the classes" if outcome is None else f"within class {outcome!r}"
        raise RankError(f"The columns are linearly dependent {where}: {said}. Drop one of them.")
