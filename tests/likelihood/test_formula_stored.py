"""Formulas whose transforms learnt from the data: the same predictions from JSON; and builtins."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

RNG = np.random.default_rng(4)
N = 300
FRAME = pd.DataFrame(
    {
        "age": RNG.uniform(14, 45, N).round(1),
        "gain": RNG.normal(size=N) - 0.3,
        "site": RNG.choice(["a", "b", "c"], N),
        "race": RNG.integers(1, 4, N),
    }
)
FRAME["low"] = RNG.random(N) < 1 / (1 + np.exp(0.5 * FRAME["gain"] - 0.02 * FRAME["age"]))
FEW = FRAME.iloc[20:24]  # with another mean, and fewer levels


def fitted(terms: str) -> Any:
    return ek.fit_formula(f"low ~ {terms}", FRAME, ek.Binomial())


def stored(fit: Any) -> Any:
    text = json.dumps(fit.to_dict(), allow_nan=False)
    return ek.LikelihoodFit.from_dict(json.loads(text))


LEARNT = [
    "center(age)",
    "scale(age)",
    "standardize(age)",
    "poly(age, 3)",
    "bs(age, df=5)",
    "bs(age, df=5, include_intercept=True) - 1",
    "bs(age, knots=[20, 30], degree=2)",
    "bs(center(age), df=4)",
    "cr(age, df=4) - 1",
    "cc(age, df=4) - 1",
    "cs(age, df=4) - 1",
    "cr(age, df=4, constraints='center')",
    "bs(np.log(age), df=4) + center(gain) + C(race)",
    "site:center(age) + site",
    "bs(age, df=4) * C(race)",
    "scale(np.log(abs(gain)))",
    "C(age > 30)",
    "center(gain) + C(age > 30):C(race > 1)",
    "C(np.floor(age / 10))",
    "C(np.where(gain > 0, 'up', 'down'), Treatment('up')):scale(age)",
]


@pytest.mark.parametrize("terms", LEARNT)
def test_what_transforms_learnt_predicts_the_same_from_json(terms: str) -> None:
    fit = fitted(terms)
    again = stored(fit)
    np.testing.assert_array_equal(again.predict(FRAME), fit.predict(FRAME))
    np.testing.assert_array_equal(again.predict(FEW), fit.predict(FEW))
    np.testing.assert_allclose(again.predict(FEW), fit.predict()[20:24], rtol=1e-12)
    assert stored(again).to_dict() == again.to_dict() == fit.to_dict()


def test_margins_of_a_stored_formula_are_those_of_the_fit() -> None:
    fit = fitted("center(age) + poly(gain, 2) + C(race)")
    at = FRAME.iloc[10:200]
    wanted = fit.margins("age", at=at)
    found = stored(fit).margins("age", at=at)
    np.testing.assert_array_equal(found.effects, wanted.effects)
    np.testing.assert_array_equal(found.std_errors, wanted.std_errors)


def test_splines_keep_their_ends() -> None:
    fit = fitted("bs(age, df=4)")
    old = FEW.assign(age=90.0)
    for each in (fit, stored(fit)):
        with pytest.raises(ek.DataError, match="evaluated"):
            each.predict(old)


def test_levels_of_an_expression_that_the_fit_has_not_seen_are_refused() -> None:
    fit = fitted("C(np.floor(age / 10))")
    for each in (fit, stored(fit)):
        with pytest.raises(ek.DataError, match="not seen"):
            each.predict(FEW.assign(age=90.0))


def test_a_transform_that_json_cannot_hold_is_named() -> None:
    fit = fitted("center(gain) + C(np.where(age > 30, np.inf, 0))")
    np.testing.assert_array_equal(stored(fit).params, fit.params)
    for again in (stored(fit), stored(stored(fit))):
        with pytest.raises(ek.EstkitError, match=r"JSON does not hold what C\(np.where.* learnt"):
            again.predict(FRAME)


def test_fits_stored_before_levels_of_expressions_were_can_be_read() -> None:
    fit = fitted("center(age) + C(race)")
    written = fit.to_dict()
    del written["coding"]["levels"]
    again = ek.LikelihoodFit.from_dict(written)
    np.testing.assert_array_equal(again.predict(FEW), fit.predict(FEW))


CALLED = {
    "np.log(abs(gain))": np.log(np.abs(FRAME["gain"])),
    "{round(age) / 10}": FRAME["age"].round() / 10,
    "{pow(gain, 2)}": FRAME["gain"] ** 2,
    "{gain / max(gain)}": FRAME["gain"] / FRAME["gain"].max(),
    "np.abs(gain)": FRAME["gain"].abs(),
}


@pytest.mark.parametrize("expression", CALLED)
def test_functions_of_python_are_no_columns(expression: str) -> None:
    fit = fitted(expression)
    wanted = ek.fit(ek.Binomial(), {"v": CALLED[expression].to_numpy()}, FRAME["low"])
    np.testing.assert_allclose(fit.params, wanted.params, rtol=1e-9)
    left = ek.fit_formula(f"{expression} ~ age", FRAME, ek.Gaussian())
    wanted = ek.fit(ek.Gaussian(), FRAME[["age"]], CALLED[expression])
    np.testing.assert_allclose(left.params, wanted.params, rtol=1e-9)


@pytest.mark.parametrize("missing", ["abs", "max + age", "np.log(sum)", "open(age)", "sqrt(age)"])
def test_names_that_are_not_called_are_columns(missing: str) -> None:
    name = next(word for word in ("abs", "max", "sum", "open", "sqrt") if word in missing)
    with pytest.raises(ek.DataError, match=f"no column '{name}'"):
        fitted(missing)
