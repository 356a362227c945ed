"""``Margins``: how the expected outcome changes with each column, averaged over rows or at a point.

An effect is a mean over rows of a slope ∂μ/∂x or of a difference of μ between two values of a
column. Its derivative in the coefficients is analytic, and its error follows from a root of their
covariance. What is averaged over is in ``settings.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.estimate import check_level
from estkit.likelihood import inference
from estkit.likelihood.delta import length
from estkit.likelihood.family import Floats
from estkit.likelihood.predictions.settings import Setting, settings_of
from estkit.likelihood.predictions.variables import Change, changes_of
from estkit.likelihood.uncertainty import frozen
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd

    from estkit.likelihood.regression_fit import RegressionFit

_STATISTIC_ERROR = 0.1  # a test statistic is shown to two decimals


@dataclass(frozen=True, eq=False, repr=False)
class Margins(Tabular):
    """Marginal effects with their standard errors, one for each column, change and outcome.

    Parameters
    ----------
    columns : tuple of str
        The column of each effect.
    changes : tuple of str
        What was changed: ``"slope"``, ``"+10"``, ``"0 to 1"``, ``"white to black"``.
    outcomes : tuple
        The outcome whose probability changes, for softmax and ordinal fits.
    effects, std_errors : array of shape (k,)
        The effects and their standard errors.
    covariance : array of shape (k, k)
        Their covariance.
    level : float
        The confidence level of the intervals.
    where : str
        Where the effects were taken.

    Examples
    --------
    >>> import estkit as ek
    >>> X = {"dose": [1, 2, 3, 4, 5, 6, 7, 8], "old": [0, 1, 1, 0, 0, 1, 0, 1]}
    >>> fit = ek.fit(ek.Binomial(), X, [0, 0, 1, 0, 1, 0, 1, 1])
    >>> fit.margins("dose", change={"dose": (2, 4)}).interval().round(3)
    array([[-0.022,  0.503]])
    """

    columns: tuple[str, ...]
    changes: tuple[str, ...]
    outcomes: tuple[Any, ...]
    effects: Floats
    std_errors: Floats
    covariance: Floats
    level: float
    where: str

    def __repr__(self) -> str:
        return f"Margins({len(self.effects)} effects {self.where})"

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy frame: column, change, effect, std_error, statistic, p_value, limits.

        For several outcomes ``outcome`` comes third.

        Examples
        --------
        >>> import estkit as ek
        >>> fit = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 1, 0, 1])
        >>> frame = fit.margins().to_frame()
        >>> list(frame.columns)[:4], float(frame["effect"][0].round(4))
        (['column', 'change', 'effect', 'std_error'], 0.1816)
        """
        return self._table().to_frame()

    def interval(self) -> Floats:
        """Return the confidence limits of shape (k, 2)."""
        return inference.wald_interval(self.effects, self.std_errors, self.level)

    def _table(self) -> Table:
        errors, limits = self.std_errors, self.interval()
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic, p_value = inference.wald_statistics(self.effects, errors)
        columns = [
            Column("column", self.columns),
            Column("change", self.changes),
            Column("effect", self.effects, errors),
            Column("std_error", errors, style="error"),
            Column("statistic", statistic, np.full(len(errors), _STATISTIC_ERROR)),
            Column("p_value", p_value, style="p_value"),
            Column("lower", limits[:, 0], errors),
            Column("upper", limits[:, 1], errors),
        ]
        if self.outcomes:
            columns.insert(2, Column("outcome", self.outcomes))
        return Table(columns, f"Marginal effects on the expected outcome, {self.where}")


def margins_of(
    fit: RegressionFit,
    columns: str | Sequence[str] | None,
    *,
    at: Any,
    change: Mapping[str, Any],
    level: float,
    offset: Any,
    kind: str | None,
) -> Margins:
    """Return the marginal effects of a fit; see `RegressionFit.margins`."""
    check_level(level)
    root = fit._inside_root(kind)
    if fit._tie is not None:
        root = fit._tie @ root
    settings = settings_of(fit, at, offset)
    changes = changes_of(settings.variables, settings.binary, columns, change)
    sums, derivatives, seen = (
        sum(parts)
        for parts in zip(*(_summed(fit, setting, changes) for setting in settings), strict=True)
    )
    means = np.asarray(sums / seen)  # (changes, K)
    errors = np.asarray(derivatives / seen).reshape(means.size, -1) @ root
    each = means.shape[1]
    size = length(errors)
    unit = np.where(size > 0, size, 1.0)
    relative = errors / unit[:, None]
    with np.errstate(over="ignore", under="ignore"):  # variances of effects beyond 1e±154
        covariance = relative @ relative.T * unit * unit[:, None]
    return Margins(
        columns=tuple(c.column for c in changes for _ in range(each)),
        changes=tuple(c.shown for c in changes for _ in range(each)),
        outcomes=tuple(fit.outcomes) * len(changes) if each > 1 else (),
        effects=frozen(means.ravel()),
        std_errors=frozen(size),
        covariance=frozen(covariance),
        level=level,
        where=settings.where,
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some rows as they are: what the slopes of all columns are made of."""

    fit: RegressionFit
    setting: Setting
    weights: Floats
    coefficients: Floats

    @cached_property
    def derivatives(self) -> tuple[Floats, Floats, Floats]:
        """The design, and the first two derivatives of the expected outcome, weighted."""
        design = self.setting.design(self.setting.values)
        eta = self.setting.predictors(design, self.coefficients)
        response = self.fit._response(len(eta))
        first = self.fit.family.slopes(eta, response) * self.weights[:, None, None]
        second = self.fit.family.bends(eta, response) * self.weights[:, None, None, None]
        return design, first, second

    def slope(self, change: Change) -> tuple[Floats, Floats]:
        """Return the sum of slopes of shape (K,), and its derivative of shape (K, m, q)."""
        design, first, second = self.derivatives
        along = self.setting.direction(change)  # of the design, as the column grows
        speed = np.broadcast_to(along @ self.coefficients.T, (len(first), first.shape[2]))
        value = np.einsum("ikj,ij->k", first, speed)
        bent = np.einsum("ikjl,ij->ikl", second, speed)
        derivative = np.tensordot(bent, design, (0, 0))
        if len(along) == 1:
            derivative += first.sum(axis=0)[:, :, None] * along[0]
        else:
            derivative += np.tensordot(first, along, (0, 0))
        return value, derivative

    def difference(self, change: Change) -> tuple[Floats, Floats]:
        """Return the sum of differences of shape (K,), and its derivative of shape (K, m, q)."""
        ends = []
        for side in (0, 1):
            design = self.setting.design(self.setting.changed(change, side))
            eta = self.setting.predictors(design, self.coefficients)
            response = self.fit._response(len(eta))
            mean = self.fit.family.mean(eta, response).reshape(len(eta), -1)
            first = self.fit.family.slopes(eta, response) * self.weights[:, None, None]
            ends.append((self.weights @ mean, np.tensordot(first, design, (0, 0))))
        return ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]


def _summed(
    fit: RegressionFit, setting: Setting, changes: Sequence[Change]
) -> tuple[Floats, Floats, float]:
    """Return the weighted sums over rows of effects and of their derivatives in coefficients."""
    weights = np.ones(len(setting)) if setting.weights is None else setting.weights
    coefficients = fit._inside.reshape(fit._placement.predictors, -1)
    rows = _Rows(fit, setting, weights, coefficients)
    sums = [rows.slope(c) if c.is_slope else rows.difference(c) for c in changes]
    values, derivatives = zip(*sums, strict=True)
    return np.array(values), np.array(derivatives), float(weights.sum())
