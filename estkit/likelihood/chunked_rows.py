"""Rows that are read in pieces: the sums of `Rows`, and memory bounded by a piece.

One pass surveys the data: outcomes, ranges, counts, and a sample of rows for the start. A piece is
encoded behind a few responses that stand for what occurs anywhere, so that it has the coding of
the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.categories import Coding, Seen, coding_of_pieces, look_at
from estkit.errors import DataError
from estkit.labels import read_labels
from estkit.likelihood.chunks import Chunk, Chunks
from estkit.likelihood.family import Block, Family, Floats, Response, Sums
from estkit.likelihood.gaussian import Gaussian
from estkit.likelihood.placement import place, rescale
from estkit.likelihood.rows import Rows, add_up

T = TypeVar("T")

_SAMPLE = 20_000  # rows that are held for the start


@dataclass(frozen=True, eq=False)
class Piece:
    """A checked chunk: y is codes into `outcomes`, counts of them, or numbers."""

    columns: data.Columns
    y: NDArray[Any]
    kind: str
    outcomes: tuple[Any, ...]
    weights: Floats | None
    offset: Floats | None

    def take(self, index: NDArray[np.int64]) -> Piece:
        """Return some of the rows."""
        return replace(
            self,
            columns=data.Columns(self.columns.values[index], self.columns.names),
            y=self.y[index],
            weights=None if self.weights is None else self.weights[index],
            offset=None if self.offset is None else self.offset[index],
        )


def check(family: Family, chunk: Chunk, coding: Coding | None) -> Piece:
    """Return a checked piece, its categories coded."""
    data.check_same_index(X=chunk.X, y=chunk.y, weights=chunk.weights, offset=chunk.offset)
    columns = data.read_columns(chunk.X) if coding is None else coding.read(chunk.X)
    rows = columns.rows
    outcomes: tuple[Any, ...] = ()
    y: NDArray[Any]
    if isinstance(family, Gaussian):
        kind, y = "numbers", data.read_vector(chunk.y, what="y", rows=rows)
    elif data.is_table(chunk.y):
        kind, (y, names) = "counts", data.read_counts(chunk.y, what="y")
        outcomes = names if data.as_frame(chunk.y) is not None else tuple(range(y.shape[1]))
    else:
        labels = read_labels(chunk.y)
        kind, y, outcomes = "labels", labels.codes, labels.outcomes
    data.check_rows("y", len(y), rows)
    weights = data.read_frequencies(chunk.weights, rows=rows)
    offset = None
    if chunk.offset is not None:
        offset = np.asarray(data.read_columns(chunk.offset, what="offset", rows=rows).values, float)
    return Piece(columns, y, kind, outcomes, weights, offset)


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over the pieces finds.

    Parameters
    ----------
    names : tuple of str
        The columns.
    count : int
        The number of rows.
    largest : array of shape (p,)
        The largest size in each column.
    outcomes : tuple
        The labels of the outcomes.
    extremes : tuple of float
        The least and the greatest response, when responses are numbers.
    sample : Piece
        Evenly spaced rows.
    coding : Coding, optional
        How categories become columns, if there are any.
    """

    names: tuple[str, ...]
    count: int
    largest: Floats
    outcomes: tuple[Any, ...]
    extremes: tuple[float, float]
    sample: Piece
    coding: Coding | None

    def encode(self, family: Family, piece: Piece | None, intercept: bool) -> tuple[Response, int]:
        """Return the response of a piece behind rows that stand for all, and how many these are."""
        import pandas as pd

        y: Any = np.empty(0) if piece is None else piece.y
        if self.sample.kind == "numbers":
            ahead, y = 2, np.concatenate([self.extremes, y])
        elif self.sample.kind == "counts":
            ahead, row = 1, np.ones((1, len(self.outcomes)))
            table = row if piece is None else np.vstack([row, y])
            unnamed = self.outcomes == tuple(range(len(self.outcomes)))
            y = table if unnamed else pd.DataFrame(table, columns=list(self.outcomes))
        else:
            ahead, codes = len(self.outcomes), np.arange(len(self.outcomes))
            if piece is not None:
                codes = np.concatenate([codes, recode(piece, self.outcomes)])
            y = pd.Categorical.from_codes(codes, pd.Index(self.outcomes), ordered=True)
        weights = None if piece is None else piece.weights
        if weights is not None:
            weights = np.concatenate([np.ones(ahead), weights])
        return family.encode(y, weights, len(y), intercept=intercept), ahead


