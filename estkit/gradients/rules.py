"""All rules by topic: the matrix rules are here, one line each; `activations` has the rest.

Every rule is a function of arrays that gives a `Rule`: a value, and the way back from it. Arrays in
float32 stay so; everything else, integers too, is computed in float64. Inputs are not modified, not
copied where that can be avoided, and must not be changed before the way back has been gone.
"""

from estkit.gradients.arithmetic import add, divide, elementwise, multiply, subtract
from estkit.gradients.directions import cosine, cosine_matrix, normalize
from estkit.gradients.entries import reshape, trace, transpose
from estkit.gradients.inverses import inverse, log_abs_det, solve
from estkit.gradients.likelihoods import (
    binomial_log_likelihood,
    binomial_log_likelihood_of_probabilities,
    softmax_log_likelihood,
)
from estkit.gradients.penalties import l1_penalty, l2_penalty
from estkit.gradients.products import affine, gram, outer_gram, product
from estkit.gradients.reductions import max, mean, norm, sum
from estkit.gradients.softmax import log_softmax, logsumexp, softmax

__all__ = [
    "add",
    "affine",
    "binomial_log_likelihood",
    "binomial_log_likelihood_of_probabilities",
    "cosine",
    "cosine_matrix",
    "divide",
    "elementwise",
    "gram",
    "inverse",
    "l1_penalty",
    "l2_penalty",
    "log_abs_det",
    "log_softmax",
    "logsumexp",
    "max",
    "mean",
    "multiply",
    "norm",
    "normalize",
    "outer_gram",
    "product",
    "reshape",
    "softmax",
    "softmax_log_likelihood",
    "solve",
    "subtract",
    "sum",
    "trace",
    "transpose",
]
