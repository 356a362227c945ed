"""From cosines to what was asked for: similarities, distances or angles, right to the last digits.

1 - c loses all digits of the distance between near-parallel vectors, and arccos those of the angle
at both ends; there both are made of the sine.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.similarity.compensated import sines
from estkit.similarity.directions import Directions
from estkit.similarity.form import Form
from estkit.similarity.twofold import exact_rows
from estkit.similarity.vectors import Real

MEASURES = ("similarity", "distance", "angle")
_NEAR = 0.99  # above this cosine, 1 - c has lost more than a digit or two
_NUMBERS = 1 << 14  # coordinates of near pairs looked at together


def check_measure(measure: Any) -> None:
    """Raise unless the name is one of the measures."""
    if measure not in MEASURES:
        raise DataError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}.")


def measured(
    cosines: Real,
    measure: str,
    left: Directions,
    right: Directions,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    *,
    overlap: bool = False,
) -> Real:
    """Return cosines clipped to [-1, 1], or the distances or angles instead, in place.

    Parameters
    ----------
    cosines : ndarray of shape (k,) or (k, l)
        Cosines with the errors of rounding.
    measure : {"similarity", "distance", "angle"}
        What is wanted.
    left, right : Directions
        What the pairs are made of.
    rows, columns : ndarray of int
        Which rows of both: for each entry, or for each row and column of a block.
    overlap : bool
        Whether each cosine is over the coordinates that both rows have.
    """
    np.clip(cosines, -1.0, 1.0, out=cosines)
    if measure == "similarity":
        return cosines
    near = np.argwhere((abs(cosines) if measure == "angle" else cosines) > _NEAR)
    signs = np.sign(cosines[tuple(near.T)])
    if measure == "angle":
        np.arccos(cosines, out=cosines)
    else:
        np.subtract(1.0, cosines, out=cosines)
    i, j = rows[near[:, 0]], columns[near[:, -1]]
    step = max(1, _NUMBERS // max(1, left.vectors.width))
    for start in range(0, len(near), step):
        part = slice(start, start + step)
        x, y, own = _given(left, right, i[part], j[part], compact=step == 1 and not overlap)
        both = np.isfinite(x) & np.isfinite(y) if overlap else None
        sine = sines(exact_rows(x, own, both), exact_rows(y, own, both), own)
        cosine = np.sqrt((1.0 - sine) * (1.0 + sine))
        if measure == "angle":
            exact = np.arctan2(sine, signs[part] * cosine)
        else:
            exact = sine * sine / (1.0 + cosine)
        cosines[tuple(near[part].T)] = exact
    return cosines


def _given(
    left: Directions, right: Directions, i: NDArray[np.intp], j: NDArray[np.intp], *, compact: bool
) -> tuple[Real, Real, Form]:
    """Return rows as they were given; of sparse ones, if asked, only columns where either has any.

    What is asked for depends on the width alone, so the digits of a pair do not depend on others.
    """
    form = left.form
    ends = [(left, left.places(i)), (right, right.places(j))]
    if not (compact and left.sparse and right.sparse):
        x, y = (table.vectors.dense(places) for table, places in ends)
        return x, y, form
    blocks = [table.vectors.block(places) for table, places in ends]
    columns = np.union1d(blocks[0].indices, blocks[1].indices)
    made = [np.zeros((block.shape[0], len(columns))) for block in blocks]
    for block, rows in zip(blocks, made, strict=True):
        owner = np.repeat(np.arange(len(rows)), np.diff(block.indptr))
        rows[owner, np.searchsorted(columns, block.indices)] = block.data
    if form.roots is not None and form.weights is not None:
        form = replace(form, roots=form.roots[columns], weights=form.weights[columns])
    return made[0], made[1], form
