"""Other points to start from, for regressions whose likelihood may have several maxima."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from estkit.likelihood import newton
from estkit.likelihood.family import Floats

if TYPE_CHECKING:
    from estkit.likelihood.regression import Regression

_HALVES = 16  # none of 1000 sets of data with outliers had its highest maximum missed
_STEPS = 12
_LARGE = 20_000


def restarts(model: Regression) -> tuple[Floats, ...]:
    """Return fits of a concave neighbour of the family to all rows and to random halves of them.

    A maximum that some rows hide lies near the fit to a half without them. The halves are the same
    each time. Of very many rows only some are used, and the best start is kept. A family that names
    no neighbour has one maximum.
    """
    neighbour = getattr(model.family, "neighbour", None)
    if neighbour is None:
        return ()
    rows, few = model.rows, max(2_000, 20 * model.size)
    held = rows.columns.rows == rows.count  # and not read in pieces
    some = rows if held and rows.count <= _LARGE else rows.thinned(few)
    rng = np.random.default_rng(0)
    parts = [
        some.take(np.sort(rng.permutation(some.count)[: (some.count + 1) // 2]))
        for _ in range(_HALVES)
    ]
    points = []
    for part in [some, *parts]:
        near = replace(model, family=neighbour, rows=part)
        fitted = newton.maximise(near.objective, np.zeros(model.size), max_iter=_STEPS)
        points.append(fitted.point)
    if some is rows:
        return tuple(points)
    own = replace(model, rows=some)
    tops = [newton.maximise(own.objective, point, stand_in=own.stand_in) for point in points]
    return (max(tops, key=lambda top: top.value).point,)
