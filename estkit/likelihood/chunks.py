"""``Chunks``: data in pieces that are read anew on every pass, from wherever they lie."""

from __future__ import annotations

import pickle
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, MissingExtraError
from estkit.frames import as_frame
from estkit.likelihood.weights import KINDS

T = TypeVar("T")


class Chunk(NamedTuple):
    """One piece: covariates, responses, weights, offsets and groups of some rows."""

    X: Any
    y: Any
    weights: Any
    offset: Any
    groups: Any = None


class Mark(NamedTuple):
    """By what a piece is known again: its length, and a sum that follows its values."""

    rows: int
    checksum: int


def checksum(array: NDArray[Any], seed: int = 0) -> int:
    """Return a number that differs, but for one chance in billions, between different arrays.

    The bytes are added up as whole numbers in columns, as fast as they are read from memory, and
    the sums hashed; a prime number of columns, so that rows that change places are noticed.
    """
    flat = np.ascontiguousarray(array.T if array.flags.f_contiguous else array).reshape(-1)
    words = flat.view(np.uint8)
    if flat.nbytes % 8 == 0:
        words = words.view(np.uint64)
    whole = len(words) - len(words) % _COLUMNS
    sums = words[:whole].reshape(-1, _COLUMNS).sum(axis=0, dtype=np.uint64)
    return zlib.crc32(words[whole:].tobytes(), zlib.crc32(sums, seed))


class Chunks:
    """Data in pieces, for fits whose data do not fit into memory.

    A fit reads the pieces in order, several times over; at any moment it holds one of them. The
    numbers are those of the same rows in memory. Pieces that are not the same on every reading
    are refused.

    Parameters
    ----------
    source : callable, iterable, or Dask collection
        What gives the pieces: a function without arguments that returns a new iterator each time;
        a list or any other object that can be iterated over again; an iterator that runs out, which
        is written to a temporary file on its first pass; or a Dask frame, whose partitions are
        summed where they lie. A piece is (X, y), (X, y, weights), (X, y, weights, offset) or
        (X, y, weights, offset, groups), with None for what there is not; or a data frame whose
        columns are named below.
    y, weights, offset, groups : str, optional
        The columns of the frames that hold the response, weights, the offset, and the label of the
        group of each row, for cluster covariances; y may be a list of columns for counts. A group
        may go on in other pieces.
    columns : sequence of str, optional
        The covariates; by default all other columns of the frames.
    weighting : {"frequency", "sampling", "analytic"}
        What the weights mean, see `fit`. With analytic weights, and only then, the y of `Binomial`
        and `Softmax` holds shares.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> def pieces():
    ...     for seed in range(10):
    ...         rng = np.random.default_rng(seed)
    ...         X = rng.standard_normal((500, 2))
    ...         yield X, X[:, 0] > rng.standard_normal(500)
    >>> fit = ek.fit(ek.Binomial(), ek.Chunks(pieces))
    >>> fit.n_obs, fit.names
    (5000, ('intercept', 'x0', 'x1'))
    >>> fit.params.round(2) + 0.0
    array([-0.05,  1.66,  0.02])
    """

    def __init__(
        self,
        source: Any,
        *,
        y: Any = None,
        weights: str | None = None,
        offset: str | None = None,
        groups: str | None = None,
        columns: Any = None,
        weighting: str = "frequency",
    ) -> None:
        if weighting not in KINDS:
            raise DataError(f"weighting must be one of {', '.join(KINDS)}, got {weighting!r}.")
        self.weighting = weighting
        self.y, self.weights, self.offset, self.groups = y, weights, offset, groups
        self.columns = columns
        self._frames = _partitions(source)
        if self._frames is None and not (callable(source) or hasattr(source, "__iter__")):
            raise DataError(
                f"source must be a function that returns an iterator, or something to iterate "
                f"over, got {source!r:.60}."
            )
        runs_out = not callable(source) and hasattr(source, "__next__")
        self._source = _Spool(source) if runs_out else source
        self.held = isinstance(self._source, list | tuple | _Spool)  # not made anew

    @classmethod
    def parquet(
        cls,
        path: Any,
        *,
        y: Any,
        weights: str | None = None,
        offset: str | None = None,
        groups: str | None = None,
        columns: Any = None,
        rows: int = 65_536,
        weighting: str = "frequency",
    ) -> Chunks:
        """Return the pieces of a Parquet file, or of several, of about `rows` rows each.

        Needs the extra ``store``.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> import pandas as pd
        >>> import estkit as ek
        >>> frame = pd.DataFrame({"x": [1, 2, 3, 4, 5, 6], "hit": [0, 0, 1, 0, 1, 1]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder) / "hits.parquet"
        ...     frame.to_parquet(file)
        ...     fit = ek.fit(ek.Binomial(), ek.Chunks.parquet(file, y="hit", rows=2))
        >>> fit.params.round(4)
        array([-4.2491,  1.214 ])
        """
        try:
            import pyarrow as arrow
            from pyarrow import parquet
        except ImportError as error:
            raise MissingExtraError(
                "Parquet files need pyarrow, which is not installed; install estkit[store]."
            ) from error
        paths = list(path) if isinstance(path, list | tuple) else [path]
        wanted = None
        if columns is not None:
            named = [*([y] if isinstance(y, str) else y), weights, offset, groups]
            wanted = [*columns, *(name for name in named if name is not None)]

        def read() -> Iterator[Any]:
            for each in paths:
                with parquet.ParquetFile(each) as file:
                    for batch in file.iter_batches(batch_size=rows, columns=wanted):
                        yield arrow.Table.from_batches([batch])

        return cls(
            read,
            y=y,
            weights=weights,
            offset=offset,
            groups=groups,
            columns=columns,
            weighting=weighting,
        )

    def map(self, function: Callable[[Chunk], T]) -> Iterator[T]:
        """Yield ``function(chunk)`` of each piece that has rows, in order.

        Partitions of a Dask collection are worked on by the user's scheduler, where they lie.
        """
        if self._frames is not None:
            yield from self._mapped(function)
            return
        found = False
        for piece in self._source() if callable(self._source) else self._source:
            found = True
            chunk = self._split(piece)
            if _length(chunk.X):
                yield function(chunk)
        if not found:
            raise DataError(
                "The source gave no pieces; a function must return a new iterator on every call."
            )

    def _mapped(self, function: Callable[[Chunk], T]) -> Iterator[T]:
        from importlib import import_module

        dask: Any = import_module("dask")

        def on_part(piece: Any) -> T | None:
            chunk = self._split(piece)
            return function(chunk) if _length(chunk.X) else None

        assert self._frames is not None
        tasks = [dask.delayed(on_part, pure=False)(frame) for frame in self._frames]
        for first in range(0, len(tasks), _AT_ONCE):
            for answer in dask.compute(*tasks[first : first + _AT_ONCE]):
                if answer is not None:
                    yield answer

    def map_again(
        self, function: Callable[[Chunk], tuple[Mark, T]], marks: Sequence[Mark]
    ) -> Iterator[T]:
        """Yield answers to pieces that had these marks when they were first read.

        The function returns the mark of its piece beside the answer.
        """
        rows = 0
        for place, (mark, answer) in enumerate(self.map(function)):
            if place < len(marks) and mark != marks[place]:
                raise DataError(
                    f"Piece {place} of the source (counted from 0, without empty ones), which "
                    f"begins at row {rows}, is not what it was when it was first read: it had "
                    f"{marks[place].rows} rows and has {mark.rows}"
                    f"{', with other values' * (mark.rows == marks[place].rows)}; a function must "
                    f"return the same pieces on every call, so seed what it draws anew on each."
                )
            rows += mark.rows
            yield answer
        first = sum(mark.rows for mark in marks)
        if rows != first:
            raise DataError(
                f"The source gave {first} rows when it was first read and {rows} later; a "
                f"function must return the same pieces on every call."
            )

    def __reduce__(self) -> Any:
        """Travel without the source: a worker is given its piece."""
        named = (self.y, self.weights, self.offset, self.groups, self.columns, self.weighting)
        return _without_source, named

    def _split(self, piece: Any) -> Chunk:
        if isinstance(piece, tuple | list) and 2 <= len(piece) <= 5 and self.y is None:
            given = Chunk(*piece, *[None] * (5 - len(piece)))
            return given
        frame = as_frame(piece)
        if frame is None or self.y is None:
            raise DataError(
                f"A piece must be a pair (X, y), or a data frame whose response is named by y=; "
                f"got {type(piece).__name__}."
            )
        response = [self.y] if isinstance(self.y, str) else list(self.y)
        others = (self.weights, self.offset, self.groups)
        apart = [*response, *(name for name in others if name is not None)]
        names = [name for name in frame.columns if name not in apart]
        names = names if self.columns is None else list(self.columns)
        lacking = [name for name in [*apart, *names] if name not in frame.columns]
        if lacking:
            raise DataError(
                f"A piece has no column {lacking[0]!r}; its columns are {', '.join(frame.columns)}."
            )
        one = len(response) == 1
        return Chunk(
            frame.select(names).to_native(),
            frame[response[0]].to_native() if one else frame.select(response).to_native(),
            *(None if name is None else frame[name].to_native() for name in others),
        )


