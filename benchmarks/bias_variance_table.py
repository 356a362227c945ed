"""Bias and variance of neighbours and least squares: fresh training sets beside the bootstrap.

    python benchmarks/bias_variance_table.py [fresh training sets] [bootstrapped training sets]

400 rows of 5 normal columns, y = sin 2a + b² / 2 + cd + noise of variance 0.25. Fresh sets give
what is true of a learner, each figure with its Monte-Carlo standard error, and z is its distance
from the figure of another program in combined standard errors. The bootstrap of one set, with the
truth as target, hides much of the variance of 1-NN; its figures are averaged over some sets, with
the standard deviation between them, and z is the distance of the other program's single set.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

import estkit as ek

ROWS, SETS = 400, 400  # of the other program
PARTS = ("bias", "variance")
# The other program's: bias² and variance of fresh sets, then those of the bootstrap of one set.
KNOWN = {
    "1-NN": (KNeighborsRegressor(1), (0.227, 0.798), (0.645, 0.474)),
    "5-NN": (KNeighborsRegressor(5), (0.414, 0.197), (0.579, 0.204)),
    "15-NN": (KNeighborsRegressor(15), (0.649, 0.077), (0.714, 0.082)),
    "OLS": (LinearRegression(), (1.633, 0.048), (1.693, 0.046)),
}


def surface(X: Any) -> Any:
    """Return E(y | X)."""
    return np.sin(2 * X[:, 0]) + X[:, 1] ** 2 / 2 + X[:, 2] * X[:, 3]


def draw(rng: np.random.Generator) -> tuple[Any, Any]:
    """Return a training set."""
    X = rng.normal(size=(ROWS, 5))
    return X, surface(X) + 0.5 * rng.normal(size=ROWS)


def fresh(model: Any, test: Any, rounds: int) -> list[tuple[float, float]]:
    """Return bias² and variance over fresh training sets, each with its standard error."""
    found = ek.bias_variance(model, generate=draw, truth=surface, test=test, rounds=rounds, rng=1)
    return [(found.value(part), found.std_error(part)) for part in PARTS]


def bootstrapped(model: Any, test: Any, sets: int) -> list[tuple[float, float]]:
    """Return the mean of the bootstrap's bias² and variance over some sets, and their spread."""
    found = []
    for seed in range(sets):
        X, y = draw(np.random.default_rng(seed))
        one = ek.bias_variance(model, X, y, truth=surface, test=test, rounds=200, rng=seed)
        found.append([one.value(part) for part in PARTS])
    values = np.array(found)
    return list(zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True))


def main(rounds: int, sets: int) -> int:
    """Print the table; give 1 when a figure is further off than Monte-Carlo error explains."""
    asked = np.random.default_rng(0).normal(size=(ROWS, 5))
    test, farthest = (asked, surface(asked)), 0.0
    print(f"{rounds} fresh training sets: value (standard error) z; bootstrap of each of {sets} "
          f"sets: mean (standard deviation) z")  # fmt: skip
    print(f"{'model':6} {'fresh bias²':>24} {'variance':>24} {'bootstrap bias²':>24} "
          f"{'variance':>24}")  # fmt: skip
    for name, (model, own, again) in KNOWN.items():
        shown = [f"{name:6}"]
        for known, (value, error) in zip(own, fresh(model, test, rounds), strict=True):
            # The other's figure has an error by its own sets, and was rounded.
            z = (value - known) / np.hypot(error * np.sqrt(1 + rounds / SETS), 0.0005 / 3**0.5)
            farthest = max(farthest, abs(z))
            shown.append(f"{value:10.4f} ({error:.4f}) {z:5.1f}")
        for known, (value, spread) in zip(again, bootstrapped(model, test, sets), strict=True):
            z = (known - value) / (spread * np.sqrt(1 + 1 / sets))
            shown.append(f"{value:10.4f} ({spread:.4f}) {z:5.1f}")
        print(" ".join(shown), flush=True)
    print(f"largest |z| of the fresh figures: {farthest:.1f}")
    return int(farthest > 3.5)


if __name__ == "__main__":
    given = [int(value) for value in sys.argv[1:]]
    sys.exit(main(*given, *(400, 20)[len(given) :]))
