"""The model of a conditional logistic regression: strata, and what is asked of their likelihood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit import data, parallel
from estkit.errors import ConvergenceError, DataError, RankError, SeparationError
from estkit.likelihood import divergence, existence, newton, rank
from estkit.likelihood.design import Dense
from estkit.likelihood.family import Block, Floats, Sums
from estkit.likelihood.matched.fit import MatchedFit
from estkit.likelihood.matched.strata import Part, Strata
from estkit.likelihood.matched.subsets import ABSENT, Subsets
from estkit.likelihood.model import Coordinate, Model
from estkit.likelihood.result import measured, unmeasured
from estkit.likelihood.rows import Rows

if TYPE_CHECKING:
    from estkit.likelihood.matched.conditional import ConditionalLogit

_EASY_STEPS = 12  # a fit that needs more is asked whether it has a maximum at all
_ALL_STEPS = 200
_PAIRS = 1 << 16  # compared at a time


@dataclass(frozen=True, eq=False)
class Pairs(Rows):
    """The differences between each case and each other row of its stratum."""

    strata: Strata | None = None

    def blocks(self) -> Iterator[Block]:
        """Yield some pairs at a time."""
        assert self.strata is not None
        x = self.placement.columns(self.columns.values).dense
        for case, other in self.strata.pairs(max(1, _PAIRS // x.shape[1])):
            pairs = x[case] - x[other]
            yield Block(Dense(pairs), np.ones(len(pairs)), None, None)


@dataclass(frozen=True, eq=False)
class Matched(Model):
    """A conditional logistic likelihood and its strata.

    Parameters
    ----------
    rows : Rows
        The columns of the rows of telling strata, sorted, measured from the means of strata.
    strata : Strata
        Which these rows are.
    offset : array, optional
        Their offsets, measured in the same way.
    cases, codes : array of shape (n,)
        Whether each row that was passed in is a case, and its stratum.
    distance : array of shape (p,)
        How far from 0 each column sat.
    """

    family: ConditionalLogit
    rows: Rows
    strata: Strata
    offset: Floats | None
    cases: NDArray[np.bool_]
    codes: NDArray[np.int64]
    distance: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return self.rows.columns.names

    @property
    def n_obs(self) -> int:
        """The number of rows in strata that say anything."""
        return self.rows.response.n_obs

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """How many strata were used."""
        whole = len(np.unique(self.codes))
        said = f"{len(self.strata)} of {whole} strata have cases and other rows"
        if len(self.strata) < whole:
            left = len(self.codes) - len(self.strata.order)
            said += f"; the {left} rows of the others say nothing and were left out"
        coding = self.rows.columns.coding
        return (*(coding.notes if coding else ()), f"{said}.")

    @property
    def groups(self) -> NDArray[np.int64]:  # type: ignore[override]
        """A number for each stratum: the unit that has a score."""
        return np.arange(len(self.strata))

    @cached_property
    def x(self) -> Floats:
        """The columns as they are fitted."""
        return self.rows.placement.columns(self.rows.columns.values).dense

    @cached_property
    def parts(self) -> list[Part]:
        """The strata in parts."""
        return self.strata.parts(self.size)

    @cached_property
    def tables(self) -> list[Floats]:
        """The columns of each part, of shape (p, m, S)."""
        columns = np.column_stack([self.x.T, np.zeros(self.size)])
        return [columns[:, part.table] for part in self.parts]

    @cached_property
    def matrix(self) -> Floats:
        """What makes the coefficients of the columns as they were given."""
        return self.rows.placement.transform

    def outside(self, point: Floats) -> Floats:
        """Return the coefficients of the columns as they were given."""
        result: Floats = self.matrix @ point
        return result

    def jacobian(self, point: Floats) -> Floats:
        """Return the same matrix at every point."""
        return self.matrix

    def coordinate(self, index: int) -> Coordinate:
        """Return the row of the matrix that makes a coefficient."""
        return Coordinate(self.matrix[index], float, float)

    def read_start(self, start: Any) -> Floats:
        """Return the inside point of coefficients that the user starts from."""
        given = data.read_vector(start, what="start")
        if len(given) != self.size:
            raise DataError(f"start has {len(given)} values, the model has {self.size} parameters.")
        return self.rows.placement.inside(given)

    def alone(self) -> AbstractContextManager[Any]:
        """Return a context without threads of linear algebra, which small products wait for."""
        context: AbstractContextManager[Any] = parallel.serial_algebra()
        return context

    def examine(self) -> Matched:
        """Return the model with its columns placed so that their moments keep their digits."""
        _check_varying(self.rows.columns.values, self.names)
        rows, _ = rank.examine(self.rows, origin=self.distance)
        return replace(self, rows=rows)

    def _eta(self, point: Floats) -> Floats:
        eta: Floats = self.x @ point
        if self.offset is not None:
            eta += self.offset
        return eta

    def total(self, point: Floats, *, curvature: bool = True) -> Sums:
        """Return the sums over all strata."""
        strata, eta = self.strata, self._eta(point) * self.strata.sign
        log_sums, chosen = np.empty(len(strata)), np.empty(len(eta) + 1)
        filled = np.append(eta, ABSENT)
        information = np.zeros((self.size, self.size)) if curvature else None
        for part, x in zip(self.parts, self.tables, strict=True):
            own = filled[part.table]
            if information is None:
                answer = part.answer(own)
            else:
                answer, added = part.information(own, x, strata.weights[part.strata])
                information += added
            log_sums[part.strata], chosen[part.table] = answer
        was_chosen = strata.is_case == (strata.sign > 0)
        seen = np.add.reduceat(np.where(was_chosen, eta, 0.0), strata.starts[:-1])
        residual = strata.sign * (was_chosen - chosen[:-1]) * strata.weights[strata.owner]
        return Sums(float(strata.weights @ (seen - log_sums)), residual @ self.x, information)

    def expected(self, point: Floats) -> Floats:
        """Return the information, which the cases do not enter once their number is known."""
        information = self.total(point).information
        assert information is not None
        return information

    def scores(self, point: Floats) -> Iterator[Floats]:
        """Yield the scores of the strata."""
        strata = self.strata
        residual = strata.is_case - strata.inclusion(self._eta(point))
        sums = np.add.reduceat(residual[:, None] * self.x, strata.starts[:-1], axis=0)
        yield sums * strata.weights[:, None]

    def meat(self, point: Floats) -> Floats:
        """Return the sum of squared scores, a stratum of weight w standing for w equal ones."""
        (scores,) = self.scores(point)
        scaled = scores / np.sqrt(self.strata.weights)[:, None]
        result: Floats = scaled.T @ scaled
        return result

    def probabilities(self, point: Floats) -> Floats:
        """Return the probability of each row that was passed in to be a case."""
        result = self.cases.astype(float)
        result[self.strata.order] = self.strata.inclusion(self._eta(point))
        return result

    def _settled(self, step: Floats) -> bool:
        """Tell whether a step moves the predictor of no choice of rows, relative to another."""
        moves, starts = self.x @ step, self.strata.starts[:-1]
        reach = np.maximum.reduceat(moves, starts) - np.minimum.reduceat(moves, starts)
        return float((reach * self.strata.chosen).max()) < existence.SMALL_MOVE

    def solve(self, start: Any = None) -> newton.Optimum:
        """Return the maximum; whether there is one is asked when it is not found at once."""

        def maximise(begin: Floats, steps: int) -> newton.Optimum:
            return newton.maximise(self.objective, begin, max_iter=steps, settled=self._settled)

        zero = np.zeros(self.size)
        optimum = maximise(zero if start is None else self.read_start(start), _EASY_STEPS)
        if not optimum.converged and start is not None:
            optimum = maximise(zero, _EASY_STEPS)
        if not optimum.converged:
            pairs = Pairs(
                self.rows.columns, self.rows.response, self.rows.placement, strata=self.strata
            )
            separation = existence.find_separation(pairs, self.family)  # type: ignore[arg-type]
            if separation is not None:
                found = divergence.approached(self, separation, optimum.point)
                raise SeparationError(found.message, separation=found)
            optimum = maximise(zero, _ALL_STEPS)
        if not optimum.converged:
            raise ConvergenceError(
                f"The fit did not converge: {optimum.certificate.reason}. Cases and other rows are "
                f"almost separated or the columns almost dependent; look for columns with extreme "
                f"values, drop or merge them."
            )
        return optimum

    def result(self, optimum: newton.Optimum) -> MatchedFit:
        """Return the fit that converged."""
        return MatchedFit(**measured(self, optimum), **self._form())

    def no_result(self, reason: str, status: str) -> MatchedFit:
        """Return a fit without numbers."""
        return MatchedFit(**unmeasured(self, reason, status), **self._form())

    def _form(self) -> dict[str, Any]:
        return {
            "n_strata": int(self.strata.weights.sum()),
            "_coding": self.rows.columns.coding,
        }

    def draw(
        self, point: Floats, sigma: float | None, rng: np.random.Generator, replicates: int
    ) -> NDArray[Any]:
        """Return cases at the rows that were passed in, as many as there were in each stratum."""
        if (self.strata.weights != 1).any():
            raise DataError(
                "A fit with frequency weights cannot be simulated: a stratum would need several "
                "responses. Repeat its rows as strata of their own instead."
            )
        strata, eta = self.strata, self._eta(point) * self.strata.sign
        filled = np.append(eta, ABSENT)
        chosen = np.empty((replicates, len(filled)), dtype=bool)
        for part in self.parts:
            subsets = Subsets.of(filled[part.table], part.chosen)
            chosen[:, part.table] = subsets.draw(rng, replicates)
        drawn = np.tile(self.cases, (replicates, 1))
        drawn[:, strata.order] = chosen[:, :-1] == (strata.sign > 0)
        return drawn

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return cases as bools, or 0 and 1."""
        return values if self.rows.response.kind == "bools" else values.astype(np.int64)

    def renew(self, values: NDArray[Any]) -> Matched:
        """Return the same strata with other cases."""
        strata = replace(self.strata, is_case=values[self.strata.order])
        return replace(self, strata=strata, cases=values)


def _check_varying(centred: Floats, names: Sequence[str]) -> None:
    """Raise if columns do not vary within any stratum."""
    flat = [repr(name) for name, column in zip(names, centred.T, strict=True) if not column.any()]
    if flat:
        does, it = ("does", "it") if len(flat) == 1 else ("do", "them")
        raise RankError(
            f"{', '.join(flat[:8])} {does} not vary within any stratum that has cases and other "
            f"rows, so the intercepts of the strata take the place of {it}. Drop {it}; "
            f"interactions with columns that vary can be estimated."
        )
