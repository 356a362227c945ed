"""``Study``: what is drawn, what is estimated, what is true, under which conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from estkit.errors import DataError, StudyError
from estkit.montecarlo import conditions as settings
from estkit.montecarlo import manifest, parts, replaying, runs
from estkit.montecarlo.conditions import CONTROL
from estkit.montecarlo.declaration import (
    check_limit,
    checked_controls,
    is_finite,
    is_series,
    is_whole,
    named_estimators,
)
from estkit.montecarlo.sampling import SHARED_BLOCK, Vectorized
from estkit.montecarlo.sharding import checked_shard
from estkit.montecarlo.streams import Streams, seed_sequence

if TYPE_CHECKING:
    from estkit.estimate import Estimate
    from estkit.montecarlo.result import StudyResult


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
        array, a mapping, an `Estimate`, a fit, a result of statsmodels or scipy. A scikit-learn
        estimator is fitted anew to the data (X, y), and its coefficients are studied. A tuple of
        data is passed as several arguments when the estimator takes several. A required parameter
        with the name of a condition gets its value, one named ``rng`` the estimator's own stream.
    truth : float, array, mapping, callable or None
        The true value: one for all; a mapping by estimator or by parameter, as an `Estimate` or a
        series with names is too; or a function of the condition. None when `generate` returns a
        `Sample`, or for measures that need none.
    conditions : list of mappings or data frame, optional
        The conditions under which to study; see `grid`.
    prepare : callable, optional
        What the data sets of a condition have in common: ``prepare(rng, **condition)`` returns a
        mapping whose entries are on offer by name to `generate`, the estimators and a truth that is
        a function, as the entries of the condition are.
    prepare_every : int, optional
        Prepare anew after so many replicates, for nested studies: a population is drawn, samples
        are drawn from it, then the next population. The Monte-Carlo errors allow for what
        replicates have in common. By default once in a condition.
    common_random_numbers : bool
        Whether replicate r draws from the same stream in every condition, which makes contrasts
        between conditions sharper; most with a `generate` that draws one data set, for blocks have
        only their streams in common, not the numbers of each replicate.
    antithetic : bool
        Whether replicates 2k and 2k + 1 draw opposite numbers from one stream, so that errors of a
        pair cancel; the Monte-Carlo errors are those of pairs. It helps measures of statistics that
        change sign with the draws, as the bias of a median, and harms those that do not, as
        that of a variance.
    controls : mapping of str to (callable, number), optional
        Control variates: a function of the data, called as an estimator is, and its known
        expectation, a number or a function of the condition. What chance did to them is taken out
        of every measure: ``controls={"mean": (np.mean, 0.0)}``. It helps as far as what a replicate
        adds to a measure is linear in them. `StudyResult.summary` says what either gained.

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

    The mean of the squares is known to have the expectation 1, which makes it a control:

    >>> study = ek.Study(
    ...     lambda rng: rng.normal(size=10),
    ...     {"divisor n": np.var},
    ...     truth=1.0,
    ...     controls={"square": (lambda x: (x**2).mean(), 1.0)},
    ... )
    >>> study.run(2000, rng=1).summary("bias")[["value", "mcse", "gain"]].round(3)
       value   mcse    gain
    0   -0.1  0.003  10.148
    """

    def __init__(
        self,
        generate: Callable[..., Any],
        estimators: Mapping[str, Callable[..., Any]] | Callable[..., Any] | Sequence[Any],
        *,
        truth: Any = None,
        conditions: Any = None,
        prepare: Callable[..., Any] | None = None,
        prepare_every: int | None = None,
        common_random_numbers: bool = False,
        antithetic: bool = False,
        controls: Mapping[str, tuple[Callable[..., Any], Any]] | None = None,
    ) -> None:
        if not callable(generate):
            raise DataError(f"generate must be a function, got {type(generate).__name__}.")
        self.generate = generate
        self.estimators = named_estimators(estimators)
        self.truth = truth
        self.conditions = settings.checked(conditions)
        if prepare is not None and not callable(prepare):
            raise DataError(f"prepare must be a function, got {type(prepare).__name__}.")
        if prepare_every is not None and not is_whole(prepare_every, least=1):
            raise DataError(
                f"prepare_every must be a whole number of 1 or more, got {prepare_every!r}."
            )
        if prepare_every is not None and prepare is None:
            raise DataError("prepare_every needs prepare, the function that is called so often.")
        if antithetic and prepare_every is not None and prepare_every % 2:
            raise DataError(f"antithetic pairs need an even prepare_every, got {prepare_every}.")
        self.prepare, self.prepare_every = prepare, prepare_every
        self.common_random_numbers = bool(common_random_numbers)
        self.antithetic = bool(antithetic)
        self.controls = checked_controls(controls)

    def __repr__(self) -> str:
        return (
            f"Study({len(self.estimators)} estimators: {', '.join(self.estimators)}; "
            f"{len(self.conditions)} conditions)"
        )

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Return what data sets are put through: the estimators, then the control variates."""
        controls = {CONTROL + name: function for name, (function, _) in self.controls.items()}
        return {**self.estimators, **controls}

    def stream_of(self, number: int) -> int:
        """Return the number of the streams that a condition draws from."""
        return 0 if self.common_random_numbers else number

    def setting(self, number: int, seed: np.random.SeedSequence) -> settings.Setting:
        """Return a condition together with what is prepared for it under a seed."""
        streams = Streams(seed.entropy, seed.spawn_key, self.stream_of(number))
        return settings.Setting(self.conditions[number], self.prepare, self.prepare_every, streams)

    def expectations(self, number: int, seed: np.random.SeedSequence) -> dict[str, float]:
        """Return what the control variates are known to have as expectation in a condition."""
        offer = self.setting(number, seed).lasting()
        condition = self.conditions[number]
        known = {}
        for name, (_, mean) in self.controls.items():
            what = f"the expectation of control {name!r}"
            value = settings.called(what, mean, condition, offer) if callable(mean) else mean
            if not is_finite(value):
                where = settings.describe(condition)
                raise StudyError(f"{what} must be a finite number, got {value!r:.60} in {where}.")
            known[name] = float(value)
        return known

    def shared_size(self) -> int:
        """Return how many consecutive replicates share their numbers with other conditions.

        A block that is drawn at once gives replicate r other numbers of the common stream in each
        condition; the blocks, which are short then, correspond to each other.
        """
        blocks = self.common_random_numbers and isinstance(self.generate, Vectorized)
        return math.lcm(self.group_size(), SHARED_BLOCK) if blocks else self.group_size()

    def group_size(self) -> int:
        """Return how many consecutive replicates are dependent on each other."""
        return self.prepare_every or (2 if self.antithetic else 1)

    def run(
        self,
        replicates: int | Sequence[int] | Callable[..., int],
        *,
        rng: Any = None,
        n_jobs: int | None = None,
        store: Any = None,
        shard: tuple[int, int] | None = None,
        target_mcse: Any = None,
        max_seconds: float | None = None,
        max_bytes: float | None = None,
        progress: bool = False,
    ) -> StudyResult:
        """Draw, estimate and collect.

        Parameters
        ----------
        replicates : int, sequence of int, or callable
            How many data sets to draw: in each condition, one number for each, or a function of the
            condition. The most, where something else may end the run.
        rng : int, SeedSequence, Generator or None
            The seed. None takes one from the system; the result tells which.
        n_jobs : int, optional
            How many workers; ``joblib.parallel_config`` decides where they run.
        store : str or path, optional
            A folder in which to keep what is computed, whatever happens; needs the extra ``store``.
            The same call continues where an interrupted one stopped, and one with more replicates,
            or with further conditions after the others, computes only those. What a changed study
            would do to them is not mixed: it is refused, and the change is named.
        shard : (int, int), optional
            ``(i, k)`` computes the i-th of k shares, counted from 1, into `store`: the same folder
            for all or one for each; see `merge`.
        target_mcse : number or mapping, optional
            Stop a condition when the Monte-Carlo errors of all estimators are as small as this:
            ``{"coverage": 0.005, "bias": 0.01}``; each a number, a sequence with one for each
            condition, or a function of the condition. A number alone is that of the bias. Rates
            count as (k + 2) / (n + 4), and a coverage is never judged by fewer replicates than
            intervals that keep their level take.
        max_seconds : float, optional
            Stop when time is up. The conditions take turns, the work in progress is finished, and
            the leading replicates are kept, so that slow ones are not left out.
        max_bytes : float, optional
            How much memory the outcomes may take; the number of replicates is lowered to that.
        progress : bool
            Whether to show a progress bar, with the Monte-Carlo error so far.

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
        if n_jobs is not None and (not is_whole(n_jobs) or n_jobs == 0):
            raise DataError(f"n_jobs must be a whole number other than 0, got {n_jobs!r}.")
        for name, limit in {"max_seconds": max_seconds, "max_bytes": max_bytes}.items():
            check_limit(name, limit)
        if shard is not None and (target_mcse is not None or max_bytes is not None):
            raise DataError("A shard cannot know when all have enough; leave out its limits.")
        folder, place = _kept_where(store, shard)
        seed = seed_sequence(rng)
        if rng is None and folder is not None:
            seed = manifest.seed_of(folder)
        for number in range(len(self.conditions) if self.controls else 0):
            self.expectations(number, seed)  # what is wrong with them shows before the work
        request = runs.Request(
            self._counts(replicates), seed, n_jobs, progress, target_mcse, max_seconds, max_bytes,
            folder, place,
        )  # fmt: skip
        return runs.run(self, request)

    def _counts(self, replicates: Any) -> tuple[int, ...]:
        """Return the number of replicates of each condition."""
        if callable(replicates):
            counts = [settings.called("replicates", replicates, own) for own in self.conditions]
        elif is_series(replicates):
            counts = list(replicates)
        else:
            counts = [replicates] * len(self.conditions)
        if len(counts) != len(self.conditions):
            raise DataError(
                f"replicates has {len(counts)} numbers for {len(self.conditions)} conditions."
            )
        for count in counts:
            if not is_whole(count, least=1):
                raise DataError(f"replicates must be a whole number of 1 or more, got {count!r}.")
            if count % 2 and self.antithetic:
                raise DataError(f"antithetic pairs need an even number of replicates, not {count}.")
        return tuple(map(int, counts))

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
        if not is_whole(replicate, least=0):
            raise DataError(f"replicate must be a whole number of 0 or more, got {replicate!r}.")
        if not (is_whole(rng, least=0) or isinstance(rng, np.random.SeedSequence)):
            raise DataError(
                f"rng must be the seed of the run, an int or a SeedSequence; got {rng!r}."
            )
        number = self.condition_number(condition)
        return Replay(*replaying.replay(self, number, int(replicate), seed_sequence(rng)))

    def condition_number(self, condition: Any) -> int:
        """Return the number of a condition given as its number, as a mapping, or as None."""
        return settings.number_of(condition, dict(enumerate(self.conditions)))


def _kept_where(store: Any, shard: Any) -> tuple[Path | None, tuple[int, int] | None]:
    """Return the folder to keep a run in, and which shard it is."""
    if store is None and shard is not None:
        raise DataError("A shard needs a store: the folder in which it leaves what it computes.")
    folder = None if store is None else parts.checked_folder(store)
    return folder, None if shard is None else checked_shard(shard)
