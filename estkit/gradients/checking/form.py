"""The form of parameters: an array of any shape or a mapping, and one flat vector in between."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Form:
    """Where each number stands in the flat vector.

    Parameters
    ----------
    shapes : dict of str to tuple
        The shape of each entry; the only key is ``""`` where the parameters are one array.
    names : tuple of str
        The name of each number.
    values : array of shape (k,)
        The point itself, in the precision it was given in.
    """

    shapes: dict[str, tuple[int, ...]]
    names: tuple[str, ...]
    values: NDArray[Any]

    @property
    def is_mapping(self) -> bool:
        """Whether the function takes a mapping."""
        return "" not in self.shapes

    def formed(self, flat: NDArray[Any]) -> Any:
        """Return a flat vector as the function takes it, always as a fresh copy."""
        parts = {name: flat[where].reshape(shape) for where, name, shape in self.places()}
        fresh = {name: part.copy() if part.ndim else part[()] for name, part in parts.items()}
        return fresh if self.is_mapping else fresh[""]

    def places(self) -> Iterator[tuple[slice, str, tuple[int, ...]]]:
        """Yield where each entry stands, its name and its shape."""
        first = 0
        for name, shape in self.shapes.items():
            size = math.prod(shape)
            yield slice(first, first + size), name, shape
            first += size


def read_form(at: Any, names: Sequence[str] | None) -> Form:
    """Return the form of a point.

    Raises
    ------
    DataError
        If it is empty, not finite, or the names do not fit.
    """
    entries = dict(at) if isinstance(at, Mapping) else {"": at}
    arrays = {str(name): _floats(value, str(name)) for name, value in entries.items()}
    flat = np.concatenate([a.ravel() for a in arrays.values()]) if arrays else np.empty(0)
    if not len(flat):
        raise DataError("at holds no parameter; give the point at which to differentiate.")
    shapes = {name: a.shape for name, a in arrays.items()}
    own = tuple(n for name, shape in shapes.items() for n in _element_names(name, shape))
    told = own if names is None else tuple(str(name) for name in names)
    if len(told) != len(flat):
        raise DataError(f"names has {len(told)} entries, at has {len(flat)} numbers.")
    return Form(shapes, told, flat)


def _floats(given: Any, name: str) -> NDArray[Any]:
    what = f"at[{name!r}]" if name else "at"
    try:
        values = np.asarray(given)
        values = values if values.dtype.kind == "f" else values.astype(float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} must be numbers, got {given!r:.60}.") from error
    if not np.isfinite(values).all():
        raise DataError(f"{what} must be finite, got {given!r:.60}.")
    return values


def _element_names(name: str, shape: tuple[int, ...]) -> list[str]:
    if not name and len(shape) == 1:
        return [f"theta{i}" for i in range(shape[0])]
    name = name or "theta"
    if not shape:
        return [name]
    return [f"{name}[{','.join(map(str, index))}]" for index in np.ndindex(*shape)]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a gradient returned, brought to a matrix.

    Parameters
    ----------
    values : array of shape (m, k)
        A row for each value of the function, or one for their sum; NaN where the shape is wrong.
    per_output : bool
        Whether there is a row for each value of the function.
    misshapen : dict of int to str
        What to say of the shape of the parameters at these places.
    repairs : dict of str to array of shape (k,)
        What another reading of it would be, for the guess of a cause.
    eps : float
        The precision in which it was returned.
    """

    values: Floats
    per_output: bool
    misshapen: dict[int, str]
    repairs: dict[str, Floats]
    eps: float


