"""``solve``: how large a sample, or an effect, it takes for a measure to reach a target."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import check_level
from estkit.montecarlo import calls
from estkit.montecarlo.crossing import LOG, PROBIT, Scale, scale_of_measure
from estkit.montecarlo.measures import chosen_measures
from estkit.montecarlo.search import Search
from estkit.montecarlo.solution import Solution
from estkit.montecarlo.streams import seed_sequence

if TYPE_CHECKING:
    from estkit.montecarlo.study import Study

_LARGEST = 100_000  # whole number that is tried without bounds
_START = 20


def solve(
    study: Study,
    name: str,
    *,
    measure: Any = "power",
    target: float = 0.8,
    estimator: str | None = None,
    parameter: str | None = None,
    condition: Any = None,
    bounds: tuple[float, float] | None = None,
    integer: bool | None = None,
    replicates: int = 4000,
    level: float = 0.95,
    rng: Any = None,
    n_jobs: int | None = None,
    max_evaluations: int = 60,
) -> Solution:
    """Find the entry of a condition at which a performance measure reaches a target.

    Parameters
    ----------
    study : Study
        What is drawn and estimated. It has one condition, or several that differ in the entry
        alone, or `condition` says which one is meant.
    name : str
        The entry to solve for, such as ``"n"`` or ``"delta"``; it need not be in the condition yet.
    measure : str, Measure or function
        The measure, as in `StudyResult.summary`; over the entry it must rise, or fall, throughout.
        Of your own measure a whole number is the first that is at the target or past it.
    target : float
        The value that is wanted.
    estimator, parameter : str, optional
        Which one, where there are several.
    condition : int or mapping, optional
        The condition that holds the other entries.
    bounds : tuple of two numbers, optional
        Where to search; for whole numbers by default from 2 to 100,000.
    integer : bool, optional
        Whether the entry is a whole number; by default if it is one in the condition or in the
        bounds, or if neither says.
    replicates : int
        How many each of the last evaluations has; there are up to four of them.
    level : float
        The confidence level of the interval.
    rng, n_jobs
        As in `Study.run`.
    max_evaluations : int
        How many evaluations there may be in all.

    Returns
    -------
    Solution
        The answer and its interval, the measure there, and all evaluations.

    Raises
    ------
    StudyError
        If the target is not reached within the bounds, or the measure does not rise or fall
        throughout.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> study = ek.Study(
    ...     lambda rng, n: rng.exponential(size=n),
    ...     {"mean": np.mean},
    ...     truth=1.0,
    ... )
    >>> ek.solve(study, "n", measure="rmse", target=0.1, replicates=500, rng=1).value
    98
    """
    if isinstance(measure, list | tuple | dict | set | frozenset | None):
        raise DataError(f"measure must be one measure, got {measure!r:.60}.")
    ((title, formula),) = chosen_measures(measure).items()
    check_level(level)
    _check_target(target, title, scale_of_measure(formula))
    given = _condition(study, name, condition)
    _check_taken(study, name)
    whole, low, high, start = _range(name, given.pop(name, None), bounds, integer)
    if not (_is_number(replicates) and replicates == int(replicates) and replicates >= 100):
        raise DataError(f"replicates must be a whole number of 100 or more, got {replicates!r}.")
    search = Search(
        study, name, given, (title, formula), float(target), estimator, parameter, whole,
        (low, high), seed_sequence(rng), n_jobs, max_evaluations,
    )  # fmt: skip
    ends = (low, high) if bounds is not None and not whole else ()  # a large n takes long
    center, slope, step = search.neighbourhood(start, ends, int(replicates))
    line = search.refined(center, slope, step, int(replicates))
    return search.solution(line, level)


def _check_target(target: Any, measure: str, scale: Scale) -> None:
    if not _is_number(target):
        raise DataError(f"target must be a number, got {target!r}.")
    if scale is PROBIT and not 0 < float(target) < 1:
        raise DataError(f"target of {measure} must be between 0 and 1, got {target!r}.")
    if scale is LOG and not float(target) > 0:
        raise DataError(f"target of {measure} must be positive, got {target!r}.")


def _condition(study: Study, name: Any, condition: Any) -> dict[str, Any]:
    """Return the condition that holds the other entries."""
    if not isinstance(name, str):
        raise DataError(f"name must be the name of an entry of the condition, got {name!r}.")
    if condition is not None:
        return dict(study.conditions[study.condition_number(condition)])
    first = study.conditions[0]
    for other in study.conditions[1:]:
        if any(not np.array_equal(first[n], other[n]) for n in first if n != name):
            raise DataError(
                f"The study has {len(study.conditions)} conditions that differ in more than "
                f"{name!r}; say which one holds the other entries, such as condition={first!r}."
            )
    return dict(first)


def _check_taken(study: Study, name: str) -> None:
    """Raise if no function of the study can depend on an entry, as where it is misspelt."""
    if callable(study.truth) and calls.parameters(study.truth) != []:
        return  # it may be given the whole condition, under any name
    told = [study.generate, study.prepare, *study.functions().values()]
    for function in filter(callable, told):
        own = calls.parameters(getattr(function, "function", function))
        if own is None or any(
            p.name in (name, "condition") or p.kind is p.VAR_KEYWORD for p in own
        ):
            return
    known = ", ".join(map(repr, study.conditions[0])) or "nothing"
    raise DataError(
        f"Nothing depends on {name!r}: it is no parameter of generate or of any other function of "
        f"the study; the condition has {known}."
    )


def _range(
    name: str, level: Any, bounds: Any, integer: bool | None
) -> tuple[bool, float, float, float]:
    """Return whether the entry is a whole number, its bounds, and where to begin."""
    if level is not None and not _is_number(level):
        raise DataError(f"{name} is {level!r} in the condition; only numbers can be solved for.")
    if bounds is not None:
        pair = isinstance(bounds, tuple | list) and len(bounds) == 2
        if not pair or not all(map(_is_number, bounds)) or not bounds[0] < bounds[1]:
            raise DataError(f"bounds must be two numbers, the lower one first; got {bounds!r}.")
    known = [value for value in (level, *(bounds or ())) if value is not None]
    if integer is None:
        integer = all(isinstance(value, int | np.integer) for value in known)
    if bounds is None:
        if not integer and (level is None or level <= 0):
            raise DataError(f"Give bounds between which to search for {name}, such as (0.0, 2.0).")
        bounds = (2, _LARGEST) if integer else (level / 1024, level * 1024)
    low, high = bounds
    if integer:
        low, high = math.ceil(low), math.floor(high)
        if low >= high:
            raise DataError(f"There are no two whole numbers within bounds={bounds!r}.")
        start = _START if level is None else round(level)
        return True, low, high, min(max(start, low), high)
    inner = math.sqrt(low * high) if low > 0 else (low + high) / 2
    start = level if level is not None and low <= level <= high else inner
    return False, float(low), float(high), float(start)


def _is_number(value: Any) -> bool:
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and math.isfinite(value)
