"""What every rule of this room answers with: a value, and the way back from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Rule(NamedTuple):
    """The value of a function at its inputs, and its vector-Jacobian product there.

    Parameters
    ----------
    value : ndarray or scalar
        What the function gives; an array is read-only.
    vjp : callable
        Takes ∂L/∂value, of the shape of `value`, for any scalar L, and returns the tuple of
        ∂L/∂input, one for each input that can be differentiated, in their order and shapes.
    """

    value: NDArray[np.floating] | np.floating
    vjp: Callable[[ArrayLike], tuple[Any, ...]]
