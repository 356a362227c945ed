"""A function that jumps has no derivative there: no gradient is called right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import estkit as ek


def stairs(x: Any) -> float:
    return float((np.floor(x) + x**2).sum())


JUMPS = {
    "floor at 1": (lambda x: float(np.floor(x[0])), lambda x: np.zeros(1), [1.0]),
    "sign at 0": (lambda x: float(np.sign(x[0])), lambda x: np.zeros(1), [0.0]),
    "a slope beside a step": (stairs, lambda x: 2 * x, [1.0]),
    "a wrong slope beside a step": (stairs, lambda x: 3 * x, [1.0]),
    "a small step": (lambda x: float(1e-6 * (x[0] > 1) + x[0] ** 2), lambda x: 2 * x, [1.0]),
    "a step of another parameter's size": (
        lambda x: float((x[0] > 0) * x[1]), lambda x: np.array([0.0, float(x[0] > 0)]), [0.0, 5.0],
    ),
    "one of two outputs": (
        lambda x: np.array([np.floor(x[0]), x[0]]), lambda x: np.array([[0.0], [1.0]]), [1.0],
    ),
    "one of nine parameters": (stairs, lambda x: 2 * x, [1.0, *np.linspace(0.1, 0.9, 8)]),
}  # fmt: skip


@pytest.mark.parametrize("case", JUMPS)
def test_where_a_function_jumps_nothing_is_right(case: str) -> None:
    function, gradient, at = JUMPS[case]
    report = ek.check_gradient(function, gradient, np.array(at))
    assert report.verdicts[0] in ("wrong", "cannot tell"), str(report)
    assert not report.ok
    if case != "a wrong slope beside a step":
        assert set(report.verdicts[1:]) <= {"ok"}, str(report)
        assert any("f jumps by" in note and "theta0" in note for note in report.notes)


def test_a_direction_across_a_jump_is_not_right() -> None:
    at = np.linspace(0.1, 0.9, 150)
    at[7] = 1.0
    report = ek.check_gradient(stairs, lambda x: 2 * x, at)
    assert set(report.verdicts) == {"cannot tell"}, str(report)
    one_by_one = ek.check_gradient(stairs, lambda x: 2 * x, at, directions=0)
    assert one_by_one.verdicts[7] == "cannot tell"
    assert one_by_one.verdicts.count("ok") == 149


@pytest.mark.parametrize("at", [0.999999, 1.5, 1.000001])
def test_beside_a_jump_nothing_is_called_right_by_an_error_as_large_as_the_jump(at: float) -> None:
    report = ek.check_gradient(lambda x: float(np.floor(x[0])), lambda x: np.zeros(1), [at])
    assert report.verdicts == ("cannot tell",) or report.error[0] < 1e-6, str(report)


def test_noise_and_roots_are_no_jumps() -> None:
    rng = np.random.default_rng(0)

    def noisy(x: Any) -> float:
        return float(x[0] ** 2 + 1e-7 * rng.standard_normal())

    report = ek.check_gradient(noisy, lambda x: 2 * x, [1.0])
    assert report.ok and not any("jumps" in note for note in report.notes), str(report)
    root = ek.check_gradient(lambda x: float(np.sqrt(np.abs(x[0]))), lambda x: np.zeros(1), [0.0])
    assert not root.ok and not any("jumps" in note for note in root.notes), str(root)
