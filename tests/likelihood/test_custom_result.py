"""What a fit of a user's likelihood can do: bootstrap, storage, tables, tests."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray

import estkit as ek

Floats = NDArray[np.float64]

RNG = np.random.default_rng(6)
X = RNG.normal(size=40)
Y = 1.0 + 0.5 * X + RNG.normal(size=40)


def linear(params: Any, x: Any, y: Any) -> Any:
    return -np.log(params["s"]) - 0.5 * ((y - params["a"] - params["b"] * x) / params["s"]) ** 2


def redraw(params: Any, rng: np.random.Generator, x: Any) -> Any:
    return params["a"] + params["b"] * x + params["s"] * rng.normal(size=len(x))


LIKE = ek.Likelihood(
    linear, {"a": 0.0, "b": 0.0, "s": 1.0}, bounds={"s": (0, None)}, simulate=redraw
)
FIT = ek.fit(LIKE, X, Y)


def test_simulation_draws_from_the_fit() -> None:
    drawn = FIT.simulate(rng=1, replicates=4000)
    assert drawn.shape == (4000, 40)
    mean = FIT.params[0] + FIT.params[1] * X
    error = FIT.params[2] / np.sqrt(4000)
    assert (np.abs(drawn.mean(axis=0) - mean) < 5 * error).all()
    np.testing.assert_array_equal(FIT.simulate(rng=1), FIT.simulate(rng=1))


def test_the_bootstrap_has_the_bias_that_theory_gives() -> None:
    study = FIT.bootstrap(200, rng=1)
    assert not len(study.failures())
    frame = study.summary("bias").set_index("parameter")
    # E[s²] = σ² (n - 2) / n
    expected = FIT.params[2] * (np.sqrt(38 / 40) * (1 - 1 / (4 * 38)) - 1)
    assert abs(frame.loc["s", "value"] - expected) < 4 * frame.loc["s", "mcse"]
    assert abs(frame.loc["b", "value"]) < 4 * frame.loc["b", "mcse"]
    covered = study.summary("coverage").set_index("parameter")
    assert (covered["value"] > 0.88).all()


@pytest.mark.parametrize(
    "kind", [pd.DataFrame, pl.DataFrame, dict], ids=["pandas", "polars", "dict"]
)
def test_data_of_one_argument_are_drawn_in_their_own_form(kind: Any) -> None:
    def loglik(params: Any, frame: Any) -> Floats:
        assert type(frame) is kind
        return linear(params, np.asarray(frame["x"]), np.asarray(frame["y"]))

    def simulate(params: Any, rng: np.random.Generator, frame: Any) -> Floats:
        x = np.asarray(frame["x"])
        return np.column_stack([x, redraw(params, rng, x)])

    like = ek.Likelihood(
        loglik, {"a": 0.0, "b": 0.0, "s": 1.0}, bounds={"s": (0, None)}, simulate=simulate
    )
    fit = ek.fit(like, kind({"x": X, "y": Y}))
    np.testing.assert_allclose(fit.params, FIT.params, rtol=1e-9)
    study = fit.bootstrap(3, rng=1)
    assert not len(study.failures())


def test_without_a_simulator_there_is_no_bootstrap() -> None:
    fit = ek.fit(ek.Likelihood(linear, {"a": 0.0, "b": 0.0, "s": 1.0}), X, Y)
    with pytest.raises(ek.EstkitError, match="pass simulate="):
        fit.simulate(rng=1)


def test_a_function_that_knows_its_data_cannot_be_fitted_to_others() -> None:
    like = ek.Likelihood(
        lambda p: -0.5 * (Y - p.mu) ** 2, {"mu": 0.0}, simulate=lambda p, rng: rng.normal(size=40)
    )
    fit = ek.fit(like)
    assert fit.simulate(rng=1).shape == (40,)
    study = fit.bootstrap(2, rng=1)
    assert study.failures()["reason"].str.contains("knows its data by itself").all()


def test_there_is_no_prediction() -> None:
    with pytest.raises(ek.EstkitError, match="no outcome to predict"):
        FIT.predict()


def test_a_fit_comes_back_from_json() -> None:
    start = {"a": 0.0, "b": 0.0, "s": 1.0}
    like = ek.Likelihood(linear, start, bounds={"s": (0, 9)}, fixed={"b": 0.4}, starts=[{"a": 5.0}])
    fit = ek.fit(like, X, Y)
    again = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict(), allow_nan=False)))
    assert isinstance(again, ek.CustomFit)
    for name in ("params", "std_errors"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fit, name))
    np.testing.assert_array_equal(again.interval(), fit.interval())
    np.testing.assert_array_equal(again.covariance(), fit.covariance())
    assert (again.names, again.fixed, again.bounds) == (fit.names, fit.fixed, fit.bounds)
    assert str(again) == str(fit)
    assert str(again.optima) == str(fit.optima)
    assert again.wald_test(["a"]).statistic == fit.wald_test(["a"]).statistic
    with pytest.raises(ek.EstkitError, match="training data"):
        again.interval(method="profile")
    with pytest.raises(ek.EstkitError, match="the numbers and not the function"):
        again.family.loglik({"a": 1.0})
    stored = fit.to_dict()
    del stored["bounds"]
    with pytest.raises(ek.DataError, match="lacks \\['bounds'\\]"):
        ek.LikelihoodFit.from_dict(stored)


def test_a_fit_without_an_answer_comes_back_too() -> None:
    like = ek.Likelihood(linear, {"a": 0.0, "b": 0.0, "s": 1.0}, bounds={"s": (0, None)})
    fit = ek.fit(like, X, 1.0 + 2.0 * X, errors="return")
    again = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    assert not again.converged
    assert again.reason == fit.reason
    assert str(again) == str(fit)


def test_a_pickle_holds_no_data() -> None:
    like = ek.Likelihood(linear, {"a": 0.0, "b": 0.0, "s": 1.0}, bounds={"s": (0, None)})
    many = np.tile(X, 2000)
    pickled = pickle.dumps(ek.fit(like, many, np.tile(Y, 2000)))
    assert len(pickled) < 20_000
    again = pickle.loads(pickled)
    np.testing.assert_allclose(again.params, FIT.params, rtol=1e-7)


def test_an_estimate_keeps_its_bounds() -> None:
    estimate = FIT.to_estimate()
    np.testing.assert_allclose(estimate.lower, FIT.interval()[:, 0])
    np.testing.assert_allclose(estimate.upper, FIT.interval()[:, 1])
    assert estimate.lower[2] > 0


def test_the_default_test_leaves_out_what_cannot_be_zero() -> None:
    assert FIT.wald_test().df == 2
    assert FIT.wald_test().hypothesis == "a, b = 0"


def test_nothing_that_was_passed_in_is_changed() -> None:
    start = {"a": np.zeros(1), "b": 0.0, "s": 1.0}
    x, y = X.copy(), Y.copy()
    ek.fit(ek.Likelihood(linear, start, bounds={"s": (0, None)}), x, y)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    assert x.flags.writeable
    np.testing.assert_array_equal(start["a"], np.zeros(1))
    assert start["a"].flags.writeable


def slopes(params: Any, x: Any, y: Any) -> dict[str, Any]:
    z = (y - params["a"] - params["b"] * x) / params["s"]
    return {"a": z / params["s"], "b": z * x / params["s"], "s": (z**2 - 1) / params["s"]}


def test_a_fit_checks_its_gradient_on_its_own_data() -> None:
    given: list[Any] = []

    def gradient(params: Any, x: Any, y: Any) -> dict[str, Any]:
        given.append(dict(params))
        return slopes(params, x, y)

    fit = ek.fit(ek.Likelihood(linear, LIKE.start, gradient, bounds={"s": (0, None)}), X, Y)
    given.clear()
    report = fit.check()
    assert report.ok, str(report)
    assert report.names == fit.names
    np.testing.assert_allclose(list(given[0].values()), fit.params, rtol=1e-12)
    elsewhere = {"a": 3.0, "b": -1.0, "s": 0.25}
    given.clear()
    assert fit.check(at=elsewhere).ok
    np.testing.assert_allclose(list(given[0].values()), list(elsewhere.values()), rtol=1e-12)


def test_a_gradient_that_goes_wrong_after_the_fit_is_found_by_its_check() -> None:
    broken = False

    def gradient(params: Any, x: Any, y: Any) -> dict[str, Any]:
        rows = slopes(params, x, y)
        return {**rows, "b": -rows["b"]} if broken else rows

    fit = ek.fit(ek.Likelihood(linear, LIKE.start, gradient, bounds={"s": (0, None)}), X, Y)
    broken = True
    report = fit.check()
    assert report.wrong == ("b",)
    assert "sign" in report.cause("b")


def test_there_is_nothing_to_check_without_a_gradient_or_data() -> None:
    with pytest.raises(ek.DataError, match="no gradient="):
        FIT.check()
    with pytest.raises(ek.EstkitError, match="check needs the training data"):
        ek.LikelihoodFit.from_dict(FIT.to_dict()).check()
