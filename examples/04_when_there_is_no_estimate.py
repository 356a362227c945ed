"""What if the maximum does not exist?

Among 12 patients the treatment never failed. Other tools then print a coefficient of 20 with a
standard error in the thousands; here the fit says which column is the reason, and a study counts
how often that happens.
"""

from functools import partial

import numpy as np

import estkit as ek

treated = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
recovered = np.array([0, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1])

try:
    ek.fit(ek.Binomial(), {"treated": treated}, recovered)
except ek.SeparationError as error:
    print(error)

fit = ek.fit(ek.Binomial(), {"treated": treated}, recovered, errors="return")
print()
print("converged:", fit.converged, "- parameters:", fit.params)


def generate(rng: np.random.Generator, replicates: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw trials in which the treatment raises the chance to recover from 0.4 to 0.8."""
    x = np.tile(np.arange(n) % 2, (replicates, 1))
    y = rng.random((replicates, n)) < np.where(x == 1, 0.8, 0.4)
    return x[:, :, None], y


study = ek.Study(
    ek.vectorized(generate),
    {"logit": partial(ek.fit, ek.Binomial())},
    truth={"intercept": np.log(0.4 / 0.6), "x0": np.log(0.8 / 0.2) - np.log(0.4 / 0.6)},
    conditions=ek.grid(n=[12, 24, 96]),
)
result = study.run(1000, rng=1)
print()
print(result.summary("failure_rate").drop_duplicates("n")[["n", "value", "lower", "upper"]])
print()
print(result.summary("bias").query("parameter == 'x0'")[["n", "value", "mcse", "used", "failed"]])
