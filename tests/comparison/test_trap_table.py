"""Every known trap of model comparison, and the test that would catch us in it.

The tables say where they are, and where what no other tool has is tested; both are tested, too.
Below them are traps that no other test is about.
"""

from __future__ import annotations

import ast
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

import estkit as ek
from estkit.comparison import evaluation

HERE = Path(__file__)
IRIS = load_iris(return_X_y=True)

# The trap, and the tests that show it: file and name.
TRAPS = {
    "1: columns chosen outside the folds":
        ["test_trap_table::test_columns_chosen_inside_the_folds_find_nothing_in_noise",
         "test_evaluation::test_nothing_is_learnt_from_test_rows"],
    "2: neighbours of unscaled columns":
        ["test_trap_table::test_neighbours_are_scaled_and_that_is_said",
         "test_knn::test_a_column_that_varies_in_one_row_alone_is_constant_without_it"],
    "3: equal distances":
        ["test_knn::test_ties_of_whole_numbers_go_by_row_number",
         "test_knn::test_the_numbers_do_not_depend_on_threads_or_on_the_other_queries",
         "test_knn::test_equal_votes_go_to_the_smallest_label",
         "test_trap_table::test_ties_are_the_same_for_any_number_of_threads"],
    "4: more neighbours than training rows":
        ["test_knn::test_more_neighbours_than_training_rows_are_refused_with_the_fold",
         "test_trap_table::test_more_neighbours_than_rows_are_a_failure_with_its_reason"],
    "5: a class with few members":
        ["test_folds::test_folds_that_cannot_be_are_refused",
         "test_evaluation::test_a_class_that_training_rows_lack_has_probability_0",
         "test_trap_table::test_folds_that_lack_a_class_leave_no_mean_of_the_others",
         "test_fold_tests::test_folds_on_which_a_model_failed_are_left_out_for_both"],
    "6: sorted labels":
        ["test_trap_table::test_sorted_labels_are_shuffled_and_stratified"],
    "7: other folds for each model":
        ["test_folds::test_a_splitter_without_a_seed_is_asked_once",
         "test_folds::test_a_fingerprint_is_that_of_the_rows",
         "test_folds::test_folds_of_other_data_are_refused"],
    "8: identical models":
        ["test_fold_tests::test_identical_models_are_equal_by_every_test",
         "test_pooled_tests::test_mcnemar_is_never_corrected_past_nothing",
         "test_datasets::test_equal_models_and_full_agreement_are_answered"],
    "9: labels of text, -1 and 1, data frames, models changed in place":
        ["test_decomposition::test_the_parts_of_zero_one_loss_sum",
         "test_decomposition::test_labels_of_minus_one_and_one_are_labels",
         "test_trap_table::test_a_frame_keeps_its_names_and_a_model_stays_unfitted",
         "test_evaluation::test_a_model_is_not_changed_and_its_name_decides_its_randomness"],
    "10: parts of 0/1 loss that do not sum":
        ["test_decomposition::test_the_parts_of_zero_one_loss_sum",
         "test_decomposition::test_the_parts_of_zero_one_loss_of_a_case_by_hand"],
    "11: missing values":
        ["test_evaluation::test_mixed_columns_with_gaps_are_made_ready_inside_the_folds",
         "test_evaluation::test_nothing_is_learnt_from_test_rows"],
    "12: shuffled time":
        ["test_trap_table::test_a_random_walk_is_predicted_from_its_future_alone",
         "test_folds::test_forward_in_time_the_past_alone_is_trained_on",
         "test_learning::test_forward_in_time_a_model_learns_from_the_latest_rows"],
    "13: leaving one out of more columns than rows, and R² of one row":
        ["test_linear::test_leave_one_out_is_that_of_refitting_without_each_row",
         "test_knn::test_the_score_of_leaving_one_out_is_of_all_predictions_together",
         "test_fold_tests::test_a_score_that_folds_of_one_row_lack_is_refused"],
    "14: the better one of two is tested on one side":
        ["test_datasets::test_wilcoxon_keeps_its_level_for_two_models",
         "test_datasets::test_the_direction_must_be_said_and_turns_the_ranks"],
    "15: the direction of a score":
        ["test_fold_tests::test_the_direction_goes_with_the_score",
         "test_datasets::test_the_direction_comes_with_comparisons"],
    "16: log loss of one neighbour":
        ["test_trap_table::test_log_loss_of_one_neighbour_is_infinite_and_not_clipped",
         "test_fold_tests::test_an_infinite_score_is_refused_by_name",
         "test_decomposition::test_log_loss_with_a_probability_of_zero_is_refused"],
    "17: folds taken for data sets, thresholds for tests":
        ["test_datasets::test_folds_of_one_data_set_are_refused",
         "test_fold_tests::test_the_corrected_t_is_that_of_its_paper"],
    "18: bias² inflated by variance / rounds":
        ["test_decomposition::test_squared_loss_is_that_of_refitting_every_round",
         "test_decomposition::test_intervals_cover_what_infinitely_many_rounds_give"],
    "19: scoring counted as prediction":
        ["test_trap_table::test_the_time_to_predict_is_that_of_predict_alone"],
    "threads inside workers":
        ["test_trap_table::test_models_are_fitted_with_one_thread_and_their_bytes_counted"],
}  # fmt: skip

