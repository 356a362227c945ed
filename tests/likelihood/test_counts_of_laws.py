"""Log-likelihoods of large counts under laws without columns, against mpmath with 60 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import sparse

import estkit as ek

# All digits but rounding, also where float64 is the platform's longest float: what is expected of
# a count is then off by 1e-16 of it, which its deviance hardly notices.
LOGLIK = 1e-11
# At so many trials the log-likelihood is a parabola within a few standard errors.
PARABOLA = 1e-4
TRIALS = [50.0, 3e4, 1e9, 1e12, 1e15]

Case = tuple[Any, Callable[[], Any]]


def drawn(trials: float, shares: Any, rows: int = 6) -> Any:
    rng = np.random.default_rng(5)
    spread = np.sqrt(trials * np.asarray(shares)) * rng.normal(size=(rows, len(shares)))
    return np.round(trials * np.asarray(shares) + 0.7 * spread).clip(0.0)


def whole(value: Any) -> Any:
    return mpmath.mpf(int(value))


def log_factorial(value: Any) -> Any:
    return mpmath.loggamma(whole(value) + 1)


def multinomial(counts: Any, sums: Any) -> Any:
    """Return the log-likelihood of rows under the shares of sums."""
    total, number = mpmath.mpf(0), whole(sum(map(int, sums)))
    for row in counts.astype(object):
        total += log_factorial(sum(map(int, row)))
        for count, seen in zip(row, sums, strict=True):
            total -= log_factorial(count)
            total += whole(count) * mpmath.log(whole(seen) / number) if count else 0
    return total


@pytest.mark.parametrize("trials", TRIALS)
def test_multinomial(trials: float) -> None:
    counts, times = drawn(trials, [0.2, 0.0, 0.3, 0.5]), np.array([1, 2, 1, 1, 3, 0])
    fit = ek.fit(ek.Distribution("multinomial"), counts, weights=times)
    again = np.repeat(counts, times, axis=0)
    with mpmath.workdps(60):
        wanted = float(multinomial(again, again.sum(axis=0)))
    assert fit.loglik == pytest.approx(wanted, rel=LOGLIK)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("trials", TRIALS)
def test_joint_multinomial(trials: float, make: Any) -> None:
    counts, y = drawn(trials, [0.2, 0.0, 0.3, 0.5]), np.array(list("aaabbb"))
    fit = ek.fit(ek.Joint("multinomial"), make(counts), y)
    with mpmath.workdps(60):
        wanted = 6 * mpmath.log(mpmath.mpf(1) / 2)
        for own in (counts[:3], counts[3:]):
            wanted += multinomial(own, own.sum(axis=0))
        ways = [log_factorial(sum(map(int, r))) - sum(map(log_factorial, r)) for r in counts]
        assert fit.loglik == pytest.approx(float(wanted), rel=LOGLIK)
        assert fit.constant == pytest.approx(float(sum(ways)), rel=LOGLIK)


def test_joint_multinomial_of_rows_of_both_sizes_under_smoothing() -> None:
    counts, y = drawn(1e9, [0.2, 0.3, 0.5]), np.array([0, 0, 0, 1, 1, 1])
    counts[::2] = np.round(counts[::2] / 1e8)
    fit = ek.fit(ek.Joint("multinomial", smoothing=1.0), counts, y)
    with mpmath.workdps(60):
        wanted = 6 * mpmath.log(mpmath.mpf(1) / 2)
        for own in (counts[:3], counts[3:]):
            wanted += multinomial(own, own.sum(axis=0) + 1.0)
    assert fit.loglik == pytest.approx(float(wanted), rel=LOGLIK)


@pytest.mark.parametrize("p", [0.3, 0.999])
@pytest.mark.parametrize("trials", TRIALS)
def test_binomial(trials: float, p: float) -> None:
    x = drawn(trials, [p]).ravel().clip(max=trials)
    fit = ek.fit(ek.Distribution("binom", fixed={"n": trials}), x)
    with mpmath.workdps(60):
        pairs = np.column_stack([x, trials - x])
        assert fit.loglik == pytest.approx(float(multinomial(pairs, pairs.sum(axis=0))), rel=LOGLIK)


@pytest.mark.parametrize("trials", TRIALS)
def test_poisson(trials: float) -> None:
    x = drawn(trials, [1.0]).ravel()
    fit = ek.fit(ek.Distribution("poisson"), x)
    with mpmath.workdps(60):
        mu = sum(map(whole, x)) / len(x)
        wanted = sum(whole(v) * mpmath.log(mu) - mu - log_factorial(v) for v in x)
        assert fit.loglik == pytest.approx(float(wanted), rel=LOGLIK)


@pytest.mark.parametrize("spread", [0.2, 20.0, 2e7])
@pytest.mark.parametrize("trials", TRIALS)
def test_negative_binomial(trials: float, spread: float) -> None:
    size = 2.0 * trials / spread
    rng = np.random.default_rng(2)
    x = np.append(np.round(trials / size * rng.gamma(size, size=40)), [0.0, trials])
    fit = ek.fit(ek.Distribution("nbinom", fixed={"n": size}), x)
    with mpmath.workdps(60):
        n, mean = mpmath.mpf(size), sum(map(whole, x)) / len(x)
        wanted = mpmath.mpf(0)
        for v in map(whole, x):
            wanted += mpmath.loggamma(v + n) - mpmath.loggamma(n) - mpmath.loggamma(v + 1)
            wanted += n * mpmath.log(n / (n + mean)) + v * mpmath.log(mean / (n + mean))
        assert fit.loglik == pytest.approx(float(wanted), rel=LOGLIK)


@pytest.mark.parametrize("mean", [600.0, 4e4, 2e5])
def test_negative_binomial_of_free_size_nearly_poisson(mean: float) -> None:
    """Sums of as many logarithms as the counts are large lose digits of the log-likelihood."""
    rng = np.random.default_rng(3)
    x = rng.poisson(rng.gamma(2.0 * mean, 0.5, size=60)).astype(float)
    fit = ek.fit(ek.Distribution("nbinom"), x)
    with mpmath.workdps(60):
        counts = [whole(v) for v in x]
        center = sum(counts) / len(counts)

        def score(n: Any) -> Any:
            rise = sum(mpmath.psi(0, n + v) - mpmath.psi(0, n) for v in counts)
            return rise + len(counts) * mpmath.log(n / (n + center))

        n = mpmath.findroot(score, mpmath.mpf(float(fit.params[0])))
        wanted = sum(
            mpmath.loggamma(n + v) - mpmath.loggamma(n) - mpmath.loggamma(v + 1)
            + n * mpmath.log(n / (n + center)) + v * mpmath.log(center / (n + center))
            for v in counts
        )  # fmt: skip
    assert fit.loglik == pytest.approx(float(wanted), rel=1e-14)
    assert fit.params[0] == pytest.approx(float(n), rel=1e-9)


@pytest.mark.parametrize("law", ["poisson", "nbinom", "geom"])
def test_counts_beyond_the_whole_numbers_of_a_float_are_refused(law: str) -> None:
    with pytest.raises(ek.DataError, match=r"row 1 .* too large to be counted"):
        ek.fit(ek.Distribution(law), [1.0, 1e300, 2.0])


LARGE: dict[str, Case] = {
    "poisson": (ek.Distribution("poisson"), lambda: drawn(1e12, [1.0]).ravel()),
    "binom": (ek.Distribution("binom", fixed={"n": 1e12}), lambda: drawn(1e12, [0.9]).ravel()),
    "geom": (ek.Distribution("geom"), lambda: drawn(1e12, [1.0], 10**5).ravel()),
    "multinomial": (ek.Distribution("multinomial"), lambda: drawn(1e12, [0.2, 0.3, 0.5])),
}


@pytest.mark.parametrize(("family", "data"), LARGE.values(), ids=list(LARGE))
def test_falls_of_the_likelihood_are_those_of_a_parabola(family: Any, data: Any) -> None:
    fit = ek.fit(family, data())
    wald, profile = fit.interval(), fit.interval(method="profile")
    apart = np.abs(profile - wald) / fit.std_errors[:, None]
    bent = 0.02 if family.law == "geom" else PARABOLA
    assert apart.max() < bent
    name, far = fit.names[0], float(fit.params[0] + 2.0 * fit.std_errors[0])
    ratio = fit.likelihood_ratio([name], value=far).statistic
    assert ratio == pytest.approx(4.0, rel=bent)
