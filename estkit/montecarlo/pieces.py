"""Pieces: the parts of a store and the blocks that wait to be written, read as one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from estkit.montecarlo.execution import Block
from estkit.montecarlo.joining import join
from estkit.montecarlo.outcomes import FIELDS, Outcomes
from estkit.montecarlo.parts import Part

K = TypeVar("K")
V = TypeVar("V")
_KEPT = 32e6  # bytes of outcomes that were read and may be asked for again, at most
_NOTE = 100  # bytes that a reason or a warning takes, about


class Made(Mapping[K, V]):
    """Values that are made when they are asked for; a few of them are kept.

    Parameters
    ----------
    makers : mapping
        The function that makes each value.
    """

    def __init__(self, makers: Mapping[K, Callable[[], V]]) -> None:
        self._makers = dict(makers)
        self._kept: dict[K, V] = {}  # those used last at the end

    def __getitem__(self, key: K) -> V:
        value = self._kept.pop(key) if key in self._kept else self._makers[key]()
        self._kept[key] = value
        while len(self._kept) > 1 and sum(map(_weight, self._kept.values())) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return value

    def __iter__(self) -> Iterator[K]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __getstate__(self) -> dict[str, Any]:
        return {"_makers": self._makers, "_kept": {}}


class Waiting(NamedTuple):
    """A block that was not written yet; it is read as a part is."""

    block: Block

    @property
    def head(self) -> dict[str, Any]:
        """What a part says beside its outcomes; nothing yet."""
        return {"truth": {}, "controls": {}}

    @property
    def first(self) -> int:
        """The number of its first replicate."""
        return self.block.first

    @property
    def has_truths(self) -> bool:
        """Whether truths came with the data sets."""
        return bool(self.block.truths)

    @property
    def stop(self) -> int:
        """The number after that of its last replicate."""
        return self.block.first + self.block.size

    def names(self, name: str) -> tuple[str, ...] | None:
        """Return the names of the parameters of an estimator."""
        return self.block.outcomes[name].names

    def outcomes(self, name: str, start: int, stop: int) -> Outcomes:
        """Return the outcomes of an estimator in replicates `start` to `stop`."""
        return self.block.outcomes[name].rows(start - self.first, stop - self.first)

    def truths(self, start: int, stop: int) -> list[Any]:
        """Return the truths that came with the data sets, if they came."""
        return self.block.truths[start - self.first : stop - self.first]


Piece = Part | Waiting
Share = tuple[Piece, int, int]  # a piece, and which replicates are taken from it


def read_cell(shares: list[Share], name: str) -> Outcomes:
    """Return the outcomes of an estimator from the pieces that have them."""
    return join([piece.outcomes(name, start, stop) for piece, start, stop in shares])


def read_truths(shares: list[Share]) -> list[Any]:
    """Return the truths that came with data sets from the pieces that have them."""
    return [truth for piece, start, stop in shares for truth in piece.truths(start, stop)]


def has_truths(shares: list[Share]) -> bool:
    """Tell whether truths came with the data sets."""
    return bool(shares) and shares[0][0].has_truths


def cells_of(
    shares: Mapping[int, list[Share]], names: Sequence[str]
) -> Mapping[tuple[int, str], Outcomes]:
    """Return the outcomes by condition and name, each read when it is asked for."""
    makers = {
        (number, name): functools.partial(read_cell, own, name)
        for number, own in shares.items()
        for name in names
    }
    return Made(makers)


def names_in(shares: list[Share], name: str) -> tuple[str, ...] | None:
    """Return the names of the parameters of an estimator: those of its first answer."""
    found = (piece.names(name) for piece, _, _ in shares)
    return next((names for names in found if names is not None), None)


def cover(pieces: Iterable[Any], start: int, stop: int) -> list[tuple[Any, int, int]]:
    """Return which pieces give the replicates `start` to `stop`, each with its share of them.

    What is missing is given by None in the place of a piece.
    """
    chosen: list[tuple[Any, int, int]] = []
    ordered = sorted(pieces, key=lambda piece: (piece.first, -piece.stop))
    at = 0
    while start < stop:
        best = None
        while at < len(ordered) and ordered[at].first <= start:
            if ordered[at].stop > (start if best is None else best.stop):
                best = ordered[at]
            at += 1
        if best is None:
            following = next((p.first for p in ordered[at:] if p.stop > start), stop)
            end = min(stop, following)
        else:
            end = min(stop, best.stop)
        chosen.append((best, start, end))
        start = end
    return chosen


def _weight(value: Any) -> float:
    if isinstance(value, Outcomes):
        return size_of(value)
    return float(sum(getattr(part, "nbytes", 0) for part in value))


def size_of(outcome: Outcomes) -> float:
    """Return how many bytes outcomes take, about."""
    columns = [getattr(outcome, field) for field in FIELDS]
    notes = _NOTE * (len(outcome.reasons) + len(outcome.warnings))
    return float(sum(c.nbytes for c in columns if c is not None) + len(outcome) + notes)
