"""How a user's function is called: by the names of its parameters, then by position."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from estkit.errors import StudyError

Offer = Mapping[str, Any]
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_OWN = ("rng", "replicates", "condition")


_Listed = list[inspect.Parameter] | None
_READ: WeakKeyDictionary[Any, _Listed] = WeakKeyDictionary()  # reading takes up to 0.1 ms
_OF_NUMPY: dict[Any, _Listed] = {}  # they cannot be referred to weakly, and stay anyway


def parameters(function: Callable[..., Any]) -> _Listed:
    """Return the parameters of a function, or None when it does not tell (some compiled ones)."""
    of_numpy = type(function).__module__.split(".")[0] == "numpy"
    known: MutableMapping[Any, _Listed] = _OF_NUMPY if of_numpy else _READ
    try:
        if function not in known:
            known[function] = _read(function)
        return known[function]
    except TypeError:  # it has no hash, or cannot be referred to weakly
        return _read(function)


def _read(function: Callable[..., Any]) -> _Listed:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def names(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that a function tells."""
    return [parameter.name for parameter in parameters(function) or ()]


def takes(function: Callable[..., Any], name: str) -> bool:
    """Tell whether a function has a parameter of this name."""
    return name in names(function)


def wants(function: Callable[..., Any], name: str) -> bool:
    """Tell whether a function requires a parameter of this name, or has it with default None."""
    return any(
        parameter.name == name and parameter.default in (parameter.empty, None)
        for parameter in parameters(function) or ()
    )


def required(function: Callable[..., Any], named: Sequence[str]) -> list[str]:
    """Return the positional parameters without a default and with no name among `named`."""
    return [p.name for p in parameters(function) or () if _is_wanting(p, named)]


def _is_wanting(parameter: inspect.Parameter, named: Sequence[str]) -> bool:
    by_position = parameter.kind in _POSITIONAL and parameter.default is parameter.empty
    only = parameter.kind is parameter.POSITIONAL_ONLY
    return by_position and (only or parameter.name not in named)


class Call:
    """A way to call a function: it takes everything on offer and passes what is asked for.

    Parameters
    ----------
    function : callable
        The user's function.
    arguments : sequence of str
        What of the offer is passed by position.
    keywords : mapping
        The name of a parameter, and what of the offer it gets.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Sequence[str],
        keywords: Mapping[str, str] | None = None,
    ) -> None:
        self._function, self._arguments = function, list(arguments)
        self._keywords = dict(keywords or {})

    def __call__(self, offer: Offer) -> Any:
        """Call the function."""
        given = {name: offer[offered] for name, offered in self._keywords.items()}
        return self._function(*[offer[name] for name in self._arguments], **given)

    def direct(self, varying: Sequence[str], lasting: Offer) -> Callable[..., Any] | None:
        """Return a call that takes what varies by position and knows the rest, as it is faster.

        None where the function asks for something that is neither, or not for all that varies.
        """
        rest = {name: o for name, o in self._keywords.items() if o not in varying}
        if any(offered not in lasting for offered in rest.values()):
            return None
        fixed = {name: lasting[offered] for name, offered in rest.items()}
        asked = [name for name, o in self._keywords.items() if o in varying]
        if not asked and self._arguments == list(varying):
            return functools.partial(self._function, **fixed) if fixed else self._function
        leading = [p.name for p in parameters(self._function) or () if p.kind in _POSITIONAL]
        taken = [self._keywords.get(name) for name in leading[: len(varying)]]
        if self._arguments or len(asked) != len(varying) or taken != list(varying):
            return None
        return functools.partial(self._function, **fixed) if fixed else self._function


def plan(
    function: Callable[..., Any], what: str, *, named: Sequence[str], positional: Sequence[str]
) -> Call:
    """Return a call that takes everything on offer by name and passes what the function asks for.

    Parameters
    ----------
    function : callable
        The user's function.
    what : str
        What to call it in messages.
    named : sequence of str
        What is passed to a parameter of the same name.
    positional : sequence of str
        What is passed, in this order, to required parameters with other names.

    Raises
    ------
    StudyError
        If a required parameter is left over; the message says what is on offer.
    """
    listed = parameters(function)
    if listed is None:
        return Call(function, positional)
    by_name = [p.name for p in listed if p.kind not in (p.POSITIONAL_ONLY, p.VAR_KEYWORD)
               and p.name in named]  # fmt: skip
    free = iter([name for name in positional if name not in by_name])
    keywords = {name: name for name in by_name}
    arguments: list[str] = []
    for parameter in listed:
        if parameter.kind is parameter.VAR_POSITIONAL and not arguments and len(keywords) == 0:
            arguments += list(free)
        elif _is_wanting(parameter, named):
            offered = next(free, None)
            if offered is None:
                names = ", ".join(dict.fromkeys([*positional, *named]))
                raise StudyError(
                    f"{what} asks for {parameter.name!r}, which is not on offer; it may take "
                    f"{names}."
                )
            if parameter.kind is parameter.POSITIONAL_ONLY:
                arguments.append(offered)
            else:
                keywords[parameter.name] = offered
    left = [p.name for p in listed if p.kind is p.KEYWORD_ONLY and p.default is p.empty
            and p.name not in keywords]  # fmt: skip
    if left:
        offered = ", ".join(dict.fromkeys([*positional, *named]))
        raise StudyError(
            f"{what} asks for {left[0]!r}, which is not on offer; it may take {offered}."
        )
    if any(p.kind is p.VAR_KEYWORD for p in listed):
        keywords |= {n: n for n in named if n not in (*_OWN, *keywords.values())}

    return Call(function, arguments, keywords)