# What no other tool has, and the tests of it.
ALONE = {
    "every k from one list of neighbours":
        ["test_knn::test_every_k_of_a_classifier_is_that_of_a_grid_search",
         "test_knn::test_every_k_of_a_regression_is_that_of_a_grid_search"],
    "0/1 loss that sums": ["test_decomposition::test_the_parts_of_zero_one_loss_sum"],
    "log loss in parts":
        ["test_decomposition::test_neighbours_predict_in_every_round_what_refitting_predicts"],
    "Monte-Carlo errors of bias and variance":
        ["test_decomposition::test_intervals_cover_what_infinitely_many_rounds_give"],
    "fresh training sets of a known truth":
        ["test_decomposition::test_fresh_training_sets_give_the_known_bias_and_variance",
         "test_decomposition::test_the_bootstrap_says_that_it_understates_the_variance_of_one_"
         "neighbour"],
    "the bytes of a model":
        ["test_trap_table::test_models_are_fitted_with_one_thread_and_their_bytes_counted"],
    "effective degrees of freedom":
        ["test_evaluation::test_the_table_has_the_degrees_of_freedom_of_the_first_fold",
         "test_linear::test_degrees_of_freedom_are_the_trace_of_the_hat_matrix"],
    "leaving one out in closed form":
        ["test_linear::test_leave_one_out_is_that_of_refitting_without_each_row",
         "test_knn::test_leave_one_out_is_that_of_refitting_without_each_row"],
    "nested cross-validation in Python":
        ["test_intervals::test_nested_cross_validation_is_that_of_its_paper"],
    "a z interval of pooled losses in Python":
        ["test_pooled_tests::test_clt_is_the_paired_z_of_the_losses"],
    "DeLong": ["test_builtin_data::test_delong_is_that_of_proc"],
    "every prediction kept, tests without refitting":
        ["test_evaluation::test_every_prediction_is_kept"],
    "power and the least difference that is found":
        ["test_fold_tests::test_power_is_the_share_of_experiments_that_find_the_difference"],
    "the size of a test on the user's rows":
        ["test_calibration::test_the_size_is_the_share_of_rounds_with_its_interval",
         "test_calibration::test_the_default_test_keeps_its_level_where_the_naive_one_does_not"],
    "a file for each model and fold":
        ["test_store::test_a_run_that_is_interrupted_loses_the_trial_at_work_alone",
         "test_store::test_a_model_that_is_added_is_fitted_alone"],
    "the same numbers on the command line":
        ["../test_cli_compare::test_the_numbers_are_those_of_the_call"],
    "a page of its own":
        ["../report/test_comparison_page::test_the_page_holds_scores_tests_pictures_and_how_to_get_"
         "them_again"],
}  # fmt: skip


