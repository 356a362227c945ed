"""Rows sorted by stratum, and the sums over strata of a likelihood conditional on their cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.matched.subsets import ABSENT, Floats, Subsets

_NUMBERS = 1 << 16  # of the arrays that are worked on at a time, as far as strata allow
_EXACT = 8  # up to here strata are filled up to no more rows than they have


class Answer(NamedTuple):
    """The logarithms of the sums over choices, and the probability of each row to be chosen."""

    log_sums: Floats
    chosen: Floats


@dataclass(frozen=True, eq=False)
class Part:
    """Strata that are computed together, filled up to the same number of rows m.

    Parameters
    ----------
    strata : array of shape (S,)
        Their numbers.
    table : array of shape (m, S)
        The positions of their rows; one past the end where there is none.
    chosen : array of shape (S,)
        How many rows are chosen in each.
    """

    strata: NDArray[np.int64]
    table: NDArray[np.int64]
    chosen: NDArray[np.int64]

    @property
    def single(self) -> bool:
        """Whether one row is chosen in each: a softmax over the rows."""
        return bool((self.chosen == 1).all())

    def answer(self, eta: Floats) -> Answer:
        """Return the answer for η of shape (m, S)."""
        if not self.single:
            subsets = Subsets.of(eta, self.chosen)
            return Answer(subsets.log_sum, subsets.probabilities()[0])
        top = eta.max(axis=0)
        share = np.exp(eta - top)
        total = share.sum(axis=0)
        return Answer(top + np.log(total), share / total)

    def information(self, eta: Floats, x: Floats, weights: Floats) -> tuple[Answer, Floats]:
        """Return the same and Σ w · covariance of the sum of x (p, m, S) over the chosen rows."""
        if not self.single:
            subsets = Subsets.of(eta, self.chosen)
            chosen, undecided = subsets.probabilities()
            information = subsets.covariance(x, undecided, weights)
            return Answer(subsets.log_sum, chosen), information
        answer = self.answer(eta)
        mean = (x * answer.chosen).sum(axis=1, keepdims=True)
        scaled = ((x - mean) * np.sqrt(answer.chosen * weights)).reshape(len(x), -1)
        return answer, scaled @ scaled.T


@dataclass(frozen=True, eq=False)
class Strata:
    """Strata with cases and others, their rows next to each other.

    The smaller of the two is what is chosen: cases by η, or the others by -η.

    Parameters
    ----------
    order : array of shape (n,)
        The row that stands at each position.
    starts : array of shape (S + 1,)
        The position of the first row of each stratum, and n.
    is_case : array of shape (n,)
        Which positions hold cases.
    weights : array of shape (S,)
        How many times each stratum was observed.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    is_case: NDArray[np.bool_]
    weights: Floats

    @classmethod
    def of(
        cls, codes: NDArray[np.int64], is_case: NDArray[np.bool_], weights: Floats | None
    ) -> Strata:
        """Return the strata that say anything, from the stratum and the weight of each row."""
        sizes, cases = np.bincount(codes), np.bincount(codes, is_case).astype(np.int64)
        telling = (cases > 0) & (cases < sizes)
        if weights is not None:
            telling &= np.bincount(codes, weights) > 0
        order = np.argsort(codes, kind="stable")
        order = order[telling[codes[order]]]
        first, _ = _runs(codes[order])
        own = np.ones(len(first)) if weights is None else weights[order[first]]
        return cls(order, np.append(first, len(order)), is_case[order], own)

    def __len__(self) -> int:
        return len(self.weights)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """The number of rows of each stratum."""
        return np.diff(self.starts)

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """The stratum of each position."""
        return np.repeat(np.arange(len(self)), self.sizes)

    @cached_property
    def cases(self) -> NDArray[np.int64]:
        """The number of cases of each stratum."""
        return np.add.reduceat(self.is_case.astype(np.int64), self.starts[:-1])

    @cached_property
    def sign(self) -> Floats:
        """1 where cases are chosen, and -1 where the others are, which are fewer; by position."""
        return np.where(2 * self.cases <= self.sizes, 1.0, -1.0)[self.owner]

    @cached_property
    def chosen(self) -> NDArray[np.int64]:
        """How many rows are chosen in each stratum."""
        fewer: NDArray[np.int64] = np.minimum(self.cases, self.sizes - self.cases)
        return fewer

    def centred(self, x: Floats) -> Floats:
        """Return columns with the mean of each stratum taken away, exact for any origin."""
        moved = x - x[self.starts[:-1]][self.owner]
        means = np.add.reduceat(moved, self.starts[:-1], axis=0)
        means /= self.sizes.reshape(-1, *[1] * (x.ndim - 1))
        result: Floats = moved - means[self.owner]
        return result

    def parts(self, columns: int) -> list[Part]:
        """Return the strata in parts of similar shape, small enough for the cache if they can."""
        found = []
        shape = np.stack([_filled_up(self.chosen), _filled_up(self.sizes)])
        for choices, rows in np.unique(shape, axis=1).T:
            alike = np.flatnonzero((shape[0] == choices) & (shape[1] == rows))
            deep = rows if choices == 1 else choices
            together = max(1, _NUMBERS // int(deep * max(columns, 8)))
            for first in range(0, len(alike), together):
                some = alike[first : first + together]
                table = self.starts[some] + np.arange(rows)[:, None]
                table[np.arange(rows)[:, None] >= self.sizes[some]] = len(self.order)
                found.append(Part(some, table, self.chosen[some]))
        return found

    def inclusion(self, eta: Floats) -> Floats:
        """Return the probability of each position to hold a case."""
        filled = np.append(self.sign * eta, ABSENT)
        chosen = np.empty(len(filled))
        for part in self.parts(1):
            chosen[part.table] = part.answer(filled[part.table]).chosen
        return np.where(self.sign > 0, chosen[:-1], 1.0 - chosen[:-1])

    def pairs(self, most: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the positions of cases and of others to compare with them, about `most` a time."""
        cases, others = np.flatnonzero(self.is_case), np.flatnonzero(~self.is_case)
        number = self.sizes - self.cases
        first_other = (np.cumsum(number) - number)[self.owner[cases]]
        each = number[self.owner[cases]]  # how many others there are for a case
        task = np.cumsum(each) // most
        for start, stop in zip(*_runs(task), strict=True):
            some = each[start:stop]
            within = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
            case = np.repeat(cases[start:stop], some)
            yield case, others[np.repeat(first_other[start:stop], some) + within]


def _runs(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each run of equal numbers begins and ends."""
    changes = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    ends = np.append(changes, len(codes))[: len(codes)]
    return np.append(0, changes)[: len(codes)], ends


def _filled_up(count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return counts rounded up by less than a quarter, so that few differ."""
    unit = 2 ** np.maximum(np.floor(np.log2(np.maximum(count, 1))).astype(np.int64) - 2, 0)
    return np.asarray(np.where(count <= _EXACT, count, -(-count // unit) * unit), np.int64)
