"""The rows at which marginal effects are taken, and how their columns are changed.

Columns are changed where they are numbers already, category by category. With a formula that does
more than add columns up, only a frame of the variables can be changed: every term then follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit import data
from estkit.categories import Coding
from estkit.errors import DataError, EstkitError
from estkit.frames import as_frame, select
from estkit.likelihood.family import Floats
from estkit.likelihood.placement import Placement
from estkit.likelihood.predictions.variables import (
    Change,
    Variable,
    checked,
    find,
    formula_variables,
    variables_of,
)
from estkit.likelihood.rows import Rows

if TYPE_CHECKING:
    from estkit.likelihood.regression_fit import RegressionFit

_ROWS = 4096
_STEP = 1e-3  # of the size of a variable, where only differences tell how terms follow it
_DIFFERENCE = ((1, 1.5), (2, -0.6), (3, 0.1))  # of sixth order


@dataclass(frozen=True, eq=False)
class Setting:
    """Some rows: columns of numbers, what is added to the predictors, how often each was seen."""

    values: Floats
    added: Floats | None
    weights: Floats | None
    placement: Placement
    frame: Any = None
    read: Callable[[Any], data.Columns] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def design(self, values: Floats) -> Floats:
        """Return the design of columns of numbers."""
        return self.placement.columns(values).dense

    def predictors(self, design: Floats, coefficients: Floats) -> Floats:
        """Return the linear predictors of shape (rows, m)."""
        eta: Floats = design @ coefficients.T
        return eta if self.added is None else eta + self.added

    def changed(self, change: Change, side: int) -> Floats:
        """Return the columns of numbers before a change (side 0), or after it (1)."""
        if change.ends is not None:
            return self.holding(change.variable, change.ends[side])
        return self.moved(change.variable, side * (change.step or 0.0))

    def holding(self, variable: Variable, value: Any) -> Floats:
        """Return the columns of numbers with one variable held at a value."""
        if self.read is not None:
            import narwhals.stable.v2 as nw

            return self._read(self.frame.with_columns(nw.lit(value).alias(variable.name)))
        values = self.values.copy()
        if not variable.levels:
            values[:, variable.place] = value
        for k, level in enumerate(variable.coded):
            values[:, variable.place + k] = level == value
        return values

    def moved(self, variable: Variable, by: Any) -> Floats:
        """Return the columns of numbers with something added to one variable."""
        if self.read is not None:
            import narwhals.stable.v2 as nw

            old = np.asarray(self.frame[variable.name].to_numpy(), float)
            new = nw.new_series(variable.name, old + by, backend=self.frame.implementation)
            return self._read(self.frame.with_columns(new))
        values = self.values.copy()
        values[:, variable.place] += by
        return values

    def direction(self, change: Change) -> Floats:
        """Return how the design moves as a variable grows: (rows, q), or (1, q) for all."""
        if self.read is None:
            columns = np.zeros((1, self.values.shape[1]))
            columns[0, change.variable.place] = 1.0
        else:
            size = np.abs(np.asarray(self.frame[change.column].to_numpy(), float))
            step = _STEP * np.where(size > 0, size, 1.0)
            columns = np.zeros(self.values.shape)
            for times, weight in _DIFFERENCE:
                ahead = self.moved(change.variable, times * step)
                behind = self.moved(change.variable, -times * step)
                columns += weight * (ahead - behind) / (2 * times * step)[:, None]
        slopes = columns @ self.placement.slope_matrix
        start = np.zeros((len(slopes), int(self.placement.intercept)))
        return np.hstack([start, slopes])

    def _read(self, frame: Any) -> Floats:
        assert self.read is not None
        return np.asarray(self.read(frame.to_native()).values, float)


@dataclass(frozen=True, eq=False)
class Settings:
    """All rows at which effects are taken.

    Parameters
    ----------
    variables : tuple of Variable
        What can be changed.
    make : callable
        Yields the rows, some at a time.
    where : str
        What they are, in words.
    binary : tuple of str
        The variables that are 0 or 1.
    """

    variables: tuple[Variable, ...]
    make: Callable[[], Iterator[Setting]]
    where: str
    binary: tuple[str, ...]

    def __iter__(self) -> Iterator[Setting]:
        return self.make()


def settings_of(fit: RegressionFit, at: Any, offset: Any) -> Settings:
    """Return the rows that ``at`` asks for.

    Raises
    ------
    DataError
        If it cannot be understood.
    EstkitError
        If it needs the training data, or a frame for a formula.
    """
    if isinstance(at, str) and at not in ("average", "mean"):
        raise DataError(f"at must be 'average', 'mean', a mapping or a frame, got {at!r}.")
    variables = variables_of(fit)
    named = at if isinstance(at, Mapping) and all(np.ndim(v) == 0 for v in at.values()) else None
    if named is not None and {v.name for v in variables or formula_variables(fit)} <= set(named):
        at, named = {name: [value] for name, value in named.items()}, None
    if named is None and not isinstance(at, str):
        return _given(fit, at, offset)
    if offset is not None:
        raise DataError("offset= belongs to the rows of a frame; pass the frame as at=.")
    if variables is None:
        raise EstkitError(
            "The terms of the formula cannot be changed one by one; pass a frame of its variables "
            "as at=, such as the data of the fit."
        )
    model = fit._training("margins")
    observed = f"{fit.n_obs} observations"
    whole = Settings(
        variables,
        lambda: _training(model.rows, fit._placement),
        f"averaged over {observed}",
        fit._binary,
    )
    if at == "average":
        return whole
    if at == "mean":
        return replace(whole, make=lambda: iter([_mean(whole)]), where="at the means of columns")
    pairs = [(find(name, variables), value) for name, value in (named or {}).items()]
    held = [(variable, checked(variable, value, "at")) for variable, value in pairs]
    words = ", ".join(f"{v.name} = {value}" for v, value in held)
    return replace(
        whole,
        make=lambda: (_held(setting, held) for setting in whole),
        where=f"at {words}, averaged over {observed}",
    )


def _training(rows: Rows, placement: Placement) -> Iterator[Setting]:
    for piece in rows.pieces(lambda piece: piece):
        values, response, offset = piece.columns.values, piece.response, piece.offset
        counted = not (response.weighting == "analytic" and response.kind == "numbers")
        for first in range(0, piece.columns.rows, _ROWS):
            part = slice(first, first + _ROWS)
            own = data.rows_of(values, part)
            own = own.toarray() if data.is_sparse(own) else own
            weights = response.weights if counted else None
            added = None
            if offset is not None:
                added = (offset[part] + piece.level) * response.unit
                added = added.reshape(len(own), -1)
            yield Setting(
                np.asarray(own, float),
                added,
                None if weights is None else weights[part],
                placement,
            )


def _mean(settings: Settings) -> Setting:
    """Return a single row of means."""
    total: Any = 0.0
    added: Any = 0.0
    count, last = 0.0, None
    for last in settings:
        weights = np.ones(len(last)) if last.weights is None else last.weights
        total, count = total + weights @ last.values, count + float(weights.sum())
        added = None if last.added is None else added + weights @ last.added
    assert last is not None
    mean = None if added is None else (added / count)[None]
    return replace(last, values=(total / count)[None], added=mean, weights=None)


def _held(setting: Setting, held: Sequence[tuple[Variable, Any]]) -> Setting:
    for variable, value in held:
        setting = replace(setting, values=setting.holding(variable, value))
    return setting


def _given(fit: RegressionFit, at: Any, offset: Any) -> Settings:
    """Return the rows of a frame or an array."""
    columns = fit._read(at, None)
    response = fit._response(columns.rows)
    added = fit.family.encode_offset(offset, response)
    values = columns.values.toarray() if data.is_sparse(columns.values) else columns.values
    added = None if added is None else added.reshape(columns.rows, -1)
    setting = Setting(np.asarray(values, float), added, None, fit._placement)
    rows = "1 row" if columns.rows == 1 else f"{columns.rows} rows"
    where = f"averaged over {rows} given"
    variables, coding = variables_of(fit), fit._coding
    if coding is None or isinstance(coding, Coding):
        assert variables is not None
        return Settings(variables, lambda: iter([setting]), where, fit._binary)
    variables = formula_variables(fit)
    frame = select(as_frame(at), [v.name for v in variables])
    setting = replace(setting, frame=frame, read=coding.read)
    numbers = [v.name for v in variables if not v.levels]
    binary = tuple(n for n in numbers if set(np.unique(frame[n].to_numpy())) == {0, 1})
    return Settings(variables, lambda: iter([setting]), where, binary)
