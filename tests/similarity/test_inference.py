"""Intervals cover, tests keep their size, and noise no longer pulls a cosine towards 0."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import stats

import estkit as ek

ROWS = 4_000  # simulated samples; a coverage of 0.94 then has the standard error 0.004


def sample(law: str, n: int, rows: int = ROWS) -> tuple[Any, Any, float]:
    """Return rows of two dependent vectors, and the cosine of the law they are drawn from."""
    rng = np.random.default_rng([n, len(law)])
    if law == "counts":
        shared, x, y = rng.poisson(1, (3, rows, n)).astype(float)
        return shared + x, shared + y, 5 / 6
    z, w = rng.standard_normal((2, rows, n))
    if law == "normal":
        return z, 0.5 * z + np.sqrt(0.75) * w, 0.5
    tails = np.sqrt(5 / rng.chisquare(5, (rows, n)))
    return z * tails, (0.8 * z + 0.6 * w) * tails, 0.8


@pytest.mark.parametrize("n", [10, 20, 200])
@pytest.mark.parametrize("law", ["normal", "counts", "t5"])
def test_the_interval_covers_where_that_of_pearson_does_not(law: str, n: int) -> None:
    x, y, cosine = sample(law, n)
    found = ek.cosine_interval(x, y)
    covered = ((found.lower <= cosine) & (cosine <= found.upper)).mean()
    slack = 3 * 0.004
    assert 0.93 - slack < covered < 0.96 + slack
    if (law, n) == ("t5", 200):
        z, half = np.arctanh(found.value), 1.96 / np.sqrt(n - 3)
        naive = (np.tanh(z - half) <= cosine) & (cosine <= np.tanh(z + half))
        assert naive.mean() < 0.86


@pytest.mark.parametrize("law", ["normal", "t5"])
def test_the_standard_error_is_the_spread_of_the_estimates(law: str) -> None:
    x, y, _ = sample(law, 200)
    found = ek.cosine_interval(x, y)
    assert found.std_error.mean() / found.value.std() == pytest.approx(1.0, abs=0.09)


def by_deleting(x: Any, y: Any, **options: Any) -> tuple[float, float]:
    """Return the jackknife standard error and upper limit by leaving coordinates out in turn."""
    n = len(x)
    weights, soft = options.pop("weights", None), options.pop("soft", None)
    left = []
    for i in range(n):
        kept = np.arange(n) != i
        own = dict(options)
        if weights is not None:
            own["weights"] = weights[kept]
        if soft is not None:
            own["soft"] = soft[kept][:, kept]
        left.append(ek.cosine_similarity(x[kept], y[kept], **own))
    if weights is not None:
        options["weights"] = weights
    if soft is not None:
        options["soft"] = soft
    cosine = ek.cosine_similarity(x, y, **options)
    errors = [np.sqrt((n - 1) ** 2 / n * np.var(v, ddof=1)) for v in (left, np.arctanh(left))]
    return errors[0], float(np.tanh(np.arctanh(cosine) + stats.t.ppf(0.975, n - 1) * errors[1]))


@pytest.mark.parametrize("form", ["plain", "weights", "center", "both", "soft", "origin"])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_the_jackknife_is_what_deleting_gives(form: str, scale: float) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 12)) + 0.3
    root = rng.standard_normal((12, 12))
    options: dict[str, Any] = {
        "plain": {},
        "weights": {"weights": rng.random(12)},
        "center": {"center": True},
        "both": {"center": True, "weights": rng.random(12)},
        "soft": {"soft": root @ root.T / 12 + np.eye(12)},
        "origin": {},
    }[form]
    found = ek.cosine_interval(scale * x, y, **options)
    error, upper = by_deleting(x, y, **options)
    assert found.value == pytest.approx(ek.cosine_similarity(x, y, **options), abs=1e-14)
    assert found.std_error == pytest.approx(error, rel=1e-9)
    assert found.upper == pytest.approx(upper, rel=1e-9)


@pytest.mark.parametrize("center", [False, True])
def test_one_coordinate_beyond_all_others_is_left_out_to_full_precision(center: bool) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 9))
    x[4], y[4] = 1e12, -1e11
    with np.errstate(divide="ignore", invalid="ignore"):  # artanh of 1, of which no use is made
        error, _ = by_deleting(x, y, center=center)
    tolerance = 1e-5 if center else 1e-9  # the mean of all has taken digits of the others
    found = ek.cosine_interval(x, y, center=center)
    assert found.std_error == pytest.approx(error, rel=tolerance)


def test_the_interval_says_what_it_cannot_know() -> None:
    wide = ek.cosine_interval([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 5.0])
    assert (wide.lower, wide.upper) == (-1.0, 1.0)
    parallel = ek.cosine_interval([1.0, 2.0, 4.0], [2.0, 4.0, 8.0])
    assert (parallel.value, parallel.std_error, parallel.lower) == (1.0, 0.0, 1.0)
    rows = ek.cosine_interval([[1.0, 2.0, 4.0, 3.0], [0.0] * 4], [[2.0, 3.0, 1.0, 1.0]] * 2)
    np.testing.assert_array_equal(np.isnan(rows.value), [False, True])
    np.testing.assert_array_equal(np.isnan(rows.lower), [False, True])


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], {}, "have 2 coordinates that count; at least 3"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], {"weights": [1, 1, 0]}, "2 coordinates that count"),
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], {}, "x: row 0 .* is zero"),
        ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0], {"center": True}, "x: row 0 .* is constant"),
        ([1.0, np.nan, 1.0], [1.0, 2.0, 3.0], {}, "column 'x1' is missing"),
        ([1.0, 1.0, 1.0], [1.0, 2.0], {}, "y has 2 coordinates but x has 3"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 2.0], {"level": 95}, "level must lie strictly between"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 2.0], {"soft": np.eye(3), "center": True}, "soft= cannot"),
    ],
)
def test_what_has_no_interval_is_refused(
    x: Any, y: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ek.DataError, match=message):
        ek.cosine_interval(x, y, **options)


@pytest.mark.parametrize("n", [10, 50])
def test_the_test_of_two_dependent_cosines_keeps_its_size_and_has_power(n: int) -> None:
    rng = np.random.default_rng(n)
    x, a, b = rng.standard_normal((3, ROWS, n))
    equal = ek.cosine_difference(x, 0.6 * x + 0.8 * a, 0.6 * x + 0.8 * b)
    assert 0.025 < (equal.p_value < 0.05).mean() < 0.06
    covered = (equal.lower <= 0) & (equal.upper >= 0)
    np.testing.assert_array_equal(covered, equal.p_value >= 0.05)
    unequal = ek.cosine_difference(x, 0.8 * x + 0.6 * a, 0.2 * x + 0.98 * b)
    assert (unequal.p_value < 0.05).mean() > (0.25 if n == 10 else 0.95)


def test_the_difference_turns_its_sign_with_its_arguments() -> None:
    x, y, z = np.random.default_rng(1).standard_normal((3, 20))
    one, other = ek.cosine_difference(x, y, z), ek.cosine_difference(x, z, y)
    assert one.value == pytest.approx(-other.value, abs=1e-15)
    assert one.p_value == pytest.approx(other.p_value, rel=1e-12)
    assert ek.cosine_difference(x, y, y).p_value == 1.0


def test_the_isotropic_test_is_exact() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((2, 15))
    expected = stats.pearsonr(x, y)
    found = ek.cosine_test(x, y, center=True)
    assert found.value == pytest.approx(expected.statistic, abs=1e-14)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    # about a plane: the angle is uniform
    angle = 0.3
    plane = ek.cosine_test([1.0, 0.0], [np.cos(angle), np.sin(angle)], alternative="greater")
    assert plane.p_value == pytest.approx(angle / np.pi, rel=1e-12)
    assert ek.cosine_test([1.0, 2.0], [1.0, 2.0]).p_value == 0.0
    sides = [ek.cosine_test(x, y, alternative=side).p_value for side in ("greater", "less")]
    assert sum(sides) == pytest.approx(1.0, rel=1e-12)


def test_small_permutation_and_sign_tests_go_through_all_arrangements() -> None:
    x, y = np.array([2.0, 0.0, 1.0, 3.0, 5.0]), np.array([1.0, 0.0, 2.0, 2.0, 6.0])
    sums = np.array([x @ np.array(order) for order in itertools.permutations(y)])
    found = ek.cosine_test(x, y, null="permutation", alternative="greater")
    assert found.p_value == (sums >= x @ y - 1e-9).mean()
    signs = np.array(list(itertools.product([-1, 1], repeat=5))) @ (x * y)
    found = ek.cosine_test(x, y, null="sign", alternative="less")
    assert found.p_value == (signs <= x @ y + 1e-9).mean()


def test_drawn_arrangements_are_near_all_of_them_and_repeat_with_their_seed() -> None:
    x, y = np.random.default_rng(6).random((2, 12))
    drawn = ek.cosine_test(x, y, null="permutation", rng=1)
    assert drawn.p_value == ek.cosine_test(x, y, null="permutation", rng=1).p_value
    many = ek.cosine_test(x, y, null="permutation", rng=2, draws=99_999)
    assert drawn.p_value == pytest.approx(many.p_value, abs=0.02)
    extreme = ek.cosine_test(np.arange(30.0), np.arange(30.0), null="permutation", rng=1)
    assert extreme.p_value == 2 / 10_000  # never 0
    all_signs = ek.cosine_test(x, y, null="sign", alternative="greater").p_value
    assert all_signs == 1 / 4096


def test_p_values_under_the_null_are_uniform() -> None:
    rng = np.random.default_rng(8)
    found = [
        ek.cosine_test(*rng.poisson(2, (2, 9)), null="permutation", draws=199, rng=rng).p_value
        for _ in range(200)
    ]
    assert 0.015 < np.mean(np.array(found) <= 0.05) < 0.09
    isotropic = [ek.cosine_test(*rng.standard_normal((2, 6))).p_value for _ in range(300)]
    assert stats.kstest(isotropic, "uniform").pvalue > 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"null": "zero"}, "null must be one of isotropic, permutation, sign"),
        ({"alternative": "both"}, "alternative must be one of"),
        ({"null": "permutation", "weights": [1, 2, 1]}, "which a permutation moves"),
        ({"null": "sign", "draws": 0, "weights": None}, None),
    ],
)
def test_unknown_options_of_a_test_are_refused(options: dict[str, Any], message: str) -> None:
    if message is None:  # few coordinates need no draws
        assert ek.cosine_test([1.0, 2.0, 3.0], [1.0, 1.0, 2.0], **options).p_value == 0.25
        return
    with pytest.raises(ek.DataError, match=message):
        ek.cosine_test([1.0, 2.0, 3.0], [1.0, 1.0, 2.0], **options)


def noisy(rng: np.random.Generator, sigma: float = 0.05, k: int = 4) -> tuple[Any, Any]:
    """Return replicates of two directions in 768 dimensions, whose cosine is 0.8."""
    first, second = np.zeros((2, 768))
    first[0], second[:2] = 1.0, (0.8, 0.6)
    return tuple(v + sigma * rng.standard_normal((k, 768)) for v in (first, second))


def test_the_debiased_cosine_is_right_where_the_naive_one_is_not() -> None:
    rng = np.random.default_rng(9)
    naive, found, covered = [], [], []
    for _ in range(600):
        X, Y = noisy(rng)
        estimate = ek.debiased_cosine(X, Y)
        naive.append(ek.cosine_similarity(X.mean(axis=0), Y.mean(axis=0)))
        found.append(estimate.value)
        covered.append(estimate.lower <= 0.8 <= estimate.upper)
    assert np.mean(naive) == pytest.approx(0.54, abs=0.01)
    assert np.mean(found) == pytest.approx(0.80, abs=0.01)
    assert np.mean(covered) > 0.93  # with so few replicates it is rather more than 0.95
    assert np.std(found) < 0.04


def test_the_debiased_cosine_knows_no_scale_and_without_noise_is_the_cosine() -> None:
    X, Y = noisy(np.random.default_rng(1))
    one = ek.debiased_cosine(X, Y)
    assert ek.debiased_cosine(1e200 * X, 1e-200 * Y).value == pytest.approx(one.value, rel=1e-12)
    still = ek.debiased_cosine([[3.0, 4.0]] * 3, [[4.0, 3.0]] * 5)
    assert still.value == pytest.approx(0.96, abs=1e-15)
    assert still.std_error == 0.0


def test_what_no_coordinate_changes_is_not_certain_unless_it_is_parallel() -> None:
    apart = ek.cosine_interval([1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 1.0])
    assert apart.value == 0
    assert np.isnan(apart.std_error)
    assert (apart.lower, apart.upper) == (-1.0, 1.0)
    parallel = ek.cosine_interval([1.0, 2.0, 4.0], [3.0, 6.0, 12.0])
    assert (parallel.lower, parallel.upper, parallel.std_error) == (1.0, 1.0, 0.0)
    x, y = [1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 1.0]
    difference = ek.cosine_difference(x, y, x)
    assert (difference.value, difference.lower, difference.upper) == (-1.0, -2.0, 2.0)
    assert np.isnan(difference.p_value)
    same = ek.cosine_difference(x, y, y)
    assert (same.value, same.std_error, same.p_value) == (0.0, 0.0, 1.0)


def test_three_centred_coordinates_are_too_few_to_leave_one_out() -> None:
    with pytest.raises(ek.DataError, match="3 coordinates that count; at least 4 are needed"):
        ek.cosine_interval([1.0, 2.0, 3.5], [3.0, 6.0, 1.0], center=True)


def test_a_debiased_cosine_that_is_cut_off_is_not_certain() -> None:
    rng = np.random.default_rng(14)
    cut, covered = 0, []
    for _ in range(200):
        X, Y = (np.eye(1, 60)[0] + 0.05 * rng.standard_normal((4, 60)) for _ in range(2))
        estimate = ek.debiased_cosine(X, Y)
        covered.append(estimate.lower <= 1.0 <= estimate.upper)
        cut += estimate.value == 1.0
        assert estimate.std_error > 0
        assert estimate.lower < estimate.upper
    assert cut > 50
    assert np.mean(covered) > 0.93


def test_a_debiased_cosine_whose_error_is_not_known_has_the_whole_interval() -> None:
    X = np.array([[1.0, 0.2], [1.0, -0.2], [-0.4, 0.0], [0.5, 0.1]])
    estimate = ek.debiased_cosine(X, [[1.0, 0.0], [1.0, 0.1], [1.0, -0.1]])
    assert estimate.status == "ok"
    assert np.isnan(estimate.std_error)
    assert (estimate.lower, estimate.upper) == (-1.0, 1.0)


def test_the_debiased_cosine_fails_aloud() -> None:
    lost = ek.debiased_cosine([[1.0, 0.0], [-1.0, 0.1]], [[1.0, 0.0], [1.0, 0.1]])
    assert lost.status == "failed"
    assert "no longer than its noise" in lost.reason
    assert ek.debiased_cosine(*noisy(np.random.default_rng(1), k=2)).std_error is None
    with pytest.raises(ek.DataError, match="X must hold at least 2 replicates"):
        ek.debiased_cosine([[1.0, 2.0]], [[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ek.DataError, match="Y has 1 coordinates but X has 2"):
        ek.debiased_cosine([[1.0, 2.0]] * 2, [[1.0]] * 2)


def test_a_study_can_judge_the_interval() -> None:
    def generate(rng: np.random.Generator) -> Any:
        z, w = rng.standard_normal((2, 15))
        return z, 0.5 * z + np.sqrt(0.75) * w

    study = ek.Study(generate, {"jackknife": lambda pair: ek.cosine_interval(*pair)}, truth=0.5)
    summary = study.run(400, rng=1).summary()
    coverage = summary.loc[summary["measure"] == "coverage", "value"].iloc[0]
    assert coverage == pytest.approx(0.945, abs=0.035)
