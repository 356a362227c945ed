"""One random stream per replicate, addressed in O(1).

Philox is a counter-based generator: its output is a function of a key and a counter. The key
belongs to the seed and the condition; the replicate number and the purpose stand in the upper half
of the counter, so that any stream is reached at once, two streams cannot meet before 2¹²⁸ draws,
and replicate r draws the same numbers whatever was computed before it (Salmon et al. 2011).

A whole block of replicates draws many numbers from one stream, where the time of each counts more
than that of reaching the stream: there Philox gives the 192 bits from which SFC64 starts, which
draws a third faster (numpy's generators; its cycle is at least 2⁶⁴ long from any start).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from estkit.errors import DataError

DATA = 0
BLOCK = 1 << 40  # a whole block of replicates drawn by one call
PROBE = 1 << 41  # a look at what a generator returns, before the study
SETTING = 1 << 42  # what the data sets of a condition, or some of them, have in common
_STARTING = 12  # draws after which every bit of SFC64's state depends on every bit of its start


def seed_sequence(rng: Any) -> np.random.SeedSequence:
    """Return the seed of a study from what the user passed as `rng`.

    Parameters
    ----------
    rng : int, SeedSequence, Generator or None
        A Generator gives 128 random bits, and so moves on; None takes them from the system.

    Raises
    ------
    DataError
        If it is none of these.
    """
    if isinstance(rng, np.random.SeedSequence):
        return rng
    if isinstance(rng, np.random.Generator):
        words = rng.integers(0, 1 << 32, size=4, dtype=np.uint64)
        return np.random.SeedSequence([int(word) for word in words])
    whole = isinstance(rng, int | np.integer) and not isinstance(rng, bool)
    if rng is None or (whole and rng >= 0):
        return np.random.SeedSequence(None if rng is None else int(rng))
    raise DataError(
        f"rng must be a non-negative int, a SeedSequence, a Generator or None, got {rng!r:.60}."
    )


def generator_of(rng: Any) -> np.random.Generator:
    """Return a generator of what the user passed as `rng`; a Generator is used as it is."""
    if isinstance(rng, np.random.Generator):
        return rng
    return np.random.default_rng(seed_sequence(rng))


def own_purpose(name: str) -> int:
    """Return the purpose of an estimator's own stream; it depends on its name alone."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest) | 1 << 63  # never that of the data, whose purposes are small


class Streams:
    """The random streams of one condition.

    Parameters
    ----------
    entropy, spawn_key : int or sequence of int
        What a ``SeedSequence`` is made of.
    condition : int
        The number of the condition.

    Examples
    --------
    >>> from estkit.montecarlo.streams import Streams
    >>> streams = Streams(1, (), condition=0)
    >>> first = streams.at(7).random(3)
    >>> ignored = streams.at(8).random(1000)
    >>> bool((streams.at(7).random(3) == first).all())
    True
    """

    def __init__(
        self, entropy: int | Sequence[int] | None, spawn_key: Sequence[int], condition: int
    ) -> None:
        sequence = np.random.SeedSequence(entropy, spawn_key=(*spawn_key, condition))
        self._key = sequence.generate_state(2, np.uint64)
        self._bits: dict[int, tuple[np.random.Philox, np.random.Generator, Any, list[int]]] = {}
        self._fast: tuple[np.random.SFC64, np.random.Generator, Any] | None = None

    def at(self, replicate: int, purpose: int = DATA) -> np.random.Generator:
        """Return the generator at the start of a stream.

        It is one object for each purpose, moved to the stream: a new one would cost ten times as
        much.
        """
        if purpose not in self._bits:
            bits = np.random.Philox(0)  # without a seed it would ask the system for one
            state: Any = bits.state
            counter = [0, 0, 0, purpose]  # lists are read faster than arrays of numpy
            state["state"] = {"counter": counter, "key": self._key.tolist()}
            state["buffer"] = state["buffer"].tolist()
            self._bits[purpose] = bits, np.random.Generator(bits), state, counter
        bits, generator, state, counter = self._bits[purpose]
        counter[2] = replicate
        bits.state = state
        return generator

    def of_block(self, number: int, purpose: int = BLOCK) -> np.random.Generator:
        """Return the generator at the start of the stream of a whole block."""
        words = self.at(number, purpose).bit_generator.random_raw(3)
        if self._fast is None:
            bits = np.random.SFC64(0)
            self._fast = bits, np.random.Generator(bits), bits.state
        bits, generator, state = self._fast
        state["state"]["state"][:] = (*words, 1)
        bits.state = state
        bits.random_raw(_STARTING)
        return generator
