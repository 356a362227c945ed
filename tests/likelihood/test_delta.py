"""Functions of parameters: errors against closed forms, mpmath and simulation; what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import estkit as ek

EXACT = 1e-11  # the complex step, up to the rounding of sums
DIFFERENCES = 1e-7  # of sixth order with steps of a twentieth of a standard error
FAR = 1e-6  # a column at 1e8 itself keeps 8 digits behind the point

RNG = np.random.default_rng(5)
DOSE = RNG.normal(size=200)
OTHER = RNG.normal(size=200)
HIT = RNG.random(200) < 1 / (1 + np.exp(0.4 - DOSE))
WORD = np.array(["a", "b", "c"])[RNG.integers(0, 3, size=200)]
BINOMIAL = ek.fit(ek.Binomial(), {"dose": DOSE}, HIT, groups=np.arange(200) // 4)
FITS = {
    "binomial": BINOMIAL,
    "probit": ek.fit(ek.Binomial(link="probit"), {"dose": DOSE}, HIT),
    "softmax": ek.fit(ek.Softmax(reference="b"), {"dose": DOSE, "other": OTHER}, WORD),
    "symmetric": ek.fit(ek.Softmax(symmetric=True), {"dose": DOSE}, WORD),
    "ordinal": ek.fit(ek.Ordinal(order=["a", "b", "c"]), {"dose": DOSE, "other": OTHER}, WORD),
    "gaussian": ek.fit(ek.Gaussian(), {"dose": DOSE}, 1e6 + 1e3 * OTHER),
    "matched": ek.fit(ek.ConditionalLogit(), {"dose": DOSE}, HIT, groups=np.arange(200) // 5),
    "gamma": ek.fit(ek.Distribution("gamma"), RNG.gamma(2.0, 3.0, size=80)),
    "custom": ek.fit(
        ek.Likelihood(
            lambda params, x: -0.5 * ((x - params.mu) / params.sd) ** 2 - np.log(params.sd),
            {"mu": 0.0, "sd": 1.0},
            bounds={"sd": (0, None)},
        ),
        OTHER,
    ),
}


def stored(fit: Any) -> Any:
    return ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))


def ratio(params: Any) -> Any:
    return -params.intercept / params.dose


@pytest.mark.parametrize("kind", [None, "expected", "HC0", "HC1", "cluster"])
def test_a_ratio_has_the_error_of_its_closed_form(kind: str | None) -> None:
    a, b = BINOMIAL.params
    slope = np.array([-1 / b, a / b**2])
    expected = np.sqrt(slope @ BINOMIAL.covariance(kind) @ slope)
    found = BINOMIAL.delta(ratio, kind=kind, level=0.9)
    assert found.value == -a / b
    assert found.std_error == pytest.approx(expected, rel=EXACT)
    assert found.upper - found.value == pytest.approx(1.6448536269514722 * expected, rel=EXACT)


@pytest.mark.parametrize("name", FITS)
def test_parameters_themselves_keep_their_errors(name: str) -> None:
    for fit in (FITS[name], stored(FITS[name])):
        found = fit.delta(dict)
        assert found.names == fit.names
        np.testing.assert_array_equal(found.value, fit.params)
        np.testing.assert_allclose(found.std_error, fit.std_errors, rtol=EXACT)


def test_the_logarithm_of_a_parameter_has_its_relative_error() -> None:
    fit = FITS["gamma"]
    found = fit.delta(lambda params: [np.log(params.a), np.log(params["scale"])], names=["a", "s"])
    np.testing.assert_allclose(found.std_error, fit.std_errors / fit.params, rtol=EXACT)
    assert found.names == ("a", "s")


def test_the_mean_of_a_law_is_known_as_well_as_the_law_says() -> None:
    fit = FITS["gamma"]
    found = fit.delta(lambda params: params.a * params.scale)
    assert found.std_error == pytest.approx(fit.mean().std_error, rel=DIFFERENCES)


def test_a_function_of_real_numbers_only_is_differentiated_by_differences() -> None:
    def only_real(params: Any) -> float:
        return float(-params.intercept / params.dose)

    def wrong_in_the_complex_plane(params: Any) -> Any:
        return np.abs(params.intercept) / params.dose

    expected = BINOMIAL.delta(ratio).std_error
    for function in (only_real, wrong_in_the_complex_plane):
        assert BINOMIAL.delta(function).std_error == pytest.approx(expected, rel=DIFFERENCES)


@pytest.mark.parametrize(
    ("shift", "scale"), [(0.0, 1e-8), (0.0, 1.0), (0.0, 1e8), (1e8, 1.0), (1e8, 1e8)]
)
def test_origin_and_scale_of_a_column_move_a_median_dose_and_not_its_error(
    shift: float, scale: float
) -> None:
    near = BINOMIAL.delta(ratio)
    moved = shift + scale * DOSE
    fit = ek.fit(ek.Binomial(), {"dose": moved}, HIT)
    tolerance = FAR if shift > scale else EXACT * 100
    for known in (fit, stored(fit)):
        found = known.delta(ratio)
        assert (found.value - shift) / scale == pytest.approx(near.value, rel=tolerance * 10)
        assert found.std_error / scale == pytest.approx(near.std_error, rel=tolerance)


def test_a_function_of_a_users_likelihood_is_given_what_its_own_function_is() -> None:
    def loglik(params: Any, x: Any) -> Any:
        center = params.mean[0] + params.mean[1] * DOSE
        return -0.5 * ((x - center) / (params.sd * params.unit)) ** 2 - np.log(params.sd)

    model = ek.Likelihood(
        loglik,
        {"mean": [0.0, 0.0], "sd": 1.0, "unit": 2.0},
        bounds={"sd": (0, None)},
        fixed={"unit": 2.0},
    )
    fit = ek.fit(model, OTHER)
    for known in (fit, stored(fit)):
        found = known.delta(lambda p: {"sum": p.mean.sum(), "sigma": p.sd * p.unit})
        assert found.names == ("sum", "sigma")
        ones = np.array([1.0, 1.0, 0.0])
        variance = ones @ fit.covariance() @ ones
        expected = [np.sqrt(variance), 2 * fit.std_errors[2]]
        np.testing.assert_allclose(found.std_error, expected, rtol=EXACT)


def test_intervals_of_a_ratio_cover_it_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    covered, replicates = 0, 400
    for _ in range(replicates):
        x = rng.normal(size=400)
        y = rng.random(400) < 1 / (1 + np.exp(0.5 - x))
        found = ek.fit(ek.Binomial(), {"dose": x}, y).delta(ratio, level=0.9)
        covered += found.lower <= 0.5 <= found.upper
    # four Monte-Carlo standard errors of a share of 0.9
    assert abs(covered / replicates - 0.9) < 4 * np.sqrt(0.09 / replicates)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda params: "a", "return a real number"),
        (lambda params: np.full((2, 2), params.dose), "return a real number"),
        (lambda params: np.log(-params.dose), "no error"),
        (lambda params: np.abs(params.dose - BINOMIAL.params[1]), "smooth"),
        (lambda params: max(params.dose, BINOMIAL.params[1]), "smooth"),
    ],
    ids=["text", "matrix", "nan", "kink", "corner"],
)
def test_what_has_no_derivative_or_no_value_is_refused(function: Any, said: str) -> None:
    with pytest.raises(ek.EstkitError, match=said):
        BINOMIAL.delta(function)


def test_parameters_cannot_be_misspelt_or_changed() -> None:
    with pytest.raises(AttributeError, match="intercept, dose"):
        BINOMIAL.delta(lambda params: params.does)

    def change(params: Any) -> Any:
        params.dose = 1.0

    with pytest.raises(AttributeError, match="read-only"):
        BINOMIAL.delta(change)


@pytest.mark.parametrize("position", [1, -1, np.int64(1)])
def test_parameters_have_positions(position: Any) -> None:
    by_name = BINOMIAL.delta(lambda params: params["dose"] ** 2)
    by_position = BINOMIAL.delta(lambda params: params[position] ** 2)
    assert (by_position.value, by_position.std_error) == (by_name.value, by_name.std_error)


@pytest.mark.parametrize(
    ("function", "asked"),
    [
        (lambda params: params["age"], "'age'"),
        (lambda params: params.age, "'age'"),
        (lambda params: params[2], "2"),
        (lambda params: params[:1], "slice"),
    ],
    ids=["key", "attribute", "position", "slice"],
)
def test_a_parameter_that_there_is_not_is_named_with_those_that_there_are(
    function: Any, asked: str
) -> None:
    with pytest.raises(ek.DataError) as found:
        BINOMIAL.delta(function)
    assert str(found.value).startswith(asked)
    assert "they are intercept, dose" in str(found.value)


def test_a_function_may_ask_whether_there_is_a_parameter() -> None:
    def asking(params: Any) -> Any:
        assert "age" not in params and not hasattr(params, "age")
        return params.get("age", 0.0) + params.dose

    assert BINOMIAL.delta(asking).value == BINOMIAL.params[1]


def test_a_fit_without_an_answer_has_no_functions() -> None:
    failed = ek.fit(ek.Binomial(), [1, 2, 3, 4], [0, 0, 1, 1], errors="return")
    with pytest.raises(ek.EstkitError, match="no answer"):
        failed.delta(lambda params: params.x0)


def test_a_parameter_at_the_end_of_its_range_leaves_the_error_unknown() -> None:
    fit = ek.fit(ek.Distribution("binom", fixed={"n": 10}), [10, 10])
    assert np.isnan(fit.delta(lambda params: 2 * params.p).std_error)


def test_parameters_inside_keep_their_errors_beside_one_at_its_end() -> None:
    fit = ek.fit(ek.Distribution("expon", fixed={"loc": None}), [1.0, 2.0, 4.0, 5.0])
    alone = fit.delta(lambda params: params.scale**2)
    assert alone.std_error == pytest.approx(2.0 * fit.params[1] * fit.std_errors[1], rel=EXACT)
    both = fit.delta(lambda params: {"mean": params.loc + params.scale, "rate": 1 / params.scale})
    assert np.isnan(both.std_error[0])
    rate_error = fit.std_errors[1] / fit.params[1] ** 2
    assert both.std_error[1] == pytest.approx(rate_error, rel=EXACT)


def test_a_function_that_fails_without_a_number_is_taken_to_need_it() -> None:
    fit = ek.fit(ek.Distribution("expon", fixed={"loc": None}), [1.0, 2.0, 4.0, 5.0])
    assert np.isnan(fit.delta(lambda params: params.scale * int(params.loc)).std_error)
