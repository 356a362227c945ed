"""The conditions of a study, and what all data sets of one have in common."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from estkit.errors import DataError, StudyError
from estkit.frames import as_frame
from estkit.montecarlo import calls
from estkit.montecarlo.streams import SETTING, Streams
from estkit.table import as_text

CONTROL = "control:"  # what the names of control variates begin with among the outcomes
_COLUMNS = set("asked ended seconds timed target met needed further".split())
_RESERVED = set(
    "rng replicates condition estimator parameter measure replicate value mcse lower upper used "
    "failed estimate std_error truth p_value gain note status reason warning condition_a "
    "condition_b".split()
)


def grid(**levels: Any) -> list[dict[str, Any]]:
    """Return every combination of the levels, the last one varying fastest.

    Examples
    --------
    >>> import estkit as ek
    >>> ek.grid(n=[10, 30], law=["normal", "t3"])[1]
    {'n': 10, 'law': 't3'}
    """
    for name, values in levels.items():
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise DataError(f"{name} must be a list of levels, got {values!r}; say [{values!r}].")
    names, columns = list(levels), [list(values) for values in levels.values()]
    empty = [name for name, values in zip(names, columns, strict=True) if not values]
    if empty:
        raise DataError(f"{empty[0]} has no levels, so there is no condition to study.")
    return [dict(zip(names, combined, strict=True)) for combined in itertools.product(*columns)]


def checked(given: Any) -> list[dict[str, Any]]:
    """Return conditions as a list of mappings with the same names, or raise."""
    if given is None:
        return [{}]
    frame = None if isinstance(given, Mapping) else as_frame(given)
    if frame is not None:
        given = frame.rows(named=True)
    if isinstance(given, Mapping) or not hasattr(given, "__iter__"):
        raise DataError(f"conditions must be a list of mappings, see grid; got {given!r:.80}.")
    conditions: list[dict[str, Any]] = []
    for number, condition in enumerate(given):
        if not isinstance(condition, Mapping):
            raise DataError(f"condition {number} is {condition!r:.60}; expected a mapping.")
        taken = _RESERVED | _COLUMNS
        wrong = [name for name in condition if not isinstance(name, str) or name in taken]
        if wrong:
            why = "a name that estkit needs" if isinstance(wrong[0], str) else "and names are text"
            raise DataError(f"condition {number} uses {wrong[0]!r}, {why}.")
        plain = {n: v.item() if isinstance(v, np.generic) else v for n, v in condition.items()}
        if conditions and set(plain) != set(conditions[0]):
            raise DataError(
                f"condition {number} has the names {sorted(plain)}, the first one has "
                f"{sorted(conditions[0])}; give every condition the same names."
            )
        conditions.append(plain)
    if not conditions:
        raise DataError("conditions is empty; leave it out to study a single condition.")
    return conditions


def describe(condition: Mapping[str, Any], kind: str = "condition ") -> str:
    """Return a condition in words."""
    if not condition:
        return "the only condition"
    return kind + ", ".join(f"{name}={_told(value)}" for name, value in condition.items())


def level_text(value: Any) -> str | None:
    """Return a level as tables show it; None if that would be another text in another process."""
    text = as_text(value)
    return None if isinstance(value, set | frozenset) or " at 0x" in text else text


def _told(value: Any) -> str:
    named = as_text(value)
    return repr(value) if named == str(value) else named


def number_of(condition: Any, conditions: Mapping[int, Mapping[str, Any]]) -> int:
    """Return the number of a condition given as its number, as a mapping, or as None if single."""
    if condition is None and len(conditions) == 1:
        (only,) = conditions
        return only
    for number, own in conditions.items():
        if isinstance(condition, int | np.integer) and number == condition:
            return number
        if (
            isinstance(condition, Mapping)
            and own.keys() == condition.keys()
            and all(_same(own[name], condition[name]) for name in own)
        ):
            return number
    raise DataError(
        f"condition must be a number below {max(conditions) + 1} or one of the conditions, "
        f"such as {dict(next(iter(conditions.values())))!r}; got {condition!r}."
    )


def _same(a: Any, b: Any) -> bool:
    """Tell whether two entries are the same, as missing ones are, of whatever kind."""
    return a is b or np.array_equal(a, b) or (_is_missing(a) and _is_missing(b))


def _is_missing(entry: Any) -> bool:
    try:
        return entry is None or bool(entry != entry)
    except (TypeError, ValueError):  # an array; or pandas' NA, which has no truth
        return type(entry).__name__ == "NAType"


def called(
    what: str,
    function: Callable[..., Any],
    condition: Mapping[str, Any],
    offer: Mapping[str, Any] | None = None,
) -> Any:
    """Return what a function of the condition says of it, or of more that is on offer."""
    offered = {**(condition if offer is None else offer), "condition": dict(condition)}
    call = calls.plan(function, what, named=list(offered), positional=["condition"])
    try:
        return call(offered)
    except Exception as error:
        raise StudyError(
            f"{what} raised {type(error).__name__} in {describe(condition)}: {error}"
        ) from error


class Setting:
    """A condition together with what `prepare` made for it: for all its replicates, or for some.

    Parameters
    ----------
    condition : mapping
        The condition.
    prepare : callable or None
        The user's function; what it returns is on offer by name, as the condition is.
    every : int or None
        After how many replicates it is called again; None for one call in the condition.
    streams : Streams
        The random streams of the condition.
    """

    def __init__(
        self,
        condition: Mapping[str, Any],
        prepare: Callable[..., Any] | None,
        every: int | None,
        streams: Streams,
    ) -> None:
        self.condition, self.every = dict(condition), every
        self._prepare, self._streams = prepare, streams
        self._group = -1
        self._offer: dict[str, Any] = {}
        self.names = tuple(self.at(0))

    def at(self, replicate: int) -> Mapping[str, Any]:
        """Return what is on offer by name to the functions in a replicate."""
        group = replicate // self.every if self.every else 0
        if group != self._group:
            self._offer = {**self.condition, **self._prepared(group)}
            self._group = group
        return self._offer

    def lasting(self) -> Mapping[str, Any]:
        """Return what is on offer in all replicates alike, as to a truth that is a function."""
        return self.condition if self.every else self.at(0)

    def _prepared(self, group: int) -> dict[str, Any]:
        if self._prepare is None:
            return {}
        where = describe(self.condition)
        call = calls.plan(
            self._prepare, "prepare", named=["rng", "condition", *self.condition],
            positional=["rng"],
        )  # fmt: skip
        rng = self._streams.at(group, SETTING)
        try:
            made = call({**self.condition, "condition": dict(self.condition), "rng": rng})
        except Exception as error:
            raise StudyError(
                f"prepare raised {type(error).__name__} in {where}: {error}"
            ) from error
        if not isinstance(made, Mapping) or not all(isinstance(name, str) for name in made):
            raise StudyError(
                f"prepare must return a mapping of names to objects, got {type(made).__name__} in "
                f"{where}; say {{'population': ...}}."
            )
        taken = [name for name in made if name in self.condition or name in _RESERVED]
        if taken:
            raise StudyError(
                f"prepare returned {taken[0]!r} in {where}, a name that a condition or estkit has."
            )
        if group and set(made) != set(self.names) - set(self.condition):
            raise StudyError(f"prepare returned other names in {where} than the first time.")
        return dict(made)
