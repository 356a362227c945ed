"""The way near a maximum by gradients: how it ends where it gets nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from estkit.likelihood import approach

Floats = NDArray[np.float64]

CLOSE_ENOUGH = 1e-4  # standard errors: what is asked for, and the rounding of the gradients


def test_an_approach_that_gets_nowhere_ends_at_the_fallback_if_that_is_higher() -> None:
    def slope(t: Floats) -> tuple[float, Floats]:
        return -float(t @ t), -2.0 * t

    far, steep = np.full(2, 1e3), np.eye(2) * 1e-6  # steps a million times too long
    higher = approach.follow(slope, far, steep, fallback=np.ones(2))
    lower = approach.follow(slope, far, steep, fallback=np.full(2, 1e4))
    assert higher.tolist() == [1.0, 1.0]
    assert lower.tolist() == far.tolist()


def test_steps_that_hardly_lead_nearer_are_given_up() -> None:
    asked = []

    def slope(t: Floats) -> tuple[float, Floats]:
        asked.append(t)
        return -float(np.exp(-t[0])), np.exp(-t)  # rises for ever

    approach.follow(slope, np.zeros(1), np.ones(1), patience=3)
    assert len(asked) <= 6
    asked.clear()
    approach.follow(slope, np.zeros(1), np.ones(1))
    assert len(asked) > 6


@pytest.mark.parametrize("left", [1.0, 1e-3, 1e-5, 1e-6])
def test_many_columns_are_followed_however_nearly_they_depend_on_each_other(left: float) -> None:
    rng = np.random.default_rng(6)
    rows = rng.standard_normal((900, 310))
    rows[:, 0] = rows[:, 1] + left * rows[:, 0]  # below 1e-4 single precision has no factor
    information = rows.T @ rows * np.outer(scale := 10.0 ** rng.uniform(-60, 60, 310), scale)
    maximum = rng.standard_normal(310) / scale

    def slope(t: Floats) -> tuple[float, Floats]:
        gradient = information @ (maximum - t)
        return -0.5 * float((maximum - t) @ gradient), gradient

    found = approach.follow(slope, np.zeros(310), information, close=1e-5)
    apart = rows @ ((maximum - found) * scale)
    assert np.linalg.norm(apart) < CLOSE_ENOUGH
