"""Drawing data: one data set, or a block of them along a leading axis, checked and handed out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from estkit.errors import StudyError
from estkit.montecarlo import calls
from estkit.montecarlo.antithetic import Antithetic
from estkit.montecarlo.conditions import Setting, describe
from estkit.montecarlo.samples import Samples
from estkit.montecarlo.streams import BLOCK, DATA, PROBE, Streams
from estkit.montecarlo.trees import alternating, as_arrays, closed, closed_array, each_array, stack

_NUMBERS_PER_BLOCK = 1 << 18  # two megabytes, which stay in cache
_LARGEST_BLOCK = 1024
_LOOPED_BLOCK = 100
SHARED_BLOCK = 16  # replicates in a block whose stream other conditions have, too


class Sample(NamedTuple):
    """A data set together with the truth behind it, when the truth differs between data sets.

    Parameters
    ----------
    data : any
        What the estimators get.
    truth : float, array or mapping
        The true value for this data set. An `Estimate` that is the same in all replicates widens
        Monte-Carlo errors by its standard error; errors of truths that differ are in the spread.

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
    arrays of shape (R,), an `Estimate` of R values, or what `fit_many` returns. Blocks are of fixed
    length (up to 1024, by the size of a data set) and always whole, also when fewer are asked for.

    Examples
    --------
    >>> import estkit as ek
    >>> draw = ek.vectorized(lambda rng, replicates, n: rng.normal(size=(replicates, n)))
    >>> spread = ek.vectorized(lambda x: x.max(axis=1) - x.min(axis=1))
    >>> study = ek.Study(draw, {"range": spread}, truth=3.078, conditions=ek.grid(n=[10]))
    >>> float(study.run(1000, rng=2).summary("bias").value[0].round(2))
    0.01
    """
    return Vectorized(function)


class Source:
    """Where the data sets of one condition come from.

    Parameters
    ----------
    generate : callable
        The user's function, possibly `Vectorized`.
    setting : Setting
        The condition, and what was prepared for it.
    streams : Streams
        Its random streams.
    antithetic : bool
        Whether replicates 2k and 2k + 1 draw opposite numbers from one stream.
    shared : bool
        Whether other conditions draw from the same streams.
    """

    def __init__(
        self,
        generate: Callable[..., Any],
        setting: Setting,
        streams: Streams,
        *,
        antithetic: bool = False,
        shared: bool = False,
    ) -> None:
        self.whole_blocks = isinstance(generate, Vectorized)
        function = generate.function if isinstance(generate, Vectorized) else generate
        self._call = calls.plan(
            function,
            "generate",
            named=["rng", "replicates", "condition", *setting.names],
            positional=["rng", "replicates"] if self.whole_blocks else ["rng"],
        )
        self._direct = None
        if not (self.whole_blocks or setting.every):
            self._direct = self._call.direct(["rng"], setting.at(0))
        self._setting, self._streams, self._antithetic = setting, streams, antithetic
        self._where = describe(setting.condition)
        self._probe: Drawn | None = None
        self.block_length = _LOOPED_BLOCK
        if self.whole_blocks:
            sizes: list[int] = []
            each_array(self.probe().stack(), lambda array: sizes.append(array.size // 2))
            self.block_length = SHARED_BLOCK if shared else _fitting_length(sum(sizes))
        if setting.every:
            pair = 2 if antithetic else 1
            self.block_length = pair * _dividing(setting.every // pair, self.block_length // pair)

    def block(self, number: int) -> Drawn:
        """Return a block; its data sets are drawn when they are asked for."""
        first, length = number * self.block_length, self.block_length
        if self.whole_blocks:
            return self._whole(number, first, length)
        return self.some(first, length)

    def some(self, first: int, length: int) -> Drawn:
        """Return consecutive data sets that are drawn one by one."""
        if self._antithetic:
            return Drawn(first, length, lambda row: self.one(first + row))
        at, draw = self._streams.at, self._draw
        return Drawn(first, length, lambda row: draw(at(first + row), first + row, 1))

    def one(self, replicate: int) -> Any:
        """Draw one data set."""
        if not self._antithetic:
            return self._draw(self._streams.at(replicate), replicate, 1)
        stream = self._streams.at(replicate // 2, DATA)
        return self._draw(Antithetic(stream, opposite=bool(replicate % 2)), replicate, 1)

    def probe(self) -> Drawn:
        """Return two data sets that belong to no replicate, to see what the functions do."""
        if self.whole_blocks:
            if self._probe is None:
                self._probe = self._whole(0, 0, 2, PROBE)
            return self._probe
        return Drawn(0, 2, lambda row: self._draw(self._streams.at(row, PROBE), 0, 1))

    def _whole(self, number: int, first: int, length: int, purpose: int = BLOCK) -> Drawn:
        if self._antithetic:
            halves = [
                self._checked(
                    Antithetic(self._streams.of_block(number, purpose), opposite=opposite),
                    first, length // 2,
                )
                for opposite in (False, True)
            ]  # fmt: skip
            return Drawn(
                first, length, None, *(alternating(*pair) for pair in zip(*halves, strict=True))
            )
        rng = self._streams.of_block(number, purpose)
        return Drawn(first, length, None, *self._checked(rng, first, length))

    def _checked(self, rng: np.random.Generator, first: int, length: int) -> tuple[Any, Any]:
        """Draw data sets at once, and return them and their truths, closed to writing."""
        data = self._draw(rng, first, length)
        truths: Any = None
        if isinstance(data, Sample):
            truths = as_arrays(data.truth, length)
            data = data.data
        self._check_length(data, length)
        self._check_length(truths, length)
        return closed(data), truths

    def _draw(self, rng: np.random.Generator, replicate: int, count: int) -> Any:
        try:
            if self._direct is not None:
                data = self._direct(rng)
            else:
                own = {"condition": dict(self._setting.condition), "rng": rng, "replicates": count}
                data = self._call({**self._setting.at(replicate), **own})
        except Exception as error:
            raise StudyError(
                f"generate raised {type(error).__name__} in replicate {replicate} of "
                f"{self._where}: {error}"
            ) from error
        if type(data) is np.ndarray:
            return data
        if data is None or (isinstance(data, Sample) and data.data is None):
            raise StudyError(
                f"generate returned None in replicate {replicate} of {self._where}; return the "
                f"data."
            )
        if type(data) is list and any(isinstance(part, np.ndarray) for part in data):
            return tuple(data)
        return data

    def _check_length(self, data: Any, count: int) -> None:
        shapes: list[tuple[int, ...]] = []
        each_array(data, lambda array: shapes.append(array.shape))
        wrong = [shape for shape in shapes if not shape or shape[0] != count]
        if wrong or (data is not None and not shapes):
            shown = f"shape {wrong[0]}" if wrong else f"no array but {type(data).__name__}"
            shown = "shape ()" if np.isscalar(data) else shown
            raise StudyError(
                f"generate is vectorized and was asked for {count} replicates in {self._where}, "
                f"but returned {shown}; put the replicates first."
            )


class Drawn:
    """A block of data sets: drawn one by one when asked for, or all at once as stacked arrays.

    Parameters
    ----------
    first : int
        The number of its first replicate.
    length : int
        How many replicates it has.
    draw : callable, optional
        Draws one data set; without it there is a stack.
    stacked : tree of arrays, optional
        All data sets, replicates first.
    truths : tree of arrays, optional
        The truths that came with them.
    """

    def __init__(
        self,
        first: int,
        length: int,
        draw: Callable[[int], Any] | None,
        stacked: Any = None,
        truths: Any = None,
    ) -> None:
        self.first, self.length = first, length
        self._draw, self._stacked, self._truths = draw, stacked, truths
        self._kept: dict[int, Any] = {}

    def data(self, row: int, *, keep: bool = False) -> tuple[Any, Any]:
        """Return one data set and its truth, if it came with one; kept ones are drawn only once."""
        if self._draw is None:
            truth = each_array(self._truths, lambda array: array[row])
            return each_array(self._stacked, lambda array: array[row]), truth
        if row not in self._kept:
            drawn = self._draw(row)
            if type(drawn) is np.ndarray and not keep:
                return closed_array(drawn), None
            data, truth = drawn if isinstance(drawn, Sample) else (drawn, None)
            if not keep:
                return closed(data), truth
            # the generator may fill the same memory again for the next one
            self._kept[row] = closed(each_array(data, np.copy)), truth
        kept: tuple[Any, Any] = self._kept[row]
        return kept

    def truths(self, rows: int) -> list[Any]:
        """Return the truths of the first data sets of a stack, if they came with any."""
        if self._truths is None:
            return []
        return [self.data(row)[1] for row in range(rows)]

    @cached_property
    def samples(self) -> Samples | None:
        """The data sets as plain samples, or None where they are something else."""
        stack = self.stack()
        plain = isinstance(stack, np.ndarray) and stack.ndim == 2 and stack.dtype == np.float64
        return Samples(stack) if plain and stack.size else None

    def stack(self) -> Any:
        """Return all data sets as arrays with the replicates first, or None if they do not fit."""
        if self._draw is None:
            return self._stacked
        try:
            return stack([self.data(row, keep=True)[0] for row in range(self.length)])
        except (ValueError, KeyError):
            return None


def _fitting_length(numbers: int) -> int:
    """Return how many replicates of that many numbers make a block: a power of two, in cache.

    It depends on the size of a data set and on nothing else, so the streams never change.
    """
    fitting = max(16, _NUMBERS_PER_BLOCK // max(1, numbers))
    return int(min(_LARGEST_BLOCK, 1 << (fitting.bit_length() - 1)))


def _dividing(every: int, longest: int) -> int:
    """Return the length of blocks that end where a group of `every` replicates ends."""
    lengths = range(1, math.isqrt(every) + 1)
    divisors = {d for low in lengths if every % low == 0 for d in (low, every // low)}
    return max(d for d in divisors if d <= longest)
