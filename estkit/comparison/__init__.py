"""Comparing models on data: which predicts better, how sure, at what cost."""

from estkit.comparison.evaluation import compare
from estkit.comparison.five_by_two import FiveByTwo, five_by_two
from estkit.comparison.folds import Folds
from estkit.comparison.intervals import nested_interval
from estkit.comparison.result import Comparison
from estkit.comparison.scores import Score
from estkit.comparison.verdict import PairedTest

__all__ = [
    "Comparison",
    "FiveByTwo",
    "Folds",
    "PairedTest",
    "Score",
    "compare",
    "five_by_two",
    "nested_interval",
]
