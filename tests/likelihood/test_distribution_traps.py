"""What goes silently wrong in other fits of distributions: here it is right, or it is refused.

Each claim is a row of the table of traps: bad starts, integer sizes, unbounded likelihoods, equal
values, values outside the support, boundaries.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

import estkit as ek

LOGLIK = 1e-10
RNG = np.random.default_rng(30)
SKEWED = RNG.gamma(3.0, 2.0, 200)


def refusal(kind: type[Exception], law: Any, x: Any, fixed: Any = None, **options: Any) -> str:
    with pytest.raises(kind) as raised:
        ek.fit(ek.Distribution(law, fixed), x, **options)
    return str(raised.value)


# --- no maximum ---


@pytest.mark.parametrize(
    "x", [[2, 3, 2, 4, 3, 2], [3, 3, 3], [0, 2, 0, 2], RNG.binomial(9, 0.5, 300)]
)
def test_under_dispersed_counts_have_no_negative_binomial(x: Any) -> None:
    message = refusal(ek.FitError, "nbinom", x)
    poisson = ek.fit(ek.Distribution("poisson"), x)
    assert f"log-likelihood of {poisson.loglik:.10g}" in message  # the supremum
    assert "n goes to infinity" in message
    assert "poisson" in message
    returned = ek.fit(ek.Distribution("nbinom"), x, errors="return")
    assert not returned.converged
    assert returned.status == "failed"
    assert np.isnan(returned.params).all()
    assert returned.reason == message
    near = ek.fit(ek.Distribution("nbinom", {"n": 1e7}), x)  # where it was said to go
    assert near.loglik == pytest.approx(poisson.loglik, rel=1e-5)
    assert near.loglik <= poisson.loglik


def test_only_zeros_have_no_negative_binomial() -> None:
    assert "All counts are 0" in refusal(ek.FitError, "nbinom", [0, 0, 0])


@pytest.mark.parametrize(
    ("law", "value", "parameter"),
    [
        ("norm", 3.0, "scale goes to 0"),
        ("laplace", 3.0, "scale goes to 0"),
        ("lognorm", 3.0, "s goes to 0"),
        ("gamma", 3.1, "a goes to infinity"),
        ("weibull", 3.1, "c goes to infinity"),
        ("beta", 0.3, "a and b go to infinity"),
        ("expon", 0.0, "scale goes to 0"),
        ("uniform", 3.0, "scale goes to 0"),
    ],
)
def test_equal_values_have_no_maximum(law: str, value: float, parameter: str) -> None:
    for x in ([value], [value] * 7, np.full(100, value) * (1 + 1e-16)):
        message = refusal(ek.FitError, law, x)
        assert f"All values are {value:g}" in message
        assert parameter in message
        assert "supremum is infinite" in message


def test_equal_values_determine_what_is_left_when_a_shape_is_fixed() -> None:
    x = np.full(9, 3.1)
    assert ek.fit(ek.Distribution("gamma", {"a": 2.0}), x).params == pytest.approx(1.55)
    assert ek.fit(ek.Distribution("weibull", {"c": 2.0}), x).params == pytest.approx(3.1)
    assert ek.fit(ek.Distribution("norm", {"scale": 2.0}), x).params == pytest.approx(3.1)
    assert ek.fit(ek.Distribution("norm", {"loc": 2.0}), x).params == pytest.approx(1.1)


def test_values_known_to_a_rounding_have_a_maximum_if_they_differ() -> None:
    low = np.array([2.95] * 9 + [3.05] * 2 + [2.85])
    assert ek.fit(ek.Distribution("norm"), ek.Censored(low, low + 0.1)).converged
    for few in (low[:9], low[:10]):  # one class, or two that any small scale can explain
        message = refusal(ek.FitError, "norm", ek.Censored(few, few + 0.1))
        assert "no maximum" in message
        assert "scale" in message


@pytest.mark.parametrize("law", ["gamma", "weibull_min", "lognorm"])
def test_a_free_location_is_a_local_maximum_inside(law: str) -> None:
    fit = ek.fit(ek.Distribution(law, {"loc": None}), SKEWED + 5.0)
    assert fit.names[1] == "loc"
    assert fit.params[1] < (SKEWED + 5.0).min()
    assert fit.loglik > ek.fit(ek.Distribution(law), SKEWED + 5.0).loglik
    assert fit.loglik == pytest.approx(fit.frozen().logpdf(SKEWED + 5.0).sum(), rel=LOGLIK)
    for step in np.vstack([np.eye(3), -np.eye(3)]) * fit.std_errors * 0.05:
        assert fit._at(fit.params + step).logpdf(SKEWED + 5.0).sum() < fit.loglik


@pytest.mark.parametrize("law", ["gamma", "weibull_min"])
def test_a_free_location_without_one_is_refused(law: str) -> None:
    """Where scipy stops at whatever its simplex came to."""
    steep = np.random.default_rng(3).weibull(0.5, 50)
    message = refusal(ek.FitError, law, steep, {"loc": None})
    assert "grows without bound" in message
    assert "smallest value" in message
    message = refusal(ek.FitError, law, -SKEWED, {"loc": None})
    assert "loc goes to -infinity" in message


def test_a_shape_on_its_way_to_infinity_is_named() -> None:
    message = refusal(ek.FitError, "t", np.linspace(-1.0, 1.0, 60))
    assert "df goes to infinity" in message
    normal = ek.fit(ek.Distribution("norm"), np.linspace(-1.0, 1.0, 60))
    assert f"fall, {normal.loglik:.6g}" in message


# --- values that cannot be ---


@pytest.mark.parametrize("law", ["gamma", "weibull", "lognorm"])
def test_a_zero_is_refused_with_its_row(law: str) -> None:
    message = refusal(ek.DataError, law, [1.0, 2.0, 0.0, 3.0])
    assert "row 2 (counted from 0) is 0" in message
    assert "ek.Censored" in message
    weighted = refusal(ek.DataError, law, [9.0, 1.0, 2.0, 0.0], weights=[0, 1, 1, 1])
    assert "row 3" in weighted
    ek.fit(ek.Distribution(law), [1.0, 2.0, 0.0, 3.0], weights=[1, 1, 0, 1])


@pytest.mark.parametrize(
    ("law", "fixed", "x", "words"),
    [
        ("gamma", None, [1.0, -2.0], ["row 1", "-2", "0 to inf"]),
        ("expon", {"loc": 1.5}, [2.0, 1.0], ["row 1", "1.5 to inf"]),
        ("beta", None, [0.5, 1.0], ["row 1", "is 1"]),
        ("beta", None, [0.5, 1.5], ["row 1", "1.5", "0 to 1"]),
        ("poisson", None, [1, -1], ["row 1", "-1"]),
        ("poisson", None, [1, 2.5], ["row 1", "2.5", "whole"]),
        ("binom", {"n": 5}, [1, 6], ["row 1", "is 6", "0 to 5"]),
        ("geom", None, [1, 0], ["row 1", "is 0", "trials", '{"loc": -1}']),
        ("pareto", None, [1.0, 0.0], ["row 1", "is 0"]),
        ("uniform", {"loc": 1.0}, [2.0, 0.5], ["row 1", "0.5"]),
        ("norm", None, [1.0, math.nan], ["row 1", "missing"]),
        ("norm", None, [1.0, math.inf], ["row 1", "infinite"]),
        ("norm", None, [[1.0, 2.0]], ["one column"]),
        ("norm", None, [], ["no rows"]),
        ("norm", None, ["a", "b"], ["not a number"]),
    ],
)
def test_impossible_values_are_refused(law: str, fixed: Any, x: Any, words: list[str]) -> None:
    message = refusal(ek.DataError, law, x, fixed)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("law", "fixed", "words"),
    [
        ("gama", None, ["'gama'", "gamma"]),
        (stats.gamma(2.0), None, ["law must be the name"]),
        ("gamma", {"shape": 2.0}, ["'shape'", "a, loc, scale"]),
        ("gamma", {"a": -1.0}, ["a of gamma", "between 0 and inf", "-1"]),
        ("gamma", {"a": "two"}, ["a of gamma", "'two'"]),
        ("gamma", {"a": 1.0, "scale": 2.0}, ["All parameters"]),
        ("binom", None, ["n of binom", "whole number", "fixed={'n': 10}"]),
        ("binom", {"n": 2.5}, ["n of binom", "whole number", "2.5"]),
        ("poisson", {"loc": None}, ["loc of poisson", "whole"]),
    ],
)
def test_impossible_laws_are_refused(law: Any, fixed: Any, words: list[str]) -> None:
    with pytest.raises(ek.DataError) as raised:
        ek.Distribution(law, fixed)
    assert all(word in str(raised.value) for word in words), raised.value


def test_what_belongs_to_a_regression_is_refused() -> None:
    for options in ({"y": [1.0, 2.0]}, {"offset": [1.0, 2.0]}):
        with pytest.raises(ek.DataError, match="belongs to a regression"):
            ek.fit(ek.Distribution("norm"), [1.0, 2.0], **options)


# --- boundaries ---


@pytest.mark.parametrize(
    ("law", "fixed", "x", "edge", "limit"),
    [
        ("binom", {"n": 10}, [10, 10, 10], 1.0, math.exp(-1.9207294103 / 30)),
        ("binom", {"n": 10}, [0, 0, 0], 0.0, -math.expm1(-1.9207294103 / 30)),
        ("geom", None, [1, 1, 1, 1], 1.0, math.exp(-1.9207294103 / 4)),
        ("poisson", None, [0, 0, 0], 0.0, 1.9207294103 / 3),
    ],
)
def test_a_maximum_at_the_boundary(law: str, fixed: Any, x: Any, edge: float, limit: float) -> None:
    fit = ek.fit(ek.Distribution(law, fixed), x)
    assert fit.converged
    assert fit.params.tolist() == [edge]
    assert fit.loglik == 0.0
    assert f"boundary {fit.names[0]} = {edge:g}" in fit.reason
    assert np.isnan(fit.std_errors).all()  # not 0
    assert np.isnan(fit.interval()).all()
    low, high = sorted((edge, limit))
    np.testing.assert_allclose(fit.interval(method="profile"), [[low, high]], rtol=1e-9)
    test = fit.likelihood_ratio([fit.names[0]], value=limit)
    assert test.statistic == pytest.approx(2 * 1.9207294103, rel=1e-8)


def test_a_uniform_law_ends_at_the_sample() -> None:
    x = RNG.uniform(2.0, 5.0, 50)
    fit = ek.fit(ek.Distribution("uniform"), x, weights=np.full(50, 2))
    np.testing.assert_allclose(fit.params, [x.min(), np.ptp(x)], rtol=1e-15)
    assert fit.loglik == pytest.approx(-100 * math.log(np.ptp(x)), rel=1e-14)
    assert fit.aic == pytest.approx(4 - 2 * fit.loglik)
    assert np.isnan(fit.std_errors).all()
    with pytest.raises(ek.EstkitError, match="no curvature"):
        fit.interval(method="profile")
    assert fit.bootstrap(20, rng=1).summary("bias").value.notna().all()
    message = refusal(ek.FitError, "uniform", x, {"scale": 9.0})
    assert "same for any loc" in message


@pytest.mark.parametrize(
    ("law", "fixed", "at_end"),
    [
        ("expon", {"loc": None}, "loc"),
        ("halfnorm", {"loc": None}, "loc"),
        ("pareto", None, "scale"),
    ],
)
def test_a_law_that_begins_at_the_smallest_value(law: str, fixed: Any, at_end: str) -> None:
    fit = ek.fit(ek.Distribution(law, fixed), SKEWED + 1.0)
    values = dict(zip(fit.names, fit.params, strict=True))
    errors = dict(zip(fit.names, fit.std_errors, strict=True))
    assert values[at_end] == (SKEWED + 1.0).min()
    assert np.isnan(errors.pop(at_end))
    (error,) = errors.values()
    if law == "expon":
        assert error == pytest.approx(values["scale"] / math.sqrt(200), rel=1e-12)
    if law == "pareto":
        b = 200 / np.log((SKEWED + 1.0) / values["scale"]).sum()
        assert (values["b"], error) == pytest.approx((b, b / math.sqrt(200)), rel=1e-8)
    assert fit.loglik == pytest.approx(fit.frozen().logpdf(SKEWED + 1.0).sum(), rel=LOGLIK)


def test_laplace_is_the_median() -> None:
    for n in (50, 51):
        fit = ek.fit(ek.Distribution("laplace"), SKEWED[:n])
        median = np.median(SKEWED[:n])
        scale = np.abs(SKEWED[:n] - median).mean()
        np.testing.assert_allclose(fit.params, [median, scale], rtol=1e-14)
        np.testing.assert_allclose(fit.std_errors, scale / math.sqrt(n), rtol=1e-12)
    times = np.arange(50) % 3
    weighted = ek.fit(ek.Distribution("laplace"), SKEWED[:50], weights=times)
    repeated = ek.fit(ek.Distribution("laplace"), np.repeat(SKEWED[:50], times))
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-14)


# --- starts ---


@pytest.mark.parametrize(
    ("law", "args"),
    [
        ("t", (3.0,)),
        ("gumbel_r", ()),
        ("logistic", ()),
        ("genextreme", (-0.1,)),
        ("genpareto", (0.2,)),
        ("invgauss", (0.5,)),
        ("fisk", (3.0,)),
        ("levy", ()),
        ("skewnorm", (4.0,)),
        ("betaprime", (5.0, 6.0)),
        ("exponnorm", (1.5,)),
    ],
)
@pytest.mark.parametrize("unit", [1.0, 1e8])
def test_numeric_laws_need_no_start(law: str, args: Any, unit: float) -> None:
    dist = getattr(stats, law)
    x = dist.rvs(*args, size=300, random_state=np.random.default_rng(6))
    fit = ek.fit(ek.Distribution(law), x * unit)
    truth = dist(*args).logpdf(x).sum() - 300 * math.log(unit)
    assert 0.0 <= fit.loglik - truth < 8.0
    scaled = [unit if name in ("loc", "scale") else 1.0 for name in fit.names]
    true = dict(zip((dist.shapes or "").replace(" ", "").split(",") if args else [], args,
                    strict=True), loc=0.0, scale=1.0)  # fmt: skip
    far = (fit.params / scaled - [true[name] for name in fit.names]) / (fit.std_errors / scaled)
    assert np.abs(far).max() < 4.0
    assert fit.certificate.newton_decrement < 1e-7


@pytest.mark.parametrize(
    ("law", "fixed", "args"),
    [("betabinom", {"n": 8}, (8, 2.0, 3.0)), ("zipf", None, (3.0,)), ("logser", None, (0.6,)),
     ("skellam", None, (5.0, 3.0))],
)  # fmt: skip
def test_numeric_laws_of_counts(law: str, fixed: Any, args: Any) -> None:
    dist = getattr(stats, law)
    x = dist.rvs(*args, size=150, random_state=np.random.default_rng(7))
    fit = ek.fit(ek.Distribution(law, fixed), x)
    assert 0.0 <= fit.loglik - dist(*args).logpmf(x).sum() < 6.0
    true = np.array(args[len(fixed or ()) :])
    assert (np.abs(fit.params - true) < 4.0 * fit.std_errors).all()


# --- hypotheses that no law of the family fulfils ---


@pytest.mark.parametrize("test", ["likelihood_ratio", "score_test"])
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_value_outside_the_range_of_a_parameter_is_refused(test: str, value: float) -> None:
    fit = ek.fit(ek.Distribution("gamma"), SKEWED)
    with pytest.raises(ek.DataError, match=f"a = {value:g} is not strictly within"):
        getattr(fit, test)(["a"], value=value)


@pytest.mark.parametrize("test", ["likelihood_ratio", "score_test", "wald_test"])
def test_parameters_that_cannot_be_0_are_not_tested_for_it_unasked(test: str) -> None:
    with pytest.raises(ek.DataError, match="terms must name"):
        getattr(ek.fit(ek.Distribution("gamma"), SKEWED), test)()
    with pytest.raises(ek.DataError, match="terms must name"):
        getattr(ek.fit(ek.Distribution("multinomial"), [[1, 2, 3], [3, 2, 1]]), test)()
    near = SKEWED - 0.9 * SKEWED.mean()
    assert "loc = 0" in str(getattr(ek.fit(ek.Distribution("norm"), near), test)())


@pytest.mark.parametrize("unit", [1e200, 1e-200])
def test_squares_that_leave_the_range_of_numbers_do_no_harm(unit: float) -> None:
    fit = ek.fit(ek.Distribution("norm"), SKEWED * unit)
    small = ek.fit(ek.Distribution("norm"), SKEWED)
    np.testing.assert_allclose(fit.params / unit, small.params, rtol=LOGLIK)
    assert fit.loglik == pytest.approx(small.loglik - 200 * math.log(unit), rel=LOGLIK)
