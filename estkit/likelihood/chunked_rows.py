"""Rows that are read in pieces: the sums of `Rows`, and memory bounded by a piece."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from estkit import data
from estkit.categories import Coding, Seen, coding_of_pieces, look_at
from estkit.errors import DataError
from estkit.likelihood.chunks import Chunk, Chunks, Mark
from estkit.likelihood.counts import Constants, stand_in
from estkit.likelihood.family import Block, Family, Floats, Response, Sums
from estkit.likelihood.placement import place, rescale
from estkit.likelihood.rows import Rows, add_up
from estkit.likelihood.survey import Piece, Survey, check, take_survey

T = TypeVar("T")


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
            repeats=None if response.repeats is None else response.repeats[ahead:],
        )
        if response.kind == "counts":
            response = without(response, stand_in(len(response.outcomes)))
        offset = self.family.encode_offset(piece.offset, response)
        if offset is not None:
            offset = offset - self.level
        groups = None if piece.groups is None else self.survey.group_codes(piece.groups)
        return Rows(piece.columns, response, self.placement, offset, groups=groups)

    def pieces(self, function: Callable[[Rows], T]) -> Iterator[T]:
        """Yield ``function(rows)`` for each piece."""

        def of_chunk(chunk: Chunk) -> tuple[Mark, T]:
            piece = check(self.family, chunk, self.survey.coding, self.chunks.weighting)
            return piece.mark(self.chunks), function(self.rows_of(piece))

        yield from self.chunks.map_again(of_chunk, self.survey.marks)

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
        if self.response.weighting == "analytic":
            return self.survey.weight / self.response.precision
        return float(self.response.n_obs)

    @property
    def n_groups(self) -> int | None:
        """The number of groups, if the rows have them."""
        return None if self.survey.groups is None else len(self.survey.groups)

    def seen(self, outcomes: int) -> Floats:
        """Return how often each outcome was observed."""
        return np.array([self.survey.seen[outcome] for outcome in self.response.outcomes])

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
    survey.check_outcomes(family)
    n_obs, constant, large = 0, 0.0, False
    level: Any = 0.0

    def totals(chunk: Chunk) -> tuple[Mark, tuple[int, float, Any, bool]]:
        piece = check(family, chunk, survey.coding, chunks.weighting)
        response, _ = survey.encode(family, piece, intercept)
        offset = own.rows_of(piece).offset if centred else None
        moved = 0.0 if offset is None else offset.sum(axis=0)
        seen = response.n_obs - nobody.n_obs
        found = response.saturated is not None
        return piece.mark(chunks), (seen, response.constant - nobody.constant, moved, found)

    for seen, part, moved, found in chunks.map_again(totals, survey.marks):
        n_obs, constant, level = n_obs + seen, constant + part, level + moved
        large = large or found
    # that some counts are large is all that is known of the whole; pieces have numbers
    saturated = math.nan if large else None
    merged = replace(nobody, n_obs=n_obs, constant=constant, saturated=saturated)
    response = replace(merged, values=np.empty(0), weights=None, repeats=None)
    return replace(own, response=response, level=level / survey.count)


def without(response: Response, ahead: Constants) -> Response:
    """Return a response without the constants of the row that stood for all."""
    constant, saturated = response.constant - ahead["constant"], response.saturated
    if saturated is not None and ahead["saturated"] is not None:
        saturated = saturated - ahead["saturated"]
    return replace(response, constant=constant, saturated=saturated)


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
