"""Maximum likelihood: what is the estimate, and how sure is it."""

from estkit.likelihood.batches.batch import BatchFit, fit_many
from estkit.likelihood.binomial import Binomial
from estkit.likelihood.chunks import Chunks
from estkit.likelihood.curve import Profile
from estkit.likelihood.custom.fit import CustomFit
from estkit.likelihood.custom.likelihood import Likelihood
from estkit.likelihood.distribution.censoring import Censored
from estkit.likelihood.distribution.distribution import Distribution
from estkit.likelihood.distribution.fit import DistributionFit
from estkit.likelihood.fitting import fit
from estkit.likelihood.formula import fit_formula
from estkit.likelihood.gaussian import Gaussian
from estkit.likelihood.joint.fit import JointFit
from estkit.likelihood.joint.joint import Joint
from estkit.likelihood.matched.conditional import ConditionalLogit
from estkit.likelihood.matched.fit import MatchedFit
from estkit.likelihood.ordinal.model import OrdinalFit
from estkit.likelihood.ordinal.ordinal import Ordinal
from estkit.likelihood.penalties.fit import PenalisedFit
from estkit.likelihood.penalties.path import RegularizationPath, path
from estkit.likelihood.penalties.penalty import L1, L2, ElasticNet, Jeffreys
from estkit.likelihood.predictions.margins import Margins
from estkit.likelihood.predictions.prediction import Prediction
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
    "JointFit",
    "Likelihood",
    "LikelihoodFit",
    "Margins",
    "MatchedFit",
    "Ordinal",
    "OrdinalFit",
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
