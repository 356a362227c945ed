"""Columns of categories against 0/1 columns made by hand, from any frame, and for new rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import estkit as ek
from estkit.categories import Coding, Factor, read_design

SAME = 1e-12  # the same numbers take the same way

RNG = np.random.default_rng(33)
N = 150
AGE = RNG.normal(30, 5, size=N)
RACE = np.array(["white", "black", "other"])[RNG.integers(0, 3, N)].tolist()
SMOKES = RNG.random(N) < 0.4
Y = RNG.random(N) < 1 / (1 + np.exp(0.1 * (AGE - 30) - SMOKES))
BY_HAND = np.column_stack(
    [AGE, [r == "other" for r in RACE], [r == "white" for r in RACE], SMOKES]
).astype(float)
BASE = ek.fit(ek.Binomial(), BY_HAND, Y)
NAMES = ("intercept", "age", "race[other]", "race[white]", "smokes")
OTHERS = {"age": AGE.tolist(), "race": RACE, "smokes": SMOKES.tolist()}
LEVELS = ["black", "other", "white"]


def frame(race: Any = RACE) -> pd.DataFrame:
    return pd.DataFrame({"age": AGE, "race": race, "smokes": SMOKES})


def cast(dtype: Any) -> pl.DataFrame:
    return pl.DataFrame(OTHERS).with_columns(pl.col("race").cast(dtype))


FRAMES: dict[str, Callable[[], Any]] = {
    "text": frame,
    "objects": lambda: frame(pd.Series(RACE, dtype=object)),
    "text of arrow": lambda: frame(pd.Series(RACE, dtype="string[pyarrow]")),
    "category": lambda: frame(pd.Categorical(RACE)),
    "mapping": lambda: OTHERS,
    "polars": lambda: pl.DataFrame(OTHERS),
    "polars Categorical": lambda: cast(pl.Categorical),
    "polars Enum": lambda: cast(pl.Enum(LEVELS)),
    "arrow": lambda: pa.table(OTHERS),
    "arrow dictionary": lambda: pa.table({**OTHERS, "race": pa.array(RACE).dictionary_encode()}),
}


@pytest.mark.parametrize("form", FRAMES)
def test_categories_of_any_frame_are_coded_against_the_first_level(form: str) -> None:
    given = FRAMES[form]()
    fit = ek.fit(ek.Binomial(), given, Y)
    assert fit.names == fit.terms == NAMES
    np.testing.assert_allclose(fit.params, BASE.params, rtol=SAME)
    np.testing.assert_allclose(fit.std_errors, BASE.std_errors, rtol=SAME)
    np.testing.assert_allclose(fit.predict(given), BASE.predict(), rtol=SAME)


def test_categories_have_the_order_that_they_were_given() -> None:
    order = ["white", "other", "black"]
    for race in (
        pd.Categorical(RACE, categories=order),
        pd.Categorical(RACE, categories=order, ordered=True),
    ):
        fit = ek.fit(ek.Binomial(), frame(race), Y)
        assert fit.names[2:4] == ("race[other]", "race[black]")
        np.testing.assert_allclose(fit.predict(), BASE.predict(), rtol=1e-9)


def test_categories_that_are_numbers_are_no_numbers() -> None:
    codes = np.array([LEVELS.index(r) for r in RACE])
    fit = ek.fit(ek.Binomial(), frame(pd.Categorical(codes)), Y)
    assert fit.names[2:4] == ("race[1]", "race[2]")
    np.testing.assert_allclose(fit.params, BASE.params, rtol=SAME)
    assert ek.fit(ek.Binomial(), frame(codes), Y).names[2] == "race"
    floats = ek.fit(ek.Binomial(), frame(pd.Categorical(codes.astype(float))), Y)
    assert floats.names == fit.names  # which a missing value makes of integers


def test_a_category_without_rows_is_left_out_and_noted() -> None:
    race = pd.Categorical(RACE, categories=["asian", *LEVELS, "none"])
    fit = ek.fit(ek.Binomial(), frame(race), Y)
    np.testing.assert_allclose(fit.params, BASE.params, rtol=SAME)
    assert "Column 'race': no row has 'asian', 'none', left out." in str(fit)
    with pytest.raises(ek.DataError, match="'asian', a level that the fit has not seen"):
        fit.predict({"age": [30], "race": ["asian"], "smokes": [True]})


def test_without_an_intercept_the_first_factor_has_all_its_levels() -> None:
    given = frame().assign(site=np.array(["north", "south"])[RNG.integers(0, 2, N)])
    fit = ek.fit(ek.Binomial(), given, Y, intercept=False)
    levels = ("race[black]", "race[other]", "race[white]")
    assert fit.names == ("age", *levels, "smokes", "site[south]")
    with_one = ek.fit(ek.Binomial(), given, Y)
    np.testing.assert_allclose(fit.predict(), with_one.predict(), rtol=1e-9)
    assert fit.loglik == pytest.approx(with_one.loglik, rel=SAME)
    new = given.iloc[::7]
    np.testing.assert_allclose(fit.predict(new), with_one.predict()[::7], rtol=1e-9)


FIT = ek.fit(ek.Binomial(), frame(), Y)


def stored(fit: Any) -> Any:
    return ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))


@pytest.mark.parametrize("fit", [FIT, stored(FIT)], ids=["fresh", "stored"])
@pytest.mark.parametrize("form", FRAMES)
def test_new_rows_are_coded_by_the_levels_of_the_fit(fit: Any, form: str) -> None:
    given = FRAMES[form]()
    np.testing.assert_allclose(fit.predict(given), BASE.predict(), rtol=SAME)
    only = frame().iloc[[i for i, race in enumerate(RACE) if race == "white"]]
    expected = BASE.predict()[[race == "white" for race in RACE]]
    np.testing.assert_allclose(fit.predict(only), expected, rtol=SAME)  # the others may be absent
    shuffled = only[["smokes", "race", "age"]].assign(race=pd.Categorical(only["race"]))
    np.testing.assert_allclose(fit.predict(shuffled), expected, rtol=SAME)


NEW: dict[str, tuple[Any, str]] = {
    "unseen": ({"race": ["white", "martian"]}, "column 'race', row 1 .* is 'martian'.*'black'"),
    "missing": ({"race": ["white", None]}, "column 'race', row 1 .* is missing"),
    "number": ({"race": [1, 2]}, "column 'race', row 0 .* is 1, a level"),
    "absent": ({"ethnicity": ["white", "black"]}, "missing: race"),
}


@pytest.mark.parametrize("case", NEW)
def test_new_rows_of_other_levels_are_refused(case: str) -> None:
    changed, message = NEW[case]
    for fit in (FIT, stored(FIT)):
        with pytest.raises(ek.DataError, match=message):
            fit.predict({"age": [30, 40], "smokes": [True, False], **changed})


def test_an_array_has_no_categories_to_predict_from() -> None:
    with pytest.raises(ek.DataError, match=r"categorical columns \(race\); pass a data frame"):
        FIT.predict(BY_HAND)


def test_all_levels_are_tested_together() -> None:
    for test in (FIT.wald_test, FIT.score_test, FIT.likelihood_ratio):
        together, named = test(["race"]), test(["race[other]", "race[white]"])
        assert together == named and together.df == 2
    peer = BASE.wald_test(["x1", "x2"])
    assert FIT.wald_test("race").statistic == pytest.approx(peer.statistic, rel=1e-9)
    assert stored(FIT).wald_test("race").statistic == pytest.approx(peer.statistic, rel=1e-9)
    with pytest.raises(ek.DataError, match="each once"):
        FIT.wald_test(["race", "race[other]"])
    with pytest.raises(ek.DataError, match="'rac' is not a parameter"):
        FIT.wald_test(["rac"])


def test_softmax_tests_all_levels_in_all_outcomes() -> None:
    outcome = RNG.choice(["high", "low", "mid"], size=N)
    fit = ek.fit(ek.Softmax(), frame(), outcome)
    assert "mid:race[other]" in fit.names
    assert fit.wald_test("race").df == 4
    ordinal = ek.fit(ek.Ordinal(order=["low", "mid", "high"]), frame(), outcome)
    assert ordinal.names[-3:] == ("race[other]", "race[white]", "smokes")
    assert ordinal.wald_test("race").df == 2
    np.testing.assert_allclose(stored(ordinal).predict(frame()), ordinal.predict(), rtol=SAME)


def test_rows_without_a_category_are_dropped_when_asked() -> None:
    race = pd.Series(RACE).where(np.arange(N) != 4)
    for given in (race, race.astype("category")):
        with pytest.raises(ek.DataError, match=r"column 'race', row 4 .* is missing"):
            ek.fit(ek.Binomial(), frame(given), Y)
        fit = ek.fit(ek.Binomial(), frame(given), Y, missing="drop")
        assert fit.dropped == (4,) and fit.names == NAMES


def test_a_fit_with_categories_can_be_studied() -> None:
    study = FIT.bootstrap(20, rng=2)
    assert study.summary("bias").value.shape == (5,)
    assert FIT.interval(method="profile").shape == (5, 2)


def test_a_separated_level_is_named() -> None:
    race = np.where(Y, RACE, "none")
    with pytest.raises(ek.SeparationError, match=r"race\[none\]"):
        ek.fit(ek.Binomial(), frame(race), Y)


def test_collinear_categories_are_named() -> None:
    given = frame().assign(again=np.where(np.array(RACE) == "white", "w", "b"))
    with pytest.raises(ek.RankError, match=r"again\[w\]"):
        ek.fit(ek.Binomial(), given, Y)


REFUSED: dict[str, tuple[Any, str]] = {
    "numbers as text": ([str(v) for v in AGE.round()], "not a number.*convert the column"),
    "names of rows": ([f"p{i}" for i in range(N)], "150 different texts in 150 rows, such as 'p0'"),
    "many levels": ([f"p{i % 60}" for i in range(N)], "60 different texts"),
    "one level": (["a"] * N, "a single level, 'a'"),
    "mixed": (["a", 1.0] * (N // 2), "not a number: 'a'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_text_that_is_no_category_is_refused(case: str) -> None:
    values, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=f"column 'race'.*{message}"):
        ek.fit(ek.Binomial(), frame(values), Y)


@pytest.mark.parametrize("kind", [object, "str", "category"])
def test_text_without_rows_is_refused(kind: Any) -> None:
    nothing = pd.DataFrame({"race": pd.Series([], dtype=kind), "y": pd.Series([], dtype=float)})
    with pytest.raises(ek.DataError, match="X has no rows"):
        ek.fit(ek.Binomial(), nothing[["race"]], [])
    with pytest.raises(ek.DataError, match="X has no rows"):
        ek.fit_formula("y ~ race", nothing, ek.Binomial())


def test_many_categories_may_be_asked_for() -> None:
    sites = pd.Categorical([f"s{i % 60:02}" for i in range(N)])
    columns = read_design(frame(sites))
    assert columns.values.shape == (N, 61)
    np.testing.assert_array_equal(columns.values[:, 1:-1].sum(axis=1), np.arange(N) % 60 > 0)


def test_a_coding_is_stored_whole() -> None:
    coding = Coding(("age", Factor("race", ("a", 2, True), True, ("z",))))
    again = Coding.from_plain(json.loads(json.dumps(coding.to_plain())))
    assert again == coding


def test_names_that_meet_are_refused() -> None:
    given = frame().rename(columns={"age": "race[white]"})
    with pytest.raises(ek.DataError, match=r"more than one column named 'race\[white\]'"):
        ek.fit(ek.Binomial(), given, Y)
