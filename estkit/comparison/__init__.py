"""Comparing models on data: which predicts better, how sure, at what cost."""

from estkit.comparison.evaluation import compare
from estkit.comparison.folds import Folds
from estkit.comparison.result import Comparison
from estkit.comparison.scores import Score
from estkit.comparison.verdict import PairedTest

__all__ = ["Comparison", "Folds", "PairedTest", "Score", "compare"]
