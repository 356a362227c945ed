"""Is KNN of low bias and high variance, a linear model the reverse, and does a bootstrap show it?

Fresh training sets from a known law tell; the bootstrap of one of them hides much of the variance
of one neighbour.
"""

from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

import estkit as ek


def surface(X: Any) -> Any:
    """Return E(y | X)."""
    return np.sin(2 * X[:, 0]) + X[:, 1] ** 2 / 2 + X[:, 2] * X[:, 3]


def draw(rng: np.random.Generator) -> tuple[Any, Any]:
    """Return 400 rows with noise of variance 0.25."""
    X = rng.normal(size=(400, 5))
    return X, surface(X) + 0.5 * rng.normal(size=400)


rows = np.random.default_rng(0).normal(size=(400, 5))
test = (rows, surface(rows))
X, y = draw(np.random.default_rng(1))
models = {f"{k}-NN": KNeighborsRegressor(k) for k in (1, 5, 15)} | {"OLS": LinearRegression()}
print("model   fresh: bias² (error)  variance (error)   bootstrap: bias²  variance")
for name, model in models.items():
    fresh = ek.bias_variance(model, generate=draw, truth=surface, test=test, rounds=200, rng=1)
    again = ek.bias_variance(model, X, y, truth=surface, test=test, rounds=200, rng=1)
    told = [f"{fresh.value(p):.3f} ({fresh.std_error(p):.3f})" for p in ("bias", "variance")]
    print(f"{name:6} {told[0]:>21} {told[1]:>17} {again.value('bias'):17.3f} "
          f"{again.value('variance'):9.3f}")  # fmt: skip
