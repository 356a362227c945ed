"""``proportion``: seven intervals for the binomial p, against 40 digits, peers and enumeration."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

import estkit as ek
from estkit.likelihood.proportion import proportion

Floats = NDArray[np.float64]

# Limits keep all digits but rounding: relative to the nearer of 0 and 1, or one float beside it.
EXACT = 1e-13
FLOAT = 2.0**-52
# At moderate n the peers are right too, to what their own root finding leaves.
PEER = 1e-9

METHODS = (
    "wilson", "wald", "agresti_coull", "jeffreys", "clopper_pearson", "likelihood_ratio", "mid_p",
)  # fmt: skip
# Those that hold p̂ at every level; the tails of the others meet elsewhere as the level goes to 0.
AROUND = tuple(method for method in METHODS if method not in ("agresti_coull", "jeffreys", "mid_p"))

# From one trial to more than a float's square root can resolve; both ends, the middle, rare events.
TRIALS = (1, 2, 3, 7, 40, 1000, 123_457, 10**9)
LEVELS = (0.01, 0.5, 0.95, 1 - 1e-9, 1 - 2.0**-52)


def counts(n: int) -> list[int]:
    low = {0, 1, 2, 3, 10, 200, n // 1000, n // 7, n // 3, n // 2}
    return sorted({x for k in low if k <= n for x in (k, n - k)})


CASES = [(x, n) for n in TRIALS for x in counts(n)]


# --- the definitions, in 40 digits ---


def beta_cdf(a: mp.mpf, b: mp.mpf, p: mp.mpf) -> mp.mpf:
    """Return I_p(a, b) by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if b == 0:
        return mp.mpf(0)
    if p > (a + 1) / (a + b + 2):  # it converges slowly there
        return 1 - beta_cdf(b, a, 1 - p)
    log_front = a * mp.log(p) + b * mp.log1p(-p) - mp.log(a) + mp.loggamma(a + b)
    c = mp.mpf(1)
    d = 1 / (1 - (a + b) * p / (a + 1))
    value, m = d, 0
    while True:
        m += 1
        for term in (
            m * (b - m) * p / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * p / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            value *= c * d
        if abs(c * d - 1) < mp.mpf(10) ** -28:
            return mp.exp(log_front - mp.loggamma(a) - mp.loggamma(b)) * value


def beta_slope(a: mp.mpf, b: mp.mpf, p: mp.mpf) -> mp.mpf:
    """Return the derivative of I_p(a, b)."""
    if b == 0 or a == 0:
        return mp.mpf(0)
    log_slope = (a - 1) * mp.log(p) + (b - 1) * mp.log1p(-p) + mp.loggamma(a + b)
    return mp.exp(log_slope - mp.loggamma(a) - mp.loggamma(b))


def log_likelihood(x: int, n: int, p: mp.mpf) -> mp.mpf:
    return (x * mp.log(p) if x else 0) + ((n - x) * mp.log1p(-p) if x < n else 0)


def evidence(method: str, x: int, n: int, p: mp.mpf) -> mp.mpf:
    """Return what rises with p up to p̂ and reaches `threshold` at the lower limit of a method."""
    center = mp.mpf(x) / n
    if method == "wilson":
        return -(center - p) / mp.sqrt(p * (1 - p) / n)
    drop = log_likelihood(x, n, center) - log_likelihood(x, n, p)
    return -mp.sqrt(2 * drop) if p < center else mp.sqrt(2 * drop)


def tail(method: str, x: int, n: int, p: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    """Return the same of the methods with tails of a beta law, and its derivative."""
    y, half = n - x, mp.mpf(1) / 2
    a, b = (x + half, y + half) if method == "jeffreys" else (mp.mpf(x), mp.mpf(y + 1))
    value, slope = beta_cdf(a, b, p), beta_slope(a, b, p)
    if method == "mid_p":  # P(X > x) = P(X >= x) - P(X = x)
        a, b = mp.mpf(x + 1), mp.mpf(y)
        ways = mp.loggamma(n + 1) - mp.loggamma(x + 1) - mp.loggamma(y + 1)
        value -= mp.exp(ways + log_likelihood(x, n, p)) / 2
        slope = (slope + beta_slope(a, b, p)) / 2
    return value, slope


def quantile(level: float) -> mp.mpf:
    return mp.sqrt(2) * mp.erfinv(mp.mpf(level))


def threshold(method: str, level: float) -> mp.mpf:
    if method in ("wilson", "likelihood_ratio"):
        return -quantile(level)
    return (1 - mp.mpf(level)) / 2


def explicit(method: str, x: int, n: int, level: float) -> mp.mpf:
    """Return the lower limit of the two methods that are a center minus a width."""
    z = quantile(level)
    more = z * z / 2 if method == "agresti_coull" else 0
    trials = n + 2 * more
    center = (x + more) / trials
    return max(center - z * mp.sqrt(center * (1 - center) / trials), mp.mpf(0))


def check_lower(method: str, x: int, n: int, level: float, p: mp.mpf, spacing: float) -> None:
    """Check a lower limit p that is only known up to `spacing`."""
    if x == 0:
        assert p == 0
        return
    slack = max(EXACT * min(p, 1 - p), mp.mpf(spacing))
    if method in ("wald", "agresti_coull"):
        # The width is taken from the center, so rounding counts relative to the center.
        center = mp.mpf(x) / n
        assert abs(p - explicit(method, x, n, level)) <= max(EXACT * center, spacing)
        return
    below, above = p - slack, p + slack
    wanted = threshold(method, level)
    if method not in ("wilson", "likelihood_ratio"):
        value, slope = tail(method, x, n, p)  # within the slack it is as straight as a line
        assert below <= 0 or value - slack * slope < wanted
        assert above >= 1 or value + slack * slope > wanted
        return
    assert below <= 0 or evidence(method, x, n, below) < wanted
    assert above >= 1 or evidence(method, x, n, above) > wanted


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("method", METHODS)
def test_limits_are_exact(method: str, level: float) -> None:
    x, n = np.array(CASES).T
    found = proportion(x, n, level=level, method=method)
    with mp.workdps(40):
        for (hits, trials), lower, upper in zip(CASES, found.lower, found.upper, strict=True):
            # Of a limit and its mirror image the one below a half has the digits; the other is its
            # complement, as the test of mirrored counts shows.
            if lower <= 0.5:
                check_lower(method, hits, trials, level, mp.mpf(lower), FLOAT * lower)
            if upper <= 0.5:
                check_lower(method, trials - hits, trials, level, 1 - mp.mpf(upper), FLOAT * upper)


@pytest.mark.parametrize("n", TRIALS)
def test_closed_forms_at_the_ends(n: int) -> None:
    with mp.workdps(40):
        z, half_alpha = quantile(0.95), (1 - mp.mpf(0.95)) / 2
        wanted = {
            "wilson": z**2 / (n + z**2),
            "clopper_pearson": 1 - half_alpha ** (mp.mpf(1) / n),
            "likelihood_ratio": 1 - mp.exp(-(z**2) / (2 * n)),
            "mid_p": 1 - (2 * half_alpha) ** (mp.mpf(1) / n),
        }
        for method, upper in wanted.items():
            none = proportion(0, n, method=method)
            every = proportion(n, n, method=method)
            assert (none.lower, every.upper) == (0.0, 1.0)
            assert none.upper == pytest.approx(float(upper), rel=EXACT)
            assert every.lower == pytest.approx(float(1 - upper), rel=EXACT)


@pytest.mark.parametrize("n", [10**9, 10**15])
@pytest.mark.parametrize("x", [0, 1, 7])
def test_agresti_and_coull_keep_the_digits_of_rare_events(x: int, n: int) -> None:
    with mp.workdps(40):
        z = mp.sqrt(2) * mp.erfinv(mp.mpf("0.95"))
        p = (x + z * z / 2) / (n + z * z)
        wanted = float(p + z * mp.sqrt(p * (1 - p) / (n + z * z)))
    assert proportion(x, n, method="agresti_coull").upper == pytest.approx(wanted, rel=EXACT, abs=0)


def test_the_wald_interval_at_the_ends_has_no_width() -> None:
    found = proportion([0, 10], 10, method="wald")
    assert found.lower.tolist() == found.upper.tolist() == found.value.tolist() == [0.0, 1.0]
    assert found.std_error.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("method", METHODS)
def test_value_and_standard_error_are_the_same_for_every_method(method: str) -> None:
    x, n = np.array(CASES).T
    found = proportion(x, n, method=method)
    np.testing.assert_array_equal(found.value, x / n)
    wanted = [mp.sqrt(mp.mpf(a) * (b - a) / mp.mpf(b) ** 3) for a, b in CASES]
    np.testing.assert_allclose(found.std_error, np.array(wanted, dtype=float), rtol=EXACT)


# --- the peers ---


@pytest.mark.parametrize(
    ("method", "theirs"),
    [
        ("wald", "normal"),
        ("wilson", "wilson"),
        ("agresti_coull", "agresti_coull"),
        ("jeffreys", "jeffreys"),
        ("clopper_pearson", "beta"),
    ],
)
@pytest.mark.parametrize("level", [0.5, 0.9, 0.999])
def test_statsmodels_agrees(method: str, theirs: str, level: float) -> None:
    n = np.repeat([1, 2, 9, 60, 1000], 41)
    x = np.round(np.tile(np.linspace(0, 1, 41), 5) * n).astype(int)
    lower, upper = proportion_confint(x, n, alpha=1 - level, method=theirs)
    if method == "jeffreys":  # statsmodels leaves the ends out that Brown, Cai and DasGupta add
        lower, upper = np.where(x == 0, 0, lower), np.where(x == n, 1, upper)
    found = proportion(x, n, level=level, method=method)
    np.testing.assert_allclose(found.lower, lower, rtol=PEER, atol=1e-14)
    np.testing.assert_allclose(found.upper, upper, rtol=PEER, atol=1e-14)


@pytest.mark.parametrize(("method", "theirs"), [("wilson", "wilson"), ("clopper_pearson", "exact")])
@pytest.mark.parametrize(("x", "n"), [(0, 1), (1, 1), (0, 30), (3, 30), (30, 30), (517, 2000)])
def test_scipy_agrees(method: str, theirs: str, x: int, n: int) -> None:
    interval = stats.binomtest(x, n).proportion_ci(0.95, method=theirs)
    found = proportion(x, n, method=method)
    assert (found.lower, found.upper) == pytest.approx(interval, rel=PEER, abs=1e-14)


@pytest.mark.parametrize("level", [1 - 1e-6, 1 - 1e-9, 1 - 1e-12, 1 - 1e-15])
def test_a_tiny_alpha_does_not_make_the_lower_limit_jump(level: float) -> None:
    # Clopper-Pearson in scipy and statsmodels once went to 0.99 here (statsmodels 9549, 7008).
    x, n = np.array([1, 10, 107, 1000]), 1000
    found = proportion(x, n, level=level, method="clopper_pearson")
    tail = stats.binom.sf(x - 1, n, found.lower)
    np.testing.assert_allclose(tail, (1 - level) / 2, rtol=PEER)


# --- properties ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", LEVELS)
def test_successes_and_failures_are_mirrored(method: str, level: float) -> None:
    x, n = np.array(CASES).T
    found = proportion(x, n, level=level, method=method)
    other = proportion(n - x, n, level=level, method=method)
    np.testing.assert_allclose(found.lower, 1 - other.upper, rtol=0, atol=FLOAT)
    np.testing.assert_array_equal(found.std_error, other.std_error)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 10, 137, 5000])
