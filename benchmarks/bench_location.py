"""S1: five estimators of location and scale, each studied at three sample sizes.

The task, the same for all: draw Normal(0, 1) samples of n = 10, 30 and 100 and give the mean, the
median, the 10 % trimmed mean and the variance with divisors n and n - 1 of each sample.
Run alone: `python benchmarks/bench_location.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from environment import print_header
from scipy import stats
from timing import Answer, Competitor, answer_of_summary, compare, moments, report

import estkit as ek

Array = npt.NDArray[np.float64]

SIZES = (10, 30, 100)
SEED = 1
BLOCK = 500  # replicates whose samples fit in the second-level cache together
ESTIMATORS: dict[str, Callable[..., Any]] = {
    "mean": np.mean,
    "median": np.median,
    "trimmed mean": partial(stats.trim_mean, proportiontocut=0.1),
    "variance / n": np.var,
    "variance / (n-1)": partial(np.var, ddof=1),
}
TRUTH = {name: 1.0 if name.startswith("variance") else 0.0 for name in ESTIMATORS}


# estkit -----------------------------------------------------------------------------------------


@ek.vectorized
def draw_many(rng: np.random.Generator, replicates: int, n: int) -> Array:
    return rng.standard_normal((replicates, n))


def draw_one(rng: np.random.Generator, n: int) -> Array:
    return rng.standard_normal(n)


def one_at_a_time(estimator: Callable[..., Any]) -> Callable[[Array], float]:
    """Hide the axis argument, as in an estimator that a user wrote for one sample."""
    return lambda sample: float(estimator(sample))


VECTORIZED = ek.Study(draw_many, ESTIMATORS, truth=TRUTH, conditions=ek.grid(n=SIZES))
LOOPED = ek.Study(
    draw_one,
    {name: one_at_a_time(estimator) for name, estimator in ESTIMATORS.items()},
    truth=TRUTH,
    conditions=ek.grid(n=SIZES),
)


def run_study(study: Any, replicates: int) -> Any:
    return study.run(replicates, rng=SEED)


def run_study_and_summary(replicates: int) -> Any:
    result = VECTORIZED.run(replicates, rng=SEED)
    result.summary()
    return result


def answer_of_study(result: Any) -> Answer:
    return answer_of_summary(result.summary(), ["n", "estimator"], ["bias", "empirical_se"])


# peers: each gives, for each n, an array of replicates x estimators -------------------------------


def estimate_one(sample: Array) -> list[float]:
    return [float(estimator(sample)) for estimator in ESTIMATORS.values()]


def estimate_sorted(samples: Array) -> Array:
    """Estimate all five from one sort in place: the tightest numpy we could write."""
    n = samples.shape[1]
    cut = int(0.1 * n)
    samples.sort(axis=1)
    mean = samples.mean(axis=1)
    deviations = samples - mean[:, None]
    squares = np.einsum("rn,rn->r", deviations, deviations)
    median = (samples[:, (n - 1) // 2] + samples[:, n // 2]) / 2
    trimmed = samples[:, cut : n - cut].mean(axis=1)
    return np.stack([mean, median, trimmed, squares / n, squares / (n - 1)], axis=1)


def numpy_loop(replicates: int) -> list[Array]:
    rng = np.random.default_rng(SEED)
    return [
        np.array([estimate_one(rng.standard_normal(n)) for _ in range(replicates)]) for n in SIZES
    ]


def numpy_stock(replicates: int) -> list[Array]:
    rng = np.random.default_rng(SEED)
    return [
        np.stack([f(samples, axis=1) for f in ESTIMATORS.values()], axis=1)
        for samples in (rng.standard_normal((replicates, n)) for n in SIZES)
    ]


def numpy_tuned(replicates: int) -> list[Array]:
    rng = np.random.default_rng(SEED)
    blocks = [min(BLOCK, replicates - start) for start in range(0, replicates, BLOCK)]
    return [
        np.concatenate([estimate_sorted(rng.standard_normal((block, n))) for block in blocks])
        for n in SIZES
    ]


def scipy_monte_carlo(replicates: int) -> list[Array]:
    """Null distributions through scipy's own runner, which draws anew for each statistic."""
    rng = np.random.default_rng(SEED)
    run = partial(
        stats.monte_carlo_test, rvs=rng.standard_normal, n_resamples=replicates, vectorized=True
    )
    return [
        np.stack(
            [run(np.zeros(n), statistic=f).null_distribution for f in ESTIMATORS.values()], axis=1
        )
        for n in SIZES
    ]


