"""Intervals that hold all at once, for many conditions and estimators.

The largest of 200 biases is large by chance alone. The joint law of the errors is normal with the
correlations of the influence values ψ; the quantile of the largest |error / its standard error|
takes the place of 1.96. This is the Gaussian multiplier bootstrap of the maximum (Chernozhukov,
Chetverikov and Kato 2013), drawn from the law that it has given the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from estkit.montecarlo.influence import Floats, Influence

_DRAWS = 20_000  # the critical value is then known to 0.3 per cent
_STREAM = 20131201

Member = tuple[int, Influence, NDArray[np.bool_], int]


def level_of(members: Sequence[Member], level: float) -> float:
    """Return the level of each interval at which all of them hold together with `level`.

    Parameters
    ----------
    members : sequence of (block, influence, known, group)
        Members of one block may depend on each other, those of two blocks do not. `known` says to
        which replicates the influence values belong, `group` how many consecutive replicates depend
        on each other.
    level : float
        The joint level.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.montecarlo.influence import Influence
    >>> from estkit.montecarlo.simultaneous import level_of
    >>> psi = np.random.default_rng(1).normal(size=50)
    >>> known = np.ones(50, dtype=bool)
    >>> one = (0, Influence(0.0, psi), known, 1)
    >>> level_of([one], 0.95), round(level_of([one, one], 0.95), 2)  # twice the same
    (0.95, 0.95)
    >>> others = [(block, Influence(0.0, psi), known, 1) for block in range(10)]
    >>> round(level_of(others, 0.95), 3), round(0.95**0.1, 3)  # Šidák's, for independent ones
    (0.995, 0.995)
    """
    if len(members) < 2:
        return level
    blocks: dict[int, list[Member]] = {}
    for member in members:
        blocks.setdefault(member[0], []).append(member)
    rng = np.random.default_rng(_STREAM)
    largest = np.zeros(_DRAWS)
    for own in blocks.values():
        values, vectors = np.linalg.eigh(_correlations(own))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        errors = rng.normal(size=(_DRAWS, len(own))) @ root.T
        np.maximum(largest, np.abs(errors).max(axis=1), out=largest)
    return math.erf(float(np.quantile(largest, level)) / math.sqrt(2))


def _correlations(members: Sequence[Member]) -> Floats:
    columns = [_spread_out(influence, known, group) for _, influence, known, group in members]
    longest = max(map(len, columns))
    table = np.zeros((longest, len(columns)))
    for number, column in enumerate(columns):
        table[: len(column), number] = column
    correlations: Floats = table.T @ table
    np.fill_diagonal(correlations, 1.0)  # also where nothing varies
    return correlations


def _spread_out(influence: Influence, known: NDArray[np.bool_], group: int) -> Floats:
    """Return ψ by replicate or group of them, 0 where there is none, of length 1."""
    psi = influence.psi - influence.psi.mean()
    if influence.by_replicate and group > 1:
        psi = np.bincount(np.flatnonzero(known) // group, weights=psi)
    elif influence.by_replicate and not known.all():
        psi, some = np.zeros(len(known)), psi
        psi[known] = some
    length = math.sqrt(float(psi @ psi))
    return psi / length if length > 0 and math.isfinite(length) else np.zeros_like(psi)
