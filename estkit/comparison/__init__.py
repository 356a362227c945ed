"""Comparing models on data: which predicts better, how sure, at what cost."""

from estkit.comparison.calibration import Calibration, calibrate_test
from estkit.comparison.curves import Curve
from estkit.comparison.datasets import DatasetComparison, compare_datasets
from estkit.comparison.decomposition import Decomposition
from estkit.comparison.degrees import degrees_of_freedom
from estkit.comparison.evaluation import compare
from estkit.comparison.expected_loss import bias_variance
from estkit.comparison.five_by_two import FiveByTwo, five_by_two
from estkit.comparison.folds import Folds
from estkit.comparison.intervals import nested_interval
from estkit.comparison.knn import knn_curve
from estkit.comparison.learning import LearningCurve, learning_curve
from estkit.comparison.linear import leverages, ridge_curve
from estkit.comparison.result import Comparison
from estkit.comparison.scores import Score
from estkit.comparison.verdict import PairedTest

__all__ = [
    "Calibration",
    "Comparison",
    "Curve",
    "DatasetComparison",
    "Decomposition",
    "FiveByTwo",
    "Folds",
    "LearningCurve",
    "PairedTest",
    "Score",
    "bias_variance",
    "calibrate_test",
    "compare",
    "compare_datasets",
    "degrees_of_freedom",
    "five_by_two",
    "knn_curve",
    "learning_curve",
    "leverages",
    "nested_interval",
    "ridge_curve",
]
