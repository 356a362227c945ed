"""The links: probabilities, their logarithms and derivatives against 600 digits, far out too."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import mpmath as mp
import numpy as np
import pytest
from numpy.typing import NDArray

from estkit.likelihood.links.links import LINKS, Link, expected_weight, rows

Floats = NDArray[np.float64]

# Relative errors. Probabilities and logarithms keep all digits but a few roundings; derivatives are
# products of them. What cannot be better: a float at η moves f by η f'/f of its own last digit.
EXACT = 1e-13
DERIVATIVE = 1e-12
ROUNDING = 2.0**-53
# Below this, floats are subnormal and hold fewer digits.
TINY = 1e-305
LARGEST = 1e279  # logarithms of probabilities stay beyond it, so that sums are finite

SIZES = np.concatenate([10.0 ** np.arange(-12, 3.5, 0.5), np.arange(0.05, 40, 0.37), [9.99, 10.01]])
BOTH = np.concatenate([-SIZES, [0.0], SIZES])
POINTS = {
    "logit": BOTH,
    "probit": BOTH,
    "cloglog": BOTH,
    "cauchit": np.concatenate([BOTH, [-1e8, 1e8, -1e200, 1e200]]),
    "log": -SIZES,
    "identity": np.concatenate([SIZES[SIZES < 1], 1 - SIZES[SIZES < 0.5]]),
}

Digits = mp.mpf

# π, 1 - π, π' and π'' from their definitions
DEFINITIONS: dict[str, Callable[[Digits], tuple[Digits, Digits, Digits, Digits]]] = {
    "logit": lambda e: (
        1 / (1 + mp.exp(-e)),
        1 / (1 + mp.exp(e)),
        1 / (mp.exp(e / 2) + mp.exp(-e / 2)) ** 2,
        -mp.tanh(e / 2) / (mp.exp(e / 2) + mp.exp(-e / 2)) ** 2,
    ),
    "probit": lambda e: (
        mp.erfc(-e / mp.sqrt(2)) / 2,
        mp.erfc(e / mp.sqrt(2)) / 2,
        mp.npdf(e),
        -e * mp.npdf(e),
    ),
    "cloglog": lambda e: (
        -mp.expm1(-mp.exp(e)),
        mp.exp(-mp.exp(e)),
        mp.exp(e - mp.exp(e)),
        (1 - mp.exp(e)) * mp.exp(e - mp.exp(e)),
    ),
    "cauchit": lambda e: (
        mp.mpf(1) / 2 + mp.atan(e) / mp.pi,
        mp.mpf(1) / 2 - mp.atan(e) / mp.pi,
        1 / (mp.pi * (1 + e * e)),
        -2 * e / (mp.pi * (1 + e * e) ** 2),
    ),
    "log": lambda e: (mp.exp(e), -mp.expm1(e), mp.exp(e), mp.exp(e)),
    "identity": lambda e: (e, 1 - e, mp.mpf(1), mp.mpf(0)),
}


@pytest.fixture(params=list(LINKS))
def link(request: pytest.FixtureRequest) -> Link:
    return LINKS[request.param]


@cache
def in_digits(name: str) -> dict[str, list[Digits]]:
    """Return all that a link says at its points, in digits enough to see 1 - 1e-434."""
    found: dict[str, list[Digits]] = {}
    with mp.workdps(600):
        for eta in POINTS[name]:
            mean, rest, slope, bend = DEFINITIONS[name](mp.mpf(float(eta)))
            answers = {
                "mean": mean,
                "success value": mp.log(mean) if mean < 0.5 else mp.log1p(-rest),
                "success first": slope / mean,
                "success second": bend / mean - (slope / mean) ** 2,
                "failure value": mp.log(rest) if rest < 0.5 else mp.log1p(-mean),
                "failure first": -slope / rest,
                "failure second": -bend / rest - (slope / rest) ** 2,
                "expected": slope**2 / (mean * rest),
                "slope": slope,
            }
            for what, answer in answers.items():
                found.setdefault(what, []).append(answer)
    return found


def check(got: Floats, wanted: list[Digits], allowed: Floats, name: str) -> None:
    """Compare relative to what is wanted, which may lie beyond the range of a float."""
    for eta, value, exact, relative in zip(POINTS[name], got, wanted, allowed, strict=True):
        if abs(exact) > LARGEST:
            assert abs(value) >= LARGEST, eta
            assert np.isfinite(value), eta
        else:
            assert abs(mp.mpf(float(value)) - exact) <= relative * abs(exact) + TINY, (eta, value)


def sensitivity(name: str, what: str, slope: str) -> Floats:
    """Return |η f' / f|: how many units of the last digit of f one of η is worth."""
    exact = in_digits(name)
    pairs = zip(POINTS[name], exact[what], exact[slope], strict=True)
    return np.array([min(1e9, float(abs(e * d / f))) if f else 0.0 for e, f, d in pairs])


def test_probabilities_are_exact_in_both_tails(link: Link) -> None:
    allowed = EXACT + 2 * ROUNDING * sensitivity(link.name, "mean", "slope")
    check(link.mean(POINTS[link.name]), in_digits(link.name)["mean"], allowed, link.name)


@pytest.mark.parametrize("side", ["success", "failure"])
def test_logarithms_are_exact_in_both_tails(link: Link, side: str) -> None:
    allowed = EXACT + 2 * ROUNDING * sensitivity(link.name, f"{side} value", f"{side} first")
    got = getattr(link, side)(POINTS[link.name])
    check(got.value, in_digits(link.name)[f"{side} value"], allowed, link.name)


