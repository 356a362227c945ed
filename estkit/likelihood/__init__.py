"""Maximum likelihood: what is the estimate, and how sure is it."""

from estkit.likelihood.batch import BatchFit, fit_many
from estkit.likelihood.binomial import Binomial
from estkit.likelihood.censoring import Censored
from estkit.likelihood.chunks import Chunks
from estkit.likelihood.conditional import ConditionalLogit
from estkit.likelihood.curve import Profile
from estkit.likelihood.custom import Likelihood
from estkit.likelihood.custom_fit import CustomFit
from estkit.likelihood.distribution import Distribution
from estkit.likelihood.distribution_fit import DistributionFit
from estkit.likelihood.fitting import fit
from estkit.likelihood.formula import fit_formula
from estkit.likelihood.gaussian import Gaussian
from estkit.likelihood.joint import Joint
from estkit.likelihood.margins import Margins
from estkit.likelihood.ordinal import Ordinal
from estkit.likelihood.path import RegularizationPath, path
from estkit.likelihood.penalised_fit import PenalisedFit
from estkit.likelihood.penalty import L1, L2, ElasticNet, Jeffreys
from estkit.likelihood.prediction import Prediction
from estkit.likelihood.proportion import proportion
from estkit.likelihood.regression_fit import RegressionFit
from estkit.likelihood.result import LikelihoodFit
from estkit.likelihood.softmax import Softmax

__all__ = [
    "L1",
    "L2",
    "BatchFit",
    "Binomial",
    "Censored",
    "Chunks",
    "ConditionalLogit",
    "CustomFit",
    "Distribution",
    "DistributionFit",
    "ElasticNet",
    "Gaussian",
    "Jeffreys",
    "Joint",
    "Likelihood",
    "LikelihoodFit",
    "Margins",
    "Ordinal",
    "PenalisedFit",
    "Prediction",
    "Profile",
    "RegressionFit",
    "RegularizationPath",
    "Softmax",
    "fit",
    "fit_formula",
    "fit_many",
    "path",
    "proportion",
]
