"""Likelihoods of normal laws, known through their moments: a piece as those of ``pieces.py``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Floats, Sums


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

    def placed(self, codes: NDArray[np.int64], normal: Floats, covariance: str) -> Floats:
        """Return rows of classes, made of standard normal numbers of shape (..., p)."""
        p = normal.shape[-1]
        means = self.means.reshape(-1, p)[codes]
        if covariance == "diagonal":
            away = normal * np.sqrt(self.scatter.reshape(-1, p))[codes]
        else:
            roots = np.linalg.cholesky(self.scatter)
            which = codes if covariance == "separate" else np.zeros_like(codes)
            away = np.empty_like(normal)
            for b, root in enumerate(roots):
                away[which == b] = normal[which == b] @ root.T
        unit, origin = self.unit.reshape(-1, p)[0], self.origin.reshape(-1, p)[0]
        result: Floats = (means + away) * unit + origin
        return result
