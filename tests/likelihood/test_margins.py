"""Marginal effects: statsmodels, differences, sums over outcomes, weights, formulas, refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import estkit as ek

EFFECT = 1e-8  # of statsmodels, whose fits converge to it
ERROR = 1e-6
SAME = 1e-9  # two ways to the same numbers, up to rounding
FAR = 1e-5  # a column at 1e8 itself keeps 8 digits behind the point

RNG = np.random.default_rng(2)
ROWS = 240
FRAME = pd.DataFrame(
    {
        "age": RNG.normal(size=ROWS),
        "dose": RNG.normal(size=ROWS),
        "smoker": (RNG.random(ROWS) < 0.4).astype(int),
    }
)
RACE = pd.Categorical(np.array(["white", "black", "other"])[RNG.integers(0, 3, ROWS)])
ETA = (0.7 * FRAME["age"] - 0.4 * FRAME["smoker"]).to_numpy()
HIT = RNG.random(ROWS) < 1 / (1 + np.exp(-ETA))
WORD = np.array(["a", "b", "c"])[
    np.argmax(RNG.gumbel(size=(ROWS, 3)) + np.outer(ETA, [0, 0.5, 1]), axis=1)
]
PEERS = {"logit": sm.Logit, "probit": sm.Probit}
PLACES = {"average": "overall", "mean": "mean"}
SEVERAL = {
    "softmax": ek.Softmax(reference="b"),
    "symmetric": ek.Softmax(symmetric=True),
    "ordinal": ek.Ordinal(order=["a", "b", "c"]),
    "ordinal cloglog": ek.Ordinal(order=["a", "b", "c"], link="cloglog"),
}


def stored(fit: Any) -> Any:
    return ek.LikelihoodFit.from_dict(json.loads(json.dumps(fit.to_dict())))


def agree(found: Any, expected: Any, tolerance: float = SAME) -> None:
    np.testing.assert_allclose(found.effects, expected.effects, rtol=tolerance)
    np.testing.assert_allclose(found.std_errors, expected.std_errors, rtol=tolerance)


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("link", PEERS)
@pytest.mark.parametrize("dummy", [True, False])
def test_effects_on_a_probability_are_those_of_statsmodels(link: str, at: str, dummy: bool) -> None:
    design = sm.add_constant(FRAME.to_numpy(dtype=float))
    peer = PEERS[link](HIT.astype(float), design).fit(disp=0, tol=1e-13, method="newton")
    expected = peer.get_margeff(at=PLACES[at], dummy=dummy)
    fit = ek.fit(ek.Binomial(link=link), FRAME, HIT)
    found = fit.margins(at=at, change=None if dummy else {"smoker": "slope"})
    assert found.columns == ("age", "dose", "smoker")
    assert found.changes == ("slope", "slope", "0 to 1" if dummy else "slope")
    np.testing.assert_allclose(found.effects, expected.margeff, rtol=EFFECT)
    np.testing.assert_allclose(found.std_errors, expected.margeff_se, rtol=ERROR)


@pytest.mark.parametrize("at", PLACES)
def test_effects_on_several_probabilities_are_those_of_statsmodels(at: str) -> None:
    design = sm.add_constant(FRAME.to_numpy(dtype=float))
    peer = sm.MNLogit(WORD, design).fit(disp=0, tol=1e-13, method="newton")
    expected = peer.get_margeff(at=PLACES[at])
    found = ek.fit(ek.Softmax(), FRAME, WORD).margins(at=at, change={"smoker": "slope"})
    np.testing.assert_allclose(found.effects, expected.margeff.ravel(), rtol=EFFECT, atol=1e-12)
    np.testing.assert_allclose(found.std_errors, expected.margeff_se.ravel(), rtol=ERROR)
    assert found.outcomes == ("a", "b", "c") * 3


@pytest.mark.parametrize("name", SEVERAL)
def test_effects_on_several_outcomes_sum_to_nothing(name: str) -> None:
    fit = ek.fit(SEVERAL[name], FRAME.assign(race=RACE), WORD)
    for at in ("average", "mean", {"age": 0.5}):
        found = fit.margins(at=at, change={"dose": 2.0})
        np.testing.assert_allclose(found.effects.reshape(-1, 3).sum(axis=1), 0.0, atol=1e-14)
        assert (found.std_errors > 0).all()
        total = found.covariance[:3, :3].sum()
        assert abs(total) < 1e-12 * found.covariance[:3, :3].max()


@pytest.mark.parametrize("name", [*SEVERAL, "cauchit", "gaussian"])
def test_effects_and_their_errors_follow_predictions_and_parameters(name: str) -> None:
    """A small step has the effect of the slope; the errors by the delta method of differences."""
    family: Any = {**SEVERAL, "cauchit": ek.Binomial(link="cauchit"), "gaussian": ek.Gaussian()}
    y = {"cauchit": HIT, "gaussian": ETA + RNG.normal(size=ROWS)}.get(name, WORD)
    fit = ek.fit(family[name], FRAME, y)
    for change, ahead, behind, size in (
        (None, FRAME.assign(age=FRAME["age"] + 1e-5), FRAME.assign(age=FRAME["age"] - 1e-5), 2e-5),
        ({"age": 3}, FRAME.assign(age=FRAME["age"] + 3), FRAME, 1.0),
        ({"age": (0, 2)}, FRAME.assign(age=2.0), FRAME.assign(age=0.0), 1.0),
    ):
        found = fit.margins("age", change=change)
        effect = (fit.predict(ahead) - fit.predict(behind)).reshape(ROWS, -1).mean(axis=0) / size
        np.testing.assert_allclose(found.effects, effect, rtol=1e-6, atol=1e-10)
        root = np.linalg.cholesky(fit._middle) * 1e-4
        slopes = []
        for column in root.T:
            pair = []
            for sign in (1, -1):
                inside = fit._model.inside(fit._point + sign * column)
                moved = stored(fit)
                object.__setattr__(
                    moved, "_inside", inside if fit._tie is None else fit._tie @ inside
                )
                pair.append(moved.margins("age", change=change, at=FRAME).effects)
            slopes.append((pair[0] - pair[1]) / 2e-4)
        error = np.sqrt(np.sum(np.square(slopes), axis=0))
        np.testing.assert_allclose(found.std_errors, error, rtol=1e-5, atol=1e-12)


def test_a_category_is_compared_with_its_reference() -> None:
    frame = FRAME.assign(race=RACE)
    fit = ek.fit(ek.Binomial(), frame, HIT)
    found = fit.margins("race")
    assert found.changes == ("black to other", "black to white")
    for k, level in enumerate(["other", "white"]):
        pair = [fit.predict(frame.assign(race=own)).mean() for own in ("black", level)]
        assert found.effects[k] == pytest.approx(pair[1] - pair[0], rel=SAME)
    other = fit.margins("race", change={"race": ("white", "other")})
    assert other.changes == ("white to other",)
    assert other.effects[0] == pytest.approx(found.effects[0] - found.effects[1], rel=SAME)
    variance = found.covariance[0, 0] + found.covariance[1, 1] - 2 * found.covariance[0, 1]
    assert other.std_errors[0] == pytest.approx(np.sqrt(variance), rel=SAME)


def test_columns_are_held_where_they_are_asked_to_be() -> None:
    frame = FRAME.assign(race=RACE)
    fit = ek.fit(ek.Binomial(), frame, HIT)
    held = fit.margins("dose", at={"age": 1.5, "race": "other"})
    agree(held, fit.margins("dose", at=frame.assign(age=1.5, race="other")))
    assert held.where == "at age = 1.5, race = other, averaged over 240 observations"
    point = {"age": 1.5, "dose": 0.0, "smoker": 1, "race": "other"}
    agree(fit.margins(at=point), stored(fit).margins(at=pd.DataFrame([point])))


def test_weights_counts_and_repeated_rows_have_the_same_effects() -> None:
    times = RNG.integers(0, 4, size=ROWS)
    weighted = ek.fit(ek.Binomial(), FRAME, HIT, weights=times)
    index = np.repeat(np.arange(ROWS), times)
    repeated = ek.fit(ek.Binomial(), FRAME.iloc[index].reset_index(drop=True), HIT[index])
    counts = np.column_stack([HIT * times, ~HIT * times])
    for at in ("average", "mean", {"age": 1.0}):
        agree(weighted.margins(at=at), repeated.margins(at=at))
        agree(ek.fit(ek.Binomial(), FRAME, counts).margins(at=at), repeated.margins(at=at))


def test_pieces_sparse_rows_and_offsets_change_nothing() -> None:
    from scipy import sparse

    values, offset = FRAME.to_numpy(dtype=float), RNG.normal(size=ROWS)
    whole = ek.fit(ek.Binomial(), values, HIT, offset=offset)
    agree(whole.margins(), whole.margins(at=values, offset=offset))
    plain = ek.fit(ek.Binomial(), values, HIT).margins()
    agree(ek.fit(ek.Binomial(), sparse.csr_matrix(values), HIT).margins(), plain)
    pieces = [(values[i : i + 50], HIT[i : i + 50]) for i in range(0, ROWS, 50)]
    agree(ek.fit(ek.Binomial(), ek.Chunks(lambda: iter(pieces))).margins(), plain)


@pytest.mark.parametrize("name", ["softmax", "ordinal", "binomial"])
def test_columns_may_sit_anywhere(name: str) -> None:
    family: Any = {**SEVERAL, "binomial": ek.Binomial()}[name]
    y = HIT if name == "binomial" else WORD
    near = ek.fit(family, FRAME[["age", "dose"]], y).margins(change={"dose": 2.0})
    fit = ek.fit(family, FRAME[["age", "dose"]] + 1e8, y)
    agree(fit.margins(change={"dose": 2.0}), near, FAR)
    agree(stored(fit).margins(change={"dose": 2.0}, at=FRAME[["age", "dose"]] + 1e8), near, FAR)


@pytest.mark.parametrize("kind", ["HC0", "cluster"])
def test_robust_errors_are_made_of_the_robust_covariance(kind: str) -> None:
    groups = np.arange(ROWS) // 4
    fit = ek.fit(ek.Gaussian(), FRAME, ETA + RNG.normal(size=ROWS), groups=groups)
    found = fit.margins(change={"smoker": "slope"}, kind=kind)
    np.testing.assert_allclose(found.effects, fit.params[1:], rtol=SAME)
    expected = np.sqrt(np.diag(fit.covariance(kind)))[1:]
    np.testing.assert_allclose(found.std_errors, expected, rtol=SAME)


def test_all_terms_of_a_formula_follow_their_variable() -> None:
    frame = FRAME.assign(race=RACE.astype(str), hit=HIT)
    formula = "hit ~ age * dose + np.exp(age / 4) + smoker:race + race"
    fit = ek.fit_formula(formula, frame, ek.Binomial())
    found = fit.margins(["age", "race", "smoker"], at=frame)
    ahead, behind = (frame.assign(age=frame["age"] + step) for step in (1e-5, -1e-5))
    slope = (fit.predict(ahead) - fit.predict(behind)).mean() / 2e-5
    assert found.effects[0] == pytest.approx(slope, rel=1e-8)
    levels = [fit.predict(frame.assign(race=own)).mean() for own in ("black", "other", "white")]
    expected = np.subtract(levels[1:], levels[0])
    np.testing.assert_allclose(found.effects[1:3], expected, rtol=SAME)
    pair = [fit.predict(frame.assign(smoker=own)).mean() for own in (0, 1)]
    assert found.effects[3] == pytest.approx(pair[1] - pair[0], rel=SAME)
    with pytest.raises(ek.EstkitError, match="frame of its variables"):
        fit.margins()


def test_a_plain_formula_needs_no_frame() -> None:
    frame = FRAME.assign(race=RACE, hit=HIT)
    plain = ek.fit(ek.Binomial(), FRAME.assign(race=RACE), HIT).margins()
    for formula in ("hit ~ age + dose + smoker + race", "hit ~ age + dose + smoker + C(race)"):
        found = ek.fit_formula(formula, frame, ek.Binomial())
        agree(found.margins(), plain)
        agree(found.margins(at=frame), plain)


def test_intervals_cover_an_average_effect_as_often_as_they_say() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(300, 1))
    p = 1 / (1 + np.exp(-(0.3 + 0.8 * x[:, 0])))
    truth, covered, replicates = 0.8 * np.mean(p * (1 - p)), 0, 400
    for _ in range(replicates):
        lower, upper = (
            ek.fit(ek.Binomial(), x, rng.random(300) < p).margins(level=0.9).interval()[0]
        )
        covered += lower <= truth <= upper
    # four Monte-Carlo standard errors of a share of 0.9
    assert abs(covered / replicates - 0.9) < 4 * np.sqrt(0.09 / replicates)


def test_the_table_is_tidy() -> None:
    found = ek.fit(ek.Softmax(), FRAME, WORD).margins(["age", "smoker"])
    frame = found.to_frame()
    assert list(frame.columns)[:4] == ["column", "change", "outcome", "effect"]
    assert frame["outcome"].tolist() == ["a", "b", "c"] * 2
    assert "averaged over 240 observations" in str(found)
    assert "<table" in found._repr_html_()
    with pytest.raises(ValueError, match="read-only"):
        found.effects[0] = 0.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": "weight"}, "no column of the fit; it has age, dose, smoker, race"),
        ({"at": "median"}, "at must be"),
        ({"at": {"weight": 1.0}}, "no column"),
        ({"at": {"race": "green"}}, "has the levels"),
        ({"at": {"age": "old"}}, "finite numbers"),
        ({"change": {"age": 0}}, "a step"),
        ({"change": {"race": "slope"}}, "a pair of levels"),
        ({"change": {"race": ("black", "green")}}, "has the levels"),
        ({"columns": "age", "change": {"dose": 1}}, "not among"),
        ({"offset": np.zeros(ROWS)}, "offset"),
        ({"level": 95}, "level"),
        ({"kind": "HC9"}, "kind"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], said: str) -> None:
    fit = ek.fit(ek.Binomial(), FRAME.assign(race=RACE), HIT)
    with pytest.raises(ek.EstkitError, match=said):
        fit.margins(**options)


def test_a_stored_fit_needs_rows_and_an_intercept_alone_has_no_effects() -> None:
    with pytest.raises(ek.EstkitError, match="training data"):
        stored(ek.fit(ek.Binomial(), FRAME, HIT)).margins()
    with pytest.raises(ek.DataError, match="no columns"):
        ek.fit(ek.Binomial(), None, HIT).margins()


@pytest.mark.parametrize("size", [1e-290, 1e-200, 1e200, 1e290])
@pytest.mark.parametrize("case", ["binomial", *SEVERAL])
def test_a_column_of_extreme_size_has_the_same_statistics(case: str, size: float) -> None:
    family, y = (ek.Binomial(), HIT) if case == "binomial" else (SEVERAL[case], WORD)
    columns = FRAME[["age", "dose"]].to_numpy()
    plain = ek.fit(family, columns, y).margins()
    found = ek.fit(family, columns * [size, 1.0], y).margins()
    scale = np.where(np.array(found.columns) == "x0", size, 1.0)
    np.testing.assert_allclose(found.effects * scale, plain.effects, rtol=SAME)
    np.testing.assert_allclose(found.std_errors * scale, plain.std_errors, rtol=SAME)
    np.testing.assert_allclose(found.interval() * scale[:, None], plain.interval(), rtol=SAME)
