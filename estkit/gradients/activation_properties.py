"""The properties of activations, found by computing them: nothing in the table is typed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.gradients import activations
from estkit.gradients.operands import Array
from estkit.gradients.rule import Rule

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["activation_properties"]

Activation = Callable[[Array], Rule]
Function = Callable[[Array], Array]

_REACH = 30.0  # beyond, activations are straight, flat or growing
_FAR = np.array([100.0, 300.0, 1000.0])
_FLAT = 1e-8  # a derivative below is none: the gradient has vanished
_JUMP = 1e-6  # of a function, between neighbouring floating-point numbers, relative to its size
_ZERO = 1e-9

_STANDARD: dict[str, Activation] = {
    "identity": activations.identity,
    "tanh": activations.tanh,
    "sigmoid": activations.sigmoid,
    "exp": activations.exp,
    "softplus": activations.softplus,
    "relu": activations.relu,
    "leaky_relu": activations.leaky_relu,
    "prelu, slope 0.25": lambda x: activations.prelu(x, 0.25),
    "elu": activations.elu,
    "elu, alpha 0.5": lambda x: activations.elu(x, alpha=0.5),
    "gelu": activations.gelu,
    "gelu, approximate": lambda x: activations.gelu(x, approximate=True),
}


def activation_properties(*, functions: Mapping[str, Activation] | None = None) -> pd.DataFrame:
    """Compute what kind of function each activation is.

    Jumps of the value and of the derivative are hunted down by bisection to neighbouring numbers,
    so that a kink within ±30 is found, not only one at 0, but one of several in a cell of 0.01 may
    hide. Saturation and range are read off at ±100 to ±1000. The mean output is that for standard
    normal input.

    Parameters
    ----------
    functions : mapping of str to callable, optional
        Activations of one array that answer with a `Rule`; by default those of `estkit.gradients`.

    Returns
    -------
    DataFrame
        A row for each activation, with the columns

        - ``continuous``, ``differentiable`` (everywhere), ``kink`` (where not, else NaN);
        - ``monotone``: never falls;
        - ``saturates``: the side on which the gradient vanishes, "left", "right", "both" or "";
        - ``lower``, ``upper``: the range, infinite where the function grows without end;
        - ``never_negative``: all gradients to the weights of a unit above then have one sign, and
          its steps zig-zag;
        - ``mean_output``, ``zero_centred``: the mean for normal input, and whether it is 0;
        - ``near_identity``: f(0) = 0 and f'(0) = 1 from both sides.

    Examples
    --------
    >>> import estkit as ek
    >>> table = ek.gradients.activation_properties()
    >>> table.loc[["tanh", "relu", "elu, alpha 0.5"], ["differentiable", "saturates"]]
                    differentiable saturates
    tanh                      True      both
    relu                     False      left
    elu, alpha 0.5           False      left
    """
    import pandas as pd

    chosen = _STANDARD if functions is None else functions
    with np.errstate(all="ignore"):
        return pd.DataFrame(
            {name: _describe(given) for name, given in chosen.items()}
        ).T.infer_objects()


def _describe(activation: Activation) -> dict[str, Any]:
    def value(x: Array) -> Array:
        return np.asarray(activation(x).value)

    def slope(x: Array) -> Array:
        return np.asarray(activation(x).vjp(np.ones_like(x))[0])

    # A grid of odd steps, so that no kink at a round number hides on a point of it.
    x = np.linspace(-_REACH - 0.0137, _REACH, 6007)
    cliffs, kinks = _jumps(value, x), _jumps(slope, x)
    lower, upper = _range(value, x)
    flat = [bool(np.all(np.abs(slope(side * _FAR)) < _FLAT)) for side in (-1, 1)]
    mean = _mean_output(value)
    beside = np.array([-1e-9, 1e-9])
    differentiable = not cliffs.size and not kinks.size
    return {
        "continuous": not cliffs.size,
        "differentiable": differentiable,
        "kink": np.nan if differentiable else float(np.concatenate([cliffs, kinks])[0]),
        "monotone": bool(np.all(np.diff(value(x)) >= 0) and np.all(slope(x) >= 0)),
        "saturates": {(True, True): "both", (True, False): "left", (False, True): "right"}.get(
            (flat[0], flat[1]), ""
        ),
        "lower": lower,
        "upper": upper,
        "never_negative": lower >= 0,
        "mean_output": mean,
        "zero_centred": abs(mean) < _ZERO,
        "near_identity": bool(
            abs(value(np.zeros(1))[0]) < _ZERO and np.all(np.abs(value(beside) / beside - 1) < 1e-6)
        ),
    }


def _jumps(function: Function, x: Array) -> Array:
    """Return where a function jumps, by halving all cells of a grid towards their larger change."""
    left, right = x[:-1].copy(), x[1:].copy()
    for _ in range(60):  # until the ends are neighbours
        middle = left + (right - left) / 2
        at = function(middle)
        to_left = np.abs(at - function(left)) > np.abs(function(right) - at)
        left, right = np.where(to_left, left, middle), np.where(to_left, middle, right)
    change = np.abs(function(right) - function(left))
    found = right[change > _JUMP * np.maximum(1, np.abs(function(left)))]
    return np.where(np.abs(found) < 1e-12, 0.0, found)  # the halves of a cell beside 0


def _range(function: Function, x: Array) -> tuple[float, float]:
    """Return the bounds of a function, refining the grid around the lowest and highest point."""
    ends = []
    for sign in (-1, 1):
        points = np.concatenate([-_FAR[::-1], x, _FAR])
        values = sign * function(points)
        best = int(np.argmax(values))
        before = {0: 1, len(points) - 1: -2}.get(best)  # the point at 300 beside that at 1000
        if before is not None and values[best] > 1.5 * abs(values[before]):
            ends.append(sign * np.inf)
            continue
        low, high = points[max(best - 1, 0)], points[min(best + 1, len(points) - 1)]
        ends.append(sign * float(np.max(sign * function(np.linspace(low, high, 10001)))))
    return ends[0], ends[1]


def _mean_output(function: Function) -> float:
    """Return E f(Z) for standard normal Z, by the trapezoidal rule on both sides of 0."""
    x = np.linspace(0, 12, 4801)  # the density of 12 is 1e-32
    both = function(x) + function(-x)
    weights = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    return float(np.trapezoid(both * weights, x))
