"""Ending a run: at a Monte-Carlo error, a time, a memory; and planning how long it takes."""

from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest

import estkit as ek
from estkit.montecarlo import budget
from estkit.montecarlo.execution import Execution, Span
from estkit.montecarlo.gathering import Gathered
from estkit.montecarlo.stopping import looks, next_count, nominal_count, rate_error, targets_of

SE = 3.0  # standard errors that a mean over fixed seeds may be off
RUNS = 4000


@ek.vectorized
def normal(rng: Any, replicates: int, n: int = 10) -> Any:
    return rng.normal(size=(replicates, n))


def known_sd(x: Any) -> ek.Estimate:
    """Return means with intervals that cover exactly 95 %."""
    n = x.shape[-1]
    half = np.full(x.shape[:-1], 1.959964 / math.sqrt(n))
    mean = x.mean(axis=-1)
    return ek.Estimate(mean, std_error=half / 1.959964, lower=mean - half, upper=mean + half)


def by_block(x: Any) -> dict[str, Any]:
    return {name: getattr(known_sd(x), name) for name in ("value", "std_error", "lower", "upper")}


def looped(rng: Any, n: int = 10) -> Any:
    return rng.normal(size=n)


def study(**options: Any) -> ek.Study:
    estimators = options.pop("estimators", {"mean": known_sd})
    return ek.Study(options.pop("generate", looped), estimators, truth=0.0, **options)


# --- the rule ---


def stopped(coverage: float, target: float, runs: int, seed: int) -> tuple[Any, Any]:
    """Return the rate and the number of replicates at the end of runs, by the rule alone."""
    rng = np.random.default_rng(seed)
    count = np.full(runs, 100)
    hits = rng.binomial(count, coverage)
    while True:
        error = rate_error(hits / count, count)
        goal = next_count(count, error, target, nominal_count(0.95, target))
        if (goal == count).all():
            return hits / count, count
        hits, count = hits + rng.binomial(goal - count, coverage), goal


@pytest.mark.parametrize("target", [0.005, 0.0025])
def test_stopping_leaves_no_visible_bias_in_a_coverage(target: float) -> None:
    rates, counts = stopped(0.95, target, RUNS, seed=1)
    assert abs(rates.mean() - 0.95) < SE * rates.std() / math.sqrt(RUNS)
    assert (rate_error(rates, counts) <= target).all()
    assert counts.mean() < 1.3 * 0.95 * 0.05 / target**2  # and few more than it takes


def test_the_textbook_error_of_a_rate_would_leave_a_bias() -> None:
    rng = np.random.default_rng(1)
    hits = np.cumsum(rng.random((RUNS, 2000)) < 0.95, axis=1)[:, 49::10]
    count = np.arange(50, 2001, 10)
    rate = hits / count
    first = np.argmax(np.sqrt(rate * (1 - rate) / count) <= 0.01, axis=1)
    ended = rate[np.arange(RUNS), first]
    assert (ended == 1).mean() > 0.05  # 50 of 50 has an error of 0
    assert ended.mean() - 0.95 > 10 * SE * 0.01 / math.sqrt(RUNS) / 3


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.93, 0.99])
def test_the_bias_of_any_rate_is_a_fifth_of_its_error_at_most(coverage: float) -> None:
    rates, _ = stopped(coverage, 0.005, RUNS, seed=2)
    assert abs(rates.mean() - coverage) < 0.2 * 0.005


def test_an_error_that_cannot_be_told_asks_for_more_replicates() -> None:
    assert int(next_count(100, math.nan, 0.01)) == 1000
    assert int(next_count(100, math.inf, 0.01)) == 1000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0.0, "positive number, got 0.0"),
        (-1, "positive number"),
        (True, "positive number"),
        ({"coverage": "small"}, "'small'"),
        ({"covrage": 0.1}, "'covrage' is not a measure"),
        ({}, "names no measure"),
        ({"bias": [0.1, 0.2, 0.3]}, "3 errors of bias for 2 conditions"),
        ({"bias": math.nan}, "positive number, got nan"),
    ],
    ids=str,
)
def test_a_target_that_cannot_be_meant_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ek.DataError, match=message):
        targets_of(given, [{"n": 1}, {"n": 2}])


# --- runs that stop at a target ---


