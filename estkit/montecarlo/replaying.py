"""One replicate again, alone: its data, its truth and what every estimator makes of it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.montecarlo.execution import Runner
from estkit.montecarlo.outcomes import collect, single_estimate
from estkit.montecarlo.truth import truth_of

if TYPE_CHECKING:
    from estkit.estimate import Estimate
    from estkit.montecarlo.study import Study


def replay(
    study: Study, number: int, replicate: int, seed: np.random.SeedSequence
) -> tuple[Any, Any, dict[str, Estimate], dict[str, Any], int]:
    """Return data, truth, estimates, condition and number of one replicate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in the run, where they were recorded
        runner = Runner(study, number, seed)
        drawn = runner.drawn(replicate, 1)
        row = replicate - drawn.first
        whole = any(estimator.whole is not None for estimator in runner.estimators)
        data, own = drawn.data(row, keep=whole)
        outcomes = {}
        for estimator in runner.estimators:
            if estimator.whole is None:
                outcome = collect([estimator.answer(data, replicate)], replicate, {})
            else:
                outcome = runner.whole(estimator, drawn, row + 1).rows(row, row + 1)
            outcomes[estimator.name] = outcome
    truth = study.truth if own is None else own
    offer = study.setting(number, seed).lasting()
    truths = {
        name: truth_of(
            truth, runner.condition, name, outcomes[name].names or (), study.estimators, offer
        ).value
        for name in study.estimators
        if outcomes[name].names
    }
    estimates = {name: single_estimate(outcomes[name]) for name in study.estimators}
    return data, truths, estimates, runner.condition, replicate