def test_limits_rise_with_successes(method: str, n: int) -> None:
    for level in (0.5, 0.95, 1 - 1e-9):
        found = proportion(np.arange(n + 1), n, level=level, method=method)
        assert np.all(np.diff(found.lower) >= 0)
        assert np.all(np.diff(found.upper) >= 0)
        assert np.all((found.lower >= 0) & (found.lower < found.upper) & (found.upper <= 1)) or (
            method == "wald"
        )


@pytest.mark.parametrize("method", METHODS)
def test_a_higher_level_holds_a_lower_one(method: str) -> None:
    x, n = np.array(CASES).T
    levels = (0.01, 0.3, 0.8, 0.95, 0.99, 1 - 1e-6, 1 - 1e-12)
    nested = [proportion(x, n, level=level, method=method) for level in levels]
    for inner, outer in pairwise(nested):
        assert np.all(outer.lower <= inner.lower)
        assert np.all(outer.upper >= inner.upper)


@pytest.mark.parametrize("method", AROUND)
@pytest.mark.parametrize("level", [1e-300, 1e-16, *LEVELS])
def test_the_estimate_lies_inside(method: str, level: float) -> None:
    x, n = np.array(CASES).T
    found = proportion(x, n, level=level, method=method)
    assert np.all(found.lower <= found.value * (1 + FLOAT))
    assert np.all(found.upper >= found.value * (1 - FLOAT))