def test_a_run_reaches_its_targets_and_says_so() -> None:
    wanted = {"coverage": 0.02, "bias": lambda n: 0.5 / n, "rmse": [0.02, 0.01]}
    result = study(conditions=ek.grid(n=[10, 40])).run(20_000, rng=1, target_mcse=wanted)
    table = result.targets()
    assert table["met"].all() and len(table) == 6
    assert table["target"].tolist() == [0.02, 0.05, 0.02, 0.02, 0.0125, 0.01]
    bias = result.summary("bias")
    assert (bias["mcse"] <= np.array([0.05, 0.0125])).all()
    assert result.replicates()["ended"].tolist() == ["target", "target"]
    assert "The target for the Monte-Carlo error of coverage, bias, rmse was met" in str(result)
    fewer = study(conditions=ek.grid(n=[10, 40])).run(100, rng=1).plan(wanted)
    assert (fewer["further"] > 0).any()  # or the pilot alone would have done


def test_the_outcomes_are_those_of_a_run_of_that_length_for_any_workers() -> None:
    whole = study(conditions=ek.grid(n=[5, 20])).run(3000, rng=2).outcomes()
    seen = []
    for n_jobs in (1, 2):
        stopped_at = study(conditions=ek.grid(n=[5, 20])).run(
            3000, rng=2, n_jobs=n_jobs, target_mcse=0.01
        )
        counts = stopped_at.replicates()["replicates"].tolist()
        assert counts[0] != counts[1]
        seen.append(counts)
        longer = whole[whole["replicate"] < whole["n"].map({5: counts[0], 20: counts[1]})]
        assert longer.reset_index(drop=True).equals(stopped_at.outcomes())
    assert seen[0] == seen[1]


def test_a_resumed_run_looks_at_the_same_numbers() -> None:
    own = study()
    seed = np.random.SeedSequence(4)
    targets = targets_of({"bias": 0.01}, own.conditions)
    seen = []
    for ahead in (0, 700):
        gathered, execution = Gathered(own, seed), Execution(own, seed, 1)

        def reach(goal: int, gathered: Any = gathered, execution: Any = execution) -> None:
            for block, _ in execution.blocks([Span(0, gathered.count(0), goal)]):
                gathered.add(block)

        reach(ahead)
        numbers = []
        for goals in looks(own, gathered, targets, [5000], [1], set()):
            reach(goals[0])
            numbers.append(goals[0])
        seen.append(numbers)
    assert seen[0] == seen[1]
    assert seen[0][0] == 100 and len(seen[0]) > 1


def test_replicates_are_the_most_and_a_missed_target_is_told() -> None:
    result = study().run(300, rng=3, target_mcse={"coverage": 0.001, "bias": 0.1})
    assert result.replicates()[["replicates", "ended"]].values.tolist() == [[300, "complete"]]
    assert result.targets()["met"].tolist() == [False, True]
    assert "missed in 1 of 2 rows of targets(), most by coverage of mean" in str(result)


def test_intervals_that_always_cover_do_not_stop_at_an_error_of_zero() -> None:
    def always(x: Any) -> ek.Estimate:
        return ek.Estimate(x.mean(), lower=-100.0, upper=100.0)

    result = study(estimators={"always": always}).run(5000, rng=1, target_mcse={"coverage": 0.01})
    assert result.summary("coverage")["mcse"].tolist() == [0.0]
    assert result.replicates()["replicates"].tolist() == [594]  # 1.25 * 0.95 * 0.05 / 0.01²
    assert 0 < result.targets()["mcse"].iloc[0] <= 0.01


def test_a_condition_without_a_target_has_a_pilot_only() -> None:
    goals = {"bias": lambda n: 0.02 if n == 10 else math.inf}
    result = study(conditions=ek.grid(n=[10, 40])).run(9000, rng=1, target_mcse=goals)
    counts = result.replicates()["replicates"].tolist()
    assert counts[0] > 200 and counts[1] == 100
    assert result.targets()["n"].tolist() == [10]


def test_estimators_that_have_no_interval_leave_its_coverage_out() -> None:
    both = {"mean": known_sd, "median": np.median}
    result = study(estimators=both).run(9000, rng=1, target_mcse={"coverage": 0.02})
    assert result.targets()["estimator"].tolist() == ["mean"]
    with pytest.raises(ek.StudyError, match="No estimator gives what coverage needs"):
        study(estimators={"median": np.median}).run(500, rng=1, target_mcse={"coverage": 0.02})


def test_whole_blocks_and_pairs_are_never_cut_by_a_look() -> None:
    blocks = study(generate=normal, estimators={"mean": np.mean})
    length = Execution(blocks, np.random.SeedSequence(1), 1).step(0)
    counts = blocks.run(10**6, rng=1, target_mcse=0.002).replicates()["replicates"]
    assert length > 1 and counts.iloc[0] % length == 0
    pairs = study(antithetic=True, estimators={"square": lambda x: (x**2).mean() - 1})
    result = pairs.run(5000, rng=1, target_mcse=0.021)
    assert result.replicates()["replicates"].iloc[0] % 2 == 0
    assert result.targets()["met"].all()


