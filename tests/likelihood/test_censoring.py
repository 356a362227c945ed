"""Censored and truncated rows, against closed forms, quadrature and the rows they stand for."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import integrate, optimize, stats

import estkit as ek
from estkit.likelihood.distribution.laws.densities import PLAIN, Density
from estkit.likelihood.distribution.laws.law import find_law
from estkit.likelihood.distribution.laws.rows import log_probability

# A closed form: what differences of sixth order leave of the derivatives.
CLOSED = 1e-10
STD_ERROR = 1e-8
# A log-probability beside mpmath with 50 digits.
PROBABILITY = 1e-11
INF = math.inf


def exponential(seed: int = 1, n: int = 80) -> Any:
    return np.random.default_rng(seed).exponential(5.0, n)


def test_right_censored_exponential_is_time_over_events() -> None:
    x = exponential()
    seen = np.minimum(x, 6.0)
    fit = ek.fit(ek.Distribution("expon"), ek.Censored(seen, np.where(x > 6.0, INF, seen)))
    events = int((x <= 6.0).sum())
    assert fit.params[0] == pytest.approx(seen.sum() / events, rel=CLOSED)
    assert fit.std_errors[0] == pytest.approx(fit.params[0] / math.sqrt(events), rel=STD_ERROR)
    assert fit.loglik == pytest.approx(-events * math.log(fit.params[0]) - events, rel=CLOSED)


def test_delayed_entry_subtracts_the_time_before() -> None:
    x = exponential() + 2.0
    entry = np.linspace(0.0, 2.0, len(x))
    seen = np.minimum(x, 9.0)
    upper = np.where(x > 9.0, INF, seen)
    fit = ek.fit(ek.Distribution("expon"), ek.Censored(seen, upper, truncated_below=entry))
    events = int((x <= 9.0).sum())
    assert fit.params[0] == pytest.approx((seen - entry).sum() / events, rel=CLOSED)
    assert fit.std_errors[0] == pytest.approx(fit.params[0] / math.sqrt(events), rel=STD_ERROR)


def test_all_at_once_with_weights_and_a_fixed_parameter() -> None:
    """Exact, left, right, between, truncated on both sides, weighted: beside a sum over cdfs."""
    lower = np.array([2.0, -INF, 5.0, 1.0, 3.0])
    upper = np.array([2.0, 1.5, INF, 4.0, 3.0])
    below, above = np.array([0.5, 0.5, 1.0, 0.0, 0.0]), np.array([9.0, 9.0, 9.0, INF, 8.0])
    times = np.array([3, 1, 2, 4, 2])
    X = ek.Censored(lower, upper, truncated_below=below, truncated_above=above)
    fit = ek.fit(ek.Distribution("weibull", {"c": 1.5}), X, weights=times)

    def negative(scale: float) -> float:
        law = stats.weibull_min(1.5, 0.0, scale)
        low, high = np.maximum(lower, below), np.minimum(upper, above)
        inner = np.where(lower == upper, law.pdf(lower), law.cdf(high) - law.cdf(low))
        return -float(times @ np.log(inner / (law.cdf(above) - law.cdf(below))))

    found = optimize.minimize_scalar(negative, (1.0, 4.0, 20.0), tol=1e-12)
    assert fit.params[0] == pytest.approx(found.x, rel=1e-6)
    assert fit.loglik == pytest.approx(-found.fun, rel=1e-11)
    assert fit.n_obs == 12


def test_truncated_normal_beside_quadrature() -> None:
    x = np.random.default_rng(2).normal(1.0, 2.0, 400)
    x = x[(x > 0.0) & (x < 4.0)]
    X = ek.Censored(x, x, truncated_below=0.0, truncated_above=4.0)
    fit = ek.fit(ek.Distribution("norm"), X)
    law = fit.frozen()
    mass, _ = integrate.quad(law.pdf, 0.0, 4.0, epsabs=1e-13)
    assert fit.loglik == pytest.approx(law.logpdf(x).sum() - len(x) * math.log(mass), rel=1e-11)
    # at the maximum the moments of the truncated law are those of the sample
    for power in (1, 2):
        moment, _ = integrate.quad(lambda v, k=power: v**k * law.pdf(v) / mass, 0.0, 4.0)
        assert moment == pytest.approx(float((x**power).mean()), rel=1e-9)


def test_zero_truncated_poisson_has_its_equation() -> None:
    x = np.random.default_rng(3).poisson(1.2, 300)
    x = x[x > 0]
    fit = ek.fit(ek.Distribution("poisson"), ek.Censored(x, x, truncated_below=1))
    mu = float(fit.params[0])
    assert mu / -math.expm1(-mu) == pytest.approx(x.mean(), rel=CLOSED)


def test_intervals_of_counts_include_both_ends() -> None:
    fit = ek.fit(ek.Distribution("poisson"), ek.Censored([0, 3, 2], [1, INF, 2]))
    law = fit.frozen()
    expected = math.log(law.pmf(0) + law.pmf(1)) + math.log(law.sf(2)) + law.logpmf(2)
    assert fit.loglik == pytest.approx(expected, rel=1e-12)


def test_equal_bounds_are_exact_values() -> None:
    x = exponential()
    whole, bounds = (ek.fit(ek.Distribution("gamma"), X) for X in (x, ek.Censored(x, x)))
    np.testing.assert_array_equal(whole.params, bounds.params)


def test_narrow_intervals_are_densities() -> None:
    x = exponential()
    width = 1e-9
    exact = ek.fit(ek.Distribution("gamma"), x)
    narrow = ek.fit(ek.Distribution("gamma"), ek.Censored(x, x + width))
    np.testing.assert_allclose(narrow.params, exact.params, rtol=1e-8)
    np.testing.assert_allclose(narrow.std_errors, exact.std_errors, rtol=1e-7)
    assert narrow.loglik == pytest.approx(exact.loglik + len(x) * math.log(width), rel=1e-8)


@pytest.mark.parametrize(
    ("lower", "upper"), [(-40.0, -39.0), (-3.0, -2.9), (-1.0, 1.0), (2.0, 2.1), (39.0, 40.0),
                         (30.0, INF), (-INF, -30.0), (1.0, 1.0 + 1e-7), (9.0, 9.0 + 1e-6)]
)  # fmt: skip
def test_log_probabilities_keep_their_digits(lower: float, upper: float) -> None:
    density = Density(find_law("norm"), [0.0, 1.0])
    found = log_probability(density, np.array([lower]), np.array([upper]))[0]
    with mpmath.workdps(50):
        high = mpmath.ncdf(mpmath.mpf(upper)) if upper < INF else mpmath.mpf(1)
        low = mpmath.ncdf(mpmath.mpf(lower)) if lower > -INF else mpmath.mpf(0)
        if lower > 0:  # where the distribution function is near 1
            high, low = -mpmath.ncdf(-mpmath.mpf(upper)) if upper < INF else 0, -mpmath.ncdf(-lower)
        assert found == pytest.approx(float(mpmath.log(high - low)), rel=PROBABILITY)


SHAPES = {
    "lognorm": (0.7,),
    "gamma": (2.5,),
    "weibull_min": (1.7,),
    "beta": (2.0, 0.7),
    "t": (3.5,),
    "poisson": (3.2,),
    "geom": (0.3,),
    "nbinom": (2.5, 0.4),
    "binom": (9.0, 0.3),
}


@pytest.mark.parametrize("name", PLAIN)
def test_formulas_are_those_of_scipys_public_functions(name: str) -> None:
    law = find_law(name)
    own = SHAPES.get(name, ())
    for place in ([0.0], [2.0]) if law.discrete else ([0.0, 1.0], [-1.5, 2.5]):
        at = (*own, *place)
        density = Density(law, at)
        inner = np.linspace(0.01, 0.97, 7) if name == "beta" else np.arange(-3.0, 15.0)
        x = np.concatenate([inner * (1.0 if law.discrete else place[-1]) + place[0], [-9.0, 40.0]])
        frozen = law.dist(*at)
        with np.errstate(all="ignore"):  # outside the support, as in `LawRows`
            pairs = [
                (density.log_density(x), (frozen.logpmf if law.discrete else frozen.logpdf)(x)),
                (density.log_below(x), frozen.logcdf(x)),
                (density.log_above(x), frozen.logsf(x)),
            ]
        for found, public in pairs:
            np.testing.assert_allclose(found, public, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "own"),
    [("exponnorm", (1.5,)), ("skewnorm", (2.0,)), ("genextreme", (0.1,)), ("uniform", ())],
)
def test_tails_without_a_formula_are_those_of_scipy(name: str, own: tuple[float, ...]) -> None:
    """Scipy looks for the median of each law first, which took most of the time of a fit."""
    law = find_law(name)
    at = (*own, 0.1, 1.3)
    density, frozen = Density(law, at), law.dist(*at)
    share = [1e-12, 1e-5, 0.1, 0.4999, 0.5001, 0.9, 0.99999]
    x = np.concatenate([frozen.ppf(share), [-50.0, 80.0]])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(density.log_below(x), frozen.logcdf(x), rtol=1e-15)
        np.testing.assert_allclose(density.log_above(x), frozen.logsf(x), rtol=1e-15)


def test_censored_data_of_scipy_are_read() -> None:
    exact, left, right, between = [2.0, 3.0, 7.0], [1.0], [9.0, 8.0], [[4.0, 5.0]]
    given = stats.CensoredData(exact, left=left, right=right, interval=between)
    lower = [*exact, -INF, *right, 4.0]
    upper = [*exact, 1.0, INF, INF, 5.0]
    ours = ek.fit(ek.Distribution("gamma"), ek.Censored(lower, upper))
    np.testing.assert_allclose(ek.fit(ek.Distribution("gamma"), given).params, ours.params)
    with np.errstate(divide="ignore"):  # on its way
        a, _, scale = stats.gamma.fit(given, floc=0)
    np.testing.assert_allclose(ours.params, [a, scale], rtol=1e-3)


@pytest.mark.parametrize("factor", [1e8, 1e-8])
def test_the_unit_changes_nothing_else(factor: float) -> None:
    x = exponential()
    seen, upper = np.minimum(x, 6.0), np.where(x > 6.0, INF, np.minimum(x, 6.0))
    fits = [
        ek.fit(
            ek.Distribution("gamma"),
            ek.Censored(seen * unit, upper * unit, truncated_above=40.0 * unit),
        )
        for unit in (1.0, factor)
    ]
    np.testing.assert_allclose(fits[1].params, fits[0].params * [1.0, factor], rtol=1e-9)
    np.testing.assert_allclose(fits[1].std_errors, fits[0].std_errors * [1.0, factor], rtol=1e-7)
    moved = (x <= 6.0).sum() * math.log(factor)
    assert fits[1].loglik == pytest.approx(fits[0].loglik - moved, rel=1e-11)


@pytest.mark.parametrize(
    ("bounds", "options", "words"),
    [
        (([1.0, 3.0], [2.0, 2.0]), {}, ["row 1", "(3, 2)", "above its upper"]),
        (([1.0, -INF], [2.0, INF]), {}, ["row 1", "says nothing"]),
        (([1.0, INF], [2.0, INF]), {}, ["row 1", "same side"]),
        (([1.0, math.nan], [2.0, 3.0]), {}, ["lower", "row 1", "nan", "-inf"]),
        (([1.0, 5.0], [2.0, 6.0]), {"truncated_below": 4.0}, ["row 0", "[1, 2]", "[4, inf]"]),
        (([1.0, 2.0], [1.0, 2.0]), {"truncated_above": [3.0, 0.0]}, ["row 1", "[-inf, 0]"]),
        (([1.0, 2.0], [1.0, 2.0, 3.0]), {}, ["lower has 2 rows", "3"]),
        ((["a", 2.0], [1.0, 2.0]), {}, ["lower must hold numbers"]),
        (([1.0], [1.0]), {"truncated_below": 2.0, "truncated_above": 2.0}, ["nowhere"]),
    ],
)
def test_impossible_bounds_are_refused(bounds: Any, options: Any, words: list[str]) -> None:
    with pytest.raises(ek.DataError) as raised:
        ek.Censored(*bounds, **options)
    assert all(word in str(raised.value) for word in words), raised.value


def test_what_was_passed_in_is_not_changed() -> None:
    lower, upper = np.array([1.0, 2.0, 4.0]), np.array([1.0, INF, 5.0])
    kept = lower.copy(), upper.copy()
    X = ek.Censored(lower, upper, truncated_below=0.5, truncated_above=9.0)
    ek.fit(ek.Distribution("expon"), X)
    np.testing.assert_array_equal(lower, kept[0])
    np.testing.assert_array_equal(upper, kept[1])
    assert len(X) == 3


def test_censored_data_cannot_be_simulated_and_truncated_ones_can() -> None:
    x = exponential()
    censored = ek.fit(ek.Distribution("expon"), ek.Censored(x, np.where(x > 6.0, INF, x)))
    with pytest.raises(ek.EstkitError, match="censored"):
        censored.simulate(rng=1)
    kept = x[x > 2.0]
    fit = ek.fit(ek.Distribution("expon"), ek.Censored(kept, kept, truncated_below=2.0))
    drawn = fit.simulate(rng=1, replicates=50)
    assert drawn.shape == (50, len(kept))
    assert drawn.min() >= 2.0
    study = fit.bootstrap(20, rng=2)
    assert abs(study.summary("relative_bias").value.iloc[0]) < 0.2


@pytest.mark.parametrize("law", ["gamma", "weibull_min", "lognorm"])
def test_rows_of_which_nothing_is_known_change_nothing(law: str) -> None:
    x = np.random.default_rng(2).gamma(2.0, size=40)
    lower, upper = np.append(x, np.zeros(5)), np.append(x, np.full(5, np.inf))
    found = ek.fit(ek.Distribution(law), ek.Censored(lower, upper))
    wanted = ek.fit(ek.Distribution(law), x)
    np.testing.assert_allclose(found.params, wanted.params, rtol=1e-7)
    assert found.loglik == pytest.approx(wanted.loglik, rel=1e-9)
