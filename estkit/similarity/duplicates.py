"""Rows that are there many times: a search needs no more of each kind than can be found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.data import is_sparse
from estkit.similarity.rows import Floats, Rows
from estkit.similarity.search import Search, products

_SAMPLE = 256  # rows that are looked at to see whether the others are worth it
_READ = 1024  # rows that are read at a time


@dataclass(frozen=True, eq=False)
class Picked:
    """Some of the rows of a table."""

    rows: Rows
    kept: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of columns."""
        return len(self.kept), self.rows.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""
        return self.rows.dtype

    @property
    def excluded(self) -> NDArray[np.bool_] | None:
        """The rows that do not count, if any."""
        outside = self.rows.excluded
        return None if outside is None else outside[self.kept]

    @property
    def held(self) -> bool:
        """Whether reading makes no copies."""
        return False

    def block(self, start: int, stop: int) -> Any:
        """Return consecutive rows."""
        return self.rows.take(self.kept[start:stop])

    def take(self, rows: NDArray[Any]) -> Any:
        """Return some rows."""
        return self.rows.take(self.kept[rows])


@dataclass(frozen=True, eq=False)
class Spared:
    """A search among the first rows of each kind, and how many of which kind are left out.

    Parameters
    ----------
    search : Search
        Among those that are kept.
    whole : Search
        Among all.
    kept : array of int
        The rows that are kept, ascending.
    first, count : array of int
        The first row of each kind of which some are left out, and how many these are.
    kind : array of int of shape (n,)
        Of each known row that is left out the number of its kind, else -1.
    """

    search: Search
    whole: Search
    kept: NDArray[np.intp]
    first: NDArray[np.intp]
    count: NDArray[np.intp]
    kind: NDArray[np.intp]

    def ties(self, start: int, stop: int, rows: NDArray[np.intp], last: Floats) -> Any:
        """Return how many of the rows left out are as near to a query as the last one found.

        `rows` are the last ones of the queries from `start` to `stop`, and `last` their scores.
        """
        search = self.whole
        found = np.zeros(stop - start, np.intp)
        full = rows >= 0
        asked = search.queries.block(start, stop)
        theirs = search.known.take(np.where(full, rows, 0))
        reached = np.einsum("ij,ij->i", asked, theirs)[:, None]
        slack = search.slack(start, stop)[:, None]  # of two products of a query
        for low in range(0, len(self.first), _READ):
            first = self.first[low : low + _READ]
            values = asked @ search.known.take(first).T
            row, kind = np.nonzero((abs(values - reached) <= slack) & full[:, None])
            equal = search.score(row + start, first[kind]) == last[row]
            np.add.at(found, row[equal], self.count[low + kind[equal]])
        if search.own:  # a row that is left out is not its own neighbour
            there = np.flatnonzero((self.kind[start:stop] >= 0) & full)
            own = self.first[self.kind[start + there]]
            found[there[search.score(there + start, own) == last[there]]] -= 1
        return found


def spare(search: Search, k: int, max_bytes: int) -> Spared | None:
    """Return a search among no more than k + 1 rows of each kind, if that leaves out many.

    None, too, if there is too little memory to look for them.

    Of equal rows, which have equal scores with any query, the first k + 1 are all that can be among
    the k best, one of them being the query itself at most.
    """
    known = search.known
    count = known.shape[0]
    if search.multiply is not products or count < 4 * _SAMPLE:
        return None
    if 2 * _READ * known.shape[1] * search.product_dtype.itemsize > max_bytes:
        return None
    some = np.sort(np.random.default_rng(0).choice(count, _SAMPLE, replace=False))
    sample = known.take(some)
    if is_sparse(sample) or len({row.tobytes() for row in sample}) == _SAMPLE:
        return None
    kinds = _kinds(known)
    order = np.argsort(kinds, kind="stable")
    sizes = np.bincount(kinds)
    place = np.empty(count, np.intp)
    place[order] = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = np.flatnonzero(place <= k)
    if 2 * len(kept) > count:
        return None
    counts = np.ones(count, bool) if known.excluded is None else ~known.excluded
    starts = order[np.cumsum(sizes) - sizes]
    many = np.flatnonzero((sizes > k + 1) & counts[starts])
    number = np.full(len(sizes), -1, np.intp)
    number[many] = np.arange(len(many))
    position = np.where(place <= k, np.cumsum(place <= k) - 1, -1)
    fewer = replace(
        search, known=Picked(known, kept), own=False, symmetric=False,
        score=_through(search.score, kept), places=position if search.own else None,
    )  # fmt: skip
    kind = np.where(place > k, number[kinds], -1)
    return Spared(fewer, search, kept, starts[many], sizes[many] - (k + 1), kind)


def _through(score: Callable[..., Floats], kept: NDArray[np.intp]) -> Callable[..., Floats]:
    return lambda rows, others: score(rows, kept[others])


def _kinds(known: Rows) -> NDArray[np.intp]:
    """Return a number for each row, the same for rows that hold the same bytes."""
    count = known.shape[0]
    numbers: dict[bytes, int] = {}
    kinds = np.empty(count, np.intp)
    for start in range(0, count, _READ):
        block = np.ascontiguousarray(known.block(start, min(start + _READ, count)))
        for offset, row in enumerate(block):
            digest = blake2b(row, digest_size=16).digest()
            kinds[start + offset] = numbers.setdefault(digest, len(numbers))
    return kinds
