"""The sum over rows, block by block: memory bounded by the block, blocks that stay in cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from estkit import data, parallel
from estkit.data import Columns
from estkit.likelihood.design import Design
from estkit.likelihood.family import Block, Family, Floats, Response, Sums
from estkit.likelihood.placement import Placement, rescale

T = TypeVar("T")

_NUMBERS_PER_BLOCK = 1 << 17  # 1 MB: the work arrays of a block stay in the second-level cache
_MOST_ROWS = 8192
_SPARSE_ROWS = 1 << 18  # each block makes an information matrix, which may be as large as its rows
_BLOCKS_PER_TASK = 8
_NUMBERS_WORTH_THREADS = 1_000_000
_SAMPLE = 1024
_SERIAL_ANYWAY = 4_000


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a regression: columns, outcomes, offset, and how blocks are cut from them.

    Parameters
    ----------
    columns : Columns
        The covariates, of any numeric dtype; never copied as a whole.
    response : Response
        The outcome of each row.
    placement : Placement
        How the columns are moved inside.
    offset : array of shape (n,) or (n, predictors), optional
        What is added to the linear predictors, its mean apart when there is an intercept.
    level : array of shape () or (predictors,)
        The mean of the offset, which the intercept takes up.
    groups : array of shape (n,), optional
        The number of the group to which each row belongs, for cluster covariances.
    """

    columns: Columns
    response: Response
    placement: Placement
    offset: Floats | None = None
    level: Any = 0.0
    groups: NDArray[np.int64] | None = None

    def slopes(self, design: Floats) -> Floats:
        """Return a design without the column of ones."""
        return design[:, 1:] if self.placement.intercept else design

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the coefficients of one linear predictor."""
        names = self.columns.names
        return ("intercept", *names) if self.placement.intercept else names

    @property
    def size(self) -> int:
        """The number of parameters."""
        return self.placement.predictors * len(self.terms)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.columns.names

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.columns.rows

    @property
    def sparse(self) -> bool:
        """Whether the columns are a sparse matrix."""
        return data.is_sparse(self.columns.values)

    @property
    def small(self) -> bool:
        """Whether there are so few numbers that no linear algebra spreads them over threads."""
        return int(self.columns.values.size) <= _SERIAL_ANYWAY

    @property
    def n_groups(self) -> int | None:
        """The number of groups, if the rows have them."""
        return None if self.groups is None else int(self.groups.max()) + 1

    def reach(self) -> Floats:
        """Return a bound on the size of the entries in each column of the design."""
        values, placement = self.columns.values, self.placement
        numbers = values.data if self.sparse else values
        largest = max(abs(float(numbers.max(initial=0.0))), abs(float(numbers.min(initial=0.0))))
        return placement.reach(np.full(len(self.names), largest))

    def sample(self) -> Floats:
        """Return the design of some rows, evenly spaced."""
        values = self.columns.values[:: max(1, self.count // _SAMPLE)]
        return self.placement.columns(values).dense

    def rescaled(self) -> Rows:
        """Return the rows with the largest size in each column brought near 1."""
        return replace(self, placement=rescale(self.columns, self.placement))

    def predictors(self, inside: Floats) -> Floats:
        """Return the linear predictors (n, predictors) of parameters in the unit of y."""
        offset = self.offset
        if offset is not None:
            offset = (offset + self.level) * self.response.unit
        return self.placement.linear_predictors(self.columns.values, inside, offset)

    def pieces(self, function: Callable[[Rows], T]) -> Iterator[T]:
        """Yield ``function(rows)`` for rows in memory, piece after piece."""
        yield function(self)

    def block(self, part: slice) -> Block:
        """Return a block: its design in float64, and its part of everything else."""
        response = self.response
        return Block(
            self._design(part),
            response.values[part],
            None if response.weights is None else response.weights[part],
            None if self.offset is None else self.offset[part],
            None if response.repeats is None else response.repeats[part],
        )

    def _design(self, part: slice) -> Design:
        if not self.sparse:
            return self.placement.columns(self.columns.values[part])
        held = self._sparse_designs.get(part.start)
        if held is None:  # a view; to make one costs as much as a product with it
            held = self.placement.columns(data.rows_of(self.columns.values, part))
            self._sparse_designs[part.start] = held
        return held

    @cached_property
    def _sparse_designs(self) -> dict[int, Design]:
        return {}

    @cached_property
    def _parts(self) -> list[slice]:
        length = _SPARSE_ROWS if self.sparse else self._dense_length
        return [slice(i, i + length) for i in range(0, self.columns.rows, length)]

    @property
    def _dense_length(self) -> int:
        return max(256, min(_MOST_ROWS, _NUMBERS_PER_BLOCK // max(1, len(self.terms))))

    @cached_property
    def _only_block(self) -> Block | None:
        return self.block(self._parts[0]) if len(self._parts) == 1 else None

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks, in order."""
        if self._only_block is not None:
            yield self._only_block
        else:
            yield from map(self.block, self._parts)

    def each(self, function: Callable[[Block], T]) -> Iterator[T]:
        """Yield ``function(block)`` in order; threads compute it when there is much to do."""
        if self._only_block is not None:
            yield function(self._only_block)
            return
        numbers = self.columns.rows * self.size
        threads = parallel.cores() if numbers >= _NUMBERS_WORTH_THREADS else 1
        yield from parallel.map_threads(
            lambda part: function(self.block(part)), self._parts, threads=threads
        )

    def expected(self, family: Family, params: Floats) -> Floats:
        """Return the expected information summed over all rows."""
        information = np.zeros((len(params), len(params)))
        for part in self.each(lambda block: family.expected(params, block)):
            information += part
        return information

    def total(self, family: Family, params: Floats, *, curvature: bool = True) -> Sums:
        """Return the log-likelihood and its derivatives summed over all rows."""
        if self._only_block is not None:
            return family.evaluate(params, self._only_block, curvature=curvature)
        numbers = self.columns.rows * self.size
        threads = parallel.cores() if numbers >= _NUMBERS_WORTH_THREADS else 1
        together = 1 if self.sparse else _BLOCKS_PER_TASK
        tasks = range(0, len(self._parts), together)  # fixed, so the sum is, too

        def part_sum(first: int) -> Sums:
            parts = self._parts[first : first + together]
            return add_up(
                family.evaluate(params, self.block(part), curvature=curvature) for part in parts
            )

        return add_up(parallel.map_threads(part_sum, tasks, threads=threads))

    def zero_one(self) -> tuple[str, ...]:
        """Return the names of the columns that hold 0 and 1 only."""
        still = np.ones(len(self.names), dtype=bool)
        for piece in self.pieces(lambda piece: piece):
            for first in range(0, piece.columns.rows, _MOST_ROWS):
                part = slice(first, first + _MOST_ROWS)
                values = data.rows_of(piece.columns.values, part)
                values = values.toarray() if data.is_sparse(values) else values
                still &= ((values == 0) | (values == 1)).all(axis=0)
        return tuple(name for name, only in zip(self.names, still, strict=True) if only)

    def squares(self) -> Floats:
        """Return the sums of the squared entries of the design, for every parameter."""
        sums = np.zeros(len(self.terms))
        for part in self.each(lambda block: block.columns.squares()):
            sums += part
        return np.tile(np.where(sums > 0, sums, 1.0), self.placement.predictors)

    def seen(self, outcomes: int) -> Floats:
        """Return how often each outcome was observed, of codes or counts."""
        values, weights = self.response.values, self.response.weights
        seen = values.sum(axis=0) if values.ndim == 2 else np.bincount(values, weights, outcomes)
        return np.asarray(seen, float)

    def observed(self) -> float:
        """Return the number of observations that the sums run over."""
        weights = self.response.weights
        return float(self.columns.rows if weights is None else weights.sum())

    def thinned(self, rows: int) -> Rows:
        """Return about `rows` rows in evenly spaced runs, for a start near the answer."""
        runs = 32
        length = max(1, rows // runs)
        starts = np.linspace(0, self.columns.rows - length, runs).astype(np.int64)
        return self.take((starts[:, None] + np.arange(length)).ravel())

    def take(self, index: NDArray[np.int64]) -> Rows:
        """Return some of the rows; what the response says of all of them stays as it is."""
        response = replace(
            self.response,
            values=self.response.values[index],
            weights=None if self.response.weights is None else self.response.weights[index],
            repeats=None if self.response.repeats is None else self.response.repeats[index],
        )
        columns = Columns(self.columns.values[index], self.columns.names)
        offset = None if self.offset is None else self.offset[index]
        return replace(self, columns=columns, response=response, offset=offset, groups=None)


def add_up(parts: Iterator[Sums]) -> Sums:
    """Return the sum of sums; none of them is changed."""
    first = next(parts)
    loglik, gradient, information = first.loglik, first.gradient.copy(), first.information
    for part in parts:
        loglik += part.loglik
        gradient += part.gradient
        if information is not None and part.information is not None:
            information += part.information
    return Sums(loglik, gradient, information)
