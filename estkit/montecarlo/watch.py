"""Notices when a user's function draws from a global generator, which no seed of ours reaches."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable
from typing import Any

import numpy as np

_MT19937_BYTES = 4 * (624 + 1)  # its key and its position
_TIMES = 3  # calls that must leave the same state before a function is called guilty
_moved_by_others = False  # whether another thread of this process draws from Python's generator


class Watch:
    """Compares the states of the global generators with those at its beginning.

    Another thread may draw from Python's generator at any time, as the workers of Dask do. So a
    change accuses nobody by itself: see `draws`, and `acquit` when it turned out to be nobody.
    """

    def __init__(self) -> None:
        self._start = _states()

    def sees_change(self) -> bool:
        """Tell whether a global generator was moved since the beginning."""
        now = _states()
        return now[0] != self._start[0] or (now[1] != self._start[1] and not _moved_by_others)

    def acquit(self) -> None:
        """Take the change for another thread's, and no longer look at Python's generator."""
        global _moved_by_others
        _moved_by_others = True
        self._start = _states()

    @staticmethod
    def draws(call: Callable[[], Any], number: int) -> bool:
        """Tell whether a call moves a global generator: from one state always to the same other.

        Parameters
        ----------
        call : callable
            What is tried, several times if need be.
        number : int
            Which state to begin from.
        """
        kept = random.getstate(), np.random.get_state()  # noqa: NPY002 - put back below
        found = set()
        try:
            for _ in range(_TIMES):
                random.seed(number)
                np.random.seed(number)  # noqa: NPY002 - only on the way to an error, and put back
                known = _states()
                call()
                found.add(_states())
                if known in found:
                    return False
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])  # noqa: NPY002
        return len(found) == 1


def _states() -> tuple[Any, Any]:
    """Return the states of numpy's and Python's generator; the first as it lies in memory."""
    bits = np.random.get_bit_generator()  # type: ignore[attr-defined]  # looked at, never used
    if isinstance(bits, np.random.MT19937):
        state: Any = ctypes.string_at(bits.ctypes.state_address, _MT19937_BYTES)
    else:
        state = repr(bits.state)
    return state, random.getstate()
