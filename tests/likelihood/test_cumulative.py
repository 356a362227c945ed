"""log(F(u) - F(l)) and its derivatives against mpmath with hundreds of digits."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from estkit.likelihood.ordinal.cumulative import LINKS, Cells, cells

# Relative, for every entry; the links themselves lose about 50 units of the last place far out.
ACCURACY = 3e-13
# The slope of a common shift passes through 0, where it is held to the size of the others.
NEAR_ZERO = 1e-3
DIGITS = 600

LOWER = (-100.0, -37.0, -8.0, -1.0, -0.2, 0.0, 0.7, 2.0, 5.0, 20.0, 37.0)
GAPS = (1e-9, 1e-3, 0.1, 0.4, 0.6, 1.0, 3.0, 10.0)
FARTHEST = {"logit": 100.0, "probit": 37.0, "cloglog": 6.5}


def exact(link: str, lower: Any, gap: float) -> list[float]:
    """Return what `Cells` holds, by the formulas that cancel, with digits to spare."""
    with mp.workdps(DIGITS):
        low = mp.mpf(lower)
        upper = low + mp.mpf(gap)
        (F, f, slope) = {"logit": logistic, "probit": normal, "cloglog": gumbel}[link]
        p = F(upper) - F(low)
        a, b = f(upper) / p, -f(low) / p
        uu, ll, ul = slope(upper) / p - a * a, -slope(low) / p - b * b, -a * b
        found = mp.log(p), a, b, a + b, uu, ul, ll, uu + ul, ul + ll, uu + 2 * ul + ll
        return [float(value) for value in found]


def logistic_F(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


logistic = (
    logistic_F,
    lambda x: logistic_F(x) * logistic_F(-x),
    lambda x: logistic_F(x) * logistic_F(-x) * (1 - 2 * logistic_F(x)),
)
normal = (lambda x: mp.erfc(-x / mp.sqrt(2)) / 2, mp.npdf, lambda x: -x * mp.npdf(x))
gumbel = (
    lambda x: -mp.expm1(-mp.exp(x)),
    lambda x: mp.exp(x - mp.exp(x)),
    lambda x: mp.exp(x - mp.exp(x)) * (1 - mp.exp(x)),
)


def between(link: str, lower: float, gap: float) -> Cells:
    thresholds = np.array([lower, lower + gap])
    return cells(link, np.array([1]), np.zeros(1), thresholds, np.array([gap]))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("lower", LOWER)
def test_the_middle_outcome_is_exact_in_both_tails_and_for_any_gap(link: str, lower: float) -> None:
    for gap in GAPS:
        if not -FARTHEST[link] <= lower <= lower + gap <= FARTHEST[link]:
            continue
        for name, found, wanted in zip(
            Cells._fields, between(link, lower, gap), exact(link, lower, gap), strict=True
        ):
            atol = ACCURACY * NEAR_ZERO if name == "shift" else 0.0
            np.testing.assert_allclose(
                found, wanted, rtol=ACCURACY, atol=atol, err_msg=f"{name}, {lower} + {gap}"
            )


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("code", [0, 2])
def test_the_outer_outcomes_are_the_limit_of_a_wide_one(link: str, code: int) -> None:
    edge = np.array([-3.0, -0.5, 0.0, 1.0])
    gap = 200.0
    for eta in -edge:
        found = cells(link, np.array([code]), np.array([eta]), np.zeros(2), np.zeros(1))
        outer = np.array([-gap, 0.0]) if code == 0 else np.array([0.0, gap])
        wide = cells(link, np.array([1]), np.array([eta]), outer, np.array([gap]))
        for name, one, other in zip(Cells._fields, found, wide, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-80, err_msg=name)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("far", [1e3, 1e8, 1e100])
def test_nothing_is_nan_or_of_the_wrong_sign_far_away(link: str, far: float) -> None:
    for eta in (far, -far):
        codes = np.array([0, 1, 2])
        found = cells(link, codes, np.full(3, eta), np.array([0.0, 1.0]), np.ones(1))
        assert not np.isnan(np.array(found)).any()
        assert (found.value <= 0).all()
        assert (found.upper >= 0).all()
        assert (found.lower <= 0).all()
        assert (found.shift_shift <= 0).all()


@pytest.mark.parametrize("link", LINKS)
def test_probabilities_of_all_outcomes_add_up_to_1(link: str) -> None:
    eta = np.linspace(-30, 30, 61)
    thresholds = np.array([-1.0, -0.999999, 0.0, 2.5])
    total = sum(
        np.exp(cells(link, np.full(61, k), eta, thresholds, np.diff(thresholds)).value)
        for k in range(5)
    )
    np.testing.assert_allclose(total, 1.0, rtol=1e-10)  # the gap of 1e-6 has ten digits
