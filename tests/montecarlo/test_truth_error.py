"""A truth that is known with an error of its own: counted, and counted once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estkit as ek

SEED = 5
ERROR = 0.3
EXACT = 1e-9


def study(truth: Any, *, common: bool = False, generate: Any = None) -> ek.Study:
    return ek.Study(
        generate or (lambda rng, n: rng.normal(2.0, 1.0, size=n)),
        {"mean": np.mean, "median": np.median},
        truth=truth,
        conditions=ek.grid(n=[10, 40]),
        common_random_numbers=common,
    )


@pytest.mark.parametrize("common", [True, False])
def test_one_truth_of_two_conditions_does_not_move_them_apart(common: bool) -> None:
    known = study(ek.Estimate(2.0, std_error=ERROR), common=common).run(200, rng=SEED)
    exact = study(2.0, common=common).run(200, rng=SEED)
    for a, b in (("mean", "mean"), ("median", "mean")):
        frames = [r.contrast(a, b, "bias", conditions=(0, 1)) for r in (known, exact)]
        assert frames[0]["mcse"][0] == pytest.approx(frames[1]["mcse"][0], rel=EXACT)


def test_what_one_truth_does_to_the_mse_of_two_conditions_is_subtracted() -> None:
    known = study(ek.Estimate(2.0, std_error=ERROR)).run(200, rng=SEED)
    exact = study(2.0).run(200, rng=SEED)
    moved = exact.summary("bias").query("estimator == 'mean'")["value"].to_numpy() * 2 * ERROR
    own = exact.contrast("mean", "mean", "mse", conditions=(0, 1))["mcse"][0]
    told = known.contrast("mean", "mean", "mse", conditions=(0, 1))["mcse"][0]
    assert told == pytest.approx(math.hypot(own, moved[0] - moved[1]), rel=EXACT)


def test_truths_of_two_conditions_err_apart() -> None:
    def truth(n: int) -> ek.Estimate:
        return ek.Estimate(2.0 + 1e-9 * n, std_error=ERROR)

    known = study(truth).run(200, rng=SEED)
    own = study(2.0).run(200, rng=SEED).contrast("mean", "mean", "bias", conditions=(0, 1))
    told = known.contrast("mean", "mean", "bias", conditions=(0, 1))
    assert told["mcse"][0] == pytest.approx(math.hypot(own["mcse"][0], math.sqrt(2) * ERROR))


def test_the_error_of_a_truth_that_comes_with_every_data_set_widens(tmp_path: Path) -> None:
    def generate(rng: np.random.Generator, n: int) -> ek.Sample:
        return ek.Sample(rng.normal(2.0, 1.0, size=n), ek.Estimate(2.0, std_error=ERROR))

    drawn = study(None, generate=generate)
    given = study(ek.Estimate(2.0, std_error=ERROR)).run(100, rng=SEED).summary(["bias", "rmse"])
    kept = drawn.run(100, rng=SEED, store=tmp_path / "store")
    for result in (drawn.run(100, rng=SEED), kept, ek.open_study(tmp_path / "store")):
        found = result.summary(["bias", "rmse"])
        assert found["mcse"].to_numpy() == pytest.approx(given["mcse"].to_numpy(), rel=EXACT)


def test_the_errors_of_truths_that_differ_are_in_the_spread() -> None:
    def generate(rng: np.random.Generator, n: int) -> ek.Sample:
        center = 2.0 + rng.normal(0.0, ERROR)
        return ek.Sample(rng.normal(2.0, 1.0, size=n), ek.Estimate(center, std_error=ERROR))

    result = study(None, generate=generate).run(400, rng=SEED)
    row = result.summary("bias").iloc[0]
    frame = result.outcomes().query("estimator == 'mean' and n == 10")
    error = frame["estimate"] - frame["truth"]
    assert row["mcse"] == pytest.approx(error.std() / 20, rel=EXACT)
    assert row["mcse"] == pytest.approx(math.hypot(10**-0.5, ERROR) / 20, rel=0.1)


def test_named_and_vector_truths_keep_their_errors_in_a_store(tmp_path: Path) -> None:
    truth = {"mean": ek.Estimate([1.0, 2.0], std_error=[0.1, 0.2]), "one": 3.0}

    def generate(rng: np.random.Generator) -> ek.Sample:
        return ek.Sample(rng.normal(size=4), truth)

    study = ek.Study(generate, {"mean": lambda x: x[:2], "one": np.max}, truth=None)
    ran = study.run(20, rng=SEED, store=tmp_path / "store")
    memory = study.run(20, rng=SEED)
    opened = ek.open_study(tmp_path / "store")
    assert ran.fingerprint() == memory.fingerprint() == opened.fingerprint()
    errors = [cell.truth_error for cell in opened.cells()]
    assert errors == [0.1, 0.2, 0.0]


def test_a_block_may_come_with_an_estimate_for_each_of_its_truths() -> None:
    def generate(rng: np.random.Generator, replicates: int, n: int) -> ek.Sample:
        data = rng.normal(2.0, 1.0, size=(replicates, n))
        errors = np.full(replicates, ERROR)
        return ek.Sample(data, ek.Estimate(np.full(replicates, 2.0), std_error=errors))

    result = study(None, generate=ek.vectorized(generate)).run(100, rng=SEED)
    row = result.summary("bias").iloc[0]
    error = result.outcomes().query("estimator == 'mean' and n == 10")["estimate"] - 2.0
    assert row["value"] == pytest.approx(error.mean(), rel=EXACT)
    assert row["mcse"] == pytest.approx(math.hypot(error.std() / 10, ERROR), rel=EXACT)
