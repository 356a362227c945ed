"""How sure a cosine is: its interval, and the difference of two that share a vector.

Coordinates are taken as a sample: another text has other words, another patient other genes. All
answers are `Estimate`, so that a `Study` can judge them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.data import is_sparse
from estkit.errors import DataError
from estkit.estimate import Estimate, check_level
from estkit.similarity.form import Form, read_form
from estkit.similarity.policies import Policy
from estkit.similarity.twofold import moved, scaled
from estkit.similarity.vectors import Real, read_vectors

_ALMOST = 1.0 - 2.0**-53
_LEAST = 3  # coordinates, one more where centred: without one of them more than a line is left


def cosine_interval(
    x: Any,
    y: Any,
    *,
    level: float = 0.95,
    weights: Any = None,
    center: Any = False,
    soft: Any = None,
) -> Estimate:
    r"""Return the cosine of two vectors with its standard error and interval.

    The coordinates are taken as a sample of n pairs. The jackknife leaves out each in turn, which
    costs O(n) in all; the interval is made on the scale of artanh with the quantile of Student's t
    with n - 1 degrees of freedom. Its coverage was simulated to be 0.93 to 0.95 for n from 10 to
    200 with normal, count and t5 coordinates, where the textbook standard error
    :math:`1/\sqrt{n-3}` of Pearson's correlation gives 0.83 to 0.98.

    Parameters
    ----------
    x, y : array-like of shape (n,) or (R, n)
        Two vectors, or as many rows of each: one cosine a row.
    level : float
        The confidence level.
    weights, center, soft
        As of `cosine_similarity`: the weighted, centred (Pearson), adjusted or soft cosine.

    Returns
    -------
    Estimate
        The cosine, its jackknife standard error and its interval, within [-1, 1]. Where all but one
        coordinate are parallel, the interval is all of [-1, 1]. Parallel vectors have an error of
        0; of others whose cosine no coordinate changes (none is in both, say) it is NaN, and the
        interval all of [-1, 1].

    Raises
    ------
    DataError
        If there are fewer than 3 coordinates (4, if centred), or a single vector is zero; of rows,
        a zero one has the cosine NaN.

    References
    ----------
    .. [1] Efron & Stein (1981), "The jackknife estimate of variance", Annals of Statistics 9.

    Examples
    --------
    >>> import estkit as ek
    >>> ek.cosine_interval([2, 0, 1, 3, 5, 0, 1, 2], [1, 0, 2, 2, 6, 1, 0, 1])
    Estimate(0.924 ± 0.088, 95% interval 0.549 to 0.989)
    """
    check_level(level)
    cosine, without = _leave_one_out(x, y, weights, center, soft)
    n = without.shape[-1]
    exact = (abs(cosine) == 1) & (without == cosine[:, None]).all(axis=1)
    error = np.where(exact, 0.0, _known(_jackknife(without), ~exact))
    spread = student(level, n - 1) * _jackknife(_artanh(without))
    spread = np.where(np.isnan(spread) | np.isnan(error), np.inf, spread)
    lower = np.where(exact, cosine, np.tanh(_artanh(cosine) - spread))
    upper = np.where(exact, cosine, np.tanh(_artanh(cosine) + spread))
    unknown = np.isnan(cosine)
    lower, upper = (np.where(unknown, np.nan, side) for side in (lower, upper))
    return _estimate(cosine, x, "cosine", std_error=error, lower=lower, upper=upper, level=level)


def cosine_difference(
    x: Any, y: Any, z: Any, *, level: float = 0.95, weights: Any = None, center: Any = False
) -> Estimate:
    """Return by how much x is more similar to y than to z, with interval and p-value.

    Both cosines share x and the sample of coordinates, so they depend on each other; the jackknife
    of their difference takes that into account. Interval and test use Student's t with n - 1
    degrees of freedom.

    Parameters
    ----------
    x, y, z : array-like of shape (n,) or (R, n)
        Three vectors, or as many rows of each.
    level : float
        The confidence level.
    weights, center
        As of `cosine_similarity`.

    Returns
    -------
    Estimate
        cos(x, y) - cos(x, z), its standard error and interval, and the p-value of no difference.
        Where no coordinate tells how sure it is, error and p-value are NaN, and the interval is all
        of [-2, 2].

    Raises
    ------
    DataError
        As of `cosine_interval`.

    Examples
    --------
    >>> import estkit as ek
    >>> x, y, z = [1, 2, 3, 4, 6], [1, 3, 2, 5, 6], [6, 1, 5, 1, 2]
    >>> difference = ek.cosine_difference(x, y, z)
    >>> difference
    Estimate(0.39 ± 0.17, 95% interval -0.07 to 0.85)
    >>> round(difference.p_value, 3)
    0.076
    """
    check_level(level)
    one, one_without = _leave_one_out(x, y, weights, center, None)
    two, two_without = _leave_one_out(x, z, weights, center, None)
    n = one_without.shape[-1]
    value = one - two
    error = _known(_jackknife(one_without - two_without), value != 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        p_value = np.where(value == 0, 1.0, 2 * _student_tail(abs(value) / error, n - 1))
    half = student(level, n - 1) * np.where(np.isnan(error) & ~np.isnan(value), np.inf, error)
    return _estimate(
        value,
        x,
        "difference",
        std_error=error,
        lower=np.maximum(value - half, -2.0),
        upper=np.minimum(value + half, 2.0),
        level=level,
        p_value=p_value,
    )


def _leave_one_out(x: Any, y: Any, weights: Any, center: Any, soft: Any) -> tuple[Real, Real]:
    """Return the cosine of each pair of rows, and those without one coordinate in turn."""
    left, right, form = read_pair(x, y, weights, center, soft)
    matrix = None if soft is None else soft_matrix(soft, form)
    pair = _Pair(left, right, form, matrix)
    least = _LEAST + form.center
    if left.shape[1] < least:
        raise DataError(
            f"x and y have {left.shape[1]} coordinates that count; at least {least} are needed to "
            f"tell how sure their cosine is."
        )
    return pair.cosine(), pair.without()


def read_pair(x: Any, y: Any, weights: Any, center: Any, soft: Any) -> tuple[Real, Real, Form]:
    """Return rows of both, mapped (but not yet by `soft`) and near size 1, zero rows as they are.

    Raises
    ------
    DataError
        If the shapes differ, a value is not finite, or a single vector is zero.
    """
    left = read_vectors(x, what="x")
    right = read_vectors(y, what="y", like=left)
    if left.rows != right.rows:
        raise DataError(f"x has {left.rows} rows and y has {right.rows}; both need as many.")
    form = read_form(weights, center, soft, left, right)
    if soft is not None and form.center:
        raise DataError("soft= cannot be had with center=True, which mixes coordinates.")
    rows = []
    for table in (left, right):
        values, largest = scaled(moved(table.dense(slice(None)), form).high)
        missing = ~np.isfinite(largest)
        Policy().check(table, np.zeros_like(missing), missing)
        plain = Form(form.roots, form.center)
        constant = values.max(axis=1, initial=-np.inf) == values.min(axis=1, initial=np.inf)
        mapped = scaled(plain.linear(values))[0]
        mapped[constant & form.center] = 0.0
        if table.single:
            policy = Policy("raise", center=form.center)
            policy.check(table, np.asarray(~mapped.any(axis=1)), np.zeros(1, bool))
        rows.append(mapped[:, form.counted])
    return rows[0], rows[1], form


def soft_matrix(soft: Any, form: Form) -> Real:
    """Return the matrix of a soft cosine for the coordinates that count."""
    matrix = np.asarray(soft.toarray() if is_sparse(soft) else soft, dtype=float)
    counted = form.counted
    return matrix[counted][:, counted]


class _Pair:
    """Rows of both, with the terms of which their products are made."""

    def __init__(self, x: Real, y: Real, form: Form, matrix: Real | None) -> None:
        self.x, self.y, self.center = x, y, form.center
        roots = np.ones(x.shape[1]) if form.roots is None else form.roots[form.counted]
        self.weights = roots**2
        products = ((x, y), (x, x), (y, y))
        if matrix is None:
            terms = [a * b for a, b in products]
            self.sums = [term.sum(axis=1) for term in terms]
            if self.center:  # without one coordinate the mean is another
                with np.errstate(divide="ignore", invalid="ignore"):
                    moved_mean = self.weights.sum() / (self.weights.sum() - self.weights)
                terms = [term * moved_mean for term in terms]
        else:
            own = np.diag(matrix)
            terms = [a * (b @ matrix) + b * (a @ matrix) - own * a * b for a, b in products]
            self.sums = [np.einsum("ij,ij->i", a, b @ matrix) for a, b in products]
        self.terms = terms
        self.additive = matrix is None

    def cosine(self) -> Real:
        """Return the cosine of each pair of rows; NaN where one is zero."""
        return _quotient(*self.sums)

    def without(self) -> Real:
        """Return the cosines without one coordinate in turn; NaN where nothing is left."""
        left = [total[:, None] - term for total, term in zip(self.sums, self.terms, strict=True)]
        if self.additive:
            # Of a sum that is nearly all one term the difference has lost its digits.
            rows = np.arange(len(self.x))
            for squares in (self.terms[1], self.terms[2]):
                column = np.argmax(squares, axis=1)
                for target, again in zip(left, self._again(column), strict=True):
                    target[rows, column] = again
        return _quotient(*left)

    def _again(self, column: NDArray[np.intp]) -> list[Real]:
        """Return the sums without one coordinate of each row, added up anew."""
        kept = np.ones(self.x.shape)
        kept[np.arange(len(kept)), column] = 0.0
        rows = [self.x * kept, self.y * kept]
        if self.center:
            roots = np.sqrt(self.weights) * kept
            total = np.maximum((roots**2).sum(axis=1), np.finfo(float).tiny)[:, None]
            rows = [row - (row * roots).sum(axis=1)[:, None] / total * roots for row in rows]
        x, y = rows
        return [np.einsum("ij,ij->i", a, b) for a, b in ((x, y), (x, x), (y, y))]


def _quotient(products: Real, first: Real, second: Real) -> Real:
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = products / np.sqrt(first * second)
    return np.asarray(np.clip(np.where(np.isfinite(cosines), cosines, np.nan), -1.0, 1.0))


def _artanh(cosines: Real) -> Real:
    """Return artanh, finite also for what rounding made 1."""
    return np.asarray(np.arctanh(np.clip(cosines, -_ALMOST, _ALMOST)))


def _jackknife(values: Real) -> Real:
    """Return the jackknife standard error of what was computed without each coordinate in turn."""
    n = values.shape[-1]
    with np.errstate(invalid="ignore"):
        moved_values = values - values.mean(axis=-1, keepdims=True)
        return np.asarray(np.sqrt((n - 1) / n * (moved_values**2).sum(axis=-1)))


def _known(errors: Real, varies: Any) -> Real:
    """Return errors, NaN for those of 0 where that does not mean that a value is certain."""
    return np.asarray(np.where((errors == 0) & varies, np.nan, errors))


def student(level: float, freedom: float) -> float:
    """Return t so that Student's t lies within ±t with probability `level`."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + level / 2))


def _student_tail(values: Real, freedom: int) -> Real:
    from scipy.special import stdtr

    return np.asarray(stdtr(freedom, -values))


def _estimate(value: Real, x: Any, name: str, *, level: float, **fields: Real) -> Estimate:
    """Return an estimate of one number for single vectors, of one a row otherwise."""
    single = read_vectors(x, what="x").single
    taken: dict[str, Any] = {
        key: float(array[0]) if single else array for key, array in fields.items()
    }
    if single:
        taken = {key: float(array[0]) for key, array in fields.items()}
        return Estimate(float(value[0]), names=[name], level=level, **taken)
    return Estimate(value, level=level, **taken)
