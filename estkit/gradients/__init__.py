"""The matrix-gradient rules, each as a value and a vector-Jacobian product, and their checks."""

from estkit.gradients import activations, rules
from estkit.gradients.activation_properties import activation_properties
from estkit.gradients.activations import *  # noqa: F403  - its __all__; the same of rules
from estkit.gradients.checking.check import check_gradient
from estkit.gradients.checking.hessian import check_hessian
from estkit.gradients.checking.hessian_report import HessianReport
from estkit.gradients.checking.report import GradientReport
from estkit.gradients.checking.rule_check import check_rule
from estkit.gradients.convolution import convolution
from estkit.gradients.cost import OperationCount
from estkit.gradients.operation_counts import (
    activation_operations,
    affine_operations,
    convolution_operations,
    pooling_operations,
    softmax_operations,
)
from estkit.gradients.pooling import average_pool, max_pool
from estkit.gradients.rule import Rule
from estkit.gradients.rules import *  # noqa: F403
from estkit.gradients.windows import convolution_size, pooling_size

__all__ = [
    "GradientReport",
    "HessianReport",
    "OperationCount",
    "Rule",
    "activation_operations",
    "activation_properties",
    "affine_operations",
    "average_pool",
    "check_gradient",
    "check_hessian",
    "check_rule",
    "convolution",
    "convolution_operations",
    "convolution_size",
    "max_pool",
    "pooling_operations",
    "pooling_size",
    "softmax_operations",
    *activations.__all__,
    *rules.__all__,
]
