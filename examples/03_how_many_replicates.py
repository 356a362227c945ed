"""How many replicates do I need?

The Monte-Carlo standard error falls with the root of the number of replicates, so a pilot tells how
many a target takes. Nothing of it is lost: the pilot is the beginning of the long run.
"""

import math

import numpy as np

import estkit as ek


def mean_with_error(x: np.ndarray) -> ek.Estimate:
    """Return the mean and its standard error."""
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / math.sqrt(len(x)))


study = ek.Study(
    lambda rng: rng.exponential(size=15),
    {"mean": mean_with_error},
    truth=1.0,
)

pilot = study.run(500, rng=2026)
measured = pilot.summary("coverage").iloc[0]
print(f"pilot: coverage {measured['value']:.3f} with Monte-Carlo error {measured['mcse']:.4f}")

target = 0.003
needed = math.ceil(500 * (measured["mcse"] / target) ** 2)
print(f"an error of {target} takes about {needed} replicates")

full = study.run(needed, rng=2026)
measured = full.summary("coverage").iloc[0]
print(f"run:   coverage {measured['value']:.4f} with Monte-Carlo error {measured['mcse']:.4f}")
print(f"95 % interval of the coverage: {measured['lower']:.4f} to {measured['upper']:.4f}")

same = full.outcomes()["estimate"][:500].equals(pilot.outcomes()["estimate"])
print("the pilot is the beginning of the run:", same)
