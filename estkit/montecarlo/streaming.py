"""Measures of millions of replicates a piece at a time, so that they take no memory of their own.

All that is needed of ψ, as in `influence.py`, is its mean and its spread, where replicates are
independent and nothing is adjusted. Sums of pieces are put together as by Chan, Golub and LeVeque
(1983), which loses no digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from estkit.montecarlo import accuracy, claims
from estkit.montecarlo.influence import SQUARED, Draws, Floats, Influence, Measure

LONG = 1 << 20  # fewer replicates are taken at once
_PIECE = 1 << 16

_MEANS = [
    accuracy.bias, accuracy.mae, accuracy.mse, claims.mean_model_se, claims.coverage,
    claims.interval_width, claims.power, claims.failure_rate, claims.non_convergence_rate,
    claims.warning_rate,
]  # fmt: skip
_ROOTS = {accuracy.rmse: accuracy.mse, accuracy.empirical_se: accuracy.empirical_variance}


class Summed(NamedTuple):
    """A measure of one estimator, or a contrast of two: its value, its error, on how many it rests.

    The error is nan where squares of the numbers over- or underflow.
    """

    value: float
    error: float
    used: int


class _Moments(NamedTuple):
    size: int
    mean: float
    squares: float  # the sum of squared deviations from the mean


def suits(measure: Measure, *draws: Draws) -> bool:
    """Tell whether a measure of that many replicates can and should be taken piece by piece."""
    return len(draws[0].estimate) > LONG and _inner(measure) is not None


def measured(measure: Measure, draws: Draws) -> Summed:
    """Return a measure."""
    return _summed(measure, (draws,), lambda values, slopes: (values[0], slopes))


def contrasted(measure: Measure, first: Draws, second: Draws, kind: str) -> Summed:
    """Return the difference or the ratio of a measure of two estimators, replicate by replicate."""

    def combined(values: list[float], slopes: list[float]) -> tuple[float, list[float]]:
        if kind == "difference":
            return values[0] - values[1], [slopes[0], -slopes[1]]
        if values[1] == 0:
            return math.nan, [math.nan, math.nan]
        ratio = values[0] / values[1]
        return ratio, [slopes[0] / values[1], -ratio * slopes[1] / values[1]]

    return _summed(measure, (first, second), combined)


def _summed(
    measure: Measure,
    draws: Sequence[Draws],
    combined: Callable[[list[float], list[float]], tuple[float, list[float]]],
) -> Summed:
    terms = [_terms(measure, own, draws, number) for number, own in enumerate(draws)]
    each = [_moments(own()) for own in terms]
    count = each[0].size
    if count < 2:
        return Summed(math.nan, math.nan, count)
    values, slopes = zip(*(_of_mean(measure, own) for own in each), strict=True)
    value, factors = combined(list(values), list(slopes))
    spread = each[0].squares * factors[0] ** 2
    if len(draws) > 1:
        apart = zip(*(own() for own in terms), strict=True)
        spread = _moments(a * factors[0] + b * factors[1] for a, b in apart).squares
    spread = math.sqrt(spread / (count - 1)) if spread >= 0 else math.nan
    exact = all(SQUARED < own.squares < 1 / SQUARED for own in each)
    return Summed(value, spread / math.sqrt(count) if exact else math.nan, count)


def _inner(measure: Measure) -> Callable[[Draws], Influence] | None:
    """Return a measure whose ψ are what is averaged, before the root is taken."""
    inner = next((of for root, of in _ROOTS.items() if root is measure.function), measure.function)
    plain = any(inner is each for each in (*_MEANS, accuracy.empirical_variance))
    return inner if plain else None


def _of_mean(measure: Measure, moments: _Moments) -> tuple[float, float]:
    """Return the measure and its derivative, from the mean of what is averaged."""
    value = moments.mean
    if _inner(measure) is accuracy.empirical_variance:
        value *= moments.size / (moments.size - 1)
    if not any(root is measure.function for root in _ROOTS):
        return value, 1.0
    root = math.sqrt(value)
    return root, 0.5 / root if root else 0.0


def _terms(
    measure: Measure, own: Draws, draws: Sequence[Draws], number: int
) -> Callable[[], Iterator[Floats]]:
    """Return what yields, piece by piece, the numbers whose mean is the measure before its root."""
    inner = _inner(measure)
    assert inner is not None
    if inner is not accuracy.empirical_variance:
        return lambda: (inner(pieces[number]).psi for pieces in _pieces(measure, draws))
    center = _moments(pieces[number].estimate for pieces in _pieces(measure, draws)).mean
    return lambda: (np.square(p[number].estimate - center) for p in _pieces(measure, draws))


def _pieces(measure: Measure, draws: Sequence[Draws]) -> Iterator[list[Draws]]:
    """Yield pieces of draws, of the replicates in which all have what a measure needs."""
    for start in range(0, len(draws[0].estimate), _PIECE):
        pieces = [each.of(slice(start, start + _PIECE)) for each in draws]
        known = np.ones(len(pieces[0].estimate), dtype=bool)
        for piece in pieces:
            for field in measure.needs:
                known &= ~np.isnan(getattr(piece, field))
        if known.any():
            yield pieces if known.all() else [piece.of(known) for piece in pieces]


def _moments(pieces: Iterable[Floats]) -> _Moments:
    """Return number, mean and sum of squared deviations of all numbers of some arrays."""
    count, mean, squares = 0, 0.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # told by what is infinite or nan
        for piece in pieces:
            own = float(piece.mean())
            step, total = own - mean, count + len(piece)
            deviations = piece - own
            squares += float(deviations @ deviations) + step * step * count * (len(piece) / total)
            mean += step * (len(piece) / total)
            count = total
    return _Moments(count, mean, squares)
