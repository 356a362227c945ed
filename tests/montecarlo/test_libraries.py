"""Results of statsmodels, scipy and scikit-learn are estimates with their own numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, stats
from sklearn.linear_model import LinearRegression, LogisticRegression, LogisticRegressionCV, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import estkit as ek
from estkit.montecarlo.answers import as_estimate

SEED = 41
rng = np.random.default_rng(SEED)
X = rng.normal(0.3, 1.0, size=20)
Y = 0.5 * X + rng.normal(size=20)


def test_a_t_test_gives_the_mean_its_error_and_its_p_value() -> None:
    found = as_estimate(stats.ttest_1samp(X, 0.1))
    assert found.value == pytest.approx(X.mean(), rel=1e-12)
    assert found.std_error == pytest.approx(X.std(ddof=1) / np.sqrt(20), rel=1e-12)
    expected = stats.t.interval(0.95, 19, X.mean(), X.std(ddof=1) / np.sqrt(20))
    assert (found.lower, found.upper) == pytest.approx(expected, rel=1e-12)
    assert found.p_value == stats.ttest_1samp(X, 0.1).pvalue


@pytest.mark.parametrize("equal", [True, False])
def test_a_t_test_of_two_samples_gives_the_difference(equal: bool) -> None:
    found = as_estimate(stats.ttest_ind(X, Y, equal_var=equal))
    assert found.value == pytest.approx(X.mean() - Y.mean(), rel=1e-12)
    difference = sm.stats.CompareMeans.from_data(X, Y)
    limits = difference.tconfint_diff(usevar="pooled" if equal else "unequal")
    assert (found.lower, found.upper) == pytest.approx(limits, rel=1e-9)


def test_a_one_sided_t_test_is_refused_for_it_does_not_tell_its_mean() -> None:
    with pytest.raises(ek.DataError, match="one-sided"):
        as_estimate(stats.ttest_1samp(X, 0.0, alternative="less"))


def test_a_share_and_a_correlation_have_their_intervals() -> None:
    share = stats.binomtest(3, 20, 0.3)
    found = as_estimate(share)
    assert (found.value, found.p_value) == (0.15, share.pvalue)
    assert (found.lower, found.upper) == tuple(share.proportion_ci())
    correlation = stats.pearsonr(X, Y)
    found = as_estimate(correlation)
    assert found.value == correlation.statistic
    assert (found.lower, found.upper) == tuple(correlation.confidence_interval())


@pytest.mark.parametrize(
    "test",
    [
        stats.spearmanr(X, Y),
        stats.mannwhitneyu(X, Y),
        stats.wilcoxon(X),
        stats.ks_1samp(X, stats.norm.cdf),
        stats.shapiro(X),
        stats.f_oneway(X, Y),
        stats.chi2_contingency([[3, 5], [6, 2]]),
        stats.permutation_test((X, Y), lambda a, b: a.mean() - b.mean(), n_resamples=99, rng=1),
    ],
    ids=lambda test: type(test).__name__,
)
def test_any_other_test_gives_its_statistic_and_p_value(test: Any) -> None:
    found = as_estimate(test)
    assert (found.value, found.p_value) == (float(test.statistic), float(test.pvalue))
    assert found.lower is None


def test_a_line_has_both_errors_and_no_limits_that_it_does_not_tell() -> None:
    line = stats.linregress(X, Y)
    found = as_estimate(line)
    assert found.names == ("slope", "intercept")
    assert found.value.tolist() == [line.slope, line.intercept]
    assert found.std_error.tolist() == [line.stderr, line.intercept_stderr]
    assert np.isnan(found.lower).all()
    robust = stats.theilslopes(Y, X)
    assert as_estimate(robust).upper[0] == robust.high_slope
    assert as_estimate(stats.siegelslopes(Y, X)).names == ("slope", "intercept")


def test_optima_and_fits_say_whether_they_ended() -> None:
    def far(point: Any) -> float:
        return float(((point - 3) ** 2).sum())

    assert as_estimate(optimize.minimize(far, [0.0, 0.0])).value == pytest.approx(3.0, abs=1e-4)
    stopped = as_estimate(optimize.minimize(far, [0.0, 0.0], options={"maxiter": 0}))
    assert stopped.status == "not_converged"
    assert "iterations" in stopped.reason
    bounds = {"loc": (-5, 5), "scale": (0.1, 5)}
    fit = stats.fit(stats.norm, X, bounds, optimizer=optimize.differential_evolution)
    assert as_estimate(fit).names == ("loc", "scale")


def test_a_bootstrap_result_says_what_to_return_instead() -> None:
    result = stats.bootstrap((X,), np.mean, n_resamples=99, rng=1)
    with pytest.raises(ek.DataError, match="holds no estimate"):
        as_estimate(result)


def test_a_test_over_a_whole_block_is_the_test_of_each_sample() -> None:
    def both(x: Any, axis: int = -1) -> Any:
        return stats.ttest_1samp(x, 0.0, axis=axis)

    draw = ek.vectorized(lambda rng, replicates: rng.normal(0.2, 1.0, size=(replicates, 12)))
    alone = ek.Study(draw, {"t": lambda x: stats.ttest_1samp(x, 0.0)}, truth=0.2)
    for estimator in (both, ek.vectorized(lambda x: both(x, 1))):
        together = ek.Study(draw, {"t": estimator}, truth=0.2).run(40, rng=SEED).outcomes()
        one_by_one = alone.run(40, rng=SEED).outcomes()
        fields = ["estimate", "std_error", "lower", "upper", "p_value"]
        np.testing.assert_allclose(together[fields], one_by_one[fields], rtol=1e-9)


def line(rng: Any) -> tuple[Any, Any]:
    X = rng.normal(size=(40, 2))
    return X, X @ [1.0, -0.5] + rng.normal(size=40)


def classes(rng: Any) -> tuple[Any, Any]:
    X = rng.normal(size=(60, 2))
    return X, (X[:, 0] + rng.logistic(size=60) > 0).astype(int)


def test_a_scikit_learn_estimator_is_fitted_anew_to_every_data_set() -> None:
    model = LinearRegression()
    truth = {"intercept": 0.0, "x0": 1.0, "x1": -0.5}
    result = ek.Study(line, {"least squares": model, "ridge": Ridge()}, truth=truth).run(
        60, rng=SEED
    )
    assert not hasattr(model, "coef_")  # what was given is not changed
    again = result.replay(17)
    expected = LinearRegression().fit(*again.data)
    own = again.estimates["least squares"]
    assert own.names == ("intercept", "x0", "x1")
    np.testing.assert_allclose(own.value, [expected.intercept_, *expected.coef_], rtol=1e-12)
    assert (result.summary("failure_rate")["value"] == 0).all()


def test_pipelines_several_outcomes_and_frames_have_names() -> None:
    import pandas as pd

    X = pd.DataFrame(rng.normal(size=(90, 2)), columns=["age", "dose"])
    y = np.repeat(["a", "b", "c"], 30)
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    assert as_estimate(fitted).names[:3] == ("a:intercept", "a:x0", "a:x1")
    assert as_estimate(LogisticRegression().fit(X, y == "a")).names == (
        "intercept", "age", "dose",
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:lbfgs failed")
def test_a_solver_that_used_all_its_iterations_has_not_converged() -> None:
    stopped = as_estimate(LogisticRegression(max_iter=1).fit(*classes(rng)))
    assert stopped.status == "not_converged"
    assert "all of its 1 iterations" in stopped.reason


def test_randomness_inside_an_estimator_comes_from_the_stream_of_the_replicate() -> None:
    # the folds of the search depend on random_state: fixed ones would tie the replicates together
    model = LogisticRegression(solver="saga", max_iter=5000)
    study = ek.Study(classes, {"saga": model})
    one, two = (study.run(6, rng=SEED, n_jobs=n).outcomes()["estimate"] for n in (1, 2))
    assert one.tolist() == two.tolist()
    seen = []

    class Spy(LogisticRegression):
        def fit(self, X: Any, y: Any) -> Any:
            seen.append(self.random_state)
            return super().fit(X, y)

    ek.Study(classes, {"spy": Spy()}).run(6, rng=SEED)
    assert len(set(seen)) == len(seen) >= 6
    with pytest.raises(ek.DataError, match="random_state=0"):
        ek.Study(classes, {"fixed": LogisticRegressionCV(random_state=0)})


def test_a_model_without_coefficients_is_a_failure_that_says_what_to_do() -> None:
    result = ek.Study(classes, {"neighbours": KNeighborsClassifier()}).run(3, rng=SEED)
    assert "has no coefficients" in result.failures()["reason"][0]


def test_statsmodels_p_values_are_kept() -> None:
    fit = sm.OLS(Y, sm.add_constant(X)).fit()
    np.testing.assert_array_equal(as_estimate(fit).p_value, fit.pvalues)
