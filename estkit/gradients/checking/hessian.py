"""``check_hessian``: whether second derivatives that were written by hand are right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.gradients.checking.check import check_rtol, read_directions, with_data
from estkit.gradients.checking.components import BESIDE, Components, Counted, Found
from estkit.gradients.checking.differences import differentiate
from estkit.gradients.checking.form import (
    Answer,
    Floats,
    Form,
    read_answer,
    read_form,
    read_hessian,
)
from estkit.gradients.checking.hessian_causes import likely_cause
from estkit.gradients.checking.hessian_directions import check_hessian_directions
from estkit.gradients.checking.hessian_report import HessianReport, definiteness
from estkit.gradients.checking.report import VERDICTS
from estkit.gradients.checking.scores import check_scores
from estkit.gradients.checking.subject import Subject

_RTOL = 1e-5
_COARSE = 1e-9  # what is known of a gradient that is found by differences


def check_hessian(
    f: Callable[..., Any],
    hessian: Callable[..., Any],
    at: Any,
    *,
    gradient: Callable[..., Any] | None = None,
    names: Sequence[str] | None = None,
    rtol: float = _RTOL,
    directions: int | None = None,
    simulate: Callable[..., Any] | None = None,
    draws: int = 400,
    rng: int = 0,
) -> HessianReport:
    """Compare a Hessian with numerical derivatives, entry by entry.

    Parameters
    ----------
    f : callable
        ``f(parameters)``; returns a number, or an array, of whose sum the Hessian is.
    hessian : callable
        ``hessian(parameters)``; returns the matrix of second derivatives as an array of shape
        (k, k), or ``at.shape + at.shape``, or a mapping of pairs of names.
    at : array of any shape, number, or mapping of str to these
        Where to differentiate.
    gradient : callable, optional
        The gradient in the form of `at`, for each row or for the sum. The Hessian is compared with
        its differences, which are more exact than second differences of f; the gradient itself is
        compared with f along one direction.
    names : sequence of str, optional
        Names of the parameters, in order.
    rtol : float
        The error that is right, relative to the entry and to the square root of the product of its
        two diagonal entries.
    directions : int, optional
        How many random directions to check instead of every pair of parameters; 0 for every pair.
        By default pairs of up to 100 parameters, and 6 directions beyond, with a search for pairs
        that are wrong when directions are.
    simulate : callable, optional
        For a log-likelihood: ``simulate(parameters, rng)`` returns a data set drawn at the
        parameters, and all functions take it as their second argument. The mean score must be 0,
        and the variance of the score the mean negative Hessian; needs `gradient`.
    draws : int
        How many data sets.
    rng : int
        For directions, the second point and data sets.

    Returns
    -------
    HessianReport
        With a verdict for each entry, asymmetry, definiteness, and a likely cause.

    Raises
    ------
    DataError
        If the Hessian does not fit the parameters, or an option means nothing.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> y = np.array([1.2, 0.4, 3.1, 2.2])
    >>> def loglik(p):
    ...     return -p["s"] - 0.5 * ((y - p["mu"]) * np.exp(-p["s"])) ** 2
    >>> def hessian(p):
    ...     z = (y - p["mu"]) * np.exp(-p["s"])
    ...     cross = -2 * z.sum() * np.exp(-p["s"])
    ...     return [[-4 * np.exp(-2 * p["s"]), cross], [cross, -(z**2).sum()]]
    >>> report = ek.check_hessian(loglik, hessian, {"mu": 1.0, "s": 0.5})
    >>> report
    HessianReport(1 of 3 wrong: s, s)
    >>> report.cause
    'factor 1/2 at s, s'
    """
    for what, given in (("f", f), ("hessian", hessian)):
        if not callable(given):
            raise DataError(f"{what} must be a function, got {given!r:.60}.")
    check_rtol(rtol)
    form = read_form(at, names)
    along = read_directions(directions, len(form.values))
    score = None
    if simulate is not None:
        if gradient is None:
            raise DataError("simulate= needs gradient=, for the variance of the score.")
        streams = np.random.default_rng(rng).spawn(2)
        data = simulate(form.formed(form.values), streams[0])
        seconds = hessian

        def matrix(parameters: Any, data: Any) -> Floats:
            return read_hessian(seconds(parameters, data), form)

        score = check_scores(gradient, matrix, simulate, form, draws, streams[1])
        f, hessian, gradient = (with_data(g, data) for g in (f, hessian, gradient))
    whole = Subject(f, form, summed=True)
    whole.start()
    check = HessianCheck(whole, hessian, gradient, rtol, np.random.default_rng(rng), score)
    return check_hessian_directions(check, along) if along else check.report()


def _units(matrix: Floats, point: NDArray[Any]) -> Floats:
    """Return the units of parameters in which the largest entry of every row is 1."""
    units = np.where(point != 0, np.abs(point), 1.0).astype(float)
    known = np.where(np.isfinite(matrix), np.abs(matrix), 0.0)
    with np.errstate(all="ignore"):
        for _ in range(20):
            largest = (known * np.outer(units, units)).max(axis=1)
            better = units / np.sqrt(largest)
            units = np.where((largest > 0) & np.isfinite(better) & (better > 0), better, units)
    return units


class HessianCheck:
    """A Hessian as the Jacobian of a gradient, in units that make its entries comparable."""

    def __init__(
        self,
        whole: Subject,
        hessian: Callable[..., Any],
        gradient: Callable[..., Any] | None,
        rtol: float,
        rng: np.random.Generator,
        score: Any,
    ) -> None:
        self.whole, self.form, self.gradient, self.rng = whole, whole.form, gradient, rng
        self.hessian = Counted(hessian, self.form)
        self.rtol, self.score = rtol, score
        self.notes: list[str] = []
        self.gradient_calls = 0
        self.given = read_hessian(self.hessian.raw(self.form.values), self.form)
        self.units = _units(self.given, self.form.values)

    def slopes(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Return the gradient of the sum that was given."""
        self.gradient_calls += 1
        answer = self.gradient(self.form.formed(flat))  # type: ignore[misc]
        if np.iscomplexobj(flat):
            return self._flat_complex(answer)
        read = read_answer(answer, self.form, self.whole.shape)
        if read.misshapen:
            raise DataError(f"gradient {next(iter(read.misshapen.values()))}.")
        total: Floats = read.values.sum(axis=0)
        return total

    def _flat_complex(self, answer: Any) -> NDArray[Any]:
        parts = [answer[name] if isinstance(answer, Mapping) else np.asarray(answer)
                 for name in self.form.shapes]  # fmt: skip
        k = len(self.form.values)
        flat = np.concatenate([np.asarray(part).ravel() for part in parts])
        if flat.size != k:
            flat = np.asarray(answer).reshape(-1, k).sum(axis=0)  # raises where it does not fit
        return flat

    def complex_slopes(self, flat: NDArray[Any]) -> Floats:
        """Return the gradient by the complex step."""
        found = [self.whole.complex_step(unit, flat) for unit in np.eye(len(flat))]
        if any(part is None for part in found):
            return np.full(len(flat), np.nan)
        return np.array([part[0] for part in found if part is not None])

    def difference_slopes(self, flat: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return the gradient by differences, and its error."""
        center = self.whole.rows(flat)
        slopes = []
        for unit in np.diag(self.units):
            line = self.whole.along(unit, flat, center)
            slopes.append(differentiate(line, 1e-2, self.whole.noise, largest=1e3))
        values, errors = (np.array([getattr(s, what)[0] for s in slopes]) / self.units
                          for what in ("value", "error"))  # fmt: skip
        return values, errors

    def slopes_at_hand(self) -> tuple[Callable[[NDArray[Any]], Any], bool]:
        """Return the gradient that was given or is exact, and whether there is one."""
        if self.gradient is not None:
            return self.slopes, True
        return self.complex_slopes, bool(np.isfinite(self.complex_slopes(self.form.values)).all())

    def through(self, origin: Floats, moves: Floats, at: Floats, names: tuple[str, ...]) -> Self:
        """Return the check of f(origin + moves t), a function of t, at a point."""

        def there(t: NDArray[Any]) -> NDArray[Any]:
            flat: NDArray[Any] = origin + moves @ t
            complex_too = np.iscomplexobj(flat)
            return flat if complex_too else flat.astype(self.form.values.dtype)

        def slopes(t: NDArray[Any]) -> NDArray[Any]:
            found: NDArray[Any] = moves.T @ self.slopes(there(t))
            return found

        def hessian(t: NDArray[Any]) -> Floats:
            found: Floats = moves.T @ read_hessian(self.hessian.raw(there(t)), self.form) @ moves
            return found

        form = Form({"": at.shape}, names, at)
        whole = Subject(lambda t: self.whole.function(self.form.formed(there(t))), form, True)
        whole.start()
        gradient = None if self.gradient is None else slopes
        return type(self)(whole, hessian, gradient, self.rtol, self.rng, self.score)

    def _method(self) -> tuple[Callable[[NDArray[Any]], Any], str, Floats | None]:
        """Return the gradient that is differentiated, in words, and its error."""
        point = self.form.values
        if self.gradient is not None:
            if not self._agrees(self.slopes):
                self.notes.append(
                    "The gradient is not that of f; what is wrong may be the gradient: check it "
                    "first, with check_gradient."
                )
            return self.slopes, "differences of the gradient", None
        if np.isfinite(self.complex_slopes(point)).all() and self._agrees(self.complex_slopes):
            return self.complex_slopes, "differences of a gradient by the complex step", None
        errors = self.difference_slopes(point)[1]
        return lambda flat: self.difference_slopes(flat)[0], "second differences", errors

    def _agrees(self, slopes: Callable[[NDArray[Any]], Floats]) -> bool:
        """Say whether a gradient is that of f, along a direction."""
        point, whole = self.form.values, self.whole
        direction = self.units * self.rng.choice([-1.0, 1.0], len(point))
        line = differentiate(whole.along(direction, point, whole.center), 1e-2, whole.noise,
                             largest=1e3)  # fmt: skip
        given = slopes(point)
        terms = np.abs(given * direction).sum() + line.scale[0]
        allowed = 1e-5 * terms + 5 * line.error[0]
        return bool(abs(given @ direction - line.value[0]) <= allowed) or bool(line.kink[0])

    def report(self) -> HessianReport:
        """Return what is found."""
        units, form = self.units, self.form
        slopes, method, errors = self._method()
        inner = Form({"": (len(units),)}, form.names, form.values / units)
        subject = Subject(lambda u: units * slopes(u * units), inner)
        if not np.isfinite(self.whole.center).all() or not np.isfinite(slopes(form.values)).all():
            return self._not_finite(method)
        subject.start()
        subject.eps = max(subject.eps, self.whole.eps)
        if errors is not None:
            subject.eps = max(subject.eps, _COARSE)
            subject.noise_level = 3 * units * errors
        scaled = np.outer(units, units)

        def jacobian(u: NDArray[Any]) -> Floats:
            return read_hessian(self.hessian.raw(u * units), form) * scaled

        answer = Answer(self.given * scaled, True, {}, {}, float(np.finfo(float).eps))
        counted = Counted(jacobian, inner)
        check = Components(subject, counted, answer, self.rtol, self.rng)
        found = check.found()
        steps = np.array([slope.step for slope in found.slopes])
        beside: Found | None = None
        cause, taylor = "", float("nan")
        if np.isfinite(steps).all() and np.isfinite(self.given).all():
            taylor = self._taylor(slopes(form.values), BESIDE * steps * units)
            _, beside = check.beside(found, steps)
        if (found.codes >= VERDICTS.index("not finite")).any():
            second = check.elsewhere(found, steps)
            rows = len(self.whole.center)
            cause = likely_cause(form.names, units, found, second, rows)
        elif beside is not None and (beside.codes == VERDICTS.index("wrong")).any():
            found = beside
            cause = "stale constant: right where it was asked for, wrong beside"
        return self._made(found, cause, taylor, method, check.notes)

    def _taylor(self, gradient: Floats, move: Floats) -> float:
        """Return the power of the step with which the second Taylor remainder shrinks."""
        whole, origin = self.whole, self.form.values
        move = move * self.rng.choice([-1.0, 1.0], len(move))
        sizes = np.array([1.0, 0.5, 0.25])
        linear, bent = float(gradient @ move), float(move @ self.given @ move)
        changes = [
            whole.reduced(whole.rows((origin + c * move).astype(origin.dtype)) - whole.center)[0]
            for c in sizes
        ]
        left = np.abs(np.array(changes) - sizes * linear - sizes**2 * bent / 2)
        floor = 100 * (whole.noise[0] + whole.eps * (abs(linear) + abs(bent)))
        if not (left > floor).all():
            return float("nan")
        return float(np.polyfit(np.log(sizes), np.log(left), 1)[0])

    def _made(
        self, found: Found, cause: str, taylor: float, method: str, notes: list[str]
    ) -> HessianReport:
        scaled = np.outer(self.units, self.units)
        given = found.seen.given / scaled
        with np.errstate(invalid="ignore"):
            lost = np.abs(found.seen.given - found.seen.given.T)
        calls = {"f": self.whole.calls, "hessian": self.hessian.calls}
        if self.gradient is not None:
            calls["gradient"] = self.gradient_calls
        return HessianReport(
            names=self.form.names,
            analytic=given,
            numeric=found.seen.numeric / scaled,
            error=found.error / scaled,
            relative_error=found.relative,
            verdicts=np.array(VERDICTS)[found.codes],
            cause=cause,
            method=method,
            asymmetry=float(np.nan_to_num(lost, nan=np.inf).max()),
            definiteness=definiteness(found.seen.given),
            taylor=taylor,
            calls=calls,
            score=self.score,
            notes=(*self.notes, *notes),
        )

    def _not_finite(self, method: str) -> HessianReport:
        nothing = np.full(self.given.shape, np.nan)
        return HessianReport(
            names=self.form.names, analytic=self.given, numeric=nothing, error=nothing,
            relative_error=nothing, verdicts=np.full(nothing.shape, "not finite"),
            cause="f or its gradient is not finite at this point", method=method,
            asymmetry=float("nan"), definiteness="", calls={"f": self.whole.calls},
            score=self.score,
        )  # fmt: skip
