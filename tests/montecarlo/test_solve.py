"""``solve`` against closed forms: the power of the t test, the error of a mean, and wrong uses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import stdtrit

import estkit as ek

SE = 3.0  # standard errors that a mean over fixed seeds may be off
SEEDS = 60
FEW = 1000  # replicates of the last evaluations where the answer need not be sharp


@ek.vectorized
def draw(rng: Any, replicates: int, n: int, delta: float) -> Any:
    return rng.normal(delta, size=(replicates, n))


@ek.vectorized
def t_test(x: Any) -> ek.Estimate:
    """Return means with t intervals, block by block."""
    n = x.shape[-1]
    error = x.std(axis=-1, ddof=1) / math.sqrt(n)
    mean, half = x.mean(axis=-1), stdtrit(n - 1, 0.975) * error
    return ek.Estimate(mean, std_error=error, lower=mean - half, upper=mean + half)


def study(estimators: Any = None, **condition: Any) -> ek.Study:
    return ek.Study(
        draw,
        estimators or {"t": t_test},
        truth=lambda delta: delta,
        conditions=[condition or {"delta": 0.5}],
    )


def power(n: float, delta: float) -> float:
    """Return the power of the two-sided one-sample t test at 5 %, by the noncentral t."""
    cut, shift = stdtrit(n - 1, 0.975), delta * math.sqrt(n)
    law = stats.nct(n - 1, shift)
    return float(law.sf(cut) + law.cdf(-cut))


def needed(delta: float, target: float = 0.8) -> float:
    """Return the real n at which the power is reached."""
    return float(optimize.brentq(lambda n: power(n, delta) - target, 2.5, 60 / delta**2))


@pytest.mark.parametrize("delta", [0.5, 0.9])
def test_the_interval_covers_the_sample_size_of_a_t_test(delta: float) -> None:
    true = needed(delta)
    found = [ek.solve(study(delta=delta), "n", rng=seed) for seed in range(SEEDS)]
    z = np.array([(s.crossing - true) / s.crossing_error for s in found])
    assert abs(z.mean()) < SE / math.sqrt(SEEDS)
    assert np.mean(abs(z) < 1.96) > 0.95 - SE * math.sqrt(0.95 * 0.05 / SEEDS)
    assert 0.7 < z.std() < 1.3  # an interval twice as wide would cover, too
    assert np.mean([s.lower <= math.ceil(true) <= s.upper for s in found]) >= 0.95
    assert all(abs(s.value - math.ceil(true)) <= 2 for s in found)


def test_the_interval_covers_the_sample_size_for_an_rmse() -> None:
    z = []
    for seed in range(SEEDS):  # the RMSE of a mean of n is 1 / sqrt(n)
        found = ek.solve(study(), "n", measure="rmse", target=0.2, replicates=FEW, rng=seed)
        z.append((found.crossing - 25) / found.crossing_error)
    assert abs(np.mean(z)) < SE / math.sqrt(SEEDS)
    assert np.mean(np.abs(z) < 1.96) > 0.95 - SE * math.sqrt(0.95 * 0.05 / SEEDS)


@pytest.mark.parametrize("bounds", [(0.0, 2.0), (0.2, 1.5), (0, 3)])
def test_an_effect_is_solved_for_as_a_sample_size_is(bounds: tuple[float, float]) -> None:
    found = ek.solve(study(n=20), "delta", bounds=bounds, integer=False, rng=3)
    true = optimize.brentq(lambda delta: power(20, delta) - 0.8, 0.1, 2.0)
    assert abs(found.crossing - true) < SE * found.crossing_error
    assert found.value == found.crossing and found.lower < found.value < found.upper
    assert found.crossing_error < 0.02


@pytest.mark.parametrize(
    ("measure", "target", "true"),
    [("empirical_se", 0.5, 4), ("empirical_variance", 0.04, 25), ("interval_width", 0.4, 99)],
)
def test_other_measures_that_fall_with_the_sample_size(
    measure: str, target: float, true: int
) -> None:
    found = ek.solve(study(), "n", measure=measure, target=target, replicates=FEW, rng=4)
    assert abs(found.crossing - true) < SE * found.crossing_error + 0.02 * true
    assert found.lower <= true + 1 and found.upper >= true - 1
    assert found.value == math.ceil(round(found.crossing, 9))  # the first that is as small


def test_looped_estimators_coverage_and_more_than_one_estimator() -> None:
    def wald(x: Any) -> ek.Estimate:
        error = x.std(ddof=1) / math.sqrt(len(x))
        half = 1.959964 * error
        return ek.Estimate(x.mean(), lower=x.mean() - half, upper=x.mean() + half)

    looped = ek.Study(lambda rng, n: rng.normal(size=n), {"wald": wald, "mean": np.mean}, truth=0.0)
    with pytest.raises(ek.DataError, match="estimator must be named, it is one of wald, mean"):
        ek.solve(looped, "n", measure="coverage", target=0.9, rng=1)
    found = ek.solve(
        looped, "n", measure="coverage", target=0.9, estimator="wald", replicates=600, rng=1
    )
    true = optimize.brentq(lambda n: 1 - 2 * stats.t.sf(1.959964, n - 1) - 0.9, 3, 40)  # |t| < 1.96
    assert abs(found.crossing - true) < SE * found.crossing_error


def test_the_power_of_a_test_that_has_p_values_only() -> None:
    def by_p_value(x: Any) -> ek.Estimate:
        return ek.Estimate(x.mean(axis=-1), p_value=stats.ttest_1samp(x, 0.0, axis=-1).pvalue)

    own = ek.solve(study({"p": ek.vectorized(by_p_value)}), "n", replicates=FEW, rng=8)
    assert own.crossing == ek.solve(study(), "n", replicates=FEW, rng=8).crossing


def test_the_answer_is_the_same_for_any_workers_and_its_seed() -> None:
    one, two = (
        ek.solve(study(), "n", replicates=FEW, rng=5, n_jobs=n_jobs).to_dict() for n_jobs in (1, 2)
    )
    assert one == two
    assert ek.solve(study(), "n", replicates=FEW, rng=6).crossing != one["crossing"]


def test_the_answer_tells_what_it_rests_on() -> None:
    found = ek.solve(study(), "n", replicates=FEW, rng=1)
    frame = found.evaluations
    assert frame.columns.tolist() == ["n", "value", "mcse", "used", "stage", "last"]
    last = frame[frame["last"]]
    assert (last["used"] == FEW).all() and last["n"].min() < found.crossing < last["n"].max()
    assert repr(found).startswith(f"Solution(n={found.value}, 95% interval {found.lower} to ")
    assert str(found).splitlines()[0] == repr(found)
    assert abs(found.achieved - power(found.value, 0.5)) < SE * found.mcse
    assert (found.condition, found.estimator, found.parameter) == ({"delta": 0.5}, "t", "value")
    wide = ek.solve(study(), "n", replicates=FEW, rng=1, level=0.5)
    assert wide.upper - wide.lower <= found.upper - found.lower


def test_the_entry_may_have_levels_and_the_others_may_be_chosen() -> None:
    levels = ek.Study(
        draw, {"t": t_test}, truth=0.5, conditions=ek.grid(delta=[0.5], n=[10, 20, 30])
    )
    grid = ek.Study(draw, {"t": t_test}, truth=0.5, conditions=ek.grid(delta=[0.5, 1.0], n=[9]))
    assert abs(ek.solve(levels, "n", replicates=FEW, rng=1).value - 34) <= 2
    chosen = ek.solve(grid, "n", condition={"delta": 1.0, "n": 9}, replicates=FEW, rng=1)
    assert abs(chosen.value - 10) <= 1
    with pytest.raises(ek.DataError, match="conditions that differ in more than 'n'"):
        ek.solve(grid, "n", rng=1)


# --- what has no answer ---


def test_a_target_out_of_reach_is_told_with_the_measure_at_the_ends() -> None:
    with pytest.raises(
        ek.StudyError, match=r"power 0.8 is not reached for n from 2 to 10: it is "
    ) as e:
        ek.solve(study(), "n", bounds=(2, 10), rng=1)
    first, last = (float(part) for part in np.array(str(e.value).split())[[13, 16]])
    assert abs(first - power(2, 0.5)) < 0.02 and abs(last - power(10, 0.5)) < 0.03


def test_a_measure_that_rises_and_falls_is_refused() -> None:
    with pytest.raises(ek.StudyError, match="does not rise or fall throughout: over delta it"):
        ek.solve(study(n=20), "delta", bounds=(-1.5, 1.2), rng=1)


def test_a_measure_that_does_not_change_is_refused() -> None:
    with pytest.raises(
        ek.StudyError, match=r"not reached|hardly changes|did not settle|not change"
    ):
        ek.solve(study(), "n", measure="coverage", target=0.95, rng=1, bounds=(5, 500))


def test_too_few_evaluations_are_told() -> None:
    with pytest.raises(ek.StudyError, match="No n was found in max_evaluations; the last were"):
        ek.solve(study(), "n", rng=1, max_evaluations=5)


def test_an_estimator_without_intervals_has_no_power() -> None:
    with pytest.raises(ek.StudyError, match="power of 'mean' cannot be computed at n=20"):
        ek.solve(study({"mean": np.mean}), "n", rng=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 1.0}, "target of power must be between 0 and 1"),
        ({"measure": "rmse", "target": 0.0}, "target of rmse must be positive"),
        ({"target": "high"}, "target must be a number, got 'high'"),
        ({"measure": "strength"}, "'strength' is not a measure"),
        ({"measure": ["bias", "rmse"]}, "must be one measure, got"),
        ({"bounds": (9, 3)}, "bounds must be two numbers, the lower one first"),
        ({"bounds": 9}, "bounds must be two numbers"),
        ({"bounds": (2.1, 2.9), "integer": True}, "no two whole numbers"),
        ({"integer": False}, "Give bounds between which to search for n"),
        ({"replicates": 10}, "replicates must be a whole number of 100 or more"),
        ({"estimator": "z"}, "'z' is no estimator of this study: t"),
        ({"parameter": "b"}, "'b' is no parameter of this study: value"),
        ({"level": 1.5}, "level"),
    ],
    ids=str,
)
def test_a_question_that_cannot_be_meant_is_refused(options: Any, message: str) -> None:
    with pytest.raises(ek.DataError, match=message):
        ek.solve(study(), "n", rng=1, **options)


def test_an_entry_that_is_no_number_is_refused() -> None:
    with pytest.raises(ek.DataError, match="delta is 'large' in the condition"):
        ek.solve(study(delta="large"), "delta", rng=1)


SHARE = ek.Measure(lambda d: np.mean(np.abs(d.estimate) > 0.2), "far", is_rate=True, smooth=True)


@pytest.mark.parametrize(
    ("measure", "target"), [(SHARE, 0.1), (lambda d: np.quantile(np.abs(d.estimate), 0.9), 0.2)]
)
def test_a_measure_of_the_users_own_is_solved_for(measure: Any, target: float) -> None:
    means = study({"mean": ek.vectorized(lambda x: x.mean(axis=1))}, delta=0.0)
    exact = (stats.norm.ppf(0.95) / 0.2) ** 2
    for seed in range(2):
        found = ek.solve(
            means, "n", measure=measure, target=target, bounds=(20, 150), replicates=500, rng=seed
        )
        assert found.value == math.ceil(found.crossing)
        assert abs(found.crossing - exact) < SE * found.crossing_error < exact / 3
