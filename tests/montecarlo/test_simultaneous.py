"""Intervals that hold all at once, and the flag of means that do not settle."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import estkit as ek
from estkit.estimate import normal_quantile
from estkit.montecarlo.influence import Draws, Influence
from estkit.montecarlo.intervals import mean_interval
from estkit.montecarlo.simultaneous import level_of
from estkit.montecarlo.tails import tail_of

SEED = 11
CONDITIONS, SIZE = 200, 300


def members(psi: Any, blocks: Any) -> list[Any]:
    known = np.ones(psi.shape[1], dtype=bool)
    return [(block, Influence(0.0, row), known, 1) for block, row in zip(blocks, psi, strict=True)]


def test_the_largest_of_two_hundred_null_biases_is_no_finding() -> None:
    # the winner's curse: by pointwise intervals, one of 200 biases is nearly always "significant"
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(CONDITIONS, SIZE))
    level = level_of(members(x, range(CONDITIONS)), 0.95)  # of independent ones, the same for any
    held = {own: 0 for own in (0.95, level)}
    for _ in range(1000):
        x = rng.normal(size=(CONDITIONS, SIZE))
        means, errors = x.mean(axis=1), x.std(axis=1, ddof=1) / math.sqrt(SIZE)
        for own in held:
            half_width = mean_interval(0.0, 1.0, SIZE, own)[1]
            held[own] += bool((np.abs(means) <= half_width * errors).all())
    assert held[0.95] < 10
    assert held[level] / 1000 == pytest.approx(0.95, abs=0.02)  # 3 standard errors of 1,000


def test_a_grid_of_nothing_has_findings_one_by_one_and_none_together() -> None:
    draw = ek.vectorized(lambda rng, replicates, n: rng.normal(size=(replicates, 3)))
    functions = {"mean": np.mean, "median": np.median}
    grid = ek.grid(n=list(range(60)))
    result = ek.Study(draw, functions, truth=0.0, conditions=grid).run(SIZE, rng=SEED)
    alone, together = (result.summary("bias", simultaneous=s) for s in (False, True))
    same = ["n", "estimator", "value", "mcse", "used", "failed", "note"]
    assert together[same].equals(alone[same])
    outside = [((f["lower"] > 0) | (f["upper"] < 0)).sum() for f in (alone, together)]
    assert outside[0] > 0 == outside[1]
    wider = (together["upper"] - together["value"]) / (alone["upper"] - alone["value"])
    # two estimators that go together: less than for 120 unrelated numbers, more than for 60
    sidak = [normal_quantile(0.95 ** (1 / k)) / normal_quantile(0.95) for k in (60, 120)]
    assert sidak[0] < wider.mean() < sidak[1]


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.95])
def test_the_joint_level_is_that_of_the_law_it_stands_for(correlation: float) -> None:
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(1, 20_000))
    own = rng.normal(size=(5, 20_000))
    psi = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
    found = normal_quantile(level_of(members(psi, [0] * 5), 0.95))
    # P(all five within ±c) by one integral over what they share
    nodes = np.linspace(-8, 8, 4001)
    root = math.sqrt(1 - correlation)

    def within(c: float) -> float:
        upper, lower = (
            stats.norm.cdf((sign * c - math.sqrt(correlation) * nodes) / root) for sign in (1, -1)
        )
        return float(np.trapezoid((upper - lower) ** 5 * stats.norm.pdf(nodes), nodes))

    assert within(found) == pytest.approx(0.95, abs=0.006)  # 20,000 draws know it to 0.0015


def test_conditions_with_common_random_numbers_are_taken_together() -> None:
    def spread(common: bool) -> float:
        study = ek.Study(
            lambda rng, n: rng.normal(size=20), np.mean, truth=0.0,
            conditions=ek.grid(n=list(range(30))), common_random_numbers=common,
        )  # fmt: skip
        frame = study.run(SIZE, rng=SEED).summary("bias", simultaneous=True)
        return float(((frame["upper"] - frame["value"]) / frame["mcse"]).mean())

    # the same numbers in every condition: one error, and nothing to correct for
    assert spread(True) == pytest.approx(float(stats.t.ppf(0.975, SIZE - 1)), rel=0.01)
    assert spread(False) > 3


def test_members_with_gaps_groups_and_no_error_at_all_are_taken_as_they_are() -> None:
    rng = np.random.default_rng(2)
    psi, known = rng.normal(size=400), rng.random(400) < 0.7
    whole = np.ones(400, dtype=bool)
    gap = (0, Influence(0.0, psi[known]), known, 1)
    full = (0, Influence(0.0, psi), whole, 1)
    flat = (0, Influence(1.0, np.ones(400)), whole, 1)
    assert 0.95 < level_of([gap, full], 0.95) < 0.975  # correlation √0.7
    assert level_of([full, flat], 0.95) == pytest.approx(math.sqrt(0.95), abs=0.003)
    grouped = [(0, Influence(0.0, psi), whole, 4), (0, Influence(0.0, -psi), whole, 4)]
    assert level_of(grouped, 0.95) == pytest.approx(0.95, abs=0.003)


# --- heavy tails ---

SETTLE: dict[str, Callable[[Any, int], Any]] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "uniform": lambda rng, size: rng.uniform(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size),
    "t5": lambda rng, size: rng.standard_t(5, size=size),
    "constant": lambda rng, size: np.full(size, 3.0),
    "two values": lambda rng, size: (rng.random(size) < 0.3).astype(float),
}


def flagged(law: Callable[[Any, int], Any], size: int, repeats: int = 300) -> float:
    rng, unknown = np.random.default_rng(SEED), np.full(size, np.nan)
    return float(np.mean([
        tail_of(Draws(law(rng, size), *[unknown] * 9)).heavy for _ in range(repeats)
    ]))  # fmt: skip


@pytest.mark.parametrize("size", [200, 500, 5000])
@pytest.mark.parametrize("law", SETTLE)
def test_means_that_settle_are_hardly_ever_flagged(law: str, size: int) -> None:
    # measured with 2,000 samples: at most 0.6 % (exponential, 200), none from 500 on
    assert flagged(SETTLE[law], size) <= (0.02 if size == 200 else 0.0)


@pytest.mark.parametrize("size, power", [(200, 0.93), (500, 0.98), (5000, 1.0)])
def test_estimates_without_a_mean_are_flagged(size: int, power: float) -> None:
    assert flagged(lambda rng, size: rng.standard_cauchy(size=size), size) >= power


def test_the_flag_stands_next_to_what_cannot_be_trusted_and_points_to_the_median() -> None:
    functions = {"mean": np.mean, "ratio": lambda x: x[0] / x[1]}
    result = ek.Study(lambda rng: rng.normal(size=2), functions, truth=0.0).run(1000, rng=SEED)
    notes = result.summary().set_index(["estimator", "measure"])["note"]
    averages = {"bias", "empirical_variance", "empirical_se", "mse", "rmse", "mae"}
    told = {name for name, note in notes["ratio"].items() if "see median_bias" in note}
    assert told == averages
    assert not notes["mean"].str.contains("settle").any()
    median = result.summary("median_bias").set_index("estimator").loc["ratio"]
    assert median["lower"] < 0 < median["upper"] and median["mcse"] < 0.1
    assert "Heavy tails: means of ratio do not settle" in str(result)
