"""Whether kernels that numba compiles may be used (the extra ``fast``); nothing needs them.

To compile one takes seconds the first time, and a fraction of one later. So `kernels` is imported
only where a call takes longer than that, or where numba is loaded anyhow.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.util import find_spec


@lru_cache(maxsize=1)
def installed() -> bool:
    """Tell whether numba can be imported."""
    return find_spec("numba") is not None


def loaded() -> bool:
    """Tell whether numba is imported already."""
    return "numba" in sys.modules
