"""Measures of the user: their errors by jackknife and bootstrap, their names, what is refused."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import estkit as ek
from estkit.montecarlo.influence import Draws, Measure, standard_error
from estkit.montecarlo.measures import MEASURES
from estkit.montecarlo.resampling import evaluated

SEED = 3
EXACT = 1e-12
# Told over true error, the latter from 200 repeats: known to 5 %, and the bootstrap adds 3.5 %.
CALIBRATED = (0.88, 1.12)
SHARE = ek.Measure(lambda d: (np.abs(d.estimate) < 0.5).mean(), "near", smooth=True, is_rate=True)


def result(functions: Any = None, **options: Any) -> ek.StudyResult:
    both = {"mean": np.mean, "median": np.median} if functions is None else functions
    draw = ek.vectorized(lambda rng, replicates: rng.normal(size=(replicates, 9)))
    return ek.Study(draw, both, truth=0.0, **options).run(300, rng=SEED)


def draws(estimate: Any) -> Draws:
    return Draws(estimate, *[np.full(len(estimate), np.nan)] * 9)


@pytest.mark.parametrize("name", ["bias", "rmse", "empirical_se", "mae"])
def test_the_jackknife_of_a_number_agrees_with_known_influence_values(name: str) -> None:
    study = result()
    bare = ek.Measure(
        lambda d: MEASURES[name].function(d).value, "own", ("estimate", "truth"), smooth=True
    )
    own, known = study.summary(bare), study.summary(name)
    assert own["value"].tolist() == known["value"].tolist()
    # they differ by terms of order 1 / R
    assert own["mcse"].tolist() == pytest.approx(known["mcse"].tolist(), rel=3 / 300)
    assert (own["measure"][0], own["used"].tolist()) == ("own", [300, 300])
    told = study.contrast("mean", "median", bare).iloc[0]
    expected = study.contrast("mean", "median", name).iloc[0]
    assert told["mcse"] == pytest.approx(expected["mcse"], rel=3 / 300)


@pytest.mark.parametrize("size", [2000, 2037])
def test_many_replicates_are_left_out_in_parts_of_equal_or_unequal_size(size: int) -> None:
    d = draws(np.random.default_rng(1).gamma(3.0, size=size))
    found = evaluated(Measure(lambda d: d.estimate.mean() ** 2, "square", smooth=True), d)
    exact = 2 * d.estimate.mean() * d.estimate.std(ddof=1) / math.sqrt(size)
    assert len(found.psi) == 200 and not found.by_replicate
    assert standard_error(found.psi) == pytest.approx(exact, rel=0.15)  # 200 parts tell it to 5 %


@pytest.mark.parametrize("rank", [30, 150])
def test_a_plain_function_has_the_error_of_the_bootstrap(rank: int) -> None:
    rng = np.random.default_rng(5)
    measure = Measure(lambda d: np.partition(d.estimate, rank)[rank], "order statistic")
    found = [evaluated(measure, draws(rng.gamma(3.0, size=300))) for _ in range(200)]
    errors = np.array([standard_error(each.psi) for each in found])
    told, true = math.sqrt((errors**2).mean()), np.std([each.value for each in found], ddof=1)
    assert CALIBRATED[0] < told / true < CALIBRATED[1]


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_very_many_replicates_are_looked_at_in_parts(share: float) -> None:
    d = draws(np.random.default_rng(1).normal(size=200_000))
    found = evaluated(Measure(lambda d: np.quantile(d.estimate, share), "quantile"), d)
    density = stats.norm.pdf(stats.norm.ppf(share))
    exact = math.sqrt(share * (1 - share) / 200_000) / density
    assert found.value == np.quantile(d.estimate, share)
    assert standard_error(found.psi) == pytest.approx(exact, rel=0.15)  # 200 parts tell it to 5 %


def test_bootstrapped_contrasts_are_paired() -> None:
    nearly = {"a": lambda x: x.mean(), "b": lambda x: 1.01 * x.mean() + 0.3}
    study = result(nearly)

    def upper(d: Draws) -> Any:
        return np.quantile(d.estimate, 0.9)

    row = study.contrast("b", "a", upper).iloc[0]
    unpaired = math.sqrt((study.summary(upper)["mcse"] ** 2).sum())
    assert 0 < row["mcse"] < unpaired / 50
    assert row["measure"] == "upper"


def test_replicates_that_depend_on_each_other_stay_together() -> None:
    def draw(rng: Any, center: float) -> Any:
        return center + 0.1 * rng.normal(size=2)

    nested = ek.Study(
        draw, np.mean, truth=0.0, prepare=lambda rng: {"center": rng.normal()}, prepare_every=20
    ).run(800, rng=SEED)
    true = nested.summary("bias")["mcse"][0]
    assert true == pytest.approx(1 / math.sqrt(40), rel=0.3)  # of 40 centers, not 800 replicates
    for smooth in (True, False):
        own = nested.summary(ek.Measure(lambda d: d.estimate.mean(), "own", smooth=smooth))
        assert own["mcse"][0] == pytest.approx(true, rel=0.1)


def test_measures_are_named_by_their_title_their_function_or_a_mapping() -> None:
    def spread(d: Draws) -> float:
        return float(np.ptp(d.estimate))

    study = result({"mean": np.mean})
    asked = study.summary([spread, SHARE, "bias", lambda d: d.estimate.max()])
    assert asked["measure"].tolist() == ["spread", "near", "bias", "measure 4"]
    mapped = study.summary({"largest": lambda d: d.estimate.max(), "MSE": "mse"})
    assert mapped["measure"].tolist() == ["largest", "MSE"]
    assert mapped["value"][1] == study.summary("mse")["value"][0]


def test_a_rate_of_the_user_has_the_interval_of_a_rate() -> None:
    all_near = result({"zero": lambda x: 0.0 * x.mean()})
    row = all_near.summary(SHARE).iloc[0]
    assert (row["value"], row["upper"]) == (1.0, 1.0) and 0.98 < row["lower"] < 1.0


def test_the_same_seed_gives_the_same_bootstrap() -> None:
    again = [result().summary(lambda d: np.median(d.estimate))["mcse"].tolist() for _ in range(2)]
    assert again[0] == again[1]


def _pair(d: Draws) -> Any:
    return d.estimate[:2]


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no function": (lambda: ek.Measure("bias"), "a measure must be a function of the draws"),
    "needs of nothing": (lambda: ek.Measure(np.mean, needs=("error",)), "needs must be a tuple"),
    "two numbers": (lambda: result().summary(_pair), "'_pair' must return one number"),
    "twice a name": (lambda: result().summary([SHARE, SHARE]), "Two measures are named 'near'"),
    "a stranger": (lambda: result().summary([np.pi]), "3.14.* is not a measure"),
    "a contrast of two": (
        lambda: result().contrast("mean", "median", {"a": SHARE, "b": SHARE}), "one measure",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_measure_is_refused_in_words(kind: str) -> None:
    call, message = WRONG[kind]
    with pytest.raises(ek.DataError, match=message):
        functools.partial(call)()


def _fails(draws: Draws, *_: Any) -> float:
    raise ZeroDivisionError("no such share")


@pytest.mark.parametrize(
    ("measure", "named"),
    [
        (_fails, "_fails"),
        ({"mine": _fails}, "mine"),
        (ek.Measure(_fails), "measure 1"),
        (ek.Measure(_fails, "smooth one", smooth=True), "smooth one"),
        (ek.Measure(lambda d: ek.Influence(1.0, d.estimate), "wide", interval=_fails), "wide"),
    ],
)
def test_a_measure_that_raises_is_named_with_what_it_was_computed_of(
    measure: Any, named: str
) -> None:
    study = ek.Study(
        lambda rng, n: rng.normal(size=n),
        {"first": lambda x: {"center": x[0]}},
        truth=0.0,
        conditions=ek.grid(n=[4]),
    ).run(20, rng=SEED)
    where = "'center' of estimator 'first' in condition n=4: no such share"
    with pytest.raises(
        ek.StudyError, match=f"'{named}' raised ZeroDivisionError .*{where}"
    ) as told:
        study.summary(measure)
    assert isinstance(told.value.__cause__, ZeroDivisionError)


def test_a_measure_that_raises_in_a_contrast_says_of_which_estimator() -> None:
    def picky(draws: Draws) -> float:
        if draws.estimate[0] == first:
            raise ValueError("not this one")
        return float(draws.estimate[0])

    found = result()
    first = found.outcomes().query("estimator == 'median'")["estimate"].iloc[0]
    with pytest.raises(ek.StudyError, match=r"'picky' raised ValueError .* estimator 'median'"):
        found.contrast("mean", "median", picky)