@pytest.mark.parametrize("method", METHODS)
def test_any_level_gives_an_interval(method: str) -> None:
    x, n = np.array(CASES).T
    for level in (1e-300, 1e-17, 1e-15, 1e-9, 0.01, 1 - 2.0**-53):
        found = proportion(x, n, level=level, method=method)
        assert np.all((found.lower >= 0) & (found.lower <= found.upper) & (found.upper <= 1))


# --- coverage, by summing over every outcome ---


def coverage(method: str, n: int, p: Floats, level: float) -> Floats:
    x = np.arange(n + 1)
    found = proportion(x, n, level=level, method=method)
    inside = (found.lower <= p[:, None]) & (p[:, None] <= found.upper)
    return np.asarray((stats.binom.pmf(x, n, p[:, None]) * inside).sum(axis=1))


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("n", [1, 2, 5, 20, 101])
def test_clopper_pearson_never_covers_too_seldom(n: int, level: float) -> None:
    inside = np.linspace(0, 1, 2003)
    # Coverage is lowest just outside the limits.
    found = proportion(np.arange(n + 1), n, level=level, method="clopper_pearson")
    ends = np.concatenate([found.lower, found.upper])
    p = np.clip(np.concatenate([inside, ends - 1e-12, ends + 1e-12]), 0, 1)
    assert coverage("clopper_pearson", n, p, level).min() >= level - 1e-10


