"""Derivatives that the user wrote, or that JAX makes: read, and checked against differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from estkit.errors import DataError, MissingExtraError
from estkit.gradients.checking.check import check_gradient
from estkit.gradients.checking.report import GradientReport
from estkit.likelihood.custom.derivatives import Derivatives
from estkit.likelihood.custom.function import Function, check_length
from estkit.likelihood.custom.parameters import Layout
from estkit.likelihood.family import Floats

_ALLOWED = 1e-6  # of the larger of the two, and of the standard deviation of the score


@dataclass(frozen=True)
class Written:
    """A gradient or a Hessian as the user wrote it, brought to the estimated parameters."""

    function: Function
    written: Callable[..., Any]

    def slopes(self, outside: Floats) -> Floats:
        """Return the gradient as (rows, k), or (1, k) for the total."""
        answer = self.function.call(self.written, outside, "gradient")
        rows = read_gradient(answer, self.function.layout)
        weights = self.function.weights
        if weights is None:
            return rows
        check_length("weights", len(weights), len(rows))
        return weights[:, None] * rows

    def hessian(self, outside: Floats) -> Floats:
        """Return the Hessian as (k, k)."""
        answer = self.function.call(self.written, outside, "Hessian")
        return read_hessian(answer, self.function.layout)


def read_gradient(answer: Any, layout: Layout) -> Floats:
    """Return a gradient as (rows, k) or (1, k), from a mapping or an array.

    Raises
    ------
    DataError
        If it does not fit the parameters.
    """
    if isinstance(answer, Mapping):
        if layout.shapes is None:
            raise DataError("gradient returned a mapping, but start is an array; return an array.")
        columns: list[Floats] = []
        free = set(layout.free.tolist())
        for places, name in layout.places():
            wanted = any(i in free for i in range(places.start, places.stop))
            size = places.stop - places.start
            if name not in answer:
                if wanted:
                    raise DataError(
                        f"gradient returned nothing for {name!r}; it must have an entry for each "
                        f"of {', '.join(layout.names)}."
                    )
                columns.append(np.full((1, size), np.nan))
                continue
            entry = np.asarray(answer[name], dtype=float)
            own = layout.shapes[name]
            if entry.shape[entry.ndim - len(own) :] != own or entry.ndim > len(own) + 1:
                raise DataError(
                    f"gradient returned shape {entry.shape} for {name!r}, expected {own} for the "
                    f"total or {('n', *own)} for each row."
                )
            columns.append(entry.reshape(-1 if entry.ndim > len(own) else 1, size))
        rows = max(len(column) for column in columns)
        if any(len(column) not in (rows, 1) for column in columns):
            raise DataError("gradient returned different numbers of rows for its entries.")
        short = {
            name for (_, name), c in zip(layout.places(), columns, strict=True) if len(c) < rows
        }
        if short & set(answer):
            raise DataError(
                f"gradient returned totals for {sorted(short & set(answer))} and values for each "
                f"row for the others; return one of both for all."
            )
        whole = np.concatenate([np.broadcast_to(c, (rows, c.shape[1])) for c in columns], axis=1)
        return whole[:, layout.free]
    whole = np.asarray(answer, dtype=float)
    whole = whole.reshape(1, -1) if whole.ndim < 2 else whole
    return _estimated(whole, layout, "gradient")


def read_hessian(answer: Any, layout: Layout) -> Floats:
    """Return a Hessian as (k, k), from an array or a mapping of pairs of names.

    Raises
    ------
    DataError
        If it does not fit the parameters.
    """
    if isinstance(answer, Mapping):
        where = {name: places for places, name in layout.places()}
        whole = np.zeros((len(layout.values), len(layout.values)))
        for pair, entry in answer.items():
            if not (isinstance(pair, tuple) and len(pair) == 2 and set(pair) <= set(where)):
                raise DataError(
                    f"hessian returned the entry {pair!r}; a mapping has pairs of names such as "
                    f"{(layout.names[0], layout.names[-1])!r}, or return an array."
                )
            first, second = where[pair[0]], where[pair[1]]
            part = whole[first, second]
            part[...] = np.asarray(entry, dtype=float).reshape(part.shape)
            if (pair[1], pair[0]) not in answer:
                whole[second, first] = part.T
        return whole[np.ix_(layout.free, layout.free)]
    whole = np.asarray(answer, dtype=float)
    if whole.ndim != 2 or whole.shape[0] != whole.shape[1]:
        raise DataError(f"hessian returned shape {whole.shape}, expected (k, k).")
    rows = _estimated(whole, layout, "hessian")
    return _estimated(rows.T, layout, "hessian")


def _estimated(whole: Floats, layout: Layout, what: str) -> Floats:
    """Return the columns of the estimated parameters, of all or of the estimated ones alone."""
    if whole.shape[1] == len(layout.values):
        return whole[:, layout.free]
    if whole.shape[1] == len(layout.free):
        return whole
    raise DataError(
        f"{what} returned shape {whole.shape}; its last axis must be the {len(layout.values)} "
        f"parameters {', '.join(layout.all_names)}."
    )


def check_derivatives(derivatives: Derivatives, point: Floats, *, hessian: bool) -> None:
    """Compare a given gradient, and a given Hessian, with differences at a point.

    Raises
    ------
    DataError
        If they differ by more than the error of the differences; the message names the parameter.
    """
    if derivatives.gradient_of is None:
        return
    function = derivatives.function
    slopes, error = derivatives.difference_slopes(point)
    numeric = slopes.sum(axis=0)
    if not np.isfinite(numeric).all():
        return  # too near the edge of the domain to look to both sides
    slope = function.transforms.slope(point)
    unit = 0.05 / derivatives.steps  # the standard deviation of each component of the score
    given = derivatives.gradient(point)
    allowed = _ALLOWED * (np.maximum(np.abs(given), np.abs(numeric)) + unit) + 10 * error
    wrong = ~(np.abs(given - numeric) <= allowed)
    names, where = function.layout.names, function.layout.shown(function.parameters(point))
    if wrong.any():
        j = int(np.argmax(np.where(wrong, np.abs(given - numeric) / allowed, -1.0)))
        raise DataError(
            f"gradient is wrong for {names[j]!r} at {where}: it returned "
            f"{given[j] / slope[j]:.6g}, differences of the log-likelihood give "
            f"{numeric[j] / slope[j]:.6g}{_cause(given, numeric, slope, j)}."
            f"{_likely(derivatives, point, names[j])}"
        )
    if derivatives.hessian_of is None or not hessian:
        return
    by_gradient = Derivatives(function, "given", derivatives.steps, derivatives.gradient_of)
    mine, theirs = by_gradient.information(point), derivatives.information(point)
    size = np.sqrt(np.abs(np.outer(np.diag(mine), np.diag(mine)))) + np.abs(mine)
    bad = ~(np.abs(mine - theirs) <= 1e-5 * size)
    if np.isfinite(mine).all() and bad.any():
        i, j = (int(v) for v in np.argwhere(bad)[0])
        scale = slope[i] * slope[j]
        bent = np.diag(by_gradient.gradient(point) / slope * function.transforms.curvature(point))
        told, found = (-(m + bent)[i, j] / scale for m in (theirs, mine))
        raise DataError(
            f"hessian is wrong for {names[i]!r}, {names[j]!r} at {where}: it returned {told:.6g}, "
            f"differences of the gradient give {found:.6g}. It is the matrix of second "
            f"derivatives of the log-likelihood, not their negative nor its inverse."
        )


def gradient_report(derivatives: Derivatives, point: Floats, *, rng: int = 0) -> GradientReport:
    """Return the check of a given gradient, to the parameters themselves and not their transforms.

    Raises
    ------
    DataError
        If no gradient was given.
    """
    gradient, function = derivatives.gradient_of, derivatives.function
    if gradient is None:
        raise DataError("This Likelihood has no gradient= to check; estkit differentiates it.")
    names, outside = function.layout.names, function.parameters(point)
    return check_gradient(function.rows_at, gradient, outside, names=names, rng=rng)


def _likely(derivatives: Derivatives, point: Floats, name: str) -> str:
    """Return the verdict of the checker in a sentence, when it names a cause."""
    report = gradient_report(derivatives, point)
    cause = report.cause(name) if name in report.names else ""
    return f" Likely cause: {cause}; Likelihood.check shows all parameters." if cause else ""


def _cause(given: Floats, numeric: Floats, slope: Floats, j: int) -> str:
    """Return what may have gone wrong, after a comma, or nothing."""
    if not np.isfinite(given[j]):
        return ""
    if given[j] == 0:
        return ", and not 0"
    ratio = given[j] / numeric[j] if numeric[j] else np.inf
    if abs(ratio + 1) < 1e-3:
        return ", the same with the other sign"
    if abs(ratio * slope[j] - 1) < 1e-3 or abs(ratio - slope[j]) < 1e-3 * abs(slope[j]):
        return (
            "; it looks like the derivative on the transformed scale, and must be that to the "
            "parameter itself"
        )
    other = np.abs(given[j] / slope[j] - numeric / slope) < 1e-6 * np.abs(given[j] / slope[j])
    if other.any():
        return "; the entries seem to be in another order"
    return f", {ratio:.4g} times as much as it should be" if abs(ratio) < 1e6 else ""


def jax_derivatives(function: Function) -> tuple[Callable[[Floats], Floats], ...]:
    """Return the slopes and the Hessian, to the outside parameters, that JAX makes.

    Raises
    ------
    MissingExtraError
        If JAX is not installed.
    DataError
        If it computes in single precision.
    """
    try:
        import jax
        import jax.numpy as jnp
    except ImportError as error:
        raise MissingExtraError(
            "derivatives='jax' needs the package jax, which estkit does not bring; install it "
            "with: pip install jax"
        ) from error
    layout = function.layout
    free = layout.free

    def rows(outside: Any) -> Any:
        whole = jnp.asarray(layout.values).at[free].set(outside)
        return jnp.atleast_1d(function.loglik(layout.formed(whole), *function.arguments))

    def weighted(answer: Any) -> Floats:
        slopes = np.asarray(answer)
        if slopes.dtype != np.float64:
            raise DataError(
                f"JAX computes in {slopes.dtype}, too coarse for standard errors; say "
                f"jax.config.update('jax_enable_x64', True) before anything else."
            )
        weights = 1.0 if function.weights is None else function.weights[:, None]
        result: Floats = np.asarray(weights * slopes, dtype=float)
        return result

    def total(outside: Any) -> Any:
        values = rows(outside)
        return (values if function.weights is None else function.weights * values).sum()

    slopes, hessian = jax.jit(jax.jacfwd(rows)), jax.jit(jax.hessian(total))
    return (lambda at: weighted(slopes(at))), (lambda at: np.asarray(hessian(at), dtype=float))
