"""estkit tells how good an estimate is: every number it prints carries its own error.

Likelihood: what is θ̂, and how sure is it?
    `fit`, `fit_formula`, `fit_many` with `Binomial`, `Softmax`, `Ordinal`, `ConditionalLogit`,
    `Gaussian`, `Joint`; they answer with a `LikelihoodFit` (its kinds: `RegressionFit`,
    `PenalisedFit`, `OrdinalFit`, `MatchedFit`, `JointFit`) and `BatchFit`. `Distribution` and
    `Censored` for the laws of scipy.stats, with `DistributionFit`; `Likelihood` for your own
    function, with `CustomFit`. `proportion` for a share and its interval. Fits answer
    with `Prediction`, `Margins` and `Profile`. `L1`, `L2`, `ElasticNet` and `Jeffreys` for a
    penalty, with `path` for many strengths at once (`RegularizationPath`).

Monte Carlo: what are the bias, variance and coverage of any estimator?
    `Study`, `grid`, `vectorized`, `Sample`; a study answers with `StudyResult`. `solve` for the
    sample size, or effect, at which a measure reaches a target (`Solution`).

Comparison: which model predicts better on this data, and how sure is that?
    `compare` answers with a `Comparison`, its tests with a `PairedTest`; `Folds`, `Score`.
    `five_by_two` (`FiveByTwo`) and `nested_interval` fit on folds of their own;
    `compare_datasets` is for many data sets (`DatasetComparison`); `calibrate_test` simulates the
    size of a test (`Calibration`). `knn_curve` and `ridge_curve` give a `Curve`,
    `learning_curve` a `LearningCurve`, `bias_variance` a `Decomposition`; `degrees_of_freedom`,
    `leverages`.

Similarity: how similar are these vectors, exactly?
    `cosine_similarity`, `cosine_distance` and `cosine_pairs` answer with `Similarities`;
    `cosine_top_k` with `Neighbors`, `cosine_join` with `SimilarPairs`.
    How sure that is: `cosine_interval`, `cosine_difference`, `cosine_test`, `debiased_cosine`.

Gradients: is a derivative that I wrote by hand right?
    `gradients`, the matrix rules and activations, each as a value and the way back.
    `check_gradient` and `check_hessian` compare yours with differences: `GradientReport`,
    `HessianReport`.

Everywhere: `Estimate`, a value with its own error; the errors, all of them `EstkitError`, and
`EstkitWarning`.
"""

from estkit import gradients
from estkit.comparison import (
    Calibration,
    Comparison,
    Curve,
    DatasetComparison,
    Decomposition,
    FiveByTwo,
    Folds,
    LearningCurve,
    PairedTest,
    Score,
    bias_variance,
    calibrate_test,
    compare,
    compare_datasets,
    degrees_of_freedom,
    five_by_two,
    knn_curve,
    learning_curve,
    leverages,
    nested_interval,
    ridge_curve,
)
from estkit.errors import (
    ConvergenceError,
    DataError,
    EstkitError,
    EstkitWarning,
    FitError,
    GradientError,
    MissingExtraError,
    RankError,
    SeparationError,
    StudyError,
    StudyInterrupted,
)
from estkit.estimate import Estimate
from estkit.gradients.checking.check import check_gradient
from estkit.gradients.checking.hessian import check_hessian
from estkit.gradients.checking.hessian_report import HessianReport
from estkit.gradients.checking.report import GradientReport
from estkit.likelihood import (
    L1,
    L2,
    BatchFit,
    Binomial,
    Censored,
    Chunks,
    ConditionalLogit,
    CustomFit,
    Distribution,
    DistributionFit,
    ElasticNet,
    Gaussian,
    Jeffreys,
    Joint,
    JointFit,
    Likelihood,
    LikelihoodFit,
    Margins,
    MatchedFit,
    Ordinal,
    OrdinalFit,
    PenalisedFit,
    Prediction,
    Profile,
    RegressionFit,
    RegularizationPath,
    Softmax,
    fit,
    fit_formula,
    fit_many,
    proportion,
)
from estkit.likelihood.penalties.path import path
from estkit.montecarlo import (
    Draws,
    Influence,
    Measure,
    Sample,
    Solution,
    Study,
    StudyResult,
    bootstrap_coverage,
    grid,
    merge,
    open_study,
    solve,
    vectorized,
)
from estkit.similarity import (
    Neighbors,
    Similarities,
    SimilarPairs,
    cosine_difference,
    cosine_distance,
    cosine_interval,
    cosine_join,
    cosine_pairs,
    cosine_similarity,
    cosine_test,
    cosine_top_k,
    debiased_cosine,
)

__all__ = [
    "L1",
    "L2",
    "BatchFit",
    "Binomial",
    "BinomialClassifier",
    "Calibration",
    "Censored",
    "Chunks",
    "Comparison",
    "ConditionalLogit",
    "ConvergenceError",
    "Curve",
    "CustomFit",
    "DataError",
    "DatasetComparison",
    "Decomposition",
    "Distribution",
    "DistributionFit",
    "Draws",
    "ElasticNet",
    "Estimate",
    "EstkitError",
    "EstkitWarning",
    "FitError",
    "FiveByTwo",
    "Folds",
    "Gaussian",
    "GradientError",
    "GradientReport",
    "HessianReport",
    "Influence",
    "Jeffreys",
    "Joint",
    "JointFit",
    "LearningCurve",
    "Likelihood",
    "LikelihoodFit",
    "Margins",
    "MatchedFit",
    "Measure",
    "MissingExtraError",
    "Neighbors",
    "Ordinal",
    "OrdinalFit",
    "PairedTest",
    "PenalisedFit",
    "Prediction",
    "Profile",
    "RankError",
    "RegressionFit",
    "RegularizationPath",
    "Sample",
    "Score",
    "SeparationError",
    "SimilarPairs",
    "Similarities",
    "Softmax",
    "SoftmaxClassifier",
    "Solution",
    "Study",
    "StudyError",
    "StudyInterrupted",
    "StudyResult",
    "__version__",
    "bias_variance",
    "bootstrap_coverage",
    "calibrate_test",
    "check_gradient",
    "check_hessian",
    "compare",
    "compare_datasets",
    "cosine_difference",
    "cosine_distance",
    "cosine_interval",
    "cosine_join",
    "cosine_pairs",
    "cosine_similarity",
    "cosine_test",
    "cosine_top_k",
    "debiased_cosine",
    "degrees_of_freedom",
    "fit",
    "fit_formula",
    "fit_many",
    "five_by_two",
    "gradients",
    "grid",
    "knn_curve",
    "learning_curve",
    "leverages",
    "merge",
    "nested_interval",
    "open_study",
    "path",
    "proportion",
    "ridge_curve",
    "solve",
    "vectorized",
]


def __getattr__(name: str) -> object:
    if name in ("BinomialClassifier", "SoftmaxClassifier"):  # they need scikit-learn
        from estkit.likelihood import classifiers

        return getattr(classifiers, name)
    if name == "__version__":  # read when asked for: the metadata take longer than numpy's import
        from importlib.metadata import version

        return version("estkit")
    raise AttributeError(f"module 'estkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
