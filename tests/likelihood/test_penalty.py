"""What a penalty accepts, and what its strengths mean for columns."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.likelihood.penalties.penalty import from_plain, to_plain

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = (RNG.random(60) < 0.5).astype(int)


@pytest.mark.parametrize("kind", [ek.L1, ek.L2, ek.ElasticNet])
@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf, "strong", True, None, [1.0, -2.0]])
def test_a_strength_that_is_no_number_of_0_or_more_is_refused(kind: Any, strength: Any) -> None:
    with pytest.raises(ek.DataError, match="strength"):
        kind(strength)


def test_the_refusal_names_the_column_and_the_value() -> None:
    with pytest.raises(ek.DataError, match=r"'age'.*-3"):
        ek.L1({"dose": 1.0, "age": -3})


@pytest.mark.parametrize("ratio", [-0.1, 1.1, math.nan, "half", True])
def test_a_ratio_outside_0_to_1_is_refused(ratio: Any) -> None:
    with pytest.raises(ek.DataError, match="ratio must be"):
        ek.ElasticNet(1.0, ratio)


@pytest.mark.parametrize("strength", [3, np.float64(3.0), np.int64(3), np.float32(3.0)], ids=repr)
def test_numbers_of_any_kind_are_the_same(strength: Any) -> None:
    assert ek.L2(strength) == ek.L2(3.0)


def test_strengths_by_name_and_in_order_are_the_same() -> None:
    columns = {"age": X[:, 0], "dose": X[:, 1]}
    named = ek.fit(ek.Binomial(penalty=ek.L2({"dose": 2.0, "age": 0.5})), columns, Y)
    listed = ek.fit(ek.Binomial(penalty=ek.L2([0.5, 2.0])), columns, Y)
    array = ek.fit(ek.Binomial(penalty=ek.L2(np.array([0.5, 2.0]))), columns, Y)
    np.testing.assert_array_equal(named.params, listed.params)
    np.testing.assert_array_equal(named.params, array.params)


@pytest.mark.parametrize(
    ("strength", "message"),
    [
        ({"age": 1.0}, "lacking: dose"),
        ({"age": 1.0, "dose": 1.0, "sex": 1.0}, "no column of X: sex"),
        ([1.0], "1 strengths for 2 columns"),
        ({"intercept": 1.0, "age": 1.0, "dose": 1.0}, "no column of X: intercept"),
    ],
)
def test_strengths_that_do_not_fit_the_columns_are_refused(strength: Any, message: str) -> None:
    columns = {"age": X[:, 0], "dose": X[:, 1]}
    with pytest.raises(ek.DataError, match=message):
        ek.fit(ek.Binomial(penalty=ek.L1(strength)), columns, Y)


@pytest.mark.parametrize("family", [ek.Binomial, ek.Softmax, ek.Gaussian])
@pytest.mark.parametrize("penalty", ["l2", 1.0, ek.L2])
def test_what_is_no_penalty_is_refused(family: Any, penalty: Any) -> None:
    with pytest.raises(ek.DataError, match="penalty must be"):
        family(penalty=penalty)


def test_jeffreys_prior_of_a_gaussian_is_refused() -> None:
    with pytest.raises(ek.DataError, match="change nothing"):
        ek.Gaussian(penalty=ek.Jeffreys())


def test_jeffreys_prior_with_sampling_weights_is_refused() -> None:
    with pytest.raises(ek.DataError, match="sampling weights"):
        ek.fit(ek.Binomial(penalty=ek.Jeffreys()), X, Y, sampling_weights=np.ones(60))


@pytest.mark.parametrize("link", ["cauchit", "log", "identity"])
def test_links_without_a_concave_likelihood_are_refused(link: Any) -> None:
    with pytest.raises(ek.DataError, match="concave"):
        ek.fit(ek.Binomial(link=link, penalty=ek.L2(1.0)), X, Y)
    with pytest.raises(ek.DataError, match="concave"):
        ek.path(ek.Binomial(link=link), X, Y)


@pytest.mark.parametrize(
    "penalty",
    [
        ek.L1(2.0),
        ek.L2({"x0": 1.0, "x1": 0.0}),
        ek.L2([1.0, 2.0], standardize=True),
        ek.ElasticNet(1.5, ratio=0.25),
        ek.Jeffreys(),
    ],
)
def test_a_penalty_survives_json(penalty: Any) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(penalty)))) == penalty
    fit = ek.fit(ek.Binomial(penalty=penalty), X, Y)
    again = ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    assert again.family == fit.family


def test_standardize_takes_the_unit_out_of_the_strength() -> None:
    scale = np.array([1e3, 1e-3])
    for penalty in (ek.L1(3.0, standardize=True), ek.L2(3.0, standardize=True)):
        plain = ek.fit(ek.Binomial(penalty=penalty), X, Y)
        scaled = ek.fit(ek.Binomial(penalty=penalty), X * scale, Y)
        np.testing.assert_allclose(scaled.params[1:] * scale, plain.params[1:], rtol=1e-9)


def test_standardize_is_a_strength_for_each_column() -> None:
    deviation = X.std(axis=0)
    for kind, power in ((ek.L1, 1), (ek.L2, 2)):
        standardized = ek.fit(ek.Binomial(penalty=kind(3.0, standardize=True)), X, Y)
        own = ek.fit(ek.Binomial(penalty=kind(3.0 * deviation**power)), X, Y)
        np.testing.assert_allclose(standardized.params, own.params, rtol=1e-9)
