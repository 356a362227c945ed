"""Data sets as trees: arrays in nested tuples and mappings."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.estimate import Estimate


def each_array(tree: Any, function: Callable[[NDArray[Any]], Any]) -> Any:
    """Apply a function to every array in nested tuples and mappings; the rest stays as it is."""
    if isinstance(tree, np.ndarray):
        return function(tree)
    if isinstance(tree, tuple):
        parts = [each_array(part, function) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    if type(tree) is dict:
        return {name: each_array(part, function) for name, part in tree.items()}
    return tree


def closed(data: Any) -> Any:
    """Return data with its arrays closed to writing, since all estimators share them."""
    return each_array(data, closed_array)


def closed_array(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of an array that cannot be written to."""
    view = array.view()
    view.setflags(write=False)
    return view


def unshared(data: Any) -> Any:
    """Return data that an estimator may change without changing those of the next one."""
    return each_array(data, lambda array: array) if _only_arrays(data) else copy.deepcopy(data)


def _only_arrays(data: Any) -> bool:
    if isinstance(data, tuple | dict):
        return all(map(_only_arrays, data.values() if isinstance(data, dict) else data))
    if isinstance(data, np.ndarray):
        return bool(data.dtype.kind != "O")
    return data is None or isinstance(data, str | bytes | int | float | complex | np.generic)


def alternating(first: Any, second: Any) -> Any:
    """Return two trees of arrays as one, its rows taken from them in turn."""
    if isinstance(first, np.ndarray):
        merged = np.empty((2 * len(first), *first.shape[1:]), first.dtype)
        merged[0::2], merged[1::2] = first, second
        merged.flags.writeable = False
        return merged
    if isinstance(first, tuple):
        parts = [alternating(*pair) for pair in zip(first, second, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    if type(first) is dict:
        return {name: alternating(first[name], second[name]) for name in first}
    return first


def as_arrays(truth: Any, length: int) -> Any:
    """Return truths as arrays with an entry for each of `length` data sets."""
    if isinstance(truth, Mapping):
        return {name: as_arrays(part, length) for name, part in truth.items()}
    if isinstance(truth, Estimate) and np.shape(truth.value) == (length,):
        each = np.empty(length, dtype=object)
        own = truth.std_error
        errors = [None] * length if own is None else np.broadcast_to(own, length).tolist()
        for row, (value, error) in enumerate(zip(truth.value.tolist(), errors, strict=True)):
            each[row] = Estimate(value, std_error=error)
        return each
    array = np.asarray(truth)
    return np.full(length, array) if array.ndim == 0 and truth is not None else array


def stack(singles: list[Any]) -> Any:
    """Return data sets of equal shape as one tree of arrays, or raise ValueError."""
    first = singles[0]
    if len({type(single) for single in singles}) > 1:
        raise ValueError("data sets of different kinds cannot be stacked")
    if isinstance(first, np.ndarray):
        stacked = np.stack(singles)
        if stacked.dtype == object:
            raise ValueError("objects cannot be stacked")
        stacked.flags.writeable = False
        return stacked
    if isinstance(first, tuple) and len({len(single) for single in singles}) == 1:
        parts = [stack([single[i] for single in singles]) for i in range(len(first))]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    if isinstance(first, dict) and all(single.keys() == first.keys() for single in singles):
        return {name: stack([single[name] for single in singles]) for name in first}
    raise ValueError(f"{type(first).__name__} cannot be stacked")
