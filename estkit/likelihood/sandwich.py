"""Covariances that hold when the variance, or the independence of the rows, is not as assumed.

The sandwich is the inverse information times the covariance of the score times the inverse
information; the middle is estimated from the scores of single rows, or of groups of rows (Huber
1967, White 1982, Liang and Zeger 1986).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from estkit.errors import DataError

if TYPE_CHECKING:
    from estkit.likelihood.family import Block, Family, Floats
    from estkit.likelihood.rows import Rows

KINDS = ("HC0", "HC1", "cluster")


def sandwich(family: Family, rows: Rows, point: Floats, inverse: Floats, kind: str) -> Floats:
    """Return a robust covariance of inside parameters.

    Parameters
    ----------
    family, rows
        The likelihood and its data.
    point : array of shape (k,)
        The maximum, as `Rows` holds its parameters.
    inverse : array of shape (k, k)
        The inverse of the information that `Family.evaluate` gives there.
    kind : {"HC0", "HC1", "cluster"}
        HC0 takes the rows as they are; HC1 multiplies by n / (n - k); cluster adds the scores of a
        group first and multiplies by G / (G - 1) · (n - 1) / (n - k).

    Raises
    ------
    DataError
        If clusters are asked for without groups, or there are too few of them.
    """
    n, k = rows.response.n_obs, len(point)
    if kind == "cluster":
        middle, groups = _of_groups(family, rows, point)
        factor = groups / (groups - 1) * (n - 1) / (n - k)
    else:
        middle = np.zeros((k, k))
        for part in rows.each(lambda block: _of_block(family, rows, block, point)):
            middle += part
        factor = n / (n - k) if kind == "HC1" else 1.0
    if n <= k and kind != "HC0":
        raise DataError(f"{kind} divides by n - k, and {n} observations leave nothing of {k}.")
    result: Floats = factor * inverse @ middle @ inverse
    return result


def _of_block(family: Family, rows: Rows, block: Block, point: Floats) -> Floats:
    scores = family.scores(point, block)
    if block.weights is not None and rows.response.kind != "counts":
        # a row of weight w stands for w equal scores, whose squares add up to w of them
        scores = scores / np.sqrt(np.maximum(block.weights, 1.0))[:, None]
    product: Floats = scores.T @ scores
    return product


def _of_groups(family: Family, rows: Rows, point: Floats) -> tuple[Floats, int]:
    if rows.groups is None:
        raise DataError("A cluster covariance needs the group of each row; fit again with groups=.")
    groups = int(rows.groups.max()) + 1
    if groups < 2:
        raise DataError("A cluster covariance needs at least two groups, and there is one.")
    sums, first = np.zeros((groups, len(point))), 0
    for block in rows.blocks():
        scores = family.scores(point, block)
        np.add.at(sums, rows.groups[first : first + len(scores)], scores)
        first += len(scores)
    return sums.T @ sums, groups
