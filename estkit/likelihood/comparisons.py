"""All comparisons of outcomes that a direction must order to separate them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.family import Block, Family, Floats
from estkit.likelihood.rows import Rows


class _Part(NamedTuple):
    """The comparisons of a block: rows, contrasts of predictors, and what each row is scaled by."""

    block: Block
    row: NDArray[np.int64]
    contrast: Floats
    scale: Floats


@dataclass(frozen=True, eq=False)
class Comparisons:
    """The rows of the matrix A of all comparisons, cᵀ ⊗ x, without ever holding it.

    Columns are divided by `unit`, and each x is brought to a largest entry of 1, so that one
    tolerance suits them all. Parameters may be tied: the coefficients are ``tie @ parameters``.
    """

    rows: Rows
    family: Family
    unit: Floats
    tie: Floats | None = None

    def untied(self, direction: Floats) -> Floats:
        """Return the coefficients of all predictors."""
        return direction if self.tie is None else self.tie @ direction

    def unscaled(self, direction: Floats) -> Floats:
        """Return a direction for the columns as `Rows` holds them."""
        return direction / self._unit_of_parameters

    def scaled(self, direction: Floats) -> Floats:
        """Return a direction for columns divided by their unit."""
        return direction * self._unit_of_parameters

    @property
    def _unit_of_parameters(self) -> Floats:
        if self.tie is None:
            return self.unit
        used = (self.tie != 0).astype(float)
        result: Floats = used.T @ self.unit / used.sum(axis=0)
        return result

    @property
    def _terms(self) -> int:
        return len(self.rows.terms)

    @cached_property
    def _scales(self) -> list[Floats]:
        """One over the largest entry of each row, block by block."""
        scales = []
        for block in self.rows.blocks():
            largest = block.columns.largest(self.unit[: self._terms])
            scales.append(1.0 / np.where(largest > 0, largest, 1.0))
        return scales

    def _each(self) -> Iterator[_Part]:
        for block, scale in zip(self.rows.blocks(), self._scales, strict=True):
            pairs = self.family.contrasts(block, self.rows.placement.predictors)
            if pairs is not None:
                yield _Part(block, *pairs, scale)

    @cached_property
    def total(self) -> int:
        """The number of comparisons."""
        return sum(len(part.row) for part in self._each())

    def margins(self, direction: Floats) -> Floats:
        """Return A @ direction."""
        each = self.untied(direction).reshape(-1, self._terms) / self.unit.reshape(-1, self._terms)
        margins = []
        for block, index, contrast, scale in self._each():
            eta = block.columns.predict(each) * scale
            margins.append(np.einsum("ij,ji->i", contrast, eta[:, index]))
        return np.concatenate(margins)

    def take(self, chosen: NDArray[np.int64]) -> Floats:
        """Return the rows of A with the given numbers, in rising order."""
        taken, first = [], 0
        for block, index, contrast, scale in self._each():
            low, high = np.searchsorted(chosen, [first, first + len(index)])
            local = chosen[low:high] - first
            x = block.columns.take(index[local]) * scale[index[local], None]
            rows = contrast[local][:, :, None] * (x / self.unit[: self._terms])[:, None, :]
            taken.append(rows.reshape(len(local), self.unit.size))
            first += len(index)
        rows = np.concatenate(taken)
        return rows if self.tie is None else rows @ self.tie

    def sum(self, wanted: NDArray[np.bool_]) -> Floats:
        """Return the sum of the wanted rows of A."""
        total, first = np.zeros(self.unit.size), 0
        for block, index, contrast, scale in self._each():
            use = wanted[first : first + len(index)]
            first += len(index)
            weights = [
                np.bincount(index, weights=own * use, minlength=len(block)) for own in contrast.T
            ]
            total += block.columns.collect(np.array(weights) * scale).ravel()
        total /= self.unit
        return total if self.tie is None else total @ self.tie

    def gram(self, wanted: NDArray[np.bool_]) -> Floats:
        """Return AᵀA over the wanted rows of A."""
        predictors, terms = self.rows.placement.predictors, self._terms
        total, first = np.zeros((predictors, terms, predictors, terms)), 0
        for block, index, contrast, scale in self._each():
            use = wanted[first : first + len(index)]
            first += len(index)
            for j in range(predictors):
                for k in range(j, predictors):
                    both = contrast[:, j] * contrast[:, k] * use
                    if not both.any():
                        continue
                    weight = np.bincount(index, weights=both, minlength=len(block)) * scale**2
                    own = block.columns.gram(weight)
                    total[j, :, k] += own
                    if j != k:
                        total[k, :, j] += own
        whole = total.reshape(self.unit.size, -1) / (self.unit * self.unit[:, None])
        return whole if self.tie is None else self.tie.T @ whole @ self.tie
