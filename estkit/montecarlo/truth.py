"""What is true: a number, a value for each parameter, or a function of the condition."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import StudyError
from estkit.estimate import Estimate
from estkit.montecarlo.conditions import called, describe


class Truth(NamedTuple):
    """The true value of each parameter, NaN where none was given, and its own standard error."""

    value: NDArray[np.float64]
    std_error: NDArray[np.float64]


def truth_of(
    truth: Any,
    condition: Mapping[str, Any],
    estimator: str,
    names: Sequence[str],
    others: Collection[str] = (),
    offer: Mapping[str, Any] | None = None,
) -> Truth:
    """Return the true value of each parameter of an estimator.

    Parameters
    ----------
    truth : float, array, mapping, Estimate, callable or None
        As it was given to the study, or with a data set.
    condition : mapping
        The condition.
    estimator : str
        The name of the estimator.
    names : sequence of str
        The names of its parameters.
    others : collection of str
        The names of all estimators, to which a mapping may be addressed instead.
    offer : mapping, optional
        What a truth that is a function may take by name; by default the condition.

    Raises
    ------
    StudyError
        If a vector has the wrong length, a mapping names neither an estimator nor a parameter, or
        a value is no number.
    """
    if callable(truth):
        truth = called("truth", truth, condition, offer)
    truth = _by_name(truth)
    if isinstance(truth, Mapping):
        if estimator in truth:
            return truth_of(truth[estimator], condition, estimator, names, (), offer)
        if not set(truth) & {*names, *others}:
            raise StudyError(
                f"truth names {', '.join(map(repr, truth))}, but neither the estimator "
                f"{estimator!r} nor one of its parameters ({', '.join(names)}) in "
                f"{describe(condition)}; give it a value, or nan."
            )
        single = [
            truth_of(truth.get(name), condition, estimator, [name], (), offer) for name in names
        ]
        return Truth(*(np.concatenate(parts) for parts in zip(*single, strict=True)))
    error = getattr(truth, "std_error", None)
    value = _numbers(np.nan if truth is None else getattr(truth, "value", truth), condition)
    if value.ndim and len(value) != len(names):
        raise StudyError(
            f"truth has {len(value)} values, but estimator {estimator!r} has {len(names)} "
            f"parameters ({', '.join(names)}) in {describe(condition)}."
        )
    errors = 0.0 if error is None else _numbers(error, condition)
    return Truth(np.full(len(names), value), np.full(len(names), errors))


def _by_name(truth: Any) -> Any:
    """Return a truth whose values have names, as an `Estimate` or a series, as a mapping."""
    if isinstance(truth, Estimate):
        vector = isinstance(truth.value, np.ndarray)
        if truth.names == Estimate(truth.value).names or not vector:
            return truth
        errors = truth.std_error if truth.std_error is not None else np.zeros(len(truth.names))
        parts = zip(truth.value, errors, strict=True)
        return dict(zip(truth.names, (Estimate(v, std_error=e) for v, e in parts), strict=True))
    index: Any = getattr(truth, "index", ())
    named = hasattr(truth, "to_numpy") and not callable(index)
    if named and all(isinstance(name, str) for name in index):
        return dict(zip(index, truth.to_numpy(), strict=True))
    return truth


def _numbers(value: Any, condition: Mapping[str, Any]) -> NDArray[np.float64]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.ndim > 1:
        raise StudyError(f"truth must be numbers, got {value!r:.80} in {describe(condition)}.")
    return array.astype(float)


def drawn_truth(
    source: Callable[[], Sequence[Any]],
    condition: Mapping[str, Any],
    estimator: str,
    names: Sequence[str],
) -> Truth:
    """Return the truth of every replicate, shape (R, k), from what came with the data sets.

    One truth that came with all of them has its own standard error, if it has one. The errors of
    different truths are in the spread of what they are subtracted from.
    """
    each = [truth_of(truth, condition, estimator, names) for truth in source()]
    values, errors = (np.array(parts) for parts in zip(*each, strict=True))
    one = (values == values[0]).all(axis=0) & (errors == errors[0]).all(axis=0)
    return Truth(values, np.where(one, errors[0], 0.0))


def leaves_of(truth: Any) -> tuple[Any, list[float]]:
    """Return a truth as numbers in a row, and the tree that says where each belongs.

    Examples
    --------
    >>> from estkit.montecarlo.truth import leaves_of, tree_of
    >>> tree, leaves = leaves_of({"mean": 1, "spread": [2.0, 3.0]})
    >>> tree, leaves
    ({'mean': None, 'spread': 2}, [1.0, 2.0, 3.0])
    >>> tree_of(tree, iter(leaves))
    {'mean': 1.0, 'spread': array([2., 3.])}
    """
    truth = _by_name(truth)
    if isinstance(truth, Mapping):
        parts = {str(name): leaves_of(part) for name, part in truth.items()}
        leaves = [leaf for _, own in parts.values() for leaf in own]
        return {name: tree for name, (tree, _) in parts.items()}, leaves
    value = _numbers(np.nan if truth is None else getattr(truth, "value", truth), {})
    size = len(value) if value.ndim else None
    error = getattr(truth, "std_error", None)
    if error is None:
        return size, value.reshape(-1).tolist()
    errors = np.broadcast_to(_numbers(error, {}), value.shape)
    return [size], [*value.reshape(-1).tolist(), *errors.reshape(-1).tolist()]


def tree_of(tree: Any, leaves: Iterator[float]) -> Any:
    """Return a truth again from what `leaves_of` made of it."""
    if isinstance(tree, dict):
        return {name: tree_of(part, leaves) for name, part in tree.items()}
    if isinstance(tree, list):  # of an `Estimate`: values, then their standard errors
        return Estimate(tree_of(tree[0], leaves), std_error=tree_of(tree[0], leaves))
    return next(leaves) if tree is None else np.array([next(leaves) for _ in range(tree)])
