"""What one pass over pieces of data finds: outcomes, ranges, counts, a sample, and their marks.

A piece is encoded behind a few responses that stand for what occurs anywhere, so that it has the
coding of the whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.categories import Coding
from estkit.errors import DataError
from estkit.frames import as_frame
from estkit.labels import Labels, read_labels
from estkit.likelihood.chunks import Chunk, Chunks, Mark, checksum
from estkit.likelihood.family import Family, Floats, Response
from estkit.likelihood.gaussian import Gaussian
from estkit.likelihood.weights import Weights, read_some, read_totals

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
    categories: tuple[Any, ...] = ()
    groups: Labels | None = None

    def mark(self, chunks: Chunks) -> Mark:
        """Return by what the piece is known again; pieces that are held keep their values."""
        if chunks.held:
            return Mark(self.columns.rows, 0)
        groups = () if self.groups is None else self.groups.outcomes
        number = zlib.crc32(repr((self.outcomes, *groups)).encode())
        codes = None if self.groups is None else self.groups.codes
        for part in (self.columns.values, self.y, self.weights, self.offset, codes):
            if part is not None:
                number = checksum(np.asarray(part), number)
        return Mark(self.columns.rows, number)

    def observed(self) -> Floats:
        """Return how often each outcome was observed."""
        if self.kind == "labels":
            return np.bincount(self.y, self.weights, len(self.outcomes)).astype(float)
        if self.kind == "numbers":
            return np.empty(0)
        return np.asarray(self.y.sum(axis=0) if self.weights is None else self.weights @ self.y)

    def take(self, index: NDArray[np.int64]) -> Piece:
        """Return some of the rows."""
        return replace(
            self,
            columns=data.Columns(self.columns.values[index], self.columns.names),
            y=self.y[index],
            weights=None if self.weights is None else self.weights[index],
            offset=None if self.offset is None else self.offset[index],
            groups=None,
        )


def check(family: Family, chunk: Chunk, coding: Coding | None, weighting: str) -> Piece:
    """Return a checked piece, its categories coded."""
    data.check_same_index(**chunk._asdict())
    columns = data.read_columns(chunk.X) if coding is None else coding.read(chunk.X)
    rows = columns.rows
    outcomes: tuple[Any, ...] = ()
    categories: tuple[Any, ...] = ()
    weights = None
    if chunk.weights is not None:
        weights = read_some(chunk.weights, rows=rows, kind=weighting)
    y: NDArray[Any]
    if isinstance(family, Gaussian):
        kind, y = "numbers", data.read_vector(chunk.y, what="y", rows=rows)
    elif weights is not None and weighting == "analytic":
        kind, (y, names, _) = "counts", read_totals(chunk.y, Weights(weights, weighting))
        weights = None  # the trials are in the counts
        outcomes = names if as_frame(chunk.y) is not None else tuple(range(y.shape[1]))
    elif data.is_table(chunk.y):
        kind, (y, names) = "counts", data.read_counts(chunk.y, what="y")
        outcomes = names if as_frame(chunk.y) is not None else tuple(range(y.shape[1]))
    else:
        labels = read_labels(chunk.y)
        kind, y, outcomes = "labels", labels.codes, labels.outcomes
        categories = labels.categories
    data.check_rows("y", len(y), rows)
    offset = None
    if chunk.offset is not None:
        offset = np.asarray(data.read_columns(chunk.offset, what="offset", rows=rows).values, float)
    groups = None
    if chunk.groups is not None:
        groups = read_labels(chunk.groups, what="groups")
        data.check_rows("groups", len(groups.codes), rows)
    return Piece(columns, y, kind, outcomes, weights, offset, categories, groups)


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
    seen : mapping of label to float
        How often each outcome was observed.
    extremes : tuple of float
        The least and the greatest response, when responses are numbers.
    weight, heaviest : float
        The sum and the largest of the weights, 0 when there are none.
    weighting : {"frequency", "sampling", "analytic"}
        What the weights mean.
    sample : Piece
        Evenly spaced rows.
    coding : Coding, optional
        How categories become columns, if there are any.
    marks : tuple of Mark
        By what each piece is known again.
    groups : mapping of label to int, optional
        The number of each group, if rows have groups.
    """

    names: tuple[str, ...]
    count: int
    largest: Floats
    outcomes: tuple[Any, ...]
    seen: Mapping[Any, float]
    extremes: tuple[float, float]
    weight: float
    heaviest: float
    weighting: str
    sample: Piece
    coding: Coding | None
    marks: tuple[Mark, ...]
    groups: Mapping[Any, int] | None = None

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
        weights = None
        if self.sample.weights is not None:
            own = np.empty(0) if piece is None else _held(piece.weights)
            if self.weighting == "sampling":
                own = own * (self.count / self.weight)  # their mean is 1
            stand_in = self.heaviest if self.weighting == "analytic" else 1.0
            weights = Weights(np.append(np.full(ahead, stand_in), own), self.weighting)
        return family.encode(y, weights, len(y), intercept=intercept), ahead

    def group_codes(self, found: Labels) -> NDArray[np.int64]:
        """Return the numbers of the groups of a piece."""
        assert self.groups is not None
        numbers = [self.groups[label] for label in found.outcomes]
        codes: NDArray[np.int64] = np.array(numbers, dtype=np.int64)[found.codes]
        return codes

    def check_outcomes(self, family: Family) -> None:
        """Raise what the family raises in memory, if outcomes that it needs never occur."""
        import pandas as pd

        seen = [float(self.seen[outcome] > 0) for outcome in self.outcomes]
        if self.sample.kind == "labels":
            y = pd.Categorical.from_codes(range(len(seen)), pd.Index(self.outcomes), ordered=True)
            family.encode(y, Weights(np.array(seen)), len(y))
        elif self.sample.kind == "counts":
            unnamed = self.outcomes == tuple(range(len(self.outcomes)))
            row = np.array([seen])
            family.encode(row if unnamed else pd.DataFrame(row, columns=self.outcomes), None, 1)