@pytest.mark.parametrize("n", [20, 50, 100])
@pytest.mark.parametrize("method", ["wilson", "jeffreys", "mid_p"])
def test_mean_coverage_is_near_the_level(method: str, n: int) -> None:
    p = (np.arange(4000) + 0.5) / 4000
    covered = coverage(method, n, p, 0.95)
    # Averaged over p, an interval with a discrete x misses by O(1/n) (Brown, Cai, DasGupta 2002).
    assert abs(covered.mean() - 0.95) < 0.5 / n
    assert covered.mean() > coverage("wald", n, p, 0.95).mean()


def test_wald_covers_too_seldom() -> None:
    p = np.array([0.01, 0.02, 0.5])
    assert np.all(coverage("wald", 40, p, 0.95)[:2] < 0.6)


# --- forms of input ---


@pytest.mark.parametrize("method", METHODS)
def test_a_vector_is_a_loop_to_the_bit(method: str) -> None:
    rng = np.random.default_rng(3)
    n = rng.integers(1, 10 ** rng.integers(1, 10, size=301))
    x = rng.binomial(n, rng.beta(0.3, 0.3, size=301))
    found = proportion(x, n, method=method)
    alone = [proportion(a, b, method=method) for a, b in zip(x, n, strict=True)]
    order = rng.permutation(301)
    moved = proportion(x[order], n[order], method=method)
    for field in ("value", "std_error", "lower", "upper"):
        whole = getattr(found, field)
        np.testing.assert_array_equal(whole, [getattr(one, field) for one in alone])
        np.testing.assert_array_equal(whole[order], getattr(moved, field))


def test_numbers_give_a_number_and_arrays_a_vector() -> None:
    one = proportion(3, 10)
    assert isinstance(one, ek.Estimate)
    assert isinstance(one.value, float)
    assert (one.value, one.level, one.names, one.status) == (0.3, 0.95, ("value",), "ok")
    for x, n in (([3], 10), (3, [10]), ([3], [10])):
        assert proportion(x, n).upper.tolist() == [one.upper]
    assert proportion([3, 4], 10).names == ("value[0]", "value[1]")


def test_one_number_goes_with_every_other() -> None:
    np.testing.assert_array_equal(
        proportion([0, 3, 9], 10).upper, proportion([0, 3, 9], [10, 10, 10]).upper
    )
    np.testing.assert_array_equal(proportion(3, [5, 9]).lower, proportion([3, 3], [5, 9]).lower)
    np.testing.assert_array_equal(proportion([3], [5, 9]).lower, proportion(3, [5, 9]).lower)


