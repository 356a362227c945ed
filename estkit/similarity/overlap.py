"""Cosines over the coordinates that both vectors have: ``nan="pairwise"``.

The sums over what both have are products of matrices too: with zeros for what is missing, and of
squares with masks. Pairs for which such a sum has lost its digits are done again one by one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estkit.similarity.directions import Directions, directionless
from estkit.similarity.form import Form
from estkit.similarity.twofold import scaled
from estkit.similarity.vectors import Real

_LOST = 1e-4  # a centred sum of squares smaller than this part of the raw one has lost digits
_SMALL = 1e-200
_NUMBERS = 1 << 18


def overlapping(x: Real, y: Real, form: Form) -> Real:
    """Return the cosine of each row of `x` with that of `y` over what both have.

    NaN marks what is missing, and the cosine is NaN where nothing, or nothing but zeros, is left.
    """
    both = np.isfinite(x) & np.isfinite(y)
    if form.roots is not None:
        both &= form.roots > 0
    left, _ = scaled(np.where(both, x, 0.0))
    right, _ = scaled(np.where(both, y, 0.0))
    weights = both * (1.0 if form.roots is None else form.roots**2)
    none = _none(left, both, form) | _none(right, both, form)
    if form.center:
        total = np.maximum(weights.sum(axis=1), np.finfo(float).tiny)[:, None]
        for _ in range(2):
            left = (left - (left * weights).sum(axis=1)[:, None] / total) * both
            right = (right - (right * weights).sum(axis=1)[:, None] / total) * both
    roots = np.sqrt(weights)
    left, _ = scaled(left * roots)
    right, _ = scaled(right * roots)
    squares = np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right)
    none |= squares == 0
    dots = np.einsum("ij,ij->i", left, right)
    cosines = dots / np.sqrt(np.where(none, 1.0, squares))
    return np.where(none, np.nan, np.clip(cosines, -1.0, 1.0))


def without_direction(rows: Real, form: Form) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which rows have no direction in what they have, and which hold infinite numbers."""
    infinite = np.asarray(np.isinf(rows).any(axis=1))
    rows = np.where(infinite[:, None], 1.0, rows)
    return np.isnan(overlapping(rows, rows, form)) & ~infinite, infinite


def _none(rows: Real, both: NDArray[np.bool_], form: Form) -> NDArray[np.bool_]:
    """Tell where no direction is left: nothing but zeros, or one number where rows are centred."""
    if not form.center:
        return directionless(rows, Form())
    low = np.where(both, rows, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(low >= np.where(both, rows, -np.inf).max(axis=1, initial=-np.inf))


def overlap_block(left: Directions, right: Directions, i: slice, j: slice) -> Real:
    """Return the cosines of a block of all pairs, each over what both have."""
    form = left.form
    x, y = left.raw(i), right.raw(j)
    has_x, has_y = ~np.isnan(x) * 1.0, ~np.isnan(y) * 1.0
    a, b = _filled(x, form), _filled(y, form)
    weights = np.ones(x.shape[1]) if form.roots is None else form.roots**2
    dots = (a * weights) @ b.T
    squares_x, squares_y = (a * a * weights) @ has_y.T, has_x @ (b * b * weights).T
    lost = (squares_x < _SMALL) | (squares_y < _SMALL)
    if form.center:
        count = (has_x * weights) @ has_y.T
        sums_x, sums_y = (a * weights) @ has_y.T, has_x @ (b * weights).T
        count[count == 0] = np.nan
        raw_x, raw_y = squares_x, squares_y
        dots = dots - sums_x * sums_y / count
        squares_x, squares_y = raw_x - sums_x**2 / count, raw_y - sums_y**2 / count
        lost |= ~((squares_x > _LOST * raw_x) & (squares_y > _LOST * raw_y))
    with np.errstate(all="ignore"):
        cosines = np.clip(dots / np.sqrt(squares_x) / np.sqrt(squares_y), -1.0, 1.0)
    again = np.argwhere(lost)
    step = max(1, _NUMBERS // max(1, x.shape[1]))
    for start in range(0, len(again), step):
        rows, columns = again[start : start + step].T
        # As they were given: what both have may be small beside the rest of a row.
        left_rows, right_rows = left.given(rows + i.start), right.given(columns + j.start)
        cosines[rows, columns] = overlapping(left_rows, right_rows, form)
    return np.asarray(cosines)


def _filled(rows: Real, form: Form) -> Real:
    """Return rows with zeros for what is missing, moved near 0 where they are centred anyhow."""
    if form.center:
        there = ~np.isnan(rows)
        count = np.maximum(there.sum(axis=1), 1)
        rows = rows - (np.where(there, rows, 0.0).sum(axis=1) / count)[:, None]
    return np.nan_to_num(rows, nan=0.0)
