"""Placed: how parameters for placed columns become those that are reported, and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from estkit import data
from estkit.errors import DataError
from estkit.likelihood.family import Conclusion, Family, Floats
from estkit.likelihood.model import Coordinate, Model
from estkit.likelihood.rows import Rows


@dataclass(frozen=True, eq=False)
class Placed(Model):
    """The coordinates of a regression.

    Inside, columns are moved and scaled by a `Placement`, responses by the family.
    """

    family: Family
    rows: Rows

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the family gives the parameters."""
        return self.family.names(self.rows.terms, self.rows.response)

    @property
    def terms(self) -> tuple[str, ...]:
        """The coefficients of one linear predictor."""
        return self.rows.terms

    @property
    def size(self) -> int:
        """The number of predictors times the number of terms."""
        return self.rows.size

    def spread(self, conclusion: Conclusion) -> float:
        """Return σ of the response as it is held inside."""
        response = self.rows.response
        if conclusion.sigma is None:
            return 1.0
        return conclusion.sigma / response.unit / float(np.sqrt(response.precision))

    @cached_property
    def matrix(self) -> Floats:
        """What inside parameters are multiplied with on the way out, but for the unit of y."""
        return self.rows.placement.reported(self.family.mixing(self.rows.response))

    @cached_property
    def displacement(self) -> Floats:
        """What the origin of y and the level of the offset add to inside parameters."""
        moved = np.zeros(self.size)
        if self.rows.placement.intercept:
            response = self.rows.response
            moved[:: len(self.terms)] = response.origin - self.rows.level * response.unit
        return moved

    def inside(self, point: Floats) -> Floats:
        """Return the parameters for placed columns, in the unit of y: what predicts."""
        result: Floats = point * self.rows.response.unit + self.displacement
        return result

    def outside(self, point: Floats) -> Floats:
        """Return the parameters for the columns as they were given."""
        result: Floats = self.matrix @ self.inside(point)
        return result

    def jacobian(self, point: Floats) -> Floats:
        """Return the same matrix at every point."""
        result: Floats = self.matrix * self.rows.response.unit
        return result

    def coordinate(self, index: int) -> Coordinate:
        """Return the row of the matrix that makes a parameter, and how it is moved."""
        row, unit = self.matrix[index], self.rows.response.unit
        moved = float(row @ self.displacement)
        return Coordinate(row, lambda v: v * unit + moved, lambda v: (v - moved) / unit)

    def read_start(self, start: Any) -> Floats:
        """Return the inside point of parameters for the columns as they were given."""
        given = data.read_vector(start, what="start").copy()
        if len(given) != len(self.names):
            raise DataError(
                f"start has {len(given)} values, the model has {len(self.names)} parameters."
            )
        if len(given) != self.size:  # a symmetric form has more parameters than there are inside
            placed = np.linalg.lstsq(self.matrix, given, rcond=None)[0]
            return np.asarray((placed - self.displacement) / self.rows.response.unit, float)
        inside = self.rows.placement.inside(given) - self.displacement
        return np.asarray(inside / self.rows.response.unit, float)

    def predictors(self, inside: Floats) -> Floats:
        """Return the linear predictors of the rows, in the unit of y."""
        return self.rows.predictors(inside)
