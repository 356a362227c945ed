"""``check_rule``: whether the way back of a rule is that of its value."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.gradients.checking.check import check_gradient
from estkit.gradients.checking.report import GradientReport
from estkit.gradients.rule import Rule


def check_rule(
    function: Callable[..., Rule],
    *inputs: Any,
    differentiated: Sequence[int] | None = None,
    directions: int | None = None,
    rng: int = 0,
) -> GradientReport:
    """Compare the vector-Jacobian product of a rule with numerical derivatives of its value.

    Parameters
    ----------
    function : callable
        ``function(*inputs)`` returns a `Rule`. Bind options with ``functools.partial``.
    *inputs : array-like
        Where to look.
    differentiated : sequence of int, optional
        The places of the inputs that the way back answers for; by default those of floats, in
        order, as many as it has answers.
    directions : int, optional
        As for `check_gradient`.
    rng : int
        For the upstream gradient, which is normal, and as for `check_gradient`.

    Returns
    -------
    GradientReport
        Of the gradient of the sum of value × upstream, by the name of the input and the entry.

    Examples
    --------
    >>> import estkit as ek
    >>> ek.gradients.check_rule(ek.gradients.product, [[1.0, 2.0]], [[0.5], [3.0]])
    GradientReport(all 4 right)
    """
    value, back = function(*inputs)
    draws = np.random.default_rng(rng)
    upstream = np.asarray(draws.normal(size=np.shape(value)))
    answers = back(upstream)
    if not isinstance(answers, tuple):
        raise DataError(f"The way back must return a tuple, got {type(answers).__name__}.")
    places = _places(inputs, differentiated, len(answers))
    names = _names(function, len(inputs))
    arrays = {names[i]: np.array(inputs[i], dtype=_kind(inputs[i])) for i in places}

    def called(parameters: dict[str, NDArray[Any]]) -> Rule:
        changed = list(inputs)
        for i in places:
            changed[i] = parameters[names[i]]
        return function(*changed)

    def total(parameters: dict[str, NDArray[Any]]) -> Any:
        return np.asarray(called(parameters).value) * upstream

    def gradient(parameters: dict[str, NDArray[Any]]) -> dict[str, Any]:
        found = called(parameters).vjp(upstream)
        return {names[i]: part for i, part in zip(places, found, strict=True)}

    _check_shapes(answers, arrays)
    return check_gradient(
        lambda p: total(p).sum(), gradient, arrays, directions=directions, rng=rng
    )


def _kind(given: Any) -> Any:
    kind = np.asarray(given).dtype
    return kind if kind.kind == "f" else float


def _places(inputs: Sequence[Any], chosen: Sequence[int] | None, count: int) -> list[int]:
    """Return the places of the inputs that are differentiated."""
    places = list(range(len(inputs))) if chosen is None else list(chosen)
    if chosen is None and len(places) > count:
        places = [i for i in places if np.asarray(inputs[i]).dtype.kind == "f"][:count]
    if len(places) != count:
        raise DataError(
            f"The way back has {count} answers for {len(places)} inputs; say which inputs they "
            f"belong to with differentiated=."
        )
    return places


def _names(function: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a function written in C
        parameters = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in kinds][:count]
    return names + [f"input{i}" for i in range(len(names), count)]


def _check_shapes(answers: tuple[Any, ...], arrays: dict[str, NDArray[Any]]) -> None:
    """Raise unless every answer has exactly the shape of its input."""
    for answer, (name, array) in zip(answers, arrays.items(), strict=True):
        if np.shape(answer) != array.shape:
            raise DataError(
                f"The way back returned shape {np.shape(answer)} for {name}, expected "
                f"{array.shape}."
            )
