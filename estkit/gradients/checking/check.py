"""``check_gradient``: whether a gradient that was written by hand is that of its function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.gradients.checking.components import RTOL, Components, Counted
from estkit.gradients.checking.directions import check_directions
from estkit.gradients.checking.form import read_answer, read_form
from estkit.gradients.checking.report import GradientReport
from estkit.gradients.checking.scores import check_scores
from estkit.gradients.checking.subject import Subject

COMPONENTS = 100  # parameters that are looked at one by one
_DIRECTIONS = 6


def check_gradient(
    f: Callable[..., Any],
    gradient: Callable[..., Any] | None,
    at: Any,
    *,
    names: Sequence[str] | None = None,
    rtol: float = RTOL,
    directions: int | None = None,
    simulate: Callable[..., Any] | None = None,
    draws: int = 400,
    rng: int = 0,
) -> GradientReport:
    """Compare a gradient with numerical derivatives, parameter by parameter.

    Parameters
    ----------
    f : callable
        ``f(parameters)``; returns a number, or an array of any shape, such as the log-likelihood
        of each row.
    gradient : callable or None
        ``gradient(parameters)``; returns the gradient of f, in the form of `at`. Where f returns an
        array, it is the gradient of the sum, of the shape of `at`, or the Jacobian, of the shape of
        f followed by that of `at`. None if f returns both, ``(value, gradient)``.
    at : array of any shape, number, or mapping of str to these
        Where to differentiate. Both functions get their parameters in this form and precision.
    names : sequence of str, optional
        Names of the parameters, in order.
    rtol : float
        The relative error that is right; more where the functions compute in single precision.
    directions : int, optional
        How many random directions to check instead of every parameter; 0 for every parameter. By
        default parameters up to 100, and 6 directions beyond, with a search for the parameters that
        are wrong when a direction is.
    simulate : callable, optional
        For a log-likelihood: ``simulate(parameters, rng)`` returns a data set drawn at the
        parameters, and `f` and `gradient` take it as their second argument. The gradient is checked
        on one, and the mean score, which is 0, on many.
    draws : int
        How many data sets.
    rng : int
        For directions, the second point and data sets.

    Returns
    -------
    GradientReport
        With a verdict for each parameter, and a likely cause where it is wrong.

    Raises
    ------
    DataError
        If f returns no real numbers, the gradient does not fit the parameters at all, or an option
        means nothing.

    Notes
    -----
    The complex step is used where a central difference confirms it, and Richardson's extrapolation
    of central differences elsewhere. Steps follow each parameter's own scale and stay where f is
    finite. A right gradient at one point may be a constant, so it is checked along a line at a
    second point nearby, too.

    References
    ----------
    Squire and Trapp (1998), SIAM Review 40, 110-112. Moré and Wild (2011), SIAM Journal on
    Scientific Computing 33, 1292-1314, for the noise of a function.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> y = np.array([1.2, 0.4, 3.1, 2.2])
    >>> def loglik(p):
    ...     return -np.log(p["sigma"]) - 0.5 * ((y - p["mu"]) / p["sigma"]) ** 2
    >>> def gradient(p):
    ...     z = (y - p["mu"]) / p["sigma"]
    ...     return {"mu": -z.sum() / p["sigma"], "sigma": (z**2 - 1).sum() / p["sigma"]}
    >>> report = ek.check_gradient(loglik, gradient, {"mu": 1.0, "sigma": 2.0})
    >>> report.to_frame()[["parameter", "analytic", "numeric", "verdict"]].round(6)
      parameter  analytic  numeric verdict
    0        mu  -0.72500  0.72500   wrong
    1     sigma  -1.21875 -1.21875      ok
    >>> report.cause("mu")
    'sign: the negative of what it should be'
    """
    value, slopes = _separate(f, gradient)
    check_rtol(rtol)
    form = read_form(at, names)
    along = read_directions(directions, len(form.values))
    score = None
    if simulate is not None:
        streams = np.random.default_rng(rng).spawn(2)
        data = simulate(form.formed(form.values), streams[0])
        score = check_scores(slopes, None, simulate, form, draws, streams[1])
        value, slopes = with_data(value, data), with_data(slopes, data)
    subject = Subject(value, form)
    subject.start()
    counted = Counted(slopes, form)
    answer = read_answer(counted.raw(form.values), form, subject.shape)
    subject.summed = not answer.per_output
    check = Components(subject, counted, answer, rtol, np.random.default_rng(rng))
    if not np.isfinite(subject.center).all():
        return check.not_finite()
    report = check_directions(check, along) if along else check.report()
    return report if score is None else replace(report, score=score)


def check_rtol(rtol: float) -> None:
    """Refuse a tolerance by which nothing, or everything, would be right."""
    if not 0 <= rtol < 1:
        raise DataError(f"rtol must be a relative error, from 0 to less than 1; got {rtol!r}.")


def read_directions(directions: int | None, parameters: int) -> int:
    """Return along how many directions to check so many parameters; 0 for one by one."""
    if directions is None:
        return _DIRECTIONS if parameters > COMPONENTS else 0
    if int(directions) != directions or directions < 0:
        raise DataError(f"directions must be a whole number, 0 or more; got {directions!r}.")
    return int(directions)


def with_data(function: Callable[..., Any], data: Any) -> Callable[[Any], Any]:
    """Return a function of parameters and data as one of the parameters."""
    return lambda parameters: function(parameters, data)


def _separate(
    f: Callable[..., Any], gradient: Callable[..., Any] | None
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the value and the gradient of a function that returns both."""
    for what, given in (("f", f), ("gradient", gradient)):
        if not callable(given) and (what == "f" or given is not None):
            raise DataError(f"{what} must be a function, got {given!r:.60}.")
    if gradient is not None:
        return f, gradient

    def part(index: int) -> Callable[..., Any]:
        def called(*given: Any) -> Any:
            both = f(*given)
            if not isinstance(both, tuple) or len(both) != 2:
                raise DataError(
                    f"gradient is None, so f must return (value, gradient); got {both!r:.60}."
                )
            return both[index]

        return called

    return part(0), part(1)
