"""The matrix-gradient rules, each as a value and a vector-Jacobian product, and their checks."""

from estkit.gradients.convolution import convolution
from estkit.gradients.pooling import average_pool, max_pool
from estkit.gradients.rule import Rule
from estkit.gradients.windows import convolution_size, pooling_size

__all__ = [
    "Rule",
    "average_pool",
    "convolution",
    "convolution_size",
    "max_pool",
    "pooling_size",
]
