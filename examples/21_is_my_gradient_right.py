"""Is the gradient that I wrote by hand right, and if not, what is wrong with it?

Gamma regression with a log link: mean exp(b0 + b1 x), shape exp(log_shape).
"""

from typing import Any

import numpy as np
from scipy.special import digamma, gammaln

import estkit as ek

rng = np.random.default_rng(3)
x = rng.normal(size=150)
at = {"b0": 1.0, "b1": -0.4, "log_shape": 0.7}


def draw(params: Any, rng: np.random.Generator) -> Any:
    """Return outcomes drawn at the parameters."""
    shape = np.exp(params["log_shape"])
    return rng.gamma(shape, np.exp(params["b0"] + params["b1"] * x) / shape)


def loglik(params: Any, y: Any) -> Any:
    """Return the log-density of each outcome."""
    shape, line = np.exp(params["log_shape"]), params["b0"] + params["b1"] * x
    kernel = shape * (np.log(shape) - line - y * np.exp(-line))
    return kernel - gammaln(shape) + (shape - 1) * np.log(y)


def slopes(params: Any, y: Any) -> Any:
    """Return the gradient, with a slip: the last one is to the shape, not to its logarithm."""
    shape, line = np.exp(params["log_shape"]), params["b0"] + params["b1"] * x
    ratio = y * np.exp(-line)
    to_shape = np.log(shape) + 1 - line - ratio - digamma(shape) + np.log(y)
    to_line = shape * (ratio - 1)
    return {"b0": to_line.sum(), "b1": to_line @ x, "log_shape": to_shape.sum()}


print(ek.check_gradient(loglik, slopes, at, simulate=draw, rng=1), end="\n\n")


def mended(params: Any, y: Any) -> Any:
    """Return the gradient with the chain factor that was found to be missing."""
    found = slopes(params, y)
    return found | {"log_shape": found["log_shape"] * np.exp(params["log_shape"])}


report = ek.check_gradient(loglik, mended, at, simulate=draw, rng=1)
report.raise_if_wrong()  # for a test: an AssertionError that holds the table
print(report, end="\n\n")

# With the slip the fit is refused; with the right gradient the estimates come with their errors.
y = draw(at, rng)
for gradient in (slopes, mended):
    try:
        print(ek.fit(ek.Likelihood(loglik, at, gradient=gradient), y))
    except ek.EstkitError as error:
        print(f"{type(error).__name__}: {error}", end="\n\n")
