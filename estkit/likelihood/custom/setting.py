"""What is settled before a user's likelihood is fitted: weights, groups, and its derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import DataError
from estkit.labels import read_labels
from estkit.likelihood.custom.derivatives import Derivatives, agree, first_steps
from estkit.likelihood.custom.function import Function, check_length
from estkit.likelihood.custom.given import Written, check_derivatives, jax_derivatives
from estkit.likelihood.family import Floats
from estkit.likelihood.weights import Weights, read_weights


def read_by_row(
    function: Function, rows: int, by_row: dict[str, Any], *, whole: bool
) -> tuple[Weights | None, NDArray[np.int64] | None]:
    """Return the weights and the groups of the rows; `whole` if a Hessian of the total was given.

    Raises
    ------
    DataError
        If there is no value for each row that they could belong to.
    """
    given = {what: values for what, values in by_row.items() if values is not None}
    if given and not function.per_row:
        raise DataError(
            f"{next(iter(given))}= needs a value for each row, and the log-likelihood returns "
            f"a total; return an array of shape (n,)."
        )
    codes = None
    if "groups" in given:
        codes = read_labels(given.pop("groups"), what="groups").codes
        check_length("groups", len(codes), rows)
    for what, values in given.items():
        if whole:
            raise DataError(f"hessian= is of the unweighted total; leave it out with {what}=.")
        check_length(what, len(data.read_vector(values, what=what)), rows)
        kind = "frequency" if what == "weights" else "sampling"
        return read_weights(values, rows=rows, kind=kind), codes
    return None, codes


def chosen_derivatives(
    function: Function,
    origin: Floats,
    gradient: Callable[..., Any] | None,
    hessian: Callable[..., Any] | None,
    wanted: str,
) -> Derivatives:
    """Return how a log-likelihood is differentiated: as given, by JAX, complex steps, differences.

    Raises
    ------
    DataError
        If complex steps are wanted and do not work.
    """
    by_differences = Derivatives(function, "differences", first_steps(function, origin))
    by_differences = by_differences.tuned(origin)
    if gradient is not None:
        slopes = Written(function, gradient).slopes
        curve = None if hessian is None else Written(function, hessian).hessian
        return replace(by_differences, method="given", gradient_of=slopes, hessian_of=curve)
    of_jax = type(function.raw(origin)).__module__.split(".")[0] in ("jax", "jaxlib")
    if wanted == "jax" or (wanted == "auto" and of_jax):
        made = jax_derivatives(function)
        return replace(by_differences, method="jax", gradient_of=made[0], hessian_of=made[1])
    if wanted == "differences":
        return by_differences
    by_complex = replace(by_differences, method="complex")
    if function.takes_complex(origin) and agree(by_complex, origin):
        return by_complex
    if wanted == "complex":
        raise DataError(
            "derivatives='complex' does not work: the log-likelihood cannot be called with "
            "complex parameters, or its complex step and differences disagree (abs, "
            "conversions to real numbers and conjugates are the usual reasons)."
        )
    return by_differences


def check_at_start(derivatives: Derivatives, origin: Floats) -> None:
    """Compare given derivatives at the start and beside it, where no component is 0."""
    check_derivatives(derivatives, origin, hessian=True)
    signs = np.where(np.arange(len(origin)) % 2, -1.0, 1.0)
    beside = origin + 10 * signs * derivatives.steps
    if derivatives.gradient_of is not None and np.isfinite(derivatives.function.value(beside)):
        check_derivatives(derivatives, beside, hessian=False)