_COLUMNS = 509
_AT_ONCE = 64  # partitions whose sums are held together


def _without_source(
    y: Any, weights: Any, offset: Any, groups: Any, columns: Any, weighting: str
) -> Chunks:
    named = {"y": y, "weights": weights, "offset": offset, "groups": groups, "columns": columns}
    return Chunks(list, weighting=weighting, **named)


def _length(X: Any) -> int:
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def _partitions(source: Any) -> list[Any] | None:
    """Return the parts of a Dask frame, or pairs of blocks of Dask arrays; else None."""
    if isinstance(source, tuple) and len(source) == 2 and all(map(is_dask, source)):
        X, y = source
        if X.ndim != 2 or X.numblocks[1] != 1 or X.chunks[0] != y.chunks[0]:
            raise DataError(
                f"Dask arrays must have the same blocks of rows and all columns in one block; X "
                f"has {X.chunks} and y {y.chunks}. Use rechunk."
            )
        return list(
            zip(X.to_delayed()[:, 0].tolist(), y.to_delayed().ravel().tolist(), strict=True)
        )
    return list(source.to_delayed()) if is_dask(source) else None


def is_dask(given: Any) -> bool:
    """Tell whether `given` is a Dask frame or array."""
    module = type(given).__module__.split(".")[0]
    return module in ("dask", "dask_expr") and hasattr(given, "to_delayed")


class _Spool:
    """An iterator that runs out, written to a temporary file when it is first read."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source: Iterator[Any] | None = source
        self._file = tempfile.TemporaryFile()
        weakref.finalize(self, self._file.close)

    def __iter__(self) -> Iterator[Any]:
        if self._source is not None:
            source, self._source = self._source, None
            for piece in source:
                pickle.dump(piece, self._file, protocol=pickle.HIGHEST_PROTOCOL)
            self._file.flush()
        self._file.seek(0)
        while True:
            try:
                yield pickle.load(self._file)  # what was written above, and nothing else
            except EOFError:
                return
