"""Pictures of results: a result and perhaps an Axes in, the Axes out."""

from estkit.plot.comparison import COMPARISON_KINDS, plot_comparison
from estkit.plot.curves import plot_curve, plot_learning_curve
from estkit.plot.datasets import DATASET_KINDS, plot_datasets
from estkit.plot.decomposition import plot_decompositions
from estkit.plot.figures import new_figure
from estkit.plot.fits import plot_coefficients, plot_path, plot_profile
from estkit.plot.studies import KINDS, plot_study

__all__ = [
    "COMPARISON_KINDS",
    "DATASET_KINDS",
    "KINDS",
    "new_figure",
    "plot_coefficients",
    "plot_comparison",
    "plot_curve",
    "plot_datasets",
    "plot_decompositions",
    "plot_learning_curve",
    "plot_path",
    "plot_profile",
    "plot_study",
]
