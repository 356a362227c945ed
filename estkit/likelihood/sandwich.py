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
    from estkit.likelihood.family import Floats
    from estkit.likelihood.model import Model

KINDS = ("HC0", "HC1", "cluster", "linearized")


def sandwich(model: Model, point: Floats, inverse: Floats, kind: str) -> Floats:
    """Return a robust covariance of inside parameters.

    Parameters
    ----------
    model : Model
        The likelihood and its data.
    point : array of shape (k,)
        The maximum, inside.
    inverse : array of shape (k, k)
        The inverse of the information that `Model.total` gives there.
    kind : {"HC0", "HC1", "cluster", "linearized"}
        HC0 takes the rows as they are; HC1 multiplies by n / (n - k); cluster adds the scores of a
        group first and multiplies by G / (G - 1) · (n - 1) / (n - k). Linearized is for units
        sampled with replacement and unequal probabilities (Binder 1983): n / (n - 1) times HC0, or
        with groups, which are then what was sampled, G / (G - 1) times their sums.

    Raises
    ------
    DataError
        If clusters are asked for without groups, or there are too few of them.
    """
    n, k = model.n_obs, len(point)
    if n <= k and kind in ("HC1", "cluster"):
        raise DataError(f"{kind} divides by n - k, and {n} observations leave nothing of {k}.")
    units = n
    if kind == "cluster" or (kind == "linearized" and model.n_groups is not None):
        middle, units = _of_groups(model, point)
    else:
        middle = model.meat(point)
    factor = 1.0
    if kind == "linearized" and units < 2:
        raise DataError("Sampling weights need at least two rows: one says nothing of its error.")
    if kind in ("linearized", "cluster"):
        factor = units / (units - 1)
    if kind in ("HC1", "cluster"):
        factor *= (n - (kind == "cluster")) / (n - k)
    result: Floats = factor * inverse @ middle @ inverse
    return result


def _of_groups(model: Model, point: Floats) -> tuple[Floats, int]:
    groups = model.n_groups
    if groups is None:
        raise DataError("A cluster covariance needs the group of each row; fit again with groups=.")
    if groups < 2:
        raise DataError("A cluster covariance needs at least two groups, and there is one.")
    sums = np.zeros((groups, len(point)))
    for codes, scores in model.group_scores(point):
        np.add.at(sums, codes, scores)
    return sums.T @ sums, groups
