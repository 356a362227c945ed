"""The function whose derivative is checked, called with care and counted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.gradients.checking.differences import Change, Slope, differentiate
from estkit.gradients.checking.form import Floats, Form

_TINY = 2.0**-200  # the complex step: its square is lost beside 1
_ROUNDING = 2.0  # times the precision: what a difference of two values is uncertain by
_START = 1e-3  # the first step, of the distance over which the function may change


@dataclass(eq=False)
class Subject:
    """A function of a flat vector, whose values are a flat vector.

    Parameters
    ----------
    function : callable
        The user's function, of parameters in their form.
    form : Form
        How they are made of the flat vector.
    summed : bool
        Whether the sum of the values is differentiated, and not each of them.
    noise_level : array
        What is known of the noise of the values beyond rounding.
    """

    function: Callable[[Any], Any]
    form: Form
    summed: bool = False
    calls: int = 0
    refusals: set[str] = field(default_factory=set)
    shape: tuple[int, ...] = ()
    eps: float = float(np.finfo(float).eps)
    center: Floats = field(default_factory=lambda: np.empty(0))
    noise_level: Any = 0.0

    def start(self) -> None:
        """Call the function where derivatives are asked for."""
        values = self._values(self.form.values)
        if values.dtype.kind == "c":
            raise DataError("f returned complex numbers for real parameters.")
        self.shape = values.shape
        self.center = values.ravel().astype(float)
        kinds = [values.dtype if values.dtype.kind == "f" else np.dtype(float)]
        self.eps = max(float(np.finfo(d).eps) for d in (*kinds, self.form.values.dtype))

    def _values(self, flat: NDArray[Any]) -> NDArray[Any]:
        self.calls += 1
        with np.errstate(all="ignore"):
            answer = self.function(self.form.formed(flat))
        values = np.asarray(answer)
        if values.dtype.kind not in "fiubc" or not values.size:
            raise DataError(
                f"f returned {type(answer).__name__} {answer!r:.60}; it must return a number or an "
                f"array of numbers."
            )
        return values

    def rows(self, flat: NDArray[Any]) -> Floats:
        """Return the values; NaN where the function refuses to be called."""
        try:
            values = self._values(flat)
        except (ArithmeticError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            self.refusals.add(type(error).__name__)
            return np.full(self.center.shape, np.nan)
        if values.shape != self.shape:
            raise DataError(f"f returned shape {values.shape}, and {self.shape} before.")
        if values.dtype.kind == "c":
            raise DataError("f returned complex numbers for real parameters.")
        return values.ravel().astype(float)

    def reduced(self, rows: Floats) -> Floats:
        """Return what is differentiated of values, or of their changes."""
        return np.array([rows.sum()]) if self.summed else rows

    @property
    def rounding(self) -> Floats:
        """How far rounding may move what is differentiated."""
        rounding = _ROUNDING * self.eps * np.abs(self.center)
        if self.summed:
            total = np.sqrt((rounding**2).sum()) if len(rounding) > 1 else rounding.sum()
            rounding = np.array([total])
        return np.asarray(rounding)

    @property
    def noise(self) -> Floats:
        """How far rounding, and noise beyond it, may move what is differentiated."""
        level: Floats = np.maximum(self.rounding, self.noise_level)
        return level

    def change(self, index: int, point: NDArray[Any] | None = None) -> Change:
        """Return the change of the values when one parameter moves."""
        origin = self.form.values if point is None else point
        center = self.center if point is None else self.rows(point)

        def moved(by: float) -> tuple[Floats, float]:
            there = origin.copy()
            there[index] += by
            return self.reduced(self.rows(there) - center), float(there[index] - origin[index])

        return moved

    def along(self, direction: Floats, origin: NDArray[Any], center: Floats) -> Change:
        """Return the change of the values along a direction."""

        def moved(by: float) -> tuple[Floats, float]:
            there = (origin + by * direction).astype(origin.dtype)
            return self.reduced(self.rows(there) - center), by

        return moved

    def complex_step(self, direction: Floats, origin: NDArray[Any]) -> Floats | None:
        """Return the derivative along a direction by the complex step; None where it fails."""
        if self.eps > 1e-12:
            return None
        step = _TINY / max(float(np.abs(direction).max()), 1e-300)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                values = self._values(origin + 1j * step * direction)
        except Exception:  # the function takes real numbers only; differences will do
            return None
        if values.dtype.kind != "c" or values.shape != self.shape:
            return None
        slopes = self.reduced(np.imag(values).ravel() / step)
        return slopes if np.isfinite(slopes).all() else None

    def slope(self, index: int, *, complex_too: bool, first: float | None = None) -> Slope:
        """Return the derivative to one parameter."""
        unit = np.zeros(len(self.form.values))
        unit[index] = 1.0
        guess = self.complex_step(unit, self.form.values) if complex_too else None
        return differentiate(
            self.change(index),
            self.first_step(index, guess) if first is None else first,
            self.noise,
            guess=guess,
            largest=1e12 * max(1.0, abs(float(self.form.values[index]))),
        )

    def first_step(self, index: int, guess: Floats | None) -> float:
        """Return a step to begin with, small beside the parameter and what its slope says."""
        size = abs(float(self.form.values[index])) or 1.0
        if guess is None:
            ahead, _ = self.change(index)(1e-3 * size)
            guess = ahead / (1e-3 * size)
        level = float(np.abs(self.center).sum())
        slope = float(np.abs(guess).sum())
        length = level / slope if slope > 0 and level > 0 and np.isfinite(slope) else np.inf
        wanted = _START if self.eps < 1e-12 else 0.03
        return wanted * min(length, max(size, min(length, 1.0)))
