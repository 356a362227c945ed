"""The multinomial law: rows of counts in, a probability for each category out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError
from estkit.frames import as_frame
from estkit.labels import read_labels
from estkit.likelihood import newton
from estkit.likelihood.counts import half_deviances, log_ways, multinomial_loglik
from estkit.likelihood.family import Conclusion, Floats, Sums
from estkit.likelihood.model import Coordinate, Model
from estkit.likelihood.proportion import proportion
from estkit.likelihood.result import measured, unmeasured

if TYPE_CHECKING:
    from estkit.likelihood.distribution.fit import DistributionFit

_LEAST = 1e-6  # of its estimate: a probability below which its logarithm goes on as a parabola


def multinomial_model(family: Any, X: Any, weights: Any, groups: Any) -> MultinomialModel:
    """Check rows of counts, and return their likelihood."""
    if family.fixed:
        raise DataError("multinomial has no parameter to fix; test a value by likelihood_ratio.")
    data.check_same_index(X=X, weights=weights, groups=groups)
    named = as_frame(X) is not None
    counts, names = data.read_counts(X, what="X")
    if counts.shape[1] < 2:
        raise DataError("multinomial takes a column of counts for each category, two at least.")
    repeats = data.read_frequencies(weights, rows=len(counts))
    codes = None
    if groups is not None:
        codes = read_labels(groups, what="groups").codes
        data.check_rows("groups", len(codes), len(counts))
    if not named:
        names = tuple(f"p{j}" for j in range(counts.shape[1]))
    return MultinomialModel(family, counts, names, repeats, codes)


@dataclass(frozen=True, eq=False)
class MultinomialModel(Model):
    """Counts of categories.

    Inside are the probabilities of the categories that were seen, but for the largest, which is
    what the others leave of 1.
    """

    family: Any
    counts: Floats
    labels: tuple[str, ...]
    weights: Floats | None
    codes: NDArray[np.int64] | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the categories."""
        return self.labels

    @property
    def n_obs(self) -> int:
        """The number of rows, or the sum of the frequency weights."""
        return len(self.counts) if self.weights is None else int(self.weights.sum())

    @property
    def groups(self) -> NDArray[np.int64] | None:  # type: ignore[override]
        """The number of the group to which each row belongs."""
        return self.codes

    @cached_property
    def sums(self) -> Floats:
        """How often each category was seen."""
        times = 1.0 if self.weights is None else self.weights[:, None]
        result: Floats = (self.counts * times).sum(axis=0)
        if not result.any():
            raise DataError("X has no counts: all are 0.")
        return result

    @cached_property
    def inner(self) -> NDArray[np.intp]:
        """The categories whose probabilities are inside."""
        seen = np.flatnonzero(self.sums)
        return np.asarray(seen[seen != self.sums.argmax()])

    @property
    def size(self) -> int:
        """How many categories were seen, but one."""
        return len(self.inner)

    @cached_property
    def map(self) -> tuple[Floats, Floats]:
        """The start and the matrix that make all probabilities of those inside."""
        start, matrix = np.zeros(len(self.sums)), np.zeros((len(self.sums), self.size))
        start[self.sums.argmax()] = 1.0
        matrix[self.inner, np.arange(self.size)] = 1.0
        matrix[self.sums.argmax()] = -1.0
        return start, matrix

    def total(self, point: Floats, *, curvature: bool = True) -> Sums:
        """Return the log-likelihood less its maximum, its gradient and information."""
        start, matrix = self.map
        seen = self.sums > 0
        sums, p = self.sums[seen], (start + matrix @ point)[seen]
        number = sums.sum()
        least = _LEAST * sums / number
        held = np.maximum(p, least)
        beyond = (p - held) / held
        value = -float(half_deviances(sums, number * held).sum())
        value += float((sums * (beyond - beyond * beyond / 2) - number * (p - held)).sum())
        gradient = matrix[seen].T @ (sums / held * (1.0 - beyond))
        information = (matrix[seen].T * (sums / held**2)) @ matrix[seen]
        return Sums(value, gradient, information)

    def conclude(self, value: float) -> Conclusion:
        """Return the log-likelihood with the multinomial coefficients."""
        times = np.ones(len(self.counts)) if self.weights is None else self.weights
        top = multinomial_loglik(self.counts, times, self.sums[None])
        return Conclusion(value + top, None, log_ways(self.counts, times))

    def outside(self, point: Floats) -> Floats:
        """Return the probabilities of all categories."""
        start, matrix = self.map
        return np.asarray(start + matrix @ point)

    def jacobian(self, point: Floats) -> Floats:
        """Return the matrix that makes them."""
        return self.map[1]

    def coordinate(self, index: int) -> Coordinate:
        """Return what makes one probability."""
        start, matrix = self.map
        if not self.sums[index]:
            raise DataError(
                f"{self.labels[index]!r} was never seen, so its probability is estimated as 0, "
                f'where tests do not hold; ask for interval(method="profile").'
            )
        moved = float(start[index])
        return Coordinate(matrix[index], lambda v: v + moved, lambda v: v - moved)

    def expected(self, point: Floats) -> Floats:
        """Return the expected information, which is the observed one."""
        information = self.total(point).information
        assert information is not None
        return information

    def scores(self, point: Floats) -> Iterator[Floats]:
        """Yield the scores of all rows, each as often as it was observed."""
        scores = self._scores(point)
        yield scores if self.weights is None else scores * self.weights[:, None]

    def meat(self, point: Floats) -> Floats:
        """Return the sum of squared scores, a row of weight w standing for w equal ones."""
        scores = self._scores(point)
        times = 1.0 if self.weights is None else self.weights[:, None]
        result: Floats = scores.T @ (scores * times)
        return result

    def _scores(self, point: Floats) -> Floats:
        start, matrix = self.map
        p = start + matrix @ point
        seen = self.sums > 0
        result: Floats = (self.counts[:, seen] / p[seen]) @ matrix[seen]
        return result

    def begin(self) -> Floats:
        """Return the maximum."""
        return np.asarray(self.sums[self.inner] / self.sums.sum())

    def solve(self, start: Any = None) -> newton.Optimum:
        """Return the maximum, which is known."""
        if self.size:
            return super().solve()
        reason = f"{self.labels[int(self.sums.argmax())]} is the only category that was seen"
        known = newton.Certificate(0.0, 0.0, 1.0, 0, reason)
        return newton.Optimum(
            np.empty(0), 0.0, np.empty((0, 0)), np.empty((0, 0)), np.empty(0), True, known
        )

    def limits(self, point: Floats, level: float) -> Floats:
        """Return profile limits; maximised over the others, the likelihood is binomial."""
        found = proportion(self.sums, self.sums.sum(), level=level, method="likelihood_ratio")
        return np.column_stack([found.lower, found.upper])

    def result(self, optimum: newton.Optimum) -> DistributionFit:
        """Return the fit; a category that was never seen, or alone, has no standard error."""
        from estkit.likelihood.distribution.fit import DistributionFit
        from estkit.likelihood.uncertainty import frozen

        fields = measured(self, optimum)
        at_end = (self.sums == 0) | (self.sums == self.sums.sum())
        errors, covariance = fields["std_errors"].copy(), fields["_covariance"].copy()
        errors[at_end] = covariance[at_end] = covariance[:, at_end] = np.nan
        fields |= {"std_errors": frozen(errors), "_covariance": frozen(covariance)}
        return DistributionFit(**fields)

    def no_result(self, reason: str, status: str) -> DistributionFit:
        """Return a fit without numbers."""
        from estkit.likelihood.distribution.fit import DistributionFit

        return DistributionFit(**unmeasured(self, reason, status))

    def draw(
        self, point: Floats, sigma: float | None, rng: np.random.Generator, replicates: int
    ) -> NDArray[Any]:
        """Return rows of counts with the totals that were observed."""
        totals = self.counts.sum(axis=1).astype(np.int64)
        if self.weights is not None:
            totals = np.repeat(totals, self.weights.astype(int))
        p = np.maximum(self.outside(point), 0.0)
        return rng.multinomial(totals, p / p.sum(), size=(replicates, len(totals)))

    def renew(self, values: NDArray[Any]) -> MultinomialModel:
        """Return the same model for other counts."""
        return replace(self, counts=np.asarray(values, float), weights=None, codes=None)
