"""What can go wrong, one class a kind; every message says what was found, where, and what to do.

The wording of a message lives where the check is made; this module only names the kinds, so that a
caller can catch ``EstkitError`` for all of them or one class for one kind.
"""

from __future__ import annotations

from typing import Any


def in_words(error: BaseException) -> str:
    """Return the kind of an error and what it says, even of one that fails when it is asked.

    Examples
    --------
    >>> from estkit.errors import in_words
    >>> in_words(ZeroDivisionError("no rows"))
    'ZeroDivisionError: no rows'
    """
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return f"{type(error).__name__}, which cannot say why"


class EstkitError(Exception):
    """The parent of every error that estkit raises on purpose.

    Examples
    --------
    >>> import estkit as ek
    >>> try:
    ...     ek.fit(ek.Binomial(), [[1.0], [2.0], [3.0]], [0, 1])
    ... except ek.EstkitError as error:
    ...     print(error)
    y has 2 rows but X has 3; give one response for each row of X.
    """


class DataError(EstkitError, ValueError):
    """The input cannot be used; the message quotes the column, the row and the value.

    Examples
    --------
    >>> import estkit as ek
    >>> try:
    ...     ek.fit(ek.Gaussian(), [[1.0], [float("nan")], [3.0]], [0.1, 0.2, 0.4])
    ... except ek.DataError as error:
    ...     print(str(error).split(";")[0])
    X: column 'x0', row 1 (counted from 0) is missing (nan)
    """


class FitError(EstkitError):
    """A fit has no trustworthy answer; ``result`` carries the partial one.

    Parameters
    ----------
    message : str
        What was found and what to do.
    result : LikelihoodFit, optional
        The fit as far as it came, with ``converged=False``.

    Examples
    --------
    >>> import estkit as ek
    >>> try:
    ...     ek.fit(ek.Binomial(), [[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1])
    ... except ek.FitError as error:
    ...     error.result.converged
    False
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class RankError(FitError, ValueError):
    """Columns of X are linearly dependent, so the coefficients are not determined.

    Examples
    --------
    >>> import estkit as ek
    >>> X = [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [5.0, 10.0]]
    >>> try:
    ...     ek.fit(ek.Gaussian(), X, [1.0, 2.0, 2.5, 6.0])
    ... except ek.RankError as error:
    ...     print(str(error).split(":")[0])
    The columns of X are linearly dependent
    """


class SeparationError(FitError, ValueError):
    """The outcomes are separated by a linear score, so the maximum lies at infinity.

    Parameters
    ----------
    message : str
        What was found and what to do.
    result : LikelihoodFit, optional
        The fit without numbers.
    separation : Separation, optional
        The direction, the finite limits of the rest, and the supremum of the log-likelihood.

    Examples
    --------
    >>> import estkit as ek
    >>> try:
    ...     ek.fit(ek.Binomial(), [[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1])
    ... except ek.SeparationError as error:
    ...     print(str(error).split(":")[0])
    ...     error.separation.limits, error.separation.supremum
    Complete separation
    (array([-inf,  inf]), 0.0)
    """

    def __init__(self, message: str, result: Any = None, separation: Any = None) -> None:
        super().__init__(message, result)
        self.separation = separation


class ConvergenceError(FitError, RuntimeError):
    """The optimiser stopped before its certificate held.

    Examples
    --------
    >>> import estkit as ek
    >>> issubclass(ek.ConvergenceError, ek.FitError)
    True
    """


class StudyError(EstkitError, RuntimeError):
    """A Monte-Carlo study cannot go on; ``partial`` holds what was computed before.

    Parameters
    ----------
    message : str
        What happened, in which condition and replicate.
    partial : StudyResult, optional
        The complete leading replicates, when there are any.

    Examples
    --------
    >>> import estkit as ek
    >>> study = ek.Study(lambda rng: None, {"mean": lambda x: 0.0}, truth=0.0)
    >>> try:
    ...     study.run(10, rng=1)
    ... except ek.StudyError as error:
    ...     print(str(error).split(";")[0])
    generate returned None in replicate 0 of the only condition
    """

    def __init__(self, message: str, partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial


class StudyInterrupted(StudyError, KeyboardInterrupt):
    """The user stopped a study; ``partial`` holds the complete leading replicates.

    Examples
    --------
    >>> import estkit as ek
    >>> issubclass(ek.StudyInterrupted, KeyboardInterrupt)
    True
    """


class GradientError(EstkitError, AssertionError):
    """A gradient or a Hessian is wrong; ``report`` holds the check.

    It is an ``AssertionError``, too, so that tests fail with its table.

    Parameters
    ----------
    message : str
        The verdict and the table.
    report : GradientReport or HessianReport, optional
        The check.

    Examples
    --------
    >>> import estkit as ek
    >>> try:
    ...     ek.check_gradient(lambda t: t**3, lambda t: -3 * t**2, 2.0).raise_if_wrong()
    ... except ek.GradientError as error:
    ...     error.report.causes
    ('sign: the negative of what it should be',)
    """

    def __init__(self, message: str, report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class MissingExtraError(EstkitError, ImportError):
    """An optional package is not installed; the message names the extra that brings it.

    Examples
    --------
    >>> import estkit as ek
    >>> issubclass(ek.MissingExtraError, ImportError)
    True
    """


class EstkitWarning(UserWarning):
    """The parent of every warning that estkit gives, so that one filter catches them.

    Examples
    --------
    >>> import warnings
    >>> import estkit as ek
    >>> warnings.simplefilter("error", category=ek.EstkitWarning)
    """
