"""The known traps of simulation software, each with the test that would catch us in it."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import threadpoolctl
from statsmodels.stats.proportion import proportion_confint

import estkit as ek
from estkit.montecarlo.streams import Streams

SEED = 42
EXACT = 1e-12
# What a batch of fits may differ in from fits one by one.
BATCH = 1e-12
# A bootstrap of 4,000 rounds knows a standard error to 1.1 %; three times that.
RESAMPLED = 0.035

NORMAL = ek.vectorized(lambda rng, replicates: rng.normal(size=(replicates, 5)))


def measured(result: ek.StudyResult, *names: str) -> Any:
    frame = result.summary(list(names) or None)
    return frame.set_index(["estimator", "measure"]).sort_index()


def digest(result: ek.StudyResult) -> str:
    numbers = result.outcomes()[["estimate", "std_error", "lower", "upper", "truth"]]
    return hashlib.sha256(numbers.to_numpy().tobytes()).hexdigest()


def of(x: Any, function: Callable[[Any], Any] = np.mean, **columns: Any) -> ek.StudyResult:
    """Study given estimates: replicate r answers with entry r of each column."""
    x = np.asarray(x, dtype=float)
    numbers = ek.vectorized(lambda rng, replicates: np.arange(float(replicates)))
    blocks = {"it": lambda i: {"value": x[int(i)], **{k: v[int(i)] for k, v in columns.items()}}}
    assert len(x) <= 512  # one block
    return ek.Study(numbers, blocks, truth=0.0).run(len(x), rng=SEED)


def test_redraw_after_failure_would_change_the_estimand_of_all() -> None:
    def root(x: Any) -> float:
        if x.mean() < 0:
            raise ValueError("negative mean")
        return math.sqrt(x.mean())

    functions = {"root": root, "mean": np.mean, "median": np.median}
    rows = measured(ek.Study(NORMAL, functions, truth=0.0).run(4000, rng=SEED))
    assert rows.loc[("root", "bias"), "failed"] > 1500
    for innocent in ("mean", "median"):
        row = rows.loc[(innocent, "bias")]
        assert (row["used"], row["failed"]) == (4000, 0)
        assert abs(row["value"]) < 3 * row["mcse"]


def test_same_seed_and_other_core_count_is_no_other_answer() -> None:
    own = {"mean": lambda x: x.mean(), "pick": lambda x, rng: rng.choice(x)}
    study = ek.Study(lambda rng: rng.normal(size=5), own, truth=0.0)
    assert len({digest(study.run(900, rng=SEED, n_jobs=n_jobs)) for n_jobs in (1, 2, 3)}) == 1


def test_methods_are_paired_by_replicate_and_not_by_row() -> None:
    # a drops other replicates than b, so that rows and replicates go apart
    def drop(low: float, function: Any) -> Any:
        return lambda x: function(x) if low < x[0] < low + 2 else 1 / 0

    pair = {"a": drop(-1.0, np.mean), "b": drop(-1.5, np.median)}
    result = ek.Study(lambda rng: rng.normal(size=5), pair, truth=0.0).run(1000, rng=SEED)
    shuffled = result.outcomes().sample(frac=1.0, random_state=1)
    wide = shuffled.pivot(index="replicate", columns="estimator", values="estimate").dropna()
    row = result.contrast("a", "b", "mse").iloc[0]
    difference = wide["a"] ** 2 - wide["b"] ** 2
    assert row["used"] == len(wide) < 700
    assert row["value"] == pytest.approx(difference.mean(), rel=1e-9)
    assert row["mcse"] == pytest.approx(difference.std() / math.sqrt(len(wide)), rel=1e-9)


def test_fixed_limits_do_not_spoil_bias_eliminated_coverage() -> None:
    rng = np.random.default_rng(SEED)
    estimates = 5 + 0.01 * rng.normal(size=100)
    far, near = (of(estimates, lower=np.full(100, a), upper=np.full(100, b)) for a, b in
                 [(6.0, 7.0), (4.0, 5.5)])  # fmt: skip
    assert measured(far).loc[("it", "bias_eliminated_coverage"), "value"] == 0.0
    assert measured(near).loc[("it", "bias_eliminated_coverage"), "value"] == 1.0


def test_normal_theory_would_halve_the_error_of_a_standard_deviation() -> None:
    draw = ek.vectorized(lambda rng, replicates: rng.exponential(size=replicates))
    study = ek.Study(draw, {"it": ek.vectorized(lambda x: x)}, truth=1.0)
    row = measured(study.run(50_000, rng=SEED)).loc[("it", "empirical_se")]
    textbook = row["value"] / math.sqrt(2 * (row["used"] - 1))
    # kurtosis 9 instead of 3: the error is √((9 - 1) / (3 - 1)) = 2 times as large
    assert row["mcse"] / textbook == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("name", ["empirical_se", "rmse", "empirical_variance", "model_se_error"])
def test_the_error_of_a_mean_is_not_that_of_every_summary(name: str) -> None:
    rng = np.random.default_rng(SEED)
    x, error = rng.gamma(3.0, size=400) - 2, 1 + rng.random(400)
    direct: dict[str, Callable[[Any, Any], Any]] = {
        "empirical_se": lambda x, e: x.std(axis=1, ddof=1),
        "empirical_variance": lambda x, e: x.var(axis=1, ddof=1),
        "rmse": lambda x, e: np.sqrt((x**2).mean(axis=1)),
        "model_se_error": lambda x, e: np.sqrt((e**2).mean(axis=1)) / x.std(axis=1, ddof=1),
    }
    again = rng.integers(0, 400, size=(4000, 400))
    resampled = direct[name](x[again], error[again]).std()
    row = measured(of(x, std_error=error)).loc[("it", name)]
    assert row["mcse"] == pytest.approx(resampled, rel=RESAMPLED)


def test_coverage_of_one_hundred_per_cent_is_not_certain() -> None:
    all_covered = of(np.zeros(50), lower=np.full(50, -1.0), upper=np.full(50, 1.0))
    row = measured(all_covered).loc[("it", "coverage")]
    lower, _ = proportion_confint(50, 50, alpha=0.05, method="wilson")
    exact, _ = proportion_confint(50, 50, alpha=0.05, method="beta")
    assert (row["value"], row["upper"]) == (1.0, 1.0)
    assert row["lower"] == pytest.approx(lower, rel=EXACT)
    assert row["lower"] == pytest.approx(exact, abs=0.001)


def test_two_equal_intervals_have_the_power_of_the_single_one() -> None:
    def one(x: Any) -> Any:
        return ek.Estimate(x.mean() + 1, std_error=x.std())

    functions = {"single": one, "two": lambda x: {"p": one(x), "q": one(x)}}
    result = ek.Study(lambda rng: rng.normal(size=5), functions, truth=1.0).run(500, rng=SEED)
    frame = result.summary(["power", "coverage", "failure_rate"])
    values = frame.pivot(index="measure", columns=["estimator", "parameter"], values="value")
    assert 0.05 < values.loc["power", ("single", "value")] < 0.95
    for parameter in ("p", "q"):
        assert values["two"][parameter].tolist() == values["single"]["value"].tolist()


def test_an_interval_that_ends_at_zero_does_not_reject_zero() -> None:
    limits = np.array(
        [(-1.0, 1.0), (0.0, 1.0), (-1.0, 0.0), (0.0, 0.0), (5e-324, 1.0), (-1.0, -5e-324)]
    )
    result = of(limits.mean(axis=1), lower=limits[:, 0], upper=limits[:, 1])
    rows = measured(result)
    assert rows.loc[("it", "power"), "value"] == 2 / 6
    assert rows.loc[("it", "coverage"), "value"] == 4 / 6  # the truth is 0: one or the other


def test_divisors_are_those_of_the_documentation() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    rows = measured(of(x))["value"]["it"]
    assert rows["empirical_variance"] == pytest.approx(x.var(ddof=1), rel=EXACT)
    assert rows["mse"] == pytest.approx(rows["bias"] ** 2 + x.var(ddof=0), rel=EXACT)


def test_neighbouring_seeds_share_no_stream() -> None:
    first = [
        Streams(seed, (), condition).at(replicate).bit_generator.random_raw()
        for seed in range(1000) for condition in range(2) for replicate in range(20)
    ]  # fmt: skip
    assert len(set(first)) == 40_000


def test_workers_do_not_repeat_each_others_draws() -> None:
    functions = {"data": lambda x: x[0], "own": lambda x, rng: rng.normal()}
    study = ek.Study(lambda rng: rng.normal(size=2), functions, truth=0.0)
    drawn = study.run(900, rng=SEED, n_jobs=3).outcomes()["estimate"]
    assert drawn.nunique() == 1800


@pytest.mark.parametrize("batched", [True, False])
def test_an_estimator_that_uses_the_global_random_state_is_found(batched: bool) -> None:
    # its numbers would depend on the workers, and could not be replayed
    def resample(x: Any, axis: int | None = None) -> Any:
        return np.random.permutation(x).mean(axis=axis) + np.random.normal()  # noqa: NPY002

    function = resample if batched else lambda x: resample(x)
    with pytest.raises(ek.StudyError, match=r"'it'.*global random state"):
        ek.Study(NORMAL, {"it": function}, truth=0.0).run(20, rng=SEED)


def test_the_folds_of_an_estimator_differ_between_replicates_and_come_back_in_a_replay() -> None:
    def folds(x: Any, rng: Any) -> Any:
        return rng.permutation(20)[:10].astype(float)

    study = ek.Study(lambda rng: rng.normal(size=5), {"folds": folds})
    result = study.run(200, rng=SEED)
    drawn = result.outcomes()["estimate"].to_numpy().reshape(200, 10)
    assert len({tuple(row) for row in drawn}) == 200
    assert result.replay(150).estimates["folds"].value.tolist() == drawn[150].tolist()


def test_conditions_do_not_share_their_random_numbers() -> None:
    study = ek.Study(lambda rng, n: rng.normal(size=n), {"first": lambda x: x[0]},
                     conditions=ek.grid(n=[10, 30]))  # fmt: skip
    frame = study.run(2000, rng=SEED).outcomes()
    small, large = frame["estimate"].to_numpy().reshape(2, 2000)
    assert not set(small) & set(large)
    assert abs(np.corrcoef(small, large)[0, 1]) < 4 / math.sqrt(2000)


@pytest.mark.parametrize("spoil", ["separated", "singular", "constant", "nan"])
def test_one_bad_data_set_does_not_take_the_batch_down(spoil: str) -> None:
    rng = np.random.default_rng(SEED)
    X = rng.normal(size=(40, 30, 2))
    y = (rng.random((40, 30)) < 1 / (1 + np.exp(-X[:, :, 0]))).astype(float)
    if spoil == "separated":
        y[17] = X[17, :, 1] > 0
    elif spoil == "singular":
        X[17, :, 1] = 2 * X[17, :, 0]
    elif spoil == "constant":
        y[17] = 1.0
    else:
        X[17, 3, 0] = np.nan
    many = ek.fit_many(ek.Binomial(), X, y)
    assert many.status[17] == "failed" and many.reason[17]
    assert np.isnan(many.params[17]).all()
    good = [r for r in range(40) if r != 17]
    alone = [ek.fit(ek.Binomial(), X[r], y[r]) for r in good]
    assert set(many.status[good]) == {"ok"}
    for own, batch in [("params", many.params), ("std_errors", many.std_errors)]:
        expected = [getattr(fit, own) for fit in alone]
        np.testing.assert_allclose(batch[good], expected, rtol=BATCH, atol=BATCH)


@pytest.mark.parametrize("how", ["nan", "not_converged"])
def test_replicates_without_an_answer_do_not_vanish_in_silence(how: str) -> None:
    def tenth(x: Any) -> Any:
        if x[0] < 1.2815515655446004:  # nine in ten
            return x.mean()
        return np.nan if how == "nan" else ek.Estimate(x.mean(), status=how, reason="steps")

    result = ek.Study(lambda rng: rng.normal(size=5), {"it": tenth}, truth=0.0).run(1000, rng=SEED)
    rows = measured(result)
    failed = len(result.failures())
    assert 70 < failed < 130
    assert rows.loc[("it", "bias"), ["used", "failed"]].tolist() == [1000 - failed, failed]
    rate = rows.loc[("it", "failure_rate")]
    assert rate["lower"] < 0.1 < rate["upper"]
    assert str(result).splitlines()[3].split()[-1] == str(failed)
    # without them, small first numbers are too frequent: it is a bias, and it is shown
    assert rows.loc[("it", "bias"), "upper"] < 0


def test_an_uncertain_truth_widens_the_error_of_every_bias() -> None:
    pilot = ek.Estimate(0.01, std_error=0.05)
    functions = {"mean": np.mean}
    known, guessed = (
        measured(ek.Study(NORMAL, functions, truth=truth).run(2000, rng=SEED), "bias").iloc[0]
        for truth in (0.01, pilot)
    )
    assert guessed["value"] == pytest.approx(known["value"], rel=EXACT)
    assert guessed["mcse"] == pytest.approx(math.hypot(known["mcse"], 0.05), rel=1e-9)
    assert guessed["upper"] - guessed["lower"] > 2 * 1.95 * 0.05


@pytest.mark.parametrize("replicates", [500, 1500])
def test_a_far_location_does_not_eat_the_variance(replicates: int) -> None:
    def study(location: float) -> Any:
        draw = ek.vectorized(lambda rng, replicates: location + rng.normal(size=replicates))
        it = ek.Study(draw, {"it": ek.vectorized(lambda x: x)}, truth=location)
        return measured(it.run(replicates, rng=SEED)).drop(("it", "relative_bias"), errors="ignore")

    far, near = study(1e8), study(0.0)
    # the numbers themselves keep eight decimal places there
    assert far["value"].tolist() == pytest.approx(near["value"].tolist(), abs=1e-6)
    assert far["mcse"].tolist() == pytest.approx(near["mcse"].tolist(), abs=1e-6)


@pytest.mark.parametrize("truth", [0.0, 1e-9])
def test_relative_bias_at_or_near_zero_stops_nothing(truth: float) -> None:
    rows = measured(ek.Study(NORMAL, {"mean": np.mean}, truth=truth).run(100, rng=SEED))
    relative = rows.loc[("mean", "relative_bias")]
    assert math.isnan(relative["value"]) and relative["note"] == "the truth is 0, or nearly"
    others = rows.drop(("mean", "relative_bias"))
    assert set(others["note"]) == {""}
    assert others[["value", "mcse"]].notna().all(axis=None)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_workers_and_linear_algebra_do_not_fight_for_cores(n_jobs: int) -> None:
    def threads(x: Any) -> float:
        import scipy.linalg  # noqa: F401 - brings its own library

        return float(max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()))

    study = ek.Study(lambda rng: rng.normal(size=5), {"threads": threads})
    with threadpoolctl.threadpool_limits(2):
        used = study.run(150, rng=SEED, n_jobs=n_jobs)
    assert set(used.outcomes()["estimate"]) == {1.0}


def test_a_partial_fit_in_a_study_reports_its_separated_samples() -> None:
    def draw(rng: Any) -> Any:
        X = rng.normal(size=(20, 2))
        return X, rng.random(20) < 1 / (1 + np.exp(-2 * X[:, 0]))

    study = ek.Study(draw, {"fit": functools.partial(ek.fit, ek.Binomial())})
    result = study.run(300, rng=SEED)
    assert 5 < len(result.failures()) < 100
    assert result.failures()["reason"].str.contains("separation").all()
