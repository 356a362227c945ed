"""``Prediction``: expected outcomes of rows with their confidence intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from estkit.errors import DataError, EstkitError
from estkit.estimate import normal_quantile
from estkit.likelihood.delta import length
from estkit.likelihood.family import Block, Floats
from estkit.likelihood.predictions.expectation import others
from estkit.likelihood.uncertainty import frozen
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd

    from estkit.likelihood.regression_fit import RegressionFit

_NUMBERS = 1 << 19  # of the work arrays
_SHOWN = 20  # rows of the printed table


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Tabular):
    """Expected outcomes with their standard errors and confidence intervals.

    Parameters
    ----------
    mean : array of shape (n,) or (n, K)
        The expected outcome of each row, for softmax and ordinal fits the probability of each of K
        outcomes.
    std_error : array of the same shape
        Its standard error by the delta method.
    lower, upper : arrays of the same shape
        The limits; they need not lie evenly around the mean.
    level : float
        The confidence level.
    outcomes : tuple
        The labels of the K outcomes.
    new : bool
        Whether the interval is that of a new observation.

    Examples
    --------
    >>> import estkit as ek
    >>> fit = ek.fit(ek.Gaussian(), [0.0, 1.0, 2.0, 3.0], [1.0, 2.9, 5.2, 6.9])
    >>> print(fit.predict_interval([4.0]))
    Expected outcome with 95% interval
    <BLANKLINE>
    row  mean  std_error  lower  upper
      0  9.00       0.15   8.71   9.29
    """

    mean: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    level: float
    outcomes: tuple[Any, ...] = ()
    new: bool = False

    def __repr__(self) -> str:
        of = f", {len(self.outcomes)} outcomes" if self.outcomes else ""
        return f"Prediction({len(self.mean)} rows{of}, {100 * self.level:g}% intervals)"

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy frame: row, outcome if there are several, mean, std_error, lower, upper.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Gaussian(), None, [1.0, 2.0, 4.0])
        >>> list(fit.predict_interval().to_frame().columns)
        ['row', 'mean', 'std_error', 'lower', 'upper']
        """
        return self._columns(len(self.mean)).to_frame()

    def _table(self) -> Table:
        return self._columns(_SHOWN)

    def _columns(self, rows: int) -> Table:
        mean, error = self.mean[:rows], self.std_error[:rows]
        number, each = np.arange(len(mean)), max(1, len(self.outcomes))
        columns = [Column("row", np.repeat(number, each), style="count")]
        if self.outcomes:
            columns.append(Column("outcome", list(self.outcomes) * len(mean)))
        columns += [
            Column("mean", mean.ravel(), error.ravel()),
            Column("std_error", error.ravel(), style="error"),
            Column("lower", self.lower[:rows].ravel(), error.ravel()),
            Column("upper", self.upper[:rows].ravel(), error.ravel()),
        ]
        what = "New observation" if self.new else "Expected outcome"
        left = len(self.mean) - len(mean)
        notes = [f"{left} more rows; to_frame() has all."] if left else []
        return Table(columns, f"{what} with {100 * self.level:g}% interval", notes)


class Part(NamedTuple):
    """Some rows: the design, the linear predictors of shape (rows, m), how often each was seen."""

    design: Floats
    eta: Floats
    weights: Floats | None


def predict_interval(
    fit: RegressionFit, X: Any, *, level: float, offset: Any, kind: str | None, new: bool
) -> Prediction:
    """Return the prediction of a fit; see `RegressionFit.predict_interval`."""
    quantile = normal_quantile(level)
    root = fit._inside_root(kind)
    if fit._tie is not None:
        root = fit._tie @ root
    if new and fit.sigma is None:
        raise EstkitError(
            f"new= is for Gaussian fits: a new outcome of a {type(fit.family).__name__} fit has no "
            f"interval, its probability has."
        )
    sigma = fit.sigma.value if new and fit.sigma is not None else 0.0
    parts = [_interval(fit, part, root, quantile, sigma) for part in _parts(fit, X, offset)]
    mean, error, lower, upper = (frozen(np.concatenate(p)) for p in zip(*parts, strict=True))
    outcomes = fit.outcomes if mean.ndim == 2 else ()
    return Prediction(mean, error, lower, upper, level, outcomes, new)


def _parts(fit: RegressionFit, X: Any, offset: Any) -> Iterator[Part]:
    if X is not None or offset is not None or not (fit._columns or fit._model is not None):
        columns = fit._read(X, offset)
        response = fit._response(columns.rows)
        added = fit.family.encode_offset(offset, response)
        eta = fit._placement.linear_predictors(columns.values, fit._inside, added)
        yield Part(fit._placement.columns(columns.values).dense, eta, None)
        return
    model = fit._training("predict_interval")
    params = fit._point if fit._tie is None else fit._tie @ fit._point
    response = model.rows.response

    def part_of(block: Block) -> Part:
        eta = block.predictors(params).T * response.unit + response.origin
        return Part(block.design, eta, block.weights)

    yield from model.rows.each(part_of)


def _interval(
    fit: RegressionFit, part: Part, root: Floats, quantile: float, sigma: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return mean, standard error and limits of some rows."""
    family, response = fit.family, fit._response(len(part.eta))
    mean, slopes = family.mean(part.eta, response), family.slopes(part.eta, response)
    of = root.reshape(part.eta.shape[1], -1, root.shape[1])
    if mean.ndim == 1:
        spread = np.hypot(length_of(part.design, np.ones_like(slopes), of)[:, 0], sigma)
        clipped = getattr(family, "clipped", np.asarray)
        lower, upper = (
            family.mean(clipped(part.eta + side * quantile * spread[:, None]), response)
            for side in (-1.0, 1.0)
        )
        return mean, np.abs(slopes[:, 0, 0]) * spread, lower, upper
    error = length_of(part.design, slopes, of)
    rest = others(mean)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        odds, half = np.log(mean) - np.log(rest), quantile * (error / mean / rest)
        ends = (1.0 / (1.0 + np.exp(-(odds + side * half))) for side in (-1.0, 1.0))
        certain = (mean <= 0) | (rest <= 0)  # to all digits
        lower, upper = (np.where(certain, mean, end) for end in ends)
    return mean, error, lower, upper


def length_of(design: Floats, slopes: Floats, root: Floats) -> Floats:
    """Return the standard errors (n, K) of what has these slopes (n, K, m) in the predictors.

    Parameters
    ----------
    design : array of shape (n, q)
        The rows.
    slopes : array of shape (n, K, m)
        Derivatives in the linear predictors.
    root : array of shape (m, q, s)
        A root of the covariance of the coefficients.
    """
    step = max(1, _NUMBERS // (root.shape[0] * root.shape[2]))
    found = []
    for i in range(0, len(design), step):
        moves = np.stack([design[i : i + step] @ own for own in root], axis=1)  # (rows, m, s)
        found.append(length(slopes[i : i + step] @ moves))
    if not found:
        raise DataError("X has no rows; at least one is needed.")
    return np.concatenate(found)
