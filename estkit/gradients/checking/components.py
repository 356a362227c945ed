"""Every parameter of a gradient beside its numerical derivative, here and at a second point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.gradients.checking.causes import Seen
from estkit.gradients.checking.closer import look_closer
from estkit.gradients.checking.differences import SURE, Slope, differentiate, roughness
from estkit.gradients.checking.form import Answer, Floats, Form, read_answer
from estkit.gradients.checking.inquiry import causes_of
from estkit.gradients.checking.jumps import size_of_jumps
from estkit.gradients.checking.report import VERDICTS, GradientReport
from estkit.gradients.checking.subject import Subject

RTOL = 1e-6
BESIDE = 30.0  # first steps, as far away is the second point
_TELLING = 0.05  # of the size of a derivative: with a larger error nothing is told


@dataclass(eq=False)
class Counted:
    """The gradient with the number of its calls."""

    function: Callable[[Any], Any]
    form: Form
    calls: int = 0

    def raw(self, flat: NDArray[Any]) -> Any:
        """Return what the gradient returns at a flat vector."""
        self.calls += 1
        with np.errstate(all="ignore"):
            return self.function(self.form.formed(flat))


@dataclass(eq=False)
class Found:
    """Numeric derivatives and verdicts of all parameters at a point, arrays of shape (m, k)."""

    seen: Seen
    slopes: list[Slope]
    error: Floats
    relative: Floats
    codes: NDArray[np.int64]  # places in VERDICTS

    @property
    def worst(self) -> NDArray[np.int64]:
        """The verdict of each parameter: the worst of its rows."""
        worst: NDArray[np.int64] = self.codes.max(axis=0)
        return worst


@dataclass(eq=False)
class Components:
    """A function and its gradient, each parameter for itself.

    Parameters
    ----------
    subject : Subject
        The function, called where derivatives are asked for.
    gradient : Counted
        The gradient that was written.
    answer : Answer
        What it returned there.
    rtol : float
        The relative error that is right.
    rng : Generator
        For the second point.
    """

    subject: Subject
    gradient: Counted
    answer: Answer
    rtol: float
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.rtol = max(self.rtol, 100 * max(self.subject.eps, self.answer.eps))
        self.notes: list[str] = []
        self.jumps: dict[int, float] = {}  # of parameters, by their positions

    def found(self) -> Found:
        """Return every parameter beside its numerical derivative."""
        subject, k = self.subject, len(self.answer.values[0])
        slopes = [subject.slope(j, complex_too=True) for j in range(k)]
        found = self._judged(slopes, subject, self.answer)
        exact = all(slope.method == "complex step" for slope in slopes)
        return found if exact and not (found.worst > 0).any() else self._again(found)

    def report(self) -> GradientReport:
        """Return what is found, with the causes of what is wrong."""
        found = self.found()
        steps = np.array([slope.step for slope in found.slopes])
        taylor, beside = float("nan"), None
        if np.isfinite(steps).all() and not (found.worst == VERDICTS.index("not finite")).any():
            taylor, beside = self.beside(found, steps)
        bad = found.worst >= VERDICTS.index("not finite")
        causes = [""] * len(bad)
        if bad.any():
            causes = causes_of(self, found, bad, steps)
        elif beside is not None and (beside.worst == VERDICTS.index("wrong")).any():
            found, bad = beside, beside.worst == VERDICTS.index("wrong")
            stale = "stale constant: right where it was asked for, wrong beside"
            causes = [stale if b else "" for b in bad]
            where = ", ".join(f"{v:.6g}" for v in beside.seen.point[:6])
            self.notes.append(f"Right at the point given; what is shown is at ({where}) beside it.")
        return self._report(found, causes, taylor)

    def _again(self, found: Found) -> Found:
        """Measure the noise of the function, and look again if it is more than rounding."""
        subject = self.subject
        steps = np.array([slope.step for slope in found.slopes])
        steps = np.where(np.isfinite(steps), steps, 0.0)
        steps[list(self.jumps)] = 0.0  # a jump is no noise
        if not steps.any():
            return found
        again = subject.rows(subject.form.values)
        shaken = np.abs(subject.reduced(again - subject.center))
        line = subject.along(1e-4 * steps, subject.form.values, subject.center)
        noise = roughness(line, 1.0, shaken)
        if shaken.any():
            self.notes.append(
                f"f is not the same when called twice (it moved by {shaken.max():.1g}); its noise "
                f"is in the errors."
            )
        if not (noise > subject.noise).any():
            return found
        subject.noise_level = 3 * noise
        slopes = [
            subject.slope(j, complex_too=True, first=3 * step if step else None)
            for j, step in enumerate(steps)
        ]
        return self._judged(slopes, subject, self.answer)

    def _judged(self, slopes: list[Slope], subject: Subject, answer: Answer) -> Found:
        """Compare given and numeric derivatives; with smaller steps where they disagree."""
        found = self._compared(slopes, subject, answer)
        with np.errstate(invalid="ignore"):
            doubted = found.relative > self.rtol
        doubted &= found.codes != VERDICTS.index("kink")
        doubted[:, list(answer.misshapen)] = False
        closer = list(slopes)
        for j in np.flatnonzero(doubted.any(axis=0)):
            closer[j] = look_closer(
                subject.change(int(j)), slopes[j], answer.values[:, j], doubted[:, j], subject.noise
            )
        same = all(a is b for a, b in zip(closer, slopes, strict=True))
        found = found if same else self._compared(closer, subject, answer)
        return self._landed(found, subject, answer)

    def _landed(self, found: Found, subject: Subject, answer: Answer) -> Found:
        """Take back what was said where the function jumps: there is no derivative there."""
        larger = np.fmax(np.abs(found.seen.given), np.abs(found.seen.numeric))
        with np.errstate(invalid="ignore"):
            vague = (found.relative > self.rtol) | (SURE * found.error > _TELLING * larger)
        vague &= (found.codes != VERDICTS.index("kink")) & np.isfinite(found.seen.given)
        vague[:, list(answer.misshapen)] = False
        for j in np.flatnonzero(vague.any(axis=0)).tolist():
            if (slope := found.slopes[j]).method != "complex step":
                jumps = size_of_jumps(subject, np.eye(len(larger[0]))[j], slope.step) * vague[:, j]
                found.codes[jumps > 0, j] = VERDICTS.index("cannot tell")
                self.jumps |= {j: float(jumps.max())} if jumps.any() else {}
        return found

    def _compared(self, slopes: list[Slope], subject: Subject, answer: Answer) -> Found:
        """Compare given and numeric derivatives."""
        given = answer.values
        numeric, error, scale = (
            np.stack([getattr(slope, what) for slope in slopes], axis=1)
            for what in ("value", "error", "scale")
        )
        kink = np.stack([slope.kink for slope in slopes], axis=1)
        step = np.array([slope.step for slope in slopes])
        low, high = (
            np.stack([pick(slope.below, slope.above) for slope in slopes], axis=1)
            for pick in (np.fmin, np.fmax)
        )
        with np.errstate(all="ignore"):
            size = np.maximum(np.maximum(np.abs(given), np.abs(numeric)), scale)
            if len(size) > 1:  # an entry of a Jacobian is small beside its column
                size = np.maximum(size, 1e-2 * np.sqrt(np.nanmean(numeric**2, axis=0)))
            extra = 0.0
            if answer.eps > 1e-12:  # what the gradient was rounded to, which adds up many terms
                extra = 4 * answer.eps * np.abs(subject.center).sum() / np.maximum(step, 1e-300)
                extra = np.minimum(extra, 1e-2 * size)
            allowed = self.rtol * size + SURE * error + extra
            off = np.abs(given - numeric)
            level = np.abs(subject.center).sum() / np.maximum(np.abs(subject.form.values), 1.0)
            codes = np.where(off <= allowed, VERDICTS.index("ok"), VERDICTS.index("wrong"))
            unsure = SURE * error > _TELLING * np.maximum(size, 1e-9 * level)
            # What does not matter: differences that are noise, unless of the size of f itself.
            flat = (given == 0) & (off <= error) & ((error <= _TELLING * level) | (level == 0))
            codes[(off <= allowed) & unsure & ~flat] = VERDICTS.index("cannot tell")
            between = (given >= low - allowed) & (given <= high + allowed)
            codes[kink & between] = VERDICTS.index("kink")
            relative = np.where(off == 0, 0.0, off / size)
        codes[~np.isfinite(numeric)] = VERDICTS.index("cannot tell")
        codes[~np.isfinite(given)] = VERDICTS.index("not finite")
        point = subject.form.values.astype(float)
        for j in answer.misshapen:
            codes[:, j] = VERDICTS.index("wrong")
        tight = 10 * self.rtol
        near = tight * np.fmax(np.abs(given), np.abs(numeric)) + SURE * error
        return Found(Seen(point, given, numeric, near), slopes, error, relative, codes)

    # --- a second point ---

    def beside(self, found: Found, steps: Floats) -> tuple[float, Found | None]:
        """Return the order of the Taylor remainder, and what is found beside if it is wrong."""
        subject = self.subject
        move = BESIDE * steps * self.rng.choice([-1.0, 1.0], len(steps))
        move *= self.rng.uniform(0.6, 1.4, len(steps))
        origin = subject.form.values
        for _ in range(8):
            ends = [subject.rows((origin + c * move).astype(origin.dtype)) for c in (1.0, 0.5)]
            if all(np.isfinite(end).all() for end in ends):
                break
            move = move / 8
        else:
            return float("nan"), None
        there = (origin + move).astype(origin.dtype)
        quarter = subject.rows((origin + 0.25 * move).astype(origin.dtype))
        taylor = self._taylor(found, move, [*ends, quarter])
        if (found.worst >= VERDICTS.index("kink")).any():
            return taylor, None
        given = read_answer(self.gradient.raw(there), subject.form, subject.shape)
        if given.misshapen or given.values.shape != self.answer.values.shape:
            return taylor, None
        direction = steps * self.rng.choice([-1.0, 1.0], len(steps))
        wanted = given.values @ direction
        guess = subject.complex_step(direction, there)
        line = differentiate(
            subject.along(direction, there, ends[0]), 1.0, subject.noise, guess=guess, largest=1e3
        )
        rounding = subject.eps * np.abs(given.values * there).sum(axis=1) / max(line.step, 1e-300)
        terms = np.abs(given.values * direction).sum(axis=1) + line.scale
        allowed = 10 * self.rtol * terms + SURE * line.error + 4 * rounding
        right = np.abs(wanted - line.value) <= allowed
        if not right.all():
            change = subject.along(direction, there, ends[0])
            line = look_closer(change, line, wanted, ~right, subject.noise + rounding * line.step)
            allowed = np.maximum(allowed, SURE * line.error)
            right = np.abs(wanted - line.value) <= allowed
        if right.all() or line.kink.any() or not np.isfinite(line.value).all():
            return taylor, None
        return taylor, self.at(there, given)

    def elsewhere(self, found: Found, steps: Floats) -> Found | None:
        """Return what is found at a second point, where a coincidence will not come again."""
        subject, origin = self.subject, self.subject.form.values
        move = BESIDE * np.where(np.isfinite(steps), steps, 0.0)
        there = (origin + move * self.rng.uniform(0.5, 1.5, len(move))).astype(origin.dtype)
        for _ in range(6):
            if np.isfinite(subject.rows(there)).all():
                break
            there = ((origin + there) / 2).astype(origin.dtype)
        given = read_answer(self.gradient.raw(there), subject.form, subject.shape)
        return self.at(there, given) if given.values.shape == found.seen.given.shape else None

    def at(self, there: NDArray[Any], given: Answer) -> Found:
        """Return what is found at another point."""
        subject = self.subject
        form = Form(subject.form.shapes, subject.form.names, there)
        other = Subject(subject.function, form, subject.summed, noise_level=subject.noise_level)
        other.start()
        other.eps = max(other.eps, subject.eps)
        slopes = [other.slope(j, complex_too=True) for j in range(len(there))]
        subject.calls += other.calls
        return self._judged(slopes, other, given)

    def _taylor(self, found: Found, move: Floats, ends: list[Floats]) -> float:
        """Return the power of the step with which the remainder shrinks."""
        subject = self.subject
        slope = found.seen.given @ move
        sizes = np.array([1.0, 0.5, 0.25])
        remainders = np.array(
            [
                np.abs(subject.reduced(end - subject.center) - c * slope).sum()
                for end, c in zip(ends, sizes, strict=True)
            ]
        )
        with np.errstate(all="ignore"):
            floor = 100 * subject.noise.sum() + 100 * subject.eps * np.abs(slope).sum()
            if not (remainders > floor).all():
                return float("nan")
            return float(np.polyfit(np.log(sizes), np.log(remainders), 1)[0])

    # --- the report ---

    def _report(self, found: Found, causes: list[str], taylor: float) -> GradientReport:
        k = found.codes.shape[1]
        badness = found.codes + np.nan_to_num(found.relative / (1 + found.relative), nan=0.99)
        row = np.argmax(badness, axis=0)
        every = np.arange(k)
        pick = (row, every)
        below, above = (
            np.array([getattr(s, what)[r] for s, r in zip(found.slopes, row, strict=True)])
            for what in ("below", "above")
        )
        form, subject = self.subject.form, self.subject
        if subject.refusals:
            kinds = ", ".join(sorted(subject.refusals))
            self.notes.append(f"f raised {kinds} at some steps, which were taken shorter.")
        if max(subject.eps, self.answer.eps) > 1e-12:
            eps = max(subject.eps, self.answer.eps)
            self.notes.append(f"Computed in single precision or less (eps = {eps:.1g}).")
        for j, jump in list(self.jumps.items())[:3]:
            self.notes.append(f"f jumps by {jump:.3g} at {form.names[j]}: no derivative there.")
        return GradientReport(
            names=form.names,
            analytic=found.seen.given[pick],
            numeric=found.seen.numeric[pick],
            error=found.error[pick],
            relative_error=found.relative[pick],
            verdicts=tuple(VERDICTS[c] for c in found.codes[pick]),
            causes=tuple(causes),
            methods=tuple(slope.method for slope in found.slopes),
            below=below,
            above=above,
            rows=row if self.answer.per_output else None,
            taylor=taylor,
            calls={"f": subject.calls, "gradient": self.gradient.calls},
            notes=tuple(self.notes),
        )

    def not_finite(self) -> GradientReport:
        """Say that the function is not finite where derivatives are asked for."""
        names = self.subject.form.names
        nothing = np.full(len(names), np.nan)
        bad = self.subject.center[~np.isfinite(self.subject.center)]
        place = int(np.argmax(~np.isfinite(self.subject.center)))
        where = f" in row {place}" if len(self.subject.center) > 1 else ""
        return GradientReport(
            names=names,
            analytic=self.answer.values[0],
            numeric=nothing,
            error=nothing,
            relative_error=nothing,
            verdicts=("not finite",) * len(names),
            causes=(f"f is {bad[0]}{where} at this point",) * len(names),
            methods=("none",) * len(names),
            below=nothing,
            above=nothing,
            calls={"f": self.subject.calls, "gradient": self.gradient.calls},
        )
