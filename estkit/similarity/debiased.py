"""The cosine that noise has not pulled towards 0, from replicates of both vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import Estimate, check_level
from estkit.similarity.inference import student
from estkit.similarity.policies import Policy
from estkit.similarity.vectors import Real, Vectors, read_vectors


def debiased_cosine(X: Any, Y: Any, *, level: float = 0.95) -> Estimate:
    r"""Return the cosine of two directions of which noisy replicates are there, free of their bias.

    The averages of replicates still hold noise, which lengthens both and so pulls their cosine
    towards 0: with 4 replicates of a unit vector in 768 dimensions and noise of 0.05 in each, a
    cosine of 0.8 comes out as 0.54. The replicates tell how long the noise is:
    :math:`|\bar x|^2 - \mathrm{tr}(S_x) / k` has the expectation :math:`|\mu_x|^2`.

    Parameters
    ----------
    X : array-like of shape (k, d)
        Independent replicates of the first vector, at least 2.
    Y : array-like of shape (l, d)
        Those of the second, with noise that is independent of that in X.
    level : float
        The confidence level.

    Returns
    -------
    Estimate
        The cosine, cut off at -1 and 1. Its error is that of the jackknife over the replicates of
        both, before anything is cut off; its interval has the degrees of freedom of Welch and
        Satterthwaite. Both need 3 replicates of each. The error is NaN, and the interval all of
        [-1, 1], where an average without one replicate is no longer than its noise; the status is
        ``"failed"`` where that of all is not.

    Raises
    ------
    DataError
        If there is but one replicate, or the numbers of coordinates differ.

    Examples
    --------
    >>> import estkit as ek, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> first, second = np.zeros((2, 768))
    >>> first[0], second[:2] = 1.0, (0.8, 0.6)
    >>> X = first + 0.05 * rng.standard_normal((4, 768))
    >>> Y = second + 0.05 * rng.standard_normal((4, 768))
    >>> round(ek.cosine_similarity(X.mean(axis=0), Y.mean(axis=0)), 2)
    0.52
    >>> ek.debiased_cosine(X, Y)
    Estimate(0.791 ± 0.042, 95% interval 0.673 to 0.909)
    """
    check_level(level)
    left = read_vectors(X, what="X")
    right = read_vectors(Y, what="Y", like=left)
    for table in (left, right):
        if table.single or table.rows < 2:
            raise DataError(
                f"{table.what} must hold at least 2 replicates as rows, to tell signal from noise; "
                f"got {table.rows}."
            )
    rows = [_replicates(table) for table in (left, right)]
    whole = float(np.clip(_denoised(*rows), -1.0, 1.0))
    if np.isnan(whole):
        return Estimate(
            np.nan,
            names=["cosine"],
            level=level,
            status="failed",
            reason="An average is no longer than its noise; more replicates are needed.",
        )
    if min(map(len, rows)) < 3:  # one replicate, which would be left, tells nothing of its noise
        return Estimate(whole, names=["cosine"], level=level)
    variances = np.array([_variance(rows, which) for which in (0, 1)])
    error = float(np.sqrt(variances.sum()))
    if np.isnan(error):
        return Estimate(
            whole, names=["cosine"], std_error=np.nan, lower=-1.0, upper=1.0, level=level
        )
    freedoms = np.array([len(table) - 1 for table in rows])
    freedom = variances.sum() ** 2 / max((variances**2 / freedoms).sum(), np.finfo(float).tiny)
    half = student(level, max(float(freedom), 1.0)) * error
    lower, upper = max(whole - half, -1.0), min(whole + half, 1.0)
    return Estimate(whole, names=["cosine"], std_error=error, lower=lower, upper=upper, level=level)


def _replicates(table: Vectors) -> Real:
    """Return the rows near size 1, all divided by the same power of two."""
    values = table.dense(slice(None))
    missing = np.asarray(~np.isfinite(values).all(axis=1))
    Policy().check(table, np.zeros_like(missing), missing)
    exponent = int(np.frexp(abs(values).max(initial=0.0))[1])
    return np.asarray(np.ldexp(np.ldexp(values, -(exponent // 2)), exponent // 2 - exponent))


def _variance(rows: list[Real], which: int) -> float:
    """Return the jackknife variance over the replicates of one of the two."""
    count = len(rows[which])
    left_out = []
    for i in range(count):
        fewer = list(rows)
        fewer[which] = np.delete(rows[which], i, axis=0)
        left_out.append(_denoised(*fewer))
    return float((count - 1) ** 2 / count * np.var(left_out, ddof=1))


def _denoised(X: Real, Y: Real) -> float:
    """Return the cosine of two averages whose squared lengths are freed of the part of noise.

    It is beyond ±1 where chance takes too much away.
    """
    first, second = X.mean(axis=0), Y.mean(axis=0)
    lengths = [
        mean @ mean - rows.var(axis=0, ddof=1).sum() / len(rows)
        for mean, rows in ((first, X), (second, Y))
    ]
    if min(lengths) <= 0:
        return np.nan
    return float(first @ second / np.sqrt(lengths[0]) / np.sqrt(lengths[1]))
