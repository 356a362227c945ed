"""Is the gradient of my own network right, and is it better than neighbours or softmax regression?

A convolution, tanh, an average pool and an affine map, written from the rules of `ek.gradients`;
its softmax log-likelihood less an L2 penalty is maximised on scikit-learn's digits.
"""

from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

import estkit as ek
from estkit import gradients as g

SHAPES = {"filters": (8, 1, 3, 3), "shift": (8,), "weights": (10, 128), "bias": (10,)}
ENDS = np.cumsum([np.prod(shape) for shape in SHAPES.values()])


def forward(flat: Any, X: Any) -> list[g.Rule]:
    """Return each layer with its way back; the last holds the logits."""
    filters, shift, weights, bias = map(np.reshape, np.split(flat, ENDS[:-1]), SHAPES.values())
    seen = g.convolution(X.reshape(-1, 1, 8, 8), filters, shift, padding=1)
    pooled = g.average_pool((bent := g.tanh(seen.value)).value, 2)
    return [seen, bent, pooled, g.affine(weights, pooled.value.reshape(len(X), 128), bias)]


def penalised(flat: Any, X: Any, y: Any) -> tuple[float, Any]:
    """Return the log-likelihood less ‖parameters‖² / 4, and its gradient."""
    seen, bent, pooled, logits = forward(flat, X)
    fit = g.softmax_log_likelihood(logits.value, y)
    to_weights, back, to_bias = logits.vjp(*fit.vjp(1.0))
    _, to_filters, to_shift = seen.vjp(*bent.vjp(*pooled.vjp(back.reshape(pooled.value.shape))))
    found = [part.ravel() for part in (to_filters, to_shift, to_weights, to_bias)]
    return float(fit.value) - flat @ flat / 4, np.concatenate(found) - flat / 2


class Network(ClassifierMixin, BaseEstimator):
    def fit(self, X: Any, y: Any) -> Self:
        self.classes_, y = np.unique(y, return_inverse=True)
        self.flat_ = minimize(lambda flat: [-part for part in penalised(flat, X, y)], START,
                              jac=True, method="L-BFGS-B", options={"maxiter": 40}).x  # fmt: skip
        return self

    def predict_proba(self, X: Any) -> Any:
        return g.softmax(forward(self.flat_, X)[-1].value).value

    def predict(self, X: Any) -> Any:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


X, y = load_digits(return_X_y=True)
X, START = X / 16, 0.1 * np.random.default_rng(1).standard_normal(ENDS[-1])
print(ek.check_gradient(lambda flat: penalised(flat, X[:50], y[:50]), None, START), end="\n\n")
softmax = ek.SoftmaxClassifier(penalty=ek.L2(1.0))
models = {"network": Network(), "3-NN": KNeighborsClassifier(3), "softmax": softmax}
print(ek.compare(models, X, y, scoring=["accuracy", "log_loss"], cv=3, rng=1))
