"""Is my estimator biased, and does its interval cover?

The variance with divisor n underestimates σ² by σ²/n. A study finds that, with an error for
everything it says, and tells whether the popular cure is better.
"""

import numpy as np
from scipy import stats

import estkit as ek


def with_interval(x: np.ndarray) -> ek.Estimate:
    """Return the sample variance with the interval that is exact for normal data."""
    n, variance = len(x), np.var(x, ddof=1)
    upper, lower = stats.chi2.ppf([0.025, 0.975], n - 1)
    limits = {"lower": (n - 1) * variance / lower, "upper": (n - 1) * variance / upper}
    return ek.Estimate(variance, **limits)


def generate(rng: np.random.Generator, law: str, n: int) -> np.ndarray:
    """Draw n numbers with variance 1."""
    if law == "normal":
        return rng.normal(size=n)
    return rng.standard_exponential(n)


study = ek.Study(
    generate,
    {"divisor n": np.var, "divisor n-1": with_interval},
    truth=1.0,
    conditions=ek.grid(law=["normal", "exponential"], n=[10, 40]),
)
result = study.run(2000, rng=1)
print(result)

print()
print("Unbiased, but is it closer to the truth? Difference in mean squared error:")
print(result.contrast("divisor n-1", "divisor n", "mse").drop(columns=["a", "b"]).round(4))