def test_failures_do_not_stop_a_run_early() -> None:
    def picky(x: Any) -> Any:
        return x.mean() if x[0] > 1 else math.nan

    result = study(estimators={"picky": picky}).run(9000, rng=1, target_mcse=0.03)
    row = result.summary("bias").iloc[0]
    assert row["mcse"] <= 0.03 and row["used"] < 0.3 * len(result.outcomes())


# --- budgets ---


class Clock:
    """A clock that moves when an estimator works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: self.now))


def test_a_time_limit_keeps_slow_replicates_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def slow_when_large(x: Any) -> float:
        value = float(x[0])
        clock.now += 10.0 if value > 0 else 0.1
        return value

    timed = study(estimators={"slow": slow_when_large})
    whole = timed.run(400, rng=5).outcomes()["estimate"].to_numpy()
    total, count, unfinished = 0.0, 0, 0.0
    for seed in range(150):
        estimates = timed.run(400, rng=seed, max_seconds=25.0).outcomes()["estimate"].to_numpy()
        total, count = total + estimates.sum(), count + len(estimates)
        unfinished += estimates[:-1].sum()
        if seed == 5:
            assert (estimates == whole[: len(estimates)]).all() and len(estimates) < 400
    assert abs(total) < SE * math.sqrt(count)  # a sum at a stopping time has no bias (Wald)
    assert count < 150 * 40


def test_a_time_limit_says_what_it_cut_and_conditions_take_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)

    def worker(x: Any) -> float:
        clock.now += 1.0
        return float(x.mean())

    own = study(estimators={"worker": worker}, conditions=ek.grid(n=[2, 3, 4]))
    result = own.run([10, 5000, 5000], rng=1, max_seconds=900.0)
    table = result.replicates()
    assert table["ended"].tolist() == ["complete", "time", "time"]
    assert abs(table["replicates"].sum() - 900) <= 256  # the work in progress is finished
    assert table["replicates"].iloc[1:].min() > 0.4 * table["replicates"].iloc[1:].max()
    assert "Time was up in 2 of 3 conditions; the fewest replicates" in str(result)


def test_a_time_limit_without_need_cuts_nothing() -> None:
    result = study().run(50, rng=1, max_seconds=600.0)
    assert result.replicates()[["replicates", "ended"]].values.tolist() == [[50, "complete"]]
    assert "Time" not in str(result)


def sleeping(x: Any) -> float:
    time.sleep(0.02 if x[0] > 0 else 0.002)
    return float(x[0])


def test_with_workers_the_ordered_beginning_is_kept() -> None:
    own = study(estimators={"sleeping": sleeping})
    with joblib.parallel_config(backend="threading"):
        part = own.run(2000, rng=1, n_jobs=2, max_seconds=0.6).outcomes()
    quick = study(estimators={"sleeping": lambda x: float(x[0])}).run(2000, rng=1).outcomes()
    assert 4 <= len(part) < 2000
    assert part["estimate"].tolist() == quick["estimate"].tolist()[: len(part)]


def test_a_memory_limit_lowers_the_number_and_says_so() -> None:
    own = study(conditions=ek.grid(n=[5, 10, 15]))
    result = own.run([100, 5000, 9000], rng=1, max_bytes=100_000)
    size = 4 * 8 + 1  # estimate, standard error, two limits, status
    most = (100_000 - 100 * size) // (2 * size)
    table = result.replicates()
    assert table["replicates"].tolist() == [100, most, most]
    assert table["ended"].tolist() == ["complete", "memory", "memory"]
    assert f"Cut to the memory in 2 of 3 conditions; the fewest replicates: {most} of" in str(
        result
    )
    assert own.run(1000, rng=1, max_bytes=1e9).replicates()["replicates"].tolist() == [1000] * 3


def test_a_memory_limit_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ek.StudyError, match="max_bytes=10 is too small"):
        study().run(100, rng=1, max_bytes=10)


@pytest.mark.parametrize("name", ["max_seconds", "max_bytes"])
@pytest.mark.parametrize("limit", [0, -1.0, "1 min", True, math.nan])
def test_a_limit_that_is_no_positive_number_is_refused(name: str, limit: Any) -> None:
    with pytest.raises(ek.DataError, match=f"{name} must be a positive number"):
        study().run(10, rng=1, **{name: limit})


# --- plans ---


def test_a_plan_tells_how_many_replicates_a_target_takes() -> None:
    pilot = study().run(400, rng=7)
    row = pilot.plan({"bias": 0.004}).iloc[0]
    mcse = pilot.summary("bias")["mcse"].iloc[0]
    assert row["needed"] == math.ceil(400 * (mcse / 0.004) ** 2)
    assert row["further"] == row["needed"] - 400
    assert row["seconds"] > 0 and row["lower"] < row["needed"] < row["upper"]
    longer = study().run(int(row["needed"]), rng=7).summary("bias")["mcse"].iloc[0]
    assert longer == pytest.approx(0.004, rel=0.1)  # a pilot of 400 knows an SD to 4 %


def test_a_plan_for_a_rate_of_one_asks_for_some_replicates() -> None:
    result = study(estimators={"a": lambda x: ek.Estimate(x.mean(), lower=-9.0, upper=9.0)}).run(
        50, rng=1
    )
    row = result.plan({"coverage": 0.005}).iloc[0]
    assert row["mcse"] == pytest.approx(math.sqrt(52 / 54 * 2 / 54 / 50))
    assert row["needed"] > 1000 and row["lower"] <= row["needed"] < row["upper"]


@pytest.mark.parametrize(
    ("measure", "truth"),
    [("bias", 0.1), ("mse", 0.02), ("coverage", 0.95 * 0.05)],
)
def test_the_interval_of_a_plan_covers_what_is_needed(measure: str, truth: float) -> None:
    variance = {"bias": truth, "mse": truth, "coverage": truth}[measure]  # of one replicate
    own = study(generate=normal, estimators={"mean": ek.vectorized(by_block)})
    held = 0
    for seed in range(150):
        row = own.run(400, rng=seed).plan({measure: 0.01}).iloc[0]
        held += row["lower"] <= variance / 0.01**2 <= row["upper"]
    assert held / 150 > 0.95 - SE * math.sqrt(0.95 * 0.05 / 150)


@pytest.mark.parametrize("half", [0.5, 9.0], ids=["0.95", "all"])
def test_a_plan_of_a_coverage_and_a_run_that_stops_have_one_rule(half: float) -> None:
    def within(x: Any) -> ek.Estimate:
        return ek.Estimate(float(x[0]), lower=float(x[0]) - half, upper=float(x[0]) + half)

    own = study(estimators={"first": within}, generate=lambda rng: rng.normal(scale=0.25, size=2))
    row = own.run(100, rng=1).plan({"coverage": 0.02}).iloc[0]
    ran = own.run(5000, rng=1, target_mcse={"coverage": 0.02})
    taken = ran.replicates()["replicates"][0]
    assert row["needed"] <= taken <= 1.15 * row["needed"]
    assert row["lower"] <= row["needed"] <= row["upper"]
    assert ran.plan({"coverage": 0.02})["further"][0] == 0


def test_a_plan_for_a_quantile_claims_no_interval() -> None:
    row = study().run(400, rng=7).plan({"median_bias": 0.01}).iloc[0]
    assert row["needed"] > 400 and np.isnan(row[["lower", "upper"]].astype(float)).all()


def test_a_stored_run_that_goes_on_looks_at_the_same_numbers(tmp_path: Any) -> None:
    own = study(conditions=ek.grid(n=[10, 40]))
    plain = own.run(5000, rng=1, target_mcse=0.015)
    own.run(130, rng=1, store=tmp_path / "store")
    stored = own.run(5000, rng=1, target_mcse=0.015, store=tmp_path / "store")
    assert plain.outcomes().equals(stored.outcomes())
    assert stored.replicates()["ended"].tolist() == ["target", "target"]


def test_a_plan_for_what_nothing_gives_is_refused() -> None:
    result = study(estimators={"median": np.median}).run(50, rng=1)
    with pytest.raises(ek.DataError, match="No estimator gives what coverage needs"):
        result.plan({"coverage": 0.01})


# --- progress ---


def test_the_progress_bar_tells_the_error_and_the_target(capfd: pytest.CaptureFixture[str]) -> None:
    study().run(400, rng=1, progress=True, target_mcse={"coverage": 0.02}, max_seconds=600.0)
    shown = capfd.readouterr().err
    assert "mcse of coverage" in shown and "(target 0.02)" in shown and "s left" in shown


def test_a_target_of_which_nothing_can_be_told_is_refused_beside_others() -> None:
    alone = study(estimators={"mean": np.mean})
    with pytest.raises(ek.StudyError, match="No estimator gives what coverage needs"):
        alone.run(500, rng=1, target_mcse={"bias": 0.1, "coverage": 0.1})


def test_an_estimator_that_always_fails_misses_its_target_in_words() -> None:
    def never(x: Any) -> float:
        raise ValueError("never")

    result = study(estimators={"mean": np.mean, "never": never}).run(300, rng=1, target_mcse=0.05)
    assert "most by bias of never: unknown for 0.05" in str(result)
