"""``StudyResult``: every outcome of a study, and what it says about the estimators."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, EstkitError
from estkit.estimate import STATUSES, Estimate, plain
from estkit.montecarlo import conditions as settings
from estkit.montecarlo import contrasts, planning
from estkit.montecarlo.conditions import CONTROL, describe
from estkit.montecarlo.measures import chosen_measures
from estkit.montecarlo.outcomes import Outcomes
from estkit.montecarlo.presentation import Presentation
from estkit.montecarlo.reading import Reading
from estkit.montecarlo.reduction import far_off
from estkit.montecarlo.selection import selected
from estkit.montecarlo.summary import Cell, draws_of, summarised
from estkit.montecarlo.truth import Truth, drawn_truth, truth_of

if TYPE_CHECKING:
    import pandas as pd

    from estkit.montecarlo.budget import Ending
    from estkit.montecarlo.gathering import Gathered
    from estkit.montecarlo.study import Replay, Study


@dataclass(frozen=True, eq=False, repr=False)
class StudyResult(Presentation):
    """The outcomes of a Monte-Carlo study.

    `Study.run` makes it. Every summary is computed from the stored outcomes, and says how many
    replicates it rests on.

    Parameters
    ----------
    conditions : dict of int to mapping
        The conditions by their number in the study.
    estimators : tuple of str
        The names of the estimators.
    seed : dict
        ``entropy`` and ``spawn_key`` of the random streams; the same seed gives the same bytes.
    ending : Ending or None
        What ended the run in each condition; see `replicates` and `targets`.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> study = ek.Study(
    ...     lambda rng, n: rng.normal(size=n),
    ...     {"mean": np.mean, "median": np.median},
    ...     truth=0.0,
    ...     conditions=ek.grid(n=[10, 40]),
    ... )
    >>> result = study.run(1000, rng=1)
    >>> print(result)
    Monte-Carlo study: 1000 replicates in each of 2 conditions
    <BLANKLINE>
     n  estimator             bias     empirical_se             rmse  failed
    10  mean         0.013 (0.010)  0.3157 (0.0074)  0.3158 (0.0074)       0
    10  median       0.015 (0.011)  0.3607 (0.0085)  0.3608 (0.0086)       0
    40  mean       0.0117 (0.0049)  0.1541 (0.0034)  0.1544 (0.0035)       0
    40  median     0.0171 (0.0061)  0.1940 (0.0043)  0.1946 (0.0043)       0
    <BLANKLINE>
    In brackets: Monte-Carlo standard errors.
    """

    conditions: dict[int, dict[str, Any]]
    estimators: tuple[str, ...]
    seed: dict[str, Any]
    design: dict[str, Any]
    _outcomes: Mapping[tuple[int, str], Outcomes]
    _truths: Mapping[tuple[int, str], Truth]
    _study: Study | None
    ending: Ending | None = None

    @classmethod
    def of(
        cls, study: Study, seed: np.random.SeedSequence, gathered: Gathered, truth: Any
    ) -> StudyResult:
        """Put the outcomes of all blocks together with the truth."""
        truths: dict[tuple[int, str], Callable[[], Truth]] = {}
        known = [number for number in range(len(study.conditions)) if gathered.count(number)]
        for number in known:
            condition, source = study.conditions[number], gathered.source_of_truths(number)
            offer = study.setting(number, seed).lasting()
            for name in study.estimators:
                names = gathered.names(number, name) or ()
                if names and source is not None:
                    make = functools.partial(drawn_truth, source, condition, name, names)
                else:
                    own = truth if names else None
                    one = truth_of(own, condition, name, names, study.estimators, offer)
                    make = functools.partial(Truth, *one)
                truths[number, name] = make
        result = cls(
            {number: study.conditions[number] for number in known},
            tuple(study.estimators),
            {"entropy": seed.entropy, "spawn_key": list(seed.spawn_key)},
            {
                "common_random_numbers": study.common_random_numbers,
                "antithetic": study.antithetic,
                "controls": {number: study.expectations(number, seed) for number in known},
                "group": study.group_size(),
                "shared": study.shared_size(),
            },
            gathered.by_condition(known),
            gathered.mapping(truths),
            study,
            getattr(gathered, "ending", None),
        )  # fmt: skip
        result._check_truth(truth)
        return result

    def _check_truth(self, truth: Any) -> None:
        if not isinstance(truth, Mapping):
            return
        known = {name for o in self._of_estimators() for name in o.names or ()}
        unknown = [name for name in truth if name not in known and name not in self.estimators]
        if unknown and known:
            raise DataError(
                f"truth names {unknown[0]!r}, which is neither an estimator "
                f"({', '.join(self.estimators)}) nor a parameter ({', '.join(sorted(known))})."
            )

    def _of_estimators(self) -> Iterator[Outcomes]:
        for key in itertools.product(self.conditions, self.estimators):
            yield self._outcomes[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_study": None}

    def __repr__(self) -> str:
        def plural(count: int, word: str) -> str:
            return f"{count} {word}" + ("" if count == 1 else "s")

        failed = sum(int((o.status != 0).sum()) for o in self._of_estimators())
        return (
            f"StudyResult({plural(len(self.estimators), 'estimator')}, "
            f"{plural(len(self.conditions), 'condition')}, {self._replicates()} replicates, "
            f"{failed} failed)"
        )

    @property
    def reduced(self) -> bool:
        """Whether there were antithetic draws or control variates."""
        return bool(self.design["antithetic"] or any(self.design["controls"].values()))

    def levels(self) -> list[float]:
        """Return the confidence levels of the intervals that the estimators answered with."""
        return sorted({outcome.level for outcome in self._of_estimators()})

    def _replicates(self) -> str:
        counts = sorted({len(self._outcomes[n, self.estimators[0]]) for n in self.conditions})
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"

    def _cells(self, reading: Reading | None = None, *, across: bool = False) -> Iterator[Cell]:
        """Yield the cells; `across` where conditions with common random numbers are compared."""
        reading, group = reading or Reading(), self.design["shared" if across else "group"]
        reading.check_null(n for outcome in self._of_estimators() for n in outcome.names or ())
        own_group = self.design["group"]
        nest = own_group if own_group > (2 if self.design["antithetic"] else 1) else 1
        for number, condition in self.conditions.items():
            (controls, doubt), own = self._controls(number), list[Cell]()
            for name in self.estimators:
                outcome, truth = self._outcomes[number, name], self._truths[number, name]
                for j, parameter in enumerate(outcome.names or ("",)):
                    draws, error = draws_of(outcome, truth, j, reading)
                    own.append(Cell(condition, number, name, parameter, draws, error,
                                    group, controls, nest, doubt))  # fmt: skip
                    if reading.missing == "pairwise":  # no other cell has a say
                        yield own.pop()
            yield from selected(own, reading.missing)

    def _controls(self, number: int) -> tuple[Any, str]:
        """Return the control variates of a condition less their expectations, and what is odd."""
        means, group = self.design["controls"][number], self.design["group"]
        if not means:
            return None, ""
        columns, doubts = [], []
        for name, mean in means.items():
            outcome = self._outcomes[number, CONTROL + name]
            if outcome.names is None or len(outcome.names) != 1 or outcome.status.any():
                why = next(iter(outcome.reasons.values()), f"names {outcome.names}")
                raise DataError(
                    f"control {name!r} must be one number in every data set of "
                    f"{describe(self.conditions[number])}; found {why}."
                )
            columns.append(outcome.estimate[:, 0] - mean)
            doubts.append(far_off(name, columns[-1], np.arange(len(outcome)) // group))
        return np.stack(columns, axis=1), "; ".join(filter(None, doubts))

    def summary(
        self,
        measures: Any = None,
        *,
        level: float = 0.95,
        missing: str = "pairwise",
        rate_interval: str = "wilson",
        alpha: float = 0.05,
        null: Any = None,
        simultaneous: bool = False,
    ) -> pd.DataFrame:
        """Return each performance measure with its Monte-Carlo standard error and interval.

        Parameters
        ----------
        measures : str, Measure, function, or a sequence or mapping of them, optional
            Which ones; by default the usual ones, as far as the outcomes allow. The names are those
            of the Notes. A function of the draws, such as ``lambda d: np.quantile(d.estimate,
            0.9)``, gets its error from the bootstrap; see `Measure`.
        level : float
            The confidence level of the Monte-Carlo intervals.
        missing : {"pairwise", "complete", "worst"}
            What becomes of replicates without an answer. "pairwise": each estimator is judged by
            all of its own answers. "complete": all by the replicates in which every estimator
            answered. "worst": a failure counts as the largest error that the estimator made
            elsewhere, as an interval that misses, and as no rejection.
        rate_interval : {"wilson", "clopper_pearson"}
            The interval of rates.
        alpha : float
            Power is the share of p-values of at most this. Where there is none, an interval rejects
            what it leaves out, at its own level.
        null : float or mapping of parameter to float, optional
            What intervals must leave out to count for power, instead of p-values; by default 0.
        simultaneous : bool
            Whether the intervals of a measure hold all at once, over conditions, estimators and
            parameters, so that the most conspicuous of many can be pointed at.

        Returns
        -------
        pandas.DataFrame
            The condition, then estimator, parameter, measure, value, mcse, lower, upper, used (the
            replicates it rests on), failed (those without a usable estimate) and note (why a value
            is missing, or that it does not settle); with variance reduction, gain: how many times
            the replicates it would take without, infinity where chance cancels altogether.

        Notes
        -----
        Usual: ``bias``, ``relative_bias``, ``median_bias``, ``empirical_variance`` (divisor R - 1),
        ``empirical_se``, ``mse``, ``rmse``, ``mae``, ``model_se`` (root mean square),
        ``model_se_error`` (relative to the empirical SE), ``coverage``,
        ``bias_eliminated_coverage``, ``interval_width``, ``power``, ``failure_rate``. By name:
        ``precision`` (1 / variance), ``relative_rmse``, ``median``, ``quantile_05``,
        ``quantile_95``, ``mean_model_se``, ``non_convergence_rate``, ``warning_rate``.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
        >>> study.run(400, rng=1).summary("mse").drop(columns="note").round(3)
          estimator parameter measure  value   mcse  lower  upper  used  failed
        0      mean     value     mse  0.117  0.009  0.099  0.135   400       0
        """
        import pandas as pd

        reading = Reading(level, missing, rate_interval, alpha, null)
        together = bool(self.design["common_random_numbers"]) if simultaneous else None
        wanted, cells = chosen_measures(measures), self._cells(reading, across=bool(together))
        rows = [
            row for row in summarised(cells, wanted, reading, together=together)
            if row["used"] or measures is not None or row["measure"] == "failure_rate"
        ]  # fmt: skip
        frame = pd.DataFrame(rows)
        gain, note = frame.pop("gain"), frame.pop("note")
        return frame.assign(**{"gain": gain} if self.reduced else {}, note=note)

    def to_frame(self) -> pd.DataFrame:
        """Return the summary of the usual measures."""
        return self.summary()

    def contrast(
        self,
        a: str,
        b: str,
        measure: Any = "bias",
        *,
        kind: str = "difference",
        conditions: tuple[Any, Any] | None = None,
        level: float = 0.95,
        missing: str = "pairwise",
        alpha: float = 0.05,
        null: Any = None,
    ) -> pd.DataFrame:
        """Return the difference or ratio of a measure between two estimators, or two conditions.

        Two estimators are paired by replicate: both are computed from the replicates in which both
        have an answer, and the influence values are subtracted replicate by replicate, so what the
        estimators have in common cancels. Two conditions are paired so under common random
        numbers, and are independent otherwise.

        Parameters
        ----------
        a, b : str
            The names of two estimators; the difference is a - b, the ratio a / b.
        measure : str, Measure or function
            The measure, as in `summary`.
        kind : {"difference", "ratio"}
            Which contrast; the ratio of ``precision`` is the relative precision.
        conditions : pair of int or mapping, optional
            The condition of a and that of b, where an estimator may be compared with itself. By
            default each condition is looked at by itself.
        level : float
            The confidence level of the interval.
        missing, alpha, null
            As in `summary`.

        Returns
        -------
        pandas.DataFrame
            The condition, then parameter, measure, a, b, value, mcse, lower, upper, used (of two
            independent conditions the smaller number), note. Between conditions there are
            ``condition_a`` and ``condition_b`` in words instead of the condition.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> functions = {"mean": np.mean, "median": np.median}
        >>> draw = lambda rng, n: rng.normal(size=n)
        >>> study = ek.Study(draw, functions, truth=0.0, conditions=ek.grid(n=[25, 50]))
        >>> result = study.run(2000, rng=1)
        >>> result.contrast("median", "mean", "mse")[["n", "value", "mcse"]].round(4)
            n   value    mcse
        0  25  0.0247  0.0016
        1  50  0.0108  0.0007
        >>> frame = result.contrast("mean", "mean", "mse", kind="ratio", conditions=(0, 1))
        >>> frame[["condition_a", "condition_b", "value", "mcse"]].round(2)
          condition_a condition_b  value  mcse
        0        n=25        n=50   2.01  0.09
        """
        import pandas as pd

        contrasts.check_kind(kind)
        reading = Reading(level, missing, "wilson", alpha, null)
        if isinstance(measure, list | tuple | dict | set | frozenset | None):
            raise DataError(f"measure must be the name of one measure, got {measure!r:.60}.")
        chosen = None if conditions is None else self._pair(conditions)
        for estimator in (a, b):
            if estimator not in self.estimators:
                known = ", ".join(self.estimators)
                raise DataError(f"{estimator!r} is not an estimator of this study: {known}.")
        together = bool(self.design["common_random_numbers"])
        rows = contrasts.rows_of(
            list(self._cells(reading, across=together and chosen is not None)), (a, b),
            chosen_measures(measure), reading, kind, chosen, together=together,
        )  # fmt: skip
        if not rows:
            raise DataError(f"{a!r} and {b!r} have no parameter in common, so nothing to compare.")
        return pd.DataFrame(rows)

    def _pair(self, conditions: Any) -> tuple[int, int]:
        """Return the numbers of two conditions."""
        if not isinstance(conditions, list | tuple) or len(conditions) != 2:
            raise DataError(f"conditions must be a pair of two conditions, got {conditions!r:.80}.")
        first, second = (settings.number_of(each, self.conditions) for each in conditions)
        return first, second

    def replicates(self) -> pd.DataFrame:
        """Return how many replicates each condition has, and what ended it.

        Returns
        -------
        pandas.DataFrame
            The condition, then replicates, asked (the most), ended (``complete``, ``target``,
            ``time`` or ``memory``) and seconds (of one replicate on one worker).

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
        >>> result = study.run(10_000, rng=1, target_mcse={"bias": 0.01})
        >>> result.replicates()[["replicates", "asked", "ended"]]
           replicates  asked   ended
        0        1248  10000  target
        """
        return planning.replicates(self)

    def targets(self) -> pd.DataFrame:
        """Return which Monte-Carlo errors that `Study.run` was asked for were reached.

        Returns
        -------
        pandas.DataFrame
            The condition, then estimator, parameter, measure, replicates, mcse (of a rate that at
            (k + 2) / (n + 4)), target and met.
        """
        return planning.reached(self)

    def plan(self, target_mcse: Any, *, level: float = 0.95) -> pd.DataFrame:
        """Return how many replicates a Monte-Carlo error takes, and how long they take.

        Parameters
        ----------
        target_mcse : number or mapping
            As in `Study.run`.
        level : float
            The confidence level of the interval for the number of replicates.

        Returns
        -------
        pandas.DataFrame
            The condition, then estimator, parameter, measure, replicates (so far), mcse (of a rate
            that at (k + 2) / (n + 4)), target, needed, lower and upper (its interval), further
            and seconds (of these, on one worker).

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
        >>> pilot = study.run(200, rng=1)
        >>> pilot.plan({"bias": 0.005})[["mcse", "needed", "lower", "upper", "further"]].round(4)
             mcse  needed  lower  upper  further
        0  0.0232    4311   3560   5221     4111
        """
        return planning.plan(self, target_mcse, level)

    def failures(self) -> pd.DataFrame:
        """Return every replicate without a usable estimate: condition, estimator, status, reason.

        Examples
        --------
        >>> import estkit as ek
        >>> def picky(x):
        ...     if x[0] < 0:
        ...         raise ValueError("negative")
        ...     return x[0]
        >>> study = ek.Study(lambda rng: rng.normal(size=3), {"picky": picky}, truth=0.0)
        >>> study.run(4, rng=1).failures()
          estimator  replicate  status                reason
        0     picky          3  failed  ValueError: negative
        """
        return self._events("reasons")

    def warnings(self) -> pd.DataFrame:
        """Return every replicate in which an estimator gave a warning, and the first of them.

        Where workers are threads, Python cannot tell whose warning it is, and some are lost.
        """
        return self._events("warnings").drop(columns="status").rename(columns={"reason": "warning"})

    def _events(self, kind: str) -> pd.DataFrame:
        import pandas as pd

        rows = [
            {
                **self.conditions[number],
                "estimator": name,
                "replicate": replicate,
                "status": STATUSES[outcome.status[replicate - outcome.first]],
                "reason": reason,
            }
            for number in self.conditions
            for name in self.estimators
            for outcome in [self._outcomes[number, name]]
            for replicate, reason in sorted(getattr(outcome, kind).items())
        ]
        first = next(iter(self.conditions.values()))
        columns = [*first, "estimator", "replicate", "status", "reason"]
        return pd.DataFrame(rows, columns=columns)

    def outcomes(self) -> pd.DataFrame:
        """Return the outcome of every replicate, a row for each parameter.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
        >>> study.run(2, rng=1).outcomes()[["replicate", "estimate", "status"]].round(3)
           replicate  estimate status
        0          0    -0.049     ok
        1          1     0.081     ok
        """
        import pandas as pd

        frames = []
        for number, name in itertools.product(self.conditions, self.estimators):
            outcome = self._outcomes[number, name]
            size = len(outcome.names or ())
            shape = (len(outcome), size)
            status = np.array(STATUSES)[outcome.status]
            numbers = np.arange(outcome.first, outcome.first + len(outcome))
            reasons = [outcome.reasons.get(number, "") for number in numbers.tolist()]
            columns = {
                **{key: [value] * (len(outcome) * size)
                   for key, value in self.conditions[number].items()},
                "estimator": name,
                "parameter": list(outcome.names or ()) * len(outcome),
                "replicate": np.repeat(numbers, size),
                "estimate": outcome.estimate.ravel(),
                "std_error": outcome.column("std_error").ravel(),
                "lower": outcome.column("lower").ravel(),
                "upper": outcome.column("upper").ravel(),
                "p_value": outcome.column("p_value").ravel(),
                "truth": np.broadcast_to(self._truths[number, name].value, shape).ravel(),
                "status": np.repeat(status, size),
                "reason": np.repeat(reasons, size),
            }  # fmt: skip
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)

    def replay(self, replicate: int, condition: Any = None) -> Replay:
        """Draw one replicate again and estimate from it; see `Study.replay`.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
        >>> study.run(20, rng=1).replay(1).estimates["mean"]
        Estimate(0.0814462)
        """
        if self._study is None:
            raise EstkitError(
                f"A stored result does not hold its functions; use Study.replay with the seed "
                f"{self.seed['entropy']}."
            )
        seed = np.random.SeedSequence(self.seed["entropy"], spawn_key=self.seed["spawn_key"])
        again = self._study.replay(replicate, condition, rng=seed)
        number = self._study.condition_number(condition)
        for name, estimate in again.estimates.items():
            stored = self._outcomes.get((number, name))
            if stored is not None and stored.names and replicate < len(stored):
                if estimate.status == "ok" and estimate.names != stored.names:
                    reason = stored.reasons.get(replicate, "")
                    failed = Estimate(float("nan"), status="failed", reason=reason)
                    again.estimates[name] = failed
        return again

    def cells(self) -> Iterator[Cell]:
        """Yield what measures are computed from: each parameter of each estimator and condition."""
        return self._cells()

    def fingerprint(self) -> str:
        """Return the SHA-256 of all outcomes, statuses, reasons and truths.

        Two runs have the same one if they gave the same bytes, however they were computed.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
        >>> study.run(9, rng=1).fingerprint() == study.run(9, rng=1, n_jobs=1).fingerprint()
        True
        """
        from estkit.montecarlo.fingerprint import fingerprint

        return fingerprint(self._outcomes, self._outcomes, self._truths)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: seed, conditions and the summary.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
        >>> study.run(20, rng=1).to_dict()["seed"]
        {'entropy': 1, 'spawn_key': []}
        """
        return {
            "format": "estkit.StudyResult",
            "version": 1,
            "seed": plain(self.seed),
            "conditions": plain(list(self.conditions.values())),
            "estimators": list(self.estimators),
            "summary": plain(self.summary().to_dict("records")),
        }
