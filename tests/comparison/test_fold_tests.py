"""Tests on fold scores equal independent ones, and answer where others give nan or fall over."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

import estkit as ek
from estkit.comparison.paired_tests import METHODS, adjusted
from estkit.comparison.verdict import PairedTest

SAME = 1e-10  # the same formula in another order of operations
PAIRED = json.loads(
    (Path(__file__).parents[1] / "references" / "comparison" / "paired.json").read_text()
)
Make = Callable[..., ek.Comparison]
RNG = np.random.default_rng(4)
TEN = {"a": 0.8 + 0.1 * RNG.random(10), "b": 0.75 + 0.1 * RNG.random(10)}


@pytest.mark.parametrize("case", PAIRED["bayesian"])
def test_the_posterior_is_that_of_baycomp(case: dict[str, Any], scored: Make) -> None:
    scores = {"a": case["first"], "b": case["second"]}
    found = scored(scores, case["runs"]).test("b", "a", "bayesian", rope=case["rope"])
    assert found.posterior is not None
    worse, equivalent, better = case["probabilities"]
    assert found.posterior == pytest.approx((better, equivalent, worse), rel=SAME, abs=1e-12)
    assert math.isnan(found.p_value)
    classic = scored(scores, case["runs"]).test("b", "a")
    wanted = (case["mean"], math.sqrt(case["variance"]), case["df"])
    assert (classic.estimate, classic.std_error, classic.df) == pytest.approx(wanted, rel=SAME)
    if not case["rope"]:  # the posterior about 0 is the one-sided p-value
        one_sided = scored(scores, case["runs"]).test("b", "a", alternative="better")
        assert one_sided.p_value == pytest.approx(worse, rel=SAME)


def test_the_corrected_t_is_that_of_its_paper(scored: Make) -> None:
    found = scored(TEN).test("a", "b", level=0.9)
    d = TEN["a"] - TEN["b"]
    error = math.sqrt((1 / 10 + 1 / 9) * d.var(ddof=1))
    assert found.statistic == pytest.approx(d.mean() / error, rel=SAME)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(d.mean()) / error, 9), rel=SAME)
    limits = stats.t.interval(0.9, 9, d.mean(), error)
    assert found.interval == pytest.approx(limits, rel=SAME)
    assert found.better == "a"
    naive = scored(TEN).test("a", "b", "naive_t")
    wanted = stats.ttest_rel(TEN["a"], TEN["b"])
    assert (naive.statistic, naive.p_value) == pytest.approx(tuple(wanted), rel=SAME)
    assert any("NOT A VALID TEST" in note for note in naive.notes)


@pytest.mark.parametrize("alternative", ["better", "worse"])
def test_one_side_is_that_of_scipy_and_opens_the_interval(alternative: str, scored: Make) -> None:
    found = scored(TEN).test("a", "b", "naive_t", alternative=alternative)
    side = {"better": "greater", "worse": "less"}[alternative]
    wanted = stats.ttest_rel(TEN["a"], TEN["b"], alternative=side)
    assert found.p_value == pytest.approx(wanted.pvalue, rel=SAME)
    limits = wanted.confidence_interval(0.95)
    assert found.interval == pytest.approx((limits.low, limits.high), rel=SAME)


def test_the_direction_goes_with_the_score(made: Make) -> None:
    """A smaller error is better, in sign, in the winner and on either side (trap 15)."""
    truth = np.zeros(60)
    far = np.random.default_rng(1).normal(size=60)
    result = made({"near": far / 3, "far": far}, truth, scoring=["rmse", "r2", "mae"])
    found = result.test("near", "far")
    assert found.estimate < 0
    assert found.better == "near"
    assert result.test("near", "far", alternative="better").p_value < 0.01
    assert result.test("near", "far", alternative="worse").p_value > 0.99
    assert result.test("near", "far", alternative="better").interval[0] == -math.inf
    posterior = result.test("near", "far", "bayesian", "mae").posterior
    assert posterior is not None
    assert posterior.better > 0.99


@pytest.mark.parametrize("method", sorted(METHODS))
def test_identical_models_are_equal_by_every_test(method: str) -> None:
    """Nothing is divided by 0: statistic 0, p-value 1 (trap 8)."""
    X, y = load_iris(return_X_y=True)
    same = {"a": GaussianNB(), "b": GaussianNB()}
    two = y < 2
    result = ek.compare(
        same, X[two][:, :2], y[two], cv=(2, 5), rng=1, scoring=["accuracy", "roc_auc"]
    )
    found = result.test("a", "b", method)
    assert (found.estimate, found.better) == (0, None)
    if method == "bayesian":
        assert found.posterior == (0, 1, 0)
    else:
        assert found.p_value == 1
        assert found.statistic == 0 or method == "mcnemar"
    assert not any(math.isnan(limit) for limit in found.interval) or method == "five_by_two_f"
    assert "they are equal" in repr(found)


def test_equal_differences_are_judged_by_their_sign_alone(scored: Make) -> None:
    values = np.linspace(0.5, 0.9, 6)
    result = scored({"a": values + 0.1, "b": values})
    found = result.test("a", "b")
    assert found.std_error == 0
    assert found.p_value == stats.binomtest(6, 6).pvalue
    assert result.test("a", "b", alternative="better").p_value == 0.5**6
    assert result.test("a", "b", alternative="worse").p_value == 1
    assert "sign test" in found.notes[0]
    posterior = result.test("a", "b", "bayesian", rope=0.01).posterior
    assert posterior == (1, 0, 0)


def test_folds_on_which_a_model_failed_are_left_out_for_both(scored: Make) -> None:
    holes = {name: values.copy() for name, values in TEN.items()}
    holes["a"][2] = holes["b"][7] = np.nan
    found = scored(holes).test("a", "b")
    kept = [0, 1, 3, 4, 5, 6, 8, 9]
    d = (TEN["a"] - TEN["b"])[kept]
    assert found.df == 7
    assert found.std_error == pytest.approx(math.sqrt((1 / 8 + 1 / 9) * d.var(ddof=1)), rel=SAME)
    assert found.basis.startswith("8 of 10 folds")


def test_one_fold_has_no_variance_and_is_refused(scored: Make) -> None:
    one = np.full(10, np.nan)
    one[3] = 0.5
    with pytest.raises(ek.DataError, match="on 1 of 10 folds together, and a variance needs 2"):
        scored({"a": one, "b": TEN["b"]}).test("a", "b")


def test_an_infinite_score_is_refused_by_name() -> None:
    """A vote of one neighbour is 0 or 1, so its log loss is infinite (trap 16)."""
    models = {"one": KNeighborsClassifier(1), "bayes": GaussianNB()}
    result = ek.compare(models, *load_iris(return_X_y=True), cv=5, rng=1)
    with pytest.raises(ek.DataError, match="log_loss of 'one' is infinite on"):
        result.test("one", "bayes", score="log_loss")


def test_a_score_that_folds_of_one_row_lack_is_refused(made: Make) -> None:
    truth = np.arange(12.0)
    result = made({"a": truth + 1, "b": truth * 1.1}, truth, cv="loo", scoring="r2")
    with pytest.raises(ek.DataError, match="on 0 of 12 folds"):
        result.test("a", "b")
    assert result.test("a", "b", "clt").p_value < 1  # pooled first (trap 13)


def test_power_is_that_of_the_noncentral_t(scored: Make) -> None:
    found = scored(TEN).test("a", "b")
    limit, shift = stats.t.ppf(0.975, 9), 0.04 / found.std_error
    wanted = stats.nct.sf(limit, 9, shift) + stats.nct.cdf(-limit, 9, shift)
    assert found.power(0.04) == found.power(-0.04) == pytest.approx(wanted, rel=1e-8)
    assert found.power(0) == pytest.approx(0.05)
    for power in (0.5, 0.8, 0.95):
        assert found.power(found.detectable(power)) == pytest.approx(power)
    with pytest.raises(ek.DataError, match="power must lie between"):
        found.detectable(1.2)


@pytest.mark.parametrize("df", [1, 2, 4, 9, 29, 99, 100_000])
def test_power_is_known_for_few_folds_and_for_any_difference(df: int) -> None:
    found = PairedTest(
        a="a", b="b", method="corrected_t", score="accuracy", greater_is_better=True,
        estimate=0.1, std_error=1.0, df=float(df),
    )  # fmt: skip
    limit, spread = stats.t.ppf(0.975, df), stats.chi(df, scale=1 / math.sqrt(df))
    low, high = spread.ppf(1e-14), spread.isf(1e-14)  # of the error that is estimated
    for shift in (0.5, 3.0, 8.0, 20.0, 41.0, 58.5, 200.0, 1e6):

        def found_at(s: float, by: float = shift) -> float:
            return float(stats.norm.sf(limit * s - by) + stats.norm.cdf(-limit * s - by))

        edge = min(max(shift / limit, low), high)  # beyond it differences are missed
        wanted = sum(
            integrate.quad(lambda s: found_at(s) * spread.pdf(s), *ends, epsabs=1e-12)[0]
            for ends in ((low, edge), (edge, high))
        )
        assert found.power(shift) == pytest.approx(wanted, abs=1e-9)
    assert found.power(found.detectable()) == pytest.approx(0.8)


def test_two_folds_can_be_tested_with_the_difference_they_could_find() -> None:
    result = ek.compare(["knn", "linear"], *load_iris(return_X_y=True), cv=2, rng=1)
    assert result.pairwise()["detectable"].notna().all()


def test_power_is_the_share_of_experiments_that_find_the_difference(scored: Make) -> None:
    found = scored(TEN).test("a", "b", alternative="better")
    rng, times, difference = np.random.default_rng(3), 20_000, 0.05
    errors = found.std_error * np.sqrt(rng.chisquare(9, times) / 9)
    estimates = difference + found.std_error * rng.normal(size=times)
    share = np.mean(estimates / errors > stats.t.ppf(0.95, 9))
    assert found.power(difference) == pytest.approx(share, abs=4 * 0.5 / math.sqrt(times))


@pytest.mark.parametrize("method", ["five_by_two_t", "five_by_two_f"])
def test_the_five_by_two_tests_are_those_of_their_papers(method: str, scored: Make) -> None:
    found = scored(TEN, 5).test("a", "b", method)
    d = (TEN["a"] - TEN["b"]).reshape(5, 2)
    within = ((d - d.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    if method == "five_by_two_t":
        statistic = d[0, 0] / math.sqrt(within.mean())
        wanted = statistic, 2 * stats.t.sf(abs(statistic), 5)
    else:
        statistic = (d**2).sum() / (2 * within.sum())
        wanted = statistic, stats.f.sf(statistic, 10, 5)
    assert (found.statistic, found.p_value) == pytest.approx(wanted, rel=SAME)
    with pytest.raises(ek.DataError, match="two folds, five times"):
        scored(TEN).test("a", "b", method)


def test_holm_is_that_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = np.array([0.3, 0.001, 0.02, 0.02, 0.9, 0.011])
    for method in ("holm", "bonferroni"):
        wanted = multipletests(p_values, method=method)[1]
        np.testing.assert_allclose(adjusted(p_values, method), wanted, rtol=SAME)
    np.testing.assert_array_equal(adjusted(np.array([np.nan, 0.04]), "holm"), [np.nan, 0.04])


def test_pairs_are_all_tested_and_adjusted(scored: Make) -> None:
    three = {**TEN, "c": TEN["b"] - 0.1 * RNG.random(10)}
    result = scored(three)
    frame = result.pairwise()
    assert list(zip(frame["a"], frame["b"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    single = [result.test(*pair).p_value for pair in (("a", "b"), ("a", "c"), ("b", "c"))]
    assert frame["p_value"].tolist() == single
    assert frame["p_adjusted"].tolist() == adjusted(np.array(single), "holm").tolist()
    assert (frame["p_adjusted"] >= frame["p_value"]).all()
    assert result.pairwise(adjust=None)["p_adjusted"].tolist() == single
    with pytest.raises(ek.DataError, match="adjust must be"):
        result.pairwise(adjust="tukey")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "t"}, "'t' is not a test"),
        ({"b": "c"}, "'c' is not a model"),
        ({"alternative": "greater"}, "alternative must be one of"),
        ({"level": 95}, "level must lie"),
        ({"rope": -1, "method": "bayesian"}, "rope is the largest"),
        ({"method": "mcnemar"}, "about classes"),
        ({"method": "delong"}, "about classes"),
        ({"score": "rmse"}, "not among the scores"),
    ],
)
def test_what_cannot_be_asked_is_named(asked: dict[str, Any], message: str, scored: Make) -> None:
    with pytest.raises(ek.DataError, match=message):
        scored(TEN).test(**{"a": "a", "b": "b", **asked})


def test_a_test_is_shown_stored_and_put_into_frames(scored: Make) -> None:
    found = scored(TEN).test("a", "b")
    text = str(found)
    assert "detectable" in text
    assert "liberal" in text
    assert "10 of 10 folds" in text
    assert found.to_frame()["p_value"][0] == found.p_value
    stored = json.loads(json.dumps(found.to_dict()))
    assert stored["detectable"] == found.detectable()
    assert "P(better)" in scored(TEN).test("a", "b", "bayesian").to_markdown()
