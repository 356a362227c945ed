"""What the functions of a study are: their source where the user wrote them, else their name."""

from __future__ import annotations

import functools
import inspect
import sysconfig
import textwrap
from collections.abc import Callable
from typing import Any

_LONGEST = 120  # lines of source that are shown
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")


def source_of(function: Callable[..., Any] | Any) -> str:
    """Return the source of a function, or its name where it belongs to a library.

    Examples
    --------
    >>> import functools
    >>> import numpy as np
    >>> from estkit.report.sources import source_of
    >>> source_of(functools.partial(np.var, ddof=1))
    'functools.partial of numpy.var with ddof=1'
    """
    if isinstance(function, functools.partial):
        given = [f"{value!r:.80}" for value in function.args]
        given += [f"{name}={value!r:.80}" for name, value in function.keywords.items()]
        return f"functools.partial of {source_of(function.func)} with {', '.join(given)}"
    inner = getattr(function, "function", None)
    if type(function).__name__ == "Vectorized" and inner is not None:
        return f"# takes whole blocks of replicates: ek.vectorized\n{source_of(inner)}"
    if not (inspect.isroutine(function) or inspect.isclass(function)):
        return f"{function!r:.2000}"
    return _written(function) or _name(function)


def _written(function: Any) -> str:
    """Return the source of a function of the user's; empty where it is not at hand."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function)) or ""
        if function.__module__.split(".")[0] == "estkit" or _is_installed(file):
            return ""
        lines = textwrap.dedent(inspect.getsource(function)).rstrip().splitlines()
    except (OSError, TypeError, AttributeError):
        return ""
    if len(lines) > _LONGEST:
        lines[_LONGEST:] = [f"# ... and {len(lines) - _LONGEST} more lines"]
    return "\n".join(lines)


def _is_installed(file: str) -> bool:
    folders = [sysconfig.get_path(name) for name in _INSTALLED]
    return any(folder and file.startswith(folder) for folder in folders)


def _name(function: Any) -> str:
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__qualname__", None) or repr(function)
    known = f"{module}.{name}" if module and module != "builtins" else name
    own = module in ("__main__", "") or "<lambda>" in name or "<locals>" in name
    return f"{known} (its source is not at hand)" if own else known
