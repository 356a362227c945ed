"""A likelihood together with its data: what `fit` maximises, and what inference asks again.

The optimiser moves *inside* parameters, which are unbounded and near size 1; a fit reports
*outside* ones. Each outside parameter is a monotone function of one linear contrast of the inside
ones, so a hypothesis about it is a linear constraint inside. To add a kind of model, give `total`
and, where they differ from the inside ones, `outside`, `jacobian` and `coordinate`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import ConvergenceError, DataError, EstkitError, FitError, SeparationError
from estkit.likelihood import newton
from estkit.likelihood.family import Conclusion, Floats, Sums

if TYPE_CHECKING:
    from estkit.likelihood.links.bounds import Bounds
    from estkit.likelihood.result import LikelihoodFit


class Coordinate(NamedTuple):
    """An outside parameter as a function of the contrast ``row @ point`` of inside ones."""

    row: Floats
    outward: Callable[[float], float]
    inward: Callable[[float], float]


class Model(ABC):
    """A likelihood with its data.

    Parameters
    ----------
    family : object
        The likelihood, as it was passed to `fit`.
    names : tuple of str
        The names of the outside parameters.
    terms : tuple of str
        What else tests may be asked about: parameter j belongs to ``terms[j % len(terms)]``.
    outcomes : tuple
        The labels of the outcomes, if there are any.
    n_obs : int
        The number of observations.
    size : int
        The number of inside parameters: those that were estimated.
    groups : array of shape (n,), optional
        The number of the group to which each row belongs.
    weighting : {"frequency", "sampling", "analytic"}
        What the weights mean; under sampling weights `total` is a pseudo-log-likelihood.
    notes : tuple of str
        What the reader of the fit must know of its data.
    bounds : Bounds, optional
        The region outside which rows have no probability, if it is not the whole space.
    starts : tuple of arrays of shape (size,)
        Where else to start, when there may be several maxima.
    """

    family: Any
    outcomes: tuple[Any, ...] = ()
    groups: NDArray[np.int64] | None = None
    weighting: str = "frequency"
    notes: tuple[str, ...] = ()
    bounds: Bounds | None = None
    starts: tuple[Floats, ...] = ()

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of the outside parameters."""

    @property
    @abstractmethod
    def n_obs(self) -> int:
        """The number of observations."""

    @abstractmethod
    def total(self, point: Floats, *, curvature: bool = True) -> Sums:
        """Return the log-likelihood without constants, its gradient and negative Hessian, inside.

        Outside its domain the value is -inf or NaN, which the line search steps back from.
        """

    @property
    def terms(self) -> tuple[str, ...]:
        """The names that tests know beside those of the parameters."""
        return self.names

    @property
    def size(self) -> int:
        """The number of inside parameters."""
        return len(self.names)

    def conclude(self, value: float) -> Conclusion:
        """Turn the maximum of `total` into the log-likelihood with its constants."""
        return Conclusion(value)

    def conclude_at(self, point: Floats, value: float) -> Conclusion:
        """Return the log-likelihood at a point where `total` has this value."""
        return self.conclude(value)

    def limits(self, point: Floats, level: float) -> Floats | None:
        """Return the profile limits of all parameters, where they are known without a search."""
        return None

    def outside(self, point: Floats) -> Floats:
        """Return the outside parameters at an inside point."""
        return np.array([self.coordinate(j).outward(float(v)) for j, v in enumerate(point)])

    def jacobian(self, point: Floats) -> Floats:
        """Return the derivative of the outside parameters, of shape (k, size)."""
        return np.eye(len(point))

    def coordinate(self, index: int) -> Coordinate:
        """Return how an outside parameter hangs on the inside ones."""
        return Coordinate(np.eye(self.size)[index], float, float)

    def spread(self, conclusion: Conclusion) -> float:
        """Return the inside standard deviation that `total` took for 1, if it was profiled out."""
        return 1.0

    def expected(self, point: Floats) -> Floats:
        """Return the expected information, inside.

        Raises
        ------
        EstkitError
            If the likelihood does not give it.
        """
        raise EstkitError(
            f"{type(self.family).__name__} gives no expected information; ask for the covariance "
            f"'observed', whose inverse has the same limit."
        )

    def stand_in(self, point: Floats) -> Floats | None:
        """Return what gives the direction of a step where the information is not positive definite.

        It is used on the way only, and for score tests; the answer is judged by its own Hessian.
        """
        return None

    def scores(self, point: Floats) -> Iterator[Floats]:
        """Yield the scores of the rows, of shape (rows, size), block after block."""
        raise EstkitError(
            f"{type(self.family).__name__} gives no score for each row, which a robust covariance "
            f"is made of; ask for the covariance 'observed'."
        )

    def meat(self, point: Floats) -> Floats:
        """Return the sum over independent units of the squared score."""
        middle = np.zeros((self.size, self.size))
        for scores in self.scores(point):
            middle += scores.T @ scores
        return middle

    @property
    def n_groups(self) -> int | None:
        """The number of groups, if the rows have them."""
        return None if self.groups is None else int(self.groups.max()) + 1

    def group_scores(self, point: Floats) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """Yield numbers of groups, with repeats, and scores that belong to them."""
        assert self.groups is not None
        first = 0
        for scores in self.scores(point):
            yield self.groups[first : first + len(scores)], scores
            first += len(scores)

    def begin(self) -> Floats:
        """Return where the iteration starts when the user does not say."""
        return np.zeros(self.size)

    def read_start(self, start: Any) -> Floats:
        """Return the inside point of outside parameters that the user starts from."""
        given = data.read_vector(start, what="start")
        if len(given) != self.size:
            raise DataError(f"start has {len(given)} values, the model has {self.size} parameters.")
        return np.array([self.coordinate(j).inward(float(v)) for j, v in enumerate(given)])

    def examine(self) -> Model:
        """Return the model ready to be maximised.

        Raises
        ------
        FitError
            If the data do not determine the parameters.
        """
        return self

    def alone(self) -> AbstractContextManager[Any]:
        """Return the context in which the fit is computed."""
        return nullcontext()

    def solve(self, start: Any = None) -> newton.Optimum:
        """Return the maximum.

        Raises
        ------
        FitError
            If there is none, or it was not reached.
        """
        begin = self.begin() if start is None else self.read_start(start)
        optimum = newton.maximise(self.objective, begin, stand_in=self.stand_in)
        if not optimum.converged:
            raise ConvergenceError(f"The fit did not converge: {optimum.certificate.reason}.")
        return optimum

    def objective(self, point: Floats) -> tuple[float, Floats, Floats]:
        """Return what `newton.maximise` asks for."""
        loglik, gradient, information = self.total(point)
        assert information is not None
        return loglik, gradient, information

    @abstractmethod
    def result(self, optimum: newton.Optimum) -> LikelihoodFit:
        """Return the fit that converged at an optimum."""

    @abstractmethod
    def no_result(self, reason: str, status: str) -> LikelihoodFit:
        """Return a fit that says why there is no estimate."""

    def draw(
        self, point: Floats, sigma: float | None, rng: np.random.Generator, replicates: int
    ) -> NDArray[Any]:
        """Return data drawn from the model at a point, replicates first, as `renew` takes them."""
        raise EstkitError(f"{type(self.family).__name__} cannot be simulated from.")

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return drawn data in the form in which data were given."""
        return values

    def renew(self, values: NDArray[Any]) -> Model:
        """Return the same model for other data, one replicate that `draw` made."""
        raise EstkitError(f"{type(self.family).__name__} cannot be fitted to simulated data.")


def fit_model(model: Model, *, start: Any = None, errors: str = "raise") -> LikelihoodFit:
    """Fit a model whose data were checked before; see `fit`."""
    try:
        with model.alone():
            model = model.examine()
            return model.result(model.solve(start))
    except FitError as error:
        status = "not_converged" if isinstance(error, ConvergenceError) else "failed"
        partial = model.no_result(str(error), status)
        if isinstance(error, SeparationError):
            partial = replace(partial, separation=error.separation)
        if errors == "return":
            return partial
        error.result = partial
        raise