def joblib_chunk(n: int, seeds: list[np.random.SeedSequence]) -> list[list[float]]:
    # One stream a replicate keeps the answer free of the number of workers, as estkit's is.
    return [estimate_one(np.random.default_rng(seed).standard_normal(n)) for seed in seeds]


def joblib_processes(replicates: int) -> list[Array]:
    from joblib import Parallel, delayed, parallel_config

    size = -(-replicates // 8)
    with parallel_config("loky", n_jobs=2, inner_max_num_threads=1), Parallel() as parallel:
        results = []
        for n, root in zip(SIZES, np.random.SeedSequence(SEED).spawn(len(SIZES)), strict=True):
            seeds = root.spawn(replicates)
            chunks = [seeds[start : start + size] for start in range(0, replicates, size)]
            parts = parallel(delayed(joblib_chunk)(n, chunk) for chunk in chunks)
            results.append(np.array([row for part in parts for row in part]))
    return results


def mcframework_runs(replicates: int) -> list[Array]:
    """Run one simulation per estimator: a simulation there gives a single number."""
    from mcframework import MonteCarloSimulation

    class OneEstimator(MonteCarloSimulation):
        def single_simulation(self, _rng: Any, n: int, estimator: Callable[..., Any]) -> float:
            return float(estimator(_rng.standard_normal(n)))

    simulation = OneEstimator()
    simulation.set_seed(SEED)
    run = partial(simulation.run, replicates, backend="sequential", compute_stats=False)
    return [
        np.stack([run(n=n, estimator=f).results for f in ESTIMATORS.values()], axis=1)
        for n in SIZES
    ]


def monaco_runs(replicates: int) -> list[Array]:
    from monaco import Sim, SimulationFunctions

    def collect(case: Any, *values: float) -> None:
        for name, value in zip(ESTIMATORS, values, strict=True):
            case.addOutVal(name, value)

    def simulate(n: int) -> Array:
        functions = SimulationFunctions(
            preprocess=lambda case: (case.seed,),
            run=lambda seed: tuple(estimate_one(np.random.default_rng(seed).standard_normal(n))),
            postprocess=collect,
        )
        sim = Sim("location", replicates, functions, seed=SEED + n, verbose=False, debug=True)
        sim.runSim()
        return np.stack([np.asarray(sim.outvars[name].nums) for name in ESTIMATORS], axis=1)

    return [simulate(n) for n in SIZES]


def draw_only(replicates: int) -> None:
    rng = np.random.default_rng(SEED)
    for n in SIZES:
        for start in range(0, replicates, BLOCK):
            rng.standard_normal((min(BLOCK, replicates - start), n))


def answer_of_arrays(results: list[Array]) -> Answer:
    answer: dict[tuple[int, str, str], tuple[float, float]] = {}
    for n, estimates in zip(SIZES, results, strict=True):
        columns = zip(*moments(estimates, list(TRUTH.values())), strict=True)
        for name, (bias, bias_error, spread, spread_error) in zip(TRUTH, columns, strict=True):
            answer[n, name, "bias"] = (bias, bias_error)
            answer[n, name, "empirical_se"] = (spread, spread_error)
    return answer


def competitors() -> list[Competitor]:
    peer = partial(Competitor, answer=answer_of_arrays)
    estkit = partial(Competitor, answer=answer_of_study)
    return [
        estkit("estkit Study, vectorised", partial(run_study, VECTORIZED), 10_000),
        estkit("estkit Study, vectorised, with summary()", run_study_and_summary, 10_000),
        estkit("estkit Study, looped", partial(run_study, LOOPED), 1_000),
        peer("numpy, one shared sort, blocks of 500 (hand-tuned)", numpy_tuned, 10_000),
        peer("numpy and scipy functions on one (R, n) array", numpy_stock, 10_000),
        peer("scipy monte_carlo_test, vectorised", scipy_monte_carlo, 10_000),
        peer("numpy loop with scipy trim_mean", numpy_loop, 1_000),
        peer("joblib, 2 processes, chunked loop", joblib_processes, 4_000, needs="joblib"),
        peer("mcframework, one run per estimator", mcframework_runs, 500, needs="mcframework"),
        peer("monaco", monaco_runs, 500, needs="monaco"),
        Competitor("bound: draw only", draw_only, 10_000),
    ]


def main() -> int:
    """Print the table; give 1 when a competitor failed or disagreed."""
    print_header(
        f"S1: five location and scale estimators, Normal(0, 1), n in {SIZES}",
        ["scipy", "joblib", "mcframework", "monaco"],
    )
    return 0 if report(compare(competitors(), conditions=len(SIZES))) else 1


if __name__ == "__main__":
    sys.exit(main())
