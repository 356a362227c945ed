"""What an estimator is to a study: how it is called, and whether it can take a whole block."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from estkit.errors import StudyError
from estkit.montecarlo import calls
from estkit.montecarlo.conditions import Setting
from estkit.montecarlo.looping import failure, form_of, kept
from estkit.montecarlo.measures import Floats
from estkit.montecarlo.outcomes import (
    FIELDS,
    Outcomes,
    collect,
    from_block,
    single_estimate,
)
from estkit.montecarlo.samples import Samples, kernel_of
from estkit.montecarlo.sampling import Drawn, Source, Vectorized
from estkit.montecarlo.streams import Streams, own_purpose
from estkit.montecarlo.trees import each_array, unshared

_AGREED: set[tuple[Any, ...]] = set()  # known functions, at a size, that were compared before
_EXACT_BYTES = 8  # shorter numbers are summed along an axis in another order, which shows


class Estimator:
    """One estimator in one condition.

    Parameters
    ----------
    name : str
        Its name in the study, on which its own random stream depends.
    function : callable
        The user's function, possibly `Vectorized`.
    setting : Setting
        The condition and what was prepared for it, passed to required parameters of these names.
    streams : Streams
        The random streams of the condition.
    """

    def __init__(self, name: str, function: Any, setting: Setting, streams: Streams) -> None:
        self.name = name
        self.declared = isinstance(function, Vectorized)
        self._function: Callable[..., Any] = (
            function.function if isinstance(function, Vectorized) else function
        )
        self._setting = setting
        self._streams = streams
        self._plans: dict[Any, calls.Call] = {}
        self.direct: dict[int, Callable[..., Any] | None] = {}  # by the form of what it is given
        self._direct_whole: dict[int, Callable[..., Any] | None] = {}
        self._wants_rng = calls.wants(self._function, "rng")
        self._wants_axis = "axis" in calls.required(self._function, list(setting.names))
        self.whole: Callable[..., Any] | None = None  # its form for blocks, once it is trusted
        self.by_axis = False  # whether that form is the function itself along axis 1
        self.kernel: Callable[[Samples], Any] | None = None  # a faster form of that

    def answer(self, data: Any, replicate: int) -> Any:
        """Return the answer to one data set, or the `Failure` with which it ended."""
        direct = self.direct.get(form_of(data))
        if direct is None:
            return kept(self._answer(data, replicate))
        try:
            return kept(direct(*data) if type(data) is tuple else direct(data))
        except Exception as error:
            return failure(error)

    def _answer(self, data: Any, replicate: int) -> Any:
        if self.declared:
            data = np.asarray(data)[None] if np.isscalar(data) else each_array(data, _alone)
        call = self._planned(self._function, data, axis=self._wants_axis)
        if not self.declared:
            self._prepare(self.direct, call, data, {**self._setting.at(replicate), "axis": -1})
        try:
            answer = call(self._offer(unshared(data), replicate))
            return single_estimate(from_block(answer, 1, 0, {})) if self.declared else answer
        except Exception as error:
            return failure(error)

    def _prepare(
        self,
        known: dict[int, Callable[..., Any] | None],
        call: calls.Call,
        data: Any,
        lasting: dict[str, Any],
    ) -> None:
        """Keep a direct call for data of this form, where one replicate is called as another."""
        form = form_of(data)
        if form < 0 or self._wants_rng or self._setting.every:
            return
        parts = [f"data[{i}]" for i in range(form)] if type(data) is tuple else ["data"]
        lasting.pop("data", None)  # a condition of that name gives way to the data
        known[form] = call.direct(parts, lasting)

    def block(self, drawn: Drawn) -> Outcomes:
        """Return the outcomes of a whole block; raises what the function raises."""
        assert self.whole is not None
        if self.kernel is not None and drawn.samples is not None:
            return from_block(self.kernel(drawn.samples), drawn.length, drawn.first, {})
        stack = drawn.stack()
        direct = self._direct_whole.get(form_of(stack))
        if direct is not None:
            answer = direct(*stack) if type(stack) is tuple else direct(stack)
        else:
            call = self._planned(self.whole, stack, axis=self.by_axis)
            answer = call({**self._offer(stack, drawn.first), "axis": 1})
            self._prepare(
                self._direct_whole, call, stack, {**self._setting.at(drawn.first), "axis": 1}
            )
        try:
            return from_block(answer, drawn.length, drawn.first, {})
        except StudyError as error:
            raise StudyError(f"estimator {self.name!r}: {error}") from error

    def _offer(self, data: Any, replicate: int) -> dict[str, Any]:
        setting = self._setting
        own: dict[str, Any] = {"condition": dict(setting.condition), "data": data, "axis": -1}
        offer = {**setting.at(replicate), **own}
        if isinstance(data, dict):
            offer |= data
        elif isinstance(data, tuple):
            offer |= {f"data[{i}]": part for i, part in enumerate(data)}
        if self._wants_rng:
            offer["rng"] = self._streams.at(replicate, own_purpose(self.name))
        return offer

    def _planned(self, function: Any, data: Any, *, axis: bool) -> calls.Call:
        form: Any = len(data) if isinstance(data, tuple) else None
        form = tuple(data) if isinstance(data, dict) else form
        key = (function is self._function, axis, form)
        if key not in self._plans:
            names = tuple(name for name in self._setting.names if name != "axis" or not axis)
            self._plans[key] = _plan(self.name, function, data, names, axis=axis)
        return self._plans[key]

    def try_blocks(self, source: Source) -> None:
        """Find out whether whole blocks may be given to it, and check a claim that they may."""
        whole = self._block_form(source)
        if whole is None:
            return
        probe = source.probe()
        stack = probe.stack()
        if stack is None:
            return
        self.whole, self.by_axis = whole, whole is self._function and not self.declared
        if self._wants_rng:  # the block has a stream of its own, so the numbers differ rightly
            self.whole = whole if self.declared else None
            return
        if self._is_ours() or (self.by_axis and self._try_kernel(probe)):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                together = self.block(probe)
            except StudyError:
                self._distrust(None)
                return
            except Exception:  # a data set without an answer: there is nothing to compare
                self.whole = whole if self.declared or self._twin() is not None else None
                return
            if self._twin() is not None:
                return  # nothing is claimed that a comparison would show
            alone = collect([self.answer(probe.data(row)[0], row) for row in range(2)], 0, {})
        if not _same(together, alone):
            self._distrust((together, alone))
        elif self.declared and not self._follows(stack, alone):
            self._distrust((alone.rows(1, 2), alone))

    def _is_ours(self) -> bool:
        """Tell whether its form for blocks is one of estkit, which needs no trial."""
        return (getattr(self._twin(), "__module__", None) or "").startswith("estkit.")

    def _try_kernel(self, probe: Drawn) -> bool:
        """Use what computes a known function faster, if it gives the same; tell whether it did."""
        kernel = kernel_of(self._function)
        if kernel is None or probe.samples is None:
            return False
        inner = getattr(self._function, "func", self._function)
        case = (inner, *sorted(kernel.keywords.items()), probe.samples.size)
        if case in _AGREED:
            self.kernel = kernel
            return True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                known = self.block(probe)
                self.kernel = kernel
                agrees = bool((known.status == 0).all()) and _same(self.block(probe), known)
            except Exception:
                agrees = False
        if agrees:
            _AGREED.add(case)
        else:
            self.kernel = None
        return agrees

    def _follows(self, stack: Any, alone: Outcomes) -> bool:
        """Tell whether data sets in the opposite order have their answers so: none is sorted."""
        turned = Drawn(0, 2, None, each_array(stack, lambda array: array[::-1]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self.block(turned)
        return all(
            _same(found.rows(row, row + 1), alone.rows(1 - row, 2 - row)) for row in range(2)
        )

    def _distrust(self, found: tuple[Outcomes, Outcomes] | None) -> None:
        """Take no blocks; that is an error when blocks were declared to be right."""
        whole, self.whole = self.whole, None
        if not self.declared:
            return
        if found is None:
            self.whole = whole  # the first block will say what is wrong with its answer
            return
        together, alone = found
        raise StudyError(
            f"estimator {self.name!r} is declared vectorized, but gives {together.estimate[0]} for "
            f"a data set in a block and {alone.estimate[0]} for the same one alone (or other "
            f"errors and limits); return shape (R,) or (R, k), or a mapping of names to arrays of "
            f"length R, each entry computed from its own row."
        )

    def _twin(self) -> Any:
        function = self._function
        inner = function.func if isinstance(function, functools.partial) else function
        return getattr(inner, "vectorized", None)

    def _block_form(self, source: Source) -> Callable[..., Any] | None:
        """Return the form for blocks: the function itself, a twin as of `fit`, or by its axis."""
        if self.declared:
            return self._function
        twin = self._twin()
        if twin is not None:
            bound = self._function if isinstance(self._function, functools.partial) else None
            if bound is None:
                return twin  # type: ignore[no-any-return]
            known = {p.name for p in calls.parameters(twin) or ()}
            fits = set(bound.keywords) <= known
            return functools.partial(twin, *bound.args, **bound.keywords) if fits else None
        if not source.whole_blocks or not calls.takes(self._function, "axis"):
            return None
        stack = source.probe().stack()
        flat = isinstance(stack, np.ndarray) and stack.ndim == 2
        coarse = flat and stack.dtype.kind == "f" and stack.dtype.itemsize < _EXACT_BYTES
        return self._function if flat and not coarse else None


def _takes_data(function: Any, named: Sequence[str], inside: Sequence[str]) -> bool:
    """Tell whether a parameter is left for the data, or asks for a part of them by name."""
    if calls.required(function, named) or set(named) & set(inside):
        return True
    listed = calls.parameters(function) or []
    return any(p.kind is p.VAR_POSITIONAL for p in listed) or [p.name for p in listed[1:2]] == ["y"]


def _library_of(function: Any) -> str:
    """Return the package that a function is from, maybe with options fixed."""
    inner = function.func if isinstance(function, functools.partial) else function
    return str(getattr(inner, "__module__", None) or "").split(".")[0]


def _alone(array: Any) -> Any:
    return array[None]


def _same(first: Outcomes, second: Outcomes) -> bool:
    if first.names != second.names or not np.array_equal(first.status, second.status):
        return False
    given = [f for f in FIELDS if not (getattr(first, f) is getattr(second, f) is None)]
    return all(_close(first.column(field), second.column(field)) for field in given)


def _close(a: Floats, b: Floats) -> bool:
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= 1e-12 + 1e-9 * np.abs(b)
    return bool((near | (a == b) | (np.isnan(a) & np.isnan(b))).all())


def _plan(
    name: str, function: Any, data: Any, condition: tuple[str, ...], *, axis: bool
) -> calls.Call:
    """Return how an estimator is called on such data.

    A tuple of data is passed as several arguments when the estimator asks for several. A condition
    is passed to a required parameter only: the options of a library function stay as they are.
    """
    what = f"estimator {name!r}"
    asked = set(calls.required(function, ()))
    listed = calls.parameters(function) or []
    asked |= {p.name for p in listed if p.kind is p.KEYWORD_ONLY and p.default is p.empty}
    inside = tuple(data) if isinstance(data, dict) else ()
    if listed and _library_of(function) in ("numpy", "scipy") and listed[0].name not in inside:
        asked.discard(listed[0].name)  # the data, even where a condition has this name
    if any(p.kind is p.VAR_KEYWORD for p in listed):
        asked |= set(condition)
    given = ["rng"] * calls.wants(function, "rng") + ["axis"] * axis
    named = [*given, *(n for n in ("condition", *condition, *inside) if n in asked)]
    if calls.parameters(function) is not None and not _takes_data(function, named, inside):
        raise StudyError(
            f"{what} gets no data: its parameters are ({', '.join(calls.names(function))}), of "
            f"which {', '.join(named) or 'none is required and none'} would be given; give it a "
            f"required parameter for the data set, with a name that no condition has."
        )
    if not isinstance(data, tuple):
        return calls.plan(function, what, named=named, positional=["data"])
    parts = [f"data[{i}]" for i in range(len(data))]
    wanted = calls.required(function, named)
    second = [p.name for p in listed[1:2]]
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in listed)
    if len(wanted) > 1 and len(wanted) != len(data) and not takes_any:
        raise StudyError(
            f"{what} takes {len(wanted)} data arguments ({', '.join(wanted)}), but generate "
            f"returns {len(data)}."
        )
    if len(wanted) > 1 or (takes_any and not wanted):
        return calls.plan(function, what, named=named, positional=parts)
    if second == ["y"] or (second in (["x"], ["b"]) and _library_of(function) == "scipy"):
        # like fit(X, y=None): y has a default and still wants its data; so in scipy have x and b
        return calls.Call(function, parts)
    return calls.plan(function, what, named=named, positional=["data"])
