"""Formulas against the same columns made by hand, R's glm, and what goes wrong elsewhere."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import estkit as ek

SAME = 1e-10  # the same columns take the same way
PARAMS = 1e-8  # of R, as in test_references.py
STD_ERRORS = 1e-6

RNG = np.random.default_rng(5)
N = 160
AGE = RNG.normal(30, 6, size=N)
RACE = RNG.integers(1, 4, size=N)
SITE = np.array(["north", "south", "west"])[RNG.integers(0, 3, N)].tolist()
TRIALS = RNG.integers(1, 9, size=N)
ETA = 0.1 * (AGE - 30) + 0.4 * (RACE == 2)
WON = RNG.binomial(TRIALS, 1 / (1 + np.exp(-ETA)))
LOW = (RNG.random(N) < 1 / (1 + np.exp(-ETA))).astype(int)
DATA: dict[str, Any] = {
    "low": LOW, "age": AGE, "race": RACE, "site": SITE, "won": WON, "lost": TRIALS - WON,
    "trials": TRIALS, "smokes": RNG.random(N) < 0.4, "body mass": RNG.normal(size=N),
    "weight": RNG.integers(1, 4, size=N), "clinic": RNG.integers(0, 20, size=N),
    "answer": np.where(LOW == 1, "yes", "no").tolist(),
}  # fmt: skip
FRAME = pd.DataFrame(DATA)
RACES = np.column_stack([RACE == 2, RACE == 3]).astype(float)
SITES = np.column_stack([np.array(SITE) == "south", np.array(SITE) == "west"]).astype(float)


def fitted(formula: str, data: Any = FRAME, family: Any = None, **options: Any) -> Any:
    return ek.fit_formula(formula, data, ek.Binomial() if family is None else family, **options)


def by_hand(*columns: Any, y: Any = LOW, **options: Any) -> Any:
    return ek.fit(ek.Binomial(), np.column_stack(columns), y, **options)


def same(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found.params, expected.params, rtol=SAME)
    np.testing.assert_allclose(found.std_errors, expected.std_errors, rtol=SAME)
    assert found.loglik == pytest.approx(expected.loglik, rel=SAME)


def test_glm_of_r_is_reproduced() -> None:
    path = Path(__file__).parents[1] / "references" / "binomial_birthwt.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    births = pd.DataFrame(stored["data"]["columns"])
    births["race"] = 1 + births.pop("race.black") + 2 * births.pop("race.other")
    births["low"] = stored["data"]["y"]
    fit = fitted("low ~ age + lwt + C(race) + smoke + ptl + ht + ui + ftv", births)
    expected = stored["expected"]
    assert fit.names[3:5] == ("C(race)[T.2]", "C(race)[T.3]")
    errors = np.array(expected["std_errors"])
    assert (np.abs(fit.params - expected["params"]) < PARAMS * (np.abs(fit.params) + errors)).all()
    np.testing.assert_allclose(fit.std_errors, errors, rtol=STD_ERRORS)
    assert fit.aic == pytest.approx(expected["aic"], rel=PARAMS)


TERMS: dict[str, tuple[list[Any], list[str]]] = {
    "age + C(race)": ([AGE, RACES], ["age", "C(race)[T.2]", "C(race)[T.3]"]),
    "age + site": ([AGE, SITES], ["age", "site[T.south]", "site[T.west]"]),
    "smokes": ([DATA["smokes"]], ["smokes"]),
    "`body mass` + age": ([DATA["body mass"], AGE], ["body mass", "age"]),
    "np.log(age) + {age**2}": ([np.log(AGE), AGE**2], ["np.log(age)", "age ** 2"]),
    "center(age)": ([AGE - AGE.mean()], ["center(age)"]),
    "age + race:age": ([AGE, AGE * RACE], ["age", "race:age"]),
}


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("form", ["pandas", "polars", "arrow", "mapping"])
def test_terms_are_the_columns_that_one_would_make(terms: str, form: str) -> None:
    columns, names = TERMS[terms]
    make: dict[str, Any] = {"polars": pl.DataFrame, "arrow": pa.table, "mapping": dict}
    data = make.get(form, pd.DataFrame)(DATA)
    fit = fitted(f"low ~ {terms}", data)
    assert fit.names == ("intercept", *names)
    same(fit, by_hand(*columns))
    np.testing.assert_allclose(fit.predict(data), fit.predict(), rtol=SAME)


@pytest.mark.parametrize("removed", ["0 + age", "age - 1", "-1 + age"])
def test_an_intercept_is_there_once_or_not_at_all(removed: str) -> None:
    assert fitted("low ~ age").names == fitted("low ~ 1 + age").names == ("intercept", "age")
    without = fitted(f"low ~ {removed}")
    assert without.names == ("age",)
    same(without, by_hand(AGE, intercept=False))
    np.testing.assert_allclose(without.predict(FRAME[:5]), without.predict()[:5], rtol=SAME)


def test_the_intercept_may_stand_alone() -> None:
    fit = fitted("low ~ 1")
    assert fit.names == ("intercept",)
    assert fit.params[0] == pytest.approx(np.log(LOW.mean() / (1 - LOW.mean())))
    np.testing.assert_allclose(fit.predict(FRAME[:3]), LOW.mean())


def test_a_dot_stands_for_all_other_columns() -> None:
    few = FRAME[["low", "age", "site", "weight", "body mass"]]
    fit = fitted("low ~ . - site", few, weights="weight")
    assert fit.names == ("intercept", "age", "body mass")
    same(fit, fitted("low ~ age + `body mass`", few, weights="weight"))
    np.testing.assert_allclose(fit.predict(few), fit.predict(), rtol=SAME)
    root = fitted("low ~ {age ** .5} + .", few[["low", "age"]])  # the dot of a number is none
    assert len(root.names) == 3 and root.names[2] == "age"


def test_factors_beside_each_other_are_not_collinear() -> None:
    free = fitted("low ~ 0 + C(race) + site")
    assert free.names[:3] == ("C(race)[1]", "C(race)[2]", "C(race)[3]")
    assert free.loglik == pytest.approx(fitted("low ~ C(race) + site").loglik, rel=SAME)
    crossed = fitted("low ~ C(race) * site")
    assert len(crossed.names) == 9
    assert crossed.wald_test("C(race):site").df == 4
    with pytest.raises(ek.RankError, match=r"C\(race\)"):
        fitted("low ~ race + C(race)")


def test_a_term_is_tested_as_a_whole() -> None:
    fit = fitted("low ~ age + C(race)")
    assert fit.wald_test("C(race)") == fit.wald_test(["C(race)[T.2]", "C(race)[T.3]"])
    smaller = fitted("low ~ age")
    ratio = fit.likelihood_ratio(["C(race)"])
    assert ratio.statistic == pytest.approx(fit.likelihood_ratio(smaller).statistic, rel=1e-7)


LEARNING = ["center(age)", "scale(age)", "bs(age, df=4)", "poly(age, 3)", "center(age) * site"]


@pytest.mark.parametrize("terms", [*LEARNING, "C(race) + np.log(age)", "site:smokes"])
def test_new_rows_are_transformed_as_the_old_ones(terms: str) -> None:
    fit = fitted(f"low ~ {terms}")
    few = FRAME[["site", "age", "smokes", "race"]].iloc[3:6]  # with another mean and fewer levels
    np.testing.assert_allclose(fit.predict(few), fit.predict()[3:6], rtol=1e-9)
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_allclose(again.predict(few), fit.predict()[3:6], rtol=1e-9)


def stored(fit: Any) -> Any:
    return ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))


PLAIN = [
    "age",
    "C(race) + age",
    "site * age",
    "np.log(age) + {age**2}",
    "0 + site",
    "C(race, contr.sum)",
]


@pytest.mark.parametrize("terms", [*PLAIN, "smokes + `body mass`", "1"])
def test_a_stored_formula_predicts(terms: str) -> None:
    fit = fitted(f"low ~ {terms}")
    again = stored(fit)
    few = FRAME.iloc[3:6]
    np.testing.assert_allclose(again.predict(few), fit.predict()[3:6], rtol=1e-9)
    assert str(again) == str(fit) and stored(again).to_dict() == again.to_dict()


RESPONSES: dict[str, Callable[[], Any]] = {
    "cbind(won, lost)": lambda: np.column_stack([WON, TRIALS - WON]),
    "cbind(won, trials - won)": lambda: np.column_stack([WON, TRIALS - WON]),
    "won + lost": lambda: np.column_stack([WON, TRIALS - WON]),
    "low": lambda: LOW,
    "smokes": lambda: DATA["smokes"],
    "{age > 30}": lambda: AGE > 30,
    "{answer == 'yes'}": lambda: LOW == 1,
}


@pytest.mark.parametrize("response", RESPONSES)
def test_responses_of_every_form(response: str) -> None:
    fit = fitted(f"{response} ~ C(race) + `body mass`")
    same(fit, by_hand(RACES, DATA["body mass"], y=RESPONSES[response]()))


def test_labels_stay_labels() -> None:
    fit = fitted("answer ~ age", family=ek.Softmax(reference="yes"))
    assert fit.outcomes == ("no", "yes") and fit.names == ("no:intercept", "no:age")
    success = fitted("answer ~ age", family=ek.Binomial(success="yes"))
    np.testing.assert_allclose(success.params, -fit.params, rtol=1e-9)
    category = FRAME.assign(answer=pd.Categorical(DATA["answer"], categories=["yes", "no"]))
    assert fitted("answer ~ age", category, ek.Softmax()).names == ("no:intercept", "no:age")
    with pytest.raises(ek.DataError, match="say which is the success"):
        fitted("answer ~ age")


def test_counts_of_many_outcomes_keep_their_names() -> None:
    data = FRAME.assign(drawn=RNG.integers(1, 5, N))
    fit = fitted("won + lost + drawn ~ age", data, ek.Softmax())
    assert fit.outcomes == ("won", "lost", "drawn")


def test_other_families_take_formulas() -> None:
    gaussian = fitted("np.log(age) ~ C(race)", family=ek.Gaussian())
    same(gaussian, ek.fit(ek.Gaussian(), RACES, np.log(AGE)))
    ordinal = fitted("site ~ age + C(race)", family=ek.Ordinal(order=["south", "north", "west"]))
    expected = ek.fit(
        ek.Ordinal(order=["south", "north", "west"]), np.column_stack([AGE, RACES]), SITE
    )
    same(ordinal, expected)
    np.testing.assert_allclose(stored(ordinal).predict(FRAME), ordinal.predict(), rtol=1e-9)


@pytest.mark.parametrize("name", ["weights", "sampling_weights"])
def test_options_may_name_columns(name: str) -> None:
    options = {"offset": AGE / 50, "groups": DATA["clinic"], name: DATA["weight"]}
    data = FRAME.assign(shift=AGE / 50)
    fit = fitted("low ~ C(race)", data, **{name: "weight"}, offset="shift", groups="clinic")
    expected = by_hand(RACES, **options)
    same(fit, expected)
    np.testing.assert_allclose(fit.covariance("cluster"), expected.covariance("cluster"), rtol=1e-8)
    same(fitted("low ~ C(race)", **options), expected)
    shares = FRAME.assign(share=WON / TRIALS)
    counts = fitted("cbind(won, lost) ~ age")
    same(fitted("share ~ age", shares, analytic_weights="trials"), counts)


def test_incomplete_rows_are_dropped_when_asked() -> None:
    holes = FRAME.copy()
    holes["age"] = holes["age"].where(np.arange(N) != 4)
    holes["site"] = holes["site"].where(np.arange(N) != 9)
    holes["weight"] = holes["weight"].where(np.arange(N) != 11)
    holes["clinic"] = np.nan  # not used
    with pytest.raises(ek.DataError, match=r"data: column 'age', row 4 .* is missing"):
        fitted("low ~ age + site", holes)
    fit = fitted("low ~ age + site", holes, missing="drop")
    assert fit.dropped == (4, 9)
    assert "2 rows dropped (4, 9) for missing values: age 1, site 1." in str(fit)
    weighted = fitted("low ~ age + site", holes, weights="weight", missing="drop")
    assert weighted.dropped == (4, 9, 11)
    offset = np.where(np.arange(N) == 2, np.nan, 0.0)
    assert fitted("low ~ age", holes, offset=offset, missing="drop").dropped == (2, 4)
    holes["race"] = holes["race"].where(np.arange(N) != 4)  # of floats now
    coded = fitted("low ~ C(race)", holes, missing="drop")
    assert coded.names[1] == "C(race)[T.2]"
    np.testing.assert_allclose(coded.predict({"race": [1, 3.0]}), coded.predict({"race": [1, 3]}))
    kept = holes.drop(index=[4, 9])
    same(fit, fitted("low ~ age + site", kept))
    np.testing.assert_allclose(fit.predict(), fit.predict(kept), rtol=SAME)


def test_an_unused_level_is_noted() -> None:
    site = pd.Categorical(SITE, categories=["west", "east", "north", "south"])
    fit = fitted("low ~ site", FRAME.assign(site=site))
    assert fit.names == ("intercept", "site[T.north]", "site[T.south]")
    assert "Column 'site': no row has 'east', left out." in str(fit)


NEW: dict[str, tuple[str, dict[str, Any], str]] = {
    "level of text": ("site", {"site": ["west", "east"]}, "column 'site', row 1 .* is 'east'"),
    "level of C()": ("C(race)", {"race": [1, 9]}, "column 'race', row 1 .* is 9, a level"),
    "missing value": ("age", {"age": [1.0, None]}, "column 'age', row 1 .* is missing"),
    "absent": ("age", {"height": [1.0]}, "missing: age"),
    "no logarithm": ("np.log(age)", {"age": [1.0, -1.0]}, r"'np.log\(age\)', row 1 .* is missing"),
}


@pytest.mark.parametrize("case", NEW)
def test_new_rows_that_the_fit_cannot_know_are_refused(case: str) -> None:
    terms, rows, message = NEW[case]
    for fit in (fitted(f"low ~ {terms}"), stored(fitted(f"low ~ {terms}"))):
        with pytest.raises(ek.DataError, match=message):
            fit.predict(rows)


BAD: dict[str, tuple[str, str]] = {
    "no response": ("~ age", "has the form 'response ~ terms', got '~ age'"),
    "no tilde": ("low + age", "has the form 'response ~ terms'"),
    "two tildes": ("low ~ age ~ race", "has the form"),
    "no column": ("low ~ height", "data has no column 'height'; it has low, age"),
    "no column inside": ("low ~ np.log(height)", "no column 'height'"),
    "no response column": ("lo ~ age", "no column 'lo'"),
    "no function": ("low ~ foo(age)", "no column 'foo'"),
    "offset": ("low ~ age + offset(age)", "pass the offset as offset="),
    "no literal": ("low ~ Q(height)", "no column 'height'"),
    "syntax": ("low ~ age +* race", "cannot be read: Operator"),
    "no expression": ("low ~ C(race).astype(str)", "cannot be read: invalid syntax"),
    "no column of numbers": ("low ~ {age, race}", "one value for each row"),
    "parts": ("low ~ age | race", "several parts"),
    "product": ("low:age ~ race", "must be a column, an expression"),
    "names of rows": ("low ~ ident", "160 different texts in 160 rows"),
    "numbers as text": ("low ~ code", "not a number: '1'"),
    "failing": ("low ~ bs(age, df='a')", "cannot be evaluated"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_in_a_formula_is_said(case: str) -> None:
    formula, message = BAD[case]
    data = FRAME.assign(ident=[f"p{i}" for i in range(N)], code=["1", "2"] * (N // 2))
    with pytest.raises(ek.DataError, match=message) as caught:
        fitted(formula, data)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_options_are_checked() -> None:
    with pytest.raises(ek.DataError, match="weights='wt' is no column of data"):
        fitted("low ~ age", weights="wt")
    with pytest.raises(ek.DataError, match="data must be a data frame"):
        fitted("low ~ age", FRAME.to_numpy()[:, :2].tolist())
    with pytest.raises(ek.DataError, match="missing must be"):
        fitted("low ~ age", missing="omit")
    codes = fitted("low ~ C(code)", FRAME.assign(code=["1", "2"] * (N // 2)))
    assert codes.names == ("intercept", "C(code)[T.2]")  # the user said that they are categories


def test_nothing_that_was_passed_in_is_modified() -> None:
    before = FRAME.copy()
    fitted("low ~ center(age) + site", weights="weight", missing="drop")
    pd.testing.assert_frame_equal(FRAME, before)


def test_the_extra_is_named_when_formulaic_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "formulaic", None)
    with pytest.raises(ek.MissingExtraError, match=r"install estkit\[formula\]"):
        fitted("low ~ age")
