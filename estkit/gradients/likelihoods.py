"""Rules for log-likelihoods from logits or probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estkit.errors import DataError
from estkit.gradients.operands import Array, answer, quiet, read
from estkit.gradients.rule import Rule
from estkit.gradients.softmax import shares

_BLOCK = 1 << 13  # entries


def _per_row(name: str, given: Any, like: Array, rows: int | tuple[int, ...]) -> Array:
    """Read what there must be one of for each row, in the precision of the rule."""
    shape = (rows,) if isinstance(rows, int) else rows
    (array,) = read(**{name: given})
    if array.shape not in (shape, ()):
        raise DataError(f"{name} has shape {array.shape}; expected {shape}, or one number.")
    if np.any(array < 0):
        raise DataError(f"{name} must not be negative; the smallest is {array.min():g}.")
    return np.broadcast_to(array.astype(like.dtype, copy=False), shape)


@quiet
def softmax_log_likelihood(
    logits: ArrayLike,
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    coefficient: bool = True,
) -> Rule:
    """Log-likelihood of classes or counts whose probabilities are the softmax of logits.

    Σᵢ wᵢ Σₖ yᵢₖ log pᵢₖ, with ∂L/∂(logits) = u wᵢ (yᵢₖ − nᵢ pᵢₖ), nᵢ = Σₖ yᵢₖ. The gradient of a
    class that is nearly certain is as accurate as that of the others.

    Parameters
    ----------
    logits : array_like, shape (n, K)
        A number of any size for each class of each row.
    y : array_like, shape (n,) or (n, K)
        The class of each row, an integer from 0 to K − 1; or how often each class was seen.
    weights : array_like, shape (n,), optional
        How much each row counts; 1 by default.
    coefficient : bool, default True
        With counts, whether the multinomial coefficients nᵢ! / Πₖ yᵢₖ! are in the value, which do
        not depend on the logits. Leave them out for shares that are no counts (a cross-entropy).

    Returns
    -------
    Rule
        The sum over rows; gradient to the logits.

    Raises
    ------
    DataError
        Where shapes do not fit, or a class or count is none.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, section 5.4.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.softmax_log_likelihood([[0.0, 0.0], [1000.0, 0.0]], [0, 1])
    >>> float(rule.value)
    -1000.6931471805599
    >>> rule.vjp(1.0)[0].tolist()
    [[0.5, -0.5], [-1.0, 1.0]]
    """
    (X,) = read(logits=logits)
    if X.ndim != 2 or not X.shape[1]:
        raise DataError(f"softmax_log_likelihood: logits of shape {X.shape}; expected (n, K).")
    seen = np.asarray(y)
    w = None if weights is None else _per_row("weights", weights, X, len(X))
    if seen.ndim == 1:
        return _of_labels(X, _labels(seen, X), w)
    return _of_counts(X, _counts(seen, X), w, coefficient)


def _labels(y: NDArray[Any], X: Array) -> NDArray[np.intp]:
    if y.shape != X.shape[:1]:
        raise DataError(
            f"softmax_log_likelihood: y has shape {y.shape} but the logits {X.shape}; expected "
            f"({len(X)},) classes or {X.shape} counts."
        )
    if y.size and y.dtype.kind not in "iu":
        raise DataError(
            f"softmax_log_likelihood: classes must be integers from 0 to {X.shape[1] - 1}; y has "
            f"dtype {y.dtype}."
        )
    if y.size and (y.min() < 0 or y.max() >= X.shape[1]):
        raise DataError(
            f"softmax_log_likelihood: classes must be integers from 0 to {X.shape[1] - 1}; y goes "
            f"from {y.min()} to {y.max()}."
        )
    return y.astype(np.intp, copy=False)


def _counts(y: NDArray[Any], X: Array) -> Array:
    (counts,) = read(y=y)
    if counts.shape != X.shape or np.any(counts < 0):
        raise DataError(
            f"softmax_log_likelihood: y has shape {counts.shape}, the logits {X.shape}; expected "
            "one class for each row, or one count, not negative, for each entry."
        )
    return counts.astype(X.dtype, copy=False)


def _of_labels(X: Array, y: NDArray[np.intp], w: Array | None) -> Rule:
    largest, powers, rest = shares(X, 1)
    rows = np.arange(len(X))
    each = X[rows, y] - largest[:, 0] - np.log1p(rest[:, 0])
    value = _weighted(each, w)

    def back(U: Array) -> tuple[Array]:
        by = -U / (1 + rest) if w is None else -U * w[:, None] / (1 + rest)
        gradient = powers * by
        # 1 − p of the own class is the sum of the others, which does not round to 0 as p does to 1.
        gradient[rows, y] = 0
        gradient[rows, y] = -gradient.sum(axis=1)
        return (_counting(gradient, w),)

    return answer(value, back)


def _of_counts(X: Array, counts: Array, w: Array | None, coefficient: bool) -> Rule:
    largest, powers, rest = shares(X, 1)
    logs = X - largest
    logs -= np.log1p(rest)
    each = np.vecdot(counts, logs)
    if not np.all(np.isfinite(each)):  # what was never seen adds 0, even where it is impossible
        each = np.vecdot(counts, np.where((counts == 0) & ~np.isnan(logs), 0, logs))
    totals = counts.sum(axis=1)
    if coefficient:
        from scipy.special import gammaln

        each += gammaln(totals + 1) - gammaln(counts + 1).sum(axis=1)
    value = _weighted(each, w)

    def back(U: Array) -> tuple[Array]:
        rows, top = np.arange(len(X)), np.argmax(X, axis=1)
        below = 1 + rest[:, 0]
        gradient = powers * (-totals / below)[:, None]
        gradient += counts
        # y − n p = y (1 − p) − p (n − y), where 1 − p of the largest is the sum of the others.
        own = counts[rows, top]
        gradient[rows, top] = (own * rest[:, 0] - (totals - own) * powers[rows, top]) / below
        gradient *= U if w is None else U * w[:, None]
        return (_counting(gradient, w),)

    return answer(value, back)


def _weighted(each: Array, w: Array | None) -> Any:
    """Return the weighted sum; a row of weight 0 adds 0, even where it is impossible."""
    if w is None:
        return each.sum()
    total = w @ each
    return total if np.isfinite(total) else w @ np.where(w == 0, 0, each)


def _counting(gradient: Array, w: Array | None) -> Array:
    """Return the gradient, which is 0 in rows of weight 0."""
    if w is not None and not w.all():
        gradient[w == 0] = 0
    return gradient


@quiet
def binomial_log_likelihood(
    logits: ArrayLike,
    y: ArrayLike,
    *,
    trials: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    coefficient: bool = True,
) -> Rule:
    """Log-likelihood of successes whose probabilities have these logits, p = 1 / (1 + exp(−η)).

    Σᵢ wᵢ (yᵢ log pᵢ + (nᵢ − yᵢ) log(1 − pᵢ)), with ∂L/∂ηᵢ = u wᵢ (yᵢ − nᵢ pᵢ), which is computed as
    yᵢ (1 − pᵢ) − (nᵢ − yᵢ) pᵢ and so keeps its digits where p is near 0 or 1.

    Parameters
    ----------
    logits : array_like, any shape
        Numbers η of any size.
    y : array_like, the same shape
        Successes: 0 or 1, or from 0 to the number of trials.
    trials : array_like, the same shape or one number, optional
        How many trials n there were; 1 by default.
    weights : array_like, the same shape or one number, optional
        How much each entry counts; 1 by default.
    coefficient : bool, default True
        Whether the binomial coefficients are in the value, which do not depend on the logits.

    Returns
    -------
    Rule
        The sum over all entries; gradient to the logits.

    Raises
    ------
    DataError
        Where shapes do not fit, or there are fewer than 0 successes, or more than trials.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, section 4.4.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.binomial_log_likelihood([0.0, -1000.0], [1, 0])
    >>> float(rule.value), rule.vjp(1.0)[0].tolist()
    (-0.6931471805599453, [0.5, 0.0])
    """
    (X,) = read(logits=logits)
    y, failures, w, constant = _outcomes(
        "binomial_log_likelihood", X, y, trials, weights, coefficient
    )
    inputs = [X, y, failures] if w is None else [X, y, failures, w]
    flat = [one.reshape(-1) for one in inputs]
    # Blocks that stay in cache: fresh memory for whole arrays costs more than what is computed.
    blocks = [slice(start, start + _BLOCK) for start in range(0, X.size, _BLOCK)]
    value = constant
    for block in blocks:
        x, seen, missed, *weight = (one[block] for one in flat)
        left, right = np.minimum(x, 0), np.maximum(x, 0)
        # log p = min(η, 0) − log(1 + exp(−|η|)), and log(1 − p) the same with −max(η, 0).
        both = np.log1p(np.exp(left - right))
        value -= float(_dot(seen + missed, both, *weight) + _dot(missed, right, *weight))
        value += float(_dot(seen, left, *weight))

    def back(U: Array) -> tuple[Array]:
        gradient = np.empty(X.size, X.dtype)
        for block in blocks:
            x, seen, missed, *weight = (one[block] for one in flat)
            small = np.exp(-np.abs(x))
            slope = seen * np.maximum(small, x <= 0)
            slope -= missed * np.maximum(small, x >= 0)
            slope /= 1 + small
            for by in (U, *weight):
                slope *= by
            gradient[block] = slope
        return (gradient.reshape(X.shape),)

    return answer(X.dtype.type(value), back)


def _dot(counts: Array, logs: Array, w: Array | None = None) -> Any:
    """Sum counts times logarithms; what was never seen adds 0, even where it is impossible."""
    by = counts if w is None else counts * w
    total = np.vdot(by, logs)
    if not np.isfinite(total):
        total = np.sum(np.where(by == 0, np.where(np.isnan(logs), logs, 0), by * logs))
    return total


@quiet
def binomial_log_likelihood_of_probabilities(
    p: ArrayLike,
    y: ArrayLike,
    *,
    trials: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    coefficient: bool = True,
) -> Rule:
    """Log-likelihood of successes with these probabilities themselves.

    Σᵢ wᵢ (yᵢ log pᵢ + (nᵢ − yᵢ) log(1 − pᵢ)), with ∂L/∂pᵢ = u wᵢ (yᵢ / pᵢ − (nᵢ − yᵢ) / (1 − pᵢ)).
    At p = 0 and no success, and at p = 1 and no failure, the term that is 0 · log 0 counts as 0 and
    has no slope: the gradient is the one-sided slope into (0, 1).

    Parameters
    ----------
    p : array_like, any shape
        Probabilities, from 0 to 1.
    y, trials, weights, coefficient
        As for `binomial_log_likelihood`.

    Returns
    -------
    Rule
        The sum over all entries; gradient to the probabilities.

    Raises
    ------
    DataError
        Where shapes do not fit, a probability is none, or there are more successes than trials.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, section 4.4.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.binomial_log_likelihood_of_probabilities([0.25], [1], trials=2)
    >>> round(float(rule.value), 12), rule.vjp(1.0)[0].round(12).tolist()
    (-0.980829253012, [2.666666666667])
    """
    rule = "binomial_log_likelihood_of_probabilities"
    (X,) = read(p=p)
    if np.any((X < 0) | (X > 1)):
        raise DataError(f"{rule}: p must lie from 0 to 1; it goes from {X.min():g} to {X.max():g}.")
    y, failures, w, constant = _outcomes(rule, X, y, trials, weights, coefficient)
    each = np.where(y == 0, 0, y * np.log(X)) + np.where(failures == 0, 0, failures * np.log1p(-X))
    each = np.where(np.isnan(X), X, each)
    value = (each.sum() if w is None else np.vdot(w, each)) + constant

    def back(U: Array) -> tuple[Array]:
        gradient = np.where(y == 0, 0, y / X) - np.where(failures == 0, 0, failures / (1 - X))
        gradient = np.where(np.isnan(X), X, gradient) * (U if w is None else U * w)
        return (gradient,)

    return answer(X.dtype.type(value), back)


def _outcomes(
    rule: str, X: Array, y: Any, trials: Any, weights: Any, coefficient: bool
) -> tuple[Array, Array, Array | None, float]:
    """Return successes, failures, weights and the constant of the log-likelihood."""
    (successes,) = read(y=y)
    if successes.shape != X.shape:
        raise DataError(f"{rule}: y has shape {successes.shape}; expected {X.shape}.")
    n = np.ones((), X.dtype) if trials is None else _per_row("trials", trials, X, X.shape)
    successes = successes.astype(X.dtype, copy=False)
    failures = n - successes
    if successes.min(initial=0) < 0 or failures.min(initial=0) < 0:
        raise DataError(f"{rule}: y must lie from 0 to the number of trials (1 unless given).")
    w = None if weights is None else _per_row("weights", weights, X, X.shape)
    constant = 0.0
    if coefficient and trials is not None:
        from scipy.special import gammaln

        each = gammaln(n + 1) - gammaln(successes + 1) - gammaln(failures + 1)
        constant = float(np.sum(each if w is None else w * each))
    return successes, failures, w, constant
