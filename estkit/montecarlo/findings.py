"""What a study says of its estimators: measures, contrasts, how many replicates an error takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from estkit.errors import DataError
from estkit.montecarlo import conditions as settings
from estkit.montecarlo import contrasts, planning
from estkit.montecarlo.measures import chosen_measures
from estkit.montecarlo.reading import Reading
from estkit.montecarlo.records import Records
from estkit.montecarlo.summary import ROW, WHO, summarised

if TYPE_CHECKING:
    import pandas as pd

    from estkit.montecarlo.result import StudyResult


class Findings(Records):
    """What is computed from the records of a study."""

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
        columns = [*WHO, *ROW]
        if not self.reduced:
            columns.remove("gain")
            rows = [{name: row[name] for name in row if name != "gain"} for row in rows]
        return pd.DataFrame(rows, columns=None if rows else columns)

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
            ``condition_a`` and ``condition_b`` in words instead of the condition; where a condition
            is itself named a or b, the estimators are ``estimator_a`` and ``estimator_b``.

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
            self._cells(reading, across=together and chosen is not None), (a, b),
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
            ``time``, ``memory`` or ``error``; empty where a store does not tell) and seconds (of
            one replicate on one worker).

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
        return planning.replicates(cast("StudyResult", self))

    def times(self) -> pd.DataFrame:
        """Return how long each estimator takes for a data set.

        It is time of the processor, so that other work on the machine does not count; time that an
        estimator gives to threads or processes of its own does not count either. Where
        quick estimators are called for each data set, it is taken of one in a hundred. What several
        numpy functions share of a block, such as its sort, is the time of the first of them.

        Returns
        -------
        pandas.DataFrame
            The condition, then estimator, seconds (of one replicate) and timed (of how many that is
            the average); with a store, of all runs that filled it. None where nothing was timed.

        Examples
        --------
        >>> import numpy as np
        >>> import estkit as ek
        >>> study = ek.Study(lambda rng: rng.normal(size=9), {"mean": np.mean}, truth=0.0)
        >>> frame = study.run(1000, rng=1).times()
        >>> frame.columns.tolist(), bool(frame["seconds"][0] < 0.01)
        (['estimator', 'seconds', 'timed'], True)
        """
        return planning.times(cast("StudyResult", self))

    def targets(self) -> pd.DataFrame:
        """Return which Monte-Carlo errors that `Study.run` was asked for were reached.

        Returns
        -------
        pandas.DataFrame
            The condition, then estimator, parameter, measure, replicates, mcse (of a rate that at
            (k + 2) / (n + 4)), target and met.
        """
        return planning.reached(cast("StudyResult", self))

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
            and seconds (of these, on one worker). A coverage needs at least what intervals that
            keep their level take, as in a run that stops at a target, in case they covered by
            chance in all of a pilot. Such a run goes on by a tenth more, not to fall just short.

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
        return planning.plan(cast("StudyResult", self), target_mcse, level)
