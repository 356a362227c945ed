"""Where a function jumps: it has no derivative there, though the slopes beside may be right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estkit.gradients.checking.form import Floats
from estkit.gradients.checking.subject import Subject

_STEPS = (1.0, 4.0, 16.0, 64.0)  # of a continuous function, changes shrink with them
_ALIKE = 0.1  # changes that differ by no more than this part of them are one jump: noise is not
_CLEAR = 100.0  # times rounding
_SMALL = 1e-12  # beside the step of a derivative, of a parameter that is 0
_TINIEST = 1e-300


@np.errstate(all="ignore")
def size_of_jumps(subject: Subject, direction: Floats, step: float) -> Floats:
    """Return by how much each output jumps at the point along a direction; 0 if it does not.

    To one side at least, the change is then the same however small the step.
    """
    place = subject.form.values
    change = subject.along(direction, place, subject.center)
    moved = direction != 0
    lost = float((np.spacing(np.abs(place[moved])) / np.abs(direction[moved])).max())
    smallest = 64 * lost if lost > _TINIEST else _SMALL * step
    size = np.zeros(len(subject.rounding))
    for side in (1.0, -1.0):
        changes = np.stack([change(side * smallest * factor)[0] for factor in _STEPS])
        least, most = changes.min(axis=0), changes.max(axis=0)
        jump = np.minimum(np.abs(least), np.abs(most))
        alike: NDArray[np.bool_] = most - least <= _ALIKE * jump
        size = np.where(alike & (jump > _CLEAR * subject.rounding), np.maximum(size, jump), size)
    return size
