"""Every known trap of simulation software, and the test that would catch us in it.

Most are in `test_traps.py`; the table says where the others are, and is itself tested. Below it are
traps that no other test is about.
"""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import estkit as ek
from estkit.montecarlo.execution import Execution, Span

HERE = Path(__file__)
SEED = 42

# The trap, and a test that shows it: file and name.
TRAPS = {
    "redrawing after a failure changes the estimand of all methods":
        "test_traps::test_redraw_after_failure_would_change_the_estimand_of_all",
    "a method that fails changes the numbers of another":
        "test_one_hash::test_an_estimator_that_fails_on_a_third_changes_no_bit_of_the_others",
    "same seed, other core count, other answer":
        "test_one_hash::test_any_number_of_workers_computes_the_same",
    "other chunks, other answer":
        "test_one_hash::test_replicates_may_be_computed_in_pieces_of_any_length",
    "more replicates change the ones there were":
        "test_one_hash::test_few_replicates_are_the_beginning_of_many",
    "methods are paired by row order":
        "test_traps::test_methods_are_paired_by_replicate_and_not_by_row",
    "numeric limits spoil bias-eliminated coverage":
        "test_traps::test_fixed_limits_do_not_spoil_bias_eliminated_coverage",
    "normal-theory errors of measures of spread":
        "test_calibration::test_the_monte_carlo_error_is_the_error_whatever_the_law",
    "sd / √R as the error of any summary":
        "test_traps::test_the_error_of_a_mean_is_not_that_of_every_summary",
    "an error of 0 at a coverage of 100 %":
        "test_traps::test_coverage_of_one_hundred_per_cent_is_not_certain",
    "a stop at an error of 0":
        "test_stopping::test_intervals_that_always_cover_do_not_stop_at_an_error_of_zero",
    "stopping at a target biases a coverage":
        "test_stopping::test_stopping_leaves_no_visible_bias_in_a_coverage",
    "power by several intervals is that of their complement":
        "test_traps::test_two_equal_intervals_have_the_power_of_the_single_one",
    "p < alpha, and 1 - 0.95 > 0.05":
        "test_reading::test_a_p_value_of_alpha_is_a_rejection_and_rounding_does_not_matter",
    "a permutation test is too small or too large":
        "test_reading::test_a_permutation_test_under_the_null_has_the_size_it_promises",
    "divisors R and R - 1 are mixed":
        "test_traps::test_divisors_are_those_of_the_documentation",
    "seeds from a short pool repeat":
        "test_streams::test_a_million_replicates_have_a_million_streams",
    "the set-up takes time for every replicate":
        "test_trap_table::test_the_ten_millionth_replicate_is_reached_at_once",
    "workers share the global generator":
        "test_trap_table::test_forked_workers_do_not_repeat_each_others_draws",
    "user code draws from the global generator":
        "test_sampling::test_a_generator_that_uses_the_global_random_state_is_refused",
    "an estimator draws from the global generator":
        "test_traps::test_an_estimator_that_uses_the_global_random_state_is_found",
    "folds fixed inside the estimator tie replicates together":
        "test_libraries::test_randomness_inside_an_estimator_comes_from_the_stream_of_the_replicate",
    "conditions share their random numbers without saying so":
        "test_traps::test_conditions_do_not_share_their_random_numbers",
    "contrasts across conditions forget what they share":
        "test_contrasts::test_conditions_are_paired_under_common_random_numbers_alone",
    "one separated data set takes the batch down":
        "test_traps::test_one_bad_data_set_does_not_take_the_batch_down",
    "a mean that does not exist is given an error":
        "test_simultaneous::test_estimates_without_a_mean_are_flagged",
    "a mean that does exist is flagged":
        "test_simultaneous::test_means_that_settle_are_hardly_ever_flagged",
    "replicates without an answer vanish":
        "test_traps::test_replicates_without_an_answer_do_not_vanish_in_silence",
    "the truth is uncertain": "test_traps::test_an_uncertain_truth_widens_the_error_of_every_bias",
    "sums of squares at a far location":
        "test_traps::test_a_far_location_does_not_eat_the_variance",
    "blocks that are merged in another order": "test_one_hash::test_pieces_may_come_in_any_order",
    "bootstrap coverage at few resamples":
        "test_extrapolation::test_few_resamples_cover_too_little_and_their_extrapolation_does_not",
    "relative bias of a truth of 0":
        "test_traps::test_relative_bias_at_or_near_zero_stops_nothing",
    "the largest of many biases is a finding":
        "test_simultaneous::test_the_largest_of_two_hundred_null_biases_is_no_finding",
    "resuming after a change mixes two studies":
        "test_store_changes::test_a_change_is_refused_and_named",
    "each method drops its own outliers":
        "test_trap_table::test_outliers_that_a_method_drops_are_counted_and_dropped_for_both",
    "workers and linear algebra fight for cores":
        "test_traps::test_workers_and_linear_algebra_do_not_fight_for_cores",
    "a time limit keeps the fast replicates":
        "test_stopping::test_a_time_limit_keeps_slow_replicates_too",
    "slopes of control variates from the same replicates bias a measure":
        "test_reduction::test_few_replicates_are_adjusted_without_bias",
    "controls of the replicates that did not fail have another expectation":
        "test_reduction::test_failures_that_go_along_with_a_control_neither_bias_nor_mislead",
    "opposite draws made of opposite draws are the same draws":
        "test_antithetic::test_each_partner_has_the_law_and_the_pair_goes_opposite_ways",
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_has_its_test(trap: str) -> None:
    file, name = TRAPS[trap].split("::")
    tree = ast.parse(HERE.with_name(f"{file}.py").read_text(encoding="utf-8"))
    tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert tests.count(name) == 1


def draw(rng: Any) -> Any:
    return rng.normal(size=2)


def first(x: Any) -> float:
    return float(x[0])


def own(x: Any, rng: Any) -> float:
    return float(rng.normal())


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_workers_do_not_repeat_each_others_draws() -> None:
    study = ek.Study(draw, {"data": first, "own": own}, truth=0.0)
    np.random.seed(1)  # noqa: NPY002 - a state that forks would share
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        forked = study.run(600, rng=SEED)
    assert forked.outcomes()["estimate"].nunique() == 1200
    assert forked.fingerprint() == study.run(600, rng=SEED).fingerprint()


def test_the_ten_millionth_replicate_is_reached_at_once() -> None:
    drawn = []

    def counted(rng: Any) -> Any:
        drawn.append(1)
        return rng.normal(size=2)

    study, seed = ek.Study(counted, {"first": first}, truth=0.0), np.random.SeedSequence(SEED)
    span = Span(0, 10**7, 10**7 + 3)
    ((block, stop),) = Execution(study, seed, 1).blocks([span])
    assert stop is None and block.size == 3
    assert len(drawn) < 10
    estimates = block.outcomes["first"].estimate[:, 0].tolist()
    assert estimates[2] == study.replay(10**7 + 2, rng=SEED).estimates["first"].value
    assert len(set(estimates)) == 3


def test_outliers_that_a_method_drops_are_counted_and_dropped_for_both() -> None:
    def dropping(x: Any) -> float:
        return float(x.mean()) if abs(x.mean()) < 0.5 else math.nan

    functions = {"all": lambda x: x.mean(), "dropping": dropping}
    result = ek.Study(lambda rng: rng.normal(size=5), functions, truth=0.0).run(2000, rng=SEED)
    frame = result.summary(["mse", "failure_rate"])
    table = frame.pivot(index="estimator", columns="measure", values="value")
    # judged by what each keeps, to drop is to win; and that it dropped a quarter is told
    assert table.loc["dropping", "mse"] < 0.5 * table.loc["all", "mse"]
    assert table.loc["dropping", "failure_rate"] == pytest.approx(0.26, abs=0.04)
    # on the same data sets there is no difference
    row = result.contrast("all", "dropping", "mse").iloc[0]
    assert (row["value"], row["mcse"]) == (0.0, 0.0)
    assert row["used"] == 2000 * (1 - table.loc["dropping", "failure_rate"])
    same = result.summary("mse", missing="complete")["value"]
    assert same[0] == same[1]
