"""What is looked at when a gradient is wrong, so that the cause may be guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from estkit.gradients.checking.causes import Evidence, likely_causes
from estkit.gradients.checking.form import Floats, Form, read_answer
from estkit.gradients.checking.subject import Subject

if TYPE_CHECKING:
    from estkit.gradients.checking.components import Components, Found

_FAR = 30.0  # first steps


def causes_of(check: Components, found: Found, bad: NDArray[np.bool_], steps: Floats) -> list[str]:
    """Look at a second point, at single rows and at what does not move; then guess."""
    subject = check.subject
    steps = np.where(np.isfinite(steps), steps, 0.0)
    second = check.elsewhere(found, steps)
    seen = [found.seen] if second is None else [found.seen, second.seen]
    count = len(subject.center) if len(subject.center) > 1 else 0
    row_slopes = None
    if subject.summed and len(subject.center) > 1:
        row_slopes = np.stack([_row_slope(check, j, s) for j, s in enumerate(steps)], axis=1)
    evidence = Evidence(
        subject.form, bad, tuple(seen), count, check.answer, row_slopes,
        _deaf(check, found, bad, steps),
    )  # fmt: skip
    causes = likely_causes(evidence)
    for j in np.flatnonzero(bad):
        slope = found.slopes[j]
        if slope.kink.any():
            causes[j] = "outside the slopes to both sides of a kink"
    return causes


def _row_slope(check: Components, j: int, step: float) -> Floats:
    change = Subject.change(_apart(check), j)
    (ahead, up), (behind, down) = change(step or 1e-6), change(-(step or 1e-6))
    result: Floats = (ahead - behind) / (up - down)
    return result


def _apart(check: Components) -> Subject:
    """Return the function with its rows apart."""
    known = check.subject
    other = Subject(known.function, known.form, False)
    other.shape, other.center = known.shape, known.center
    return other


def _deaf(
    check: Components, found: Found, bad: NDArray[np.bool_], steps: Floats
) -> dict[int, list[str]]:
    """Return which parameters the wrong entries do not react to, although they should."""
    subject, names = check.subject, check.subject.form.names
    answer: dict[int, list[str]] = {}
    wrong = np.flatnonzero(bad)[:4]
    for i in range(min(len(steps), 12)):
        if not steps[i]:
            continue
        there = subject.form.values.copy()
        there[i] += there.dtype.type(_FAR * steps[i])
        if not np.isfinite(subject.rows(there)).all():
            continue
        given = read_answer(check.gradient.raw(there), subject.form, subject.shape)
        if given.values.shape != found.seen.given.shape:
            return {}
        still = [j for j in wrong if np.array_equal(given.values[:, j], found.seen.given[:, j])]
        form = Form(subject.form.shapes, names, there)
        for j in still:
            other = Subject(subject.function, form, subject.summed,
                            noise_level=subject.noise_level)  # fmt: skip
            other.start()
            slope = other.slope(int(j), complex_too=True)
            subject.calls += other.calls
            numeric = found.seen.numeric[:, j]
            allowed = 10 * (slope.error + found.error[:, j]) + 1e-6 * np.abs(numeric)
            if (np.abs(slope.value - numeric) > allowed).any():
                answer.setdefault(int(j), []).append(names[i])
    return answer
