"""The model of a generative likelihood: shares of classes, and the law of the columns in each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit import data, parallel
from estkit.errors import DataError
from estkit.likelihood import newton
from estkit.likelihood.family import Conclusion, Floats, Sums
from estkit.likelihood.joint import moments
from estkit.likelihood.joint.normals import Normals
from estkit.likelihood.joint.pieces import Shares, blocks, share_coordinate
from estkit.likelihood.model import Coordinate, Model
from estkit.likelihood.uncertainty import frozen

if TYPE_CHECKING:
    from estkit.likelihood.joint.fit import JointFit
    from estkit.likelihood.joint.joint import Joint


@dataclass(frozen=True, eq=False)
class JointModel(Model):
    """A generative likelihood and its data.

    Parameters
    ----------
    columns : Columns
        The columns.
    codes : array of shape (n,)
        The class of each row.
    outcomes : tuple
        The labels of the classes.
    weights : array of shape (n,), optional
        How many times each row was observed.
    groups : array of shape (n,), optional
        The group of each row, for cluster covariances.
    law : Shares or Normals, optional
        What was counted or averaged in each class, once it was looked at.
    """

    family: Joint
    columns: data.Columns
    codes: NDArray[np.int64]
    outcomes: tuple[Any, ...]
    weights: Floats | None = None
    groups: NDArray[np.int64] | None = None
    law: Shares | Normals | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The shares, then what describes the columns."""
        return self.family.names(self.outcomes, self.columns.names)

    @property
    def n_obs(self) -> int:
        """The number of rows, or the sum of the weights."""
        return len(self.codes) if self.weights is None else int(self.weights.sum())

    @cached_property
    def sums(self) -> moments.Classes:
        """The rows of each class."""
        return moments.Classes(self.columns, self.codes, self.weights, self.outcomes)

    @cached_property
    def shares(self) -> Shares:
        """How often each class was seen."""
        return Shares(self.sums.counts[None], len(self.outcomes))

    def alone(self) -> AbstractContextManager[Any]:
        """Return a context without threads of linear algebra, which small products wait for."""
        context: AbstractContextManager[Any] = parallel.serial_algebra()
        return context

    def examine(self) -> JointModel:
        """Return the model with its counts or moments.

        Raises
        ------
        RankError
            If a covariance is singular.
        """
        return replace(self, law=self._law(self.family.smoothing))

    def _law(self, smoothing: float) -> Shares | Normals:
        if self.family.law == "gaussian":
            return moments.normals(self.sums, self.family.covariance)
        make = moments.binary if self.family.law == "bernoulli" else moments.words
        return make(self.sums, smoothing)

    @property
    def pieces(self) -> tuple[Shares, Shares | Normals]:
        """The classes and the columns."""
        assert self.law is not None
        return self.shares, self.law

    @property
    def size(self) -> int:
        """The number of free parameters."""
        return sum(piece.size for piece in self.pieces)

    def _parts(self, point: Floats) -> tuple[Floats, Floats]:
        return point[: self.shares.size], point[self.shares.size :]

    def total(self, point: Floats, *, curvature: bool = True) -> Sums:
        """Return the sums over both pieces, which have no parameter in common."""
        first, second = (
            piece.total(part) for piece, part in zip(self.pieces, self._parts(point), strict=True)
        )
        assert first.information is not None
        assert second.information is not None
        information = blocks(first.information, second.information)
        gradient = np.concatenate([first.gradient, second.gradient])
        return Sums(first.loglik + second.loglik, gradient, information)

    def outside(self, point: Floats) -> Floats:
        """Return shares, means and covariances of the columns as they were given."""
        return np.concatenate(
            [p.reported(part) for p, part in zip(self.pieces, self._parts(point), strict=True)]
        )

    @cached_property
    def matrix(self) -> Floats:
        """What makes reported parameters from free ones."""
        return blocks(*(piece.jacobian() for piece in self.pieces))

    def jacobian(self, point: Floats) -> Floats:
        """Return the same matrix at every point."""
        return self.matrix

    def coordinate(self, index: int) -> Coordinate:
        """Return a row of the matrix, and what is added."""
        moved = float(np.concatenate([piece.shift() for piece in self.pieces])[index])
        row, name = self.matrix[index], self.names[index]
        if index < len(self.outcomes) or isinstance(self.law, Shares):
            errors = np.concatenate([piece.errors() for piece in self.pieces])
            return share_coordinate(name, row, moved, at_end=bool(np.isnan(errors[index])))
        return Coordinate(row, lambda v: v + moved, lambda v: v - moved)

    @cached_property
    def constant(self) -> float:
        """The multinomial coefficients of rows of counts."""
        return moments.ways(self.sums) if self.family.law == "multinomial" else 0.0

    @cached_property
    def lacking(self) -> float:
        """What `total` leaves out: the maxima of shares, constants, and the units of columns."""
        lacking, law = self.shares.peak(), self.law
        if isinstance(law, Shares):
            return lacking + moments.height(self.sums, law, counts=self.family.law != "bernoulli")
        assert law is not None
        per_row = 0.5 * len(self.columns.names) * math.log(2 * math.pi)
        per_row += float(np.log(law.unit.reshape(-1, len(self.columns.names))[0]).sum())
        return lacking + law.peak() - self.n_obs * per_row

    def conclude(self, value: float) -> Conclusion:
        """Add what `total` leaves out."""
        return Conclusion(value + self.lacking, None, self.constant)

    def limits(self, point: Floats, level: float) -> Floats | None:
        """Return the profile limits of shares, which may be 0 or 1; others are searched for."""
        if not isinstance(self.law, Shares):
            return None
        return np.vstack([self.shares.limits(level), self.law.limits(level)])

    def expected(self, point: Floats) -> Floats:
        """Return the information, which at the maximum is the observed one."""
        information = self.total(point).information
        assert information is not None
        return information

    def scores(self, point: Floats) -> Iterator[Floats]:
        """Yield the scores of rows at the maximum."""
        for scores, weights in self._scores():
            yield scores * weights[:, None]

    def meat(self, point: Floats) -> Floats:
        """Return the sum of squared scores, a row of weight w standing for w equal ones."""
        middle = np.zeros((self.size, self.size))
        for scores, weights in self._scores():
            middle += (scores.T * weights) @ scores
        return middle

    def _scores(self) -> Iterator[tuple[Floats, Floats]]:
        classes, p = np.eye(len(self.outcomes)), len(self.columns.names)
        for values, codes, weights in self.sums.blocks():
            dense = values.toarray() if data.is_sparse(values) else np.asarray(values, float)
            none = np.zeros_like(codes)
            own = self.shares.gradients(none, classes[codes])
            law = self.law
            if isinstance(law, Normals) and self.family.covariance != "diagonal":
                x = (dense - law.origin[0]) / law.unit[0]
                shared = self.family.covariance == "shared"
                of_law = law.gradients(none if shared else codes, codes if shared else none, x)
            elif isinstance(law, Shares) and self.family.law == "multinomial":
                of_law = law.gradients(codes, dense)
            else:
                of_law = np.zeros((len(codes), self.size - own.shape[1]))
                for j in range(p):
                    column, of_class = dense[:, j], codes * p + j
                    if isinstance(law, Normals):
                        x = ((column - law.origin[j]) / law.unit[j])[:, None]
                        of_law += law.gradients(of_class, none, x)
                    elif law is not None:
                        seen = np.column_stack([column, 1.0 - column])
                        of_law += law.gradients(of_class, seen)
            yield np.hstack([own, of_law]), weights

    def solve(self, start: Any = None) -> newton.Optimum:
        """Return the maximum, which has a closed form."""
        if start is not None:
            raise DataError("Joint has its maximum in closed form and takes no start.")
        point = np.concatenate([piece.best() for piece in self.pieces])
        certificate = newton.Certificate(0.0, 0.0, math.nan, 0, "The maximum has a closed form")
        none = np.zeros((0, 0))
        return newton.Optimum(point, 0.0, none, none, np.zeros(0), True, certificate)

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the reader must know: smoothing, and shares of 0 or 1."""
        said = list(self.columns.coding.notes if self.columns.coding else ())
        if self.family.smoothing:
            said.append(
                f"Smoothed: {self.family.smoothing:g} was added to each count, so these are no "
                f"maximum-likelihood estimates; the log-likelihood is that of the data at them, "
                f"and standard errors take what was added for data."
            )
        if isinstance(self.law, Shares):
            edge = np.flatnonzero(np.isnan(self.law.errors()))
            if len(edge):
                first = self.names[len(self.outcomes) + int(edge[0])]
                said.append(
                    f"{len(edge)} probabilities, the first of them {first!r}, are 0 or 1, at the "
                    f"edge of their range: they have no standard error, and a row that "
                    f"contradicts them is impossible in its class. smoothing= avoids that."
                )
        return tuple(said)

    def result(self, optimum: newton.Optimum) -> JointFit:
        """Return the fit."""
        conclusion = self.conclude(optimum.value)
        errors = np.concatenate([piece.errors() for piece in self.pieces])
        return self._fit(
            self.outside(optimum.point), errors, optimum.point, conclusion, optimum.certificate
        )

    def no_result(self, reason: str, status: str) -> JointFit:
        """Return a fit without numbers."""
        missing = np.full(len(self.names), np.nan)
        nothing = newton.Certificate(math.nan, math.nan, math.nan, 0, reason)
        concluded = Conclusion(math.nan, None, math.nan)
        return self._fit(missing, missing, missing[:0], concluded, nothing, status=status)

    def _fit(
        self,
        params: Floats,
        errors: Floats,
        point: Floats,
        conclusion: Conclusion,
        certificate: newton.Certificate,
        *,
        status: str = "ok",
    ) -> JointFit:
        from estkit.likelihood.joint.fit import JointFit

        return JointFit(
            family=self.family,
            names=self.names,
            params=frozen(params),
            std_errors=frozen(errors),
            loglik=conclusion.loglik,
            n_obs=self.n_obs,
            converged=status == "ok",
            status=status,
            reason=certificate.reason,
            certificate=certificate,
            terms=self.names,
            outcomes=self.outcomes,
            sigma=None,
            constant=conclusion.constant,
            notes=self.notes,
            _covariance=frozen(np.zeros((0, 0))),  # made when it is asked for
            _point=frozen(point),
            _model=self,
            _shares=self.shares,
            _law=self.law,
            _columns=self.columns.names,
            _coding=self.columns.coding,
        )

    def draw(
        self, point: Floats, sigma: float | None, rng: np.random.Generator, replicates: int
    ) -> NDArray[Any]:
        """Return classes and columns, of shape (replicates, n_obs, 1 + p)."""
        size = (replicates, self.n_obs)
        limits = self.shares.shares[0].cumsum()[:-1]
        codes = (rng.random(size)[..., None] > limits).sum(axis=-1)
        p, law = len(self.columns.names), self.law
        drawn = np.empty((*size, 1 + p))
        drawn[..., 0] = codes
        if isinstance(law, Normals):
            normal = rng.standard_normal((*size, p))
            drawn[..., 1:] = law.placed(codes, normal, self.family.covariance)
        elif law is not None and self.family.law == "bernoulli":
            chance = law.shares[:, 0].reshape(-1, p)
            drawn[..., 1:] = rng.random((*size, p)) < chance[codes]
        elif law is not None:
            totals = np.asarray(self.columns.values.sum(axis=1)).ravel().astype(np.int64)
            if self.weights is not None:
                totals = np.repeat(totals, self.weights.astype(np.int64))
            drawn[..., 1:] = rng.multinomial(totals, law.shares[codes])
        return drawn

    def renew(self, values: NDArray[Any]) -> JointModel:
        """Return the model of drawn classes and columns.

        Raises
        ------
        DataError
            If a class does not occur in them.
        """
        codes = values[:, 0].astype(np.int64)
        for count, outcome in zip(
            np.bincount(codes, minlength=len(self.outcomes)), self.outcomes, strict=True
        ):
            if count == 0:
                raise DataError(f"class {outcome!r} does not occur, so nothing describes it.")
        columns = data.Columns(values[:, 1:], self.columns.names)
        return JointModel(self.family, columns, codes, self.outcomes)
