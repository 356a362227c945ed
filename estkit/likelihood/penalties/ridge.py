"""Regression under an L2 penalty: Newton's method with the penalty added, and errors that fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from estkit.data import Columns
from estkit.errors import SeparationError
from estkit.likelihood import existence, newton, rank
from estkit.likelihood.chunked_rows import ChunkedRows
from estkit.likelihood.family import Family, Floats, Sums
from estkit.likelihood.penalties.fit import PenalisedFit, concluded
from estkit.likelihood.penalties.penalty import described
from estkit.likelihood.penalties.rowwise import Penalisable
from estkit.likelihood.placement import place
from estkit.likelihood.regression import Regression
from estkit.likelihood.result import kind_of, reached
from estkit.likelihood.rows import Rows
from estkit.likelihood.uncertainty import frozen

_WIDE = 300  # parameters from which on their covariance waits until it is asked for
_CANCELLED = 1e-6  # of a variance: what is left where a penalty takes nearly all


@dataclass(frozen=True, eq=False)
class Ridge(Regression):
    """A regression whose log-likelihood pays ½ Σ strength · β².

    Parameters
    ----------
    strengths : array of shape (p,)
        The strength of each column as it was given.
    part : float
        Which part of all rows is summed over; the penalty is paid for as much.
    """

    family: Penalisable
    strengths: Floats | None = None
    part: float = 1.0

    @cached_property
    def price(self) -> Floats:
        """The matrix S of the penalty ½ θᵀSθ on inside parameters."""
        assert self.strengths is not None
        placement, response = self.rows.placement, self.rows.response
        if self._separate:
            return np.diag(self._own)
        scale = np.ones(len(self.strengths)) if placement.scale is None else placement.scale
        own: Floats = np.diag(self.strengths * scale**2)
        if placement.mix is not None:
            own = np.asarray(placement.mix.T @ own @ placement.mix, float)
        start = int(placement.intercept)
        whole = np.zeros((start + len(own), start + len(own)))
        whole[start:, start:] = own
        mixing = self.family.mixing(response)
        outcomes = np.asarray(np.eye(placement.predictors), float)
        if mixing is not None:
            outcomes = np.asarray(mixing.T @ mixing, float)
        price: Floats = np.kron(outcomes, whole) * (self.part / response.precision)
        return price

    @cached_property
    def _own(self) -> Floats:
        """The diagonal of S."""
        if not self._separate:
            return self.price.diagonal()
        assert self.strengths is not None
        placement = self.rows.placement
        scale = np.ones(len(self.strengths)) if placement.scale is None else placement.scale
        each = np.concatenate([np.zeros(int(placement.intercept)), self.strengths * scale**2])
        return np.tile(each, placement.predictors) * (self.part / self.rows.response.precision)

    @cached_property
    def _separate(self) -> bool:
        """Whether each inside parameter pays by itself, so that S is a diagonal."""
        mixed = self.rows.placement.mix is not None
        return not mixed and self.family.mixing(self.rows.response) is None

    def outside(self, point: Floats) -> Floats:
        """Return the parameters for the columns as they were given."""
        diagonal = self.rows.placement.diagonal if self._separate else None
        return super().outside(point) if diagonal is None else diagonal * self.inside(point)

    def priced(self, values: Floats) -> Floats:
        """Return ``values @ S``, without the products when S is a diagonal."""
        if self._separate:
            return values * self._own
        result: Floats = values @ self.price
        return result

    def total(self, point: Floats, *, curvature: bool = True) -> Sums:
        """Return the sums over all rows, less the penalty."""
        sums, slope = super().total(point, curvature=curvature), self.priced(point)
        information = sums.information
        if information is not None and self._separate:
            information[np.diag_indices_from(information)] += self._own  # nobody else holds it
        elif information is not None:
            information = information + self.price
        return Sums(sums.loglik - 0.5 * float(point @ slope), sums.gradient - slope, information)

    def thinned(self, part: int = 10) -> Ridge:
        """Return the same model for some of the rows, which pay their part."""
        rows = self.rows.thinned(self.rows.count // part)
        return replace(self, rows=rows, part=self.part * rows.observed() / self.rows.observed())

    def diagonal(self) -> Floats:
        """Return a guess of the diagonal of the information."""
        return super().diagonal() + self._own

    @property
    def free(self) -> Rows:
        """The rows with the columns that pay nothing."""
        return free_rows(self.rows, np.asarray(self.strengths))

    @cached_property
    def reach(self) -> Floats:
        """A bound on the size of the entries in each column of the design."""
        if isinstance(self.rows, ChunkedRows):
            return self.rows.reach()
        if self.rows.sparse:
            numbers = self.rows.columns.values.data
            if numbers.size and numbers.min() == numbers.max():  # as codes of factors are
                return self.rows.reach()
            return np.sqrt(self.rows.squares()[: len(self.terms)])  # which no entry exceeds
        values = self.rows.columns.values
        ends = np.asarray([values.max(axis=0), values.min(axis=0)], float)
        return self.rows.placement.reach(np.abs(ends).max(axis=0))

    def examine(self) -> Regression:
        """Return the model as it is; only columns without penalty must be independent.

        Raises
        ------
        RankError
            If these depend linearly on each other.
        """
        if (np.asarray(self.strengths) == 0).any():
            rank.examine(self.free)
        return self

    def _refuse_separated(self, point: Floats) -> None:
        """Raise if columns without penalty separate the outcomes."""
        if isinstance(self.rows, ChunkedRows):  # where every column pays
            return
        refuse_separated(self.free, self.family)

    def _taken(self, inverse: Floats) -> Floats:
        """Return (H + S)⁻¹ S (H + S)⁻¹, what the penalty takes from the inverse."""
        if self._separate:
            root = inverse * np.sqrt(self._own)
            product: Floats = root @ root.T  # numpy sees the symmetry and does half the work
            return product
        product = inverse @ self.price @ inverse
        return (product + product.T) / 2

    def _left(self, inverse: Floats, point: Floats) -> Floats:
        """Return (H + S)⁻¹ H (H + S)⁻¹, by a difference where that keeps digits."""
        left = inverse - self._taken(inverse)
        if (left.diagonal() > _CANCELLED * inverse.diagonal()).all():
            return left
        information = super().total(point).information
        assert information is not None
        left = inverse @ information @ inverse
        return (left + left.T) / 2

    def _errors_alone(self, optimum: newton.Optimum) -> dict[str, Any] | None:
        """Return the errors of many parameters without their covariance, where that can be done."""
        inverse, diagonal = optimum.inverse, self.rows.placement.diagonal
        if len(inverse) <= _WIDE or not self._separate or diagonal is None:
            return None
        size = diagonal * self.rows.response.unit
        own = inverse.diagonal()
        left = own - np.einsum("ij,ij,j->i", inverse, inverse, self._own)
        if not (left > _CANCELLED * own).all():
            return None
        spread = self.spread(self.conclude_at(optimum.point, optimum.value))

        def later() -> tuple[Floats, Floats]:
            middle = spread**2 * self._left(inverse, optimum.point)
            return middle * size * size[:, None], middle

        return {
            "std_errors": frozen(spread * size * np.sqrt(left)),
            "_covariance": frozen(np.empty((0, 0))),
            "_later": later,
        }

    def result(self, optimum: newton.Optimum) -> PenalisedFit:
        """Return the fit, with the errors of the penalised estimator."""
        paid = 0.5 * float(optimum.point @ self.priced(optimum.point))
        inverse, kind = optimum.inverse, kind_of(self)
        taken = self.priced(inverse.diagonal()) if self._separate else inverse * self.price
        effective = len(inverse) - float(taken.sum())
        alone = self._errors_alone(optimum) if kind == "observed" else None
        if alone is not None:
            fields = concluded(self, optimum, paid, reached) | alone
        elif kind == "observed":
            left = self._left(inverse, optimum.point)
            fields = concluded(self, replace(optimum, inverse=left), paid)
        else:
            fields = concluded(self, optimum, paid)
        kind = "penalized" if kind == "observed" else kind
        fields |= self._form(optimum.point) | {"covariance_kind": kind}
        notes = (
            f"{described(self.family.penalty)}: {effective:.4g} effective parameters.",
            "Standard errors and intervals leave out the bias of the penalty towards 0.",
        )
        fields["notes"] = (*fields["notes"], *notes)
        return PenalisedFit(**fields, effective=effective)


def free_rows(rows: Rows, strengths: Floats) -> Rows:
    """Return rows with the columns that pay nothing, which alone may leave the maximum open."""
    kept = np.flatnonzero(strengths == 0)
    names = tuple(rows.columns.names[j] for j in kept)
    free = Columns(rows.columns.values[:, kept], names)
    old, active = rows.placement, rows.response.active()
    placement = place(free, intercept=old.intercept, predictors=old.predictors, active=active)
    return replace(rows, columns=free, placement=placement)


def refuse_separated(free: Rows, family: Family) -> None:
    """Raise if the columns without penalty separate the outcomes."""
    separation = existence.find_separation(free, family) if free.terms else None
    if separation is not None:
        raise SeparationError(separation.message)
