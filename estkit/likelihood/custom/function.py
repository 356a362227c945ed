"""A user's log-likelihood, called with care: its data protected, its answer checked.

The function sees parameters in the form of its start and the data as they were given; arrays are
handed over as read-only views. What it returns is a value for each row, or their total.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.frames import as_frame
from estkit.likelihood.custom.parameters import Layout
from estkit.likelihood.custom.transforms import Transforms
from estkit.likelihood.family import Floats

_JITTER = 1e-10  # two calls may differ by rounding, when threads add up in another order
_COMPLEX_STEP = 2.0**-200


@dataclass(frozen=True, eq=False)
class Function:
    """A log-likelihood as a function of unbounded parameters.

    Parameters
    ----------
    loglik : callable
        The user's function of parameters and data.
    arguments : tuple
        The data it is called with, after the parameters.
    layout : Layout
        The form of the parameters.
    transforms : Transforms
        How the estimated ones are made from unbounded numbers.
    weights : array of shape (n,), optional
        How many times each row was observed.
    per_row : bool, optional
        Whether it returns a value for each row; None until the first call has shown it.
    sign : float
        -1 to look at the function upside down.
    """

    loglik: Callable[..., Any]
    arguments: tuple[Any, ...]
    layout: Layout
    transforms: Transforms
    weights: Floats | None = None
    per_row: bool | None = None
    sign: float = 1.0

    def parameters(self, point: NDArray[Any]) -> NDArray[Any]:
        """Return the estimated parameters at an unbounded point."""
        return self.transforms.outward(point)

    def call(self, function: Callable[..., Any], outside: NDArray[Any], what: str) -> Any:
        """Call a function of the user; its exceptions say where they came from."""
        given = self.layout.formed(self.layout.filled(outside))
        try:
            with np.errstate(all="ignore"):  # what is not finite is noticed by its value
                return function(given, *self.arguments)
        except Exception as error:
            error.add_note(f"Raised by the {what} at {self.layout.shown(outside)}.")
            raise

    def raw(self, point: NDArray[Any]) -> Any:
        """Return what the function returns at an unbounded point."""
        return self.call(self.loglik, self.parameters(point), "log-likelihood")

    def rows(self, point: NDArray[Any]) -> NDArray[Any]:
        """Return the weighted value of each row, or the total as the only one."""
        return self._weighted(self.values_of(self.raw(point)))

    def _weighted(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.weights is None:
            return self.sign * values
        check_length("weights", len(self.weights), len(values))
        return self.sign * np.where(self.weights > 0, self.weights * values, 0.0)

    def values_of(self, answer: Any) -> NDArray[Any]:
        """Return what the function returned as a vector; it must be a vector or a number."""
        values = np.asarray(answer)
        if values.dtype.kind not in "fiubc":
            raise DataError(
                f"The log-likelihood returned {type(answer).__name__} {answer!r:.60}; it must "
                f"return a number for each row, or their sum."
            )
        if values.ndim > 1:
            raise DataError(
                f"The log-likelihood returned an array of shape {values.shape}; it must return one "
                f"value for each row, shape (n,), or their sum. A column of shape (n, 1) beside a "
                f"vector of shape (n,) makes an (n, n) array."
            )
        is_per_row = values.ndim == 1
        single = values.size == 1
        if self.per_row is not None and self.per_row != is_per_row and (self.per_row or not single):
            wanted = "a value for each row" if self.per_row else "a single total"
            raise DataError(f"The log-likelihood returned shape {values.shape}, expected {wanted}.")
        return values.reshape(-1)

    def value(self, point: Floats) -> float:
        """Return the log-likelihood, NaN where it is not finite."""
        total = float(np.sum(self.rows(point)))
        return total if np.isfinite(total) else float("nan")

    def rows_at(self, outside: NDArray[Any]) -> NDArray[Any]:
        """Return the same as `rows` at parameters, which may lie on their bounds."""
        return self._weighted(self.values_of(self.call(self.loglik, outside, "log-likelihood")))

    def value_at(self, outside: Floats) -> float:
        """Return the log-likelihood at parameters that may lie on their bounds; NaN as above."""
        total = float(np.sum(self.rows_at(outside)))
        return total if np.isfinite(total) else float("nan")

    def shown(self, point: Floats) -> str:
        """Return the parameters at an unbounded point in words."""
        return self.layout.shown(self.parameters(point))

    def complex_slopes(self, point: Floats) -> Floats:
        """Return the derivative of each row by the complex step, of shape (rows, k).

        The step is so small that its square is lost beside 1 (Squire and Trapp 1998).
        """
        columns = []
        for j in range(len(point)):
            moved = point.astype(complex)
            moved[j] += 1j * _COMPLEX_STEP
            columns.append(np.imag(self.rows(moved)) / _COMPLEX_STEP)
        return np.stack(columns, axis=1)

    def takes_complex(self, point: Floats) -> bool:
        """Say whether the function can be called with complex parameters at all."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                slopes = self.complex_slopes(point)
        except Exception:  # whatever it is: the function works with real numbers, as was seen
            return False
        return bool(np.isfinite(slopes).all())


