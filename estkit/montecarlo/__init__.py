"""Monte-Carlo studies: the bias, variance and coverage of any estimator."""

from estkit.montecarlo.archive import merge, open_study
from estkit.montecarlo.conditions import grid
from estkit.montecarlo.extrapolation import bootstrap_coverage
from estkit.montecarlo.influence import Draws, Influence, Measure
from estkit.montecarlo.result import StudyResult
from estkit.montecarlo.sampling import Sample, vectorized
from estkit.montecarlo.solution import Solution
from estkit.montecarlo.solve import solve
from estkit.montecarlo.study import Study

__all__ = [
    "Draws", "Influence", "Measure", "Sample", "Solution", "Study", "StudyResult",
    "bootstrap_coverage", "grid", "merge", "open_study", "solve", "vectorized",
]  # fmt: skip
