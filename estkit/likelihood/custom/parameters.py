"""The parameters of a user's function: by name or as an array, some of them fixed.

A function is called with parameters in the form of its start: a mapping becomes a read-only
mapping whose entries are attributes, too; an array stays an array. In between they are one flat
vector, of which only the free ones are estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.likelihood.family import Floats


class _UnknownKey(DataError, KeyError):
    """No parameter of this name; a KeyError, too, so that ``in`` and ``get`` work."""

    __str__ = Exception.__str__  # that of KeyError shows the message in quotes


class _UnknownAttribute(DataError, AttributeError):
    """No parameter of this name; an AttributeError, too, so that ``hasattr`` works."""


class Parameters(Mapping[str, Any]):
    """Parameters by name or position, which cannot be changed.

    ``params["mu"]``, ``params.mu`` and ``params[0]`` are the same.

    Examples
    --------
    >>> from estkit.likelihood.custom.parameters import Parameters
    >>> Parameters({"mu": 1.0, "sigma": 2.0})
    Parameters(mu=1.0, sigma=2.0)
    """

    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, values: dict[str, Any]) -> None:
        object.__setattr__(self, "_values", values)

    def __getitem__(self, name: str | int) -> Any:
        try:
            return self._values[name]  # type: ignore[index]
        except (KeyError, TypeError):  # TypeError: a slice or a list
            if isinstance(name, int | np.integer) and -len(self) <= name < len(self):
                return list(self._values.values())[name]
            raise _UnknownKey(self._unknown(name)) from None

    def __getattr__(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        raise _UnknownAttribute(self._unknown(name))

    def _unknown(self, name: Any) -> str:
        return (
            f"{name!r} is no parameter; they are {', '.join(self)}, and may also be asked for by "
            f"their positions 0 to {len(self) - 1}."
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"parameters are read-only; a function must not change {name!r}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Parameters({', '.join(f'{k}={v}' for k, v in self._values.items())})"


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each parameter stands in the flat vector, and which are estimated.

    Parameters
    ----------
    shapes : dict of str to tuple, or None
        The shape of each entry of a mapping; None where the parameters are one array.
    all_names : tuple of str
        The name of each number: ``"mu"``, ``"beta[0]"``.
    values : array of shape (K,)
        Where all begin; the fixed ones stay.
    free : array of shape (k,)
        The places of those that are estimated.
    """

    shapes: dict[str, tuple[int, ...]] | None
    all_names: tuple[str, ...]
    values: Floats
    free: NDArray[np.int64]

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        shapes = None if self.shapes is None else {k: list(v) for k, v in self.shapes.items()}
        return {"shapes": shapes, "names": list(self.all_names), "values": self.values.tolist()}

    @classmethod
    def from_plain(cls, stored: Mapping[str, Any], estimated: Sequence[str]) -> Layout:
        """Return the layout that `to_plain` wrote, of which these parameters are estimated."""
        shapes, names = stored["shapes"], tuple(stored["names"])
        if shapes is not None:
            shapes = {name: tuple(shape) for name, shape in shapes.items()}
        free = np.array([names.index(name) for name in estimated], dtype=np.int64)
        return cls(shapes, names, np.array(stored["values"], float), free)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the estimated parameters."""
        return tuple(self.all_names[i] for i in self.free)

    @property
    def fixed(self) -> dict[str, float]:
        """The parameters that are not estimated."""
        free = set(self.free.tolist())
        pairs = zip(self.all_names, self.values.tolist(), strict=True)
        return {name: value for i, (name, value) in enumerate(pairs) if i not in free}

    def filled(self, estimated: NDArray[Any]) -> NDArray[Any]:
        """Return all parameters from the estimated ones."""
        whole = self.values.astype(np.result_type(estimated, float))
        whole[self.free] = estimated
        return whole

    def formed(self, whole: Any) -> Any:
        """Return all parameters as the function takes them; of a foreign array, as its own kind."""
        if isinstance(whole, np.ndarray):
            whole.flags.writeable = False
        if self.shapes is None:
            return whole
        values, first = {}, 0
        for name, shape in self.shapes.items():
            size = math.prod(shape)
            part = whole[first : first + size]
            values[name] = part.reshape(shape) if shape else whole[first]
            first += size
        return Parameters(values)

    def flat(self, given: Any, what: str) -> Floats:
        """Return a mapping or array as one vector of all parameters.

        What a mapping leaves out keeps its value.
        """
        if self.shapes is None:
            vector = np.asarray(given, dtype=float)
            if vector.shape == self.free.shape and self.free.shape != self.values.shape:
                return self.filled(vector)
            if vector.shape != self.values.shape:
                raise DataError(
                    f"{what} has shape {vector.shape}, the parameters have {self.values.shape}."
                )
            return vector
        if not isinstance(given, Mapping):
            vector = np.asarray(given, dtype=float)
            if vector.shape != self.free.shape:
                raise DataError(
                    f"{what} must be a mapping of {', '.join(self.shapes)}, or the {len(self.free)}"
                    f" values of {', '.join(self.names)}; got {given!r:.60}."
                )
            return self.filled(vector)
        unknown = set(given) - set(self.shapes)
        if unknown:
            raise DataError(
                f"{what} names {sorted(unknown)}, which are no parameters; they are "
                f"{', '.join(self.shapes)}."
            )
        vector = self.values.copy()
        for places, name in self.places():
            if name in given:
                vector[places] = _numbers(given[name], f"{what}[{name!r}]", self.shapes[name])
        return vector

    def places(self) -> Iterator[tuple[slice, str]]:
        """Yield where each entry of a mapping stands in the flat vector."""
        first = 0
        for name, shape in (self.shapes or {}).items():
            size = math.prod(shape)
            yield slice(first, first + size), name
            first += size

    def shown(self, estimated: NDArray[Any]) -> str:
        """Return parameters in words, for messages: ``mu = 1.5, sigma = 0``."""
        pairs = zip(self.names, np.real(estimated).tolist(), strict=True)
        return ", ".join(f"{name} = {value:.6g}" for name, value in pairs)


def read_layout(start: Any, names: Sequence[str] | None, fixed: Mapping[str, Any] | None) -> Layout:
    """Return the layout of a start, with some parameters fixed.

    Raises
    ------
    DataError
        If values are not finite numbers, names repeat or do not fit, or nothing is left free.
    """
    fixed = dict(fixed or {})
    shapes: dict[str, tuple[int, ...]] | None = None
    if isinstance(start, Mapping):
        if names is not None:
            raise DataError("names= belongs to a start that is an array; a mapping has names.")
        entries = {str(name): _numbers(v, f"start[{name!r}]") for name, v in start.items()}
        for name in fixed:
            if name not in entries and "[" not in name:
                entries[name] = _numbers(fixed[name], f"fixed[{name!r}]")
        shapes = {name: value.shape for name, value in entries.items()}
        parts = [value.ravel() for value in entries.values()]
        values = np.concatenate([np.empty(0), *parts])
        all_names = tuple(n for name, shape in shapes.items() for n in _element_names(name, shape))
    else:
        values = np.atleast_1d(_numbers(start, "start")).copy()
        if values.ndim != 1:
            raise DataError(f"start must be one vector or a mapping, got shape {values.shape}.")
        given = [f"theta{i}" for i in range(len(values))] if names is None else list(names)
        all_names = tuple(str(name) for name in given)
        if len(all_names) != len(values):
            raise DataError(f"names has {len(all_names)} entries, start has {len(values)} values.")
    if len(set(all_names)) < len(all_names):
        raise DataError(f"The names of the parameters must differ, got {all_names}.")
    held = np.zeros(len(values), dtype=bool)
    for name, value in fixed.items():
        places = places_of(name, all_names, "fixed")
        shape = (shapes or {}).get(name, ())
        values[places] = _numbers(value, f"fixed[{name!r}]", shape).ravel()
        held[places] = True
    if held.all():
        raise DataError("There is no parameter to estimate: start is empty, or all are fixed.")
    return Layout(shapes, all_names, values, np.flatnonzero(~held))


def places_of(name: str, all_names: Sequence[str], what: str) -> list[int]:
    """Return the places of a parameter, or of all numbers of a vector of that name."""
    found = [i for i, own in enumerate(all_names) if own == name or own.startswith(f"{name}[")]
    if not found:
        raise DataError(f"{what} names {name!r}, which is no parameter; they are {all_names}.")
    return found


def _element_names(name: str, shape: tuple[int, ...]) -> list[str]:
    if not shape:
        return [name]
    return [f"{name}[{','.join(map(str, index))}]" for index in np.ndindex(*shape)]


def _numbers(given: Any, what: str, shape: tuple[int, ...] | None = None) -> Floats:
    """Return finite numbers, of a shape if one is asked for."""
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} must be a number or an array, got {given!r:.60}.") from error
    if not np.isfinite(values).all():
        raise DataError(f"{what} must be finite, got {given!r:.60}.")
    if shape is not None and values.shape != shape:
        if values.ndim:
            raise DataError(f"{what} has shape {values.shape}, expected {shape}.")
        values = np.full(shape, float(values))
    return values