def examined(function: Function, point: Floats) -> tuple[Function, int]:
    """Call a function where it starts; return it with its form known, and its number of values.

    Raises
    ------
    DataError
        If its answer is not finite, or differs between two calls.
    """
    answer = function.raw(point)
    values = function.values_of(answer)
    per_row = bool(np.ndim(answer)) if function.per_row is None else function.per_row
    where = function.shown(point)
    _check_finite(values, per_row, where)
    again = function.values_of(function.raw(point))
    if again.shape != values.shape or not np.allclose(again, values, rtol=_JITTER, atol=_JITTER):
        first, second = float(np.sum(values)), float(np.sum(again))
        raise DataError(
            f"The log-likelihood returned {first:.12g} and then {second:.12g} for the same "
            f"parameters ({where}). It must always return the same: draw random numbers once "
            f"outside of it, and do not change the data inside."
        )
    return replace(function, per_row=per_row), len(values)


def _check_finite(values: NDArray[Any], per_row: bool, where: str) -> None:
    if np.iscomplexobj(values):
        raise DataError(f"The log-likelihood returned complex numbers at {where}.")
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    row = int(np.argmax(bad))
    place = f" for row {row} (counted from 0), one of {int(bad.sum())}" if per_row else ""
    raise DataError(
        f"The log-likelihood is {values[row]} at the start{place}: {where}. Start where it is "
        f"finite, and give bounds= for parameters that must be positive or in an interval."
    )


def check_length(what: str, found: int, rows: int) -> None:
    """Raise unless there is one value for each row of the log-likelihood."""
    if found != rows:
        raise DataError(
            f"{what} has {found} rows, but the log-likelihood returned {rows} values; it must "
            f"return one for each row."
        )


def protected(argument: Any) -> Any:
    """Return a read-only view of an array, and anything else as it is."""
    if not isinstance(argument, np.ndarray):
        return argument
    view = argument.view()
    view.flags.writeable = False
    return view


def fingerprint(argument: Any) -> str:
    """Return a fingerprint of data that cannot be protected."""
    if argument is None or isinstance(argument, np.ndarray):
        return ""
    import joblib

    digest: str = joblib.hash(argument)
    return digest


def like(values: NDArray[Any], given: Any) -> Any:
    """Return drawn values in the kind of container that was given: a frame, a mapping, an array."""
    frame = as_frame(given)
    if frame is None or type(given).__name__ == "Series":
        return values
    columns = dict(zip(frame.columns, values.reshape(len(values), -1).T, strict=True))
    if isinstance(given, Mapping):
        return columns
    import narwhals.stable.v2 as nw

    return nw.from_dict(columns, backend=frame.implementation).to_native()
