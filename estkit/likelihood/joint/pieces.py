"""Likelihoods that are known through counts: shares of categories; and what any piece provides.

Their parameters are those that are reported, shares, means and covariances, but for the last of
several shares, which is what the others leave. Each piece holds many independent likelihoods of one
shape, knows its maximum in closed form, and gives value, gradient and curvature anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.likelihood.counts import half_deviances
from estkit.likelihood.family import Floats, Sums
from estkit.likelihood.model import Coordinate
from estkit.likelihood.proportion import proportion

_ROUNDING = 1e-12  # of shares, which sum to 1


class Piece(Protocol):
    """A part of a likelihood with parameters of its own."""

    @property
    def size(self) -> int:
        """The number of free parameters."""
        ...

    def best(self) -> Floats:
        """Return the maximum."""
        ...

    def total(self, point: Floats) -> Sums:
        """Return value less `peak`, gradient and negative Hessian; -inf outside the domain."""
        ...

    def peak(self) -> float:
        """Return the value at the maximum."""
        ...

    def reported(self, point: Floats) -> Floats:
        """Return the reported parameters at a point."""
        ...

    def errors(self) -> Floats:
        """Return the standard errors of the reported parameters at the maximum."""
        ...

    def covariance(self) -> Floats:
        """Return the covariance of the free parameters at the maximum."""
        ...

    def jacobian(self) -> Floats:
        """Return what makes reported parameters from free ones."""
        ...

    def shift(self) -> Floats:
        """Return what is added then."""
        ...


@dataclass(frozen=True, eq=False)
class Shares:
    """Counts of C categories in each of B populations.

    Parameters
    ----------
    counts : array of shape (B, C)
        How often each category was seen.
    shown : int
        How many of the C shares are reported: all, or the first alone when C is 2.
    """

    counts: Floats
    shown: int

    @property
    def size(self) -> int:
        """The number of free shares."""
        return len(self.counts) * (int(self.counts.shape[1]) - 1)

    @cached_property
    def shares(self) -> Floats:
        """The shares of highest likelihood."""
        result: Floats = self.counts / self.counts.sum(axis=1, keepdims=True)
        return result

    @cached_property
    def base(self) -> NDArray[np.intp]:
        """The category of each population whose share is what the others leave: the largest."""
        return np.asarray(self.counts.argmax(axis=1)[:, None])

    @cached_property
    def inner(self) -> NDArray[np.intp]:
        """The other categories, of shape (B, C - 1)."""
        every = np.tile(np.arange(self.counts.shape[1]), (len(self.counts), 1))
        return np.asarray(every[every != self.base].reshape(len(every), -1))

    def _free(self, values: Floats) -> Floats:
        return np.take_along_axis(values, self.inner, axis=1)

    def _whole(self, point: Floats) -> Floats:
        free, share = point.reshape(len(self.counts), -1), np.empty(self.counts.shape)
        np.put_along_axis(share, self.inner, free, axis=1)
        np.put_along_axis(share, self.base, 1.0 - free.sum(axis=1, keepdims=True), axis=1)
        return share

    def best(self) -> Floats:
        """Return all shares but the largest of each population."""
        return self._free(self.shares).ravel()

    def reported(self, point: Floats) -> Floats:
        """Return the shares that are reported."""
        return self._whole(point)[:, : self.shown].ravel()

    def total(self, point: Floats) -> Sums:
        """Return Σ counts · log share less its maximum: what is not large where counts are.

        A share of 0 that belongs to a category that was not seen stays there.
        """
        share = self._whole(point)
        share[(self.counts == 0) & (np.abs(share) < _ROUNDING)] = 0.0
        outside = (share < 0) | ((share == 0) & (self.counts > 0))
        if outside.any() or not np.isfinite(share).all():
            return Sums(-np.inf, np.zeros(self.size), np.zeros((self.size, self.size)))
        seen = np.where(share > 0, share, 1.0)
        slope = np.where(share > 0, self.counts / seen, 0.0)
        curvature = slope / seen
        own, rest = self._free(curvature), np.take_along_axis(curvature, self.base, axis=1)
        gradient = self._free(slope) - np.take_along_axis(slope, self.base, axis=1)
        moves = self._free(self.counts) > 0
        gradient[~moves] = 0.0
        information, each = np.zeros((self.size, self.size)), self.inner.shape[1]
        for b, moving in enumerate(moves):
            part = slice(b * each, (b + 1) * each)
            both = np.outer(moving, moving)
            information[part, part] = np.diag(np.where(moving, own[b], 1.0)) + rest[b] * both
        totals = self.counts.sum(axis=1, keepdims=True)
        value = -float(half_deviances(self.counts, totals * share).sum())
        return Sums(value, gradient.ravel(), information)

    def peak(self) -> float:
        """Return the value at the maximum."""
        return self.value(self.shares)

    def value(self, shares: Floats) -> float:
        """Return Σ counts · log share for shares of shape (B, C)."""
        logs = np.log(np.where(self.counts > 0, shares, 1.0))
        return float((self.counts * logs).sum())

    def errors(self) -> Floats:
        """Return √(p (1 - p) / n); none (NaN) for a share of 0 or 1."""
        total = self.counts.sum(axis=1, keepdims=True)
        variance = self.counts * (total - self.counts) / total / total / total
        errors = np.sqrt(np.where(variance > 0, variance, np.nan))
        return errors[:, : self.shown].ravel()

    def limits(self, level: float) -> Floats:
        """Return profile limits; maximised over the others, the likelihood of each is binomial."""
        totals = np.repeat(self.counts.sum(axis=1), self.shown)
        seen = self.counts[:, : self.shown].ravel()
        found = proportion(seen, totals, level=level, method="likelihood_ratio")
        return np.column_stack([found.lower, found.upper])

    def covariance(self) -> Floats:
        """Return (diag(p) - p pᵀ) / n for each population."""
        result, each = np.zeros((self.size, self.size)), self.counts.shape[1] - 1
        for b, (share, total) in enumerate(
            zip(self._free(self.shares), self.counts.sum(axis=1), strict=True)
        ):
            part = slice(b * each, (b + 1) * each)
            result[part, part] = (np.diag(share) - np.outer(share, share)) / total
        return result

    def jacobian(self) -> Floats:
        """Return rows of the identity, and of -1 for what those leave that may move."""
        populations, each = self.inner.shape
        result = np.zeros((populations, each + 1, populations, each))
        for b, (inner, base) in enumerate(zip(self.inner, self.base[:, 0], strict=True)):
            result[b, inner, b, np.arange(each)] = 1.0
            result[b, base, b] = -1.0 * (self.counts[b, inner] > 0)
        return result[:, : self.shown].reshape(populations * self.shown, -1)

    def shift(self) -> Floats:
        """Return 1 for what the others leave."""
        result = np.zeros(self.counts.shape)
        np.put_along_axis(result, self.base, 1.0, axis=1)
        return result[:, : self.shown].ravel()

    def gradients(self, population: NDArray[np.int64], seen: Floats) -> Floats:
        """Return the slopes at the maximum for rows of a population that saw some categories.

        Parameters
        ----------
        population : array of shape (n,)
            The population of each row.
        seen : array of shape (n, C)
            How often the row saw each category.
        """
        share = self.shares[population]
        slope = np.where(share > 0, seen / np.where(share > 0, share, 1.0), 0.0)
        result = np.zeros((len(seen), *self.inner.shape))
        free = np.take_along_axis(slope, self.inner[population], axis=1)
        free -= np.take_along_axis(slope, self.base[population], axis=1)
        result[np.arange(len(seen)), population] = free
        return result.reshape(len(seen), -1)


def share_coordinate(name: str, row: Floats, moved: float, *, at_end: bool) -> Coordinate:
    """Return how a share hangs on the free ones; hypotheses about it must be possible.

    Raises
    ------
    DataError
        If the share is estimated as 0 or 1.
    """
    if at_end:
        raise DataError(
            f"{name!r} is estimated as 0 or 1, the end of its range, where tests do not hold; ask "
            f'for interval(method="profile").'
        )

    def inward(value: float) -> float:
        if not 0.0 < value < 1.0:
            raise DataError(
                f"{name} = {value:g} is not strictly between 0 and 1, so no model has it; pass "
                f"another value= (or name other parameters)."
            )
        return value - moved

    return Coordinate(row, lambda v: v + moved, inward)


def blocks(first: Floats, second: Floats) -> Floats:
    """Return a matrix with two blocks on its diagonal."""
    whole = np.zeros((len(first) + len(second), first.shape[1] + second.shape[1]))
    whole[: len(first), : first.shape[1]] = first
    whole[len(first) :, first.shape[1] :] = second
    return whole
