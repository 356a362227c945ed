"""Shards: which replicates one of several runs computes, when they share a study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from estkit.errors import DataError, StudyError
from estkit.montecarlo.execution import Execution, Span

if TYPE_CHECKING:
    from estkit.montecarlo.study import Study


def checked_shard(shard: Any) -> tuple[int, int]:
    """Return a shard as two numbers (i, k), or raise unless it is the i-th of k, from 1."""
    pair = tuple(shard) if isinstance(shard, list | tuple) else ()
    whole = len(pair) == 2 and all(isinstance(n, int) and not isinstance(n, bool) for n in pair)
    if not (whole and 1 <= pair[0] <= pair[1]):
        raise DataError(f"shard must be (i, k), the i-th of k runs counted from 1; got {shard!r}.")
    return pair


def shares(
    study: Study, execution: Execution, replicates: Sequence[int], shard: tuple[int, int]
) -> list[Span]:
    """Return the replicates of each condition that belong to a shard: consecutive whole blocks.

    Which shard has the first ones goes round with the condition, so that all have work where a
    condition has fewer blocks than there are shards.
    """
    return [
        share(number, count, _unit(study, execution, number), shard)
        for number, count in enumerate(replicates)
    ]


def share(number: int, count: int, unit: int, shard: tuple[int, int]) -> Span:
    """Return the share of one condition, whose blocks have `unit` replicates.

    Examples
    --------
    >>> from estkit.montecarlo.sharding import share
    >>> [share(0, 1000, 100, (i, 3))[1:] for i in (1, 2, 3)]
    [(0, 300), (300, 600), (600, 1000)]
    >>> [share(1, 1000, 512, (i, 3))[1:] for i in (1, 2, 3)]
    [(0, 512), (512, 1000), (0, 0)]
    """
    i, k = shard
    place = (i - 1 + number) % k
    blocks = math.ceil(count / unit)
    start, stop = (min(count, place_ * blocks // k * unit) for place_ in (place, place + 1))
    return Span(number, start, stop)


def _unit(study: Study, execution: Execution, number: int) -> int:
    try:
        step = execution.step(number)
    except StudyError:  # the run will come across it
        step = 1
    return math.lcm(step, study.group_size())
