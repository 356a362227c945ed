"""What a likelihood must provide, so that everything else in this folder works with it.

A likelihood here is a sum over rows of a function of one or several linear predictors. It sees its
data a `Block` of rows at a time and never the whole; it knows nothing of optimisers, files or
tables. To add one, copy ``gaussian.py``, export it, and store a reference case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit.likelihood.design import Dense, Design

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Response:
    """The checked outcome of every row, in the coding of its family.

    Parameters
    ----------
    values : array of shape (n,) or (n, K)
        What the family makes of y: successes, outcome codes, counts or numbers.
    weights : array of shape (n,), optional
        How many observations each row stands for; 1 by default.
    n_obs : int
        The number of observations, for the BIC.
    constant : float
        The part of the log-likelihood that holds no parameter, such as binomial coefficients.
    outcomes : tuple
        The labels of the outcomes, in the order of their codes; empty for numbers.
    kind : {"labels", "counts", "numbers"}
        The form in which y was given.
    origin, unit : float
        Numbers are held as (y - origin) / unit.
    weighting : {"frequency", "sampling", "analytic"}
        What the weights mean.
    precision : float
        Analytic weights of numbers are held divided by it, near 1.
    saturated : float, optional
        The log-likelihood of large counts if each row had its own shares as probabilities.
    repeats : array of shape (n,), optional
        The weight of each row of counts, which values and weights were multiplied with.
    """

    values: NDArray[Any]
    weights: Floats | None
    n_obs: int
    constant: float = 0.0
    outcomes: tuple[Any, ...] = ()
    kind: str = "numbers"
    origin: float = 0.0
    unit: float = 1.0
    weighting: str = "frequency"
    precision: float = 1.0
    saturated: float | None = None
    repeats: Floats | None = None

    def active(self) -> NDArray[np.bool_] | None:
        """Return which rows carry any observation, or None when all do."""
        if self.weights is None or self.weights.all():
            return None
        return self.weights > 0


@dataclass(frozen=True, eq=False)
class Block:
    """Some rows: the design (intercept included), outcomes, weights, offsets and repeats."""

    columns: Design
    values: NDArray[Any]
    weights: Floats | None
    offset: Floats | None
    repeats: Floats | None = None

    def __post_init__(self) -> None:
        if isinstance(self.columns, np.ndarray):
            object.__setattr__(self, "columns", Dense(self.columns))

    def __len__(self) -> int:
        return self.columns.shape[0]

    @property
    def design(self) -> Floats:
        """The design as an array of shape (rows, terms)."""
        return self.columns.dense

    def predictors(self, params: Floats) -> Floats:
        """Return the linear predictors of shape (predictors, rows), offset included."""
        eta = self.columns.predict(params.reshape(-1, self.columns.shape[1]))
        if self.offset is not None:
            eta += self.offset.reshape(len(self.offset), -1).T
        return eta


class Sums(NamedTuple):
    """A log-likelihood and its first two derivatives, summed over rows."""

    loglik: float
    gradient: Floats
    information: Floats | None


class Conclusion(NamedTuple):
    """The log-likelihood, a standard deviation that was profiled out, and the constants in it."""

    loglik: float
    sigma: float | None = None
    constant: float = 0.0


class Family(Protocol):
    """A likelihood; its parameters are flat, predictor after predictor, term after term."""

    def encode(self, y: Any, weights: Any, rows: int, *, intercept: bool = True) -> Response:
        """Check y and weights (`read_weights` does), and return the outcome of every row.

        A family that takes other weights than frequencies says so in ``weightings``.
        """
        ...

    def predictors(self, response: Response) -> int:
        """Return the number of linear predictors, each with a coefficient for every term."""
        ...

    def names(self, terms: Sequence[str], response: Response) -> tuple[str, ...]:
        """Return a name for each parameter."""
        ...

    def mixing(self, response: Response) -> Floats | None:
        """Return what makes the predictors that are reported from those that are fitted, if any."""
        ...

    def encode_offset(self, offset: Any, response: Response) -> Floats | None:
        """Check the offset and return what is added to the linear predictors of each row."""
        ...

    def evaluate(self, params: Floats, block: Block, *, curvature: bool) -> Sums:
        """Return the log-likelihood of a block without constants, its gradient and information."""
        ...

    def expected(self, params: Floats, block: Block) -> Floats:
        """Return the expected information of a block."""
        ...

    def scores(self, params: Floats, block: Block) -> Floats:
        """Return the gradient of each row of a block, of shape (rows, parameters)."""
        ...

    def conclude(self, value: float, response: Response) -> Conclusion:
        """Turn the maximised sum over rows into the log-likelihood with its constants."""
        ...

    def contrasts(self, block: Block, predictors: int) -> tuple[NDArray[np.int64], Floats] | None:
        """Return what separates: row numbers i and contrasts c of shape (m, predictors).

        The maximum lies at infinity if and only if some direction has c·η(direction) at least 0 in
        every one of these pairs and above 0 in one. None: the maximum is finite at full rank.
        """
        ...

    def mean(self, predictors: Floats, response: Response) -> Floats:
        """Return the expected outcome from linear predictors of shape (n, predictors)."""
        ...

    def slopes(self, predictors: Floats, response: Response) -> Floats:
        """Return the derivative of the K expected outcomes, of shape (n, K, predictors)."""
        ...

    def bends(self, predictors: Floats, response: Response) -> Floats:
        """Return the second derivative, of shape (n, K, predictors, predictors)."""
        ...

    def draw(
        self,
        rng: np.random.Generator,
        predictors: Floats,
        response: Response,
        sigma: float | None,
        replicates: int,
    ) -> NDArray[Any]:
        """Return values of responses (replicates, n, ...) drawn at linear predictors."""
        ...

    def decode(self, values: NDArray[Any], response: Response) -> NDArray[Any]:
        """Return drawn values in the form of y: labels, counts or numbers."""
        ...

    def renew(self, values: NDArray[Any], response: Response) -> Response:
        """Return the response with other values, as `draw` made them for one replicate."""
        ...


def log_factorial(counts: Floats) -> Floats:
    """Return log(counts!)."""
    from scipy.special import gammaln

    result: Floats = gammaln(counts + 1.0)
    return result