@pytest.mark.parametrize("side", ["success", "failure"])
def test_slopes_are_exact_in_both_tails(link: Link, side: str) -> None:
    moved = sensitivity(link.name, f"{side} first", f"{side} second")
    got = getattr(link, side)(POINTS[link.name])
    allowed = DERIVATIVE + 2 * ROUNDING * moved
    check(got.first, in_digits(link.name)[f"{side} first"], allowed, link.name)


@pytest.mark.parametrize("side", ["success", "failure"])
def test_second_derivatives_are_exact_in_both_tails(link: Link, side: str) -> None:
    moved = sensitivity(link.name, f"{side} first", f"{side} second")
    got = getattr(link, side)(POINTS[link.name])
    exact = in_digits(link.name)[f"{side} second"]
    if link.name == "cauchit":  # it changes its sign, and is small beside its parts there
        parts = [float(abs(d * d)) for d in in_digits(link.name)[f"{side} first"]]
        loss = np.array([p / max(float(abs(e)), 1e-300) for p, e in zip(parts, exact, strict=True)])
        moved = moved + np.minimum(loss, 1e9)
    check(got.second, exact, DERIVATIVE + 4 * ROUNDING * moved, link.name)


def test_rows_add_successes_and_failures(link: Link) -> None:
    eta = POINTS[link.name]
    won, lost = link.success(eta), link.failure(eta)
    got = rows(link, eta, np.full(len(eta), 3.0), np.full(len(eta), 8.0))
    for part, above, below in zip(got, won, lost, strict=True):
        np.testing.assert_array_equal(part, 3.0 * above + 5.0 * below)


def test_single_outcomes_are_counts_of_one(link: Link) -> None:
    eta = POINTS[link.name]
    hit = (np.arange(len(eta)) % 3 == 0).astype(float)
    for single, count in zip(
        rows(link, eta, hit, None), rows(link, eta, hit, np.ones(len(eta))), strict=True
    ):
        np.testing.assert_array_equal(single, count)


def test_expected_weight_is_exact_in_both_tails(link: Link) -> None:
    moved = sensitivity(link.name, "success first", "success second")
    moved += sensitivity(link.name, "failure first", "failure second")
    got = expected_weight(link, POINTS[link.name])
    allowed = DERIVATIVE + 4 * ROUNDING * moved
    check(got, in_digits(link.name)["expected"], allowed, link.name)


def test_each_derivative_is_the_slope_of_the_one_before(link: Link) -> None:
    lower, upper = max(link.lower, -8.0), min(link.upper, 3.0)
    eta = np.linspace(lower, upper, 101)[1:-1]
    step = 1e-6 * np.minimum(1.0, np.minimum(eta - lower, upper - eta))
    for side in (link.success, link.failure):
        ahead, behind, here = side(eta + step), side(eta - step), side(eta)
        for lower_order, order in (("value", "first"), ("first", "second")):
            rise = getattr(ahead, lower_order) - getattr(behind, lower_order)
            slope = rise / ((eta + step) - (eta - step))
            np.testing.assert_allclose(slope, getattr(here, order), rtol=1e-6, atol=1e-8)


def test_concave_says_whether_both_logarithms_are(link: Link) -> None:
    eta = POINTS[link.name]
    bends = np.concatenate([link.success(eta).second, link.failure(eta).second])
    assert link.concave == bool((bends <= 0).all())


def test_link_undoes_mean(link: Link) -> None:
    probability = np.concatenate([10.0 ** -np.arange(1, 150, 7.0), np.linspace(0.01, 0.99, 99)])
    eta = link.link(probability)
    assert ((eta > link.lower) & (eta < link.upper)).all()
    tolerance = EXACT + 4 * ROUNDING * np.abs(eta * link.success(eta).first)
    assert (np.abs(link.mean(eta) / probability - 1.0) <= tolerance).all()


@pytest.mark.parametrize("name", ["logit", "probit", "cauchit"])
def test_symmetric_links_mirror_success_and_failure(name: str) -> None:
    eta = POINTS[name]
    won, lost = LINKS[name].success(eta), LINKS[name].failure(-eta)
    np.testing.assert_array_equal(won.value, lost.value)
    np.testing.assert_array_equal(won.first, -lost.first)
    np.testing.assert_array_equal(won.second, lost.second)


@pytest.mark.parametrize("name", ["logit", "probit", "cloglog", "cauchit"])
def test_no_predictor_of_any_size_overflows_or_warns(name: str) -> None:
    eta = np.array([-1e290, -1e160, -745.2, 0.0, 709.8, 1e160, 1e290])
    counts = np.array([0.0, 1e9])
    with np.errstate(all="raise", under="ignore"):
        LINKS[name].mean(eta)
        assert np.isfinite(expected_weight(LINKS[name], eta)).all()
        for won in counts:
            for part in rows(LINKS[name], eta, np.full(7, won), np.full(7, 1e9)):
                assert np.isfinite(part).all()


@pytest.mark.parametrize("name", ["log", "identity"])
def test_logarithms_fall_without_end_towards_the_edges_of_the_domain(name: str) -> None:
    chosen = LINKS[name]
    near = 10.0 ** -np.arange(1.0, 16.0)
    assert (np.diff(chosen.failure(chosen.upper - near).value) < -2).all()
    if np.isfinite(chosen.lower):
        assert (np.diff(chosen.success(chosen.lower + near).value) < -2).all()


def test_every_link_carries_its_name() -> None:
    assert list(LINKS) == ["logit", "probit", "cloglog", "cauchit", "log", "identity"]
    assert all(LINKS[name].name == name for name in LINKS)
