"""How large a sample does my study need?

A formula knows the power of a t test on normal data. Simulation knows that of any method on any
data: here a rank test and a t test on skewed differences. The answer comes with its interval.
"""

import numpy as np
from scipy import stats

import estkit as ek


def skewed(rng: np.random.Generator, replicates: int, n: int, shift: float) -> np.ndarray:
    """Return differences with a long tail to the right and the median `shift`."""
    return rng.exponential(size=(replicates, n)) - np.log(2) + shift


def t_test(x: np.ndarray) -> ek.Estimate:
    """Return the mean, with the interval that goes with the t test of no difference."""
    low, high = stats.ttest_1samp(x, 0.0, axis=-1).confidence_interval()
    return ek.Estimate(x.mean(axis=-1), lower=low, upper=high)


study = ek.Study(
    ek.vectorized(skewed),
    {"t test": ek.vectorized(t_test)},
    truth=lambda shift: 1 - np.log(2) + shift,
    conditions=[{"shift": 0.2}],
)

sample = ek.solve(study, "n", measure="power", target=0.9, rng=1)
print("power 0.9:          ", sample)

precise = ek.solve(study, "n", measure="rmse", target=0.1, rng=1)
print(f"RMSE 0.1:            n = {precise.value}, and the formula 1 / 0.1**2 = 100")

fixed = ek.Study(study.generate, study.estimators, truth=study.truth, conditions=[{"n": 25}])
effect = ek.solve(fixed, "shift", bounds=(0.0, 2.0), target=0.9, rng=1)
print(f"with 25 differences: shift {effect.value:.3f} ({effect.lower:.3f} to {effect.upper:.3f})")

print(f"the answer rests on {len(sample.evaluations)} evaluations, the last of them:")
print(sample.evaluations.tail(4).round(4).to_string(index=False))
