"""What an estimator is to a study: how it is called, and whether it can take a whole block."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from estkit.errors import StudyError
from estkit.montecarlo import calls
from estkit.montecarlo.sampling import Source, Vectorized


def whole_block_form(function: Any, source: Source) -> Callable[..., Any] | None:
    """Return the form of an estimator that takes a whole block, or None.

    Such a form is declared by `vectorized`, hangs on the function as its attribute ``vectorized``
    (as `fit_many` does on `fit`), or is tried where the function has an axis.
    """
    if isinstance(function, Vectorized):
        return function.function
    bound = isinstance(function, functools.partial)
    twin = getattr(function.func if bound else function, "vectorized", None)
    if twin is not None:
        if not bound:
            return twin  # type: ignore[no-any-return]
        known = {p.name for p in calls.parameters(twin) or ()}
        fits = set(function.keywords) <= known
        return functools.partial(twin, *function.args, **function.keywords) if fits else None
    if not source.whole_blocks or not calls.takes(function, "axis"):
        return None
    stack = source.probe.stack
    if isinstance(stack, np.ndarray) and stack.ndim == 2:
        return functools.partial(function, axis=1)
    return None


def plan_estimator(
    name: str, function: Any, data: Any, condition: tuple[str, ...]
) -> tuple[Callable[..., Any], bool]:
    """Return how an estimator is called on such data, and whether it wants its own stream.

    A tuple of data is passed as several arguments when the estimator asks for several.
    """
    what = f"estimator {name!r}"
    if "axis" in calls.required(function, condition):
        function = functools.partial(function, axis=-1)
    named = ["rng", "condition", *condition, *(data if isinstance(data, dict) else ())]
    positional = ["data"]
    if isinstance(data, tuple):
        wanted = calls.required(function, named)
        listed = [p.name for p in calls.parameters(function) or ()]
        if len(wanted) > 1 or (len(listed) > 1 and listed[1] == "y"):
            if len(wanted) > 1 and len(wanted) != len(data):
                raise StudyError(
                    f"{what} takes {len(wanted)} data arguments ({', '.join(wanted)}), but "
                    f"generate returns {len(data)}."
                )
            parts = [f"data[{i}]" for i in range(len(data))]
            if len(wanted) <= 1:  # like fit(X, y=None): y has a default and still wants its data
                return _by_order(function, parts), calls.takes(function, "rng")
            positional = parts
    call = calls.plan(function, what, named=named, positional=positional)
    return call, calls.takes(function, "rng")


def _by_order(function: Any, parts: list[str]) -> Callable[..., Any]:
    return lambda offer: function(*[offer[part] for part in parts])
