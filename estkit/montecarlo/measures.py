"""The performance measures, by name (definitions as in Morris, White and Crowther 2019, table 6).

To add one: a function of the draws and its line in `MEASURES`. The functions are in `accuracy.py`,
`claims.py` and `quantiles.py`; what a measure is, and its error, in `influence.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from estkit.errors import DataError
from estkit.montecarlo import accuracy, claims
from estkit.montecarlo.influence import Draws, Floats, Influence, Measure, standard_error
from estkit.montecarlo.intervals import mean_interval, rate_interval
from estkit.montecarlo.quantiles import errors_of, estimates_of, quantile_measure

__all__ = [
    "MEASURES",
    "Draws",
    "Floats",
    "Influence",
    "Measure",
    "chosen_measures",
    "mean_interval",
    "rate_interval",
    "standard_error",
]

_TRUE = ("estimate", "truth")
_CLAIMED = ("estimate", "std_error")
_LIMITS = ("estimate", "lower", "upper")

MEASURES: dict[str, Measure] = {
    "bias": Measure(accuracy.bias, "bias", _TRUE, averages=True),
    "relative_bias": Measure(accuracy.relative_bias, "relative bias", _TRUE, averages=True),
    "median_bias": quantile_measure(0.5, "median bias", errors_of, _TRUE, usual=True),
    "empirical_variance": Measure(
        accuracy.empirical_variance, "empirical variance", averages=True
    ),
    "empirical_se": Measure(accuracy.empirical_se, "empirical standard error", averages=True),
    "precision": Measure(accuracy.precision, "precision", averages=True, usual=False),
    "mse": Measure(accuracy.mse, "mean squared error", _TRUE, averages=True),
    "rmse": Measure(accuracy.rmse, "root mean squared error", _TRUE, averages=True),
    "relative_rmse": Measure(
        accuracy.relative_rmse, "relative root mean squared error", _TRUE,
        averages=True, usual=False,
    ),
    "mae": Measure(accuracy.mae, "mean absolute error", _TRUE, averages=True),
    "quantile_05": quantile_measure(
        0.05, "0.05 quantile of the estimates", estimates_of, ("estimate",), usual=False
    ),
    "median": quantile_measure(
        0.5, "median of the estimates", estimates_of, ("estimate",), usual=False
    ),
    "quantile_95": quantile_measure(
        0.95, "0.95 quantile of the estimates", estimates_of, ("estimate",), usual=False
    ),
    "model_se": Measure(claims.model_se, "root mean square of the model SE", _CLAIMED),
    "mean_model_se": Measure(claims.mean_model_se, "mean model SE", _CLAIMED, usual=False),
    "model_se_error": Measure(
        claims.model_se_error, "relative error of the model SE", _CLAIMED, averages=True
    ),
    "coverage": Measure(claims.coverage, "coverage", (*_LIMITS, "truth"), is_rate=True),
    "bias_eliminated_coverage": Measure(
        claims.bias_eliminated_coverage, "bias-eliminated coverage", _LIMITS, is_rate=True
    ),
    "interval_width": Measure(claims.interval_width, "interval width", _LIMITS),
    "power": Measure(claims.power, "power", ("estimate", "rejected"), is_rate=True),
    "failure_rate": Measure(claims.failure_rate, "failure rate", ("failed",), is_rate=True),
    "non_convergence_rate": Measure(
        claims.non_convergence_rate, "rate of non-convergence", ("not_converged",),
        is_rate=True, usual=False,
    ),
    "warning_rate": Measure(
        claims.warning_rate, "rate of warnings", ("warned",), is_rate=True, usual=False
    ),
}  # fmt: skip


def chosen_measures(measures: Any) -> dict[str, Measure]:
    """Return measures by name: the usual ones for None, or raise for one that does not exist.

    Parameters
    ----------
    measures : str, Measure, callable, sequence or mapping of them, or None
        A function is named by its ``__name__``, a `Measure` by its title, both by a mapping's keys.
    """
    if measures is None:
        return {name: measure for name, measure in MEASURES.items() if measure.usual}
    if isinstance(measures, Mapping):
        return {str(name): _measure(each, str(name)) for name, each in measures.items()}
    several = isinstance(measures, list | tuple | set | frozenset)
    chosen: dict[str, Measure] = {}
    for number, each in enumerate(measures if several else [measures]):
        name = _name(each, number)
        if name in chosen and not isinstance(each, str):
            raise DataError(f"Two measures are named {name!r}; pass a mapping of names to them.")
        chosen[name] = _measure(each, name)
    if not chosen:
        raise DataError(f"No measure was named; they are {', '.join(MEASURES)}.")
    return chosen


def _name(given: Any, number: int) -> str:
    if isinstance(given, str):
        return given
    own = given.title if isinstance(given, Measure) else getattr(given, "__name__", "")
    return f"measure {number + 1}" if own in ("", "<lambda>") else str(own)


def _measure(given: Any, name: str) -> Measure:
    if isinstance(given, Measure):
        return given if given.title else dataclasses.replace(given, title=name)
    if callable(given):
        return Measure(given, name)
    if isinstance(given, str) and given in MEASURES:
        return MEASURES[given]
    raise DataError(
        f"{given!r} is not a measure; they are {', '.join(MEASURES)}, or a function of the draws."
    )
