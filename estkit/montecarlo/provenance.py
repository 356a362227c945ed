"""What a function is, as text that can be compared: its code and all that its answers depend on.

A function of the user is its bytecode, constants, defaults, what it closes over and the globals it
reads, followed through other functions of the user; comments, docstrings and the places of files do
not count. A function of a library is its name and the version of the library.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import inspect
import json
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_LONGEST = 2000  # characters of a description; a longer one is replaced by its hash
_KIND = 0x3FF  # the flags of what kind of function it is, without those of __future__ imports
_WIDTH, _BEFORE = 80, 30  # a line is shown whole up to so many characters, else from a bit before
_OWN = str(Path(__file__).parents[1])
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))
_NO_MEMBERS = set(
    "__doc__ __module__ __dict__ __weakref__ __qualname__ __annotations__ __firstlineno__ "
    "__static_attributes__ __annotate__ __annotate_func__ __annotations_cache__ _abc_impl "
    "__parameters__ __hash__ __slots__ __slotnames__ __match_args__ __dataclass_params__ "
    "__dataclass_fields__".split()
)


def described(value: Any) -> Any:
    """Return text, or nested mappings of names to text, that are equal for equal values.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.montecarlo.provenance import described
    >>> described(10), described(10.0), described(np.float32(10))
    ('int 10', 'float 10.0', 'numpy.float32 10.0')
    >>> import functools
    >>> described(functools.partial(max, default=1.0))["keywords"]
    {'type': 'dict', 'default': 'float 1.0'}
    """
    return _Description().of(value)


class _Description:
    """One walk through a value; what was met before is not followed again."""

    def __init__(self) -> None:
        self._met: dict[int, Any] = {}  # the objects too, so that no number is used again

    def of(self, value: Any) -> Any:
        if type(value) in _PLAIN:
            return repr(value) if isinstance(value, str) else f"{type(value).__name__} {value!r}"
        if isinstance(value, np.generic):
            return f"numpy.{value.dtype} {value.item()!r}"
        if isinstance(value, np.dtype):
            return f"dtype {value}"
        if isinstance(value, types.ModuleType):
            return _module(value)
        if id(value) in self._met:
            return "as before"
        self._met[id(value)] = value
        try:
            return _short(self._composed(value))
        except RecursionError:
            return f"{type(value).__qualname__}, too deep to look into"

    def _composed(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]
            shown = f" {value.tolist()}" if value.size <= 8 else ""
            return f"array of {value.dtype}, shape {value.shape}{shown}, SHA-256 {digest}"
        if type(value) in (list, tuple) or isinstance(value, np.ndarray):
            items = value.ravel().tolist() if isinstance(value, np.ndarray) else value
            parts = {str(i): self.of(item) for i, item in enumerate(items)}
            return {"type": type(value).__name__, **parts}
        if type(value) in (dict, types.MappingProxyType):
            return {"type": "dict", **{str(key): self.of(part) for key, part in value.items()}}
        if type(value) in (set, frozenset):
            return sorted(json.dumps(_Description().of(part)) for part in value)
        if isinstance(value, functools.partial):
            return {"partial": self.of(value.func), "arguments": self.of(list(value.args)),
                    "keywords": self.of(value.keywords)}  # fmt: skip
        if isinstance(value, types.MethodType):
            return {"method": self.of(value.__func__), "self": self.of(value.__self__)}
        if isinstance(value, staticmethod | classmethod):
            return self.of(value.__func__)
        if isinstance(value, property):
            return {"property": [self.of(f) for f in (value.fget, value.fset) if f is not None]}
        if isinstance(value, types.CodeType):
            return _code(value, None)
        if value is np.random.mtrand._rand:  # distributions hold it
            return "the global random state"
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        module = getattr(value, "__module__", None)
        if callable(value) and isinstance(name, str) and isinstance(module, str):
            if _is_library(module):
                return f"{module}.{name} {version_of(module)}".strip()
            if isinstance(value, types.FunctionType):
                return self._function(value)
            if isinstance(value, type):
                return self._class(value)
        if isinstance(getattr(value, "__wrapped__", None), types.FunctionType):
            return {"wrapper": type(value).__name__, "method": self.of(value.__wrapped__)}
        return self._object(value)

    def _function(self, function: types.FunctionType) -> dict[str, Any]:
        code = function.__code__
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        signature = inspect.signature(function).parameters.values()
        found: dict[str, Any] = {
            "function": function.__qualname__.rpartition(".")[2],
            "code": _code(code, function.__doc__),
            "defaults": {p.name: self.of(p.default) for p in signature if p.default is not p.empty},
            "closure": {name: self.of(_content(cell)) for name, cell in cells},
            "globals": {
                name: self.of(function.__globals__[name])
                for name in sorted(set(_globals(code)))
                if name in function.__globals__
            },
            "attributes": {n: self.of(v) for n, v in function.__dict__.items() if n[:2] != "__"},
        }
        return {"source": _source(function), **{k: v for k, v in found.items() if v}}

    def _class(self, own: type) -> dict[str, Any]:
        members = {n: self.of(v) for n, v in vars(own).items() if n not in _NO_MEMBERS}
        return {"class": own.__qualname__.rpartition(".")[2],
                "bases": [self.of(base) for base in own.__bases__], **members}  # fmt: skip

    def _object(self, value: Any) -> Any:
        """Describe an object by what a copy of it would be made of."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:
            return {"object of": self.of(type(value))}
        if isinstance(reduced, str):
            return reduced
        _, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        parts = {
            "object of": self.of(type(value)),
            "arguments": [self.of(a) for a in arguments if a is not type(value)],
            "state": None if state is None else self.of(state),
            "items": None if items is None else [self.of(item) for item in items],
            "pairs": None if pairs is None else {str(k): self.of(v) for k, v in pairs},
        }
        return {name: part for name, part in parts.items() if part}


