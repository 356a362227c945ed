"""The matrix-gradient rules, each as a value and a vector-Jacobian product, and their checks."""

from estkit.gradients.rule import Rule

__all__ = ["Rule"]