FORMS: dict[str, Callable[..., Any]] = {
    "list": list,
    "tuple": tuple,
    "int64": np.array,
    "uint8": np.uint8,
    "int8": np.int8,
    "float32": np.float32,
    "objects": lambda x: np.array(x, dtype=object),
    "a column": lambda x: np.array(x)[:, None],
    "strided": lambda x: np.repeat(x, 2)[::2],
    "backwards": lambda x: np.array(x[::-1])[::-1],
    "pandas": pd.Series,
    "nullable": lambda x: pd.Series(x, dtype="Int64"),
    "polars": pl.Series,
    "a frame": lambda x: pd.DataFrame({"hits": x}),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize("method", METHODS)
def test_every_form_of_counts_gives_the_same_bits(form: Callable[..., Any], method: str) -> None:
    x, n = [0, 1, 57, 100], [1, 100, 100, 100]
    wanted = proportion(x, n, method=method)
    found = proportion(form(x), form(n), method=method)
    np.testing.assert_array_equal(found.lower, wanted.lower)
    np.testing.assert_array_equal(found.upper, wanted.upper)


@pytest.mark.parametrize("form", [int, float, np.uint8, np.int64, np.float32, np.array])
def test_every_form_of_a_number_gives_a_number(form: Callable[..., Any]) -> None:
    assert proportion(form(3), form(10)).upper == proportion(3, 10).upper
    assert isinstance(proportion(form(3), form(10)).upper, float)
    assert proportion(True, 1).value == 1.0


def test_nothing_that_is_passed_in_changes() -> None:
    x, n = np.array([0.0, 3.0]), np.array([10.0, 10.0])
    x.flags.writeable = n.flags.writeable = False
    for method in METHODS:
        proportion(x, n, method=method)
    assert (x.tolist(), n.tolist()) == ([0.0, 3.0], [10.0, 10.0])


# --- refusals ---


@pytest.mark.parametrize(
    ("x", "n", "words"),
    [
        ([3, -1], 10, ["successes", "row 1", "negative", "-1"]),
        (-1, 10, ["successes", "negative", "-1"]),
        ([3, 2.5], 10, ["successes", "row 1", "not whole", "2.5"]),
        ([3, 2], [10, 9.5], ["trials", "row 1", "not whole", "9.5"]),
        ([3, float("nan")], 10, ["successes", "row 1", "missing", "nan"]),
        (float("nan"), 10, ["successes", "missing", "nan"]),
        (None, 10, ["successes", "missing"]),
        (3, pd.Series([10, None], dtype="Int64"), ["trials", "row 1", "missing"]),
        ([3, 4], [10, float("inf")], ["trials", "row 1", "infinite"]),
        ([3, 12], 10, ["row 1", "12 successes", "10 trials"]),
        (12, 10, ["row 0", "12 successes", "10 trials"]),
        ([0, 0], [4, 0], ["row 1", "0 trials", "at least one"]),
        (0, 0, ["0 trials", "at least one"]),
        ([1, 2, 3], [4, 5], ["3 rows", "2"]),
        ([], [], ["no rows"]),
        ("3", 10, ["successes"]),
        (["a"], 10, ["successes", "row 0", "not a number", "'a'"]),
        ([[1, 2], [3, 4]], 10, ["successes", "one column", "(2, 2)"]),
        (1, 2.0**60, ["trials", "too large"]),
    ],
)
def test_what_is_no_count_is_refused_with_its_place(x: Any, n: Any, words: list[str]) -> None:
    with pytest.raises(ek.DataError) as refused:
        proportion(x, n)
    for word in words:
        assert word in str(refused.value)


def test_series_of_other_rows_are_refused() -> None:
    with pytest.raises(ek.DataError, match="different row labels"):
        proportion(pd.Series([1, 2], index=[0, 1]), pd.Series([3, 4], index=[1, 0]))


@pytest.mark.parametrize("method", ["exact", "Wilson", "", None, 3, ["wilson"]])
def test_an_unknown_method_is_refused_with_those_known(method: Any) -> None:
    with pytest.raises(ek.DataError) as refused:
        proportion(3, 10, method=method)
    assert repr(method) in str(refused.value)
    assert all(known in str(refused.value) for known in METHODS)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan"), None, "0.95", [0.95]])
def test_a_level_that_is_none_is_refused(level: Any) -> None:
    with pytest.raises(ek.DataError, match="level must lie strictly between 0 and 1"):
        proportion(3, 10, level=level)


@pytest.mark.parametrize("method", ["jeffreys", "clopper_pearson", "mid_p"])
def test_more_trials_than_the_digits_allow_are_refused(method: str) -> None:
    with pytest.raises(ek.DataError, match="40000000000 trials are more than"):
        proportion(7, 4 * 10**10, method=method)
