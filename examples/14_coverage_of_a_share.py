"""Which interval for a share covers as often as it says?

All intervals of `proportion` on the same counts. The coverage is also known exactly, as a sum over
all counts, so the study can be judged itself.
"""

from functools import partial

import numpy as np
from scipy import stats

import estkit as ek

METHODS = ("wald", "wilson", "agresti_coull", "jeffreys", "clopper_pearson", "mid_p")
TRIALS = 20

study = ek.Study(
    ek.vectorized(lambda rng, replicates, p: rng.binomial(TRIALS, p, size=replicates)),
    {
        method: ek.vectorized(partial(ek.proportion, trials=TRIALS, method=method))
        for method in METHODS
    },
    truth=lambda p: p,
    conditions=ek.grid(p=[0.02, 0.1, 0.5]),
)
found = study.run(20_000, rng=1).summary("coverage")


def exact(method: str, p: float) -> float:
    """Return the coverage as a sum over all counts."""
    counts = np.arange(TRIALS + 1)
    share = ek.proportion(counts, TRIALS, method=method)
    hit = (share.lower <= p) & (p <= share.upper)
    return float(stats.binom.pmf(counts, TRIALS, p)[hit].sum())


found["exact"] = [exact(row.estimator, row.p) for row in found.itertuples()]
found["z"] = (found["value"] - found["exact"]) / np.sqrt(
    found["exact"] * (1 - found["exact"]) / found["used"]
)
print(f"Coverage of 95 % intervals for a share, {TRIALS} trials:")
print(found.pivot(index="estimator", columns="p", values="value").loc[list(METHODS)].round(3))
print()
print(
    "largest distance from the exact coverage, in standard errors:", found["z"].abs().max().round(1)
)
