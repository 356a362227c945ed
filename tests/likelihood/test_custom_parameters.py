"""The form in which parameters reach a user's function, fixed ones, bounds and transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import estkit as ek
from estkit.likelihood.custom.parameters import Parameters
from estkit.likelihood.custom.transforms import Transforms

Floats = NDArray[np.float64]

CLOSE = 1e-9  # a fit against its closed form
SLOPE = 1e-7  # differences of fourth order

Y = np.random.default_rng(2).normal(3.0, 2.0, size=50)


def normal(params: Any, y: Floats) -> Floats:
    return -np.log(params["sigma"]) - 0.5 * ((y - params["mu"]) / params["sigma"]) ** 2


# --- the form ---


def test_a_mapping_comes_as_a_mapping_with_attributes() -> None:
    seen: list[Any] = []

    def loglik(params: Any, y: Floats) -> Floats:
        seen.append(params)
        assert params["mu"] == params.mu
        assert params.beta.shape == (2, 2)
        assert list(params) == ["mu", "beta"]
        assert isinstance(params, Parameters)
        return -0.5 * (y - params.mu) ** 2 - ((params.beta - 1.0) ** 2).sum() / 50

    fit = ek.fit(ek.Likelihood(loglik, {"mu": 0, "beta": np.zeros((2, 2))}), Y)
    assert fit.names == ("mu", "beta[0,0]", "beta[0,1]", "beta[1,0]", "beta[1,1]")
    np.testing.assert_allclose(fit.params, [Y.mean(), 1, 1, 1, 1], rtol=CLOSE)
    with pytest.raises(KeyError, match="they are mu, beta"):
        seen[0]["nu"]
    with pytest.raises(AttributeError, match="they are mu, beta"):
        _ = seen[0].nu
    with pytest.raises(AttributeError, match="read-only"):
        seen[0].mu = 2.0


def test_an_array_comes_as_an_array() -> None:
    def loglik(params: Floats, y: Floats) -> Floats:
        assert isinstance(params, np.ndarray)
        return -params[1] - 0.5 * (y - params[0]) ** 2 * np.exp(-2 * params[1])

    fit = ek.fit(ek.Likelihood(loglik, [0.0, 0.0]), Y)
    assert fit.names == ("theta0", "theta1")
    named = ek.fit(ek.Likelihood(loglik, np.zeros(2), names=("mu", "log_sigma")), Y)
    assert named.names == ("mu", "log_sigma")
    np.testing.assert_allclose(named.params, [Y.mean(), np.log(Y.std())], rtol=CLOSE)


def test_a_single_number_is_a_start() -> None:
    fit = ek.fit(ek.Likelihood(lambda t, y: -0.5 * (y - t[0]) ** 2, 1.0), Y)
    assert fit.params[0] == pytest.approx(Y.mean(), rel=CLOSE)


@pytest.mark.parametrize("per_row", [True, False])
def test_a_function_may_know_its_data(per_row: bool) -> None:
    def loglik(params: Any) -> Any:
        rows = -0.5 * (Y - params.mu) ** 2
        return rows if per_row else rows.sum()

    fit = ek.fit(ek.Likelihood(loglik, {"mu": 0.0}))
    assert fit.params[0] == pytest.approx(Y.mean(), rel=CLOSE)
    assert fit.n_obs == (50 if per_row else 0)
    assert np.isnan(fit.bic) == (not per_row)
    assert ("number of observations not given" in str(fit)) == (not per_row)


def test_data_come_as_they_were_given() -> None:
    given = {"y": Y.tolist(), "note": "anything"}

    def loglik(params: Any, X: Any, y: Any) -> float:
        assert X is given
        assert y == "more"
        return float(np.sum(-0.5 * (np.array(X["y"]) - params.mu) ** 2).real)

    fit = ek.fit(ek.Likelihood(loglik, {"mu": 0.0}, n_obs=50), given, "more")
    assert fit.params[0] == pytest.approx(Y.mean(), rel=CLOSE)
    assert fit.n_obs == 50


def test_a_total_counts_the_rows_of_the_data() -> None:
    like = ek.Likelihood(lambda p, y: (-0.5 * (y - p.mu) ** 2).sum(), {"mu": 0.0})
    fit = ek.fit(like, Y)
    assert fit.n_obs == 50
    with pytest.raises(ek.EstkitError, match="value for each row"):
        fit.covariance("HC0")
    for option in ("weights", "groups"):
        with pytest.raises(ek.DataError, match=f"{option}= needs a value for each row"):
            ek.fit(like, Y, **{option: np.ones(50)})


def test_one_row_is_told_from_a_total_when_said() -> None:
    def loglik(params: Any, y: Floats) -> Floats:
        return np.array([-0.5 * (y[0] - params.mu) ** 2])

    fit = ek.fit(ek.Likelihood(loglik, {"mu": 0.0}, per_row=False), Y[:1])
    assert fit.params[0] == pytest.approx(Y[0], rel=CLOSE)
    with pytest.raises(ek.DataError, match="expected a single total"):
        ek.fit(ek.Likelihood(normal, {"mu": 0.0, "sigma": 1.0}, per_row=False), Y)
    with pytest.raises(ek.DataError, match="expected a value for each row"):
        ek.fit(ek.Likelihood(lambda p, y: -p.mu * p.mu, {"mu": 1.0}, per_row=True), Y)


# --- fixed parameters ---


@pytest.mark.parametrize("start", [{"mu": 0.0}, {"mu": 0.0, "sigma": 1.0}])
def test_a_fixed_parameter_reaches_the_function(start: dict[str, float]) -> None:
    fit = ek.fit(ek.Likelihood(normal, start, fixed={"sigma": 2.5}), Y)
    assert fit.names == ("mu",)
    assert fit.fixed == {"sigma": 2.5}
    assert fit.std_errors[0] == pytest.approx(2.5 / np.sqrt(50), rel=CLOSE)


def test_parts_of_a_vector_can_be_fixed() -> None:
    def loglik(params: Any, y: Floats) -> Floats:
        return -0.5 * (y - params["b"][0] - params["b"][1]) ** 2

    fit = ek.fit(ek.Likelihood(loglik, {"b": [0.0, 0.0]}, fixed={"b[1]": 1.0}), Y)
    assert fit.names == ("b[0]",)
    assert fit.params[0] == pytest.approx(Y.mean() - 1.0, rel=CLOSE)
    by_place = ek.Likelihood(
        lambda t, y: -0.5 * (y - t[0] - t[1]) ** 2, [0, 0], fixed={"theta0": 1}
    )
    assert ek.fit(by_place, Y).params[0] == pytest.approx(Y.mean() - 1.0, rel=CLOSE)


def test_a_fixed_parameter_makes_a_nested_fit() -> None:
    bounds = {"sigma": (0, None)}
    start = {"mu": 0.0, "sigma": 1.0}
    large = ek.fit(ek.Likelihood(normal, start, bounds=bounds), Y)
    small = ek.fit(ek.Likelihood(normal, start, bounds=bounds, fixed={"mu": 2.0}), Y)
    test = large.likelihood_ratio(small)
    assert test.df == 1
    assert test.statistic == pytest.approx(large.likelihood_ratio(["mu"], value=2.0).statistic)
    assert test.statistic == pytest.approx(
        50 * np.log(((Y - 2.0) ** 2).mean() / Y.var()), rel=CLOSE
    )


# --- bounds and transforms ---

CASES = {
    "identity": (-np.inf, np.inf),
    "log": (0.0, np.inf),
    "log above 2": (2.0, np.inf),
    "upper log": (-np.inf, 5.0),
    "logit": (0.0, 1.0),
    "logit between": (-3.0, 7.0),
}


@pytest.mark.parametrize("name", CASES)
def test_transforms_return_and_know_their_slopes(name: str) -> None:
    lower, upper = (np.array([v]) for v in CASES[name])
    transform = Transforms(lower, upper)
    for u in (-30.0, -2.0, 0.0, 0.7, 12.0):
        point = np.array([u])
        outside = transform.outward(point)
        assert lower[0] <= outside[0] <= upper[0]
        if abs(u) < 5:
            np.testing.assert_allclose(transform.inward(outside), point, atol=1e-12)
        h = 1e-3
        near = transform.outward(point + h) - transform.outward(point - h)
        far = transform.outward(point + 2 * h) - transform.outward(point - 2 * h)
        slope = (8 * near - far) / (12 * h)
        size = np.abs(transform.slope(point)) + np.abs(outside)
        assert np.abs(transform.slope(point) - slope) <= SLOPE * size
        step = np.imag(transform.outward(point + 1e-30j)) / 1e-30
        np.testing.assert_allclose(step, transform.slope(point), rtol=1e-13)
        bent = (transform.slope(point + h) - transform.slope(point - h)) / (2 * h)
        np.testing.assert_allclose(transform.curvature(point), bent, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("bounds", "transforms"),
    [
        ({"p": (0, 1)}, None),
        (None, {"p": "logit"}),
        ({"p": (-0.5, 1.2)}, None),
        ({"p": (0, None)}, {"p": "log"}),
        ({"p": (None, 1)}, None),
        (None, {"p": "atanh"}),
        (None, None),
    ],
)
def test_standard_errors_do_not_depend_on_the_transform(bounds: Any, transforms: Any) -> None:
    def loglik(params: Any, y: Any) -> Floats:
        return np.where(y, np.log(params.p), np.log1p(-params.p))

    like = ek.Likelihood(loglik, {"p": 0.4}, bounds=bounds, transforms=transforms)
    fit = ek.fit(like, np.arange(40) < 13)
    p = 13 / 40
    assert fit.params[0] == pytest.approx(p, rel=CLOSE)
    assert fit.std_errors[0] == pytest.approx(np.sqrt(p * (1 - p) / 40), rel=1e-8)
    lower, upper = fit.interval(method="profile")[0]
    fall = 1.959963984540054**2 / 2
    for limit in (lower, upper):
        value = 13 * np.log(limit / p) + 27 * np.log((1 - limit) / (1 - p))
        assert value == pytest.approx(-fall, rel=1e-8)


def test_bounds_hold_for_every_number_of_a_vector_or_for_one() -> None:
    def loglik(params: Any, y: Floats) -> Floats:
        return -0.5 * (y - params.a[0] * params.a[1]) ** 2 - (params.a[0] - 2.0) ** 2 / 50

    both = ek.Likelihood(loglik, {"a": [1.0, 1.0]}, bounds={"a": (0, None)})
    one = ek.Likelihood(loglik, {"a": [1.0, 1.0]}, bounds={"a[1]": (0, 3)})
    assert ek.fit(both, Y).bounds == ((0.0, np.inf), (0.0, np.inf))
    assert ek.fit(one, Y).bounds == ((-np.inf, np.inf), (0.0, 3.0))
    np.testing.assert_allclose(ek.fit(both, Y).params, [2.0, Y.mean() / 2], rtol=1e-8)


def test_a_hypothesis_at_a_bound_is_refused() -> None:
    fit = ek.fit(ek.Likelihood(normal, {"mu": 0, "sigma": 1}, bounds={"sigma": (0, None)}), Y)
    with pytest.raises(ek.DataError, match=r"sigma = 0 is not between its bounds 0 and inf"):
        fit.likelihood_ratio(["sigma"], value=0.0)


def test_the_correlation_of_a_pair_has_its_closed_form() -> None:
    rng = np.random.default_rng(4)
    pair = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=200)

    def loglik(params: Any, z: Floats) -> Floats:
        r = params.r
        form = z[:, 0] ** 2 - 2 * r * z[:, 0] * z[:, 1] + z[:, 1] ** 2
        return -0.5 * np.log1p(-(r**2)) - 0.5 * form / (1 - r**2)

    fit = ek.fit(ek.Likelihood(loglik, {"r": 0.0}, transforms={"r": "atanh"}), pair)
    a, b = (pair[:, 0] * pair[:, 1]).mean(), (pair**2).sum(axis=1).mean()
    roots = np.roots([1.0, -a, b - 1.0, -a])
    assert fit.params[0] == pytest.approx(float(roots[np.isreal(roots)].real[0]), rel=1e-8)
    assert fit.interval()[0, 1] < 1


# --- what does not fit together ---


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bounds": {"nu": (0, 1)}}, "bounds names 'nu'"),
        ({"bounds": {"mu": (1, 0)}}, "lower below the upper"),
        ({"bounds": {"mu": 3}}, "must be a pair"),
        ({"bounds": {"mu": (2, 5)}}, "mu = 0, which is not strictly between"),
        ({"transforms": {"mu": "sqrt"}}, "must be one of"),
        ({"transforms": {"mu": "log"}, "bounds": {"mu": (-1, 1)}}, "does not go with the bounds"),
        ({"fixed": {"mu": 0, "sigma": 1}}, "no parameter to estimate"),
        ({"fixed": {"mu": np.nan}}, "must be finite"),
        ({"names": ["a", "b"]}, "belongs to a start that is an array"),
        ({"derivatives": "magic"}, "derivatives must be one of"),
        ({"gradient": 3}, "gradient must be a function"),
        ({"hessian": normal}, "without gradient="),
        ({"gradient": normal, "derivatives": "complex"}, "leave one out"),
        ({"starts": 0}, "starts must be 1 or more"),
        ({"n_obs": 0}, "n_obs must be"),
    ],
)
def test_what_does_not_fit_together_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ek.DataError) as caught:
        ek.Likelihood(normal, {"mu": 0.0, "sigma": 1.0}, **options)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ({}, "no parameter"),
        ({"mu": "a"}, "must be a number"),
        ([[1.0, 2.0]], "one vector or a mapping"),
        ([np.inf], "must be finite"),
    ],
)
def test_a_start_without_numbers_is_refused(start: Any, told: str) -> None:
    with pytest.raises(ek.DataError) as caught:
        ek.Likelihood(normal, start)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"offset": np.ones(50)}, "offset= means nothing"),
        ({"intercept": False}, "intercept= means nothing"),
        ({"weights": np.ones(3)}, "weights has 3 rows, but the log-likelihood returned 50"),
        ({"groups": np.ones(3)}, "groups has 3 rows"),
        ({"weights": np.full(50, 0.5)}, "not whole"),
        ({"analytic_weights": np.ones(50)}, "no meaning for analytic_weights"),
        ({"start": {"nu": 1.0}}, "start names ['nu']"),
        ({"start": [1.0]}, "must be a mapping of mu, sigma, or the 2 values"),
        ({"start": {"sigma": -1.0}}, "sigma = -1, which is not strictly between"),
    ],
    ids=str,
)
def test_options_of_fit_that_mean_nothing_are_refused(options: Any, told: str) -> None:
    like = ek.Likelihood(normal, {"mu": 0.0, "sigma": 1.0}, bounds={"sigma": (0, None)})
    with pytest.raises(ek.DataError) as caught:
        ek.fit(like, Y, **options)
    assert told in str(caught.value)


def test_the_repr_says_what_is_estimated() -> None:
    like = ek.Likelihood(normal, {"mu": 0.0, "sigma": 1.0}, fixed={"sigma": 2.0})
    assert repr(like) == "Likelihood(normal, mu)"