def read_answer(answer: Any, form: Form, out: tuple[int, ...]) -> Answer:
    """Return a gradient or Jacobian of a function whose value has the shape `out`.

    Raises
    ------
    DataError
        If it is no gradient at all: an entry is missing, or it holds no numbers.
    """
    m, k = math.prod(out), len(form.values)
    if isinstance(answer, Mapping):
        missing = [name for _, name, _ in form.places() if name not in answer]
        if missing or not form.is_mapping:
            raise DataError(
                f"gradient returned a mapping with {sorted(map(str, answer))}; expected "
                + (f"an entry for each of {missing} too." if form.is_mapping else "an array.")
            )
        parts = [(w, _numbers(answer[name]), shape) for w, name, shape in form.places()]
    else:
        whole = _numbers(answer)
        if form.is_mapping and whole.shape[-1:] == (k,) and whole.ndim <= 2:
            parts = [(w, whole[..., w].reshape(*whole.shape[:-1], *s), s)
                     for w, _, s in form.places()]  # fmt: skip
        elif form.is_mapping:
            raise DataError(
                f"gradient returned shape {whole.shape}, expected a mapping of "
                f"{', '.join(form.shapes)} or an array of shape ({k},)."
            )
        else:
            parts = [(slice(0, k), whole, form.shapes[""])]
    eps = max(float(np.finfo(part.dtype).eps) for _, part, _ in parts)
    per_output = bool(out) and all(part.shape == (*out, *s) for _, part, s in parts)
    per_output |= bool(out) and len(parts) == 1 and parts[0][1].shape == (m, k)
    values = np.full((m if per_output else 1, k), np.nan)
    misshapen: dict[int, str] = {}
    repairs: dict[str, Floats] = {}
    for where, part, shape in parts:
        size = where.stop - where.start
        if per_output or _fits(part.shape, shape, size):
            values[:, where] = part.reshape(-1, size)
            continue
        told = f"returned shape {part.shape}, expected {shape}"
        misshapen |= dict.fromkeys(range(where.start, where.stop), told)
        for words, other in _readings(part, shape, (*out, *shape)):
            repair = repairs.setdefault(words, np.full(k, np.nan))
            repair[where] = other.ravel()
    return Answer(values, per_output, misshapen, repairs, eps)


def read_hessian(answer: Any, form: Form) -> Floats:
    """Return a Hessian as (k, k), from an array or a mapping of pairs of names.

    Raises
    ------
    DataError
        If it does not fit the parameters.
    """
    k = len(form.values)
    if isinstance(answer, Mapping):
        where = {name: place for place, name, _ in form.places()}
        whole = np.zeros((k, k))
        for pair, entry in answer.items():
            if not (isinstance(pair, tuple) and len(pair) == 2 and set(pair) <= set(where)):
                raise DataError(f"hessian returned the entry {pair!r}; expected pairs of names.")
            rows, columns = where[pair[0]], where[pair[1]]
            part = whole[rows, columns]
            part[...] = np.asarray(entry, dtype=float).reshape(part.shape)
            if (pair[1], pair[0]) not in answer:
                whole[columns, rows] = part.T
        return whole
    whole = np.asarray(answer, dtype=float)
    if whole.size != k * k or (whole.ndim > 2 and form.is_mapping) or (k > 1 and whole.ndim < 2):
        raise DataError(f"hessian returned shape {whole.shape}, expected ({k}, {k}).")
    return whole.reshape(k, k)


def _fits(given: tuple[int, ...], shape: tuple[int, ...], size: int) -> bool:
    """Say whether two shapes are the same but for axes of length 1, or one is flat."""
    squeezed = tuple(n for n in given if n != 1), tuple(n for n in shape if n != 1)
    return squeezed[0] == squeezed[1] or given == (size,)


def _readings(
    part: NDArray[Any], shape: tuple[int, ...], jacobian: tuple[int, ...]
) -> Iterator[tuple[str, Floats]]:
    """Yield other readings of an entry of the wrong shape, in words."""
    if part.T.shape in (shape, jacobian) and part.ndim > 1:
        flipped = part.T
        yield (
            "transposed",
            flipped if flipped.shape == shape else flipped.reshape(-1, *shape).sum(axis=0),
        )
    extra = part.ndim - len(shape)
    if extra > 0 and part.shape[extra:] == shape:
        yield "not summed over the rows", part.sum(axis=tuple(range(extra)))
    if extra > 0 and part.shape[: len(shape)] == shape:
        yield "not summed over its last axis", part.sum(axis=tuple(range(-extra, 0)))
    if extra <= 0 and part.size == 1:
        yield "summed over its elements", np.full(shape, float(part.reshape(-1)[0]))


def _numbers(answer: Any) -> NDArray[Any]:
    values = np.asarray(answer)
    if values.dtype.kind not in "fiub":
        raise DataError(f"gradient returned {answer!r:.60}; it must return real numbers.")
    return values if values.dtype.kind == "f" else values.astype(float)
