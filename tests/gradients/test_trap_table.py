"""Every known trap of gradients, their checks and their counts, and the test that would catch us.

The table says where they are, and is tested, too. Below it are traps that no other test is about.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import check_grad

import estkit as ek

HERE = Path(__file__)

# What other tools fall into, and the tests that show it: file and name.
TRAPS = {
    "one absolute norm cannot see an error beside a large entry":
        ["test_trap_table::test_an_error_in_a_small_entry_is_seen_where_one_norm_sees_none",
         "test_check::test_badly_scaled_parameters_are_right_and_their_bugs_seen"],
    "the complex step is silently wrong through abs and comparisons":
        ["test_check::test_the_complex_step_is_not_believed_through_abs"],
    "no difference says that there is a kink":
        ["test_check::test_any_slope_between_the_two_at_a_kink_is_right",
         "test_check::test_beside_a_kink_the_slope_is_that_of_its_side"],
    "an extrapolation that says its error is 0":
        ["test_trap_table::test_the_error_of_a_numerical_derivative_is_not_understated"],
    "a subgradient at a kink is a false alarm":
        ["test_check::test_any_slope_between_the_two_at_a_kink_is_right"],
    "a small entry of a Hessian is lost beside large ones":
        ["test_check_hessian::test_bad_scales_are_no_error_and_hide_none"],
    "pass or raise, without which entry and why":
        ["test_check_bugs::test_a_seeded_bug_is_found_and_its_cause_named",
         "test_check_bugs::test_only_the_wrong_parameter_is_called_wrong"],
    "a step for double precision on single":
        ["test_check::test_single_precision_is_noticed_and_no_error"],
    "more than a hundred calls a parameter":
        ["test_check::test_the_complex_step_takes_few_calls"],
    "log-determinant: the free and the symmetric form":
        ["test_rule_edges::test_free_and_symmetric_forms_differ_off_the_diagonal_by_two",
         "test_rule_edges::test_symmetric_log_det_is_the_derivative_to_the_free_entries"],
    "activations that overflow or lose their digits":
        ["test_activations::test_values_are_right_to_the_last_digits",
         "test_activations::test_derivatives_are_right_to_the_last_digits"],
    "a last window that begins in the padding":
        ["test_windows::test_sizes_are_those_of_torch"],
    "a flop is one multiplication, one addition, both, with bias or without":
        ["test_operation_counts::test_a_convolution_takes_what_a_loop_counts",
         "test_operation_cost::test_the_tools_print_what_is_said"],
    "layers that are counted as nothing":
        ["test_operation_counts::test_a_pool_takes_what_a_loop_counts",
         "test_operation_counts::test_an_activation_takes_what_its_formula_counts"],
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_has_its_tests(trap: str) -> None:
    for place in TRAPS[trap]:
        file, name = place.split("::")
        tree = ast.parse((HERE.parent / f"{file}.py").read_text(encoding="utf-8"))
        tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert tests.count(name) == 1, place


SCALES = np.array([1e8, 1.0, 1e-6])


def badly_scaled(x: Any) -> Any:
    return np.sum((SCALES * x) ** 2) / 2 + np.sum(np.sin(SCALES * x))


def slope(x: Any) -> Any:
    return SCALES * (SCALES * x + np.cos(SCALES * x))


def test_an_error_in_a_small_entry_is_seen_where_one_norm_sees_none() -> None:
    at = np.array([1.3e-8, 0.7, 4e5])

    def flipped(x: Any) -> Any:
        return slope(x) * np.array([1.0, 1.0, -1.0])

    right, wrong = (check_grad(badly_scaled, g, at) for g in (slope, flipped))
    assert wrong == pytest.approx(right, rel=1e-3)  # one norm says the same of both
    assert ek.check_gradient(badly_scaled, slope, at).ok
    report = ek.check_gradient(badly_scaled, flipped, at, names=["a", "b", "c"])
    assert not report.ok
    frame = report.to_frame().set_index("parameter")
    assert list(frame["verdict"]) == ["ok", "ok", "wrong"]


@pytest.mark.parametrize("function", ["exp", "gamma", "oscillating", "far"])
def test_the_error_of_a_numerical_derivative_is_not_understated(function: str) -> None:
    # without complex numbers, so that only differences are left
    f, df, points = {
        "exp": (lambda x: float(np.exp(np.real(x[0]))), np.exp, [0.0, 1.0, 9.0]),
        "gamma": (
            lambda x: float(np.log(np.real(x[0])) * np.real(x[0])),
            lambda x: np.log(x) + 1,
            [0.3, 2.0, 1e6],
        ),
        "oscillating": (lambda x: float(np.sin(30 * np.real(x[0]))), lambda x: 30 * np.cos(30 * x),
                        [0.1, 1.0, 3.0]),
        "far": (lambda x: 1e8 + float(np.cosh(np.real(x[0]))), np.sinh, [0.5, 2.0]),
    }[function]  # fmt: skip
    for point in points:
        report = ek.check_gradient(f, lambda x, df=df: np.array([df(x[0])]), [point])
        assert report.ok, (point, str(report))
        row = report.to_frame().iloc[0]
        off = abs(row["numeric"] - float(df(point)))
        assert off <= 10 * row["error"] + 1e-300, (point, off, row["error"])
        assert row["error"] > 0
