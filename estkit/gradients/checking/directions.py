"""A gradient of many parameters, along random directions; wrong ones are searched by halving."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.gradients.checking.closer import look_closer
from estkit.gradients.checking.differences import SURE, Slope, differentiate
from estkit.gradients.checking.form import Answer, Floats, Form, read_answer
from estkit.gradients.checking.jumps import size_of_jumps
from estkit.gradients.checking.report import VERDICTS, GradientReport

if TYPE_CHECKING:
    from estkit.gradients.checking.components import Components

_SHOWN = 5  # parameters that are searched for


def check_directions(check: Components, count: int) -> GradientReport:
    """Check so many random directions, and name parameters where one is wrong."""
    answer = check.answer
    k = answer.values.shape[1]
    told = f"{k} parameters were checked along {count} random directions and not one by one; "
    if answer.misshapen or not np.isfinite(answer.values).all():
        odd = [*answer.misshapen, *np.flatnonzero(~np.isfinite(answer.values).all(axis=0)).tolist()]
        return _of_parameters(check, odd[:_SHOWN], told + "shown are some that are no numbers.")
    lengths = _lengths(check)
    found = [_along(check, lengths * _signs(check, k)) for _ in range(count)]
    wrong = [direction for direction, _, right in found if not right]
    if wrong:
        guilty = _search(check, wrong[0])
        if guilty:
            return _of_parameters(check, guilty, f"{told}{len(wrong)} of these were wrong, and "
                                  f"shown are the first parameters to which they led.")  # fmt: skip
    return _of_directions(check, found, told + "a small part of them may be wrong unseen.")


def _signs(check: Components, k: int) -> Floats:
    return np.asarray(check.rng.choice([-1.0, 1.0], k) * check.rng.uniform(0.5, 1.5, k))


def _lengths(check: Components) -> Floats:
    """Return moves by which every parameter changes the function by about as much."""
    slope = np.sqrt((check.answer.values**2).sum(axis=0))
    size = np.abs(check.subject.form.values.astype(float))
    size = np.where(size > 0, size, np.median(size[size > 0]) if (size > 0).any() else 1.0)
    share = slope * size
    level = np.median(share[share > 0]) if (share > 0).any() else 1.0
    with np.errstate(divide="ignore"):
        lengths: Floats = np.minimum(level / slope, size)
    return lengths


def _along(check: Components, direction: Floats) -> tuple[Floats, Slope, bool]:
    """Return the derivative along a direction, and whether the gradient gives the same."""
    subject, given = check.subject, check.answer.values
    origin = subject.form.values
    guess = subject.complex_step(direction, origin)
    line = subject.along(direction, origin, subject.center)
    first = 1e-3 if subject.eps < 1e-12 else 0.03
    slope = differentiate(line, first, subject.noise, guess=guess, largest=1e3)
    rounding = subject.eps * np.abs(given * origin).sum(axis=1) / max(slope.step, 1e-300)
    terms = np.sqrt(((given * direction) ** 2).sum(axis=1)) + slope.scale
    allowed = 10 * check.rtol * terms + 4 * rounding
    right = np.abs(given @ direction - slope.value) <= allowed + SURE * slope.error
    doubted = np.abs(given @ direction - slope.value) > allowed
    if doubted.any():
        noise = subject.noise + rounding * slope.step
        slope = look_closer(line, slope, given @ direction, doubted, noise)
        jumps = size_of_jumps(subject, direction, slope.step)
        slope = replace(slope, value=np.where(jumps > 0, np.nan, slope.value))
        right = np.abs(given @ direction - slope.value) <= allowed + SURE * slope.error
    unknown = slope.kink | ~np.isfinite(slope.value)
    return direction, slope, bool((right | unknown).all())


def _search(check: Components, direction: Floats) -> list[int]:
    """Return parameters whose part of the direction is wrong, by halving."""
    guilty: list[int] = []
    everything = np.arange(len(direction))
    for _ in range(_SHOWN):
        part = np.setdiff1d(everything, guilty)
        if not len(part) or _right(check, direction, part):
            break
        while len(part) > 1:
            left, right = np.array_split(part, 2)
            part = left if not _right(check, direction, left) else right
        if _right(check, direction, part):
            break
        guilty.append(int(part[0]))
    return sorted(guilty)


def _right(check: Components, direction: Floats, part: NDArray[np.int64]) -> bool:
    only = np.zeros_like(direction)
    only[part] = direction[part]
    return _along(check, only)[2]


def _of_parameters(check: Components, chosen: list[int], note: str) -> GradientReport:
    """Return the report of some parameters, with the others held where they are."""
    from estkit.gradients.checking.components import Components, Counted
    from estkit.gradients.checking.subject import Subject

    outer, form = check.subject, check.subject.form

    def whole(part: NDArray[Any]) -> Any:
        flat = form.values.astype(np.result_type(part, form.values))
        flat[chosen] = part
        return flat

    def slopes(part: NDArray[Any]) -> Any:
        answer = read_answer(check.gradient.raw(whole(part)), form, outer.shape)
        values = answer.values[:, chosen]
        return values.reshape(*outer.shape, -1) if answer.per_output else values[0]

    inner = Form({"": (len(chosen),)}, tuple(form.names[j] for j in chosen), form.values[chosen])
    subject = Subject(lambda part: outer.function(form.formed(whole(part))), inner, outer.summed)
    subject.start()
    seen = check.answer
    answer = Answer(
        seen.values[:, chosen], seen.per_output,
        {i: seen.misshapen[j] for i, j in enumerate(chosen) if j in seen.misshapen},
        {words: values[chosen] for words, values in seen.repairs.items()}, seen.eps,
    )  # fmt: skip
    counted = Counted(slopes, inner)
    report = Components(subject, counted, answer, check.rtol, check.rng).report()
    calls = {"f": outer.calls + subject.calls, "gradient": check.gradient.calls}
    return replace(report, calls=calls, notes=(*report.notes, note))


def _of_directions(
    check: Components, found: list[tuple[Floats, Slope, bool]], note: str
) -> GradientReport:
    """Return the report of directions."""
    given = [check.answer.values @ direction for direction, _, _ in found]
    size = [np.maximum(np.abs(g), np.abs(s.value)) + s.scale
            for g, (_, s, _) in zip(given, found, strict=True)]  # fmt: skip
    with np.errstate(all="ignore"):
        off = [np.abs(g - s.value) / z for g, (_, s, _), z in zip(given, found, size, strict=True)]
        blind = [
            (SURE * s.error > 0.05 * z).any() for (_, s, _), z in zip(found, size, strict=True)
        ]
    row = [int(np.argmax(np.nan_to_num(o))) for o in off]

    def pick(values: list[Floats]) -> Floats:
        return np.array([v[r] for v, r in zip(values, row, strict=True)])

    def verdict(slope: Slope, right: bool, unsure: bool) -> str:
        if not right:
            return "wrong"
        if slope.kink.any():
            return "kink"
        return "cannot tell" if unsure or not np.isfinite(slope.value).all() else "ok"

    slopes = [slope for _, slope, _ in found]
    verdicts = tuple(verdict(s, right, bool(u))
                     for (_, s, right), u in zip(found, blind, strict=True))  # fmt: skip
    assert set(verdicts) <= set(VERDICTS)
    return GradientReport(
        names=tuple(f"direction {i + 1}" for i in range(len(found))),
        analytic=pick(given),
        numeric=pick([s.value for s in slopes]),
        error=pick([s.error for s in slopes]),
        relative_error=pick(off),
        verdicts=verdicts,
        causes=("",) * len(found),
        methods=tuple(s.method for s in slopes),
        below=pick([s.below for s in slopes]),
        above=pick([s.above for s in slopes]),
        rows=np.array(row) if check.answer.per_output else None,
        calls={"f": check.subject.calls, "gradient": check.gradient.calls},
        notes=(*check.notes, note),
    )
