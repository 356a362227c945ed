"""``StudyResult``: every outcome of a study, and what it says about the estimators."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, EstkitError
from estkit.estimate import Estimate, plain
from estkit.montecarlo.findings import Findings
from estkit.montecarlo.outcomes import Outcomes
from estkit.montecarlo.presentation import Presentation
from estkit.montecarlo.truth import Truth, drawn_truth, truth_of

if TYPE_CHECKING:
    from estkit.montecarlo.budget import Ending
    from estkit.montecarlo.gathering import Gathered
    from estkit.montecarlo.study import Replay, Study
    from estkit.montecarlo.times import Times


@dataclass(frozen=True, eq=False, repr=False)
class StudyResult(Findings, Presentation):
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
    _times: Times | None = None  # of what a store holds

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
