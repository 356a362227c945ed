"""Sums of the scores of rows, by group or squared: the middle of a sandwich covariance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Block, Family, Floats
from estkit.likelihood.rows import Rows


def of_groups(
    rows: Rows, family: Family, point: Floats
) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Yield the groups of some rows and their scores, added up in each."""

    def of_piece(piece: Rows) -> tuple[NDArray[np.int64], Floats]:
        assert piece.groups is not None
        groups, place = np.unique(piece.groups, return_inverse=True)
        sums, first = np.zeros((len(groups), len(point))), 0
        for scores in piece.each(lambda block: family.scores(point, block)):
            np.add.at(sums, place[first : first + len(scores)], scores)
            first += len(scores)
        return groups, sums

    yield from rows.pieces(of_piece)


def of_squares(rows: Rows, family: Family, point: Floats) -> Floats:
    """Return the sum of squared scores, a row of weight w standing for w equal units."""
    repeated, counts = rows.response.weighting == "frequency", rows.response.kind == "counts"

    def of_block(block: Block) -> Floats:
        scores = family.scores(point, block)
        units = block.repeats if counts else block.weights
        if units is not None and repeated:
            # the squares of w equal parts of a score add up to a w-th of its own square
            scores = scores / np.sqrt(np.maximum(units, 1.0))[:, None]
        product: Floats = scores.T @ scores
        return product

    middle = np.zeros((len(point), len(point)))
    for part in rows.each(of_block):
        middle += part
    return middle
