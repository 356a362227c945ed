"""``Study``: what is drawn, what is estimated, what is true, under which conditions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from estkit import data
from estkit.errors import DataError
from estkit.montecarlo import execution
from estkit.montecarlo.streams import seed_sequence

if TYPE_CHECKING:
    from estkit.estimate import Estimate
    from estkit.montecarlo.result import StudyResult

_RESERVED = set(
    "rng replicates condition estimator parameter measure replicate value mcse lower upper used "
    "failed estimate std_error truth status reason warning a b".split()
)


def grid(**levels: Any) -> list[dict[str, Any]]:
    """Return every combination of the levels, the last one varying fastest.

    Examples
    --------
    >>> import estkit as ek
    >>> ek.grid(n=[10, 30], law=["normal", "t3"])[1]
    {'n': 10, 'law': 't3'}
    """
    for name, values in levels.items():
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise DataError(f"{name} must be a list of levels, got {values!r}; say [{values!r}].")
    names, columns = list(levels), [list(values) for values in levels.values()]
    empty = [name for name, values in zip(names, columns, strict=True) if not values]
    if empty:
        raise DataError(f"{empty[0]} has no levels, so there is no condition to study.")
    return [dict(zip(names, combined, strict=True)) for combined in itertools.product(*columns)]


class Replay(NamedTuple):
    """One replicate again: its data, the truth behind it, and what each estimator answered."""

    data: Any
    truth: Mapping[str, Any]
    estimates: dict[str, Estimate]
    condition: Mapping[str, Any]
    replicate: int


class Study:
    """A Monte-Carlo study of estimators: their bias, variance, coverage and the rest.

    Parameters
    ----------
    generate : callable
        Draws a data set: ``generate(rng, **condition)``. With `vectorized`, draws a block:
        ``generate(rng, replicates, **condition)``. It returns an array, or a tuple or mapping of
        arrays, or a `Sample` with its own truth. All randomness must come from `rng`.
    estimators : mapping of str to callable, or callable
        Each takes a data set and returns anything that an `Estimate` can be made of: a number, an
        array, a mapping, an `Estimate`, a fit, a statsmodels result. A tuple of data is passed as
        several arguments when the estimator takes several. A required parameter with the name of
        a condition gets its value, one named ``rng`` the estimator's own stream.
    truth : float, array, mapping, callable or None
        The true value: one for all; a mapping by estimator or by parameter; or a function of the
        condition. None when `generate` returns a `Sample`, or for measures that need none.
    conditions : list of mappings or data frame, optional
        The conditions under which to study; see `grid`.

    Notes
    -----
    Replicate r of condition c owns a random stream, so results are the same bytes for any number of
    workers, and 1,000 replicates are a prefix of 10,000. What an estimator raises, warns or fails
    to converge on is an outcome with its reason; it never changes the other estimators' numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> study = ek.Study(
    ...     lambda rng, n: rng.normal(size=n),
    ...     {"divisor n": np.var, "divisor n-1": lambda x: np.var(x, ddof=1)},
    ...     truth=1.0,
    ...     conditions=ek.grid(n=[10]),
    ... )
    >>> study.run(2000, rng=1).summary("bias")[["estimator", "value", "mcse"]].round(3)
         estimator  value   mcse
    0    divisor n -0.107  0.010
    1  divisor n-1 -0.008  0.011
    """

    def __init__(
        self,
        generate: Callable[..., Any],
        estimators: Mapping[str, Callable[..., Any]] | Callable[..., Any] | Sequence[Any],
        *,
        truth: Any = None,
        conditions: Any = None,
    ) -> None:
        if not callable(generate):
            raise DataError(f"generate must be a function, got {type(generate).__name__}.")
        self.generate = generate
        self.estimators = _named(estimators)
        self.truth = truth
        self.conditions = _conditions(conditions)

    def __repr__(self) -> str:
        return (
            f"Study({len(self.estimators)} estimators: {', '.join(self.estimators)}; "
            f"{len(self.conditions)} conditions)"
        )

    def run(
        self,
        replicates: int,
        *,
        rng: Any = None,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> StudyResult:
        """Draw, estimate and collect.

        Parameters
        ----------
        replicates : int
            How many data sets to draw in each condition.
        rng : int, SeedSequence, Generator or None
            The seed. None takes one from the system; the result tells which.
        n_jobs : int, optional
            How many workers; ``joblib.parallel_config`` decides where they run.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        StudyResult
            All outcomes, and what can be said about the estimators.

        Raises
        ------
        StudyError
            If `generate` raises or returns what cannot be used; ``partial`` then holds the complete
            leading replicates, if there are any.
        StudyInterrupted
            If the user interrupts; ``partial`` likewise.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=20), {"mean": np.mean}, truth=0.0)
        >>> study.run(100, rng=3)
        StudyResult(1 estimator, 1 condition, 100 replicates, 0 failed)
        """
        if not _is_whole(replicates, least=1):
            raise DataError(f"replicates must be a whole number of 1 or more, got {replicates!r}.")
        if n_jobs is not None and (not _is_whole(n_jobs) or n_jobs == 0):
            raise DataError(f"n_jobs must be a whole number other than 0, got {n_jobs!r}.")
        return execution.run(
            self, int(replicates), seed=seed_sequence(rng), n_jobs=n_jobs, progress=progress
        )

    def replay(self, replicate: int, condition: Any = None, *, rng: Any) -> Replay:
        """Draw one replicate again and estimate from it, without the others.

        Parameters
        ----------
        replicate : int
            Its number, from 0.
        condition : int or mapping, optional
            Which condition: its number, or the condition itself; not needed when there is one.
        rng : int or SeedSequence
            The seed of the run.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=20), {"mean": np.mean}, truth=0.0)
        >>> again = study.replay(7, rng=3)
        >>> bool(again.data.mean() == again.estimates["mean"].value)
        True
        """
        if not _is_whole(replicate, least=0):
            raise DataError(f"replicate must be a whole number of 0 or more, got {replicate!r}.")
        if not (_is_whole(rng, least=0) or isinstance(rng, np.random.SeedSequence)):
            raise DataError(
                f"rng must be the seed of the run, an int or a SeedSequence; got {rng!r}."
            )
        number = self.condition_number(condition)
        return Replay(*execution.replay(self, number, int(replicate), seed_sequence(rng)))

    def condition_number(self, condition: Any) -> int:
        """Return the number of a condition given as its number, as a mapping, or as None."""
        if condition is None and len(self.conditions) == 1:
            return 0
        if isinstance(condition, int | np.integer) and 0 <= condition < len(self.conditions):
            return int(condition)
        if isinstance(condition, Mapping):
            for number, own in enumerate(self.conditions):
                if own.keys() == condition.keys() and all(
                    np.array_equal(own[name], condition[name]) for name in own
                ):
                    return number
        raise DataError(
            f"condition must be a number below {len(self.conditions)} or one of the conditions, "
            f"such as {self.conditions[0]!r}; got {condition!r}."
        )


def _is_whole(number: Any, least: float = -math.inf) -> bool:
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    return whole and number >= least


def _named(estimators: Any) -> dict[str, Callable[..., Any]]:
    if isinstance(estimators, Mapping):
        named = {str(name): function for name, function in estimators.items()}
    else:
        several = estimators if isinstance(estimators, list | tuple) else [estimators]
        named = {getattr(function, "__name__", f"estimator{i}"): function
                 for i, function in enumerate(several)}  # fmt: skip
        if len(named) != len(several):
            raise DataError("Two estimators have the same name; pass a mapping of names to them.")
    if not named:
        raise DataError("There is no estimator to study; pass a mapping of names to functions.")
    for name, function in named.items():
        if not callable(function):
            raise DataError(
                f"estimator {name!r} must be a function of the data, got {type(function).__name__}."
            )
    return named


def _conditions(given: Any) -> list[dict[str, Any]]:
    if given is None:
        return [{}]
    frame = None if isinstance(given, Mapping) else data.as_frame(given)
    if frame is not None:
        given = frame.rows(named=True)
    if isinstance(given, Mapping) or not hasattr(given, "__iter__"):
        raise DataError(f"conditions must be a list of mappings, see grid; got {given!r:.80}.")
    conditions: list[dict[str, Any]] = []
    for number, condition in enumerate(given):
        if not isinstance(condition, Mapping):
            raise DataError(f"condition {number} is {condition!r:.60}; expected a mapping.")
        wrong = [name for name in condition if not isinstance(name, str) or name in _RESERVED]
        if wrong:
            raise DataError(f"condition {number} uses {wrong[0]!r}, a name that estkit needs.")
        plain = {n: v.item() if isinstance(v, np.generic) else v for n, v in condition.items()}
        if conditions and set(plain) != set(conditions[0]):
            raise DataError(
                f"condition {number} has the names {sorted(plain)}, the first one has "
                f"{sorted(conditions[0])}; give every condition the same names."
            )
        conditions.append(plain)
    if not conditions:
        raise DataError("conditions is empty; leave it out to study a single condition.")
    return conditions