def recode(piece: Piece, outcomes: Sequence[Any]) -> NDArray[np.int64]:
    """Return the codes of a piece into other outcomes."""
    place_of = {outcome: k for k, outcome in enumerate(outcomes)}
    position = np.array([place_of[outcome] for outcome in piece.outcomes], dtype=np.int64)
    codes: NDArray[np.int64] = position[piece.y]
    return codes


@dataclass(frozen=True, eq=False)
class ChunkedRows(Rows):
    """The rows of a regression that are read in pieces; `columns` has their names and no rows."""

    chunks: Chunks = field(kw_only=True)
    family: Family = field(kw_only=True)
    survey: Survey = field(kw_only=True)

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.survey.count

    @property
    def small(self) -> bool:
        """Never: linear algebra is kept to one thread."""
        return False

    def rows_of(self, piece: Piece) -> Rows:
        """Return the rows of a piece, in the coding of the whole."""
        response, ahead = self.survey.encode(self.family, piece, self.placement.intercept)
        response = replace(
            response,
            values=response.values[ahead:],
            weights=None if response.weights is None else response.weights[ahead:],
        )
        offset = self.family.encode_offset(piece.offset, response)
        if offset is not None:
            offset = offset - self.level
        return Rows(piece.columns, response, self.placement, offset)

    def pieces(self, function: Callable[[Rows], T]) -> Iterator[T]:
        """Yield ``function(rows)`` for each piece."""

        def of_chunk(chunk: Chunk) -> tuple[int, T]:
            rows = self.rows_of(check(self.family, chunk, self.survey.coding))
            return rows.count, function(rows)

        yield from self.chunks.map_again(of_chunk, self.count)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks, in order."""
        for blocks in self.pieces(lambda rows: list(rows.blocks())):
            yield from blocks

    def each(self, function: Callable[[Block], T]) -> Iterator[T]:
        """Yield ``function(block)`` in order."""
        for answers in self.pieces(lambda rows: list(rows.each(function))):
            yield from answers

    def expected(self, family: Family, params: Floats) -> Floats:
        """Return the expected information summed over all rows."""
        nothing = np.zeros((len(params), len(params)))
        return sum(self.pieces(lambda rows: rows.expected(family, params)), nothing)

    def total(self, family: Family, params: Floats, *, curvature: bool = True) -> Sums:
        """Return the log-likelihood and its derivatives summed over all rows."""
        return add_up(self.pieces(lambda rows: rows.total(family, params, curvature=curvature)))

    def squares(self) -> Floats:
        """Return the sums of the squared entries of the design, for every parameter."""
        return sum(self.pieces(lambda rows: rows.squares()), np.zeros(self.size))

    def observed(self) -> float:
        """Return the number of observations that the sums run over."""
        return float(self.response.n_obs)

    def reach(self) -> Floats:
        """Return a bound on the size of the entries in each column of the design."""
        return self.placement.reach(self.survey.largest)

    def thinned(self, rows: int) -> Rows:
        """Return some of the rows, for a start near the answer."""
        sample = self.rows_of(self.survey.sample)
        return sample if rows >= sample.count else sample.thinned(rows)

    def sample(self) -> Floats:
        """Return the design of some rows."""
        return self.rows_of(self.survey.sample).sample()

    def rescaled(self) -> ChunkedRows:
        """Return the rows with the largest size in each column brought near 1."""
        ends = np.vstack([self.survey.largest, -self.survey.largest])
        columns = data.Columns(ends, self.names)
        return replace(self, placement=rescale(columns, self.placement))

    def predictors(self, inside: Floats) -> Floats:
        """Raise: what depends on the number of rows is not held."""
        raise DataError(
            "A fit to chunks holds no rows; pass the rows to predict for, a piece at a time."
        )


def read_in_chunks(family: Family, chunks: Chunks, *, intercept: bool) -> ChunkedRows:
    """Survey the pieces and return the rows that they make."""
    coding = _coding(chunks, intercept)
    survey = take_survey(family, chunks, coding)
    nobody, _ = survey.encode(family, None, intercept)
    predictors = family.predictors(nobody)
    placement = place(survey.sample.columns, intercept=intercept, predictors=predictors)
    nothing = data.Columns(np.empty((0, len(survey.names))), survey.names, coding)
    own = ChunkedRows(nothing, nobody, placement, chunks=chunks, family=family, survey=survey)
    centred = intercept and survey.sample.offset is not None
    n_obs, constant, level = 0, 0.0, np.zeros(predictors)

    def totals(chunk: Chunk) -> tuple[int, float, Floats]:
        piece = check(family, chunk, survey.coding)
        response, _ = survey.encode(family, piece, intercept)
        moved = np.zeros(predictors)
        offset = own.rows_of(piece).offset if centred else None
        if offset is not None:
            moved = np.atleast_1d(offset.sum(axis=0))
        return response.n_obs - nobody.n_obs, response.constant - nobody.constant, moved

    for seen, part, moved in chunks.map(totals):
        n_obs, constant, level = n_obs + seen, constant + part, level + moved
    mean: Any = 0.0
    if centred:
        mean = level / survey.count
        mean = float(mean[0]) if predictors == 1 else mean
    response = replace(nobody, values=np.empty(0), weights=None, n_obs=n_obs, constant=constant)
    return replace(own, response=response, level=mean)


def _coding(chunks: Chunks, intercept: bool) -> Coding | None:
    """Return how categories are coded; a pass over all pieces, if the first one has any."""
    looks: list[tuple[str | Seen, ...]] = []
    for look in chunks.map(lambda chunk: look_at(chunk.X)):
        if look is None and not looks:
            return None
        if look is None or [_name(a) for a in look] != [_name(b) for b in (looks or [look])[0]]:
            raise DataError("The pieces differ in their columns, or in which are categorical.")
        looks.append(look)
    return coding_of_pieces(looks, intercept=intercept) if looks else None


def _name(part: str | Seen) -> str:
    return part if isinstance(part, str) else part.name


def take_survey(family: Family, chunks: Chunks, coding: Coding | None) -> Survey:
    """Pass over the pieces once."""
    first: Piece | None = None
    count, stride = 0, 1
    largest, extremes = np.zeros(0), (np.inf, -np.inf)
    outcomes: list[tuple[Any, ...]] = []
    kept: list[tuple[NDArray[np.int64], Piece]] = []
    for piece in chunks.map(lambda chunk: check(family, chunk, coding)):
        first = first or piece
        _agree(first, piece)
        outcomes.append(piece.outcomes)
        sizes = np.abs(piece.columns.values).max(axis=0, initial=0.0).astype(float)
        largest = np.maximum(largest, sizes) if count else sizes
        if piece.kind == "numbers":
            extremes = min(extremes[0], piece.y.min()), max(extremes[1], piece.y.max())
        index = np.arange(-count % stride, piece.columns.rows, stride)
        kept.append((count + index, piece.take(index)))
        count += piece.columns.rows
        while sum(len(rows) for rows, _ in kept) > _SAMPLE:
            stride *= 2
            kept = [(rows[rows % stride == 0], part.take(np.flatnonzero(rows % stride == 0)))
                    for rows, part in kept]  # fmt: skip
        outcomes = [merge(outcomes)]
    if first is None:
        raise DataError("No piece has a row; at least one observation is needed.")
    sample = _join([part for rows, part in kept if len(rows)], outcomes[0])
    return Survey(first.columns.names, count, largest, outcomes[0], extremes, sample, coding)


def merge(found: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return all outcomes: in the order of the longest list if it holds the others, else sorted."""
    longest = max(found, key=len)
    every = {outcome for outcomes in found for outcome in outcomes}
    if every <= set(longest):
        return longest
    try:
        return tuple(sorted(every))
    except TypeError as error:
        raise DataError(f"The pieces hold labels without a common order: {every!r:.80}.") from error


def _agree(first: Piece, piece: Piece) -> None:
    if piece.columns.names != first.columns.names:
        raise DataError(
            f"A piece has the columns {', '.join(piece.columns.names)}, but the first one had "
            f"{', '.join(first.columns.names)}."
        )
    for what in ("kind", "weights", "offset"):
        own, other = getattr(piece, what), getattr(first, what)
        same = own == other if what == "kind" else (own is None) == (other is None)
        if not same:
            raise DataError(f"All pieces must have the same form; they differ in {what}.")


def _join(parts: Sequence[Piece], outcomes: tuple[Any, ...]) -> Piece:
    first = parts[0]
    values = np.concatenate([part.columns.values for part in parts])
    y = [recode(p, outcomes) if p.kind == "labels" else p.y for p in parts]
    return Piece(
        data.Columns(values, first.columns.names),
        np.concatenate(y),
        first.kind,
        outcomes,
        None if first.weights is None else np.concatenate([_held(p.weights) for p in parts]),
        None if first.offset is None else np.concatenate([_held(p.offset) for p in parts]),
    )


def _held(array: Floats | None) -> Floats:
    assert array is not None
    return array
