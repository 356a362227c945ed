"""What makes fits of complete samples quick: steps in plain numbers, products, errors on demand."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.likelihood import newton
from estkit.likelihood.distribution.laws.ascent import ascend
from estkit.likelihood.distribution.laws.sums import log_product
from estkit.likelihood.family import Sums

# Rounding of a few products and sums.
EXACT = 1e-12
# Two ways to the same maximum, each within 1e-11 standard errors of it.
SAME = 1e-9

RNG = np.random.default_rng(31)
SAMPLES: dict[str, Any] = {
    "norm": RNG.normal(3.0, 2.0, 500),
    "lognorm": RNG.lognormal(1.0, 0.7, 500),
    "expon": RNG.exponential(3.0, 500),
    "gamma": RNG.gamma(2.0, 3.0, 500),
    "weibull_min": 5.0 * RNG.weibull(0.7, 500),
    "beta": RNG.beta(2.0, 5.0, 500),
    "poisson": RNG.poisson(4.0, 500),
    "nbinom": RNG.negative_binomial(3.5, 0.4, 500),
    "laplace": RNG.laplace(1.0, 2.0, 500),
}


@pytest.mark.parametrize("law", SAMPLES)
def test_plain_numbers_reach_the_maximum_of_newton(law: str) -> None:
    model = ek.fit(ek.Distribution(law), SAMPLES[law])._model
    begin = model.sample.begin()
    quick = ascend(model.sample.total, begin)
    assert quick is not None and quick.converged
    careful = newton.maximise(model.objective, begin)
    error = np.sqrt(np.diag(careful.inverse))
    np.testing.assert_array_less(np.abs(quick.point - careful.point), SAME * error)
    np.testing.assert_allclose(quick.inverse, careful.inverse, rtol=SAME, atol=SAME * error.max())
    assert quick.certificate.condition == pytest.approx(careful.certificate.condition, rel=SAME)
    assert quick.certificate.newton_decrement <= 1e-6


def quadratic(information: list[list[float]]) -> Any:
    curve = np.array(information)

    def total(point: Any) -> Sums:
        far = point - 1.0
        return Sums(-0.5 * float(far @ curve @ far), -curve @ far, curve)

    return total


@pytest.mark.parametrize(
    "information",
    [[[-1.0]], [[math.nan]], [[1.0, 2.0], [2.0, 1.0]], [[1.0, 1.0], [1.0, 1.0 + 1e-9]]],
)
def test_what_is_no_clear_peak_is_left_to_the_careful_method(information: Any) -> None:
    assert ascend(quadratic(information), np.zeros(len(information))) is None


def test_steps_that_lead_away_are_not_followed() -> None:
    def total(point: Any) -> Sums:  # Newton's method for arctan leaves from here
        v = float(point[0])
        slope, curve = -math.atan(v), 1.0 / (1.0 + v * v)
        return Sums(0.0, np.array([slope]), np.array([[curve]]))

    assert ascend(total, np.array([3.0])) is None
    near = ascend(total, np.array([0.5]))
    assert near is not None and abs(near.point[0]) < EXACT


@pytest.mark.parametrize("rows", [1, 7, 8, 1003])
@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_a_product_has_the_logarithms_of_its_factors(rows: int, unit: float) -> None:
    x = unit * np.random.default_rng(rows).gamma(2.0, 1.0, rows)
    found = log_product(x, x.min())
    assert found == pytest.approx(math.fsum(map(math.log, x.tolist())), rel=EXACT, abs=EXACT)


@pytest.mark.parametrize("wrong", [0.0, -1.0, 1e-40, 1e40])
def test_a_product_that_might_leave_its_range_is_not_taken(wrong: float) -> None:
    x = np.array([1.0, wrong, 2.0] * 8)
    assert log_product(x, x.min()) is None


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_gamma_samples_may_have_any_unit(unit: float) -> None:
    fit = ek.fit(ek.Distribution("gamma"), SAMPLES["gamma"])
    moved = ek.fit(ek.Distribution("gamma"), SAMPLES["gamma"] * unit)
    assert moved.params[0] == pytest.approx(fit.params[0], rel=SAME)
    assert moved.params[1] == pytest.approx(fit.params[1] * unit, rel=SAME)
    assert moved.std_errors[1] == pytest.approx(fit.std_errors[1] * unit, rel=SAME)


def test_errors_wait_until_they_are_asked_for() -> None:
    fit = ek.fit(ek.Distribution("gamma"), SAMPLES["gamma"])
    assert "std_errors" not in fit.__dict__
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance())), fit.std_errors, rtol=EXACT)
    assert not fit.std_errors.flags.writeable and not fit.covariance().flags.writeable
    with pytest.raises(AttributeError, match="no attribute 'sd'"):
        fit.sd  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("copy", [lambda fit: pickle.loads(pickle.dumps(fit)), replace])
def test_copies_carry_the_errors(copy: Any) -> None:
    fit, again = (ek.fit(ek.Distribution("gamma"), SAMPLES["gamma"]) for _ in range(2))
    copied = copy(fit)  # before anything was asked of it
    np.testing.assert_array_equal(copied.std_errors, again.std_errors)
    np.testing.assert_array_equal(copied.covariance(), again.covariance())


def test_data_are_checked_all_the_same() -> None:
    law = ek.Distribution("gamma")
    with pytest.raises(ek.DataError, match=r"row 1 .*is missing \(nan\)"):
        ek.fit(law, np.array([1.0, np.nan, 2.0]))
    with pytest.raises(ek.DataError, match=r"row 2 .*is infinite"):
        ek.fit(law, np.array([1.0, 3.0, np.inf]))
    with pytest.raises(ek.DataError, match=r"row 1 .*is 0"):
        ek.fit(law, np.array([1.0, 0.0, 2.0]))
    with pytest.raises(ek.DataError, match="no rows"):
        ek.fit(law, np.array([]))
