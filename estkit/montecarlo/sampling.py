"""Drawing data: one data set, or a block of them along a leading axis, checked and handed out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.errors import StudyError
from estkit.montecarlo import calls
from estkit.montecarlo.streams import BLOCK, PROBE, Streams

_NUMBERS_PER_BLOCK = 1 << 17
_LARGEST_BLOCK = 512
_LOOPED_BLOCK = 100


class Sample(NamedTuple):
    """A data set together with the truth behind it, when the truth differs between data sets.

    Parameters
    ----------
    data : any
        What the estimators get.
    truth : float, array or mapping
        The true value for this data set.

    Examples
    --------
    >>> import estkit as ek
    >>> def generate(rng):
    ...     center = rng.normal()
    ...     return ek.Sample(rng.normal(center, size=20), truth=center)
    >>> result = ek.Study(generate, {"mean": np.mean}, truth=None).run(200, rng=1)
    >>> float(result.summary("rmse").value[0].round(2))
    0.21
    """

    data: Any
    truth: Any


@dataclass(frozen=True)
class Vectorized:
    """A function that takes or draws a whole block, replicates along the first axis."""

    function: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*args, **kwargs)


def vectorized(function: Callable[..., Any]) -> Vectorized:
    """Say that a function works on a block of replicates at once, along the leading axis.

    A generator gets ``(rng, replicates)`` and returns arrays whose first axis has that length; an
    estimator gets such arrays and returns an array of shape (R,) or (R, k), a mapping of names to
    arrays of shape (R,), an `Estimate` of R values, or what `fit_many` returns.

    Examples
    --------
    >>> import estkit as ek
    >>> draw = ek.vectorized(lambda rng, replicates, n: rng.normal(size=(replicates, n)))
    >>> spread = ek.vectorized(lambda x: x.max(axis=1) - x.min(axis=1))
    >>> study = ek.Study(draw, {"range": spread}, truth=3.078, conditions=ek.grid(n=[10]))
    >>> float(study.run(1000, rng=1).summary("bias").value[0].round(2))
    0.04
    """
    return Vectorized(function)


def describe(condition: Mapping[str, Any]) -> str:
    """Return a condition in words."""
    if not condition:
        return "the only condition"
    return "condition " + ", ".join(f"{name}={value!r}" for name, value in condition.items())


@dataclass(frozen=True, eq=False)
class Drawn:
    """A block of data sets, as one tree of stacked arrays or as a list of data sets."""

    first: int
    count: int
    stack: Any = None
    singles: list[Any] | None = None
    truths: Any = None

    def single(self, index: int) -> Any:
        """Return one data set; its arrays cannot be written to."""
        if self.singles is not None:
            return self.singles[index]
        return _each(self.stack, lambda array: array[index])

    def part(self, index: int) -> Any:
        """Return one data set as a block of length 1."""
        return _each(self.single(index), lambda array: array[None])

    def stacked(self) -> Any:
        """Return the block as arrays with the replicates first, or None where shapes differ."""
        if self.singles is None:
            return self.stack
        try:
            return _stack(self.singles)
        except ValueError:
            return None


class Source:
    """Where the data sets of one condition come from.

    Parameters
    ----------
    generate : callable
        The user's function, possibly `Vectorized`.
    condition : mapping
        The condition.
    streams : Streams
        Its random streams.
    """

    def __init__(
        self, generate: Callable[..., Any], condition: Mapping[str, Any], streams: Streams
    ) -> None:
        self.whole_blocks = isinstance(generate, Vectorized)
        function = generate.function if isinstance(generate, Vectorized) else generate
        self._call = calls.plan(
            function,
            "generate",
            named=["rng", "replicates", "condition", *condition],
            positional=["rng", "replicates"] if self.whole_blocks else ["rng"],
        )
        self._offer = {**condition, "condition": dict(condition)}
        self._where = describe(condition)
        self._streams = streams
        self.block_length = self._length() if self.whole_blocks else _LOOPED_BLOCK

    def block(self, number: int, most: int | None = None) -> Drawn:
        """Return block `number`, or its first `most` replicates."""
        first = number * self.block_length
        count = self.block_length if most is None else min(self.block_length, most)
        if self.whole_blocks:
            # always drawn whole, so that fewer replicates are a prefix of more
            rng = self._streams.at(number, BLOCK)
            data = self._draw(rng, first, self.block_length)
            truths: Any = None
            if isinstance(data, Sample):
                data, given = data
                closed = _checked_tree(given)
                truths = [_each(closed, operator.itemgetter(i)) for i in range(count)]
            stack = _each(self._checked(data, self.block_length), lambda array: array[:count])
            return Drawn(first, count, stack=stack, truths=truths)
        drawn = [self._one(replicate) for replicate in range(first, first + count)]
        true = [data.truth for data in drawn if isinstance(data, Sample)]
        if true and len(true) != count:
            raise StudyError(f"generate returned a Sample in some replicates only; {self._where}.")
        singles = [data.data if isinstance(data, Sample) else data for data in drawn]
        return Drawn(first, count, singles=singles, truths=true or None)

    def replicate(self, number: int) -> Drawn:
        """Return one replicate; of a vectorised generator, the block that holds it."""
        if self.whole_blocks:
            return self.block(number // self.block_length)
        data = self._one(number)
        truths = [data.truth] if isinstance(data, Sample) else None
        single = data.data if isinstance(data, Sample) else data
        return Drawn(number, 1, singles=[single], truths=truths)

    def _one(self, replicate: int) -> Any:
        data = self._draw(self._streams.at(replicate), replicate, 1)
        if isinstance(data, Sample):
            return Sample(_checked_tree(data.data), data.truth)
        return _checked_tree(data)

    @cached_property
    def probe(self) -> Drawn:
        """Two data sets that belong to no replicate, to see what the functions do with them."""
        if self.whole_blocks:
            data = self._draw(self._streams.at(0, PROBE), 0, 2)
            data = data.data if isinstance(data, Sample) else data
            return Drawn(0, 2, stack=self._checked(data, 2))
        drawn = [self._draw(self._streams.at(i, PROBE), 0, 1) for i in range(2)]
        singles = [data.data if isinstance(data, Sample) else data for data in drawn]
        return Drawn(0, 2, singles=[_checked_tree(data) for data in singles])

    def _length(self) -> int:
        """Return how many replicates make a block: a power of two that stays in cache.

        It depends on the size of a data set and on nothing else, so the streams never change.
        """
        numbers: list[int] = []
        _each(self.probe.stack, lambda array: numbers.append(array.size // 2))
        fitting = max(16, _NUMBERS_PER_BLOCK // max(1, sum(numbers)))
        return int(min(_LARGEST_BLOCK, 1 << (fitting.bit_length() - 1)))

    def _draw(self, rng: np.random.Generator, replicate: int, count: int) -> Any:
        offer = {**self._offer, "rng": rng, "replicates": count}
        try:
            data = self._call(offer)
        except Exception as error:
            raise StudyError(
                f"generate raised {type(error).__name__} in replicate {replicate} of "
                f"{self._where}: {error}"
            ) from error
        if data is None:
            raise StudyError(
                f"generate returned None in replicate {replicate} of {self._where}; return the "
                f"data."
            )
        return data

    def _checked(self, data: Any, count: int) -> Any:
        tree = _checked_tree(data)
        shapes: list[tuple[int, ...]] = []
        _each(tree, lambda array: shapes.append(array.shape))
        wrong = [shape for shape in shapes if not shape or shape[0] != count]
        if wrong or not shapes:
            raise StudyError(
                f"generate is vectorized and was asked for {count} replicates in {self._where}, "
                f"but returned shape {wrong[0] if wrong else '()'}; put the replicates first."
            )
        return tree


def _checked_tree(data: Any) -> Any:
    """Return data with its arrays closed to writing, since all estimators share them."""
    if isinstance(data, np.ndarray):
        closed = data.view()
        closed.flags.writeable = False
        return closed
    if isinstance(data, tuple | list) and any(isinstance(d, np.ndarray) for d in data):
        return tuple(_checked_tree(part) for part in data)
    if isinstance(data, Mapping):
        return {name: _checked_tree(part) for name, part in data.items()}
    return data


def _each(tree: Any, function: Callable[[NDArray[Any]], Any]) -> Any:
    """Apply a function to every array of a tree; other leaves stay as they are."""
    if isinstance(tree, np.ndarray):
        return function(tree)
    if type(tree) is tuple:
        return tuple([_each(part, function) for part in tree])
    if type(tree) is dict:
        return {name: _each(part, function) for name, part in tree.items()}
    return tree


def _stack(singles: list[Any]) -> Any:
    """Return data sets of equal shape as one tree of arrays, or raise ValueError."""
    first = singles[0]
    if isinstance(first, np.ndarray):
        stacked = np.stack(singles)
        stacked.flags.writeable = False
        return stacked
    if type(first) is tuple:
        return tuple(_stack([single[i] for single in singles]) for i in range(len(first)))
    if type(first) is dict:
        return {name: _stack([single[name] for single in singles]) for name in first}
    raise ValueError(f"{type(first).__name__} cannot be stacked")
