"""Likelihoods that are known through counts or moments: shares of categories, and normal laws.

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

from estkit.likelihood.counts import half_deviances
from estkit.likelihood.family import Floats, Sums


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

    def best(self) -> Floats:
        """Return all shares but the last of each population."""
        return self.shares[:, :-1].ravel()

    def reported(self, point: Floats) -> Floats:
        """Return the shares that are reported."""
        free = point.reshape(len(self.counts), -1)
        whole = np.column_stack([free, 1.0 - free.sum(axis=1)])
        return whole[:, : self.shown].ravel()

    def total(self, point: Floats) -> Sums:
        """Return Σ counts · log share less its maximum: what is not large where counts are."""
        free = point.reshape(len(self.counts), -1)
        last = 1.0 - free.sum(axis=1)
        share = np.column_stack([free, last])
        outside = (share < 0) | ((share == 0) & (self.counts > 0))
        if outside.any() or not np.isfinite(share).all():
            return Sums(-np.inf, np.zeros(self.size), np.zeros((self.size, self.size)))
        seen = np.where(share > 0, share, 1.0)
        slope = np.where(share > 0, self.counts / seen, 0.0)
        curvature = slope / seen
        information = np.zeros((self.size, self.size))
        each = free.shape[1]
        for b, (own, rest) in enumerate(zip(curvature[:, :-1], curvature[:, -1], strict=True)):
            part = slice(b * each, (b + 1) * each)
            information[part, part] = np.diag(own) + rest
        totals = self.counts.sum(axis=1, keepdims=True)
        value = -float(half_deviances(self.counts, totals * share).sum())
        return Sums(value, (slope[:, :-1] - slope[:, -1:]).ravel(), information)

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

    def covariance(self) -> Floats:
        """Return (diag(p) - p pᵀ) / n for each population."""
        result, each = np.zeros((self.size, self.size)), self.counts.shape[1] - 1
        for b, (share, total) in enumerate(
            zip(self.shares[:, :-1], self.counts.sum(axis=1), strict=True)
        ):
            part = slice(b * each, (b + 1) * each)
            result[part, part] = (np.diag(share) - np.outer(share, share)) / total
        return result

    def jacobian(self) -> Floats:
        """Return rows of the identity, and -1 for the last share of a population."""
        populations, categories = self.counts.shape
        one = np.vstack([np.eye(categories - 1), -np.ones(categories - 1)])[: self.shown]
        return np.kron(np.eye(populations), one)

    def shift(self) -> Floats:
        """Return 1 for the last share of a population."""
        populations, categories = self.counts.shape
        return np.tile(np.append(np.zeros(categories - 1), 1.0)[: self.shown], populations)

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
        result = np.zeros((len(seen), len(self.counts), self.counts.shape[1] - 1))
        result[np.arange(len(seen)), population] = slope[:, :-1] - slope[:, -1:]
        return result.reshape(len(seen), -1)


@dataclass(frozen=True, eq=False)
class Normals:
    """Moments of p columns in B populations, in each of which G groups share a covariance.

    The parameters of a population are G · p means and then the p (p + 1) / 2 entries of the
    covariance, (1,1), (1,2), ..., (2,2), ...

    Parameters
    ----------
    counts : array of shape (B, G)
        The number of observations in each group.
    means : array of shape (B, G, p)
        Their means.
    scatter : array of shape (B, p, p)
        Sums of squares and products around these, over the groups of a population, divided by the
        number of observations: the covariance of highest likelihood.
    unit, origin : array of shape (B, p)
        A column x is held as (x - origin) / unit.
    """

    counts: Floats
    means: Floats
    scatter: Floats
    unit: Floats
    origin: Floats

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.triu_indices(self.means.shape[2])

    @property
    def each(self) -> int:
        """The number of parameters of a population."""
        return int(self.means[0].size) + len(self._pairs[0])

    @property
    def size(self) -> int:
        """The number of parameters."""
        return len(self.counts) * self.each

    def best(self) -> Floats:
        """Return the means and covariances."""
        first, second = self._pairs
        means = self.means.reshape(len(self.means), -1)
        return np.hstack([means, self.scatter[:, first, second]]).ravel()

    def split(self, point: Floats) -> tuple[Floats, Floats]:
        """Return means and covariances at a point."""
        table = point.reshape(len(self.counts), self.each)
        means = table[:, : self.means[0].size].reshape(self.means.shape)
        covariance = np.empty_like(self.scatter)
        first, second = self._pairs
        covariance[:, first, second] = covariance[:, second, first] = table[:, means[0].size :]
        return means, covariance

    def total(self, point: Floats) -> Sums:
        """Return the log-likelihood without its constant, less its maximum."""
        value, gradient = -self.peak(), np.empty((len(self.counts), self.each))
        information = np.zeros((self.size, self.size))
        if not np.isfinite(point).all():
            return Sums(-np.inf, np.zeros(self.size), information)
        for b, (means, covariance) in enumerate(zip(*self.split(point), strict=True)):
            try:
                lower = np.linalg.cholesky(covariance)
            except np.linalg.LinAlgError:
                return Sums(-np.inf, np.zeros(self.size), np.zeros_like(information))
            part = slice(b * self.each, (b + 1) * self.each)
            own = self._one(b, means, np.linalg.inv(covariance))
            value += own[0] - self.counts[b].sum() * float(np.log(lower.diagonal()).sum())
            gradient[b], information[part, part] = own[1], own[2]
        return Sums(value, gradient.ravel(), information)

    def _one(self, b: int, means: Floats, precision: Floats) -> tuple[float, Floats, Floats]:
        """Return the sums of one population but for the determinant."""
        counts, (first, second) = self.counts[b], self._pairs
        away = self.means[b] - means  # (G, p)
        total = counts.sum()
        spread = self.scatter[b] + (away.T * counts) @ away / total
        pull, twice = away @ precision, np.where(first == second, 1.0, 2.0)
        slope = precision @ spread @ precision - precision
        gradient = np.concatenate(
            [(counts[:, None] * pull).ravel(), 0.5 * total * twice * slope[first, second]]
        )
        p, groups = len(precision), len(counts)
        units = np.zeros((len(first), p, p))
        number = np.arange(len(first))
        units[number, first, second] = units[number, second, first] = 1.0
        moved = units @ precision  # how an entry moves the precision, but for P before it
        mixed = np.einsum("g,gi,aij->gja", counts, pull, moved)
        middle = precision @ spread @ precision - 0.5 * precision
        bent = total * np.einsum("aij,bji->ab", moved, units @ middle)
        information = np.zeros((self.each, self.each))
        cut = groups * p
        information[:cut, :cut] = np.kron(np.diag(counts), precision)
        information[:cut, cut:] = mixed.reshape(cut, -1)
        information[cut:, :cut] = information[:cut, cut:].T
        information[cut:, cut:] = bent
        return -0.5 * total * float(np.sum(precision * spread)), gradient, information

    def peak(self) -> float:
        """Return the value at the maximum."""
        _, logs = np.linalg.slogdet(self.scatter)
        total = self.counts.sum(axis=1)
        return -0.5 * float(total @ (logs + self.scatter.shape[1]))

    def errors(self) -> Floats:
        """Return √(σ_jj / n) of means and √((σ_aa σ_bb + σ_ab²) / n) of covariances."""
        first, second = self._pairs
        variance = np.diagonal(self.scatter, axis1=1, axis2=2)
        of_means = np.sqrt(variance[:, None] / self.counts[..., None]) * self.unit[:, None]
        product = variance[:, first] * variance[:, second] + self.scatter[:, first, second] ** 2
        total = self.counts.sum(axis=1, keepdims=True)
        of_entries = np.sqrt(product / total) * self.unit[:, first] * self.unit[:, second]
        return np.hstack([of_means.reshape(len(of_means), -1), of_entries]).ravel()

    def covariance(self) -> Floats:
        """Return the inverse information at the maximum."""
        result = np.zeros((self.size, self.size))
        first, second = self._pairs
        for b, (counts, own) in enumerate(zip(self.counts, self.scatter, strict=True)):
            entries = own[np.ix_(first, first)] * own[np.ix_(second, second)]
            entries += own[np.ix_(first, second)] * own[np.ix_(second, first)]
            cut = b * self.each
            end = cut + counts.size * len(own)
            result[cut:end, cut:end] = np.kron(np.diag(1.0 / counts), own)
            result[end : cut + self.each, end : cut + self.each] = entries / counts.sum()
        return result

    def jacobian(self) -> Floats:
        """Return the units of the parameters, on a diagonal."""
        return np.diag(self._units)

    @cached_property
    def _units(self) -> Floats:
        first, second = self._pairs
        means = np.repeat(self.unit[:, None], self.means.shape[1], axis=1)
        entries = self.unit[:, first] * self.unit[:, second]
        return np.hstack([means.reshape(len(means), -1), entries]).ravel()

    def shift(self) -> Floats:
        """Return the origins of the means."""
        means = np.repeat(self.origin[:, None], self.means.shape[1], axis=1)
        means = means.reshape(len(means), -1)
        return np.hstack([means, np.zeros((len(means), len(self._pairs[0])))]).ravel()

    def reported(self, point: Floats) -> Floats:
        """Return means and covariances of the columns as they were given."""
        result: Floats = point * self._units + self.shift()
        return result

    def gradients(
        self, population: NDArray[np.int64], group: NDArray[np.int64], x: Floats
    ) -> Floats:
        """Return the slopes at the maximum for rows x (n, p) of a group of a population."""
        first, second = self._pairs
        precision = np.linalg.inv(self.scatter)[population]
        pull = np.einsum("nij,nj->ni", precision, x - self.means[population, group])
        slope = pull[:, first] * pull[:, second] - precision[:, first, second]
        slope *= np.where(first == second, 0.5, 1.0)
        rows, cut = np.arange(len(x)), self.means[0].size
        result = np.zeros((len(x), len(self.counts), self.each))
        result[rows, population, cut:] = slope
        columns = group[:, None] * x.shape[1] + np.arange(x.shape[1])
        result[rows[:, None], population[:, None], columns] = pull
        return result.reshape(len(x), -1)


def blocks(first: Floats, second: Floats) -> Floats:
    """Return a matrix with two blocks on its diagonal."""
    whole = np.zeros((len(first) + len(second), first.shape[1] + second.shape[1]))
    whole[: len(first), : first.shape[1]] = first
    whole[len(first) :, first.shape[1] :] = second
    return whole