@pytest.mark.parametrize("claim", [*TRAPS, *ALONE])
def test_every_trap_and_claim_has_its_tests(claim: str) -> None:
    for place in (TRAPS | ALONE)[claim]:
        file, name = place.split("::")
        tree = ast.parse((HERE.parent / f"{file}.py").read_text(encoding="utf-8"))
        tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert tests.count(name) == 1, place


def test_all_nineteen_are_there() -> None:
    assert [trap.split(":")[0] for trap in TRAPS][:19] == [str(n) for n in range(1, 20)]


def accuracy(result: ek.Comparison, model: str) -> float:
    return float(result.values(model, result.checked_score("accuracy")).mean())


def test_columns_chosen_inside_the_folds_find_nothing_in_noise() -> None:
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(100, 2000)), np.arange(100) % 2
    chosen = SelectKBest(f_classif, k=20).fit_transform(X, y)
    model = LogisticRegression()
    inside = make_pipeline(SelectKBest(f_classif, k=20), StandardScaler(), model)
    honest = accuracy(ek.compare({"m": inside}, X, y, cv=5, rng=1), "m")
    leaking = accuracy(ek.compare({"m": model}, chosen, y, cv=5, rng=1), "m")
    assert abs(honest - 0.5) < 0.15  # three standard errors of 100 rows
    assert leaking > 0.85


def test_neighbours_are_scaled_and_that_is_said() -> None:
    X, y = load_wine(return_X_y=True)
    raw = make_pipeline(FunctionTransformer(), KNeighborsClassifier())
    models = {"knn": KNeighborsClassifier(), "raw": raw}
    result = ek.compare(models, X, y, cv=5, rng=1)
    assert accuracy(result, "knn") > 0.93
    assert accuracy(result, "raw") < 0.75
    assert result.notes == ("knn: columns scaled.",)
    constant = np.column_stack([X, np.full(len(X), 7.0)])
    again = ek.compare(models, constant, y, cv=result.folds, rng=1)
    pd.testing.assert_frame_equal(again.predictions(), result.predictions())


def test_ties_are_the_same_for_any_number_of_threads() -> None:
    """A mean of row numbers tells which of many rows at one distance were taken."""
    X = load_digits().data[:1200]
    model = make_pipeline(FunctionTransformer(), KNeighborsRegressor(20, algorithm="brute"))
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            result = ek.compare({"knn": model}, X, np.arange(1200.0), cv=3, rng=1)
            found.append(result.predictions())
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_more_neighbours_than_rows_are_a_failure_with_its_reason() -> None:
    X, y = IRIS
    result = ek.compare({"knn": KNeighborsClassifier(110), "few": "knn"}, X, y, cv=3, rng=1)
    assert set(result.failures()["model"]) == {"knn"}
    assert "n_neighbors" in result.failures()["reason"][0]
    assert math.isnan(accuracy(result, "knn"))
    assert "knn: 3 of 3 folds have no accuracy" in str(result)
    with pytest.raises(ek.DataError, match="fold"):
        result.test("knn", "few")


def test_folds_that_lack_a_class_leave_no_mean_of_the_others() -> None:
    X, y = IRIS[0][50:], np.where(np.arange(100) < 2, "rare", "often")
    with pytest.raises(ek.DataError, match="'rare' has 2 members, fewer than 5 folds"):
        ek.compare("knn", X, y, cv=5, rng=1)
    pairs = [(np.delete(np.arange(100), r), r) for r in np.arange(100).reshape(50, 2).T]
    pairs.append((np.arange(0, 50), np.arange(50, 100)))  # all of them often
    result = ek.compare("linear", X, y, cv=pairs, scoring=["roc_auc", "log_loss"], rng=1)
    areas = result.values("linear", result.checked_score("roc_auc"))
    assert np.isnan(areas).tolist() == [False, False, True]
    assert math.isnan(result.table().set_index("model")["value"]["linear"])
    assert np.isfinite(result.values("linear", result.checked_score("log_loss"))).all()
    assert "linear: 1 of 3 folds have no roc_auc" in str(result)