def recode(piece: Piece, outcomes: Sequence[Any]) -> NDArray[np.int64]:
    """Return the codes of a piece into other outcomes."""
    place_of = {outcome: k for k, outcome in enumerate(outcomes)}
    strange = [outcome for outcome in piece.outcomes if outcome not in place_of]
    if strange:
        raise DataError(
            f"A piece has the outcome {strange[0]!r}, which was not there when the source was "
            f"first read; a function must return the same pieces on every call."
        )
    position = np.array([place_of[outcome] for outcome in piece.outcomes], dtype=np.int64)
    codes: NDArray[np.int64] = position[piece.y]
    return codes


def take_survey(family: Family, chunks: Chunks, coding: Coding | None) -> Survey:
    """Pass over the pieces once."""
    first: Piece | None = None
    alike = True
    count, stride, weight, heaviest = 0, 1, 0.0, 0.0
    seen: dict[Any, float] = {}
    largest, extremes = np.zeros(0), (np.inf, -np.inf)
    outcomes: list[tuple[Any, ...]] = []
    kept: list[tuple[NDArray[np.int64], Piece]] = []
    marks: list[Mark] = []
    groups: set[Any] = set()
    weighting = chunks.weighting
    for piece in chunks.map(lambda chunk: check(family, chunk, coding, weighting)):
        first = first or piece
        _agree(family, first, piece)
        marks.append(piece.mark(chunks))
        outcomes.append(piece.outcomes)
        groups.update(() if piece.groups is None else piece.groups.outcomes)
        sizes = np.abs(piece.columns.values).max(axis=0, initial=0.0).astype(float)
        largest = np.maximum(largest, sizes) if count else sizes
        if piece.kind == "numbers":
            numbers = piece.y if piece.weights is None else piece.y[piece.weights > 0]
            extremes = numbers.min(initial=extremes[0]), numbers.max(initial=extremes[1])
        for outcome, often in zip(piece.outcomes, piece.observed(), strict=True):
            seen[outcome] = seen.get(outcome, 0.0) + float(often)
        if piece.weights is not None:
            weight += float(piece.weights.sum())
            heaviest = max(heaviest, float(piece.weights.max()))
        index = np.arange(-count % stride, piece.columns.rows, stride)
        kept.append((count + index, piece.take(index)))
        count += piece.columns.rows
        while sum(len(rows) for rows, _ in kept) > _SAMPLE:
            stride *= 2
            kept = [(rows[rows % stride == 0], part.take(np.flatnonzero(rows % stride == 0)))
                    for rows, part in kept]  # fmt: skip
        alike = alike and piece.categories == first.categories
        outcomes = [merge(outcomes)]
    if first is None:
        raise DataError("No piece has a row; at least one observation is needed.")
    if first.weights is not None and not weight:
        raise DataError("The weights are all zero; at least one row must count.")
    if alike and first.categories:
        outcomes = [tuple(each for each in first.categories if each in outcomes[0])]
    sample = _join([part for rows, part in kept if len(rows)], outcomes[0])
    return Survey(
        names=first.columns.names,
        count=count,
        largest=largest,
        outcomes=outcomes[0],
        seen=seen,
        extremes=extremes,
        weight=weight,
        heaviest=heaviest,
        weighting=chunks.weighting,
        sample=sample,
        coding=coding,
        marks=tuple(marks),
        groups=None if first.groups is None else numbered(groups),
    )


def numbered(groups: Collection[Any]) -> dict[Any, int]:
    """Return the number of each group; their labels have one order, as in memory."""
    return {label: k for k, label in enumerate(merge([(label,) for label in groups]))}


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


def _agree(family: Family, first: Piece, piece: Piece) -> None:
    if piece.columns.names != first.columns.names:
        raise DataError(
            f"A piece has the columns {', '.join(piece.columns.names)}, but the first one had "
            f"{', '.join(first.columns.names)}."
        )
    for what in ("kind", "weights", "offset", "groups"):
        own, other = getattr(piece, what), getattr(first, what)
        same = own == other if what == "kind" else (own is None) == (other is None)
        if not same:
            raise DataError(f"All pieces must have the same form; they differ in {what}.")
    check = getattr(family, "check_order", None)
    if check is not None and piece.kind == "labels":
        ordered = bool(piece.categories) and piece.categories == first.categories
        check(piece.outcomes, ordered=ordered)


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