def _short(found: Any) -> Any:
    """Replace by its hash what is long and of which no part needs to be named."""
    if isinstance(found, dict) and {"code", "class", "partial", "method"} & found.keys():
        return found
    text = json.dumps(found, sort_keys=True)
    if isinstance(found, str) or len(text) <= _LONGEST:
        return found
    return f"{text[:60]}..., SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _code(code: types.CodeType, doc: str | None) -> str:
    """Return a hash of what code does, wherever it stands and whatever is said about it."""
    parts = [
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _KIND,
        code.co_varnames, code.co_freevars, code.co_cellvars, code.co_names, code.co_code.hex(),
        getattr(code, "co_exceptiontable", b"").hex(),
        [None if doc is not None and constant == doc else described(constant)
         for constant in code.co_consts],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _globals(code: types.CodeType) -> Iterator[str]:
    """Yield the names that code, and code within it, looks up outside."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals(constant)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def _source(function: Callable[..., Any]) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return ""


def _module(module: types.ModuleType) -> str:
    name = module.__name__
    if _is_library(name):
        return f"module {name} {version_of(name)}".strip()
    try:
        text = Path(str(module.__file__)).read_bytes()
    except OSError:
        return f"module {name}"
    return f"module {name}, SHA-256 {hashlib.sha256(text).hexdigest()[:16]}"


def _is_library(name: str) -> bool:
    """Tell whether a module comes with Python or was installed, so that its version says it all."""
    if name == "__main__":
        return False
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    module = sys.modules.get(name) or sys.modules.get(name.partition(".")[0])
    file = getattr(module, "__file__", None)
    if file is None:
        return module is not None and getattr(module, "__spec__", None) is not None
    parts = Path(file).parts
    return "site-packages" in parts or "dist-packages" in parts or file.startswith(_OWN)


def version_of(name: str) -> str:
    """Return the version of the package that a module belongs to, as far as it tells."""
    top = name.partition(".")[0]
    return str(getattr(sys.modules.get(top), "__version__", ""))


def difference(old: Any, new: Any, path: tuple[str, ...] = ()) -> tuple[tuple[str, ...], Any, Any]:
    """Return where two descriptions first differ, and both sides; an empty path if nowhere.

    Where code differs, the sides are the first lines of source that do.
    """
    if old == new:
        return (), None, None
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return path, old, new
    for name in [name for name in {**old, **new} if name != "source"]:
        mine, other = old.get(name), new.get(name)
        if name == "code" and mine != other:
            return (*path, name), *_lines(old.get("source"), new.get("source"), mine, other)
        if mine != other:
            found = difference(mine, other, (*path, str(name)))
            if found[0]:
                return found
    return (), None, None


def _lines(old: Any, new: Any, *instead: Any) -> tuple[Any, Any]:
    """Return the first lines that differ, from shortly before they do."""
    first, second = str(old or "").splitlines(), str(new or "").splitlines()
    for i in range(max(len(first), len(second)) if first and second else 0):
        pair = [lines[i].strip() if i < len(lines) else "" for lines in (first, second)]
        if pair[0] != pair[1]:
            apart = (k for k, (a, b) in enumerate(zip(*pair, strict=False)) if a != b)
            alike = next(apart, min(map(len, pair)))
            cut = max(0, alike - _BEFORE) if max(map(len, pair)) > _WIDTH else 0
            before = "..." if cut else ""
            return before + repr(pair[0][cut:]), before + repr(pair[1][cut:])
    return instead[0], instead[1]