def test_sorted_labels_are_shuffled_and_stratified() -> None:
    sorted_by_label = np.argsort(IRIS[1], kind="stable")
    X, y = IRIS[0][sorted_by_label], IRIS[1][sorted_by_label]
    result = ek.compare("linear", X, y, cv=3, rng=1)
    assert (result.values("linear", result.scoring[0]) > 0.9).all()


def test_a_frame_keeps_its_names_and_a_model_stays_unfitted() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"size": rng.normal(size=90), "kind": rng.choice(["x", "y"], 90)})
    y = np.where(frame["size"] + (frame["kind"] == "x") > 0.5, "up", "down")
    ready = make_column_transformer((OneHotEncoder(), ["kind"]), (StandardScaler(), ["size"]))
    model = make_pipeline(ready, KNeighborsClassifier(3))
    result = ek.bias_variance(model, frame, y, loss="zero_one", rounds=5, rng=1)
    assert 0 < result.value("loss") < 0.3
    compared = ek.compare({"m": model}, frame, y, cv=3, rng=1)
    assert compared.failures().empty
    for own in (model, model[-1], ready):
        assert not [name for name in vars(own) if name.endswith("_")]


def test_a_random_walk_is_predicted_from_its_future_alone() -> None:
    walk = np.cumsum(np.random.default_rng(8).normal(size=400))
    time = np.arange(400.0)[:, None]
    models = {"knn": KNeighborsRegressor(3)}
    shuffled = ek.compare(models, time, walk, cv=5, scoring="r2", rng=1)
    forward = ek.compare(models, time, walk, cv="time", scoring="r2", rng=1)
    assert shuffled.values("knn", shuffled.scoring[0]).mean() > 0.9
    assert forward.values("knn", forward.scoring[0]).mean() < 0


def test_log_loss_of_one_neighbour_is_infinite_and_not_clipped() -> None:
    models = {"one": KNeighborsClassifier(1)}
    result = ek.compare(models, *IRIS, cv=5, scoring=["log_loss", "accuracy"], rng=1)
    missed = result.values("one", result.checked_score("accuracy")) < 1
    assert missed.any()
    values = result.values("one", result.checked_score("log_loss"))
    assert (values == np.where(missed, math.inf, 0.0)).all()


CLOCK = SimpleNamespace(now=0.0)


class Clocked(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Takes 2 seconds to fit, 30 to predict, 500 to give probabilities."""

    def fit(self, X: Any, y: Any) -> Any:
        self.classes_ = np.unique(y)
        CLOCK.now += 2
        return self

    def predict(self, X: Any) -> Any:
        CLOCK.now += 30
        return np.full(len(X), self.classes_[0])

    def predict_proba(self, X: Any) -> Any:
        CLOCK.now += 500
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def test_the_time_to_predict_is_that_of_predict_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(p: Any) -> float:
        CLOCK.now += 7000
        return 0.0

    score = ek.Score("slow", slow, True, "classification")
    monkeypatch.setattr(evaluation, "time", SimpleNamespace(perf_counter=lambda: CLOCK.now))
    result = ek.compare({"m": Clocked()}, *IRIS, cv=3, scoring=score, rng=1)
    row = result.table().set_index("model").loc["m"]
    assert row["fit_seconds"] == 2
    assert row["predict_seconds_per_row"] == pytest.approx(3 * 30 / 150)


class Witness(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts how many threads the libraries had while it was fitted."""

    def __init__(self, weight: int = 0) -> None:
        self.weight = weight

    def fit(self, X: Any, y: Any) -> Any:
        self.classes_ = np.unique(y)
        self.kept_ = np.zeros(self.weight, np.uint8)
        self.most_ = max(each["num_threads"] for each in threadpool_info())
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.most_)


def test_models_are_fitted_with_one_thread_and_their_bytes_counted() -> None:
    X, y = IRIS[0], np.arange(150) % 2 + 1
    models = {"light": Witness(), "heavy": Witness(10**5)}
    with threadpool_limits(2):
        result = ek.compare(models, X, y, cv=3, rng=1)
    assert set(result.predictions().query("model != 'baseline'")["prediction"]) == {1}
    size = result.table().set_index("model")["bytes"]
    assert size["heavy"] - size["light"] == pytest.approx(10**5, abs=20)
